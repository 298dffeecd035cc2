"""The words of a data check: its findings, and what it could not check."""

from skcxr._base.text import format_count, join_names
from skcxr.evaluation._parts import (
    CORNERS_PART,
    FILE_SIZE_PART,
    FRAME_PART,
    SHAPE_PART,
    VIEW_PART,
)

ALL_CLASSES = "all classes"
# Groups, and images of each of them, that a sentence names.
N_SHOWN = 3
# What a shortcut may come from, by part.
SOURCES = {
    FRAME_PART: "may come from another hospital or device",
    CORNERS_PART: "may come from another hospital or device",
    SHAPE_PART: "may come from another collection or device",
    FILE_SIZE_PART: "may have been saved in another way",
    VIEW_PART: "may have been imaged in another position",
}
OTHER_SOURCE = "may come from another hospital or device"


def describe_findings(table, near_duplicates, images, *, filenames, has_groups):
    """Return the findings, one per line, or "".

    Parameters
    ----------
    table, near_duplicates, images, filenames
        As in :class:`~skcxr.evaluation.DataCheck`.
    has_groups : bool
        Whether the patients are known.

    Returns
    -------
    reading : str
    """
    sentences = _describe_shortcuts(table)
    sentences += _describe_near_duplicates(near_duplicates, filenames, has_groups)
    sentences += _describe_images(images, filenames)
    return "\n".join(sentences)


def describe_limitation(table, *, n_patients, n_needed, is_too_small):
    """Return what could not be checked, one sentence per line, or "".

    Parameters
    ----------
    table : DataFrame
        The table of the check.
    n_patients : dict of class to int
        Number of patients per class.
    n_needed : int
        Number of patients per class that the tests take.
    is_too_small : bool
        Whether the images are too small to look for near-duplicates.

    Returns
    -------
    limitation : str
    """
    sentences = []
    if is_too_small:
        sentences.append("The images are too small to look for near-duplicates.")
    left_out = {k: n for k, n in n_patients.items() if n < n_needed}
    if len(n_patients) - len(left_out) < 2:
        sentences.append(
            f"There was no test for shortcuts: it takes two classes of {n_needed} patients each."
        )
    elif left_out:
        counts = join_names([f"{k} ({format_count(n, 'patient')})" for k, n in left_out.items()])
        sentences.append(
            f"The tests for shortcuts leave out {counts}: they take {n_needed} patients per class."
        )
    out_of_reach = table[table["alarm_above"] >= 1]
    if len(out_of_reach):
        names = join_names(out_of_reach["class"].unique())
        sentences.append(
            f"There are too few patients: even a perfect prediction of {names} may raise no alarm."
        )
    return "\n".join(sentences)


def _describe_shortcuts(table):
    """Return a sentence for each part that predicts classes."""
    sentences = []
    for part, rows in table[table["kind"] == "test"].groupby("part", sort=False):
        if rows["alarm"].any():
            sentences.append(_describe_shortcut(part, rows, SOURCES.get(part, OTHER_SOURCE)))
    return sentences


def _describe_shortcut(part, rows, source):
    """Return a sentence on a part that predicts classes: the best one first, then the others."""
    of_classes = rows[rows["class"] != ALL_CLASSES]
    found = of_classes[of_classes["alarm"]].sort_values("balanced_accuracy", ascending=False)
    if len(of_classes) == 2:  # each of them is recognized as well as both together
        names = join_names(of_classes["class"])
        return f"{_format_accuracy(names, part, rows.iloc[0])}: one of them {source}."
    if found.empty:
        return f"{_format_accuracy('The classes', part, rows.iloc[0])}: they {source}."
    sentence = f"{_format_accuracy(found['class'].iloc[0], part, found.iloc[0])}: it {source}."
    others = [f"{row['class']} ({row['balanced_accuracy']:.2f})" for _, row in found[1:].iterrows()]
    return f"{sentence} So can {join_names(others)}." if others else sentence


def _format_accuracy(subject, part, row):
    return (
        f"{subject} can be recognised from the {part} alone ({row['balanced_accuracy']:.2f}; "
        f"chance {row['chance']:.2f})"
    )


def _describe_near_duplicates(near_duplicates, filenames, has_groups):
    """Return a sentence for each way in which near-duplicates make results wrong."""
    consequences = {
        "across_classes": "images of several classes, so that labels contradict each other",
        "across_splits": "images in several splits, so that results are too good",
        "across_patients": "images of several patients, who may be one",
    }
    if not has_groups:
        consequences["across_patients"] = (
            "several images of one radiograph, which belong in one fold"
        )
    sentences = []
    for key, consequence in consequences.items():
        groups = [group["rows"] for group in near_duplicates if group[key]]
        if groups:
            files = "; ".join(_list_names(rows, filenames) for rows in groups[:N_SHOWN])
            more = "; ..." if len(groups) > N_SHOWN else ""
            sentences.append(
                f"{format_count(len(groups), 'group')} of near-duplicates "
                f"{'has' if len(groups) == 1 else 'have'} {consequence}: {files}{more}."
            )
    return sentences


def _describe_images(images, filenames):
    """Return a sentence for each kind of images that make results wrong."""
    kinds = {
        "constant": ("has one gray value", "have one gray value each"),
        "saturated": ("is saturated", "are saturated"),
        "lateral": ("is a lateral view", "are lateral views"),
        "shared_patient": (
            "shows a patient of another split",
            "show patients who are in several splits, so that results are too good",
        ),
    }
    sentences = []
    for kind, (singular, plural) in kinds.items():
        rows = images[kind]
        if len(rows):
            sentences.append(
                f"{format_count(len(rows), 'image')} {singular if len(rows) == 1 else plural}: "
                f"{_list_names(rows, filenames)}."
            )
    return sentences


def _list_names(rows, filenames):
    """Return the names of the first images, or their rows."""
    if filenames is None:
        names = [f"row {row}" for row in rows[:N_SHOWN]]
    else:
        names = [str(filenames[row]) for row in rows[:N_SHOWN]]
    n_more = len(rows) - len(names)
    return join_names([*names, f"{n_more} more"] if n_more else names)
