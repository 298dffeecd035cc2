"""Images that files of weights were trained on."""

import warnings

import numpy as np
import pytest
from imblearn.pipeline import Pipeline
from sklearn.base import clone

from skcxr import DCGAN, CXRClassifier, DCGANOversampler
from skcxr.classifier import _weights
from skcxr.datasets import make_chest_phantoms
from skcxr.datasets._near_duplicates import find_fingerprinted
from skcxr.evaluation import _pretraining, compare, duplicates_of, find_pretraining_overlap


@pytest.fixture(scope="module")
def images():
    """60 phantoms of 64x64 in four classes."""
    return make_chest_phantoms(60, random_state=0)


@pytest.fixture
def clf():
    return CXRClassifier(max_steps=2, lr=0.01, random_state=0)


@pytest.fixture
def path(images, clf, tmp_path):
    """Weights of a classifier that know the first 20 images, at half the size and darker."""
    pool = images.images[:20, ::2, ::2] // 2
    fitted = clone(clf).fit(pool, images.target[:20])
    fitted.save_weights(tmp_path / "pool.safetensors", training_images=pool)
    return tmp_path / "pool.safetensors"


@pytest.fixture(autouse=True)
def forget_warnings(monkeypatch):
    monkeypatch.setattr(_weights, "_WARNED", set())


def test_fit_counts_the_images_and_warns_once_per_process(images, clf, path):
    clf.set_params(weights=path)
    with pytest.warns(UserWarning, match="were trained on 20 of 60 images passed"):
        clf.fit(images.images, images.target)
    assert clf.n_pretraining_overlap_ == 20
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf.fit(images.images, images.target).predict(images.images)


def test_predict_warns_too(images, clf, path):
    clf.set_params(weights=path).fit(images.images[20:], images.target[20:])
    assert clf.n_pretraining_overlap_ == 0
    with pytest.warns(UserWarning, match="were trained on 3 of 3 images passed"):
        clf.predict(images.images[:3])


def test_weights_without_fingerprints_count_nothing(images, clf, tmp_path):
    path = tmp_path / "plain.safetensors"
    clone(clf).fit(images.images, images.target).save_weights(path)
    clf.set_params(weights=path).fit(images.images, images.target)
    assert clf.n_pretraining_overlap_ is None
    assert not find_pretraining_overlap(clf, images.images).any()


def test_the_pool_of_a_gan_in_a_pipeline_is_found(images, clf, tmp_path):
    gan = DCGAN(base_width=4, max_epochs=1, steps_per_epoch=1, random_state=0)
    pool = images.images[5:15]
    path = tmp_path / "gan.safetensors"
    clone(gan).fit(pool).save_weights(path, discriminator=True, training_images=pool)
    sampler = DCGANOversampler(gan.set_params(weights=path), sampling_strategy={0: 20})
    arms = {"pool": Pipeline([("gan", sampler), ("clf", clf)]), "classic": clf}
    expected = np.zeros(60, dtype=bool)
    expected[5:15] = True
    assert np.array_equal(find_pretraining_overlap(arms["pool"], images.images), expected)
    assert not find_pretraining_overlap(arms["classic"], images.images).any()
    message = "weights of arm 'pool' were trained on 10 images of X, the first at index 5"
    arms["control"] = duplicates_of(arms["pool"])
    with pytest.warns(UserWarning, match=message):
        compare(arms, images.images, images.target, cv=2)


def test_flat_rows_of_other_shapes_are_compared(images, clf, tmp_path):
    wide = images.images[:, 8:56].reshape(60, -1)
    clf.set_params(image_shape=(48, 64))
    path = tmp_path / "wide.safetensors"
    clone(clf).fit(wide, images.target).save_weights(path, training_images=wide[:7])
    assert find_pretraining_overlap(clf.set_params(weights=path), wide).sum() == 7


def test_the_file_grows_by_32_bytes_per_image(images, clf, tmp_path):
    fitted = clf.fit(images.images, images.target)
    fitted.save_weights(tmp_path / "without.safetensors")
    fitted.save_weights(tmp_path / "with.safetensors", training_images=images.images)
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("without", "with")]
    assert 60 * 32 <= sizes[1] - sizes[0] < 60 * 32 + 200


def test_weights_that_arms_share_are_compared_once(images, clf, path, monkeypatch):
    calls = []

    def record(*args, **options):
        calls.append(args)
        return find_fingerprinted(*args, **options)

    monkeypatch.setattr(_pretraining, "find_fingerprinted", record)
    arms = {"a": clone(clf).set_params(weights=path), "b": clone(clf).set_params(weights=path)}
    overlaps = _pretraining.find_overlap_by_arm({**arms, "none": clf}, images.images)
    assert len(calls) == 1
    assert {arm: int(mask.sum()) for arm, mask in overlaps.items()} == {"a": 20, "b": 20, "none": 0}
