"""The conditional GAN: its networks, what is shared, and the sampler around it."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import KernelDensity

from skcxr import DCGAN, ConditionalDCGANOversampler
from skcxr.gan._fit import fit_dcgan
from skcxr.networks import Discriminator, Generator
from skcxr.networks._conditional import ConditionalDiscriminator, ConditionalGenerator
from skcxr.over_sampling import grow

rng = torch.Generator().manual_seed(0)
CLASSES = torch.tensor([2, 0, 1, 2])


def trained_a_little(network, *inputs):
    """With statistics of normalisation that are not those of the beginning."""
    for _ in range(3):
        network.train()(*inputs)
    return network.eval()


def test_a_class_generator_is_the_plain_one_that_the_conditional_is_for_it():
    G = ConditionalGenerator(3, 5, 16, 4, 1, rng)
    with torch.no_grad():
        for layer in G.layers:
            if hasattr(layer, "shift"):
                layer.shift.normal_(generator=rng)
    z = torch.rand(4, 5, 1, 1, generator=rng)
    trained_a_little(G, z, CLASSES)
    together = G(z, CLASSES)
    for i, k in enumerate(CLASSES.tolist()):
        plain = G.extract_class(k).eval()
        assert type(plain) is Generator
        torch.testing.assert_close(plain(z[i : i + 1]), together[i : i + 1])
    assert not torch.allclose(G(z, CLASSES), G(z, CLASSES.roll(1)), atol=1e-3)


def test_a_class_discriminator_is_the_plain_one_that_the_conditional_is_for_it():
    D = ConditionalDiscriminator(3, 16, 4, 1, 0.5, rng).eval()
    with torch.no_grad():
        D.embedding.normal_(generator=rng)
    x = torch.rand(4, 1, 16, 16, generator=rng)
    together = D.logits(x, None, CLASSES)
    for i, k in enumerate(CLASSES.tolist()):
        plain = D.extract_class(k).eval()
        assert type(plain) is Discriminator
        torch.testing.assert_close(plain.logits(x[i : i + 1]), together[i : i + 1])


def test_classes_are_told_apart_by_what_they_look_like():
    # Dark images of one class, bright ones of the other.
    images = np.random.default_rng(0).integers(0, 60, (40, 16, 16)).astype(np.uint8)
    images[20:] += 190
    y = np.repeat(["dark", "bright"], 20)
    gan = DCGAN(image_size=16, base_width=8, max_epochs=8, batch_size=16, lr=1e-3, random_state=0)
    sampler = ConditionalDCGANOversampler(gan, sampling_strategy=grow(2), random_state=0)
    sampler.fit_resample(images, y)
    means = {k: gan.sample(20, random_state=0).mean() for k, gan in sampler.estimators_.items()}
    assert means["bright"] - means["dark"] > 100


def test_all_classes_come_of_one_training(tiny_gan, phantoms):
    sampler = ConditionalDCGANOversampler(tiny_gan, sampling_strategy=grow(2), random_state=0)
    X, y = sampler.fit_resample(phantoms.images, phantoms.target)
    assert len(sampler.estimators_) == 4
    assert (np.bincount(y) == 2 * np.bincount(phantoms.target)).all()
    assert (X[: len(phantoms.images)] == phantoms.images).all()
    kernels = [gan.generator_.layers[0].weight for gan in sampler.estimators_.values()]
    assert all(torch.equal(kernel, kernels[0]) for kernel in kernels)
    scales = [gan.generator_.layers[1].weight for gan in sampler.estimators_.values()]
    assert not any(torch.equal(scale, scales[0]) for scale in scales[1:])


def test_classes_that_do_not_grow_are_trained_on_too(tiny_gan, phantoms, monkeypatch):
    seen = []

    def counted(gan, X, labels):
        seen.append(len(X))
        return fit_dcgan(gan, X, labels)

    monkeypatch.setattr("skcxr.over_sampling._conditional.fit_dcgan", counted)
    sampler = ConditionalDCGANOversampler(tiny_gan, sampling_strategy={0: 20}, random_state=0)
    sampler.fit_resample(phantoms.images, phantoms.target)
    assert seen == [48]
    assert list(sampler.estimators_) == [0]


def test_nothing_to_grow_trains_nothing(tiny_gan, phantoms, monkeypatch):
    monkeypatch.setattr("skcxr.over_sampling._conditional.fit_dcgan", None)
    X, _ = ConditionalDCGANOversampler(tiny_gan).fit_resample(phantoms.images, phantoms.target)
    assert (phantoms.images == X).all()


def test_a_class_keeps_a_plain_gan_that_can_be_saved_and_monitored(tiny_gan, phantoms, tmp_path):
    tiny_gan.set_params(monitor="pixels", checkpoint=tmp_path / "kept")
    sampler = ConditionalDCGANOversampler(tiny_gan, sampling_strategy=grow(2), random_state=0)
    first, _ = sampler.fit_resample(phantoms.images, phantoms.target)
    gan = sampler.estimators_[2]
    gan.save_weights(tmp_path / "gan.safetensors", discriminator=True)
    loaded = DCGAN(image_size=16, base_width=4).load_weights(tmp_path / "gan.safetensors")
    assert (loaded.sample(3, random_state=0) == gan.sample(3, random_state=0)).all()
    assert np.isfinite(gan.history_["kernel_distance"]).all()
    assert np.isfinite(gan.decision_function(phantoms.images)).all()
    # From the checkpoint, without a step.
    again, _ = sampler.fit_resample(phantoms.images, phantoms.target)
    assert (first == again).all()


def test_a_checkpoint_is_of_its_labels(tiny_gan, phantoms, tmp_path):
    tiny_gan.set_params(checkpoint=tmp_path / "kept")
    sampler = ConditionalDCGANOversampler(tiny_gan, sampling_strategy=grow(2), random_state=0)
    for y in (phantoms.target, phantoms.target[::-1]):
        sampler.fit_resample(phantoms.images, y)
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_without_a_seed_it_goes_on_from_its_checkpoint(tiny_gan, phantoms, tmp_path):
    tiny_gan.set_params(checkpoint=tmp_path / "kept", random_state=None)
    for _ in range(2):
        sampler = ConditionalDCGANOversampler(tiny_gan, sampling_strategy=grow(2))
        sampler.fit_resample(phantoms.images, phantoms.target)
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_only_a_dcgan_can_be_conditional():
    with pytest.raises(ValueError, match="'estimator' parameter of ConditionalDCGANOversampler"):
        ConditionalDCGANOversampler(KernelDensity()).fit_resample(np.eye(8), [0] * 5 + [1] * 3)
