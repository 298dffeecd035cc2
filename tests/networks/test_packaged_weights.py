"""The weights that come with skcxr."""

from importlib import resources

import numpy as np
import pytest

from skcxr import DCGAN, CXRClassifier, DCGANOversampler
from skcxr.classifier import _weights
from skcxr.evaluation import find_pretraining_overlap
from skcxr.persistence._weights import read_fingerprints

FOLDER = resources.files("skcxr.networks")


@pytest.fixture
def images():
    """12 noisy images of 64x64 in two classes."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (12, 64, 64), dtype=np.uint8), np.repeat([0, 1], 6)


def load_archive(data_folder, name):
    file = np.load(data_folder / name, allow_pickle=True)
    return file["X"], file["y"].astype(str)


def test_the_files_are_small():
    sizes = [
        len((FOLDER / f"cxr_{role}.safetensors").read_bytes()) for role in ("gan", "classifier")
    ]
    assert sum(sizes) < 4e6


def test_fingerprints_of_all_training_images_are_packaged():
    fingerprints = read_fingerprints("cxr")
    assert fingerprints.shape == (2012, 32)
    assert fingerprints.nbytes < 100_000


def test_a_gan_starts_from_the_packaged_weights(images):
    X, _ = images
    start = DCGAN(image_size=64, base_width=24).load_weights(FOLDER / "cxr_gan.safetensors")
    # A learning rate of almost 0 leaves the weights as they are.
    gan = DCGAN.pretrained(max_epochs=1, steps_per_epoch=1, lr=1e-12, random_state=0).fit(X)
    own = gan.generator_.state_dict()
    for name, tensor in start.generator_.state_dict().items():
        if "weight" in name and "running" not in name:
            np.testing.assert_allclose(own[name], tensor, atol=1e-6)


def test_a_classifier_starts_from_the_packaged_weights(images):
    X, y = images
    start = CXRClassifier().load_weights(FOLDER / "cxr_classifier.safetensors")
    assert start.classes_.tolist() == ["normal", "pneumonia_bac", "pneumonia_vir"]
    clf = CXRClassifier.pretrained(max_steps=1, lr=1e-12, random_state=0).fit(X, y)
    assert clf.n_pretraining_overlap_ == 0
    own, packaged = (fitted.net_.module_.state_dict() for fitted in (clf, start))
    convolutions = [name for name, tensor in own.items() if tensor.ndim == 4]
    assert len(convolutions) > 2
    for name in convolutions:
        np.testing.assert_allclose(own[name], packaged[name], atol=1e-6)


def test_recipes_take_other_weights(images, tmp_path):
    X, y = images
    path = tmp_path / "own.safetensors"
    CXRClassifier(max_steps=1, random_state=0).fit(X, y).save_weights(path)
    assert CXRClassifier.pretrained(weights=path).weights == path
    clf = CXRClassifier.pretrained(weights=path, max_steps=1, random_state=0).fit(X, y)
    assert clf.n_pretraining_overlap_ is None
    assert DCGAN.pretrained(weights=path, base_width=8).base_width == 8


def test_another_width_is_named(images):
    with pytest.raises(ValueError, match=r"weights='cxr' .*base_width was 24 and is 64"):
        DCGAN(weights="cxr").fit(images[0])


def test_another_module_is_named(images):
    X, y = images
    with pytest.raises(ValueError, match="weights='cxr'"):
        CXRClassifier("resnet18", weights="cxr").fit(X, y)


def test_no_estimator_starts_from_them_by_default():
    assert DCGAN().weights is None
    assert CXRClassifier().weights is None


@pytest.mark.parametrize(
    "estimator",
    [CXRClassifier.pretrained(), DCGANOversampler(DCGAN.pretrained())],
    ids=["classifier", "sampler"],
)
def test_training_images_are_recognized(estimator, data_folder):
    X, _ = load_archive(data_folder, "kermany64.npz")
    # 70 % of the patients were for training.
    overlap = find_pretraining_overlap(estimator, X[::8, 2:62, 2:62] // 2)
    assert 0.65 < overlap.mean() < 0.75
    adults, _ = load_archive(data_folder, "nih64.npz")
    assert find_pretraining_overlap(estimator, adults[:200]).mean() <= 0.01


def test_a_classifier_counts_and_warns_of_its_training_images(data_folder, monkeypatch):
    monkeypatch.setattr(_weights, "_WARNED", set())
    X, y = load_archive(data_folder, "kermany64.npz")
    rows = np.arange(0, len(X), 40)
    clf = CXRClassifier.pretrained(max_steps=1, random_state=0)
    with pytest.warns(UserWarning, match=r"weights in 'cxr' were trained on \d+ of 72 images"):
        clf.fit(X[rows], y[rows])
    assert 40 < clf.n_pretraining_overlap_ < 62
