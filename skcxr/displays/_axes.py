"""Axes that a display is given."""

import numpy as np


def as_axes(ax, n, each):
    """`ax` as a flat array of `n` axes; `each` says what they are for in the error.

    Raises
    ------
    ValueError
        If there are more or fewer.
    """
    axes = np.ravel(ax)
    if len(axes) != n:
        raise ValueError(f"ax must hold {n} axes, {each}, got {len(axes)}.")
    return axes
