"""The comparison of several estimators, the arms, on the same cross-validation folds."""

import warnings

import numpy as np
from sklearn.metrics import check_scoring
from tqdm.auto import tqdm

from skcxr._base.validation import check_labels
from skcxr.evaluation._comparison import Comparison
from skcxr.evaluation._controls import lacks_control
from skcxr.evaluation._folds import fit_folds, name_scores, split_rows


def compare(
    arms,
    X,
    y,
    *,
    cv=4,
    groups=None,
    baseline=None,
    scoring="accuracy",
    n_jobs=None,
    memory=None,
    verbose=0,
):
    """Fit all arms on the same folds and compare them by their paired differences.

    Parameters
    ----------
    arms : dict of str to estimator
        Classifiers with `predict_proba`, or pipelines that end in one and may hold samplers. If an
        arm adds synthetic images, include a control that adds as many duplicates
        (:func:`duplicates_of`), since more images also mean more training steps.
    X : array-like
        Images, in any layout that the arms take.
    y : array-like of shape (n,)
        Classes.
    cv : int or splitter, default=4
        Folds, as in scikit-learn. An int gives stratified folds without shuffling, which keep
        groups together if there are any. A repeated splitter narrows the intervals.
    groups : array-like of shape (n,) or None, default=None
        Patient of each image; all images of a patient stay in one fold. None splits image by
        image.
    baseline : str or None, default=None
        Name of the arm that the others are compared with. None takes the first arm.
    scoring : str, callable, list of str or dict, default="accuracy"
        Scores, as in :func:`sklearn.model_selection.cross_validate`. The first one decides the
        reading. The sensitivity of each class is added.
    n_jobs : int or None, default=None
        Number of fits that joblib runs at once. None runs one at a time, unless a joblib backend
        is active.
    memory : str, path, joblib.Memory or None, default=None
        Folder that keeps each finished fold, so that the same call resumes after an interruption.
        The key is the arm with its parameters, the images, the fold and the scores: give each
        arm an int as ``random_state``, and pass scores by name or as functions of a module. None
        keeps nothing.
    verbose : int, default=0
        1 shows a progress bar.

    Returns
    -------
    comparison : Comparison
        Results in long form, paired differences with intervals, and a summary in sentences.

    Raises
    ------
    ValueError
        If `baseline` is not among the arms, an arm has no `predict_proba`, a score is unknown, or
        classes or groups are missing. Nothing has been fitted then.

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
    >>> arms = {"weak": LogisticRegression(C=1e-4), "strong": LogisticRegression(max_iter=999)}
    >>> comparison = compare(arms, X, y, cv=5)
    >>> comparison.summary.loc["strong", ["difference", "low", "high"]].round(2).tolist()
    [0.28, 0.21, 0.35]
    """
    scoring = name_scores(scoring)
    _check_arms(arms, baseline, scoring)
    check_labels(y, "y")
    if groups is not None:
        check_labels(groups, "groups")
    if lacks_control(arms):
        warnings.warn(
            "An arm adds synthetic images, but none adds duplicates as a control. More images also "
            "mean more training steps, so a gain may come from these alone. Add "
            "duplicates_of(pipeline) to the arms.",
            stacklevel=2,
        )
    y = np.asarray(y)
    splits = split_rows(cv, X, y, groups)
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
    baseline = next(iter(arms)) if baseline is None else baseline
    return Comparison.of(bar, y, arms=arms, baseline=baseline)


def _check_arms(arms, baseline, scoring):
    """Raise a ValueError for what would otherwise fail only after hours of training."""
    if not arms:
        raise ValueError("arms is empty. Pass a dict of names to classifiers.")
    if baseline is not None and baseline not in arms:
        raise ValueError(
            f"baseline={baseline!r} is not one of the arms, {list(arms)}. Name one of them, or "
            "pass None for the first."
        )
    for arm, estimator in arms.items():
        if not hasattr(estimator, "predict_proba"):
            raise ValueError(
                f"Arm {arm!r} has no predict_proba, which the calibration error requires. Wrap it "
                "in sklearn.calibration.CalibratedClassifierCV."
            )
        check_scoring(estimator, scoring=scoring)
