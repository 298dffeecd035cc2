"""Duplicates of images, in any layout that the estimators take."""

import numpy as np
from imblearn.over_sampling import RandomOverSampler
from imblearn.utils import check_target_type

from skcxr._base.validation import validate_images


class DuplicateOversampler(RandomOverSampler):
    """imbalanced-learn's RandomOverSampler, which itself takes no X of more than two dimensions.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        As of :class:`skcxr.DCGANOversampler`.
    random_state : int, RandomState instance or None, default=None
        Which images are drawn.
    shrinkage : float, dict or None, default=None
        As of RandomOverSampler; None for an X of more than two dimensions.

    Examples
    --------
    >>> from skcxr.datasets import make_chest_phantoms
    >>> from skcxr.over_sampling._duplicates import DuplicateOversampler
    >>> phantoms = make_chest_phantoms([3, 1, 3, 2], image_size=16, random_state=0)
    >>> X, y = DuplicateOversampler(random_state=0).fit_resample(phantoms.images, phantoms.target)
    >>> X.shape
    (12, 16, 16)
    """

    def _check_X_y(self, X, y):  # type: ignore[override]
        if np.ndim(X) <= 2:  # of sparse matrices and tables too
            return super()._check_X_y(X, y)
        y, one_hot = check_target_type(y, indicate_one_vs_all=True)
        X, y = validate_images(self, X, y)
        return X, y, one_hot

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
