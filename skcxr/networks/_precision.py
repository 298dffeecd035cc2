"""Arithmetic of training: float32, or bfloat16 where the processor has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch

if TYPE_CHECKING:
    from skcxr._base.types import Precision

PRECISIONS = ("auto", "float32", "bfloat16")


def resolve_precision(precision: Precision, device: torch.device) -> Literal["float32", "bfloat16"]:
    """Return the arithmetic that a parameter ``precision`` stands for.

    The choice depends on the processor alone, never on a measured time, so that `random_state`
    decides the result.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
        "auto" is bfloat16 on devices that have it. It was not slower at any width from 4 to 64.
    device : torch.device
        Device to train on.

    Returns
    -------
    precision : {"float32", "bfloat16"}
        The arithmetic of the network. Weights, losses and optimizers are always float32.
    """
    if precision != "auto":
        return precision
    if has_bfloat16(device):
        return "bfloat16"
    return "float32"


def has_bfloat16(device):
    """Return whether `device` has instructions for matrix products in bfloat16.

    Parameters
    ----------
    device : torch.device
        Device to ask. Only CPUs and CUDA devices are known to have them.

    Returns
    -------
    has_bfloat16 : bool
        True for CPUs with AVX512_BF16 or AMX and for GPUs of compute capability 8.0 or newer.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        # Private, and the same in PyTorch 2.6 to 2.14; torch.cpu.get_capabilities is newer.
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return False


def autocast(device, precision):
    """Return ``torch.autocast`` of `precision` on `device`.

    It keeps no cache, which would hold weights from before an optimizer's step.
    """
    enabled = precision == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled, cache_enabled=False)
