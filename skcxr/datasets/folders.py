"""Chest X-rays from a folder: one sub-folder a class, perhaps below train and test."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps
from sklearn.utils import Bunch

from skcxr.datasets.groups import listing, match_groups, read_groups

if TYPE_CHECKING:
    import pandas as pd

_SPLITS = {"train", "test", "val", "valid", "validation"}


def load_image_folder(
    path: str | os.PathLike[str],
    *,
    image_size: int | None = 64,
    groups: str | os.PathLike[str] | pd.DataFrame | None = None,
) -> Bunch:
    """Load grayscale images from one folder a class.

    The layout is ``path/<class>/<files>`` or, if every sub-folder of `path` is named train, test,
    val, valid or validation in any case, ``path/<split>/<class>/<files>``. Files may lie deeper
    below their class. What is hidden, and files beside the class folders, is passed over; every
    other file must be an image.

    - Colour turns gray by ITU-R 601 luma; what is transparent turns black, as air is.
    - 8-bit images keep their values. 16-bit and 32-bit grayscale is scaled, image by image,
      from its own minimum and maximum to 0 and 255; a constant image turns 0.
    - The EXIF orientation is applied.

    Parameters
    ----------
    path : str or path-like
        The folder.
    image_size : int or None, default=64
        Height and width to resize to, whatever the aspect ratio. None keeps the native size,
        which all images must then share.
    groups : str, path-like, DataFrame or None, default=None
        CSV file or table that gives each image its group, such as the patient. It needs a column
        ``file``, ``filename``, ``path`` or ``image`` and a column ``group``, ``groups``,
        ``patient_id``, ``patientid``, ``patient`` or ``subject``, in any case; the first in this
        order counts. An image is looked up by its path relative to `path`, then without its
        split, its class and so on down to its bare name; a shortened path counts only if no
        second image shares it. Rows without an image are passed over.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        Ordered by split, class and path, with the attributes

        - images : uint8 ndarray of shape (n_images, height, width), in [0, 255]
        - data : `images` as a view of shape (n_images, height * width)
        - target : int64 ndarray of shape (n_images,), indices into `target_names`
        - target_names : str ndarray of shape (n_classes,), sorted, the union over the splits
        - groups : object ndarray of shape (n_images,), str if they come from a CSV; or None
        - split : str ndarray of shape (n_images,), lower case; None in a layout without splits
        - filenames : str ndarray of shape (n_images,), POSIX paths relative to `path`
        - DESCR : str, what was loaded

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If `path` does not exist or is no folder.
    ValueError
        If `image_size` is no int >= 1; a class folder is missing or empty; files are not readable
        as one still image each (all are named); sizes differ while `image_size` is None; the
        `groups` CSV is unreadable or lacks a column; or an image has no group, or several.
    TypeError
        If `groups` is neither None, nor a path, nor a DataFrame.

    Warns
    -----
    UserWarning
        If sub-folders named as splits and others mix, so that all are taken as classes.

    Notes
    -----
    Images are resized in float32 by an antialiasing triangle filter and rounded once. Its weights
    are never negative: bicubic and Lanczos ring beyond the range at the edge of a marker.

    Pillow decodes 16-bit *colour* to its upper 8 bits; save such images as 16-bit grayscale.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> from skcxr.datasets.folders import load_image_folder
    >>> with TemporaryDirectory() as folder:
    ...     for name in ["covid/a.png", "covid/b.png", "normal/c.png"]:
    ...         file = Path(folder, name)
    ...         file.parent.mkdir(exist_ok=True)
    ...         Image.new("L", (80, 60), color=100).save(file)
    ...     xrays = load_image_folder(folder, image_size=32)
    >>> xrays.images.shape, xrays.data.shape
    ((3, 32, 32), (3, 1024))
    >>> xrays.target_names[xrays.target].tolist()
    ['covid', 'covid', 'normal']
    """
    is_int = isinstance(image_size, Integral) and not isinstance(image_size, bool)
    if image_size is not None and not (is_int and image_size >= 1):
        raise ValueError(
            f"image_size must be an int >= 1, got {image_size!r}. Pass image_size=64, or None "
            "to keep the native size."
        )
    root = Path(path)
    if not root.exists():
        raise FileNotFoundError(f"path {str(root)!r} does not exist. Pass an existing folder.")
    if not root.is_dir():
        raise NotADirectoryError(f"path {str(root)!r} is a file. Pass the folder of the classes.")

    splits, classes, files = zip(*_find_files(root), strict=True)
    names = [file.relative_to(root).as_posix() for file in files]
    image_groups = None if groups is None else match_groups(names, read_groups(groups))
    images = _read_images(files, names, image_size)

    target_names, target = np.unique(classes, return_inverse=True)
    return Bunch(
        images=images,
        data=images.reshape(len(images), -1),
        target=target.astype(np.int64),
        target_names=target_names,
        groups=None if image_groups is None else np.array(image_groups, dtype=object),
        split=None if splits[0] is None else np.array(splits),
        filenames=np.array(names),
        DESCR=f"{len(images)} grayscale images of {images.shape[1]}x{images.shape[2]} pixels "
        f"in {len(target_names)} classes, loaded from {str(root)!r}.",
    )


def _find_files(root: Path) -> Iterator[tuple[str | None, str, Path]]:
    """Yield (split, class, file) in order."""
    folders = _subfolders(root)
    n_splits = sum(folder.name.lower() in _SPLITS for folder in folders)
    if n_splits == len(folders):
        folders.sort(key=lambda split: split.name.lower())
        split_of = {f: split.name.lower() for split in folders for f in _subfolders(split)}
    else:
        split_of = dict.fromkeys(folders)
        if n_splits >= 2:  # one alone may be a class: valid against invalid
            warnings.warn(
                f"path {str(root)!r} mixes splits and others, so each sub-folder is a class: "
                f"{[folder.name for folder in folders]}. For splits, move the others away.",
                stacklevel=3,
            )
    for class_folder, split in split_of.items():
        files = list(_visible_files(class_folder))
        if not files:
            empty = class_folder.relative_to(root).as_posix()
            raise ValueError(f"path has an empty class folder {empty!r}. Fill or remove it.")
        yield from ((split, class_folder.name, file) for file in files)


def _visible(folder: Path) -> list[Path]:
    # By name, as Path's own order ignores case on Windows.
    entries = (entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return sorted(entries, key=lambda entry: entry.name)


def _subfolders(folder: Path) -> list[Path]:
    if folders := [entry for entry in _visible(folder) if entry.is_dir()]:
        return folders
    raise ValueError(
        f"path must hold one sub-folder a class, got none in {str(folder)!r}. Sort the images "
        "into <class>/ or <train or test>/<class>/."
    )


def _visible_files(folder: Path) -> Iterator[Path]:
    # Not Path.rglob: it passes over linked folders.
    for entry in _visible(folder):
        if entry.is_dir():
            yield from _visible_files(entry)
        else:
            yield entry


def _read_images(files: tuple[Path, ...], names: list[str], image_size: int | None) -> np.ndarray:
    images, failures = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for file, name in zip(files, names, strict=True):
            try:
                images.append(_read_image(file, image_size))
            except Image.UnidentifiedImageError:
                failures.append(f"{name}: no image format that Pillow knows")
            except Exception as error:  # a decoder may raise anything on a broken file
                failures.append(f"{name}: {error or type(error).__name__}")
    if failures:
        raise ValueError(
            f"path must hold still images, got {len(failures)} files that are not readable as "
            f"one. Repair, convert or remove them:{listing(failures)}"
        )
    examples = {image.shape: name for image, name in zip(images[::-1], names[::-1], strict=True)}
    if len(examples) > 1:
        sizes = [f"{height}x{width}: {name}" for (height, width), name in sorted(examples.items())]
        raise ValueError(
            f"image_size=None needs images of one size, got {len(sizes)} (height x width). "
            f"Pass image_size=64 to resize them:{listing(sizes)}"
        )
    return np.stack(images)


def _read_image(file: Path, image_size: int | None) -> np.ndarray:
    if file.stat().st_size == 0:
        raise ValueError("the file is empty")
    # Opened by path, Pillow 13.0 maps an uncompressed TIFF and scrambles it if its orientation tag
    # swaps height and width. A handle keeps it from mapping.
    with file.open("rb") as stream, Image.open(stream) as image:
        if (n_frames := getattr(image, "n_frames", 1)) > 1:
            raise ValueError(f"it has {n_frames} frames")
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I") or upright.mode == "F":
            values = np.asarray(upright, dtype=np.float64)
            if image.format == "TIFF" and image.tag_v2.get(262) == 0:  # PhotometricInterpretation
                values = -values  # white is zero, which Pillow heeds for up to 8 bits alone
            gray = _stretch(values)
        else:
            if upright.has_transparency_data:
                upright = upright.convert("RGBA")
                black = Image.new("RGBA", upright.size, "black")
                upright = Image.alpha_composite(black, upright)
            gray = np.asarray(upright.convert("L"))
    if image_size is not None:
        shape = (image_size, image_size)
        resized = Image.fromarray(gray.astype(np.float32)).resize(shape, Image.Resampling.BILINEAR)
        gray = np.asarray(resized)
    return np.rint(gray).astype(np.uint8)


def _stretch(values: np.ndarray) -> np.ndarray:
    """Scale to [0, 255]; ``convert("L")`` would saturate what exceeds 255."""
    if not np.isfinite(values).all():
        raise ValueError("it has NaN or infinite pixels")
    low, high = values.min(), values.max()
    return (values - low) / (high - low) * 255 if high > low else np.zeros_like(values)
