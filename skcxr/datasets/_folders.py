"""Chest X-rays from a folder: one sub-folder a class, perhaps below train and test."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import StrOptions, validate_params

from skcxr.datasets._groups import listing, match_groups, patient_ids, read_groups
from skcxr.datasets._reading import read_images

if TYPE_CHECKING:
    import pandas as pd

_SPLITS = {"train", "test", "val", "valid", "validation"}


@validate_params(
    {
        "fit": [StrOptions({"squash", "pad", "crop"})],
        "on_error": [StrOptions({"raise", "skip"})],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    },
    prefer_skip_nested_validation=True,
)
def load_image_folder(
    path: str | os.PathLike[str],
    *,
    image_size: int | None = 64,
    fit: str = "squash",
    percentiles: tuple[float, float] | None = None,
    groups: str | os.PathLike[str] | pd.DataFrame | None = None,
    on_error: str = "raise",
    n_jobs: int | None = None,
    verbose: int = 0,
) -> Bunch:
    """Load grayscale images and DICOM files from one folder a class.

    The layout is ``path/<class>/<files>`` or, if every sub-folder of `path` is named train, test,
    val, valid or validation in any case, ``path/<split>/<class>/<files>``. Files may lie deeper
    below their class. What is hidden, and files beside the class folders, is passed over; every
    other file must be an image. Its content tells of which format it is, not its name.

    - Colour turns gray by ITU-R 601 luma; what is transparent turns black, as air is.
    - 8-bit images keep their values. 16-bit and 32-bit grayscale is scaled, image by image,
      from its own minimum and maximum to 0 and 255; a constant image turns 0.
    - DICOM files (``pip install "skcxr[dicom]"``) appear as in a viewer: rescaled, inverted if
      their white is low (MONOCHROME1), and the first VOI LUT or window that they hold is what
      turns 0 to 255. Without one, the two rules above hold.
    - The EXIF orientation is applied.

    Parameters
    ----------
    path : str or path-like
        The folder.
    image_size : int or None, default=64
        Height and width to resize to. None keeps the native size, which all images must then
        share.
    fit : {"squash", "pad", "crop"}, default="squash"
        How an image that is no square becomes one. "squash" resizes whatever the aspect ratio;
        "pad" adds black on both sides of the shorter axis; "crop" cuts both ends of the longer.
    percentiles : (low, high) or None, default=None
        Percentiles of the pixels of an image, such as (1, 99), that turn 0 and 255; what lies
        outside is clipped. Evens out exposure, in 8-bit and in windowed images as well.
    groups : str, path-like, DataFrame, "PatientID" or None, default=None
        The group of each image, such as the patient. "PatientID" takes that of the DICOM header,
        which every file must then have; it is kept in `groups` as it is and nowhere else.

        A CSV file or table needs a column ``file``, ``filename``, ``path`` or ``image`` and a
        column ``group``, ``groups``, ``patient_id``, ``patientid``, ``patient`` or ``subject``, in
        any case; the first in this order counts. An image is looked up by its path relative to
        `path`, then without its split, its class and so on down to its bare name; a shortened
        path counts only if no second image shares it. Rows without an image are passed over.
    on_error : {"raise", "skip"}, default="raise"
        What becomes of files that are not readable as one still image each: an error that lists
        them all with the reasons, or a warning that names the first, and `skipped`.
    n_jobs : int or None, default=None
        Threads that read at once; -1 is one a core. Each holds one image of full size. None is 1
        unless in a :obj:`joblib.parallel_config` context.
    verbose : int, default=0
        Above 0, a progress bar.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        Ordered by split, class and path, with the attributes

        - images : uint8 ndarray of shape (n_images, height, width), in [0, 255]
        - data : `images` as a view of shape (n_images, height * width)
        - target : int64 ndarray of shape (n_images,), indices into `target_names`
        - target_names : str ndarray of shape (n_classes,), sorted, the union over the splits
        - groups : object ndarray of shape (n_images,), str if they come from a CSV or from the
          PatientID; or None
        - split : str ndarray of shape (n_images,), lower case; None in a layout without splits
        - filenames : str ndarray of shape (n_images,), POSIX paths relative to `path`
        - skipped : dict, for each file left out (a path like those of `filenames`) the reason
        - DESCR : str, what was loaded

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If `path` does not exist or is no folder.
    PermissionError
        If a folder in `path` may not be listed.
    ImportError
        If there are DICOM files and pydicom is not installed.
    ValueError
        If a parameter is outside its domain; a class folder is missing or empty, or each of its
        files is left out; files are not readable as one still image each while `on_error` is
        "raise" (all are named: empty, truncated, of several frames, decompression bombs, links
        that lead nowhere or back); sizes differ while `image_size` is None; the `groups` CSV is
        unreadable or lacks a column; or an image has no group, or several.
    TypeError
        If `groups` is neither None, nor a path, nor a DataFrame.

    Warns
    -----
    UserWarning
        If sub-folders named as splits and others mix, so that all are taken as classes; or if
        files are left out.

    Notes
    -----
    Images are resized in float32 by an antialiasing triangle filter and rounded once. Its weights
    are never negative: bicubic and Lanczos ring beyond the range at the edge of a marker.

    Pillow decodes 16-bit *colour* to its upper 8 bits; save such images as 16-bit grayscale.

    Of a DICOM header only what describes the pixels is used, and dropped with the file: no name,
    no date, no identifier but the PatientID, and that only if asked for. Text burned into the
    pixels stays. Overlays, shutters and presentation states are not applied.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> from skcxr.datasets._folders import load_image_folder
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
    if percentiles is not None and not _are_percentiles(percentiles):
        raise ValueError(
            f"percentiles must be two numbers, 0 <= low < high <= 100, got {percentiles!r}. Pass "
            "(1, 99), or None."
        )
    root = Path(path)
    if not root.exists():
        raise FileNotFoundError(f"path {str(root)!r} does not exist. Pass an existing folder.")
    if not root.is_dir():
        raise NotADirectoryError(f"path {str(root)!r} is a file. Pass the folder of the classes.")

    by_patient_id = isinstance(groups, str) and groups == "PatientID"
    groups_of = None if groups is None or by_patient_id else read_groups(groups)
    rows = list(_find_files(root))
    found = {row[-1].relative_to(root).as_posix(): row for row in rows}
    if groups_of is not None and on_error == "raise":
        # Every file must be an image: a missing row is told now, not after minutes of reading.
        match_groups(list(found), groups_of)
    results = read_images(
        [file for *_, file in found.values()],
        image_size=image_size,
        fit=fit,
        percentiles=percentiles,
        n_jobs=n_jobs,
        verbose=verbose,
    )
    results = dict(zip(found, results, strict=True))
    skipped = {name: result for name, result in results.items() if isinstance(result, str)}
    if skipped:
        _leave_out(skipped, found, on_error)
    names = [name for name in found if name not in skipped]
    splits, classes, files = zip(*(found[name] for name in names), strict=True)
    image_groups = None
    if by_patient_id:
        image_groups = patient_ids(names, files)
    elif groups_of is not None:
        image_groups = match_groups(names, groups_of, beside=skipped)
    images = _stack([results[name] for name in names], names)

    target_names, target = np.unique(classes, return_inverse=True)
    return Bunch(
        images=images,
        data=images.reshape(len(images), -1),
        target=target.astype(np.int64),
        target_names=target_names,
        groups=None if image_groups is None else np.array(image_groups, dtype=object),
        split=None if splits[0] is None else np.array(splits),
        filenames=np.array(names),
        skipped=skipped,
        DESCR=f"{len(images)} grayscale images of {images.shape[1]}x{images.shape[2]} pixels "
        f"in {len(target_names)} classes, loaded from {str(root)!r}.",
    )


def _are_percentiles(percentiles: object) -> bool:
    try:
        low, high = percentiles
        return bool(0 <= low < high <= 100)
    except (TypeError, ValueError):
        return False


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
                stacklevel=4,
            )
    for class_folder, split in split_of.items():
        files = list(_visible_files(class_folder, {os.path.realpath(root)}))
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


def _visible_files(entry: Path, above: set[str]) -> Iterator[Path]:
    """The files of a folder that lies in the folders `above`; links back to these as they are."""
    # Not Path.rglob: it passes over linked folders.
    real = os.path.realpath(entry)
    if entry.is_dir() and real not in above:
        for child in _visible(entry):
            yield from _visible_files(child, above | {real})
    else:
        yield entry


def _leave_out(skipped: dict[str, str], found: dict[str, tuple], on_error: str) -> None:
    """Raise or warn that the files `skipped` are no images."""
    # All of them in an error: who is to repair files has no other list. Else `skipped` is one.
    limit = None if on_error == "raise" else 20
    reasons = listing([f"{name}: {reason}" for name, reason in skipped.items()], limit)
    if on_error == "raise":
        raise ValueError(
            f"path must hold still images, got {len(skipped)} files that are not readable as one. "
            f'Repair, convert or remove them, or pass on_error="skip":{reasons}'
        )
    classes = {name: class_name for name, (_, class_name, _) in found.items()}
    kept = {class_name for name, class_name in classes.items() if name not in skipped}
    if lost := sorted(set(classes.values()) - kept):
        raise ValueError(f"path has no readable image of the classes {lost}:{reasons}")
    warnings.warn(f"{len(skipped)} of {len(found)} files are left out:{reasons}", stacklevel=4)


def _stack(images: list[np.ndarray], names: list[str]) -> np.ndarray:
    examples = {image.shape: name for image, name in zip(images[::-1], names[::-1], strict=True)}
    if len(examples) > 1:
        sizes = [f"{height}x{width}: {name}" for (height, width), name in sorted(examples.items())]
        raise ValueError(
            f"image_size=None needs images of one size, got {len(sizes)} (height x width). "
            f"Pass image_size=64 to resize them:{listing(sizes)}"
        )
    return np.stack(images)
