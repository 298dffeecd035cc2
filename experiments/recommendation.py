"""Error rates of `Comparison.recommendation` in simulated comparisons with a known answer.

Each simulation draws features of 70 images in each of four classes. Four arms see the same images
with noise of their own. Logistic regressions, each with a seed of its own, are fitted in 4-fold
cross-validation, once and five times repeated, so that folds share training images. Either all arms
are equally good, or one of them is better by 0.10 in accuracy.

    python experiments/recommendation.py calibrate
    python experiments/recommendation.py equal --runs 1000
    python experiments/recommendation.py better --runs 200
"""

import argparse
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.model_selection import RepeatedStratifiedKFold

from skcxr.evaluation import Comparison

N_CLASSES = 4
N_PER_CLASS = 70
N_FEATURES = 10
N_FOLDS = 4
N_REPEATS = 5
# Distance of the class means, which gives an accuracy of about 0.76, as on the radiographs.
DISTANCE = 1.85
# Share of the noise's variance that each arm has for itself. About 13 % of the images are then
# classified correctly by one of two equal arms only, as on the radiographs.
OWN_SHARE = 0.1
# Standard deviation of noise that each fit adds to its training features, in place of the seed of a
# network.
SEED_NOISE = 0.3
# Standard deviation of the better arm's noise, which makes it better by 0.10; it is 1 otherwise.
BETTER_NOISE = 0.79
# Steps of each logistic regression.
N_STEPS = 30
ARMS = ("classic", "first", "second", "third")


def fit_logistic_regressions(X, y):
    """Return the coefficients of many logistic regressions with an L2 penalty of 1 at once.

    Böhning's bound on the Hessian does not depend on the coefficients, so one inverse per fit
    serves all steps.

    Parameters
    ----------
    X : ndarray of shape (n_fits, n, n_features)
        Features of each fit, with a constant one at the end, which is not penalized.
    y : ndarray of shape (n_fits, n)
        Classes.

    Returns
    -------
    coefficients : ndarray of shape (n_fits, n_features, N_CLASSES)
    """
    n_fits, _, n_features = X.shape
    penalty = np.ones(n_features)
    penalty[-1] = 0
    transposed = X.transpose(0, 2, 1).copy()
    inverse = np.linalg.inv(0.5 * transposed @ X + np.diag(penalty + 1e-6))
    targets = np.eye(N_CLASSES)[y]
    coefficients = np.zeros((n_fits, n_features, N_CLASSES))
    for _ in range(N_STEPS):
        odds = np.exp(X @ coefficients)
        gradient = transposed @ (targets - odds / odds.sum(axis=2, keepdims=True))
        coefficients += inverse @ (gradient - penalty[:, None] * coefficients)
    return coefficients


def append_one(X):
    """Return features with a constant one at the end."""
    return np.concatenate([X, np.ones((*X.shape[:-1], 1))], axis=-1)


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
    X : ndarray of shape (n_arms, n, N_FEATURES)
        Features of each arm.
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
    return np.stack(features), y


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
    rng = np.random.default_rng(seed)
    noise = np.ones(len(ARMS))
    if better:
        noise[1] = BETTER_NOISE
    X, y = draw_images(N_PER_CLASS, noise, rng)
    cv = RepeatedStratifiedKFold(n_splits=N_FOLDS, n_repeats=n_repeats, random_state=seed)
    splits = list(cv.split(y, y))
    train = np.array([rows for rows, _ in splits])
    test = np.array([rows for _, rows in splits])
    results = []
    predictions = []
    for arm, name in enumerate(ARMS):
        X_train = X[arm, train]
        X_train = X_train + SEED_NOISE * rng.normal(size=X_train.shape)
        coefficients = fit_logistic_regressions(append_one(X_train), y[train])
        predicted = (append_one(X[arm, test]) @ coefficients).argmax(axis=2)
        folds = {"arm": name, "fold": np.arange(len(splits))}
        folds["repeat"] = folds["fold"] // N_FOLDS
        sizes = {"n_train": train.shape[1], "n_test": test.shape[1]}
        accuracy = (predicted == y[test]).mean(axis=1)
        for metric, value in (("accuracy", accuracy), ("fit_seconds", 1.0 + arm)):
            results.append(pd.DataFrame(folds | sizes | {"metric": metric, "value": value}))
        rows = {"row": test.ravel(), "true": y[test].ravel(), "predicted": predicted.ravel()}
        folds = {k: v if k == "arm" else v.repeat(test.shape[1]) for k, v in folds.items()}
        predictions.append(pd.DataFrame(folds | rows))
    return Comparison(
        results=pd.concat(results, ignore_index=True),
        predictions=pd.concat(predictions, ignore_index=True),
        classes=np.arange(N_CLASSES),
        baseline=ARMS[0],
    )


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
    X_test = append_one(X_test)
    for _ in range(40):
        X, y = draw_images(N_PER_CLASS * (N_FOLDS - 1) // N_FOLDS, noise, rng)
        X = X + SEED_NOISE * rng.normal(size=X.shape)
        coefficients = fit_logistic_regressions(append_one(X), np.tile(y, (len(noise), 1)))
        hits.append((X_test @ coefficients).argmax(axis=2) == y_test)
    hits = np.array(hits)
    classic, equal, better = hits.mean(axis=(0, 2))
    print(f"accuracy: classic {classic:.4f}, equal arm {equal:.4f}, better arm {better:.4f}")
    print(f"advantage of the better arm {better - classic:+.4f}")
    print(f"correct in one of two equal arms only: {(hits[:, 0] != hits[:, 1]).mean():.3f}")
    print(f"correct in classic or in the better arm only: {(hits[:, 0] != hits[:, 2]).mean():.3f}")


def run_simulations(n_runs, *, better):
    """Print how often an arm other than classic, or the better arm, is recommended."""
    columns = ["truth", "arms besides classic", "folds", "recommended", "share of runs"]
    print("| " + " | ".join(columns) + " |\n" + "| --- " * len(columns) + "|", flush=True)
    found = pd.DataFrame([list_recommended(simulate(i, better=better)) for i in range(n_runs)])
    truth = "one is better by 0.10" if better else "all are equal"
    event = "the better arm" if better else "another arm than classic"
    for (n_others, n_repeats), arms in found.items():
        n_hits = int((arms == ARMS[1] if better else arms.isin(ARMS[1:])).sum())
        low, high = binomtest(n_hits, n_runs).proportion_ci()
        share = f"{n_hits / n_runs:.3f} ({low:.3f} to {high:.3f})"
        print(f"| {truth} | {n_others} | {N_FOLDS} x {n_repeats} | {event} | {share} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=["calibrate", "equal", "better"])
    parser.add_argument("--runs", type=int, default=1000)
    args = parser.parse_args()
    if args.command == "calibrate":
        calibrate()
    else:
        run_simulations(args.runs, better=args.command == "better")


if __name__ == "__main__":
    main()
