"""The check of data before anything is trained: near-duplicates, shortcuts and broken images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from skcxr._base.images import ImageSpec, stack_images, to_dense
from skcxr._base.text import format_count
from skcxr._base.validation import check_finite, check_lengths, ravel_labels
from skcxr.classifier import CXRFeatures
from skcxr.datasets._near_duplicates import SMALLEST_SIDE, find_near_duplicates, join_groups
from skcxr.evaluation._check_reading import ALL_CLASSES, describe_findings, describe_limitation
from skcxr.evaluation._parts import (
    FILE_SIZE_PART,
    cut_context_parts,
    cut_image_parts,
    encode_metadata,
    find_constant_and_saturated,
    find_lateral,
    select_columns,
    shrink,
)
from skcxr.evaluation._shortcuts import (
    LEVEL,
    N_FOLDS,
    build_features,
    predict_from_parts,
    score_by_logistic_regression,
    score_labels,
    split_folds,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from skcxr._base.types import Images, RandomState

FEATURES_PART = "features and logistic regression"
# Files of one source differ by what they show: the median PNG of radiographs without pneumonia is
# 9 % larger than that of bacterial pneumonia. Smaller differences than this factor are no alarm.
LEAST_SIZE_RATIO = 1.25
# Kinds of images that are counted per class.
COUNTED = ("constant", "saturated", "lateral")


@dataclass(frozen=True, eq=False)
class DataCheck:
    """Result of :func:`check_data`.

    Parameters
    ----------
    reading : str
        The findings in words, one per line. It is empty if there are none.
    limitation : str
        What could not be checked and why, one sentence per line. It is empty if all was checked.
    table : pandas.DataFrame
        One row per part of the data and class, and per part one for "all classes" together:
        ``part``; ``kind``, "test" or "context"; ``class``; ``balanced_accuracy`` with which the
        part predicts the class against the rest; ``chance``; ``alarm_above``, the balanced accuracy
        above which there is an alarm; ``p_value``, corrected for all tests; and ``alarm``.
        Context has no test, no p-value and no alarm.
    classes : pandas.DataFrame
        One row per class: ``n_images``, ``n_patients``, ``most_images``, the number of images of
        the patient who has most; and the number of images that are ``constant``, ``saturated`` and
        ``lateral``.
    near_duplicates : tuple of dict
        One per group of images that show one radiograph: ``rows``, ``pairs`` of rows,
        ``similarities`` of the pairs, and whether the group lies ``across_patients``,
        ``across_classes`` and ``across_splits``.
    images : dict of str to ndarray of int
        Rows of the images that are "constant", "saturated" and "lateral", and of those whose
        patient is in several splits ("shared_patient").
    filenames : ndarray of str of shape (n,) or None
        Names of the files.
    """

    reading: str
    limitation: str
    table: pd.DataFrame
    classes: pd.DataFrame
    near_duplicates: tuple
    images: dict
    filenames: np.ndarray | None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as values that JSON can store.

        Returns
        -------
        found : dict
            The fields of the result as plain values, `reading` and `limitation` as lists of
            sentences. None marks what a row of the table does not have. Files take the place of
            rows where they have names.
        """
        table = self.table.astype(object).where(self.table.notna(), None)
        classes = self.classes.rename_axis("class").reset_index()
        return {
            "reading": self.reading.splitlines(),
            "limitation": self.limitation.splitlines(),
            "table": table.to_dict("records"),
            "classes": classes.astype(object).to_dict("records"),
            "near_duplicates": [
                {**group, "files": self.get_names(group["rows"])} for group in self.near_duplicates
            ],
            "images": {kind: self.get_names(rows) for kind, rows in self.images.items()},
        }

    def get_names(self, rows: ArrayLike) -> list[str] | list[int]:
        """Return the names of files, or the rows themselves without names.

        Parameters
        ----------
        rows : array-like of int
            Rows of the images.

        Returns
        -------
        names : list of str or int
            One name or row per image.
        """
        if self.filenames is None:
            return [int(row) for row in np.asarray(rows)]
        return [str(self.filenames[row]) for row in np.asarray(rows)]

    def get_pairs(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return all pairs of near-duplicates.

        Returns
        -------
        pairs : ndarray of int of shape (n_pairs, 2)
            Rows of the images, in order.
        similarities : ndarray of shape (n_pairs,)
            Correlation of the detail of the two images, in [0, 1].
        """
        rows = [pair for group in self.near_duplicates for pair in group["pairs"]]
        similarities = [value for group in self.near_duplicates for value in group["similarities"]]
        pairs = np.array(rows, dtype=np.int64).reshape(-1, 2)
        order = np.lexsort(pairs.T[::-1])
        return pairs[order], np.array(similarities)[order]

    def format_tables(self) -> str:
        """Return the classes and the balanced accuracies as text.

        Returns
        -------
        text : str
            Numbers per class, and one row per part with one column per class. An asterisk marks
            alarms.
        """
        blocks = [self.classes.rename_axis("class").to_string()]
        if len(self.table):
            cells = self.table.assign(
                text=self.table["balanced_accuracy"].map("{:.2f}".format)
                + self.table["alarm"].map({True: "*", False: " "})
            )
            parts, names = (self.table[name].unique() for name in ("part", "class"))
            grid = cells.pivot(index="part", columns="class", values="text").loc[parts, names]
            n_tests = self.table.loc[self.table["kind"] == "test", "part"].nunique()
            lines = grid.rename_axis(index=None, columns=None).to_string().splitlines()
            chance = 1 / max(1, len(names) - 1)
            blocks += [
                f"Balanced accuracy from parts without anatomy (* alarm; chance {chance:.2f} for "
                f"{ALL_CLASSES}, 0.50 per class)\n" + "\n".join(lines[: 1 + n_tests]),
                "For comparison, from parts with anatomy\n" + "\n".join(lines[1 + n_tests :]),
            ]
        return "\n\n".join(blocks)

    def __str__(self) -> str:
        blocks = [self.reading or "No finding.", self.limitation, self.format_tables()]
        return "\n\n".join(block for block in blocks if block)


def check_data(
    X: Images,
    y: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    split: ArrayLike | None = None,
    metadata: pd.DataFrame | NDArray[Any] | None = None,
    filenames: ArrayLike | None = None,
    random_state: RandomState | None = None,
) -> DataCheck:
    """Check labelled images before anything is trained on them.

    - Near-duplicates: groups of images that show one radiograph for several patients, with several
      classes, or on several sides of a split.
    - Shortcuts: classes that can be predicted from parts that show no anatomy. These are the image
      frame (4 of 64 pixels), the four corners (8 of 64 pixels), and, where `metadata` has them,
      the original shape, the file size, the station, the modality and the view. A linear classifier
      is cross-validated on each part, with all images of a patient in one fold. Labels are
      permuted by patient, and one maximum over all parts and classes is tested: at most 5 % of
      checks of data without shortcuts raise any alarm.
    - Images that are constant, saturated (at least half of the pixels are black or white) or
      lateral views.

    The table also has parts that show anatomy, for comparison: the intensity histogram, an 8x8
    thumbnail, the image without its centre, and the "cxr" features with logistic regression. They
    raise no alarm. A shortcut is serious if a part without anatomy predicts a class about as well
    as these features do.

    Without findings, shortcuts may still exist: in other parts, or weaker than ``alarm_above``.

    Parameters
    ----------
    X : array-like of shape (n, h*w), (n, h, w) or (n, c, h, w)
        Images of any numeric dtype and range.
    y : array-like of shape (n,)
        Classes.
    groups : array-like of shape (n,) or None, default=None
        Patient of each image. None makes each image a patient of its own.
    split : array-like of shape (n,) or None, default=None
        Split of each image, such as "train" and "test". None checks no split.
    metadata : pandas.DataFrame of n rows, structured array of shape (n,) or None, default=None
        Facts on the files, as :func:`~skcxr.datasets.load_image_folder` returns them: ``height``
        and ``width`` (or ``Rows`` and ``Columns``), ``file_size``, ``station`` (``StationName``),
        ``modality`` and ``view`` (``ViewPosition``). Case, blanks and underscores do not matter.
        Other columns are ignored, and so is the index. None tests the pixels alone.
    filenames : array-like of str of shape (n,) or None, default=None
        Names of the files, for the reading. None names rows.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds and permutations. Pass an int for reproducible output across multiple
        function calls.

    Returns
    -------
    check : DataCheck
        The findings in words (``reading``), the tables and the images they are about.

    Raises
    ------
    ValueError
        If labels, groups, splits, metadata or names are not one per image or are missing, or if
        images hold NaN or infinity.
    TypeError
        If `metadata` is neither a DataFrame, nor a structured array, nor None.

    Notes
    -----
    Classes of fewer than five patients are left out of the tests for shortcuts, and `limitation`
    says so. Near-duplicates count as one patient there.

    File sizes depend on what an image shows. They raise an alarm only if the median of a class is
    1.25 times that of the others, or less than 1/1.25 of it.

    Examples
    --------
    >>> from skcxr.datasets import make_chest_phantoms
    >>> from skcxr.evaluation import check_data
    >>> phantoms = make_chest_phantoms([30, 30], classes=["normal", "covid"], random_state=0)
    >>> X, y = phantoms.images, phantoms.target_names[phantoms.target]
    >>> check_data(X, y, random_state=0).reading
    ''
    >>> X[y == "covid", 2:6, 2:6] = 255
    >>> check = check_data(X, y, random_state=0)
    >>> check.table[check.table["alarm"]]["part"].unique().tolist()
    ['image frame', 'corners']
    >>> print(check.reading[:65])
    covid and normal can be recognised from the image frame alone (0.
    """
    X = np.asarray(to_dense(stack_images(X)))
    y = ravel_labels(y, "y")
    check_lengths(("X", "y"), X, y)
    given: dict[str, Any] = {"groups": groups, "split": split, "filenames": filenames}
    for name, values in given.items():
        if values is not None:
            given[name] = ravel_labels(values, name)
            check_lengths(("X", name), X, given[name])
    metadata = _convert_metadata(metadata, len(X))
    check_finite(X, "X")
    groups = given["groups"]
    split = given["split"]
    names = given["filenames"]
    classes, codes = np.unique(y, return_inverse=True)
    pairs, similarities = find_near_duplicates(X)
    patients = join_groups(len(X), pairs, groups)
    counts = [len(np.unique(patients[codes == code])) for code in range(len(classes))]
    table = _measure_parts(
        X,
        codes,
        classes,
        patients,
        tested=np.flatnonzero(np.array(counts) >= N_FOLDS),
        metadata=metadata,
        random_state=check_random_state(random_state),
    )
    near_duplicates = _group_near_duplicates(pairs, similarities, y, groups, split)
    is_constant, is_saturated = find_constant_and_saturated(X)
    masks = {
        "constant": is_constant,
        "saturated": is_saturated,
        "lateral": find_lateral(metadata, len(X)),
        "shared_patient": _find_shared_patients(groups, split, len(X)),
    }
    images = {kind: np.flatnonzero(mask) for kind, mask in masks.items()}
    return DataCheck(
        reading=describe_findings(
            table, near_duplicates, images, filenames=names, has_groups=groups is not None
        ),
        limitation=describe_limitation(
            table,
            n_patients=dict(zip(classes.tolist(), counts, strict=True)),
            n_needed=N_FOLDS,
            is_too_small=min(ImageSpec.of(X).shape[1:]) < SMALLEST_SIDE,
        ),
        table=table,
        classes=_count_classes(codes, classes, groups, masks),
        near_duplicates=near_duplicates,
        images=images,
        filenames=names,
    )


def _convert_metadata(metadata, n_images):
    """Return metadata as a DataFrame or None, or refuse it if it is not one row per image."""
    if metadata is None:
        return None
    if isinstance(metadata, np.ndarray) and metadata.dtype.names:
        metadata = pd.DataFrame(metadata)
    if not isinstance(metadata, pd.DataFrame):
        raise TypeError(
            f"metadata must be a DataFrame, a structured array or None, got "
            f"{type(metadata).__name__}. Pass a DataFrame with one row per image."
        )
    if len(metadata) != n_images:
        raise ValueError(
            f"metadata holds {format_count(len(metadata), 'row')}, but X holds "
            f"{format_count(n_images, 'image')}. Pass one row per image, in the order of X."
        )
    return metadata


def _measure_parts(X, codes, classes, patients, *, tested, metadata, random_state):
    """Return how well each part predicts the classes, and which parts raise an alarm."""
    if len(tested) < 2:
        return _build_table([])
    rows = np.isin(codes, tested)
    y = np.searchsorted(tested, codes[rows])
    _, patients = np.unique(patients[rows], return_inverse=True)
    names = [ALL_CLASSES, *classes[tested].tolist()]
    if metadata is not None:
        metadata = metadata[rows]
    x = shrink(X[rows])
    seed = random_state.randint(2**31 - 1)
    folds = split_folds(y, patients, seed)
    rng = np.random.default_rng(seed)
    parts = {**cut_image_parts(x), **encode_metadata(metadata)}
    tests = predict_from_parts(parts, y, patients, folds, rng)
    results = []
    for part, *of_part in zip(parts, *tests, strict=True):
        for name, score, p_value, limit in zip(names, *of_part, strict=True):
            result = {"part": part, "kind": "test", "class": name, "balanced_accuracy": score}
            result["alarm_above"] = limit
            result["p_value"] = p_value
            result["alarm"] = p_value <= LEVEL
            if part == FILE_SIZE_PART and not _differ_in_size(metadata, y, names.index(name) - 1):
                result["alarm"] = False
            results.append(result)
    context = {
        part: score_labels(build_features(blocks), y[None], len(tested), folds)[0]
        for part, blocks in cut_context_parts(x).items()
    }
    features = CXRFeatures().fit_transform(X[rows])
    context[FEATURES_PART] = score_by_logistic_regression(features, y, folds)
    for part, scores in context.items():
        for name, score in zip(names, scores, strict=True):
            results.append(
                {"part": part, "kind": "context", "class": name, "balanced_accuracy": score}
            )
    for result in results:
        result["chance"] = 1 / len(tested) if result["class"] == ALL_CLASSES else 0.5
    return _build_table(results)


def _build_table(results):
    """Return the table of a check, which may be empty."""
    columns = [
        *("part", "kind", "class", "balanced_accuracy", "chance"),
        *("alarm_above", "p_value", "alarm"),
    ]
    table = pd.DataFrame(results, columns=columns)
    table["alarm"] = table["alarm"].eq(True)
    return table


def _differ_in_size(metadata, y, code):
    """Return whether the files of a class, or of any class for -1, are larger or smaller."""
    sizes = select_columns(metadata, FILE_SIZE_PART).iloc[:, 0]
    sizes = pd.to_numeric(sizes, errors="coerce").to_numpy(dtype=float, copy=True)
    sizes[sizes <= 0] = np.nan
    for k in np.unique(y) if code < 0 else [code]:
        inside, outside = sizes[y == k], sizes[y != k]
        if np.isnan(inside).all() or np.isnan(outside).all():
            continue
        ratio = np.nanmedian(inside) / np.nanmedian(outside)
        if max(ratio, 1 / ratio) >= LEAST_SIZE_RATIO:
            return True
    return False


def _count_classes(codes, classes, groups, masks):
    """Return the numbers of images and patients of each class."""
    rows = {}
    for code, name in enumerate(classes.tolist()):
        members = codes == code
        _, n_images = np.unique(
            np.flatnonzero(members) if groups is None else groups[members], return_counts=True
        )
        rows[name] = {
            "n_images": int(members.sum()),
            "n_patients": len(n_images),
            "most_images": int(n_images.max()),
            **{kind: int((masks[kind] & members).sum()) for kind in COUNTED},
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _group_near_duplicates(pairs, similarities, y, groups, split):
    """Return the groups of images that show one radiograph."""
    joined = join_groups(len(y), pairs)
    found = []
    for group in np.unique(joined[pairs[:, 0]]) if len(pairs) else []:
        rows = np.flatnonzero(joined == group)
        own = joined[pairs[:, 0]] == group
        found.append(
            {
                "rows": rows.tolist(),
                "pairs": pairs[own].tolist(),
                "similarities": [float(value) for value in similarities[own]],
                "across_patients": groups is None or _differ(groups[rows]),
                "across_classes": _differ(y[rows]),
                "across_splits": split is not None and _differ(split[rows]),
            }
        )
    return tuple(found)


def _differ(labels):
    return len(np.unique(labels)) > 1


def _find_shared_patients(groups, split, n_images):
    """Return a mask of the images whose patient is in several splits."""
    is_shared = np.zeros(n_images, dtype=bool)
    if groups is None or split is None:
        return is_shared
    _, codes = np.unique(groups, return_inverse=True)
    homes = pd.Series(split).groupby(codes).nunique()
    return homes.to_numpy()[codes] > 1
