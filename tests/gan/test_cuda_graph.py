import itertools
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

from skcxr import DCGAN, DCGANOversampler
from skcxr.gan import _cuda_graph as cuda_graphs
from skcxr.gan._cuda_graph import WARM_UP, GraphedStep, own_stream
from skcxr.over_sampling import grow


class Graph:
    """A CUDA graph on the CPU: it runs what was captured."""

    def register_generator_state(self, generator):
        self.generator = generator

    def replay(self):
        self.run()


class CudaGenerator(torch.Generator):
    """A generator of the CPU that can be put in another's place, as those of CUDA can."""

    def graphsafe_set_state(self, other):
        self.set_state(other.get_state())


@pytest.fixture
def capture(monkeypatch):
    """Stands in for CUDA's capture, which records the work in its context and does none of it."""

    @contextmanager
    def recording(graph, stream, capture_error_mode):
        assert stream == "own stream"
        assert capture_error_mode == "thread_local"
        recording.is_on, recording.graph = True, graph
        try:
            yield
        finally:
            recording.is_on = False

    recording.is_on = False
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", recording)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: "own stream")
    return recording


def steps_of(capture, error=None):
    """A step that adds its rows to a total, in place, as kernels do."""
    total, result = torch.zeros(()), torch.zeros(())
    generator = CudaGenerator().manual_seed(0)

    def step(rows):
        def work():
            total.add_(rows.sum())
            result.copy_(total + torch.rand((), generator=generator))

        if capture.is_on:
            torch.rand(3, generator=generator)  # as a capture that fails half-way may have drawn
            if error:
                raise error
            generator.manual_seed(0)
            capture.graph.run = work
        else:
            work()
        return result

    return GraphedStep(step, generator), total


def test_each_call_is_one_step_before_and_after_the_capture(capture):
    step, total = steps_of(capture)
    for k in range(1, 3 * WARM_UP):
        step(torch.tensor([k, k]))
        assert total == k * (k + 1)
    assert step.graph is not None


def test_without_a_capture_all_steps_run_as_they_are(capture):
    step, total = steps_of(
        capture, RuntimeError("operation not permitted when stream is capturing")
    )
    plain, _ = steps_of(capture)
    plain.graph, plain.n_calls = None, WARM_UP + 1  # never captures
    results = []
    for k in range(1, 3 * WARM_UP):
        rows = torch.tensor([k, k])
        if k == WARM_UP + 1:
            with pytest.warns(
                UserWarning, match="cannot be captured as one CUDA graph.*not permitted"
            ):
                results.append(step(rows).clone())
        else:
            results.append(step(rows).clone())
        # The capture that failed has drawn no random numbers.
        assert results[-1] == plain(rows)
        assert total == k * (k + 1)


def test_cpu_work_needs_no_stream():
    with own_stream(torch.device("cpu")):
        pass


def test_a_capture_fails_with_its_own_errors(capture):
    step, _ = steps_of(capture, ValueError("a bug in augment"))
    for k in range(WARM_UP):
        step(torch.tensor([k]))
    with pytest.raises(ValueError, match="a bug in augment"):
        step(torch.tensor([1]))


@pytest.mark.cuda
def test_a_graph_trains_to_the_weights_of_single_steps(phantoms, monkeypatch):
    params = {"image_size": 16, "base_width": 8, "precision": "float32", "random_state": 0}
    gan = DCGAN(**params, max_epochs=1, steps_per_epoch=12, batch_size=8, device="cuda")
    graphed = gan.fit(phantoms.data).history_
    monkeypatch.setattr(cuda_graphs, "WARM_UP", 10**9)
    plain = gan.fit(phantoms.data).history_
    for name in ("loss_d", "loss_g", "d_x", "d_g_z1", "d_g_z2"):
        assert graphed[name][0] == pytest.approx(plain[name][0], rel=1e-3)


@pytest.mark.cuda
def test_an_augmentation_that_waits_for_the_device_is_still_trained_with(phantoms):
    def waiting(x, generator):
        return x * float(x.mean() > -2)

    params = {"image_size": 16, "base_width": 8, "random_state": 0, "augment": waiting}
    gan = DCGAN(**params, max_epochs=1, steps_per_epoch=12, batch_size=8, device="cuda")
    with pytest.warns(UserWarning, match="cannot be captured as one CUDA graph"):
        gan.fit(phantoms.data)
    assert len(gan.history_) == 1


def fake_stream(number):
    """Return a stand-in for a stream of PyTorch's pool of three."""
    stream = SimpleNamespace(cuda_stream=number % 3)
    stream.wait_stream = lambda other: None
    return stream


def test_no_two_trainings_are_on_one_stream(monkeypatch):
    numbers = itertools.count()
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: fake_stream(next(numbers)))
    monkeypatch.setattr(torch.cuda, "stream", contextmanager(lambda stream: iter([stream])))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: fake_stream(0))
    taken = cuda_graphs._STREAMS_TAKEN
    device = torch.device("cuda", 0)
    with own_stream(device):
        first = set(taken)
        for _ in range(4):
            with own_stream(device):
                assert len(taken - first) == 1
    assert not taken


@pytest.mark.cuda
def test_many_trainings_in_one_process_never_meet_on_a_stream(phantoms):
    # PyTorch's pool has 32 streams: 40 trainings, four at a time, go round it.
    params = {"image_size": 16, "base_width": 4, "steps_per_epoch": 6, "batch_size": 4}
    gan = DCGAN(**params, max_epochs=1, device="cuda")
    for seed in range(10):
        sampler = DCGANOversampler(gan, sampling_strategy=grow(1.5), random_state=seed)
        sampler.fit_resample(phantoms.data, phantoms.target)
