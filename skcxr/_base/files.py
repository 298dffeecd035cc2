"""Files that are written whole or not at all, and folders that hold nobody's results yet."""

import os
import threading
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory


def temporary_path(path):
    """A path beside `path`, of this thread: a rename is at once within one file system alone."""
    return path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")


def build_dated_path(parent):
    """The path of a folder in `parent` that is named by the time."""
    return Path(parent) / datetime.now().strftime("%Y-%m-%d-%H%M%S")


@contextmanager
def write_atomically(path):
    """A binary file to write, which takes the place of `path` once it is whole and on the disk.

    Where the block or the disk fails, what was at `path` stays, and nothing is left beside it.
    """
    temporary = temporary_path(path)
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
    """Refuse `out`, of the option --out, if results may not go there, before there are any.

    Raises
    ------
    FileExistsError
        If it is a file, or a folder that holds something.
    OSError
        If it can not be made.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"--out {out} is not an empty folder. Pass a new one.")
    check_writable(out)


def check_writable(out):
    """Refuse `out`, of the option --out, with an OSError, if nothing can be written beside it."""
    parent = next(folder for folder in Path(out).absolute().parents if folder.exists())
    try:
        TemporaryDirectory(dir=parent).cleanup()
    except OSError as error:
        raise OSError(
            f"--out {out} can not be made: {error.strerror} in {parent}. Pass another folder."
        ) from error
