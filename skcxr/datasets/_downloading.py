"""Downloads that go on where they broke off, and archives read without trusting them."""

from __future__ import annotations

import os
import stat
import time
import warnings
import zlib
from collections.abc import Iterator, Set
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile

from tqdm.auto import tqdm

if TYPE_CHECKING:
    import pooch
    import requests

_CHUNK = 1 << 16
_SHOW_PROGRESS_FROM = 50 * 2**20  # bytes; a bar for each small image would only flicker


class ResumingDownloader:
    """Downloader for pooch that goes on where a broken download stopped.

    - What arrives is kept in ``.<name>.part`` beside the file, and outlives a killed process.
    - The rest is asked for with ``Range``, and with ``If-Range`` (RFC 9110, 13.1.5), so that the
      server sends the whole file if it changed in between. Without an ETag or a Last-Modified
      nothing tells the two apart, and the download starts over.
    - A server that ignores all this sends the file from its start, and that is what is kept.

    What the file holds is not checked here: pooch compares its hash.

    Parameters
    ----------
    target : Path
        Where the file belongs; its name and folder are those of the part, and errors name it.
    max_bytes : int
        A file that is larger is refused.
    n_retries : int, default=3
        How often to try again after a broken connection, a timeout, 408, 429 or 5xx.
    delay : float, default=1
        Seconds between two attempts.
    timeout : float, default=30
        Seconds without a byte after which a connection counts as broken.

    Raises
    ------
    OSError
        When called: if the file could not be downloaded. It names the address, the file and what
        to do; what arrived so far stays.

    Warns
    -----
    UserWarning
        When called: before each retry.
    """

    def __init__(
        self,
        target: Path,
        *,
        max_bytes: int,
        n_retries: int = 3,
        delay: float = 1.0,
        timeout: float = 30.0,
    ):
        self.target = target
        self.max_bytes = max_bytes
        self.n_retries = n_retries
        self.delay = delay
        self.timeout = timeout
        self._part = target.with_name(f".{target.name}.part")
        self._validator_file = target.with_name(f".{target.name}.part.validator")

    def __call__(self, url: str, output_file: str, pooch: pooch.Pooch | None) -> None:
        """Download `url` to `output_file`, as pooch calls it."""
        import requests

        for n_left in range(self.n_retries, -1, -1):
            try:
                self._receive(url)
                break
            except requests.RequestException as error:
                if n_left == 0 or not _may_pass(error):
                    raise self._failure(url, error) from error
                warnings.warn(f"Retry downloading from url: {url} ({error})", stacklevel=2)
                time.sleep(self.delay)
        os.replace(self._part, output_file)
        self._validator_file.unlink(missing_ok=True)

    def _receive(self, url: str) -> None:
        import requests

        start, validator = self._kept()
        # Compressed in transit, a file would have another length and other offsets.
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers |= {"Range": f"bytes={start}-", "If-Range": validator}
        with requests.get(url, headers=headers, stream=True, timeout=self.timeout) as response:
            if not (start and response.status_code == 416):  # 416: there is no such rest
                response.raise_for_status()
            if response.headers.get("Content-Type", "").startswith("text/html"):
                raise self._failure(url, "the server sent a web page, perhaps a login, instead")
            if start and not _is_the_rest(response, start, validator):
                self._discard()
                if response.status_code != 200:
                    raise requests.ConnectionError("the rest does not fit what was received before")
                start = 0
            # Of a body that is compressed nevertheless, the length is not the file's.
            plain = response.headers.get("Content-Encoding", "identity") == "identity"
            length = response.headers.get("Content-Length", "")
            if start:  # that is the length of the rest; behind the slash is that of the file
                length = response.headers["Content-Range"].rpartition("/")[2]
            total = int(length) if plain and length.isdecimal() else None
            if start == 0:
                self._discard()  # or, killed right here, old bytes would pass for the new version
                self._validator_file.write_text(_validator(response) if plain else "")
            size = self._append(response, start, total)
        if max(size, total or 0) > self.max_bytes:
            self._discard()
            raise self._failure(url, f"it is larger than {self.max_bytes} bytes")
        if total is not None and size < total:
            raise requests.ConnectionError(f"broke off after {size} of {total} bytes")

    def _append(self, response: requests.Response, start: int, total: int | None) -> int:
        """Write the body behind the first `start` bytes; return the size of all."""
        size = start
        progress = tqdm(
            total=total,
            initial=start,
            unit="B",
            unit_scale=True,
            desc=self.target.name,
            disable=(total or 0) < _SHOW_PROGRESS_FROM,
        )
        with progress, self._part.open("ab" if start else "wb") as part:
            if (total or 0) > self.max_bytes:
                return size
            for chunk in response.iter_content(_CHUNK):
                size += len(chunk)
                if size > self.max_bytes:
                    break
                part.write(chunk)
                part.flush()  # what has arrived outlives a kill
                progress.update(len(chunk))
        return size

    def _kept(self) -> tuple[int, str]:
        """How much there is of the file, and which version of it; (0, "") to start over."""
        if self._part.is_file() and self._validator_file.is_file():
            validator = self._validator_file.read_text()
            if validator:
                return self._part.stat().st_size, validator
        return 0, ""

    def _discard(self) -> None:
        # The validator goes first: a part without one is never gone on with.
        self._validator_file.unlink(missing_ok=True)
        self._part.unlink(missing_ok=True)

    def _failure(self, url: str, reason: object) -> OSError:
        kept, _ = self._kept()
        goes_on = f" ({kept} bytes are kept, and it goes on from there)" if kept else ""
        return OSError(
            f"Could not download {url} to {str(self.target)!r}: {reason}. Check the network and "
            f"call again{goes_on}, or download it by hand and save it under that name."
        )


def _may_pass(error: requests.RequestException) -> bool:
    response = getattr(error, "response", None)
    return response is None or response.status_code in (408, 429) or response.status_code >= 500


def _validator(response: requests.Response) -> str:
    etag = response.headers.get("ETag", "")
    # RFC 9110 forbids weak validators in If-Range: they promise the same meaning, not bytes.
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")


def _is_the_rest(response: requests.Response, start: int, validator: str) -> bool:
    return (
        response.status_code == 206
        and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        and _validator(response) in ("", validator)
    )


def read_members(archive: Path, names: Set[str], *, max_bytes: int) -> Iterator[tuple[str, bytes]]:
    """Yield the wanted members of a zip archive, each as its bare name and its bytes.

    Nothing is written. The whole archive is refused before the first member is read if any of
    its members, wanted or not, has a path that leaves the folder it would be extracted to.

    Parameters
    ----------
    archive : Path
        The zip file.
    names : set of str
        Bare file names; of several members with one name, the first by path is read.
    max_bytes : int
        The size from which a member is refused, whatever size the archive claims.

    Yields
    ------
    name : str
        One of `names`.
    data : bytes
        Its content, of which the archive's CRC-32 was checked.

    Raises
    ------
    OSError
        If the archive is broken, a path leaves it, or a wanted member is a link, encrypted or
        larger than `max_bytes`.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from zipfile import ZipFile
    >>> from skcxr.datasets._downloading import read_members
    >>> with TemporaryDirectory() as folder:
    ...     archive = Path(folder, "a.zip")
    ...     with ZipFile(archive, "w") as zip_file:
    ...         zip_file.writestr("chest_xray/train/a.jpeg", "pixels")
    ...     list(read_members(archive, {"a.jpeg"}, max_bytes=100))
    [('a.jpeg', b'pixels')]
    """
    try:
        with ZipFile(archive) as zip_file:
            members = {}
            for member in sorted(zip_file.infolist(), key=lambda member: member.filename):
                path = PurePosixPath(member.filename.replace("\\", "/"))
                if path.is_absolute() or ".." in path.parts or PureWindowsPath(path).drive:
                    raise _refusal(archive, member.filename, "leaves the folder of the archive")
                if path.name in names:
                    members.setdefault(path.name, member)
            for name, member in members.items():
                if stat.S_ISLNK(member.external_attr >> 16):
                    raise _refusal(archive, member.filename, "is a symbolic link")
                # read(n) inflates no more than n bytes, read() all that a lying header hides.
                with zip_file.open(member) as stream:
                    data = stream.read(max_bytes + 1)
                if max(len(data), member.file_size) > max_bytes:
                    raise _refusal(archive, member.filename, f"has more than {max_bytes} bytes")
                yield name, data
    except (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise OSError(
            f"{str(archive)!r} is no zip archive that can be read: {error}. Delete it to download "
            "it again."
        ) from error


def _refusal(archive: Path, member: str, reason: str) -> OSError:
    return OSError(
        f"{str(archive)!r} is refused: its member {member!r} {reason}. Delete the archive, and get "
        "it from its publisher."
    )
