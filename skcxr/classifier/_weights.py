"""A fitted CXRClassifier's network in a file of weights."""

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from skcxr.classifier._net import describe_architecture, rebuild_net
from skcxr.networks._dcgan import CXRNet
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


class ClassifierWeights:
    """Mixin of CXRClassifier that writes and reads its network."""

    def save_weights(self, path):
        """Write the fitted network to a safetensors file, which can hold no code.

        Parameters
        ----------
        path : str or path
            The file; one that is there is replaced, whole or not at all.

        Raises
        ------
        ValueError
            If the class labels are neither strings nor numbers.
        OSError
            If the file can not be written.
        """
        check_is_fitted(self)
        facts = describe_architecture(self.net_)
        header = {
            "architecture": facts | {"module": _name_of(facts["module"])},
            "classes": {"dtype": _label_dtype(self.classes_), "values": self.classes_.tolist()},
        }
        write_weights(path, self, header, {"module": extract_arrays(self.net_.module_)})

    def load_weights(self, path):
        """Become fitted with the weights that :meth:`save_weights` wrote.

        Parameters
        ----------
        path : str or path
            The file. `module` must be that it was saved with; for a class of your own, one of the
            same qualified name. No code is taken from the file.

        Returns
        -------
        self : CXRClassifier
            With an empty `history_`, which is not in the file.

        Raises
        ------
        FileNotFoundError, ValueError
            If there is no such file, or it is broken, of another format, or of another module. The
            estimator is left as it was.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from skcxr import CXRClassifier
        >>> from skcxr.datasets import make_chest_phantoms
        >>> phantoms = make_chest_phantoms(40, image_size=32, random_state=0)
        >>> X = phantoms.data
        >>> clf = CXRClassifier(max_epochs=2, random_state=0).fit(X, phantoms.target)
        >>> with TemporaryDirectory() as folder:
        ...     clf.save_weights(Path(folder) / "clf.safetensors")
        ...     same = CXRClassifier().load_weights(Path(folder) / "clf.safetensors")
        >>> bool((same.predict_proba(X) == clf.predict_proba(X)).all())
        True
        """
        self._validate_params()
        header, tensors = read_weights(path, type(self).__name__)
        with raising_broken_file(path):
            facts, spec = header["architecture"], read_spec(header)
            saved = {"module": facts["module"]}
        check_same(path, saved, {"module": _name_of(self.module)}, type(self).__name__)
        with raising_broken_file(path):
            classes = np.array(header["classes"]["values"], dtype=header["classes"]["dtype"])
            net = rebuild_net(
                facts | {"module": self.module},
                select_tensors(tensors, "module"),
                **self._net_params(),
                module__n_classes=len(classes),
                module__n_channels=spec.shape[0],
                criterion__weight=torch.ones(len(classes)),
                iterator_train__seed=0,
            )
            return set_fitted_state(
                self, header, net_=net, classes_=classes, spec_=spec, _history=[], precision_=None
            )


def _name_of(module):
    """The parameter `module` as text that is the same in another process."""
    if isinstance(module, str):
        return module
    return "cxrnet" if module is CXRNet else f"{module.__module__}.{module.__qualname__}"


def _label_dtype(classes):
    """dtype of class labels that JSON can hold, by name."""
    if classes.dtype.kind in "Ubiuf" or all(isinstance(label, str) for label in classes):
        return classes.dtype.str
    raise ValueError(
        f"classes_={classes.tolist()} can not be written: a file of weights holds labels that are "
        "strings or numbers. Fit on such labels."
    )
