import numpy as np
import pytest
from imblearn.metrics import sensitivity_score, specificity_score
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from skcxr.metrics import expected_calibration_error, per_class_report

rng = np.random.default_rng(0)
LABELS = ["bac", "covid", "normal", "viral"]
y_true = rng.choice(LABELS, 200)
y_pred = np.where(rng.random(200) < 0.6, y_true, rng.choice(LABELS, 200))


def test_columns_are_table_4s():
    report = per_class_report(y_true, y_pred)
    assert list(report.columns) == ["Accuracy", "Sensitivity", "Specificity", "F1Score"]
    assert list(report.index) == LABELS


def test_a_matrix_by_hand():
    # 10 images: class a 4 (3 right), b 6 (5 right).
    report = per_class_report(list("aaaabbbbbb"), list("aaabbbbbba"))
    assert report.loc["a"].tolist() == pytest.approx([0.8, 3 / 4, 5 / 6, 3 / 4])
    assert report.loc["b"].tolist() == pytest.approx([0.8, 5 / 6, 3 / 4, 5 / 6])
    assert report.attrs["accuracy"] == pytest.approx(0.8)
    assert report.attrs["balanced_accuracy"] == pytest.approx((3 / 4 + 5 / 6) / 2)


def test_agreement_with_both_libraries():
    report = per_class_report(y_true, y_pred)
    options = {"average": None, "labels": LABELS}
    np.testing.assert_allclose(report["Sensitivity"], sensitivity_score(y_true, y_pred, **options))
    np.testing.assert_allclose(report["Specificity"], specificity_score(y_true, y_pred, **options))
    np.testing.assert_allclose(report["F1Score"], f1_score(y_true, y_pred, **options))
    for k in LABELS:
        one_against_rest = accuracy_score(y_true == k, y_pred == k)
        assert report.loc[k, "Accuracy"] == pytest.approx(one_against_rest)
    assert report.attrs["accuracy"] == pytest.approx(accuracy_score(y_true, y_pred))
    assert report.attrs["balanced_accuracy"] == pytest.approx(
        balanced_accuracy_score(y_true, y_pred)
    )


def test_labels_choose_the_rows_and_their_order():
    report = per_class_report(y_true, y_pred, labels=["viral", "bac"])
    assert list(report.index) == ["viral", "bac"]
    assert report.loc["bac"].equals(per_class_report(y_true, y_pred).loc["bac"])


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan])
def test_undefined_values_follow_zero_division(value):
    report = per_class_report(
        ["a", "a", "b"], ["a", "b", "b"], labels=["a", "b", "c"], zero_division=value
    )
    np.testing.assert_equal(report.loc["c", "Sensitivity"], value)
    np.testing.assert_equal(report.loc["c", "F1Score"], value)
    assert report.loc["c", "Specificity"] == 1
    assert report.attrs["balanced_accuracy"] == pytest.approx(0.75)


def test_a_class_never_predicted():
    report = per_class_report(["a", "b"], ["a", "a"])
    assert report.loc["b"].tolist() == [0.5, 0, 1, 0]


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan])
def test_the_specificity_of_the_only_class_follows_zero_division(value):
    report = per_class_report(["a", "a"], ["a", "a"], zero_division=value)
    np.testing.assert_equal(report.loc["a", "Specificity"], value)


def test_calibration_error_of_frequencies_is_zero():
    y = ["a"] * 8 + ["b"] * 2
    assert expected_calibration_error(y, [[0.8, 0.2]] * 10, ["a", "b"]) == pytest.approx(0)


def test_calibration_error_is_the_weighted_mean_of_the_bins_gaps():
    """Bin 0.9: confidence 0.9, right in 1 of 3; bin 0.6: confidence 0.6, right in 1 of 1."""
    probabilities = [[0.9, 0.1], [0.1, 0.9], [0.9, 0.1], [0.4, 0.6]]
    error = expected_calibration_error([0, 0, 1, 1], probabilities, [0, 1])
    assert error == pytest.approx((3 * (0.9 - 1 / 3) + 1 * 0.4) / 4)


def test_calibration_error_of_certainty():
    assert expected_calibration_error([0, 1], np.eye(2), [0, 1]) == 0
    assert expected_calibration_error([1, 0], np.eye(2), [0, 1]) == 1


def test_total_accuracy_follows_from_the_one_against_rest_rows():
    """Each wrong image is an error of two classes: how a printed table 4 can be checked."""
    report = per_class_report(y_true, y_pred)
    errors = (1 - report["Accuracy"]).sum()
    assert report.attrs["accuracy"] == pytest.approx(1 - errors / 2)
