import re

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.exceptions import DataConversionWarning
from sklearn.neighbors import KernelDensity

from skcxr import DCGANOversampler
from skcxr.datasets import make_chest_phantoms
from skcxr.evaluation import inspect_samples
from skcxr.evaluation._inspection import convert_audits
from skcxr.metrics import generative_report
from skcxr.over_sampling import grow
from skcxr.over_sampling._base import sample_like


@pytest.fixture(scope="module")
def images():
    phantoms = make_chest_phantoms(160, image_size=32, random_state=0)
    return phantoms.data, phantoms.target_names[phantoms.target]


class Copying:
    """A generative model whose samples are its training images."""

    def fit(self, X):
        self.X = X
        return self

    def sample(self, n_samples):
        return self.X[:n_samples]


def fit_and_inspect(estimator, X, y, n_train=120, **options):
    sampler = DCGANOversampler(estimator, sampling_strategy=grow(1.5), random_state=0)
    sampler.fit_resample(X[:n_train], y[:n_train])
    parts = X[:n_train], y[:n_train], X[n_train:], y[n_train:]
    return sampler, *inspect_samples(sampler, *parts, **options)


def test_each_class_has_its_metrics(images):
    X, y = images
    sampler, table, audits = fit_and_inspect(KernelDensity(bandwidth=20), X, y, features="pixels")
    assert table.index.tolist() == sorted(set(y))
    assert list(audits) == table.index.tolist()
    k, real = "normal", X[:120][y[:120] == "normal"]
    fake = sample_like(sampler.estimators_[k], real, len(real), 0)
    report = generative_report(real, fake, features="pixels", random_state=0)
    for metric in report.index:
        assert table.loc[k, metric] == report.loc[metric, "synthetic"]
        assert table.loc[k, f"{metric}, real"] == report.loc[metric, "real"]
    assert table.loc[k, "p_value"] == report.attrs["p_value"]
    assert table.loc[k, "n_fake"] == len(real)
    assert table.loc[k, ["features", "d"]].tolist() == ["pixels", report.attrs["d"]]
    assert table.loc[k, "n_compared"] == len(real) // 2


def test_copies_are_found(images):
    _, table, audits = fit_and_inspect(Copying(), *images)
    assert (table["copying"] == "copies found").all()
    assert audits["normal"].verdict == "copies found"


def test_given_samples_are_inspected(images):
    X, y = images
    sampler, clean, _ = fit_and_inspect(KernelDensity(bandwidth=20), X, y, features="pixels")
    parts = X[:120], y[:120], X[120:], y[120:]
    samples = {k: sample_like(gan, X, 20, 3) for k, gan in sampler.estimators_.items()}
    samples["normal"][7] = X[:120][y[:120] == "normal"][2]
    table, audits = inspect_samples(sampler, *parts, samples=samples, features="pixels")
    copies = [(pair.synthetic, pair.train) for pair in audits["normal"].pairs if pair.copy]
    assert (7, 2) in copies
    assert table["n_fake"].tolist() == [20] * 4
    assert clean["n_fake"].tolist() != [20] * 4
    del samples["normal"]
    with pytest.raises(ValueError, match=r"samples has no images of \['normal'\]"):
        inspect_samples(sampler, *parts, samples=samples)


def test_the_discriminator_is_audited(images, tiny_gan):
    X, y = images
    _, _, audits = fit_and_inspect(tiny_gan.set_params(image_size=32), X, y)
    assert "discriminator" in set(audits["normal"].table["space"])


def test_held_out_images_in_the_training_set_are_left_out(images):
    """Public collections contain duplicates."""
    X, y = images
    copied = np.concatenate([X, X[:3]]), np.concatenate([y, y[:3]])
    _, table, audits = fit_and_inspect(KernelDensity(bandwidth=20), *copied, features="pixels")
    assert table["n_shared"].sum() == 3
    assert len(audits) == 4
    _, clean, _ = fit_and_inspect(KernelDensity(bandwidth=20), X, y, features="pixels")
    assert (table["copying"] == clean["copying"]).all()


def test_held_out_near_duplicates_are_left_out():
    X = make_chest_phantoms(160, image_size=64, random_state=0)
    images, y = X.images, X.target_names[X.target]
    # Darker copies of three training images.
    changed = np.concatenate([images, images[:3] // 2]), np.concatenate([y, y[:3]])
    flat = changed[0].reshape(163, -1), changed[1]
    _, table, _ = fit_and_inspect(KernelDensity(bandwidth=20), *flat, features="pixels")
    assert table["n_shared"].sum() == 3


@pytest.mark.parametrize("container", [sparse.csr_matrix, pd.DataFrame, list])
def test_containers(images, container):
    X, y = images
    sampler, table, _ = fit_and_inspect(KernelDensity(bandwidth=20), X, y, features="pixels")
    parts = container(X[:120]), y[:120].tolist(), container(X[120:]), pd.Series(y[120:])
    pd.testing.assert_frame_equal(inspect_samples(sampler, *parts, features="pixels")[0], table)


def test_too_few_images_for_an_audit_are_reported(images):
    X, y = images
    rows = np.flatnonzero(y == "covid")[:5].tolist() + np.flatnonzero(y == "normal")[:30].tolist()
    X, y = X[rows][::-1], y[rows][::-1]
    X, y = np.concatenate([X, X[:1]]), np.concatenate([y, y[:1]])
    _, table, audits = fit_and_inspect(KernelDensity(bandwidth=20), X, y, n_train=35)
    assert table["copying"].tolist() == ["not audited"] * 2
    assert audits == {}
    assert table["power"].isna().all()
    for found in convert_audits(table, audits).values():
        assert (found["verdict"], found["passed"], found["power"]) == ("not audited", False, None)
    assert np.isfinite(table.loc["covid", "kernel distance"])


def test_copies_are_found_without_held_out_images(images):
    _, table, audits = fit_and_inspect(Copying(), *(part[:120] for part in images))
    assert audits == {}
    assert (table["copying"] == "copies found").all()
    assert table["n_holdout"].tolist() == [0] * 4


def test_few_held_out_images_cannot_tell(images):
    X, y = images
    samples = {k: X[124:][y[124:] == k] for k in np.unique(y)}
    _, table, audits = fit_and_inspect(
        KernelDensity(), X[:124], y[:124], n_train=112, samples=samples, features="pixels"
    )
    assert (table["n_holdout"] <= 4).all()
    assert (table["copying"] == "cannot tell").all()
    assert table["power"].to_dict() == {k: result.power for k, result in audits.items()}
    assert (table["power"] < 0.8).all()


def test_labels_of_another_type_are_refused(images):
    X, y = images
    classes, y = np.unique(y, return_inverse=True)
    sampler, *_ = fit_and_inspect(KernelDensity(bandwidth=20), X, y, features="pixels")
    train, holdout = (X[:120], y[:120]), (X[120:], y[120:])
    with pytest.raises(ValueError, match=r"y has no images of \[0, 1, 2, 3\], which.*'covid'"):
        inspect_samples(sampler, X[:120], classes[y[:120]], *holdout)
    with pytest.raises(ValueError, match=r"y_holdout has the labels \['0', .*in y, \[0, 1, 2, 3\]"):
        inspect_samples(sampler, *train, X[120:], y[120:].astype(str))
    samples = {str(k): X[:5] for k in range(4)}
    with pytest.raises(ValueError, match=r"samples has no images of \[0, 1, 2, 3\], but of \['0'"):
        inspect_samples(sampler, *train, *holdout, samples=samples)


def test_labels_are_one_per_image(images):
    X, y = images
    sampler, table, _ = fit_and_inspect(KernelDensity(bandwidth=20), X, y, features="pixels")
    with pytest.raises(ValueError, match="X holds 120 images, but y holds 119 labels"):
        inspect_samples(sampler, X[:120], y[:119], X[120:], y[120:])
    with pytest.raises(ValueError, match="X_holdout holds 40 images, but y_holdout holds 39"):
        inspect_samples(sampler, X[:120], y[:120], X[120:], y[121:])
    one_hot = np.equal.outer(y[:120], np.unique(y)).astype(int)
    with pytest.raises(ValueError, match=r"y must hold one label per image.*shape \(120, 4\)"):
        inspect_samples(sampler, X[:120], one_hot, X[120:], y[120:])
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        found, _ = inspect_samples(
            sampler, X[:120], y[:120, None], X[120:], y[120:, None], features="pixels"
        )
    pd.testing.assert_frame_equal(found, table)


def test_a_class_without_held_out_images_is_no_error(images):
    X, y = images
    sampler, *_ = fit_and_inspect(KernelDensity(bandwidth=20), X, y, features="pixels")
    normal = np.flatnonzero(y[120:] == "normal") + 120
    for rows in (normal, []):
        parts = X[:120], y[:120], X[rows], y[rows]
        table, audits = inspect_samples(sampler, *parts, features="pixels")
        assert table.loc["covid", "copying"] == "not audited"
        assert list(audits) == (["normal"] if len(rows) else [])


@pytest.mark.parametrize("name", ["X", "X_holdout", "samples['normal']"])
def test_nan_names_the_image_that_holds_it(images, name):
    X, y = images
    X = X.astype(float)
    sampler, _, _ = fit_and_inspect(Copying(), X, y)
    sets = {"X": X[:120].copy(), "X_holdout": X[120:].copy()}
    samples = {k: X[:20].copy() for k in sampler.estimators_}
    (sets if name in sets else {name: samples["normal"]})[name][7, 5] = np.nan
    with pytest.raises(ValueError, match=rf"^{re.escape(name)} holds NaN .* in 1 of .* at index 7"):
        inspect_samples(sampler, sets["X"], y[:120], sets["X_holdout"], y[120:], samples=samples)
