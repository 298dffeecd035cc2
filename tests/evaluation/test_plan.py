import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, StratifiedKFold

from skcxr.evaluation import plan
from skcxr.evaluation._plan import _decide, _Simulation
from skcxr.metrics import corrected_interval

SIZES = {"covid": 60, "normal": 70, "bacterial": 70, "viral": 70}


def simulate(n_images, *, n_folds=1, groups=None, n=1000, **assumptions):
    """Return a simulation of arms on folds of n_images each."""
    rows = np.arange(n_folds * n_images).reshape(n_folds, n_images)
    groups = rows.ravel() if groups is None else groups
    options = {
        "accuracy": 0.75,
        "discordance": 0.1,
        "seed_noise": 0.0,
        "patient_correlation": 0.0,
        **assumptions,
    }
    return _Simulation([(rows, test) for test in rows], groups, n=n, seed=0, **options)


@pytest.mark.parametrize("accuracy", [0.55, 0.75, 0.9])
def test_simulated_arms_have_the_accuracy_and_the_difference(accuracy):
    simulation = simulate(1000, accuracy=accuracy, seed_noise=0.02)
    assert simulation.baseline.mean() == pytest.approx(accuracy, abs=0.003)
    assert simulation.draw(0.06).mean() == pytest.approx(0.06, abs=0.004)


@pytest.mark.parametrize("discordance", [0.05, 0.1, 0.3])
def test_simulated_arms_differ_in_the_share_of_images(discordance):
    # Folds of one image: their difference is 1 or -1 where only one arm is correct.
    differences = simulate(1, n_folds=1000, discordance=discordance).draw(0.0)
    assert np.abs(differences).mean() == pytest.approx(discordance, abs=0.003)


@pytest.mark.parametrize("accuracy", [0.6, 0.9])
def test_simulated_fits_vary_by_the_seed_noise(accuracy):
    simulation = simulate(5000, accuracy=accuracy, seed_noise=0.03)
    of_images = accuracy * (1 - accuracy) / 5000
    assert np.sqrt(simulation.baseline.var() - of_images) == pytest.approx(0.03, rel=0.1)


def test_differences_of_images_of_a_patient_are_correlated():
    # Pairs of images, each pair in a fold: a correlation adds to the variance of the fold's mean.
    groups = np.repeat(np.arange(1000), 2)
    variances = [
        simulate(2, n_folds=1000, groups=groups, patient_correlation=r).draw(0.0).var()
        for r in (0, 1)
    ]
    assert variances[1] == pytest.approx(2 * variances[0], rel=0.05)


@pytest.mark.parametrize(("rope", "level"), [(0.01, 0.95), (0.0, 0.975)])
def test_a_comparison_is_decided_by_the_corrected_interval(rope, level):
    rng = np.random.default_rng(0)
    differences = np.round(rng.normal(0.05, 0.04, size=(300, 4)) * 17) / 17
    differences[0] = 0.1  # no spread, no interval
    differences[1] = [0.05, 0.05, 0.05, 0.0501]
    splits = [(np.arange(50), np.arange(n)) for n in (16, 16, 17, 18)]
    ratio = np.mean([len(test) / 50 for _, test in splits])
    lows = [corrected_interval(d, ratio, confidence=2 * level - 1)[1] for d in differences]
    expected = np.array(lows) > rope
    assert 0.1 < expected.mean() < 0.9
    np.testing.assert_array_equal(_decide(differences, splits, rope, level), expected)


def test_the_power_at_the_detectable_difference_is_the_target():
    detectable = plan(SIZES, power=0.7).detectable
    assert plan(SIZES, difference=detectable).power == pytest.approx(0.7, abs=0.01)
    assert plan(SIZES, difference=detectable - 0.01).power < 0.7


def test_equal_arms_are_rarely_called_better():
    found = plan(SIZES, rope=0, level=0.975, seed_noise=0, n_repeats=2, n_simulations=4000)
    assert found.false_alarms <= 0.025
    assert plan(SIZES, difference=0).power == plan(SIZES).false_alarms


@pytest.mark.parametrize(
    ("options", "larger"),
    [
        ({"discordance": 0.2}, True),
        ({"seed_noise": 0.05}, True),
        ({"power": 0.9}, True),
        ({"rope": 0.03}, True),
        ({"level": 0.99}, True),
        ({"n_repeats": 5}, False),
        ({"cv": 8}, False),
    ],
)
def test_what_makes_the_detectable_difference_larger(options, larger):
    assert (plan(SIZES, **options).detectable > plan(SIZES).detectable + 0.005) == larger
    assert (plan(SIZES, **options).detectable < plan(SIZES).detectable - 0.005) != larger


def test_more_images_detect_smaller_differences_and_several_per_patient_larger_ones():
    y = np.repeat([0, 1], 150)
    options = {"rope": 0, "seed_noise": 0, "patient_correlation": 1}
    alone = plan(y, **options).detectable
    assert plan(np.repeat([0, 1], 600), **options).detectable < 0.6 * alone
    assert plan(y, groups=np.arange(300) // 3, **options).detectable > 1.2 * alone


def test_class_sizes_stand_for_labels():
    y = np.repeat(["a", "b"], [30, 50])
    assert plan({"a": 30, "b": 50}).to_dict() == plan(y).to_dict()


def test_a_class_alone_plans_for_its_sensitivity():
    found = plan({"covid": 70}, accuracy=0.6)
    assert found.n_images == 70
    assert found.detectable > plan(SIZES, accuracy=0.6).detectable + 0.05


@pytest.mark.parametrize(
    ("options", "n_folds"),
    [
        ({"cv": 3}, 3),
        ({"cv": 3, "n_repeats": 2}, 6),
        ({"cv": RepeatedStratifiedKFold(n_splits=4, n_repeats=3)}, 12),
        ({"cv": list(StratifiedKFold(5).split(np.zeros(80), np.arange(80) % 2))}, 5),
    ],
)
def test_folds_are_those_of_a_comparison(options, n_folds):
    found = plan(np.arange(80) % 2, **options)
    assert (found.n_images, found.n_folds) == (80, n_folds)


def test_repeats_split_the_images_anew_and_keep_patients_together():
    y = np.repeat([0, 1], 40)
    groups = np.arange(80) // 4
    assert plan(y, groups=groups, n_repeats=3).n_folds == 12
    folds = list(StratifiedKFold(4, shuffle=True, random_state=0).split(y, y))
    with pytest.raises(ValueError, match="puts group"):
        plan(y, groups=groups, cv=folds)


def test_the_reading_states_images_folds_difference_and_power():
    found = plan(SIZES)
    assert found.reading == (
        f"With 270 images in 4 folds, a difference in accuracy of {found.detectable:.2f} is "
        "detected with 80 % power."
    )


def test_the_basis_states_the_rule_and_the_assumptions():
    basis = plan(SIZES, rope=0.02, level=0.9, accuracy=0.7, discordance=0.12).basis
    assert "a difference above 0.02 has a probability above 0.9" in basis
    assert "accuracy of 0.70, 12 % of the images" in basis
    assert "deviation of 0.01 between the accuracies" in basis


def test_no_difference_is_detectable_with_ten_images():
    found = plan({"a": 5, "b": 5}, cv=2, accuracy=0.9)
    assert found.detectable is None
    assert "no difference in accuracy is detected with 80 % power" in found.reading


def test_a_plan_can_be_written_as_json():
    found = json.loads(json.dumps(plan(SIZES).to_dict()))
    assert found["assumptions"]["discordance"] == 0.1
    assert found["reading"] == plan(SIZES).reading


def test_a_plan_depends_on_its_random_state_alone():
    first = plan(SIZES, n_repeats=2)
    assert plan(SIZES, n_repeats=2) == first
    assert plan(SIZES, n_repeats=2, random_state=1) != first


def draw_features(rng):
    """Return normal features of two classes, of which the first ten are less useful."""
    y = np.repeat([0, 1], 60)
    centers = np.where(np.arange(20) < 10, 0.12, 0.3)
    return rng.normal(size=(120, 20)) + np.outer(2 * y - 1, centers), y


def test_planned_power_is_that_of_real_comparisons():
    """A fast version of experiments/plan.py: logistic regression, compared on new data sets."""
    rng = np.random.default_rng(0)
    hits = np.zeros((80, 2, 4, 30))
    for repetition in hits:
        X, y = draw_features(rng)
        for fold, (train, test) in enumerate(StratifiedKFold(4).split(X, y)):
            for arm, n_features in enumerate((10, 20)):
                clf = LogisticRegression().fit(X[train, :n_features], y[train])
                repetition[arm, fold] = clf.predict(X[test, :n_features]) == y[test]
    few, full = hits.transpose(1, 0, 2, 3)
    differences = (full - few).mean(axis=-1)
    lows = [corrected_interval(d, 1 / 3, confidence=0.9)[1] for d in differences]
    found = np.mean(np.array(lows) > 0.01)
    planned = plan(
        y,
        accuracy=few.mean(),
        discordance=np.mean(few != full),
        seed_noise=0,
        difference=differences.mean(),
    ).power
    assert 0.3 < found < 0.8
    # Two standard errors of a share of 80 repetitions are 0.11.
    assert planned == pytest.approx(found, abs=0.12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"accuracy": 1}, r"accuracy=1 must be a number in \(0, 1\)"),
        ({"accuracy": "high"}, "accuracy='high' must be a number"),
        ({"discordance": 0.4}, r"discordance=0.4 must be a number in \(0, 0.375\]"),
        ({"discordance": 0}, "discordance=0 must be"),
        ({"seed_noise": -0.1}, "seed_noise=-0.1 must be"),
        ({"patient_correlation": 1.1}, "patient_correlation=1.1 must be"),
        ({"difference": 0.3}, r"difference=0.3 must be a number in \[0, 0.25\]"),
        ({"power": 0}, "power=0 must be"),
        ({"rope": -0.01}, "rope=-0.01 must be"),
        ({"level": 0.5}, r"level=0.5 must be a number in \(0.5, 1\)"),
        ({"n_simulations": 0}, "n_simulations=0 must be a whole number of 1 or more"),
        ({"n_repeats": 0}, "n_repeats=0 must be a whole number of 1 or more"),
        ({"n_repeats": 2, "cv": StratifiedKFold(4)}, "n_repeats=2 needs an int as cv"),
        ({"cv": [(np.arange(200), np.arange(200, 270))]}, "cv yields one fold"),
        ({"groups": np.arange(3)}, "groups"),
    ],
)
def test_invalid_assumptions_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        plan(SIZES, **options)


@pytest.mark.parametrize("sizes", [{"a": -1}, {"a": 2.5}])
def test_invalid_class_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match="Pass the number of images of each class"):
        plan(sizes)
