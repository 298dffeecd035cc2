import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from skcxr.evaluation import compare
from skcxr.evaluation._verdicts import decide_verdicts
from skcxr.metrics import correlated_t_test
from tests.evaluation.build_comparison import build_comparison, spread

CLASSIC = np.full(20, 0.7)


def judge(difference, deviation, n=20, **options):
    """Return the summary's row of an arm, and the reading."""
    scores = {"classic": CLASSIC[:n], "arm": CLASSIC[:n] + spread(difference, deviation, n)}
    comparison = build_comparison(scores, **options)
    return comparison.summary.loc["arm"], comparison.reading


@pytest.mark.parametrize(
    ("difference", "deviation", "rope", "verdict", "clause"),
    [
        (0.10, 0.04, 0.01, "better", "arm is better than classic: "),
        (-0.10, 0.04, 0.01, "worse", "arm is worse than classic: "),
        (0.0, 0.02, 0.05, "practically equivalent", "arm and classic are practically equivalent: "),
        (0.03, 0.05, 0.01, "undecided", "Undecided between arm and classic: "),
    ],
)
def test_four_verdicts(difference, deviation, rope, verdict, clause):
    row, reading = judge(difference, deviation, rope=rope)
    assert row["verdict"] == verdict
    assert reading.startswith(clause)


def test_the_summary_has_the_probabilities_of_the_posterior():
    row, reading = judge(0.03, 0.05)
    expected = correlated_t_test(spread(0.03, 0.05), 1 / 3, rope=0.01)
    assert row[["p_worse", "p_equivalent", "p_better"]].tolist() == pytest.approx(expected)
    assert f"practically equivalent (within 0.01) {expected[1]:.2f}, worse" in reading


def test_better_means_that_the_90_percent_interval_lies_above_the_rope():
    scale = np.sqrt(1 / 20 + 1 / 3) * 0.04
    edge = 0.01 + t.ppf(0.95, 19) * scale
    assert judge(edge + 1e-4, 0.04)[0]["verdict"] == "better"
    assert judge(edge - 1e-4, 0.04)[0]["verdict"] == "undecided"


def test_the_interval_excludes_zero_if_a_probability_without_rope_is_above_0_975():
    edge = t.ppf(0.975, 19) * np.sqrt(1 / 20 + 1 / 3) * 0.04
    for difference, excludes in ((edge + 1e-4, True), (edge - 1e-4, False)):
        row, _ = judge(difference, 0.04, rope=0)
        assert (row["low"] > 0) == excludes
        assert (row["p_better"] > 0.975) == excludes


def test_several_arms_need_higher_probabilities():
    def table(*p_better):
        p_better = np.array(p_better)
        columns = {"p_worse": 1 - p_better, "p_equivalent": 0.0, "p_better": p_better}
        return pd.DataFrame(columns)

    assert decide_verdicts(table(0.96)).tolist() == ["better"]
    assert decide_verdicts(table(0.96, 0.5, 0.5)).tolist() == ["undecided"] * 3
    # After the first arm has passed 1 - 0.05 / 3, the next one needs 1 - 0.05 / 2.
    assert decide_verdicts(table(0.99, 0.976, 0.5)).tolist() == ["better", "better", "undecided"]
    assert decide_verdicts(table(0.982, 0.976, 0.5)).tolist() == ["undecided"] * 3
    assert decide_verdicts(table(0.01, 0.99)).tolist() == ["worse", "better"]
    assert decide_verdicts(table(0.96, np.nan)).tolist() == ["better", "undecided"]


def test_the_planned_comparison_alone_is_not_corrected():
    scores = {"classic": CLASSIC, "arm": CLASSIC + spread(0.06, 0.04)}
    scores |= {f"other{i}": CLASSIC + spread(0.0, 0.04) for i in range(4)}
    comparison = build_comparison(scores)
    assert comparison.summary.loc["arm", "verdict"] == "undecided"
    assert comparison.only(["classic", "arm"]).summary.loc["arm", "verdict"] == "better"


def test_an_undecided_arm_says_that_repeats_could_decide():
    """Four folds have few degrees of freedom, which repeats add."""
    _, reading = judge(0.07, 0.04, n=4)
    assert "More repeats of the cross-validation could decide it, if this difference" in reading
    assert "Choose their number first: repeating until there is a verdict finds" in reading
    assert "no number of repeats decides it" not in reading


def test_an_undecided_arm_says_that_only_patients_could_decide():
    _, reading = judge(0.03, 0.05)
    assert "no number of repeats decides it, so do not repeat until there is a verdict" in reading
    assert "More patients could decide it" in reading
    assert "More repeats of the cross-validation could" not in reading


def test_repeats_decide_where_the_reading_says_so():
    """With the same mean and spread, a thousand repeats reach a verdict, or they do not."""
    for difference, decided in ((0.055, True), (0.035, False)):
        _, reading = judge(difference, 0.04, n=4)
        assert ("More repeats" in reading) == decided
        values = np.tile(difference + np.array([-1, 1]) * 0.04, 2000)
        assert (correlated_t_test(values, 1 / 3)[2] > 0.95) == decided


def test_a_rope_out_of_reach_is_named_with_the_smallest_one():
    _, reading = judge(0.0, 0.05)
    smallest = norm.ppf(0.975) * np.sqrt(1 / 3) * 0.05
    found = re.search(r"equivalence within 0\.01: the smallest rope for it is (0\.\d+)\.", reading)
    assert smallest <= float(found[1]) < smallest + 0.001
    # With this rope, very many repeats with a difference of 0 would show it; with less, not.
    many = np.tile(spread(0.0, 0.05), 500)
    assert correlated_t_test(many, 1 / 3, rope=float(found[1]) + 0.002)[1] > 0.95
    assert correlated_t_test(many, 1 / 3, rope=smallest - 0.002)[1] < 0.95
    assert "smallest rope" not in judge(0.055, 0.05, rope=0.06)[1]
    assert "quivalen" not in judge(0.0, 0.05, rope=0)[1]


def test_a_disagreement_with_mcnemar_is_named():
    """Five more hits in each of four folds, against folds that differ in sign."""
    steady = build_comparison(
        {"classic": [0.4, 0.4, 0.4, 0.4], "arm": [0.44, 0.48, 0.44, 0.48]}, rope=0
    )
    assert steady.summary.loc["arm", "low"] > 0
    assert steady.summary.loc["arm", "mcnemar_p"] < 0.05
    assert "McNemar's test finds" not in steady.reading
    weak = build_comparison({"classic": [0.4] * 4, "arm": [0.44, 0.44, 0.44, 0.48]}, rope=0)
    assert weak.summary.loc["arm", "low"] > 0
    unsteady = build_comparison({"classic": [0.4] * 4, "arm": [0.4, 0.4, 0.4, 0.8]})
    assert "McNemar's test finds a difference where the interval does not" in unsteady.reading
    few = build_comparison({"classic": [0.4] * 2, "arm": [0.44, 0.4405]}, n_folds=2)
    assert "McNemar's test finds no difference where the interval does" in few.reading


def test_intervals_stay_in_the_possible_range():
    comparison = build_comparison({"classic": [0.1, 0.9], "arm": [0.9, 0.1]}, n_folds=2)
    row = comparison.differences.query("metric == 'accuracy'").iloc[0]
    assert row[["low", "high"]].tolist() == [-1, 1]
    results = comparison.results.replace({"metric": {"accuracy": "neg_log_loss"}})
    losses = build_comparison({"classic": [0.1, 0.9], "arm": [0.9, 0.1]}, n_folds=2)
    losses = type(losses)(results, losses.predictions, losses.classes, losses.baseline)
    assert losses.differences.iloc[0]["high"] > 1


def test_equal_scores_of_different_predictions_are_not_equivalence():
    """All folds tie by chance, so the spread is unknown."""
    comparison = build_comparison({"classic": [0.4] * 4, "arm": [0.4] * 4})
    assert comparison.summary.loc["arm", "verdict"] == "practically equivalent"
    flipped = comparison.predictions["arm"] == "arm"
    comparison.predictions.loc[flipped, "predicted"] = comparison.predictions.loc[
        flipped, "predicted"
    ].to_numpy()[::-1]
    row = comparison.summary.loc["arm"]
    assert row["verdict"] == "undecided"
    assert row[["low", "high", "p_better"]].isna().all()


def test_the_rope_is_a_parameter_of_compare():
    X, y = load_iris(return_X_y=True)
    arms = {"a": LogisticRegression(max_iter=999), "b": LogisticRegression(C=0.5, max_iter=999)}
    wide = compare(arms, X, y, rope=0.2)
    assert wide.rope == 0.2
    assert wide.summary.loc["b", "verdict"] == "practically equivalent"
    assert wide.against("b").only(["a", "b"]).rope == 0.2
    with pytest.raises(ValueError, match=r"rope=-1 must be a number of at least 0"):
        compare(arms, X, y, rope=-1)


def test_the_auc_of_a_class_is_the_mean_of_the_folds():
    X, y = load_iris(return_X_y=True)
    arm = LogisticRegression(C=1e-3)
    found = compare({"arm": arm}, X, y, cv=3).report("arm")["AUC"]
    for k in range(3):
        aucs = [
            roc_auc_score(y[test] == k, arm.fit(X[train], y[train]).predict_proba(X[test])[:, k])
            for train, test in StratifiedKFold(3).split(X, y)
        ]
        assert found[k] == pytest.approx(np.mean(aucs))


def test_the_calibration_error_has_an_interval_by_patient():
    X, y = load_iris(return_X_y=True)
    X, y = X.repeat(3, axis=0), y.repeat(3)
    patients = np.arange(len(y)) // 3
    arm = {"arm": LogisticRegression(C=1e-2)}
    columns = ["calibration_low", "calibration_error", "calibration_high"]
    by_patient = compare(arm, X, y, groups=patients).summary.loc["arm", columns]
    splits = list(StratifiedKFold(4).split(X, y))
    by_image = compare(arm, X, y, cv=splits).summary.loc["arm", columns]
    for row in (by_patient, by_image):
        assert row.is_monotonic_increasing
    assert np.ptp(by_patient) > np.ptp(by_image)
