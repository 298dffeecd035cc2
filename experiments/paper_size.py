"""Repeat the paper's experiment at its size: width 64, 6,800 steps, four classes, four folds.

    python experiments/paper_size.py gans --data ../shared/data --keep results/paper_size
    python experiments/paper_size.py classify --data ../shared/data --keep results/paper_size

``gans`` trains one GAN per class on the training images of a part: one of four plain folds, or all
270 images. It keeps three synthetic images per real one. ``classify`` trains both recipes of the
classifier on real images, on duplicates and on synthetic images, twice as many as there are real
ones, and keeps the predictions of held-out images: those of the fold, or, where the GANs saw all
270, the paper's 36 test images and radiographs of other patients. Both resume where they were
stopped, and both end after ``--seconds``.
"""

import argparse
import itertools
import os
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import StratifiedKFold

from skcxr import DCGAN, CXRClassifier, DCGANOversampler
from skcxr.datasets import load_image_folder
from skcxr.over_sampling import grow

RECIPES = {"paper": DCGAN.paper, "default": DCGAN}
CLASSIFIERS = {"paper": CXRClassifier.paper, "default": CXRClassifier}
PARTS = ("0", "1", "2", "3", "all")
SAMPLES_PER_IMAGE = 3


def load_images(data):
    """Return the 306 radiographs at 64x64: images, class names, file names and split."""
    images = load_image_folder(data / "covid_cxr", image_size=64)
    return images.images, images.target_names[images.target], images.filenames, images.split


def select_part(part, seed, y, split):
    """Return the rows to train on and the rows to test on."""
    train = np.flatnonzero(split == "train")
    if part == "all":
        return train, np.flatnonzero(split == "test")
    folds = StratifiedKFold(4, shuffle=True, random_state=seed).split(train, y[train])
    fitted, held_out = next(itertools.islice(folds, int(part), None))
    return train[fitted], train[held_out]


def train_gans(args):
    """Train the GANs of each recipe, seed and part, and keep their images."""
    X, y, _, split = load_images(args.data)
    end = time.monotonic() + args.seconds
    longest = 0.0
    for seed, recipe, part in itertools.product(args.seeds, args.recipes, args.parts):
        file = args.keep / f"{recipe}-seed{seed}-{part}.npz"
        if file.exists():
            continue
        # A part that would not end in time would be lost.
        if time.monotonic() + longest > end:
            return
        start = time.monotonic()
        rows, _ = select_part(part, seed, y, split)
        gan = RECIPES[recipe](device=args.device, verbose=args.verbose)
        if args.steps:
            gan.set_params(max_epochs=1, steps_per_epoch=args.steps, base_width=8)
        # joblib's "auto" parallelism: on a GPU all classes at once, on a CPU one after the other.
        strategy = grow(1 + SAMPLES_PER_IMAGE)
        sampler = DCGANOversampler(gan, sampling_strategy=strategy, random_state=seed)
        X_new, y_new = sampler.fit_resample(X[rows], y[rows])
        seconds = time.monotonic() - start
        longest = max(longest, seconds)
        histories = [
            fitted.history_.assign(label=label) for label, fitted in sampler.estimators_.items()
        ]
        pd.concat(histories).to_csv(file.with_suffix(".csv"), index=False)
        synthetic = sampler.synthetic_mask_
        np.savez_compressed(
            file, X=X_new[synthetic], y=y_new[synthetic].astype(str), seconds=seconds
        )
        print(f"{file.name}: {seconds:.1f} s", flush=True)


def build_arms(X, y, synthetic, rng):
    """Return the training images and labels of each arm; all but classic are twice as many."""
    duplicates = []
    added = []
    for label in np.unique(y):
        rows = np.flatnonzero(y == label)
        duplicates.append(rng.permutation(rows))
        of_class = np.flatnonzero(synthetic["y"] == label)
        added.append(rng.choice(of_class, len(rows), replace=False))
    duplicates = np.concatenate(duplicates)
    added = np.concatenate(added)
    return {
        "classic": (X, y),
        "duplicates": (np.concatenate([X, X[duplicates]]), np.concatenate([y, y[duplicates]])),
        "synthetic": (
            np.concatenate([X, synthetic["X"][added]]),
            np.concatenate([y, synthetic["y"][added]]),
        ),
    }


def predict(name, classifier, seed, train, tests):
    """Fit one classifier and return its predictions of each test set, as one table."""
    torch.set_num_threads(1)
    fitted = classifier.fit(*train)
    tables = []
    for test, (X, y, names) in tests.items():
        proba = fitted.predict_proba(X)
        table = pd.DataFrame(proba.round(5), columns=[f"p_{k}" for k in fitted.classes_])
        table.insert(0, "predicted", fitted.classes_[proba.argmax(1)])
        table.insert(0, "true", y)
        table.insert(0, "file", names)
        table.insert(0, "test", test)
        tables.append(table)
    result = pd.concat(tables)
    result.insert(0, "classifier_seed", seed)
    result.insert(0, "classifier", name)
    return result


def classify(args):
    """Fit the classifiers of all arms for each set of synthetic images that is kept."""
    X, y, names, split = load_images(args.data)
    with np.load(args.data / "kermany64.npz") as others:
        unseen = others["X"], others["y"], [f"kermany64[{i}]" for i in range(len(others["y"]))]
    end = time.monotonic() + args.seconds
    for seed, recipe, part in itertools.product(args.seeds, args.recipes, args.parts):
        file = args.keep / f"{recipe}-seed{seed}-{part}.npz"
        out = args.keep / f"{recipe}-seed{seed}-{part}-predictions.csv"
        if out.exists() or not file.exists():
            continue
        if time.monotonic() > end:
            return
        train, test = select_part(part, seed, y, split)
        tests = {"held out": (X[test], y[test], np.asarray(names)[test])}
        if part == "all":
            tests = {"test": tests["held out"], "other patients": unseen}
        with np.load(file) as arrays:
            synthetic = dict(arrays)
        tasks = []
        for classifier_seed in args.classifier_seeds:
            rng = np.random.default_rng(classifier_seed)
            arms = build_arms(X[train], y[train], synthetic, rng)
            for (name, make), (arm, of_arm) in itertools.product(CLASSIFIERS.items(), arms.items()):
                options = {"max_epochs": args.epochs} if args.epochs else {}
                clf = make(random_state=classifier_seed, device="cpu", **options)
                tasks.append((arm, (name, clf, classifier_seed, of_arm, tests)))
        results = joblib.Parallel(n_jobs=args.jobs)(
            joblib.delayed(predict)(*arguments) for _, arguments in tasks
        )
        tables = [table.assign(arm=arm) for (arm, _), table in zip(tasks, results, strict=True)]
        pd.concat(tables).assign(recipe=recipe, seed=seed, part=part).to_csv(out, index=False)
        print(out.name, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("command", choices=["gans", "classify"])
    add("--data", type=Path, required=True, help="folder of covid_cxr/ and kermany64.npz")
    add("--keep", type=Path, default=Path("results/paper_size"))
    add("--recipes", nargs="+", choices=RECIPES, default=["paper"])
    add("--seeds", type=int, nargs="+", default=[0])
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    add("--classifier-seeds", type=int, nargs="+", default=[0, 1, 2])
    add("--device", default="auto")
    add("--jobs", type=int, default=min(2, os.cpu_count()))
    add("--seconds", type=float, default=float("inf"))
    add("--steps", type=int, help="a few steps of a narrow GAN: checks the plumbing")
    add("--epochs", type=int, help="the classifier's; default: its own")
    add("--verbose", type=int, default=0)
    args = parser.parse_args()
    args.keep.mkdir(parents=True, exist_ok=True)
    {"gans": train_gans, "classify": classify}[args.command](args)


if __name__ == "__main__":
    main()
