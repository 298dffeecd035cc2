"""On a real dask cluster of two worker processes."""

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from imblearn.pipeline import Pipeline
from joblib import parallel_config
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate

from skcxr import DCGAN, DCGANOversampler
from skcxr.evaluation import compare, duplicates_of
from skcxr.over_sampling import grow

distributed = pytest.importorskip("distributed", reason='needs pip install "skcxr[dask]"')


class Client(distributed.Client):
    """As docs/scale.md has it: joblib's arguments on every worker, or they die with one."""

    def scatter(self, data, **options):
        return super().scatter(data, **options | {"broadcast": True})


@pytest.fixture(scope="module")
def cluster():
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, Client(cluster) as client:
        client.wait_for_workers(2)
        yield client


class MarkedGAN(DCGAN):
    """Leaves a file named by its process in `folder` when training begins."""

    def __init__(self, folder=None, image_size=16, base_width=4, max_epochs=1, random_state=None):
        super().__init__(
            image_size=image_size,
            base_width=base_width,
            max_epochs=max_epochs,
            steps_per_epoch=2,
            batch_size=8,
            random_state=random_state,
        )
        self.folder = folder

    def fit(self, X, y=None):
        (Path(self.folder) / f"{os.getpid()}-{time.time_ns()}").touch()
        return super().fit(X, y)


@pytest.fixture
def pipe(tiny_clf, tmp_path):
    gan = DCGANOversampler(MarkedGAN(tmp_path), sampling_strategy=grow(1.5), random_state=0)
    return Pipeline([("gan", gan), ("clf", tiny_clf)])


def scores(pipe, phantoms, **options):
    result = cross_validate(
        pipe,
        phantoms.data,
        phantoms.target,
        cv=2,
        scoring=["accuracy", "neg_log_loss"],
        error_score="raise",
        **options,
    )
    return np.array([result["test_accuracy"], result["test_neg_log_loss"]])


def processes(folder):
    return {int(file.name.split("-")[0]) for file in folder.iterdir()}


def test_folds_on_two_workers_score_as_here(cluster, pipe, phantoms, tmp_path):
    expected = scores(pipe, phantoms)
    assert processes(tmp_path) == {os.getpid()}
    with parallel_config("dask"):
        np.testing.assert_array_equal(scores(pipe, phantoms), expected)
    fits = Counter(file.name.split("-")[0] for file in tmp_path.iterdir())
    # Two folds of four classes here; there a fold each, its classes in turn.
    assert fits.pop(str(os.getpid())) == 8
    assert list(fits.values()) == [4, 4]


def test_classes_on_workers_are_as_here(cluster, pipe, phantoms, tmp_path):
    sampler = pipe["gan"]
    expected, _ = sampler.fit_resample(phantoms.data, phantoms.target)
    begun = len(list(tmp_path.iterdir()))
    with parallel_config("dask"):
        X, _ = sampler.set_params(n_jobs=2).fit_resample(phantoms.data, phantoms.target)
    np.testing.assert_array_equal(X, expected)
    files = sorted(tmp_path.iterdir(), key=lambda file: int(file.name.split("-")[1]))
    there = {int(file.name.split("-")[0]) for file in files[begun:]}
    assert there
    assert os.getpid() not in there


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no signals to kill with")
def test_a_killed_worker_only_delays_the_result(cluster, pipe, phantoms, tmp_path):
    pipe.set_params(gan__estimator__max_epochs=40)
    (tmp_path / "here").mkdir()
    expected = scores(clone(pipe).set_params(gan__estimator__folder=tmp_path / "here"), phantoms)
    (tmp_path / "there").mkdir()
    pipe.set_params(gan__estimator__folder=tmp_path / "there")
    killed = []

    def kill_a_worker_that_trains():
        while len(at_work := processes(tmp_path / "there")) < 2:
            time.sleep(0.01)
        killed.append(at_work.pop())
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_a_worker_that_trains, daemon=True)
    killer.start()
    with parallel_config("dask"):
        found = scores(pipe, phantoms)
    killer.join(timeout=60)
    np.testing.assert_array_equal(found, expected)
    # What the killed one had begun was begun once more, by another.
    assert len(list((tmp_path / "there").iterdir())) > len(list((tmp_path / "here").iterdir()))
    assert killed[0] not in cluster.run(os.getpid).values()


def test_a_search_and_a_comparison_are_as_here(cluster, pipe, phantoms):
    X, y = phantoms.data, phantoms.target

    def searched():
        search = GridSearchCV(pipe, {"clf__lr": [0.01, 0.1]}, cv=2, scoring="neg_log_loss")
        return search.fit(X, y).cv_results_["mean_test_score"]

    def compared():
        arms = {"classic": pipe["clf"], "gan": pipe, "duplicates": duplicates_of(pipe)}
        return compare(arms, X, y, cv=2).predictions.to_numpy()

    here = searched(), compared()
    with parallel_config("dask"):
        there = searched(), compared()
    np.testing.assert_array_equal(here[0], there[0])
    np.testing.assert_array_equal(here[1], there[1])
