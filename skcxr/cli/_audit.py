"""skcxr audit: are synthetic images copies of training images?"""

import json
from functools import partial

from skcxr.cli._options import (
    Share,
    Whole,
    command,
    folder,
    in_color,
    load,
    option,
    part_of,
    reading_options,
    say,
    seed_option,
    shows_progress,
    tell,
)

EXIT_EXCEEDED = 1


COMMAND = command(
    "audit",
    summary="are synthetic images copies of training images?",
    description="Are synthetic images copies of training images? They are held against what "
    "honest images of the same kind, the hold-out, look like. Folders hold a sub-folder a class, "
    "each of which is audited by itself. It is an audit and no guarantee.",
    example="skcxr audit --synthetic synthetic --train train --holdout test",
    exit_codes="0 done; 1 a limit is exceeded; 2 bad input; 130 interrupted",
    params=[
        folder("--synthetic", "synthetic images", required=True),
        folder("--train", "what the generator was trained on", required=True),
        folder("--holdout", "real images that it has not seen", required=True),
        *reading_options(),
        option("--features", "cxr", "cxr, inception, pixels, or a file of weights", metavar="F"),
        option("--max-copies", help="limit of images of a class that are nearly copies",
            type=Whole(0), metavar="N"),
        option("--max-share", help="limit of the share nearer to training images",
            type=Share(), metavar="F"),
        seed_option(),
        folder("--out", "new folder for audit.csv, audit.json and figures"),
    ],
)  # fmt: skip


def prepare(args):
    """Look at all input; returns what is to be called then, and returns the exit code."""
    from pathlib import Path

    from skcxr._base.files import check_empty
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
    from tqdm.auto import tqdm

    from skcxr.metrics import audit

    results, found, classes = {}, {}, sets["synthetic"].target_names.tolist()
    for k in tqdm(
        classes, desc="audit", unit="class", leave=False, disable=not shows_progress(args)
    ):
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
        found[k] = result.to_dict()
        for pair in found[k]["pairs"]:
            for name in ("synthetic", "train"):
                pair[f"{name}_file"] = str(parts[name].filenames[pair[name]])
    for k, result in results.items():
        say(args, f"{k}: {in_color(result.verdict)}\n{result}\n")
        for pair in found[k]["pairs"]:
            if pair["copy"]:
                say(args, "{synthetic_file} is nearly {train_file}\n".format(**pair))
    table = pd.concat({k: result.table for k, result in results.items()}, names=["class", "row"])
    if out is not None:
        _keep(out, results, found, table)
        say(args, f"Results are in {out}")
    exceeded = _exceeded(args, table)
    for line in exceeded:
        say(args, line)
    tell(args, {"classes": found, "exceeded": exceeded, "folder": out and str(out)})
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
