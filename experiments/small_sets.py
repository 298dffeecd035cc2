"""Measure whether GANs that are trained on small sets help a classifier.

    python experiments/small_sets.py imbalanced --data ../shared/data --keep results/small_sets
    python experiments/small_sets.py balanced --data ../shared/data --keep results/small_sets

There are four studies. "imbalanced" has ten images of one class and all training images of the
others, for each class in turn, in five draws that share no image of the ten; it tests on unseen
radiographs. "balanced" has the 270 training images in four folds, five times, with a patient's
images in one fold. "select" has the GANs of "balanced" and each way to choose among their samples.
"ratio" has the same GANs and fewer or more samples.

GANs are trained first. GANs and fits are kept, and a script that was stopped resumes.
small_sets_samples.py measures what the samples are like.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
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
from skcxr.over_sampling import ImageSMOTE, grow
from skcxr.over_sampling._duplicates import DuplicateOversampler
from skcxr.over_sampling._selection import SELECTIONS

CLASSES = ("covid", "normal", "pneumonia_bac", "pneumonia_vir")
FEW = 10  # real images of the rare class
MANY = 70  # its images after over-sampling
DRAWS = 5


def build_gan(args, **params):
    """Return a default GAN of another width and another number of steps, with `params`."""
    return DCGAN(
        base_width=args.width,
        lr=2e-4 * 64 / args.width,
        max_epochs=20,
        steps_per_epoch=args.steps // 20,
        precision="bfloat16",
        device="cpu",
        **params,
    )


class CachedGAN(BaseEstimator):
    """A GAN that is trained only once for the same images and seed."""

    def __init__(self, gan, folder, random_state=None):
        self.gan = gan
        self.folder = folder
        self.random_state = random_state

    def fit(self, X, y=None):
        gan = clone(self.gan).set_params(random_state=self.random_state)
        self.gan_ = Memory(self.folder, verbose=0).cache(fit_gan)(gan, X)
        return self

    def sample(self, n_samples, random_state=None):
        return self.gan_.sample(n_samples, random_state=random_state)

    def decision_function(self, X):
        return self.gan_.decision_function(X)


def fit_gan(gan, X):
    return gan.fit(X)


def draw(sampler, X, y):
    """Return the rows that `sampler` adds, and their classes."""
    X_new, y_new = clone(sampler).fit_resample(X, y)
    return X_new[len(X) :], y_new[len(X) :]


def cache_draw(folder):
    """Return :func:`draw` with its results cached in `folder`."""
    return Memory(folder, verbose=0).cache(draw)


class CachedSampler(BaseEstimator):
    """A sampler whose GANs are trained only once; it adds every `step`-th of their samples."""

    def __init__(self, sampler, folder, step=1):
        self.sampler = sampler
        self.folder = folder
        self.step = step

    def fit_resample(self, X, y):
        samples, labels = cache_draw(self.folder)(self.sampler, X, y)
        step = self.step
        return np.concatenate([X, samples[::step]]), np.concatenate([y, labels[::step]])


def build_pipeline(sampler, clf):
    return Pipeline([("sampler", sampler), ("clf", clf)])


def train_gans(args, tasks):
    """Return the result of :func:`draw` for each (sampler, X, y), and cache it."""
    tasks = (delayed(cache_draw(args.keep / "gans"))(*task) for task in tasks)
    return Parallel(n_jobs=args.jobs, verbose=5, pre_dispatch="n_jobs")(tasks)


def compare_imbalanced(args, images):
    """Bring the ten images of a class to 70 in each way, and measure how many of it are found."""
    X, y, *_ = images
    results = []
    for k in CLASSES:
        splits = list(draw_few(k, *images))
        options = {"sampling_strategy": {k: MANY}, "random_state": 0}
        gan = build_gan(args)
        samplers = {
            "default GAN": DCGANOversampler(gan, **options),
            "pooled": DCGANOversampler(gan, pretrain="pooled", fine_tune_epochs=10, **options),
            "conditional": ConditionalDCGANOversampler(gan, **options),
        }
        train_gans(args, [(s, X[rows], y[rows]) for rows, _ in splits for s in samplers.values()])
        clf = CXRClassifier(random_state=0, device="cpu")
        arms = {
            "classic": clf,
            "class weights": clone(clf).set_params(class_weight="balanced"),
            "duplicates": build_pipeline(DuplicateOversampler(**options), clf),
            "SMOTE on pixels": build_pipeline(ImageSMOTE(**options), clf),
        }
        for name, sampler in samplers.items():
            arms[name] = build_pipeline(CachedSampler(sampler, args.keep / "gans"), clf)
        half = CachedSampler(samplers["conditional"], args.keep / "gans", step=2)
        arms["half conditional, then SMOTE"] = make_pipeline(half, ImageSMOTE(**options), clf)
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
        table = comparison.results.pivot(index=["arm", "fold"], columns="metric", values="value")
        columns = {f"sensitivity[{k}]": "sensitivity", "balanced_accuracy": "balanced accuracy"}
        table = table[list(columns)].rename(columns=columns).reindex(list(arms), level="arm")
        results.append(table.reset_index().assign(minority=k))
        pd.concat(results).to_csv(args.keep / "imbalanced.csv", index=False)
        print(describe_imbalanced(pd.concat(results), args.against), flush=True)


def draw_few(k, X, y, groups, train):
    """Yield training and test rows of each draw of FEW images of class `k`."""
    rng = np.random.default_rng(0)
    of_class = rng.permutation(np.flatnonzero(train & (y == k)))
    others = np.flatnonzero(train & (y != k))
    unseen = [rng.permutation(np.flatnonzero(~train & (y == j)))[:300] for j in CLASSES]
    for few in of_class[: FEW * DRAWS].reshape(DRAWS, FEW):
        # Training images that were not drawn are tested on, if they are of other patients.
        left = np.setdiff1d(of_class, few)
        left = left[~np.isin(groups[left], groups[few])]
        yield np.concatenate([others, few]), np.concatenate([left, *unseen])


def describe_imbalanced(results, against):
    """Return tables of the figures and their paired differences to the arms `against`."""
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
                    interval = corrected_interval(by_draw[arm] - by_draw[other], 0)
                    row[f"{figure} - {other}"] = "{:+.3f} ({:+.3f} to {:+.3f})".format(*interval)
        text.append(f"{k}\n\n" + pd.DataFrame(rows).T.to_markdown())
    return "\n\n".join(text)


def prepare_folds(args, images):
    """Return training images, their classes, the splits, and a sampler whose GANs are trained."""
    X, y, groups, train = images
    X = X[train]
    y = y[train]
    groups = groups[train]
    splits = [
        split
        for seed in range(args.repeats)
        for split in StratifiedGroupKFold(4, shuffle=True, random_state=seed).split(X, y, groups)
    ]
    gan = CachedGAN(build_gan(args), args.keep / "gans")
    sampler = DCGANOversampler(gan, sampling_strategy=grow(2), random_state=0)
    train_gans(args, [(sampler, X[rows], y[rows]) for rows, _ in splits])
    return X, y, splits, sampler


def compare_arms(args, arms, X, y, splits):
    """Compare the arms with the first one; write, print and return the comparison."""
    comparison = compare(
        arms, X, y, cv=splits, n_jobs=args.jobs, memory=args.keep / "fits", verbose=1
    )
    comparison.to_csv(args.keep / f"{args.study}.csv")
    print(comparison.to_markdown(), flush=True)
    return comparison


def build_control(factor, clf):
    """Return the control: as many duplicates as a GAN would add synthetic images."""
    sampler = DuplicateOversampler(sampling_strategy=grow(factor), random_state=0)
    return build_pipeline(sampler, clf)


def compare_balanced(args, images):
    """Compare synthetic images with duplicates and with blends of real images."""
    X, y, splits, sampler = prepare_folds(args, images)
    clf = CXRClassifier(random_state=0, device="cpu")
    smote = ImageSMOTE(sampling_strategy=grow(2), random_state=0)
    arms = {
        "classic": clf,
        "duplicates": build_control(2, clf),
        "SMOTE on pixels": build_pipeline(smote, clf),
        "default GAN": build_pipeline(sampler, clf),
    }
    comparison = compare_arms(args, arms, X, y, splits)
    print(comparison.only(list(arms)[1:]).against("duplicates").to_markdown())


def compare_selections(args, images):
    """Compare ways to choose one of four samples of the same GANs."""
    X, y, splits, sampler = prepare_folds(args, images)
    clf = CXRClassifier(random_state=0, device="cpu")
    arms = {
        "classic": clf,
        "duplicates": build_control(2, clf),
        "default GAN": build_pipeline(sampler, clf),
    }
    for name in SELECTIONS:
        arms[name] = build_pipeline(clone(sampler).set_params(select=name), clf)
    comparison = compare_arms(args, arms, X, y, splits)
    print(comparison.only(list(arms)[1:]).against("duplicates").to_markdown())


def compare_ratios(args, images):
    """Compare numbers of synthetic images of the same GANs, each with as many duplicates."""
    X, y, splits, sampler = prepare_folds(args, images)
    clf = CXRClassifier(random_state=0, device="cpu")
    factors = (1.25, 4)
    arms = {"classic": clf}
    for factor in factors:
        arms[f"duplicates x{factor}"] = build_control(factor, clf)
        grown = clone(sampler).set_params(sampling_strategy=grow(factor))
        arms[f"default GAN x{factor}"] = build_pipeline(grown, clf)
    comparison = compare_arms(args, arms, X, y, splits)
    for factor in factors:
        control, arm = f"duplicates x{factor}", f"default GAN x{factor}"
        print(comparison.only([control, arm]).against(control).to_markdown())


def main(studies, description):
    """Run the study that the command line names, of the functions `studies`."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("study", choices=list(studies))
    add("--data", type=Path, required=True, help="folder of covid_cxr/ and kermany64.npz")
    add("--keep", type=Path, required=True, help="folder of GANs and results, resumed from")
    add("--width", type=int, default=16, help="base_width of the networks")
    add("--steps", type=int, default=500, help="training steps of a GAN")
    add("--repeats", type=int, default=5, help="number of times that the 270 images are folded")
    add(
        "--against",
        nargs="+",
        default=["classic", "duplicates"],
        help="imbalanced: the arms that all others are compared with",
    )
    add("--jobs", type=int, default=2, help="number of processes")
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
    # Workers and caches find functions by their module's name, which would be "__main__" here.
    import small_sets

    studies = {
        "imbalanced": small_sets.compare_imbalanced,
        "balanced": small_sets.compare_balanced,
        "select": small_sets.compare_selections,
        "ratio": small_sets.compare_ratios,
    }
    small_sets.main(studies, __doc__)
