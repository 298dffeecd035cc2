"""Error rates of `Comparison.recommendation` in simulated comparisons with a known answer.

Each simulation draws features of 70 images in each of four classes. Four arms see the same images
with noise of their own, and `compare` fits logistic regressions with a seed of their own in 4-fold
cross-validation, once and five times repeated. Either all arms are equally good, or one of them is
better by 0.10 in accuracy.

    python experiments/recommendation.py calibrate
    python experiments/recommendation.py simulate --runs 1000
"""

import argparse
import time
import warnings
import zlib
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold

from skcxr.evaluation import compare

N_CLASSES = 4
N_PER_CLASS = 70
N_FEATURES = 10
N_FOLDS = 4
N_REPEATS = 5
# Distance of the class means, which gives an accuracy of about 0.76, as on the radiographs.
DISTANCE = 2.0
# Share of the noise's variance that each arm has for itself. About 13 % of the images are then
# classified correctly by one of two equal arms only, as on the radiographs.
OWN_SHARE = 0.1
# Standard deviation of noise that each fit adds to its training features, in place of the seed of a
# network.
SEED_NOISE = 0.3
# Standard deviation of the better arm's noise, which makes it better by 0.10; it is 1 otherwise.
BETTER_NOISE = 0.75
ARMS = ("classic", "first", "second", "third")


class SimulatedArm(ClassifierMixin, BaseEstimator):
    """Logistic regression on the features of one arm, with a seed.

    Parameters
    ----------
    arm : int
        Number of the arm, whose features come after those of the arms before.
    random_state : int
        Seed of the noise of a fit, together with the training features.
    """

    def __init__(self, arm, random_state=0):
        self.arm = arm
        self.random_state = random_state

    def _select(self, X):
        return X[:, self.arm * N_FEATURES : (self.arm + 1) * N_FEATURES]

    def fit(self, X, y):
        X = self._select(X)
        rng = np.random.default_rng([self.random_state, zlib.crc32(X.tobytes())])
        self.classifier_ = LogisticRegression()
        self.classifier_.fit(X + SEED_NOISE * rng.normal(size=X.shape), y)
        self.classes_ = self.classifier_.classes_
        return self

    def predict(self, X):
        return self.classifier_.predict(self._select(X))

    def predict_proba(self, X):
        return self.classifier_.predict_proba(self._select(X))


def draw_images(n_per_class, noise, rng):
    """Return the features of images, and their classes.

    Parameters
    ----------
    n_per_class : int
        Number of images of each class.
    noise : sequence of float
        Standard deviation of each arm's noise.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    X : ndarray of shape (n, n_arms * N_FEATURES)
        Features of each arm, side by side.
    y : ndarray of shape (n,)
        Classes.
    """
    y = np.repeat(np.arange(N_CLASSES), n_per_class)
    means = DISTANCE * np.eye(N_CLASSES, N_FEATURES)[y]
    shared = np.sqrt(1 - OWN_SHARE) * rng.normal(size=means.shape)
    features = []
    for level in noise:
        own = np.sqrt(OWN_SHARE) * rng.normal(size=means.shape)
        features.append(means + level * (shared + own))
    return np.hstack(features), y


def simulate(seed, *, better, n_repeats=N_REPEATS):
    """Return the Comparison of one simulation.

    Parameters
    ----------
    seed : int
        Seed of the images, folds and fits.
    better : bool
        Whether the second arm is better by 0.10.
    n_repeats : int, default=5
        Number of repeats of the cross-validation.

    Returns
    -------
    comparison : Comparison
    """
    noise = np.ones(len(ARMS))
    if better:
        noise[1] = BETTER_NOISE
    X, y = draw_images(N_PER_CLASS, noise, np.random.default_rng(seed))
    arms = {name: SimulatedArm(arm, random_state=arm) for arm, name in enumerate(ARMS)}
    cv = RepeatedStratifiedKFold(n_splits=N_FOLDS, n_repeats=n_repeats, random_state=seed)
    return compare(arms, X, y, cv=cv)


def keep_first_repeat(comparison):
    """Return the comparison without the repeats of the cross-validation but the first."""
    results = comparison.results[comparison.results["repeat"] == 0]
    predictions = comparison.predictions[comparison.predictions["repeat"] == 0]
    return replace(comparison, results=results, predictions=predictions)


def get_recommended(comparison):
    """Return the arm that the recommendation names."""
    first = comparison.recommendation.split(":")[0]
    return first.removeprefix("Use ")


def list_recommended(comparison):
    """Return the recommended arm by number of arms compared with classic and by repeats."""
    pair = comparison.only(list(ARMS[:2]))
    return {
        (n_others, n_repeats): get_recommended(each)
        for n_others, found in ((1, pair), (len(ARMS) - 1, comparison))
        for n_repeats, each in ((1, keep_first_repeat(found)), (N_REPEATS, found))
    }


def calibrate():
    """Print accuracy and discordance on a huge test set, and the better arm's advantage."""
    rng = np.random.default_rng(0)
    noise = [1.0, 1.0, BETTER_NOISE]
    X_test, y_test = draw_images(50_000, noise, rng)
    hits = []
    for seed in range(40):
        X, y = draw_images(N_PER_CLASS * (N_FOLDS - 1) // N_FOLDS, noise, rng)
        arms = [SimulatedArm(arm, random_state=seed).fit(X, y) for arm in range(len(noise))]
        hits.append([arm.predict(X_test) == y_test for arm in arms])
    hits = np.array(hits)
    classic, equal, better = hits.mean(axis=(0, 2))
    print(f"accuracy: classic {classic:.4f}, equal arm {equal:.4f}, better arm {better:.4f}")
    print(f"advantage of the better arm {better - classic:+.4f}")
    print(f"correct in one of two equal arms only: {(hits[:, 0] != hits[:, 1]).mean():.3f}")
    print(f"correct in classic or in the better arm only: {(hits[:, 0] != hits[:, 2]).mean():.3f}")


def run_simulations(n_runs):
    """Print a table of how often an arm other than classic is recommended."""
    rows = []
    for better in (False, True):
        start = time.perf_counter()
        found = pd.DataFrame([list_recommended(simulate(i, better=better)) for i in range(n_runs)])
        for (n_others, n_repeats), arms in found.items():
            # Where an arm is better, only that arm counts.
            n_hits = int((arms == ARMS[1] if better else arms != ARMS[0]).sum())
            low, high = binomtest(n_hits, n_runs).proportion_ci()
            rows.append(
                {
                    "truth": "one is better by 0.10" if better else "all equal",
                    "arms besides classic": n_others,
                    "folds": f"{N_FOLDS} x {n_repeats}",
                    "recommended": "the better arm" if better else "another arm than classic",
                    "share": f"{n_hits / n_runs:.3f} ({low:.3f} to {high:.3f})",
                }
            )
        print(f"{n_runs} runs in {time.perf_counter() - start:.0f} s", flush=True)
    print(pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=["calibrate", "simulate"])
    parser.add_argument("--runs", type=int, default=1000)
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    if args.command == "calibrate":
        calibrate()
    else:
        run_simulations(args.runs)


if __name__ == "__main__":
    main()
