"""What over-samplers of images share: which classes grow, and where synthetic rows go."""

from __future__ import annotations

import math
from inspect import signature
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_sampling_strategy, check_target_type
from scipy import sparse
from sklearn.base import clone
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval, StrOptions

from skcxr._base.estimators import Documented
from skcxr._base.images import stack_images, to_dense
from skcxr._base.text import format_count
from skcxr._base.validation import check_labels, validate_images
from skcxr.gan import DCGAN
from skcxr.over_sampling._selection import (
    SELECTIONS,
    Candidates,
    check_has_discriminator,
    select_rows,
)
from skcxr.persistence._state import Persistent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from skcxr._base.types import Images, Labels, Pixels, RandomState, Strategy
    from skcxr.over_sampling._selection import Selection

# Images are rounded in pieces: rounding goes through floats of up to eight times their size.
ROUNDED_ROWS = 1024


class GrowingClass(NamedTuple):
    """Class that grows.

    Parameters
    ----------
    label : object
        Its label.
    n_new : int
        Number of images to add.
    seed : int
        Seed of its model and its samples.
    """

    label: object
    n_new: int
    seed: int


class ImageOversampler(Documented, Persistent, BaseOverSampler):
    """Base class of over-samplers of images in any layout; a subclass makes the images.

    A subclass has the method ``_fit_resample(X, y)``, which puts original rows first and sets
    `synthetic_mask_`. It may refuse class sizes in ``_check_class(label, n_images, n_new)``.
    """

    sampling_strategy: Strategy
    random_state: RandomState | None
    synthetic_mask_: NDArray[np.bool_]
    sampling_strategy_: dict[Any, int]
    n_features_in_: int
    feature_names_in_: NDArray[Any]

    @overload
    def fit_resample(
        self, X: NDArray[Pixels], y: NDArray[Labels], **params: Any
    ) -> tuple[NDArray[Pixels], NDArray[Labels]]: ...

    @overload
    def fit_resample(self, X: Images, y: ArrayLike, **params: Any) -> tuple[Any, Any]: ...

    def fit_resample(self, X: Images, y: ArrayLike, **params: Any) -> tuple[Any, Any]:
        """Add synthetic images to each class that grows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, h*w), (n, h, w) or (n, c, h, w)
            Images.
        y : array-like of shape (n,)
            Their classes, of any one type.
        **params : dict
            No parameters are accepted. This is here for imbalanced-learn's conventions.

        Returns
        -------
        X_resampled : {array-like, sparse matrix} of shape (n_new, ...)
            The original images, followed by the synthetic ones, in X's container, dtype and layout.
        y_resampled : array-like of shape (n_new,)
            Their classes.

        Raises
        ------
        ValueError
            If X, y, a parameter or a class is invalid. Nothing was trained then.
        FloatingPointError
            If a model is trained for a class and its training diverged.
        """
        # First: imbalanced-learn's own checks fail on mixed types or sizes without naming any.
        check_labels(y, "y")
        X = stack_images(X)
        return super().fit_resample(X, y, **params)

    def _check_X_y(self, X, y, accept_sparse=("csr", "csc")):
        y, one_hot = check_target_type(y, indicate_one_vs_all=True)
        # A table of several dtypes becomes an array of floats, and its dtypes are restored at last.
        self._integer_columns = _find_integer_columns(X)
        X, y = validate_images(self, X, y, accept_sparse=accept_sparse)
        _check_sizes(self.sampling_strategy, y)
        return X, y, one_hot

    def _count_gains(self, y):
        """Return how many images each class gains, from the labels alone.

        Raises
        ------
        ValueError or TypeError
            If `fit_resample` would refuse these labels.
        """
        _check_sizes(self.sampling_strategy, y)
        gains = check_sampling_strategy(self.sampling_strategy, y, "over-sampling")
        for label in np.unique(y).tolist():
            self._check_class(label, np.count_nonzero(y == label), gains.get(label, 0))
        return gains

    def _check_class(self, label, n_images, n_new):
        """Refuse a class of `n_images` that cannot gain `n_new`."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


class GenerativeOversampler(ImageOversampler):
    """Base class of over-samplers with generative models; a subclass trains and samples them.

    A subclass has the method ``_generate(estimator, X, y, growing)``. It yields a pair (fitted
    model, synthetic images) for each GrowingClass of `growing`, in that order, from a clone of the
    parameter `estimator`. It also has the parameters `select`, `candidates` and `random_state`.
    """

    estimator: Any
    select: Selection | None
    candidates: int
    estimators_: dict[Any, Any]

    _parameter_constraints: dict = {
        **ImageOversampler._parameter_constraints,
        "select": [StrOptions(set(SELECTIONS)), callable, None],
        "candidates": [Interval(Integral, 1, None, closed="left")],
    }

    def _generate(
        self, estimator: Any, X: Any, y: Any, growing: list[GrowingClass]
    ) -> Iterator[tuple[Any, NDArray[Any]]]:
        raise NotImplementedError

    def _fit_resample(self, X, y, **params):
        growing = self._list_growing_classes(y)
        estimator = self._clone_estimator()

        y_new = [np.full(item.n_new, item.label, dtype=y.dtype) for item in growing]
        y_resampled = np.concatenate([y, *y_new])
        X_resampled = Stack(X, len(y_resampled))
        fitted = {}
        n_factor = 1 if self.select is None else self.candidates
        to_draw = [item._replace(n_new=item.n_new * n_factor) for item in growing]
        # Class by class: images that are in their place need not be kept elsewhere.
        for item, (model, images) in zip(
            growing, self._generate(estimator, X, y, to_draw), strict=True
        ):
            if self.select is not None:
                real = to_dense(X[np.flatnonzero(y == item.label)])
                candidates = Candidates(images, real, item.label, model, item.seed)
                images = images[select_rows(self.select, candidates, item.n_new)]
            if self._integer_columns is not None:
                images[:, self._integer_columns] = np.rint(images[:, self._integer_columns])
            X_resampled.append(images)
            fitted[item.label] = model

        self.estimators_ = fitted
        self.synthetic_mask_ = np.arange(len(y_resampled)) >= len(y)
        return X_resampled.finish(), y_resampled

    def _list_growing_classes(self, y):
        """Return the GrowingClass of each class that gains images."""
        classes = np.unique(y)
        # Every class has a seed: the images of one do not depend on whether another grows.
        rng = check_random_state(self.random_state)
        seeds = rng.randint(np.iinfo(np.int32).max, size=len(classes))
        growing = []
        for label, seed in zip(classes.tolist(), seeds.tolist(), strict=True):
            n_new = self.sampling_strategy_.get(label, 0)
            n_images = np.count_nonzero(y == label)
            self._check_class(label, n_images, n_new)
            if n_new:
                growing.append(GrowingClass(label, n_new, seed))
        return growing

    def _check_class(self, label, n_images, n_new):
        if n_new and n_images < 2:
            raise ValueError(
                f"Class {label!r} has {n_images} image; a generative model needs two or more. "
                "Leave the class out of sampling_strategy, or add images."
            )

    def _clone_estimator(self):
        """Return a clone of the estimator, or raise an error if it cannot serve."""
        if isinstance(self.estimator, type):
            name = self.estimator.__name__
            raise TypeError(f"estimator={name} is a class. Pass an instance: {name}().")
        # safe=False copies an object that is not a scikit-learn estimator.
        estimator = clone(DCGAN() if self.estimator is None else self.estimator, safe=False)
        check_parameters(estimator)
        if self.select == "discriminator":
            check_has_discriminator(estimator)
        return estimator

    def _seed_pooled_model(self, model):
        """Give its seed to a `model` that is trained on the images of all classes."""
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        seed_model(model, seed, is_unseeded=self.random_state is None)


class Stack:
    """The original rows and the synthetic ones after them, in X's own container.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n, ...)
        Original rows.
    n_rows : int
        Number of rows in the end.
    """

    def __init__(self, X, n_rows):
        if sparse.issparse(X):
            self.parts: list | None = [X]
        else:
            self.parts = None
            self.stacked = np.empty((n_rows, *X.shape[1:]), X.dtype)
            self.stacked[: len(X)] = X
            self.n_filled = len(X)

    def append(self, images):
        """Add rows, which are copied."""
        if self.parts is not None:
            self.parts.append(type(self.parts[0])(images))
            return
        end = self.n_filled + len(images)
        self.stacked[self.n_filled : end] = images
        self.n_filled = end

    def finish(self):
        """Return all rows."""
        if self.parts is not None:
            return sparse.vstack(self.parts, format=self.parts[0].format)
        return self.stacked


def _find_integer_columns(X):
    """Return the positions of a DataFrame's integer and Boolean columns, or None for an array."""
    if not hasattr(X, "columns"):
        return None
    for column, dtype in X.dtypes.items():
        if str(dtype) == "category":
            raise ValueError(
                f"X has the column {column!r} of dtype category, which synthetic values do not "
                "fit. Convert pixels to numbers, for example by X.astype('uint8')."
            )
    return np.flatnonzero([getattr(dtype, "kind", "O") in "biu" for dtype in X.dtypes])


def check_parameters(estimator):
    """Refuse invalid parameters now, before anything is trained.

    scikit-learn's own check waits for `estimator.fit`, and is skipped in an outer estimator's fit.
    """
    if hasattr(estimator, "_parameter_constraints"):
        estimator._validate_params()


def _check_sizes(strategy, y):
    """Refuse a strategy without whole numbers; imbalanced-learn's error would not name it."""
    sizes = strategy(y) if callable(strategy) else strategy
    if callable(strategy) and not isinstance(sizes, dict):
        raise TypeError(f"sampling_strategy returned {sizes!r}. It must return a dict of sizes.")
    if isinstance(sizes, dict) and not all(isinstance(n, Integral) for n in sizes.values()):
        raise TypeError(f"sampling_strategy must ask for whole numbers of images, got {sizes!r}.")


def get_parameters(model):
    """Return the parameters of a generative model, or none if it is not an estimator."""
    return model.get_params(deep=False) if hasattr(model, "get_params") else {}


def seed_model(model, seed, *, is_unseeded):
    """Give `model` its `seed`, if it takes one; `is_unseeded` says that the seed is a new one."""
    params = get_parameters(model)
    if "random_state" in params:
        # Checkpoints are keyed by seed. Without a fixed seed, random_state stays None, so that
        # training resumes with the stored one.
        resumes = is_unseeded and params.get("checkpoint") is not None
        model.set_params(random_state=None if resumes else seed)


def sample_like(estimator, X, n_samples, random_state):
    """Return samples of a fitted generative model, as rows like the real images of its class.

    Parameters
    ----------
    estimator : object
        Fitted model with `sample(n_samples)`. `random_state` is passed on if it takes one.
    X : ndarray of shape (n, ...)
        Real images, whose layout, dtype and range of values the samples get.
    n_samples : int
        Number of samples.
    random_state : int, RandomState instance or None
        Seed of the samples.

    Returns
    -------
    samples : ndarray of shape (n_samples, ...)
        Samples.
    """
    options = {}
    if "random_state" in signature(estimator.sample).parameters:
        options["random_state"] = random_state
    images = estimator.sample(n_samples, **options)
    if isinstance(images, tuple):  # scikit-learn's mixtures return (X, component)
        images = images[0]
    images = _check_images(np.asarray(images), estimator, n_samples, X.shape[1:])
    low = X.min()
    high = X.max()
    samples = np.empty(images.shape, X.dtype)
    for rows in gen_batches(n_samples, ROUNDED_ROWS):
        clipped = np.clip(images[rows], low, high)
        samples[rows] = np.rint(clipped) if X.dtype.kind in "biu" else clipped
    return samples


def _check_images(images, estimator, n_samples, row_shape):
    """Return what a generative model has sampled in the shape of X's rows, or refuse it."""
    name = type(estimator).__name__
    n_values = n_samples * math.prod(row_shape)
    if len(images) != n_samples or images.size != n_values or images.dtype.kind not in "biuf":
        raise ValueError(
            f"{name}.sample({n_samples}) returned an array of shape {images.shape} and dtype "
            f"{images.dtype}. It must return {format_count(n_samples, 'row')} of numbers of "
            f"shape {row_shape}, or flattened."
        )
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        rows = ~np.isfinite(images.reshape(n_samples, -1)).all(axis=1)
        raise ValueError(
            f"{name}.sample({n_samples}) returned NaN or infinity in {np.count_nonzero(rows)} of "
            f"{n_samples} rows. Train the model longer or at a smaller rate, or check its images."
        )
    return images.reshape(n_samples, *row_shape)


def check_samples(samples, sampler):
    """Refuse images by class, if there are any, that lack a class `sampler` has grown."""
    if samples is None:
        return
    missing = set(sampler.estimators_) - set(samples)
    if missing:
        raise ValueError(
            f"samples has no images of {sorted(missing, key=str)}, but of {list(samples)}. Pass "
            "those of every class that the sampler has grown, or None."
        )


def check_classes(y, sampler):
    """Refuse labels that lack a class `sampler` has grown, such as labels of another type."""
    labels = np.unique(y).tolist()
    missing = [k for k in sampler.estimators_ if k not in labels]
    if missing:
        raise ValueError(
            f"y has no images of {missing}, which the sampler has grown, but of {labels}. Pass the "
            "labels that fit_resample was called with."
        )
