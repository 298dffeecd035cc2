"""Did a generator copy its training images? Distances, and what two attackers would find."""

from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from skcxr._base.images import ImageSpec
from skcxr.metrics._audit._distances import Space, pixels
from skcxr.metrics._audit._result import (
    AUTHENTICITY,
    C_T,
    C_T_ALARM,
    COPIED,
    LEVEL,
    MEMBERSHIP,
    SHARE,
    AuditResult,
    SuspiciousPair,
    in_words,
    verdict_of,
)
from skcxr.metrics._audit._statistics import (
    authenticity,
    copying_score,
    distance_ratios,
    membership_auc,
    nearer_to_train,
)
from skcxr.metrics.features import feature_extractor, standardize_features


@validate_params(
    {
        "synthetic": ["array-like"],
        "train": ["array-like"],
        "holdout": ["array-like"],
        "image_shape": [tuple, list, None],
        # The permutation test's p-values are no finer than 1 / (n_bootstrap + 1).
        "n_bootstrap": [Interval(Integral, 200, None, closed="left")],
        "n_pairs": [Interval(Integral, 0, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def audit(
    synthetic,
    train,
    holdout,
    *,
    features="cxr",
    discriminator=None,
    image_shape=None,
    n_bootstrap=1000,
    n_pairs=8,
    random_state=None,
):
    """Look for training images in synthetic ones, by what an honest image would look like.

    Everything is calibrated by the hold-out set: images of the same kind that the generator never
    saw. A distance is the smallest one to a real image and its mirror image, in two spaces:

    - pixels: at most 32 by 32, blurred (standard deviation 1), of mean 0 and norm 1, so that
      noise, brightness and contrast hide no copy; nor do shifts by 1/64 of a side (1 pixel at
      least) either way, which are tried, 9 of each image and of its mirror image;
    - features, standardised by all real images. No feature counts by its scale; rows are not
      brought to norm 1, which throws outliers together: with gradient histograms as features, up
      to 6 % of clean draws of real radiographs then seemed to hold a copy instead of 2 %.

    The verdict is "copies found" where a single synthetic image is closer to a training image
    than honest images come (p < 0.01 after Bonferroni's correction, in a space), or where both the
    share nearer to train (p < 0.01) and C_T (below -3) raise the alarm in a space. It is
    "suspicious" where one of these two does alone, or the distances tell training from hold-out
    images (AUC, p < 0.01). Smooth, averaged images alarm C_T without being copies. The
    discriminator is no part of the verdict, which is on the images: its row says whether the
    *model* would give training images away.

    Parameters
    ----------
    synthetic, train, holdout : array-like of shape (n, h*w), (n, h, w) or (n, c, h, w)
        Synthetic images, the generator's training images, and real images of the same kind that it
        was not trained on, in one layout and range. At least 1, 2 and 2. Split train from hold-out
        at random, by patients: the audit takes any difference between them for memorization.
    features : {"cxr", "inception", "pixels"}, path, callable or None, default="cxr"
        As of :func:`skcxr.metrics.features.feature_extractor`; None looks at pixels alone.
    discriminator : fitted DCGAN, callable or None, default=None
        Its ``decision_function``, or itself, gives logits (n,) of images: the larger, the more
        real.
    image_shape : tuple of int or None, default=None
        (height, width) or (channels, height, width) of flat rows; None is one square channel. Flat
        rows that are no square are not mirrored.
    n_bootstrap : int, default=1000
        Draws of intervals and of the permutation test, at least 200.
    n_pairs : int, default=8
        Most suspicious pairs to return.
    random_state : int, RandomState instance or None, default=None
        Determines the draws; no verdict hangs on it but for p-values next to the level.

    Returns
    -------
    result : AuditResult
        The verdict, in words too, the statistics and the most suspicious pairs.

    Raises
    ------
    ValueError
        If layouts differ, a set has too few images or values that are not finite, or the hold-out
        holds a training image.

    Notes
    -----
    It is an audit and no guarantee. Sets that pass tests by distance have been shown to leak
    membership to other attacks [1]_.

    Measured on clean draws of 60 + 60 + 60 images, "copies found" / "suspicious": 0.4 % / 4 % of
    250 draws of Gaussians in 16 dimensions, 2 % / 5 % of 120 draws of radiographs (normal, of
    Kermany et al. 2018, where some pairs may be of one child), none / 4 % of 120 draws of phantoms
    of a class, both at 64 by 64 and with the "cxr" features. With copies planted in radiographs or
    phantoms (exact, mirrored, shifted by a pixel, darker, or with noise of 5 or 10 % of the range),
    60, 30 and also 3 of 60, copies were found in every draw. Fewer copies shifted by more than a
    step stay below: 3 of 60 at two pixels both ways were found in one draw of five. Several images
    of one patient in a set weaken the tests' calibration.

    References
    ----------
    .. [1] Yao et al., "The DCR Delusion: Measuring the Privacy Risk of Synthetic Data",
       arXiv 2505.01524, 2025.

    Examples
    --------
    >>> from skcxr.datasets import make_chest_phantoms
    >>> from skcxr.metrics._audit._run import audit
    >>> X = make_chest_phantoms(90, image_size=32, random_state=0).data
    >>> synthetic, train, holdout = X[:30].copy(), X[30:60], X[60:]
    >>> audit(synthetic, train, holdout, features=None, random_state=0).verdict
    'no sign of copying'
    >>> synthetic[7] = train[20]
    >>> result = audit(synthetic, train, holdout, features=None, random_state=0)
    >>> result.verdict, result.pairs[0].synthetic, result.pairs[0].train
    ('copies found', 7, 20)
    """
    synthetic, train, holdout = _check_images(synthetic, train, holdout)
    # Both real sets make the range and the scale of features: made by one, they would set it apart.
    real = np.concatenate([train, holdout])
    spec = ImageSpec.of(real, image_shape)
    rng = check_random_state(random_state)
    sets = (synthetic, train, holdout)
    spaces = [Space.of("pixels", lambda X: pixels(X, spec), *sets, spec, shifts=(-1, 0, 1))]
    if features is not None:
        extractor = feature_extractor(features, real, image_shape=image_shape)
        embed = standardize_features(extractor, real)
        spaces.append(Space.of(f"{extractor.name} features", embed, *sets, spec))

    rows = [row for space in spaces for row in _statistics(space, n_bootstrap, rng)]
    if discriminator is not None:
        logits = [_logits(discriminator, x) for x in (train, holdout)]
        auc = membership_auc(*logits, n_draws=n_bootstrap, rng=rng)
        rows.append(_row("discriminator", MEMBERSHIP, *auc, 0.5, auc[-1] < LEVEL))
    table = pd.DataFrame(rows)
    verdict = verdict_of(table)
    pairs = _most_suspicious(spaces, n_pairs, spec.to_tensor(synthetic), spec.to_tensor(train))
    reading = in_words(verdict, table, pairs, len(synthetic), len(train), len(holdout))
    return AuditResult(verdict, reading, table, pairs)


def _check_images(synthetic, train, holdout):
    sets = {"synthetic": synthetic, "train": train, "holdout": holdout}
    sets = {name: np.asarray(X) for name, X in sets.items()}
    for name, X in sets.items():
        least = 1 if name == "synthetic" else 2
        if X.ndim == 0 or len(X) < least:
            raise ValueError(
                f"{name} must hold {least} or more images, got an array of shape {X.shape}."
            )
        if X.dtype.kind not in "biuf":
            raise ValueError(f"{name} has dtype {X.dtype}. Pass images of real numbers.")
        if not np.isfinite(X).all():
            raise ValueError(f"{name} holds NaN or infinity. Remove or repair these images.")
    if len({X.shape[1:] for X in sets.values()}) > 1:
        shapes = ", ".join(f"{name} {X.shape}" for name, X in sets.items())
        raise ValueError(
            f"The images must have one layout, got {shapes}. Bring all to the layout of train."
        )
    known = {x.tobytes() for x in sets["train"].astype(np.float64)}
    shared = [i for i, x in enumerate(sets["holdout"].astype(np.float64)) if x.tobytes() in known]
    if shared:
        raise ValueError(
            f"holdout holds {len(shared)} of the images in train, the first at index {shared[0]}. "
            "What the generator saw can calibrate nothing: remove them from holdout."
        )
    return tuple(sets.values())


def _row(space, statistic, value, low, high, p_value, expected, alarm):
    return {
        "space": space,
        "statistic": statistic,
        "value": float(value),
        "low": low,
        "high": high,
        "expected": float(expected),
        "p_value": p_value,
        "alarm": bool(alarm),
    }


def _statistics(space, n_draws, rng):
    """The table's rows of one space."""
    name, to_train, to_holdout = space.name, space.to_train, space.to_holdout
    honest, within = space.honest, space.within
    nearest, honest_nearest = to_train.min(axis=1), honest.min(axis=1)
    corrected = np.minimum(space.p_values * len(to_train), 1)
    copies = (corrected < LEVEL).sum()
    share = nearer_to_train(to_train, to_holdout, n_draws=n_draws, rng=rng)
    c_t = copying_score(to_train, honest, *space.cells)
    scores = -to_train.min(axis=0), -to_holdout.min(axis=0)
    auc = membership_auc(*scores, n_draws=n_draws, rng=rng)
    rows = [
        _row(name, COPIED, copies, np.nan, np.nan, corrected.min(), 0, copies > 0),
        _row(name, SHARE, *share, 0.5, share[-1] < LEVEL),
        _row(name, C_T, c_t, np.nan, np.nan, np.nan, 0, c_t < C_T_ALARM),
        _row(name, MEMBERSHIP, *auc, 0.5, auc[-1] < LEVEL),
    ]
    described = {
        AUTHENTICITY: (authenticity(d, within) for d in (to_train, honest)),
        "NNDR, median": (np.median(distance_ratios(d)) for d in (to_train, honest)),
        "DCR, median": (np.median(d) for d in (nearest, honest_nearest)),
        "DCR, 5 % quantile": (np.quantile(d, 0.05) for d in (nearest, honest_nearest)),
    }
    rows += [
        _row(name, statistic, value, np.nan, np.nan, np.nan, of_holdout, False)
        for statistic, (value, of_holdout) in described.items()
    ]
    return rows


def _logits(discriminator, X):
    logits = np.asarray(getattr(discriminator, "decision_function", discriminator)(X))
    if logits.shape != (len(X),):
        raise ValueError(
            f"discriminator returned an array of shape {logits.shape} for {len(X)} images. "
            f"Return one logit for each image: ({len(X)},)."
        )
    return logits.astype(np.float64)


def _most_suspicious(spaces, n_pairs, synthetic, train):
    """The synthetic images closest to a training one, each in the space where it is closest."""
    p_values = np.stack([space.p_values for space in spaces])
    ratios = np.stack([distance_ratios(space.to_train, 5) for space in spaces])
    closest = [np.lexsort(keys)[0] for keys in zip(ratios.T, p_values.T, strict=True)]
    columns = np.arange(len(synthetic))
    p_values, ratios = p_values[closest, columns], ratios[closest, columns]
    pairs = []
    for i in np.lexsort((ratios, p_values))[:n_pairs]:
        space = spaces[closest[i]]
        j = int(space.to_train[i].argmin())
        pair = SuspiciousPair(
            synthetic=int(i),
            train=j,
            space=space.name,
            distance=float(space.to_train[i, j]),
            ratio=float(ratios[i]),
            p_value=float(p_values[i]),
            copy=bool(p_values[i] * len(synthetic) < LEVEL),
            mirrored=space.is_mirrored(i, j),
            synthetic_image=synthetic[i].squeeze(0).numpy(),
            train_image=train[j].squeeze(0).numpy(),
        )
        pairs.append(pair)
    return tuple(pairs)
