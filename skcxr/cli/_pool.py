"""A pool: further images, without labels, that the GANs of all classes are pretrained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
from click.core import ParameterSource

from skcxr._base.text import format_count
from skcxr.cli._inputs import build_gan, load_unlabelled
from skcxr.cli._options import STEPS_PER_EPOCH, combine_options
from skcxr.cli._printing import color_verdict, echo, is_progress_shown, print_text

if TYPE_CHECKING:
    import numpy as np

# A rerun of the same command resumes from here.
CHECKPOINTS = "pool-checkpoints"
# Epochs per class after a pretraining.
FINE_EPOCHS = 8
# Further files are in the JSON result.
N_SHOWN = 10

add_pool_options = combine_options(
    click.option(
        "--pool",
        type=click.Path(exists=True),
        metavar="PATH",
        help="unlabelled images to pretrain GANs on, or weights",
    ),
    click.option(
        "--pool-epochs",
        default=176,
        type=click.IntRange(min=1),
        metavar="N",
        help=f"its epochs, {STEPS_PER_EPOCH} steps each",
    ),
)


def choose_fine_tuning(args):
    """Set fewer epochs for GANs that start from a pool, unless the user chose their number."""
    source = click.get_current_context().get_parameter_source("gan_epochs")
    if args.pool is not None and source is ParameterSource.DEFAULT:
        args.gan_epochs = FINE_EPOCHS


class Pool(NamedTuple):
    """Weights that were pretrained on a pool, and the images of the pool.

    Parameters
    ----------
    weights : Path
        File of weights.
    images : ndarray of uint8 of shape (n, h, w), or None
        Images that the weights were trained on. None if the user passed a file of weights.
    record : dict
        What happened, as JSON's types.
    """

    weights: Path
    images: np.ndarray | None
    record: dict


def locate_pool_weights(args, folder):
    """Return the file of the pool's weights next to a result folder, or that of the user.

    It is not in the folder: whoever shares the result must not share the discriminator.
    """
    if args.pool is not None and Path(args.pool).is_file():
        return Path(args.pool)
    place = Path(folder).resolve()
    return place.with_name(f"{place.name}-pool.safetensors")


def prepare_pool(args, data, weights, checkpoints):
    """Return the pool of ``--pool``, after its pretraining, or None without the option.

    Images of the pool that show a labelled radiograph or patient are dropped first.

    Parameters
    ----------
    args : namespace
        The options.
    data : Bunch
        All labelled images: those for training and those for tests.
    weights : Path
        File that the weights are written to.
    checkpoints : Path
        Folder from which a killed pretraining resumes.

    Raises
    ------
    ValueError
        If fewer than two images of the pool are left, or if a file of weights was trained on
        labelled images.
    FileExistsError
        If the file to write exists.
    """
    if args.pool is None:
        return None
    if Path(args.pool).is_file():
        return _take_weights(args, data)
    if weights.exists() and not getattr(args, "overwrite", False):
        raise FileExistsError(
            f"{weights} exists. Move it, or pass --pool {weights} to use it again."
        )
    pool = load_unlabelled(args, args.pool)
    is_dropped = _find_overlap(args, data, pool)
    _print_dropped(args, pool.filenames[is_dropped], len(is_dropped))
    images = pool.images[~is_dropped]
    if len(images) < 2:
        raise ValueError(
            f"--pool {args.pool} has {format_count(len(images), 'image')} that --data does not "
            "have; pretraining needs two. Pass a folder of further images."
        )
    n_steps = args.pool_epochs * STEPS_PER_EPOCH
    print_text(args, f"Pool: {format_count(len(images), 'image')}, pretraining of {n_steps} steps")
    gan = build_gan(
        args,
        max_epochs=args.pool_epochs,
        checkpoint=checkpoints,
        random_state=args.seed,
        verbose=int(is_progress_shown(args)),
    )
    gan.fit(images).save_weights(weights, discriminator=True, training_images=images)
    record = {
        "path": str(args.pool),
        "n_images": len(images),
        "dropped": pool.filenames[is_dropped].tolist(),
        "skipped": pool.skipped,
        "n_steps": n_steps,
        "weights": str(weights),
        "sha256": _hash_file(weights),
    }
    return Pool(weights, images, record)


def _take_weights(args, data):
    """Return the pool behind a file of weights, or refuse one that was trained on labelled images.

    Images that the file has been trained on cannot be dropped any more.
    """
    from skcxr.datasets._near_duplicates import find_fingerprinted
    from skcxr.persistence._weights import read_fingerprints

    fingerprints = read_fingerprints(args.pool)
    record = {
        "path": str(args.pool),
        "n_images": None if fingerprints is None else len(fingerprints),
        "weights": str(args.pool),
        "sha256": _hash_file(args.pool),
    }
    if fingerprints is None:
        print_text(
            args,
            f"--pool {args.pool} does not know its training images: make sure that none of them "
            "is in --data",
        )
        return Pool(Path(args.pool), None, record)
    is_known = find_fingerprinted(data.images, fingerprints)
    if is_known.any():
        files = data.filenames[is_known]
        raise ValueError(
            f"--pool {args.pool} was trained on {format_count(len(files), 'image')} of --data, "
            f"such as {files[0]}: results on them would be too good. Pass the folder of the pool, "
            "from which such images are dropped, or remove them from --data."
        )
    return Pool(Path(args.pool), None, record)


def _find_overlap(args, data, pool):
    """Return a mask of the images of the pool that show a labelled radiograph or patient."""
    import numpy as np

    from skcxr.datasets._groups import find_files_of_groups
    from skcxr.datasets._near_duplicates import find_near_duplicates

    pairs, _ = find_near_duplicates(pool.images, data.images)
    is_dropped = np.zeros(len(pool.images), dtype=bool)
    is_dropped[pairs[:, 0]] = True
    if args.groups is not None:
        is_dropped |= find_files_of_groups(
            args.pool, pool.filenames, args.groups, known=set(data.groups.astype(str))
        )
    return is_dropped


def _print_dropped(args, files, n_images):
    from skcxr.datasets._groups import format_lines

    if args.quiet or not len(files):
        return
    echo(
        f"Dropped from --pool: {len(files)} of {format_count(n_images, 'image')}, which show "
        f"labelled images or their patients{format_lines(files.tolist(), N_SHOWN)}",
        err=True,
    )


def audit_against_pool(args, samples, pool, holdout):
    """Audit synthetic images for copies of the pool's images, and print the verdicts.

    Parameters
    ----------
    args : namespace
        The options.
    samples : dict of class to ndarray of shape (n, ...)
        Synthetic images.
    pool : Pool
        Pool with its images.
    holdout : Bunch
        Labelled images that no GAN has seen.

    Returns
    -------
    found : dict of str to dict
        Audits by class as JSON's types. Classes with fewer than two held-out images have none.
    """
    from skcxr.evaluation._inspection import audit_pool

    y_holdout = holdout.target_names[holdout.target]
    audits = audit_pool(samples, pool.images, holdout.images, y_holdout, random_state=args.seed)
    for k, result in audits.items():
        print_text(args, f"{k}, compared with the pool: {color_verdict(result.verdict)}")
    return {str(k): result.to_dict() for k, result in audits.items()}


def _hash_file(path):
    import hashlib

    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
