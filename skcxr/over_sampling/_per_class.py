"""DCGANOversampler: synthetic images of each class, in imbalanced-learn's pipelines."""

from __future__ import annotations

import copy
from numbers import Integral
from typing import TYPE_CHECKING, Literal

import numpy as np
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.parallel import Parallel, delayed

from skcxr._base.images import to_dense
from skcxr._base.parallel import choose_return_as, limit_threads, share_gpu, split_threads
from skcxr.over_sampling._base import (
    GenerativeOversampler,
    get_parameters,
    sample_like,
    seed_model,
)

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from skcxr._base.types import GenerativeModel, RandomState, Strategy
    from skcxr.over_sampling._selection import Selection


class DCGANOversampler(GenerativeOversampler):
    """Over-sampler of images with one generative model per class.

    How it works:

    - Only `fit_resample` trains, so in an imbalanced-learn pipeline under cross-validation no
      validation image ever reaches a GAN.
    - `estimator` is cloned and fitted once for each class that grows, in parallel if wanted, and
      sampled for the missing images. No model is trained for a class that does not grow.
    - The original rows come first and unchanged. Synthetic rows stay within the range of values
      of the class's real images.

    Parameters
    ----------
    estimator : object or None, default=None
        Generative model: any object with `fit(X)` and `sample(n_samples)`, such as
        :class:`sklearn.neighbors.KernelDensity`. None is ``DCGAN()``. Pass a model to reach its
        parameters, for example as ``estimator__max_epochs``. Its ``random_state``, if it has one,
        is set for each class.
    sampling_strategy : float, str, dict or callable, default="auto"
        Classes that grow, and their new sizes, in any of imbalanced-learn's forms:

        - ``"auto"``, ``"not majority"``: all classes to the size of the largest; ``"minority"``:
          only the smallest; ``"not minority"``, ``"all"``;
        - dict: new size of each class named;
        - callable: function of y that returns such a dict. :class:`skcxr.over_sampling.grow`
          enlarges every class;
        - float, for two classes: ratio of the minority's new size to the majority's.
    n_jobs : int or None, default=None
        Number of classes trained at once, by joblib. They share the threads or, with
        ``device="auto"``, the GPUs. None trains one class at a time on a CPU and all classes
        concurrently, in threads, on a GPU.
    pretrain : {"pooled"} or None, default=None
        Pretraining. "pooled" first trains one `estimator` on the images of all classes, also of
        those that do not grow. The model of each class continues from it with the class's own
        images for `fine_tune_epochs`. This needs an estimator with ``warm_start`` and
        ``max_epochs``. None trains each class from random weights.
    fine_tune_epochs : int or None, default=None
        Epochs per class after pretraining. None divides the estimator's ``max_epochs`` among the
        classes that grow, so that the whole costs as much as two trainings.
    select : {"discriminator", "distinct"}, callable or None, default=None
        Selection among more samples than are needed. A callable takes
        (:class:`skcxr.over_sampling.Candidates`, number of rows) and returns rows. None keeps the
        samples as they are drawn.
    candidates : int, default=4
        Number of samples to choose from for each one that is kept, if there is a `select`.
    random_state : int, RandomState instance or None, default=None
        Seeds of all classes are drawn from it. Pass an int for reproducible results.

    Attributes
    ----------
    estimators_ : dict
        Fitted clone of each class that grew.
    synthetic_mask_ : ndarray of shape (n_samples_new,), bool
        Mask of synthetic rows in the last result.
    sampling_strategy_ : dict
        Number of images that each class gains.
    n_features_in_ : int
        Size of the second axis of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, if X had string column names.

    See Also
    --------
    DCGAN : The default generative model.
    skcxr.over_sampling.grow : Strategy that enlarges every class.
    imblearn.over_sampling.RandomOverSampler : Duplicates of real images, the control.

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
        **GenerativeOversampler._parameter_constraints,
        "estimator": [HasMethods(["fit", "sample"]), None],
        "n_jobs": [Integral, None],
        "pretrain": [StrOptions({"pooled"}), None],
        "fine_tune_epochs": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        estimator: GenerativeModel | BaseEstimator | None = None,
        *,
        sampling_strategy: Strategy = "auto",
        n_jobs: int | None = None,
        pretrain: Literal["pooled"] | None = None,
        fine_tune_epochs: int | None = None,
        select: Selection | None = None,
        candidates: int = 4,
        random_state: RandomState | None = None,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy)
        self.estimator = estimator
        self.n_jobs = n_jobs
        self.pretrain = pretrain
        self.fine_tune_epochs = fine_tune_epochs
        self.select = select
        self.candidates = candidates
        self.random_state = random_state

    def _generate(self, estimator, X, y, growing):
        if self.pretrain and growing:
            self._pretrain(estimator, X, len(growing))
        device = getattr(estimator, "device", None) if self.n_jobs is None else None
        with share_gpu(device, len(growing)):
            n_jobs, n_threads = split_threads(self.n_jobs, len(growing))
            # dask's backend takes all its workers, whatever n_jobs is.
            options = {"backend": "sequential"} if n_jobs == 1 else {}
            return_as = choose_return_as("generator")
            parallel = Parallel(n_jobs=n_jobs, return_as=return_as, **options)
        # X is passed as a whole, and each worker takes its rows: joblib passes a memory map by the
        # name of its file. The estimator's copy keeps what pretraining has learned.
        return parallel(
            delayed(_fit_and_sample)(
                copy.deepcopy(estimator),
                X,
                np.flatnonzero(y == item.label),
                item,
                is_unseeded=self.random_state is None,
                n_threads=n_threads,
                position=i % n_jobs if n_threads else 0,
            )
            for i, item in enumerate(growing)
        )

    def _pretrain(self, estimator, X, n_growing):
        """Fit `estimator` on all images, so that each class continues from there."""
        params = get_parameters(estimator)
        if not {"warm_start", "max_epochs"} <= set(params):
            raise ValueError(
                f"pretrain={self.pretrain!r} needs an estimator with the parameters warm_start and "
                f"max_epochs, such as DCGAN(), got {estimator!r}. Pass one, or pretrain=None."
            )
        self._seed_pooled_model(estimator)
        with limit_threads():
            images = _match_dimensions(to_dense(X), estimator)
            estimator.set_params(warm_start=False).fit(images)
        epochs = self.fine_tune_epochs or max(1, params["max_epochs"] // n_growing)
        estimator.set_params(warm_start=True, max_epochs=epochs)


def _fit_and_sample(estimator, X, rows, item, *, is_unseeded, n_threads, position):
    """Return `estimator`, fitted on the `rows` of X of a GrowingClass, and its samples."""
    X = to_dense(X[rows])
    seed_model(estimator, item.seed, is_unseeded=is_unseeded)
    with limit_threads(n_threads, position):
        try:
            estimator.fit(_match_dimensions(X, estimator))
            images = sample_like(estimator, X, item.n_new, item.seed)
        except FloatingPointError as error:
            raise FloatingPointError(f"Class {item.label!r}: {error}") from error
        except ValueError as error:
            raise ValueError(f"Class {item.label!r}: {error}") from error
    return estimator, images


def _match_dimensions(X, estimator):
    """Return `X`, flattened to rows if `estimator`, by scikit-learn's tags, takes no images."""
    takes_images = (
        hasattr(estimator, "__sklearn_tags__") and get_tags(estimator).input_tags.three_d_array
    )
    return X if X.ndim == 2 or takes_images else X.reshape(len(X), -1)
