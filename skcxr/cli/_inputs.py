"""The images and GANs that the options ask for."""

import warnings

from skcxr._base.text import format_count
from skcxr.cli._options import STEPS_PER_EPOCH
from skcxr.cli._printing import echo, is_progress_shown


def load_folder(args, path, groups=None):
    """Return the images of a folder, read as the options say, and print which files are skipped."""
    from skcxr.datasets import load_image_folder

    with warnings.catch_warnings():
        # The warning names only the first files.
        warnings.filterwarnings("ignore", r"Left out \d+ of \d+ files")
        data = load_image_folder(
            path,
            image_size=args.image_size,
            fit=args.fit,
            percentiles=args.percentiles,
            on_error=args.on_error,
            max_pixels=args.max_pixels,
            groups=groups,
            n_jobs=-1,
            verbose=int(is_progress_shown(args)),
        )
    _print_skipped(args, path, data)
    return data


def load_unlabelled(args, path):
    """Return all images below a folder, in any layout, and print which files are skipped."""
    from skcxr.datasets._folders import load_unlabelled_folder

    data = load_unlabelled_folder(
        path,
        image_size=args.image_size,
        fit=args.fit,
        percentiles=args.percentiles,
        on_error=args.on_error,
        max_pixels=args.max_pixels,
        n_jobs=-1,
        verbose=int(is_progress_shown(args)),
    )
    _print_skipped(args, path, data)
    return data


def _print_skipped(args, path, data):
    if args.quiet or not data.skipped:
        return
    n_files = len(data.filenames) + len(data.skipped)
    echo(f"Left out of {path}: {len(data.skipped)} of {n_files} files", err=True)
    for name, reason in data.skipped.items():
        echo(f"  {name}: {reason}", err=True)


def find_training_rows(args, data):
    """Return a mask of the images in train/ of data with splits."""
    train = data.split == "train"
    if not train.any():
        raise ValueError(f"--data {args.data} is split, but has no images in train/.")
    return train


def keep_training_images(args, data):
    """Return the images in train/ of data with splits, and other data as they are.

    The key ``unused`` has the files of the other splits.
    """
    if data.get("split") is None:
        return data
    part = select_images(data, find_training_rows(args, data))
    others = sorted(set(data.split) - {"train"})
    part["unused"] = {str(name): data.filenames[data.split == name].tolist() for name in others}
    return part


def select_images(data, rows):
    """Return a copy of the Bunch `data` that holds only some rows."""
    part = type(data)(**data)
    for name in ("images", "data", "target", "filenames", "groups", "split", "metadata"):
        if data.get(name) is not None:
            part[name] = data[name][rows]
    return part


def describe_classes(data):
    """Return the number of images of each class as text."""
    import numpy as np

    counts = np.bincount(data.target, minlength=len(data.target_names))
    return ", ".join(f"{name} {n}" for name, n in zip(data.target_names, counts, strict=True))


def build_gan(args, **params):
    """Return an unfitted DCGAN with the options' settings."""
    from skcxr import DCGAN

    recipe = DCGAN.paper if args.gan_recipe == "paper" else DCGAN
    settings = {
        "image_size": args.image_size,
        "base_width": args.gan_width,
        "max_epochs": args.gan_epochs,
        "batch_size": args.gan_batch,
        # The paper's rate at its width; narrower networks learn faster at a higher one.
        "lr": 2e-4 * 64 / args.gan_width,
    }
    return recipe(**(settings | params))


def describe_gans(args):
    """Return one line on the GANs that are about to be trained."""
    return f"one GAN per class, {describe_steps(args)}"


def describe_steps(args):
    """Return the width and the steps of a GAN as text."""
    n_steps = args.gan_epochs * STEPS_PER_EPOCH
    steps = f"{format_count(n_steps, 'step')} of {format_count(args.gan_batch, 'image')}"
    return f"width {args.gan_width}, {steps}"
