"""Checks of images, their classes and their groups, before anything is trained on them."""

import numpy as np
import pandas as pd
from sklearn.utils import gen_batches
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

from skcxr._base.images import stack_images, to_dense
from skcxr._base.text import format_count

# Images are checked in batches, since a mask of all pixels may not fit into memory.
CHECKED_ROWS = 1024
# Number of rows that a message names.
LISTED_ROWS = 5


def check_finite(X, name):
    """Refuse images that hold NaN or infinity.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n, ...)
        Images of any dtype.
    name : str
        Name of the parameter, for the message.

    Raises
    ------
    ValueError
        If a pixel is NaN or infinite. The message names the rows of these images.
    """
    if X.dtype.kind != "f":
        return
    bad = []
    for rows in gen_batches(X.shape[0], CHECKED_ROWS):
        is_finite = np.isfinite(to_dense(X[rows]))
        bad.extend(rows.start + np.flatnonzero(~is_finite.all(axis=tuple(range(1, X.ndim)))))
    if bad:
        listed = ", ".join(str(row) for row in bad[:LISTED_ROWS])
        more = ", ..." if len(bad) > LISTED_ROWS else ""
        raise ValueError(
            f"{name} holds NaN or infinity in {len(bad)} of {X.shape[0]} images, at index "
            f"{listed}{more}. Remove or repair these images."
        )


def validate_images(estimator, X, y="no_validation", **options):
    """Return what scikit-learn's `validate_data` returns, or name the images that are not finite.

    Parameters
    ----------
    estimator : object
        Estimator of scikit-learn's kind.
    X : array-like of shape (n, ...)
        Images.
    y : array-like of shape (n,), optional
        Labels.
    **options : object
        Options of `validate_data`.

    Returns
    -------
    X : ndarray or sparse matrix of shape (n, ...)
        Images, followed by the labels if there are any.

    Raises
    ------
    ValueError
        If the images or labels are invalid.
    """
    validated = validate_data(estimator, X, y, allow_nd=True, ensure_all_finite=False, **options)
    check_finite(validated[0] if isinstance(validated, tuple) else validated, "X")
    return validated


def convert_and_validate(estimator, X, y="no_validation", **options):
    """Return images as an array, and else what :func:`validate_images` returns.

    Lists and Series of images are stacked, and sparse matrices become dense.
    """
    return validate_images(estimator, to_dense(stack_images(X)), y, **options)


def check_labels(labels, name):
    """Refuse labels that are missing or cannot be sorted together.

    Parameters
    ----------
    labels : array-like of shape (n,)
        Labels of any type. Arrays with another number of dimensions are left to other checks.
    name : str
        Name of the parameter, for the message.

    Raises
    ------
    ValueError
        If a label is None or NaN, which would count as a class or a patient of its own, or if
        labels mix types such as str and int.
    """
    values = np.asarray(labels, dtype=object)
    if values.ndim != 1:
        return
    missing = np.flatnonzero(pd.isna(values))
    if len(missing):
        raise ValueError(
            f"{name} is missing for {format_count(len(missing), 'image')}, the first in row "
            f"{missing[0]}. Fill it in, or leave these images out."
        )
    try:
        sorted(set(values))
    except TypeError as error:
        types = sorted({type(value).__name__ for value in values})
        if len(types) == 1:  # not a label at all, such as a complex number: left to other checks
            return
        raise ValueError(
            f"{name} mixes labels of types that have no common order: {', '.join(types)}. Convert "
            "all of them to str, for example."
        ) from error


def ravel_labels(labels, name):
    """Return labels as an array of shape (n,).

    Parameters
    ----------
    labels : array-like of shape (n,) or (n, 1)
        Labels of any type that can be sorted.
    name : str
        Name of the parameter, for the message.

    Returns
    -------
    labels : ndarray of shape (n,)
        The labels.

    Raises
    ------
    ValueError
        If there are several columns, or if labels are missing or of several types.

    Warns
    -----
    DataConversionWarning
        If there is one column.
    """
    shape = labels.shape if hasattr(labels, "shape") else np.asarray(labels, dtype=object).shape
    if len(shape) == 2 and shape[1] == 1:
        labels = column_or_1d(labels, warn=True)
    elif len(shape) != 1:
        raise ValueError(
            f"{name} must hold one label per image, got an array of shape {shape}. Of one-hot "
            f"labels pass {name}.argmax(axis=1), or pass the names of the classes."
        )
    check_labels(labels, name)
    return np.asarray(labels)


def check_lengths(names, X, labels):
    """Refuse labels that are not one per image.

    Parameters
    ----------
    names : tuple of str
        Names of the two parameters, for the message.
    X : array-like of shape (n, ...)
        Images.
    labels : ndarray of shape (n,)
        Labels.

    Raises
    ------
    ValueError
        If the two lengths differ.
    """
    n_images = X.shape[0] if hasattr(X, "shape") else len(X)
    if len(labels) != n_images:
        raise ValueError(
            f"{names[0]} holds {format_count(n_images, 'image')}, but {names[1]} holds "
            f"{format_count(len(labels), 'label')}. Pass one label per image."
        )


def validate_labelled(estimator, X, y):
    """Return the images and labels of a classifier's `fit` as arrays, and the classes.

    Parameters
    ----------
    estimator : object
        Estimator of scikit-learn's kind. It gets `n_features_in_`.
    X : array-like of shape (n, ...)
        At least two images.
    y : array-like of shape (n,)
        Labels of at least two classes.

    Returns
    -------
    X : ndarray of shape (n, ...)
        Images.
    y : ndarray of shape (n,)
        Labels.
    classes : ndarray of shape (n_classes,)
        Sorted classes.

    Raises
    ------
    ValueError
        If there are too few images or classes, or if labels are missing, of several types or in
        several columns.
    """
    y_shape = np.asarray(y).shape
    if len(y_shape) == 2 and y_shape[1] > 1:
        raise ValueError(
            "Multilabel and multioutput targets are not supported. y should be a 1d array, "
            f"got an array of shape {y_shape} instead."
        )
    if y is not None:
        check_labels(y, "y")
    X, y = convert_and_validate(estimator, X, y, ensure_min_samples=2)
    check_classification_targets(y)
    classes = np.unique(y)
    if len(classes) < 2:
        raise ValueError(
            f"y holds one class, {classes.tolist()[0]!r}; a classifier needs two or more."
        )
    return X, y, classes
