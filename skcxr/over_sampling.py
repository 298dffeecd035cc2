"""DCGANOversampler: synthetic images of each class, inside imbalanced-learn's pipelines."""

from dataclasses import dataclass
from inspect import signature
from numbers import Integral, Real

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_target_type
from scipy import sparse
from sklearn.base import clone
from sklearn.utils import check_random_state, gen_batches, get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import validate_data

from skcxr.gan import DCGAN
from skcxr.labels import check_labels
from skcxr.notebook import Documented
from skcxr.parallel import as_they_come, divided, one_fit
from skcxr.persistence import Persistent


@dataclass(frozen=True)
class grow:
    """Sampling strategy: every class grows to `factor` times its size.

    imbalanced-learn's own strategies only level classes up to the largest. The paper enlarges all
    four, and so does this.

    Parameters
    ----------
    factor : float
        Ratio of the new size to the old one, at least 1; 2 adds as many synthetic images as there
        are real ones. Sizes are rounded to whole images.

    Raises
    ------
    ValueError
        If `factor` is no number of at least 1.

    Examples
    --------
    >>> from skcxr.over_sampling import grow
    >>> grow(1.5)(["covid"] * 4 + ["normal"] * 10)
    {'covid': 6, 'normal': 15}
    """

    factor: float

    def __post_init__(self):
        if not isinstance(self.factor, Real) or not 1 <= self.factor < np.inf:
            raise ValueError(
                f"factor must be a finite number >= 1, got {self.factor!r}. "
                "2 doubles each class, 1 leaves it as it is."
            )

    def __call__(self, y):
        """Wished size of each class of `y`, as a dict."""
        classes, counts = np.unique(np.asarray(y), return_counts=True)
        sizes = np.rint(counts * self.factor).astype(int)
        return dict(zip(classes.tolist(), sizes.tolist(), strict=True))


class DCGANOversampler(Documented, Persistent, BaseOverSampler):
    """Over-sample images with one generative model a class.

    How it works:

    - Only `fit_resample` trains, so in an imbalanced-learn pipeline under cross-validation no
      validation image ever reaches a GAN.
    - `estimator` is cloned and fitted once for each class that is to grow, in parallel if wanted,
      and sampled for the missing images. A class that asks for none trains nothing.
    - The original rows come first and unchanged; synthetic ones stay within the range of values
      that the class' real images hold.

    Parameters
    ----------
    estimator : object or None, default=None
        Anything with `fit(X)` and `sample(n_samples)`, such as
        :class:`sklearn.neighbors.KernelDensity`. None is ``DCGAN()``; pass one to reach its
        parameters as ``estimator__max_epochs`` and the like. Its ``random_state``, where it has
        one, is set for each class.
    sampling_strategy : float, str, dict or callable, default="auto"
        Which classes grow, and how far, in any of imbalanced-learn's forms:

        - ``"auto"``, ``"not majority"``: all to the size of the largest; ``"minority"``: only the
          smallest; ``"not minority"``, ``"all"``;
        - dict: wished size of each class named;
        - callable: from y to such a dict. :class:`skcxr.over_sampling.grow` enlarges every class;
        - float, for two classes: ratio of the minority's new size to the majority's.
    n_jobs : int or None, default=None
        Classes trained at once, by joblib, which share the threads or, with ``device="auto"``, the
        GPUs. ``docs/scale.md`` has clusters, and what the result depends on.
    random_state : int, RandomState instance or None, default=None
        Seeds of all classes are drawn from it. Pass an int for reproducible results.

    Attributes
    ----------
    estimators_ : dict
        The fitted clone of each class that grew.
    synthetic_mask_ : ndarray of shape (n_samples_new,), bool
        Which rows of the last result are synthetic.
    sampling_strategy_ : dict
        How many images each class was to gain.
    n_features_in_ : int
        Size of the second axis of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, when X had string column names.

    See Also
    --------
    DCGAN : The default generative model.
    skcxr.over_sampling.grow : Strategy that enlarges every class.
    imblearn.over_sampling.RandomOverSampler : Duplicates of real images, the control to beat.

    References
    ----------
    .. [1] Davoodi and Lo Giudice, "Synthetic of Chest X-ray Images".

    Examples
    --------
    >>> from skcxr import DCGAN, DCGANOversampler
    >>> from skcxr.datasets import make_chest_phantoms
    >>> from skcxr.over_sampling import grow
    >>> phantoms = make_chest_phantoms(24, image_size=16, random_state=0)
    >>> gan = DCGAN(image_size=16, base_width=8, max_epochs=1)
    >>> sampler = DCGANOversampler(gan, sampling_strategy=grow(2), random_state=0)
    >>> X, y = sampler.fit_resample(phantoms.data, phantoms.target)
    >>> X.shape, X.dtype, int(sampler.synthetic_mask_.sum())
    ((48, 256), dtype('uint8'), 24)
    """

    _parameter_constraints: dict = {
        **BaseOverSampler._parameter_constraints,
        "estimator": [HasMethods(["fit", "sample"]), None],
        "n_jobs": [Integral, None],
    }

    def __init__(self, estimator=None, *, sampling_strategy="auto", n_jobs=None, random_state=None):
        super().__init__(sampling_strategy=sampling_strategy)
        self.estimator = estimator
        self.n_jobs = n_jobs
        self.random_state = random_state

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
        # Before imbalanced-learn's own look, which fails on mixed types without naming them.
        check_labels(y, "y")
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
        # A seed for every class, grown or not: one class' images do not hang on another's growth.
        seeds = check_random_state(self.random_state).randint(
            np.iinfo(np.int32).max, size=len(classes)
        )
        growing = [(k, n, seed) for (k, n), seed in zip(wanted.items(), seeds, strict=True) if n]
        estimator = DCGAN() if self.estimator is None else self.estimator
        n_jobs, n_threads = divided(self.n_jobs, len(growing))
        # dask's backend takes all its workers, whatever n_jobs is.
        in_turn = {"backend": "sequential"} if n_jobs == 1 else {}
        results = Parallel(n_jobs=n_jobs, return_as=as_they_come("generator"), **in_turn)(
            # X whole, and each worker takes its rows: joblib passes a memory map by its file's
            # name. safe=False copies an object that is no scikit-learn estimator.
            delayed(_fit_sample)(
                clone(estimator, safe=False),
                X,
                np.flatnonzero(y == k),
                k,
                n_new,
                int(seed),
                n_threads=n_threads,
                position=i % n_jobs if n_threads else 0,
            )
            for i, (k, n_new, seed) in enumerate(growing)
        )
        fitted = {}

        def synthetic():
            for (k, *_), (estimator, images) in zip(growing, results, strict=True):
                fitted[k] = estimator
                yield images

        labels = np.concatenate([y, *(np.full(n, k, dtype=y.dtype) for k, n, _ in growing)])
        X_new = _stack(X, synthetic(), len(labels))
        self.estimators_ = fitted
        self.synthetic_mask_ = np.arange(len(labels)) >= len(y)
        return X_new, labels

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _check_sizes(strategy, y):
    """Refuse a strategy of no whole numbers, on which imbalanced-learn stumbles without a name."""
    sizes = strategy(y) if callable(strategy) else strategy
    if callable(strategy) and not isinstance(sizes, dict):
        raise TypeError(f"sampling_strategy returned {sizes!r}. It must return a dict of sizes.")
    if isinstance(sizes, dict) and not all(isinstance(n, Integral) for n in sizes.values()):
        raise TypeError(f"sampling_strategy must ask for whole numbers of images, got {sizes!r}.")


def _fit_sample(estimator, X, rows, k, n_new, seed, *, n_threads, position):
    """Fit `estimator` on the `rows` of X, class `k`; return it and `n_new` of its samples."""
    X = dense(X[rows])
    if hasattr(estimator, "get_params") and "random_state" in estimator.get_params(deep=False):
        estimator.set_params(random_state=seed)
    flat = X.ndim > 2 and not _takes_images(estimator)
    with one_fit(n_threads, position):
        try:
            estimator.fit(X.reshape(len(X), -1) if flat else X)
        except FloatingPointError as error:
            raise FloatingPointError(f"Class {k!r}: {error}") from error
        return estimator, sample_like(estimator, X, n_new, seed)


def _takes_images(estimator):
    """Whether `estimator` takes X of three dimensions, or rows alone, by scikit-learn's tags."""
    if not hasattr(estimator, "__sklearn_tags__"):
        return False
    return get_tags(estimator).input_tags.three_d_array


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


def dense(X):
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
