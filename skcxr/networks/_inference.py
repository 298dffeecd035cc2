"""Forward passes over any number of rows, with results that do not depend on the rows' number."""

import copy

import torch
from sklearn.utils import gen_batches
from torch.nn import functional as F

from skcxr._base.parallel import use_repeatable_convolutions

# Rows per batch. A constant, since float32 convolutions of another batch size round differently.
BATCH_SIZE = 64


@torch.inference_mode()
def forward_in_batches(network, load_batch, n_rows, *, device, forward=None, batch_size=BATCH_SIZE):
    """Yield the outputs of `network` in batches of one fixed size, on the CPU.

    One batch is in memory at a time. The last one is padded to `batch_size`, so that a row's result
    does not depend on the other rows.

    Parameters
    ----------
    network : nn.Module
        Network in evaluation mode and on the CPU. For another `device`, a copy goes there.
    load_batch : callable
        Function from a slice of rows to their input, a tensor on the CPU. It is called in the rows'
        order.
    n_rows : int
        Number of rows.
    device : torch.device
        Device to compute on.
    forward : callable or None, default=None
        Function of (network, batch). None calls the network.
    batch_size : int, default=64
        Number of rows per batch.

    Yields
    ------
    rows : slice
        The batch's rows.
    outputs : tensor
        Their outputs.
    """
    if device.type != "cpu":
        network = copy.deepcopy(network).to(device)
    for rows in gen_batches(n_rows, batch_size):
        batch = load_batch(rows)
        n_missing = batch_size - len(batch)
        # F.pad counts dimensions from the last one.
        padding = [0, 0] * (batch.ndim - 1) + [0, n_missing]
        padded = F.pad(batch, padding).to(device)
        with use_repeatable_convolutions(device):
            outputs = network(padded) if forward is None else forward(network, padded)
        yield rows, outputs[: len(batch)].cpu()
