import io
import re

import joblib
import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import Pipeline
from sklearn.datasets import load_iris
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import (
    FixedThresholdClassifier,
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_predict,
    cross_validate,
)

from skcxr import DCGANOversampler
from skcxr.evaluation import compare, duplicates_of, fit_folds
from skcxr.evaluation._comparison import _repeats
from skcxr.metrics import (
    corrected_interval,
    expected_calibration_error,
    mcnemar_p_value,
    per_class_report,
    wilcoxon_p_value,
)
from skcxr.over_sampling import grow

X, y = load_iris(return_X_y=True)
ARMS = {"weak": LogisticRegression(C=1e-4), "strong": LogisticRegression(max_iter=1000)}


def test_every_arm_gets_the_same_folds():
    results = list(fit_folds(ARMS, X, y, cv=5))
    assert sorted((r.arm, r.fold) for r in results) == sorted(
        (a, f) for a in ARMS for f in range(5)
    )
    tests = {arm: [r.test for r in results if r.arm == arm] for arm in ARMS}
    for weak, strong in zip(tests["weak"], tests["strong"], strict=True):
        np.testing.assert_array_equal(weak, strong)


def test_predictions_are_cross_validations():
    cv = StratifiedKFold(4, shuffle=True, random_state=0)
    pooled = np.empty_like(y)
    for result in fit_folds({"strong": ARMS["strong"]}, X, y, cv=cv):
        pooled[result.test] = result.predictions
        assert not np.intersect1d(result.train, result.test).size
        np.testing.assert_array_equal(result.probabilities.argmax(axis=1), result.predictions)
    np.testing.assert_array_equal(pooled, cross_val_predict(ARMS["strong"], X, y, cv=cv))


def test_groups_stay_together():
    groups = np.arange(150) // 3
    for result in [
        *fit_folds(ARMS, X, y, cv=StratifiedGroupKFold(3), groups=groups),
        *fit_folds(ARMS, X, y, cv=3, groups=groups),
    ]:
        assert not np.intersect1d(groups[result.train], groups[result.test]).size


def test_results_come_as_they_finish():
    fits = []

    class Counting(LogisticRegression):
        def fit(self, X, y):
            fits.append(len(X))
            return super().fit(X, y)

    results = fit_folds({"counting": Counting(max_iter=1000)}, X, y, cv=3)
    assert next(results).fold == 0
    assert len(fits) == 1
    assert len(list(results)) == 2


def test_predictions_are_predicts_own():
    """A tuned threshold makes them differ from the most probable class."""
    two = y < 2
    arm = FixedThresholdClassifier(ARMS["strong"], threshold=1.1)
    for result in fit_folds({"never": arm}, X[two], y[two], cv=2):
        assert not result.predictions.any()
        assert result.probabilities[:, 1].max() > 0.5


def test_arms_in_parallel_give_the_same():
    def pooled(n_jobs):
        results = fit_folds(ARMS, X, y, cv=2, n_jobs=n_jobs)
        return {(r.arm, r.fold): r.probabilities for r in results}

    one, two = pooled(1), pooled(2)
    for key in one:
        np.testing.assert_allclose(one[key], two[key])


def test_arms_are_left_unfitted():
    list(fit_folds(ARMS, X, y, cv=2))
    assert not hasattr(ARMS["weak"], "coef_")


NAMES = load_iris().target_names[y]
CLASSIC = {"classic": ARMS["weak"], "strong": ARMS["strong"]}
REPEATED = RepeatedStratifiedKFold(n_splits=4, n_repeats=3, random_state=0)


@pytest.fixture(scope="module")
def comparison():
    return compare(CLASSIC, X, NAMES, cv=REPEATED, scoring=["accuracy", "neg_log_loss"])


def scores_of(arm, cv):
    return cross_validate(arm, X, NAMES, cv=cv, scoring=["accuracy", "neg_log_loss"])


def test_results_are_cross_validates_scores(comparison):
    wide = comparison.results.pivot(index=["arm", "fold"], columns="metric", values="value")
    for arm in CLASSIC:
        theirs = scores_of(CLASSIC[arm], REPEATED)
        for metric in ("accuracy", "neg_log_loss"):
            np.testing.assert_allclose(wide.loc[arm, metric], theirs[f"test_{metric}"])
    assert len(wide) == 24
    assert comparison.results.query("fold == 0")[["n_train", "n_test"]].iloc[0].tolist() == [
        112,
        38,
    ]


def test_differences_are_paired_by_fold(comparison):
    paired = (
        scores_of(CLASSIC["strong"], REPEATED)["test_accuracy"]
        - scores_of(CLASSIC["classic"], REPEATED)["test_accuracy"]
    )
    ratio = np.mean([len(test) / len(train) for train, test in REPEATED.split(X, NAMES)])
    row = comparison.differences.query("metric == 'accuracy'").iloc[0]
    assert row[["difference", "low", "high"]].tolist() == pytest.approx(
        corrected_interval(paired, ratio)
    )
    assert row["n_folds"] == 12
    assert row["arm"] == "strong"


def test_each_class_sensitivity_has_a_difference(comparison):
    metrics = set(comparison.differences["metric"])
    assert metrics == {"accuracy", "neg_log_loss"} | {f"sensitivity[{k}]" for k in set(NAMES)}
    folds = comparison.predictions.query("arm == 'strong' and true == 'virginica'")
    expected = (folds["predicted"] == "virginica").groupby(folds["fold"]).mean()
    values = comparison.results.query("arm == 'strong' and metric == 'sensitivity[virginica]'")
    np.testing.assert_allclose(values["value"], expected)


def test_every_image_is_predicted_once_a_repeat(comparison):
    for _, rows in comparison.predictions.groupby(["arm", "repeat"]):
        assert sorted(rows["row"]) == list(range(150))
        np.testing.assert_array_equal(rows["true"], NAMES[rows["row"]])
    probabilities = comparison.predictions[[f"p_{k}" for k in comparison.classes]]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_summary_pools_predictions():
    comparison = compare(CLASSIC, X, NAMES, cv=4)
    hits, errors = {}, {}
    for arm, rows in comparison.predictions.sort_values("row").groupby("arm"):
        hits[arm] = (rows["true"] == rows["predicted"]).to_numpy()
        p = rows[[f"p_{k}" for k in comparison.classes]]
        errors[arm] = expected_calibration_error(rows["true"], p, comparison.classes)
    row = comparison.summary.loc["strong"]
    assert row["mcnemar_p"] == mcnemar_p_value(hits["strong"], hits["classic"])
    assert row["only_arm"] == np.count_nonzero(hits["strong"] & ~hits["classic"])
    assert row["only_baseline"] == np.count_nonzero(~hits["strong"] & hits["classic"])
    assert comparison.summary["calibration_error"].to_dict() == pytest.approx(errors)
    pd.testing.assert_frame_equal(
        comparison.report("strong"),
        per_class_report(NAMES, _in_order(comparison, "strong")),
        check_names=False,
    )


def _in_order(comparison, arm):
    rows = comparison.predictions.query("arm == @arm").sort_values("row")
    return rows["predicted"].to_numpy()


def test_reading_names_better_worse_and_undecided(comparison):
    assert comparison.reading.startswith("strong is better than classic: accuracy +0.3")
    worse = comparison.against("strong").reading
    assert worse.startswith("classic is worse than strong: accuracy -0.3")
    same = compare({"classic": ARMS["strong"], "same": ARMS["strong"]}, X, y)
    assert same.reading.startswith("same can not be told from classic: accuracy +0.000")
    row = same.summary.loc["same"]
    assert row[["difference", "low", "high", "wilcoxon_p", "mcnemar_p"]].tolist() == [0, 0, 0, 1, 1]


def test_markdown_and_csv(comparison, tmp_path):
    text = comparison.to_markdown()
    assert re.search(r"^\| strong +\| 0\.9", text, re.M)
    assert "strong is better than classic" in text
    assert text.count("| class ") == 2
    assert "<0.001" in text
    assert "nan" not in text
    back = pd.read_csv(io.StringIO(comparison.to_csv()))
    pd.testing.assert_frame_equal(back, comparison.results)
    comparison.to_csv(tmp_path / "results.csv")
    assert (tmp_path / "results.csv").read_text() == comparison.to_csv()


def test_groups_stay_together_in_a_comparison():
    groups = np.arange(150) // 3
    found = compare(CLASSIC, X, y, cv=3, groups=groups).predictions.query("arm == 'strong'")
    assert (found.groupby(groups[found["row"]])["fold"].nunique() == 1).all()


def test_a_class_that_a_training_fold_lacks_has_probability_zero():
    few = np.where(np.arange(150) == 0, "rare", NAMES)
    splits = [(np.arange(1, 150), np.arange(0, 30)), (np.arange(0, 149), np.arange(140, 150))]
    comparison = compare(CLASSIC, X, few, cv=splits)
    assert (comparison.predictions.query("fold == 0")["p_rare"] == 0).all()
    assert (comparison.predictions.query("fold == 1")["p_rare"] > 0).all()
    sensitivity = comparison.results.query("metric == 'sensitivity[rare]' and arm == 'strong'")
    np.testing.assert_equal(sensitivity["value"].tolist(), [0, np.nan])


class Breaking(LogisticRegression):
    """Counts its fits in a file, and fails in the fit whose number the file's neighbour holds."""

    def __init__(self, folder=None, max_iter=1000):
        super().__init__(max_iter=max_iter)
        self.folder = folder

    def fit(self, X, y):
        fits = len(list(self.folder.glob("fit-*")))
        if (self.folder / f"break-{fits}").exists():
            (self.folder / f"break-{fits}").unlink()
            raise KeyboardInterrupt
        (self.folder / f"fit-{fits}").touch()
        return super().fit(X, y)


@pytest.mark.parametrize("kind", [str, joblib.Memory])
def test_a_killed_comparison_goes_on(tmp_path, kind):
    memory = kind(str(tmp_path / "memory"))
    if kind is joblib.Memory:
        memory.verbose = 0
    (tmp_path / "break-5").touch()
    arms = {"classic": ARMS["weak"], "breaking": Breaking(tmp_path)}
    cv = RepeatedStratifiedKFold(n_splits=4, n_repeats=2, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        compare(arms, X, y, cv=cv, memory=memory)
    assert len(list(tmp_path.glob("fit-*"))) == 5
    resumed = compare(arms, X, y, cv=cv, memory=memory)
    assert len(list(tmp_path.glob("fit-*"))) == 8
    fresh = compare(arms, X, y, cv=cv)
    pd.testing.assert_frame_equal(resumed.predictions, fresh.predictions)


def test_memory_knows_other_parameters_and_data(tmp_path):
    def accuracy(C, X):
        arms = {"classic": LogisticRegression(C=C, max_iter=1000)}
        return compare(arms, X, y, memory=str(tmp_path)).summary.loc["classic", "score"]

    assert accuracy(1.0, X) != accuracy(1e-4, X)
    assert accuracy(1.0, X) != accuracy(1.0, X[:, :1])


def test_in_parallel_it_finds_the_same(comparison):
    parallel = compare(
        CLASSIC, X, NAMES, cv=REPEATED, scoring=["accuracy", "neg_log_loss"], n_jobs=2
    )
    pd.testing.assert_frame_equal(parallel.predictions, comparison.predictions)


@pytest.mark.parametrize("scoring", [lambda clf, X, y: 0.5, {"half": lambda clf, X, y: 0.5}])
def test_scores_of_ones_own(scoring):
    comparison = compare(CLASSIC, X, y, cv=2, scoring=scoring)
    assert comparison.summary["score"].tolist() == [0.5, 0.5]


def test_duplicates_grow_to_the_same_counts(phantoms):
    sampler = DCGANOversampler(sampling_strategy=grow(1.5), random_state=7)
    pipe = Pipeline([("gan", sampler), ("clf", LogisticRegression())])
    control = duplicates_of(pipe)
    assert isinstance(control["gan"], RandomOverSampler)
    _, grown = control["gan"].fit_resample(phantoms.data, phantoms.target)
    np.testing.assert_array_equal(np.bincount(grown), [18] * 4)
    assert control["gan"].random_state == 7
    assert pipe["gan"] is sampler
    with pytest.raises(ValueError, match="No step of the pipeline samples"):
        duplicates_of(Pipeline([("clf", LogisticRegression())]))


def test_duplicates_of_images_are_those_of_their_rows(phantoms):
    control = duplicates_of(Pipeline([("gan", DCGANOversampler(random_state=7)), ("clf", None)]))
    rows, y = phantoms.data[:-9], phantoms.target[:-9]
    expected, _ = control["gan"].fit_resample(rows, y)
    for shape in ((16, 16), (1, 16, 16)):
        X, _ = control["gan"].fit_resample(rows.reshape(-1, *shape), y)
        assert X.shape[1:] == shape
        np.testing.assert_array_equal(X.reshape(len(X), -1), expected)
    assert len(expected) > len(rows)


def test_synthetic_images_without_duplicates_are_warned_of(phantoms, tiny_gan, tiny_clf):
    sampler = DCGANOversampler(tiny_gan, sampling_strategy=grow(1.5), random_state=0)
    arms = {"classic": tiny_clf, "dcgan": Pipeline([("gan", sampler), ("clf", tiny_clf)])}
    with pytest.warns(UserWarning, match="none adds duplicates"):
        compare(arms, phantoms.data, phantoms.target, cv=2)
    arms["duplicates"] = duplicates_of(arms["dcgan"])
    compare(arms, phantoms.data, phantoms.target, cv=2)


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ({"weak": ARMS["weak"]}, r"baseline='classic' is not one of the arms, \['weak', "),
        ({"classic": RidgeClassifier()}, "Arm 'classic' has no predict_proba"),
    ],
)
def test_bad_arms_are_refused_before_training(arms, message):
    with pytest.raises(ValueError, match=message):
        compare(arms | {"never": DummyClassifier(strategy="fails if fitted")}, X, y)


def test_differences_to_an_unknown_arm_are_refused(comparison):
    with pytest.raises(ValueError, match="baseline='gan' is not one of the arms"):
        comparison.against("gan")


def test_a_progress_bar_on_request(capsys):
    compare(CLASSIC, X, y, cv=2, verbose=1)
    assert "4/4" in capsys.readouterr().err
    compare(CLASSIC, X, y, cv=2)
    assert capsys.readouterr().err == ""


def test_one_split_has_no_interval():
    splits = [(np.arange(0, 150, 2), np.arange(1, 150, 2))]
    comparison = compare(CLASSIC, X, y, cv=splits)
    assert re.match(
        r"strong is better than classic: accuracy \+0\.\d+, no interval from 1 fold; only strong",
        comparison.reading,
    )
    same = compare({"classic": ARMS["strong"], "same": ARMS["strong"]}, X, y, cv=splits)
    assert same.reading.startswith("same can not be told from classic")
    assert "nan" not in comparison.reading + comparison.to_markdown()


def test_one_arm_alone():
    comparison = compare({"classic": ARMS["strong"]}, X, y)
    assert comparison.reading == ""
    assert "classic, total accuracy" in comparison.to_markdown()
    assert comparison.differences.empty


def test_splits_may_be_a_generator():
    cv = StratifiedKFold(3).split(X, y)
    assert len(compare(CLASSIC, X, y, cv=cv).predictions) == 300


def test_a_repeat_shares_no_test_image():
    folds = {0: [0, 1], 1: [2, 3], 2: [3, 0], 3: [1, 2], 4: [0, 2], 5: [0]}
    repeats = _repeats({fold: np.array(rows) for fold, rows in folds.items()})
    assert repeats == {0: 0, 1: 0, 2: 1, 3: 1, 4: 2, 5: 3}


def test_wilcoxon_is_of_one_repeats_folds(comparison):
    """Over all folds of all repeats it would find differences where there are none."""
    wide = comparison.results.query("metric == 'accuracy'").pivot(
        index="fold", columns="arm", values="value"
    )
    paired = (wide["strong"] - wide["classic"]).to_numpy().reshape(3, 4)
    row = comparison.differences.query("metric == 'accuracy'").iloc[0]
    assert row["wilcoxon_p"] == np.median([wilcoxon_p_value(folds) for folds in paired])
    assert row["wilcoxon_p"] >= 0.125


class Unfitted(DummyClassifier):
    def fit(self, X, y):
        pytest.fail("an arm was fitted")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"scoring": "acc"}, "'acc'"),
        ({"scoring": ["accuracy", "nope"]}, "'nope'"),
        ({"scoring": []}, r"scoring=\[\] names no score"),
        ({"scoring": None}, "scoring=None names no score"),
        ({"groups": [np.nan] + [1.0] * 149}, "groups is missing for 1 image, the first in row 0"),
        ({"groups": ["a"] * 149 + [None]}, "groups is missing for 1 image, the first in row 149"),
        ({"y": ["a", "b", None] * 50}, "y is missing for 50 images, the first in row 2"),
    ],
)
def test_bad_input_is_refused_before_training(params, message):
    with pytest.raises(ValueError, match=message):
        compare({"classic": Unfitted()}, X, **({"y": y} | params))


def test_memory_may_be_a_path(tmp_path):
    compare({"classic": ARMS["strong"]}, X, y, memory=tmp_path / "memory")
    assert any((tmp_path / "memory").rglob("output.pkl"))
