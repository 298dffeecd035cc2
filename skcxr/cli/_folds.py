"""The folds that commands use, refused before anything is trained if a class is too small."""

from skcxr._base.text import format_count


def build_splits(args, data, groups, n_repeats=1):
    """Return the folds, and the number of training images of the smallest class in a fold.

    Parameters
    ----------
    args : namespace
        The options.
    data : Bunch
        Images.
    groups : ndarray of shape (n,) or None
        Their patients, who stay in one fold.
    n_repeats : int, default=1
        Number of times that the images are split, each time differently.

    Returns
    -------
    splits : list of (ndarray, ndarray)
        Training and test rows of each fold, of all repeats.
    n_smallest : int

    Raises
    ------
    ValueError
        If a class has too few images for its folds.
    """
    import numpy as np

    from skcxr.evaluation._folds import split_shuffled

    names = data.target_names[np.unique(data.target)].tolist()
    if len(names) < 2:
        raise ValueError(
            f"A classifier needs two classes, got {names} alone. Pass a --data with a sub-folder "
            "per class."
        )
    grouped = groups is not None
    noun = "patient" if args.groups else "distinct image" if grouped else "image"
    for k, name in enumerate(data.target_names.tolist()):
        rows = data.target == k
        n = len(np.unique(groups[rows])) if grouped else np.count_nonzero(rows)
        if n < args.cv:
            raise ValueError(
                f"class {name!r} has {format_count(n, noun)}, fewer "
                f"than --cv {args.cv} folds. Add images, or pass a smaller --cv."
            )
    splits = split_shuffled(
        data.target, groups, args.cv, n_repeats=n_repeats, random_state=args.seed
    )
    n_smallest = len(data.target)
    for train, _ in splits:
        counts = np.bincount(data.target[train], minlength=len(data.target_names))
        if counts.min() < 2:
            name = str(data.target_names[counts.argmin()])
            raise ValueError(
                f"class {name!r} would have {format_count(counts.min(), 'image')} to train on in "
                f"one of the --cv {args.cv} folds; a GAN needs two. Add images, or pass a larger "
                "--cv."
            )
        n_smallest = min(n_smallest, int(counts.min()))
    return splits, n_smallest


def choose_n_jobs(n_fits):
    """Return one job per core, since threads speed up small networks little; 1 on a GPU."""
    import torch
    from joblib import cpu_count

    return 1 if torch.cuda.is_available() else min(cpu_count(), n_fits)


def split_for_calibration(args, y, groups):
    """Return the folds of a calibration: pairs of training and calibration rows.

    Parameters
    ----------
    args : namespace
        The options.
    y : ndarray of shape (n,)
        Classes of the images that the calibrated model is trained on.
    groups : ndarray of shape (n,) or None
        Their patients, who stay in one fold.

    Raises
    ------
    ValueError
        If a class has too few images.
    """
    import numpy as np

    from skcxr.evaluation._folds import split_shuffled

    classes = np.unique(y)
    units = np.arange(len(y)) if groups is None else groups
    n_units = min(len(np.unique(units[y == k])) for k in classes)
    n_folds = min(args.cv, n_units)
    splits = []
    if n_folds > 1:
        splits = split_shuffled(y, groups, n_folds, random_state=args.seed)
    if not splits or count_smallest(y, splits) < 2:
        raise ValueError(
            "--calibrate splits the training images of each fold again, and a class would have "
            "fewer than 2 images to train on. Add images, or leave out --calibrate."
        )
    return splits


def count_smallest(y, splits):
    """Return the number of training images of the smallest class in any of the splits."""
    import numpy as np

    _, codes = np.unique(y, return_inverse=True)
    return min(
        int(np.bincount(codes[train], minlength=codes.max() + 1).min()) for train, _ in splits
    )
