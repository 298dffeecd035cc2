"""Experiments: several estimators, the arms, on the same cross-validation folds."""

import os
import time
import warnings
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from imblearn.over_sampling import RandomOverSampler
from imblearn.over_sampling.base import BaseOverSampler
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import check_scoring
from sklearn.model_selection import StratifiedGroupKFold, check_cv
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_memory
from tqdm.auto import tqdm

from skcxr._base.parallel import choose_return_as
from skcxr._base.validation import check_labels
from skcxr.evaluation._comparison import Comparison
from skcxr.over_sampling._duplicates import DuplicateOversampler


@dataclass(frozen=True)
class FoldResult:
    """One arm on one fold.

    Parameters
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
        Predicted probabilities, in the order of `classes`.
    classes : ndarray of shape (n_classes,)
        Classes that the arm knows.
    scores : dict of str to float
        Scores on the test rows, by name.
    seconds : float
        Wall time of `fit`.
    estimator : BaseEstimator or None
        The fitted clone, if it was to be kept.
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


def compare(
    arms,
    X,
    y,
    *,
    cv=4,
    groups=None,
    baseline="classic",
    scoring="accuracy",
    n_jobs=None,
    memory=None,
    verbose=0,
):
    """Fit all arms on the same folds and tell what their paired differences show.

    Parameters
    ----------
    arms : dict of str to estimator
        Classifiers with `predict_proba`, pipelines with samplers among them. Where one adds
        synthetic images, another should add as many duplicates (:func:`duplicates_of`): more
        images also mean more training steps.
    X : array-like
        Images, in any layout that the arms take.
    y : array-like of shape (n,)
        Classes.
    cv : int or splitter, default=4
        Folds, as in scikit-learn; an int is stratified and not shuffled, and keeps groups together
        where there are any. A repeated splitter narrows the intervals.
    groups : array-like of shape (n,) or None, default=None
        Patients, whose images stay in one fold.
    baseline : str, default="classic"
        The arm that the others' differences are taken to.
    scoring : str, callable, list of str or dict, default="accuracy"
        Scores, as in :func:`sklearn.model_selection.cross_validate`; the first one decides the
        reading. Each class' sensitivity is added.
    n_jobs : int or None, default=None
        Arms and folds fitted at once, by joblib.
    memory : str, path, joblib.Memory or None, default=None
        Folder in which each finished fold is kept: the same call goes on where a killed one was.
        The key is the arm with its parameters, the images, the fold and the scores, so give each
        arm an int as ``random_state``, and name scores or pass functions of a module.
    verbose : int, default=0
        1 shows a progress bar.

    Returns
    -------
    comparison : Comparison
        Long-form results, paired differences with intervals, and their reading in words.

    Raises
    ------
    ValueError
        If `baseline` is not among the arms, one of them has no `predict_proba`, a score is not
        known, or classes or groups are missing. Nothing was fitted then.

    Warns
    -----
    UserWarning
        If an arm adds synthetic images and none adds duplicates.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skcxr.evaluation import compare
    >>> X, y = load_iris(return_X_y=True)
    >>> arms = {"classic": LogisticRegression(C=1e-4), "strong": LogisticRegression(max_iter=999)}
    >>> comparison = compare(arms, X, y, cv=5)
    >>> comparison.summary.loc["strong", ["difference", "low", "high"]].round(2).tolist()
    [0.28, 0.21, 0.35]
    """
    scoring = _named(scoring)
    _check_arms(arms, baseline, scoring)
    check_labels(y, "y")
    if groups is not None:
        check_labels(groups, "groups")
    if _lacks_control(arms):
        warnings.warn(
            "An arm adds images and none adds duplicates: what more training steps alone would "
            "gain is credited to the new images. Add duplicates_of(pipeline) to the arms.",
            stacklevel=2,
        )
    y = np.asarray(y)
    splits = _splits(cv, X, y, groups)
    results = fit_folds(
        arms,
        X,
        y,
        cv=splits,
        scoring=scoring,
        n_jobs=n_jobs,
        memory=memory,
        return_estimator=False,
    )
    n_fits = len(arms) * len(splits)
    bar = tqdm(results, total=n_fits, desc="folds x arms", unit="fit", disable=not verbose)
    return Comparison.of(bar, y, arms=arms, baseline=baseline)


def _check_arms(arms, baseline, scoring):
    """Refuse what would fail only after hours of training."""
    if baseline not in arms:
        raise ValueError(
            f"baseline={baseline!r} is not one of the arms, {list(arms)}. Name one of them."
        )
    for arm, estimator in arms.items():
        if not hasattr(estimator, "predict_proba"):
            raise ValueError(
                f"Arm {arm!r} has no predict_proba, which calibration needs. Wrap it in "
                "sklearn.calibration.CalibratedClassifierCV."
            )
        check_scoring(estimator, scoring=scoring)


def _lacks_control(arms):
    """Whether images are added by some arm, but duplicates by none."""
    samplers = [
        sampler
        for estimator in arms.values()
        for sampler in _samplers(estimator).values()
        if isinstance(sampler, BaseOverSampler)
    ]
    return bool(samplers) and not any(isinstance(s, RandomOverSampler) for s in samplers)


def _samplers(estimator):
    """Return the samplers of a pipeline by the names of their steps."""
    steps = getattr(estimator, "steps", [])
    return {name: step for name, step in steps if hasattr(step, "fit_resample")}


def duplicates_of(pipeline):
    """The control to a pipeline that adds synthetic images: it adds as many duplicates instead.

    Parameters
    ----------
    pipeline : imblearn.pipeline.Pipeline
        With at least one step that samples.

    Returns
    -------
    control : imblearn.pipeline.Pipeline
        A clone, each sampler replaced by one of duplicates, of the same ``sampling_strategy`` and
        ``random_state``: a RandomOverSampler that takes images in any layout.

    Raises
    ------
    ValueError
        If no step of `pipeline` samples.

    Examples
    --------
    >>> from imblearn.pipeline import Pipeline
    >>> from skcxr import CXRClassifier, DCGANOversampler
    >>> from skcxr.evaluation import duplicates_of
    >>> from skcxr.over_sampling import grow
    >>> gan = DCGANOversampler(sampling_strategy=grow(2), random_state=0)
    >>> duplicates_of(Pipeline([("gan", gan), ("clf", CXRClassifier())]))["gan"]
    DuplicateOversampler(random_state=0, sampling_strategy=grow(factor=2))
    """
    control = clone(pipeline)
    samplers = _samplers(control)
    if not samplers:
        raise ValueError(f"No step of the pipeline samples: {pipeline!r}.")
    for name, step in samplers.items():
        params = step.get_params(deep=False)
        options = {k: params[k] for k in ("sampling_strategy", "random_state") if k in params}
        control.set_params(**{name: DuplicateOversampler(**options)})
    return control


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
    """Fit every arm on every fold and yield the results as they finish.

    Parameters
    ----------
    arms : dict of str to estimator
        Classifiers with `predict_proba`, pipelines with samplers among them.
    X : array-like
        Images, in any layout that the arms take.
    y : array-like of shape (n,)
        Classes.
    cv, groups, scoring, n_jobs, memory : object
        As :func:`compare` takes them.
    return_estimator : bool, default=True
        Whether results, and what `memory` keeps of them, hold the fitted arm.

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
    memory = os.fspath(memory) if isinstance(memory, os.PathLike) else memory
    fit = check_memory(memory).cache(_fit_and_score)
    scoring = _named(scoring)
    tasks = (
        delayed(_fold_result)(
            fit, arm, fold, train, test, clone(estimator), X, y, scoring, return_estimator
        )
        for fold, (train, test) in enumerate(_splits(cv, X, y, groups))
        for arm, estimator in arms.items()
    )
    return_as = choose_return_as("generator_unordered")
    yield from Parallel(n_jobs=n_jobs, return_as=return_as, pre_dispatch="n_jobs")(tasks)


def _splits(cv, X, y, groups):
    """Train and test rows of each fold."""
    if isinstance(cv, Integral) and groups is not None:
        cv = StratifiedGroupKFold(cv)
    return list(check_cv(cv, y, classifier=True).split(X, y, groups))


def _named(scoring):
    """`scoring` as a dict of name to scorer."""
    if not scoring:
        raise ValueError(f"scoring={scoring!r} names no score. Pass 'accuracy', say.")
    if isinstance(scoring, str):
        return {scoring: scoring}
    if callable(scoring):
        return {"score": scoring}
    return dict(scoring) if isinstance(scoring, dict) else {name: name for name in scoring}


def _fold_result(fit, arm, fold, train, test, estimator, X, y, scoring, return_estimator):
    outcome = fit(
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
    """What `memory` keeps of a fold: it depends on these arguments alone."""
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
