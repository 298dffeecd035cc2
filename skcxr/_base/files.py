"""Files that are written completely or not at all, and checks of output folders."""

import os
import threading
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory


def build_temporary_path(path):
    """Return a path next to `path` that no other thread or process uses.

    It is in the same folder because a rename is atomic only within one file system.
    """
    return path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")


def build_dated_path(parent):
    """Return the path of a folder in `parent` that is named after the current time."""
    return Path(parent) / datetime.now().strftime("%Y-%m-%d-%H%M%S")


@contextmanager
def write_atomically(path):
    """Open a binary file that replaces `path` once it is completely on the disk.

    If the block or the disk fails, `path` is unchanged and no other file is left.
    """
    temporary = build_temporary_path(path)
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def check_empty(out):
    """Raise an error unless the folder `out` is empty, or does not exist and can be created.

    Raises
    ------
    FileExistsError
        If it is a file, or a folder that is not empty.
    OSError
        If it cannot be created.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"out={str(out)!r} is not an empty folder. Pass a new one.")
    check_writable(out)


def check_writable(out):
    """Raise an OSError if nothing can be created in the folder that holds `out`."""
    parent = next(folder for folder in Path(out).absolute().parents if folder.exists())
    try:
        TemporaryDirectory(dir=parent).cleanup()
    except OSError as error:
        raise OSError(
            f"out={str(out)!r} cannot be created: {error.strerror} in {str(parent)!r}. Pass "
            "another folder."
        ) from error
