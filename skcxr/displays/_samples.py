"""Real images, synthetic ones, and the real ones that these are nearest to."""

import numpy as np
from sklearn.metrics import pairwise_distances_argmin

from skcxr._base.images import ImageSpec
from skcxr.displays._mosaic import draw_rows
from skcxr.over_sampling._base import check_samples, sample_like


class SyntheticSamplesDisplay:
    """Real images of each class over synthetic ones, and each one's nearest training image.

    Use :meth:`from_estimator` to create it.

    Parameters
    ----------
    real, synthetic : dict of class to ndarray of shape (n, h, w)
        Gray images in [-1, 1], all of one size.
    nearest : dict of class to ndarray of shape (n, h, w) or None, default=None
        The training image that each synthetic one is nearest to.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes that hold the images: two or three rows a class.
    figure_ : matplotlib Figure
        The figure that holds the axes.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> from skcxr import DCGAN, DCGANOversampler
    >>> from skcxr.datasets import make_chest_phantoms
    >>> from skcxr.displays import SyntheticSamplesDisplay
    >>> phantoms = make_chest_phantoms(24, image_size=16, random_state=0)
    >>> gan = DCGAN(image_size=16, base_width=8, max_epochs=1)
    >>> sampler = DCGANOversampler(gan, sampling_strategy={0: 9}, random_state=0)
    >>> _ = sampler.fit_resample(phantoms.images, phantoms.target)
    >>> display = SyntheticSamplesDisplay.from_estimator(
    ...     sampler, phantoms.images, phantoms.target, n_images=3
    ... )
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['0\\nreal', '0\\nsynthetic', '0\\nnearest real']
    """

    def __init__(self, *, real, synthetic, nearest=None):
        self.real = real
        self.synthetic = synthetic
        self.nearest = nearest

    @classmethod
    def from_estimator(
        cls,
        sampler,
        X,
        y,
        *,
        samples=None,
        n_images=8,
        nearest=True,
        random_state=0,
        class_names=None,
        ax=None,
    ):
        """Show images of each class that `sampler` has grown beside what it grew from.

        Parameters
        ----------
        sampler : DCGANOversampler
            One that `fit_resample` was called on.
        X, y : ndarray
            Real images, and their classes as labels.
        samples : dict or None, default=None
            The images to show of each class, as rows like X's: those that a sampler's `select` has
            kept, say. None draws new ones from the models.
        n_images : int, default=8
            Images in a row.
        nearest : bool, default=True
            Whether a third row shows the training image of the class that each synthetic one is
            nearest to, by Euclidean distance of pixels. For figures on copying see
            :func:`skcxr.metrics.audit`.
        random_state : int, RandomState instance or None, default=0
            Seed of the synthetic images.
        class_names : dict or None, default=None
            What to call each class; None takes the class itself.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : SyntheticSamplesDisplay
            Drawn, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If `sampler` has grown no class, or `samples` lacks one.
        """
        if not getattr(sampler, "estimators_", None):
            raise ValueError(
                "sampler has grown no class. Call fit_resample first, with a sampling_strategy "
                "that asks for new images."
            )
        check_samples(samples, sampler)
        X, y = np.asarray(X), np.asarray(y)
        real, synthetic, neighbours = {}, {}, {}
        for k, estimator in sampler.estimators_.items():
            of_class = X[y == k]
            spec = ImageSpec.of(of_class, getattr(estimator, "image_shape", None))
            if samples is None:
                fake = sample_like(estimator, of_class, n_images, random_state)
            else:
                fake = np.asarray(samples[k])[:n_images]
            images, synthetic[k] = (spec.to_tensor(x).mean(1).numpy() for x in (of_class, fake))
            real[k] = images[:n_images]
            rows = pairwise_distances_argmin(
                *(x.reshape(len(x), -1) for x in (synthetic[k], images))
            )
            neighbours[k] = images[rows]
        display = cls(real=real, synthetic=synthetic, nearest=neighbours if nearest else None)
        return display.plot(ax=ax, class_names=class_names)

    def plot(self, ax=None, *, class_names=None):
        """Draw the images.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        class_names : dict or None, default=None
            What to call each class; None takes the class itself.

        Returns
        -------
        display : SyntheticSamplesDisplay
            Drawn, with `ax_` and `figure_`.
        """
        rows, labels, parts = [], [], {"real": self.real, "synthetic": self.synthetic}
        if self.nearest is not None:
            parts["nearest real"] = self.nearest
        for k in self.real:
            name = k if class_names is None else class_names[k]
            rows += [images[k] for images in parts.values()]
            labels += [f"{name}\n{part}" for part in parts]
        self.ax_ = draw_rows(rows, labels, ax)
        for label in self.ax_.get_yticklabels()[1 :: len(parts)]:
            label.set_weight("bold")
        self.figure_ = self.ax_.figure
        return self
