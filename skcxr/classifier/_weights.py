"""A fitted CXRClassifier's network in a file of weights."""

import warnings

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch.nn.parameter import is_lazy

from skcxr._base.text import format_count
from skcxr.classifier._skorch_net import (
    describe_architecture,
    rebuild_net,
    restore_torchvision,
)
from skcxr.datasets._near_duplicates import find_fingerprinted
from skcxr.networks import CXRNet
from skcxr.networks._torchvision import TorchvisionNet
from skcxr.persistence._state import extract_arrays, raising_value_error
from skcxr.persistence._weights import (
    check_same,
    describe_training_images,
    locate_weights,
    naming_weights,
    raising_broken_file,
    read_spec,
    read_weights,
    select_tensors,
    set_fitted_state,
    write_weights,
)


def write_classifier(clf, path, *, training_images):
    """Write the network of a fitted CXRClassifier to a file, with fingerprints of images if any."""
    check_is_fitted(clf)
    architecture = describe_architecture(clf.net_)
    architecture["module"] = _name_module(architecture["module"])
    dtype = _name_label_dtype(clf.classes_)
    header = {
        "architecture": architecture,
        "classes": {"dtype": dtype, "values": clf.classes_.tolist()},
    }
    tensors = {"module": extract_arrays(clf.net_.module_)}
    tensors.update(describe_training_images(clf, training_images))
    write_weights(path, clf, header, tensors)


def read_classifier(clf, path):
    """Make a CXRClassifier a fitted one with the network of a file."""
    name = type(clf).__name__
    header, tensors = read_weights(path, name)
    with raising_broken_file(path):
        architecture = header["architecture"]
        spec = read_spec(header)
        saved = {"module": architecture["module"]}
    check_same(path, saved, {"module": _name_module(clf.module)}, name)
    with raising_broken_file(path):
        classes = np.array(header["classes"]["values"], dtype=header["classes"]["dtype"])
        architecture["module"] = clf.module
        net = rebuild_net(
            architecture,
            select_tensors(tensors, "module"),
            **clf._get_net_params(),
            module__n_classes=len(classes),
            module__n_channels=spec.shape[0],
            criterion__weight=torch.ones(len(classes)),
            iterator_train__seed=0,
            iterator_train__max_steps=None,
        )
        return set_fitted_state(
            clf,
            header,
            net_=net,
            classes_=classes,
            spec_=spec,
            n_pretraining_overlap_=None,
            _fingerprints=None,
            _history=[],
            precision_=None,
        )


# Files whose overlap with the user's images this process has warned of.
_WARNED: set[str] = set()


def count_pretraining_overlap(X, fingerprints, image_shape, path):
    """Return how many images have one of the fingerprints, and warn of the first ones of a file."""
    n = int(np.count_nonzero(find_fingerprinted(X, fingerprints, image_shape=image_shape)))
    if n and str(path) not in _WARNED:
        _WARNED.add(str(path))
        warnings.warn(
            f"The weights in {str(path)!r} were trained on {n} of {format_count(len(X), 'image')} "
            "passed: accuracies on them are too high. Leave out the images that "
            "skcxr.evaluation.find_pretraining_overlap finds, or use other weights.",
            stacklevel=3,
        )
    return n


def load_start(clf, net, classes):
    """Load the file ``clf.weights`` into an initialized skorch net, to start training from.

    The layers that depend on the number of classes, the head, keep their random weights unless the
    file has the same classes. Kernels for one channel are repeated for three, and those for three
    are added for one: the outputs are those for gray images in three equal channels.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it holds weights of another module, or of other shapes.
    """
    path = locate_weights(clf.weights, "classifier")
    name = type(clf).__name__
    with naming_weights(clf.weights, path):
        header, tensors = read_weights(path, name)
        with raising_broken_file(path):
            architecture = header["architecture"]
            saved_module = architecture["module"]
            saved_classes = header["classes"]["values"]
        check_same(path, {"module": saved_module}, {"module": _name_module(clf.module)}, name)
    saved = select_tensors(tensors, "module")
    if net.module is TorchvisionNet:
        restore_torchvision(net.module_, architecture, saved)
    state = net.module_.state_dict()
    head = set() if saved_classes == classes.tolist() else _find_head(clf, net)
    with raising_value_error(f"weights={str(clf.weights)!r} does not fit module={clf.module!r}."):
        for key, own in state.items():
            if key not in head:
                state[key] = _match_channels(saved[key], own)
        net.module_.load_state_dict(state)


def _find_head(clf, net):
    """Return the names of the tensors of a net whose shape depends on the number of classes."""
    params = {**net.get_params_for("module"), "n_classes": net.module__n_classes + 1}
    if "weights" in params:
        params["weights"] = None
    with torch.random.fork_rng(devices=[]):
        other = net.module(**params).state_dict()
    own = net.module_.state_dict()
    if any(is_lazy(tensor) for tensor in own.values()):
        raise ValueError(
            f"weights={str(clf.weights)!r} is a file of other classes, and module={clf.module!r} "
            "has lazy layers, so that its head cannot be found. Give the layers their sizes."
        )
    return {key for key, tensor in own.items() if tensor.shape != other[key].shape}


def _match_channels(saved, own):
    """Return saved kernels for the number of channels of `own`, and any other tensor unchanged."""
    if is_lazy(own) or saved.ndim != 4 or saved.shape[1] == own.shape[1]:
        return saved
    if saved.shape[1] == 1:
        return saved.expand(-1, own.shape[1], -1, -1) / own.shape[1]
    if own.shape[1] == 1:
        return saved.sum(dim=1, keepdim=True)
    return saved


def _name_module(module):
    """Return the parameter `module` as text that is the same in another process."""
    if isinstance(module, str):
        return module
    if module is CXRNet:
        return "cxrnet"
    return f"{module.__module__}.{module.__qualname__}"


def _name_label_dtype(classes):
    """Return the name of the dtype of class labels, if JSON can hold them."""
    if classes.dtype.kind in "Ubiuf" or all(isinstance(label, str) for label in classes):
        return classes.dtype.str
    raise ValueError(
        f"classes_={classes.tolist()} cannot be written: a file of weights holds labels that are "
        "strings or numbers. Fit on such labels."
    )
