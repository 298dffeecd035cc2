"""Images and patients that two sets share, which would make a result too good."""

from typing import Any

from skcxr._base.text import format_count
from skcxr.cli._inputs import select_images
from skcxr.cli._printing import echo

# Further pairs of files are in the JSON result.
N_SHOWN = 10


def leave_out_overlap(args, train, holdout, option):
    """Return held-out images that show no training image or patient, and a record of the others.

    Parameters
    ----------
    args : namespace
        The options.
    train, holdout : Bunch
        Images, with `groups` if patients are known.
    option : str
        Option that names the held-out images, for messages.

    Returns
    -------
    holdout : Bunch
        The images that are left.
    overlap : dict
        As JSON's types: ``n_left_out``; ``near_duplicates``, pairs of a held-out file and a
        training file with their similarity; ``same_patient``, held-out files.

    Raises
    ------
    ValueError
        If a class of held-out images would be empty.
    """
    import numpy as np

    from skcxr.datasets._near_duplicates import find_near_duplicates

    pairs, similarities = find_near_duplicates(holdout.images, train.images)
    shows_patient = np.zeros(len(holdout.images), dtype=bool)
    if holdout.groups is not None:
        shows_patient = np.isin(holdout.groups.astype(str), train.groups.astype(str))
    is_left_out = shows_patient.copy()
    is_left_out[pairs[:, 0]] = True
    overlap = {
        "n_left_out": int(is_left_out.sum()),
        "near_duplicates": [
            {
                "holdout_file": str(holdout.filenames[i]),
                "train_file": str(train.filenames[j]),
                "similarity": float(similarity),
            }
            for (i, j), similarity in zip(pairs, similarities, strict=True)
        ],
        "same_patient": holdout.filenames[shows_patient].tolist(),
    }
    _print_overlap(args, overlap, len(holdout.images), option)
    for k, name in enumerate(holdout.target_names.tolist()):
        rows = holdout.target == k
        if rows.any() and is_left_out[rows].all():
            raise ValueError(
                f"{option}: all {format_count(int(rows.sum()), 'held-out image')} of class "
                f"{name!r} show training images or their patients. Hold out other images."
            )
    return select_images(holdout, ~is_left_out), overlap


def _print_overlap(args, overlap, n_holdout, option):
    """Print how many held-out images are left out, and which files."""
    from skcxr.datasets._groups import format_lines

    if args.quiet or not overlap["n_left_out"]:
        return
    lines = [
        f"{pair['holdout_file']} is a near-duplicate of {pair['train_file']}"
        for pair in overlap["near_duplicates"]
    ]
    lines += [f"{file} shows a training patient" for file in overlap["same_patient"]]
    echo(
        f"Left out of {option}: {overlap['n_left_out']} of "
        f"{format_count(n_holdout, 'held-out image')}, which the generator has seen"
        f"{format_lines(lines, N_SHOWN)}",
        err=True,
    )


def join_near_duplicates(args, data, check=None):
    """Return groups that hold near-duplicates together, and their pairs as JSON's types.

    Without near-duplicates, the groups are those of `data`, or None. A DataCheck of the images has
    found their near-duplicates already.
    """
    from skcxr.datasets._groups import format_lines
    from skcxr.datasets._near_duplicates import find_near_duplicates, join_groups

    if check is None:
        pairs, similarities = find_near_duplicates(data.images)
    else:
        pairs, similarities = check.get_pairs()
    found: list[dict[str, Any]] = [
        {
            "files": [str(data.filenames[i]), str(data.filenames[j])],
            "similarity": float(similarity),
        }
        for (i, j), similarity in zip(pairs, similarities, strict=True)
    ]
    if not found:
        return data.groups, found
    if not args.quiet:
        lines = format_lines([" and ".join(pair["files"]) for pair in found], N_SHOWN)
        count = format_count(len(found), "pair")
        echo(f"{count} of near-duplicates, kept together:{lines}", err=True)
    return join_groups(len(data.images), pairs, data.groups), found
