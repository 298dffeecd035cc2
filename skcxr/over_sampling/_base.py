"""What over-samplers of images share: who grows, what is kept, and where synthetic images go."""

from inspect import signature
from numbers import Integral
from typing import NamedTuple

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_target_type
from scipy import sparse
from sklearn.base import clone
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import validate_data

from skcxr._base.estimators import Documented
from skcxr._base.images import check_one_size
from skcxr._base.validation import check_labels
from skcxr.gan._estimator import DCGAN
from skcxr.over_sampling._selection import (
    SELECTIONS,
    Candidates,
    check_has_discriminator,
    select_rows,
)
from skcxr.persistence._state import Persistent


class Growing(NamedTuple):
    """A class that is to grow, by how many images, and its seed."""

    label: object
    n_new: int
    seed: int


class ImageOversampler(Documented, Persistent, BaseOverSampler):
    """What over-samplers of images share; a subclass says how synthetic images are made.

    It has `_images_of(estimator, X, y, growing)`, an iterator over (class, fitted model, synthetic
    images) of each item of `growing`, from a clone of the parameter `estimator`, and the parameters
    `select`, `candidates` and `random_state`.
    """

    _parameter_constraints: dict = {
        **BaseOverSampler._parameter_constraints,
        "select": [StrOptions(set(SELECTIONS)), callable, None],
        "candidates": [Interval(Integral, 1, None, closed="left")],
    }

    def fit_resample(self, X, y, **params):
        """Train a generative model for each class that is to grow, and add its images.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, h*w), (n, h, w) or (n, c, h, w)
            Images.
        y : array-like of shape (n,)
            Their classes, of any one type.
        **params : dict
            None are taken; here for imbalanced-learn's conventions.

        Returns
        -------
        X_resampled : {array-like, sparse matrix} of shape (n_new, ...)
            The images in X's container, dtype and layout, and the synthetic ones behind them.
        y_resampled : array-like of shape (n_new,)
            Their classes.

        Raises
        ------
        ValueError
            If X, y, a parameter or a class is out of its domain. Nothing was trained then.
        FloatingPointError
            If a class' training diverged.
        """
        # Before imbalanced-learn's own look, which fails on mixed types or sizes and names none.
        check_labels(y, "y")
        check_one_size(X)
        return super().fit_resample(X, y, **params)

    def _check_X_y(self, X, y, accept_sparse=("csr", "csc")):
        y, one_hot = check_target_type(y, indicate_one_vs_all=True)
        X, y = validate_data(self, X, y, accept_sparse=accept_sparse, allow_nd=True)
        _check_sizes(self.sampling_strategy, y)
        return X, y, one_hot

    def _fit_resample(self, X, y):
        classes = np.unique(y)
        wanted = {k: self.sampling_strategy_.get(k, 0) for k in classes.tolist()}
        for k, n_new in wanted.items():
            n_images = np.count_nonzero(y == k)
            if n_new and n_images < 2:
                raise ValueError(
                    f"Class {k!r} has {n_images} image; a generative model needs two or more. "
                    "Leave the class out of sampling_strategy, or add images."
                )
        estimator = self._checked_estimator()
        # A seed for every class, grown or not: one class' images do not hang on another's growth.
        rng = check_random_state(self.random_state)
        seeds = rng.randint(np.iinfo(np.int32).max, size=len(classes))
        growing = [
            Growing(k, n, int(seed))
            for (k, n), seed in zip(wanted.items(), seeds, strict=True)
            if n
        ]
        fitted = {}

        def synthetic():
            drawn = growing
            if self.select is not None:
                drawn = [g._replace(n_new=g.n_new * self.candidates) for g in growing]
            images_of = self._images_of(estimator, X, y, drawn)
            for (k, n_new, seed), (_, model, images) in zip(growing, images_of, strict=True):
                fitted[k] = model
                if self.select is not None:
                    real = to_dense(X[np.flatnonzero(y == k)])
                    candidates = Candidates(images, real, k, model, seed)
                    images = images[select_rows(self.select, candidates, n_new)]
                yield images

        labels = [np.full(n_new, k, dtype=y.dtype) for k, n_new, _ in growing]
        labels = np.concatenate([y, *labels])
        X_new = _stack(X, synthetic(), len(labels))
        self.estimators_ = fitted
        self.synthetic_mask_ = np.arange(len(labels)) >= len(y)
        return X_new, labels

    def _seed_for_all(self, model):
        """Give its seed to a `model` that is to be trained on the images of all classes."""
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        seed_model(model, seed, unseeded=self.random_state is None)

    def _checked_estimator(self):
        """A clone of the estimator, or an error if it can not serve."""
        # safe=False copies an object that is no scikit-learn estimator.
        estimator = clone(DCGAN() if self.estimator is None else self.estimator, safe=False)
        check_parameters(estimator)
        if self.select == "discriminator":
            check_has_discriminator(estimator)
        return estimator

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def check_parameters(estimator):
    """Refuse parameters that are out of their domain now, before anything is trained.

    scikit-learn's own check waits for `estimator.fit`, and is left out in an outer estimator's fit.
    """
    if hasattr(estimator, "_parameter_constraints"):
        estimator._validate_params()


def _check_sizes(strategy, y):
    """Refuse a strategy of no whole numbers, on which imbalanced-learn stumbles without a name."""
    sizes = strategy(y) if callable(strategy) else strategy
    if callable(strategy) and not isinstance(sizes, dict):
        raise TypeError(f"sampling_strategy returned {sizes!r}. It must return a dict of sizes.")
    if isinstance(sizes, dict) and not all(isinstance(n, Integral) for n in sizes.values()):
        raise TypeError(f"sampling_strategy must ask for whole numbers of images, got {sizes!r}.")


def get_parameters(model):
    """The parameters of a generative model; none of an object that is no estimator."""
    return model.get_params(deep=False) if hasattr(model, "get_params") else {}


def seed_model(model, seed, *, unseeded):
    """Give `model` its `seed`, where it takes one; `unseeded` says that it was drawn anew."""
    params = get_parameters(model)
    if "random_state" in params:
        # A checkpoint of another seed is of another training: with one drawn anew in each process,
        # a killed training would begin again. Without, it goes on with the file's.
        goes_on = unseeded and params.get("checkpoint") is not None
        model.set_params(random_state=None if goes_on else seed)


def sample_like(estimator, X, n_samples, random_state):
    """Samples of a fitted generative model, as rows of the real images X of its class.

    Parameters
    ----------
    estimator : object
        Fitted, with `sample(n_samples)`; `random_state` is passed on if it takes one.
    X : ndarray of shape (n, ...)
        Real images: samples get their layout, dtype and range of values.
    n_samples : int
        How many.
    random_state : int, RandomState instance or None
        Seed of the samples.

    Returns
    -------
    samples : ndarray of shape (n_samples, ...)
    """
    seeded = "random_state" in signature(estimator.sample).parameters
    images = estimator.sample(n_samples, **({"random_state": random_state} if seeded else {}))
    if isinstance(images, tuple):  # scikit-learn's mixtures return (X, component)
        images = images[0]
    images = np.asarray(images).reshape(n_samples, *X.shape[1:])
    samples, low, high = np.empty(images.shape, X.dtype), X.min(), X.max()
    # In pieces: rounding goes through floats of up to eight times the size.
    for rows in gen_batches(n_samples, 1024):
        part = np.clip(images[rows], low, high)
        samples[rows] = np.rint(part) if X.dtype.kind in "biu" else part
    return samples


def check_samples(samples, sampler):
    """Refuse a dict of images by class, if it is one, that lacks a class `sampler` has grown."""
    if samples is not None and (missing := set(sampler.estimators_) - set(samples)):
        raise ValueError(
            f"samples has no images of {sorted(map(str, missing))}. Pass those of every class that "
            "the sampler has grown, or None."
        )


def to_dense(X):
    """`X` as an array where it is sparse, else as it is."""
    return X.toarray() if sparse.issparse(X) else X


def _stack(X, synthetic, n_rows):
    """`X` with the synthetic images behind it, `n_rows` in all, in X's own container."""
    if sparse.issparse(X):
        return sparse.vstack([X, *(type(X)(images) for images in synthetic)], format=X.format)
    stacked = np.empty((n_rows, *X.shape[1:]), X.dtype)
    stacked[: len(X)], end = X, len(X)
    # Class by class, as they come: what is in its place need not be kept beside it.
    for images in synthetic:
        stacked[end : end + len(images)] = images
        end += len(images)
    return stacked
