"""Compare the samples that gan_ideas.py kept with unseen real images, and print the tables.

    python experiments/gan_ideas_table.py --data ../shared/data --keep results/ideas

Unseen images are those of kermany64.npz and of the test split; for covid, the test split only.
"nearer" is the share of samples that are nearer to the training images than to the same number of
unseen images. The row "unseen images" has this share for other unseen images, which is the value
to aim at. "spread" is the mean over features of the samples' standard deviation, divided by that of
the unseen images.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from gan_ideas import CLASSES
from scipy.spatial.distance import cdist

from skcxr.datasets import load_image_folder
from skcxr.metrics import frechet_distance, kernel_distance, precision_recall_density_coverage
from skcxr.metrics.features import feature_extractor
from skcxr.over_sampling import Candidates
from skcxr.over_sampling._selection import select_rows

FIGURES = (
    "kernel distance",
    "Frechet distance",
    "coverage",
    "density",
    "spread",
    "nearer",
    "CPU s",
)


class Reference:
    """The real images of one class that samples are compared with."""

    def __init__(self, train, unseen):
        self.images = train
        self.extractor = feature_extractor("cxr", train)
        self.train = self.extractor(train)
        unseen = self.extractor(unseen)
        self.unseen = unseen[np.random.default_rng(0).permutation(len(unseen))]
        self.mean = self.unseen.mean(0)
        self.deviation = self.unseen.std(0) + 1e-9

    def standardize(self, features):
        return (features - self.mean) / self.deviation

    def measure(self, features):
        """Return the figures of one set of samples by name."""
        unseen = self.unseen
        n = min(len(features), len(unseen))
        train = self.standardize(self.train)
        others = self.standardize(unseen[: len(self.train)])
        fake = self.standardize(features)
        nearer = cdist(fake, train).min(1) < cdist(fake, others).min(1)
        # The same number of each, because coverage grows with the number of samples.
        few = precision_recall_density_coverage(unseen[:n][:300], features[:300], min(5, n - 1))
        return {
            "kernel distance": kernel_distance(unseen, features, n_permutations=0).value,
            "Frechet distance": frechet_distance(unseen, features),
            "coverage": few.coverage,
            "density": few.density,
            "spread": (features.std(0) / self.deviation).mean(),
            "nearer": nearer.mean() if len(unseen) > 2 * len(self.train) else np.nan,
        }


def load_references(data):
    """Return the Reference of each class."""
    images = load_image_folder(data / "covid_cxr", image_size=64)
    y = images.target_names[images.target]
    more = np.load(data / "kermany64.npz")
    references = {}
    for k in np.unique(y):
        train = images.images[(images.split == "train") & (y == k)]
        test = images.images[(images.split == "test") & (y == k)]
        references[k] = Reference(train, np.concatenate([test, more["X"][more["y"] == k]]))
    return references


def measure_real(k, reference):
    """Return rows of the training images of class `k` and, if there are enough, of unseen ones."""
    features = reference.train
    row = {"idea": "training images", "class": k, "trained": "real images"}
    rows = [row | reference.measure(features) | {"nearer": np.nan}]
    if len(reference.unseen) > 300:
        others = reference.unseen[len(features) : len(features) + 300]
        row = {"idea": "unseen images", "class": k, "trained": "real images"}
        rows.append(row | {"nearer": reference.measure(others)["nearer"]})
    return rows


def measure_run(path, references, selects):
    """Return one row per set of samples in the file of a run."""
    *idea, k, _, width, steps = path.stem.split(", ")
    idea = ", ".join(idea)
    run = np.load(path)
    sets = {name: run[name] for name in ("samples", "averaged", "chosen") if name in run}
    if selects:
        sets |= select_quarters(selects, run["samples"], references[k].images)
    rows = []
    for name, images in sets.items():
        row = {
            "idea": idea if name == "samples" else f"{idea} ({name})",
            "class": k,
            "trained": f"{steps} steps of networks of width {width}",
        }
        figures = references[k].measure(references[k].extractor(images))
        rows.append(row | figures | {"CPU s": float(run["seconds"])})
    return rows


def select_quarters(selects, images, real):
    """Return a quarter of `images` by each selection, and the first quarter for comparison."""
    n = len(images) // 4
    images = images.reshape(-1, *real.shape[1:])
    candidates = Candidates(images, real, None, None, 0)
    quarters = {"the first quarter": images[:n]}
    for select in selects:
        quarters[select] = images[select_rows(select, candidates, n)]
    return quarters


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of covid_cxr/ and kermany64.npz")
    add("--keep", type=Path, required=True, help="folder of the samples")
    add("--classes", nargs="*", help="print only these classes")
    add("--seeds", nargs="*", help="read only the runs of these seeds")
    add(
        "--select",
        nargs="*",
        default=[],
        help='also measure a quarter of the samples by these selections, such as "distinct"',
    )
    add("--summary", action="store_true", help="print means over classes")
    add("--wide", action="store_true", help="print one row per idea")
    args = parser.parse_args()
    references = load_references(args.data)
    rows = []
    for k, reference in references.items():
        rows.extend(measure_real(k, reference))
    for path in sorted(args.keep.glob("*.npz")):
        seed = path.stem.split(", ")[-3]
        if not args.seeds or seed in args.seeds:
            rows.extend(measure_run(path, references, args.select))
    table = pd.DataFrame(rows)
    figures = [name for name in FIGURES if name in table]
    for trained, part in table.groupby("trained"):
        print(f"\n{trained}\n")
        if args.classes:
            part = part[part["class"].isin(args.classes)]
        mean = part.groupby(["idea", "class"])[figures].mean()
        if args.summary:
            # All classes have the same weight.
            mean = mean.groupby("idea").mean()
        elif args.wide:
            mean = widen(mean)
        else:
            spread = part.groupby(["idea", "class"])["kernel distance"].agg(["min", "max", "size"])
            mean = mean.join(spread.rename(columns={"size": "runs"}))
        print(mean.reset_index().round(2).to_markdown(index=False))


def widen(mean):
    """Return one row per idea, with the figures of all classes in the order of CLASSES.

    Ideas are sorted by the geometric mean of their kernel distances, because these differ between
    classes by a factor of ten.
    """
    by_class = mean.unstack("class").reindex(columns=CLASSES, level="class")
    order = np.log(by_class["kernel distance"].clip(lower=0.01)).mean(axis=1).sort_values().index
    columns = {
        figure: by_class[figure].apply(join_figures, axis=1)
        for figure in ("kernel distance", "Frechet distance", "coverage", "nearer")
    }
    columns["CPU s"] = mean["CPU s"].groupby("idea").mean()
    return pd.DataFrame(columns).loc[order]


def join_figures(figures):
    return ", ".join("" if np.isnan(figure) else f"{figure:.2f}" for figure in figures)


if __name__ == "__main__":
    main()
