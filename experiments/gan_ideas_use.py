"""Measure whether the samples that gan_ideas.py kept help a classifier on unseen radiographs.

    python experiments/gan_ideas_use.py --data ../shared/data --keep results/ideas

The classifier is trained on the 270 radiographs and the same number of synthetic ones. It is tested
by its balanced accuracy on the 2,856 radiographs of kermany64.npz, which have three of the four
classes. GANs and classifiers change their seed together. Each fit is kept: a script that was
stopped resumes, and several scripts can share one folder.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from gan_ideas import claim_run
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import Pipeline
from scipy import stats
from sklearn.base import BaseEstimator
from sklearn.metrics import recall_score

from skcxr import CXRClassifier
from skcxr.datasets import load_image_folder
from skcxr.over_sampling import Candidates, grow
from skcxr.over_sampling._selection import select_rows

BEST = "no dropout, mode seeking 0.3"


class KeptSamples(BaseEstimator):
    """A sampler that adds kept samples of a GAN, as many as each class has images."""

    def __init__(self, folder, idea, seed, select=None):
        self.folder = folder
        self.idea = idea
        self.seed = seed
        self.select = select

    def fit_resample(self, X, y):
        samples = [self.load_samples(X[y == k], k) for k in np.unique(y)]
        labels = np.repeat(np.unique(y), [len(images) for images in samples])
        return np.concatenate([X, *samples]), np.concatenate([y, labels])

    def load_samples(self, real, k):
        (path,) = self.folder.glob(f"{self.idea}, {k}, {self.seed}, 16, 1000.npz")
        images = np.load(path)["samples"]
        images = images.reshape(len(images), *real.shape[1:])
        if self.select is None:
            return images[: len(real)]
        candidates = Candidates(images[: 4 * len(real)], real, k, None, self.seed)
        return images[select_rows(self.select, candidates, len(real))]


def build_arms(folder, seed):
    """Return unfitted estimators by name."""
    clf = CXRClassifier(random_state=seed, device="cpu")
    load = partial(KeptSamples, folder, seed=seed)
    samplers = {
        "duplicates": RandomOverSampler(sampling_strategy=grow(2), random_state=seed),
        "paper": load("paper"),
        "best": load(BEST),
        "best, distinct": load(BEST, select="distinct"),
    }
    arms = {"classic": clf}
    for name, sampler in samplers.items():
        arms[f"{name}: beside"] = Pipeline([("sampler", sampler), ("clf", clf)])
    return arms


def evaluate_arm(args, name, estimator, seed, train, unseen):
    """Fit an arm and write its recalls on unseen images, unless another process has done so."""
    with claim_run(args.keep / "use" / f"{name}, {seed}.csv") as path:
        if path is None:
            return
        X, y = unseen
        predicted = estimator.fit(*train).predict(X.reshape(len(X), -1))
        recalls = recall_score(y, predicted, labels=np.unique(y), average=None)
        row = {"arm": name, "seed": seed, **dict(zip(np.unique(y), recalls, strict=True))}
        pd.DataFrame([row | {"balanced": recalls.mean()}]).to_csv(path, index=False)
        print(f"{name}, {seed}: {recalls.mean():.4f}", flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of covid_cxr/ and kermany64.npz")
    add("--keep", type=Path, required=True, help="folder of the samples; fits are kept in use/")
    add("--seeds", type=int, default=3, help="number of seeds")
    args = parser.parse_args()
    torch.set_num_threads(1)
    (args.keep / "use").mkdir(exist_ok=True)
    images = load_image_folder(args.data / "covid_cxr", image_size=64)
    rows = images.split == "train"
    train = images.data[rows], images.target_names[images.target][rows]
    more = np.load(args.data / "kermany64.npz")
    for seed in range(args.seeds):
        for name, estimator in build_arms(args.keep, seed).items():
            evaluate_arm(args, name, estimator, seed, train, (more["X"], more["y"]))
    done = pd.concat(pd.read_csv(path) for path in (args.keep / "use").glob("*.csv"))
    table = done.drop(columns="seed").groupby("arm").mean()
    by_seed = done.pivot(index="seed", columns="arm", values="balanced").dropna()
    differences = by_seed.sub(by_seed["classic"], axis=0)
    table["- classic"] = differences.mean()
    table["half of its 95 % interval"] = differences.sem() * stats.t.ppf(0.975, len(by_seed) - 1)
    print(f"{len(by_seed)} seeds")
    print(table.round(3).to_markdown())


if __name__ == "__main__":
    main()
