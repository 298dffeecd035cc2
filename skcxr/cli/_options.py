"""Options that several commands have, and what they mean; how commands speak.

Parsing is click's: it completes in three shells, brings no other package, and takes a twentieth of
a second to import, where typer, built on it, would bring rich.
"""

import json
import os
import sys
import warnings
from types import SimpleNamespace

import click

EXIT_DIVERGED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130
OUTPUT = ("quiet", "json")


def command(name, *, summary, description, example, exit_codes, params):
    """A click command that parses alone: it returns a namespace, with its `name` as ``command``."""
    params = [
        *params,
        click.Option(["-q", "--quiet"], is_flag=True, help="print nothing but errors"),
        click.Option(
            ["--json"], is_flag=True, help="the result as JSON on stdout, all else on stderr"
        ),
    ]

    def parsed(**given):
        # In the order of the help, whatever the order on the command line.
        return SimpleNamespace(command=name, **{param.name: given[param.name] for param in params})

    return click.Command(
        name,
        params=params,
        callback=parsed,
        short_help=summary,
        help=description,
        epilog=f"\b\nExample: {example}\nExit codes: {exit_codes}",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    )


def option(name, default=None, help="", **attributes):
    """A click option; the help ends with the default, where there is one."""
    if default is not None:
        help = f"{help} ({default:g})" if isinstance(default, float) else f"{help} ({default})"
    return click.Option([name], default=default, help=help, **attributes)


class Whole(click.ParamType):
    """The type of whole numbers from `least` on."""

    name = "whole number"

    def __init__(self, least):
        self.least = least

    def convert(self, value, param, ctx):
        """The number."""
        number = click.INT.convert(value, param, ctx)
        if number < self.least:
            self.fail(f"must be {self.least} or more, got {value}", param, ctx)
        return number


class Share(click.ParamType):
    """The type of numbers from 0 to 1."""

    name = "share"

    def convert(self, value, param, ctx):
        """The number; NaN, which no comparison ever exceeds, is none."""
        number = click.FLOAT.convert(value, param, ctx)
        if not 0 <= number <= 1:
            self.fail(f"must be from 0 to 1, got {value}", param, ctx)
        return number


def folder(name, help, **attributes):
    """An option that takes a folder. Whether it exists is looked at later, with better advice."""
    return click.Option([name], type=click.Path(), metavar="DIR", help=help, **attributes)


def data_options(*, required):
    """--data, --groups and how they are read."""
    return [
        folder("--data", "sub-folders of images, or train/ of such"
            + ("" if required else " (phantoms)"), required=required),
        click.Option(["--groups"], type=click.Path(), metavar="CSV",
            help="table of file, patient_id; or PatientID for DICOM"),
        *reading_options(),
    ]  # fmt: skip


def reading_options():
    """What becomes of the files of a folder, as load_image_folder takes it."""
    sides = click.Choice([16, 32, 64, 128, 256])
    return [
        option("--image-size", 64, "side that images are resized to", type=sides, metavar="N"),
        option("--fit", "squash", "how an image becomes square",
            type=click.Choice(["squash", "pad", "crop"])),
        click.Option(["--percentiles"], type=float, nargs=2, metavar="LOW HIGH",
            help="those of the pixels that become black and white"),
        option("--on-error", "raise", "what becomes of broken files",
            type=click.Choice(["raise", "skip"])),
    ]  # fmt: skip


def gan_options(*, epochs, width, batch):
    """The GANs' options, with these defaults."""
    return [
        option("--gan-epochs", epochs, "epochs, of 34 steps, of each GAN", type=Whole(1),
            metavar="N"),
        option("--gan-width", width, "channels of the GAN's outermost layers", type=Whole(1),
            metavar="N"),
        option("--gan-batch", batch, "images in a step of the GAN", type=Whole(2), metavar="N"),
        option("--gan-recipe", "default", "paper, or what measures best",
            type=click.Choice(["default", "paper"]), metavar="NAME"),
    ]  # fmt: skip


def seed_option():
    """--seed."""
    return option("--seed", 0, "seed of all randomness", type=Whole(0), metavar="N")


def settings_of(args):
    """The options that decide the result, and the command."""
    return {name: value for name, value in vars(args).items() if name not in OUTPUT}


def say(args, text):
    """Print for people: on stderr where --json has stdout, and not at all under --quiet."""
    if not args.quiet:
        click.echo(text, err=args.json)


def tell(args, result):
    """Print the result for programs, if they asked."""
    if args.json:
        click.echo(json.dumps(result, indent=2))


def complain(args, error):
    """One line on stderr of what went wrong, and below it the files that the error lists."""
    message, line, listed = str(error).partition("\n  ")
    # The functions behind speak of their parameters.
    message = " ".join(message.split()).replace('on_error="skip"', "--on-error skip")
    heading = f"skcxr {args.command}: {colored('error:', 'red')} {message}"
    click.echo(heading + line + listed, err=True)


def colored(text, color):
    """`text` in bold and a colour, unless NO_COLOR is set; click drops it where no one looks."""
    return text if os.environ.get("NO_COLOR") else click.style(text, fg=color, bold=True)


def in_color(verdict):
    """An audit's verdict: red where there are copies, green where there is no sign of them."""
    return colored(verdict, {"copies found": "red", "suspicious": "yellow"}.get(verdict, "green"))


def shows_progress(args):
    """Whether there are bars: somebody looks at stderr, and wants them."""
    return not args.quiet and sys.stderr.isatty()


def load(args, path, groups=None):
    """The images of a folder, read as the options say; tells what is left out."""
    from skcxr.datasets import load_image_folder

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\d+ of \d+ files are left out")
        data = load_image_folder(
            path,
            image_size=args.image_size,
            fit=args.fit,
            percentiles=args.percentiles,
            on_error=args.on_error,
            groups=groups,
            n_jobs=-1,
            verbose=int(shows_progress(args)),
        )
    if data.skipped and not args.quiet:
        n_files = len(data.filenames) + len(data.skipped)
        click.echo(f"Left out of {path}: {len(data.skipped)} of {n_files} files", err=True)
        for name, reason in data.skipped.items():
            click.echo(f"  {name}: {reason}", err=True)
    return data


def gan_of(args, **params):
    """The DCGAN that the options ask for."""
    from skcxr import DCGAN

    recipe = DCGAN.paper if args.gan_recipe == "paper" else DCGAN
    return recipe(
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
