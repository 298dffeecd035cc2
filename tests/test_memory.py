"""What large sets of images cost in memory, in a process of its own."""

import json
import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("resource", reason="peak memory is read by resource, which Windows lacks")

MIB = 2**20
PREAMBLE = """
import json, resource, sys
import numpy as np, torch
from skcxr import DCGAN, CXRClassifier, DCGANOversampler
from skcxr.over_sampling import grow

def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

torch.set_num_threads(1)
path, n = sys.argv[1], 20_000
small = np.random.default_rng(0).integers(0, 255, (64, 64, 64), dtype=np.uint8)
X = np.memmap(path, np.uint8, "w+", shape=(n, 64, 64))
for start in range(0, n, 64):
    X[start : start + 64] = small[: n - start]
X.flush()
del X
X = np.memmap(path, np.uint8, "r", shape=(n, 64, 64))
y = np.arange(n) % 4
gan = DCGAN(base_width=8, max_epochs=1, steps_per_epoch=3, random_state=0)
"""


def growth(tmp_path, statements):
    """Peak memory by name, in bytes, that `statements` collect."""
    code = PREAMBLE + textwrap.dedent(statements)
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "X")],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(result.stdout)


def test_fit_resample_never_makes_a_float_copy_of_x(tmp_path):
    """The goal is X + result + 600 MB; one class' images as float32 would be 328 MB alone."""
    measured = growth(
        tmp_path,
        """
        before = peak()
        X_new, _ = DCGANOversampler(gan, sampling_strategy=grow(2)).fit_resample(X, y)
        print(json.dumps({"growth": peak() - before, "data": X.nbytes + X_new.nbytes}))
        """,
    )
    assert measured["data"] == 3 * 20_000 * 64 * 64
    assert measured["growth"] < measured["data"] + 450 * MIB


def test_all_else_goes_batch_by_batch(tmp_path):
    """As float32 alone, the images would be 313 MiB."""
    measured = growth(
        tmp_path,
        """
        from skcxr.gan._checkpoint import fingerprint_training
        from torch import nn

        class Small(nn.Sequential):
            def __init__(self, n_classes, n_channels):
                super().__init__(nn.AvgPool2d(16), nn.Flatten(), nn.Linear(16, n_classes))

        gan.set_params(base_width=2).fit(small)
        clf = CXRClassifier(Small, max_epochs=1, random_state=0).fit(small, y[:64])
        gan.sample(64), gan.decision_function(small), clf.predict_proba(small)
        calls = {
            "fingerprint": lambda: fingerprint_training(X, {}),
            "predict_proba": lambda: clf.predict_proba(X),
            "decision_function": lambda: gan.decision_function(X),
            "sample": lambda: gan.sample(n, random_state=0),
            "fit": lambda: clf.fit(X, y),
        }
        growth = {}
        for name, call in calls.items():
            before = peak()
            call()
            growth[name] = peak() - before
        print(json.dumps(growth))
        """,
    )
    # X's own pages, of 78 MiB, count with the first that reads them; so does sample's result.
    assert set(measured) == {"fingerprint", "predict_proba", "decision_function", "sample", "fit"}
    assert all(value < 180 * MIB for value in measured.values()), measured
