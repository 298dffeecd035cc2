import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import Pipeline
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from skcxr.evaluation import compare, duplicates_of
from tests.evaluation.build_comparison import build_comparison, spread

STUDY = Path(__file__).parents[2] / "experiments" / "recommendation.py"
CLASSIC = np.full(20, 0.7)
BETTER = CLASSIC + spread(0.10, 0.03)
EQUAL = CLASSIC + spread(0.0, 0.03)
CONTROLS = {"dcgan": "duplicates"}


def test_the_baseline_is_recommended_unless_an_arm_is_better():
    scores = {"classic": CLASSIC, "dcgan": EQUAL}
    seconds = {"classic": 1.0, "dcgan": 9.0}
    assert build_comparison(scores, seconds=seconds).recommendation == (
        "Use classic: no other arm is better with a probability above 0.95, and it costs least."
    )
    seconds["classic"] = 10.0
    assert build_comparison(scores, seconds=seconds).recommendation == (
        "Use classic: no other arm is better with a probability above 0.95."
    )


def test_the_required_probability_is_corrected_for_the_number_of_arms():
    comparison = build_comparison({"classic": CLASSIC, "a": EQUAL, "b": EQUAL, "c": EQUAL})
    assert (
        "with a probability above 0.983 (0.95, corrected for 3 arms)" in comparison.recommendation
    )


def test_an_arm_that_is_better_is_recommended():
    text = build_comparison({"classic": CLASSIC, "a": EQUAL, "b": BETTER}).recommendation
    assert re.fullmatch(
        r"Use b: it is better than classic with a probability of above 0\.999 \(accuracy \+0\.100, "
        r"95 % CI \+0\.06\d to \+0\.13\d\)\.",
        text,
    )


def test_of_two_better_arms_the_best_mean_is_recommended():
    best = BETTER + spread(0.10, 0.01)
    scores = {"classic": CLASSIC, "cheap": BETTER, "best": best}
    comparison = build_comparison(scores, seconds={"classic": 1, "cheap": 2, "best": 9})
    assert comparison.recommendation.startswith("Use best: it is better than classic")


def test_of_two_better_arms_without_a_difference_the_cheaper_one_is_recommended():
    best = BETTER + spread(0.001, 0.05)
    scores = {"classic": CLASSIC, "cheap": BETTER, "best": best}
    seconds = {"classic": 1, "cheap": 2, "best": 9}
    text = build_comparison(scores, seconds=seconds).recommendation
    assert text.startswith("Use cheap: it is better than classic")
    assert "best has the best mean, but is not shown to be better and costs more." in text
    text = build_comparison(scores, seconds=seconds | {"cheap": 20}).recommendation
    assert text.startswith("Use best: it is better than classic")
    assert "It is not shown to be better than cheap, but costs less." in text


@pytest.mark.parametrize(
    ("duplicates", "sentence"),
    [
        (CLASSIC, "It is also better than its control, duplicates, so the images cause a gain."),
        (
            CLASSIC + spread(0.05, 0.15),
            "It is not shown to be better than its control, duplicates, so the gain may not come ",
        ),
    ],
)
def test_the_control_decides_what_the_gain_is_credited_to(duplicates, sentence):
    scores = {"classic": CLASSIC, "duplicates": duplicates, "dcgan": BETTER}
    text = build_comparison(scores, controls=CONTROLS).recommendation
    assert text.startswith("Use dcgan: ")
    assert sentence in text
    assert "control" not in build_comparison(scores).recommendation


def test_a_control_as_good_as_its_arm_means_that_the_images_are_not_needed():
    scores = {"classic": CLASSIC, "duplicates": BETTER, "dcgan": BETTER + spread(0.002, 0.04)}
    seconds = {"classic": 1, "duplicates": 2, "dcgan": 9}
    text = build_comparison(scores, seconds=seconds, controls=CONTROLS).recommendation
    assert text.startswith("Use duplicates: ")
    assert text.endswith(
        "duplicates is the control of dcgan, which is not shown to be better: the gain does not "
        "need synthetic images."
    )
    same = {"classic": CLASSIC, "duplicates": BETTER, "dcgan": BETTER}
    text = build_comparison(same, seconds=seconds | {"dcgan": 1}, controls=CONTROLS).recommendation
    assert text.startswith("Use dcgan: ")
    assert "control, duplicates: the gain does not come from the synthetic images." in text


def test_a_gain_without_a_control_is_qualified():
    scores = {"classic": CLASSIC, "dcgan": BETTER}
    text = build_comparison(scores, controls={"dcgan": None}).recommendation
    assert text.endswith("No arm adds as many duplicates, so the gain may come from more training "
                         "steps alone.")  # fmt: skip


def test_compare_finds_the_control_of_each_arm():
    X, y = load_iris(return_X_y=True)
    clf = LogisticRegression(max_iter=999)
    smote = Pipeline([("s", SMOTE(sampling_strategy={0: 60}, random_state=0)), ("clf", clf)])
    arms = {"classic": clf, "smote": smote, "duplicates": duplicates_of(smote)}
    assert compare(arms, X, y).controls == {"smote": "duplicates"}
    del arms["duplicates"]
    with pytest.warns(UserWarning, match="none adds duplicates"):
        assert compare(arms, X, y).controls == {"smote": None}


def test_an_arm_that_failed_in_a_fold_is_not_recommended():
    failed = BETTER.copy()
    failed[3] = np.nan
    text = build_comparison({"classic": CLASSIC, "dcgan": failed}).recommendation
    assert text == (
        "Use classic: no other arm that finished is better with a probability above 0.95, and it "
        "costs least. dcgan is better where it finished, but an arm that failed is not "
        "recommended. dcgan failed in 1 of 20 folds."
    )


def test_an_arm_that_failed_in_all_folds_is_named():
    scores = {"classic": CLASSIC, "a": EQUAL, "dcgan": np.full(20, np.nan)}
    text = build_comparison(scores).recommendation
    assert text.startswith("Use classic: no other arm is better with a probability above 0.95, ")
    assert "Nothing is said of dcgan, which has no interval." in text
    assert text.endswith("dcgan failed in 20 of 20 folds.")


def test_a_baseline_that_failed_gives_no_recommendation():
    scores = {"classic": np.full(20, np.nan), "a": EQUAL}
    text = build_comparison(scores).recommendation
    assert text.startswith("No recommendation: no arm has an interval of its difference from class")
    assert text.endswith("classic failed in 20 of 20 folds.")


def test_an_interrupted_run_gives_a_preliminary_recommendation():
    text = build_comparison({"classic": CLASSIC, "dcgan": EQUAL[:6]}).recommendation
    assert text.startswith("Use classic: ")
    assert text.endswith("This is preliminary, because the arms have not finished the same folds.")


def test_one_arm_alone_gives_no_recommendation():
    text = build_comparison({"classic": CLASSIC}).recommendation
    assert text == "No recommendation: classic was not compared with another arm."


def test_the_recommendation_comes_first_in_markdown():
    X, y = load_iris(return_X_y=True)
    clf = LogisticRegression(max_iter=999)
    comparison = compare({"classic": clf, "other": clf}, X, y)
    text = comparison.to_markdown()
    assert text.index(comparison.recommendation) < text.index(comparison.reading)


@pytest.fixture(scope="module")
def study():
    if not STUDY.exists():
        pytest.skip("the source distribution has no experiments")
    spec = importlib.util.spec_from_file_location("recommendation_study", STUDY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def count_recommended(study, arm, *, better, n_runs):
    """Return how often an arm is recommended of four in five times four folds."""
    comparisons = (study.simulate(seed, better=better) for seed in range(n_runs))
    return sum(study.get_recommended(comparison) == arm for comparison in comparisons)


def test_equal_arms_replace_the_baseline_in_at_most_5_percent(study):
    assert count_recommended(study, "classic", better=False, n_runs=40) >= 38


def test_an_arm_that_is_better_by_0_10_is_found_in_at_least_80_percent(study):
    assert count_recommended(study, "first", better=True, n_runs=20) >= 16
