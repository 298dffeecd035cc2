import importlib
import io
import re
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn.pipeline
from imblearn.pipeline import Pipeline
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import DataConversionWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import (
    GridSearchCV,
    RepeatedStratifiedKFold,
    StratifiedKFold,
    cross_validate,
)
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skcxr import CXRClassifier, DCGANOversampler
from skcxr.evaluation import Comparison, FoldResult, compare, duplicates_of, fit_folds
from skcxr.evaluation._comparison import _number_repeats
from skcxr.metrics import (
    corrected_interval,
    expected_calibration_error,
    mcnemar_p_value,
    per_class_report,
    wilcoxon_p_value,
)
from skcxr.over_sampling import grow

X, y = load_iris(return_X_y=True)
WEAK = LogisticRegression(C=1e-4)
STRONG = LogisticRegression(max_iter=1000)
ARMS = {"classic": WEAK, "strong": STRONG}
NAMES = load_iris().target_names[y]
REPEATED = RepeatedStratifiedKFold(n_splits=4, n_repeats=3, random_state=0)


@pytest.fixture(scope="module")
def comparison():
    return compare(ARMS, X, NAMES, cv=REPEATED, scoring=["accuracy", "neg_log_loss"])


def scores_of(arm, cv):
    return cross_validate(arm, X, NAMES, cv=cv, scoring=["accuracy", "neg_log_loss"])


def test_scores_equal_those_of_cross_validate(comparison):
    wide = comparison.results.pivot(index=["arm", "fold"], columns="metric", values="value")
    for arm in ARMS:
        theirs = scores_of(ARMS[arm], REPEATED)
        for metric in ("accuracy", "neg_log_loss"):
            np.testing.assert_allclose(wide.loc[arm, metric], theirs[f"test_{metric}"])
    assert len(wide) == 24
    assert comparison.results.query("fold == 0")[["n_train", "n_test"]].iloc[0].tolist() == [
        112,
        38,
    ]


def test_differences_are_paired_by_fold(comparison):
    paired = (
        scores_of(ARMS["strong"], REPEATED)["test_accuracy"]
        - scores_of(ARMS["classic"], REPEATED)["test_accuracy"]
    )
    ratio = np.mean([len(test) / len(train) for train, test in REPEATED.split(X, NAMES)])
    row = comparison.differences.query("metric == 'accuracy'").iloc[0]
    assert row[["difference", "low", "high"]].tolist() == pytest.approx(
        corrected_interval(paired, ratio)
    )
    assert row["n_folds"] == 12
    assert row["arm"] == "strong"


def test_sensitivity_of_each_class_has_a_difference(comparison):
    metrics = set(comparison.differences["metric"])
    per_class = {f"{name}[{k}]" for name in ("sensitivity", "auc") for k in set(NAMES)}
    assert metrics == {"accuracy", "neg_log_loss"} | per_class
    folds = comparison.predictions.query("arm == 'strong' and true == 'virginica'")
    expected = (folds["predicted"] == "virginica").groupby(folds["fold"]).mean()
    values = comparison.results.query("arm == 'strong' and metric == 'sensitivity[virginica]'")
    np.testing.assert_allclose(values["value"], expected)


def test_every_image_is_predicted_once_per_repeat(comparison):
    for _, rows in comparison.predictions.groupby(["arm", "repeat"]):
        assert sorted(rows["row"]) == list(range(150))
        np.testing.assert_array_equal(rows["true"], NAMES[rows["row"]])
    probabilities = comparison.predictions[[f"p_{k}" for k in comparison.classes]]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_summary_pools_predictions():
    comparison = compare(ARMS, X, NAMES, cv=4)
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
        comparison.report("strong").drop(columns="AUC"),
        per_class_report(NAMES, _in_order(comparison, "strong")),
        check_names=False,
    )


def _in_order(comparison, arm):
    rows = comparison.predictions.query("arm == @arm").sort_values("row")
    return rows["predicted"].to_numpy()


def test_reading_says_better_worse_or_practically_equivalent(comparison):
    assert re.fullmatch(
        r"strong is better than classic: accuracy \+0\.3\d+ "
        r"\(95 % CI \+0\.\d+ to \+0\.\d+, 12 folds\)\. "
        r"Probabilities: better above 0\.999, practically equivalent \(within 0\.01\) "
        r"below 0\.001, worse below 0\.001\. "
        r"\d+ images were classified correctly only by strong, \d+ only by classic "
        r"\(McNemar p = \S+\)\.",
        comparison.reading,
    )
    worse = comparison.against("strong").reading
    assert worse.startswith("classic is worse than strong: accuracy -0.3")
    same = compare({"classic": STRONG, "same": STRONG}, X, y)
    assert same.reading == (
        "same and classic are practically equivalent: accuracy +0.000 (95 % CI +0.000 to +0.000, 4 "
        "folds). Probabilities: better below 0.001, practically equivalent (within 0.01) above "
        "0.999, worse below 0.001. 0 images were classified correctly only by same, 0 only by "
        "classic (McNemar p = 1)."
    )
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
    assert (tmp_path / "results.csv").read_text("utf-8") == comparison.to_csv()


def test_groups_stay_together_in_a_comparison():
    groups = np.arange(150) // 3
    found = compare(ARMS, X, y, cv=3, groups=groups).predictions.query("arm == 'strong'")
    assert (found.groupby(groups[found["row"]])["fold"].nunique() == 1).all()


def test_a_class_that_a_training_fold_lacks_has_probability_zero():
    few = np.where(np.arange(150) == 0, "rare", NAMES)
    splits = [(np.arange(1, 150), np.arange(0, 30)), (np.arange(0, 149), np.arange(140, 150))]
    comparison = compare(ARMS, X, few, cv=splits)
    assert (comparison.predictions.query("fold == 0")["p_rare"] == 0).all()
    assert (comparison.predictions.query("fold == 1")["p_rare"] > 0).all()
    sensitivity = comparison.results.query("metric == 'sensitivity[rare]' and arm == 'strong'")
    np.testing.assert_equal(sensitivity["value"].tolist(), [0, np.nan])


class Breaking(LogisticRegression):
    """Leaves a file for each fit, and is interrupted once in fit i if there is a file break-i."""

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
def test_an_interrupted_comparison_resumes(tmp_path, kind):
    memory = kind(str(tmp_path / "memory"))
    if kind is joblib.Memory:
        memory.verbose = 0
    (tmp_path / "break-5").touch()
    arms = {"classic": WEAK, "breaking": Breaking(tmp_path)}
    cv = RepeatedStratifiedKFold(n_splits=4, n_repeats=2, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        compare(arms, X, y, cv=cv, memory=memory)
    assert len(list(tmp_path.glob("fit-*"))) == 5
    resumed = compare(arms, X, y, cv=cv, memory=memory)
    assert len(list(tmp_path.glob("fit-*"))) == 8
    fresh = compare(arms, X, y, cv=cv)
    pd.testing.assert_frame_equal(resumed.predictions, fresh.predictions)


def test_memory_distinguishes_parameters_and_data(tmp_path):
    def accuracy(C, X):
        arms = {"classic": LogisticRegression(C=C, max_iter=1000)}
        return compare(arms, X, y, memory=str(tmp_path)).summary.loc["classic", "score"]

    assert accuracy(1.0, X) != accuracy(1e-4, X)
    assert accuracy(1.0, X) != accuracy(1.0, X[:, :1])


def test_a_parallel_comparison_gives_the_same_predictions(comparison):
    parallel = compare(ARMS, X, NAMES, cv=REPEATED, scoring=["accuracy", "neg_log_loss"], n_jobs=2)
    pd.testing.assert_frame_equal(parallel.predictions, comparison.predictions)


@pytest.mark.parametrize("scoring", [lambda clf, X, y: 0.5, {"half": lambda clf, X, y: 0.5}])
def test_scores_may_be_functions(scoring):
    comparison = compare(ARMS, X, y, cv=2, scoring=scoring)
    assert comparison.summary["score"].tolist() == [0.5, 0.5]


def test_synthetic_images_without_duplicates_raise_a_warning(phantoms, tiny_gan, tiny_clf):
    sampler = DCGANOversampler(tiny_gan, sampling_strategy=grow(1.5), random_state=0)
    arms = {"classic": tiny_clf, "dcgan": Pipeline([("gan", sampler), ("clf", tiny_clf)])}
    with pytest.warns(UserWarning, match="none adds duplicates"):
        compare(arms, phantoms.data, phantoms.target, cv=2)
    arms["duplicates"] = duplicates_of(arms["dcgan"])
    compare(arms, phantoms.data, phantoms.target, cv=2)


@pytest.mark.parametrize(
    ("arms", "baseline", "message"),
    [
        ({"weak": WEAK}, "classic", r"baseline='classic' is not one of the arms, \['weak', "),
        ({"classic": RidgeClassifier()}, None, "Arm 'classic' has no predict_proba"),
    ],
)
def test_bad_arms_are_refused_before_training(arms, baseline, message):
    arms = arms | {"never": DummyClassifier(strategy="fails if fitted")}
    with pytest.raises(ValueError, match=message):
        compare(arms, X, y, baseline=baseline)


def test_no_arms_are_refused():
    with pytest.raises(ValueError, match="arms is empty"):
        compare({}, X, y)


def test_the_baseline_is_the_first_arm_unless_one_is_named():
    arms = {"b": STRONG, "a": WEAK}
    first = compare(arms, X, y, cv=2)
    assert first.baseline == "b"
    assert list(first.findings) == ["a"]
    assert compare(arms, X, y, cv=2, baseline="a").baseline == "a"


def test_differences_to_an_unknown_arm_are_refused(comparison):
    with pytest.raises(ValueError, match="baseline='gan' is not one of the arms"):
        comparison.against("gan")


def test_a_progress_bar_on_request(capsys):
    compare(ARMS, X, y, cv=2, verbose=1)
    assert "4/4" in capsys.readouterr().err
    compare(ARMS, X, y, cv=2)
    assert capsys.readouterr().err == ""


def test_one_split_has_no_interval_and_no_verdict():
    splits = [(np.arange(0, 150, 2), np.arange(1, 150, 2))]
    comparison = compare(ARMS, X, y, cv=splits)
    assert re.fullmatch(
        r"Undecided between strong and classic: accuracy \+0\.\d+ "
        r"\(no confidence interval from 1 fold\)\. "
        r"\d+ images were classified correctly only by strong, .*"
        r"McNemar's test finds a difference where the interval does not, .*"
        r"There is no verdict without an interval\. More folds or repeats can give one\.",
        comparison.reading,
    )
    assert comparison.recommendation.startswith("No recommendation: no arm has an interval of its")
    assert "nan" not in comparison.reading + comparison.to_markdown()


def make_comparison(hits_by_arm):
    """Make a comparison on folds of ten images, from the number of hits of each arm and fold."""
    results = [
        FoldResult(
            arm=arm,
            fold=fold,
            train=np.arange(100),
            test=np.arange(10) + 10 * fold,
            predictions=np.arange(10) < n_hits,
            probabilities=np.ones((10, 1)),
            classes=np.array([True]),
            scores={"accuracy": n_hits / 10},
            seconds=1.0,
            estimator=None,
        )
        for arm, hits in hits_by_arm.items()
        for fold, n_hits in hits.items()
    ]
    y = np.ones(100, dtype=bool)
    return Comparison.of(results, y, arms=hits_by_arm, baseline=next(iter(hits_by_arm)))


def test_equal_differences_have_no_interval():
    comparison = make_comparison({"a": {0: 5, 1: 7}, "b": {0: 6, 1: 8}})
    assert comparison.reading == (
        "Undecided between b and a: accuracy +0.100 (no confidence interval: all 2 folds have the "
        "same difference). 2 images were classified correctly only by b, 0 only by a (McNemar p = "
        "0.5). There is no verdict without an interval. More folds or repeats can give one."
    )


def test_one_image_is_singular():
    comparison = make_comparison({"a": {0: 5, 1: 7}, "b": {0: 6, 1: 7}})
    assert ". 1 image was classified correctly only by b, 0 only by a" in comparison.reading


def test_only_folds_that_both_arms_have_finished_are_counted():
    comparison = make_comparison({"a": {0: 5, 1: 5, 2: 5}, "b": {0: 6, 1: 8}})
    assert re.search(r"b and a: accuracy \+0\.200 \(95 % CI .*, 2 folds\)", comparison.reading)
    comparison = make_comparison({"a": {0: 5}, "b": {1: 6}})
    assert comparison.reading == "b cannot be compared with a: no fold has finished for both."
    assert comparison.summary["only_arm"].isna().all()


def test_one_arm_alone():
    comparison = compare({"classic": STRONG}, X, y)
    assert comparison.reading == ""
    assert "classic, total accuracy" in comparison.to_markdown()
    assert comparison.differences.empty


def test_splits_may_be_a_generator():
    cv = StratifiedKFold(3).split(X, y)
    assert len(compare(ARMS, X, y, cv=cv).predictions) == 300


def test_a_repeat_shares_no_test_image():
    folds = {0: [0, 1], 1: [2, 3], 2: [3, 0], 3: [1, 2], 4: [0, 2], 5: [0]}
    repeats = _number_repeats({fold: np.array(rows) for fold, rows in folds.items()})
    assert repeats == {0: 0, 1: 0, 2: 1, 3: 1, 4: 2, 5: 3}


def test_wilcoxon_uses_the_folds_of_one_repeat(comparison):
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


X_WITH_NAN = X.copy()
X_WITH_NAN[[60, 99], 2] = np.nan


@pytest.mark.parametrize("run", [compare, fit_folds])
@pytest.mark.parametrize("container", [np.asarray, list, pd.DataFrame])
def test_nan_names_the_images_by_their_rows_in_x(run, container):
    """A fit would name their rows among the training images of its fold."""
    clf = CXRClassifier(max_epochs=1)
    for arm in (clf, Pipeline([("gan", DCGANOversampler()), ("clf", clf)])):
        with pytest.raises(ValueError, match=r"^X holds NaN .* 2 of 150 images, at index 60, 99"):
            list(run({"arm": arm}, container(X_WITH_NAN), y))


def test_arms_that_take_nan_get_it():
    arms = {"chance": DummyClassifier(), "imputing": make_pipeline(SimpleImputer(), STRONG)}
    results = compare(arms, X_WITH_NAN, y).results
    accuracy = results[results["metric"] == "accuracy"].groupby("arm")["value"].mean()
    assert accuracy["imputing"] > 0.9


SHARED_GROUPS = {
    "cv": [(np.arange(0, 150, 2), np.arange(1, 150, 2))],
    "groups": np.arange(150) // 2,
}


@pytest.mark.parametrize("run", [compare, fit_folds])
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"scoring": "acc"}, "'acc'"),
        ({"scoring": ["accuracy", "nope"]}, "'nope'"),
        ({"scoring": []}, r"scoring=\[\] names no score"),
        ({"scoring": None}, "scoring=None names no score"),
        ({"scoring": "f1"}, "scoring='f1' cannot be computed in fold 0: Target is multiclass"),
        ({"scoring": ["accuracy", "roc_auc"]}, "scoring='roc_auc' cannot be computed in fold 0: m"),
        ({"groups": [np.nan] + [1.0] * 149}, "groups is missing for 1 image, the first in row 0"),
        ({"groups": ["a"] * 149 + [None]}, "groups is missing for 1 image, the first in row 149"),
        ({"groups": [1] * 149}, "X holds 150 images, but groups holds 149 labels"),
        ({"groups": np.ones((150, 2))}, r"groups must hold one label per image, got an array of s"),
        (SHARED_GROUPS, "cv puts group 0 into both the training and the test images of fold 0"),
        (
            {"groups": y, "cv": 4},
            "greater than the number of groups|cv yields no test image",
        ),
        ({"y": ["a", "b", None] * 50}, "y is missing for 50 images, the first in row 2"),
        ({"y": y[:-1]}, "X holds 150 images, but y holds 149 labels. Pass one label per image"),
        ({"y": np.eye(3, dtype=int)[y]}, r"y must hold one label .*shape \(150, 3\).*argmax"),
        ({"y": np.eye(3)[y].tolist()}, r"y must hold one label .*shape \(150, 3\).*argmax"),
        ({"y": sparse.csr_matrix(np.eye(3)[y])}, r"y must hold one label per image.*\(150, 3\)"),
        ({"y": None}, r"y must hold one label per image, got an array of shape \(\)"),
        ({"y": X[:, 0] + 0.01}, "y must hold classes: Unknown label type: continuous"),
        ({"y": ["a"] * 150}, "y holds one class, 'a'; a comparison needs two or more"),
        ({"cv": [(np.arange(50), np.arange(150))]}, "cv leaves one class, 0, to train on in fold "),
        ({"cv": [(np.arange(99), [])]}, "cv yields no test image in fold 0"),
        ({"cv": [([], np.arange(9))]}, "cv yields no training image in fold 0"),
        ({"cv": [(np.arange(99), [150])]}, "cv yields the test row 150 in fold 0, but X holds 150"),
        ({"cv": [(np.arange(-1, 99), [99])]}, "cv yields the training row -1 in fold 0"),
        ({"cv": []}, "cv yields no fold"),
        ({"error_score": "rasie"}, "error_score='rasie' must be 'raise' or a number"),
        ({"error_score": None}, "error_score=None must be 'raise' or a number"),
    ],
)
def test_bad_input_is_refused_before_training(run, params, message):
    with pytest.raises(ValueError, match=message):
        run({"classic": Unfitted()}, X, **({"y": y} | params))


KDE = DCGANOversampler(KernelDensity(), random_state=0)


def growing(**params):
    return Pipeline([("gan", clone(KDE).set_params(**params)), ("clf", Unfitted())])


@pytest.mark.parametrize("run", [compare, fit_folds])
@pytest.mark.parametrize(
    ("arm", "message"),
    [
        (LogisticRegression, "Arm 'bad' cannot be cloned for the folds: .*instead of a class"),
        ("clf", "Arm 'bad' cannot be cloned for the folds: .*'clf'"),
        (RidgeClassifier(), "Arm 'bad' has no predict_proba"),
        (
            sklearn.pipeline.Pipeline([("gan", KDE), ("clf", Unfitted())]),
            "Arm 'bad' has a sampler in a Pipeline of scikit-learn, which takes none",
        ),
        (LogisticRegression(C=-1), "Arm 'bad' cannot be trained: The 'C' parameter of Logistic"),
        (growing(candidates=0), "Arm 'bad' cannot be trained: The 'candidates' parameter"),
        (GridSearchCV(growing(select="x"), {}), "Arm 'bad' cannot be trained: The 'select' param"),
        (
            growing(sampling_strategy={9: 99}),
            r"Arm 'bad' cannot be trained in fold 0: .*\{9\}",
        ),
        (
            growing(sampling_strategy={0: 3}),
            "Arm 'bad' cannot be trained in fold 0: With over",
        ),
        (
            growing(sampling_strategy={0: 50.5}),
            "in fold 0: sampling_strategy must ask for whole",
        ),
        (growing(sampling_strategy=0.5), "Arm 'bad' cannot be trained in fold 0: .*binary"),
    ],
)
def test_an_arm_that_must_fail_is_refused_before_training(run, arm, message):
    with pytest.raises((ValueError, TypeError), match=message):
        run({"good": Unfitted(), "bad": arm}, X, y)


@pytest.mark.parametrize("run", [compare, fit_folds])
@pytest.mark.parametrize("arms", [[STRONG], [("a", STRONG)], STRONG])
def test_arms_without_names_are_refused(run, arms):
    with pytest.raises(TypeError, match=r"arms must be a dict of names to classifiers, got \w+"):
        run(arms, X, y)


def test_a_class_too_small_for_a_gan_in_a_fold_is_refused_before_training():
    few = np.where(np.arange(150) < 2, "rare", NAMES)
    arms = {"gan": growing(sampling_strategy=grow(2)), "duplicates": Unfitted()}
    cv = StratifiedKFold(2)
    with pytest.raises(ValueError, match="'gan' cannot be trained in fold 0: Class 'rare' has 1"):
        compare(arms, X, few, cv=cv)


def test_what_a_search_sets_is_not_checked_before():
    search = GridSearchCV(LogisticRegression(C=-1), {"C": [1e-4]}, cv=2)
    comparison = compare({"search": search, "weak": WEAK}, X, y, cv=2)
    assert comparison.summary["difference"]["weak"] == 0


@pytest.mark.parametrize(
    "column",
    [NAMES[:, None], NAMES[:, None].tolist(), pd.DataFrame({"class": NAMES})],
    ids=["array", "list", "frame"],
)
def test_a_column_of_labels_is_raveled_with_a_warning(column):
    expected = compare(ARMS, X, NAMES)
    with pytest.warns(DataConversionWarning, match="column-vector y") as caught:
        found = compare(ARMS, X, column)
    assert len(caught) == 1
    pd.testing.assert_frame_equal(found.predictions, expected.predictions)
    with pytest.warns(DataConversionWarning):
        results = list(fit_folds(ARMS, X, column))
    np.testing.assert_array_equal(
        np.concatenate([r.predictions for r in results if r.arm == "strong"]),
        expected.predictions.query("arm == 'strong'")["predicted"],
    )


def test_folds_may_be_masks():
    mask = np.arange(150) % 3 == 0
    comparison = compare(ARMS, X, y, cv=[(~mask, mask)])
    expected = compare(ARMS, X, y, cv=[(np.flatnonzero(~mask), np.flatnonzero(mask))])
    assert comparison.results["n_train"].unique().tolist() == [100]
    pd.testing.assert_frame_equal(comparison.predictions, expected.predictions)


def test_an_edit_of_a_module_makes_kept_folds_invalid(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def score_with(source):
        (tmp_path / "helper_of_aug.py").write_text(source)
        (tmp_path / "aug.py").write_text("from helper_of_aug import change\n")
        for name in ("aug", "helper_of_aug"):
            sys.modules.pop(name, None)
        change = importlib.import_module("aug").change
        arms = {"only": make_pipeline(FunctionTransformer(change), STRONG)}
        comparison = compare(arms, X, y, cv=2, memory=str(tmp_path / "cache"))
        return comparison.predictions["predicted"].tolist()

    as_they_are = score_with("def change(X): return X")
    assert score_with("def change(X): return X") == as_they_are
    assert score_with("def change(X): return 0 * X") != as_they_are


def test_memory_may_be_a_path(tmp_path):
    compare({"classic": STRONG}, X, y, memory=tmp_path / "memory")
    assert any((tmp_path / "memory").rglob("output.pkl"))


@pytest.mark.parametrize("arm", ["zz", "", None])
def test_unknown_arms_are_named(comparison, arm):
    message = rf"arm={arm!r} is not one of the arms, \['classic', 'strong'\]. Name one of them"
    with pytest.raises(ValueError, match=message):
        comparison.report(arm)
    with pytest.raises(ValueError, match=message):
        comparison.confusion(arm)
    with pytest.raises(ValueError, match=message.replace("arm=", "arms=", 1)):
        comparison.only(["classic", arm])


@pytest.mark.parametrize("arms", [[], "strong", ()])
def test_only_needs_a_list_of_arms(comparison, arms):
    with pytest.raises(ValueError, match=r"arms=.* must be a list of one or more of \['classic'"):
        comparison.only(arms)


def test_some_arms_alone(comparison):
    alone = comparison.only(["strong"])
    assert alone.arms == ["strong"]
    pd.testing.assert_frame_equal(alone.report("strong"), comparison.report("strong"))
    pd.testing.assert_frame_equal(alone.confusion("strong"), comparison.confusion("strong"))
    with pytest.raises(ValueError, match=r"baseline='classic' is not one of the arms, \['strong"):
        _ = alone.reading
    assert alone.against("strong").reading == ""
    with pytest.raises(ValueError, match="arm='classic' is not one of the arms"):
        alone.report("classic")


def test_results_of_no_fit_or_of_other_arms_are_refused():
    results = list(fit_folds(ARMS, X, y, cv=2))
    with pytest.raises(ValueError, match="fold_results is empty"):
        Comparison.of([], y, arms=ARMS, baseline="classic")
    with pytest.raises(ValueError, match=r"fold_results='strong' is not one of the arms, \["):
        Comparison.of(results, y, arms=["classic"], baseline="classic")
    with pytest.raises(ValueError, match="baseline='gan' is not one of the arms"):
        Comparison.of(results, y, arms=ARMS, baseline="gan")


def test_the_column_that_corresponds_to_the_papers_f1_score(comparison):
    report = comparison.report("strong", harmonic_mean=True)
    expected = 2 / (1 / report["Sensitivity"] + 1 / report["Specificity"])
    np.testing.assert_allclose(report["HarmonicMean"], expected)
    assert "HarmonicMean" not in comparison.report("strong")
