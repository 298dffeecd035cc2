import numpy as np
import pytest
from scipy.stats import norm, t

from skcxr.metrics import (
    corrected_interval,
    correlated_t_test,
    mcnemar_p_value,
    wilcoxon_p_value,
)
from skcxr.metrics._paired import adjust_with_holm, extrapolate_repeats


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


# Scores of two classifiers in five times four folds, and in four folds.
REPEATED = [
    0.025, 0.085, 0.003, 0.044, 0.066, 0.034, 0.0, -0.007, 0.012, 0.039,
    -0.01, 0.022, 0.024, 0.052, 0.039, 0.044, 0.004, 0.025, 0.061, 0.09,
]  # fmt: skip
FOUR = [0.02, 0.03, -0.01, 0.04]


@pytest.mark.parametrize(
    ("differences", "rope", "expected"),
    [
        # baycomp 1.0.3: two_on_single(0 * x, x, rope, runs) for x = FOUR or REPEATED.
        (FOUR, 0.01, (0.08330368531632737, 0.21031592406087496, 0.7063803906227977)),
        (REPEATED, 0.01, (0.013258537521865956, 0.0954097153959611, 0.8913317470821729)),
        (REPEATED, 0.0, (0.04067709037497602, 0.0, 0.959322909625024)),
    ],
)
def test_probabilities_are_those_of_baycomp(differences, rope, expected):
    assert correlated_t_test(differences, 1 / 3, rope=rope) == pytest.approx(expected)


@pytest.mark.parametrize("rope", [0.001, 0.02, 0.2])
def test_probabilities_equal_those_of_an_installed_baycomp(rope):
    baycomp = pytest.importorskip("baycomp")
    x = np.random.default_rng(3).uniform(0.6, 0.9, size=15)
    y = x + np.random.default_rng(4).normal(0.01, 0.04, size=15)
    expected = baycomp.two_on_single(x, y, rope=rope, runs=3)
    assert correlated_t_test(y - x, 1 / 4, rope=rope) == pytest.approx(expected)


def test_the_interval_holds_95_percent_of_the_posterior():
    _, low, high = corrected_interval(REPEATED, 1 / 3)
    # The mass above the upper end, and below the lower end of the mirrored differences.
    assert correlated_t_test(np.subtract(REPEATED, high), 1 / 3, rope=0)[2] == pytest.approx(0.025)
    assert correlated_t_test(np.subtract(REPEATED, low), 1 / 3, rope=0)[0] == pytest.approx(0.025)


def test_equal_differences_have_no_probabilities():
    for differences in ([0.1] * 4, [0.1, np.nan], []):
        np.testing.assert_equal(correlated_t_test(differences, 1 / 3), (np.nan,) * 3)
    assert correlated_t_test([0.0] * 4, 1 / 3) == (0, 1, 0)


@pytest.mark.parametrize("rope", [-0.01, np.nan, np.inf, "0.01", None, True])
def test_the_rope_must_be_a_number_of_at_least_0(rope):
    with pytest.raises(
        ValueError, match=r"rope=.* must be a number of at least 0\. Pass the large"
    ):
        correlated_t_test(FOUR, 1 / 3, rope=rope)


def test_extrapolated_probabilities_are_those_of_very_many_repeats():
    many = np.tile(REPEATED, 5000)
    *limit, smallest = extrapolate_repeats(REPEATED, 1 / 3, rope=0.01)
    # The standard deviation of few differences is divided by n - 1.
    assert limit == pytest.approx(correlated_t_test(many, 1 / 3), abs=0.01)
    deviation = np.sqrt(1 / 3) * np.std(REPEATED, ddof=1)
    assert norm.cdf(smallest / deviation) - norm.cdf(-smallest / deviation) == pytest.approx(0.95)
    centred = many - many.mean()
    assert correlated_t_test(centred, 1 / 3, rope=0.95 * smallest)[1] < 0.95
    assert correlated_t_test(centred, 1 / 3, rope=1.05 * smallest)[1] > 0.95


def test_holm_adjusts_each_p_value_for_those_that_are_not_smaller():
    assert adjust_with_holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    np.testing.assert_allclose(adjust_with_holm([np.nan, 0.04, 0.01]), [np.nan, 0.04, 0.02])
    assert adjust_with_holm([0.8, 0.9]).tolist() == [1, 1]
    assert adjust_with_holm([]).tolist() == []
