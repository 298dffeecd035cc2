"""The audit, from the check of the images to the result."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from skcxr._base.images import ImageSpec
from skcxr._base.parameters import validate_arguments
from skcxr._base.validation import check_finite
from skcxr.metrics._audit._distances import measure_distances, measure_pixel_distances
from skcxr.metrics._audit._power import (
    estimate_holdout_needed,
    make_probes,
    measure_power,
)
from skcxr.metrics._audit._result import AuditResult, SuspiciousPair
from skcxr.metrics._audit._statistics import (
    K_NEIGHBORS,
    Estimate,
    authenticity,
    copying_score,
    distance_ratios,
    membership_auc,
    share_nearer_to_train,
)
from skcxr.metrics._audit._verdict import (
    AUTHENTICITY,
    C_T,
    C_T_ALARM,
    COPIED,
    COPIED_HOLDOUT,
    DISCRIMINATOR,
    EQUAL_TO_HOLDOUT,
    LEVEL,
    MEMBERSHIP,
    MIN_POWER,
    SHARE,
    decide_verdict,
    describe_findings,
    describe_limitation,
)
from skcxr.metrics.features import feature_extractor, standardize_features

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from skcxr._base.types import Features, HasDiscriminator, ImageShape, RandomState

# Synthetic images whose values are larger by this factor are not on the scale of the real ones.
LARGEST_RATIO = 1e9


@validate_arguments(
    {
        "synthetic": ["array-like"],
        "train": ["array-like"],
        "holdout": ["array-like"],
        "image_shape": [tuple, list, None],
        # The permutation test's p-values are no finer than 1 / (n_bootstrap + 1).
        "n_bootstrap": [Interval(Integral, 200, None, closed="left")],
        "n_pairs": [Interval(Integral, 0, None, closed="left")],
        "random_state": ["random_state"],
    }
)
def audit(
    synthetic: ArrayLike,
    train: ArrayLike,
    holdout: ArrayLike,
    *,
    features: Features | None = "cxr",
    discriminator: HasDiscriminator | Callable[[Any], Any] | None = None,
    image_shape: ImageShape | None = None,
    n_bootstrap: int = 1000,
    n_pairs: int = 8,
    random_state: RandomState | None = None,
) -> AuditResult:
    """Search synthetic images for copies of training images.

    All statistics are calibrated by the hold-out: images of the same kind that the generator has
    not seen. A distance is the smallest one to a real image or its mirror image. It is measured in
    two spaces:

    - pixels: downsampled to at most 32 by 32, blurred (standard deviation 1), and scaled to mean 0
      and norm 1, so that noise, brightness and contrast do not hide copies. Shifts do not hide
      them either: each image and its mirror image are tried at 9 shifts, by -1, 0 or 1 step in
      both directions. A step is 1/64 of the side, and at least 1 pixel.
    - features: standardized by all real images, so that no feature counts more because of its
      scale. Rows are not scaled to norm 1, which would bring outliers close to each other: with
      gradient histograms as features, up to 6 % of clean draws of real radiographs then seemed to
      contain a copy, instead of 2 %.

    The verdict is

    - "copies found" if, in one of the spaces, a single synthetic image is closer to a training
      image than hold-out images are (p < 0.01 after Bonferroni correction), or if both the share
      nearer to train (p < 0.01) and C_T (below -3) raise an alarm. Images that equal a training
      image up to an affine change of gray values, mirrored or not, are copies whatever the
      hold-out. Images that equal a hold-out image are a finding too: `train` and `holdout` may be
      swapped;
    - "suspicious" if only one of the share and C_T raises an alarm, or if the distances separate
      training from hold-out images (AUC, p < 0.01). Smooth, averaged images raise the alarm of C_T
      without being copies;
    - "cannot tell" if nothing was found, but the power is below 0.8. The power is the share of
      training images that this audit would report as copies if each were shifted by a pixel and
      had noise of 5 % of the range. The verdict is the same if synthetic images are closer to a
      hold-out image than training images are (p < 0.01 after correction), as in swapped sets;
    - "no sign of copying" if nothing was found and the power is 0.8 or more.

    The verdict is about the images. The row of the discriminator is not part of it: it shows
    whether the *model* would reveal training images.

    Parameters
    ----------
    synthetic, train, holdout : array-like of shape (n, h*w), (n, h, w) or (n, c, h, w)
        Synthetic images, the generator's training images, and real images of the same kind that it
        was not trained on, in the same layout and range. There must be at least 1, 2 and 2 images.
        Split train from hold-out at random, by patient: the audit takes any difference between
        them for memorization.
    features : {"cxr", "inception", "pixels"}, path, callable or None, default="cxr"
        Features as in :func:`skcxr.metrics.features.feature_extractor`. None uses pixels only.
    discriminator : fitted DCGAN, callable or None, default=None
        An estimator whose ``decision_function`` returns logits (n,) of images, or a callable that
        does. Larger logits mean that an image looks more real. None leaves out its row.
    image_shape : tuple of int or None, default=None
        The (height, width) or (channels, height, width) of flat rows. None stands for one square
        channel. Flat rows that are not square are then not mirrored.
    n_bootstrap : int, default=1000
        Number of draws of the intervals and of the permutation test, at least 200.
    n_pairs : int, default=8
        Number of most suspicious pairs to return.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws. A verdict depends on it only if a p-value is close to the level.

    Returns
    -------
    result : AuditResult
        The verdict with its text, the statistics and the most suspicious pairs.

    Raises
    ------
    ValueError
        If layouts differ, a set has too few images or values that are not finite, values or
        features overflow, logits are not finite, or the hold-out contains a training image.

    Notes
    -----
    The audit is not a guarantee. Sets that pass distance tests have been shown to leak membership
    to other attacks [1]_.

    Rates of "copies found" / "suspicious" on clean draws of 60 + 60 + 60 images are: 0.4 % / 4 %
    of 250 draws of Gaussians in 16 dimensions, 2 % / 5 % of 120 draws of radiographs (normal, of
    Kermany et al. 2018, where some pairs may be of the same child), and none / 4 % of 120 draws of
    phantoms of one class. Radiographs and phantoms were 64 by 64, with the "cxr" features.

    Without copies, 2 of 80 draws of radiographs (one per child) and none of 80 of phantoms, of
    60 + 60 + 60 or 60 + 60 + 15 images, seemed to have train and holdout swapped.

    Copies were planted in radiographs and phantoms: exact, mirrored, shifted by a pixel, darker,
    or with noise of 5 or 10 % of the range. With 60, 30 or 3 copies among 60 images, they were
    found in every draw. A few copies that are shifted by more than a step are rarely found: 3 of
    60, shifted by two pixels in both directions, were found in one draw of five. Several images of
    one patient in a set weaken the calibration of the tests.

    References
    ----------
    .. [1] Yao et al., "The DCR Delusion: Measuring the Privacy Risk of Synthetic Data",
       arXiv 2505.01524, 2025.

    Examples
    --------
    >>> from skcxr.datasets import make_chest_phantoms
    >>> from skcxr.metrics import audit
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
    # Both real sets determine the range and the scale of features. If one of them alone did, the
    # two sets would differ by construction.
    real = np.concatenate([train, holdout])
    spec = ImageSpec.of(real, image_shape)
    _check_range(synthetic, spec)
    rng = check_random_state(random_state)
    sets = (synthetic, train, holdout, make_probes(train, spec))
    spaces = [measure_pixel_distances(*sets, spec)]
    if features is not None:
        extractor = feature_extractor(features, real, image_shape=image_shape)
        embed = standardize_features(extractor, real)
        spaces.append(measure_distances(f"{extractor.name} features", embed, *sets, spec))

    rows = []
    for space in spaces:
        rows += _compute_statistics(space, n_bootstrap, rng)
    if discriminator is not None:
        auc = membership_auc(
            _compute_logits(discriminator, train),
            _compute_logits(discriminator, holdout),
            n_draws=n_bootstrap,
            rng=rng,
        )
        rows.append(_make_row(DISCRIMINATOR, MEMBERSHIP, auc, 0.5, auc.p_value < LEVEL))
    table = pd.DataFrame(rows)

    n_synthetic, n_train, n_holdout = len(synthetic), len(train), len(holdout)
    power = measure_power(spaces, n_synthetic)
    n_needed = None
    if power < MIN_POWER:
        n_needed = estimate_holdout_needed(spaces, n_synthetic, n_holdout)
    limitation = describe_limitation(table, power, n_needed, n_holdout)
    verdict = decide_verdict(table, limitation)
    pairs = _find_suspicious_pairs(
        spaces, n_pairs, spec.to_tensor(synthetic), spec.to_tensor(train)
    )
    reading = describe_findings(
        verdict, limitation, power, table, pairs, n_synthetic, n_train, n_holdout
    )
    return AuditResult(verdict, limitation, power, n_needed, reading, table, pairs)


def _check_images(synthetic, train, holdout):
    """Return the three sets as arrays, or raise an error that says what is wrong with them."""
    sets = {
        "synthetic": np.asarray(synthetic),
        "train": np.asarray(train),
        "holdout": np.asarray(holdout),
    }
    for name, X in sets.items():
        least = 1 if name == "synthetic" else 2
        if X.ndim == 0 or len(X) < least:
            raise ValueError(
                f"{name} must hold {least} or more images, got an array of shape {X.shape}."
            )
        if X.dtype.kind not in "biuf":
            raise ValueError(f"{name} has dtype {X.dtype}. Pass images of real numbers.")
        check_finite(X, name)
    if len({X.shape[1:] for X in sets.values()}) > 1:
        shapes = ", ".join(f"{name} {X.shape}" for name, X in sets.items())
        raise ValueError(
            f"The images must have the same layout, got {shapes}. Convert all to that of train."
        )
    known = {x.tobytes() for x in sets["train"].astype(np.float64)}
    shared = [i for i, x in enumerate(sets["holdout"].astype(np.float64)) if x.tobytes() in known]
    if shared:
        raise ValueError(
            f"holdout holds {len(shared)} of the images in train, the first at index {shared[0]}. "
            "The hold-out must contain only images that the generator has not seen: remove all "
            "images of train from holdout."
        )
    return tuple(sets.values())


def _check_range(synthetic, spec):
    """Raise an error if values overflow when the range of the real images becomes [-1, 1]."""
    largest = np.abs(synthetic).max() / max(abs(spec.high), abs(spec.low), 1e-300)
    if not np.isfinite(spec.high - spec.low) or largest > LARGEST_RATIO:
        raise ValueError(
            f"The values of the real images are from {spec.low:.3g} to {spec.high:.3g}, and those "
            f"of synthetic from {synthetic.min():.3g} to {synthetic.max():.3g}. Scale all images "
            "alike."
        )


def _compute_statistics(space, n_draws, rng):
    """Return the rows of the table for one space."""
    nearest = space.to_train.min(axis=1)
    holdout_nearest = space.holdout_to_train.min(axis=1)
    p_values = np.minimum(space.p_values * len(nearest), 1)  # Bonferroni
    n_copies = (p_values < LEVEL).sum()
    share = share_nearer_to_train(space.to_train, space.to_holdout, n_draws=n_draws, rng=rng)
    c_t = copying_score(space.to_train, space.holdout_to_train, space.cells, space.holdout_cells)
    auc = membership_auc(
        -space.to_train.min(axis=0), -space.to_holdout.min(axis=0), n_draws=n_draws, rng=rng
    )
    rows = [
        _make_row(space.name, COPIED, Estimate(n_copies, p_value=p_values.min()), 0, n_copies > 0),
        _make_row(space.name, SHARE, share, 0.5, share.p_value < LEVEL),
        _make_row(space.name, C_T, Estimate(c_t), 0, c_t < C_T_ALARM),
        _make_row(space.name, MEMBERSHIP, auc, 0.5, auc.p_value < LEVEL),
    ]
    swapped = np.minimum(space.swapped_p_values * len(nearest), 1)
    n_equal = int(np.count_nonzero(space.equals_holdout))
    rows += [
        _make_row(space.name, EQUAL_TO_HOLDOUT, Estimate(n_equal), 0, n_equal > 0),
        # It limits what the audit can tell, and is no evidence of copied training images.
        _make_row(
            space.name,
            COPIED_HOLDOUT,
            Estimate((swapped < LEVEL).sum(), p_value=swapped.min()),
            0,
            False,
        ),
    ]
    # Statistics that raise no alarm, with the hold-out's own value.
    described = [
        (
            AUTHENTICITY,
            authenticity(space.to_train, space.within_train),
            authenticity(space.holdout_to_train, space.within_train),
        ),
        (
            "NNDR, median",
            np.median(distance_ratios(space.to_train)),
            np.median(distance_ratios(space.holdout_to_train)),
        ),
        ("DCR, median", np.median(nearest), np.median(holdout_nearest)),
        ("DCR, 5 % quantile", np.quantile(nearest, 0.05), np.quantile(holdout_nearest, 0.05)),
    ]
    for statistic, value, holdout_value in described:
        rows.append(_make_row(space.name, statistic, Estimate(value), holdout_value, False))
    return rows


def _make_row(space, statistic, estimate, expected, alarm):
    return {
        "space": space,
        "statistic": statistic,
        "value": float(estimate.value),
        "low": estimate.low,
        "high": estimate.high,
        "expected": float(expected),
        "p_value": estimate.p_value,
        "alarm": bool(alarm),
    }


def _compute_logits(discriminator, X):
    logits = np.asarray(getattr(discriminator, "decision_function", discriminator)(X))
    if logits.shape != (len(X),):
        raise ValueError(
            f"discriminator returned an array of shape {logits.shape} for {len(X)} images. "
            f"Return one logit per image: ({len(X)},)."
        )
    logits = logits.astype(np.float64)
    # NaN would pass the test.
    if not np.isfinite(logits).all():
        raise ValueError(
            "discriminator returned logits that are NaN or infinite. Pass one whose training did "
            "not diverge, or None."
        )
    return logits


def _find_suspicious_pairs(spaces, n_pairs, synthetic, train):
    """Return the pairs of the synthetic images that are closest to a training image.

    Each synthetic image is compared in the space where it is closest. The images are tensors.
    """
    p_values = np.stack([space.p_values for space in spaces])
    ratios = np.stack([distance_ratios(space.to_train, K_NEIGHBORS) for space in spaces])
    # p-values decide, and ratios break ties.
    closest = np.lexsort((ratios, p_values), axis=0)[0]
    images = np.arange(len(synthetic))
    p_values = p_values[closest, images]
    ratios = ratios[closest, images]
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
            mirrored=bool(space.mirrored[i, j]),
            synthetic_image=synthetic[i].squeeze(0).numpy(),
            train_image=train[j].squeeze(0).numpy(),
        )
        pairs.append(pair)
    return tuple(pairs)
