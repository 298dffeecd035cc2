"""Statistics of two classifiers on the same images and folds."""

import numpy as np
from scipy.stats import binomtest, t, wilcoxon


def corrected_interval(differences, test_ratio, *, confidence=0.95):
    """Mean of paired differences over cross-validation folds, with a corrected interval.

    Folds share training images, so that the usual interval of a mean is far too narrow. Nadeau and
    Bengio's correction adds the ratio of test to training images to the variance's 1/J.

    Parameters
    ----------
    differences : array-like of shape (n_folds,)
        A score of one classifier minus that of the other, fold by fold; NaN is left out.
    test_ratio : float
        Test images of a fold over its training images: 1/3 in 4-fold cross-validation.
    confidence : float, default=0.95
        Of the two-sided interval.

    Returns
    -------
    mean, low, high : float
        The interval's ends are NaN with fewer than two differences, and where all are one and the
        same but zero: counts of few images do that, and no spread can be read from it.

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
    differences = _rounded(differences)
    n = len(differences)
    mean = differences.mean() if n else np.nan
    if n < 2 or (np.ptp(differences) == 0 and mean != 0):
        return float(mean), np.nan, np.nan
    half = t.ppf((1 + confidence) / 2, n - 1) * np.sqrt(
        (1 / n + test_ratio) * differences.var(ddof=1)
    )
    return float(mean), float(mean - half), float(mean + half)


def _rounded(differences):
    """Without NaN. Scores are shares of counts: what rounding alone tells apart is a tie."""
    differences = np.round(np.asarray(differences, dtype=float), 12)
    return differences[~np.isnan(differences)]


def wilcoxon_p_value(differences):
    """Two-sided p-value of Wilcoxon's signed-rank test; 1 where no difference is left.

    Parameters
    ----------
    differences : array-like of shape (n_folds,)
        Paired differences of folds that share no test image; zero and NaN are left out. Four folds
        can not lead below 0.125, and the test takes folds for independent, which they are not: over
        repeats of cross-validation it finds differences where there are none.

    Returns
    -------
    p_value : float
        Not below ``2 ** (1 - n)`` for n differences that are not zero.

    Examples
    --------
    >>> from skcxr.metrics import wilcoxon_p_value
    >>> wilcoxon_p_value([0.01, 0.02, 0.03, 0.05])
    0.125
    """
    differences = _rounded(differences)
    differences = differences[differences != 0]
    return float(wilcoxon(differences).pvalue) if len(differences) else 1.0


def mcnemar_p_value(hits, other_hits):
    """Exact p-value of McNemar's test, of two classifiers that err equally often.

    Parameters
    ----------
    hits, other_hits : array-like of shape (n,), bool
        Whether each classifier was right on each image.

    Returns
    -------
    p_value : float
        Two-sided binomial p-value of the images on which just one of them was right.

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
    hits, other_hits = np.asarray(hits, dtype=bool), np.asarray(other_hits, dtype=bool)
    if hits.shape != other_hits.shape:
        raise ValueError(f"hits are {hits.shape}, other_hits {other_hits.shape}: one an image.")
    only_first = int(np.count_nonzero(hits & ~other_hits))
    discordant = only_first + int(np.count_nonzero(~hits & other_hits))
    return float(binomtest(only_first, discordant).pvalue) if discordant else 1.0
