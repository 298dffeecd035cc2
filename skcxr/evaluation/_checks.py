"""Checks of arms, images and folds before anything is trained.

A fit takes hours, so whatever can be refused is refused here.
"""

import warnings
from collections.abc import Mapping
from numbers import Real

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.metrics import check_scoring
from sklearn.pipeline import Pipeline
from sklearn.utils.multiclass import check_classification_targets

from skcxr._base.images import stack_images
from skcxr._base.validation import check_finite, check_lengths, ravel_labels
from skcxr.classifier import CXRClassifier
from skcxr.evaluation._find_samplers import find_tuned, is_sampler, plan_class_sizes
from skcxr.over_sampling._base import ImageOversampler, check_parameters


def check_names(arms):
    """Refuse arms without names."""
    if not isinstance(arms, Mapping):
        raise TypeError(
            f"arms must be a dict of names to classifiers, got {type(arms).__name__}. Pass "
            "{'classic': clf}, for example."
        )
    if not arms:
        raise ValueError("arms is empty. Pass a dict of names to classifiers.")


def check_arms(arms, scoring):
    """Refuse arms that are not classifiers with probabilities, and invalid parameters.

    Parameters
    ----------
    arms : dict of str to estimator
        The arms.
    scoring : dict of str to str or callable
        Scores by name.
    """
    for arm, estimator in arms.items():
        try:
            clone(estimator)
        except (TypeError, RuntimeError) as error:
            raise TypeError(f"Arm {arm!r} cannot be cloned for the folds: {error}") from error
        if not hasattr(estimator, "predict_proba"):
            raise ValueError(
                f"Arm {arm!r} has no predict_proba, which the calibration error requires. Wrap it "
                "in sklearn.calibration.CalibratedClassifierCV."
            )
        check_scoring(estimator, scoring=scoring)
        _check_parameters(arm, estimator)


def _check_parameters(arm, estimator):
    """Refuse invalid parameters of an arm and of its nested estimators."""
    # What a search sets need not be valid before.
    tuned = {name.rpartition("__")[0] for name, _ in find_tuned(estimator)}
    nested = {k: v for k, v in estimator.get_params(deep=True).items() if k not in tuned}
    for value in [estimator, *nested.values()]:
        if isinstance(value, type):
            continue
        if type(value) is Pipeline and any(is_sampler(step) for _, step in value.steps):
            raise TypeError(
                f"Arm {arm!r} has a sampler in a Pipeline of scikit-learn, which takes none. Use "
                "imblearn.pipeline.Pipeline."
            )
        try:
            check_parameters(value)
        except (ValueError, TypeError) as error:
            raise type(error)(f"Arm {arm!r} cannot be trained: {error}") from error


def check_images(X, y, groups):
    """Return labels and groups as arrays, or refuse them.

    Parameters
    ----------
    X : array-like of shape (n, ...)
        Images.
    y : array-like of shape (n,)
        Labels.
    groups : array-like of shape (n,) or None
        Patient of each image.

    Returns
    -------
    y : ndarray of shape (n,)
        Labels.
    groups : ndarray of shape (n,) or None
        Patient of each image.
    """
    y = ravel_labels(y, "y")
    check_lengths(("X", "y"), X, y)
    if groups is not None:
        groups = ravel_labels(groups, "groups")
        check_lengths(("X", "groups"), X, groups)
    try:
        check_classification_targets(y)
    except ValueError as error:
        raise ValueError(f"y must hold classes: {error}") from error
    classes = np.unique(y)
    if len(classes) < 2:
        raise ValueError(
            f"y holds one class, {classes.tolist()[0]!r}; a comparison needs two or more."
        )
    return y, groups


def check_pixels(arms, X):
    """Refuse images with NaN or infinity if an arm of skcxr would.

    A fit would name their rows among the training images of its fold. Other arms may take NaN.

    Parameters
    ----------
    arms : dict of str to estimator
        The arms.
    X : array-like of shape (n, ...)
        Images.
    """
    images = stack_images(X)
    if not hasattr(images, "shape"):  # nested lists are left to the arms
        return
    first_steps = [
        estimator.steps[0][1] if isinstance(estimator, Pipeline) else estimator
        for estimator in arms.values()
    ]
    if any(isinstance(step, CXRClassifier | ImageOversampler) for step in first_steps):
        check_finite(images if sparse.issparse(images) else np.asarray(images), "X")


def check_splits(splits, n_images, groups):
    """Refuse folds without images, with rows that X lacks, or with a patient on both sides.

    Parameters
    ----------
    splits : list of (ndarray, ndarray)
        Training and test rows of each fold.
    n_images : int
        Number of images.
    groups : ndarray of shape (n_images,) or None
        Patient of each image.
    """
    if not splits:
        raise ValueError("cv yields no fold. Pass a number of folds of 2 or more, for example.")
    for fold, (train, test) in enumerate(splits):
        for part, rows in {"training": train, "test": test}.items():
            if not len(rows):
                raise ValueError(
                    f"cv yields no {part} image in fold {fold}. Pass fewer folds, or more images "
                    "or groups."
                )
            outside = rows[(rows < 0) | (rows >= n_images)]
            if len(outside):
                raise ValueError(
                    f"cv yields the {part} row {outside[0]} in fold {fold}, but X holds {n_images} "
                    "images. Number its rows from 0."
                )
        if groups is None:
            continue
        shared = np.intersect1d(groups[train], groups[test])
        if len(shared):
            raise ValueError(
                f"cv puts group {shared.tolist()[0]!r} into both the training and the test images "
                f"of fold {fold}. Pass a splitter that keeps groups together, such as "
                "StratifiedGroupKFold, or groups=None."
            )


def check_folds(arms, y, splits, scoring):
    """Refuse folds that an arm or a score would fail on, as far as labels alone can tell.

    Parameters
    ----------
    arms : dict of str to estimator
        The arms.
    y : ndarray of shape (n,)
        Labels of all images.
    splits : list of (ndarray, ndarray)
        Training and test rows of each fold.
    scoring : dict of str to str or callable
        Scores by name.
    """
    for fold, (train, test) in enumerate(splits):
        classes = np.unique(y[train])
        if len(classes) < 2:
            raise ValueError(
                f"cv leaves one class, {classes.tolist()[0]!r}, to train on in fold {fold}. Pass a "
                "splitter that is stratified, or more images of the other classes."
            )
        for arm, estimator in arms.items():
            try:
                plan_class_sizes(estimator, y[train])
            except (ValueError, TypeError) as error:
                raise type(error)(
                    f"Arm {arm!r} cannot be trained in fold {fold}: {error}"
                ) from error
        _check_scores(y, train, test, scoring, fold)


def _check_scores(y, train, test, scoring, fold):
    """Refuse scores by name that cannot be computed for these classes."""
    rows = np.zeros((len(y), 1))
    dummy = DummyClassifier().fit(rows[train], y[train])
    for name, score in scoring.items():
        if not isinstance(score, str):  # a function may depend on the arm or on the images
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                check_scoring(dummy, scoring=score)(dummy, rows[test], y[test])
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"scoring={name!r} cannot be computed in fold {fold}: {error} Pass a score for "
                "these classes, such as 'balanced_accuracy' or 'roc_auc_ovr'."
            ) from error


def check_error_score(error_score):
    """Refuse anything but "raise" and numbers."""
    if not isinstance(error_score, Real) and error_score != "raise":
        raise ValueError(
            f"error_score={error_score!r} must be 'raise' or a number. Pass np.nan to leave failed "
            "fits out."
        )
