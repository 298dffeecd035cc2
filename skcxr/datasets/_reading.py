"""One file in, one gray image out: decode, scale to 8 bits, resize to a square."""

from __future__ import annotations

import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from skcxr.datasets._dicom import is_dicom, read_acquisition, read_dicom, silence_pydicom
from skcxr.datasets._pillow import read_size, read_with_pillow


def _pad(image: Image.Image, size: tuple[int, int], method: Image.Resampling) -> Image.Image:
    """Fit the whole image into `size`, centred on black.

    Before Pillow 13, ImageOps.pad fails on very long images.
    """
    scale = min(size[0] / image.width, size[1] / image.height)
    width = max(1, round(image.width * scale))
    height = max(1, round(image.height * scale))
    padded = Image.new(image.mode, size)
    corner = ((size[0] - width) // 2, (size[1] - height) // 2)
    padded.paste(image.resize((width, height), method), corner)
    return padded


# From an image, the size and a filter.
_FITS: dict[str, Callable[[Image.Image, tuple[int, int], Image.Resampling], Image.Image]] = {
    "squash": Image.Image.resize,
    "pad": _pad,
    "crop": ImageOps.fit,
}


def read_images(
    files: list[Path],
    *,
    image_size: int | None = None,
    fit: str = "squash",
    percentiles: tuple[float, float] | None = None,
    max_pixels: int | None = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> list[np.ndarray | str]:
    """Read `files` in threads. Only the resized images stay in memory.

    Parameters
    ----------
    files : list of Path
        Images and DICOM files.
    image_size, fit, percentiles
        Parameters of :func:`read_image`.
    max_pixels : int or None, default=None
        Largest number of pixels of an image. None takes ``PIL.Image.MAX_IMAGE_PIXELS``.
    n_jobs : int or None, default=None
        Number of threads.
    verbose : int, default=0
        If above 0, a progress bar is shown.

    Returns
    -------
    results : list of ndarray or str
        For each file, the result of :func:`read_image`, or the reason for its failure.

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
    with silence_pydicom(), _limit_pixels(max_pixels):
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        # sharedmem, because these filters work in threads but not in other processes.
        parallel = Parallel(n_jobs=n_jobs, require="sharedmem", return_as="generator")
        results = parallel(
            delayed(_try_read)(file, image_size=image_size, fit=fit, percentiles=percentiles)
            for file in files
        )
        bar = tqdm(results, total=len(files), desc="reading", unit="file", disable=not verbose)
        return list(bar)


def describe_files(
    files: list[Path], *, max_pixels: int | None = None, n_jobs: int | None = None
) -> list[dict[str, object]]:
    """Return facts on readable files: ``file_size`` in bytes, and stored ``height`` and ``width``.

    DICOM files also have ``station``, ``modality`` and ``view``, which may be None. No pixels are
    read.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> from skcxr.datasets._reading import describe_files
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "a.bmp")
    ...     Image.new("L", (40, 20)).save(file)
    ...     describe_files([file])
    [{'file_size': 1878, 'height': 20, 'width': 40}]
    """
    with silence_pydicom(), _limit_pixels(max_pixels):
        parallel = Parallel(n_jobs=n_jobs, require="sharedmem")
        return parallel(delayed(_describe_file)(file) for file in files)


def _describe_file(file: Path) -> dict[str, object]:
    """Return the facts on a file. It lacks those that a damaged header does not give."""
    facts: dict[str, object] = {"file_size": file.stat().st_size}
    try:
        if is_dicom(file):
            return facts | read_acquisition(file)
        height, width = read_size(file)
        return facts | {"height": height, "width": width}
    except ImportError:  # a fault of the installation, not of the file
        raise
    except Exception:  # as for pixels, a decoder may raise anything
        return facts


@contextmanager
def _limit_pixels(max_pixels: int | None) -> Iterator[None]:
    """Set the number of pixels beyond which Pillow refuses an image. None leaves it as it is."""
    limit = Image.MAX_IMAGE_PIXELS
    if max_pixels is not None:
        Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _try_read(file: Path, **options: Any) -> np.ndarray | str:
    """Return the image, or the reason for which it cannot be read."""
    try:
        return read_image(file, **options)
    except ImportError:  # a fault of the installation, not of the file
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        reason, _, _ = str(error).partition(", could be")
        return f"{reason}. If you trust the file, pass a larger max_pixels"
    except Image.UnidentifiedImageError:
        return "not an image format that Pillow reads, and not DICOM"
    except OSError as error:
        return error.strerror or str(error)  # strerror omits the path
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
        The file. Its format is recognized by its content, not by its name.
    image_size : int or None, default=None
        Height and width of the result. None keeps the native size.
    fit : {"squash", "pad", "crop"}, default="squash"
        How an image that is not square becomes one. Ignored if `image_size` is None.
    percentiles : (low, high) or None, default=None
        Percentiles of the pixels that become 0 and 255; values outside are clipped. None scales as
        :func:`skcxr.datasets.load_image_folder` describes.

    Returns
    -------
    image : uint8 ndarray of shape (height, width)

    Raises
    ------
    ValueError
        If the file is empty or not a regular file, has several frames, bits that cannot be read or
        pixels that are not finite, or if all pixels become one value although they differ in the
        file. On damaged files, Pillow, pydicom and their decoders raise errors of any other type.

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
        raise ValueError("it links to a folder that contains it")
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait forever
        raise ValueError("it is not a regular file")
    if status.st_size == 0:
        raise ValueError("the file is empty")

    gray, (low, high) = read_dicom(file) if is_dicom(file) else read_with_pillow(file)
    if percentiles is not None:
        low, high = np.percentile(gray, percentiles)
        if low == high and np.ptp(gray) > 0:
            raise ValueError(f"its percentiles {percentiles} are both {low:g}")
    is_constant = np.ptp(gray) == 0
    if (low, high) != (0, 255):
        gray = _scale_levels(gray, low, high)
    if np.ptp(gray) < 1 and not is_constant:
        raise ValueError(
            f"its pixels differ, but by less than one of the 256 gray values between {low:g} "
            f"(black) and {high:g} (white)"
        )
    if image_size is not None:
        image = Image.fromarray(gray.astype(np.float32))
        size = (image_size, image_size)
        gray = np.asarray(_FITS[fit](image, size, Image.Resampling.BILINEAR))
    return np.rint(gray).astype(np.uint8)


def _scale_levels(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Scale [low, high] to [0, 255] and clip (all 0 if `low` equals `high`)."""
    if not low < high:
        return np.zeros(values.shape)
    return np.clip((values - low) / (high - low) * 255, 0, 255)
