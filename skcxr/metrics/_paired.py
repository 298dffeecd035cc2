"""Statistics of two classifiers on the same images and folds."""

import numpy as np
from scipy.stats import binomtest, t, wilcoxon


def corrected_interval(differences, test_ratio, *, confidence=0.95):
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
    differences = _round_differences(differences)
    n = len(differences)
    mean = differences.mean() if n else np.nan
    if n < 2 or (np.ptp(differences) == 0 and mean != 0):
        return float(mean), np.nan, np.nan
    half = t.ppf((1 + confidence) / 2, n - 1) * np.sqrt(
        (1 / n + test_ratio) * differences.var(ddof=1)
    )
    return float(mean), float(mean - half), float(mean + half)


def _round_differences(differences):
    """Return the differences without NaN and without rounding errors, so that ties are equal."""
    differences = np.round(np.asarray(differences, dtype=float), 12)
    return differences[~np.isnan(differences)]


def wilcoxon_p_value(differences):
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


def mcnemar_p_value(hits, other_hits):
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
