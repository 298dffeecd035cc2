"""A training's state on disk: written whole or not at all, and resumed only where it fits."""

import hashlib
import io
import warnings
from pathlib import Path

import numpy as np
import torch
from sklearn.utils import gen_batches

from skcxr._base.files import build_temporary_path, write_atomically
from skcxr._version import __version__

FORMAT = 3
HASHED_ROWS = 1024


def build_header(content):
    """The first line of a file whose other bytes are `content`.

    PyTorch's format alone would take a bit that has flipped on the disk for a weight.
    """
    return f"skcxr checkpoint, SHA-256 {hashlib.sha256(content).hexdigest()}\n".encode()


def fingerprint_training(X, params):
    """What a training hangs on: its parameters by name, and a digest of its images.

    Parameters
    ----------
    X : ndarray of shape (n, ...)
        The training images, raw. Their layout does not count: it goes into `params` where it does.
    params : dict
        Values of any kind.

    Returns
    -------
    print : dict of str to str
        Equal for equal trainings.
    """
    digest = hashlib.sha256(f"{len(X)} {X.dtype.str}".encode())
    for rows in gen_batches(len(X), HASHED_ROWS):
        digest.update(np.ascontiguousarray(X[rows]))
    known = {name: _words(value) for name, value in sorted(params.items())}
    return known | {"images": digest.hexdigest()[:16]}


def hash_states(states):
    """A short text that is the same for the same weights.

    Parameters
    ----------
    states : iterable of state dicts
    """
    found = hashlib.sha256()
    for state in states:
        for name, tensor in state.items():
            found.update(name.encode())
            found.update(tensor.cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


def _words(value):
    """`value` as text that is the same in another process."""
    words = repr(value)
    if " at 0x" not in words:
        return words
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


class Checkpoint:
    """One file that holds the last complete state of one training.

    It holds tensors and plain values alone, behind a checksum: nothing in it is run when it is
    loaded, and nothing that has changed on the disk is gone on from.

    Parameters
    ----------
    path : Path
        The file. Its folder is made if it is missing.
    fingerprint : dict of str to str
        Of the training that is to be resumed or begun.

    Raises
    ------
    OSError
        If the folder can not be written to.
    """

    def __init__(self, path, fingerprint):
        self.path = path
        self.fingerprint = fingerprint
        self.kept = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            probe = build_temporary_path(path)
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise OSError(
                f"checkpoint={str(path)!r} can not be written: {error.strerror}. Pass a file in a "
                "folder that you may write to."
            ) from error

    @classmethod
    def at(cls, path, fingerprint):
        """The checkpoint that a parameter ``checkpoint`` stands for.

        A path with a suffix is the file; one without is a folder, and the file in it is named by
        the fingerprint.
        """
        path = Path(path)
        if path.is_dir() or not path.suffix:
            digest = hashlib.sha256(repr(sorted(fingerprint.items())).encode()).hexdigest()
            path = path / f"{digest[:16]}.pt"
        return cls(path, fingerprint)

    def load(self):
        """The state that was saved last, or None where there is no file.

        Raises
        ------
        ValueError
            If the file is of another training, and then it says what differs; or if it can not be
            read. It is left as it is.
        """
        if not self.path.exists():
            return None
        way_out = (
            f"Delete {self.path} to begin again, or pass another file, or a folder, in which each "
            "training has its own."
        )
        head, newline, content = self.path.read_bytes().partition(b"\n")
        try:
            if head + newline != build_header(content):
                raise ValueError("its checksum does not fit")
            file = io.BytesIO(content)
            saved = torch.load(file, map_location="cpu", weights_only=True)
            version, number = saved["skcxr"], saved["format"]
        except Exception as error:  # what is no checkpoint at all may raise anything
            raise ValueError(
                f"checkpoint={str(self.path)!r} is broken or no checkpoint of skcxr. {way_out}"
            ) from error
        if number != FORMAT:
            raise ValueError(
                f"checkpoint={str(self.path)!r} was saved by skcxr {version} in format {number}, "
                f"and skcxr {__version__} reads format {FORMAT}. {way_out}"
            )
        differing = [
            f"{name} was {saved['fingerprint'].get(name)} and is {self.fingerprint.get(name)}"
            for name in sorted({*saved["fingerprint"], *self.fingerprint})
            if saved["fingerprint"].get(name) != self.fingerprint.get(name)
        ]
        if differing:
            raise ValueError(
                f"checkpoint={str(self.path)!r} is of another training: {'; '.join(differing)}. "
                f"{way_out}"
            )
        if saved["torch"] != torch.__version__:
            warnings.warn(
                f"checkpoint={str(self.path)!r} was saved with PyTorch {saved['torch']}; with "
                f"{torch.__version__} the result can differ in rounding.",
                stacklevel=2,
            )
        return saved["state"]

    def keep(self, state, *, write):
        """Hold `state` for :meth:`write_kept`, and call that at once if `write`.

        Parameters
        ----------
        state : dict
            Of tensors and plain values, which nobody changes any more.
        write : bool
            Whether to write it now.
        """
        self.kept = state
        if write:
            self.write_kept()

    def write_kept(self):
        """Put the state held, if it is not there yet, in the file's place, whole or not at all.

        Warns
        -----
        UserWarning
            If it could not be written, as on a full disk. The last good one stays, and training
            can go on.
        """
        if self.kept is None:
            return
        saved = {
            "skcxr": __version__,
            "format": FORMAT,
            "torch": str(torch.__version__),
            "fingerprint": self.fingerprint,
            "state": self.kept,
        }
        content = io.BytesIO()
        torch.save(saved, content)
        try:
            with write_atomically(self.path) as file:
                file.write(build_header(content.getbuffer()))
                file.write(content.getbuffer())
            self.kept = None
        except OSError as error:
            warnings.warn(
                f"checkpoint={str(self.path)!r} could not be written: {error}. Training goes on; "
                f"{'the last one is kept' if self.path.exists() else 'there is none yet'}.",
                stacklevel=2,
            )
