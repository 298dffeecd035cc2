"""The main job: a GAN for each class inside cross-validation, and a classifier behind it."""

import joblib
import numpy as np
import pytest
from imblearn.pipeline import Pipeline
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedGroupKFold,
    cross_val_predict,
    cross_validate,
)

from skcxr import DCGAN, CXRClassifier, DCGANOversampler
from skcxr.gan._training import GANTraining
from skcxr.over_sampling import grow


class GenerativeSpy(BaseEstimator):
    """Keeps what it was fitted on; samples copies of its first image. Counts fits in a folder."""

    def __init__(self, folder=None):
        self.folder = folder

    def fit(self, X, y=None):
        self.X_ = X
        if self.folder is not None:
            np.savetxt(self.folder / f"{joblib.hash(X)}-{len(list(self.folder.iterdir()))}", [0])
        return self

    def sample(self, n_samples=1):
        return np.repeat(self.X_[:1], n_samples, axis=0)


class ClassifierSpy(ClassifierMixin, BaseEstimator):
    """Keeps what it was fitted on and what it predicts for."""

    def fit(self, X, y):
        self.X_, self.y_, self.seen_ = X, y, []
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        self.seen_.append(X)
        return np.repeat(self.classes_[:1], len(X))


def assert_nothing_leaks(pipe, X, y, **options):
    """Cross-validate spies: GANs get the training rows of their class, scoring the validation's."""
    result = cross_validate(pipe, X, y, return_estimator=True, return_indices=True, **options)
    for fitted, train, test in zip(
        result["estimator"], result["indices"]["train"], result["indices"]["test"], strict=True
    ):
        spies = fitted.named_steps["gan"].estimators_
        assert sorted(spies) == np.unique(y).tolist()
        for k, spy in spies.items():
            np.testing.assert_array_equal(spy.X_, X[train][y[train] == k])
        clf = fitted.named_steps["clf"]
        assert len(clf.X_) == 2 * len(train)
        np.testing.assert_array_equal(clf.X_[: len(train)], X[train])
        # Validation rows come as they are, without a synthetic one among them.
        (seen,) = clf.seen_
        np.testing.assert_array_equal(seen, X[test])
        assert not np.intersect1d(train, test).size
    return result["indices"]


@pytest.fixture
def pipe(tiny_gan, tiny_clf):
    sampler = DCGANOversampler(tiny_gan, sampling_strategy=grow(1.5), random_state=0)
    return Pipeline([("gan", sampler), ("clf", tiny_clf)])


def test_no_validation_image_reaches_a_gan(phantoms):
    pipe = Pipeline(
        [
            ("gan", DCGANOversampler(GenerativeSpy(), sampling_strategy=grow(2))),
            ("clf", ClassifierSpy()),
        ]
    )
    assert_nothing_leaks(pipe, phantoms.data, phantoms.target, cv=4)


def test_cross_validation_runs(pipe, phantoms):
    result = cross_validate(pipe, phantoms.data, phantoms.target, cv=4, error_score="raise")
    assert len(result["test_score"]) == 4


@pytest.mark.parametrize("layout", ["images", "nchw"])
def test_images_with_more_dimensions_pass_through(pipe, phantoms, layout):
    X = phantoms.images if layout == "images" else phantoms.images[:, None]
    proba = cross_val_predict(pipe, X, phantoms.target, cv=2, method="predict_proba")
    flat = cross_val_predict(pipe, phantoms.data, phantoms.target, cv=2, method="predict_proba")
    np.testing.assert_array_equal(proba, flat)


def test_one_seed_one_result(pipe, phantoms):
    def proba(gan_seed, clf_seed):
        pipe.set_params(gan__random_state=gan_seed, clf__random_state=clf_seed)
        return pipe.fit(phantoms.data, phantoms.target).predict_proba(phantoms.data)

    np.testing.assert_array_equal(proba(0, 0), proba(0, 0))
    assert (proba(1, 0) != proba(0, 0)).any()
    assert (proba(0, 1) != proba(0, 0)).any()


@pytest.mark.usefixtures("global_generators")
def test_global_generators_are_left_alone(pipe, phantoms):
    pipe.fit(phantoms.data, phantoms.target)


def test_joblib_round_trip_of_the_fitted_pipeline(pipe, phantoms, tmp_path):
    pipe.fit(phantoms.data, phantoms.target)
    joblib.dump(pipe, tmp_path / "pipe.joblib")
    loaded = joblib.load(tmp_path / "pipe.joblib")
    np.testing.assert_array_equal(
        loaded.predict_proba(phantoms.data), pipe.predict_proba(phantoms.data)
    )
    gan = loaded.named_steps["gan"].estimators_[0]
    np.testing.assert_array_equal(
        gan.sample(3, 0), pipe.named_steps["gan"].estimators_[0].sample(3, 0)
    )


def test_memory_trains_the_gans_once_a_fold(tiny_clf, phantoms, tmp_path):
    (tmp_path / "fits").mkdir()
    sampler = DCGANOversampler(
        GenerativeSpy(tmp_path / "fits"), sampling_strategy=grow(2), random_state=0
    )
    pipe = Pipeline([("gan", sampler), ("clf", tiny_clf)], memory=str(tmp_path / "cache"))
    search = GridSearchCV(pipe, {"clf__lr": [0.01, 0.02, 0.05]}, cv=2, refit=False)
    search.fit(phantoms.data, phantoms.target)
    assert len(list((tmp_path / "fits").iterdir())) == 2 * 4  # folds x classes


def test_a_grid_behind_real_gans_trains_them_once_a_fold(pipe, phantoms, tmp_path, monkeypatch):
    epochs, epoch = [], GANTraining.run_epoch
    monkeypatch.setattr(
        GANTraining, "run_epoch", lambda self, *args: epochs.append(1) or epoch(self, *args)
    )
    grid = {"clf__lr": [0.01, 0.1], "clf__augment": ["classic", None]}

    def scores(memory):
        epochs.clear()
        pipe.set_params(memory=memory)
        search = GridSearchCV(pipe, grid, cv=2).fit(phantoms.data, phantoms.target)
        return search.cv_results_["mean_test_score"], len(epochs)

    plain, n_without = scores(None)
    cached, n_with = scores(str(tmp_path))
    again, n_again = scores(str(tmp_path))
    # One epoch a GAN, four classes; with the refit on all images, (2 folds x 4 candidates + 1).
    assert (n_without, n_with, n_again) == (4 * 9, 4 * 3, 0)
    np.testing.assert_array_equal(cached, plain)
    np.testing.assert_array_equal(again, plain)


def test_memory_gives_the_same_result(pipe, phantoms, tmp_path):
    plain = pipe.fit(phantoms.data, phantoms.target).predict_proba(phantoms.data)
    pipe.set_params(memory=str(tmp_path))
    for _ in range(2):
        cached = pipe.fit(phantoms.data, phantoms.target).predict_proba(phantoms.data)
        np.testing.assert_array_equal(cached, plain)


def test_a_search_over_how_much_is_synthetic(pipe, phantoms):
    search = GridSearchCV(pipe, {"gan__sampling_strategy": [grow(1), grow(2)]}, cv=2)
    search.fit(phantoms.data, phantoms.target)
    assert search.best_params_["gan__sampling_strategy"] in (grow(1), grow(2))


def test_the_main_job_on_real_radiographs(radiographs):
    """cross_validate(pipe, X, y, cv=4) on the paper's 270 training images, with short training."""
    X, y, _ = radiographs
    assert X.shape == (270, 4096)
    gan = DCGAN(base_width=8, max_epochs=1, steps_per_epoch=4, batch_size=8)
    pipe = Pipeline(
        [
            ("gan", DCGANOversampler(gan, sampling_strategy=grow(1.5), random_state=0)),
            ("clf", CXRClassifier(max_epochs=8, random_state=0)),
        ]
    )
    result = cross_validate(
        pipe, X, y, cv=4, return_estimator=True, return_indices=True, error_score="raise"
    )
    # Chance is 0.26. Eight epochs are far from the classifier's best.
    assert result["test_score"].mean() > 0.4
    for fitted, train in zip(result["estimator"], result["indices"]["train"], strict=True):
        sampler = fitted.named_steps["gan"]
        real = np.count_nonzero(~sampler.synthetic_mask_)
        assert real == len(train)
        assert set(sampler.estimators_) == {"covid", "normal", "pneumonia_bac", "pneumonia_vir"}


@pytest.mark.parametrize("grouped", [False, True])
def test_nothing_leaks_on_real_radiographs(radiographs, grouped):
    X, y, patients = radiographs
    pipe = Pipeline(
        [
            ("gan", DCGANOversampler(GenerativeSpy(), sampling_strategy=grow(2))),
            ("clf", ClassifierSpy()),
        ]
    )
    if not grouped:
        assert_nothing_leaks(pipe, X, y, cv=4)
        return
    cv = StratifiedGroupKFold(4, shuffle=True, random_state=0)
    indices = assert_nothing_leaks(pipe, X, y, cv=cv, groups=patients)
    for train, test in zip(indices["train"], indices["test"], strict=True):
        assert not np.intersect1d(patients[train], patients[test]).size
