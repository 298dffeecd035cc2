"""Experiments: several estimators, the arms, on the same cross-validation folds."""

import time
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import StratifiedGroupKFold, check_cv
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import Parallel, delayed


@dataclass(frozen=True)
class FoldResult:
    """One arm on one fold.

    Attributes
    ----------
    arm : str
        The arm's name.
    fold : int
        Number of the fold, from 0.
    train, test : ndarray of int
        Rows that the arm was fitted on, and rows it predicted.
    predictions : ndarray of shape (n_test,)
        Predicted classes.
    probabilities : ndarray of shape (n_test, n_classes)
        Predicted probabilities, in the order of the estimator's ``classes_``.
    seconds : float
        Wall time of `fit`.
    estimator : BaseEstimator
        The fitted clone.
    """

    arm: str
    fold: int
    train: np.ndarray
    test: np.ndarray
    predictions: np.ndarray
    probabilities: np.ndarray
    seconds: float
    estimator: BaseEstimator


def fit_folds(arms, X, y, *, cv=4, groups=None, n_jobs=None):
    """Fit every arm on every fold and yield the results as they finish.

    Parameters
    ----------
    arms : dict of str to estimator
        Classifiers with `predict_proba`, pipelines with samplers among them. Each is cloned for
        each fold.
    X : array-like
        Images, in any layout that the arms take.
    y : array-like of shape (n,)
        Classes.
    cv : int or splitter, default=4
        Folds, as in scikit-learn; an int is stratified and not shuffled, and keeps groups together
        where there are any.
    groups : array-like of shape (n,) or None, default=None
        Patients, whose images stay in one fold.
    n_jobs : int or None, default=None
        Arms and folds fitted at once, by joblib.

    Yields
    ------
    result : FoldResult
        Fold by fold, and within each in the order of `arms`; with `n_jobs`, as they finish.

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
    if isinstance(cv, Integral) and groups is not None:
        cv = StratifiedGroupKFold(cv)
    splits = list(check_cv(cv, y, classifier=True).split(X, y, groups))
    tasks = (
        delayed(_fit_fold)(arm, clone(estimator), fold, X, y, train, test)
        for fold, (train, test) in enumerate(splits)
        for arm, estimator in arms.items()
    )
    yield from Parallel(n_jobs=n_jobs, return_as="generator_unordered", pre_dispatch="n_jobs")(
        tasks
    )


def _fit_fold(arm, estimator, fold, X, y, train, test):
    start = time.perf_counter()
    estimator.fit(_safe_indexing(X, train), _safe_indexing(y, train))
    seconds = time.perf_counter() - start
    unseen = _safe_indexing(X, test)
    predictions, probabilities = estimator.predict(unseen), estimator.predict_proba(unseen)
    return FoldResult(arm, fold, train, test, predictions, probabilities, seconds, estimator)
