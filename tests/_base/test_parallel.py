"""Fits side by side: threads divided, GPUs taken in turn, and the same result by every way."""

import threading
import time

import numpy as np
import pytest
import torch
from imblearn.pipeline import Pipeline
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky import get_reusable_executor
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import cross_val_predict, cross_validate

from skcxr import DCGANOversampler
from skcxr._base.parallel import (
    choose_return_as,
    get_worker_number,
    limit_threads,
    resolve_device,
    split_threads,
    use_repeatable_convolutions,
)
from skcxr.over_sampling import grow

rng = np.random.default_rng(0)
X, y = rng.integers(0, 255, (40, 16)).astype(np.uint8), np.arange(40) % 4


class Spy(BaseEstimator):
    """Notes in a folder when it was fitted, with how many threads, and on which device."""

    def __init__(self, folder, device=None):
        self.folder = folder
        self.device = device

    def fit(self, X, y=None):
        start = time.time()
        time.sleep(0.15)
        device = str(resolve_device(self.device)) if self.device else None
        note = repr((start, time.time(), torch.get_num_threads(), device))
        self.folder.mkdir(exist_ok=True)
        (self.folder / f"{threading.get_ident()}-{start}").write_text(note)
        self.n_features_ = X.shape[1]
        return self

    def sample(self, n_samples=1):
        return np.zeros((n_samples, self.n_features_))


def notes(folder):
    return [eval(file.read_text("utf-8")) for file in folder.iterdir()]


def most_threads_at_once(folder):
    starts, ends, threads, _ = zip(*notes(folder), strict=True)
    going_on = [
        sum(t for s, e, t in zip(starts, ends, threads, strict=True) if s <= start < e)
        for start in starts
    ]
    return max(going_on)


def sampler(folder, n_jobs=None, **params):
    return DCGANOversampler(Spy(folder, **params), sampling_strategy=grow(2), n_jobs=n_jobs)


@pytest.fixture
def four_threads():
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(1)


def threads_of_a_new_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.usefixtures("four_threads")
@pytest.mark.parametrize(("n_jobs", "each"), [(1, 4), (2, 2), (3, 1), (4, 1), (8, 1)])
def test_threads_are_divided_among_classes(tmp_path, n_jobs, each):
    with parallel_config("threading"):
        sampler(tmp_path, n_jobs).fit_resample(X, y)
    assert {threads for _, _, threads, _ in notes(tmp_path)} == {each}
    assert most_threads_at_once(tmp_path) <= 4
    assert torch.get_num_threads() == threads_of_a_new_thread() == 4


@pytest.mark.usefixtures("four_threads")
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_folds_in_threads_have_one_each_and_their_classes_take_turns(tmp_path, n_jobs):
    pipe = Pipeline([("gan", sampler(tmp_path, n_jobs)), ("clf", DummyClassifier())])
    with parallel_config("threading"):
        cross_validate(pipe, X, y, cv=2, n_jobs=2, error_score="raise")
    assert len(notes(tmp_path)) == 8
    assert most_threads_at_once(tmp_path) == 2
    assert torch.get_num_threads() == threads_of_a_new_thread() == 4


@pytest.mark.parametrize(("n_jobs", "each"), [(None, 2), (2, 1), (4, 1)])
def test_a_process_divides_its_own_threads_among_classes(tmp_path, n_jobs, each):
    """Two workers of two threads: their classes share these, and no more run at once."""
    pipe = Pipeline([("gan", sampler(tmp_path, n_jobs)), ("clf", DummyClassifier())])
    with parallel_config("loky", inner_max_num_threads=2):
        cross_validate(pipe, X, y, cv=2, n_jobs=2, error_score="raise")
    assert {threads for _, _, threads, _ in notes(tmp_path)} == {each}
    assert most_threads_at_once(tmp_path) <= 4


def test_other_processes_are_left_to_their_environment():
    with parallel_config("loky", n_jobs=2):
        assert split_threads(2, 4) == (2, None)


@pytest.mark.usefixtures("four_threads")
def test_a_fit_within_a_fit_shares_its_threads():
    with limit_threads(2):
        with limit_threads(3), limit_threads():
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 4


@pytest.mark.usefixtures("four_threads")
def test_a_fit_that_fails_gives_its_threads_back():
    with pytest.raises(ValueError, match="diverged"), limit_threads(2):
        raise ValueError("diverged")
    assert torch.get_num_threads() == 4
    with limit_threads(3):
        assert torch.get_num_threads() == 3


def test_the_last_of_several_fits_restores_cudnns_choice():
    cudnn = torch.backends.cudnn
    device = torch.device("cuda")
    first = use_repeatable_convolutions(device)
    second = use_repeatable_convolutions(device)
    assert not cudnn.deterministic
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert cudnn.deterministic
    second.__exit__(None, None, None)
    assert not cudnn.deterministic
    with use_repeatable_convolutions(torch.device("cpu")):
        assert not cudnn.deterministic


# The fork of multiprocessing is what Python 3.12 warns of.
every_way = pytest.mark.parametrize(
    "config",
    [
        {"backend": "loky", "inner_max_num_threads": 1},
        {"backend": "threading"},
        pytest.param(
            {"backend": "multiprocessing"},
            marks=pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
        ),
    ],
    ids=lambda config: config["backend"],
)


@every_way
@pytest.mark.parametrize("of", ["folds", "classes", "both"])
def test_results_do_not_depend_on_the_backend(tiny_gan, tiny_clf, phantoms, config, of):
    def proba(n_folds=None, n_classes=None):
        gan = DCGANOversampler(
            tiny_gan, sampling_strategy=grow(1.5), random_state=0, n_jobs=n_classes
        )
        pipe = Pipeline([("gan", gan), ("clf", tiny_clf)])
        return cross_val_predict(
            pipe, phantoms.data, phantoms.target, cv=2, n_jobs=n_folds, method="predict_proba"
        )

    expected = proba()
    with parallel_config(**config):
        found = proba(2 if of != "classes" else None, 2 if of != "folds" else None)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("backend", "return_as"), [("loky", "generator"), ("multiprocessing", "list")]
)
def test_results_come_one_by_one_where_the_backend_can(backend, return_as):
    with parallel_config(backend, n_jobs=2):
        assert choose_return_as("generator") == return_as


class WatchingSpy(Spy):
    """Notes, in place of a device, how many bytes of arrays joblib has written for its workers."""

    def fit(self, X, y=None):
        written = sum(file.stat().st_size for file in self.device.rglob("*.pkl"))
        self.folder.mkdir(exist_ok=True)
        (self.folder / f"{threading.get_ident()}-{time.time()}").write_text(str(written))
        self.n_features_ = X.shape[1]
        return self


@pytest.mark.parametrize("mapped", [False, True])
def test_workers_open_a_memory_map_by_its_file_and_get_no_copy(tmp_path, mapped):
    large = np.memmap(tmp_path / "X", np.uint8, "w+", shape=(400, 4096))
    large = np.memmap(tmp_path / "X", np.uint8, "r", shape=(400, 4096))
    if not mapped:
        large = np.array(large)
    (tmp_path / "notes").mkdir()
    (tmp_path / "temp").mkdir()
    spy = WatchingSpy(tmp_path / "notes", tmp_path / "temp")
    gan = DCGANOversampler(spy, sampling_strategy=grow(2), n_jobs=2)
    # Workers that are there already would go on with another folder.
    get_reusable_executor().shutdown()
    with parallel_config("loky", inner_max_num_threads=1, temp_folder=str(tmp_path / "temp")):
        gan.fit_resample(large, np.arange(400) % 4)
    # One copy for all workers of what is in memory, and none of what is on the disk.
    written = [int(file.read_text("utf-8")) for file in (tmp_path / "notes").iterdir()]
    assert len(written) == 4
    assert max(written) < 1000 if mapped else large.nbytes <= max(written) < 1.1 * large.nbytes


def test_unknown_devices_are_refused():
    with pytest.raises(ValueError, match="device='gpu' cannot be used here"):
        resolve_device("gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is here")
def test_missing_cuda_is_said():
    with pytest.raises(ValueError, match=r"device='cuda' cannot be used here: .* 'cpu'"):
        resolve_device("cuda")
    assert resolve_device("auto").type == "cpu"


@pytest.fixture
def three_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)


@pytest.mark.usefixtures("three_gpus")
def test_a_process_of_its_own_takes_the_first_gpu(tmp_path):
    assert resolve_device("auto") == torch.device("cuda", 0)
    sampler(tmp_path, n_jobs=1, device="auto").fit_resample(X, y)
    assert {device for *_, device in notes(tmp_path)} == {"cuda:0"}


def at_once(folder):
    """The largest number of fits that went on at one time."""
    starts, ends, *_ = zip(*notes(folder), strict=True)
    return max(sum(s <= start < e for s, e in zip(starts, ends, strict=True)) for start in starts)


@pytest.mark.usefixtures("three_gpus")
@pytest.mark.parametrize(("device", "n"), [("auto", 4), ("cuda:1", 4), ("cpu", 1), (None, 1)])
def test_classes_share_a_gpu_in_threads_unless_told(tmp_path, monkeypatch, device, n):
    monkeypatch.setattr("tests._base.test_parallel.resolve_device", lambda device: device)
    sampler(tmp_path / "none", device=device).fit_resample(X, y)
    sampler(tmp_path / "one", n_jobs=1, device=device).fit_resample(X, y)
    assert at_once(tmp_path / "none") == n
    assert at_once(tmp_path / "one") == 1


@pytest.mark.usefixtures("three_gpus")
def test_a_configuration_of_the_callers_goes_before_sharing_a_gpu(tmp_path):
    with parallel_config("threading", n_jobs=2):
        sampler(tmp_path, device="auto").fit_resample(X, y)
    assert at_once(tmp_path) == 2


@pytest.mark.usefixtures("three_gpus")
@pytest.mark.parametrize(
    ("n_jobs", "devices"), [(2, ["cuda:0", "cuda:1"] * 2), (4, ["cuda:0", "cuda:1", "cuda:2"])]
)
def test_classes_in_threads_take_gpus_in_turn(tmp_path, n_jobs, devices):
    with parallel_config("threading"):
        sampler(tmp_path, n_jobs, device="auto").fit_resample(X, y)
    found = sorted(device for *_, device in notes(tmp_path))
    assert found == sorted([*devices, "cuda:0"] if n_jobs == 4 else devices)


def number_beside_another(folder):
    """This worker's number, once a second worker has come."""
    (folder / str(get_worker_number())).touch()
    for _ in range(600):
        if len(list(folder.iterdir())) > 1:
            break
        time.sleep(0.1)
    return get_worker_number()


def test_processes_are_numbered_one_after_the_other(tmp_path):
    assert get_worker_number() == 0
    with parallel_config("loky", inner_max_num_threads=1):
        numbers = Parallel(n_jobs=2)(delayed(number_beside_another)(tmp_path) for _ in range(2))
    assert abs(numbers[0] - numbers[1]) == 1


@pytest.mark.usefixtures("three_gpus")
@pytest.mark.parametrize(("number", "device"), [(1, "cuda:1"), (2, "cuda:2"), (7, "cuda:1")])
def test_a_workers_number_decides_on_its_gpu(monkeypatch, number, device):
    monkeypatch.setattr("skcxr._base.parallel.get_worker_number", lambda: number)
    assert str(resolve_device("auto")) == device
    assert resolve_device("cpu") == torch.device("cpu")
