"""Classes and groups of images, looked at before anything is trained on them."""

import numpy as np
import pandas as pd
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from skcxr._base.images import check_one_size


def check_labels(labels, name):
    """Refuse labels that are missing or can not be sorted together.

    Parameters
    ----------
    labels : array-like of shape (n,)
        Of any type; what has another number of dimensions is left to others.
    name : str
        What to call them.

    Raises
    ------
    ValueError
        If a label is None or NaN, which would count as a class or a patient of its own, or if
        labels mix types such as str and int.
    """
    values = np.asarray(labels, dtype=object)
    if values.ndim != 1:
        return
    unknown = np.flatnonzero(pd.isna(values))
    if len(unknown):
        raise ValueError(
            f"{name} is missing for {len(unknown)} images, the first in row {unknown[0]}. "
            "Fill it in, or leave these images out."
        )
    try:
        sorted(set(values))
    except TypeError as error:
        types = sorted({type(value).__name__ for value in values})
        if len(types) == 1:  # no label at all, such as a complex number: others say so
            return
        raise ValueError(
            f"{name} mixes labels of types that have no common order: {', '.join(types)}. Make all "
            "of them str, say."
        ) from error


def validate_labelled(estimator, X, y):
    """The images and labels that a classifier's `fit` is given, as arrays, and the classes.

    Parameters
    ----------
    estimator : object
        Of scikit-learn's kind: it gets `n_features_in_`.
    X : array-like of shape (n, ...)
        Images, at least two.
    y : array-like of shape (n,)
        Their labels, of at least two classes.

    Returns
    -------
    X : ndarray of shape (n, ...)
    y : ndarray of shape (n,)
    classes : ndarray of shape (n_classes,)
        Sorted.

    Raises
    ------
    ValueError
        If there are too few images or classes, or labels are missing, of several types or columns.
    """
    y_shape = np.asarray(y).shape
    if len(y_shape) == 2 and y_shape[1] > 1:
        raise ValueError(
            "Multilabel and multioutput targets are not supported. y should be a 1d array, "
            f"got an array of shape {y_shape} instead."
        )
    if y is not None:
        check_labels(y, "y")
    check_one_size(X)
    X, y = validate_data(estimator, X, y, allow_nd=True, ensure_min_samples=2)
    check_classification_targets(y)
    classes = np.unique(y)
    if len(classes) < 2:
        raise ValueError(
            f"y holds one class, {classes.tolist()[0]!r}; a classifier needs two or more."
        )
    return X, y, classes
