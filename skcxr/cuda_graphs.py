"""A training step as one CUDA graph: launched at once, instead of kernel by kernel."""

import threading
import warnings
from contextlib import contextmanager

import torch

# PyTorch's documentation asks for a few steps before a capture: libraries choose their kernels.
WARM_UP = 3
# A capture begins by waiting for the whole device, which nobody may do while another goes on.
_CAPTURING = threading.Lock()


class GraphedStep:
    """``step(rows)``, replayed as one CUDA graph once it has run a few times.

    A DCGAN's step at batch 32 is a few hundred kernels, and a large GPU computes them faster than a
    CPU launches them. The first steps run as they are, and count like all others. Where a step can
    not be captured, as one with an augmentation that waits for the device, all of them do.

    Parameters
    ----------
    step : callable
        From rows, an int64 tensor of one length, to a tensor. It waits for nothing, and draws
        random numbers from `generator` alone. Called outside the default stream.
    generator : torch.Generator
        On a CUDA device.

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
        """What `step` returns; it is overwritten by the next call."""
        self.n_calls += 1
        if self.n_calls == WARM_UP + 1:
            self.graph = self._capture(rows)
        if self.graph is None:
            return self.step(rows)
        self.rows.copy_(rows)
        self.graph.replay()
        return self.result

    def _capture(self, rows):
        """The graph of a step, or None."""
        self.rows, state = rows.clone(), self.generator.get_state()
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.generator)
        try:
            # Others may use the device meanwhile: trainings in other threads do.
            with _CAPTURING, torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self.result = self.step(self.rows)
        except RuntimeError as error:
            self.generator.set_state(state)
            warnings.warn(
                "The training step can not be one CUDA graph, and is slower without. An augment= "
                f"of your own must not wait for the device. {str(error).splitlines()[0]}",
                stacklevel=2,
            )
            return None
        return graph


@contextmanager
def own_stream(device):
    """On CUDA, a stream of its own for what is inside: trainings in threads run side by side."""
    if device.type != "cuda":
        yield
        return
    callers, stream = torch.cuda.current_stream(device), torch.cuda.Stream(device)
    stream.wait_stream(callers)
    with torch.cuda.stream(stream):
        yield
    callers.wait_stream(stream)
