import pytest
import torch

from skcxr.networks import _precision as precision
from skcxr.networks._precision import bfloat16_pays, resolve_precision

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _forget():
    precision._check.cache_clear()
    yield
    precision._check.cache_clear()


def pretend(monkeypatch, *, seconds=(2.0, 1.0), error=0.0, lacking=False):
    """bfloat16 takes ``seconds[1]`` for float32's ``seconds[0]``, and is off by `error`."""
    clock = {"now": 0.0}
    convolve = precision.convolve

    def pretended(layer, x):
        rounded = torch.is_autocast_enabled("cpu")
        if rounded and lacking:
            raise RuntimeError("not implemented for 'BFloat16'")
        clock["now"] += seconds[rounded]
        with torch.autocast("cpu", enabled=False):
            return convolve(layer, x) * (1 + error * rounded)

    monkeypatch.setattr(precision, "convolve", pretended)
    monkeypatch.setattr(precision, "_seconds", lambda device: clock["now"])


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_what_is_asked_for_is_taken_unseen(monkeypatch, name):
    monkeypatch.setattr(precision, "bfloat16_pays", None)
    assert resolve_precision(name, CPU) == name


def test_auto_takes_bfloat16_where_it_is_faster_and_right(monkeypatch):
    pretend(monkeypatch)
    assert resolve_precision("auto", CPU) == "bfloat16"


@pytest.mark.parametrize(
    "case",
    [{"seconds": (1.0, 1.0)}, {"seconds": (1.0, 100.0)}, {"error": 0.05}, {"lacking": True}],
    ids=["no gain", "emulated", "wrong", "lacking"],
)
def test_auto_takes_float32_elsewhere(monkeypatch, case):
    pretend(monkeypatch, **case)
    assert resolve_precision("auto", CPU) == "float32"


def test_the_check_runs_once_a_process(monkeypatch):
    pretend(monkeypatch)
    assert bfloat16_pays(CPU)
    pretend(monkeypatch, lacking=True)
    assert bfloat16_pays(CPU)


def test_the_check_leaves_threads_and_generators_alone(global_generators):
    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)  # another number than the check's own
    try:
        assert bfloat16_pays(CPU) in (True, False)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(n_threads)
