"""The power of a comparison before anything is trained, by simulation on its own folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import owens_t
from scipy.stats import norm, t

from skcxr._base.text import format_count
from skcxr._base.validation import check_lengths, ravel_labels
from skcxr.evaluation._checks import check_splits
from skcxr.evaluation._folds import split_rows, split_shuffled

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from skcxr._base.types import Folds

# Tolerance of the detectable difference, far below the error of the simulation.
TOLERANCE = 2e-4


@dataclass(frozen=True)
class ComparisonPlan:
    """The power of a comparison of two arms.

    Use :func:`skcxr.evaluation.plan` to create it.

    Parameters
    ----------
    n_images : int
        Number of images that the folds test.
    n_folds : int
        Number of folds, over all repeats.
    difference : float
        True difference in accuracy for which `power` was computed.
    power : float
        Share of simulated comparisons with the verdict "better" at this difference.
    false_alarms : float
        The same share for two arms that are equally accurate.
    target_power : float
        Power that `detectable` was computed for.
    detectable : float or None
        Smallest true difference that is found with at least `target_power`. None if not even an
        arm without errors is.
    rope : float
        Smallest difference that matters.
    level : float
        Probability of a difference above `rope` that makes an arm better.
    assumptions : dict of str to float
        ``accuracy``, ``discordance``, ``seed_noise`` and ``patient_correlation``.
    """

    n_images: int
    n_folds: int
    difference: float
    power: float
    false_alarms: float
    target_power: float
    detectable: float | None
    rope: float
    level: float
    assumptions: dict[str, float]

    @property
    def reading(self) -> str:
        """The smallest detectable difference in words."""
        size = (
            f"With {format_count(self.n_images, 'image')} in {format_count(self.n_folds, 'fold')}"
        )
        share = f"{self.target_power:.0%}".replace("%", " %")
        if self.detectable is None:
            return (
                f"{size}, no difference in accuracy is detected with {share} power, not even from "
                f"{self.assumptions['accuracy']:.2f} to 1."
            )
        detectable = format(self.detectable, ".2f" if self.detectable >= 0.01 else ".4f")
        return f"{size}, a difference in accuracy of {detectable} is detected with {share} power."

    @property
    def basis(self) -> str:
        """The assumptions of the reading in words."""
        assumed = self.assumptions
        return (
            f"An arm is better if a difference above {self.rope:g} has a probability above "
            f"{self.level:.3g}. Assumed: a baseline with an accuracy of {assumed['accuracy']:.2f}, "
            f"{100 * assumed['discordance']:.0f} % of the images classified correctly by only one "
            "of two equally accurate arms, and a standard deviation of "
            f"{assumed['seed_noise']:g} between the accuracies of fits with other seeds."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON's types.

        Returns
        -------
        plan : dict
            All attributes, the ``reading`` and the ``basis``.
        """
        return {**asdict(self), "reading": self.reading, "basis": self.basis}


def plan(
    y: ArrayLike | Mapping[Any, int],
    *,
    groups: ArrayLike | None = None,
    cv: Folds = 4,
    n_repeats: int = 1,
    accuracy: float = 0.75,
    discordance: float = 0.1,
    seed_noise: float = 0.01,
    patient_correlation: float = 0.5,
    difference: float = 0.05,
    power: float = 0.8,
    rope: float = 0.01,
    level: float = 0.95,
    n_simulations: int = 1000,
    random_state: int = 0,
) -> ComparisonPlan:
    """Estimate how large a difference between two arms must be for a comparison to detect it.

    How it works:

    - The images are split into the folds of the comparison. Nothing is trained.
    - The images that each of two arms classifies correctly are drawn many times. Images of a
      patient are correlated, and each fit has noise of its own.
    - A drawn comparison detects the better arm by the differences of its folds, as
      :func:`compare` would: if the posterior probability of a difference above `rope` exceeds
      `level`. The same is true where the lower end of the corrected interval with a confidence of
      ``2 * level - 1`` is above `rope`.

    Parameters
    ----------
    y : array-like of shape (n,) or dict of class to int
        Classes of the images, or the number of images of each class. Pass one class alone to plan
        for its sensitivity.
    groups : array-like of shape (n,) or None, default=None
        Patient of each image, as in :func:`compare`. None stands for one image per patient.
    cv : int or splitter, default=4
        Folds, as in :func:`compare`.
    n_repeats : int, default=1
        Number of times that the images are split anew into `cv` folds. More than 1 needs an int as
        `cv`.
    accuracy : float, default=0.75
        Accuracy of the baseline, in (0, 1).
    discordance : float, default=0.1
        Share of images that only one of the two arms classifies correctly while both are equally
        accurate, at most ``2 * accuracy * (1 - accuracy)``, which is the value of independent arms.
        ``(only_arm + only_baseline) / n`` in the summary of a finished comparison measures it.
    seed_noise : float, default=0.01
        Standard deviation of the accuracy between fits of one arm that differ in their seeds,
        measured on a large test set. It is the part that all images of a fold share. Changes of
        single images belong to `discordance`.
    patient_correlation : float, default=0.5
        Correlation in [0, 1] between images of a patient: 0 if an arm that classifies one of them
        correctly is as likely as ever to fail on the next, and 1 if it is correct on all or none.
    difference : float, default=0.05
        True difference in accuracy for which the power is computed, in [0, 1 - `accuracy`].
    power : float, default=0.8
        Power, in (0, 1), for which the smallest detectable difference is computed.
    rope : float, default=0.01
        Smallest difference that matters, at least 0.
    level : float, default=0.95
        Probability in (0.5, 1) of a difference above `rope` that makes an arm better. For k arms
        that are compared with the baseline, pass ``1 - 0.05 / k``, Holm's level for the first of
        them. To plan for a 95 % interval above 0, pass ``rope=0, level=0.975``.
    n_simulations : int, default=1000
        Number of simulated comparisons. The standard error of a power is at most
        ``0.5 / sqrt(n_simulations)``.
    random_state : int, default=0
        Seed of the simulation, and of the folds if there are repeats.

    Returns
    -------
    plan : ComparisonPlan
        Power, smallest detectable difference and a reading in words.

    Raises
    ------
    ValueError or TypeError
        If a parameter is outside its range, or if labels, groups and folds do not fit together.

    Examples
    --------
    >>> from skcxr.evaluation import plan
    >>> sizes = {"covid": 60, "normal": 70, "bacterial": 70, "viral": 70}
    >>> print(plan(sizes).reading)
    With 270 images in 4 folds, a difference in accuracy of 0.11 is detected with 80 % power.
    >>> print(plan(sizes, n_repeats=5).reading)
    With 270 images in 20 folds, a difference in accuracy of 0.07 is detected with 80 % power.
    """
    assumptions = {
        "accuracy": accuracy,
        "discordance": discordance,
        "seed_noise": seed_noise,
        "patient_correlation": patient_correlation,
    }
    _check_assumptions(**assumptions)
    _check_range("difference", difference, 0, 1 - accuracy, closed="both")
    _check_range("power", power, 0, 1)
    _check_range("rope", rope, 0, 1, closed="left")
    _check_range("level", level, 0.5, 1)
    _check_count("n_repeats", n_repeats)
    _check_count("n_simulations", n_simulations)
    groups, splits = _plan_splits(y, groups, cv, n_repeats, random_state)
    simulation = _Simulation(splits, groups, **assumptions, n=n_simulations, seed=random_state)

    def find_power(true_difference):
        return _decide(simulation.draw(true_difference), splits, rope, level).mean()

    return ComparisonPlan(
        n_images=len(np.unique(np.concatenate([test for _, test in splits]))),
        n_folds=len(splits),
        difference=float(difference),
        power=float(find_power(difference)),
        false_alarms=float(find_power(0.0)),
        target_power=float(power),
        detectable=_find_detectable(find_power, power, 1 - accuracy),
        rope=float(rope),
        level=float(level),
        assumptions={name: float(value) for name, value in assumptions.items()},
    )


class _Simulation:
    """Predictions of two arms on the folds of a comparison, drawn many times.

    An arm classifies an image correctly if a normal variable, its latent score, exceeds a threshold
    that the arm's accuracy decides. The score is a sum of what both arms share about the image,
    what is the arm's own, and what is the same for all images of a fit. All differences are
    computed from the same random numbers, so that power grows smoothly with the difference.
    """

    def __init__(
        self, splits, groups, *, accuracy, discordance, seed_noise, patient_correlation, n, seed
    ):
        self.accuracy = accuracy
        self.sizes = np.array([len(test) for _, test in splits])
        rows = np.concatenate([test for _, test in splits])
        threshold = norm.ppf(accuracy)
        shared = _find_correlation(accuracy, discordance)
        # A shift of the score by x changes the accuracy by about x times the density.
        of_fit = min((seed_noise / norm.pdf(threshold)) ** 2, 1 - shared)
        of_arm = 1 - shared - of_fit
        rng = np.random.default_rng(seed)

        def draw_images():
            return _draw_clustered(rng, groups, patient_correlation, n)[:, rows]

        def draw_fits():
            fits = rng.standard_normal((n, len(splits)), dtype=np.float32)
            return np.repeat(fits, self.sizes, axis=1)

        def draw_scores(common):
            return common + np.sqrt(of_arm) * draw_images() + np.sqrt(of_fit) * draw_fits()

        common = np.sqrt(shared) * draw_images()
        self.baseline = self._average_folds(draw_scores(common), accuracy)
        self.scores = draw_scores(common)

    def draw(self, difference):
        """Return the difference of each fold, of shape (n_simulations, n_folds)."""
        return self._average_folds(self.scores, self.accuracy + difference) - self.baseline

    def _average_folds(self, scores, accuracy):
        """Return the accuracy of each fold, of an arm with these scores."""
        hits = scores > -norm.ppf(accuracy)
        starts = np.cumsum(self.sizes) - self.sizes
        return np.add.reduceat(hits, starts, axis=1, dtype=np.int32) / self.sizes


def _draw_clustered(rng, groups, correlation, n):
    """Return n draws of one standard normal value per image, correlated within patients."""
    images = rng.standard_normal((n, len(groups)), dtype=np.float32)
    patients, members = np.unique(groups, return_inverse=True)
    if len(patients) == len(groups):
        return images
    of_patient = rng.standard_normal((n, len(patients)), dtype=np.float32)[:, members]
    return np.sqrt(correlation) * of_patient + np.sqrt(1 - correlation) * images


def _find_correlation(accuracy, discordance):
    """Return the correlation of two arms' scores that leads to a share of discordant images.

    Of two standard normal variables with correlation r, exactly one is below h with probability
    4 T(h, sqrt((1 - r) / (1 + r))), where T is Owen's function.
    """
    threshold = norm.ppf(accuracy)
    slope = brentq(lambda a: 4 * owens_t(threshold, a) - discordance, 0, 1, xtol=1e-9)
    return (1 - slope**2) / (1 + slope**2)


def _decide(differences, splits, rope, level):
    """Return whether the verdict of each simulated comparison is "better".

    It is if the posterior probability of a difference above `rope` exceeds `level`. The posterior
    is a Student t distribution around the mean, with Nadeau and Bengio's corrected variance.
    """
    n_folds = len(splits)
    test_ratio = np.mean([len(test) / len(train) for train, test in splits])
    # Equal folds differ by rounding errors, as in skcxr.metrics.corrected_interval.
    differences = np.round(differences, 12)
    scale = np.sqrt((1 / n_folds + test_ratio) * differences.var(axis=1, ddof=1))
    is_equal = np.ptp(differences, axis=1) == 0
    margin = differences.mean(axis=1) - rope
    return ~is_equal & (margin > t.ppf(level, n_folds - 1) * scale)


def _find_detectable(find_power, target, largest):
    """Return the smallest difference with a power of at least `target`, or None without any."""
    if find_power(largest) < target:
        return None
    low = 0.0
    high = largest
    while high - low > TOLERANCE:
        middle = (low + high) / 2
        if find_power(middle) < target:
            low = middle
        else:
            high = middle
    return float(high)


def _plan_splits(y, groups, cv, n_repeats, random_state):
    """Return the patient of each image and the folds of all repeats, or refuse them."""
    if isinstance(y, Mapping):
        y = _expand_sizes(y)
    y = ravel_labels(y, "y")
    has_groups = groups is not None
    if has_groups:
        groups = ravel_labels(groups, "groups")
        check_lengths(("y", "groups"), y, groups)
    if n_repeats == 1:
        splits = split_rows(cv, np.zeros((len(y), 1)), y, groups)
    elif isinstance(cv, Integral):
        splits = split_shuffled(y, groups, cv, n_repeats=n_repeats, random_state=random_state)
    else:
        raise ValueError(
            f"n_repeats={n_repeats} needs an int as cv, got {cv!r}. Pass a splitter that repeats "
            "itself, such as RepeatedStratifiedKFold, and n_repeats=1."
        )
    check_splits(splits, len(y), groups)
    if len(splits) < 2:
        raise ValueError(
            "cv yields one fold, from which no interval can be computed. Pass 2 or more folds."
        )
    return groups if has_groups else np.arange(len(y)), splits


def _expand_sizes(sizes):
    """Return one label per image, from the number of images of each class."""
    for k, n in sizes.items():
        if not isinstance(n, Integral) or n < 0:
            raise ValueError(
                f"y={dict(sizes)} holds {n!r} for class {k!r}. Pass the number of images of each "
                "class."
            )
    return np.repeat(list(sizes), list(sizes.values()))


def _check_assumptions(accuracy, discordance, seed_noise, patient_correlation):
    """Refuse assumptions outside their range."""
    _check_range("accuracy", accuracy, 0, 1)
    _check_range("discordance", discordance, 0, 2 * accuracy * (1 - accuracy), closed="right")
    _check_range("seed_noise", seed_noise, 0, 0.5, closed="left")
    _check_range("patient_correlation", patient_correlation, 0, 1, closed="both")


def _check_count(name, value):
    """Refuse a parameter that is not a whole number of 1 or more."""
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name}={value!r} must be a whole number of 1 or more.")


def _check_range(name, value, low, high, closed=""):
    """Refuse a parameter that is not a number in a range, which holds its `closed` ends."""
    left = "[" if closed in ("left", "both") else "("
    right = "]" if closed in ("right", "both") else ")"
    is_inside = (
        isinstance(value, Real)
        and (value > low or (left == "[" and value == low))
        and (value < high or (right == "]" and value == high))
    )
    if not is_inside:
        raise ValueError(f"{name}={value!r} must be a number in {left}{low:g}, {high:g}{right}.")
