"""The paper's four classes, from the two public collections that hold them."""

from __future__ import annotations

import csv
import os
import time
import warnings
from collections.abc import Callable, Collection, Iterable, Set
from functools import partial
from hashlib import sha256
from importlib.resources import files
from importlib.util import find_spec
from io import BytesIO, StringIO
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload
from zipfile import ZipFile

import numpy as np
from PIL import Image
from sklearn.datasets import get_data_home
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, StrOptions

from skcxr._base.files import write_atomically
from skcxr._base.parameters import validate_arguments
from skcxr.datasets._downloading import resume_download
from skcxr.datasets._folders import load_image_folder

if TYPE_CHECKING:
    import pooch
    from numpy.typing import NDArray

# A commit, not a branch, so that the content of an address never changes. Its metadata.csv lists
# all 69 images with the licences and sources that data/covid_cxr.csv repeats.
_COVID_URL = (
    "https://raw.githubusercontent.com/ieee8023/covid-chestxray-dataset/"
    "386e467855284944229290418a59871a55329442/images/"
)
_ARCHIVE = "ChestXRay2017.zip"
_ARCHIVE_URL = (
    "https://data.mendeley.com/public-files/datasets/rscbjbr9sj/files/"
    "f12eaf6d-6023-432f-acc9-80c9d7393433/file_downloaded"
)
# SHA-256 of version 2, as published by several projects that verify the same download.
_ARCHIVE_HASH = "13efc055629733dbab07877f8b3c9f81097840dbcdaa326a8542322c2281ce36"
_TIMEOUT = 30.0  # seconds

_DESCR = """\
{n_images} grayscale chest radiographs (subset: {subset}) of {image_size}x{image_size} pixels
in the paper's four classes: covid, normal, pneumonia_bac, pneumonia_vir.

- covid: frontal views of the COVID-19 image data collection (Cohen, Morrison and Dao 2020,
  arXiv:2003.11597), https://github.com/ieee8023/covid-chestxray-dataset. Licences differ by image,
  see `licenses`: some forbid commercial use or derivatives. If the licence is "see source", the
  page in `sources` states it.
- the other classes: Kermany, Zhang and Goldbaum 2018, doi:10.17632/rscbjbr9sj.2, CC BY 4.0. These
  are children aged 1 to 5.

This data set is biased: covid images show adults and come from other hospitals than the others.
Almost any difference (age, borders, markers) therefore separates covid from the other classes, and
a near-perfect score for covid says little about the disease. Some patients have several images:
pass `groups` to the cross-validation.
"""


@overload
def fetch_covid_cxr(
    *,
    subset: Literal["train", "test", "all"] = ...,
    image_size: int = ...,
    data_home: str | os.PathLike[str] | None = ...,
    download_if_missing: bool = ...,
    return_X_y: Literal[False] = ...,
    n_retries: int = ...,
    delay: float = ...,
) -> Bunch: ...


@overload
def fetch_covid_cxr(
    *,
    subset: Literal["train", "test", "all"] = ...,
    image_size: int = ...,
    data_home: str | os.PathLike[str] | None = ...,
    download_if_missing: bool = ...,
    return_X_y: Literal[True],
    n_retries: int = ...,
    delay: float = ...,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]: ...


@validate_arguments(
    {
        "subset": [StrOptions({"train", "test", "all"})],
        "image_size": [Interval(Integral, 1, None, closed="left")],
        "data_home": [str, os.PathLike, None],
        "download_if_missing": ["boolean"],
        "return_X_y": ["boolean"],
        "n_retries": [Interval(Integral, 0, None, closed="left")],
        "delay": [Interval(Real, 0, None, closed="left")],
    }
)
def fetch_covid_cxr(
    *,
    subset: Literal["train", "test", "all"] = "train",
    image_size: int = 64,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
    n_retries: int = 3,
    delay: float = 1.0,
) -> Bunch | tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Fetch the paper's 306 chest X-rays in four classes (download).

    The first call downloads 69 images from GitHub and an archive of 1.2 GB from Mendeley Data,
    extracts 237 images from the archive and deletes it. Later calls only read.

    ==================  =====  ====
    class               train  test
    ==================  =====  ====
    covid                  60     9
    normal                 70     9
    pneumonia_bac          70     9
    pneumonia_vir          70     9
    ==================  =====  ====

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        Part of the paper's split. No patient is in both train and test.
    image_size : int, default=64
        Height and width to resize to, as :func:`~skcxr.datasets.load_image_folder` does.
    data_home : str, path-like or None, default=None
        Folder in which ``covid_cxr`` is created. None uses scikit-learn's data folder:
        ``~/scikit_learn_data`` or the environment variable ``SCIKIT_LEARN_DATA``.
    download_if_missing : bool, default=True
        Whether missing files are downloaded. If False, missing files raise an OSError, and the
        network is never used.
    return_X_y : bool, default=False
        If True, return ``(data, target)``.
    n_retries : int, default=3
        Number of retries of each download after a broken connection or an error of the server.
    delay : float, default=1.0
        Seconds between two attempts.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        Ordered by split, class and file name, with the attributes

        - images : uint8 ndarray of shape (n_images, image_size, image_size), in [0, 255]
        - data : `images` as a view of shape (n_images, image_size**2)
        - target : int64 ndarray of shape (n_images,), indices into `target_names`
        - target_names : str ndarray of shape (4,), sorted
        - groups : object ndarray of shape (n_images,), the patient as str
        - split : str ndarray of shape (n_images,), "train" or "test"
        - views : str ndarray of shape (n_images,), "PA" or "AP"
        - filenames : str ndarray of shape (n_images,), relative to ``covid_cxr/images``
        - licenses : str ndarray of shape (n_images,), as stated by the collections
        - sources : str ndarray of shape (n_images,), the page where each image was published
        - DESCR : str
    (data, target) : tuple of ndarrays
        Returned instead of the bunch if `return_X_y` is True.

    Raises
    ------
    OSError
        If files are missing and `download_if_missing` is False, if a download fails, or if a file
        is not an image or does not match its checksum. Existing files are unchanged. The next call
        resumes an interrupted download of the archive.
    ValueError
        If a parameter is outside its domain.
    ImportError
        If pooch, requests or filelock is not installed.

    Warns
    -----
    UserWarning
        Before each retry.

    See Also
    --------
    load_image_folder : Load your own images; also reads ``covid_cxr/images``.
    make_chest_phantoms : Procedural radiographs that need no download.

    Notes
    -----
    *Without a network*, put two things into ``covid_cxr``, in sub-folders of any name: the images
    of a clone of https://github.com/ieee8023/covid-chestxray-dataset, and ``ChestXRay2017.zip`` of
    https://data.mendeley.com/datasets/rscbjbr9sj/2 or the images extracted from it. Images are
    found by their names and copied. Your files are neither changed nor deleted.

    *Checksums.* The archive must have the SHA-256 that several public projects state for it. No
    checksum is published for the single images. They are downloaded over TLS from one fixed commit,
    and the first fetch writes the SHA-256 of all 306 images to ``covid_cxr/registry.txt``. Every
    later call compares them. This detects changes since the first fetch, but not tampering before
    it.

    The images are resized from the originals. The pixels are close to those of the paper, but not
    identical, because the paper's software and resampling filter are not known.

    References
    ----------
    Cohen, J. P., Morrison, P., & Dao, L. (2020). COVID-19 image data collection. arXiv:2003.11597.

    Kermany, D. S., et al. (2018). Identifying medical diagnoses and treatable diseases by
    image-based deep learning. Cell, 172(5), 1122-1131.

    Examples
    --------
    >>> from skcxr.datasets import fetch_covid_cxr
    >>> xrays = fetch_covid_cxr()  # doctest: +SKIP
    >>> xrays.data.shape  # doctest: +SKIP
    (270, 4096)
    """
    _check_packages()
    root = Path(get_data_home(data_home), "covid_cxr")
    listed = _read_list()
    if _find_missing(root, listed):
        from filelock import FileLock

        root.mkdir(exist_ok=True)
        with FileLock(root / ".lock"):  # a second process waits here, then finds all files
            _collect(root, listed, download_if_missing, n_retries, delay)
    _verify(root, listed)

    folder = root / "images" if subset == "all" else root / "images" / subset
    loaded = load_image_folder(folder, image_size=image_size)
    names = [name if subset == "all" else f"{subset}/{name}" for name in loaded.filenames]
    images = loaded.images[[name in listed for name in names]]  # users may add images of their own
    data = images.reshape(len(images), -1)
    rows = [listed[name] for name in names if name in listed]
    split, classes, _ = zip(*(row["file"].split("/") for row in rows), strict=True)
    target_names, target = np.unique(classes, return_inverse=True)
    target = target.astype(np.int64)
    if return_X_y:
        return data, target
    return Bunch(
        images=images,
        data=data,
        target=target,
        target_names=target_names,
        groups=np.array([row["patient_id"] for row in rows], dtype=object),
        split=np.array(split),
        views=np.array([row["view"] for row in rows]),
        filenames=np.array([row["file"] for row in rows]),
        licenses=np.array([row["license"] for row in rows]),
        sources=np.array([row["source"] for row in rows]),
        DESCR=_DESCR.format(n_images=len(images), image_size=image_size, subset=subset),
    )


def _check_packages() -> None:
    """Raise an ImportError that says what to install, if a package for downloads is missing."""
    missing = [name for name in ("pooch", "requests", "filelock") if find_spec(name) is None]
    if missing:
        names = " and ".join(missing)
        raise ImportError(f"fetch_covid_cxr needs {names}. Install {names} (the extra 'fetch').")


def _read_list() -> dict[str, dict[str, str]]:
    """Map each file, <split>/<class>/<original name>, to its row of the packaged list."""
    table = files("skcxr.datasets") / "data" / "covid_cxr.csv"
    lines = StringIO(table.read_text("utf-8"))
    return {row["file"]: row for row in csv.DictReader(lines)}


def _read_registry(root: Path) -> dict[str, str]:
    """Map each image of an earlier fetch to its SHA-256."""
    import pooch

    images = pooch.create(path=root / "images", base_url="", registry=None)
    if (root / "registry.txt").exists():
        images.load_registry(root / "registry.txt")
    return images.registry


def _find_missing(root: Path, listed: Iterable[str]) -> dict[str, str]:
    """Map the original name of each image that is absent or not in the registry to its file."""
    registry = _read_registry(root)
    return {
        Path(file).name: file
        for file in listed
        if file not in registry or not (root / "images" / file).is_file()
    }


def _verify(root: Path, listed: Iterable[str]) -> None:
    """Raise an error if an image has changed since it was fetched."""
    import pooch

    registry = _read_registry(root)
    changed = [file for file in listed if pooch.file_hash(root / "images" / file) != registry[file]]
    if changed:
        raise OSError(
            f"{len(changed)} of the images in {str(root / 'images')!r} changed after they were "
            f"fetched, for example {changed[0]}. Delete the changed images to fetch them again."
        )


def _collect(
    root: Path, listed: Collection[str], download_if_missing: bool, n_retries: int, delay: float
) -> None:
    """Put every image into ``root/images``, then write the registry of their checksums."""
    import pooch

    missing = _find_missing(root, listed)
    registry = _read_registry(root)
    for name, path in _find_files(root, missing.keys()).items():
        _store(path.read_bytes(), root, missing.pop(name), registry, str(path))

    single = {name: file for name, file in missing.items() if "/covid/" in file}
    archived = {name: file for name, file in missing.items() if name not in single}
    archive = root / _ARCHIVE
    needs_archive = bool(archived) and not archive.exists()
    if single or needs_archive:
        if not download_if_missing:
            raise OSError(
                f"{str(root)!r} lacks {len(missing)} of {len(listed)} images, for example "
                f"{min(missing)}, and download_if_missing=False. Pass download_if_missing=True, or "
                "put there, in any sub-folder, the images of "
                "https://github.com/ieee8023/covid-chestxray-dataset and "
                f"{_ARCHIVE} of https://data.mendeley.com/datasets/rscbjbr9sj/2"
            )
        pooch.get_logger().info(
            "Downloading to '%s': %d single images%s.",
            root,
            len(single),
            f" and {_ARCHIVE}, 1.2 GB" if needs_archive else "",
        )
    remote = pooch.create(
        path=root,
        base_url=_COVID_URL,
        registry=dict.fromkeys(single) | {_ARCHIVE: _ARCHIVE_HASH},
        urls={_ARCHIVE: _ARCHIVE_URL},
    )
    for name, file in sorted(single.items()):
        path = _download(remote, name, pooch.HTTPDownloader(timeout=_TIMEOUT), n_retries, delay)
        try:
            _store(path.read_bytes(), root, file, registry, remote.get_url(name))
        finally:
            path.unlink()
    if needs_archive:
        downloader = partial(resume_download, part=root / f".{_ARCHIVE}.part", timeout=_TIMEOUT)
        _download(remote, _ARCHIVE, downloader, n_retries, delay)
    if archived:
        _extract(archive, root, archived, registry)
    if needs_archive:
        archive.unlink()

    lines = [f"{file} {pooch.file_hash(root / 'images' / file)}\n" for file in listed]
    with write_atomically(root / "registry.txt") as stream:
        stream.write("".join(lines).encode())


def _find_files(root: Path, names: Set[str]) -> dict[str, Path]:
    """Map each name to the first file below `root` that has it, in the order of folders."""
    found: dict[str, Path] = {}
    for folder, subfolders, here in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in names & set(here):
            found.setdefault(name, Path(folder, name))
    return found


def _download(
    remote: pooch.Pooch, name: str, downloader: Callable, n_retries: int, delay: float
) -> Path:
    """Download a file; retry after a broken connection or an error of the server.

    pooch's own retries are not used because they cannot be set to `delay`, and because they would
    also download an archive of the wrong hash again.
    """
    import requests

    url = remote.get_url(name)
    path = Path(remote.path, name)
    for n_left in range(n_retries, -1, -1):
        try:
            remote.fetch(name, downloader=downloader)
            break
        except requests.RequestException as error:
            if n_left == 0:
                raise OSError(
                    f"Could not download {url}: {error}. Check the network and call again (an "
                    f"incomplete archive is resumed), or save the file to {str(path)!r} by hand."
                ) from error
            warnings.warn(f"Retry downloading from url: {url} ({error})", stacklevel=2)
            time.sleep(delay)
        except ValueError as error:  # the hash is wrong, and pooch has deleted the file
            raise OSError(
                f"{url} is not the expected file: {error} Call again, or save the right file to "
                f"{str(path)!r} by hand."
            ) from error
    return path


def _extract(archive: Path, root: Path, wanted: dict[str, str], registry: dict[str, str]) -> None:
    """Store the images `wanted`, a map of their names to their files, from the archive.

    The hash fixes the content of the archive: it is complete and holds nothing harmful.
    """
    import pooch

    if pooch.file_hash(archive) != _ARCHIVE_HASH:
        raise OSError(
            f"{str(archive)!r} is not the expected archive: its SHA-256 is not {_ARCHIVE_HASH}. "
            f"Move it away to download {_ARCHIVE_URL}, or extract it next to itself if you trust "
            "its images."
        )
    with ZipFile(archive) as zip_file:
        paths: dict[str, str] = {}
        for path in sorted(zip_file.namelist()):
            paths.setdefault(path.rpartition("/")[2], path)
        for name, file in wanted.items():
            origin = f"{paths[name]} in {str(archive)!r}"
            _store(zip_file.read(paths[name]), root, file, registry, origin)


def _store(data: bytes, root: Path, file: str, registry: dict[str, str], origin: str) -> None:
    """Write an image into place if it is readable and the same as in an earlier fetch."""
    digest = sha256(data).hexdigest()
    if registry.get(file, digest) != digest:
        raise OSError(
            f"{origin} is not the image of the earlier fetch: its SHA-256 differs from that in "
            f"{str(root / 'registry.txt')!r}. If you trust it, delete the line of {file} there."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(BytesIO(data), formats=("PNG", "JPEG")) as image:
                image.load()
    except Exception as error:  # a decoder may raise anything on a broken file
        raise OSError(
            f"{origin} is not a readable image: {error}. Delete it if it is your own file. If it "
            "was downloaded, your network may have returned a login page: log in and call again, "
            f"or save {file} to {str(root / 'images')!r} by hand."
        ) from error
    target = root / "images" / file
    target.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(target) as stream:
        stream.write(data)
