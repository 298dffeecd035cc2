"""CXRFeatures: features of a network that was trained on radiographs, as a transformer."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skcxr._base.estimators import Estimator
from skcxr._base.images import ImageSpec
from skcxr._base.parallel import limit_threads, resolve_device
from skcxr._base.parameters import validate_before
from skcxr._base.validation import convert_and_validate
from skcxr.metrics.features import build_feature_extractor
from skcxr.persistence._state import Persistent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Self

    from skcxr._base.types import Device, Features, Images, ImageShape


class CXRFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Persistent, Estimator):
    """Features of images, computed by a pretrained network.

    How it works:

    - `fit` infers the images' layout and range. The network is not trained.
    - `transform` resizes the images, runs the network and returns the means of its feature maps.
    - A linear model on these features is a strong baseline for a few images per class, and takes
      seconds.

    The packaged network was trained on 2,012 labelled radiographs of children, without and with
    bacterial or viral pneumonia [1]_. If your images are from the same source, it may have seen
    their labels, and accuracies are too high.

    Parameters
    ----------
    weights : "cxr", str, path or callable, default="cxr"
        Network. "cxr" is the packaged one, with 64 features. A path to a ``.safetensors`` file
        stands for weights of the same network, and to a ``.pth`` or ``.pt`` file for a state dict
        of torchvision's inception_v3, with 2048 features. `transform` reads the file again. A
        callable takes images as they were passed, as an array, and returns features (n, d).
    image_shape : tuple of int or None, default=None
        (height, width) or (channels, height, width) of the images in the rows of a flat X. None
        assumes square images of one channel.
    device : str, default="auto"
        PyTorch device. "auto" is CUDA if available; with several GPUs, each worker takes its own.

    Attributes
    ----------
    spec_ : ImageSpec
        Layout, dtype and range of the images passed to `fit`.
    n_features_in_ : int
        Size of the second axis of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, if X had string column names.

    See Also
    --------
    skcxr.metrics.features.feature_extractor : The same features for distances between images.

    References
    ----------
    .. [1] Kermany et al., "Identifying Medical Diagnoses and Treatable Diseases by Image-Based
       Deep Learning", Cell 2018.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skcxr import CXRFeatures
    >>> from skcxr.datasets import make_chest_phantoms
    >>> phantoms = make_chest_phantoms(40, random_state=0)
    >>> CXRFeatures().fit_transform(phantoms.images).shape
    (40, 64)
    >>> probe = make_pipeline(CXRFeatures(), StandardScaler(), LogisticRegression(C=0.01))
    >>> probe.fit(phantoms.images, phantoms.target).predict(phantoms.images).shape
    (40,)
    """

    spec_: ImageSpec
    n_features_in_: int
    feature_names_in_: NDArray[Any]

    _parameter_constraints: dict = {
        "weights": [str, PathLike, callable],
        "image_shape": [tuple, list, None],
        "device": [str, torch.device],
    }

    def __init__(
        self,
        weights: Features = "cxr",
        *,
        image_shape: ImageShape | None = None,
        device: Device = "auto",
    ) -> None:
        self.weights = weights
        self.image_shape = image_shape
        self.device = device

    @validate_before
    def fit(self, X: Images, y: object = None) -> Self:
        """Infer the layout and range of the images X.

        Parameters
        ----------
        X : array-like of shape (n, h*w), (n, h, w) or (n, c, h, w)
            Images, of any numeric dtype and range.
        y : None
            Ignored. It is here for scikit-learn's conventions.

        Returns
        -------
        self : CXRFeatures
            The fitted transformer.

        Raises
        ------
        ValueError
            If a parameter or X is invalid.
        FileNotFoundError
            If `weights` is a path and there is no such file. Nothing is downloaded.
        """
        X = convert_and_validate(self, X)
        spec = ImageSpec.of(X, self.image_shape)
        if isinstance(self.weights, str) and self.weights in ("inception", "pixels"):
            raise ValueError(
                f"weights={self.weights!r} must be 'cxr', a path to a file of weights or a "
                "callable."
            )
        # Unknown weights, and a callable that returns something else, are refused here.
        try:
            n_features = self._compute(spec, X[:1]).shape[1]
        except (FileNotFoundError, ValueError) as error:
            raise type(error)(str(error).replace("features=", "weights=", 1)) from error
        self.spec_ = spec
        self._n_features_out = n_features
        return self

    def transform(self, X: Images) -> NDArray[np.float64]:
        """Return the features of images.

        Parameters
        ----------
        X : array-like
            Images in the layout of those passed to `fit`.

        Returns
        -------
        features : ndarray of shape (n, d), float64
            One row per image.
        """
        check_is_fitted(self)
        X = convert_and_validate(self, X, reset=False)
        self.spec_.warn_of_range(X)
        return self._compute(self.spec_, X)

    def _compute(self, spec, X):
        weights = self.weights
        if isinstance(weights, PathLike):
            weights = Path(weights)
        extractor = build_feature_extractor(weights, spec, resolve_device(self.device))
        with limit_threads():
            return extractor(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = []
        return tags
