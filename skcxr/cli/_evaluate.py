"""skcxr evaluate: do synthetic images help?"""

from functools import partial

import click

from skcxr.cli._options import (
    EXIT_DIVERGED,
    EXIT_INTERRUPTED,
    Whole,
    command,
    complain,
    data_options,
    folder,
    gan_of,
    gan_options,
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

N_PHANTOMS = 120


COMMAND = command(
    "evaluate",
    summary="do synthetic images help? cross-validate with and without",
    description="Do synthetic images help? Cross-validate a classifier on the same folds with "
    "classic augmentation alone, with duplicates of training images, and with as many synthetic "
    "ones. The defaults give a quick look; the paper's GAN is --gan-recipe paper --gan-epochs 200 "
    "--gan-width 64 --gan-batch 32.",
    example="skcxr evaluate --data images --groups patients.csv --gan-epochs 100",
    exit_codes="0 done; 1 a GAN diverged; 2 bad input; 130 interrupted",
    params=[
        *data_options(required=False),
        option("--cv", 4, "folds", type=Whole(2), metavar="K"),
        option("--epochs", help="the classifier's epochs", type=Whole(1), metavar="N"),
        *gan_options(epochs=8, width=12, batch=16),
        option("--grow", 2.0, "each class grows to F times its size", type=float, metavar="F"),
        option("--n-jobs", help="fits at once (the cores; 1 with a GPU)", type=Whole(1),
            metavar="N"),
        seed_option(),
        folder("--out", "new folder for the results (in skcxr-results/)"),
    ],
)  # fmt: skip


def prepare(args):
    """Look at all input; returns what is to be called then, and returns the exit code."""
    # Imported here: `skcxr --help` should not wait for PyTorch.
    from skcxr.report._folder import Report, create_folder

    data = _load(args)
    cv, arms = _folds(args, data), _arms(args)
    settings = settings_of(args) | {"skipped": data.get("skipped", {})}
    report = Report(create_folder(args.out), data, arms, settings=settings)
    return partial(_evaluate, args, data, arms, cv, report)


def _load(args):
    """The images: those of --data, its train/ if it has one, or phantoms."""
    from skcxr.datasets import make_chest_phantoms

    if args.data is None:
        if args.groups is not None:
            raise ValueError("--groups needs --data.")
        return make_chest_phantoms(N_PHANTOMS, image_size=args.image_size, random_state=args.seed)
    data = load(args, args.data, args.groups)
    if data.split is not None:
        data = part_of(data, train_of(args, data))
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

    from skcxr import CXRClassifier, DCGANOversampler
    from skcxr.evaluation._compare import duplicates_of
    from skcxr.over_sampling._per_class import grow

    clf = CXRClassifier(random_state=args.seed)
    if args.epochs is not None:
        clf.set_params(max_epochs=args.epochs)
    sampler = DCGANOversampler(
        gan_of(args), sampling_strategy=grow(args.grow), random_state=args.seed
    )
    dcgan = Pipeline([("gan", sampler), ("clf", clf)])
    return {"classic": clf, "duplicates": duplicates_of(dcgan), "dcgan": dcgan}


def _evaluate(args, data, arms, cv, report):
    """Fit all arms on all folds, keep and print what comes."""
    from tqdm.auto import tqdm

    from skcxr.evaluation._compare import fit_folds

    say(args, _describe(args, data))
    groups, n_fits = data.groups if args.groups else None, args.cv * len(arms)
    n_jobs = args.n_jobs or _default_n_jobs(n_fits)
    results = fit_folds(arms, data.data, report.y, cv=cv, groups=groups, n_jobs=n_jobs)
    code = 0
    try:
        with tqdm(
            results,
            total=n_fits,
            desc="fits",
            bar_format="{desc} {n_fmt}/{total_fmt} {bar} {elapsed}{postfix}",
            disable=not shows_progress(args),
        ) as bar:
            for result in bar:
                report.add(result)
                bar.set_postfix_str(_time_left(report.fold_results, arms, args.cv, n_jobs))
    except KeyboardInterrupt:
        n_finished = len(report.fold_results)
        click.echo(f"Interrupted: {n_finished} of {n_fits} fits had finished.", err=True)
        code = EXIT_INTERRUPTED
    except FloatingPointError as error:
        complain(args, error)
        code = EXIT_DIVERGED
    report.write_summary()
    say(args, report.to_text())
    tell(args, report.to_dict())
    say(args, f"Results are in {report.folder}: see {report.folder / 'report.html'}")
    return code


def _time_left(finished, arms, n_folds, n_jobs):
    """How long the other fits will take, once a fit of each arm tells: arms differ a lot."""
    seconds = {arm: [r.seconds for r in finished if r.arm == arm] for arm in arms}
    if not all(seconds.values()):
        return ""
    left = sum((n_folds - len(took)) * sum(took) / len(took) for took in seconds.values())
    left = round(left / n_jobs)
    if not left:
        return ""
    return f"about {left // 60} min left" if left >= 90 else f"about {left} s left"


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
