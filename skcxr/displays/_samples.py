"""Real images, synthetic images and their nearest real images, as a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import pairwise_distances_argmin

from skcxr._base.images import ImageSpec
from skcxr._base.validation import ravel_labels
from skcxr.displays._base import DisplayMixin, shorten_label
from skcxr.displays._image_grid import ImageGrid
from skcxr.over_sampling._base import check_classes, check_samples, sample_like

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike
    from typing_extensions import Self

    from skcxr._base.types import FittedSampler, ImagesByClass, RandomState


class SyntheticSamplesDisplay(DisplayMixin):
    """Real images, synthetic images and their nearest training images, per class.

    Use :meth:`from_estimator` to create it.

    Parameters
    ----------
    real, synthetic : dict of class to ndarray of shape (n, h, w)
        Gray images in [-1, 1], all of one size.
    nearest : dict of class to ndarray of shape (n, h, w) or None, default=None
        The training image nearest to each synthetic image. None leaves out their rows.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the images: two or three rows per class.
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

    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        *,
        real: ImagesByClass,
        synthetic: ImagesByClass,
        nearest: ImagesByClass | None = None,
    ) -> None:
        self.real = real
        self.synthetic = synthetic
        self.nearest = nearest

    @classmethod
    def from_estimator(
        cls,
        sampler: FittedSampler,
        X: ArrayLike,
        y: ArrayLike,
        *,
        samples: ImagesByClass | None = None,
        n_images: int = 8,
        nearest: bool = True,
        random_state: RandomState | None = 0,
        class_names: Mapping[Any, str] | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Create the display from the images of each class that `sampler` has grown.

        Parameters
        ----------
        sampler : DCGANOversampler
            A sampler after a call of `fit_resample`.
        X, y : ndarray
            Real images and their class labels.
        samples : dict or None, default=None
            Images to show per class, as rows like those of X: for example, the images that a
            sampler's `select` has kept. None draws new images from the models.
        n_images : int, default=8
            Number of images per row.
        nearest : bool, default=True
            Whether a third row shows, below each synthetic image, the nearest training image of
            the same class, by Euclidean distance between pixels. To measure copying, see
            :func:`skcxr.metrics.audit`.
        random_state : int, RandomState instance or None, default=0
            Seed of the synthetic images.
        class_names : dict or None, default=None
            Name to show for each class. None shows the class labels.
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None creates a figure.

        Returns
        -------
        display : SyntheticSamplesDisplay
            The drawn display, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If `sampler` has not grown any class, or `y` or `samples` lacks one of them.
        """
        if not getattr(sampler, "estimators_", None):
            raise ValueError(
                "sampler has not grown any class. Call fit_resample first, with a "
                "sampling_strategy that adds images."
            )
        check_samples(samples, sampler)
        X = np.asarray(X)
        y = ravel_labels(y, "y")
        check_classes(y, sampler)
        real = {}
        synthetic = {}
        neighbors = {}
        for k, estimator in sampler.estimators_.items():
            X_class = X[y == k]
            if samples is None:
                X_synthetic = sample_like(estimator, X_class, n_images, random_state)
            else:
                X_synthetic = np.asarray(samples[k])[:n_images]
            spec = ImageSpec.of(X_class, getattr(estimator, "image_shape", None))
            images = _convert_to_gray(spec, X_class)
            real[k] = images[:n_images]
            synthetic[k] = _convert_to_gray(spec, X_synthetic)
            neighbors[k] = images[_find_nearest(synthetic[k], images)]
        display = cls(real=real, synthetic=synthetic, nearest=neighbors if nearest else None)
        return display.plot(ax=ax, class_names=class_names)

    def plot(self, ax: Axes | None = None, *, class_names: Mapping[Any, str] | None = None) -> Self:
        """Draw the images.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None creates a figure.
        class_names : dict or None, default=None
            Name to show for each class. None shows the class labels.

        Returns
        -------
        display : SyntheticSamplesDisplay
            The drawn display, with `ax_` and `figure_`.
        """
        if class_names is not None:
            missing = [k for k in self.real if k not in class_names]
            if missing:
                raise ValueError(
                    f"class_names has no names of {missing}, but of {list(class_names)}. Pass a "
                    "dict with the name of every class."
                )
        parts = {"real": self.real, "synthetic": self.synthetic}
        if self.nearest is not None:
            parts["nearest real"] = self.nearest
        rows = []
        labels = []
        for k in self.real:
            name = k if class_names is None else class_names[k]
            for part, images in parts.items():
                rows.append(images[k])
                labels.append(f"{shorten_label(name)}\n{part}")
        grid = ImageGrid(rows)
        # 1.05 inches per row.
        size = 1.05 * np.array(grid.picture.shape[::-1]) / grid.row_step
        ax = self._prepare_ax(ax, figsize=size)
        grid.draw(ax, labels)
        for label in ax.get_yticklabels()[1 :: len(parts)]:
            label.set_weight("bold")
        return self


def _convert_to_gray(spec, X):
    """Return images as an array of shape (n, h, w) in [-1, 1]."""
    return spec.to_tensor(X).mean(1).numpy()


def _find_nearest(queries, images):
    """Return, for each query, the index of the nearest image, by Euclidean distance."""
    return pairwise_distances_argmin(
        queries.reshape(len(queries), -1), images.reshape(len(images), -1)
    )
