"""Images that files of weights were trained on: a test on them is not a test."""

from __future__ import annotations

import os
import warnings
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from skcxr._base.images import stack_images, to_dense
from skcxr._base.text import format_count
from skcxr.datasets._near_duplicates import find_fingerprinted
from skcxr.persistence._weights import read_fingerprints

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.base import BaseEstimator

    from skcxr._base.types import Images


def find_pretraining_overlap(estimator: BaseEstimator, X: Images) -> NDArray[np.bool_]:
    """Find images that the weights of an estimator were trained on.

    Every parameter ``weights`` of the estimator and its parts is looked up, such as that of the GAN
    of a sampler in a pipeline. A file of weights knows its training images only if it was written
    with ``save_weights(..., training_images=)``, and the file "cxr" of skcxr knows them.
    :func:`compare` calls this function; call it before scikit-learn's ``cross_validate``.

    Parameters
    ----------
    estimator : estimator
        Classifier or pipeline, fitted or not.
    X : array-like of shape (n, h*w), (n, h, w) or (n, c, h, w)
        All images, for training and for testing.

    Returns
    -------
    overlap : ndarray of bool of shape (n,)
        True for images that show a radiograph of a pretraining, also in another size, crop,
        contrast or compression. Leave them out. Fingerprints found at least 99 % of such
        radiographs, and at most 1 % of others.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from skcxr import DCGAN, DCGANOversampler
    >>> from skcxr.datasets import make_chest_phantoms
    >>> from skcxr.evaluation import find_pretraining_overlap
    >>> X = make_chest_phantoms(30, image_size=32, random_state=0).images
    >>> pool_gan = DCGAN(image_size=32, base_width=4, max_epochs=1, random_state=0).fit(X[:20])
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "pool.safetensors"
    ...     pool_gan.save_weights(path, discriminator=True, training_images=X[:20])
    ...     sampler = DCGANOversampler(DCGAN(image_size=32, base_width=4, weights=path))
    ...     overlap = find_pretraining_overlap(sampler, X)
    >>> int(overlap.sum())
    20
    """
    return find_overlap_by_arm({"": estimator}, X)[""]


def find_overlap_by_arm(arms, X):
    """Find images that the weights of several estimators were trained on.

    Images are compared once with weights that several arms have in common.

    Parameters
    ----------
    arms : dict of str to estimator
        Classifiers or pipelines, fitted or not.
    X : array-like of shape (n, ...)
        All images, for training and for testing.

    Returns
    -------
    overlaps : dict of str to ndarray of bool of shape (n,)
        Masks of :func:`find_pretraining_overlap`.
    """
    X = np.asarray(to_dense(stack_images(X)))

    @cache
    def find(weights, image_shape):
        fingerprints = read_fingerprints(weights)
        if fingerprints is None:
            return np.zeros(len(X), dtype=bool)
        return find_fingerprinted(X, fingerprints, image_shape=image_shape)

    overlaps = {}
    for arm, estimator in arms.items():
        overlaps[arm] = np.zeros(len(X), dtype=bool)
        for weights, image_shape in _list_weights(estimator):
            overlaps[arm] |= find(weights, image_shape)
    return overlaps


def _list_weights(estimator):
    """Return the weights of an estimator and its parts, each with the shape of flat rows."""
    params = estimator.get_params()
    found = []
    for name, value in params.items():
        if name.split("__")[-1] == "weights" and isinstance(value, str | os.PathLike):
            image_shape = params.get(f"{name.removesuffix('weights')}image_shape")
            found.append((value, None if image_shape is None else tuple(image_shape)))
    return found


def warn_of_pretraining_overlap(arms, X):
    """Warn of each arm whose weights were trained on images in X."""
    for arm, overlap in find_overlap_by_arm(arms, X).items():
        n = np.count_nonzero(overlap)
        if n:
            warnings.warn(
                f"The weights of arm {arm!r} were trained on {format_count(n, 'image')} of X, the "
                f"first at index {overlap.argmax()}: its scores are too high. Leave out the images "
                "that skcxr.evaluation.find_pretraining_overlap finds.",
                stacklevel=3,
            )
