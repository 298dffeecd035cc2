"""skcxr fit: a model to take home, with its figures and its intended use."""

from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import click

from skcxr._version import __version__
from skcxr.cli._arms import ARMS, check_arms, describe_arms
from skcxr.cli._folds import build_splits, choose_n_jobs, count_smallest, split_for_calibration
from skcxr.cli._inputs import describe_classes, keep_training_images, load_folder
from skcxr.cli._options import (
    add_cv_option,
    add_data_option,
    add_fits_option,
    add_gan_options,
    add_groups_option,
    add_grow_option,
    add_output_options,
    add_reading_options,
    add_seed_option,
    collect_settings,
)
from skcxr.cli._overlap import join_near_duplicates
from skcxr.cli._pool import CHECKPOINTS, add_pool_options, locate_pool_weights, prepare_pool
from skcxr.cli._printing import is_progress_shown, print_json, print_text

PARENT = "skcxr-models"
USAGE = "skcxr predict --model FOLDER --data IMAGES --out predictions.csv"


@click.command(
    epilog="\b\nExample: skcxr fit --data images --groups patients.csv --arm smote\n"
    "Exit codes: 0 done; 1 a GAN diverged; 2 bad input; 130 interrupted"
)
@add_data_option
@add_groups_option
@add_reading_options
@click.option(
    "--arm",
    type=click.Choice(list(ARMS)),
    metavar="NAME",
    required=True,
    help="way to train, as in evaluate",
)
@click.option("--calibrate", is_flag=True, help="calibrate probabilities on held-out folds")
@add_cv_option
@click.option(
    "--epochs", type=click.IntRange(min=1), metavar="N", show_default="150", help="epochs"
)
@add_gan_options(epochs=8, width=12, batch=16)
@add_pool_options
@add_grow_option
@add_fits_option
@add_seed_option
@click.option(
    "--out",
    type=click.Path(),
    metavar="DIR",
    show_default="in skcxr-models/",
    help="new model folder",
)
@add_output_options
def fit(**options):
    """Train an arm on all images and write a model folder.

    The folder holds the model, its settings, and README.md: a page with figures from
    cross-validation and the intended use. Loading the model runs no code. If DIR has train/ and
    test/, only train/ is used. With --groups, all images of a patient are in one fold.
    """
    # PyTorch is imported inside functions so that `skcxr --help` stays fast.
    from skcxr._base.files import check_empty, check_writable, reserve_folder
    from skcxr.report._model_folder import import_skops

    args = SimpleNamespace(**options)
    args.arms = [args.arm]
    check_arms(args)
    if args.out is None:
        check_writable(PARENT)
    else:
        check_empty(args.out)
    import_skops()
    labelled = load_folder(args, args.data, args.groups)
    data = keep_training_images(args, labelled)
    groups, _ = join_near_duplicates(args, data)
    splits, _ = build_splits(args, data, groups)
    with reserve_folder(args.out, parent=PARENT) as folder:
        args.pool_weights = locate_pool_weights(args, folder)
        fits = _plan_fits(args, data, groups, splits)
        checkpoints = args.pool_weights.parent / CHECKPOINTS
        prepare_pool(args, labelled, args.pool_weights, checkpoints)
        return _fit_and_write(args, data, fits, folder)


def _plan_fits(args, data, groups, splits):
    """Return (estimator, training rows, test rows) of each fold, and last of the whole set.

    Raises
    ------
    ValueError
        If a class is too small to be calibrated, or if a parameter of the arm is invalid.
    """
    import numpy as np

    all_rows = np.arange(len(data.target))
    fits = []
    for train, test in [*splits, (all_rows, all_rows[:0])]:
        y = data.target[train]
        inner = [(np.arange(len(y)), None)]
        if args.calibrate:
            inner = split_for_calibration(args, y, None if groups is None else groups[train])
        estimator = ARMS[args.arm].build(args, count_smallest(y, inner))
        if args.calibrate:
            estimator = _calibrate(estimator, inner)
        fits.append((estimator, train, test))
    return fits


def _calibrate(estimator, splits):
    """Return the estimator with probabilities that are calibrated on these splits."""
    from sklearn.calibration import CalibratedClassifierCV

    # One model, trained on all images, in place of one per fold.
    return CalibratedClassifierCV(estimator, method=choose_method(), cv=splits, ensemble=False)


def choose_method():
    """Return "temperature", which keeps predicted classes, or "sigmoid" for old scikit-learn."""
    import sklearn

    version = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
    return "temperature" if version >= (1, 8) else "sigmoid"


def _fit_and_write(args, data, fits, folder):
    """Fit the folds and the model, write and print the results, and return the exit code."""
    from skcxr.evaluation._comparison import Comparison
    from skcxr.report._model_card import format_card
    from skcxr.report._model_folder import drop_samplers, write_model

    print_text(args, _describe_run(args, data, len(fits)))
    y = data.target_names[data.target]
    *results, model = _run_fits(args, data.data, y, fits)
    comparison = Comparison.of(results, y, arms=[args.arm], baseline=args.arm)
    record = _build_record(args, data, comparison)
    write_model(folder, drop_samplers(model), record, format_card(record, comparison, USAGE))
    figures = record["figures"]
    print_text(
        args,
        f"Accuracy {figures['accuracy']:.3f}, balanced accuracy "
        f"{figures['balanced_accuracy']:.3f}, calibration error "
        f"{figures['calibration_error']:.3f}, each image predicted by a model trained without it\n"
        f"{comparison.report(args.arm).to_string(float_format='{:.3f}'.format)}\n\n"
        f"The model is in {folder}: see {folder / 'README.md'}",
    )
    names = ("arm", "classes", "calibration", "training_set", "figures")
    print_json(args, {"folder": str(folder), **{name: record[name] for name in names}})
    return 0


def _describe_run(args, data, n_fits):
    import numpy as np

    n_smallest = int(np.bincount(data.target, minlength=len(data.target_names)).min())
    lines = [
        f"{args.data}: {describe_classes(data)}",
        f"{n_fits - 1} folds, and then all images",
        *describe_arms(args, n_smallest),
    ]
    return "\n".join(lines) + "\n"


def _run_fits(args, X, y, fits):
    """Return the FoldResult of each fold, and the model of all images."""
    from joblib import Parallel, delayed
    from tqdm.auto import tqdm

    from skcxr._base.parallel import choose_return_as

    n_jobs = args.n_jobs or choose_n_jobs(len(fits))
    parallel = Parallel(n_jobs=n_jobs, return_as=choose_return_as("generator"))
    tasks = (
        delayed(_fit_one)(args.arm, estimator, fold, train, test, X, y)
        for fold, (estimator, train, test) in enumerate(fits)
    )
    bar = tqdm(parallel(tasks), total=len(fits), desc="fits", disable=not is_progress_shown(args))
    return list(bar)


def _fit_one(arm, estimator, fold, train, test, X, y):
    """Return the FoldResult of a fold, or the model if there are no test images."""
    from dataclasses import replace

    from skcxr.evaluation import fit_folds
    from skcxr.evaluation._folds import ADVICE

    if not len(test):
        return estimator.fit(X[train], y[train])
    try:
        (result,) = fit_folds({arm: estimator}, X, y, cv=[(train, test)], return_estimator=False)
    except FloatingPointError as error:
        raise FloatingPointError(str(error).removesuffix(f" {ADVICE}")) from error
    return replace(result, fold=fold)


def _build_record(args, data, comparison):
    """Return what a prediction and the model card need to know, as JSON's types."""
    import numpy as np

    from skcxr.datasets._export import fingerprint_training_set
    from skcxr.datasets._image_ranges import describe_range
    from skcxr.datasets._near_duplicates import compute_fingerprints

    y = data.target_names[data.target]
    report = comparison.report(args.arm)
    return {
        "skcxr": __version__,
        "created": datetime.now().isoformat(" ", "minutes"),
        "arm": args.arm,
        "meaning": ARMS[args.arm].meaning,
        "calibration": choose_method() if args.calibrate else None,
        "classes": np.unique(y).tolist(),
        "training_set": {
            **fingerprint_training_set(data.data, y),
            "n_patients": None if data.groups is None else len(set(data.groups)),
        },
        "figures": {
            "accuracy": float(report.attrs["accuracy"]),
            "balanced_accuracy": float(report.attrs["balanced_accuracy"]),
            "calibration_error": float(comparison.summary.loc[args.arm, "calibration_error"]),
        },
        "ranges": describe_range(data.images, data.metadata),
        # The path of the images may name a person or a project.
        "settings": collect_settings(args) | {"data": Path(args.data).resolve().name},
        "fingerprints": [row.tobytes().hex() for row in compute_fingerprints(data.images)],
    }
