"""Whatever comes in: a correct result, or an error that names what is wrong.

Hypothesis draws arrays, labels and parameters from what people pass by mistake. The number of cases
is printed at the end.
"""

import gc
import multiprocessing
import threading
import tracemalloc
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from imblearn.pipeline import Pipeline
from PIL import Image
from scipy import sparse
from sklearn.neighbors import KernelDensity

from skcxr import DCGAN, ConditionalDCGANOversampler, CXRClassifier, DCGANOversampler
from skcxr.metrics import (
    audit,
    frechet_distance,
    inception_score,
    kernel_distance,
    per_class_report,
    precision_recall_density_coverage,
)
from skcxr.over_sampling import grow

CASES = Counter()
DTYPES = ["?", "i1", "u1", "u2", "i8", "f2", "f4", "f8", "c8", "O", "U3"]
FLAWS = ["none", "none", "none", "constant", "nan", "inf", "huge", "tiny", "negative"]
LAYOUTS = ["C", "F", "read-only", "strided"]
many = settings(
    max_examples=420,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


FEW = st.integers(0, 7)
SHAPES = [(16, 16), (256,), (1, 16, 16), (3, 8, 8), (30,), (5, 7), (0,), (0, 4), (2, 8, 8)]
SHAPES += [(16, 16, 1), (1, 1), (20, 20), (), (1, 1, 4, 4)]


@st.composite
def arrays(draw):
    """Arrays of images that are good or bad in one way or another."""
    shape = (draw(FEW), *draw(st.sampled_from(SHAPES)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    X = rng.integers(0, 2, shape) * rng.integers(1, 100, shape).astype(float)
    flaw = draw(st.sampled_from(FLAWS))
    if flaw == "constant":
        X[:] = 7
    elif flaw == "huge":
        X *= 1e30
    elif flaw == "tiny":
        X *= 1e-30
    elif flaw == "negative":
        X -= 50
    elif flaw in ("nan", "inf") and X.size:
        X.flat[draw(st.integers(0, X.size - 1))] = float(flaw)
    with np.errstate(all="ignore"):
        X = X.astype(draw(st.sampled_from(DTYPES)))
    layout = draw(st.sampled_from(LAYOUTS))
    if layout == "F":
        X = np.asfortranarray(X)
    elif layout == "strided":
        X = np.repeat(X, 2, axis=0)[::2]
    elif layout == "read-only":
        X.flags.writeable = False
    return X


@st.composite
def labels(draw, n):
    """Classes for n images: of any type, too few, too many, missing."""
    kinds = [[0, 1], ["covid", "normal"], ["Größe", "肺"], [True, False], [1.0, 2.0], [5]]
    kinds += [[None, "a"], [0.5, np.nan], ["a", 1], [2**40, -3]]
    names = draw(st.sampled_from(kinds))
    length = draw(st.sampled_from([n, n, n, n + 1, max(n - 1, 0)]))
    values = [names[i % len(names)] for i in range(length)]
    return draw(st.sampled_from([list, np.array, lambda v: np.array(v, dtype=object)]))(values)


def outcome(call, names):
    """The call's result, or None where it refused in words that name something of `names`."""
    CASES[call.__name__] += 1
    try:
        with np.errstate(all="ignore"):
            return call()
    except (ValueError, TypeError) as error:
        message = str(error)
    if not any(name in message for name in names):
        pytest.fail(f"the error names nothing: {message}")
    return None


# What scikit-learn and skcxr call an input in their messages.
OF_X = ["X ", "X,", "X has", "Input", "input", "array", "Array", "images", "Images", "image_size"]
OF_X += ["feature(s)", "sample(s)", "Complex data", "convert", "dtype", "numeric"]
OF_Y = ["y ", "y.", "y)", "classes", "class", "label", "Class", "inconsistent numbers of samples"]


@many
@given(X=arrays())
def test_dcgan(X):
    gan = DCGAN(image_size=16, base_width=1, max_epochs=1, steps_per_epoch=1, batch_size=2,
        latent_dim=2, random_state=0)  # fmt: skip

    def fit():
        return gan.fit(X)

    if outcome(fit, OF_X) is None:
        assert not hasattr(gan, "generator_")
        return
    samples = gan.sample(3, random_state=0)
    assert samples.shape == (3, *X.shape[1:])
    if X.dtype.kind in "biuf":
        assert samples.dtype == X.dtype
        assert (samples >= X.min()).all()
        assert (samples <= X.max()).all()
    assert np.isfinite(gan.decision_function(X)).all()


@many
@given(data=st.data(), X=arrays())
def test_oversampler(data, X):
    y = data.draw(labels(len(X)))
    kinds = [(DCGANOversampler, KernelDensity()), (ConditionalDCGANOversampler, DCGAN(**GAN))]
    kind, model = data.draw(st.sampled_from(kinds))
    sampler = kind(model, sampling_strategy=grow(1.5), random_state=0)

    def fit_resample():
        return sampler.fit_resample(X, y)

    found = outcome(fit_resample, OF_X + OF_Y)
    if found is not None:
        X_new, y_new = found
        assert len(X_new) == len(y_new) >= len(X)
        np.testing.assert_array_equal(X_new[: len(X)], X)
        assert list(y_new[: len(X)]) == list(y)
        assert (np.asarray(X_new).dtype == X.dtype) or X.dtype.kind in "OU"


@many
@given(data=st.data(), X=arrays())
def test_classifier(data, X):
    y = data.draw(labels(len(X)))
    clf = CXRClassifier(max_epochs=1, batch_size=4, lr=0.01, random_state=0)

    def fit():
        return clf.fit(X, y)

    if outcome(fit, OF_X + OF_Y) is None:
        assert not hasattr(clf, "net_")
        return
    probabilities = clf.predict_proba(X)
    assert probabilities.shape == (len(X), len(clf.classes_))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert set(clf.predict(X)) <= set(np.unique(y))


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(allow_nan=True, width=32),
    st.sampled_from(["auto", "", "classic", "cuda:99", (0.5, 0.9), (1.5, 0.9), (), [1], {}, 1e400]),
)  # fmt: skip
IMAGES = np.random.default_rng(0).integers(0, 255, (6, 16, 16)).astype(np.uint8)
GAN = {"image_size": 16, "base_width": 1, "max_epochs": 1, "steps_per_epoch": 1, "batch_size": 2}
CLF = {"max_epochs": 1, "batch_size": 4, "lr": 0.01}
# Any text is a path that can be written to.
LEFT_OUT = {"checkpoint"}


@many
@given(data=st.data(), value=VALUES)
def test_parameters(data, value):
    kind, base = data.draw(st.sampled_from([(DCGAN, GAN), (CXRClassifier, CLF)]))
    name = data.draw(st.sampled_from(sorted(set(kind().get_params()) - LEFT_OUT)))
    estimator = kind(**(base | {"random_state": 0} | {name: value}))

    def fit_with_parameter():
        try:
            return estimator.fit(IMAGES, [0, 1] * 3)
        except FloatingPointError as error:  # a learning rate that is allowed, and too large
            raise ValueError(str(error)) from error
        except FileNotFoundError as error:  # any text is a path of weights
            raise ValueError(str(error)) from error

    # random_state's own check is scikit-learn's, which speaks of a seed.
    outcome(fit_with_parameter, [name, "seed", "smaller lr"])


# Classes that are not there, that are to shrink, and that are to grow by no number of images.
STRATEGIES = st.one_of(
    VALUES,
    st.dictionaries(
        st.sampled_from([0, 1, 2, "covid", None]), st.sampled_from([0, 2, 3, 5, -1, 3.5, "x", None])
    ),
    st.sampled_from(["auto", "all", "minority", "majority", "not majority", grow(1), grow(3)]),
    st.sampled_from([lambda y: {0: 5}, lambda y: {7: 5}, lambda y: 3, lambda y: {0: "x"}]),
)


@many
@given(data=st.data(), strategy=STRATEGIES)
def test_oversampler_parameters(data, strategy):
    name, value = "sampling_strategy", strategy
    if data.draw(st.booleans()):
        names = ["estimator", "random_state", "n_jobs", "select", "candidates", "pretrain"]
        name = data.draw(st.sampled_from([*names, "fine_tune_epochs"]))
        value = data.draw(VALUES.filter(lambda v: name != "n_jobs" or v not in (-3, -2, -1, 2, 3)))
    density = {"estimator": KernelDensity(), "sampling_strategy": grow(1.5), "random_state": 0}
    # Without an estimator, hours of DCGAN().
    if name == "estimator" and value is None:
        return
    sampler = DCGANOversampler(**density | {name: value})
    y = np.array([0, 0, 0, 1, 1, 1])

    def resample_with_parameter():
        return sampler.fit_resample(IMAGES, y)

    found = outcome(resample_with_parameter, [name, "seed", "class", "strategy"])
    if found is not None:
        np.testing.assert_array_equal(found[0][:6], IMAGES)
        assert len(found[0]) == len(found[1]) == len(sampler.synthetic_mask_)


@many
@given(A=arrays(), B=arrays(), which=st.integers(0, 4), k=st.integers(-1, 7))
def test_metrics(A, B, which, k):
    names = [*OF_X, "A ", "B ", "real", "fake", "probabilities", "k=", "splits", "y_true", "Found"]
    names += ["Classification metrics", "Mix of label", "unknown", "should be a 1d", "multi"]

    def measure():
        return [
            lambda: frechet_distance(A, B),
            lambda: kernel_distance(A, B, n_permutations=9, random_state=0).value,
            lambda: precision_recall_density_coverage(A, B, k).coverage,
            lambda: inception_score(A, k),
            lambda: per_class_report(A[:, 0], B[:, 0]).attrs["accuracy"],
        ][which]()

    if which == 4 and (A.ndim < 2 or B.ndim < 2 or 0 in (*A.shape, *B.shape)):
        return
    value = outcome(measure, names)
    assert value is None or np.isscalar(value)


@settings(many, max_examples=60)
@given(sets=st.tuples(arrays(), arrays(), arrays()))
def test_audit(sets):
    names = [*OF_X, "synthetic", "train", "holdout"]

    def look():
        return audit(*sets, features=None, n_bootstrap=200, random_state=0)

    found = outcome(look, names)
    assert found is None or len(found.table) > 0


def test_the_number_of_cases(capsys, request):
    if not any("test_metrics" in item.name for item in request.session.items):
        pytest.skip("the cases were not selected")
    with capsys.disabled():
        print(f"\n{sum(CASES.values())} cases of bad and good input: {dict(CASES)}")
    assert sum(CASES.values()) >= 2000


def test_memmaps_are_images_too(tmp_path):
    X = np.memmap(tmp_path / "X", dtype=np.uint8, mode="w+", shape=IMAGES.shape)
    X[:] = IMAGES
    X.flush()
    X = np.memmap(tmp_path / "X", dtype=np.uint8, mode="r", shape=IMAGES.shape)
    expected = DCGAN(**GAN, random_state=0).fit(IMAGES).sample(2, random_state=0)
    found = DCGAN(**GAN, random_state=0).fit(X).sample(2, random_state=0)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("as_array", [False, True])
def test_images_of_mixed_sizes_are_refused(as_array):
    X, y = [np.zeros((16, 16)), np.zeros((16, 16)), np.zeros((16, 15))], [0, 1, 1]
    if as_array:
        X = np.fromiter(X, dtype=object, count=3)
    message = (
        r"X must hold images of one size, got the shapes \(16, 16\) in row 0 and \(16, 15\) in"
    )
    clf = CXRClassifier(**CLF).fit(IMAGES, [0, 1] * 3)
    gan = DCGAN(**GAN).fit(IMAGES)
    for call in (
        lambda: DCGAN(**GAN).fit(X),
        lambda: DCGANOversampler(DCGAN(**GAN)).fit_resample(X, y),
        lambda: CXRClassifier(**CLF).fit(X, y),
        lambda: clf.predict(X),
        lambda: gan.decision_function(X),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("as_sparse", [False, True])
def test_nan_and_infinity_name_the_images_that_hold_them(as_sparse):
    X = IMAGES.reshape(len(IMAGES), -1).astype(float)
    y = [0, 1] * 3
    clf = CXRClassifier(**CLF).fit(X, y)
    gan = DCGAN(**GAN).fit(X)
    X[2, 7] = np.nan
    X[4] = np.inf
    if as_sparse:
        X = sparse.csr_matrix(X)
    for call in (
        lambda: DCGAN(**GAN).fit(X),
        lambda: DCGANOversampler(DCGAN(**GAN)).fit_resample(X, y),
        lambda: ConditionalDCGANOversampler(DCGAN(**GAN)).fit_resample(X, y),
        lambda: CXRClassifier(**CLF).fit(X, y),
        lambda: clf.predict(X),
        lambda: gan.decision_function(X),
    ):
        with pytest.raises(
            ValueError, match=r"^X holds NaN or infinity in 2 of 6 images, at index 2, 4"
        ):
            call()


def test_of_many_images_with_nan_the_first_are_named():
    message = r"in 30 of 30 images, at index 0, 1, 2, 3, 4, \.\.\.\. Remove"
    with pytest.raises(ValueError, match=message):
        DCGAN(**GAN).fit(np.full((30, 16, 16), np.nan))


def test_an_image_of_lines_that_differ_is_refused():
    X = [[[0, 1], [1, 0]], [[0, 1], [1]]]
    with pytest.raises(ValueError, match="lines that differ in length, in row 1"):
        DCGAN(**GAN).fit(X)


CONTAINERS = {
    "list of arrays": list,
    "list of PIL images": lambda X: [Image.fromarray(image) for image in X],
    "list of tensors": lambda X: [torch.from_numpy(image) for image in X],
    "object array": lambda X: np.fromiter(X, dtype=object, count=len(X)),
    "Series": lambda X: pd.Series(list(X)),
    "nested lists": lambda X: X.tolist(),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_method_takes_the_same_containers(name):
    X = CONTAINERS[name](IMAGES)
    y = [0, 1] * 3
    gan = DCGAN(**GAN, random_state=0)
    clf = CXRClassifier(**CLF, random_state=0)
    expected = gan.fit(IMAGES).decision_function(IMAGES)
    np.testing.assert_array_equal(gan.fit(X).decision_function(X), expected)
    expected = clf.fit(IMAGES, y).predict_proba(IMAGES)
    np.testing.assert_array_equal(clf.fit(X, y).predict_proba(X), expected)
    sampler = DCGANOversampler(gan, sampling_strategy={0: 4, 1: 4}, random_state=0)
    expected, _ = sampler.fit_resample(IMAGES, y)
    found, _ = sampler.fit_resample(X, y)
    np.testing.assert_array_equal(np.asarray(found), expected)


def test_sparse_images_reach_the_classifier_behind_a_sampler():
    flat = IMAGES.reshape(len(IMAGES), -1)
    y = [0, 1] * 3
    sampler = DCGANOversampler(DCGAN(**GAN), sampling_strategy={0: 4, 1: 4}, random_state=0)
    pipe = Pipeline([("gan", sampler), ("clf", CXRClassifier(**CLF, random_state=0))])
    expected = pipe.fit(flat, y).predict_proba(flat)
    found = pipe.fit(sparse.csr_matrix(flat), y).predict_proba(sparse.csr_matrix(flat))
    np.testing.assert_array_equal(found, expected)


def test_two_fits_in_threads_do_not_disturb_each_other():
    def fitted(seed):
        clf = CXRClassifier(**(CLF | {"max_epochs": 5}), random_state=seed).fit(IMAGES, [0, 1] * 3)
        gan = DCGAN(**(GAN | {"max_epochs": 5}), random_state=seed).fit(IMAGES)
        return clf.predict_proba(IMAGES), gan.sample(3, random_state=0)

    expected, found = {seed: fitted(seed) for seed in (0, 1)}, {}
    threads = [
        threading.Thread(target=lambda seed=seed: found.update({seed: fitted(seed)}))
        for seed in (0, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in (0, 1):
        for one, other in zip(expected[seed], found[seed], strict=True):
            np.testing.assert_array_equal(one, other)


def measure_growth():
    """Return by how many objects and bytes 100 fits of each estimator grow, after 100 others."""

    def held():
        gc.collect()
        return len(gc.get_objects()), tracemalloc.get_traced_memory()[0]

    def fit():
        DCGAN(**GAN, random_state=0).fit(IMAGES).sample(2)
        CXRClassifier(**CLF, random_state=0).fit(IMAGES, [0, 1] * 3).predict(IMAGES)

    tracemalloc.start()
    # What Python, PyTorch and scikit-learn keep of any fit fills up over the first dozens.
    for _ in range(100):
        fit()
    n_objects, n_bytes = held()
    for _ in range(100):
        fit()
    n_objects_then, n_bytes_then = held()
    return n_objects_then - n_objects, n_bytes_then - n_bytes


def test_two_hundred_fits_do_not_grow_memory():
    """Counted in objects and bytes that Python and NumPy hold, in a process without other threads.

    Threads that other tests leave behind would be counted too.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        n_objects, n_bytes = pool.apply(measure_growth)
    assert n_objects <= 0
    # The smallest array of a fit would be as much.
    assert n_bytes < 100 * 512
