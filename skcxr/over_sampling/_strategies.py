"""Sampling strategies: how far each class grows."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class grow:
    """Sampling strategy in which every class grows to `factor` times its size.

    imbalanced-learn's own strategies only raise classes to the size of the largest one. The paper
    enlarges all four classes, and so does this strategy.

    Parameters
    ----------
    factor : float
        Ratio of the new size to the old one, at least 1. 2 adds as many synthetic images as there
        are real ones. Sizes are rounded to whole images.

    Raises
    ------
    ValueError
        If `factor` is not a finite number of at least 1.

    Examples
    --------
    >>> from skcxr.over_sampling import grow
    >>> grow(1.5)(["covid"] * 4 + ["normal"] * 10)
    {'covid': 6, 'normal': 15}
    """

    factor: float

    def __post_init__(self) -> None:
        if not isinstance(self.factor, Real) or not 1 <= self.factor < np.inf:
            raise ValueError(
                f"factor must be a finite number >= 1, got {self.factor!r}. "
                "2 doubles each class, 1 leaves it as it is."
            )

    def __call__(self, y: ArrayLike) -> dict[Any, int]:
        """Return the new size of each class of `y`, as a dict."""
        classes, counts = np.unique(np.asarray(y), return_counts=True)
        sizes = np.rint(counts * self.factor).astype(int)
        return dict(zip(classes.tolist(), sizes.tolist(), strict=True))
