import numpy as np
import pytest
from imblearn.metrics import sensitivity_score, specificity_score
from scipy.special import softmax
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, roc_auc_score

from skcxr.metrics import expected_calibration_error, per_class_report
from skcxr.metrics._classification import bootstrap_calibration_error, compute_auc

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


# What the founding paper prints in table 4: accuracy, sensitivity, specificity and "F1Score" of
# covid, normal, bacterial and viral images, and the total accuracy.
PRINTED = {
    "a": (
        [
            (0.988, 0.962, 0.997, 0.978),
            (0.898, 0.635, 0.985, 0.767),
            (0.820, 0.716, 0.855, 0.776),
            (0.855, 0.808, 0.870, 0.835),
        ],
        0.780,
    ),
    "b": (
        [
            (1.000, 1.000, 1.000, 1.000),
            (0.948, 0.802, 0.997, 0.888),
            (0.820, 0.636, 0.882, 0.733),
            (0.867, 0.833, 0.878, 0.852),
        ],
        0.818,
    ),
}
ROWS = [row for rows, _ in PRINTED.values() for row in rows]


def draw_predictions(sensitivity, specificity):
    """Labels and predictions of 1,000 images of a class and of 3,000 others, as in table 4."""
    labels = ["class"] * 1000 + ["rest"] * 3000
    n_found = round(1000 * sensitivity)
    n_false = round(3000 * (1 - specificity))
    found = ["class"] * n_found + ["rest"] * (1000 - n_found)
    others = ["class"] * n_false + ["rest"] * (3000 - n_false)
    return labels, found + others


@pytest.mark.parametrize("row", ROWS)
def test_the_papers_f1_score_is_the_harmonic_mean_of_sensitivity_and_specificity(row):
    _, sensitivity, specificity, printed = row
    true, predicted = draw_predictions(sensitivity, specificity)
    report = per_class_report(true, predicted, harmonic_mean=True).loc["class"]
    assert report["Sensitivity"] == pytest.approx(sensitivity)
    assert report["Specificity"] == pytest.approx(specificity)
    assert report["HarmonicMean"] == pytest.approx(printed, abs=0.007)
    assert report["F1Score"] == pytest.approx(f1_score(true, predicted, pos_label="class"))


def test_the_papers_f1_score_is_not_f1():
    distances = []
    for _, sensitivity, specificity, printed in ROWS:
        report = per_class_report(*draw_predictions(sensitivity, specificity))
        distances.append(abs(report.loc["class", "F1Score"] - printed))
    assert max(distances) == pytest.approx(0.11, abs=0.005)


@pytest.mark.parametrize("table", PRINTED)
def test_the_papers_tables_agree_with_their_totals(table):
    """Within rounding: each of the five figures is printed to three decimals."""
    rows, total = PRINTED[table]
    errors = sum(1 - accuracy for accuracy, *_ in rows)
    assert errors == pytest.approx(2 * (1 - total), abs=(4 + 2) * 0.0005)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_classes", [2, 3, 4, 7])
def test_one_against_rest_errors_are_twice_the_total_error(n_classes, seed):
    rng = np.random.default_rng(seed)
    confusion = rng.integers(0, 30, (n_classes, n_classes))
    true = np.repeat(np.arange(n_classes), confusion.sum(axis=1))
    predicted = np.concatenate([np.repeat(np.arange(n_classes), counts) for counts in confusion])
    report = per_class_report(true, predicted, labels=np.arange(n_classes))
    total = np.trace(confusion) / confusion.sum()
    assert report.attrs["accuracy"] == pytest.approx(total)
    assert (1 - report["Accuracy"]).sum() == pytest.approx(2 * (1 - total))


def test_the_harmonic_mean_is_added_on_request():
    plain = per_class_report(y_true, y_pred)
    report = per_class_report(y_true, y_pred, harmonic_mean=True)
    assert list(report.columns) == [*plain.columns, "HarmonicMean"]
    assert report[plain.columns].equals(plain)
    assert report.attrs == plain.attrs
    expected = 2 / (1 / plain["Sensitivity"] + 1 / plain["Specificity"])
    np.testing.assert_allclose(report["HarmonicMean"], expected)


def test_the_harmonic_mean_of_zeros_and_of_undefined_values():
    wrong = per_class_report(["a", "b"], ["b", "a"], harmonic_mean=True, zero_division=1.0)
    assert wrong["HarmonicMean"].tolist() == [0, 0]
    half = per_class_report(["a", "b"], ["a", "a"], harmonic_mean=True)
    assert half["HarmonicMean"].tolist() == [0, 0]
    missing = per_class_report(
        ["a", "b"], ["a", "b"], labels=["a", "c"], harmonic_mean=True, zero_division=np.nan
    )
    np.testing.assert_equal(missing["HarmonicMean"].tolist(), [1, np.nan])


def draw_labelled(n, sharpness, rng):
    """Return classes and predicted probabilities, which are calibrated for a sharpness of 1."""
    logits = 1.5 * rng.normal(size=(n, 4))
    true = softmax(sharpness * logits, axis=1).cumsum(axis=1)
    return (true > rng.random((n, 1))).argmax(axis=1), softmax(logits, axis=1)


def test_the_interval_of_the_calibration_error_holds_the_true_error():
    rng = np.random.default_rng(0)
    truth = expected_calibration_error(*draw_labelled(200_000, 0.6, rng), range(4))
    assert truth == pytest.approx(0.122, abs=0.003)
    covered = []
    for seed in range(100):
        y, p = draw_labelled(150, 0.6, np.random.default_rng(seed))
        low, high = bootstrap_calibration_error(y, p, range(4), np.arange(150), n_resamples=200)
        assert low <= expected_calibration_error(y, p, range(4)) <= high
        covered.append(low <= truth <= high)
    assert np.mean(covered) >= 0.9


def test_the_interval_of_the_calibration_error_is_wider_over_patients_than_over_images():
    """Four images of a patient that all have the same prediction are worth one."""
    y, p = draw_labelled(100, 0.6, np.random.default_rng(0))
    y, p = y.repeat(4), p.repeat(4, axis=0)
    widths = [
        np.ptp(bootstrap_calibration_error(y, p, range(4), units))
        for units in (np.arange(400), np.arange(400) // 4)
    ]
    assert widths[1] > 1.3 * widths[0]
    one = bootstrap_calibration_error(y, p, range(4), np.zeros(400))
    np.testing.assert_equal(one, (np.nan, np.nan))


def test_auc_equals_scikit_learns():
    rng = np.random.default_rng(0)
    is_class = rng.random(50) < 0.3
    scores = (is_class + rng.normal(size=50)).round(1)
    assert compute_auc(is_class, scores) == pytest.approx(roc_auc_score(is_class, scores))
    assert np.isnan(compute_auc(np.ones(5, dtype=bool), rng.random(5)))
