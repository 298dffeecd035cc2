"""Chest X-rays from a folder with one sub-folder per class, or per split and class."""

from __future__ import annotations

import os
import warnings
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, StrOptions

from skcxr._base.parameters import validate_arguments
from skcxr._base.text import format_count
from skcxr.datasets._groups import format_lines, match_groups, read_groups, read_patient_ids
from skcxr.datasets._layout import ImageFile, find_all_files, find_files
from skcxr.datasets._reading import describe_files, read_images

if TYPE_CHECKING:
    import pandas as pd


@validate_arguments(
    {
        "fit": [StrOptions({"squash", "pad", "crop"})],
        "on_error": [StrOptions({"raise", "skip"})],
        "max_pixels": [Interval(Integral, 1, None, closed="left"), None],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }
)
def load_image_folder(
    path: str | os.PathLike[str],
    *,
    image_size: int | None = 64,
    fit: Literal["squash", "pad", "crop"] = "squash",
    percentiles: tuple[float, float] | None = None,
    groups: str | os.PathLike[str] | pd.DataFrame | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    max_pixels: int | None = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> Bunch:
    """Load grayscale images and DICOM files from one folder per class.

    The layout is ``path/<class>/<files>`` or ``path/<split>/<class>/<files>``. Splits are
    recognized by their names: train or training; test or testing; val, valid, validation or dev,
    in any case and also with set, data or images at the end. Class folders may have sub-folders.
    Names of classes are compared without blanks at their ends, and in Unicode's composed form.
    Files next to the class folders are ignored, and so are hidden files and what systems add:
    ``Thumbs.db``, ``desktop.ini``, ``__MACOSX`` and ``@eaDir``. Every other file must be an image.
    Its format is recognized by its content, not by its name.

    - Colour is converted to gray by ITU-R 601 luma. Transparent pixels become black, like air.
    - 8-bit images keep their values. Each image with more bits per channel is scaled from its own
      minimum and maximum to 0 and 255. If it is constant, it becomes 0.
    - An image that is constant in its file is kept. One whose pixels differ but would become a
      single gray value is not readable: its window lies elsewhere, for example, or all of it is
      transparent.
    - DICOM files (they need pydicom, the extra ``dicom``) appear as in a viewer. They are rescaled,
      and inverted if low values are white (MONOCHROME1). The first VOI LUT or window in the file
      sets the values that become 0 and 255. Without one, the two rules above apply.
    - The EXIF orientation is applied.

    Parameters
    ----------
    path : str or path-like
        The folder.
    image_size : int or None, default=64
        Height and width to resize to. None keeps the native size, which all images must then
        share.
    fit : {"squash", "pad", "crop"}, default="squash"
        How an image that is not square becomes one. "squash" ignores the aspect ratio; "pad" adds
        black on both sides of the shorter axis; "crop" cuts both ends of the longer axis.
    percentiles : (low, high) or None, default=None
        Percentiles of the pixels of an image, such as (1, 99), that become 0 and 255; values
        outside are clipped. This equalizes exposure, also of 8-bit and of windowed images. None
        applies the rules above.
    groups : str, path-like, DataFrame, "PatientID" or None, default=None
        Groups of the images, such as patients. "PatientID" takes them from the DICOM header, which
        every file must then have. The PatientID is kept unchanged in `groups`, and nowhere else.
        None loads no groups.

        A CSV file or table needs a column ``file``, ``filename``, ``path``, ``image`` or ``image
        index`` and a column ``group``, ``groups``, ``patient_id``, ``patient`` or ``subject``.
        Case, blanks and underscores do not matter, so the NIH's ``Image Index`` and ``Patient ID``
        are such columns. If several are present, the first in this order is used.

        An image is looked up by its path relative to `path`, then without its split, without its
        class and so on down to its bare name. A shortened path is used only if no second image
        shares it. Blanks at the ends of a cell are ignored, and accents match in either form of
        Unicode. Rows without an image are ignored.
    on_error : {"raise", "skip"}, default="raise"
        How to handle files that are not readable as one still image: "raise" lists them all with
        the reasons; "skip" warns, naming the first 20, and records all in `skipped`.
    max_pixels : int or None, default=None
        Largest number of pixels of an image. Larger ones are not readable, since a small file can
        inflate to fill the memory. None takes ``PIL.Image.MAX_IMAGE_PIXELS``, which is 89,478,485
        unless you change it.
    n_jobs : int or None, default=None
        Number of threads that read files; -1 uses one thread per core. Each thread holds one image
        of full size. None uses one thread, unless a :obj:`joblib.parallel_config` context is
        active.
    verbose : int, default=0
        If above 0, a progress bar is shown.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        Ordered by split, class and path, with the attributes

        - images : uint8 ndarray of shape (n_images, height, width), in [0, 255]
        - data : `images` as a view of shape (n_images, height * width)
        - target : int64 ndarray of shape (n_images,), indices into `target_names`
        - target_names : str ndarray of shape (n_classes,), sorted, the union over the splits
        - groups : object ndarray of shape (n_images,), or None; str if they come from a CSV file
          or from the PatientID
        - split : str ndarray of shape (n_images,) of "train", "test" and "validation"; None in a
          layout without splits
        - filenames : str ndarray of shape (n_images,), POSIX paths relative to `path`
        - metadata : structured ndarray of shape (n_images,) with the ``file_size`` in bytes and
          the ``height`` and ``width`` before resizing; if there are DICOM files, also ``station``
          (StationName), ``modality`` and ``view`` (ViewPosition), None where they are absent.
          ``pandas.DataFrame(bunch.metadata)`` is a table
        - skipped : dict that maps each skipped file, a path like those of `filenames`, to the
          reason
        - DESCR : str, a description of the data

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If `path` does not exist or is not a folder.
    PermissionError
        If a folder in `path` may not be listed.
    ImportError
        If there are DICOM files and pydicom is not installed.
    ValueError
        If a parameter is outside its domain; if a class folder is missing, is empty or has only
        skipped files; if splits and classes are mixed, or `path` holds a copy of itself; if files
        are not readable as one still image each and `on_error` is "raise" (empty, truncated, of
        several frames, decompression bombs, broken or circular links, paths that are not UTF-8);
        if sizes differ and `image_size` is None; if the `groups` CSV is unreadable or lacks a
        column; or if an image has no group, or several.
    TypeError
        If `groups` is neither None, nor a path, nor a DataFrame.

    Warns
    -----
    UserWarning
        If files are skipped.

    Notes
    -----
    Images are resized in float32 by an antialiasing triangle filter and rounded once. Its weights
    are never negative: bicubic and Lanczos filters overshoot at the edges of markers.

    PNG files are read in all of their bits. Other formats with more than 8 bits per channel of
    *colour* are not readable, since Pillow decodes their upper 8 bits alone.

    Only the elements of a DICOM header that describe the pixels are used. They are dropped with the
    file: no name of a person, date or identifier of a patient is kept, except the PatientID on
    request. StationName, Modality and ViewPosition are kept in `metadata`, since a class may be
    recognizable by them. Text that is burned into the pixels stays. Overlays, shutters and
    presentation states are not applied.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> from skcxr.datasets import load_image_folder
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
    if percentiles is not None and not _is_percentile_range(percentiles):
        raise ValueError(
            f"percentiles must be two numbers, 0 <= low < high <= 100, got {percentiles!r}. Pass "
            "(1, 99), or None."
        )
    root = _check_folder(path)
    by_patient_id = isinstance(groups, str) and groups == "PatientID"
    groups_by_file = None if groups is None or by_patient_id else read_groups(groups)
    found = {}
    misnamed = {}
    for file in find_files(root):
        original = file.path.relative_to(root).as_posix()
        name = original.encode("utf-8", "backslashreplace").decode()
        found[name] = file
        if name != original:
            misnamed[name] = "its path is not UTF-8, so that no table can hold it. Rename it"
    if groups_by_file is not None and on_error == "raise":
        # Every file must be an image, so a missing row is an error before minutes of reading.
        match_groups([name for name in found if name not in misnamed], groups_by_file)
    results = read_images(
        [file.path for file in found.values()],
        image_size=image_size,
        fit=fit,
        percentiles=percentiles,
        max_pixels=max_pixels,
        n_jobs=n_jobs,
        verbose=verbose,
    )
    results = dict(zip(found, results, strict=True)) | misnamed
    skipped = {name: result for name, result in results.items() if isinstance(result, str)}
    if skipped:
        _report_skipped(skipped, found, on_error)
    readable = {name: result for name, result in results.items() if not isinstance(result, str)}
    names = list(readable)
    splits, classes, paths = zip(*(found[name] for name in names), strict=True)
    image_groups = None
    if by_patient_id:
        image_groups = read_patient_ids(names, paths)
    elif groups_by_file is not None:
        image_groups = match_groups(names, groups_by_file, skipped)
    images = _stack(list(readable.values()), names)
    facts = describe_files(list(paths), max_pixels=max_pixels, n_jobs=n_jobs)

    target_names, target = np.unique(classes, return_inverse=True)
    return Bunch(
        images=images,
        data=images.reshape(len(images), -1),
        target=target.astype(np.int64),
        target_names=target_names,
        groups=None if image_groups is None else np.array(image_groups, dtype=object),
        split=None if splits[0] is None else np.array(splits),
        filenames=np.array(names),
        metadata=_build_metadata(facts),
        skipped=skipped,
        DESCR=f"{format_count(len(images), 'grayscale image')} of {images.shape[1]}x"
        f"{images.shape[2]} pixels in {format_count(len(target_names), 'class')}, loaded from "
        f"{str(root)!r}.",
    )


def load_unlabelled_folder(path: str | os.PathLike[str], *, on_error: str, **options: Any) -> Bunch:
    """Load all images below a folder, in any layout.

    Parameters
    ----------
    path : str or path-like
        The folder.
    on_error : {"raise", "skip"}
        How to handle files that are not readable as one still image.
    **options : dict
        Parameters of :func:`skcxr.datasets._reading.read_images`.

    Returns
    -------
    bunch : Bunch
        ``images``, ``filenames``, ``metadata`` and ``skipped``, as :func:`load_image_folder`
        returns them.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If `path` does not exist or is not a folder.
    ValueError
        If there is no image, or if files are not readable and `on_error` is "raise".
    """
    root = _check_folder(path)
    paths = list(find_all_files(root))
    names = [file.relative_to(root).as_posix() for file in paths]
    results = dict(zip(names, read_images(paths, **options), strict=True))
    skipped = {name: result for name, result in results.items() if isinstance(result, str)}
    if skipped and (on_error == "raise" or len(skipped) == len(names)):
        limit = None if on_error == "raise" else 20
        reasons = format_lines([f"{name}: {reason}" for name, reason in skipped.items()], limit)
        raise ValueError(
            f"path must hold still images, got {len(skipped)} of {len(names)} files that are not "
            f"readable as one. Repair, convert or remove them:{reasons}"
        )
    readable = {name: result for name, result in results.items() if not isinstance(result, str)}
    names = list(readable)
    facts = describe_files(
        [root / name for name in names],
        max_pixels=options.get("max_pixels"),
        n_jobs=options.get("n_jobs"),
    )
    return Bunch(
        images=_stack(list(readable.values()), names),
        filenames=np.array(names),
        metadata=_build_metadata(facts),
        skipped=skipped,
    )


def _check_folder(path: str | os.PathLike[str]) -> Path:
    root = Path(path)
    if not root.exists():
        raise FileNotFoundError(f"path {str(root)!r} does not exist. Pass an existing folder.")
    if not root.is_dir():
        raise NotADirectoryError(
            f"path {str(root)!r} is a file. Pass the folder that holds the images."
        )
    return root


def _build_metadata(facts: list[dict[str, object]]) -> np.ndarray:
    """Return the facts on the files as a structured array, which loads without pandas."""
    fields: list[tuple[str, str]] = [
        ("file_size", "int64"),
        ("height", "float64"),
        ("width", "float64"),
    ]
    fields += [
        (name, "object")
        for name in ("station", "modality", "view")
        if any(name in file for file in facts)
    ]
    # NaN and None stand for what a file does not tell.
    missing = {name: np.nan if kind == "float64" else None for name, kind in fields}
    rows = [tuple(file.get(name, missing[name]) for name, _ in fields) for file in facts]
    return np.array(rows, dtype=fields)


def _is_percentile_range(percentiles: Any) -> bool:
    try:
        low, high = percentiles
        return bool(0 <= low < high <= 100)
    except (TypeError, ValueError):
        return False


def _report_skipped(skipped: dict[str, str], found: dict[str, ImageFile], on_error: str) -> None:
    """Raise an error or warn that the files `skipped` are not readable."""
    # An error lists all files, because who repairs them has no other list. A warning need not,
    # because the result has `skipped`.
    limit = None if on_error == "raise" else 20
    reasons = format_lines([f"{name}: {reason}" for name, reason in skipped.items()], limit)
    if on_error == "raise":
        raise ValueError(
            f"path must hold still images, got {len(skipped)} of {len(found)} files that are not "
            f'readable as one. Repair, convert or remove them, or pass on_error="skip":{reasons}'
        )
    kept = {file.class_name for name, file in found.items() if name not in skipped}
    if lost := sorted({file.class_name for file in found.values()} - kept):
        raise ValueError(f"path has no readable image of the classes {lost}:{reasons}")
    warnings.warn(f"Left out {len(skipped)} of {len(found)} files:{reasons}", stacklevel=4)


def _stack(images: list[np.ndarray], names: list[str]) -> np.ndarray:
    """Stack images, or raise an error that names the first file of each size."""
    examples: dict[tuple[int, int], str] = {}
    for image, name in zip(images, names, strict=True):
        examples.setdefault(image.shape, name)
    if len(examples) > 1:
        sizes = [f"{height}x{width}: {name}" for (height, width), name in sorted(examples.items())]
        raise ValueError(
            f"image_size=None needs images of one size, got {len(sizes)} (height x width). "
            f"Pass image_size=64 to resize them:{format_lines(sizes)}"
        )
    return np.stack(images)
