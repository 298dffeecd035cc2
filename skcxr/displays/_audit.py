"""What a memorization audit found, as a figure."""

import numpy as np

from skcxr.displays._axes import as_axes
from skcxr.displays._colors import BLUE, ORANGE
from skcxr.displays._mosaic import draw_rows


class AuditDisplay:
    """The audit's chances with their intervals, over the most suspicious pairs of images.

    Use :meth:`from_result` to create it.

    Parameters
    ----------
    result : AuditResult
        What :func:`skcxr.metrics.audit` returned.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        Statistics that are 0.5 without copying, and the pairs if there are any: each synthetic
        image over the training image that it is closest to, mirrored where that is closer.
    figure_ : matplotlib Figure
        The figure that holds the axes.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> from skcxr.datasets import make_chest_phantoms
    >>> from skcxr.displays import AuditDisplay
    >>> from skcxr.metrics import audit
    >>> X = make_chest_phantoms(60, image_size=32, random_state=0).images
    >>> result = audit(X[:20], X[:30], X[30:], features=None, random_state=0)
    >>> AuditDisplay.from_result(result).axes_[0].get_title()
    'Copies found'
    """

    def __init__(self, *, result):
        self.result = result

    @classmethod
    def from_result(cls, result, *, ax=None):
        """Show an audit.

        Parameters
        ----------
        result : AuditResult
            What :func:`skcxr.metrics.audit` returned.
        ax : array-like of matplotlib Axes or None, default=None
            Where to draw the statistics and, if there are any, the pairs; None makes a figure.

        Returns
        -------
        display : AuditDisplay
            Drawn, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If `ax` has not one for each of the two.
        """
        return cls(result=result).plot(ax)

    def plot(self, ax=None):
        """Draw the statistics and the pairs.

        Parameters
        ----------
        ax : array-like of matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : AuditDisplay
            Drawn, with `ax_` and `figure_`.
        """
        import matplotlib.pyplot as plt

        pairs, n_panels = self.result.pairs, 1 + bool(self.result.pairs)
        table = self.result.table
        chances = table[table["low"].notna()]
        if ax is None:
            heights = [0.3 * len(chances) + 0.8, 1.5][:n_panels]
            _, ax = plt.subplots(
                n_panels,
                1,
                figsize=(max(3.5, 0.6 * len(pairs) + 1), sum(heights)),
                height_ratios=heights,
                squeeze=False,
                layout="constrained",
            )
        axes = as_axes(ax, n_panels, "one a panel")
        _draw_chances(axes[0], chances)
        axes[0].set_title(self.result.verdict.capitalize(), fontsize=9)
        if pairs:
            _draw_pairs(axes[1], pairs)
        self.axes_, self.figure_ = axes, axes[0].figure
        return self


def _draw_chances(ax, chances):
    """Values that are 0.5 without copying, with their intervals; alarms in another colour."""
    rows = np.arange(len(chances))
    for row, (_, found) in zip(rows, chances.iterrows(), strict=True):
        ends = [[found["value"] - found["low"]], [found["high"] - found["value"]]]
        style = {"color": ORANGE, "marker": "s"} if found["alarm"] else {"color": BLUE}
        ax.errorbar(
            [found["value"]],
            [row],
            xerr=ends,
            capsize=3,
            clip_on=False,
            **({"marker": "o"} | style),
        )
    ax.axvline(0.5, color="0.4", linewidth=0.8, linestyle="--")
    labels = chances["statistic"] + ", " + chances["space"]
    ax.set_yticks(rows, labels, fontsize=8)
    ax.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5))
    ax.set_xlabel("0.5 without copying; 95 % intervals", fontsize=8)
    ax.tick_params(axis="x", labelsize=8)
    ax.tick_params(left=False)
    ax.spines[["top", "right", "left"]].set_visible(False)


def _draw_pairs(ax, pairs):
    """Each synthetic image over its training image; those taken for copies are marked."""
    gray = [
        [image if image.ndim == 2 else image.mean(axis=0) for image in images]
        for images in (
            [pair.synthetic_image for pair in pairs],
            [p.train_image[..., ::-1] if p.mirrored else p.train_image for p in pairs],
        )
    ]
    draw_rows([np.stack(images) for images in gray], ["synthetic", "nearest real"], ax)
    ax.tick_params(axis="y", labelsize=8)
    width = gray[0][0].shape[1]
    step = (ax.images[0].get_array().shape[1] + 1) / len(pairs)
    ax.set_xticks(
        np.arange(len(pairs)) * step + (width - 1) / 2,
        [_caption(pair) for pair in pairs],
        fontsize=7,
    )
    ax.tick_params(bottom=False)


def _caption(pair):
    """Rows of the two images, and what is known of them."""
    words = [f"{pair.synthetic} / {pair.train}"]
    return "\n".join(words + ["copy"] * pair.copy + ["mirrored"] * pair.mirrored)
