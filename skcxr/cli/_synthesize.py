"""skcxr synthesize: synthetic images of each class, with where they come from."""

import json
from functools import partial

import click

from skcxr.cli._options import (
    Whole,
    command,
    data_options,
    folder,
    gan_of,
    gan_options,
    in_color,
    load,
    option,
    part_of,
    say,
    seed_option,
    settings_of,
    shows_progress,
    tell,
    train_of,
)

COMMAND = command(
    "synthesize",
    summary="train a GAN a class and write synthetic images",
    description="Train a GAN a class, audit the images it makes for copies of training images, and "
    "write them, marked as synthetic, with their provenance. The defaults are the paper's networks "
    "and steps: hours on a laptop.",
    example="skcxr synthesize --data images -n 500 --checkpoint state",
    exit_codes="0 done; 1 a GAN diverged; 2 bad input; 130 interrupted",
    params=[
        *data_options(required=True),
        option("-n", 100, "images of each class", type=Whole(1), metavar="N"),
        folder("--out", "new folder for the images (in skcxr-synthetic/)"),
        click.Option(["--overwrite"], is_flag=True, help="replace an earlier result in --out"),
        option("--format", "png", "of the images", type=click.Choice(["png", "dicom"])),
        option("--holdout", 0.2, "share kept for the audit, or test/; 0: none", type=float,
            metavar="F"),
        *gan_options(epochs=200, width=64, batch=32),
        folder("--checkpoint", "folder that a killed run goes on from"),
        option("--n-jobs", 1, "classes trained at once", type=Whole(1), metavar="N"),
        seed_option(),
    ],
)  # fmt: skip


def prepare(args):
    """Look at all input; returns what is to be called then, and returns the exit code."""
    from skcxr._base.files import build_dated_path
    from skcxr.datasets._export import check_target

    if args.out is None:
        args.out = str(build_dated_path("skcxr-synthetic"))
    check_target(args.out, overwrite=args.overwrite)
    if not 0 <= args.holdout < 1:
        raise ValueError(f"--holdout {args.holdout:g} must be at least 0 and below 1.")
    if args.format == "dicom":
        import pydicom  # noqa: F401 -- before hours of training, not after
    data = load(args, args.data, args.groups)
    train, holdout = _split(args, data)
    y = train.target_names[train.target]
    for name in data.target_names:
        if (y == name).sum() < 2:
            raise ValueError(
                f"class {str(name)!r} has {(y == name).sum()} images to train on; a GAN needs two. "
                "Add images, or pass a smaller --holdout."
            )
    return partial(_synthesize, args, train, holdout)


def _split(args, data):
    """The images to train on, and those to audit with or None."""
    import numpy as np
    from sklearn.model_selection import StratifiedGroupKFold

    if data.split is not None:
        train, test = train_of(args, data), data.split == "test"
        return part_of(data, train), (part_of(data, test) if test.any() and args.holdout else None)
    if not args.holdout:
        return data, None
    groups = np.arange(len(data.target)) if data.groups is None else data.groups
    n_folds = max(2, round(1 / args.holdout))
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=args.seed)
    train, holdout = next(folds.split(data.data, data.target, groups))
    return part_of(data, train), part_of(data, holdout)


def _synthesize(args, train, holdout):
    """Train, audit and write."""
    import numpy as np

    from skcxr import DCGANOversampler
    from skcxr.datasets._export import build_file_name, fingerprint_training_set, write_images
    from skcxr.evaluation._inspection import inspect_samples

    X, y = train.data, train.target_names[train.target]
    counts = {k: n + args.n for k, n in zip(*np.unique(y, return_counts=True), strict=True)}
    say(
        args,
        f"{len(counts)} GANs, one a class, of width {args.gan_width}, trained for "
        f"{args.gan_epochs * 34} steps of {args.gan_batch}: {', '.join(map(str, counts))}",
    )
    verbose = int(args.n_jobs == 1 and shows_progress(args))
    gan = gan_of(args, checkpoint=args.checkpoint, verbose=verbose)
    sampler = DCGANOversampler(
        gan, sampling_strategy=counts, random_state=args.seed, n_jobs=args.n_jobs
    )
    X_new, y_new = sampler.fit_resample(X, y)
    is_new = sampler.synthetic_mask_
    samples = {k: X_new[is_new & (y_new == k)] for k in counts}
    provenance = {
        "parameters": {k: str(v) for k, v in gan.get_params().items()},
        "seed": args.seed,
        "settings": {k: v for k, v in settings_of(args).items() if k != "command"},
        "training_set": fingerprint_training_set(X, y),
        "n_files_left_out": len(train.skipped),
        "audit": None,
    }
    if holdout is not None:
        unseen = holdout.data, holdout.target_names[holdout.target]
        table, audits = inspect_samples(
            sampler, X, y, *unseen, samples=samples, random_state=args.seed
        )
        provenance["audit"] = {str(k): found.to_dict() for k, found in audits.items()}
        # Through pandas' own writer, which turns NumPy's numbers into JSON's.
        provenance["quality"] = json.loads(table.to_json(orient="index"))
        for k, verdict in table["copying"].items():
            say(args, f"{k}: {in_color(verdict)} (an audit, no guarantee)")
            for pair in provenance["audit"].get(str(k), {"pairs": []})["pairs"]:
                pair["file"] = build_file_name(k, pair["synthetic"], args.format)
                if pair["copy"]:
                    say(args, f"  {pair['file']} is closer to a training image than honest ones")
    side = args.image_size
    images = {str(k): of_class.reshape(-1, side, side) for k, of_class in samples.items()}
    manifest = write_images(
        args.out,
        images,
        provenance=provenance,
        file_format=args.format,
        overwrite=args.overwrite,
    )
    tell(
        args,
        {
            "folder": str(args.out),
            "n_by_class": {str(k): args.n for k in counts},
            "audit": provenance["audit"],
            "quality": provenance.get("quality"),
        },
    )
    say(args, f"{len(manifest)} synthetic images are in {args.out}")
    return 0
