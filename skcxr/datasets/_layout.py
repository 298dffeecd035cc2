"""The layout of a folder of images: which of its sub-folders are splits, and which are classes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from skcxr.datasets._groups import normalize_text

# Names of split folders, in lower case, and the split that each of them holds.
_SPLITS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
}
_SPLIT_NAME = re.compile(f"({'|'.join(_SPLITS)})([ _-]?(set|data|images))?", re.IGNORECASE)
# What Windows, macOS and network drives put next to images. Names that begin with a dot are hidden.
_IGNORED = {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir"}


class ImageFile(NamedTuple):
    """A file, its class, and its split or None."""

    split: str | None
    class_name: str
    path: Path


def find_files(root: Path) -> Iterator[ImageFile]:
    """Yield the files of a folder, ordered by split, class and path.

    Raises
    ------
    ValueError
        If there are no class folders, or an empty one; if splits are mixed with classes or lie
        below them; if the folder holds a copy of itself; or if the names of classes differ only in
        case.
    """
    folders = _list_subfolders(root)
    splits = {folder: _find_split(folder) for folder in folders}
    if all(splits.values()):
        folders.sort(key=lambda folder: (splits[folder], folder.name.lower()))
        classes_by_parent = {folder: _list_subfolders(folder) for folder in folders}
    else:
        classes_by_parent = {root: folders}
    for parent, class_folders in classes_by_parent.items():
        _check_splits(parent, class_folders)
        for class_folder in class_folders:
            _check_class(class_folder, class_folders, root)
    _check_case(folder.name for folders in classes_by_parent.values() for folder in folders)

    for parent, class_folders in classes_by_parent.items():
        for class_folder in class_folders:
            files = list(_walk_files(class_folder, {os.path.realpath(root)}))
            if not files:
                empty = class_folder.relative_to(root).as_posix()
                raise ValueError(f"path has an empty class folder {empty!r}. Fill or remove it.")
            for file in files:
                yield ImageFile(splits.get(parent), normalize_text(class_folder.name), file)


def find_all_files(root: Path) -> Iterator[Path]:
    """Yield all files below a folder, whatever its layout, except those that systems add.

    Raises
    ------
    ValueError
        If there is none.
    """
    files = list(_walk_files(root, set()))
    if not files:
        raise ValueError(f"path holds no file: {str(root)!r}. Pass a folder of images.")
    yield from files


def _find_split(folder: Path) -> str | None:
    """Return the split that a folder is named after, or None."""
    match = _SPLIT_NAME.fullmatch(normalize_text(folder.name))
    return _SPLITS[match[1].lower()] if match else None


def _check_splits(parent: Path, class_folders: list[Path]) -> None:
    """Refuse splits among the class folders."""
    splits = [folder for folder in class_folders if _find_split(folder)]
    others = [folder for folder in class_folders if not _find_split(folder)]
    # One folder valid may be a class, as opposed to invalid. Then it holds no folders.
    is_class = others and [folder.name.lower() for folder in splits] == ["valid"]
    if not splits or (is_class and not _list_folders(splits[0])):
        return
    copies = [folder for folder in others if any(map(_find_split, _list_folders(folder)))]
    hint = f" {_get_names(copies)} may be a copy of the whole folder." if copies else ""
    raise ValueError(
        f"path mixes splits and classes: {str(parent)!r} holds the splits {_get_names(splits)} "
        f"where classes are expected, next to {_get_names(others)}. Move the splits or the other "
        f"folders away, or rename splits that are classes.{hint}"
    )


def _check_class(folder: Path, class_folders: list[Path], root: Path) -> None:
    """Refuse a class folder that holds splits, or a copy of the class folders next to it."""
    if os.path.realpath(folder) == os.path.realpath(root):
        return  # a link to the folder itself is refused by its name when files are read
    name = folder.relative_to(root).as_posix()
    below = _list_folders(folder)
    if splits := [child.name for child in below if _find_split(child)]:
        raise ValueError(
            f"path has splits below the class folder {name!r}: {splits}. Sort the images into "
            f"<split>/<class>/. If {name!r} is the whole data set, pass that folder."
        )
    siblings = {other.name for other in class_folders} - {folder.name}
    if len(siblings) > 1 and siblings <= {child.name for child in below}:
        raise ValueError(
            f"path has a copy of itself in {name!r}, which holds the class folders "
            f"{sorted(siblings)} again. Remove it."
        )


def _check_case(names: Iterable[str]) -> None:
    """Refuse names of classes that differ only in case, since they would be two classes."""
    spellings: dict[str, set[str]] = {}
    for name in map(normalize_text, names):
        spellings.setdefault(name.casefold(), set()).add(name)
    if different := [sorted(found) for found in spellings.values() if len(found) > 1]:
        raise ValueError(
            f"path has classes whose names differ only in case: {different[0]}. Rename the folders."
        )


def _get_names(folders: list[Path]) -> list[str]:
    return [folder.name for folder in folders]


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in _IGNORED


def _list_visible(folder: Path) -> list[Path]:
    """Return the entries of a folder, except those that are hidden or that a system put there."""
    # Sorted by name, because the order of Paths ignores case on Windows.
    return [folder / name for name in sorted(filter(_is_visible, os.listdir(folder)))]


def _list_folders(folder: Path) -> list[Path]:
    return [entry for entry in _list_visible(folder) if entry.is_dir()]


def _list_subfolders(folder: Path) -> list[Path]:
    """Return the sub-folders of a folder, or raise an error if it has none."""
    if folders := _list_folders(folder):
        return folders
    raise ValueError(
        f"path must hold one sub-folder per class, got none in {str(folder)!r}. Sort the images "
        "into <class>/ or <train or test>/<class>/."
    )


def _walk_files(entry: Path, parents: set[str]) -> Iterator[Path]:
    """Yield the files below `entry`, and links to any of the folders `parents` that contain it.

    Path.rglob would ignore linked folders.
    """
    real = os.path.realpath(entry)
    if entry.is_dir() and real not in parents:
        for child in _list_visible(entry):
            yield from _walk_files(child, parents | {real})
    else:
        yield entry
