"""A download that resumes where an interrupted one stopped; pooch's own starts again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm.auto import tqdm

if TYPE_CHECKING:
    import pooch
    import requests

_CHUNK_BYTES = 1 << 16


def resume_download(
    url: str, output_file: str, pooch: pooch.Pooch | None, *, part: Path, timeout: float = 30.0
) -> None:
    """Download a file of known hash, as a downloader for :meth:`pooch.Pooch.fetch`.

    What arrives is kept in `part` until the file is complete, even if the process is killed. The
    next call requests only the rest. A server that cannot send the rest sends the whole file, which
    then replaces the part.

    The result is not checked here, because pooch compares its hash. If it is wrong, pooch deletes
    it, and the next call starts again from the beginning.

    Parameters
    ----------
    url : str
        Address of the file.
    output_file : str
        Path of the complete file.
    pooch : pooch.Pooch or None
        Not used; pooch passes itself.
    part : Path
        Path of the incomplete file, in the same file system as `output_file`.
    timeout : float, default=30
        Seconds without data after which the connection counts as broken.

    Raises
    ------
    requests.RequestException
        If the connection breaks, or the server reports an error. `part` stays.
    OSError
        If the server sends a web page. `part` stays.
    """
    import requests

    start = part.stat().st_size if part.exists() else 0
    # Offsets count the bytes of the file, not those of a compressed transfer.
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
        if not (start and response.status_code == 416):  # 416: there is nothing after `start`
            response.raise_for_status()
            if response.headers.get("Content-Type", "").startswith("text/html"):
                raise OSError(
                    f"{url} returned a web page instead of the file, perhaps a login page of your "
                    "network. Log in and call again."
                )
            if response.status_code != 206:  # 206: only the rest
                start = 0
            _append(response, part, start)
    os.replace(part, output_file)


def _append(response: requests.Response, part: Path, start: int) -> None:
    """Write the body of the response after the first `start` bytes of the file `part`."""
    # The default since urllib3 2. Without it, a broken connection looks like the end of the file.
    response.raw.enforce_content_length = True
    total = start + int(response.headers.get("Content-Length", 0))
    bar = tqdm(initial=start, total=total, unit="B", unit_scale=True, desc="downloading")
    with bar, part.open("ab" if start else "wb") as file:
        for chunk in response.iter_content(_CHUNK_BYTES):
            file.write(chunk)
            file.flush()  # so that it survives if the process is killed
            bar.update(len(chunk))
