from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from imblearn.over_sampling import RandomOverSampler
from joblib import parallel_config
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from skcxr import DCGAN, ConditionalDCGANOversampler, DCGANOversampler
from skcxr.gan._fit import fit_dcgan
from skcxr.gan._training import GANTraining
from skcxr.over_sampling import grow

rng = np.random.default_rng(0)
X = rng.integers(0, 200, (30, 36)).astype(np.uint8)
y = np.array(["covid"] * 6 + ["normal"] * 14 + ["viral"] * 10)


class Spy(BaseEstimator):
    """A generative estimator that keeps what it saw and samples a constant."""

    def __init__(self, value=0.0, random_state=None):
        self.value = value
        self.random_state = random_state

    def fit(self, X, y=None):
        self.X_ = X
        return self

    def sample(self, n_samples=1):
        return np.full((n_samples, *self.X_.shape[1:]), self.value)


def test_the_largest_class_is_matched_by_default():
    _, y_res = DCGANOversampler(Spy()).fit_resample(X, y)
    assert Counter(y_res.tolist()) == dict.fromkeys(["covid", "normal", "viral"], 14)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("minority", (14, 14, 10)),
        ("not minority", (6, 14, 14)),
        ("all", (14, 14, 14)),
        ({"covid": 9}, (9, 14, 10)),
        (lambda y: {"viral": 12, "normal": 20}, (6, 20, 12)),
        (grow(2), (12, 28, 20)),
        (grow(1), (6, 14, 10)),
        (grow(1.25), (8, 18, 12)),
    ],
)
def test_every_form_of_sampling_strategy(strategy, expected):
    sampler = DCGANOversampler(Spy(), sampling_strategy=strategy)
    counts = Counter(sampler.fit_resample(X, y)[1].tolist())
    assert tuple(counts[k] for k in ("covid", "normal", "viral")) == expected


def test_a_ratio_for_two_classes():
    two = y != "viral"
    sampler = DCGANOversampler(Spy(), sampling_strategy=0.75)
    counts = Counter(sampler.fit_resample(X[two], y[two])[1].tolist())
    assert counts == {"covid": 10, "normal": 14}


def test_originals_first_then_the_synthetic_of_the_mask():
    sampler = DCGANOversampler(Spy(7), sampling_strategy=grow(2))
    X_res, y_res = sampler.fit_resample(X, y)
    np.testing.assert_array_equal(X_res[:30], X)
    np.testing.assert_array_equal(y_res[:30], y)
    assert sampler.synthetic_mask_.tolist() == [False] * 30 + [True] * 30
    assert (X_res[30:] == 7).all()


def test_each_model_sees_the_rows_of_its_class_alone():
    sampler = DCGANOversampler(Spy(), sampling_strategy=grow(2)).fit(X, y)
    sampler.fit_resample(X, y)
    for k, spy in sampler.estimators_.items():
        np.testing.assert_array_equal(spy.X_, X[y == k])


def test_classes_that_ask_for_nothing_train_nothing():
    sampler = DCGANOversampler(Spy(), sampling_strategy={"covid": 8})
    sampler.fit_resample(X, y)
    assert list(sampler.estimators_) == ["covid"]


def test_balanced_classes_come_back_as_they_are():
    sampler = DCGANOversampler(Spy())
    X_res, _ = sampler.fit_resample(X[:12], y[[0] * 6 + [10] * 6])
    np.testing.assert_array_equal(X_res, X[:12])
    assert sampler.estimators_ == {}
    assert not sampler.synthetic_mask_.any()


def test_fit_alone_trains_nothing():
    sampler = DCGANOversampler(Spy(), sampling_strategy=grow(2)).fit(X, y)
    assert not hasattr(sampler, "estimators_")


@pytest.mark.parametrize(
    "estimator",
    [KernelDensity(bandwidth=30.0), GaussianMixture(2, covariance_type="diag", reg_covar=1.0)],
    ids=lambda e: type(e).__name__,
)
@pytest.mark.parametrize("shape", [(36,), (6, 6), (1, 6, 6)])
def test_scikit_learns_generative_models_serve(estimator, shape):
    images = X.reshape(-1, *shape)
    runs = [
        DCGANOversampler(estimator, sampling_strategy=grow(3), random_state=0).fit_resample(
            images, y
        )[0]
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*runs)
    assert runs[0].shape == (90, *shape)
    assert runs[0].dtype == np.uint8
    assert len(np.unique(runs[0][30:].reshape(60, -1), axis=0)) == 60


def test_objects_that_are_no_estimators_serve():
    class Mean:
        def fit(self, X):
            self.mean_ = X.mean(axis=0)

        def sample(self, n_samples):
            return np.tile(self.mean_, (n_samples, 1))

    sampler = DCGANOversampler(Mean(), sampling_strategy=grow(2))
    X_res, y_res = sampler.fit_resample(X.reshape(-1, 6, 6), y)
    assert X_res.shape == (60, 6, 6)
    of_class = (y_res == "viral") & sampler.synthetic_mask_
    expected = np.rint(X[y == "viral"].mean(axis=0)).reshape(6, 6)
    assert (X_res[of_class] == expected).all()
    assert set(sampler.estimators_) == {"covid", "normal", "viral"}


def test_values_stay_within_what_the_class_holds():
    for value in (-1e6, 1e6):
        sampler = DCGANOversampler(Spy(value), sampling_strategy=grow(2))
        X_res, y_res = sampler.fit_resample(X, y)
        for k in np.unique(y):
            new = X_res[30:][y_res[30:] == k]
            assert new.min() >= X[y == k].min()
            assert new.max() <= X[y == k].max()


def test_booleans_are_rounded_too():
    class Faint(Spy):
        def sample(self, n_samples=1):
            return np.full((n_samples, *self.X_.shape[1:]), 0.4)

    sampler = DCGANOversampler(Faint(), sampling_strategy=grow(2))
    X_res, _ = sampler.fit_resample(X > 100, y)
    assert X_res.dtype == bool
    assert not X_res[30:].any()


def test_integers_are_rounded_and_not_cut():
    sampler = DCGANOversampler(Spy(9.9), sampling_strategy=grow(2))
    assert (sampler.fit_resample(X, y)[0][30:] == 10).all()


@pytest.mark.parametrize("shape", [(6, 6), (1, 6, 6), (3, 4, 3)])
def test_images_with_more_dimensions_come_back_so(tiny_gan, shape):
    images = X.reshape(-1, *shape)
    X_res, _ = DCGANOversampler(tiny_gan, random_state=0).fit_resample(images, y)
    assert X_res.shape == (42, *shape)
    assert X_res.dtype == np.uint8


def test_data_frames_keep_columns_dtypes_and_names(tiny_gan):
    frame = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(36)])
    series = pd.Series(y, name="finding", dtype="category")
    X_res, y_res = DCGANOversampler(tiny_gan, random_state=0).fit_resample(frame, series)
    assert list(X_res.columns) == list(frame.columns)
    assert (X_res.dtypes == np.uint8).all()
    assert y_res.name == "finding"
    assert y_res.dtype == series.dtype


@pytest.mark.parametrize(
    "container", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, sparse.csc_array]
)
def test_sparse_in_sparse_out(tiny_gan, container):
    sampler = DCGANOversampler(tiny_gan, random_state=0)
    X_res, _ = sampler.fit_resample(container(X.astype(float)), y)
    dense, _ = sampler.fit_resample(X.astype(float), y)
    assert isinstance(X_res, container)
    np.testing.assert_array_equal(X_res.toarray(), dense)


def test_lists_in_lists_out(tiny_gan):
    X_res, y_res = DCGANOversampler(tiny_gan, random_state=0).fit_resample(X.tolist(), y.tolist())
    assert isinstance(X_res, list)
    assert isinstance(y_res, list)
    assert len(X_res) == len(y_res) == 42


def test_one_seed_one_result(tiny_gan):
    results = [
        DCGANOversampler(tiny_gan, random_state=seed).fit_resample(X, y)[0] for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(results[0], results[1])
    assert (results[0] != results[2]).any()


def test_classes_have_seeds_of_their_own(tiny_gan):
    sampler = DCGANOversampler(tiny_gan, sampling_strategy="all", random_state=0)
    sampler = sampler.set_params(sampling_strategy=grow(2))
    sampler.fit_resample(X, y)
    seeds = [gan.random_state for gan in sampler.estimators_.values()]
    assert len(set(seeds)) == 3


def test_a_class_images_do_not_hang_on_which_others_grow(tiny_gan):
    alone = DCGANOversampler(tiny_gan, sampling_strategy={"viral": 12}, random_state=0)
    among = DCGANOversampler(tiny_gan, sampling_strategy=grow(1.2), random_state=0)
    new = alone.fit_resample(X, y)[0][30:]
    X_res, y_res = among.fit_resample(X, y)
    np.testing.assert_array_equal(X_res[30:][y_res[30:] == "viral"], new)


def test_the_estimator_given_is_left_unfitted(tiny_gan):
    DCGANOversampler(tiny_gan, random_state=0).fit_resample(X, y)
    assert not hasattr(tiny_gan, "generator_")
    assert tiny_gan.random_state == 0


def test_parameters_of_the_estimator_are_within_reach(tiny_gan):
    sampler = DCGANOversampler(tiny_gan).set_params(estimator__max_epochs=3)
    assert sampler.estimator.max_epochs == 3
    assert clone(sampler).estimator.max_epochs == 3


def test_a_class_of_one_image_is_refused_by_name():
    with pytest.raises(ValueError, match="Class 'rare' has 1 image"):
        DCGANOversampler(Spy()).fit_resample(X[:12], np.array(["rare"] + ["normal"] * 11))


def test_divergence_names_the_class(tiny_gan):
    gan = tiny_gan.set_params(lr=1e6, max_epochs=20)
    with pytest.raises(FloatingPointError, match="Class 'covid': DCGAN training diverged"):
        DCGANOversampler(gan, sampling_strategy={"covid": 8}).fit_resample(X, y)


def test_estimators_that_can_not_sample_are_refused():
    with pytest.raises(ValueError, match="'estimator' parameter of DCGANOversampler must be"):
        DCGANOversampler(RandomOverSampler()).fit_resample(X, y)


@pytest.mark.parametrize("factor", [0.5, 0, -1, np.inf, np.nan, "2"])
def test_grow_refuses_factors_below_one(factor):
    with pytest.raises(ValueError, match="factor must be a finite number >= 1"):
        grow(factor)


def test_grow_serves_other_samplers_too():
    _, y_res = RandomOverSampler(sampling_strategy=grow(1.5), random_state=0).fit_resample(X, y)
    assert Counter(y_res.tolist()) == {"covid": 9, "normal": 21, "viral": 15}


def test_grow_shows_what_it_does():
    assert repr(grow(2)) == "grow(factor=2)"
    assert grow(2) == grow(2) != grow(3)


def test_pooled_pretraining_is_what_each_class_goes_on_from(tiny_gan, phantoms, monkeypatch):
    fits = []

    def noted(gan, X):
        fit_dcgan(gan, X)
        fits.append((len(X), gan.max_epochs, weights_of(gan)))
        return gan

    monkeypatch.setattr("skcxr.gan._estimator.fit_dcgan", noted)
    # A class' training that changes no weight ends where it began.
    tiny_gan.set_params(max_epochs=9, lr=1e-12)
    sampler = DCGANOversampler(
        tiny_gan, sampling_strategy={0: 20, 1: 20}, pretrain="pooled", random_state=0
    )
    sampler.fit_resample(phantoms.data, phantoms.target)
    (n, epochs, pooled), *classes = fits
    assert (n, epochs) == (48, 9)
    assert [fit[:2] for fit in classes] == [(12, 4), (12, 4)]
    for *_, of_class in classes:
        torch.testing.assert_close(of_class, pooled)


def weights_of(gan):
    """Of both networks."""
    nets = (gan.generator_, gan.discriminator_)
    return torch.cat([p.flatten().clone() for net in nets for p in net.parameters()])


def test_pooled_pretraining_gives_rows_to_who_takes_no_images():
    class Rows(BaseEstimator):
        shapes = []

        def __init__(self, max_epochs=4, warm_start=False):
            self.max_epochs = max_epochs
            self.warm_start = warm_start

        def fit(self, X):
            self.shapes.append(X.shape)
            self.image = X[0]
            return self

        def sample(self, n_samples):
            return np.repeat(self.image[None], n_samples, axis=0)

    X, y = np.arange(10 * 16).reshape(10, 4, 4), np.repeat([0, 1], 5)
    sampler = DCGANOversampler(Rows(), sampling_strategy=grow(2), pretrain="pooled")
    assert sampler.fit_resample(X, y)[0].shape == (20, 4, 4)
    assert Rows.shapes == [(10, 16), (5, 16), (5, 16)]


@pytest.mark.parametrize("kind", [DCGANOversampler, ConditionalDCGANOversampler])
@pytest.mark.parametrize(
    "params",
    [
        {"max_epochs": 0},
        {"mode_seeking": -1.0},
        {"dropout": 1.5},
        {"precision": "fp16"},
        {"batch_size": 1},
        {"diff_augment": "nonsense"},
        {"lr": -1},
        {"betas": 3},
        {"betas": (0.5, 2.0)},
        {"warm_start": "no"},
    ],
)
def test_parameters_of_the_estimator_are_checked(tiny_gan, phantoms, monkeypatch, kind, params):
    monkeypatch.setattr(GANTraining, "step", lambda self, rows: pytest.fail("trained"))
    sampler = kind(tiny_gan.set_params(**params), sampling_strategy=grow(2))
    with pytest.raises(ValueError, match=next(iter(params))):
        sampler.fit_resample(phantoms.data, phantoms.target)


def test_parameters_of_other_estimators_are_checked(phantoms):
    sampler = DCGANOversampler(KernelDensity(bandwidth=-1.0), sampling_strategy=grow(2))
    with pytest.raises(ValueError, match="'bandwidth' parameter of KernelDensity"):
        sampler.fit_resample(phantoms.data, phantoms.target)


def test_rejection_by_a_discriminator_needs_one_before_training(phantoms, monkeypatch):
    monkeypatch.setattr(KernelDensity, "fit", lambda self, X: pytest.fail("trained"))
    sampler = DCGANOversampler(KernelDensity(), sampling_strategy=grow(2), select="discriminator")
    with pytest.raises(ValueError, match="select='discriminator' needs"):
        sampler.fit_resample(phantoms.data, phantoms.target)


def test_pooled_pretraining_does_not_hang_on_n_jobs(tiny_gan, phantoms):
    def images(n_jobs):
        sampler = DCGANOversampler(
            tiny_gan, sampling_strategy=grow(2), pretrain="pooled", n_jobs=n_jobs, random_state=0
        )
        return sampler.fit_resample(phantoms.data, phantoms.target)[0]

    with parallel_config("threading"):
        assert (images(2) == images(1)).all()


def test_fine_tuning_has_the_epochs_asked_for(tiny_gan, phantoms):
    sampler = DCGANOversampler(
        tiny_gan, sampling_strategy=grow(2), pretrain="pooled", fine_tune_epochs=3, random_state=0
    )
    sampler.fit_resample(phantoms.data, phantoms.target)
    assert [len(gan.history_) for gan in sampler.estimators_.values()] == [3] * 4


def test_pretraining_needs_an_estimator_that_can_go_on(phantoms):
    sampler = DCGANOversampler(KernelDensity(), sampling_strategy=grow(2), pretrain="pooled")
    with pytest.raises(ValueError, match="pretrain='pooled' needs an estimator with"):
        sampler.fit_resample(phantoms.data, phantoms.target)


@pytest.mark.cuda
def test_classes_side_by_side_on_cuda_are_those_of_one_by_one(phantoms):
    params = {"image_size": 16, "base_width": 8, "batch_size": 8, "steps_per_epoch": 12}
    gan = DCGAN(**params, max_epochs=2, device="cuda", precision="float32")
    sampler = DCGANOversampler(gan, sampling_strategy=grow(2), random_state=0)
    together, _ = sampler.fit_resample(phantoms.data, phantoms.target)
    gans = sampler.estimators_
    one_by_one, _ = sampler.set_params(n_jobs=1).fit_resample(phantoms.data, phantoms.target)
    for k, other in sampler.estimators_.items():
        weights = other.generator_.state_dict()
        pairs = zip(gans[k].generator_.state_dict().values(), weights.values(), strict=True)
        assert all(torch.equal(ours, theirs) for ours, theirs in pairs), k
    assert (together == one_by_one).all()


class Sampling(BaseEstimator):
    """A generative model that returns what it is told to."""

    def __init__(self, samples):
        self.samples = samples

    def fit(self, X, y=None):
        return self

    def sample(self, n_samples=1):
        return self.samples(n_samples)


def fill_second_row(n, value):
    rows = np.ones((n, 4))
    rows[1] = value
    return rows


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (lambda n: fill_second_row(n, np.nan), r"returned NaN or infinity in 1 of 4 rows"),
        (lambda n: fill_second_row(n, np.inf), r"returned NaN or infinity in 1 of 4 rows"),
        (lambda n: np.ones((n + 1, 4)), r"shape \(5, 4\) .* It must return 4 rows"),
        (lambda n: np.ones((n, 3)), r"shape \(4, 3\) .* of shape \(4,\)"),
        (lambda n: np.ones((4, n)).astype(str), r"dtype <U"),
        (lambda n: np.ones(4 * n), r"shape \(16,\) .* It must return 4 rows"),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, float])
def test_bad_samples_of_a_model_are_refused_by_name(samples, message, dtype):
    X = np.arange(48).reshape(12, 4).astype(dtype)
    y = np.array(["many"] * 8 + ["few"] * 4)
    sampler = DCGANOversampler(Sampling(samples))
    with pytest.raises(ValueError, match=rf"Class 'few': Sampling\.sample\(4\) .*{message}"):
        sampler.fit_resample(X, y)


@pytest.mark.parametrize("dtype", ["UInt8", "Int64", "uint8", "boolean", "bool"])
def test_integer_columns_of_a_table_are_rounded(dtype):
    values = pd.DataFrame(np.arange(48).reshape(12, 4) % 2).astype(dtype)
    sampler = DCGANOversampler(Sampling(lambda n: np.full((n, 4), 0.7)))
    X, _ = sampler.fit_resample(values, [0] * 8 + [1] * 4)
    assert (X.dtypes == values.dtypes).all()
    assert (X.iloc[-4:].astype(int) == 1).all(axis=None)


def test_integer_columns_beside_a_float_are_rounded_and_not_cut_off():
    table = pd.DataFrame({"a": np.arange(12, dtype=np.uint8), "b": np.arange(12) / 10})
    sampler = DCGANOversampler(Sampling(lambda n: np.full((n, 2), 8.7)))
    X, _ = sampler.fit_resample(table, [0] * 8 + [1] * 4)
    assert X["a"].iloc[-4:].tolist() == [9] * 4
    assert X["b"].iloc[-4:].tolist() == [8.7] * 4


def test_columns_that_synthetic_values_do_not_fit_are_refused_before_training():
    table = pd.DataFrame({"a": [0, 1] * 6, "b": pd.Categorical([0, 1] * 6)})
    sampler = DCGANOversampler(Sampling(lambda n: pytest.fail("trained")))
    with pytest.raises(ValueError, match=r"column 'b' of dtype category.*astype"):
        sampler.fit_resample(table, [0] * 8 + [1] * 4)


@pytest.mark.parametrize("sampler", [DCGANOversampler, ConditionalDCGANOversampler])
def test_a_class_in_place_of_an_estimator_is_named(sampler, phantoms):
    with pytest.raises((TypeError, ValueError), match=r"estimator.*DCGAN"):
        sampler(DCGAN).fit_resample(phantoms.data[:-9], phantoms.target[:-9])
