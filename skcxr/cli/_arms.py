"""The arms of `skcxr evaluate` and `skcxr fit`: ways to train a classifier, by name.

To add an arm, add a line to ARMS. Arms that add images come after "duplicates", their control.
"""

from collections.abc import Callable
from typing import NamedTuple

import click

from skcxr._base.text import format_count, join_names
from skcxr.cli._inputs import build_gan, describe_gans, describe_steps

# SMOTE's default number of neighbors, which small classes do not have.
K_NEIGHBORS = 5


class Arm(NamedTuple):
    """One way to train a classifier.

    Parameters
    ----------
    build : callable
        From the options and the number of images of the smallest class that the arm is trained on
        to an unfitted classifier or pipeline.
    meaning : str
        One line for people.
    describe : callable or None, default=None
        From the options to a line on its settings. None has no such line.
    """

    build: Callable
    meaning: str
    describe: Callable | None = None


def _build_classic(args, n_smallest):
    return _build_classifier(args)


def _build_probe(args, n_smallest):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from skcxr import CXRFeatures

    return make_pipeline(CXRFeatures(), StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))


def _build_pretrained(args, n_smallest):
    from skcxr import CXRClassifier

    return CXRClassifier.pretrained(random_state=args.seed)


def _build_duplicates(args, n_smallest):
    from skcxr.over_sampling import grow
    from skcxr.over_sampling._duplicates import DuplicateOversampler

    sampler = DuplicateOversampler(sampling_strategy=grow(args.grow), random_state=args.seed)
    return _build_pipeline("duplicates", sampler, args)


def _build_smote(args, n_smallest):
    from skcxr.over_sampling import ImageSMOTE, grow

    sampler = ImageSMOTE(
        sampling_strategy=grow(args.grow),
        k_neighbors=_count_neighbors(n_smallest),
        random_state=args.seed,
    )
    return _build_pipeline("smote", sampler, args)


def _build_dcgan(args, n_smallest):
    return _build_gan_pipeline(args, build_gan(args))


def _build_pool_dcgan(args, n_smallest):
    return _build_gan_pipeline(args, build_gan(args, weights=args.pool_weights))


def _build_pretrained_dcgan(args, n_smallest):
    from skcxr import DCGAN

    return _build_gan_pipeline(args, DCGAN.pretrained(image_size=args.image_size))


def _build_conditional(args, n_smallest):
    from skcxr import ConditionalDCGANOversampler
    from skcxr.over_sampling import grow

    sampler = ConditionalDCGANOversampler(
        build_gan(args), sampling_strategy=grow(args.grow), random_state=args.seed
    )
    return _build_pipeline("gan", sampler, args)


def _build_gan_pipeline(args, gan):
    from skcxr import DCGANOversampler
    from skcxr.over_sampling import grow

    sampler = DCGANOversampler(gan, sampling_strategy=grow(args.grow), random_state=args.seed)
    return _build_pipeline("gan", sampler, args)


def _build_classifier(args):
    from skcxr import CXRClassifier

    clf = CXRClassifier(random_state=args.seed)
    return clf if args.epochs is None else clf.set_params(max_epochs=args.epochs)


def _build_pipeline(name, sampler, args):
    from imblearn.pipeline import Pipeline

    return Pipeline([(name, sampler), ("clf", _build_classifier(args))])


def _count_neighbors(n_smallest):
    return min(K_NEIGHBORS, n_smallest - 1)


ARMS = {
    "classic": Arm(
        _build_classic,
        "Trains on real images only, with classic augmentation: small rotations, shifts and "
        "scalings.",
    ),
    "probe": Arm(
        _build_probe,
        "Logistic regression on the packaged features. Their network was trained on 2,012 labelled "
        "radiographs of the Kermany set. If your images are among them, this arm knows their "
        "classes, and its scores are too high.",
        lambda args: (
            "its network was trained on 2,012 labelled images of the Kermany set. If yours are "
            "among them, its scores are too high"
        ),
    ),
    "pretrained": Arm(
        _build_pretrained,
        "Fine-tunes the packaged classifier for 50 epochs. It was trained on 2,012 labelled "
        "radiographs of the Kermany set: if your images are among them, its scores are too high.",
    ),
    "duplicates": Arm(
        _build_duplicates,
        "Control: adds duplicates of real images, as many as the arms after it add other images. "
        "More images also mean more training steps, so only an improvement over this arm is due "
        "to what the images show.",
    ),
    "smote": Arm(_build_smote, "Adds blends of two similar real images of a class."),
    "dcgan": Arm(
        _build_dcgan,
        "Adds synthetic images from one GAN per class. The GANs are trained inside each fold and "
        "never see the images on which the classifier is tested.",
        describe_gans,
    ),
    "conditional": Arm(
        _build_conditional,
        "Adds synthetic images from one GAN for all classes, which is trained inside each fold.",
        lambda args: f"one GAN for all classes, {describe_steps(args)}",
    ),
    "pretrained-dcgan": Arm(
        _build_pretrained_dcgan,
        "Adds synthetic images from one GAN per class, which starts from the packaged GAN. That "
        "GAN was trained on 2,012 radiographs of the Kermany set: if your images are among them, "
        "the scores are too high.",
    ),
    "pool-dcgan": Arm(
        _build_pool_dcgan,
        "Adds synthetic images from one GAN per class, which starts from a GAN that was trained on "
        "the pool, without labels.",
        describe_gans,
    ),
}
CONTROL = "duplicates"
POOL_ARM = "pool-dcgan"
# That of the packaged GAN.
PACKAGED_IMAGE_SIZE = 64
DEFAULT_ARMS = ("classic", "duplicates", "smote", "dcgan")


def parse_arms(ctx, param, values):
    """Return the names of the arms that an option asks for, in the order of ARMS.

    The control is added if an arm needs it. Names are repeated options or lists with commas.
    """
    names = {name.strip() for value in values for name in value.split(",")}
    unknown = sorted(names - set(ARMS))
    if unknown:
        raise click.BadParameter(
            f"{unknown[0]!r} is not an arm. Choose from {', '.join(ARMS)}.", ctx, param
        )
    return _complete(names)


def add_pool_arm(args):
    """Add the arm of the pool to ``--arms``, and its control, if there is a pool."""
    if args.pool is not None:
        args.arms = _complete({*args.arms, POOL_ARM})


def check_arms(args):
    """Refuse arms that lack another option.

    Raises
    ------
    ValueError
        If an arm needs a pool or images of another size, or if no arm uses the pool.
    """
    if POOL_ARM in args.arms and args.pool is None:
        raise ValueError(f"Arm {POOL_ARM} needs --pool, a folder of further images.")
    if POOL_ARM not in args.arms and args.pool is not None:
        raise ValueError(
            f"Only arm {POOL_ARM} uses --pool {args.pool}. Choose it, or leave it out."
        )
    if "pretrained-dcgan" in args.arms and args.image_size != PACKAGED_IMAGE_SIZE:
        raise ValueError(
            f"Arm pretrained-dcgan needs --image-size {PACKAGED_IMAGE_SIZE}, that of its GAN; got "
            f"{args.image_size}."
        )


def adds_images(name):
    """Return whether an arm adds images, as all after the control do."""
    order = list(ARMS)
    return order.index(name) > order.index(CONTROL)


def _complete(names):
    """Return the names in the order of ARMS, and the control if one of them needs it."""
    needs_control = any(adds_images(name) for name in names)
    return [name for name in ARMS if name in names or (name == CONTROL and needs_control)]


def build_arms(args, n_smallest):
    """Return the arms of --arms, by name."""
    return {name: ARMS[name].build(args, n_smallest) for name in args.arms}


def describe_arms(args, n_smallest):
    """Return lines on the settings of the arms of --arms."""
    lines = [f"Arms: {', '.join(args.arms)}"]
    growing = [name for name in args.arms if name == CONTROL or adds_images(name)]
    if growing:
        verb = "grows" if len(growing) == 1 else "grow"
        names = join_names(growing)
        noun = "Arm" if len(growing) == 1 else "Arms"
        lines.append(f"{noun} {names} {verb} each class to {args.grow:g} times its size")
    if "smote" in args.arms and _count_neighbors(n_smallest) < K_NEIGHBORS:
        count = format_count(n_smallest, "training image")
        lines.append(
            f"Arm smote: {format_count(_count_neighbors(n_smallest), 'neighbor')} in place of "
            f"{K_NEIGHBORS}, since a class has only {count} in a fold"
        )
    for name in args.arms:
        describe = ARMS[name].describe
        if describe is not None:
            lines.append(f"Arm {name}: {describe(args)}")
    return lines
