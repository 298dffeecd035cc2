"""The result of a data check, as a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skcxr.displays._base import BLUE, ORANGE, DisplayMixin, shorten_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from typing_extensions import Self

    from skcxr.evaluation import DataCheck


class DataCheckDisplay(DisplayMixin):
    """Balanced accuracy of each part of the data, for all classes and for each of them.

    Parts that show no anatomy are above the line, and alarms among them have a frame. Below the
    line are parts that show anatomy, for comparison. Colours show how far an accuracy is from
    chance (white) to 1.

    Use :meth:`from_result` to create it.

    Parameters
    ----------
    result : DataCheck
        The check, as :func:`skcxr.evaluation.check_data` returns it.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with one row per part and one column per class.
    figure_ : matplotlib Figure
        The figure that holds the axes.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> from skcxr.datasets import make_chest_phantoms
    >>> from skcxr.displays import DataCheckDisplay
    >>> from skcxr.evaluation import check_data
    >>> phantoms = make_chest_phantoms(40, image_size=16, random_state=0)
    >>> check = check_data(phantoms.images, phantoms.target, random_state=0)
    >>> labels = DataCheckDisplay.from_result(check).ax_.get_yticklabels()
    >>> labels[0].get_text()
    'image frame'
    """

    ax_: Axes
    figure_: Figure

    def __init__(self, *, result: DataCheck) -> None:
        self.result = result

    @classmethod
    def from_result(cls, result: DataCheck, *, ax: Axes | None = None) -> Self:
        """Create the display from the result of a data check.

        Parameters
        ----------
        result : DataCheck
            The check, as :func:`skcxr.evaluation.check_data` returns it.
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None creates a figure.

        Returns
        -------
        display : DataCheckDisplay
            The drawn display, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If the check has no test for shortcuts, as for a single class.
        """
        if result.table.empty:
            raise ValueError(
                f"result has no test for shortcuts to draw. {result.limitation} Check at least two "
                "classes."
            )
        return cls(result=result).plot(ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the balanced accuracies.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None creates a figure.

        Returns
        -------
        display : DataCheckDisplay
            The drawn display, with `ax_` and `figure_`.
        """
        from matplotlib.colors import LinearSegmentedColormap
        from matplotlib.patches import Rectangle

        table = self.result.table
        parts = table["part"].unique()
        classes = table["class"].unique()
        columns = {
            name: table.pivot(index="part", columns="class", values=name)
            .loc[parts, classes]
            .to_numpy()
            for name in ("balanced_accuracy", "chance", "alarm")
        }
        accuracies = columns["balanced_accuracy"]
        above_chance = (accuracies - columns["chance"]) / (1 - columns["chance"])
        ax = self._prepare_ax(ax, figsize=(1.9 + 0.75 * len(classes), 1.1 + 0.28 * len(parts)))
        colors = LinearSegmentedColormap.from_list("chance", ["white", BLUE])
        ax.imshow(above_chance, cmap=colors, vmin=0, vmax=1, aspect="auto")
        for row, column in np.ndindex(accuracies.shape):
            ax.text(
                column,
                row,
                f"{accuracies[row, column]:.2f}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if above_chance[row, column] > 0.6 else "black",
                weight="bold" if columns["alarm"][row, column] else "normal",
            )
        for row, column in np.argwhere(columns["alarm"].astype(bool)):
            frame = Rectangle((column - 0.46, row - 0.44), 0.92, 0.88, fill=False)
            frame.set(edgecolor=ORANGE, linewidth=1.5)
            ax.add_patch(frame)
        n_tests = table.loc[table["kind"] == "test", "part"].nunique()
        ax.axhline(n_tests - 0.5, color="black", linewidth=1)
        ax.set_yticks(range(len(parts)), parts, fontsize=8)
        labels = [shorten_label(name, 16) for name in classes]
        # Long names would overlap side by side.
        is_long = max(map(len, labels)) > 11
        turn = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if is_long else {}
        ax.set_xticks(range(len(classes)), labels, fontsize=8, **turn)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set_title(_describe_alarms(table), fontsize=9)
        return self


def _describe_alarms(table):
    """Return a title that says what the frames mean."""
    if table["alarm"].any():
        return "Balanced accuracy (framed: alarm)"
    return "Balanced accuracy (no alarm)"
