"""Check the power that skcxr.evaluation.plan predicts on real comparisons: docs/guide/planning.md.

    python experiments/plan.py --repetitions 300

In each repetition, a new data set is drawn, and compare() fits two arms on its folds. Both arms are
logistic regressions on features. The baseline sees only some of the features, so the other arm is
truly better. The share of repetitions that find it better is printed next to the share that a plan
predicts. The plan gets accuracy and discordance as measured on 20 pilot data sets.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcxr import CXRFeatures
from skcxr.datasets import make_chest_phantoms
from skcxr.evaluation import compare, plan
from skcxr.metrics import corrected_interval

N_PILOTS = 20
N_PHANTOMS = 1600
N_FEATURES = 40
RULES = {"better": {"rope": 0.01, "level": 0.95}, "interval": {"rope": 0.0, "level": 0.975}}


class Probe(ClassifierMixin, BaseEstimator):
    """Logistic regression on the first features.

    With `dropped`, each fit leaves out another random share of them. This is the noise of its seed.
    """

    def __init__(self, n_features, dropped=0.0):
        self.n_features = n_features
        self.dropped = dropped

    def fit(self, X, y):
        is_kept = np.random.default_rng().random(self.n_features) >= self.dropped
        self.columns_ = np.flatnonzero(is_kept)
        self.model_ = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=300))
        self.model_.fit(X[:, self.columns_], y)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X):
        return self.model_.predict(X[:, self.columns_])

    def predict_proba(self, X):
        return self.model_.predict_proba(X[:, self.columns_])


class Phantoms:
    """Data sets of phantoms from a pool, whose features are computed once and kept in a folder."""

    def __init__(self, keep, n_classes, n_per_class):
        file = keep / "pool.npz"
        if not file.exists():
            keep.mkdir(parents=True, exist_ok=True)
            pool = make_chest_phantoms(N_PHANTOMS, image_size=32, random_state=0)
            features = CXRFeatures().fit_transform(pool.images)
            # In random order, so that the first features are like all others.
            features = np.random.default_rng(0).permutation(features, axis=1)
            np.savez(file, X=features, y=pool.target)
        pool = np.load(file)
        self.X = pool["X"]
        # Normal and covid first, which are easier to tell apart than the pneumonias.
        self.rows = [np.flatnonzero(pool["y"] == k) for k in (0, 3, 1, 2)[:n_classes]]
        self.n_per_class = n_per_class

    def draw(self, rng):
        """Return the features, classes and patients of a data set."""
        rows = np.concatenate([rng.choice(each, self.n_per_class, False) for each in self.rows])
        y = np.repeat(np.arange(len(self.rows)), self.n_per_class)
        return self.X[rows], y, None


class Gaussians:
    """Data sets of normal features in four classes, with one or several images per patient."""

    def __init__(self, n_patients, n_images):
        self.n_patients = n_patients
        self.n_images = n_images
        self.centers = np.random.default_rng(0).normal(scale=0.45, size=(4, N_FEATURES))

    def draw(self, rng):
        """Return the features, classes and patients of a data set."""
        of_patient = np.repeat(np.arange(4), self.n_patients)
        patients = self.centers[of_patient] + rng.normal(
            scale=0.8, size=(len(of_patient), N_FEATURES)
        )
        groups = np.repeat(np.arange(len(of_patient)), self.n_images)
        noise = rng.normal(scale=0.6, size=(len(groups), N_FEATURES))
        return patients[groups] + noise, of_patient[groups], groups if self.n_images > 1 else None


@dataclass
class Setting:
    """Data sets, folds, and the two arms of a comparison."""

    name: str
    data: object
    baseline: Probe
    other: Probe
    n_repeats: int = 1

    def run(self, rng):
        """Return the comparison on a new data set."""
        X, y, groups = self.data.draw(rng)
        cv = 4
        if self.n_repeats > 1:
            cv = RepeatedStratifiedKFold(n_splits=4, n_repeats=self.n_repeats, random_state=0)
        return compare({"baseline": self.baseline, "other": self.other}, X, y, cv=cv, groups=groups)

    def predict(self, difference, accuracy, discordance, seed_noise, rule):
        """Return the power that a plan predicts."""
        _, y, groups = self.data.draw(np.random.default_rng(0))
        return plan(
            y,
            groups=groups,
            n_repeats=self.n_repeats,
            accuracy=accuracy,
            discordance=discordance,
            seed_noise=seed_noise,
            difference=difference,
            **RULES[rule],
        ).power

    def measure_seed_noise(self):
        """Return the standard deviation of the baseline's accuracy between fits on one data set.

        The test set is so large that chance in single images has hardly any part in it.
        """
        if not self.baseline.dropped:
            return 0.0
        rng = np.random.default_rng(0)
        X_train, y_train, _ = self.data.draw(rng)
        tests = [self.data.draw(rng) for _ in range(20)]
        accuracies = []
        for _ in range(20):
            self.baseline.fit(X_train, y_train)
            accuracies.append(np.mean([self.baseline.score(X, y) for X, y, _ in tests]))
        return np.std(accuracies, ddof=1)


def list_settings(keep):
    """Return the settings of the table."""
    two = Phantoms(keep, 2, 67)
    four = Phantoms(keep, 4, 67)
    patients = Gaussians(22, 3)
    single = Gaussians(67, 1)
    return [
        Setting("phantoms, 2 classes", two, Probe(6), Probe(64)),
        Setting("normal, 3 images per patient", patients, Probe(22), Probe(40)),
        Setting("normal, noisy fits", single, Probe(22, 0.1), Probe(40, 0.1)),
        Setting("phantoms, 4 classes", four, Probe(16), Probe(64)),
        Setting("phantoms, 4 classes, 5 x 4 folds", four, Probe(24), Probe(64), n_repeats=5),
        Setting("normal, 3 images per patient", patients, Probe(30), Probe(40)),
        Setting("normal, noisy fits", single, Probe(30, 0.1), Probe(40, 0.1)),
    ]


def find_differences(comparison):
    """Return the difference of each fold, and the ratio of test to training images."""
    folds = comparison.results[comparison.results["metric"] == "accuracy"]
    wide = folds.pivot(index="fold", columns="arm", values="value")
    ratio = (folds["n_test"] / folds["n_train"]).mean()
    return (wide["other"] - wide["baseline"]).to_numpy(), ratio


def is_detected(differences, ratio, rope, level):
    """Return whether the other arm is found to be better."""
    _, low, _ = corrected_interval(differences, ratio, confidence=2 * level - 1)
    return low > rope


def measure(setting, n_repetitions):
    """Return a row of the table."""
    rng = np.random.default_rng(1)
    pilots = [setting.run(rng) for _ in range(N_PILOTS)]
    accuracies = [pilot.summary.loc["baseline", "score"] for pilot in pilots]
    discordances = [measure_discordance(pilot) for pilot in pilots]
    seed_noise = setting.measure_seed_noise()
    outcomes = [find_differences(setting.run(rng)) for _ in range(n_repetitions)]
    difference = np.mean([differences.mean() for differences, _ in outcomes])
    row = {
        "setting": setting.name,
        "images": pilots[0].predictions["row"].nunique(),
        "accuracy": np.mean(accuracies),
        "discordance": np.mean(discordances),
        "seed noise": seed_noise,
        "difference": difference,
    }
    for rule, options in RULES.items():
        row[f"{rule}: planned"] = setting.predict(
            difference, np.mean(accuracies), np.mean(discordances), seed_noise, rule
        )
        found = [is_detected(*outcome, **options) for outcome in outcomes]
        row[f"{rule}: found"] = np.mean(found)
    singles = [
        setting.predict(difference, *pilot, seed_noise, "better")
        for pilot in zip(accuracies, discordances, strict=True)
    ]
    row["better: planned from one pilot"] = np.quantile(singles, [0.1, 0.9]).round(2).tolist()
    return row


def measure_discordance(comparison):
    """Return the share of images that only one of the arms classified correctly."""
    row = comparison.summary.loc["other"]
    n = comparison.predictions["row"].nunique()
    return (row["only_arm"] + row["only_baseline"]) / n


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=300, help="number of data sets")
    parser.add_argument("--only", default="", help="run only settings with this in their name")
    parser.add_argument(
        "--keep", type=Path, default=Path("results/plan"), help="folder of phantoms"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for setting in list_settings(args.keep):
        if args.only not in setting.name:
            continue
        start = time.perf_counter()
        rows.append(measure(setting, args.repetitions))
        print(f"{rows[-1]}, {time.perf_counter() - start:.0f} s", flush=True)
    print(pd.DataFrame(rows).round(3).to_markdown(index=False))


if __name__ == "__main__":
    main()
