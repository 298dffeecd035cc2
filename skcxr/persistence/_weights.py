"""Files of weights: safetensors with a header that names their class, version and layout."""

import json
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from skcxr._base.files import write_atomically
from skcxr._base.images import ImageSpec
from skcxr._version import __version__
from skcxr.datasets._near_duplicates import compute_fingerprints
from skcxr.persistence._state import FORMAT, check_format, raising_value_error

FINGERPRINTS = "fingerprints"
# Name of the weights that come with skcxr. All of them were trained on the same images, whose
# fingerprints are in the classifier's file.
PACKAGED = "cxr"


def locate_weights(weights, role):
    """Return the path of the file that a parameter `weights` names.

    Parameters
    ----------
    weights : str or path
        Path, or "cxr" for a file that comes with skcxr.
    role : {"gan", "classifier"}
        Which of these files.
    """
    if isinstance(weights, str) and weights == PACKAGED:
        return resources.files("skcxr.networks") / f"cxr_{role}.safetensors"
    return weights


def write_weights(path, estimator, header, tensors):
    """Write a safetensors file completely, or leave what was there.

    Parameters
    ----------
    path : str or path
        File. Its folder must exist.
    estimator : DCGAN or CXRClassifier
        Fitted estimator. Its class and the layout of its X go into the header.
    header : dict
        Plain values that the estimator needs too.
    tensors : dict of str to dict of str to ndarray
        Arrays of each network.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    spec = estimator.spec_
    header = {
        "class": type(estimator).__name__,
        "format": FORMAT,
        "skcxr": __version__,
        "spec": vars(spec) | {"dtype": spec.dtype.str},
        "n_features_in": int(estimator.n_features_in_),
        "feature_names_in": getattr(estimator, "feature_names_in_", np.array([])).tolist(),
        **header,
    }
    flat = {
        f"{network}.{name}": torch.from_numpy(array)
        for network, state in tensors.items()
        for name, array in state.items()
    }
    content = save(flat, metadata={"skcxr": json.dumps(header)})
    try:
        with write_atomically(Path(path)) as file:
            file.write(content)
    except OSError as error:
        raise OSError(
            f"path={str(path)!r} cannot be written: {error.strerror}. Pass a file in a folder "
            "that exists and that you may write to."
        ) from error


def describe_training_images(estimator, training_images):
    """Return the fingerprints of the images that weights were trained on, as tensors of a file.

    Parameters
    ----------
    estimator : DCGAN or CXRClassifier
        Fitted estimator, whose `image_shape` is that of flat rows.
    training_images : array-like or None
        Images. None returns no tensors.
    """
    if training_images is None:
        return {}
    fingerprints = compute_fingerprints(
        np.asarray(training_images), image_shape=estimator.image_shape
    )
    return {FINGERPRINTS: {"images": fingerprints}}


def read_fingerprints(weights):
    """Return the fingerprints (n, 32) of the images behind `weights`, or None if there are none."""
    path = locate_weights(weights, "classifier")
    try:
        with safe_open(path, framework="np") as file:
            key = f"{FINGERPRINTS}.images"
            return file.get_tensor(key) if key in file.keys() else None  # noqa: SIM118
    except (SafetensorError, OSError):
        return None


def read_weights(path, name):
    """Return header and tensors of a file that :func:`write_weights` wrote for the class `name`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is broken, of another format or of another class.
    """
    if not Path(path).exists():
        raise FileNotFoundError(
            f"path={str(path)!r} does not exist on this machine. Pass a file that save_weights "
            "wrote, in a folder that every worker can read."
        )
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            header = json.loads(file.metadata()["skcxr"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        tensors = {key: _convert_to_float32(tensor) for key, tensor in tensors.items()}
        saved_as, version, number = header["class"], header["skcxr"], header["format"]
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"path={str(path)!r} is broken or is not a file of skcxr's weights. Pass one that "
            f"{name}.save_weights wrote."
        ) from error
    check_format(f"path={str(path)!r}", version, number)
    if saved_as != name:
        raise ValueError(
            f"path={str(path)!r} holds weights of {saved_as}, not of {name}. Pass it to "
            f"{saved_as}().load_weights."
        )
    return header, tensors


def _convert_to_float32(tensor):
    """Return float16, in which the packaged files are written, as float32."""
    return tensor.float() if tensor.dtype == torch.float16 else tensor


def raising_broken_file(path):
    """Turn what unexpected values in a file of weights raise into a ValueError that names it."""
    return raising_value_error(f"path={str(path)!r} is broken; write it again with save_weights.")


@contextmanager
def naming_weights(weights, path):
    """Let errors about the file `path` name the parameter `weights` as it was passed."""
    try:
        yield
    except (FileNotFoundError, ValueError) as error:
        message = str(error).replace(f"path={str(path)!r}", f"weights={str(weights)!r}", 1)
        raise type(error)(message) from error


def select_tensors(tensors, network):
    """Return the tensors of one network, by their names in it."""
    start = f"{network}."
    return {
        name.removeprefix(start): tensor
        for name, tensor in tensors.items()
        if name.startswith(start)
    }


def check_same(path, saved, own, name):
    """Refuse weights saved with other parameters than the estimator's, and name them."""
    differing = [
        f"{key} was {value!r} and is {own[key]!r}"
        for key, value in saved.items()
        if value != own[key]
    ]
    if differing:
        call = ", ".join(f"{key}={value!r}" for key, value in saved.items())
        raise ValueError(
            f"path={str(path)!r} does not fit this {name}: {'; '.join(differing)}. Use "
            f"{name}({call})."
        )


def set_fitted_state(estimator, header, **fitted):
    """Give `estimator` the fitted attributes `fitted` and those in the header, and return it."""
    fitted["n_features_in_"] = int(header["n_features_in"])
    if header["feature_names_in"]:
        fitted["feature_names_in_"] = np.array(header["feature_names_in"], dtype=object)
    for name in [name for name in vars(estimator) if name.endswith("_")]:
        delattr(estimator, name)
    vars(estimator).update(fitted)
    return estimator


def read_spec(header):
    """Return the ImageSpec in the header of a file of weights."""
    spec = header["spec"]
    row_shape = tuple(int(side) for side in spec["row_shape"])
    shape = tuple(int(side) for side in spec["shape"])
    dtype = np.dtype(spec["dtype"])
    if len(shape) != 3 or min(row_shape + shape) < 1 or dtype.kind not in "biuf":
        raise ValueError(f"spec={spec!r}")
    return ImageSpec(row_shape, shape, dtype, float(spec["low"]), float(spec["high"]))
