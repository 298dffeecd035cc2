"""Fitted estimators on disk: nothing in a file is run, and each file says what wrote it.

- ``joblib.dump`` and ``skops.io.dump`` see arrays and plain values in place of PyTorch's and
  skorch's objects (:class:`Persistent`). skops, given ``trusted=TRUSTED_TYPES``, then runs nothing
  that a file brings. Unpickling, and so joblib, always may: unpickle only what you trust.
  Modules, callbacks and callables of your own are yours to trust; a module is rebuilt by calling
  its class, and has of its fit what its state dict holds.
- ``save_weights`` and ``load_weights`` use safetensors, which can hold no code at all:
  ``skcxr.persistence._weights``.
"""

import os
from contextlib import contextmanager

import numpy as np
import torch

from skcxr._version import __version__
from skcxr.networks._dcgan import Discriminator, Dropout, Generator

FORMAT = 1
# Named one by one: "all that begins with skcxr." would also be functions that write files, and
# whatever else skcxr's modules import. imbalanced-learn's Pipeline is scikit-learn's with samplers,
# which skops trusts by itself.
#: For the parameter ``trusted`` of ``skops.io.load``: what skcxr's own estimators, and pipelines of
#: them, are made of.
TRUSTED_TYPES = (
    "imblearn.pipeline.Pipeline",
    "skcxr.augment.Affine",
    "skcxr.classifier._estimator.CXRClassifier",
    "skcxr.over_sampling._conditional.ConditionalDCGANOversampler",
    "skcxr.over_sampling._duplicates.DuplicateOversampler",
    "skcxr.gan._estimator.DCGAN",
    "skcxr._base.images.ImageSpec",
    "skcxr.networks._dcgan.CXRNet",
    "skcxr.over_sampling._per_class.DCGANOversampler",
    "skcxr.over_sampling._per_class.grow",
)
NETWORKS = {"Generator": Generator, "Discriminator": Discriminator}
KIND = "_skcxr_kind"


class Persistent:
    """Mixin of estimators whose state is arrays, plain values and other such estimators.

    Goes before BaseEstimator. A torch.device and a path come back as the str that means the same.

    Raises
    ------
    ValueError
        If an estimator of another format is loaded; both versions are named.
    """

    def __getstate__(self):
        state = {name: _packed(value) for name, value in super().__getstate__().items()}
        return state | {"_skcxr_version": __version__, "_skcxr_format": FORMAT}

    def __setstate__(self, state):
        state, name = dict(state), type(self).__name__
        version = state.pop("_skcxr_version", "of an unknown version")
        check_format(f"This {name}", version, state.pop("_skcxr_format", None))
        with raising_value_error(f"The saved state of this {name} is broken; fit it again."):
            state = {key: _unpacked(value) for key, value in state.items()}
        super().__setstate__(state)


def check_format(what, version, number):
    """Refuse a file of another format, and say which version could read it."""
    if number != FORMAT:
        raise ValueError(
            f"{what} was saved by skcxr {version} in format {number}, and skcxr {__version__} "
            f"reads format {FORMAT}. Load it with the version that saved it, or fit again."
        )


@contextmanager
def raising_value_error(message):
    """What odd values raise, as a ValueError with `message`."""
    try:
        yield
    except (RuntimeError, LookupError, TypeError, AttributeError, ValueError, MemoryError) as error:
        raise ValueError(f"{message} {type(error).__name__}: {error}") from error


def _packed(value):
    if isinstance(value, Generator | Discriminator):
        return {KIND: "network", **describe_network(value)}
    if isinstance(value, dict) and not all(isinstance(key, str) for key in value):
        # skops writes keys as JSON and reads them by their type: bool("false") is True.
        return {KIND: "dict", "items": [list(item) for item in value.items()]}
    if isinstance(value, torch.device):
        return str(value)
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _unpacked(value):
    kind = value.get(KIND) if isinstance(value, dict) else None
    if kind == "network":
        return rebuild_network(value["class"], value["params"], value["tensors"])
    return dict(value["items"]) if kind == "dict" else value


def extract_arrays(network):
    """The weights and buffers of `network` by name, as arrays on the CPU."""
    return {
        name: tensor.detach().cpu().contiguous().numpy()
        for name, tensor in network.state_dict().items()
    }


def load_arrays(network, tensors, *, assign=False):
    """Put what :func:`extract_arrays` returned into a network of the same shape.

    `assign` makes them its own, for one on the meta device.
    """
    # Arrays are copied: PyTorch warns of those that can not be written to, which ray returns, and
    # joblib's mmap_mode="r".
    network.load_state_dict(
        {
            name: torch.as_tensor(value.copy() if isinstance(value, np.ndarray) else value)
            for name, value in tensors.items()
        },
        assign=assign,
    )
    return network


def describe_network(network):
    """Class, parameters and arrays of a GAN's network."""
    kernels = [layer for layer in network.layers if hasattr(layer, "kernel_size")]
    first, last = kernels[0], kernels[-1]
    params = {"image_size": 4 * 2 ** (len(kernels) - 1)}
    if isinstance(network, Generator):
        params |= {"latent_dim": int(first.in_channels), "base_width": int(last.in_channels)}
        params |= {"n_channels": int(last.out_channels)}
    else:
        params |= {"base_width": int(first.out_channels), "n_channels": int(first.in_channels)}
        params |= {"dropout": float(next(m.p for m in network.layers if isinstance(m, Dropout)))}
    return {"class": type(network).__name__, "params": params, "tensors": extract_arrays(network)}


def rebuild_network(name, params, tensors):
    """The network that :func:`describe_network` describes, in evaluation mode."""
    # Memory is taken for arrays that are there, not for those that a hostile header promises.
    with torch.device("meta"):
        network = NETWORKS[name](**params)
    network = load_arrays(network, tensors, assign=True).eval().requires_grad_(False)
    # As it was trained; the layout decides how a convolution rounds.
    return network.to(torch.float32, memory_format=torch.channels_last)
