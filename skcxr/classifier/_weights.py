"""A fitted CXRClassifier's network in a file of weights."""

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from skcxr.classifier._skorch_net import describe_architecture, rebuild_net
from skcxr.networks import CXRNet
from skcxr.persistence._state import extract_arrays
from skcxr.persistence._weights import (
    check_same,
    raising_broken_file,
    read_spec,
    read_weights,
    select_tensors,
    set_fitted_state,
    write_weights,
)


def write_classifier(clf, path):
    """Write the network of a fitted CXRClassifier to a file."""
    check_is_fitted(clf)
    architecture = describe_architecture(clf.net_)
    architecture["module"] = _name_module(architecture["module"])
    dtype = _name_label_dtype(clf.classes_)
    header = {
        "architecture": architecture,
        "classes": {"dtype": dtype, "values": clf.classes_.tolist()},
    }
    write_weights(path, clf, header, {"module": extract_arrays(clf.net_.module_)})


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
        )
        return set_fitted_state(
            clf, header, net_=net, classes_=classes, spec_=spec, _history=[], precision_=None
        )


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
