"""State of fitted estimators on disk: nothing in a file is run, and each file names its version.

- ``joblib.dump`` and ``skops.io.dump`` see arrays and plain values in place of PyTorch's and
  skorch's objects (:class:`Persistent`). With ``trusted=TRUSTED_TYPES``, skops runs no code of a
  file. Unpickling, and so joblib, always may: unpickle only what you trust. Modules, callbacks and
  callables of your own are yours to trust. A module is rebuilt by calling its class, and its fit is
  restored from its state dict.
- ``save_weights`` and ``load_weights`` use safetensors, which cannot hold code
  (``skcxr.persistence._weights``).
"""

import os
from contextlib import contextmanager

import numpy as np
import torch

from skcxr._version import __version__
from skcxr.networks import Discriminator, Generator

# 2: the modules that classes live in moved. 3: CXRClassifier keeps fingerprints.
FORMAT = 3
# Named one by one: "everything in skcxr" would include functions that write files, and whatever
# else its modules import. imbalanced-learn's Pipeline adds only samplers to scikit-learn's, which
# skops trusts.
#: For the parameter ``trusted`` of ``skops.io.load``: the types of skcxr's own estimators and of
#: pipelines of them.
TRUSTED_TYPES: tuple[str, ...] = (
    "imblearn.pipeline.Pipeline",
    "skcxr._base.images.ImageSpec",
    "skcxr.augment.Affine",
    "skcxr.classifier._estimator.CXRClassifier",
    "skcxr.classifier._features.CXRFeatures",
    "skcxr.gan._estimator.DCGAN",
    "skcxr.networks._cxrnet.CXRNet",
    "skcxr.over_sampling._conditional.ConditionalDCGANOversampler",
    "skcxr.over_sampling._duplicates.DuplicateOversampler",
    "skcxr.over_sampling._per_class.DCGANOversampler",
    "skcxr.over_sampling._smote.ImageSMOTE",
    "skcxr.over_sampling._strategies.grow",
    # Parts of CalibratedClassifierCV.
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
)
NETWORKS = {"Generator": Generator, "Discriminator": Discriminator}
KIND = "_skcxr_kind"


class Persistent:
    """Mixin of estimators whose state is arrays, plain values and other such estimators.

    It goes before BaseEstimator. A torch.device and a path come back as equivalent strings.

    Raises
    ------
    ValueError
        If an estimator of another format is loaded. The message names both versions.
    """

    def __getstate__(self):
        state = {name: _pack(value) for name, value in super().__getstate__().items()}  # type: ignore[misc]
        state["_skcxr_version"] = __version__
        state["_skcxr_format"] = FORMAT
        return state

    def __setstate__(self, state):
        name = type(self).__name__
        state = dict(state)
        version = state.pop("_skcxr_version", "of an unknown version")
        check_format(f"This {name}", version, state.pop("_skcxr_format", None))
        with raising_value_error(f"The saved state of this {name} is broken; fit it again."):
            state = {key: _unpack(value) for key, value in state.items()}
        super().__setstate__(state)  # type: ignore[misc]


def check_format(what, version, number):
    """Refuse a file of another format and name the version that can read it."""
    if number != FORMAT:
        raise ValueError(
            f"{what} was saved by skcxr {version} in format {number}, and skcxr {__version__} "
            f"reads format {FORMAT}. Load it with the version that saved it, or fit again."
        )


@contextmanager
def raising_value_error(message):
    """Turn what unexpected values raise into a ValueError with `message`."""
    try:
        yield
    except (RuntimeError, LookupError, TypeError, AttributeError, ValueError, MemoryError) as error:
        raise ValueError(f"{message} {type(error).__name__}: {error}") from error


def _pack(value):
    if isinstance(value, Generator | Discriminator):
        return {KIND: "network", **describe_network(value)}
    if isinstance(value, dict) and not all(isinstance(key, str) for key in value):
        # skops writes keys as JSON and reads them by their type: bool("false") is True.
        return {KIND: "dict", "items": [list(item) for item in value.items()]}
    if isinstance(value, torch.device):
        return str(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value


def _unpack(value):
    kind = value.get(KIND) if isinstance(value, dict) else None
    if kind == "network":
        return rebuild_network(value["class"], value["config"], value["tensors"])
    if kind == "dict":
        return dict(value["items"])
    return value


def extract_arrays(network):
    """Return the weights and buffers of `network` by name, as arrays on the CPU."""
    return {
        name: tensor.detach().cpu().contiguous().numpy()
        for name, tensor in network.state_dict().items()
    }


def load_arrays(network, arrays, *, assign=False):
    """Load what :func:`extract_arrays` returned into a network of the same shape.

    With `assign`, the tensors replace those of a network on the meta device.
    """
    state = {}
    for name, array in arrays.items():
        # A copy: PyTorch warns of read-only arrays, which ray and joblib's mmap_mode="r" return.
        array = array.copy() if isinstance(array, np.ndarray) else array
        state[name] = torch.as_tensor(array)
    network.load_state_dict(state, assign=assign)
    return network


def describe_network(network):
    """Return the class, configuration and arrays of a GAN's network."""
    return {
        "class": type(network).__name__,
        "config": dict(network.config),
        "tensors": extract_arrays(network),
    }


def rebuild_network(name, config, tensors):
    """Return the network that :func:`describe_network` describes, in evaluation mode."""
    # Memory is taken for arrays that exist, not for those that a malicious header promises.
    with torch.device("meta"):
        network = NETWORKS[name](**config)
    load_arrays(network, tensors, assign=True)
    network.eval().requires_grad_(False)
    # The layout of training: it decides how a convolution rounds.
    return network.to(torch.float32).to(memory_format=torch.channels_last)
