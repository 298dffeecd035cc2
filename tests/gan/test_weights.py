"""Training that starts from a file of weights: ``DCGAN(weights=...)``."""

import numpy as np
import pytest
import torch
from imblearn.pipeline import Pipeline
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict

from skcxr import ConditionalDCGANOversampler, DCGANOversampler
from skcxr.datasets import make_chest_phantoms


@pytest.fixture
def pool():
    """20 phantoms of 16x16, without labels."""
    return make_chest_phantoms(20, image_size=16, random_state=7).images


@pytest.fixture
def pretrained(tiny_gan, pool):
    """A GAN fitted on the pool."""
    return clone(tiny_gan).fit(pool)


@pytest.fixture
def path(pretrained, tmp_path):
    """The file of its weights."""
    pretrained.save_weights(tmp_path / "pool.safetensors", discriminator=True)
    return tmp_path / "pool.safetensors"


def test_training_starts_from_the_file(tiny_gan, pretrained, path, phantoms):
    continued = pretrained.set_params(warm_start=True).fit(phantoms.images)
    started = tiny_gan.set_params(weights=path).fit(phantoms.images)
    assert np.array_equal(started.sample(3, random_state=0), continued.sample(3, random_state=0))
    fresh = clone(tiny_gan).set_params(weights=None).fit(phantoms.images)
    assert not np.array_equal(started.sample(3, random_state=0), fresh.sample(3, random_state=0))


def test_a_second_fit_under_warm_start_goes_on_from_the_first(tiny_gan, path, phantoms):
    gan = tiny_gan.set_params(weights=path, warm_start=True).fit(phantoms.images)
    first = gan.sample(3, random_state=0)
    again = clone(gan).fit(phantoms.images).sample(3, random_state=0)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, gan.fit(phantoms.images).sample(3, random_state=0))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"base_width": 8}, "weights='.*' does not fit this DCGAN: base_width was 4 and is 8"),
        ({"image_size": 32}, "image_size was 16 and is 32"),
        ({"latent_dim": 5}, "latent_dim was 100 and is 5"),
    ],
)
def test_weights_of_other_networks_are_refused(tiny_gan, path, phantoms, params, message):
    with pytest.raises(ValueError, match=message):
        tiny_gan.set_params(weights=path, **params).fit(phantoms.images)


def test_weights_for_other_channels_are_refused(tiny_gan, path):
    X = np.zeros((4, 3, 16, 16), dtype=np.uint8)
    X[:2] = 255
    with pytest.raises(ValueError, match="images of 1 channels, and X has 3"):
        tiny_gan.set_params(weights=path).fit(X)


def test_a_file_without_discriminator_is_refused(tiny_gan, pretrained, phantoms, tmp_path):
    pretrained.save_weights(tmp_path / "generator.safetensors")
    gan = tiny_gan.set_params(weights=tmp_path / "generator.safetensors")
    with pytest.raises(ValueError, match=r"holds no discriminator.*discriminator=True"):
        gan.fit(phantoms.images)


def test_a_missing_file_is_named(tiny_gan, phantoms):
    with pytest.raises(FileNotFoundError, match="weights='nowhere' does not exist on this machine"):
        tiny_gan.set_params(weights="nowhere").fit(phantoms.images)


def test_a_conditional_gan_refuses_weights_of_plain_networks(tiny_gan, path, phantoms):
    gan = tiny_gan.set_params(weights=path)
    sampler = ConditionalDCGANOversampler(gan, sampling_strategy={0: 20})
    with pytest.raises(ValueError, match="Use DCGANOversampler, or pass weights=None"):
        sampler.fit_resample(phantoms.images, phantoms.target)


def test_each_class_of_a_sampler_starts_from_the_file(tiny_gan, path, phantoms):
    sampler = DCGANOversampler(tiny_gan.set_params(weights=path), sampling_strategy={0: 20, 1: 20})
    sampler.fit_resample(phantoms.images, phantoms.target)
    for k, fitted in sampler.estimators_.items():
        seed = fitted.random_state
        alone = clone(tiny_gan).set_params(random_state=seed)
        alone.fit(phantoms.images[phantoms.target == k])
        assert np.array_equal(fitted.sample(2, random_state=0), alone.sample(2, random_state=0))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_folds_start_from_the_file(tiny_gan, tiny_clf, path, phantoms, n_jobs):
    gan = DCGANOversampler(tiny_gan.set_params(weights=path), sampling_strategy={0: 20})
    pipe = Pipeline([("gan", gan), ("clf", tiny_clf)])
    X, y = phantoms.images, phantoms.target
    predicted = cross_val_predict(pipe, X, y, cv=2, n_jobs=n_jobs)
    assert np.isin(predicted, y).all()


def test_a_checkpoint_belongs_to_the_content_of_the_file(
    tiny_gan, pretrained, pool, path, phantoms, tmp_path
):
    gan = tiny_gan.set_params(weights=path, checkpoint=tmp_path / "checkpoints")
    gan.fit(phantoms.images)
    first = gan.sample(2, random_state=0)
    clone(pretrained).set_params(random_state=9).fit(pool).save_weights(path, discriminator=True)
    assert not np.array_equal(clone(gan).fit(phantoms.images).sample(2, random_state=0), first)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2


def test_no_image_of_the_pool_is_in_the_file_or_the_sampler(pool, path, tiny_gan, phantoms):
    sampler = DCGANOversampler(tiny_gan.set_params(weights=path), sampling_strategy={0: 20})
    sampler.fit_resample(phantoms.images, phantoms.target)
    torch.save(sampler.__getstate__(), path.with_name("sampler"))
    for file in (path, path.with_name("sampler")):
        content = file.read_bytes()
        assert not any(image.tobytes() in content for image in pool)
