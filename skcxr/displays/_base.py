"""What the displays share: axes, colours and the layout of interval charts."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

# Text, since only type checkers read it.
ManyAxes: TypeAlias = "Sequence[Axes] | NDArray[Any]"

# Okabe and Ito's palette, which remains distinguishable with colour blindness.
BLUE = "#0072B2"
ORANGE = "#D55E00"
GREEN = "#009E73"

REFERENCE_LINE = {"color": "0.4", "linewidth": 0.8, "linestyle": "--"}


class DisplayMixin:
    """Mixin for displays: creates the axes, or checks those given, and stores them."""

    def _prepare_ax(self, ax, *, figsize):
        """Set `ax_` and `figure_`, and return the axes.

        Parameters
        ----------
        ax : matplotlib Axes or None
            None creates a figure.
        figsize : tuple of float
            Size of a new figure in inches.

        Returns
        -------
        ax : matplotlib Axes
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=figsize, layout="constrained")
        self.ax_ = ax
        self.figure_ = ax.figure
        return ax

    def _prepare_axes(self, ax, n_axes, *, per, n_columns=1, **options):
        """Set `axes_` and `figure_`, and return the axes.

        Parameters
        ----------
        ax : array-like of matplotlib Axes or None
            None creates a figure.
        n_axes : int
            Number of axes that the display draws on.
        per : str
            What each of the axes shows, for the error message.
        n_columns : int, default=1
            Number of columns of axes in a new figure.
        **options
            Arguments of :func:`matplotlib.pyplot.subplots` for a new figure.

        Returns
        -------
        axes : ndarray of matplotlib Axes of shape (n_axes,)

        Raises
        ------
        ValueError
            If `ax` does not hold `n_axes` axes.
        """
        import matplotlib.pyplot as plt

        if ax is None:
            n_rows = -(-n_axes // n_columns)
            _, grid = plt.subplots(
                n_rows, n_columns, squeeze=False, layout="constrained", **options
            )
            for unused in grid.flat[n_axes:]:
                unused.remove()
            ax = grid.flat[:n_axes]
        axes = np.ravel(ax)
        if len(axes) != n_axes:
            raise ValueError(f"ax must hold {n_axes} axes, one per {per}, got {len(axes)}.")
        self.axes_ = axes
        self.figure_ = axes[0].figure
        return axes


def shorten_label(name, width=24):
    """Return the name of a class as text, without its middle if that would fill the figure."""
    text = str(name)
    half = (width - 1) // 2
    return text if len(text) <= width else f"{text[:half]}\N{HORIZONTAL ELLIPSIS}{text[-half:]}"


def style_interval_chart(ax, labels, *, reference, xlabel):
    """Lay out a chart of one labelled interval per row, with a dashed line at `reference`."""
    ax.axvline(reference, **REFERENCE_LINE)
    ax.set_yticks(range(len(labels)), labels, fontsize=8)
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.set_xlabel(xlabel, fontsize=8)
    ax.tick_params(axis="x", labelsize=8)
    ax.tick_params(left=False)
    ax.spines[["top", "right", "left"]].set_visible(False)
