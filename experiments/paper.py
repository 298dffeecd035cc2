"""Repeat the paper's experiment: measure whether one DCGAN per class helps on 270 radiographs.

    python experiments/paper.py --data ../shared/data/covid_cxr --seeds 3 --keep results/paper

There are four parts: "grouped" is four-fold cross-validation on the 270 training images, in folds
that keep a patient's images together; "plain" uses the paper's plain folds; "test" trains on the
270 images and tests on the 36; "samples" measures the quality and copying of the samples of the
first grouped fold's GANs.

The arms are classic augmentation, duplicates and synthetic images for each growth factor, and the
leak: synthetic images of GANs that were trained on all 270 images, including the test folds. GANs,
folds and tables are kept on disk, and a run that was stopped resumes. The arms of a fold share
their GANs.
"""

import argparse
import json
from pathlib import Path

import joblib
import numpy as np
import torch
from imblearn.pipeline import Pipeline
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from skcxr import DCGAN, CXRClassifier, DCGANOversampler
from skcxr.datasets import load_image_folder
from skcxr.displays import SyntheticSamplesDisplay
from skcxr.evaluation import compare, duplicates_of, inspect_samples
from skcxr.over_sampling import grow


def fit_gan(estimator, X):
    return estimator.fit(X)


class CachedGAN(BaseEstimator):
    """A generative model whose fits are cached on disk."""

    def __init__(self, estimator, folder, random_state=None):
        self.estimator = estimator
        self.folder = folder
        self.random_state = random_state

    def fit(self, X, y=None):
        estimator = clone(self.estimator).set_params(random_state=self.random_state)
        self.estimator_ = joblib.Memory(self.folder, verbose=0).cache(fit_gan)(estimator, X)
        return self

    def sample(self, n_samples=1, random_state=None):
        return self.estimator_.sample(n_samples, random_state)


class LeakingGAN(CachedGAN):
    """The mistake: for any images of a class, it is trained on all images of that class."""

    def __init__(self, estimator, folder, X, y, random_state=None):
        super().__init__(estimator, folder, random_state)
        self.X = X
        self.y = y

    def fit(self, X, y=None):
        (k,) = self.y[(X[0] == self.X).all(axis=1)][:1]
        return super().fit(self.X[self.y == k])


def build_arms(args, X, y, seed):
    """Return the arms by name: classic, two for each growth factor, and the leak."""
    gan = DCGAN.paper(
        base_width=args.gan_width,
        max_epochs=args.gan_epochs,
        batch_size=args.gan_batch,
        # The paper's learning rate at its width; narrower networks train faster at a higher one.
        lr=2e-4 * 64 / args.gan_width,
        random_state=0,
    )
    clf = CXRClassifier(random_state=seed)
    if args.epochs:
        clf.set_params(max_epochs=args.epochs)

    def build_pipeline(model, factor):
        sampler = DCGANOversampler(model, sampling_strategy=grow(factor), random_state=seed)
        return Pipeline([("gan", sampler), ("clf", clf)])

    honest = CachedGAN(gan, args.keep / "gans")
    leaking = LeakingGAN(gan, args.keep / "gans", X, y)
    arms = {"classic": clf}
    for factor in args.grow:
        arms[f"duplicates x{factor:g}"] = duplicates_of(build_pipeline(honest, factor))
        arms[f"dcgan x{factor:g}"] = build_pipeline(honest, factor)
    arms[f"leak x{args.grow[-1]:g}"] = build_pipeline(leaking, args.grow[-1])
    return arms


def run_parts(args):
    """Yield name and text of each part, as soon as it is finished."""
    images = load_image_folder(args.data, image_size=64, groups=args.data / "metadata.csv")
    X = images.data
    y = images.target_names[images.target]
    train = np.flatnonzero(images.split == "train")
    test = np.flatnonzero(images.split == "test")
    of_train = X[train], y[train], np.asarray(images.groups)[train]
    # One fit at a time: arms that are fitted in parallel would train the same GANs twice.
    options = {"memory": joblib.Memory(args.keep / "folds", verbose=0)}
    splitters = {"grouped": StratifiedGroupKFold, "plain": StratifiedKFold}
    for kind in args.folds:
        if kind in splitters:
            splits = [
                split
                for seed in range(args.seeds)
                for split in splitters[kind](4, shuffle=True, random_state=seed).split(*of_train)
            ]
            arms = build_arms(args, *of_train[:2], 0)
            comparison = compare(arms, *of_train[:2], cv=splits, verbose=1, **options)
            yield kind, describe(args, kind, comparison)
            continue
        for seed in range(args.seeds):
            name = f"{kind}-seed{seed}"
            arms = build_arms(args, *of_train[:2], seed)
            # The leak's GANs saw all training images but no test image, so there is no leak here.
            del arms[list(arms)[-1]]
            if kind == "test":
                comparison = compare(arms, X, y, cv=[(train, test)], verbose=1, **options)
                yield name, describe(args, name, comparison)
            else:
                # The held-out images of the audit are those of the fold and of the test set. With
                # radiographs of another source, the audit would report memorization.
                folds = StratifiedGroupKFold(4, shuffle=True, random_state=seed)
                seen, unseen = next(folds.split(*of_train))
                holdout = np.concatenate([train[unseen], test])
                sampler = arms[f"dcgan x{args.grow[-1]:g}"]["gan"]
                parts = X[train[seen]], y[train[seen]], X[holdout], y[holdout]
                yield name, describe_samples(args, name, sampler, *parts)


def describe(args, name, comparison):
    """Write a comparison, and return it as text, with each arm also against its control."""
    comparison.to_csv(args.keep / f"{name}-results.csv")
    comparison.predictions.to_csv(args.keep / f"{name}-predictions.csv", index=False)
    text = [comparison.to_markdown()]
    pairs = [(f"dcgan x{factor:g}", f"duplicates x{factor:g}") for factor in args.grow]
    leaks = [arm for arm in comparison.arms if arm.startswith("leak")]
    pairs.extend((leak, leak.replace("leak", "dcgan")) for leak in leaks)
    text.extend(comparison.only(pair).against(pair[1]).reading for pair in pairs)
    return "\n\n".join(text)


def describe_samples(args, name, sampler, X, y, X_holdout, y_holdout):
    """Return quality and copying of the samples of GANs that are trained on `X`, as text."""
    sampler.fit_resample(X, y)
    sampler.estimators_ = {k: gan.estimator_ for k, gan in sampler.estimators_.items()}
    table, audits = inspect_samples(sampler, X, y, X_holdout, y_holdout)
    figure = SyntheticSamplesDisplay.from_estimator(sampler, X, y).figure_
    figure.savefig(args.keep / f"{name}.png", dpi=100, bbox_inches="tight")
    cells = table.T.map(lambda value: f"{value:.3f}" if isinstance(value, float) else value)
    text = [cells.to_markdown(disable_numparse=True)]
    text.extend(f"{k}: {result.reading}" for k, result in audits.items())
    return "\n\n".join(text)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of the paper's four classes")
    add("--seeds", type=int, default=1, help="number of repeats of the folds")
    kinds = ["grouped", "plain", "test", "samples"]
    add("--folds", nargs="+", choices=kinds, default=kinds, help="parts to run")
    add("--grow", type=float, nargs="+", default=[1.25, 2.0], help="growth factors")
    add("--epochs", type=int, help="epochs of the classifier; by default, its own")
    add("--gan-epochs", type=int, default=200)
    add("--gan-width", type=int, default=64)
    add("--gan-batch", type=int, default=32)
    add("--keep", type=Path, default=Path("results/paper"), help="folder of results, resumed from")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.keep.mkdir(parents=True, exist_ok=True)
    for name, text in run_parts(args):
        text = f"## {name}\n\n{json.dumps(vars(args), default=str)}\n\n{text}\n"
        (args.keep / f"{name}.md").write_text(text)
        print(text, flush=True)


if __name__ == "__main__":
    main()
