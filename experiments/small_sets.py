"""Do GANs on small sets help a classifier? The studies of docs/results.md.

    python experiments/small_sets.py imbalanced --data ../shared/data --keep results/small_sets
    python experiments/small_sets.py balanced --data ../shared/data --keep results/small_sets

"imbalanced": ten images of one class against all training images of the others, each class in turn,
five draws of ten that share no image; tested on radiographs that were not trained on. "balanced":
the 270 training images in four folds, five times, a patient's images in one fold; "select": its
GANs, with each way to choose among their samples; "ratio": with fewer or more of them. GANs are
trained first and kept, and each fit is, so that a killed script goes on. What the samples are like:
small_sets_samples.py.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import Pipeline, make_pipeline
from joblib import Memory, Parallel, delayed
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import StratifiedGroupKFold

from skcxr import (
    DCGAN,
    ConditionalDCGANOversampler,
    CXRClassifier,
    DCGANOversampler,
)
from skcxr.datasets import load_image_folder
from skcxr.evaluation import compare
from skcxr.metrics import corrected_interval
from skcxr.over_sampling import grow
from skcxr.over_sampling._duplicates import DuplicateOversampler
from skcxr.over_sampling._selection import SELECTIONS

CLASSES = ("covid", "normal", "pneumonia_bac", "pneumonia_vir")
FEW, MANY, DRAWS = 10, 70, 5


def gan_of(args, **params):
    """A default GAN, but for its width and its steps, and `params`."""
    return DCGAN(
        base_width=args.width,
        lr=2e-4 * 64 / args.width,
        max_epochs=20,
        steps_per_epoch=args.steps // 20,
        precision="bfloat16",
        device="cpu",
        **params,
    )


class KeptGAN(BaseEstimator):
    """A GAN that is trained once for the same images and seed, whoever asks."""

    def __init__(self, gan, folder, random_state=None):
        self.gan = gan
        self.folder = folder
        self.random_state = random_state

    def fit(self, X, y=None):
        gan = clone(self.gan).set_params(random_state=self.random_state)
        self.gan_ = Memory(self.folder, verbose=0).cache(fitted)(gan, X)
        return self

    def sample(self, n_samples, random_state=None):
        return self.gan_.sample(n_samples, random_state=random_state)

    def decision_function(self, X):
        return self.gan_.decision_function(X)


def fitted(gan, X):
    return gan.fit(X)


def draw(sampler, X, y):
    """The rows that `sampler` adds, and their classes."""
    X_new, y_new = clone(sampler).fit_resample(X, y)
    return X_new[len(X) :], y_new[len(X) :]


def kept_draw(folder):
    """:func:`draw` with its results kept in `folder`."""
    return Memory(folder, verbose=0).cache(draw)


class Keeping(BaseEstimator):
    """A sampler whose GANs are trained once; of its samples every `step`-th is used."""

    def __init__(self, sampler, folder, step=1):
        self.sampler = sampler
        self.folder = folder
        self.step = step

    def fit_resample(self, X, y):
        drawn, labels = kept_draw(self.folder)(self.sampler, X, y)
        step = self.step
        return np.concatenate([X, drawn[::step]]), np.concatenate([y, labels[::step]])


def beside(sampler, clf):
    return Pipeline([("sampler", sampler), ("clf", clf)])


def train_gans(args, tasks):
    """What :func:`draw` returns for each (sampler, X, y), before anything else needs it."""
    tasks = (delayed(kept_draw(args.keep / "gans"))(*task) for task in tasks)
    return Parallel(n_jobs=args.jobs, verbose=5, pre_dispatch="n_jobs")(tasks)


def imbalanced(args, images):
    """Rows of a table: class, arm, draw, sensitivity, balanced accuracy."""
    X, y, *_ = images
    results = []
    for k in CLASSES:
        splits = list(few_of(k, *images))
        filled = {"sampling_strategy": {k: MANY}, "random_state": 0}
        gan = gan_of(args)
        samplers = {
            "default GAN": DCGANOversampler(gan, **filled),
            "pooled": DCGANOversampler(gan, pretrain="pooled", fine_tune_epochs=10, **filled),
            "conditional": ConditionalDCGANOversampler(gan, **filled),
        }
        train_gans(args, [(s, X[rows], y[rows]) for rows, _ in splits for s in samplers.values()])
        clf = CXRClassifier(random_state=0, device="cpu")
        weighted = clone(clf).set_params(class_weight="balanced")
        kept = {name: Keeping(s, args.keep / "gans") for name, s in samplers.items()}
        arms = {
            "classic": clf,
            "class weights": weighted,
            "duplicates": beside(DuplicateOversampler(**filled), clf),
            "SMOTE on pixels": beside(SMOTE(**filled), clf),
            **{name: beside(sampler, clf) for name, sampler in kept.items()},
            "half conditional, then SMOTE": make_pipeline(
                Keeping(samplers["conditional"], args.keep / "gans", step=2), SMOTE(**filled), clf
            ),
        }
        comparison = compare(
            arms,
            X,
            y,
            cv=splits,
            scoring="balanced_accuracy",
            n_jobs=args.jobs,
            memory=args.keep / "fits",
            verbose=1,
        )
        found = comparison.results.pivot(index=["arm", "fold"], columns="metric", values="value")
        columns = {f"sensitivity[{k}]": "sensitivity", "balanced_accuracy": "balanced accuracy"}
        found = found[list(columns)].rename(columns=columns).reindex(list(arms), level="arm")
        results.append(found.reset_index().assign(minority=k))
        pd.concat(results).to_csv(args.keep / "imbalanced.csv", index=False)
        print(of_imbalanced(pd.concat(results), args.against), flush=True)


def few_of(k, X, y, groups, train):
    """Training and test rows of each draw of FEW images of class `k`."""
    rng = np.random.default_rng(0)
    of_class = rng.permutation(np.flatnonzero(train & (y == k)))
    others = np.flatnonzero(train & (y != k))
    unseen = [rng.permutation(np.flatnonzero(~train & (y == j)))[:300] for j in CLASSES]
    for few in of_class[: FEW * DRAWS].reshape(DRAWS, FEW):
        # Also the training images that were not drawn, of other patients.
        left = np.setdiff1d(of_class, few)
        left = left[~np.isin(groups[left], groups[few])]
        yield np.concatenate([others, few]), np.concatenate([left, *unseen])


def of_imbalanced(results, against):
    """Sensitivity of the class of few, and paired differences over draws to the arms `against`."""
    text = []
    mean = results.groupby(["arm", "fold"], sort=False)[["sensitivity", "balanced accuracy"]].mean()
    all_classes = mean.reset_index().assign(minority="all, mean")
    for k, part in pd.concat([results, all_classes]).groupby("minority", sort=False):
        rows = {}
        for figure in ("sensitivity", "balanced accuracy"):
            by_draw = part.pivot(index="fold", columns="arm", values=figure)
            for arm in part["arm"].unique():
                row = rows.setdefault(arm, {})
                row[figure] = f"{by_draw[arm].mean():.3f}"
                for other in against:
                    found = corrected_interval(by_draw[arm] - by_draw[other], 0)
                    row[f"{figure} - {other}"] = "{:+.3f} ({:+.3f} to {:+.3f})".format(*found)
        text.append(f"{k}\n\n" + pd.DataFrame(rows).T.to_markdown())
    return "\n\n".join(text)


def in_folds(args, images):
    """Training images, their classes, splits of them, and a sampler of GANs trained for each."""
    X, y, groups = (array[images[3]] for array in images[:3])
    splits = [
        split
        for seed in range(args.repeats)
        for split in StratifiedGroupKFold(4, shuffle=True, random_state=seed).split(X, y, groups)
    ]
    gan = KeptGAN(gan_of(args), args.keep / "gans")
    sampler = DCGANOversampler(gan, sampling_strategy=grow(2), random_state=0)
    train_gans(args, [(sampler, X[rows], y[rows]) for rows, _ in splits])
    return X, y, splits, sampler


def compared(args, arms, X, y, splits):
    """The comparison of the arms; the first is the baseline."""
    comparison = compare(
        arms, X, y, cv=splits, n_jobs=args.jobs, memory=args.keep / "fits", verbose=1
    )
    comparison.to_csv(args.keep / f"{args.study}.csv")
    print(comparison.to_markdown(), flush=True)
    return comparison


def duplicated(factor, clf):
    return beside(DuplicateOversampler(sampling_strategy=grow(factor), random_state=0), clf)


def balanced(args, images):
    """Compare synthetic images with what else can be added."""
    X, y, splits, sampler = in_folds(args, images)
    clf = CXRClassifier(random_state=0, device="cpu")
    arms = {
        "classic": clf,
        "duplicates": duplicated(2, clf),
        "SMOTE on pixels": beside(SMOTE(sampling_strategy=grow(2), random_state=0), clf),
        "default GAN": beside(sampler, clf),
    }
    comparison = compared(args, arms, X, y, splits)
    print(comparison.only(list(arms)[1:]).against("duplicates").to_markdown())


def select(args, images):
    """The same GANs, and four samples to choose from for each that is kept."""
    X, y, splits, sampler = in_folds(args, images)
    clf = CXRClassifier(random_state=0, device="cpu")
    arms = {
        "classic": clf,
        "duplicates": duplicated(2, clf),
        "default GAN": beside(sampler, clf),
        **{name: beside(clone(sampler).set_params(select=name), clf) for name in SELECTIONS},
    }
    comparison = compared(args, arms, X, y, splits)
    print(comparison.only(list(arms)[1:]).against("duplicates").to_markdown())


def ratio(args, images):
    """The same GANs, and fewer synthetic images than real ones, or more."""
    X, y, splits, sampler = in_folds(args, images)
    clf = CXRClassifier(random_state=0, device="cpu")
    arms, factors = {"classic": clf}, (1.25, 4)
    for factor in factors:
        grown = clone(sampler).set_params(sampling_strategy=grow(factor))
        arms[f"duplicates x{factor}"] = duplicated(factor, clf)
        arms[f"default GAN x{factor}"] = beside(grown, clf)
    comparison = compared(args, arms, X, y, splits)
    for factor in factors:
        control, arm = f"duplicates x{factor}", f"default GAN x{factor}"
        print(comparison.only([control, arm]).against(control).to_markdown())


def main(studies, description):
    """Run the one of `studies` that the command line names."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("study", choices=list(studies))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--keep", type=Path, required=True)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=5, help="of the balanced study's folds")
    parser.add_argument(
        "--against",
        nargs="+",
        default=["classic", "duplicates"],
        help="arms of the imbalanced study that the others are compared with",
    )
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.keep.mkdir(parents=True, exist_ok=True)
    folder = args.data / "covid_cxr"
    images = load_image_folder(folder, image_size=64, groups=folder / "metadata.csv")
    more = np.load(args.data / "kermany64.npz")
    X = np.concatenate([images.data, more["X"].reshape(len(more["X"]), -1)])
    y = np.concatenate([images.target_names[images.target], more["y"]])
    groups = np.concatenate([np.asarray(images.groups).astype(str), more["groups"].astype(str)])
    train = np.arange(len(y)) < len(images.data)
    train[: len(images.data)] = images.split == "train"
    studies[args.study](args, (X, y, groups, train))


if __name__ == "__main__":
    # Workers and caches know functions by their module, which here would be "__main__".
    import small_sets as this

    studies = (this.imbalanced, this.balanced, this.select, this.ratio)
    this.main({study.__name__: study for study in studies}, __doc__)
