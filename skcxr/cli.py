"""The command line: parses, calls, prints. Work is done by the modules that it imports."""

import argparse
import sys

from skcxr import __version__

EXIT_DIVERGED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130
N_PHANTOMS = 120


def _whole(least):
    """An argparse type: whole numbers from `least` on."""

    def parse(text):
        number = int(text)
        if number < least:
            raise argparse.ArgumentTypeError(f"must be {least} or more, got {text}")
        return number

    parse.__name__ = "whole number"
    return parse


def _parser():
    parser = argparse.ArgumentParser(
        prog="skcxr",
        description="Per-class DCGANs inside cross-validation for small chest X-ray sets.",
    )
    parser.add_argument("--version", action="version", version=f"skcxr {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    evaluate = commands.add_parser(
        "evaluate",
        help="do synthetic images help? cross-validate with and without them",
        description="Cross-validate a classifier on the same folds with classic augmentation "
        "alone, with duplicates of training images, and with as many synthetic ones instead. The "
        "defaults give a quick look; the paper's GAN is --gan-epochs 200 --gan-width 64 "
        "--gan-batch 32.",
        epilog="example: skcxr evaluate --data images --groups patients.csv --gan-epochs 100",
    )
    add = evaluate.add_argument
    add("--data", metavar="DIR", help="folder with a sub-folder of images a class, or with train/ "
        "and test/ of that form, whose train/ is used; default: procedural phantoms")  # fmt: skip
    add("--groups", metavar="CSV", help="table of file and patient_id: a patient's images stay in "
        "one fold")  # fmt: skip
    add("--image-size", type=int, default=64, choices=(16, 32, 64, 128, 256),
        help="side that images are resized to (64)")  # fmt: skip
    add("--cv", type=_whole(2), default=4, metavar="K", help="folds (4)")
    add("--epochs", type=_whole(1), metavar="N", help="the classifier's epochs")
    add("--gan-epochs", type=_whole(1), default=10, metavar="N",
        help="epochs, of 34 steps, of each GAN (10)")  # fmt: skip
    add("--gan-width", type=_whole(1), default=12, metavar="N",
        help="channels of the GAN's outermost layers (12)")  # fmt: skip
    add("--gan-batch", type=_whole(2), default=16, metavar="N",
        help="images in a step of the GAN (16)")  # fmt: skip
    add("--grow", type=float, default=2.0, metavar="F",
        help="each class grows to F times its size (2)")  # fmt: skip
    add("--n-jobs", type=_whole(1), metavar="N",
        help="fits at once (the cores; 1 where there is a GPU)")  # fmt: skip
    add("--seed", type=_whole(0), default=0, metavar="N", help="seed of all randomness (0)")
    add("--out", metavar="DIR", help="new or empty folder for the results; default: one named by "
        "the time, in skcxr-results/")  # fmt: skip
    return parser


def main(argv=None):
    """Run the command line; returns the exit code.

    0; 1 where training diverged; 2 for bad input; 130 when interrupted.
    """
    args = _parser().parse_args(argv)
    # Imported here: `skcxr --help` should not wait for PyTorch.
    from skcxr.report import Report, new_folder

    try:
        data = _load(args)
        cv, arms = _folds(args, data), _arms(args)
        report = Report(new_folder(args.out), data, arms, settings=vars(args))
    except (ValueError, OSError) as error:
        print(f"skcxr {args.command}: error: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return _evaluate(args, data, arms, cv, report)


def _load(args):
    """The images: those of --data, its train/ if it has one, or phantoms."""
    from skcxr.datasets import load_image_folder, make_chest_phantoms

    if args.data is None:
        if args.groups is not None:
            raise ValueError("--groups needs --data.")
        return make_chest_phantoms(N_PHANTOMS, image_size=args.image_size, random_state=args.seed)
    data = load_image_folder(args.data, image_size=args.image_size, groups=args.groups)
    if data.split is not None:
        train = data.split == "train"
        if not train.any():
            raise ValueError(f"--data {args.data} is split, but has no images in train/.")
        for name in ("images", "data", "target", "filenames", "groups"):
            if data[name] is not None:
                data[name] = data[name][train]
    return data


def _folds(args, data):
    """The splitter, after a look whether each class has enough images for its folds."""
    import numpy as np
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    grouped = args.groups is not None
    for k, name in enumerate(data.target_names.tolist()):
        rows = data.target == k
        n = len(np.unique(data.groups[rows])) if grouped else np.count_nonzero(rows)
        if n < args.cv:
            what = "patients" if grouped else "images"
            raise ValueError(
                f"class {name!r} has {n} {what}, fewer than --cv {args.cv} folds. Add images, or "
                "pass a smaller --cv."
            )
    splitter = StratifiedGroupKFold if grouped else StratifiedKFold
    cv = splitter(args.cv, shuffle=True, random_state=args.seed)
    for train, _ in cv.split(data.data, data.target, data.groups if grouped else None):
        counts = np.bincount(data.target[train], minlength=len(data.target_names))
        if counts.min() < 2:
            name = str(data.target_names[counts.argmin()])
            raise ValueError(
                f"class {name!r} would have {counts.min()} image to train on in one of the "
                f"--cv {args.cv} folds; a GAN needs two. Add images, or pass a larger --cv."
            )
    return cv


def _arms(args):
    """Classic augmentation alone, with duplicates of real images, and with synthetic images.

    The duplicates are the control: the classifier then takes as many steps as with the synthetic
    images, and sees none.
    """
    from imblearn.pipeline import Pipeline

    from skcxr import DCGAN, CXRClassifier, DCGANOversampler
    from skcxr.evaluation import duplicates_of
    from skcxr.over_sampling import grow

    clf = CXRClassifier(random_state=args.seed)
    if args.epochs is not None:
        clf.set_params(max_epochs=args.epochs)
    gan = DCGAN(
        image_size=args.image_size,
        base_width=args.gan_width,
        max_epochs=args.gan_epochs,
        batch_size=args.gan_batch,
        # The paper's rate at its width; narrower networks learn faster at a higher one.
        lr=2e-4 * 64 / args.gan_width,
    )
    sampler = DCGANOversampler(gan, sampling_strategy=grow(args.grow), random_state=args.seed)
    dcgan = Pipeline([("gan", sampler), ("clf", clf)])
    return {"classic": clf, "duplicates": duplicates_of(dcgan), "dcgan": dcgan}


def _evaluate(args, data, arms, cv, report):
    """Fit all arms on all folds, keep and print what comes."""
    from tqdm.auto import tqdm

    from skcxr.evaluation import fit_folds

    print(_describe(args, data))
    groups, n_fits = data.groups if args.groups else None, args.cv * len(arms)
    n_jobs = args.n_jobs or _default_n_jobs(n_fits)
    results = fit_folds(arms, data.data, report.y, cv=cv, groups=groups, n_jobs=n_jobs)
    code = 0
    try:
        # disable=None: no bar where the output is piped.
        with tqdm(results, total=n_fits, desc="folds x arms", unit="fit", disable=None) as bar:
            for result in bar:
                report.add(result)
    except KeyboardInterrupt:
        print(
            f"Interrupted: {len(report.fold_results)} of {n_fits} fits had finished.",
            file=sys.stderr,
        )
        code = EXIT_INTERRUPTED
    except FloatingPointError as error:
        print(f"skcxr {args.command}: error: {error}", file=sys.stderr)
        code = EXIT_DIVERGED
    print(report.summarize())
    print(f"Results are in {report.folder}")
    return code


def _default_n_jobs(n_fits):
    """A process a core: networks this small gain little from threads. A GPU takes one at a time."""
    import torch
    from joblib import cpu_count

    return 1 if torch.cuda.is_available() else min(cpu_count(), n_fits)


def _describe(args, data):
    """One paragraph on what is about to run."""
    import numpy as np

    counts = np.bincount(data.target, minlength=len(data.target_names))
    classes = ", ".join(f"{name} {n}" for name, n in zip(data.target_names, counts, strict=True))
    return (
        f"{args.data or 'Phantoms (pass --data for your own images)'}: {classes}\n"
        f"{args.cv} folds{', patients kept together' if args.groups else ''}; arms duplicates "
        f"and dcgan add {args.grow - 1:.3g} images for each real one; one GAN a class, of width "
        f"{args.gan_width}, trained for {args.gan_epochs * 34} steps of {args.gan_batch}\n"
    )
