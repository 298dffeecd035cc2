"""skcxr audit: are synthetic images copies of training images?"""

import json
from functools import partial

from skcxr.cli.options import add_reading, load, part_of, share, whole

EXIT_EXCEEDED = 1


def add_parser(commands):
    """Declare the command."""
    parser = commands.add_parser(
        "audit",
        help="are synthetic images copies of training images?",
        description="Audit synthetic images for copies of training images, by what honest images "
        "of the same kind, the hold-out, look like. Folders hold a sub-folder a class, each of "
        "which is audited by itself. It is an audit and no guarantee.",
        epilog="example: skcxr audit --synthetic synthetic --train train --holdout test "
        "--max-copies 0",
    )
    add = parser.add_argument
    for name, what in (
        ("synthetic", "synthetic images"),
        ("train", "the images that the generator was trained on"),
        ("holdout", "real images that it has not seen"),
    ):
        add(f"--{name}", metavar="DIR", required=True, help=what)
    add_reading(add)
    add("--features", default="cxr", metavar="F", help="cxr, inception, pixels, or a path to "
        "weights (cxr)")  # fmt: skip
    add("--max-copies", type=whole(0), metavar="N", help="exit with 1 if a class has more images "
        "that are closer to a training image than honest ones come")  # fmt: skip
    add("--max-share", type=share, metavar="F", help="exit with 1 if a class has a larger share "
        "nearer to the training set than to the hold-out; 0.5 without copying")  # fmt: skip
    add("--seed", type=whole(0), default=0, metavar="N", help="seed of all randomness (0)")
    add("--out", metavar="DIR", help="new or empty folder for audit.csv, audit.json and figures")


def prepare(args):
    """Look at all input; returns what is to be called then, and returns the exit code."""
    from pathlib import Path

    from skcxr.files import check_empty
    from skcxr.metrics.features import feature_extractor

    out = None if args.out is None else Path(args.out)
    if out is not None:
        check_empty(out)
    sets = {name: load(args, getattr(args, name)) for name in ("synthetic", "train", "holdout")}
    for name, data in sets.items():
        missing = set(sets["synthetic"].target_names.tolist()) - set(data.target_names.tolist())
        if missing:
            raise ValueError(
                f"--{name} has no images of {sorted(missing)}, which --synthetic has. Sort images "
                "into sub-folders of the same names."
            )
    feature_extractor(args.features, sets["train"].images)
    return partial(_audit, args, sets, out)


def _audit(args, sets, out):
    """Audit each class, print and keep what was found, and hold it against the thresholds."""
    import pandas as pd

    from skcxr.metrics import audit

    results, found = {}, {}
    for k in sets["synthetic"].target_names.tolist():
        parts = {name: part_of(data, data.target_names[data.target] == k)
                 for name, data in sets.items()}  # fmt: skip
        try:
            results[k] = result = audit(
                *(part.images for part in parts.values()),
                features=args.features,
                random_state=args.seed,
            )
        except ValueError as error:
            raise ValueError(f"class {k!r}: {error}") from error
        print(f"{k}\n{result}\n")
        found[k] = result.to_dict()
        for pair in found[k]["pairs"]:
            for name in ("synthetic", "train"):
                pair[f"{name}_file"] = str(parts[name].filenames[pair[name]])
            if pair["copy"]:
                print("{synthetic_file} is nearly {train_file}".format(**pair), end="\n\n")
    table = pd.concat({k: result.table for k, result in results.items()}, names=["class", "row"])
    if out is not None:
        _keep(out, results, found, table)
        print(f"Results are in {out}")
    exceeded = _exceeded(args, table)
    for line in exceeded:
        print(line)
    return EXIT_EXCEEDED if exceeded else 0


def _keep(out, results, found, table):
    """Write table, JSON and figures."""
    import matplotlib.pyplot as plt

    from skcxr.displays import AuditDisplay

    out.mkdir(parents=True, exist_ok=True)
    table.droplevel("row").to_csv(out / "audit.csv")
    (out / "audit.json").write_text(json.dumps(found, indent=2) + "\n")
    for k, result in results.items():
        figure = AuditDisplay.from_result(result).figure_
        figure.savefig(out / f"audit-{k}.png", dpi=150, bbox_inches="tight")
        plt.close(figure)


def _exceeded(args, table):
    """A line for each statistic above its threshold."""
    limits = {"copied images": args.max_copies, "share nearer to train": args.max_share}
    return [
        f"Exceeded: {statistic} of {k} in {row['space']} is {row['value']:g}, above {limit:g}"
        for statistic, limit in limits.items()
        if limit is not None
        for (k, _), row in table[table["statistic"] == statistic].iterrows()
        if row["value"] > limit
    ]
