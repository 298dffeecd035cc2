"""ConditionalDCGANOversampler: synthetic images of all classes by one class-conditional GAN."""

import numpy as np
from sklearn.base import clone

from skcxr._base.parallel import limit_threads
from skcxr.gan._estimator import DCGAN
from skcxr.over_sampling._base import ImageOversampler, sample_like, to_dense


class ConditionalDCGANOversampler(ImageOversampler):
    """Over-sample images with one GAN of all classes, which share what their anatomy shares.

    How it works:

    - As with :class:`DCGANOversampler`, only `fit_resample` trains, originals come first, and
      synthetic images stay within the range of values of their class' real ones.
    - One GAN is trained on the images of all classes, also of those that do not grow. Its generator
      has a scale and a shift for each class in its normalisation, its discriminator an embedding of
      each class that is projected onto.
    - For one class, both are networks of the paper's tables, so that each class has a plain fitted
      DCGAN in the end.

    Parameters
    ----------
    estimator : DCGAN or None, default=None
        Its parameters are those of the training; ``max_epochs`` is that of the one GAN, whatever
        the number of classes. None is ``DCGAN()``.
    sampling_strategy : float, str, dict or callable, default="auto"
        Which classes grow, and how far, as :class:`DCGANOversampler` takes it.
    select : {"discriminator", "distinct"}, callable or None, default=None
        Which of more samples than are wanted to keep. None keeps what is drawn. A callable takes
        (:class:`skcxr.over_sampling.Candidates`, how many) and returns rows.
    candidates : int, default=4
        Samples to choose from for each one that is kept, where there is a `select`.
    random_state : int, RandomState instance or None, default=None
        Seed of training and samples. Pass an int for reproducible results.

    Attributes
    ----------
    estimators_ : dict
        A fitted DCGAN of each class that grew. All have the `history_` of the one training.
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
    DCGANOversampler : A GAN for each class.

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

    _parameter_constraints: dict = {
        **ImageOversampler._parameter_constraints,
        "estimator": [DCGAN, None],
    }

    def __init__(
        self,
        estimator=None,
        *,
        sampling_strategy="auto",
        select=None,
        candidates=4,
        random_state=None,
    ):
        super().__init__(sampling_strategy=sampling_strategy)
        self.estimator = estimator
        self.select = select
        self.candidates = candidates
        self.random_state = random_state

    def _images_of(self, gan, X, y, growing):
        if not growing:
            return
        self._seed_for_all(gan)
        classes, labels = np.unique(y, return_inverse=True)
        with limit_threads():
            gan._fit(to_dense(X), labels)
        for k, n_new, seed in growing:
            of_class = _of_class(gan, int(np.searchsorted(classes, k)))
            real = to_dense(X[np.flatnonzero(y == k)])
            with limit_threads():
                images = sample_like(of_class, real, n_new, seed)
            yield k, of_class, images


def _of_class(gan, index):
    """The plain fitted DCGAN that a conditional one is for a class."""
    plain = clone(gan)
    vars(plain).update(vars(gan))
    for name in ("generator_", "discriminator_"):
        network = getattr(gan, name).of_class(index)
        setattr(plain, name, network.eval().requires_grad_(False))
    return plain
