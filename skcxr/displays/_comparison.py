"""The results of a comparison of arms, as figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay

from skcxr.displays._base import (
    BLUE,
    ORANGE,
    DisplayMixin,
    shorten_label,
    style_interval_chart,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from typing_extensions import Self

    from skcxr.displays._base import ManyAxes
    from skcxr.evaluation import Comparison


class ComparisonDisplay(DisplayMixin):
    """Paired difference of each arm from the baseline: folds, mean and 95 % interval.

    Use :meth:`from_comparison` to create it.

    Parameters
    ----------
    differences : DataFrame
        One row per arm with ``arm``, ``difference``, ``low`` and ``high``.
    folds : dict of str to ndarray of shape (n_folds,)
        The difference of each arm in each fold.
    metric : str
        Name of the metric that is compared.
    baseline : str
        Name of the arm that the others are compared with.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with one row per arm.
    figure_ : matplotlib Figure
        The figure that holds the axes.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skcxr.displays import ComparisonDisplay
    >>> from skcxr.evaluation import compare
    >>> arms = {"classic": LogisticRegression(C=1e-4), "strong": LogisticRegression(max_iter=999)}
    >>> comparison = compare(arms, *load_iris(return_X_y=True))
    >>> ComparisonDisplay.from_comparison(comparison).ax_.get_xlabel()
    'Difference in accuracy from classic'
    """

    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        *,
        differences: pd.DataFrame,
        folds: dict[str, NDArray[np.float64]],
        metric: str,
        baseline: str,
    ) -> None:
        self.differences = differences
        self.folds = folds
        self.metric = metric
        self.baseline = baseline

    @classmethod
    def from_comparison(
        cls, comparison: Comparison, *, metric: str | None = None, ax: Axes | None = None
    ) -> Self:
        """Create the display from a comparison.

        Parameters
        ----------
        comparison : Comparison
            The comparison, as :func:`skcxr.evaluation.compare` returns it.
        metric : str or None, default=None
            One of its metrics, such as "sensitivity[covid]". None uses the first score.
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None creates a figure.

        Returns
        -------
        display : ComparisonDisplay
            The drawn display, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If the comparison has one arm only, or has no such metric.
        """
        if len(comparison.arms) == 1:
            raise ValueError(
                f"comparison has one arm, {comparison.arms[0]!r}, and no difference to draw. "
                "Compare two or more arms."
            )
        differences = comparison.differences
        metrics = differences["metric"].unique().tolist()
        if metric is None:
            metric = comparison.metric
        if metric not in metrics:
            raise ValueError(f"metric must be one of {metrics}, got {metric!r}.")
        differences = differences[differences["metric"] == metric]
        values = comparison.results[comparison.results["metric"] == metric].pivot(
            index="fold", columns="arm", values="value"
        )
        paired = values.sub(values[comparison.baseline], axis=0)
        folds = {arm: paired[arm].dropna().to_numpy() for arm in differences["arm"]}
        display = cls(
            differences=differences, folds=folds, metric=metric, baseline=comparison.baseline
        )
        return display.plot(ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the differences.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None creates a figure.

        Returns
        -------
        display : ComparisonDisplay
            The drawn display, with `ax_` and `figure_`.
        """
        table = self.differences.set_index("arm")
        ax = self._prepare_ax(ax, figsize=(3.5, 0.42 * len(table) + 0.9))
        for row, arm in enumerate(table.index):
            values = self.folds[arm]
            # The folds go just above the interval.
            y = np.full(len(values), row - 0.22)
            ax.scatter(values, y, s=10, color=ORANGE, alpha=0.8, linewidth=0)
        means = table["difference"].to_numpy()
        ends = np.abs(table[["low", "high"]].to_numpy().T - means)
        ax.errorbar(
            means, range(len(table)), xerr=ends, fmt="o", color=BLUE, capsize=3, markersize=5
        )
        xlabel = f"Difference in {self.metric} from {self.baseline}"
        style_interval_chart(ax, table.index, reference=0, xlabel=xlabel)
        ax.locator_params(axis="x", nbins=5)
        return self


class ConfusionMatrixGridDisplay(DisplayMixin):
    """Confusion matrices of all arms, on one colour scale.

    Use :meth:`from_comparison` to create it.

    Parameters
    ----------
    matrices : dict of str to ndarray of shape (n_classes, n_classes)
        Counts of each arm, with true classes in rows.
    class_names : array-like of shape (n_classes,)
        Names of the classes.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One per arm.
    figure_ : matplotlib Figure
        The figure that holds the axes.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skcxr.displays import ConfusionMatrixGridDisplay
    >>> from skcxr.evaluation import compare
    >>> arms = {"classic": LogisticRegression(C=1e-4), "strong": LogisticRegression(max_iter=999)}
    >>> comparison = compare(arms, *load_iris(return_X_y=True))
    >>> display = ConfusionMatrixGridDisplay.from_comparison(comparison)
    >>> [ax.get_title() for ax in display.axes_]
    ['classic', 'strong']
    """

    axes_: NDArray[Any]
    figure_: Figure

    def __init__(
        self,
        *,
        matrices: dict[str, NDArray[np.integer[Any]]],
        class_names: Sequence[Any] | NDArray[Any],
    ) -> None:
        self.matrices = matrices
        self.class_names = class_names

    @classmethod
    def from_comparison(cls, comparison: Comparison, *, ax: ManyAxes | None = None) -> Self:
        """Create the display from a comparison, pooled over its folds.

        Parameters
        ----------
        comparison : Comparison
            The comparison, as :func:`skcxr.evaluation.compare` returns it.
        ax : array-like of matplotlib Axes or None, default=None
            Axes to draw on, one per arm. None creates a figure.

        Returns
        -------
        display : ConfusionMatrixGridDisplay
            The drawn display, with `axes_` and `figure_`.

        Raises
        ------
        ValueError
            If `ax` does not hold one axes per arm.
        """
        matrices = {arm: comparison.confusion(arm).to_numpy() for arm in comparison.arms}
        return cls(matrices=matrices, class_names=comparison.classes).plot(ax)

    def plot(self, ax: ManyAxes | None = None) -> Self:
        """Draw the matrices: counts as numbers, shares of the true class as colours.

        Parameters
        ----------
        ax : array-like of matplotlib Axes or None, default=None
            Axes to draw on, one per arm. None creates a figure.

        Returns
        -------
        display : ConfusionMatrixGridDisplay
            The drawn display, with `axes_` and `figure_`.
        """
        n_arms = len(self.matrices)
        n_columns = min(n_arms, 3)
        n_rows = -(-n_arms // n_columns)
        side = 0.5 * len(self.class_names)
        axes = self._prepare_axes(
            ax,
            n_arms,
            per="arm",
            n_columns=n_columns,
            # The first column needs room for the class names.
            figsize=(side * n_columns + 1.3, (side + 1.3) * n_rows),
            sharey=True,
        )
        for axis, (arm, counts) in zip(axes, self.matrices.items(), strict=True):
            self._draw_matrix(axis, arm, counts)
        return self

    def _draw_matrix(self, ax, arm, counts):
        """Draw the confusion matrix of one arm."""
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        labels = [shorten_label(name) for name in self.class_names]
        display = ConfusionMatrixDisplay(shares, display_labels=labels)
        display.plot(ax=ax, cmap="Blues", colorbar=False, im_kw={"vmin": 0, "vmax": 1})
        texts: Any = display.text_
        for cell, count in np.ndenumerate(counts):
            color = "white" if shares[cell] > 0.5 else "black"
            texts[cell].set(text=str(count), fontsize=8, color=color)
        ax.set_title(arm, fontsize=9)
        ax.set_xlabel("Predicted", fontsize=8)
        place = ax.get_subplotspec()
        ax.set_ylabel("True" if place is None or place.is_first_col() else "", fontsize=8)
        ax.tick_params(labelsize=8)
        ax.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
