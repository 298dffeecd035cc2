"""A training step as one CUDA graph, which is launched at once instead of kernel by kernel."""

import threading
import warnings
from contextlib import contextmanager

import torch

# PyTorch's documentation asks for a few steps before a capture: libraries choose their kernels.
WARM_UP = 3
# PyTorch has one thread per device for all backward passes. Capturing one training's step there
# while it runs another's ended in a segmentation fault. A capture also begins by waiting for the
# device, which is not allowed during another one.
_BACKWARD = threading.Lock()
# PyTorch has 32 streams a device; one that a finished training leaves is free at once.
N_STREAMS = 24
_STREAMS_LEFT = threading.BoundedSemaphore(N_STREAMS)
_STREAMS_TAKEN: set[int] = set()
_TAKING = threading.Lock()


class GraphedStep:
    """``step(rows)``, replayed as one CUDA graph once it has run a few times.

    A DCGAN's step at batch 32 has a few hundred kernels, and a large GPU computes them faster than
    a CPU launches them. The first steps run kernel by kernel, and count like all others. If a step
    cannot be captured, for example because an augmentation waits for the device, all steps do.

    Parameters
    ----------
    step : callable
        Function of rows, an int64 tensor of one length, that returns a tensor. It waits for
        nothing, draws random numbers from `generator` alone, and is called outside the default
        stream.
    generator : torch.Generator
        Generator on a CUDA device.

    Warns
    -----
    UserWarning
        If the step could not be captured.
    """

    def __init__(self, step, generator):
        self.step = step
        self.generator = generator
        self.n_calls = 0
        self.graph = None

    def __call__(self, rows):
        """Return what `step` returns; the next call overwrites it."""
        if self.graph is None:
            with _BACKWARD:
                self.n_calls += 1
                if self.n_calls == WARM_UP + 1:
                    self.graph = self._capture(rows)
                if self.graph is None:
                    return self.step(rows)
        self.rows.copy_(rows)
        self.graph.replay()
        return self.result

    def _capture(self, rows):
        """Return the graph of a step, or None if the step cannot be captured."""
        self.rows = rows.clone()
        # A capture that fails leaves its generator unusable: only this copy can replace it.
        generator_before = self.generator.clone_state()
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.generator)
        # Captured on this training's own stream: PyTorch's default for captures is one of the
        # pooled streams, and another training may be running on it.
        stream = torch.cuda.current_stream()
        try:
            # Backward runs in this thread: the one that PyTorch has for the device may be running
            # that of a classifier.
            with (
                torch.autograd.set_multithreading_enabled(False),
                torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"),
            ):
                self.result = self.step(self.rows)
        except RuntimeError as error:
            self.generator.graphsafe_set_state(generator_before)
            warnings.warn(
                "The training step cannot be captured as one CUDA graph and is slower without. A "
                f"callable augment must not wait for the device. {str(error).splitlines()[0]}",
                stacklevel=2,
            )
            return None
        return graph


@contextmanager
def own_stream(device):
    """Run the block on a stream that no other training uses, on CUDA.

    Trainings in threads then run side by side. More than `N_STREAMS` of them wait for one another.
    """
    if device.type != "cuda":
        yield
        return
    callers = torch.cuda.current_stream(device)
    with _STREAMS_LEFT:
        stream = _take_stream(device)
        try:
            stream.wait_stream(callers)
            with torch.cuda.stream(stream):
                yield
            callers.wait_stream(stream)
        finally:
            _STREAMS_TAKEN.discard(stream.cuda_stream)


def _take_stream(device):
    """Return a stream that is not taken. PyTorch hands out its pool in turn, used or not."""
    with _TAKING:
        stream = torch.cuda.Stream(device)
        while stream.cuda_stream in _STREAMS_TAKEN:
            stream = torch.cuda.Stream(device)
        _STREAMS_TAKEN.add(stream.cuda_stream)
        return stream
