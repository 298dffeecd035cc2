"""skcxr synthesize: synthetic images of each class, with their provenance."""

import json
from pathlib import Path
from types import SimpleNamespace

import click

from skcxr._base.text import format_count
from skcxr.cli._inputs import (
    build_gan,
    describe_gans,
    find_training_rows,
    load_folder,
    select_images,
)
from skcxr.cli._options import (
    add_data_option,
    add_gan_options,
    add_groups_option,
    add_output_options,
    add_reading_options,
    add_seed_option,
    collect_settings,
    refuse_nan,
)
from skcxr.cli._overlap import join_near_duplicates, leave_out_overlap
from skcxr.cli._pool import (
    CHECKPOINTS,
    add_pool_options,
    audit_against_pool,
    choose_fine_tuning,
    locate_pool_weights,
    prepare_pool,
)
from skcxr.cli._printing import (
    color_verdict,
    is_progress_shown,
    print_json,
    print_text,
)

PARENT = "skcxr-synthetic"


@click.command(
    epilog="\b\nExample: skcxr synthesize --data images -n 500 --checkpoint state\n"
    "Exit codes: 0 done; 1 a GAN diverged; 2 bad input; 130 interrupted"
)
@add_data_option
@add_groups_option
@add_reading_options
@click.option("-n", default=100, type=click.IntRange(min=1), metavar="N", help="images per class")
@click.option(
    "--out",
    type=click.Path(),
    metavar="DIR",
    show_default="in skcxr-synthetic/",
    help="new image folder",
)
@click.option("--overwrite", is_flag=True, help="replace an earlier result in --out")
@click.option("--format", default="png", type=click.Choice(["png", "dicom"]), help="file format")
@click.option(
    "--holdout",
    default=0.2,
    type=click.FloatRange(0, 1, max_open=True),
    callback=refuse_nan,
    metavar="F",
    help="share of images kept for the audit",
)
@add_gan_options(epochs=200, width=64, batch=32)
@add_pool_options
@click.option(
    "--checkpoint", type=click.Path(), metavar="DIR", help="folder from which a killed run resumes"
)
@click.option(
    "--n-jobs",
    default=1,
    type=click.IntRange(min=1),
    metavar="N",
    help="classes trained in parallel",
)
@add_seed_option
@add_output_options
def synthesize(**options):
    """Train one GAN per class and write synthetic images.

    The images are marked as synthetic and audited for copies of training images. The audit needs
    real images that no GAN sees: test/ of DIR, or else val/, or else the share --holdout of each
    class. --holdout 0 skips it. The default GANs have the paper's size and take hours.
    """
    # PyTorch is imported inside functions so that `skcxr --help` stays fast.
    from skcxr._base.files import check_writable, reserve_folder
    from skcxr.datasets._export import check_classes, check_target

    args = SimpleNamespace(**options)
    choose_fine_tuning(args)
    if args.out is None:
        check_writable(PARENT)
    else:
        check_target(args.out, overwrite=args.overwrite)
    if args.format == "dicom":
        import pydicom  # noqa: F401 -- fail before hours of training, not after
    data = load_folder(args, args.data, args.groups)
    train, holdout, overlap = _split(args, data)
    for k, name in enumerate(train.target_names.tolist()):
        n = int((train.target == k).sum())
        if n < 2:
            raise ValueError(
                f"class {name!r} has {format_count(n, 'image')} to train on; a GAN needs two. "
                "Add images, or pass a smaller --holdout."
            )
    # Two runs that begin at the same time get two folders.
    with reserve_folder(args.out, parent=PARENT) as folder:
        args.out = str(folder)
        check_classes(folder, train.target_names)
        weights = locate_pool_weights(args, folder)
        checkpoints = Path(args.checkpoint or weights.parent / CHECKPOINTS)
        pool = prepare_pool(args, data, weights, checkpoints)
        return _train_and_write(args, train, holdout, overlap, pool)


def _split(args, data):
    """Return the images to train on, those to audit with or None, and what the two share.

    Images and patients that a user's own splits share are left out of the audit. Otherwise, they
    are kept on one side of the split.
    """
    from skcxr.datasets._holdout import choose_holdout

    if data.split is not None:
        split = "test" if "test" in data.split else "validation"
        held = select_images(data, data.split == split)
        data = select_images(data, find_training_rows(args, data))
        if len(held.data) and args.holdout > 0:
            held, overlap = leave_out_overlap(args, data, held, option=f"--data {args.data}")
            return data, held, overlap
    if args.holdout == 0:
        return data, None, None
    groups, near_duplicates = join_near_duplicates(args, data)
    is_held = choose_holdout(data.target, args.holdout, groups=groups, random_state=args.seed)
    if not is_held.any():
        raise ValueError(
            f"--holdout {args.holdout:g} holds out none of {format_count(len(is_held), 'image')}: "
            "it is rounded to whole images per class, and all images of a patient stay together. "
            "Pass a larger share, or 0 for no audit."
        )
    overlap = {"n_left_out": 0, "near_duplicates_kept_together": near_duplicates}
    return select_images(data, ~is_held), select_images(data, is_held), overlap


def _describe_holdout(train, holdout, overlap):
    """Return what is held out, as JSON's types."""
    import numpy as np

    counts = np.bincount(holdout.target, minlength=len(holdout.target_names))
    n_images = len(holdout.target)
    return {
        "split": None if holdout.split is None else str(holdout.split[0]),
        "n_images": n_images,
        "share": n_images / (n_images + len(train.target)),
        "n_by_class": dict(zip(holdout.target_names.tolist(), counts.tolist(), strict=True)),
        "overlap": overlap,
    }


def _train_and_write(args, train, holdout, overlap, pool):
    """Train the GANs, audit their images, write them and return the exit code."""
    import numpy as np

    from skcxr import DCGANOversampler
    from skcxr.datasets._export import fingerprint_training_set, write_images

    X = train.data
    y = train.target_names[train.target]
    counts = {k: n + args.n for k, n in zip(*np.unique(y, return_counts=True), strict=True)}
    print_text(args, f"{', '.join(counts)}: {describe_gans(args)}")
    if holdout is not None:
        held = _describe_holdout(train, holdout, overlap)
        n_by_class = ", ".join(f"{k} {n}" for k, n in held["n_by_class"].items())
        print_text(args, f"Held out for the audit: {n_by_class} ({held['share']:.0%})")
    gan = build_gan(
        args,
        checkpoint=args.checkpoint,
        verbose=int(args.n_jobs == 1 and is_progress_shown(args)),
        weights=None if pool is None else pool.weights,
    )
    sampler = DCGANOversampler(
        gan, sampling_strategy=counts, random_state=args.seed, n_jobs=args.n_jobs
    )
    X_new, y_new = sampler.fit_resample(X, y)
    samples = {k: X_new[sampler.synthetic_mask_ & (y_new == k)] for k in counts}
    provenance = {
        "parameters": {k: str(v) for k, v in gan.get_params().items()},
        "seed": args.seed,
        "settings": collect_settings(args),
        "training_set": fingerprint_training_set(X, y),
        "n_files_left_out": len(train.skipped),
        "holdout": None if holdout is None else _describe_holdout(train, holdout, overlap),
        "audit": None,
        "pool": None if pool is None else pool.record,
        "pool_audit": None,
    }
    if holdout is None:
        print_text(args, f"{', '.join(counts)}: not audited, since nothing was held out")
    else:
        provenance["audit"], provenance["quality"] = _inspect(args, sampler, X, y, holdout, samples)
        if pool is not None and pool.images is not None:
            provenance["pool_audit"] = audit_against_pool(args, samples, pool, holdout)
    shape = (-1, args.image_size, args.image_size)
    images = {str(k): rows.reshape(shape) for k, rows in samples.items()}
    manifest = write_images(
        args.out,
        images,
        provenance=provenance,
        file_format=args.format,
        overwrite=args.overwrite,
    )
    print_json(
        args,
        {
            "folder": args.out,
            "n_by_class": {str(k): args.n for k in counts},
            "holdout": provenance["holdout"],
            "audit": provenance["audit"],
            "pool": provenance["pool"],
            "pool_audit": provenance["pool_audit"],
            "quality": provenance.get("quality"),
        },
    )
    print_text(args, f"Wrote {format_count(len(manifest), 'synthetic image')} to {args.out}")
    return 0


def _inspect(args, sampler, X, y, holdout, samples):
    """Print the verdicts on the samples; return the audits and the metrics as JSON's types."""
    from skcxr.datasets._export import build_file_name
    from skcxr.evaluation import inspect_samples
    from skcxr.evaluation._inspection import convert_audits

    table, audits = inspect_samples(
        sampler,
        X,
        y,
        holdout.data,
        holdout.target_names[holdout.target],
        samples=samples,
        random_state=args.seed,
    )
    found = convert_audits(table, audits)
    for k, verdict in table["copying"].items():
        print_text(args, f"{k}: {color_verdict(verdict)} (an audit, not a guarantee)")
        if found[str(k)]["limitation"]:
            print_text(args, f"  {found[str(k)]['limitation']}")
        for pair in found[str(k)]["pairs"]:
            file = pair["file"] = build_file_name(k, pair["synthetic"], args.format)
            if pair["copy"]:
                print_text(args, f"  {file} is closer to a training image than held-out images are")
    # pandas' own writer turns NumPy's numbers into JSON's.
    return found, json.loads(table.to_json(orient="index"))
