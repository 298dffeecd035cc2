"""Options that several commands share.

Parsing uses click: it completes in three shells, depends on no other package and takes a twentieth
of a second to import. typer, which builds on click, would add rich.
"""

import math

import click

STEPS_PER_EPOCH = 34  # DCGAN's default


def combine_options(*options):
    """Return a decorator that adds click options to a command, in this order."""

    def decorate(function):
        # As in a stack of decorators, the last one is applied first.
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def refuse_nan(ctx, param, value):
    """Return `value`, unless it is NaN, which `click.FloatRange` accepts."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("nan is not a number. Pass a number.", ctx, param)
    return value


add_data_option = click.option(
    "--data",
    type=click.Path(),
    metavar="DIR",
    required=True,
    help="images, one folder per class",
)

add_groups_option = click.option(
    "--groups",
    type=click.Path(),
    metavar="CSV",
    help="table of file and patient_id, or PatientID (DICOM)",
)

add_file_options = combine_options(
    click.option(
        "--on-error",
        default="raise",
        type=click.Choice(["raise", "skip"]),
        help="how to handle unreadable files",
    ),
    click.option(
        "--max-pixels",
        type=click.IntRange(min=1),
        metavar="N",
        show_default="89e6",
        help="largest image that is read",
    ),
)

add_reading_options = combine_options(
    click.option(
        "--image-size",
        default=64,
        type=click.Choice([16, 32, 64, 128, 256]),
        metavar="N",
        help="image side: 16, 32, 64, 128 or 256",
    ),
    click.option(
        "--fit",
        default="squash",
        type=click.Choice(["squash", "pad", "crop"]),
        help="how images become square",
    ),
    click.option(
        "--percentiles",
        type=float,
        nargs=2,
        metavar="LOW HIGH",
        help="pixel percentiles mapped to black and white",
    ),
    add_file_options,
)

add_cv_option = click.option(
    "--cv", default=4, type=click.IntRange(min=2), metavar="K", help="number of folds"
)

add_grow_option = click.option(
    "--grow", default=2.0, type=float, metavar="F", help="factor by which classes grow"
)

add_fits_option = click.option(
    "--n-jobs",
    type=click.IntRange(min=1),
    metavar="N",
    show_default="cores; 1 on a GPU",
    help="parallel fits",
)

add_seed_option = click.option(
    "--seed", default=0, type=click.IntRange(min=0), metavar="N", help="random seed"
)

add_output_options = combine_options(
    click.option("-q", "--quiet", is_flag=True, help="print nothing but errors"),
    click.option("--json", is_flag=True, help="print JSON to stdout, all else to stderr"),
)


def add_gan_options(*, epochs, width, batch):
    """Return a decorator that adds the options of the GANs, with these defaults."""
    return combine_options(
        click.option(
            "--gan-epochs",
            default=epochs,
            type=click.IntRange(min=1),
            metavar="N",
            help=f"epochs per GAN, {STEPS_PER_EPOCH} steps each",
        ),
        click.option(
            "--gan-width",
            default=width,
            type=click.IntRange(min=1),
            metavar="N",
            help="channels of outer GAN layers",
        ),
        click.option(
            "--gan-batch",
            default=batch,
            type=click.IntRange(min=2),
            metavar="N",
            help="images per GAN step",
        ),
        click.option(
            "--gan-recipe",
            default="default",
            type=click.Choice(["default", "paper"]),
            metavar="NAME",
            show_default=False,
            help="default (best measured) or paper",
        ),
    )


def collect_settings(args):
    """Return the running command's options that decide its result, in the order of its help."""
    names = [param.name for param in click.get_current_context().command.params]
    return {name: getattr(args, name) for name in names if name not in ("quiet", "json")}
