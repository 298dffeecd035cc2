"""In which respects images are unlike others: brightness, contrast, size and aspect ratio."""

from __future__ import annotations

import numpy as np

# An image is unlike others if a measure is beyond their range by this share of its width.
MARGIN = 0.25
# Sizes and aspect ratios are compared as ratios.
SIZE_FACTOR = 2.0
ASPECT_FACTOR = 1.25


def describe_range(images: np.ndarray, metadata: np.ndarray) -> dict[str, list[float]]:
    """Return the smallest and largest brightness, contrast, side and aspect ratio of images.

    Parameters
    ----------
    images : uint8 ndarray of shape (n, height, width)
        Images as they are read.
    metadata : structured ndarray of shape (n,)
        Their ``height`` and ``width`` in the files, NaN where they are unknown.

    Returns
    -------
    ranges : dict of str to [float, float]
        As JSON's types. Measures that are unknown for all images are left out.
    """
    ranges = {}
    for name, values in _measure(images, metadata).items():
        known = values[np.isfinite(values)]
        if len(known):
            ranges[name] = [float(known.min()), float(known.max())]
    return ranges


def find_unlike(
    images: np.ndarray, metadata: np.ndarray, ranges: dict[str, list[float]]
) -> list[list[str]]:
    """Return for each image in which respects it is unlike those that `ranges` describes."""
    reasons: list[list[str]] = [[] for _ in images]
    for name, values in _measure(images, metadata).items():
        if name not in ranges:
            continue
        low, high = ranges[name]
        if name == "side":
            lowest, highest = low / SIZE_FACTOR, high * SIZE_FACTOR
        elif name == "aspect ratio":
            lowest, highest = low / ASPECT_FACTOR, high * ASPECT_FACTOR
        else:
            margin = MARGIN * (high - low)
            lowest, highest = low - margin, high + margin
        for row in np.flatnonzero((values < lowest) | (values > highest)):
            reasons[row].append(f"{name} {values[row]:.3g}, training {low:.3g} to {high:.3g}")
    return reasons


def _measure(images: np.ndarray, metadata: np.ndarray) -> dict[str, np.ndarray]:
    """Return the measures of each image by name."""
    values = images.reshape(len(images), -1).astype(np.float32)
    return {
        "brightness": values.mean(axis=1),
        "contrast": values.std(axis=1),
        "side": np.minimum(metadata["height"], metadata["width"]),
        "aspect ratio": metadata["width"] / metadata["height"],
    }
