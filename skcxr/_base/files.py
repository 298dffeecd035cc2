"""Files and folders that are written completely or not at all, and checks of output folders."""

import hashlib
import os
import shutil
import threading
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory


def shorten_name(name, max_bytes=100):
    """Return `name`, or, if it has more than `max_bytes` in UTF-8, its beginning and a digest.

    Names that are derived from others, such as a class and a suffix, may exceed the 255 bytes that
    file systems allow.

    Examples
    --------
    >>> from skcxr._base.files import shorten_name
    >>> shorten_name("covid"), shorten_name("pneumonia " * 20, 20)
    ('covid', 'pneumonia p~134e1269')
    """
    encoded = name.encode("utf-8", "surrogateescape")
    if len(encoded) <= max_bytes:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:8]
    start = encoded[: max_bytes - len(digest) - 1].decode("utf-8", "ignore")
    return f"{start}~{digest}"


def build_temporary_path(path):
    """Return a path next to `path` that no other thread or process uses.

    It is in the same folder because a rename is atomic only within one file system.
    """
    name = shorten_name(path.name)
    return path.with_name(f".{name}.{os.getpid()}.{threading.get_ident()}")


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


@contextmanager
def explain_write_errors(out, note=""):
    """Turn an OSError of the block into one that names the folder `out` and what to do."""
    try:
        yield
    except OSError as error:
        raise OSError(
            f"out={str(out)!r} cannot be written: {error.strerror or error}. Free space, or pass "
            f"another folder.{note}"
        ) from error


def create_dated_folder(parent):
    """Create and return a folder in `parent` that is named after the time, and is no one else's."""
    name = datetime.now().strftime("%Y-%m-%d-%H%M%S")
    number = 1
    while True:
        folder = Path(parent) / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:  # of a run that began in the same second
            number += 1


@contextmanager
def reserve_folder(out, *, parent=None):
    """Create the folder `out`, or a dated one in `parent` if `out` is None, and yield it.

    If the block fails, the folder is removed again, unless it existed before or has content.
    """
    if out is None:
        folder = create_dated_folder(parent)
        is_new = True
    else:
        folder = Path(out)
        is_new = not folder.exists()
        # A link may lead to a folder that does not exist yet.
        Path(os.path.realpath(folder)).mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    except BaseException:
        if is_new:
            with suppress(OSError):  # it has content
                folder.rmdir()
        raise


@contextmanager
def fill_folder(out, *, last=None):
    """Yield a temporary folder whose content replaces that of the folder `out` after the block.

    The folder itself is kept, since it may be a mount point, a link, or in a folder that is not
    writable. The temporary folder is inside it. The file named `last` is moved last, so that its
    presence tells that the content is complete.

    Raises
    ------
    OSError
        If anything cannot be written. The content of `out` is then what it was.
    """
    note = " An earlier result is unchanged."
    with explain_write_errors(out, note), reserve_folder(out) as folder:
        new = build_temporary_path(folder / "new")
        old = build_temporary_path(folder / "old")
        try:
            new.mkdir()
            yield new
            _replace_content(folder, new, old, last)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def _replace_content(folder, new, old, last):
    """Move the content of `folder` to the new folder `old`, then that of `new` to `folder`."""

    def is_last(entry):
        return entry.name == last

    leaving = [entry for entry in folder.iterdir() if entry != new]
    moves = [(entry, old / entry.name) for entry in sorted(leaving, key=is_last, reverse=True)]
    moves += [(entry, folder / entry.name) for entry in sorted(new.iterdir(), key=is_last)]
    old.mkdir()
    done = []
    try:
        for source, target in moves:
            source.rename(target)
            done.append((source, target))
    except BaseException:
        for source, target in reversed(done):
            target.rename(source)
        old.rmdir()
        raise
    shutil.rmtree(old, ignore_errors=True)


def check_empty(out):
    """Raise an error unless the folder `out` is empty, or does not exist and can be created.

    Raises
    ------
    FileExistsError
        If it is a file, or a folder that is not empty.
    OSError
        If it cannot be written.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"out={str(out)!r} is not an empty folder. Pass a new one.")
    check_writable(out)


def check_writable(out):
    """Raise an OSError if nothing can be created in the folder `out`, or in the one to hold it."""
    target = Path(os.path.realpath(out))
    folder = next(folder for folder in (target, *target.parents) if folder.exists())
    try:
        TemporaryDirectory(dir=folder).cleanup()
    except OSError as error:
        done = "written" if folder == target else "created"
        raise OSError(
            f"out={str(out)!r} cannot be {done}: {error.strerror} in {str(folder)!r}. Pass "
            "another folder."
        ) from error
