import numpy as np
import pytest
from scipy.stats import t

from skcxr.metrics import corrected_interval, mcnemar_p_value, wilcoxon_p_value


def test_interval_is_nadeau_and_bengios():
    differences = [0.1, 0.3, 0.2, 0.2]
    mean, low, high = corrected_interval(differences, test_ratio=1 / 3)
    half = t.ppf(0.975, 3) * np.sqrt((1 / 4 + 1 / 3) * np.var(differences, ddof=1))
    assert (mean, low, high) == pytest.approx((0.2, 0.2 - half, 0.2 + half))


def test_interval_without_correction_is_students():
    differences = np.random.default_rng(0).normal(size=30)
    mean, low, high = corrected_interval(differences, test_ratio=0, confidence=0.9)
    expected = t.interval(0.9, 29, differences.mean(), differences.std(ddof=1) / np.sqrt(30))
    assert (low, high) == pytest.approx(expected)
    assert mean == pytest.approx(differences.mean())


def test_interval_leaves_nan_out_and_needs_two():
    assert corrected_interval([0.1, np.nan, 0.3], 0.5) == corrected_interval([0.1, 0.3], 0.5)
    for differences, mean in (([0.1, np.nan], 0.1), ([], np.nan)):
        np.testing.assert_equal(corrected_interval(differences, 0.5), (mean, np.nan, np.nan))


@pytest.mark.parametrize(("b", "c", "p_value"), [(5, 0, 0.0625), (10, 2, 0.03857421875), (7, 7, 1)])
def test_mcnemar_is_exact(b, c, p_value):
    """Two-sided binomial probabilities of b against c."""
    hits = np.array([True] * b + [False] * c + [True] * 9)
    other = np.array([False] * b + [True] * c + [True] * 9)
    assert mcnemar_p_value(hits, other) == pytest.approx(p_value)
    assert mcnemar_p_value(other, hits) == pytest.approx(p_value)


def test_no_difference_has_a_p_value_of_one():
    assert mcnemar_p_value([True, False], [True, False]) == 1
    assert wilcoxon_p_value([0.0, 0.0, np.nan]) == 1


def test_the_smallest_wilcoxon_p_value_of_four_folds():
    assert wilcoxon_p_value([0.01, 0.02, 0.3, 0.4]) == 0.125
    assert wilcoxon_p_value([0.01, 0.02, 0.3, 0.4, 0.0]) == 0.125


def test_differences_by_rounding_errors_are_ties():
    assert wilcoxon_p_value([0.1 + 0.2 - 0.3, 0.0]) == 1


def test_equal_differences_have_no_interval():
    """One more hit in each of four folds does not give an interval of width zero."""
    np.testing.assert_equal(corrected_interval([0.1] * 4, 1 / 3), (0.1, np.nan, np.nan))
    assert corrected_interval([0.1 + 0.2 - 0.3] * 4, 1 / 3) == (0, 0, 0)


def test_hits_must_be_of_the_same_images():
    with pytest.raises(ValueError, match=r"hits has shape \(3,\) and other_hits has shape \(1,\)"):
        mcnemar_p_value([True] * 3, [False])
