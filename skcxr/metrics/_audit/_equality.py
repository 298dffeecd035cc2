"""Images that are equal up to brightness and contrast: copies without any calibration."""

import math

import numpy as np

# Share of an image's standard deviation that may remain after the best affine change of gray
# values. Rounding to 8 bits leaves about 1 % at half the contrast. Radiographs of two patients
# leave 25 % or more (2,856 of Kermany et al. and 531 of the NIH at 64 by 64).
TOLERANCE = 0.02
# An image with a smaller standard deviation, in the range [-1, 1], is blank.
BLANK = 1e-3
# Any two images of two pixels are equal up to an affine change, and of few pixels often.
MIN_PIXELS = 8


def find_equal(images, real, spec):
    """Return which images equal which real images up to an affine change of gray values.

    Negatives and mirror images count as equal. Blank images equal nothing, since any two of them
    would match.

    Parameters
    ----------
    images, real : ndarray of shape (n, ...) and (n_real, ...)
        Images in the layout of `spec`.
    spec : ImageSpec
        Layout and range of the images.

    Returns
    -------
    equal : ndarray of bool of shape (n, n_real)
        True if the two images are equal.
    mirrored : ndarray of bool of shape (n, n_real)
        True if they are equal only if one of them is mirrored left to right.

    Examples
    --------
    >>> import numpy as np
    >>> from skcxr._base.images import ImageSpec
    >>> from skcxr.metrics._audit._equality import find_equal
    >>> real = np.random.default_rng(0).normal(size=(2, 8, 8))
    >>> images = np.stack([9 - real[0], real[1, :, ::-1], real[0] + real[1]])
    >>> equal, mirrored = find_equal(images, real, ImageSpec.of(real))
    >>> equal.tolist()
    [[True, False], [False, True], [False, False]]
    >>> mirrored.any(axis=1).tolist()
    [False, True, False]
    """
    shape = len(images), len(real)
    if math.prod(spec.row_shape) < MIN_PIXELS:
        return np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    rows = _standardize_rows(images, spec)
    equal = _match_rows(rows, _standardize_rows(real, spec))
    if not spec.fills_rectangle:
        return equal, np.zeros(shape, dtype=bool)
    flipped = real.reshape(-1, *spec.shape)[..., ::-1].reshape(real.shape)
    mirrored = _match_rows(rows, _standardize_rows(flipped, spec)) & ~equal
    return equal | mirrored, mirrored


def _match_rows(a, b):
    # The best affine change leaves sqrt(1 - r^2) standard deviations, for the correlation r.
    return (a @ b.T) ** 2 > 1 - TOLERANCE**2


def _standardize_rows(X, spec):
    """Return the pixels of each image with mean 0 and norm 1; of a blank image, zeros."""
    x = spec.to_tensor(X).flatten(1).numpy()
    x = x - x.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    is_blank = norms < BLANK * math.sqrt(x.shape[1])
    return np.divide(x, norms, out=np.zeros_like(x), where=~is_blank)
