"""Selections of samples, each on candidates that were made to be told apart by it."""

from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.neighbors import KernelDensity

from skcxr import ConditionalDCGANOversampler, DCGANOversampler
from skcxr.datasets import make_chest_phantoms
from skcxr.over_sampling import Candidates, by_discriminator, distinct, grow
from skcxr.over_sampling._selection import select_rows

PHANTOMS = make_chest_phantoms(60, image_size=32, random_state=0)
X, y = PHANTOMS.images, PHANTOMS.target


def candidates(images, real=X[:30], estimator=None):
    return Candidates(images, real, 0, estimator, 0)


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
    with pytest.warns(UserWarning, match="0 of [0-9]+ instead of"):
        assert len(distinct(candidates(fresh, real=X[[0, 0]]), 3)) == 3


def test_too_few_distinct_samples_are_filled_up_with_a_warning():
    fresh = make_chest_phantoms(12, image_size=32, random_state=1).images
    images = np.concatenate([X[:10], fresh])
    with pytest.warns(UserWarning, match="Class 0: too few .* of 22 instead of"):
        rows = distinct(candidates(images), 20)
    assert len(np.unique(rows)) == 20
    # All that are no copies are among them.
    assert set(range(10, 22)) <= set(rows.tolist())


@pytest.mark.parametrize("select", ["discriminator", "distinct"])
@pytest.mark.filterwarnings("ignore:Class .* are distinct")
def test_samplers_keep_what_is_selected(tiny_gan, phantoms, select):
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


@pytest.mark.parametrize(
    "rows", [[0, 1], [0, 0, 1], [0, 1, 60], [-1, 0, 1], [0.0, 1.0, 2.0], [[0], [1, 2]], X, None]
)
def test_a_selection_must_return_as_many_rows_as_asked_for(rows):
    with pytest.raises(ValueError, match="must return 3 different rows of 60 candidates") as raised:
        select_rows(lambda candidates, n: rows, candidates(X), 3)
    assert len(str(raised.value)) < 400


def test_a_selection_needs_no_hash():
    @dataclass
    class First:
        skip: int

        def __call__(self, candidates, n):
            return np.arange(self.skip, self.skip + n)

    assert select_rows(First(2), candidates(X), 3).tolist() == [2, 3, 4]
