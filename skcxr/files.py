"""Files that are written whole or not at all, and folders that hold nobody's results yet."""

import os
import threading
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path


def temporary_for(path):
    """A path beside `path`, of this thread: a rename is at once within one file system alone."""
    return path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")


def dated_folder(parent):
    """The path of a folder in `parent` that is named by the time."""
    return Path(parent) / datetime.now().strftime("%Y-%m-%d-%H%M%S")


@contextmanager
def replacing(path):
    """A binary file to write, which takes the place of `path` once it is whole and on the disk.

    Where the block or the disk fails, what was at `path` stays, and nothing is left beside it.
    """
    temporary = temporary_for(path)
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
    """Refuse `out`, of the option --out, if it is a file or a folder that holds something.

    Raises
    ------
    FileExistsError
        If it is.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"--out {out} is not an empty folder. Pass a new one.")
