"""Options that several commands have, and what they mean."""

import argparse
import sys
import warnings

EXIT_DIVERGED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130


def whole(least):
    """An argparse type: whole numbers from `least` on."""

    def parse(text):
        number = int(text)
        if number < least:
            raise argparse.ArgumentTypeError(f"must be {least} or more, got {text}")
        return number

    parse.__name__ = "whole number"
    return parse


def share(text):
    """An argparse type: numbers from 0 to 1."""
    number = float(text)
    if not 0 <= number <= 1:  # nor NaN, which no comparison ever exceeds
        raise argparse.ArgumentTypeError(f"must be from 0 to 1, got {text}")
    return number


def add_data(add, *, default):
    """--data, --groups and how they are read; `default` says what goes without --data."""
    add("--data", metavar="DIR", required=default is None, help="folder with a sub-folder of "
        "images a class, or with train/ and test/ of that form, whose train/ is used"
        + (f"; default: {default}" if default else ""))  # fmt: skip
    add("--groups", metavar="CSV", help="table of file and patient_id, or PatientID for that of "
        "DICOM files: a patient's images stay together")  # fmt: skip
    add_reading(add)


def add_reading(add):
    """What becomes of the files of a folder, as load_image_folder takes it."""
    add("--image-size", type=int, default=64, choices=(16, 32, 64, 128, 256),
        help="side that images are resized to (64)")  # fmt: skip
    add("--fit", choices=("squash", "pad", "crop"), default="squash", help="how an image that is "
        "no square becomes one: resized whatever its aspect ratio, with black beside it, or "
        "without its ends (squash)")  # fmt: skip
    add("--percentiles", type=float, nargs=2, metavar=("LOW", "HIGH"), help="percentiles of an "
        "image's pixels that become black and white, such as 1 99")  # fmt: skip
    add("--on-error", choices=("raise", "skip"), default="raise", help="what becomes of files "
        "that are no readable image: an error that lists them, or they are left out and listed "
        "(raise)")  # fmt: skip


def load(args, path, groups=None):
    """The images of a folder, read as :func:`add_reading`'s options say; tells what is left out."""
    from skcxr.datasets import load_image_folder

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\d+ of \d+ files are left out")
        data = load_image_folder(
            path,
            image_size=args.image_size,
            fit=args.fit,
            percentiles=None if args.percentiles is None else tuple(args.percentiles),
            on_error=args.on_error,
            groups=groups,
            n_jobs=-1,
            verbose=int(sys.stderr.isatty()),
        )
    if data.skipped:
        n_files = len(data.filenames) + len(data.skipped)
        print(f"Left out of {path}: {len(data.skipped)} of {n_files} files", file=sys.stderr)
        for name, reason in data.skipped.items():
            print(f"  {name}: {reason}", file=sys.stderr)
    return data


def add_gan(add, *, epochs, width, batch):
    """The GANs' options, with these defaults."""
    add("--gan-epochs", type=whole(1), default=epochs, metavar="N",
        help=f"epochs, of 34 steps, of each GAN ({epochs})")  # fmt: skip
    add("--gan-width", type=whole(1), default=width, metavar="N",
        help=f"channels of the GAN's outermost layers ({width})")  # fmt: skip
    add("--gan-batch", type=whole(2), default=batch, metavar="N",
        help=f"images in a step of the GAN ({batch})")  # fmt: skip


def gan_of(args, **params):
    """The DCGAN that the options ask for."""
    from skcxr import DCGAN

    return DCGAN(
        image_size=args.image_size,
        base_width=args.gan_width,
        max_epochs=args.gan_epochs,
        batch_size=args.gan_batch,
        # The paper's rate at its width; narrower networks learn faster at a higher one.
        lr=2e-4 * 64 / args.gan_width,
        **params,
    )


def train_of(args, data):
    """Which rows of a split Bunch are to be trained on."""
    train = data.split == "train"
    if not train.any():
        raise ValueError(f"--data {args.data} is split, but has no images in train/.")
    return train


def part_of(data, rows):
    """The Bunch `data` with some rows alone."""
    part = data.copy()
    for name in ("images", "data", "target", "filenames", "groups", "split"):
        if data.get(name) is not None:
            part[name] = data[name][rows]
    return type(data)(**part)
