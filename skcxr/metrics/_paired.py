"""Statistics of two classifiers on the same images and folds."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, stdtr
from scipy.stats import binomtest, norm, t, wilcoxon

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def corrected_interval(
    differences: ArrayLike, test_ratio: float, *, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Return the mean of paired differences over folds, with a corrected interval.

    Cross-validation folds share training images, so the usual interval of a mean is far too narrow.
    Nadeau and Bengio's correction adds the ratio of test to training images to the 1/J of the
    variance, for J folds.

    Parameters
    ----------
    differences : array-like of shape (n_folds,)
        Score of one classifier minus score of the other, in each fold. NaN is left out.
    test_ratio : float
        Number of test images of a fold over its number of training images: 1/3 in 4-fold
        cross-validation.
    confidence : float, default=0.95
        Confidence level of the two-sided interval.

    Returns
    -------
    mean, low, high : float
        The mean and the ends of the interval. The ends are NaN for fewer than two differences, and
        if all differences are equal but not zero. With few images such ties occur by chance, and
        the spread cannot be estimated from them.

    References
    ----------
    .. [1] Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 52, 2003,
       section 3 (the corrected resampled t-test).

    Examples
    --------
    >>> from skcxr.metrics import corrected_interval
    >>> [round(end, 3) for end in corrected_interval([0.02, 0.05, -0.01, 0.02], 1 / 3)]
    [0.02, -0.04, 0.08]
    """
    mean, deviation, n = _describe_differences(differences)
    if np.isnan(deviation):
        return mean, np.nan, np.nan
    half = t.ppf((1 + confidence) / 2, n - 1) * np.sqrt(1 / n + test_ratio) * deviation
    return mean, float(mean - half), float(mean + half)


def correlated_t_test(
    differences: ArrayLike, test_ratio: float, *, rope: float = 0.01
) -> tuple[float, float, float]:
    """Return the probabilities that one classifier is worse, equivalent and better.

    The Bayesian correlated t-test: with a flat prior, the posterior of the mean difference is
    Student's t distribution with J - 1 degrees of freedom, for J folds. Its mean and scale are
    those of :func:`corrected_interval`, so the interval holds 95 % of the posterior.

    Parameters
    ----------
    differences : array-like of shape (n_folds,)
        Score of one classifier minus score of the other, in each fold. NaN is left out.
    test_ratio : float
        Number of test images of a fold over its number of training images: 1/3 in 4-fold
        cross-validation. In the paper's terms it is rho / (1 - rho), where rho is the share of
        test images.
    rope : float, default=0.01
        Half the width of the region of practical equivalence, in units of the score: differences
        from ``-rope`` to ``rope`` do not matter in practice. At least 0.

    Returns
    -------
    p_worse, p_equivalent, p_better : float
        Probabilities that the difference is below ``-rope``, within the region, and above
        ``rope``. Their sum is 1. They are NaN where :func:`corrected_interval` has no interval.

    Raises
    ------
    ValueError
        If `rope` is not a number of at least 0.

    References
    ----------
    .. [1] Benavoli, Corani, Demsar and Zaffalon, "Time for a Change: a Tutorial for Comparing
       Multiple Classifiers Through Bayesian Analysis", JMLR 18(77), 2017, section 3.1.

    Examples
    --------
    >>> from skcxr.metrics import correlated_t_test
    >>> [round(p, 3) for p in correlated_t_test([0.02, 0.05, -0.01, 0.02], 1 / 3)]
    [0.104, 0.211, 0.685]
    """
    check_rope(rope)
    mean, deviation, n = _describe_differences(differences)
    if np.isnan(deviation):
        return np.nan, np.nan, np.nan
    scale = np.sqrt(1 / n + test_ratio) * deviation
    return _split_at_rope(lambda x: stdtr(n - 1, x), mean, scale, rope)


def extrapolate_repeats(differences, test_ratio, *, rope):
    """Return the probabilities of :func:`correlated_t_test` after infinitely many repeats.

    The mean and the variance of the differences stay as they are. The scale of the posterior
    approaches sqrt(test_ratio) standard deviations of the differences, not 0, because all repeats
    use the same images. The parameters are those of :func:`correlated_t_test`.

    Returns
    -------
    p_worse, p_equivalent, p_better : float
        Probabilities, or NaN where `correlated_t_test` has none.
    smallest_rope : float
        Half the width of the narrowest region that could hold 95 % of the posterior, if its mean
        were 0.
    """
    mean, deviation, _ = _describe_differences(differences)
    if np.isnan(deviation):
        return np.nan, np.nan, np.nan, np.nan
    scale = np.sqrt(test_ratio) * deviation
    smallest_rope = float(norm.ppf(0.975) * scale)
    return *_split_at_rope(ndtr, mean, scale, rope), smallest_rope


def _split_at_rope(cdf, mean, scale, rope):
    """Return the probabilities below, within and above [-rope, rope].

    `cdf` is the distribution function of a symmetric distribution with mean 0 and scale 1.
    """
    if scale == 0:
        return float(mean < -rope), float(abs(mean) <= rope), float(mean > rope)
    worse = float(cdf((-rope - mean) / scale))
    better = float(cdf((mean - rope) / scale))
    return worse, max(0.0, 1 - worse - better), better


def check_rope(rope):
    """Refuse a region of practical equivalence that is not a number of at least 0."""
    if isinstance(rope, bool) or not isinstance(rope, Real) or not 0 <= float(rope) < np.inf:
        raise ValueError(
            f"rope={rope!r} must be a number of at least 0. Pass the largest difference of the "
            "score that does not matter in practice, such as 0.01."
        )


def adjust_with_holm(p_values):
    """Return p-values adjusted for their number with Holm's step-down method.

    Parameters
    ----------
    p_values : array-like of shape (n,)
        Values in [0, 1]. NaN is not counted and stays NaN.

    Returns
    -------
    adjusted : ndarray of shape (n,)
        Values that can be compared with the level of the whole family.

    References
    ----------
    .. [1] Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of
       Statistics 6, 1979.
    """
    adjusted = np.array(p_values, dtype=float)
    order = np.argsort(adjusted)[: np.count_nonzero(~np.isnan(adjusted))]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(adjusted[order] * factors), 1)
    return adjusted


def _describe_differences(differences):
    """Return the mean, the standard deviation and the number of differences.

    The standard deviation is NaN for fewer than two differences, and for ties that are not zero.
    """
    differences = _round_differences(differences)
    n = len(differences)
    mean = float(differences.mean()) if n else np.nan
    if n < 2 or (np.ptp(differences) == 0 and mean != 0):
        return mean, np.nan, n
    return mean, float(differences.std(ddof=1)), n


def _round_differences(differences):
    """Return the differences without NaN and without rounding errors, so that ties are equal."""
    differences = np.round(np.asarray(differences, dtype=float), 12)
    return differences[~np.isnan(differences)]


def wilcoxon_p_value(differences: ArrayLike) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test.

    The test assumes that folds are independent, which they are not. Over repeats of
    cross-validation it finds differences that do not exist.

    Parameters
    ----------
    differences : array-like of shape (n_folds,)
        Paired differences of folds that share no test image. Zero and NaN are left out.

    Returns
    -------
    p_value : float
        The p-value, at least ``2 ** (1 - n)`` for n nonzero differences. With four folds it cannot
        be below 0.125. Without nonzero differences it is 1.

    Examples
    --------
    >>> from skcxr.metrics import wilcoxon_p_value
    >>> wilcoxon_p_value([0.01, 0.02, 0.03, 0.05])
    0.125
    """
    differences = _round_differences(differences)
    differences = differences[differences != 0]
    return float(wilcoxon(differences).pvalue) if len(differences) else 1.0


def mcnemar_p_value(hits: ArrayLike, other_hits: ArrayLike) -> float:
    """Return the exact p-value of McNemar's test that two classifiers err equally often.

    Parameters
    ----------
    hits, other_hits : array-like of shape (n,), bool
        True for each image that the classifier predicted correctly, for two classifiers.

    Returns
    -------
    p_value : float
        Two-sided binomial p-value of the images that only one of them predicted correctly.

    References
    ----------
    .. [1] McNemar, "Note on the Sampling Error of the Difference between Correlated Proportions or
       Percentages", Psychometrika 12, 1947.

    Examples
    --------
    >>> from skcxr.metrics import mcnemar_p_value
    >>> mcnemar_p_value([True] * 6 + [False] * 4, [False] * 6 + [False] * 4)
    0.03125
    """
    hits = np.asarray(hits, dtype=bool)
    other_hits = np.asarray(other_hits, dtype=bool)
    if hits.shape != other_hits.shape:
        raise ValueError(
            f"hits has shape {hits.shape} and other_hits has shape {other_hits.shape}. Pass one "
            "value per image in both, for the same images."
        )
    only_first = np.count_nonzero(hits & ~other_hits)
    discordant = np.count_nonzero(hits != other_hits)
    return float(binomtest(only_first, discordant).pvalue) if discordant else 1.0
