"""skcxr audit: are synthetic images copies of training images?"""

import json
from pathlib import Path
from types import SimpleNamespace

import click

from skcxr.cli._inputs import load_folder, select_images
from skcxr.cli._options import add_output_options, add_reading_options, add_seed_option, refuse_nan
from skcxr.cli._overlap import leave_out_overlap
from skcxr.cli._printing import (
    EXIT_CANNOT_TELL,
    EXIT_EXCEEDED,
    color_verdict,
    is_progress_shown,
    print_json,
    print_text,
)


@click.command(
    epilog="\b\nExample: skcxr audit --synthetic synthetic --train train --holdout test\n"
    "Exit codes: 0 done; 1 over limit; 2 bad input; 3 cannot tell; 130 interrupted"
)
@click.option(
    "--synthetic", type=click.Path(), metavar="DIR", required=True, help="synthetic images"
)
@click.option(
    "--train",
    type=click.Path(),
    metavar="DIR",
    required=True,
    help="the generator's training images",
)
@click.option(
    "--holdout", type=click.Path(), metavar="DIR", required=True, help="held-out real images"
)
@add_reading_options
@click.option(
    "--features",
    default="cxr",
    metavar="NAME|FILE",
    help="cxr, inception, pixels or weights",
)
@click.option(
    "--max-copies",
    type=click.IntRange(min=0),
    metavar="N",
    help="limit of copied images per class",
)
@click.option(
    "--max-share",
    type=click.FloatRange(0, 1),
    callback=refuse_nan,
    metavar="F",
    help="limit of the share nearer to train",
)
@add_seed_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="new folder for tables, JSON and figures",
)
@add_output_options
def audit(**options):
    """Audit synthetic images for copies of training images.

    The audit compares synthetic images with held-out real images of the same kind. Each folder
    holds one sub-folder per class, and each class is audited on its own. With too few images, the
    verdict is "cannot tell". The audit is not a guarantee.
    """
    # PyTorch is imported inside functions so that `skcxr --help` stays fast.
    from skcxr._base.files import check_empty
    from skcxr.metrics.features import feature_extractor

    args = SimpleNamespace(**options)
    if args.out is not None:
        check_empty(args.out)
    sets = {name: load_folder(args, options[name]) for name in ("synthetic", "train", "holdout")}
    classes = sets["synthetic"].target_names.tolist()
    for name, data in sets.items():
        if missing := set(classes) - set(data.target_names.tolist()):
            raise ValueError(
                f"--{name} has no images of {sorted(missing)}, which --synthetic has. Sort images "
                "into sub-folders of the same names."
            )
    # Unknown features are refused here, before the first audit.
    feature_extractor(args.features, sets["train"].images)
    sets["holdout"], overlap = leave_out_overlap(
        args, sets["train"], sets["holdout"], option=f"--holdout {args.holdout}"
    )
    return _audit_classes(args, classes, sets, overlap)


def _audit_classes(args, classes, sets, overlap):
    """Audit each class, print and write the results, and return the exit code."""
    import pandas as pd
    from tqdm.auto import tqdm

    from skcxr import metrics

    results = {}
    found = {}
    for k in tqdm(
        classes, desc="audit", unit="class", leave=False, disable=not is_progress_shown(args)
    ):
        parts = {
            name: select_images(data, data.target_names[data.target] == k)
            for name, data in sets.items()
        }
        try:
            results[k] = metrics.audit(
                parts["synthetic"].images,
                parts["train"].images,
                parts["holdout"].images,
                features=args.features,
                random_state=args.seed,
            )
        except ValueError as error:
            # The library audits one class and does not know its name.
            raise ValueError(f"class {k!r}: {error}") from error
        found[k] = results[k].to_dict()
        for pair in found[k]["pairs"]:
            for name in ("synthetic", "train"):
                pair[f"{name}_file"] = str(parts[name].filenames[pair[name]])
    for k, result in results.items():
        print_text(args, f"{k}: {color_verdict(result.verdict)}\n{result}\n")
        for pair in found[k]["pairs"]:
            if pair["copy"]:
                print_text(
                    args,
                    f"{pair['synthetic_file']} is a near-duplicate of {pair['train_file']}\n",
                )
    table = pd.concat({k: result.table for k, result in results.items()}, names=["class", "row"])
    if args.out is not None:
        _write_results(args.out, results, found, table)
        print_text(args, f"Results are in {args.out}")
    exceeded = _list_exceeded(args, results, table)
    undecided = _list_undecided(args, results)
    for line in exceeded + undecided:
        print_text(args, line)
    print_json(
        args,
        {
            "classes": found,
            "exceeded": exceeded,
            "undecided": undecided,
            "overlap": overlap,
            "folder": args.out and str(args.out),
        },
    )
    if exceeded:
        return EXIT_EXCEEDED
    return EXIT_CANNOT_TELL if undecided else 0


def _write_results(out, results, found, table):
    """Write the table, the JSON and the figures."""
    import matplotlib.pyplot as plt

    from skcxr._base.files import fill_folder, shorten_name
    from skcxr.displays import AuditDisplay

    with fill_folder(out) as folder:
        table.droplevel("row").to_csv(folder / "audit.csv")
        (folder / "audit.json").write_text(json.dumps(found, indent=2) + "\n")
        for k, result in results.items():
            figure = AuditDisplay.from_result(result).figure_
            file = folder / f"audit-{shorten_name(k)}.png"
            figure.savefig(file, dpi=150, bbox_inches="tight")
            plt.close(figure)


def _list_exceeded(args, results, table):
    """Return a line for each statistic above its limit."""
    from skcxr.metrics._audit._verdict import COPIED, COPIES, EQUAL_TO_HOLDOUT, SHARE

    limits = {
        COPIED: args.max_copies,
        EQUAL_TO_HOLDOUT: args.max_copies,
        SHARE: args.max_share,
    }
    exceeded = [
        f"Exceeded: {statistic} of {k} in {row['space']} is {row['value']:g}, above {limit:g}"
        for statistic, limit in limits.items()
        if limit is not None
        for (k, _), row in table[table["statistic"] == statistic].iterrows()
        if row["value"] > limit
    ]
    for k, result in results.items():
        counts = result.table["value"][result.table["statistic"].isin([COPIED, EQUAL_TO_HOLDOUT])]
        if args.max_copies is not None and result.verdict == COPIES and not counts.any():
            exceeded.append(f"Exceeded: {k} has copies, which the audit cannot count one by one")
    return exceeded


def _list_undecided(args, results):
    """Return a line for each class whose audit cannot tell whether the limits are kept."""
    if args.max_copies is None and args.max_share is None:
        return []
    return [
        f"Cannot tell whether {k} keeps the limit. {result.limitation}"
        for k, result in results.items()
        if result.limitation
    ]
