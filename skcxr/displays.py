"""Figures, as scikit-learn's Display objects."""

import numpy as np

from skcxr.images import ImageSpec
from skcxr.over_sampling import sample_like


class SyntheticSamplesDisplay:
    """Real images of each class over synthetic ones.

    Use :meth:`from_estimator` to create it.

    Parameters
    ----------
    real, synthetic : dict of class to ndarray of shape (n, h, w)
        Gray images in [-1, 1], all of one size.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes that hold the images: two rows a class, real over synthetic.
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
    ['0\\nreal', '0\\nsynthetic']
    """

    def __init__(self, *, real, synthetic):
        self.real = real
        self.synthetic = synthetic

    @classmethod
    def from_estimator(
        cls, sampler, X, y, *, n_images=8, random_state=0, class_names=None, ax=None
    ):
        """Show images of each class that `sampler` has grown beside what it grew from.

        Parameters
        ----------
        sampler : DCGANOversampler
            One that `fit_resample` was called on.
        X, y : ndarray
            Real images, and their classes as labels.
        n_images : int, default=8
            Images in a row.
        random_state : int, RandomState instance or None, default=0
            Seed of the synthetic images.
        class_names : dict or None, default=None
            What to call each class; None takes the class itself.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : SyntheticSamplesDisplay

        Raises
        ------
        ValueError
            If `sampler` has grown no class.
        """
        if not getattr(sampler, "estimators_", None):
            raise ValueError(
                "sampler has grown no class. Call fit_resample first, with a sampling_strategy "
                "that asks for new images."
            )
        X, y = np.asarray(X), np.asarray(y)
        real, synthetic = {}, {}
        for k, estimator in sampler.estimators_.items():
            of_class = X[y == k]
            spec = ImageSpec.of(of_class, getattr(estimator, "image_shape", None))
            samples = sample_like(estimator, of_class, n_images, random_state)
            real[k] = spec.to_tensor(of_class[:n_images]).mean(1).numpy()
            synthetic[k] = spec.to_tensor(samples).mean(1).numpy()
        return cls(real=real, synthetic=synthetic).plot(ax=ax, class_names=class_names)

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
        """
        import matplotlib.pyplot as plt

        rows, labels = [], []
        for k in self.real:
            name = k if class_names is None else class_names[k]
            rows += [self.real[k], self.synthetic[k]]
            labels += [f"{name}\nreal", f"{name}\nsynthetic"]
        height = rows[0].shape[1]
        mosaic, gap = _mosaic(rows), _gap(height)
        if ax is None:
            size = 1.05 * np.array([mosaic.shape[1], mosaic.shape[0]]) / (height + gap)
            _, ax = plt.subplots(figsize=size)
        ax.imshow(mosaic, cmap="gray", vmin=-1, vmax=1)
        centres = np.arange(len(rows)) * (height + gap) + (height - 1) / 2
        ax.set_yticks(centres, labels)
        for label in ax.get_yticklabels()[1::2]:
            label.set_weight("bold")
        ax.set_xticks([])
        ax.tick_params(left=False)
        ax.spines[:].set_visible(False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _gap(height):
    """Pixels between images."""
    return max(1, height // 32)


def _mosaic(rows):
    """The images of each row side by side on white."""
    height, width = rows[0].shape[1:]
    down, across = height + _gap(height), width + _gap(height)
    n_columns = max(len(images) for images in rows)
    mosaic = np.ones((len(rows) * down - _gap(height), n_columns * across - _gap(height)))
    for i, images in enumerate(rows):
        for j, image in enumerate(images):
            mosaic[i * down : i * down + height, j * across : j * across + width] = image
    return mosaic
