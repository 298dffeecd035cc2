"""The file that a training resumes from: its format, when it fits, and how it is written."""

import hashlib
import io
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from sklearn.utils import gen_batches

from skcxr._base.files import build_temporary_path, write_atomically
from skcxr._version import __version__

# 4: the payload is that of Checkpoint.write.
FORMAT = 4
HASHED_ROWS = 1024


class SavedTraining(NamedTuple):
    """Training as it was after an epoch.

    Parameters
    ----------
    state : dict
        State that ``GANTraining.state_dict`` returned.
    history : list of dict
        Rows of ``history_`` so far.
    precision : {"float32", "bfloat16"}
        Arithmetic that the training began with.
    """

    state: dict
    history: list
    precision: str


class Checkpoint:
    """One file with the last complete state of one training.

    The first line is a checksum. The payload after it is written by ``torch.save`` and holds
    tensors and plain values only, so that loading it runs no code::

        skcxr, format, torch    versions of skcxr, of the payload and of PyTorch
        fingerprint             what identifies the training, as text by name
        state                   the fields of SavedTraining, as a dict

    Parameters
    ----------
    path : Path
        File. Its folder is created if it is missing.
    fingerprint : dict of str to str
        Fingerprint of the training that is to be resumed or started.

    Raises
    ------
    OSError
        If the folder is not writable.
    """

    def __init__(self, path, fingerprint):
        self.path = path
        self.fingerprint = fingerprint
        self.unwritten = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            probe = build_temporary_path(path)
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise OSError(
                f"checkpoint={str(path)!r} cannot be written: {error.strerror}. Pass a file in a "
                "folder that you may write to."
            ) from error

    @classmethod
    def open(cls, path, fingerprint):
        """Return the checkpoint that a parameter ``checkpoint`` stands for.

        A path with a suffix is the file. A path without one is a folder, and the file in it is
        named after the fingerprint.
        """
        path = Path(path)
        if path.is_dir() or not path.suffix:
            name = hashlib.sha256(repr(sorted(fingerprint.items())).encode()).hexdigest()[:16]
            path = path / f"{name}.pt"
        return cls(path, fingerprint)

    def load(self):
        """Return the SavedTraining of the file, or None if there is no file.

        Raises
        ------
        ValueError
            If the file belongs to another training, and then the message says what differs, or if
            it cannot be read. The file is left as it is.
        """
        if not self.path.exists():
            return None
        saved = self._read_payload()
        if saved["format"] != FORMAT:
            raise ValueError(
                f"checkpoint={str(self.path)!r} was saved by skcxr {saved['skcxr']} in format "
                f"{saved['format']}, and skcxr {__version__} reads format {FORMAT}. {self._advice}"
            )
        self._check_fingerprint(saved["fingerprint"])
        if saved["torch"] != torch.__version__:
            warnings.warn(
                f"checkpoint={str(self.path)!r} was saved with PyTorch {saved['torch']}. With "
                f"{torch.__version__}, the result can differ by rounding.",
                stacklevel=2,
            )
        return SavedTraining(**saved["state"])

    def keep(self, saved, *, write):
        """Hold a SavedTraining for :meth:`write`, and write it now if `write` is True.

        Nobody may change it any more.
        """
        self.unwritten = saved
        if write:
            self.write()

    def write(self):
        """Replace the file by the state that is held, completely or not at all.

        Warns
        -----
        UserWarning
            If it could not be written, for example on a full disk. The last file stays, and
            training continues.
        """
        if self.unwritten is None:
            return
        content = io.BytesIO()
        payload = {
            "skcxr": __version__,
            "format": FORMAT,
            "torch": str(torch.__version__),
            "fingerprint": self.fingerprint,
            "state": self.unwritten._asdict(),
        }
        torch.save(payload, content)
        try:
            with write_atomically(self.path) as file:
                file.write(build_header(content.getbuffer()))
                file.write(content.getbuffer())
            self.unwritten = None
        except OSError as error:
            kept = "the last one is kept" if self.path.exists() else "there is none yet"
            warnings.warn(
                f"checkpoint={str(self.path)!r} could not be written: {error}. Training "
                f"continues; {kept}.",
                stacklevel=2,
            )

    @property
    def _advice(self):
        return (
            f"Delete {self.path} to start again, or pass another file, or a folder, in which each "
            "training has its own."
        )

    def _read_payload(self):
        header, newline, content = self.path.read_bytes().partition(b"\n")
        try:
            if header + newline != build_header(content):
                raise ValueError("its checksum does not match")
            file = io.BytesIO(content)
            saved = torch.load(file, map_location="cpu", weights_only=True)
            saved["skcxr"], saved["format"]
        except Exception as error:  # a file that is not a checkpoint may raise anything
            raise ValueError(
                f"checkpoint={str(self.path)!r} is broken or is not a checkpoint of skcxr. "
                f"{self._advice}"
            ) from error
        return saved

    def _check_fingerprint(self, fingerprint):
        differing = [
            f"{name} was {fingerprint.get(name)} and is {self.fingerprint.get(name)}"
            for name in sorted({*fingerprint, *self.fingerprint})
            if fingerprint.get(name) != self.fingerprint.get(name)
        ]
        if differing:
            raise ValueError(
                f"checkpoint={str(self.path)!r} belongs to another training: "
                f"{'; '.join(differing)}. {self._advice}"
            )


def build_header(content):
    """Return the first line of a file with this `content`.

    PyTorch's format alone would take a bit that flipped on the disk for a weight.
    """
    return f"skcxr checkpoint, SHA-256 {hashlib.sha256(content).hexdigest()}\n".encode()


def fingerprint_training(X, params):
    """Return what identifies a training: its parameters by name and a digest of its images.

    Parameters
    ----------
    X : ndarray of shape (n, ...)
        Raw training images. Their shape does not count, but `params` may hold it.
    params : dict
        Values of any kind.

    Returns
    -------
    fingerprint : dict of str to str
        Equal for equal trainings.
    """
    digest = hashlib.sha256(f"{len(X)} {X.dtype.str}".encode())
    for rows in gen_batches(len(X), HASHED_ROWS):
        digest.update(np.ascontiguousarray(X[rows]).data)
    fingerprint = {name: _describe(value) for name, value in sorted(params.items())}
    fingerprint["images"] = digest.hexdigest()[:16]
    return fingerprint


def hash_states(states):
    """Return a short text that is equal for equal weights.

    Parameters
    ----------
    states : iterable of state dicts
        Names and tensors.
    """
    digest = hashlib.sha256()
    for state in states:
        for name, tensor in state.items():
            digest.update(name.encode())
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _describe(value):
    """Return `value` as text that is the same in another process."""
    text = repr(value)
    if " at 0x" not in text:
        return text
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"
