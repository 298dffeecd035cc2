"""Distances between the audit's images: in blurred pixels or features, to mirrored images too."""

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from torch.nn import functional as F

from skcxr.metrics._audit._statistics import ROUNDING, copy_p_values

# C_T is computed in k-means cells that hold this many images of the smallest set on average.
CELL_SIZE = 60
# Pixels are compared at this side at most, and then blurred.
PIXEL_SIDE = 32
# One step of a shift is the side divided by this number, and at least 1 pixel.
SHIFTS_PER_SIDE = 64


@dataclass(frozen=True, eq=False)
class Space:
    """Distances in one space, each to the closest variant of a real image.

    Parameters
    ----------
    name : str
        "pixels" or the name of the features.
    to_train, to_holdout : ndarray of shape (n, n_train) and (n, n_holdout)
        Distances from synthetic images.
    holdout_to_train, within_train : ndarray of shape (n_holdout, n_train) and (n_train, n_train)
        Distances from hold-out and training images to training images.
    mirrored : ndarray of bool of shape (n, n_train)
        True if the synthetic image is closest to a mirrored variant of the training image.
    cells, holdout_cells : ndarray of int of shape (n,) and (n_holdout,), or None
        Cells of synthetic and of hold-out images. None stands for a single cell.
    """

    name: str
    to_train: np.ndarray
    to_holdout: np.ndarray
    holdout_to_train: np.ndarray
    within_train: np.ndarray
    mirrored: np.ndarray
    cells: np.ndarray | None
    holdout_cells: np.ndarray | None

    @cached_property
    def p_values(self):
        return copy_p_values(self.to_train, self.holdout_to_train)


def measure_distances(name, embed, synthetic, train, holdout, spec, *, shifts=(0,)):
    """Return the Space in which `embed` represents images as rows.

    Each real image is also compared mirrored, and shifted by the steps `shifts` in both directions.
    """
    embedded = embed(synthetic)
    embedded_train = embed(train)
    embedded_holdout = embed(holdout)
    rows = np.concatenate([embedded, embedded_train, embedded_holdout])
    distances = np.full((len(rows), len(train)), np.inf)
    mirrored = np.zeros(distances.shape, dtype=bool)
    for variant, is_mirrored in _generate_variants(train, spec, shifts):
        to_variant = cdist(rows, embed(variant))
        mirrored[to_variant < distances] = is_mirrored
        distances = np.minimum(distances, to_variant)
    to_train, within_train, holdout_to_train = np.split(
        distances, [len(synthetic), len(synthetic) + len(train)]
    )
    to_holdout = np.minimum.reduce(
        [
            cdist(embedded, embed(variant))
            for variant, _ in _generate_variants(holdout, spec, shifts)
        ]
    )
    cells, holdout_cells = _assign_cells(embedded, embedded_train, embedded_holdout)
    return Space(
        name=name,
        to_train=to_train,
        to_holdout=to_holdout,
        holdout_to_train=holdout_to_train,
        within_train=within_train,
        mirrored=mirrored[: len(synthetic)],
        cells=cells,
        holdout_cells=holdout_cells,
    )


def blur_pixels(X, spec):
    """Return rows of downsampled and blurred pixels with mean 0 and norm 1."""
    x = spec.to_tensor(X)
    size = [min(side, PIXEL_SIDE) for side in x.shape[2:]]
    x = F.adaptive_avg_pool2d(x, size).double().numpy()
    x = gaussian_filter(x, sigma=(0, 0, 1, 1)).reshape(len(x), -1)
    x -= x.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    # A blank image has no direction: it stays 0, and is close to other blank images.
    return np.divide(x, norms, out=np.zeros_like(x), where=norms > ROUNDING)


def _generate_variants(X, spec, shifts):
    """Yield the images of `X` and their mirror images at each shift, and if they are mirrored."""
    if math.prod(spec.shape) != math.prod(spec.row_shape):
        # Flat rows that do not fill a rectangle have no left and right.
        yield X, False
        return
    images = X.reshape(-1, *spec.shape)
    steps = [max(1, round(side / SHIFTS_PER_SIDE)) for side in spec.shape[1:]]
    for oriented, is_mirrored in ((images, False), (images[..., ::-1], True)):
        for down, right in product(shifts, repeat=2):
            shifted = np.roll(oriented, (down * steps[0], right * steps[1]), axis=(2, 3))
            yield shifted.reshape(X.shape), is_mirrored


def _assign_cells(synthetic, train, holdout):
    """Return k-means cells of synthetic and of hold-out images, or None for a single cell."""
    n_cells = min(len(synthetic), len(train), len(holdout)) // CELL_SIZE
    # k-means cannot split equal rows.
    n_cells = min(n_cells, len(np.unique(train, axis=0)))
    if n_cells < 2:
        return None, None
    k_means = KMeans(n_cells, random_state=0).fit(train)
    return k_means.predict(synthetic), k_means.predict(holdout)
