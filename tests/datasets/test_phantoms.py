import re

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcxr.datasets._phantoms import make_chest_phantoms


@pytest.fixture(scope="module")
def phantoms():
    return make_chest_phantoms(4 * 60, random_state=0)


def _accuracy(X, y):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200))
    folds = StratifiedKFold(4, shuffle=True, random_state=0)
    return cross_val_score(model, X, y, cv=folds).mean()


def test_bunch_has_documented_shapes_and_dtypes():
    bunch = make_chest_phantoms(6, image_size=20, random_state=0)
    assert bunch.images.shape == (6, 20, 20)
    assert bunch.images.dtype == bunch.data.dtype == np.uint8
    np.testing.assert_array_equal(bunch.data, bunch.images.reshape(6, 400))
    assert bunch.target.dtype == np.int64
    np.testing.assert_array_equal(bunch.groups, np.arange(6))
    assert bunch.filenames is None
    assert "6 procedural" in bunch.DESCR


def test_int_is_divided_as_evenly_as_possible():
    target = make_chest_phantoms(10, image_size=16, random_state=0).target
    assert np.bincount(target).tolist() == [3, 3, 2, 2]


def test_sequence_counts_each_class():
    bunch = make_chest_phantoms([5, 0, 2, 1], image_size=16, random_state=0)
    assert np.bincount(bunch.target, minlength=4).tolist() == [5, 0, 2, 1]


def test_target_indexes_classes_in_the_order_given():
    bunch = make_chest_phantoms([1, 4], classes=["covid", "normal"], image_size=16, random_state=0)
    assert bunch.target_names.tolist() == ["covid", "normal"]
    assert np.bincount(bunch.target).tolist() == [1, 4]


def test_rows_are_shuffled():
    target = make_chest_phantoms(40, image_size=16, random_state=0).target
    assert (np.diff(target) < 0).any()


def test_same_seed_draws_the_same_images():
    first, second = (make_chest_phantoms(4, random_state=3) for _ in range(2))
    np.testing.assert_array_equal(first.images, second.images)
    np.testing.assert_array_equal(first.target, second.target)


def test_other_seed_draws_other_images():
    first, second = (make_chest_phantoms(4, random_state=seed).images for seed in (0, 1))
    assert (first != second).any(axis=(1, 2)).all()


def test_random_state_instance_advances():
    rng = np.random.RandomState(0)
    first, second = (make_chest_phantoms(2, image_size=16, random_state=rng) for _ in range(2))
    assert (first.images != second.images).any()


@pytest.mark.usefixtures("global_generators")
def test_int_seed_leaves_global_generators_alone():
    make_chest_phantoms(2, image_size=16, random_state=0)


@pytest.mark.parametrize("image_size", [16, 48, 128])
def test_anatomy_is_the_same_at_every_size(image_size):
    def on_16_pixels(image):
        block = len(image) // 16
        return image.reshape(16, block, 16, block).mean(axis=(1, 3))

    small, large = (
        make_chest_phantoms(3, image_size=size, noise=0, random_state=1).images
        for size in (image_size, 64)
    )
    for a, b in zip(small, large, strict=True):
        assert np.corrcoef(on_16_pixels(a).ravel(), on_16_pixels(b).ravel())[0, 1] > 0.97


def test_class_alone_changes_nothing_outside_the_lungs():
    kinds = ["normal", "pneumonia_bac", "pneumonia_vir", "covid"]
    images = [
        make_chest_phantoms(1, classes=[kind], noise=0, random_state=0).images[0] for kind in kinds
    ]
    for image in images[1:]:
        changed = image != images[0]
        assert changed.any()
        assert not changed[:4].any()
        assert not changed[:, :4].any()
        assert not changed[:, -4:].any()


def test_noise_zero_is_smoother():
    clean, grainy = (
        make_chest_phantoms(2, noise=noise, random_state=0).images.astype(float)
        for noise in (0, 0.1)
    )
    assert np.abs(np.diff(grainy)).mean() > 1.5 * np.abs(np.diff(clean)).mean()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"classes": ["normal", "flu"]}, "classes must be distinct names from ['normal'"),
        ({"classes": ["normal", "normal"]}, "classes must be distinct"),
        ({"classes": []}, "classes must be distinct"),
        ({"n_samples": [3, 4]}, "n_samples must be 4 integers >= 0, one per class, got [3, 4]"),
        ({"n_samples": [3, 4, -1, 2]}, "n_samples must be 4 integers >= 0"),
        ({"n_samples": [1.5, 1, 1, 1]}, "n_samples must be 4 integers >= 0"),
        ({"n_samples": 0}, "'n_samples' parameter of make_chest_phantoms"),
        ({"image_size": 15}, "'image_size' parameter of make_chest_phantoms"),
        ({"noise": -0.1}, "'noise' parameter of make_chest_phantoms"),
    ],
)
def test_wrong_parameter_is_named(parameters, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make_chest_phantoms(**parameters)


def test_exposure_and_borders_do_not_reveal_the_class(phantoms):
    images = phantoms.images / 255
    border = np.concatenate([images[:, :3], images[:, -3:]], axis=1).mean(axis=(1, 2))
    X = np.c_[images.mean(axis=(1, 2)), images.std(axis=(1, 2)), border]
    assert _accuracy(X, phantoms.target) < 0.40


def test_pixels_alone_do_not_solve_the_task(phantoms):
    accuracy = _accuracy(phantoms.data / 255, phantoms.target)
    assert 0.35 < accuracy < 0.70


def test_texture_separates_interstitial_from_clear_lungs_better_than_pixels():
    lungs = make_chest_phantoms(160, classes=["normal", "pneumonia_vir"], random_state=0)
    curvature = np.abs(gaussian_filter(lungs.images / 255, (0, 0.8, 0.8), order=(0, 0, 2)))
    texture = curvature.reshape(160, 8, 8, 8, 8).mean(axis=(2, 4)).reshape(160, 64)
    pixels = _accuracy(lungs.data / 255, lungs.target)
    assert _accuracy(texture, lungs.target) > pixels + 0.08
