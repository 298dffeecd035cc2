"""Which patient is on which image: groups of the files of a folder, from a table."""

from __future__ import annotations

import os
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from skcxr.datasets._dicom import in_silence, read_patient_id

if TYPE_CHECKING:
    import pandas as pd

_FILE_COLUMNS = ("file", "filename", "path", "image")
_GROUP_COLUMNS = ("group", "groups", "patient_id", "patientid", "patient", "subject")


def read_groups(groups: str | os.PathLike[str] | pd.DataFrame) -> dict[str, set]:
    """Map each file of the table to the groups that its rows give it."""
    import pandas as pd

    if isinstance(groups, str | os.PathLike):
        try:
            with warnings.catch_warnings():
                # Rows longer than the header are an error: by default they move to the left.
                warnings.simplefilter("error", pd.errors.ParserWarning)
                # Path keeps pandas from fetching an address, str keeps "007".
                table = pd.read_csv(Path(groups), dtype=str, index_col=False)
        except (OSError, ValueError, pd.errors.ParserWarning) as error:
            raise ValueError(
                f"groups must be a comma-separated UTF-8 file, got {os.fspath(groups)!r}: {error}. "
                "Pass such a file, or a DataFrame."
            ) from error
    elif isinstance(groups, pd.DataFrame):
        table = groups
    else:
        raise TypeError(
            f"groups must be None, a path or a DataFrame, got {type(groups).__name__}. Pass a "
            "DataFrame with the columns 'file' and 'group'."
        )
    columns = [str(column).strip().lower() for column in table.columns]
    used = []
    for accepted in (_FILE_COLUMNS, _GROUP_COLUMNS):
        present = [columns.index(name) for name in accepted if name in columns]
        if not present:
            raise ValueError(
                f"groups must have a column named one of {', '.join(accepted)}, got the columns "
                f"{', '.join(map(str, table.columns))}. Rename one."
            )
        used.append(present[0])
    groups_of: dict[str, set] = {}
    for file, group in table.iloc[:, used].dropna().itertuples(index=False, name=None):
        groups_of.setdefault(_spelled_alike(str(file)), set()).add(group)
    return groups_of


def patient_ids(names: Iterable[str], files: Iterable[Path]) -> list[str]:
    """The PatientID of each file, of which `names` are the names in errors."""
    with in_silence():
        found = {name: _patient_id(file) for name, file in zip(names, files, strict=True)}
    if failures := [name for name, patient_id in found.items() if not patient_id]:
        raise ValueError(
            f'groups="PatientID" needs DICOM files that state it, got {len(failures)} of '
            f"{len(found)} files that do not. Pass a table of files and groups:{listing(failures)}"
        )
    return list(found.values())


def _patient_id(file: Path) -> str | None:
    try:
        return read_patient_id(file)
    except ImportError:  # a fault of the installation, not of the file
        raise
    except Exception:  # pydicom may raise anything on an element that is damaged
        return None


def match_groups(names: list[str], groups_of: dict[str, set], beside: Iterable[str] = ()) -> list:
    """The group of each image in `names`, by its path or an unambiguous tail of it.

    Tails of the files `beside` count as well: theirs may be the row.
    """
    tails = [_tails(_spelled_alike(name)) for name in names]
    n_owners = Counter(tail for image_tails in tails for tail in image_tails)
    n_owners.update(tail for name in beside for tail in _tails(_spelled_alike(name)))
    found, failures = [], []
    for name, (full, *shorter) in zip(names, tails, strict=True):
        keys = [full, *(tail for tail in shorter if n_owners[tail] == 1)]
        matched = next((groups_of[key] for key in keys if key in groups_of), set())
        if len(matched) == 1:
            found.extend(matched)
        else:
            failures.append(f"{name}: {sorted(map(str, matched)) or 'no group'}")
    if failures:
        raise ValueError(
            f"groups must give each image one group, got none or several for {len(failures)} of "
            f"{len(names)} images. Correct their rows; images that share a name need their paths "
            f"relative to `path`:{listing(failures)}"
        )
    return found


def _spelled_alike(name: str) -> str:
    """Spell a path in one way: macOS decomposes accents, Windows writes backslashes."""
    return unicodedata.normalize("NFC", name.replace("\\", "/")).removeprefix("./")


def _tails(name: str) -> list[str]:
    """Shorten a path from the left: a/b/c, b/c, c."""
    parts = name.split("/")
    return ["/".join(parts[i:]) for i in range(len(parts))]


def listing(lines: list[str], limit: int | None = 20) -> str:
    """`lines` below an error message: the first `limit` of them, or all if that is None."""
    n_left = 0 if limit is None else len(lines) - limit
    rest = [f"... and {n_left} more"] if n_left > 0 else []
    return "".join(f"\n  {line}" for line in lines[:limit] + rest)
