"""DCGANOversampler: synthetic images of each class, inside imbalanced-learn's pipelines."""

import copy
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.parallel import Parallel, delayed

from skcxr._base.parallel import choose_return_as, limit_threads, share_gpu, split_threads
from skcxr.over_sampling._base import (
    ImageOversampler,
    get_parameters,
    sample_like,
    seed_model,
    to_dense,
)


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


class DCGANOversampler(ImageOversampler):
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
        GPUs. None is one, but on a GPU all, in threads. ``docs/scale.md`` has clusters, and what
        the result depends on.
    pretrain : {"pooled"} or None, default=None
        "pooled" first trains one `estimator` on the images of all classes, also of those that do
        not grow; each class' model goes on from it with the class' own images for
        `fine_tune_epochs`. It needs an estimator with ``warm_start`` and ``max_epochs``.
    fine_tune_epochs : int or None, default=None
        Epochs of a class after pretraining. None divides the estimator's ``max_epochs`` among the
        classes that grow, so that all of it costs as much as two trainings, however many there are.
    select : {"discriminator", "distinct"}, callable or None, default=None
        Which of more samples than are wanted to keep. None keeps what is drawn. A callable takes
        (:class:`skcxr.over_sampling.Candidates`, how many) and returns rows.
    candidates : int, default=4
        Samples to choose from for each one that is kept, where there is a `select`.
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
        **ImageOversampler._parameter_constraints,
        "estimator": [HasMethods(["fit", "sample"]), None],
        "n_jobs": [Integral, None],
        "pretrain": [StrOptions({"pooled"}), None],
        "fine_tune_epochs": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        estimator=None,
        *,
        sampling_strategy="auto",
        n_jobs=None,
        pretrain=None,
        fine_tune_epochs=None,
        select=None,
        candidates=4,
        random_state=None,
    ):
        super().__init__(sampling_strategy=sampling_strategy)
        self.estimator = estimator
        self.n_jobs = n_jobs
        self.pretrain = pretrain
        self.fine_tune_epochs = fine_tune_epochs
        self.select = select
        self.candidates = candidates
        self.random_state = random_state

    def _images_of(self, estimator, X, y, growing):
        if self.pretrain and growing:
            self._pretrain(estimator, X, len(growing))
        device = getattr(estimator, "device", None) if self.n_jobs is None else None
        with share_gpu(device, len(growing)):
            n_jobs, n_threads = split_threads(self.n_jobs, len(growing))
            # dask's backend takes all its workers, whatever n_jobs is.
            in_turn = {"backend": "sequential"} if n_jobs == 1 else {}
            parallel = Parallel(n_jobs=n_jobs, return_as=choose_return_as("generator"), **in_turn)
        results = parallel(
            # X whole, and each worker takes its rows: joblib passes a memory map by its file's
            # name.
            delayed(_fit_sample)(
                # With what it has learned, if it was pretrained.
                copy.deepcopy(estimator),
                X,
                np.flatnonzero(y == k),
                k,
                n_new,
                seed,
                unseeded=self.random_state is None,
                n_threads=n_threads,
                position=i % n_jobs if n_threads else 0,
            )
            for i, (k, n_new, seed) in enumerate(growing)
        )
        for (k, *_), (fitted, images) in zip(growing, results, strict=True):
            yield k, fitted, images

    def _pretrain(self, estimator, X, n_growing):
        """Fit `estimator` on all images, and let it go on from there on a class'."""
        params = get_parameters(estimator)
        if not {"warm_start", "max_epochs"} <= set(params):
            raise ValueError(
                f"pretrain={self.pretrain!r} needs an estimator with the parameters warm_start and "
                f"max_epochs, such as DCGAN(), got {estimator!r}. Pass one, or pretrain=None."
            )
        self._seed_for_all(estimator)
        with limit_threads():
            estimator.set_params(warm_start=False).fit(_as_taken(to_dense(X), estimator))
        epochs = self.fine_tune_epochs or max(1, params["max_epochs"] // n_growing)
        estimator.set_params(warm_start=True, max_epochs=epochs)


def _fit_sample(estimator, X, rows, k, n_new, seed, *, unseeded, n_threads, position):
    """Fit `estimator` on the `rows` of X, class `k`; return it and `n_new` of its samples."""
    X = to_dense(X[rows])
    seed_model(estimator, seed, unseeded=unseeded)
    with limit_threads(n_threads, position):
        try:
            estimator.fit(_as_taken(X, estimator))
        except FloatingPointError as error:
            raise FloatingPointError(f"Class {k!r}: {error}") from error
        return estimator, sample_like(estimator, X, n_new, seed)


def _as_taken(X, estimator):
    """`X` as it is, or as rows if `estimator`, by scikit-learn's tags, takes no more dimensions."""
    takes_images = (
        hasattr(estimator, "__sklearn_tags__") and get_tags(estimator).input_tags.three_d_array
    )
    return X if X.ndim == 2 or takes_images else X.reshape(len(X), -1)
