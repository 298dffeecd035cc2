"""Fits of several estimators, the arms, on the same cross-validation folds."""

from __future__ import annotations

import hashlib
import os
import time
import warnings
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, check_cv
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_memory

from skcxr._base.parallel import choose_return_as
from skcxr._base.user_code import hash_user_code
from skcxr._version import __version__
from skcxr.evaluation._checks import (
    check_arms,
    check_error_score,
    check_folds,
    check_images,
    check_names,
    check_pixels,
    check_splits,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joblib import Memory
    from numpy.typing import ArrayLike, NDArray

    from skcxr._base import types
    from skcxr._base.types import Arms, Folds, Images, Scoring

# The end of a message about a fit that failed.
ADVICE = (
    "Pass error_score=np.nan to continue without fits that fail, and memory= to keep those that "
    "have finished."
)


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
    predictions : ndarray of shape (n_test,) or None
        Predicted classes. None if the fit failed.
    probabilities : ndarray of shape (n_test, n_classes) or None
        Predicted probabilities, in the order of `classes`. None if the fit failed.
    classes : ndarray of shape (n_classes,) or None
        Classes that the arm was fitted on. None if the fit failed.
    scores : dict of str to float
        Scores on the test rows, by name; ``error_score`` if the fit failed.
    seconds : float
        Wall time of `fit`. NaN if the fit failed.
    estimator : BaseEstimator or None
        The fitted clone. None if estimators are not returned, or if the fit failed.
    error : str or None, default=None
        Type and message of the error that the fit failed with. None if it succeeded.
    """

    arm: str
    fold: int
    train: NDArray[np.intp]
    test: NDArray[np.intp]
    predictions: NDArray[Any] | None
    probabilities: NDArray[np.float64] | None
    classes: NDArray[Any] | None
    scores: dict[str, float]
    seconds: float
    estimator: BaseEstimator | None
    error: str | None = None


def fit_folds(
    arms: Arms,
    X: Images,
    y: ArrayLike,
    *,
    cv: Folds = 4,
    groups: ArrayLike | None = None,
    scoring: Scoring = "accuracy",
    n_jobs: int | None = None,
    memory: types.Path | Memory | None = None,
    return_estimator: bool = True,
    error_score: Literal["raise"] | float = "raise",
) -> Iterator[FoldResult]:
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
    error_score : "raise" or float, default="raise"
        The same as in :func:`compare`.

    Returns
    -------
    results : generator of FoldResult
        Results fold by fold, and within a fold in the order of `arms`. With `n_jobs`, they are
        yielded in the order in which they finish.

    Raises
    ------
    ValueError or TypeError
        If arms, images, labels, groups, folds or scores are invalid. Nothing has been fitted then.

    Warns
    -----
    FitFailedWarning
        If a fit fails and `error_score` is a number.

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
    plan = plan_folds(arms, X, y, cv, groups, scoring, error_score)
    return run_folds(plan, X, n_jobs=n_jobs, memory=memory, return_estimator=return_estimator)


@dataclass(frozen=True)
class FoldPlan:
    """Arms, labels, folds and scores that have passed all checks.

    Parameters
    ----------
    arms : dict of str to estimator
        The arms.
    y : ndarray of shape (n,)
        Classes.
    groups : ndarray of shape (n,) or None
        Patient of each image.
    splits : list of (ndarray, ndarray)
        Training and test rows of each fold.
    scoring : dict of str to str or callable
        Scores by name.
    error_score : "raise" or float
        What a failed fit leads to.
    """

    arms: dict
    y: np.ndarray
    groups: np.ndarray | None
    splits: list
    scoring: dict
    error_score: object


def plan_folds(arms, X, y, cv, groups, scoring, error_score):
    """Return the FoldPlan of these arguments of :func:`fit_folds`, or refuse them."""
    scoring = name_scores(scoring)
    check_names(arms)
    check_arms(arms, scoring)
    check_error_score(error_score)
    y, groups = check_images(X, y, groups)
    splits = split_rows(cv, X, y, groups)
    check_splits(splits, len(y), groups)
    if error_score == "raise":
        check_pixels(arms, X)
        check_folds(arms, y, splits, scoring)
    return FoldPlan(arms, y, groups, splits, scoring, error_score)


def run_folds(plan, X, *, n_jobs, memory, return_estimator):
    """Yield the FoldResult of each fit in a FoldPlan; the options are those of `fit_folds`."""
    memory = os.fspath(memory) if isinstance(memory, os.PathLike) else memory
    fit_and_score = check_memory(memory).cache(_fit_and_score)
    codes = dict.fromkeys(plan.arms)
    if memory is not None:
        codes = {arm: _identify_code(each, plan.scoring) for arm, each in plan.arms.items()}
    tasks = (
        delayed(_run_fold)(
            fit_and_score,
            arm,
            clone(estimator),
            fold,
            train,
            test,
            X,
            plan.y,
            plan.scoring,
            return_estimator,
            codes[arm],
            plan.error_score,
        )
        for fold, (train, test) in enumerate(plan.splits)
        for arm, estimator in plan.arms.items()
    )
    return_as = choose_return_as("generator_unordered")
    for result in Parallel(n_jobs=n_jobs, return_as=return_as, pre_dispatch="n_jobs")(tasks):
        if result.error is not None:
            # Here, since warnings in a worker process are lost.
            warnings.warn(
                f"Arm {result.arm!r} failed in fold {result.fold}, and its scores are "
                f"{plan.error_score} there. {result.error}",
                FitFailedWarning,
                stacklevel=2,
            )
        yield result


def split_rows(cv, X, y, groups):
    """Return a list with the training and test rows of each fold, as arrays of int."""
    if isinstance(cv, Integral) and groups is not None:
        cv = StratifiedGroupKFold(cv)
    splits = check_cv(cv, y, classifier=True).split(X, y, groups)
    return [(_number_rows(train), _number_rows(test)) for train, test in splits]


def split_shuffled(y, groups, n_folds, *, n_repeats=1, random_state):
    """Return shuffled, stratified folds, which keep groups together if there are any.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Classes.
    groups : ndarray of shape (n,) or None
        Patients.
    n_folds : int
        Number of folds of a repeat.
    n_repeats : int, default=1
        Number of repeats. The seeds of the splits are `random_state` and the numbers after it.
    random_state : int
        Seed.

    Returns
    -------
    splits : list of (ndarray, ndarray)
        Training and test rows of each fold, of all repeats.
    """
    splitter = StratifiedKFold if groups is None else StratifiedGroupKFold
    splits = []
    for repeat in range(n_repeats):
        folds = splitter(n_folds, shuffle=True, random_state=random_state + repeat)
        splits += folds.split(y, y, groups)
    return splits


def _number_rows(rows):
    """Return row numbers, also of a boolean mask."""
    rows = np.asarray(rows)
    return np.flatnonzero(rows) if rows.dtype == bool else rows


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


def _run_fold(
    fit_and_score,
    arm,
    estimator,
    fold,
    train,
    test,
    X,
    y,
    scoring,
    return_estimator,
    code,
    error_score,
):
    """Fit and score an arm on one fold, or read its outcome from the cache."""
    try:
        outcome = fit_and_score(
            estimator,
            _safe_indexing(X, train),
            _safe_indexing(y, train),
            _safe_indexing(X, test),
            _safe_indexing(y, test),
            scoring,
            return_estimator,
            code,
        )
    except Exception as error:
        if error_score == "raise":
            raise _name_error(error, arm, fold) from error
        return FoldResult(
            arm=arm,
            fold=fold,
            train=train,
            test=test,
            predictions=None,
            probabilities=None,
            classes=None,
            scores=dict.fromkeys(scoring, float(error_score)),
            seconds=np.nan,
            estimator=None,
            error=f"{type(error).__name__}: {error}",
        )
    return FoldResult(arm=arm, fold=fold, train=train, test=test, **outcome)


def _name_error(error, arm, fold):
    """Return an error of the same type whose message names the arm and the fold."""
    reason = str(error) or type(error).__name__
    end = "" if reason.endswith((".", "!")) else "."
    message = f"Arm {arm!r} failed in fold {fold}: {reason}{end} {ADVICE}"
    try:
        return type(error)(message)
    except Exception:  # a type that takes other arguments than a message
        return RuntimeError(message)


def _identify_code(estimator, scoring):
    """Return what identifies the code and the files of weights that a cached outcome depends on."""
    versions = f"skcxr {__version__}, torch {torch.__version__}"
    user = hash_user_code(estimator, scoring)
    return f"{versions}, user {user}, weights {_hash_weights(estimator)}"


def _hash_weights(estimator):
    """Return a hash of each file that a parameter `weights` of the estimator names."""
    params = estimator.get_params()
    paths = [value for name, value in params.items() if name.split("__")[-1] == "weights"]
    files = [Path(path) for path in paths if isinstance(path, str | os.PathLike)]
    # A torchvision network takes names of weights, which are not files.
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()]


def _fit_and_score(estimator, X, y, X_test, y_test, scoring, return_estimator, code):
    """Return what the cache keeps of a fold, which depends on these arguments alone.

    `code` is part of the cache's key: joblib knows functions and classes by their names only.
    """
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
