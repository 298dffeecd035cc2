import numpy as np
import pytest
import torch
from sklearn.base import clone

from skcxr import DCGANOversampler
from skcxr.gan._training import GANTraining
from skcxr.metrics import frechet_distance, inception_score, kernel_distance
from skcxr.metrics.features import FeatureExtractor
from skcxr.over_sampling import grow

FIGURES = ["kernel_distance", "frechet_distance"]


def brightness(X):
    """Mean and deviation of each image."""
    flat = np.asarray(X, dtype=float).reshape(len(X), -1)
    return np.stack([flat.mean(axis=1), flat.std(axis=1)], axis=1)


def weights(gan):
    networks = (gan.generator_, gan.discriminator_)
    return torch.cat([v.flatten().float() for net in networks for v in net.state_dict().values()])


def test_every_kth_and_the_last_epoch_are_measured(tiny_gan, phantoms):
    gan = tiny_gan.set_params(max_epochs=5, monitor=brightness, monitor_every=2)
    history = gan.fit(phantoms.data).history_
    measured = history[FIGURES].dropna(how="all")
    assert history.loc[measured.index, "epoch"].tolist() == [2, 4, 5]
    assert np.isfinite(measured).all(axis=None)


def test_monitoring_changes_nothing_else(tiny_gan, phantoms):
    plain = clone(tiny_gan).set_params(max_epochs=3).fit(phantoms.data)
    watched = clone(plain).set_params(monitor=brightness, monitor_every=1).fit(phantoms.data)
    assert torch.equal(weights(plain), weights(watched))
    np.testing.assert_array_equal(
        plain.sample(3, random_state=0), watched.sample(3, random_state=0)
    )


def test_the_last_row_is_of_the_fitted_generator(tiny_gan, phantoms):
    """Latent vectors of the monitor's own seed, as many as there are training images."""
    seen = []

    def recorded(X):
        seen.append(np.array(X))
        return brightness(X)

    gan = tiny_gan.set_params(max_epochs=2, monitor=recorded, monitor_every=1).fit(phantoms.data)
    train, _, samples = seen
    np.testing.assert_array_equal(train, phantoms.data)
    assert samples.shape == train.shape
    assert samples.dtype == train.dtype
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max)
    np.testing.assert_array_equal(samples, gan.sample(len(train), random_state=seed))
    real, fake = brightness(train), brightness(samples)
    row = gan.history_.iloc[-1]
    assert row["kernel_distance"] == kernel_distance(real, fake, n_permutations=0).value
    assert row["frechet_distance"] == frechet_distance(real, fake)


def test_features_with_a_classifier_give_an_inception_score(tiny_gan, phantoms):
    seen = []

    def thirds(X):
        seen.append(np.random.default_rng(len(seen)).dirichlet(np.ones(3), len(X)))
        return seen[-1]

    extractor = FeatureExtractor("brightness", "output", brightness, classifier=thirds)
    gan = tiny_gan.set_params(monitor=extractor).fit(phantoms.data)
    assert gan.history_.iloc[-1]["inception_score"] == inception_score(seen[-1])


@pytest.mark.parametrize("features", ["pixels", "cxr"])
def test_features_by_name(tiny_gan, phantoms, features):
    row = tiny_gan.set_params(monitor=features).fit(phantoms.images).history_.iloc[-1]
    assert ("inception_score" in row) == (features == "cxr")


def test_what_belongs_beside_the_figures_is_kept(tiny_gan, phantoms):
    gan = tiny_gan.set_params(monitor=brightness).fit(phantoms.data)
    expected = {"extractor": "brightness", "layer": "output", "d": 2, "n_real": 48, "n_fake": 48}
    assert expected.items() <= gan.monitor_.items()
    assert abs(gan.monitor_["floor"]["kernel_distance"]) < gan.history_.iloc[-1]["kernel_distance"]
    assert gan.set_params(monitor=None).fit(phantoms.data).monitor_ is None


def test_the_bar_shows_them(tiny_gan, phantoms, capsys):
    tiny_gan.set_params(monitor="cxr", verbose=1).fit(phantoms.data)
    bar = capsys.readouterr().err
    for word in ("Loss_D", "KD", "FD", "IS", "(cxr, 48 against 48)"):
        assert word in bar


def test_rows_that_are_no_square_images(tiny_gan, phantoms):
    X = phantoms.data[:, :200]
    gan = tiny_gan.set_params(monitor=brightness, image_shape=(10, 20), image_size=32).fit(X)
    assert np.isfinite(gan.history_.iloc[-1]["frechet_distance"])


def test_bad_features_are_refused_before_training(tiny_gan, phantoms, monkeypatch):
    monkeypatch.setattr(GANTraining, "step", lambda *args: pytest.fail("training began"))
    with pytest.raises(ValueError, match=r"monitor='vgg': features='vgg' must be"):
        tiny_gan.set_params(monitor="vgg").fit(phantoms.data)


def test_under_the_oversampler_each_class_has_its_own(tiny_gan, phantoms):
    sampler = DCGANOversampler(
        tiny_gan.set_params(monitor=brightness), sampling_strategy=grow(1.5), random_state=0
    )
    sampler.fit_resample(phantoms.data, phantoms.target)
    values = [gan.history_.iloc[-1]["frechet_distance"] for gan in sampler.estimators_.values()]
    assert len(set(values)) == 4


def test_divergence_is_told_by_the_losses(tiny_gan, phantoms):
    """Not by a feature extractor that minds NaN."""
    with pytest.raises(FloatingPointError, match="DCGAN training diverged"):
        tiny_gan.set_params(monitor=brightness, monitor_every=1, lr=1e30).fit(phantoms.data)
