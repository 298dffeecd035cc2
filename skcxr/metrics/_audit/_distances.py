"""Distances between the audit's images: in blurred pixels or features, to mirrored images too."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.metrics import euclidean_distances
from torch.nn import functional as F

from skcxr.metrics._audit._equality import find_equal
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
    probes_to_train : ndarray of shape (n_probes, n_train)
        Distances from near-copies of training images, which measure the audit's power.
    mirrored : ndarray of bool of shape (n, n_train)
        True if the synthetic image is closest to a mirrored variant of the training image.
    cells, holdout_cells : ndarray of int of shape (n,) and (n_holdout,), or None
        Cells of synthetic and of hold-out images. None stands for a single cell.
    equals_train, equals_holdout : ndarray of bool of shape (n,)
        True if the synthetic image equals a training or a hold-out image up to an affine change of
        gray values. Only pixels can tell.
    """

    name: str
    to_train: np.ndarray
    to_holdout: np.ndarray
    holdout_to_train: np.ndarray
    within_train: np.ndarray
    probes_to_train: np.ndarray
    mirrored: np.ndarray
    cells: np.ndarray | None
    holdout_cells: np.ndarray | None
    equals_train: np.ndarray
    equals_holdout: np.ndarray

    @cached_property
    def p_values(self):
        p_values = copy_p_values(self.to_train, self.holdout_to_train)
        # Equal images are copies, whatever the hold-out.
        return np.where(self.equals_train, 0.0, p_values)

    @cached_property
    def probe_p_values(self):
        return copy_p_values(self.probes_to_train, self.holdout_to_train)

    @cached_property
    def swapped_p_values(self):
        """The p-values of copies of hold-out images, as if train and hold-out were swapped."""
        p_values = copy_p_values(self.to_holdout, self.holdout_to_train.T)
        return np.where(self.equals_holdout, 0.0, p_values)


def measure_pixel_distances(synthetic, train, holdout, probes, spec):
    """Return the Space of blurred pixels. Images that are equal have the distance 0."""
    space = measure_distances(
        "pixels",
        lambda X: blur_pixels(X, spec),
        synthetic,
        train,
        holdout,
        probes,
        spec,
        shifts=(-1, 0, 1),
    )
    equal, mirrored = find_equal(synthetic, train, spec)
    equal_to_holdout, _ = find_equal(synthetic, holdout, spec)
    return replace(
        space,
        to_train=np.where(equal, 0.0, space.to_train),
        to_holdout=np.where(equal_to_holdout, 0.0, space.to_holdout),
        mirrored=np.where(equal, mirrored, space.mirrored),
        equals_train=equal.any(axis=1),
        equals_holdout=equal_to_holdout.any(axis=1),
    )


def measure_distances(name, embed, synthetic, train, holdout, probes, spec, *, shifts=(0,)):
    """Return the Space in which `embed` represents images as rows.

    Each real image is also compared mirrored, and shifted by the steps `shifts` in both directions.

    Raises
    ------
    ValueError
        If distances are not finite, as for values of synthetic images that overflow.
    """
    embedded = embed(synthetic)
    embedded_train = embed(train)
    embedded_holdout = embed(holdout)
    embedded_probes = embed(probes)
    rows = np.concatenate([embedded, embedded_train, embedded_holdout])
    distances = np.full((len(rows), len(train)), np.inf)
    mirrored = np.zeros(distances.shape, dtype=bool)
    probes_to_train = np.full((len(probes), len(train)), np.inf)
    for variant, is_mirrored in _generate_variants(train, spec, shifts):
        embedded_variant = embed(variant)
        to_variant = cdist(rows, embedded_variant)
        mirrored[to_variant < distances] = is_mirrored
        distances = np.minimum(distances, to_variant)
        # Faster than cdist, and precise enough for probes, which are never equal to an image.
        to_variant = euclidean_distances(embedded_probes, embedded_variant)
        probes_to_train = np.minimum(probes_to_train, to_variant)
    # NaN is neither close nor far: it would pass every test.
    if not np.isfinite(distances).all():
        raise ValueError(
            f"Distances in {name} are not finite. Pass synthetic images in the range of the real "
            "images, and features whose squares do not overflow."
        )
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
        probes_to_train=probes_to_train,
        mirrored=mirrored[: len(synthetic)],
        cells=cells,
        holdout_cells=holdout_cells,
        equals_train=np.zeros(len(synthetic), dtype=bool),
        equals_holdout=np.zeros(len(synthetic), dtype=bool),
    )


def blur_pixels(X, spec):
    """Return rows of downsampled and blurred pixels with mean 0 and norm 1."""
    x = spec.to_tensor(X)
    height, width = x.shape[2:]
    x = F.adaptive_avg_pool2d(x, (min(height, PIXEL_SIDE), min(width, PIXEL_SIDE))).double().numpy()
    x = gaussian_filter(x, sigma=(0, 0, 1, 1)).reshape(len(x), -1)
    x -= x.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    # A blank image has no direction: it stays 0, and is close to other blank images.
    return np.divide(x, norms, out=np.zeros_like(x), where=norms > ROUNDING)


def _generate_variants(X, spec, shifts):
    """Yield the images of `X` and their mirror images at each shift, and if they are mirrored."""
    if not spec.fills_rectangle:
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
