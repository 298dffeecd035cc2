"""The parts of images and of their metadata from which a data check predicts the classes.

A part is a list of blocks, arrays (n, ...) of numbers. Its blocks have equal weight, whatever their
number of columns.
"""

import numpy as np
import pandas as pd
from torch.nn import functional as F

from skcxr._base.images import ImageSpec

# Images are resized to this side at most. The frame and the corners are measured there.
SIDE = 64
FRAME = 4
CORNER = 8
# The middle of each axis that is masked for the part that shows the rest.
MASKED = 0.5
THUMBNAIL = 8
N_BINS = 32
# Rows converted at a time, since images of full size may not fit into memory as float32.
CHUNK = 256
# From this share of black or of white pixels on, an image is saturated. Radiographs with a black
# margin have up to 0.4.
SATURATED = 0.5
QUANTILES = (0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1)

FRAME_PART = "image frame"
CORNERS_PART = "corners"
SHAPE_PART = "original shape"
FILE_SIZE_PART = "file size"
VIEW_PART = "view"
# Columns of metadata by their part, in lower case without blanks and underscores.
COLUMNS = {
    SHAPE_PART: (("height", "rows"), ("width", "columns")),
    FILE_SIZE_PART: (("filesize", "bytes"),),
    "station": (("station", "stationname"),),
    "modality": (("modality",),),
    VIEW_PART: (("view", "viewposition", "frontal/lateral"),),
}
# LL and RL are DICOM's, L is that of the COVID-19 image data collection.
LATERAL = {"LL", "RL", "L", "LAT", "LATERAL"}
# Values of a column that count as different. All rarer ones are one value.
N_LEVELS = 20


def shrink(X):
    """Return images as float32 (n, h, w), gray, in [-1, 1], with sides of at most SIDE pixels.

    Unlike for near-duplicates, small images are not enlarged: that would mix the frame with what
    lies next to it.
    """
    spec = ImageSpec.of(X)
    size = [min(SIDE, side) for side in spec.shape[1:]]
    shrunk = np.empty((len(X), *size), dtype=np.float32)
    for start in range(0, len(X), CHUNK):
        x = spec.to_tensor(X[start : start + CHUNK]).mean(dim=1, keepdim=True)
        if list(x.shape[2:]) != size:
            x = F.interpolate(x, size=size, mode="bilinear", align_corners=False, antialias=True)
        shrunk[start : start + CHUNK] = x[:, 0].numpy()
    return shrunk


def find_constant_and_saturated(X):
    """Return masks of the images with one value, and of those that are mostly black or white.

    Black and white are the lowest and the highest value of all images.
    """
    low, high = X.min(), X.max()
    is_constant = np.empty(len(X), dtype=bool)
    is_saturated = np.empty(len(X), dtype=bool)
    for start in range(0, len(X), CHUNK):
        pixels = X[start : start + CHUNK].reshape(len(X[start : start + CHUNK]), -1)
        rows = slice(start, start + CHUNK)
        is_constant[rows] = pixels.min(axis=1) == pixels.max(axis=1)
        share = np.maximum((pixels == low).mean(axis=1), (pixels == high).mean(axis=1))
        is_saturated[rows] = (share >= SATURATED) & ~is_constant[rows]
    return is_constant, is_saturated


def cut_image_parts(x):
    """Return the parts of shrunk images that show no anatomy.

    Each holds the pixels and, since an offset may be small compared with the differences between
    exposures, their quantiles: an offset moves even the lowest one.
    """
    frame = x[:, _mask_frame(x.shape[1:])]
    corners = [corner.reshape(len(x), -1) for corner in _cut_corners(x)]
    return {
        FRAME_PART: [frame, _compute_quantiles(frame)],
        CORNERS_PART: [
            np.concatenate(corners, axis=1),
            np.concatenate([_summarize(corner) for corner in corners], axis=1),
        ],
    }


def cut_context_parts(x):
    """Return the parts of shrunk images that show anatomy in a coarse or partial way."""
    height, width = x.shape[1:]
    masked = np.zeros((height, width), dtype=bool)
    top, left = (round(side * (1 - MASKED) / 2) for side in (height, width))
    masked[top : height - top, left : width - left] = True
    edges = np.linspace(-1, 1, N_BINS + 1)
    histograms = np.stack([np.histogram(image, edges)[0] for image in x]) / (height * width)
    return {
        "intensity histogram": [histograms.astype(np.float32)],
        f"{THUMBNAIL}x{THUMBNAIL} thumbnail": [_average(x, THUMBNAIL)],
        "centre masked": [x[:, ~masked]],
    }


def encode_metadata(metadata):
    """Return the parts of metadata: one per kind of column that is there and not empty."""
    if metadata is None:
        return {}
    parts = {}
    for part in COLUMNS:
        columns = select_columns(metadata, part)
        if columns is None:
            continue
        if part in (SHAPE_PART, FILE_SIZE_PART):
            parts[part] = _encode_numbers(columns)
        else:
            parts[part] = [_encode_levels(columns.iloc[:, 0])]
    return parts


def select_columns(metadata, part):
    """Return the columns of a part as a DataFrame, or None if one is missing or all are empty."""
    if metadata is None:
        return None
    spellings = {_squeeze(name): name for name in metadata.columns}
    found = [
        next((spellings[name] for name in names if name in spellings), None)
        for names in COLUMNS[part]
    ]
    if None in found or metadata[found].isna().all(axis=None):
        return None
    return metadata[found]


def find_lateral(metadata, n_images):
    """Return a mask of the images whose view is lateral, as far as metadata says so."""
    columns = select_columns(metadata, VIEW_PART)
    if columns is None:
        return np.zeros(n_images, dtype=bool)
    return columns.iloc[:, 0].astype(str).str.strip().str.upper().isin(LATERAL).to_numpy()


def _squeeze(name):
    """Return one spelling of the name of a column."""
    return str(name).strip().lower().replace(" ", "").replace("_", "")


def _mask_frame(shape):
    """Return a mask of the outer pixels: FRAME of SIDE, and at least one."""
    height, width = (max(1, round(FRAME * side / SIDE)) for side in shape)
    mask = np.ones(shape, dtype=bool)
    mask[height:-height, width:-width] = False
    return mask


def _cut_corners(x):
    """Return the four corners: CORNER of SIDE, and at least one pixel."""
    height, width = (max(1, round(CORNER * side / SIDE)) for side in x.shape[1:])
    upper, lower = x[:, :height], x[:, -height:]
    return [upper[:, :, :width], upper[:, :, -width:], lower[:, :, :width], lower[:, :, -width:]]


def _compute_quantiles(pixels):
    return np.quantile(pixels, QUANTILES, axis=1).T.astype(np.float32)


def _summarize(pixels):
    """Return what a marker changes wherever it lies: extremes, mean and contrast."""
    return np.stack(
        [pixels.min(axis=1), pixels.mean(axis=1), pixels.max(axis=1), pixels.std(axis=1)], axis=1
    )


def _average(x, side):
    """Return images as means over a grid of `side` by `side`, or fewer, fields."""
    rows = np.array_split(np.arange(x.shape[1]), min(side, x.shape[1]))
    columns = np.array_split(np.arange(x.shape[2]), min(side, x.shape[2]))
    bands = np.stack([x[:, row].mean(axis=1) for row in rows], axis=1)
    return np.stack([bands[:, :, column].mean(axis=2) for column in columns], axis=2)


def _encode_numbers(table):
    """Return logarithms, and one column per frequent value, since sources share exact sizes."""
    values = table.apply(pd.to_numeric, errors="coerce").astype(float)
    logarithms = np.log(values.where(values > 0))
    if logarithms.shape[1] == 2:
        # The sum is the area, the difference the aspect ratio.
        first, second = (logarithms.iloc[:, i] for i in range(2))
        logarithms = pd.DataFrame({"area": first + second, "ratio": first - second})
    filled = logarithms.fillna(logarithms.median()).fillna(0)
    # A class in the middle of others differs by its squared distance.
    centred = filled - filled.mean()
    return [
        np.concatenate([centred, centred**2], axis=1).astype(np.float32),
        _encode_levels(values.astype(str).agg("x".join, axis=1)),
    ]


def _encode_levels(column):
    """Return one column per frequent value. What is missing is a value too."""
    texts = column.astype(object).where(column.notna(), "").astype(str).str.strip()
    frequent = texts.value_counts().index[:N_LEVELS]
    levels = [(texts == value).to_numpy() for value in frequent]
    return np.stack(levels, axis=1).astype(np.float32)
