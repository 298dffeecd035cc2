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
        Gray images in [-1, 1].

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure that holds the images.
    axes_ : ndarray of matplotlib Axes
        Two rows a class, real over synthetic.

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
    >>> display.axes_.shape
    (2, 3)
    """

    def __init__(self, *, real, synthetic):
        self.real = real
        self.synthetic = synthetic

    @classmethod
    def from_estimator(cls, sampler, X, y, *, n_images=8, random_state=0, **plot_options):
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
        **plot_options
            Passed to :meth:`plot`.

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
        return cls(real=real, synthetic=synthetic).plot(**plot_options)

    def plot(self, *, class_names=None):
        """Draw the figure.

        Parameters
        ----------
        class_names : dict or None, default=None
            What to call each class; None takes the class itself.

        Returns
        -------
        self : SyntheticSamplesDisplay
        """
        import matplotlib.pyplot as plt

        n_columns = max(len(images) for images in self.synthetic.values())
        n_rows = 2 * len(self.real)
        self.figure_, self.axes_ = plt.subplots(
            n_rows,
            n_columns,
            figsize=(n_columns, n_rows),
            squeeze=False,
            gridspec_kw={"hspace": 0.03, "wspace": 0.03},
        )
        for pair, k in zip(self.axes_.reshape(-1, 2, n_columns), self.real, strict=True):
            for axes, kind, images in zip(
                pair, ("real", "synthetic"), (self.real[k], self.synthetic[k]), strict=True
            ):
                for ax in axes:
                    ax.set_axis_off()
                for ax, image in zip(axes, images, strict=False):
                    ax.imshow(image, cmap="gray", vmin=-1, vmax=1)
                name = k if class_names is None else class_names[k]
                axes[0].text(
                    -0.08,
                    0.5,
                    f"{name}\n{kind}",
                    transform=axes[0].transAxes,
                    ha="right",
                    va="center",
                    weight="bold" if kind == "synthetic" else "normal",
                )
        return self
