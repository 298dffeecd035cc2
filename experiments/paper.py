"""The paper's experiment again: does a DCGAN a class help on 270 radiographs?

    python experiments/paper.py --data ../shared/data/covid_cxr --seeds 3 --keep results/paper

Four-fold cross-validation on the 270 training images, in folds that keep a patient's images
together and in the paper's plain folds; training on the 270 and testing on the 36; and what the
samples of the first grouped fold's GANs are like. Arms are classic augmentation, duplicates and
synthetic images by each growth factor, and the leak: synthetic images of GANs that saw all 270
images, test folds included. Every GAN and every fold is kept on disk, so that a killed run goes on,
and arms of a fold share their GANs. Tables go there too.
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


def _fit(estimator, X):
    return estimator.fit(X)


class Kept(BaseEstimator):
    """A generative model whose fits are kept on disk."""

    def __init__(self, estimator, folder, random_state=None):
        self.estimator = estimator
        self.folder = folder
        self.random_state = random_state

    def fit(self, X, y=None):
        estimator = clone(self.estimator).set_params(random_state=self.random_state)
        self.estimator_ = joblib.Memory(self.folder, verbose=0).cache(_fit)(estimator, X)
        return self

    def sample(self, n_samples=1, random_state=None):
        return self.estimator_.sample(n_samples, random_state)


class Leaking(Kept):
    """The mistake: whatever images of a class it is given, it has seen all of that class."""

    def __init__(self, estimator, folder, X, y, random_state=None):
        super().__init__(estimator, folder, random_state)
        self.X = X
        self.y = y

    def fit(self, X, y=None):
        (k,) = self.y[(X[0] == self.X).all(axis=1)][:1]
        return super().fit(self.X[self.y == k])


def arms_of(args, X, y, seed):
    """The arms: classic, duplicates and synthetic by growth factor, and the leak."""
    gan = DCGAN.paper(
        base_width=args.gan_width,
        max_epochs=args.gan_epochs,
        batch_size=args.gan_batch,
        # The paper's rate at its width; narrower networks learn faster at a higher one.
        lr=2e-4 * 64 / args.gan_width,
        random_state=0,
    )
    clf = CXRClassifier(random_state=seed, **({"max_epochs": args.epochs} if args.epochs else {}))

    def pipeline(model, factor):
        sampler = DCGANOversampler(model, sampling_strategy=grow(factor), random_state=seed)
        return Pipeline([("gan", sampler), ("clf", clf)])

    kept, leaking = Kept(gan, args.keep / "gans"), Leaking(gan, args.keep / "gans", X, y)
    arms = {"classic": clf}
    for factor in args.grow:
        arms[f"duplicates x{factor:g}"] = duplicates_of(pipeline(kept, factor))
        arms[f"dcgan x{factor:g}"] = pipeline(kept, factor)
    arms[f"leak x{args.grow[-1]:g}"] = pipeline(leaking, args.grow[-1])
    return arms


def run(args):
    """Name and text of each kind of folds that was asked for, as they are done."""
    images = load_image_folder(args.data, image_size=64, groups=args.data / "metadata.csv")
    X, y = images.data, images.target_names[images.target]
    train, test = (np.flatnonzero(images.split == name) for name in ("train", "test"))
    of_train = X[train], y[train], np.asarray(images.groups)[train]
    # One fit at a time: arms that are fitted at once would train the same GANs twice.
    options = {"memory": joblib.Memory(args.keep / "folds", verbose=0)}
    splitters = {"grouped": StratifiedGroupKFold, "plain": StratifiedKFold}
    for kind in args.folds:
        if kind in splitters:
            splits = [
                split
                for seed in range(args.seeds)
                for split in splitters[kind](4, shuffle=True, random_state=seed).split(*of_train)
            ]
            arms = arms_of(args, *of_train[:2], 0)
            comparison = compare(arms, *of_train[:2], cv=splits, verbose=1, **options)
            yield kind, describe(args, kind, comparison)
            continue
        for seed in range(args.seeds):
            name, arms = f"{kind}-seed{seed}", arms_of(args, *of_train[:2], seed)
            # The leak's GANs saw all training images, and no test image: here it is none.
            del arms[list(arms)[-1]]
            if kind == "test":
                comparison = compare(arms, X, y, cv=[(train, test)], verbose=1, **options)
                yield name, describe(args, name, comparison)
            else:
                # The first grouped fold's GANs; its other images and the test set are the audit's
                # hold-out. Radiographs of another source would look like memorization to it.
                folds = StratifiedGroupKFold(4, shuffle=True, random_state=seed)
                seen, unseen = next(folds.split(*of_train))
                holdout = np.concatenate([train[unseen], test])
                sampler = arms[f"dcgan x{args.grow[-1]:g}"]["gan"]
                parts = X[train[seen]], y[train[seen]], X[holdout], y[holdout]
                yield name, look_at(args, name, sampler, *parts)


def describe(args, name, comparison):
    """Tables of a comparison, also of each factor's synthetic images against duplicates."""
    comparison.to_csv(args.keep / f"{name}-results.csv")
    comparison.predictions.to_csv(args.keep / f"{name}-predictions.csv", index=False)
    text = [comparison.to_markdown()]
    pairs = [(f"dcgan x{factor:g}", f"duplicates x{factor:g}") for factor in args.grow]
    leaks = [arm for arm in comparison.arms if arm.startswith("leak")]
    pairs += [(leak, leak.replace("leak", "dcgan")) for leak in leaks]
    text += [comparison.only(pair).against(pair[1]).reading for pair in pairs]
    return "\n\n".join(text)


def look_at(args, name, sampler, X, y, X_holdout, y_holdout):
    """Quality and copying of the images of GANs that were trained on `X`."""
    sampler.fit_resample(X, y)
    sampler.estimators_ = {k: kept.estimator_ for k, kept in sampler.estimators_.items()}
    table, audits = inspect_samples(sampler, X, y, X_holdout, y_holdout)
    figure = SyntheticSamplesDisplay.from_estimator(sampler, X, y).figure_
    figure.savefig(args.keep / f"{name}.png", dpi=100, bbox_inches="tight")
    cells = table.T.map(lambda value: f"{value:.3f}" if isinstance(value, float) else value)
    text = [cells.to_markdown(disable_numparse=True)]
    return "\n\n".join(text + [f"{k}: {found.reading}" for k, found in audits.items()])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of the paper's four classes")
    add("--seeds", type=int, default=1, help="repeats of the folds")
    kinds = ["grouped", "plain", "test", "samples"]
    add("--folds", nargs="+", choices=kinds, default=kinds)
    add("--grow", type=float, nargs="+", default=[1.25, 2.0], help="growth factors")
    add("--epochs", type=int, help="the classifier's epochs; default: its own")
    add("--gan-epochs", type=int, default=200)
    add("--gan-width", type=int, default=64)
    add("--gan-batch", type=int, default=32)
    add("--keep", type=Path, default=Path("results/paper"), help="folder that is resumed from")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.keep.mkdir(parents=True, exist_ok=True)
    for name, text in run(args):
        text = f"## {name}\n\n{json.dumps(vars(args), default=str)}\n\n{text}\n"
        (args.keep / f"{name}.md").write_text(text)
        print(text, flush=True)


if __name__ == "__main__":
    main()
