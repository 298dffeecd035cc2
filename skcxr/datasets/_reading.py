"""One file in, one gray image out: decoding, scaling to 8 bits, fitting to a square."""

from __future__ import annotations

import stat
import warnings
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from skcxr.datasets._dicom import in_silence, is_dicom, read_dicom

# Pillow knows more, and opens EPS by starting Ghostscript: no image of ours is worth that.
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM", "JPEG2000")


def _pad(image: Image.Image, size: tuple[int, int], method: Image.Resampling) -> Image.Image:
    """The whole image, black beside it. ImageOps.pad fails, before Pillow 13, on very long ones."""
    scale = min(size[0] / image.width, size[1] / image.height)
    inner = image.resize(tuple(max(1, round(side * scale)) for side in image.size), method)
    padded = Image.new(image.mode, size)
    padded.paste(inner, tuple((new - old) // 2 for new, old in zip(size, inner.size, strict=True)))
    return padded


_FITS = {"squash": Image.Image.resize, "pad": _pad, "crop": ImageOps.fit}


def read_images(
    files: list[Path],
    *,
    image_size: int | None = None,
    fit: str = "squash",
    percentiles: tuple[float, float] | None = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> list[np.ndarray | str]:
    """Read `files` in threads; of each, only the resized image stays in memory.

    Parameters
    ----------
    files : list of Path
        Images and DICOM files.
    image_size, fit, percentiles
        As of :func:`read_image`.
    n_jobs : int or None, default=None
        Threads.
    verbose : int, default=0
        Above 0, a progress bar.

    Returns
    -------
    results : list of ndarray or str
        For each file, what :func:`read_image` returns, or why it failed.

    Raises
    ------
    ImportError
        If a file is DICOM and pydicom is not installed.

    Examples
    --------
    >>> from pathlib import Path
    >>> from skcxr.datasets._reading import read_images
    >>> read_images([Path("nowhere.png")])
    ['No such file or directory']
    """
    with in_silence():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        # sharedmem: these filters hold in threads, and not in another process.
        parallel = Parallel(n_jobs=n_jobs, require="sharedmem", return_as="generator")
        results = parallel(
            delayed(_attempt)(file, image_size=image_size, fit=fit, percentiles=percentiles)
            for file in files
        )
        bar = tqdm(results, total=len(files), desc="reading", unit="file", disable=not verbose)
        return list(bar)


def _attempt(file: Path, **options) -> np.ndarray | str:
    try:
        return read_image(file, **options)
    except ImportError:  # a fault of the installation, not of the file
        raise
    except Image.UnidentifiedImageError:
        return "no image format that Pillow knows, and no DICOM"
    except OSError as error:
        return error.strerror or str(error)  # strerror leaves the path out
    except Exception as error:  # a decoder may raise anything on a broken file
        return " ".join(str(error).split()) or type(error).__name__


def read_image(
    file: Path,
    *,
    image_size: int | None = None,
    fit: str = "squash",
    percentiles: tuple[float, float] | None = None,
) -> np.ndarray:
    """Read an image or DICOM file as 8-bit gray.

    Parameters
    ----------
    file : Path
        The file. Its content tells what it is, not its name.
    image_size : int or None, default=None
        Height and width of the result; None keeps the native size.
    fit : {"squash", "pad", "crop"}, default="squash"
        What becomes of an aspect ratio that is not 1; no matter if `image_size` is None.
    percentiles : (low, high) or None, default=None
        Percentiles of the pixels that turn 0 and 255; what lies outside is clipped. None scales
        as :func:`skcxr.datasets.load_image_folder` says.

    Returns
    -------
    image : uint8 ndarray of shape (height, width)

    Raises
    ------
    ValueError
        If the file is empty, no regular file, has several frames or pixels that are not finite, or
        the percentiles of pixels that differ are equal.
        Pillow, pydicom and their decoders raise errors of any other type on damaged files.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> from skcxr.datasets._reading import read_image
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "a.png")
    ...     Image.new("L", (40, 20), color=100).save(file)
    ...     read_image(file, image_size=4, fit="pad").tolist()
    [[0, 0, 0, 0], [100, 100, 100, 100], [100, 100, 100, 100], [0, 0, 0, 0]]
    """
    status = file.stat()
    if stat.S_ISDIR(status.st_mode):  # the search descends into all other folders
        raise ValueError("it links to a folder that it lies in")
    if not stat.S_ISREG(status.st_mode):  # to open a pipe would wait for ever
        raise ValueError("it is no regular file")
    if status.st_size == 0:
        raise ValueError("the file is empty")

    gray, levels = read_dicom(file) if is_dicom(file) else _read_with_pillow(file)
    if percentiles is not None:
        levels = low, high = tuple(np.percentile(gray, percentiles))
        if low == high and np.ptp(gray) > 0:
            raise ValueError(f"its percentiles {percentiles} are both {low:g}, and show nothing")
    if levels != (0, 255):
        gray = _window(gray, *levels)
    if image_size is not None:
        image = Image.fromarray(gray.astype(np.float32))
        size = (image_size, image_size)
        gray = np.asarray(_FITS[fit](image, size, Image.Resampling.BILINEAR))
    return np.rint(gray).astype(np.uint8)


def _read_with_pillow(file: Path) -> tuple[np.ndarray, tuple[float, float]]:
    """Gray pixels, and which of their values are black and white."""
    # Opened by path, Pillow 13.0 maps an uncompressed TIFF and scrambles it if its orientation tag
    # swaps height and width. A handle keeps it from mapping.
    with file.open("rb") as stream, Image.open(stream, formats=FORMATS) as image:
        if (n_frames := getattr(image, "n_frames", 1)) > 1:
            raise ValueError(f"it has {n_frames} frames")
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I") or upright.mode == "F":
            values = np.asarray(upright, dtype=np.float64)
            if image.format == "TIFF" and image.tag_v2.get(262) == 0:  # PhotometricInterpretation
                values = -values  # white is zero, which Pillow heeds for up to 8 bits alone
            if not np.isfinite(values).all():
                raise ValueError("it has NaN or infinite pixels")
            # convert("L") would saturate what exceeds 255.
            return values, (values.min(), values.max())
        if upright.has_transparency_data:
            upright = upright.convert("RGBA")
            black = Image.new("RGBA", upright.size, "black")
            upright = Image.alpha_composite(black, upright)
        return np.asarray(upright.convert("L")), (0, 255)


def _window(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Scale [low, high] to [0, 255] and clip; all 0 if there is nothing between."""
    if not low < high:
        return np.zeros(values.shape)
    return np.clip((values - low) / (high - low) * 255, 0, 255)
