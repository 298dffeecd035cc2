"""The figures of experiments/gan_ideas.py: its samples against unseen real images.

    python experiments/gan_ideas_table.py --data ../shared/data --keep results/ideas

Unseen are the radiographs of kermany64.npz and the test split's, for covid the latter alone.
"nearer" is the share of samples that lie nearer to the training images than to as many unseen ones,
which ought to be what it is for other unseen images, in the row "real"; "spread" the mean over
features of the samples' standard deviation, in that of the unseen images.
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


class Yardstick:
    """What the samples of one class are compared with."""

    def __init__(self, train, unseen):
        self.images = train
        self.extractor = feature_extractor("cxr", train)
        unseen = self.extractor(unseen)
        order = np.random.default_rng(0).permutation(len(unseen))
        self.unseen, self.train = unseen[order], self.extractor(train)
        self.mean, self.deviation = self.unseen.mean(0), self.unseen.std(0) + 1e-9

    def standard(self, features):
        return (features - self.mean) / self.deviation

    def measure(self, features):
        unseen, n = self.unseen, min(len(features), len(self.unseen))
        train, others = self.standard(self.train), self.standard(unseen[: len(self.train)])
        fake = self.standard(features)
        nearer = cdist(fake, train).min(1) < cdist(fake, others).min(1)
        # As many of each, since coverage grows with the samples.
        few = precision_recall_density_coverage(unseen[:n][:300], features[:300], min(5, n - 1))
        return {
            "kernel distance": kernel_distance(unseen, features, n_permutations=0).value,
            "Frechet distance": frechet_distance(unseen, features),
            "coverage": few.coverage,
            "density": few.density,
            "spread": (features.std(0) / self.deviation).mean(),
            "nearer": nearer.mean() if len(unseen) > 2 * len(self.train) else np.nan,
        }


def yardsticks(data):
    images = load_image_folder(data / "covid_cxr", image_size=64)
    y, more = images.target_names[images.target], np.load(data / "kermany64.npz")
    for k in np.unique(y):
        train, test = (images.images[(images.split == s) & (y == k)] for s in ("train", "test"))
        yield k, train, Yardstick(train, np.concatenate([test, more["X"][more["y"] == k]]))


def selected(selects, images, stick):
    """A quarter of `images` by each of `selects`, and the first quarter to compare with."""
    if not selects:
        return {}
    real, n = stick.images, len(images) // 4
    images = images.reshape(-1, *real.shape[1:])
    candidates = Candidates(images, real, None, None, 0)
    by_name = {select: images[select_rows(select, candidates, n)] for select in selects}
    return {"the first quarter": images[:n], **by_name}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--keep", type=Path, required=True)
    parser.add_argument("--classes", nargs="*", help="these alone")
    parser.add_argument("--seeds", nargs="*", help="these alone")
    parser.add_argument(
        "--select", nargs="*", default=[], help="a quarter of the samples, by these"
    )
    parser.add_argument("--summary", action="store_true", help="means over classes")
    parser.add_argument("--wide", action="store_true", help="one row an idea")
    args = parser.parse_args()
    rows, sticks = [], {}
    for k, train, stick in yardsticks(args.data):
        sticks[k] = stick
        features = stick.train
        rows.append({"idea": "training images", "class": k, "trained": "real images"})
        rows[-1] |= stick.measure(features) | {"nearer": np.nan}
        if len(stick.unseen) > 300:
            half = stick.unseen[len(train) : len(train) + 300]
            rows.append({"idea": "unseen images", "class": k, "trained": "real images"})
            rows[-1] |= {"nearer": stick.measure(half)["nearer"]}
    for path in sorted(args.keep.glob("*.npz")):
        *idea, k, seed, width, steps = path.stem.split(", ")
        if args.seeds and seed not in args.seeds:
            continue
        kept = np.load(path)
        sets = {name: kept[name] for name in ("samples", "averaged", "chosen") if name in kept}
        sets |= selected(args.select, kept["samples"], sticks[k])
        for name, images in sets.items():
            idea_name = ", ".join(idea) + (f" ({name})" if name != "samples" else "")
            trained = f"{steps} steps of networks of width {width}"
            rows.append({"idea": idea_name, "class": k, "trained": trained})
            rows[-1] |= sticks[k].measure(sticks[k].extractor(images))
            rows[-1]["CPU s"] = float(kept["seconds"])
    table = pd.DataFrame(rows)
    figures = [name for name in FIGURES if name in table]
    for trained, part in table.groupby("trained"):
        print(f"\n{trained}\n")
        if args.classes:
            part = part[part["class"].isin(args.classes)]
        mean = part.groupby(["idea", "class"])[figures].mean()
        if args.summary:
            # Every class counts alike.
            mean = mean.groupby("idea").mean()
        elif args.wide:
            mean = wide(mean)
        else:
            spread = part.groupby(["idea", "class"])["kernel distance"].agg(["min", "max", "size"])
            mean = mean.join(spread.rename(columns={"size": "runs"}))
        print(mean.reset_index().round(2).to_markdown(index=False))


def wide(mean):
    """One row an idea: its figures in the order of CLASSES, the nearest to unseen images first.

    Ideas are ordered by the geometric mean of their kernel distances, since these differ among
    classes by a factor of ten.
    """
    by_class = mean.unstack("class").reindex(columns=CLASSES, level="class")
    order = np.log(by_class["kernel distance"].clip(lower=0.01)).mean(axis=1).sort_values().index
    columns = {
        figure: by_class[figure].apply(_in_one_cell, axis=1)
        for figure in ("kernel distance", "Frechet distance", "coverage", "nearer")
    }
    return pd.DataFrame(columns | {"CPU s": mean["CPU s"].groupby("idea").mean()}).loc[order]


def _in_one_cell(figures):
    return ", ".join("" if np.isnan(figure) else f"{figure:.2f}" for figure in figures)


if __name__ == "__main__":
    main()
