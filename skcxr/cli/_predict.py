"""skcxr predict: the class and the probabilities of new images."""

from pathlib import Path
from types import SimpleNamespace

import click

from skcxr._base.text import format_count
from skcxr.cli._inputs import load_unlabelled
from skcxr.cli._options import add_file_options, add_output_options
from skcxr.cli._printing import echo, print_json, print_text

# Further files are in the table.
N_SHOWN = 10
IS_TRAINING_IMAGE = "shows a training image"


@click.command(
    epilog="\b\nExample: skcxr predict --model model --data new --out predictions.csv\n"
    "Exit codes: 0 done; 2 bad input; 130 interrupted"
)
@click.option(
    "--model", type=click.Path(), metavar="DIR", required=True, help="folder that fit has written"
)
@click.option(
    "--data",
    type=click.Path(),
    metavar="DIR",
    required=True,
    help="images, in sub-folders or not",
)
@add_file_options
@click.option("--out", type=click.Path(), metavar="CSV", required=True, help="new table")
@add_output_options
def predict(**options):
    """Predict the class of images with a model of skcxr fit.

    The table has a row per image: file, class, a probability per class, and a note on images that
    are unlike the training images or among them. Images are read as the training images were. This
    is for research only: skcxr is not a medical device.
    """
    args = SimpleNamespace(**options)
    _check_new(args.out)
    # PyTorch is imported inside functions so that `skcxr --help` stays fast.
    from skcxr.report._model_folder import read_model

    model, record = read_model(args.model)
    data = _load_images(args, record["settings"])
    table = _predict(model, data)
    notes = _find_notes(data, record)
    table["note"] = ["; ".join(reasons) for reasons in notes]
    _write_table(args.out, table)
    _print_notes(args, data.filenames, notes)
    counts = table["class"].value_counts().reindex(record["classes"], fill_value=0)
    by_class = ", ".join(f"{name} {n}" for name, n in counts.items())
    print_text(
        args,
        f"{format_count(len(table), 'image')}: {by_class}\n"
        f"Predictions are in {args.out}. For research only: not for diagnosis, triage or treatment",
    )
    print_json(
        args,
        {
            "file": str(args.out),
            "n_images": len(table),
            "n_by_class": {str(name): int(n) for name, n in counts.items()},
            "notes": {
                file: reasons
                for file, reasons in zip(data.filenames.tolist(), notes, strict=True)
                if reasons
            },
            "skipped": data.skipped,
        },
    )
    return 0


def _check_new(out):
    """Refuse a table that exists, or one that cannot be written."""
    from skcxr._base.files import check_writable

    if Path(out).exists():
        raise FileExistsError(f"--out {out} exists. Pass a new file.")
    check_writable(Path(out).absolute().parent)


def _load_images(args, settings):
    """Return the images of --data, read as the training images were."""
    percentiles = settings["percentiles"]
    args.image_size = settings["image_size"]
    args.fit = settings["fit"]
    args.percentiles = None if percentiles is None else tuple(percentiles)
    return load_unlabelled(args, args.data)


def _predict(model, data):
    """Return a table of the files, their classes and their probabilities."""
    import pandas as pd

    probabilities = model.predict_proba(data.images.reshape(len(data.images), -1))
    table = pd.DataFrame({"file": data.filenames})
    table["class"] = model.classes_[probabilities.argmax(axis=1)]
    for column, name in enumerate(model.classes_):
        table[f"p_{name}"] = probabilities[:, column]
    return table


def _find_notes(data, record):
    """Return for each image why its prediction deserves less trust."""
    import numpy as np

    from skcxr.datasets._image_ranges import find_unlike
    from skcxr.datasets._near_duplicates import find_fingerprinted

    notes = find_unlike(data.images, data.metadata, record["ranges"])
    known = [np.frombuffer(bytes.fromhex(text), np.uint8) for text in record["fingerprints"]]
    for row in np.flatnonzero(find_fingerprinted(data.images, np.array(known))):
        notes[row].insert(0, IS_TRAINING_IMAGE)
    return notes


def _write_table(out, table):
    from skcxr._base.files import explain_write_errors, write_atomically

    with explain_write_errors(out), write_atomically(Path(out)) as file:
        table.to_csv(file, index=False)


def _print_notes(args, filenames, notes):
    """Print which images are training images, and which are unlike them."""
    from skcxr.datasets._groups import format_lines

    if args.quiet:
        return
    known = []
    unlike = []
    for file, reasons in zip(filenames.tolist(), notes, strict=True):
        others = [reason for reason in reasons if reason != IS_TRAINING_IMAGE]
        if len(others) < len(reasons):
            known.append(file)
        if others:
            unlike.append(f"{file}: {'; '.join(others)}")
    if known:
        echo(
            f"Warning: {format_count(len(known), 'image')} of {len(notes)} show training images, "
            f"which cannot test the model{format_lines(known, N_SHOWN)}",
            err=True,
        )
    if unlike:
        echo(
            f"Warning: {format_count(len(unlike), 'image')} of {len(notes)} are unlike the "
            f"training images, so their predictions may be wrong{format_lines(unlike, N_SHOWN)}",
            err=True,
        )
