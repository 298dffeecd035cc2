"""The four classes of the founding paper, from the two public collections they come from."""

from __future__ import annotations

import csv
import os
import warnings
from collections.abc import Iterable, Set
from hashlib import sha256
from importlib.resources import files
from io import BytesIO
from numbers import Integral, Real
from pathlib import Path

import numpy as np
import pooch
from filelock import FileLock
from PIL import Image
from sklearn.datasets import get_data_home
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from skcxr.datasets._downloading import ResumingDownloader, read_members
from skcxr.datasets._folders import load_image_folder

# A commit, not a branch: what git serves under its name never changes. Its metadata.csv lists
# all 69 images, and states the licences and sources that data/covid_cxr.csv repeats.
_COVID_URL = (
    "https://raw.githubusercontent.com/ieee8023/covid-chestxray-dataset/"
    "386e467855284944229290418a59871a55329442/images/"
)
_ARCHIVE = "ChestXRay2017.zip"
_ARCHIVE_URL = (
    "https://data.mendeley.com/public-files/datasets/rscbjbr9sj/files/"
    "f12eaf6d-6023-432f-acc9-80c9d7393433/file_downloaded"
)
# SHA-256 of version 2, as several public projects that verify the same download state it.
_ARCHIVE_HASH = "13efc055629733dbab07877f8b3c9f81097840dbcdaa326a8542322c2281ce36"

_MAX_ARCHIVE_BYTES = 2 * 10**9
_MAX_IMAGE_BYTES = 50 * 10**6

_DESCR = """\
{n_images} grayscale chest radiographs (subset: {subset}) of {image_size}x{image_size} pixels
in the four classes of the founding paper: covid, normal, pneumonia_bac, pneumonia_vir.

- covid: frontal views of the COVID-19 image data collection (Cohen, Morrison and Dao 2020,
  arXiv:2003.11597), https://github.com/ieee8023/covid-chestxray-dataset. Licences differ by image,
  see `licenses`: some forbid commercial use or derivatives; where it says "see source", the page
  in `sources` decides.
- the rest: Kermany, Zhang and Goldbaum 2018, doi:10.17632/rscbjbr9sj.2, CC BY 4.0. Children aged 1
  to 5.

Know its bias: covid images show adults and come from other hospitals than the rest, so covid is
told apart by almost anything (age, borders, markers). A near-perfect covid column says little about
covid. Several images of one patient occur: give `groups` to the cross-validation.
"""


@validate_params(
    {
        "subset": [StrOptions({"train", "test", "all"})],
        "image_size": [Interval(Integral, 1, None, closed="left")],
        "data_home": [str, os.PathLike, None],
        "download_if_missing": ["boolean"],
        "return_X_y": ["boolean"],
        "n_retries": [Interval(Integral, 0, None, closed="left")],
        "delay": [Interval(Real, 0, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def fetch_covid_cxr(
    *,
    subset="train",
    image_size=64,
    data_home=None,
    download_if_missing=True,
    return_X_y=False,
    n_retries=3,
    delay=1.0,
):
    """Fetch the founding paper's 306 chest X-rays in four classes (download).

    The first call downloads 69 single images from GitHub and one archive of 1.2 GB from Mendeley
    Data, takes 237 images out of the archive and deletes it. Later calls only read.

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
        The paper's split. No patient is in both.
    image_size : int, default=64
        Height and width to resize to, as :func:`~skcxr.datasets.load_image_folder` does.
    data_home : str, path-like or None, default=None
        Folder below which ``covid_cxr`` is created; None means scikit-learn's, which is
        ``~/scikit_learn_data`` or the environment variable ``SCIKIT_LEARN_DATA``.
    download_if_missing : bool, default=True
        If False, raise OSError where files are missing, and never use the network.
    return_X_y : bool, default=False
        If True, return ``(data, target)``.
    n_retries : int, default=3
        How often to retry each download after a broken connection or an error of the server.
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
        - filenames : str ndarray of shape (n_images,), below ``covid_cxr/images``
        - licenses : str ndarray of shape (n_images,), as the collections state them
        - sources : str ndarray of shape (n_images,), the page where each image was published
        - DESCR : str
    (data, target) : tuple of ndarrays
        In place of the bunch, if `return_X_y` is True.

    Raises
    ------
    OSError
        If files are missing and `download_if_missing` is False; or a download fails, is not what
        it claims or differs from its checksum. What was there before stays, and a broken download
        goes on at the next call.
    ValueError
        If a parameter is outside of its domain.

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
    *Without a network*, put into ``covid_cxr``, in sub-folders of any name, the images of a clone
    of https://github.com/ieee8023/covid-chestxray-dataset, and ``ChestXRay2017.zip`` of
    https://data.mendeley.com/datasets/rscbjbr9sj/2 or the images extracted from it. Images are
    found by their names and copied; nothing of yours is changed or deleted.

    *Checksums.* The archive must have the SHA-256 that several public projects state for it. For
    the single images none is published. They come over TLS from one fixed commit, and the first
    fetch writes the SHA-256 of all 306 images into ``covid_cxr/registry.txt``. Every later call
    compares: it shows change since the first fetch, not tampering at it.

    The images are resized from the originals, so pixels are close to the paper's but not the same:
    which software and filter the paper used is not known.

    References
    ----------
    Cohen, J. P., Morrison, P., & Dao, L. (2020). COVID-19 image data collection. arXiv:2003.11597.

    Kermany, D. S., et al. (2018). Identifying medical diagnoses and treatable diseases by
    image-based deep learning. Cell, 172(5), 1122-1131.

    Examples
    --------
    >>> from skcxr.datasets._covid_cxr import fetch_covid_cxr
    >>> xrays = fetch_covid_cxr()  # doctest: +SKIP
    >>> xrays.data.shape  # doctest: +SKIP
    (270, 4096)
    """
    root = Path(get_data_home(data_home), "covid_cxr")
    listed = _read_list()
    if _missing(root, listed):
        root.mkdir(exist_ok=True)
        with FileLock(root / ".lock"):  # a second process waits here, then finds all in place
            _gather(root, listed, download_if_missing, n_retries, delay)
    _verify(root, listed)

    folder = root / "images" if subset == "all" else root / "images" / subset
    loaded = load_image_folder(folder, image_size=image_size)
    names = [name if subset == "all" else f"{subset}/{name}" for name in loaded.filenames]
    images = loaded.images[[name in listed for name in names]]  # strangers may lie beside ours
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


def _read_list() -> dict[str, dict[str, str]]:
    """Map <split>/<class>/<original name> to its row of the packaged list."""
    table = files("skcxr.datasets").joinpath("data", "covid_cxr.csv")
    with table.open(encoding="utf-8", newline="") as lines:
        return {row["file"]: row for row in csv.DictReader(lines)}


def _recorded(root: Path) -> dict[str, str]:
    """SHA-256 of each image that an earlier fetch put into place."""
    images = pooch.create(path=root / "images", base_url="", registry=None)
    if (root / "registry.txt").exists():
        images.load_registry(root / "registry.txt")
    return images.registry


def _missing(root: Path, listed: Iterable[str]) -> dict[str, str]:
    """Map the original name to the path of what is not there, or there but not recorded."""
    recorded = _recorded(root)
    return {
        Path(file).name: file
        for file in listed
        if file not in recorded or not (root / "images" / file).is_file()
    }


def _verify(root: Path, listed: Iterable[str]) -> None:
    recorded = _recorded(root)
    changed = [file for file in listed if pooch.file_hash(root / "images" / file) != recorded[file]]
    if changed:
        raise OSError(
            f"{len(changed)} images in {str(root / 'images')!r} have changed since they were "
            f"fetched, among them {changed[0]}. Delete them to fetch them again."
        )


def _gather(
    root: Path, listed: Iterable[str], download: bool, n_retries: int, delay: float
) -> None:
    """Put every image into ``root/images``, then record their checksums."""
    missing = _missing(root, listed)
    recorded = _recorded(root)
    for name, path in _find(root, missing.keys()).items():
        _store(path.read_bytes(), root, missing.pop(name), recorded, str(path))

    single = {name for name, file in missing.items() if "/covid/" in file}
    archived = missing.keys() - single
    archive = root / _ARCHIVE
    was_there = archive.exists()
    needs_download = bool(single) or (bool(archived) and not was_there)
    if needs_download and not download:
        raise OSError(
            f"{len(missing)} images are not in {str(root)!r}, among them {min(missing)}, and "
            "download_if_missing=False. Pass download_if_missing=True, or put there, in any "
            "sub-folder, the images of https://github.com/ieee8023/covid-chestxray-dataset and "
            f"{_ARCHIVE} of https://data.mendeley.com/datasets/rscbjbr9sj/2"
        )
    if needs_download:
        pooch.get_logger().info(
            "Downloading to '%s': %d single images%s.",
            root,
            len(single),
            f" and {_ARCHIVE}, 1.2 GB" if archived and not was_there else "",
        )
    remote = pooch.create(
        path=root,
        base_url=_COVID_URL,
        registry=dict.fromkeys(single) | {_ARCHIVE: _ARCHIVE_HASH},
        urls={_ARCHIVE: _ARCHIVE_URL},
    )
    for name in sorted(single):
        path = _download(remote, name, _MAX_IMAGE_BYTES, n_retries, delay)
        try:
            _store(path.read_bytes(), root, missing[name], recorded, remote.get_url(name))
        finally:
            path.unlink()
    if archived:
        if not was_there:
            _download(remote, _ARCHIVE, _MAX_ARCHIVE_BYTES, n_retries, delay)
        elif pooch.file_hash(archive) != _ARCHIVE_HASH:
            raise OSError(
                f"{str(archive)!r} is not the archive that is expected: its SHA-256 is not "
                f"{_ARCHIVE_HASH}. Move it away to download {_ARCHIVE_URL}, or extract it beside "
                "it if you trust its images."
            )
        _unpack(archive, root, {name: missing[name] for name in archived}, recorded)
        if not was_there:
            archive.unlink()

    lines = [f"{file} {pooch.file_hash(root / 'images' / file)}\n" for file in listed]
    _write(root / "registry.txt", "".join(lines).encode())


def _find(root: Path, names: Set[str]) -> dict[str, Path]:
    """Where below `root` each of the named files lies, the first by path."""
    found: dict[str, Path] = {}
    for folder, subfolders, here in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in names & set(here):
            found.setdefault(name, Path(folder, name))
    return found


def _download(remote: pooch.Pooch, name: str, max_bytes: int, n_retries: int, delay: float) -> Path:
    path = Path(remote.path, name)
    downloader = ResumingDownloader(path, max_bytes=max_bytes, n_retries=n_retries, delay=delay)
    try:
        remote.fetch(name, downloader=downloader)
    except ValueError as error:  # pooch has deleted what did not match
        raise OSError(
            f"{remote.get_url(name)} is not the file that is expected: {error} Call again, or put "
            f"the right file to {str(path)!r} by hand."
        ) from error
    return path


def _unpack(archive: Path, root: Path, wanted: dict[str, str], recorded: dict[str, str]) -> None:
    n_found = 0
    for name, data in read_members(archive, wanted.keys(), max_bytes=_MAX_IMAGE_BYTES):
        _store(data, root, wanted[name], recorded, f"{name} in {str(archive)!r}")
        n_found += 1
    if n_found < len(wanted):
        raise OSError(
            f"{str(archive)!r} has only {n_found} of the {len(wanted)} images that are wanted. "
            "Move it away to download it again."
        )


def _store(data: bytes, root: Path, file: str, recorded: dict[str, str], origin: str) -> None:
    """Put an image into place, whole or not at all, if it is one, and the one it was before."""
    if recorded.get(file, sha256(data).hexdigest()) != sha256(data).hexdigest():
        raise OSError(
            f"{origin} is not the image that an earlier fetch got: its SHA-256 differs from that "
            f"in {str(root / 'registry.txt')!r}. If you trust it, delete the line of {file} there."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(BytesIO(data), formats=("PNG", "JPEG")) as image:
                image.load()
    except Exception as error:  # a decoder may raise anything on a broken file
        raise OSError(
            f"{origin} is no image that can be read: {error}. Delete it if it is a file of yours; "
            f"call again, or save {file} to {str(root / 'images')!r} by hand."
        ) from error
    target = root / "images" / file
    target.parent.mkdir(parents=True, exist_ok=True)
    _write(target, data)


def _write(target: Path, data: bytes) -> None:
    # Hidden, so that load_image_folder passes over what a killed process leaves.
    part = target.with_name(f".{target.name}.part")
    part.write_bytes(data)
    os.replace(part, target)
