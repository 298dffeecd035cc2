"""Synthetic pretraining: what is fitted on, in which order, and what is refused before it."""

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.neighbors import KernelDensity, KNeighborsClassifier

from skcxr import CXRClassifier, DCGANOversampler, SyntheticPretrainingClassifier
from skcxr.over_sampling import grow

rng = np.random.default_rng(0)
X = rng.integers(0, 255, (40, 16)).astype(np.uint8)
y = np.array(["a", "b"] * 15 + ["a"] * 10)


class Diary(ClassifierMixin, BaseEstimator):
    """Notes the rows of each fit, and that it was told to go on."""

    fits = []

    def __init__(self, warm_start=False):
        self.warm_start = warm_start

    def fit(self, X, y):
        self.fits.append((X, y, self.warm_start))
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


@pytest.fixture
def fits(monkeypatch):
    monkeypatch.setattr(Diary, "fits", [])
    return Diary.fits


def test_synthetic_rows_first_and_then_the_real_ones_alone(fits):
    sampler = DCGANOversampler(KernelDensity(), sampling_strategy=grow(2), random_state=0)
    clf = SyntheticPretrainingClassifier(sampler, Diary()).fit(X, y)
    X_new, y_new = sampler.fit_resample(X, y)
    (X_1, y_1, warm_1), (X_2, y_2, warm_2) = Diary.fits
    np.testing.assert_array_equal(X_1, X_new[40:])
    assert (y_1 == y_new[40:]).all()
    assert (X_2 == X).all()
    assert (y_2 == y).all()
    assert warm_1
    assert warm_2
    assert clf.n_synthetic_ == 40


def test_classes_that_gain_none_are_represented_by_their_real_images(fits):
    SyntheticPretrainingClassifier(SMOTE(random_state=0), Diary()).fit(X, y)
    (X_1, y_1, _), _ = Diary.fits
    assert dict(zip(*np.unique(y_1, return_counts=True), strict=True)) == {"a": 25, "b": 10}
    assert (X_1[y_1 == "a"] == X[y == "a"]).all()


def test_without_synthetic_rows_it_is_the_classifier_alone(fits):
    clf = SyntheticPretrainingClassifier(RandomOverSampler(), Diary()).fit(X[:30], y[:30])
    assert len(Diary.fits) == 1
    assert clf.n_synthetic_ == 0


def test_pretraining_is_where_the_second_fit_begins(phantoms):
    sampler = DCGANOversampler(KernelDensity(), sampling_strategy=grow(2), random_state=0)
    still = CXRClassifier(max_epochs=1, lr=1e-12, momentum=0.0, random_state=0)
    learning = CXRClassifier(max_epochs=20, random_state=0)
    pretrained = SyntheticPretrainingClassifier(sampler, learning)
    pretrained.fit(phantoms.data, phantoms.target)
    # A second fit that changes no weight leaves what the first has learned.
    last = pretrained.classifier_.set_params(max_epochs=1, lr=1e-12, momentum=0.0)
    before = pretrained.predict_proba(phantoms.data)
    after = last.fit(phantoms.data, phantoms.target).predict_proba(phantoms.data)
    fresh = still.fit(phantoms.data, phantoms.target).predict_proba(phantoms.data)
    assert np.abs(after - before).mean() < 0.1
    assert np.abs(fresh - before).mean() > 0.2


def test_scikit_learns_own_classifiers_serve():
    clf = SyntheticPretrainingClassifier(RandomOverSampler(random_state=0), SGDClassifier(tol=None))
    assert clf.fit(X, y).predict(X).shape == (40,)
    assert not hasattr(clf, "predict_proba")
    clf = SyntheticPretrainingClassifier(
        RandomOverSampler(random_state=0), LogisticRegression(max_iter=10_000)
    )
    assert clf.fit(X, y).predict_proba(X).shape == (40, 2)


def test_a_classifier_is_not_asked_for_its_length():
    class Members(LogisticRegression):
        def __len__(self):
            raise AttributeError("not fitted")

    assert hasattr(SyntheticPretrainingClassifier(classifier=Members()), "predict_proba")


@pytest.mark.parametrize(
    ("sampler", "classifier", "message"),
    [
        (RandomOverSampler(), KNeighborsClassifier(), "no warm_start parameter"),
        (RandomOverSampler(), RandomForestClassifier(), "only adds members to it"),
        (RandomOverSampler(), HistGradientBoostingClassifier(), "only adds members to it"),
        (RandomUnderSampler(), Diary(), "does not return the rows of X first"),
        (SMOTE(), "svm", "'classifier' parameter of SyntheticPretrainingClassifier"),
        (KernelDensity(), Diary(), "'sampler' parameter of SyntheticPretrainingClassifier"),
    ],
)
def test_what_can_not_serve_is_refused_by_name(fits, sampler, classifier, message):
    with pytest.raises(ValueError, match=message):
        SyntheticPretrainingClassifier(sampler, classifier).fit(X, y)
    assert not fits


class Never(RandomOverSampler):
    def fit_resample(self, X, y):
        raise AssertionError("was reached")


def test_bad_parameters_of_the_classifier_are_refused_before_any_gan_trains():
    with pytest.raises(ValueError, match="'lr' parameter of CXRClassifier"):
        SyntheticPretrainingClassifier(Never(), CXRClassifier(lr=-1.0)).fit(X, y)


def test_bad_labels_are_refused_before_any_gan_trains(fits):
    for labels in (np.ones(40), [None] * 40):
        with pytest.raises(ValueError, match=r"one class|y is missing"):
            SyntheticPretrainingClassifier(Never(), Diary()).fit(X, labels)
