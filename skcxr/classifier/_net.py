"""What CXRClassifier's skorch nets train with: batches, seeds, and how they are left."""

import math
import threading
import warnings
from contextlib import contextmanager

import numpy as np
import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import LRScheduler
from skorch.history import History
from torch import nn
from torch.utils.data import Dataset

from skcxr.networks._dcgan import CXRNet
from skcxr.networks._torchvision import TorchvisionNet
from skcxr.persistence._state import extract_arrays, load_arrays

_SEEDED = threading.RLock()
# What a net at rest keeps of its parameters; all others are the same for every CXRClassifier.
KEPT = ("module__n_classes", "module__n_channels", "lr", "max_epochs", "batch_size", "verbose")
KEPT += ("optimizer__momentum", "optimizer__nesterov", "optimizer__weight_decay")
KEPT += ("iterator_train__seed",)


def count_batches(n_samples, batch_size):
    """Into how many batches of nearly equal size the rows go, none of them a single row."""
    return max(1, min(math.ceil(n_samples / batch_size), n_samples // 2))


class LabelledImages(Dataset):
    """TrainingImages and their labels, as the dataset that skorch wants.

    Parameters
    ----------
    images : TrainingImages
        Images.
    labels : tensor of shape (n,)
        On the images' device.
    """

    def __init__(self, images, labels):
        self.images = images
        self.labels = labels

    def __len__(self):
        return len(self.labels)


class AugmentedBatches:
    """Shuffled training batches of LabelledImages, augmented as whole tensors.

    The batches are of nearly equal size, and none is a single row, which batch normalisation could
    not use.

    Parameters
    ----------
    dataset : LabelledImages
        On the training device.
    batch_size : int
        About how many rows a batch has: at most so many, but where that would leave a single one.
    augment : callable
        From (batch of images, generator) to a batch of images.
    seed : int
        Seed of order and augmentation.
    """

    def __init__(self, dataset, batch_size, augment, seed):
        self.images, self.labels = dataset.images, dataset.labels
        self.batch_size = batch_size
        self.augment = augment
        self.generator = torch.Generator(self.labels.device).manual_seed(seed)

    def __iter__(self):
        device, n_rows = self.labels.device, len(self.labels)
        order = torch.randperm(n_rows, generator=self.generator, device=device)
        for rows in order.tensor_split(count_batches(n_rows, self.batch_size)):
            # Only the module may run in bfloat16, which is too coarse for coordinates.
            with torch.autocast(device.type, enabled=False):
                images = self.augment(self.images.batch(rows), self.generator)
            yield images, self.labels[rows]


@contextmanager
def seed_global_rng(seed, device):
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


def build_net(module, weights=None, **params):
    """An unfitted skorch net.

    Parameters
    ----------
    module, weights
        As CXRClassifier takes them.
    **params
        skorch's.
    """
    if isinstance(module, str) and module == "cxrnet":
        module = CXRNet
    elif isinstance(module, str):
        params |= {"module__name": module, "module__weights": weights}
        module = TorchvisionNet
    if not params.get("verbose"):
        # It would be silent, but for its comparing its sink with `print`, which ray replaces.
        params["callbacks__print_log"] = None
    return NeuralNetClassifier(
        module,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        iterator_train=AugmentedBatches,
        train_split=None,
        **params,
    )


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


def strip_net(net):
    """The fitted `net` on the CPU, in evaluation mode, without what only training needs."""
    net.module_.cpu().eval()
    net.criterion_.cpu()
    net.device = "cpu"
    net.optimizer_ = None
    # A learning rate scheduler would bring the optimizer back into the pickle.
    net.callbacks = None
    net.callbacks_ = [(name, c) for name, c in net.callbacks_ if not isinstance(c, LRScheduler)]
    return net


def describe_architecture(net):
    """What :func:`rebuild_net` needs to build the module of a net at rest, beside its classes."""
    facts = {"module": net.module, "weights": None}
    if net.module is CXRNet:
        facts["module"] = "cxrnet"
    elif net.module is TorchvisionNet:
        # Pretrained weights decide on these, and are not downloaded again to learn them.
        inner = net.module_.net
        facts |= {"module": net.module__name, "weights": net.module__weights}
        facts |= {"input_size": net.module_.input_size}
        facts |= {"transform_input": getattr(inner, "transform_input", False)}
    return facts


def describe_net(net):
    """A net :func:`strip_net` as arrays and plain values."""
    return {
        "architecture": describe_architecture(net),
        "params": {name: getattr(net, name) for name in KEPT},
        "class_weight": net.criterion__weight.cpu().numpy(),
        "history": list(net.history),
        "tensors": extract_arrays(net.module_),
    }


def rebuild_net(facts, tensors, *, history=(), **params):
    """A net at rest, as :func:`strip_net` left it but for callbacks.

    Parameters
    ----------
    facts : dict
        From :func:`describe_architecture`.
    tensors : dict of str to ndarray or tensor
        The module's weights and buffers.
    history : list of dict
        skorch's.
    **params
        skorch's.
    """
    net = build_net(facts["module"], **params, device="cpu")
    with seed_global_rng(0, torch.device("cpu")), warnings.catch_warnings():
        # googlenet and inception_v3 announce another initialisation; these weights are replaced.
        warnings.simplefilter("ignore", FutureWarning)
        net.initialize()
    if net.module is TorchvisionNet:
        net.module__weights = facts["weights"]
        net.module_.input_size = facts["input_size"]
        inner = net.module_.net
        if hasattr(inner, "transform_input"):
            inner.transform_input = facts["transform_input"]
        for head in ("aux1", "aux2"):
            # googlenet has no auxiliary heads where it was pretrained.
            if hasattr(inner, head) and not any(n.startswith(f"net.{head}.") for n in tensors):
                setattr(inner, head, None)
    load_arrays(net.module_, tensors)
    net.history = History(history)
    return strip_net(net)


def summarize_epoch(row):
    """A row of skorch's history without its batches; the duration has the name it has in DCGAN."""
    left_out = ("batches", "train_batch_count", "dur")
    kept = {k: v for k, v in row.items() if k not in left_out and not k.endswith("_best")}
    return kept | {"seconds": row["dur"]}
