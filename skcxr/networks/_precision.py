"""Which arithmetic networks train in: bfloat16 where it is faster here, and right."""

import functools
import threading
import time

import torch
from torch import nn

from skcxr.networks._convolutions import convolve

_CHECKING = threading.Lock()
PRECISIONS = ("auto", "float32", "bfloat16")
# bfloat16 has 8 bits: a sum of many rounded products is off by about 0.3 %.
LARGEST_ERROR = 0.02
# A smaller gain is not worth the rounding.
SMALLEST_GAIN = 1.1


def resolve_precision(precision, device):
    """What a parameter ``precision`` stands for on `device`: "float32" or "bfloat16".

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
        "auto" is bfloat16 where :func:`bfloat16_pays`.
    device : torch.device
    """
    if precision == "auto":
        return "bfloat16" if bfloat16_pays(device) else "float32"
    return precision


def autocast(device, precision):
    """``torch.autocast`` of `precision` on `device`.

    Without its cache, which would keep weights of before an optimizer's step.
    """
    on = precision == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16, enabled=on, cache_enabled=False)


def bfloat16_pays(device):
    """Whether a layer of the GAN, forward and backward, is faster in bfloat16, and right.

    Some processors lack its instructions, and some releases of PyTorch are slow or wrong in it. The
    check takes a tenth of a second, once a process and device.

    Parameters
    ----------
    device : torch.device

    Returns
    -------
    pays : bool
    """
    # One at a time: others wait for the answer, and no other work on a GPU for the check.
    with _CHECKING:
        return _check(device)


@functools.lru_cache
def _check(device):
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    n_threads = torch.get_num_threads()
    try:
        # The time of one thread is the same whatever else the machine does, and so is the answer.
        torch.set_num_threads(1)
        # A sixteenth of the work first: without its instructions, bfloat16 can take far longer.
        return all(_is_faster_and_right(device, width) for width in (16, 64))
    except RuntimeError:  # not implemented here
        return False
    finally:
        torch.set_num_threads(n_threads)


def _is_faster_and_right(device, width):
    rng = torch.Generator().manual_seed(0)
    layer = nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False, device="meta").to_empty(device="cpu")
    nn.init.normal_(layer.weight, 0.0, 0.02, generator=rng)
    x = torch.randn(8, width, 16, 16, generator=rng)
    layer, x = (part.to(device, memory_format=torch.channels_last) for part in (layer, x))
    x.requires_grad_()

    def run(precision):
        layer.zero_grad()
        x.grad = None
        start = _seconds(device)
        with autocast(device, precision):
            y = convolve(layer, x)
        y.float().square().sum().backward()
        seconds = _seconds(device) - start
        return seconds, [part.detach().float() for part in (y, x.grad, layer.weight.grad)]

    # Taken in turn, so that a change of the clock rate meets both; the first two are warm-ups.
    rounds = [(run("float32"), run("bfloat16")) for _ in range(4)][1:]
    exact_time, rounded_time = (min(run[0] for run in runs) for runs in zip(*rounds, strict=True))
    (_, exact), (_, rounded) = rounds[-1]
    errors = [((b - a).norm() / a.norm()).item() for a, b in zip(exact, rounded, strict=True)]
    # At small sizes calling costs more than computing: there it must only not be far slower.
    gain = SMALLEST_GAIN if width > 16 else 0.25
    return max(errors) < LARGEST_ERROR and exact_time > gain * rounded_time


def _seconds(device):
    """A clock of the work on `device`, in seconds."""
    if device.type == "cpu":
        return time.thread_time()
    torch.accelerator.synchronize(device)
    return time.perf_counter()
