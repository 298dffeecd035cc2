"""Fits that fail: what is said of them, and what a comparison makes of the others."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix

from skcxr.displays import ComparisonDisplay, ConfusionMatrixGridDisplay
from skcxr.evaluation import compare, fit_folds
from skcxr.metrics import corrected_interval, mcnemar_p_value, per_class_report

X, y = load_iris(return_X_y=True)
STRONG = LogisticRegression(max_iter=1000)
WEAK = LogisticRegression(C=1e-4)


class NoMessage(Exception):
    """Takes another argument than a message."""

    def __init__(self, *, code):
        super().__init__(code)


ERRORS = {
    "value": ValueError("loss is NaN"),
    "floating point": FloatingPointError("loss is NaN."),
    "memory": MemoryError(),
    "key": KeyError("valid_loss"),
    "file": FileNotFoundError(2, "No such file", "gan.pt"),
    "no message": NoMessage(code=7),
    "unicode": UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
}


class Failing(LogisticRegression):
    """Fails in the fold that tests image `row`, or in all folds, until there is a file `mended`."""

    def __init__(self, row=None, kind="value", mended=None, max_iter=1000):
        super().__init__(max_iter=max_iter)
        self.row = row
        self.kind = kind
        self.mended = mended

    def fit(self, X_train, y):
        is_tested = self.row is None or not (X_train == X[self.row]).all(axis=1).any()
        if is_tested and not (self.mended is not None and self.mended.exists()):
            raise ERRORS[self.kind]
        return super().fit(X_train, y)


# No other image equals it; unshuffled folds test it in the third of four.
ROW = 30
ARMS = {"classic": WEAK, "strong": STRONG, "failing": Failing(ROW)}


def test_the_image_is_in_the_third_fold():
    results = list(fit_folds({"strong": STRONG}, X, y))
    assert [ROW in result.test for result in results] == [False, False, True, False]


def list_folds(*args, **options):
    return list(fit_folds(*args, **options))


@pytest.mark.parametrize(("run", "n_jobs"), [(compare, None), (list_folds, None), (compare, 2)])
def test_a_failed_fit_names_arm_and_fold_and_the_way_out(run, n_jobs):
    message = "Arm 'failing' failed in fold 2: loss is NaN"
    with pytest.raises(ValueError, match=message) as caught:
        run(ARMS, X, y, n_jobs=n_jobs)
    assert caught.type is ValueError
    assert str(caught.value).endswith(
        "Pass error_score=np.nan to continue without fits that fail, and memory= to keep those "
        "that have finished."
    )


@pytest.mark.parametrize(
    ("kind", "raised", "text"),
    [
        ("floating point", FloatingPointError, "failed in fold 0: loss is NaN. Pass"),
        ("memory", MemoryError, "failed in fold 0: MemoryError. Pass"),
        ("key", KeyError, "failed in fold 0: 'valid_loss'. Pass"),
        ("file", FileNotFoundError, r"failed in fold 0: .*No such file.*'gan.pt'. Pass"),
        ("no message", RuntimeError, "failed in fold 0: 7. Pass"),
        ("unicode", RuntimeError, "failed in fold 0: .*invalid start byte. Pass"),
    ],
)
def test_the_type_of_an_error_is_kept(kind, raised, text):
    with pytest.raises(raised, match=text) as caught:
        compare({"failing": Failing(kind=kind)}, X, y)
    assert caught.type is raised
    assert caught.value.__cause__ is ERRORS[kind]


def compare_failing(arms=ARMS, error_score=np.nan, **options):
    with pytest.warns(FitFailedWarning) as caught:
        comparison = compare(arms, X, y, error_score=error_score, **options)
    return comparison, [str(warning.message) for warning in caught]


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_number_goes_on_without_the_fit_and_warns(n_jobs):
    comparison, messages = compare_failing(n_jobs=n_jobs)
    assert messages == [
        "Arm 'failing' failed in fold 2, and its scores are nan there. ValueError: loss is NaN"
    ]
    assert comparison.n_failed == {"classic": 0, "strong": 0, "failing": 1}
    values = comparison.results.query("arm == 'failing' and fold == 2").set_index("metric")["value"]
    assert list(values.index) == [
        "accuracy",
        *(f"sensitivity[{k}]" for k in range(3)),
        *(f"auc[{k}]" for k in range(3)),
        "fit_seconds",
    ]
    assert values.isna().all()
    folds = comparison.predictions.query("arm == 'failing'")["fold"].unique().tolist()
    assert folds == [0, 1, 3]
    sound = compare({"classic": WEAK, "strong": STRONG}, X, y)
    pd.testing.assert_frame_equal(
        comparison.only(["classic", "strong"]).predictions, sound.predictions
    )


def test_the_other_folds_are_compared():
    """Where it does not fail the arm equals "strong", so its values are those of three folds."""
    comparison, _ = compare_failing()
    sound = compare({"classic": WEAK, "strong": STRONG}, X, y)
    three = sound.predictions[sound.predictions["fold"] != 2]
    hits = {arm: rows["true"] == rows["predicted"] for arm, rows in three.groupby("arm")}
    folds = sound.results.query("metric == 'accuracy' and fold != 2").pivot(
        index="fold", columns="arm", values="value"
    )
    paired = folds["strong"] - folds["classic"]
    ratio = np.mean(
        sound.results["n_test"].drop_duplicates() / sound.results["n_train"].drop_duplicates()
    )
    row = comparison.summary.loc["failing"]
    assert row["score"] == pytest.approx(folds["strong"].mean())
    found = row[["difference", "low", "high"]].tolist()
    assert found == pytest.approx(corrected_interval(paired, ratio), abs=1e-3)
    assert row["mcnemar_p"] == mcnemar_p_value(hits["strong"], hits["classic"])
    assert comparison.differences.query("arm == 'failing'")["n_folds"].tolist() == [3] * 7
    rows = three[three["arm"] == "strong"]
    pd.testing.assert_frame_equal(
        comparison.report("failing").drop(columns="AUC"),
        per_class_report(rows["true"], rows["predicted"]),
    )
    np.testing.assert_array_equal(
        comparison.confusion("failing"), confusion_matrix(rows["true"], rows["predicted"])
    )


def test_a_reading_says_how_many_folds_failed():
    comparison, _ = compare_failing()
    strong, failing = comparison.reading.splitlines()
    assert "failed" not in strong
    assert re.search(r", 3 folds\)\. .*\. failing failed in 1 of 4 folds\.$", failing)
    assert all("failing failed in 1 of 4 folds." in line
               for line in comparison.against("failing").reading.splitlines())  # fmt: skip
    text = comparison.to_markdown()
    assert re.search(
        r"^failing, total accuracy 0\.9\d+ \(failing failed in 1 of 4 folds\)$", text, re.M
    )
    assert "nan" not in text


def test_a_number_is_the_score_of_a_failed_fit():
    comparison, messages = compare_failing(error_score=0)
    assert "its scores are 0 there" in messages[0]
    values = comparison.results.query("arm == 'failing' and fold == 2").set_index("metric")["value"]
    assert values["accuracy"] == 0
    assert np.isnan(values["sensitivity[0]"])
    strong = comparison.results.query("arm == 'strong' and metric == 'accuracy' and fold != 2")
    assert comparison.summary.loc["failing", "score"] == pytest.approx(strong["value"].sum() / 4)
    differences = comparison.differences.query("arm == 'failing'").set_index("metric")
    assert differences["n_folds"].tolist() == [4, 3, 3, 3, 3, 3, 3]


@pytest.mark.parametrize("error_score", [np.nan, 0.0])
def test_an_arm_that_fails_in_all_folds(error_score):
    arms = {"classic": WEAK, "strong": STRONG, "failing": Failing()}
    comparison, messages = compare_failing(arms, error_score)
    assert len(messages) == 4
    assert comparison.n_failed["failing"] == 4
    assert comparison.arms == ["classic", "strong", "failing"]
    assert comparison.summary.index.tolist() == ["classic", "strong", "failing"]
    assert comparison.summary.loc["failing"].isna().all() == np.isnan(error_score)
    assert comparison.summary.loc["strong", "score"] > 0.9
    failing = comparison.reading.splitlines()[1]
    if np.isnan(error_score):
        assert failing == (
            "failing cannot be compared with classic: no fold has finished for both. failing "
            "failed in 4 of 4 folds."
        )
    else:
        assert failing.startswith("failing is worse than classic: accuracy -0.")
        assert failing.endswith("No image was predicted by both. failing failed in 4 of 4 folds.")
    assert comparison.confusion("failing").to_numpy().tolist() == [[0] * 3] * 3
    message = "arm='failing' has no predictions: failing failed in 4 of 4 folds."
    with pytest.raises(ValueError, match=message):
        comparison.report("failing")
    text = comparison.to_markdown()
    assert text.endswith("\n\nfailing failed in 4 of 4 folds.\n")
    assert "nan" not in text


def test_figures_of_failed_fits():
    for row in (ROW, None):
        comparison, _ = compare_failing(
            {"classic": WEAK, "strong": STRONG, "failing": Failing(row)}
        )
        display = ComparisonDisplay.from_comparison(comparison)
        assert [len(folds) for folds in display.folds.values()] == [4, 0 if row is None else 3]
        matrices = ConfusionMatrixGridDisplay.from_comparison(comparison).matrices
        assert matrices["strong"].sum() == 150
        assert matrices["failing"].sum() == (0 if row is None else 150 - 37)


def test_if_all_fits_fail_there_is_no_comparison():
    with (
        pytest.raises(ValueError, match="All fits failed, the first of 4 with KeyError: 'val"),
        pytest.warns(FitFailedWarning),
    ):
        compare({"failing": Failing(kind="key")}, X, y, error_score=np.nan)


def test_results_of_failed_fits():
    with pytest.warns(FitFailedWarning):
        results = list(fit_folds({"failing": Failing(ROW)}, X, y, error_score=-1))
    assert [result.error for result in results] == [None, None, "ValueError: loss is NaN", None]
    failed = results[2]
    assert failed.scores == {"accuracy": -1}
    assert np.isnan(failed.seconds)
    nothing = (failed.predictions, failed.probabilities, failed.classes, failed.estimator)
    assert nothing == (None, None, None, None)
    assert ROW in failed.test


def test_a_failed_fit_is_tried_again_and_finished_ones_are_kept(tmp_path):
    mended = tmp_path / "mended"
    arms = {"classic": WEAK, "failing": Failing(ROW, mended=mended)}
    first, _ = compare_failing(arms, memory=tmp_path / "memory")
    mended.touch()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second = compare(arms, X, y, memory=tmp_path / "memory")
    assert second.n_failed == {"classic": 0, "failing": 0}
    seconds = [
        c.results.query("metric == 'fit_seconds' and fold != 2")["value"] for c in (first, second)
    ]
    np.testing.assert_array_equal(*seconds)


def test_interruptions_are_no_failures():
    class Interrupted(LogisticRegression):
        def fit(self, X, y):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare({"interrupted": Interrupted()}, X, y, error_score=np.nan)
