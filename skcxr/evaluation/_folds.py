"""Fits of several estimators, the arms, on the same cross-validation folds."""

import os
import time
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import check_scoring
from sklearn.model_selection import StratifiedGroupKFold, check_cv
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_memory

from skcxr._base.parallel import choose_return_as


@dataclass(frozen=True)
class FoldResult:
    """Result of one arm on one fold.

    Parameters
    ----------
    arm : str
        Name of the arm.
    fold : int
        Number of the fold, from 0.
    train, test : ndarray of int
        Rows that the arm was fitted on, and rows that it predicted.
    predictions : ndarray of shape (n_test,)
        Predicted classes.
    probabilities : ndarray of shape (n_test, n_classes)
        Predicted probabilities, in the order of `classes`.
    classes : ndarray of shape (n_classes,)
        Classes that the arm was fitted on.
    scores : dict of str to float
        Scores on the test rows, by name.
    seconds : float
        Wall time of `fit`.
    estimator : BaseEstimator or None
        The fitted clone. None if estimators are not returned.
    """

    arm: str
    fold: int
    train: np.ndarray
    test: np.ndarray
    predictions: np.ndarray
    probabilities: np.ndarray
    classes: np.ndarray
    scores: dict
    seconds: float
    estimator: BaseEstimator | None


def fit_folds(
    arms,
    X,
    y,
    *,
    cv=4,
    groups=None,
    scoring="accuracy",
    n_jobs=None,
    memory=None,
    return_estimator=True,
):
    """Fit every arm on every fold and yield each result when it is ready.

    Parameters
    ----------
    arms : dict of str to estimator
        Classifiers with `predict_proba`, or pipelines that end in one and may hold samplers.
    X : array-like
        Images, in any layout that the arms take.
    y : array-like of shape (n,)
        Classes.
    cv, groups, scoring, n_jobs, memory : object
        The same as in :func:`compare`.
    return_estimator : bool, default=True
        Whether results, and their copies in `memory`, hold the fitted arm.

    Yields
    ------
    result : FoldResult
        Results fold by fold, and within a fold in the order of `arms`. With `n_jobs`, they are
        yielded in the order in which they finish.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skcxr.evaluation import fit_folds
    >>> X, y = load_iris(return_X_y=True)
    >>> arms = {"weak": LogisticRegression(C=0.01), "strong": LogisticRegression(max_iter=999)}
    >>> [(r.arm, r.fold) for r in fit_folds(arms, X, y, cv=2)]
    [('weak', 0), ('strong', 0), ('weak', 1), ('strong', 1)]
    """
    memory = os.fspath(memory) if isinstance(memory, os.PathLike) else memory
    fit_and_score = check_memory(memory).cache(_fit_and_score)
    scoring = name_scores(scoring)
    tasks = (
        delayed(_run_fold)(
            fit_and_score, arm, clone(estimator), fold, train, test, X, y, scoring, return_estimator
        )
        for fold, (train, test) in enumerate(split_rows(cv, X, y, groups))
        for arm, estimator in arms.items()
    )
    return_as = choose_return_as("generator_unordered")
    yield from Parallel(n_jobs=n_jobs, return_as=return_as, pre_dispatch="n_jobs")(tasks)


def split_rows(cv, X, y, groups):
    """Return a list with the training and test rows of each fold."""
    if isinstance(cv, Integral) and groups is not None:
        cv = StratifiedGroupKFold(cv)
    return list(check_cv(cv, y, classifier=True).split(X, y, groups))


def name_scores(scoring):
    """Return `scoring` as a dict of names to scorers."""
    if not scoring:
        raise ValueError(f"scoring={scoring!r} names no score. Pass 'accuracy', for example.")
    if isinstance(scoring, dict):
        return scoring
    if callable(scoring):
        return {"score": scoring}
    names = [scoring] if isinstance(scoring, str) else scoring
    return {name: name for name in names}


def _run_fold(fit_and_score, arm, estimator, fold, train, test, X, y, scoring, return_estimator):
    """Fit and score an arm on one fold, or read its outcome from the cache."""
    outcome = fit_and_score(
        estimator,
        _safe_indexing(X, train),
        _safe_indexing(y, train),
        _safe_indexing(X, test),
        _safe_indexing(y, test),
        scoring,
        return_estimator,
    )
    return FoldResult(arm=arm, fold=fold, train=train, test=test, **outcome)


def _fit_and_score(estimator, X, y, X_test, y_test, scoring, return_estimator):
    """Return what the cache keeps of a fold, which depends on these arguments alone."""
    start = time.perf_counter()
    estimator.fit(X, y)
    seconds = time.perf_counter() - start
    return {
        "predictions": estimator.predict(X_test),
        "probabilities": estimator.predict_proba(X_test),
        "classes": estimator.classes_,
        "scores": check_scoring(estimator, scoring=scoring)(estimator, X_test, y_test),
        "seconds": seconds,
        "estimator": estimator if return_estimator else None,
    }
