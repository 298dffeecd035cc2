"""Classes and groups of images, looked at before anything is trained on them."""

import numpy as np
import pandas as pd


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
