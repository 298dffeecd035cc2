"""Images from a folder without classes, and in which respects images are unlike others."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.utils import Bunch

from skcxr.datasets._dicom import is_dicom
from skcxr.datasets._groups import format_lines
from skcxr.datasets._layout import walk_files
from skcxr.datasets._reading import read_images

# An image is unlike others if a measure is beyond their range by this share of its width.
MARGIN = 0.25
# Sizes and aspect ratios are compared as ratios.
SIZE_FACTOR = 2.0
ASPECT_FACTOR = 1.25


def load_unlabelled(
    path: str | os.PathLike[str], *, on_error: str = "raise", **options: object
) -> Bunch:
    """Load all images below a folder, whatever its sub-folders mean.

    Parameters
    ----------
    path : str or path-like
        Folder of images, or of folders of images.
    on_error : {"raise", "skip"}, default="raise"
        How to handle unreadable files.
    **options : object
        Further options of :func:`skcxr.datasets._reading.read_images`.

    Returns
    -------
    bunch : Bunch
        ``images``, ``data``, ``filenames`` and ``skipped`` as of
        :func:`skcxr.datasets.load_image_folder`.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If `path` does not exist or is not a folder.
    ValueError
        If there is no readable image, or if files are unreadable and `on_error` is "raise".

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> from skcxr.datasets._unlabelled import load_unlabelled
    >>> with TemporaryDirectory() as folder:
    ...     Image.new("L", (80, 60), color=100).save(Path(folder, "a.png"))
    ...     found = load_unlabelled(folder, image_size=32)
    >>> found.images.shape, found.filenames.tolist()
    ((1, 32, 32), ['a.png'])
    """
    root = Path(path)
    if not root.exists():
        raise FileNotFoundError(f"path {str(root)!r} does not exist. Pass an existing folder.")
    if not root.is_dir():
        raise NotADirectoryError(f"path {str(root)!r} is a file. Pass the folder that holds it.")
    files = list(walk_files(root, set()))
    if not files:
        raise ValueError(f"path {str(root)!r} holds no file. Pass a folder of images.")
    names = [
        file.relative_to(root).as_posix().encode("utf-8", "backslashreplace").decode()
        for file in files
    ]
    results = dict(zip(names, read_images(files, **options), strict=True))
    skipped = {name: result for name, result in results.items() if isinstance(result, str)}
    if skipped:
        reasons = format_lines([f"{name}: {reason}" for name, reason in skipped.items()])
        if on_error == "raise" or len(skipped) == len(results):
            raise ValueError(
                f"path must hold still images, got {len(skipped)} of {len(results)} files that are "
                f'not readable as one. Remove them, or pass on_error="skip":{reasons}'
            )
        warnings.warn(f"Left out {len(skipped)} of {len(results)} files:{reasons}", stacklevel=2)
    kept = [name for name in names if name not in skipped]
    images = np.stack([results[name] for name in kept])
    return Bunch(
        images=images,
        data=images.reshape(len(images), -1),
        filenames=np.array(kept),
        skipped=skipped,
    )


def read_sizes(path: str | os.PathLike[str], filenames: np.ndarray) -> np.ndarray:
    """Return the height and width of each image in its file (n, 2); NaN where it is unknown."""
    return np.array([_read_size(Path(path, name)) for name in filenames], dtype=float)


def _read_size(file: Path) -> tuple[float, float]:
    """Return height and width from the header of a file that has been read before."""
    try:
        if is_dicom(file):
            import pydicom

            header = pydicom.dcmread(file, stop_before_pixels=True)
            return float(header.Rows), float(header.Columns)
        with Image.open(file) as image:
            return float(image.height), float(image.width)
    except (OSError, ValueError, AttributeError):
        return np.nan, np.nan


def describe_range(images: np.ndarray, sizes: np.ndarray) -> dict[str, list[float]]:
    """Return the smallest and largest brightness, contrast, side and aspect ratio of images.

    Parameters
    ----------
    images : uint8 ndarray of shape (n, height, width)
        Images as they are read.
    sizes : ndarray of shape (n, 2)
        Height and width of each in its file.

    Returns
    -------
    ranges : dict of str to [float, float]
        As JSON's types. Measures that are unknown for all images are left out.
    """
    ranges = {}
    for name, values in _measure(images, sizes).items():
        known = values[np.isfinite(values)]
        if len(known):
            ranges[name] = [float(known.min()), float(known.max())]
    return ranges


def find_unlike(
    images: np.ndarray, sizes: np.ndarray, ranges: dict[str, list[float]]
) -> list[list[str]]:
    """Return for each image in which respects it is unlike those that `ranges` describes."""
    reasons: list[list[str]] = [[] for _ in images]
    for name, values in _measure(images, sizes).items():
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


def _measure(images: np.ndarray, sizes: np.ndarray) -> dict[str, np.ndarray]:
    """Return the measures of each image by name."""
    values = images.reshape(len(images), -1).astype(np.float32)
    return {
        "brightness": values.mean(axis=1),
        "contrast": values.std(axis=1),
        "side": sizes.min(axis=1),
        "aspect ratio": sizes[:, 1] / sizes[:, 0],
    }
