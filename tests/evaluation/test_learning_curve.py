import json
import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score

from skcxr.evaluation import LearningCurve, learning_curve
from skcxr.metrics import corrected_interval


class Recorder(ClassifierMixin, BaseEstimator):
    """Classifier that records the rows it is trained on."""

    fits = []

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.fits.append(X[:, 0].astype(int).tolist())
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


@pytest.fixture
def fits(monkeypatch):
    """Return the training rows of the fits of Recorders."""
    fits = []
    monkeypatch.setattr(Recorder, "fits", fits)
    return fits


def build_curve(rows, *, test_ratio=1 / 3, metric="accuracy"):
    """Return a learning curve with these scores of the folds, by share."""
    index = pd.Index(list(rows), name="share")
    n_train = pd.Series([round(100 * share) for share in rows], index)
    return LearningCurve(pd.DataFrame(list(rows.values()), index), n_train, test_ratio, metric)


def test_shares_are_nested_and_hold_whole_patients_of_all_classes(fits):
    y = np.repeat([0, 1, 2], [80, 40, 40])
    groups = np.arange(160) // 4
    X = np.arange(160)[:, None]
    learning_curve(Recorder(), X, y, groups=groups, cv=4)
    assert [len(rows) for rows in fits] == [30, 60, 90, 120] * 4
    for fold in range(4):
        subsets = fits[4 * fold : 4 * fold + 4]
        for smaller, larger in pairwise(subsets):
            assert set(smaller) < set(larger)
        for share, rows in zip((0.25, 0.5, 0.75, 1), subsets, strict=True):
            np.testing.assert_allclose(np.bincount(y[rows]), share * np.array([60, 30, 30]), atol=5)
            sizes = np.bincount(groups[rows], minlength=40)
            # The share may end within one patient.
            assert np.count_nonzero(np.isin(sizes, [0, 4], invert=True)) <= 1


def test_scores_are_those_of_the_test_folds():
    X, y = make_classification(120, random_state=0)
    groups = np.arange(120) // 2
    cv = StratifiedGroupKFold(3, shuffle=True, random_state=1)
    curve = learning_curve(LogisticRegression(), X, y, groups=groups, cv=cv)
    expected = cross_val_score(LogisticRegression(), X, y, groups=groups, cv=cv)
    np.testing.assert_allclose(curve.scores.loc[1.0], expected)
    assert curve.table["n_train"].tolist() == [20, 40, 60, 80]
    np.testing.assert_allclose(curve.table["score"], curve.scores.mean(axis=1))


def test_known_scores_are_not_fitted_again(fits):
    y = np.repeat([0, 1], 20)
    curve = learning_curve(
        Recorder(), np.arange(40)[:, None], y, shares=[0.5], full_scores=[0.9, 0.8, 0.7, 0.6]
    )
    assert [len(rows) for rows in fits] == [15] * 4
    assert curve.scores.loc[1.0].tolist() == [0.9, 0.8, 0.7, 0.6]
    assert curve.table["n_train"].tolist() == [15, 30]


def test_shares_without_all_classes_are_left_out(fits):
    y = np.repeat([0, 1], [40, 8])
    X = np.arange(48)[:, None]
    curve = learning_curve(Recorder(), X, y, shares=[0.03, 0.5, 1])
    assert curve.table.index.tolist() == [0.5, 1.0]


def test_another_order_comes_from_another_seed(fits):
    y = np.repeat([0, 1], 20)
    for seed in (0, 0, 1):
        learning_curve(Recorder(), np.arange(40)[:, None], y, shares=[0.5], random_state=seed)
    assert fits[:4] == fits[4:8]
    assert fits[:4] != fits[8:]


def test_the_gain_is_that_of_the_last_doubling():
    curve = build_curve(
        {0.25: [0.5] * 4, 0.5: [0.6, 0.7, 0.6, 0.7], 0.75: [0.9] * 4, 1.0: [0.7, 0.75, 0.7, 0.72]}
    )
    mean, low, high = corrected_interval([0.1, 0.05, 0.1, 0.02], 1 / 3)
    assert curve.gain == {"share": 0.5, "difference": mean, "low": low, "high": high}


@pytest.mark.parametrize(
    ("full", "outlook"),
    [
        ([0.70, 0.71, 0.69, 0.70], r"More images would probably help\."),
        ([0.60, 0.601, 0.599, 0.60], r"More images of the same kind would hardly help\."),
        ([0.70, 0.55, 0.68, 0.60], r"cannot tell whether more images would help\."),
        ([0.62, 0.62, 0.62, 0.62], "the same in all folds. More images may help"),
    ],
)
def test_the_reading_says_whether_more_images_would_help(full, outlook):
    reading = build_curve({0.5: [0.6] * 4, 1.0: full}).reading
    change = np.mean(full) - 0.6
    start = f"From 50 % to 100 % of the patients, accuracy changed by {change:+.3f}"
    assert reading.startswith(start)
    assert re.search(outlook, reading)


def test_one_share_has_no_gain():
    curve = build_curve({1.0: [0.6] * 4})
    assert curve.gain is None
    assert "too few images" in curve.reading


def test_a_curve_can_be_written_as_json():
    curve = build_curve({0.5: [0.6] * 4, 1.0: [0.62] * 4})
    found = json.loads(json.dumps(curve.to_dict(), allow_nan=False))
    assert found["table"][1] == {"share": 1.0, "n_train": 100, "score": pytest.approx(0.62)}
    assert found["gain"]["low"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shares": [0, 1]}, r"shares=\[0.0, 1.0\] must be one or more numbers in \(0, 1\]"),
        ({"shares": [0.5, 1.5]}, "must be one or more numbers"),
        ({"shares": []}, "must be one or more numbers"),
        ({"full_scores": [0.5]}, "full_scores has 1 values? for 4 folds"),
    ],
)
def test_invalid_parameters_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        learning_curve(Recorder(), np.zeros((40, 1)), np.repeat([0, 1], 20), **options)
