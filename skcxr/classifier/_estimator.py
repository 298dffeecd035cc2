"""CXRClassifier: a convolutional network with scikit-learn's classifier interface."""

from __future__ import annotations

import copy
import math
from inspect import signature
from numbers import Integral, Real
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from sklearn.base import ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import Callback, LRScheduler

from skcxr._base.estimators import EpochHistory, Estimator
from skcxr._base.images import ImageSpec, TrainingImages
from skcxr._base.parallel import limit_threads, resolve_device, use_repeatable_convolutions
from skcxr._base.parameters import validate_before
from skcxr._base.validation import convert_and_validate, validate_labelled
from skcxr.augment import resolve_augment
from skcxr.classifier._batches import LabelledImages, count_batches
from skcxr.classifier._skorch_net import (
    build_net,
    check_finite,
    describe_net,
    rebuild_net,
    seed_global_rng,
    strip_net,
    summarize_epoch,
)
from skcxr.classifier._weights import (
    count_pretraining_overlap,
    load_start,
    read_classifier,
    write_classifier,
)
from skcxr.networks import CXRNet
from skcxr.networks._inference import forward_in_batches
from skcxr.networks._precision import PRECISIONS, autocast, resolve_precision
from skcxr.persistence._state import Persistent, raising_value_error
from skcxr.persistence._weights import read_fingerprints

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from torch import nn
    from typing_extensions import Self

    from skcxr._base.types import (
        Augmentation,
        Device,
        Images,
        ImageShape,
        Path,
        Precision,
        RandomState,
    )


class CXRClassifier(EpochHistory, Persistent, ClassifierMixin, Estimator):
    """Convolutional classifier for small sets of chest radiographs.

    How it works:

    - `fit` infers the images' layout and range, and builds a skorch net around `module`.
    - The net trains with SGD on batches that are augmented as they are drawn.
    - The fitted net stays on the CPU, whatever trained it, and predicts on `device`.

    Parameters
    ----------
    module : str or type, default="cxrnet"
        Network. "cxrnet" is :class:`skcxr.networks.CXRNet`; another string is a torchvision
        classification network, such as "resnet18"; an ``nn.Module`` class is called as
        ``module(n_classes, n_channels)`` and returns logits.
    weights : "cxr", str, path or None, default=None
        Weights that training starts from. A file that :meth:`save_weights` wrote for the same
        module: if its classes differ from those of y, the layers that depend on their number start
        from random weights; one and three channels fit each other. "cxr" is the file for "cxrnet"
        that comes with skcxr (see :meth:`pretrained`). For a torchvision network, another
        string that does not end in ".safetensors" is "DEFAULT" or one of torchvision's names, and
        torchvision downloads those weights unless its cache holds them. Fewer and smaller steps
        are needed with weights: try ``lr=0.01, max_epochs=50``. None starts from random weights.
    max_epochs : int, default=150
        Passes over the training set.
    max_steps : int or None, default=None
        Number of training steps, in place of `max_epochs`. Estimators that train on sets of
        different size can be compared at equal steps. None trains for `max_epochs`.
    batch_size : int, default=64
        Images per training step.
    lr : float, default=0.1
        Learning rate; with ``lr_schedule="onecycle"``, the highest one.
    lr_schedule : {"onecycle", "constant"}, default="onecycle"
        Schedule of the learning rate. "onecycle" [2]_ warms up to `lr` and anneals to zero, once
        in the whole training.
    momentum : float, default=0.9
        Momentum of SGD.
    nesterov : bool, default=True
        Whether the momentum is Nesterov's.
    weight_decay : float, default=1e-3
        L2 penalty.
    augment : "classic", callable or None, default="classic"
        Augmentation of training batches. "classic" stands for small rotations, shifts and scalings
        (:class:`skcxr.augment.Affine`), a callable takes (tensor (n, c, h, w), torch.Generator).
    class_weight : "balanced", dict or None, default=None
        Weight of each class in the loss. None weighs all images equally.
    image_shape : tuple of int or None, default=None
        (height, width) or (channels, height, width) of the images in the rows of a flat X. None
        assumes square images of one channel.
    precision : {"auto", "float32", "bfloat16"}, default="float32"
        Arithmetic of the module in training. "auto" is bfloat16 for "cxrnet" on processors that
        have it, and float32 for all other modules. Weights, loss and predictions are float32.
    device : str, default="auto"
        PyTorch device. "auto" is CUDA if available; with several GPUs, each worker takes its own.
    random_state : int, RandomState instance or None, default=None
        Seed of weights, batches and augmentation. Pass an int for reproducible results.
    verbose : int, default=0
        Verbosity. 1 prints skorch's table of epochs.
    callbacks : list of skorch callbacks or None, default=None
        Callbacks of the net, each passed as a copy. There is no validation split: a callback that
        monitors something takes ``monitor="train_loss"``.
    warm_start : bool, default=False
        Whether `fit` starts from the weights of the last fit, which had the same classes. The
        optimizer and the schedule of learning rates start anew.

    Attributes
    ----------
    net_ : skorch.NeuralNetClassifier
        The fitted net, without its optimizer.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    history_ : pandas.DataFrame
        One row per epoch: ``epoch``, ``train_loss``, ``seconds``, and what callbacks added.
    n_pretraining_overlap_ : int or None
        Number of training images that `weights` had been trained on. None if the file of weights
        does not know its training images, or after :meth:`load_weights`.
    precision_ : {"float32", "bfloat16"} or None
        Arithmetic that was used. None after :meth:`load_weights`.
    spec_ : ImageSpec
        Layout, dtype and range of the training images.
    n_features_in_ : int
        Size of the second axis of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, if X had string column names.

    See Also
    --------
    DCGANOversampler : Adds synthetic images to the training folds.

    References
    ----------
    .. [1] Davoodi and Lo Giudice, "Synthetic of Chest X-ray Images".
    .. [2] Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large
       Learning Rates", 2019.

    Examples
    --------
    >>> from skcxr import CXRClassifier
    >>> from skcxr.datasets import make_chest_phantoms
    >>> phantoms = make_chest_phantoms(40, image_size=32, random_state=0)
    >>> clf = CXRClassifier(max_epochs=5, random_state=0).fit(phantoms.data, phantoms.target)
    >>> clf.predict_proba(phantoms.data[:3]).shape
    (3, 4)
    """

    net_: Any
    classes_: NDArray[Any]
    n_pretraining_overlap_: int | None
    precision_: Literal["float32", "bfloat16"] | None
    spec_: ImageSpec
    n_features_in_: int
    feature_names_in_: NDArray[Any]

    _parameter_constraints: dict = {
        "module": [str, type],
        "weights": [str, PathLike, None],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "max_steps": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "lr_schedule": [StrOptions({"constant", "onecycle"})],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "nesterov": ["boolean"],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "augment": [StrOptions({"classic"}), callable, None],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "image_shape": [tuple, list, None],
        "precision": [StrOptions(set(PRECISIONS))],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "callbacks": [list, None],
        "warm_start": ["boolean"],
    }

    def __init__(
        self,
        module: str | type[nn.Module] = "cxrnet",
        *,
        weights: Path | None = None,
        max_epochs: int = 150,
        max_steps: int | None = None,
        batch_size: int = 64,
        lr: float = 0.1,
        lr_schedule: Literal["onecycle", "constant"] = "onecycle",
        momentum: float = 0.9,
        nesterov: bool = True,
        weight_decay: float = 1e-3,
        augment: Augmentation | None = "classic",
        class_weight: Literal["balanced"] | dict[Any, float] | None = None,
        image_shape: ImageShape | None = None,
        precision: Precision = "float32",
        device: Device = "auto",
        random_state: RandomState | None = None,
        verbose: int = 0,
        callbacks: list[Any] | None = None,
        warm_start: bool = False,
    ) -> None:
        self.module = module
        self.weights = weights
        self.max_epochs = max_epochs
        self.max_steps = max_steps
        self.batch_size = batch_size
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.momentum = momentum
        self.nesterov = nesterov
        self.weight_decay = weight_decay
        self.augment = augment
        self.class_weight = class_weight
        self.image_shape = image_shape
        self.precision = precision
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks
        self.warm_start = warm_start

    @classmethod
    def paper(cls, **params: Any) -> Self:
        """Return the paper's exact recipe, in every version of skcxr.

        150 epochs of SGD in batches of 256 at most, at a constant learning rate of 0.01 with
        Nesterov momentum 0.9, on classically augmented images. The paper does not print its
        network's layers; here it is CXRNet.

        Parameters
        ----------
        **params : dict
            Parameters that replace the paper's.

        Returns
        -------
        clf : CXRClassifier
            Unfitted estimator.
        """
        recipe: dict[str, Any] = {
            "module": "cxrnet",
            "max_epochs": 150,
            "batch_size": 256,
            "lr": 0.01,
            "lr_schedule": "constant",
            "momentum": 0.9,
            "nesterov": True,
            "weight_decay": 0.0,
            "augment": "classic",
            "class_weight": None,
        }
        return cls(**(recipe | params))

    @classmethod
    def pretrained(cls, **params: Any) -> Self:
        """Return the recipe for fine-tuning the classifier that comes with skcxr.

        That classifier was trained on 2,012 radiographs of children, those of Kermany et al.
        (2018): normal, bacterial and viral pneumonia. On other patients of that hospital, it was
        more accurate than a classifier from random weights. On adults of another hospital, it was
        not. Do not evaluate on images that it was trained on: `fit` and `predict` warn of them, and
        :func:`skcxr.evaluation.find_pretraining_overlap` finds them.

        Parameters
        ----------
        **params : dict
            Parameters that replace those of the recipe. ``weights=path`` puts a file of your own in
            place of "cxr".

        Returns
        -------
        clf : CXRClassifier
            Unfitted estimator.

        Examples
        --------
        >>> from skcxr import CXRClassifier
        >>> clf = CXRClassifier.pretrained(random_state=0)
        >>> clf.weights, clf.lr, clf.max_epochs
        ('cxr', 0.01, 50)
        """
        recipe: dict[str, Any] = {"weights": "cxr", "lr": 0.01, "max_epochs": 50}
        return cls(**(recipe | params))

    @validate_before
    def fit(self, X: Images, y: ArrayLike) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n, h*w), (n, h, w) or (n, c, h, w)
            At least two images, of any numeric dtype and range.
        y : array-like of shape (n,)
            Labels of any type, of at least two classes.

        Returns
        -------
        self : CXRClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, X or y is invalid. Nothing was trained then.
        FloatingPointError
            If the loss is NaN or infinite.
        """
        X, y, classes = validate_labelled(self, X, y)
        spec = ImageSpec.of(X, self.image_shape)
        device = resolve_device(self.device)
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        net = self._build_net(classes, y, spec.shape[0], device, seed)
        start = self._get_last_weights(net, classes) if self.warm_start else None
        fingerprints = read_fingerprints(self.weights) if self._starts_from_file() else None
        n_overlap = None
        if fingerprints is not None:
            n_overlap = count_pretraining_overlap(X, fingerprints, self.image_shape, self.weights)
        images = TrainingImages(X, spec, None, device)
        targets = np.searchsorted(classes, y)
        labels = torch.as_tensor(targets, dtype=torch.int64, device=device)
        # Other modules may need more than bfloat16.
        can_choose = self.precision != "auto" or net.module is CXRNet
        precision = resolve_precision(self.precision, device) if can_choose else "float32"
        with (
            limit_threads(),
            use_repeatable_convolutions(device),
            seed_global_rng(seed, device),
            autocast(device, precision),
        ):
            net.initialize()
            if start is not None:
                net.module_.load_state_dict(start)
            elif self._starts_from_file():
                load_start(self, net, classes)
            net.partial_fit(LabelledImages(images, labels), y=None)
        check_finite(net)
        # Set together and last: a fit that failed leaves the last one as it was.
        self.net_ = strip_net(net)
        self.classes_ = classes
        self.spec_ = spec
        self.precision_ = precision
        self.n_pretraining_overlap_ = n_overlap
        self._fingerprints = fingerprints
        self._history = [summarize_epoch(row) for row in net.history]
        return self

    def _build_net(self, classes, y, n_channels, device, seed):
        """Return an unfitted skorch net with this estimator's parameters."""
        class_weight = compute_class_weight(self.class_weight, classes=classes, y=y)
        callbacks = copy.deepcopy(self.callbacks or [])
        _check_callbacks(callbacks)
        n_batches = count_batches(len(y), self.batch_size)
        n_steps = self.max_steps or self.max_epochs * n_batches
        if self.lr_schedule == "onecycle":
            policy = LRScheduler(
                torch.optim.lr_scheduler.OneCycleLR,
                max_lr=float(self.lr),
                total_steps=int(n_steps),
                step_every="batch",
            )
            callbacks.append(("one_cycle", policy))
        params = self._get_net_params()
        params["max_epochs"] = math.ceil(n_steps / n_batches)
        return build_net(
            self.module,
            None if self._starts_from_file() else self.weights,
            **params,
            iterator_train__max_steps=self.max_steps,
            module__n_classes=len(classes),
            module__n_channels=n_channels,
            criterion__weight=torch.as_tensor(class_weight, dtype=torch.float32),
            iterator_train__seed=seed,
            callbacks=callbacks,
            device=device,
        )

    def _starts_from_file(self):
        """Return whether `weights` is a file, not a name that torchvision knows."""
        if self.weights is None:
            return False
        is_torchvision = isinstance(self.module, str) and self.module != "cxrnet"
        is_name = isinstance(self.weights, str) and not self.weights.endswith(".safetensors")
        return not (is_torchvision and is_name)

    def _get_last_weights(self, net, classes):
        """Return the state of the last fit's module, or None before the first fit."""
        if not hasattr(self, "net_"):
            return None
        if not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"warm_start=True continues a fit with the classes {self.classes_.tolist()}, and "
                f"y holds {classes.tolist()}. Pass images of all of them and of no other class."
            )
        last = self.net_
        same = net.module is last.module and net.module__n_channels == last.module__n_channels
        if not same or getattr(net, "module__name", None) != getattr(last, "module__name", None):
            raise ValueError(
                "warm_start=True cannot continue a fit with another module than "
                f"{self.module!r} or another number of channels. Pass warm_start=False."
            )
        return last.module_.state_dict()

    def _get_net_params(self):
        """Return the parameters of skorch that do not depend on data."""
        return {
            "optimizer__momentum": float(self.momentum),
            "optimizer__nesterov": self.nesterov and self.momentum > 0,
            "optimizer__weight_decay": float(self.weight_decay),
            "lr": float(self.lr),
            "max_epochs": self.max_epochs,
            "batch_size": self.batch_size,
            "iterator_train__augment": resolve_augment(self.augment),
            "verbose": self.verbose,
        }

    def predict_proba(self, X: Images) -> NDArray[np.float64]:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like
            Images in the layout of those passed to `fit`.

        Returns
        -------
        proba : ndarray of shape (n, n_classes), float64
            Probabilities. Rows sum to 1, columns are in the order of `classes_`.
        """
        check_is_fitted(self)
        X = convert_and_validate(self, X, reset=False)
        self.spec_.warn_of_range(X)
        if self._fingerprints is not None:
            count_pretraining_overlap(X, self._fingerprints, self.image_shape, self.weights)
        proba = np.empty((len(X), len(self.classes_)))
        batches = forward_in_batches(
            self.net_.module_,
            lambda rows: self.spec_.to_tensor(X[rows]),
            len(X),
            device=resolve_device(self.device),
        )
        for rows, logits in batches:
            proba[rows] = logits.double().softmax(dim=1).numpy()
        return proba

    def predict(self, X: Images) -> NDArray[Any]:
        """Return the most probable class of each image.

        Parameters
        ----------
        X : array-like
            Images in the layout of those passed to `fit`.

        Returns
        -------
        labels : ndarray of shape (n,)
            Labels of `y`'s own type.
        """
        proba = self.predict_proba(X)
        return self.classes_[proba.argmax(axis=1)]

    def save_weights(self, path: Path, *, training_images: Images | None = None) -> None:
        """Write the fitted network to a safetensors file, which cannot hold code.

        Parameters
        ----------
        path : str or path
            File to write. An existing one is replaced, completely or not at all.
        training_images : array-like or None, default=None
            Images that the network was trained on. The file gets a fingerprint of 32 bytes of
            each, from which estimators that start from the file recognize the radiograph. A
            fingerprint does not show an image. None writes no fingerprints.

        Raises
        ------
        ValueError
            If the class labels are neither strings nor numbers.
        OSError
            If the file cannot be written.
        """
        write_classifier(self, path, training_images=training_images)

    def load_weights(self, path: Path) -> Self:
        """Become fitted with the weights that :meth:`save_weights` wrote.

        Parameters
        ----------
        path : str or path
            File to read. `module` must be the one it was saved with; for a class of your own, one
            with the same qualified name. No code is taken from the file.

        Returns
        -------
        self : CXRClassifier
            Estimator with an empty `history_`, which the file does not hold.

        Raises
        ------
        FileNotFoundError, ValueError
            If there is no such file, or if it is broken, of another format, or of another module.
            The estimator stays as it was.

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
        return read_classifier(self, path)

    def __getstate__(self):
        state = super().__getstate__()
        if "net_" in state:
            state["net_"] = describe_net(self.net_)
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        if "net_" not in vars(self):
            return
        with raising_value_error("The saved state of this CXRClassifier is broken; fit it again."):
            saved = self.net_
            self.net_ = rebuild_net(
                saved["architecture"],
                saved["tensors"],
                history=saved["history"],
                **self._get_net_params() | saved["params"],
                criterion__weight=torch.as_tensor(np.array(saved["class_weight"])),
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.sparse = True
        return tags


def _check_callbacks(callbacks):
    for item in callbacks:
        callback = item[1] if isinstance(item, tuple) and len(item) == 2 else item
        is_class = isinstance(callback, type) and issubclass(callback, Callback)
        if not (is_class or isinstance(callback, Callback)):
            raise TypeError(
                f"callbacks holds {item!r}, which is not a callback of skorch. Pass instances of "
                "skorch.callbacks, or pairs of a name and one."
            )
        if is_class:
            parameter = signature(callback).parameters.get("monitor")
            monitor = None if parameter is None else parameter.default
        else:
            monitor = getattr(callback, "monitor", None)
        if isinstance(monitor, str) and monitor.startswith("valid_"):
            raise ValueError(
                f"callbacks holds {item!r}, which monitors {monitor!r}, and fit makes no "
                "validation split. Pass monitor='train_loss'."
            )
