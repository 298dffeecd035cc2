"""Where the audit measures distances: blurred pixels or features, mirrored and shifted too."""

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

# k-means cells for C_T: the smallest set has this many images a cell on average.
CELL_SIZE = 60
# Pixels are compared at no more than this side, which a blur then smooths.
PIXEL_SIDE = 32
# Real images are also tried shifted by a step either way: this part of a side, 1 pixel at least.
SHIFTS_A_SIDE = 64


def pixels(X, spec):
    """Rows of pixels, small, blurred, of mean 0 and norm 1."""
    x = spec.to_tensor(X)
    height, width = (min(side, PIXEL_SIDE) for side in x.shape[2:])
    x = F.adaptive_avg_pool2d(x, (height, width)).double().numpy()
    x = gaussian_filter(x, sigma=(0, 0, 1, 1)).reshape(len(x), -1)
    x -= x.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    # A blank image has no direction: it stays at 0, beside other blank ones.
    return np.divide(x, norms, out=np.zeros_like(x), where=norms > ROUNDING)


def _variants(X, spec, shifts):
    """The images of `X`, shifted, and then their mirror images, shifted; each set like `X`."""
    if math.prod(spec.shape) != math.prod(spec.row_shape):
        # Flat rows that fill no rectangle have no left and right.
        yield X
        return
    images = X.reshape(-1, *spec.shape)
    steps = [max(1, round(side / SHIFTS_A_SIDE)) for side in spec.shape[1:]]
    for oriented in (images, images[..., ::-1]):
        for down, right in product(shifts, repeat=2):
            shifted = np.roll(oriented, (down * steps[0], right * steps[1]), axis=(2, 3))
            yield shifted.reshape(X.shape)


@dataclass(frozen=True, eq=False)
class Space:
    """Distances in one space, to the closest variant of each real image.

    `to_train` and `to_holdout` are the synthetic images' distances, `honest` the hold-out's and
    `within` the training images' own to the training images; `variant` is the number of the
    training image's variant that a synthetic one is closest to, of `n_variants`.
    """

    name: str
    to_train: np.ndarray
    to_holdout: np.ndarray
    honest: np.ndarray
    within: np.ndarray
    variant: np.ndarray
    n_variants: int
    cells: tuple

    @classmethod
    def of(cls, name, embed, synthetic, train, holdout, spec, shifts=(0,)):
        embedded = [embed(X) for X in (synthetic, train, holdout)]
        rows = np.concatenate(embedded)
        distances, variant = np.full((len(rows), len(train)), np.inf), 0
        for number, shifted in enumerate(_variants(train, spec, shifts)):
            d = cdist(rows, embed(shifted))
            variant = np.where(d < distances, number, variant)
            distances = np.minimum(distances, d)
        to_holdout = np.minimum.reduce(
            [cdist(embedded[0], embed(shifted)) for shifted in _variants(holdout, spec, shifts)]
        )
        ends = np.cumsum([len(synthetic), len(train)])
        to_train, within, honest = np.split(distances, ends)
        variant = variant[: len(synthetic)]
        cells = _cells(*embedded)
        return cls(name, to_train, to_holdout, honest, within, variant, number + 1, cells)

    @cached_property
    def p_values(self):
        return copy_p_values(self.to_train, self.honest)

    def is_mirrored(self, i, j):
        """Whether synthetic image i is closer to training image j's mirror image."""
        return bool(self.variant[i, j] >= max(1, self.n_variants // 2))


def _cells(synthetic, train, holdout):
    """k-means cells of synthetic and of hold-out images; None for both if one cell is all."""
    n_cells = min(len(synthetic), len(train), len(holdout)) // CELL_SIZE
    if n_cells < 2:
        return None, None
    k_means = KMeans(n_cells, random_state=0).fit(train)
    return k_means.predict(synthetic), k_means.predict(holdout)
