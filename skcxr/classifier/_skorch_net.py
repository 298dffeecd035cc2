"""CXRClassifier's skorch nets: how they are built and seeded, and what is kept of them."""

import threading
from contextlib import contextmanager

import numpy as np
import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import LRScheduler
from skorch.history import History
from torch import nn

from skcxr.classifier._batches import AugmentedBatches
from skcxr.networks import CXRNet
from skcxr.networks._torchvision import TorchvisionNet
from skcxr.persistence._state import extract_arrays, load_arrays

_SEEDED = threading.RLock()
# Parameters of a net that are saved with it. All others are the same for every CXRClassifier.
SAVED_PARAMETERS = (
    "module__n_classes",
    "module__n_channels",
    "lr",
    "max_epochs",
    "batch_size",
    "verbose",
    "optimizer__momentum",
    "optimizer__nesterov",
    "optimizer__weight_decay",
    "iterator_train__seed",
    "iterator_train__max_steps",
)


class InterruptibleNet(NeuralNetClassifier):
    """skorch net that Ctrl-C interrupts.

    skorch ends training silently at any KeyboardInterrupt and takes the net for fitted. Its
    callbacks raise one at the end of an epoch to stop early. Any other one comes from the user.
    """

    _is_stopped = False

    def notify(self, method_name, **cb_kwargs):
        """Call the callbacks, and note if one of them stops training."""
        try:
            super().notify(method_name, **cb_kwargs)
        except KeyboardInterrupt:
            self._is_stopped = method_name == "on_epoch_end"
            raise

    def partial_fit(self, X, y=None, classes=None, **fit_params):
        """Train the initialized net, and raise KeyboardInterrupt at Ctrl-C."""
        self.notify("on_train_begin", X=X, y=y)
        try:
            self.fit_loop(X, y, **fit_params)
        except KeyboardInterrupt:
            if not self._is_stopped:
                raise
        self.notify("on_train_end", X=X, y=y)
        return self


@contextmanager
def seed_global_rng(seed, device):
    """Seed PyTorch's global generators in the block and restore them after it.

    Modules draw weights and dropout from them. They belong to the whole process, so fits in threads
    take turns: the result of each depends on its seed alone.
    """
    on_cuda = device.type == "cuda"
    with _SEEDED, torch.random.fork_rng(devices=[device] if on_cuda else []):
        torch.default_generator.manual_seed(seed)
        if on_cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def build_net(module, weights=None, **params):
    """Return an unfitted skorch net.

    Parameters
    ----------
    module, weights
        Parameters of CXRClassifier.
    **params
        Parameters of skorch.
    """
    if module == "cxrnet":
        module = CXRNet
    elif isinstance(module, str):
        params["module__name"] = module
        params["module__weights"] = weights
        module = TorchvisionNet
    if not params.get("verbose"):
        # Even a silent PrintLog compares its sink with `print`, which ray replaces.
        params["callbacks__print_log"] = None
    return InterruptibleNet(
        module,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        iterator_train=AugmentedBatches,
        train_split=None,
        **params,
    )


def check_finite(net):
    """Raise FloatingPointError if training has diverged: all predictions would be one class."""
    losses = net.history[:, "train_loss"]
    weights_are_finite = all(weight.isfinite().all() for weight in net.module_.parameters())
    if not (np.isfinite(losses).all() and weights_are_finite):
        raise FloatingPointError(
            f"CXRClassifier training diverged: the last train_loss is {losses[-1]:.3g}. Try a "
            f"smaller lr than {net.lr}."
        )


def strip_net(net):
    """Return the fitted `net` on the CPU, in evaluation mode, without what only training needs."""
    net.module_.cpu().eval()
    net.criterion_.cpu()
    net.device = "cpu"
    net.optimizer_ = None
    # A learning rate scheduler would bring the optimizer back into the pickle.
    net.callbacks = None
    net.callbacks_ = [(name, c) for name, c in net.callbacks_ if not isinstance(c, LRScheduler)]
    return net


def describe_architecture(net):
    """Return what :func:`rebuild_net` needs to build the module of a net, except its classes."""
    if net.module is CXRNet:
        return {"module": "cxrnet", "weights": None}
    if net.module is TorchvisionNet:
        # Pretrained weights decide on these, and should not be downloaded again to learn them.
        inner = net.module_.net
        return {
            "module": net.module__name,
            "weights": net.module__weights,
            "input_size": net.module_.input_size,
            "transform_input": getattr(inner, "transform_input", False),
        }
    return {"module": net.module, "weights": None}


def describe_net(net):
    """Return a stripped net as arrays and plain values."""
    return {
        "architecture": describe_architecture(net),
        "params": {name: getattr(net, name) for name in SAVED_PARAMETERS},
        "class_weight": net.criterion__weight.cpu().numpy(),
        "history": list(net.history),
        "tensors": extract_arrays(net.module_),
    }


def rebuild_net(architecture, tensors, *, history=(), **params):
    """Return a stripped net, equal to the saved one except for callbacks.

    Parameters
    ----------
    architecture : dict
        Facts from :func:`describe_architecture`.
    tensors : dict of str to ndarray or tensor
        The module's weights and buffers.
    history : list of dict
        History of skorch.
    **params
        Parameters of skorch.
    """
    net = build_net(architecture["module"], **params, device="cpu")
    with seed_global_rng(0, torch.device("cpu")):
        net.initialize()
    if net.module is TorchvisionNet:
        net.module__weights = architecture["weights"]
        restore_torchvision(net.module_, architecture, tensors)
    load_arrays(net.module_, tensors)
    net.history = History(history)
    return strip_net(net)


def restore_torchvision(module, architecture, tensors):
    """Give a TorchvisionNet what pretrained weights had decided, before the tensors are loaded."""
    module.input_size = architecture["input_size"]
    if hasattr(module.net, "transform_input"):
        module.net.transform_input = architecture["transform_input"]
    for head in ("aux1", "aux2"):
        # A pretrained googlenet has no auxiliary heads.
        if hasattr(module.net, head) and not any(n.startswith(f"net.{head}.") for n in tensors):
            setattr(module.net, head, None)


def summarize_epoch(row):
    """Return a row of skorch's history without its batches, with DCGAN's name for the duration."""
    left_out = ("batches", "train_batch_count", "dur")
    kept = {k: v for k, v in row.items() if k not in left_out and not k.endswith("_best")}
    kept["seconds"] = row["dur"]
    return kept
