"""Between the caller's arrays and the networks' tensors, and back. Nothing else knows layouts."""

import math
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import torch
from torch.nn import functional as F


def _check_image_shape(image_shape):
    """`image_shape` as a tuple of two or three positive ints."""
    sides = tuple(image_shape)
    if len(sides) not in (2, 3) or not all(isinstance(s, Integral) and s > 0 for s in sides):
        raise ValueError(
            f"image_shape={image_shape!r} must be (height, width) or (channels, height, width), "
            "all positive ints."
        )
    return sides


def _shape_of(X, image_shape):
    """(channels, height, width) of the images in the rows of `X`, flat rows padded to a square."""
    if image_shape is not None:
        image_shape = _check_image_shape(image_shape)
    if X.ndim == 2:
        n_features = X.shape[1]
        if image_shape is None:
            # isqrt(n - 1) + 1 is the ceiling of the square root.
            side = math.isqrt(n_features - 1) + 1
            return 1, side, side
        shape = (1, *image_shape) if len(image_shape) == 2 else image_shape
        if math.prod(shape) != n_features:
            raise ValueError(
                f"image_shape={image_shape!r} has {math.prod(shape)} pixels, but X has "
                f"{n_features} features. Pass the (height, width) or (channels, height, width) "
                "that X was flattened from."
            )
    else:
        shape = X.shape[1:] if X.ndim == 4 else (1, *X.shape[1:])
        if image_shape is not None and image_shape not in (shape, shape[1:]):
            raise ValueError(
                f"image_shape={image_shape!r} does not fit X of shape {X.shape}. "
                "Leave it None: only flat X needs it."
            )
    if shape[0] not in (1, 3):
        hint = ""
        if X.ndim == 4 and shape[2] in (1, 3):
            hint = " X looks channels-last: pass X.transpose(0, 3, 1, 2)."
        raise ValueError(
            f"Images must have 1 or 3 channels, got {shape[0]} for X of shape {X.shape}.{hint}"
        )
    return tuple(int(side) for side in shape)


@dataclass(frozen=True)
class ImageSpec:
    """How the images of one training set are laid out: shape, dtype and range of values.

    Inferred once in ``fit`` by :meth:`of`; :meth:`to_tensor` and :meth:`to_array` lead to the
    networks' side, float32 NCHW in [-1, 1], and back.

    Parameters
    ----------
    row_shape : tuple of int
        Shape of one row of X: (h*w,), (h, w) or (c, h, w).
    shape : tuple of int
        (channels, height, width) of an image; flat rows that are no square fill only a part.
    dtype : numpy.dtype
        dtype of X.
    low, high : float
        Smallest and largest value of X; they map to -1 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skcxr.images import ImageSpec
    >>> X = np.arange(0, 250, 10, dtype=np.uint8).reshape(5, 5)   # five flat images of 5 pixels
    >>> spec = ImageSpec.of(X)
    >>> spec.to_tensor(X).shape
    torch.Size([5, 1, 3, 3])
    >>> bool((spec.to_array(spec.to_tensor(X)) == X).all())
    True
    """

    row_shape: tuple
    shape: tuple
    dtype: np.dtype
    low: float
    high: float

    @classmethod
    def of(cls, X, image_shape=None):
        """Spec of `X`: an array (n, h*w), (n, h, w) or (n, c, h, w) of finite numbers.

        Parameters
        ----------
        X : ndarray
            Images, or rows of features: a row that is no square counts as a padded one.
        image_shape : tuple of int or None, default=None
            (height, width) or (channels, height, width) of flat rows; None is one square channel.

        Raises
        ------
        ValueError
            If `X` has another number of dimensions or of channels, or does not fit `image_shape`.
        """
        if X.ndim not in (2, 3, 4):
            raise ValueError(
                "X must hold images as (n, h*w), (n, h, w) or (n, channels, h, w), got shape "
                f"{X.shape}."
            )
        shape = _shape_of(X, image_shape)
        return cls(X.shape[1:], shape, X.dtype, float(X.min()), float(X.max()))

    def __getstate__(self):
        # By name: to skops, numpy.dtype is one more type for its user to judge.
        return vars(self) | {"dtype": self.dtype.str}

    def __setstate__(self, state):
        vars(self).update(state, dtype=np.dtype(state["dtype"]))

    def to_tensor(self, X):
        """float32 NCHW tensor of `X`; the training set's own values fill [-1, 1]."""
        if X.shape[1:] != self.row_shape:
            raise ValueError(
                f"X has rows of shape {X.shape[1:]}, but the model was fitted on {self.row_shape}."
            )
        span = self.high - self.low
        scale = 2 / span if span > 0 else 1.0
        # float64 keeps integers and large offsets exact until they are centred.
        x = ((X.astype(np.float64) - self.low) * scale - 1).astype(np.float32)
        flat = x.reshape(len(x), -1)
        missing = math.prod(self.shape) - flat.shape[1]
        if missing:
            flat = np.pad(flat, ((0, 0), (0, missing)), constant_values=-1.0)
        return torch.from_numpy(np.ascontiguousarray(flat)).reshape(-1, *self.shape)

    def to_array(self, x):
        """Array in the caller's layout, dtype and range of the tensor `x` in [-1, 1]."""
        flat = x.reshape(len(x), -1)[:, : math.prod(self.row_shape)].double().numpy()
        values = (flat + 1) * ((self.high - self.low) / 2) + self.low
        values = np.clip(values, self.low, self.high)
        if self.dtype.kind in "biu":
            values = np.rint(values)
        return values.astype(self.dtype).reshape(-1, *self.row_shape)


def pad_to_square(x, size):
    """Centre the images `x` (n, c, h, w) on squares of `size`, with black (-1) around them."""
    top, left = (size - x.shape[2]) // 2, (size - x.shape[3]) // 2
    padding = (left, size - x.shape[3] - left, top, size - x.shape[2] - top)
    return F.pad(x, padding, value=-1.0)


def crop_from_square(x, height, width):
    """Undo :func:`pad_to_square`: the central `height` by `width` of the images `x`."""
    top, left = (x.shape[2] - height) // 2, (x.shape[3] - width) // 2
    return x[:, :, top : top + height, left : left + width]
