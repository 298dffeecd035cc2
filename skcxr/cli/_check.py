"""skcxr check: is the data sound, before anything is trained on it?"""

import json
from pathlib import Path
from types import SimpleNamespace

import click

from skcxr._base.text import format_count
from skcxr.cli._inputs import load_folder
from skcxr.cli._options import (
    add_data_option,
    add_groups_option,
    add_output_options,
    add_reading_options,
    add_seed_option,
)
from skcxr.cli._printing import (
    EXIT_CANNOT_TELL,
    EXIT_EXCEEDED,
    color_text,
    print_json,
    print_text,
)


@click.command(
    epilog="\b\nExample: skcxr check --data images --groups patients.csv\n"
    "Exit codes: 0 done; 1 finding; 2 bad input; 3 cannot tell; 130 interrupted"
)
@add_data_option
@add_groups_option
@add_reading_options
@click.option("--strict", is_flag=True, help="exit with 1 on a finding, 3 if it cannot tell")
@add_seed_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="new folder for table, JSON and figure",
)
@add_output_options
def check(**options):
    """Check images for near-duplicates and shortcuts.

    The check looks for near-duplicates of several patients, classes or splits, and for classes that
    can be recognised without anatomy: from the frame, the corners, the shape and size of the files,
    or DICOM's station, modality and view. If DIR has train/ and test/, all splits are checked
    together.
    """
    # PyTorch is imported inside functions so that `skcxr --help` stays fast.
    from skcxr._base.files import check_empty

    args = SimpleNamespace(**options)
    if args.out is not None:
        check_empty(args.out)
    data = load_folder(args, args.data, args.groups)
    result = check_images(args, data)
    n_images = format_count(len(data.images), "image")
    n_classes = format_count(len(data.target_names), "class")
    print_text(args, f"{args.data}: {n_images} in {n_classes}\n")
    print_text(args, f"{format_check(result)}\n")
    print_text(args, f"{result.format_tables()}\n")
    if args.out is not None:
        _write_results(args.out, result)
        print_text(args, f"Results are in {args.out}")
    print_json(args, {**result.to_dict(), "folder": args.out and str(args.out)})
    if args.strict and result.reading:
        return EXIT_EXCEEDED
    return EXIT_CANNOT_TELL if args.strict and result.limitation else 0


def check_images(args, data):
    """Return the DataCheck of a loader's images. Where they have splits, these are compared."""
    from skcxr.evaluation import check_data

    return check_data(
        data.images,
        data.target_names[data.target],
        data.groups,
        split=data.get("split"),
        metadata=data.get("metadata"),
        filenames=data.filenames,
        random_state=args.seed,
    )


def format_check(result):
    """Return the findings of a data check and what it could not check, with a verdict in colour."""
    n_findings = len(result.reading.splitlines())
    if n_findings:
        verdict = color_text(f"Data check: {format_count(n_findings, 'finding')}", "red")
    elif result.limitation:
        verdict = color_text("Data check: no finding, but not all was checked", "yellow")
    else:
        verdict = color_text("Data check: no finding", "green")
    lines = [*result.reading.splitlines(), *result.limitation.splitlines()]
    return "\n".join([verdict, *(f"- {line}" for line in lines)])


def _write_results(out, result):
    """Write the table, the JSON and, if there was a test, the figure."""
    import matplotlib.pyplot as plt

    from skcxr._base.files import fill_folder
    from skcxr.displays import DataCheckDisplay

    with fill_folder(out) as folder:
        result.table.to_csv(folder / "check.csv", index=False)
        (folder / "check.json").write_text(json.dumps(result.to_dict(), indent=2) + "\n")
        if len(result.table):
            figure = DataCheckDisplay.from_result(result).figure_
            figure.savefig(folder / "check.png", dpi=150, bbox_inches="tight")
            plt.close(figure)
