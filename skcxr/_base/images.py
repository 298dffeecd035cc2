"""Conversion between the caller's arrays and the networks' tensors: the only place with layouts."""

import math
import warnings
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import torch
from scipy import sparse
from sklearn.utils import gen_batches
from torch.nn import functional as F

UPLOAD_ROWS = 1024
# Below it, rows of features are more likely than color images.
SMALLEST_COLOR_SIDE = 8
# Values of another range differ by more, images of one range by less.
RANGE_FACTOR = 10
# dtypes that a GPU holds unchanged: PyTorch indexes them there, and none is larger than float32.
HELD_DTYPES = ("bool", "uint8", "int8", "int16", "int32", "float16", "float32")


def stack_images(X):
    """Return a list, Series or object array of images as one array, and any other X unchanged.

    Images may be arrays, tensors or PIL images. Lists of numbers are checked, and left to
    scikit-learn's validation.

    Raises
    ------
    ValueError
        If the images differ in size. The message names the first one that does.
    """
    is_sequence = isinstance(X, list | tuple)
    if hasattr(X, "dtype"):  # an array or a Series
        is_sequence = X.dtype.kind == "O" and X.ndim == 1
    if not is_sequence:
        return X
    images = list(X)
    if not images or not all(_is_image(image) for image in images):
        return X
    shapes = [_get_shape(image, row) for row, image in enumerate(images)]
    for row, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise ValueError(
                f"X must hold images of one size, got the shapes {shapes[0]} in row 0 and {shape} "
                f"in row {row}. Resize them, as load_image_folder does."
            )
    if any(isinstance(image, list | tuple) for image in images):
        return X
    return np.stack([np.asarray(image) for image in images])


def _is_image(value):
    is_array = hasattr(value, "__array__") or hasattr(value, "__array_interface__")
    return isinstance(value, list | tuple) or (is_array and np.ndim(value) > 0)


def _get_shape(image, row):
    try:
        return np.shape(image)
    except ValueError as error:
        raise ValueError(
            f"X holds an image of lines that differ in length, in row {row}."
        ) from error


def to_dense(X):
    """Return a sparse `X` as an array, and any other X unchanged."""
    return X.toarray() if sparse.issparse(X) else X


def _warn_of_color(n_features):
    """Warn if flat rows look like square images of three channels."""
    side = math.isqrt(n_features // 3)
    if side >= SMALLEST_COLOR_SIDE and n_features == 3 * side**2:
        warnings.warn(
            f"X has rows of {n_features} = 3 * {side} * {side} values, which are read as one "
            f"padded gray channel. Pass image_shape=(3, {side}, {side}) if they are color images.",
            stacklevel=2,
        )


def _check_image_shape(image_shape):
    """Return `image_shape` as a tuple of two or three positive ints."""
    sides = tuple(image_shape)
    if len(sides) not in (2, 3) or not all(isinstance(s, Integral) and int(s) > 0 for s in sides):
        raise ValueError(
            f"image_shape={image_shape!r} must be (height, width) or (channels, height, width), "
            "all positive ints."
        )
    return sides


def _shape_of(X, image_shape):
    """Return (channels, height, width) of the images in X; flat rows are padded to a square."""
    if image_shape is not None:
        image_shape = _check_image_shape(image_shape)
    if X.ndim == 2:
        n_features = X.shape[1]
        if image_shape is None:
            _warn_of_color(n_features)
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
    """Layout of the images of one training set: shape, dtype and range of values.

    ``fit`` infers it once by :meth:`of`. :meth:`to_tensor` converts images to what networks take,
    float32 NCHW in [-1, 1], and :meth:`to_array` converts them back.

    Parameters
    ----------
    row_shape : tuple of int
        Shape of one row of X: (h*w,), (h, w) or (c, h, w).
    shape : tuple of int
        (channels, height, width) of an image. Flat rows that are not square fill only a part of it.
    dtype : numpy.dtype
        dtype of X.
    low, high : float
        Smallest and largest value of X, which map to -1 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skcxr._base.images import ImageSpec
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
        """Return the spec of `X`, an array (n, h*w), (n, h, w) or (n, c, h, w) of finite numbers.

        Parameters
        ----------
        X : ndarray
            Images, or rows of features. A row that is not square counts as a padded one.
        image_shape : tuple of int or None, default=None
            (height, width) or (channels, height, width) of flat rows. None assumes one square
            channel.

        Raises
        ------
        ValueError
            If `X` has another number of dimensions or channels, or does not match `image_shape`.
        """
        if X.ndim not in (2, 3, 4):
            raise ValueError(
                "X must hold images as (n, h*w), (n, h, w) or (n, channels, h, w), got shape "
                f"{X.shape}."
            )
        shape = _shape_of(X, image_shape)
        return cls(X.shape[1:], shape, X.dtype, float(X.min()), float(X.max()))

    def __getstate__(self):
        # By name: numpy.dtype would be one more type that users of skops have to trust.
        return vars(self) | {"dtype": self.dtype.str}

    def __setstate__(self, state):
        vars(self).update(state, dtype=np.dtype(state["dtype"]))

    def to_tensor(self, X):
        """Return `X` as a float32 NCHW tensor. The training set's values fill [-1, 1]."""
        if X.shape[1:] != self.row_shape:
            raise ValueError(
                f"X has rows of shape {X.shape[1:]}, but the model was fitted on {self.row_shape}."
            )
        # float64 keeps integers and large offsets exact until they are centred.
        x = ((X.astype(np.float64) - self.low) * self._scale - 1).astype(np.float32)
        return self._as_images(torch.from_numpy(np.ascontiguousarray(x)))

    def warn_of_range(self, X):
        """Warn if the values of `X` are on another scale than those of the training set.

        Both their span and their magnitude have to differ: an image of low contrast has a small
        span, and a dark one a small magnitude.
        """
        low = float(X.min())
        high = float(X.max())
        span = _compare_scales(high - low, self.high - self.low)
        magnitude = _compare_scales(max(-low, high), max(-self.low, self.high))
        if min(span, magnitude) >= RANGE_FACTOR:
            warnings.warn(
                f"X has values from {low:g} to {high:g}, and the model was fitted on values "
                f"from {self.low:g} to {self.high:g}. Scale X as the training images.",
                stacklevel=3,
            )

    def raw_to_tensor(self, X):
        """Return the same bits as :meth:`to_tensor` for a tensor of raw rows, on its device."""
        return self._as_images(((X.double() - self.low) * self._scale - 1).float())

    @property
    def fills_rectangle(self):
        """Return True if rows fill their images. Others are padded, and have no left and right."""
        return math.prod(self.shape) == math.prod(self.row_shape)

    @property
    def _scale(self):
        span = self.high - self.low
        return 2 / span if span > 0 else 1.0

    def _as_images(self, x):
        """Return the scaled rows `x` as NCHW, with black after flat rows that are not square."""
        flat = x.reshape(len(x), -1)
        missing = math.prod(self.shape) - flat.shape[1]
        if missing:
            flat = F.pad(flat, (0, missing), value=-1.0)
        return flat.reshape(-1, *self.shape)

    def to_array(self, x):
        """Return the tensor `x` in [-1, 1] as an array in the caller's layout, dtype and range."""
        flat = x.reshape(len(x), -1)[:, : math.prod(self.row_shape)].double().numpy()
        values = (flat + 1) * ((self.high - self.low) / 2) + self.low
        values = np.clip(values, self.low, self.high)
        if self.dtype.kind in "biu":
            values = np.rint(values)
        return values.astype(self.dtype).reshape(-1, *self.row_shape)


def _compare_scales(value, fitted):
    """Return by which factor two sizes differ; 1 if one of them is 0, as for black images."""
    if min(value, fitted) <= 0:
        return 1
    return max(value / fitted, fitted / value)


def pad_to_square(x, size):
    """Centre the images `x` (n, c, h, w) on squares of `size`, with black (-1) around them."""
    height, width = x.shape[2:]
    top = (size - height) // 2
    left = (size - width) // 2
    padding = (left, size - width - left, top, size - height - top)
    return F.pad(x, padding, value=-1.0)


def crop_from_square(x, height, width):
    """Undo :func:`pad_to_square`: return the central `height` by `width` of the images `x`."""
    top = (x.shape[2] - height) // 2
    left = (x.shape[3] - width) // 2
    return x[:, :, top : top + height, left : left + width]


class TrainingImages:
    """Training images that are converted to tensors batch by batch: X is never a float copy.

    On the CPU, a batch is gathered from X itself, which may be a memory map. A GPU holds X's rows
    in their own dtype, and a batch there waits for nothing, so that a CUDA graph can capture it.

    Parameters
    ----------
    X : ndarray of shape (n, ...)
        Images in the layout of `spec`.
    spec : ImageSpec
        Layout of X.
    image_size : int or None
        Side of the squares that images are centred on. None leaves images in their own shape.
    device : torch.device
        Device of the batches.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skcxr._base.images import ImageSpec, TrainingImages
    >>> X = np.arange(100, dtype=np.uint8).reshape(4, 5, 5)
    >>> images = TrainingImages(X, ImageSpec.of(X), 16, torch.device("cpu"))
    >>> images.batch(torch.tensor([3, 0])).shape
    torch.Size([2, 1, 16, 16])
    """

    def __init__(self, X, spec, image_size, device):
        self.X = X
        self.spec = spec
        self.image_size = image_size
        self.device = device
        # Raw rows are scaled in float64, which not every kind of device has.
        self._raw = device.type == "cuda" and X.dtype.isnative and X.dtype.name in HELD_DTYPES
        self._held = None if device.type == "cpu" else self._upload()

    def __len__(self):
        return len(self.X)

    @property
    def n_channels(self):
        return self.spec.shape[0]

    def batch(self, rows):
        """Return the images in `rows` as float32 (b, n_channels, h, w) in [-1, 1].

        Parameters
        ----------
        rows : tensor of shape (b,), int64
            Rows, on `device`.

        Returns
        -------
        x : tensor
            Images, on `device`. Squares are in channels_last, as the GAN's networks are.
        """
        if self._held is None:
            x = self.spec.to_tensor(self.X[rows.numpy()])
        else:
            x = self._held.index_select(0, rows)
            if self._raw:
                x = self.spec.raw_to_tensor(x)
        if self.image_size is None:
            return x
        return pad_to_square(x, self.image_size).contiguous(memory_format=torch.channels_last)

    def _upload(self):
        """Return X on the device, copied in pieces: raw if possible, else as float32."""
        held = None
        for rows in gen_batches(len(self.X), UPLOAD_ROWS):
            if self._raw:
                # A copy, since PyTorch warns of read-only arrays.
                part = torch.from_numpy(self.X[rows].copy())
            else:
                part = self.spec.to_tensor(self.X[rows])
            if held is None:
                shape = (len(self.X), *part.shape[1:])
                held = torch.empty(shape, dtype=part.dtype, device=self.device)
            held[rows] = part.to(self.device)
        return held
