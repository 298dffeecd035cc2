"""Near-duplicates: images of one radiograph that differ in size, crop, contrast or compression.

An image is described by its fine detail. Radiographs of different patients share the coarse shapes
of a chest, but not the course of ribs and vessels at a scale of one to three sixty-fourths of the
side. Detail must be aligned before it is compared, so one image of each pair is tried in several
crops and aspect ratios, and once more in finer steps if the two may be near-duplicates.

A fingerprint is 256 signs of random projections of the detail. It is small enough for a file of
weights, which thereby knows its training images without holding them.
"""

from functools import cache
from itertools import product

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch.nn import functional as F

from skcxr._base.images import ImageSpec

# Images are resized to this side first. Smaller ones than the second have no detail to compare.
SIDE = 64
SMALLEST_SIDE = 16
# Detail is sampled at GRID by GRID points in the central part of the image, EXTENT of its side, so
# that a crop still holds all of it. The filters need MARGIN more points at each border.
GRID = 24
MARGIN = 3
EXTENT = 0.64
# Standard deviations in points of the grid. Detail is what the first blur keeps and the second
# removes. It is divided by its contrast, averaged with the third.
FINE = 0.4
COARSE = 1.0
CONTRAST = 3.0
# Weaker contrast than this, in values from -1 to 1, counts as noise.
LEAST_CONTRAST = 0.016
# Similarity from which two images are aligned in finer steps, and are near-duplicates then.
CANDIDATE = 0.75
THRESHOLD = 0.85
# Below this side, different images share most of the little detail: 300 phantoms of 16x16 to 40x40
# had a similarity of 0.90 at most. Only images that are aligned and nearly equal count there.
DETAILED_SIDE = 48
SMALL_THRESHOLD = 0.91
# The same for the similarity of an image and a fingerprint.
N_BITS = 256
FINGERPRINT_CANDIDATE = 0.57
FINGERPRINT_THRESHOLD = 0.665
# Thresholds of smaller images, which share more of their detail, by the side below which they hold.
# Of 150 phantoms, none was more similar to a fingerprint of 300 others than 0.741 at 16x16, 0.680
# at 24x24, 0.671 at 32x32 and 0.661 at 40x40.
SMALL_FINGERPRINT_THRESHOLDS = {32: 0.75, 40: 0.68}
# Rows compared at a time: the memory for it is CHUNK times the number of images.
CHUNK = 256


def _list_views():
    """Return the views (scale down, scale right, shift down, shift right) in which detail is tried.

    A scale of 0.7 looks at 0.7 of the usual part of an axis, where a padded image has the content.
    A scale of 1.4 looks at more of it, for an image that was cropped. Shifts are shares of the
    side: a crop of 0.95 may have been cut anywhere.
    """
    up = 1.05 ** np.arange(1, 8)
    down = 1.05 ** -np.arange(1.0, 15.0)
    views = [(1.0, 1.0, 0.0, 0.0)]
    for scale in (*down, *up):
        views.append((scale, 1.0, 0.0, 0.0))
        views.append((1.0, scale, 0.0, 0.0))
    shifts = (-0.018, 0.0, 0.018)
    views += [(1.04, 1.04, vertical, horizontal) for vertical in shifts for horizontal in shifts]
    return views


VIEWS = _list_views()
# Finer steps around a view: factors of both scales, and shifts.
STEPS = tuple(
    product((0.98, 1.0, 1.02), (0.98, 1.0, 1.02), (-0.009, 0.0, 0.009), (-0.009, 0.0, 0.009))
)


def find_near_duplicates(X, Y=None, *, image_shape=None):
    """Return the pairs of images that show the same radiograph.

    Images may differ in size, in compression, in contrast and brightness, by a crop of about 5 %,
    and in how they became square: by squashing, padding or cropping. Mirror images and other
    radiographs of the same patient are not near-duplicates. An image without detail has none, such
    as a black one, or one of less than 16 by 16 pixels.

    Parameters
    ----------
    X : array-like of shape (n, h*w), (n, h, w) or (n, c, h, w)
        Images.
    Y : array-like in one of these layouts or None, default=None
        Images to compare with. None compares those of `X` with each other.
    image_shape : tuple of int or None, default=None
        (height, width) or (channels, height, width) of flat rows. None assumes one square channel.

    Returns
    -------
    pairs : ndarray of int64 of shape (n_pairs, 2)
        Rows of `X` and of `Y`, in order. Without `Y`, the first row is the smaller one.
    similarity : ndarray of float32 of shape (n_pairs,)
        Correlation of the detail, from 0.85 to 1, or from 0.91 if a side is below 48 pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from skcxr.datasets import make_chest_phantoms
    >>> from skcxr.datasets._near_duplicates import find_near_duplicates
    >>> X = make_chest_phantoms(6, random_state=0).images
    >>> darker = X[4] // 2
    >>> pairs, _ = find_near_duplicates(np.concatenate([X, darker[None]]))
    >>> pairs.tolist()
    [[4, 6]]
    """
    x, side = shrink_images(X, image_shape)
    y = None
    if Y is not None:
        y, side_of_y = shrink_images(Y, image_shape)
        side = min(side, side_of_y)
    is_small = side < DETAILED_SIDE
    options = {
        "describe": describe_detail,
        "candidate": SMALL_THRESHOLD if is_small else CANDIDATE,
        "threshold": SMALL_THRESHOLD if is_small else THRESHOLD,
    }
    found: dict[tuple[int, int], float] = {}
    if y is None:
        for i, j, similarity in _compare(x, describe_detail(x), **options, is_same=True):
            pair = (min(i, j), max(i, j))
            found[pair] = max(similarity, found.get(pair, 0))
    else:
        for i, j, similarity in _compare(x, describe_detail(y), **options):
            found[i, j] = similarity
        # The image in Y may be the cropped one.
        for j, i, similarity in _compare(y, describe_detail(x), **options):
            found[i, j] = max(similarity, found.get((i, j), 0))
    pairs = sorted(found)
    return (
        np.array(pairs, dtype=np.int64).reshape(-1, 2),
        np.array([found[pair] for pair in pairs], dtype=np.float32),
    )


def join_groups(n_images, pairs, groups=None):
    """Return groups of images that belong together through pairs, or because they share a group.

    Parameters
    ----------
    n_images : int
        Number of images.
    pairs : array-like of int of shape (n_pairs, 2)
        Rows of images that belong together.
    groups : array-like of shape (n_images,) or None, default=None
        Groups, such as patients. None makes each image a group of its own.

    Returns
    -------
    joined : ndarray of int of shape (n_images,)

    Examples
    --------
    >>> from skcxr.datasets._near_duplicates import join_groups
    >>> join_groups(5, [[0, 3]], groups=["a", "b", "c", "d", "d"]).tolist()
    [0, 1, 2, 0, 0]
    """
    names = np.arange(n_images) if groups is None else np.asarray(groups, dtype=str)
    _, nodes = np.unique(names, return_inverse=True)
    first, second = nodes[np.asarray(pairs, dtype=np.int64).reshape(-1, 2)].T
    n_nodes = nodes.max() + 1
    links = coo_array((np.ones(len(first)), (first, second)), shape=(n_nodes, n_nodes))
    _, joined = connected_components(links, directed=False)
    return joined[nodes]


def shrink_images(X, image_shape=None):
    """Return images as float32 (n, SIDE, SIDE), gray, in [-1, 1], and their smaller side before."""
    X = np.asarray(X)
    spec = ImageSpec.of(X, image_shape)
    side = min(spec.shape[1:])
    if side < SMALLEST_SIDE:
        return np.zeros((len(X), SIDE, SIDE), dtype=np.float32), side
    shrunk = []
    for start in range(0, len(X), CHUNK):
        x = spec.to_tensor(X[start : start + CHUNK]).mean(dim=1, keepdim=True)
        x = F.interpolate(
            x, size=(SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True
        )
        shrunk.append(x[:, 0].numpy())
    return np.concatenate(shrunk), side


def describe_detail(x, view=VIEWS[0]):
    """Return the detail of shrunk images in a view, as rows (n, GRID**2) of norm 1.

    The rows of images without detail are 0.
    """
    scale_down, scale_right, shift_down, shift_right = view
    sampled = (
        _build_sampling(scale_down, shift_down) @ x @ _build_sampling(scale_right, shift_right).T
    )
    detail = _blur(sampled, FINE) - _blur(sampled, COARSE)
    contrast = np.sqrt(np.maximum(_blur(detail**2, CONTRAST), 0))
    detail /= contrast + LEAST_CONTRAST
    rows = detail[:, MARGIN:-MARGIN, MARGIN:-MARGIN].reshape(len(x), -1)
    return _normalize(rows - rows.mean(axis=1, keepdims=True))


def compute_fingerprints(X, *, image_shape=None):
    """Return fingerprints of images.

    Parameters
    ----------
    X : array-like of shape (n, h*w), (n, h, w) or (n, c, h, w)
        Images.
    image_shape : tuple of int or None, default=None
        (height, width) or (channels, height, width) of flat rows. None assumes one square channel.

    Returns
    -------
    fingerprints : ndarray of uint8 of shape (n, 32)

    Examples
    --------
    >>> from skcxr.datasets import make_chest_phantoms
    >>> from skcxr.datasets._near_duplicates import compute_fingerprints, find_fingerprinted
    >>> X = make_chest_phantoms(6, random_state=0).images
    >>> fingerprints = compute_fingerprints(X[:3])
    >>> fingerprints.shape
    (3, 32)
    >>> find_fingerprinted(X // 2, fingerprints).tolist()
    [True, True, True, False, False, False]
    """
    x, _ = shrink_images(X, image_shape)
    return np.packbits(_project(x, VIEWS[0]) > 0, axis=1)


def find_fingerprinted(X, fingerprints, *, image_shape=None):
    """Return a mask of the images that show a radiograph with one of the fingerprints.

    Parameters
    ----------
    X : array-like of shape (n, h*w), (n, h, w) or (n, c, h, w)
        Images, which may differ in size, crop, contrast and so on, as for
        :func:`find_near_duplicates`.
    fingerprints : ndarray of uint8 of shape (n_fingerprints, 32)
        Fingerprints.
    image_shape : tuple of int or None, default=None
        (height, width) or (channels, height, width) of flat rows. None assumes one square channel.

    Returns
    -------
    is_found : ndarray of bool of shape (n,)
    """
    is_found = np.zeros(len(X), dtype=bool)
    if len(fingerprints):
        x, side = shrink_images(X, image_shape)
        stricter = [bar for limit, bar in SMALL_FINGERPRINT_THRESHOLDS.items() if side < limit]
        threshold = max([FINGERPRINT_THRESHOLD, *stricter])
        signs = np.where(np.unpackbits(fingerprints, axis=1), 1, -1) / np.sqrt(N_BITS)
        found = _compare(
            x,
            signs.astype(np.float32),
            describe=_project,
            # Only detailed images are aligned in finer steps.
            candidate=threshold if stricter else FINGERPRINT_CANDIDATE,
            threshold=threshold,
        )
        is_found[[i for i, _, _ in found]] = True
    return is_found


@cache
def _draw_projections():
    """Return random signs (GRID**2, N_BITS). RandomState draws the same ones in every version."""
    signs = np.random.RandomState(0).randint(0, 2, (GRID**2, N_BITS)) * 2 - 1
    return signs.astype(np.float32)


def _project(x, view):
    """Return random projections (n, N_BITS) of the detail of shrunk images, as rows of norm 1."""
    return _normalize(describe_detail(x, view) @ _draw_projections())


def _compare(x, rows, *, describe, candidate, threshold, is_same=False):
    """Yield (i, j, similarity) of near-duplicates.

    Parameters
    ----------
    x : ndarray of float32 of shape (n, SIDE, SIDE)
        Shrunk images.
    rows : ndarray of float32 of shape (m, d)
        What `describe` returns for other images.
    describe : callable
        From shrunk images and a view to rows of norm 1.
    candidate, threshold : float
        Similarity from which a pair is aligned in finer steps, and is yielded then.
    is_same : bool, default=False
        Whether the rows describe the same images, which are then not compared with themselves.
    """
    for start in range(0, len(x), CHUNK):
        chunk = x[start : start + CHUNK]
        best = np.zeros((len(chunk), len(rows)), dtype=np.float32)
        for view in VIEWS:
            np.maximum(best, describe(chunk, view) @ rows.T, out=best)
        if is_same:
            np.fill_diagonal(best[:, start:], 0)
        for i, j in np.argwhere(best >= candidate).tolist():
            similarity = float(best[i, j])
            if similarity < threshold:
                similarity = _align(chunk[i], rows[j], describe)
            if similarity >= threshold:
                yield start + i, j, similarity


def _align(x, row, describe):
    """Return the largest similarity of a shrunk image and a row over finer views."""

    def correlate(view):
        return float(describe(x[None], view)[0] @ row)

    scale_down, scale_right, shift_down, shift_right = max(VIEWS, key=correlate)
    finer_views = [
        (scale_down * a, scale_right * b, shift_down + c, shift_right + d) for a, b, c, d in STEPS
    ]
    return max(map(correlate, finer_views))


def _normalize(rows):
    """Return rows of norm 1, and rows of 0 in place of those that are almost 0."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 1e-3)


def _blur(x, sigma):
    """Return the grids `x` (n, side, side) blurred by a Gaussian of `sigma` points."""
    weights = _build_blur(x.shape[-1], sigma)
    return weights @ x @ weights.T


@cache
def _build_blur(n_points, sigma):
    """Return the matrix (n_points, n_points) that blurs an axis."""
    points = np.arange(n_points)
    return _weigh(points, points, sigma)


@cache
def _build_sampling(scale, shift):
    """Return the matrix (points, SIDE) that samples an axis in a view, blurred against aliasing."""
    n_points = GRID + 2 * MARGIN
    spacing = EXTENT * SIDE / GRID * scale
    centers = (SIDE - 1) / 2 + shift * SIDE + (np.arange(n_points) - (n_points - 1) / 2) * spacing
    sigma = max(0.45, 0.4 * spacing)
    return _weigh(centers.clip(0, SIDE - 1), np.arange(SIDE), sigma)


def _weigh(centers, positions, sigma):
    """Return Gaussian weights (centers, positions) that sum to 1 for each center."""
    weights = np.exp(-0.5 * ((centers[:, None] - positions) / sigma) ** 2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
