import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_predict,
)

from skcxr.evaluation import fit_folds

X, y = load_iris(return_X_y=True)
ARMS = {"weak": LogisticRegression(C=1e-4), "strong": LogisticRegression(max_iter=1000)}


def test_every_arm_gets_the_same_folds():
    results = list(fit_folds(ARMS, X, y, cv=5))
    assert sorted((r.arm, r.fold) for r in results) == sorted(
        (a, f) for a in ARMS for f in range(5)
    )
    tests = {arm: [r.test for r in results if r.arm == arm] for arm in ARMS}
    for weak, strong in zip(tests["weak"], tests["strong"], strict=True):
        np.testing.assert_array_equal(weak, strong)


def test_predictions_equal_those_of_cross_val_predict():
    cv = StratifiedKFold(4, shuffle=True, random_state=0)
    pooled = np.empty_like(y)
    for result in fit_folds({"strong": ARMS["strong"]}, X, y, cv=cv):
        pooled[result.test] = result.predictions
        assert not np.intersect1d(result.train, result.test).size
        np.testing.assert_array_equal(result.probabilities.argmax(axis=1), result.predictions)
    np.testing.assert_array_equal(pooled, cross_val_predict(ARMS["strong"], X, y, cv=cv))


def test_groups_stay_together():
    groups = np.arange(150) // 3
    for result in [
        *fit_folds(ARMS, X, y, cv=StratifiedGroupKFold(3), groups=groups),
        *fit_folds(ARMS, X, y, cv=3, groups=groups),
    ]:
        assert not np.intersect1d(groups[result.train], groups[result.test]).size


def test_results_are_yielded_when_each_fit_finishes():
    fits = []

    class Counting(LogisticRegression):
        def fit(self, X, y):
            fits.append(len(X))
            return super().fit(X, y)

    results = fit_folds({"counting": Counting(max_iter=1000)}, X, y, cv=3)
    assert next(results).fold == 0
    assert len(fits) == 1
    assert len(list(results)) == 2


def test_predictions_come_from_predict():
    """With a tuned threshold they differ from the most probable class."""
    two = y < 2
    arm = FixedThresholdClassifier(ARMS["strong"], threshold=1.1)
    for result in fit_folds({"never": arm}, X[two], y[two], cv=2):
        assert not result.predictions.any()
        assert result.probabilities[:, 1].max() > 0.5


def test_parallel_fits_give_the_same_results():
    def pooled(n_jobs):
        results = fit_folds(ARMS, X, y, cv=2, n_jobs=n_jobs)
        return {(r.arm, r.fold): r.probabilities for r in results}

    sequential = pooled(1)
    parallel = pooled(2)
    for key in sequential:
        np.testing.assert_allclose(sequential[key], parallel[key])


def test_arms_stay_unfitted():
    list(fit_folds(ARMS, X, y, cv=2))
    assert not hasattr(ARMS["weak"], "coef_")
