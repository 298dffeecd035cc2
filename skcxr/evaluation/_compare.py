"""Experiments: several estimators, the arms, on the same cross-validation folds."""

import warnings

import numpy as np
from sklearn.metrics import check_scoring
from tqdm.auto import tqdm

from skcxr._base.validation import check_labels
from skcxr.evaluation._comparison import Comparison
from skcxr.evaluation._controls import _lacks_control
from skcxr.evaluation._folds import _named, _splits, fit_folds


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
