"""The training history of a GAN, as a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skcxr.displays._base import BLUE, GREEN, ORANGE, REFERENCE_LINE, DisplayMixin

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from typing_extensions import Self

    from skcxr.displays._base import ManyAxes
    from skcxr.gan import DCGAN

# Title of each panel, and its curves: column of the history, label, colour and line style.
PANELS = {
    "Loss": [
        ("loss_d", "Loss_D", BLUE, "-"),
        ("loss_g", "Loss_G", ORANGE, "--"),
    ],
    "Discriminator's output": [
        ("d_x", "D(x)", BLUE, "-"),
        ("d_g_z1", "D(G(z)) before D's update", ORANGE, "--"),
        ("d_g_z2", "D(G(z)) after", GREEN, ":"),
    ],
    "Kernel distance": [("kernel_distance", "kernel distance", BLUE, "o-")],
    "Frechet distance": [("frechet_distance", "Frechet distance", ORANGE, "s-")],
    "Inception score": [("inception_score", "inception score", GREEN, "^-")],
}


class TrainingHistoryDisplay(DisplayMixin):
    """Losses, discriminator outputs and monitored metrics over the epochs.

    Use :meth:`from_estimator` to create it.

    Parameters
    ----------
    history : pandas.DataFrame
        One row per epoch, like ``DCGAN.history_``.
    monitor : dict or None, default=None
        Context of the monitored metrics, like ``DCGAN.monitor_``. None means that nothing was
        monitored.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One per panel: losses, outputs, and each monitored metric. A dashed line shows the distance
        between two halves of the real images.
    figure_ : matplotlib Figure
        The figure that holds the axes.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> from skcxr import DCGAN
    >>> from skcxr.datasets import make_chest_phantoms
    >>> from skcxr.displays import TrainingHistoryDisplay
    >>> X = make_chest_phantoms(20, image_size=16, random_state=0).images
    >>> gan = DCGAN(image_size=16, base_width=8, max_epochs=2, random_state=0).fit(X)
    >>> [ax.get_ylabel() for ax in TrainingHistoryDisplay.from_estimator(gan).axes_]
    ['Loss', "Discriminator's output"]
    """

    axes_: NDArray[Any]
    figure_: Figure

    def __init__(self, *, history: pd.DataFrame, monitor: dict[str, Any] | None = None) -> None:
        self.history = history
        self.monitor = monitor

    @classmethod
    def from_estimator(cls, gan: DCGAN, *, ax: ManyAxes | None = None) -> Self:
        """Create the display from a fitted GAN.

        Parameters
        ----------
        gan : DCGAN
            A fitted GAN, such as one of the values of a sampler's ``estimators_``.
        ax : array-like of matplotlib Axes or None, default=None
            Axes to draw on, one per panel. None creates a figure.

        Returns
        -------
        display : TrainingHistoryDisplay
            The drawn display, with `axes_` and `figure_`.

        Raises
        ------
        ValueError
            If `gan` has no history of a GAN, or `ax` does not hold one axes per panel.
        """
        history = getattr(gan, "history_", None)
        if history is None or not len(history):
            raise ValueError(
                f"gan must have a history_, got {gan!r}. Pass a fitted DCGAN, such as one of the "
                "values of a fitted DCGANOversampler's estimators_."
            )
        if "loss_d" not in history:
            raise ValueError(
                f"gan must have the history_ of a GAN, got that of {type(gan).__name__}. Pass a "
                "fitted DCGAN. Of a classifier, draw history_.plot(x='epoch')."
            )
        return cls(history=history, monitor=getattr(gan, "monitor_", None)).plot(ax)

    def plot(self, ax: ManyAxes | None = None) -> Self:
        """Draw the panels.

        Parameters
        ----------
        ax : array-like of matplotlib Axes or None, default=None
            Axes to draw on, one per panel. None creates a figure.

        Returns
        -------
        display : TrainingHistoryDisplay
            The drawn display, with `axes_` and `figure_`.
        """
        panels = {
            title: curves
            for title, curves in PANELS.items()
            if any(column in self.history for column, *_ in curves)
        }
        axes = self._prepare_axes(
            ax,
            len(panels),
            per="panel",
            figsize=(3.5, 1.5 * len(panels) + 0.4),
            sharex=True,
        )
        for axis, (title, curves) in zip(axes, panels.items(), strict=True):
            self._draw_curves(axis, curves)
            axis.set_ylabel(title, fontsize=8)
            if title == "Discriminator's output":
                axis.set_ylim(0, 1)
        axes[-1].set_xlabel("Epoch", fontsize=8)
        axes[-1].locator_params(axis="x", integer=True)
        if self.monitor:
            context = "{extractor} features, d = {d}, {n_real} real, {n_fake} synthetic"
            floor = "; dashed: real vs. real" if self.monitor["floor"] else ""
            axes[-1].set_xlabel(f"Epoch\n{context.format(**self.monitor)}{floor}", fontsize=7)
        return self

    def _draw_curves(self, ax, curves):
        """Draw the curves of one panel."""
        floor = self.monitor["floor"] if self.monitor else {}
        for column, label, color, style in curves:
            # Monitored metrics are measured in some epochs only.
            measured = self.history[["epoch", column]].dropna()
            ax.plot(
                measured["epoch"],
                measured[column],
                style,
                color=color,
                label=label,
                linewidth=1.2,
                markersize=3,
            )
            if column in floor:
                ax.axhline(floor[column], **REFERENCE_LINE)
        ax.tick_params(labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
        if len(curves) > 1:
            # Above the panel, where it hides no curve.
            ax.legend(
                fontsize=7,
                frameon=False,
                loc="lower left",
                bbox_to_anchor=(0, 1),
                borderaxespad=0,
                ncols=len(curves),
                columnspacing=0.8,
                handlelength=1.6,
                handletextpad=0.4,
            )
