"""ConditionalDCGANOversampler: synthetic images of all classes from one conditional GAN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from skcxr._base.images import to_dense
from skcxr._base.parallel import limit_threads
from skcxr.gan import DCGAN
from skcxr.gan._fit import fit_dcgan
from skcxr.over_sampling._base import GenerativeOversampler, sample_like

if TYPE_CHECKING:
    from skcxr._base.types import RandomState, Strategy
    from skcxr.over_sampling._selection import Selection


class ConditionalDCGANOversampler(GenerativeOversampler):
    """Over-sampler of images with one class-conditional GAN for all classes.

    How it works:

    - As in :class:`DCGANOversampler`, only `fit_resample` trains, original rows come first, and
      synthetic images stay within the range of values of their class's real images.
    - One GAN is trained on the images of all classes, also of those that do not grow. Its generator
      has a scale and a shift per class in its normalisation, its discriminator projects onto an
      embedding of each class.
    - For one class, both are networks of the paper's tables, so that each class has a plain fitted
      DCGAN in the end.

    Parameters
    ----------
    estimator : DCGAN or None, default=None
        Parameters of the training. ``max_epochs`` is that of the one GAN, whatever the number of
        classes. None is ``DCGAN()``.
    sampling_strategy : float, str, dict or callable, default="auto"
        Classes that grow, and their new sizes, as in :class:`DCGANOversampler`.
    select : {"discriminator", "distinct"}, callable or None, default=None
        Selection among more samples than are needed. A callable takes
        (:class:`skcxr.over_sampling.Candidates`, number of rows) and returns rows. None keeps the
        samples as they are drawn.
    candidates : int, default=4
        Number of samples to choose from for each one that is kept, if there is a `select`.
    random_state : int, RandomState instance or None, default=None
        Seed of training and samples. Pass an int for reproducible results.

    Attributes
    ----------
    estimators_ : dict
        Fitted DCGAN of each class that grew. All have the `history_` of the one training.
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
    DCGANOversampler : One GAN per class.

    References
    ----------
    .. [1] Miyato and Koyama, "cGANs with Projection Discriminator", ICLR 2018.

    Examples
    --------
    >>> from skcxr import DCGAN, ConditionalDCGANOversampler
    >>> from skcxr.datasets import make_chest_phantoms
    >>> from skcxr.over_sampling import grow
    >>> phantoms = make_chest_phantoms(24, image_size=16, random_state=0)
    >>> gan = DCGAN(image_size=16, base_width=8, max_epochs=1)
    >>> sampler = ConditionalDCGANOversampler(gan, sampling_strategy=grow(2), random_state=0)
    >>> X, y = sampler.fit_resample(phantoms.data, phantoms.target)
    >>> X.shape, int(sampler.synthetic_mask_.sum())
    ((48, 256), 24)
    """

    estimators_: dict[Any, DCGAN]

    _parameter_constraints: dict = {
        **GenerativeOversampler._parameter_constraints,
        "estimator": [DCGAN, None],
    }

    def __init__(
        self,
        estimator: DCGAN | None = None,
        *,
        sampling_strategy: Strategy = "auto",
        select: Selection | None = None,
        candidates: int = 4,
        random_state: RandomState | None = None,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy)
        self.estimator = estimator
        self.select = select
        self.candidates = candidates
        self.random_state = random_state

    def _generate(self, gan, X, y, growing):
        if not growing:
            return
        self._seed_pooled_model(gan)
        classes, labels = np.unique(y, return_inverse=True)
        with limit_threads():
            fit_dcgan(gan, to_dense(X), labels)
        for item in growing:
            index = int(np.searchsorted(classes, item.label))
            of_class = _extract_class(gan, index)
            real = to_dense(X[np.flatnonzero(y == item.label)])
            with limit_threads():
                images = sample_like(of_class, real, item.n_new, item.seed)
            yield of_class, images


def _extract_class(gan, index):
    """Return the plain fitted DCGAN that a conditional one is for a class."""
    plain = clone(gan)
    vars(plain).update(vars(gan))
    for name in ("generator_", "discriminator_"):
        network = getattr(gan, name).extract_class(index)
        setattr(plain, name, network.eval().requires_grad_(False))
    return plain
