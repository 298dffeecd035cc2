"""What CXRClassifier's skorch nets train with: batches, seeds, and how they are left."""

import math
import threading
from contextlib import contextmanager

import numpy as np
import torch
from skorch.callbacks import LRScheduler

_SEEDED = threading.RLock()


def n_batches(n_samples, batch_size):
    """Into how many batches of nearly equal size the rows go, none of them a single row."""
    return max(1, min(math.ceil(n_samples / batch_size), n_samples // 2))


class AugmentedBatches:
    """Shuffled training batches of a TensorDataset, augmented as whole tensors.

    The batches are of nearly equal size, and none is a single row, which batch normalisation could
    not use.

    Parameters
    ----------
    dataset : TensorDataset
        Images (n, c, h, w) and labels (n,), on the training device.
    batch_size : int
        About how many rows a batch has: at most so many, but where that would leave a single one.
    augment : callable
        From (batch of images, generator) to a batch of images.
    seed : int
        Seed of order and augmentation.
    """

    def __init__(self, dataset, batch_size, augment, seed):
        self.images, self.labels = dataset.tensors
        self.batch_size = batch_size
        self.augment = augment
        self.generator = torch.Generator(self.labels.device).manual_seed(seed)

    def __iter__(self):
        device, n_rows = self.labels.device, len(self.labels)
        order = torch.randperm(n_rows, generator=self.generator, device=device)
        for rows in order.tensor_split(n_batches(n_rows, self.batch_size)):
            yield self.augment(self.images[rows], self.generator), self.labels[rows]


@contextmanager
def seeded(seed, device):
    """Seed PyTorch's global generators and put them back.

    Modules draw weights and dropout from them. They belong to the whole process, so that fits in
    threads take turns: each one's result depends on its seed alone.
    """
    cuda = device.type == "cuda"
    with _SEEDED, torch.random.fork_rng(devices=[device] if cuda else []):
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def check_finite(net):
    """Refuse a net that has diverged: its predictions would all be the first class."""
    losses = net.history[:, "train_loss"]
    if not np.isfinite(losses).all() or not all(
        p.isfinite().all() for p in net.module_.parameters()
    ):
        raise FloatingPointError(
            f"CXRClassifier training diverged: the last train_loss is {losses[-1]:.3g}. Try a "
            f"smaller lr than {net.lr}."
        )


def at_rest(net):
    """The fitted `net` on the CPU, in evaluation mode, without what only training needs."""
    net.module_.cpu().eval()
    net.criterion_.cpu()
    net.device = "cpu"
    net.optimizer_ = None
    # A learning rate scheduler would bring the optimizer back into the pickle.
    net.callbacks = None
    net.callbacks_ = [(name, c) for name, c in net.callbacks_ if not isinstance(c, LRScheduler)]
    return net


def epoch_of(row):
    """A row of skorch's history without its batches; the duration has the name it has in DCGAN."""
    left_out = ("batches", "train_batch_count", "dur")
    kept = {k: v for k, v in row.items() if k not in left_out and not k.endswith("_best")}
    return kept | {"seconds": row["dur"]}
