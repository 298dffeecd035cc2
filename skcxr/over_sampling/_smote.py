"""ImageSMOTE: imbalanced-learn's SMOTE on images in any layout."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from imblearn.over_sampling import SMOTE
from sklearn.utils._param_validation import HasMethods, Interval

from skcxr._base.images import to_dense
from skcxr._base.text import format_count
from skcxr.over_sampling._base import ImageOversampler, Stack

if TYPE_CHECKING:
    from skcxr._base.types import RandomState, Strategy


class ImageSMOTE(ImageOversampler):
    """Over-sampler that blends pairs of similar images of a class, pixel by pixel.

    How it works:

    - imbalanced-learn's :class:`~imblearn.over_sampling.SMOTE` draws an image, one of its nearest
      images of the same class, and a point between the two.
    - It runs on flat rows of floats, so that images may have any layout. Blends get X's layout and
      dtype, and are rounded if X holds integers. They stay within the range of X.
    - The original rows come first and unchanged. No image is kept in the fitted sampler.

    Each blend shows two patients. Treat blends like real images: they are not anonymous.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        Classes that grow, and their new sizes, as in :class:`skcxr.DCGANOversampler`.
    k_neighbors : int or object, default=5
        Number of nearest images of its class that an image is blended with, or an unfitted
        estimator that finds them, such as :class:`sklearn.neighbors.NearestNeighbors`. A class that
        grows needs more than `k_neighbors` images.
    random_state : int, RandomState instance or None, default=None
        Seed of the blends. Pass an int for reproducible results.

    Attributes
    ----------
    synthetic_mask_ : ndarray of shape (n_samples_new,), bool
        Mask of blends in the last result.
    sampling_strategy_ : dict
        Number of images that each class gains.
    n_features_in_ : int
        Size of the second axis of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, if X had string column names.

    See Also
    --------
    imblearn.over_sampling.SMOTE : The same on rows of features.
    skcxr.DCGANOversampler : Synthetic images of a GAN.
    skcxr.over_sampling.grow : Strategy that enlarges every class.

    References
    ----------
    .. [1] Chawla et al., "SMOTE: Synthetic Minority Over-sampling Technique", JAIR 2002.

    Examples
    --------
    >>> from skcxr.datasets import make_chest_phantoms
    >>> from skcxr.over_sampling import ImageSMOTE, grow
    >>> phantoms = make_chest_phantoms(24, image_size=16, random_state=0)
    >>> smote = ImageSMOTE(sampling_strategy=grow(2), random_state=0)
    >>> X, y = smote.fit_resample(phantoms.images, phantoms.target)
    >>> X.shape, X.dtype, int(smote.synthetic_mask_.sum())
    ((48, 16, 16), dtype('uint8'), 24)
    """

    _parameter_constraints: dict = {
        **ImageOversampler._parameter_constraints,
        "k_neighbors": [
            Interval(Integral, 1, None, closed="left"),
            HasMethods(["kneighbors", "kneighbors_graph"]),
        ],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        k_neighbors: Any = 5,
        random_state: RandomState | None = None,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy)
        self.k_neighbors = k_neighbors
        self.random_state = random_state

    def _fit_resample(self, X, y, **params):
        sizes = {}
        for label in np.unique(y).tolist():
            n_new = self.sampling_strategy_.get(label, 0)
            n_images = np.count_nonzero(y == label)
            self._check_class(label, n_images, n_new)
            sizes[label] = n_images + n_new
        smote = SMOTE(
            sampling_strategy=sizes, k_neighbors=self.k_neighbors, random_state=self.random_state
        )
        # In unsigned integers, SMOTE's differences would wrap around.
        rows = to_dense(X).reshape(X.shape[0], -1)
        rows = rows.astype(np.result_type(X.dtype, np.float32))
        blends, y_resampled = smote.fit_resample(rows, y)
        blends = blends[len(rows) :]
        if len(blends):
            blends = np.clip(blends, rows.min(), rows.max())
        if X.dtype.kind in "biu":
            blends = np.rint(blends)
        elif self._integer_columns is not None:
            blends[:, self._integer_columns] = np.rint(blends[:, self._integer_columns])

        X_resampled = Stack(X, len(y_resampled))
        X_resampled.append(blends.astype(X.dtype).reshape(-1, *X.shape[1:]))
        self.synthetic_mask_ = np.arange(len(y_resampled)) >= len(y)
        return X_resampled.finish(), y_resampled

    def _check_class(self, label, n_images, n_new):
        # An estimator counts the image itself among its neighbors.
        n_others = getattr(self.k_neighbors, "n_neighbors", None)
        n_needed = self.k_neighbors + 1 if n_others is None else n_others
        if n_new and n_images < n_needed:
            way_out = f"Pass k_neighbors={n_images - 1} or less, leave" if n_images > 1 else "Leave"
            raise ValueError(
                f"Class {label!r} has {format_count(n_images, 'image')}, but "
                f"k_neighbors={self.k_neighbors!r} needs {n_needed} or more. {way_out} the class "
                "out of sampling_strategy, or add images."
            )
