"""Selections of samples, each on candidates that were made to be told apart by it."""

from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.neighbors import KernelDensity

from skcxr import ConditionalDCGANOversampler, CXRClassifier, DCGANOversampler
from skcxr.datasets import make_chest_phantoms
from skcxr.over_sampling import Candidates, by_confidence, by_discriminator, distinct, diverse, grow
from skcxr.over_sampling._selection import chosen, fitted_classifier

PHANTOMS = make_chest_phantoms(60, image_size=32, random_state=0)
X, y = PHANTOMS.images, PHANTOMS.target


def candidates(images, real=X[:30], estimator=None, classifier=None):
    return Candidates(images, real, 0, estimator, 0, classifier)


class Brightness(BaseEstimator):
    """A discriminator that holds bright images for real."""

    def __init__(self, scale=1.0):
        self.scale = scale

    def decision_function(self, X):
        return self.scale * X.reshape(len(X), -1).mean(1)


def test_the_discriminator_prefers_what_it_holds_for_real():
    images = np.repeat(np.arange(0, 200, dtype=np.uint8), 16).reshape(-1, 4, 4)
    rows = by_discriminator(candidates(images, estimator=Brightness(0.05)), 50)
    assert images[rows].mean() > 130
    # It rejects at random, and does not simply keep the best.
    assert images[rows].min() < 150
    sure = by_discriminator(candidates(images, estimator=Brightness(100)), 50)
    assert (sure == np.arange(150, 200)).all()


def test_of_equals_the_discriminator_keeps_any():
    rows = by_discriminator(candidates(np.ones((40, 4, 4)), estimator=Brightness()), 10)
    assert len(rows) == 10
    assert rows.max() > 15


def test_a_model_without_a_discriminator_is_refused():
    with pytest.raises(ValueError, match=r"select='discriminator' needs .* KernelDensity"):
        by_discriminator(candidates(X, estimator=KernelDensity()), 3)


def test_confidence_takes_the_band_first_and_then_what_is_nearest_to_it():
    class Sure:
        classes_ = np.array([0, 1])

        def predict_proba(self, X):
            p = np.array([0.1, 0.6, 0.45, 0.9, 1.0, 0.2, 0.7])
            return np.column_stack([p, 1 - p])

    images = candidates(X[:7], classifier=Sure)
    assert by_confidence(images, 3).tolist() == [1, 3, 6]
    assert by_confidence(images, 5).tolist() == [1, 2, 3, 4, 6]


def test_copies_and_repeats_are_not_kept():
    fresh = make_chest_phantoms(40, image_size=32, random_state=1).images
    copies = X[:10]
    images = np.concatenate([copies, fresh[:20], fresh[:20]])
    rows = distinct(candidates(images), 15)
    assert rows.min() >= 10
    kept = images[rows].reshape(15, -1)
    assert len(np.unique(kept, axis=0)) == 15


@pytest.mark.parametrize("n_pairs", [1, 3, 15])
def test_pairs_of_equal_training_images_do_not_make_copies_usual(n_pairs):
    fresh = make_chest_phantoms(20, image_size=32, random_state=1).images
    real = np.concatenate([X[: 30 - n_pairs], X[:n_pairs]])
    rows = distinct(candidates(np.concatenate([X[:15], fresh]), real=real), 12)
    assert rows.min() >= 15


def test_of_one_training_image_nothing_is_told_apart():
    fresh = make_chest_phantoms(8, image_size=32, random_state=1).images
    with pytest.warns(UserWarning, match="only 0 are distinct"):
        assert len(distinct(candidates(fresh, real=X[[0, 0]]), 3)) == 3


def test_too_few_distinct_samples_are_filled_up_with_a_warning():
    fresh = make_chest_phantoms(12, image_size=32, random_state=1).images
    images = np.concatenate([X[:10], fresh])
    with pytest.warns(UserWarning, match="Class 0: of 22 samples only .* are distinct"):
        rows = distinct(candidates(images), 20)
    assert len(np.unique(rows)) == 20
    # All that are no copies are among them.
    assert set(range(10, 22)) <= set(rows.tolist())


def test_the_diverse_cover_more_than_the_first():
    many = make_chest_phantoms(200, image_size=32, random_state=2).images
    same = np.repeat(many[:1], 100, axis=0)
    images = np.concatenate([same, many[1:31]])
    rows = diverse(candidates(images), 30)
    assert (rows >= 100).sum() >= 29
    assert (np.diff(rows) > 0).all()


@pytest.mark.parametrize("select", ["discriminator", "confidence", "distinct", "diverse"])
@pytest.mark.filterwarnings("ignore:Class .* are distinct")
def test_samplers_keep_what_is_selected(tiny_gan, phantoms, select, monkeypatch):
    monkeypatch.setattr(
        "skcxr.over_sampling._base.fitted_classifier",
        lambda X, y, seed, **params: CXRClassifier(max_epochs=2, random_state=seed, **params).fit(
            X, y
        ),
    )
    # Long enough for samples that differ.
    tiny_gan.set_params(max_epochs=20, lr=2e-3)
    for sampler in (DCGANOversampler, ConditionalDCGANOversampler):
        params = {"sampling_strategy": grow(1.5), "random_state": 0}
        plain = sampler(tiny_gan, select=lambda c, n: np.arange(len(c.images))[:n], **params)
        picky = sampler(tiny_gan, select=select, candidates=3, **params)
        first, _ = plain.fit_resample(phantoms.images, phantoms.target)
        X_new, y_new = picky.fit_resample(phantoms.images, phantoms.target)
        assert X_new.shape == first.shape
        assert (np.bincount(y_new) == 18).all()
        assert not (X_new == first).all()
        for k, gan in picky.estimators_.items():
            of_class = picky.synthetic_mask_ & (y_new == k)
            assert len(X_new[of_class]) == 6
            assert np.isfinite(gan.decision_function(X_new[of_class])).all()


def test_the_classifier_is_fitted_once_on_the_training_images(phantoms, monkeypatch):
    fits = []

    class Guess:
        classes_ = np.unique(phantoms.target)

        def predict_proba(self, X):
            return np.full((len(X), 4), 0.25)

    monkeypatch.setattr(
        "skcxr.over_sampling._base.fitted_classifier",
        lambda X, y, seed: fits.append((X, y)) or Guess(),
    )
    sampler = DCGANOversampler(KernelDensity(), sampling_strategy=grow(2), select="confidence")
    sampler.fit_resample(phantoms.data, phantoms.target)
    ((X, y),) = fits
    assert (phantoms.data == X).all()
    assert (phantoms.target == y).all()
    sampler.set_params(select="diverse").fit_resample(phantoms.data, phantoms.target)
    assert len(fits) == 1


def test_the_classifier_takes_images_as_the_gan_does(tiny_gan, monkeypatch):
    fits = []

    def noted(X, y, seed, **params):
        fits.append(CXRClassifier(max_epochs=1, **params).fit(X, y))
        return fits[0]

    monkeypatch.setattr("skcxr.over_sampling._base.fitted_classifier", noted)
    gan = tiny_gan.set_params(image_shape=(3, 10, 8), device="cpu")
    sampler = DCGANOversampler(gan, sampling_strategy=grow(2), select="confidence")
    rows = np.random.default_rng(0).integers(0, 255, (12, 240))
    sampler.fit_resample(rows, [0, 1] * 6)
    assert fits[0].spec_.shape == (3, 10, 8)
    assert fits[0].device == "cpu"


def test_the_classifier_is_the_default_one(phantoms):
    clf = fitted_classifier(phantoms.data, phantoms.target, 3)
    assert clf.get_params() == CXRClassifier(random_state=3).get_params()
    assert clf.score(phantoms.data, phantoms.target) > 0.5


@pytest.mark.parametrize(
    "rows", [[0, 1], [0, 0, 1], [0, 1, 60], [-1, 0, 1], [0.0, 1.0, 2.0], [[0], [1, 2]], X, None]
)
def test_a_selection_must_return_as_many_rows_as_asked_for(rows):
    with pytest.raises(ValueError, match="must return 3 different rows of 60 candidates") as raised:
        chosen(lambda candidates, n: rows, candidates(X), 3)
    assert len(str(raised.value)) < 400


def test_a_selection_needs_no_hash():
    @dataclass
    class First:
        skip: int

        def __call__(self, candidates, n):
            return np.arange(self.skip, self.skip + n)

    assert chosen(First(2), candidates(X), 3).tolist() == [2, 3, 4]
