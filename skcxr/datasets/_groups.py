"""Groups of the images in a folder, such as patients, from a table or from DICOM headers."""

from __future__ import annotations

import os
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from skcxr.datasets._dicom import read_patient_id, silence_pydicom

if TYPE_CHECKING:
    import pandas as pd

# Compared without blanks and underscores: patient_id is "Patient ID" and PatientID.
_FILE_COLUMNS = ("file", "filename", "path", "image", "image_index")
_GROUP_COLUMNS = ("group", "groups", "patient_id", "patient", "subject")


def read_groups(groups: str | os.PathLike[str] | pd.DataFrame) -> dict[str, set]:
    """Map each file of a table to the set of groups in its rows."""
    import pandas as pd

    if isinstance(groups, str | os.PathLike):
        table = _read_csv(groups)
    elif isinstance(groups, pd.DataFrame):
        table = groups
    else:
        raise TypeError(
            f"groups must be None, a path or a DataFrame, got {type(groups).__name__}. Pass a "
            "DataFrame with the columns 'file' and 'group'."
        )
    columns = [_find_column(table, _FILE_COLUMNS), _find_column(table, _GROUP_COLUMNS)]
    groups_by_file: dict[str, set] = {}
    for file, group in table.iloc[:, columns].dropna().itertuples(index=False, name=None):
        if isinstance(group, str):
            group = normalize_text(group)
        if group != "":
            groups_by_file.setdefault(_normalize_path(str(file)), set()).add(group)
    return groups_by_file


def _read_csv(path: str | os.PathLike[str]) -> pd.DataFrame:
    import pandas as pd

    try:
        with open(path, encoding="utf-8", errors="replace") as lines:
            _check_separator(lines.readline().rstrip("\n"))
        with warnings.catch_warnings():
            # By default, pandas moves the values of rows that are longer than the header.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            # Path prevents pandas from downloading an address; str preserves "007".
            return pd.read_csv(Path(path), dtype=str, index_col=False)
    except (OSError, ValueError, pd.errors.ParserWarning) as error:
        raise ValueError(
            f"groups must be a comma-separated UTF-8 file, got {os.fspath(path)!r}: {error}. "
            "Pass such a file, or a DataFrame."
        ) from error


def _check_separator(header: str) -> None:
    """Raise an error if a header without commas names several columns."""
    names = {";": "semicolons", "\t": "tabs"}
    for separator, name in names.items():
        if separator in header and "," not in header:
            raise ValueError(
                f"it seems to be separated by {name}, since its header is {header!r}. Save it with "
                "commas"
            )


def _find_column(table: pd.DataFrame, accepted: tuple[str, ...]) -> int:
    """Return the position of the column named by the first of the `accepted` names found."""
    columns = [_squeeze(str(column)) for column in table.columns]
    for name in accepted:
        if _squeeze(name) in columns:
            return columns.index(_squeeze(name))
    raise ValueError(
        f"groups must have a column named one of {', '.join(accepted)}, got the columns "
        f"{', '.join(map(str, table.columns))}. Rename one."
    )


def _squeeze(column: str) -> str:
    """Return one spelling of the name of a column."""
    return normalize_text(column).lower().replace(" ", "").replace("_", "")


def read_patient_ids(names: Iterable[str], files: Iterable[Path]) -> list[str]:
    """Return the PatientID of each file. Errors refer to the files by `names`."""
    with silence_pydicom():
        found = {name: _try_patient_id(file) for name, file in zip(names, files, strict=True)}
    if failures := [name for name, patient_id in found.items() if not patient_id]:
        raise ValueError(
            f'groups="PatientID" requires DICOM files with a PatientID, got {len(failures)} of '
            f"{len(found)} files without one. Pass a table of files and groups:"
            f"{format_lines(failures)}"
        )
    return [patient_id for patient_id in found.values() if patient_id]


def _try_patient_id(file: Path) -> str | None:
    try:
        patient_id = read_patient_id(file)
        return None if patient_id is None else normalize_text(patient_id)
    except ImportError:  # a fault of the installation, not of the file
        raise
    except Exception:  # pydicom may raise anything on a damaged element
        return None


def match_groups(
    names: list[str], groups_by_file: dict[str, set], skipped: Iterable[str] = ()
) -> list:
    """Return the group of each image, found by its path or by an unambiguous tail of its path.

    A tail that a file in `skipped` shares is ambiguous too, since the row may belong to that file.
    """
    tails = [_list_tails(name) for name in names]
    n_owners = Counter(tail for image_tails in tails for tail in image_tails)
    n_owners.update(tail for name in skipped for tail in _list_tails(name))
    found: list[str] = []
    failures = []
    unmatched = []
    for name, (path, *shorter) in zip(names, tails, strict=True):
        keys = [path, *(tail for tail in shorter if n_owners[tail] == 1)]
        matched = next((groups_by_file[key] for key in keys if key in groups_by_file), set())
        if len(matched) == 1:
            found.extend(matched)
        else:
            failures.append(f"{name}: {sorted(map(str, matched)) or 'no group'}")
        if not matched:
            unmatched.append(name)
    if failures:
        raise ValueError(
            f"groups must give each image one group, got none or several for {len(failures)} of "
            f"{len(names)} images. Correct their rows; images that share a name need their paths "
            f"relative to `path`{_describe_nearest(unmatched, groups_by_file)}:"
            f"{format_lines(failures)}"
        )
    return found


def find_files_of_groups(
    root: str | os.PathLike[str],
    names: Iterable[str],
    groups: str | os.PathLike[str] | pd.DataFrame,
    known: set[str],
) -> np.ndarray:
    """Return a mask of the files that belong to known groups.

    Files without a group are in none of them. A row is found by any tail of a file's path.

    Parameters
    ----------
    root : str or path-like
        Folder of the files.
    names : iterable of str
        Paths relative to it.
    groups : str, path-like, DataFrame or "PatientID"
        Groups, as in :func:`skcxr.datasets.load_image_folder`.
    known : set of str
        The groups to look for.
    """
    if isinstance(groups, str) and groups == "PatientID":
        with silence_pydicom():
            return np.array([_try_patient_id(Path(root) / name) in known for name in names])
    groups_by_file = read_groups(groups)
    found = []
    for name in names:
        matched = (groups_by_file.get(tail, set()) for tail in _list_tails(name))
        found.append(any(str(group) in known for rows in matched for group in rows))
    return np.array(found)


def _describe_nearest(unmatched: list[str], groups_by_file: dict[str, set]) -> str:
    """Return a sentence on the row most like the first of the images without one, if there are."""
    if not unmatched:
        return ""
    name = unmatched[0]
    if not groups_by_file:
        return ". No row has both a file and a group"
    stem = PurePosixPath(name).stem.casefold()
    rows = [row for row in groups_by_file if PurePosixPath(row).stem.casefold() == stem]
    spellings = {row.casefold(): row for row in rows or groups_by_file}
    (nearest,) = get_close_matches(name.casefold(), spellings, n=1, cutoff=0)
    return f". The row nearest to {name!r} is {spellings[nearest]!r}"


def normalize_text(text: str) -> str:
    """Return one spelling of a text that is matched with others.

    Spreadsheets add blanks at the ends, and macOS decomposes accents. Every cell of a table, every
    PatientID, file name and class name is compared in this spelling.
    """
    return unicodedata.normalize("NFC", text).strip()


def _normalize_path(name: str) -> str:
    """Return one spelling of a path, with the slashes of POSIX."""
    return normalize_text(name).replace("\\", "/").removeprefix("./")


def _list_tails(name: str) -> list[str]:
    """Return the path and its tails, from the longest: a/b/c, b/c, c."""
    parts = _normalize_path(name).split("/")
    return ["/".join(parts[i:]) for i in range(len(parts))]


def format_lines(lines: list[str], limit: int | None = 20) -> str:
    """Format the first `limit` of the lines for the end of a message. None formats all lines."""
    shown = lines[:limit]
    if limit is not None and len(lines) > limit:
        shown = [*shown, f"... and {len(lines) - limit} more"]
    return "".join(f"\n  {line}" for line in shown)
