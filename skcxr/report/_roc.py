"""ROC curves of each class against the rest, with one curve per arm."""

import numpy as np
from sklearn.metrics import roc_curve

from skcxr.displays._base import BLUE, GREEN, ORANGE, REFERENCE_LINE, DisplayMixin
from skcxr.report._figures import render_svg
from skcxr.report._formats import format_number, slugify

# Nine arms differ in colour or in line style.
COLORS = [BLUE, ORANGE, GREEN]
LINE_STYLES = ["-", "--", ":"]


class RocDisplay(DisplayMixin):
    """ROC curves of several arms, with a legend below the axes.

    Parameters
    ----------
    curves : dict of str to tuple of ndarray of shape (n_thresholds,)
        False and true positive rates of each arm, in [0, 1].
    aucs : dict of str to float
        Area under the curve of each arm, in [0, 1], for the legend. NaN is shown as a dash.
    """

    def __init__(self, *, curves, aucs):
        self.curves = curves
        self.aucs = aucs

    def plot(self, ax=None):
        """Draw the curves, and return the display."""
        ax = self._prepare_ax(ax, figsize=(2.9, 2.9 + 0.16 * len(self.curves)))
        ax.axline((0, 0), slope=1, **REFERENCE_LINE)
        for i, (arm, (false_rate, true_rate)) in enumerate(self.curves.items()):
            ax.plot(
                false_rate,
                true_rate,
                color=COLORS[i % len(COLORS)],
                linestyle=LINE_STYLES[i // len(COLORS) % len(LINE_STYLES)],
                linewidth=1.5,
                label=f"{arm} {format_number(self.aucs[arm], '.2f')}",
            )
        ax.set_aspect("equal")
        ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        ax.set_xlabel("1 \N{MINUS SIGN} specificity", fontsize=8)
        ax.set_ylabel("Sensitivity", fontsize=8)
        ticks = [0, 0.25, 0.5, 0.75, 1]
        ax.set_xticks(ticks, ["0", "", "0.5", "", "1"])
        ax.set_yticks(ticks, ["0", "", "0.5", "", "1"])
        ax.tick_params(labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
        # Below the label of the x-axis.
        ax.legend(loc="upper left", bbox_to_anchor=(0, -0.16), fontsize=8, frameon=False)
        return self


def render_roc_curves(comparison):
    """Return the figure of each class as an ``<svg>`` element, by class."""
    reports = {arm: comparison.report(arm) for arm in comparison.predictions["arm"].unique()}
    figures = {}
    for k, curves in pool_roc_curves(comparison).items():
        aucs = {arm: reports[arm].loc[k, "AUC"] for arm in curves}
        display = RocDisplay(curves=curves, aucs=aucs).plot()
        figures[k] = render_svg(display, f"roc-{slugify(k)}", describe_roc_curves(k, aucs))
    return figures


def pool_roc_curves(comparison):
    """Return the ROC curves of a comparison, pooled over the folds.

    Folds that failed have no predictions, so they are left out. An arm has no curve for a class
    if all of its predicted images are of this class, or none is.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    curves : dict of dict of tuple of ndarray
        False and true positive rates by class and arm. Classes without any curve are left out.
    """
    curves: dict = {}
    for k in comparison.classes.tolist():
        for arm, rows in comparison.predictions.groupby("arm", sort=False):
            is_class = rows["true"] == k
            if is_class.nunique() == 2:
                false_rate, true_rate, _ = roc_curve(is_class, rows[f"p_{k}"])
                curves.setdefault(k, {})[arm] = (false_rate, true_rate)
    return curves


def describe_roc_curves(k, aucs):
    """Describe the figure of class `k`."""
    arms = [
        f"{arm} not known" if np.isnan(auc) else f"{arm} {auc:.2f}" for arm, auc in aucs.items()
    ]
    return f"ROC curves of {k} against the rest. Mean AUC over the folds: {', '.join(arms)}."
