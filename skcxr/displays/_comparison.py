"""What a comparison of arms found, as figures."""

import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay

from skcxr.displays._axes import as_axes
from skcxr.displays._colors import BLUE, ORANGE


class ComparisonDisplay:
    """Each arm's paired difference to the baseline: folds, mean and 95 % interval.

    Use :meth:`from_comparison` to create it.

    Parameters
    ----------
    differences : DataFrame
        A row an arm with ``arm``, ``difference``, ``low`` and ``high``.
    folds : dict of str to ndarray of shape (n_folds,)
        The difference of each arm in each fold.
    metric, baseline : str
        What differs, and to which arm.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes that hold the arms, a row each.
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
    'Difference in accuracy to classic'
    """

    def __init__(self, *, differences, folds, metric, baseline):
        self.differences = differences
        self.folds = folds
        self.metric = metric
        self.baseline = baseline

    @classmethod
    def from_comparison(cls, comparison, *, metric=None, ax=None):
        """Show the paired differences of a comparison.

        Parameters
        ----------
        comparison : Comparison
            What :func:`skcxr.evaluation.compare` returned.
        metric : str or None, default=None
            One of its metrics, such as "sensitivity[covid]"; None is the first score.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : ComparisonDisplay
            Drawn, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If the comparison has no such metric.
        """
        metric = comparison.metric if metric is None else metric
        differences = comparison.differences
        known = differences["metric"].unique().tolist()
        if metric not in known:
            raise ValueError(f"metric={metric!r} is not one of the comparison's, {known}.")
        wide = comparison.results[comparison.results["metric"] == metric].pivot(
            index="fold", columns="arm", values="value"
        )
        of_metric = differences[differences["metric"] == metric]
        folds = {
            arm: (wide[arm] - wide[comparison.baseline]).dropna().to_numpy()
            for arm in of_metric["arm"]
        }
        display = cls(
            differences=of_metric, folds=folds, metric=metric, baseline=comparison.baseline
        )
        return display.plot(ax)

    def plot(self, ax=None):
        """Draw the differences.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : ComparisonDisplay
            Drawn, with `ax_` and `figure_`.
        """
        import matplotlib.pyplot as plt

        table = self.differences.set_index("arm")
        if ax is None:
            size = (3.5, 0.42 * len(table) + 0.9)
            _, ax = plt.subplots(figsize=size, layout="constrained")
        rows = np.arange(len(table))
        for row, arm in zip(rows, table.index, strict=True):
            values = self.folds[arm]
            ax.scatter(
                values, np.full(len(values), row - 0.22), s=10, color=ORANGE, alpha=0.8, linewidth=0
            )
        means = table["difference"].to_numpy()
        ends = np.abs(table[["low", "high"]].to_numpy().T - means)
        ax.errorbar(means, rows, xerr=ends, fmt="o", color=BLUE, capsize=3, markersize=5)
        ax.axvline(0, color="0.4", linewidth=0.8, linestyle="--")
        ax.set_yticks(rows, table.index, fontsize=8)
        ax.set_ylim(len(table) - 0.5, -0.5)
        ax.tick_params(axis="x", labelsize=8)
        ax.locator_params(axis="x", nbins=5)
        ax.set_xlabel(f"Difference in {self.metric} to {self.baseline}", fontsize=8)
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.tick_params(left=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


class ConfusionMatrixGridDisplay:
    """The confusion matrices of all arms side by side, on one scale of colours.

    Use :meth:`from_comparison` to create it.

    Parameters
    ----------
    matrices : dict of str to ndarray of shape (n_classes, n_classes)
        Counts of each arm, true classes in rows.
    class_names : array-like of shape (n_classes,)
        What to call the classes.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One an arm.
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

    def __init__(self, *, matrices, class_names):
        self.matrices = matrices
        self.class_names = class_names

    @classmethod
    def from_comparison(cls, comparison, *, ax=None):
        """Show the confusion matrices of a comparison, pooled over its folds.

        Parameters
        ----------
        comparison : Comparison
            What :func:`skcxr.evaluation.compare` returned.
        ax : array-like of matplotlib Axes or None, default=None
            Where to draw, one for each arm; None makes a figure.

        Returns
        -------
        display : ConfusionMatrixGridDisplay
            Drawn, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If `ax` has not one for each arm.
        """
        matrices = {arm: comparison.confusion(arm).to_numpy() for arm in comparison.arms}
        return cls(matrices=matrices, class_names=comparison.classes).plot(ax)

    def plot(self, ax=None):
        """Draw the matrices: counts, and their share of the true class as colour.

        Parameters
        ----------
        ax : array-like of matplotlib Axes or None, default=None
            Where to draw, one for each arm; None makes a figure.

        Returns
        -------
        display : ConfusionMatrixGridDisplay
            Drawn, with `ax_` and `figure_`.
        """
        import matplotlib.pyplot as plt

        n_arms, n_classes = len(self.matrices), len(self.class_names)
        if ax is None:
            side, n_columns = 0.5 * n_classes, min(n_arms, 3)
            n_rows = -(-n_arms // n_columns)
            # The first column makes room for the class names of all.
            figure, ax = plt.subplots(
                n_rows,
                n_columns,
                figsize=(side * n_columns + 1.3, (side + 1.3) * n_rows),
                sharey=True,
                squeeze=False,
                layout="constrained",
            )
            for unused in ax.flat[n_arms:]:
                figure.delaxes(unused)
            ax = ax.flat[:n_arms]
        axes = as_axes(ax, n_arms, "one for each arm")
        for ax, (arm, counts) in zip(axes, self.matrices.items(), strict=True):
            shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
            display = ConfusionMatrixDisplay(shares, display_labels=self.class_names).plot(
                ax=ax, cmap="Blues", colorbar=False, im_kw={"vmin": 0, "vmax": 1}
            )
            for cell in np.ndindex(counts.shape):
                color = "white" if shares[cell] > 0.5 else "black"
                display.text_[cell].set(text=str(counts[cell]), fontsize=8, color=color)
            ax.set_title(arm, fontsize=9)
            ax.set_xlabel("Predicted", fontsize=8)
            spec = ax.get_subplotspec()
            ax.set_ylabel("True" if spec is None or spec.is_first_col() else "", fontsize=8)
            ax.tick_params(labelsize=8)
            ax.set_xticks(range(n_classes), self.class_names, rotation=45, ha="right")
        self.axes_, self.figure_ = axes, axes[0].figure
        return self
