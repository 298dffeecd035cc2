"""skcxr evaluate: which way to train is best, and do synthetic images help?"""

from types import SimpleNamespace

import click

from skcxr._base.text import format_count
from skcxr.cli._arms import (
    ARMS,
    DEFAULT_ARMS,
    POOL_ARM,
    add_pool_arm,
    build_arms,
    check_arms,
    describe_arms,
    parse_arms,
)
from skcxr.cli._check import check_images, format_check
from skcxr.cli._folds import build_splits, choose_n_jobs
from skcxr.cli._inputs import describe_classes, keep_training_images, load_folder
from skcxr.cli._options import (
    add_cv_option,
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
from skcxr.cli._phantoms import PHANTOM_EPOCHS, make_flawed_phantoms
from skcxr.cli._pool import CHECKPOINTS, add_pool_options, prepare_pool
from skcxr.cli._printing import (
    EXIT_DIVERGED,
    EXIT_INTERRUPTED,
    echo,
    is_progress_shown,
    print_error,
    print_json,
    print_text,
)

# Number of simulated images in a plan, over all simulations: about a second.
MAX_SIMULATED = 5_000_000


@click.command(
    help="Compare ways to train, with and without synthetic images.\n\n"
    f"Each arm is one way to train: {', '.join(ARMS)}. All use the same folds, and "
    "duplicates is the control of the arms after it. If DIR has train/ and test/, only train/ is "
    "used. For the paper's GANs, pass --gan-recipe paper --gan-epochs 200 --gan-width 64 "
    "--gan-batch 32.",
    epilog="\b\nExample: skcxr evaluate --data images --groups patients.csv --gan-epochs 100\n"
    "Exit codes: 0 done; 1 a GAN diverged; 2 bad input; 130 interrupted",
)
@click.option(
    "--data",
    type=click.Path(),
    metavar="DIR",
    show_default="phantoms",
    help="images, one folder per class",
)
@add_groups_option
@add_reading_options
@click.option(
    "--arms",
    multiple=True,
    default=[",".join(DEFAULT_ARMS)],
    callback=parse_arms,
    metavar="NAMES",
    show_default=",".join(DEFAULT_ARMS),
    help="arms",
)
@add_cv_option
@click.option(
    "--repeats",
    default=1,
    type=click.IntRange(min=1),
    metavar="N",
    help="repeated splits into folds",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    metavar="N",
    show_default="150",
    help=f"epochs (phantoms: {PHANTOM_EPOCHS})",
)
@add_gan_options(epochs=8, width=12, batch=16)
@add_pool_options
@add_grow_option
@click.option(
    "--curve/--no-curve",
    default=None,
    show_default="with --data",
    help="baseline's learning curve",
)
@add_fits_option
@add_seed_option
@click.option(
    "--out",
    type=click.Path(),
    metavar="DIR",
    show_default="in skcxr-results/",
    help="new results folder",
)
@add_output_options
def evaluate(**options):
    """Compare arms on the same cross-validation folds."""
    # PyTorch is imported inside functions so that `skcxr --help` stays fast.
    from skcxr._base.files import check_empty, check_writable
    from skcxr.report._folder import PARENT, Report, create_folder

    args = SimpleNamespace(**options)
    add_pool_arm(args)
    check_arms(args)
    if args.out is None:
        check_writable(PARENT)
    else:
        check_empty(args.out)
    labelled = _load_images(args)
    data = keep_training_images(args, labelled)
    check = check_images(args, data)
    groups = None
    near_duplicates = []
    if args.data is not None:
        groups, near_duplicates = join_near_duplicates(args, data, check)
    splits, n_smallest = build_splits(args, data, groups, args.repeats)
    # The pool's weights are not known yet.
    args.pool_weights = None
    arms = build_arms(args, n_smallest)
    plan = _plan_comparison(data, splits, groups, n_compared=len(args.arms) - 1)
    folder = create_folder(args.out)
    print_text(args, _describe_images(args, data))
    print_text(args, f"{format_check(check)}\n")
    pool = prepare_pool(args, labelled, folder / "pool.safetensors", folder.parent / CHECKPOINTS)
    if pool is not None:
        arms[POOL_ARM].set_params(gan__estimator__weights=pool.weights)
    settings = {
        "command": "evaluate",
        **collect_settings(args),
        "arms": {name: ARMS[name].meaning for name in arms},
        "skipped": data.get("skipped", {}),
        "unused": data.get("unused", {}),
        "near_duplicates": near_duplicates,
        "plan": plan.to_dict(),
        "pool_record": None if pool is None else pool.record,
        "pretraining_overlap": _find_overlap(args, arms, data),
    }
    audited = (POOL_ARM, pool.images) if pool is not None and pool.images is not None else None
    report = Report(folder, data, arms, settings, groups, check, audited)
    print_text(args, _describe_run(args, n_smallest))
    print_text(args, f"{plan.reading} {plan.basis}\n")
    return _run_fits(args, data, arms, splits, groups, report)


def _load_images(args):
    """Return the images of --data, or phantoms without --data."""
    if args.data is None:
        if args.groups is not None:
            raise ValueError("--groups needs --data.")
        args.epochs = args.epochs or PHANTOM_EPOCHS
        return make_flawed_phantoms(args.image_size, args.seed)
    return load_folder(args, args.data, args.groups)


def _find_overlap(args, arms, data):
    """Return the files that each arm's weights were trained on, and print how many there are.

    Without a folder, phantoms have no files; they are not among the training images of weights.
    """
    from skcxr.evaluation._pretraining import find_overlap_by_arm

    if args.data is None:
        return {}
    found = {}
    for name, overlap in find_overlap_by_arm(arms, data.images).items():
        files = data.filenames[overlap].tolist()
        if files:
            found[name] = files
            if not args.quiet:
                echo(
                    f"The weights of arm {name} were trained on "
                    f"{format_count(len(files), 'image')} of --data, such as {files[0]}: its "
                    "scores are too high",
                    err=True,
                )
    return found


def _plan_comparison(data, splits, groups, n_compared):
    """Return the power of this comparison, with the default assumptions about its arms."""
    from skcxr.evaluation import plan

    # Of several arms, the first that is better must be so at Holm's strictest level.
    level = 1 - 0.05 / max(n_compared, 1)
    # Large data sets need fewer simulations, whose memory and time grow with the images.
    n_simulations = max(100, min(1000, MAX_SIMULATED // len(data.target)))
    return plan(data.target, groups=groups, cv=splits, level=level, n_simulations=n_simulations)


def _run_fits(args, data, arms, splits, groups, report):
    """Fit all arms on all folds, write and print the results, and return the exit code."""
    from tqdm.auto import tqdm

    from skcxr.evaluation import fit_folds
    from skcxr.evaluation._folds import ADVICE

    n_folds = args.cv * args.repeats
    n_fits = n_folds * len(arms)
    n_jobs = args.n_jobs or choose_n_jobs(n_fits)
    results = fit_folds(arms, data.data, report.y, cv=splits, groups=groups, n_jobs=n_jobs)
    code = 0
    try:
        with tqdm(
            results,
            total=n_fits,
            desc="fits",
            bar_format="{desc} {n_fmt}/{total_fmt} {bar} {elapsed}{postfix}",
            disable=not is_progress_shown(args),
        ) as bar:
            for result in bar:
                report.add(result)
                bar.set_postfix_str(_estimate_time_left(report.fold_results, arms, n_folds, n_jobs))
        # Phantoms only show what the command does: their curve would take time for nothing.
        if args.curve or (args.curve is None and args.data is not None):
            report.learning_curve = _fit_learning_curve(args, data, arms, splits, groups, report)
    except KeyboardInterrupt:
        n_finished = len(report.fold_results)
        echo(f"Interrupted: {n_finished} of {n_fits} fits had finished.", err=True)
        code = EXIT_INTERRUPTED
    except FloatingPointError as error:
        print_error("evaluate", str(error).removesuffix(f" {ADVICE}"))
        code = EXIT_DIVERGED
    report.write_summary()
    print_text(args, report.to_text())
    print_json(args, report.to_dict())
    page = report.folder / "report.html"
    print_text(args, f"Results are in {report.folder}" + (f": see {page}" if page.exists() else ""))
    return code


def _fit_learning_curve(args, data, arms, splits, groups, report):
    """Return the learning curve of the baseline, whose fits on all patients have finished."""
    from skcxr.evaluation import learning_curve

    baseline = report.arms[0]
    finished = {r.fold: r.scores["accuracy"] for r in report.fold_results if r.arm == baseline}
    if is_progress_shown(args):
        echo(f"Learning curve: training {baseline} on 25, 50 and 75 % of the patients", err=True)
    return learning_curve(
        arms[baseline],
        data.data,
        report.y,
        groups=groups,
        cv=splits,
        full_scores=[finished[fold] for fold in sorted(finished)],
        n_jobs=args.n_jobs or choose_n_jobs(3 * args.cv * args.repeats),
        random_state=args.seed,
    )


def _estimate_time_left(finished, arms, n_folds, n_jobs):
    """Return the estimated time of the other fits as text.

    Arms differ a lot, so the text is empty until one fit of each arm has finished.
    """
    seconds = {arm: [r.seconds for r in finished if r.arm == arm] for arm in arms}
    if not all(seconds.values()):
        return ""
    left = sum((n_folds - len(took)) * sum(took) / len(took) for took in seconds.values())
    left = round(left / n_jobs)
    if not left:
        return ""
    return f"about {left // 60} min left" if left >= 90 else f"about {left} s left"


def _describe_images(args, data):
    """Return a paragraph on the images."""
    source = args.data or "Phantoms (pass --data for your own images)"
    lines = [f"{source}: {describe_classes(data)}"]
    if args.data is None:
        lines.append(data.DESCR)
    return "\n".join(lines) + "\n"


def _describe_run(args, n_smallest):
    """Return a paragraph on what is about to run."""
    folds = f"{args.cv} folds"
    if args.repeats > 1:
        folds += f", repeated {args.repeats} times"
    if args.groups is not None:
        folds += ", all images of a patient in the same fold"
    return "\n".join([folds, *describe_arms(args, n_smallest)]) + "\n"
