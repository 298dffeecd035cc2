"""Between the caller's arrays and the networks' tensors, and back. Nothing else knows layouts."""

import math
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import torch
from sklearn.utils import gen_batches
from torch.nn import functional as F

UPLOAD_ROWS = 1024
# What a GPU holds as it is: PyTorch indexes these there, and none is larger than float32.
HELD_DTYPES = ("bool", "uint8", "int8", "int16", "int32", "float16", "float32")


def check_one_size(X):
    """Refuse a list of images of several sizes, which NumPy would refuse without naming them.

    Raises
    ------
    ValueError
        If the images of a list, or of an array of arrays, differ in shape.
    """
    if not isinstance(X, list | tuple) and not (isinstance(X, np.ndarray) and X.dtype.kind == "O"):
        return
    first = None
    for row, image in enumerate(X):
        if not isinstance(image, np.ndarray | list | tuple):
            return
        try:
            shape = np.shape(image)
        except ValueError as error:
            raise ValueError(
                f"X holds an image of lines that differ in length, in row {row}."
            ) from error
        first = first or shape
        if shape != first:
            raise ValueError(
                f"X must hold images of one size, got the shapes {first} in row 0 and {shape} in "
                f"row {row}. Resize them, as load_image_folder does."
            )


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
        # float64 keeps integers and large offsets exact until they are centred.
        x = ((X.astype(np.float64) - self.low) * self._scale - 1).astype(np.float32)
        return self._as_images(torch.from_numpy(np.ascontiguousarray(x)))

    def raw_to_tensor(self, X):
        """:meth:`to_tensor` of a tensor of raw rows, on its device and to the same bits."""
        return self._as_images(((X.double() - self.low) * self._scale - 1).float())

    @property
    def _scale(self):
        span = self.high - self.low
        return 2 / span if span > 0 else 1.0

    def _as_images(self, x):
        """The scaled rows `x` as NCHW; flat ones that are no square are filled up with black."""
        flat = x.reshape(len(x), -1)
        missing = math.prod(self.shape) - flat.shape[1]
        if missing:
            flat = F.pad(flat, (0, missing), value=-1.0)
        return flat.reshape(-1, *self.shape)

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


class TrainingImages:
    """Training images that become tensors batch by batch, so that X is never a float copy.

    On the CPU a batch is gathered from X itself, which may be a memory map. A GPU holds X's rows in
    their own dtype, and a batch there waits for nothing, so that it can be captured in a graph.

    Parameters
    ----------
    X : ndarray of shape (n, ...)
        Images, laid out as `spec` says.
    spec : ImageSpec
        Of X.
    image_size : int or None
        Side of the squares that images are centred on; None leaves them their own shape.
    device : torch.device
        Where batches are to be.

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
        # float64, in which raw rows are scaled, is not on every kind of device.
        self._raw = device.type == "cuda" and X.dtype.isnative and X.dtype.name in HELD_DTYPES
        self._held = None if device.type == "cpu" else self._upload()

    def __len__(self):
        return len(self.X)

    @property
    def n_channels(self):
        return self.spec.shape[0]

    def batch(self, rows):
        """float32 images (b, n_channels, h, w) in [-1, 1] of the rows `rows`.

        Parameters
        ----------
        rows : tensor of shape (b,), int64
            On `device`.

        Returns
        -------
        x : tensor
            On `device`; squares are in channels_last, as the GAN's networks are.
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
        """X on the device, piece by piece: raw, or as float32 where it can not be that."""
        held = None
        for rows in gen_batches(len(self.X), UPLOAD_ROWS):
            # A copy, since PyTorch warns of arrays that can not be written to.
            part = (
                torch.from_numpy(self.X[rows].copy())
                if self._raw
                else self.spec.to_tensor(self.X[rows])
            )
            if held is None:
                held = torch.empty(
                    (len(self.X), *part.shape[1:]), dtype=part.dtype, device=self.device
                )
            held[rows] = part.to(self.device)
        return held
