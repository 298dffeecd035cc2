"""The result of a memorization audit, as a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skcxr.displays._base import BLUE, ORANGE, DisplayMixin, style_interval_chart
from skcxr.displays._image_grid import ImageGrid
from skcxr.metrics._audit._verdict import DISCRIMINATOR, format_power

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from typing_extensions import Self

    from skcxr.displays._base import ManyAxes
    from skcxr.metrics import AuditResult


class AuditDisplay(DisplayMixin):
    """Audit statistics with their intervals, above the most suspicious pairs of images.

    Use :meth:`from_result` to create it.

    Parameters
    ----------
    result : AuditResult
        The audit, as :func:`skcxr.metrics.audit` returns it.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One with the statistics that are 0.5 without copying. A second one, if there are pairs,
        with each synthetic image above the training image closest to it, mirrored where that is
        closer.
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

    axes_: NDArray[Any]
    figure_: Figure

    def __init__(self, *, result: AuditResult) -> None:
        self.result = result

    @classmethod
    def from_result(cls, result: AuditResult, *, ax: ManyAxes | None = None) -> Self:
        """Create the display from the result of an audit.

        Parameters
        ----------
        result : AuditResult
            The audit, as :func:`skcxr.metrics.audit` returns it.
        ax : array-like of matplotlib Axes or None, default=None
            Axes for the statistics and, if there are any, for the pairs. None creates a figure.

        Returns
        -------
        display : AuditDisplay
            The drawn display, with `axes_` and `figure_`.

        Raises
        ------
        ValueError
            If `ax` does not hold one axes per panel.
        """
        return cls(result=result).plot(ax)

    def plot(self, ax: ManyAxes | None = None) -> Self:
        """Draw the statistics and the pairs.

        Parameters
        ----------
        ax : array-like of matplotlib Axes or None, default=None
            Axes for the statistics and, if there are any, for the pairs. None creates a figure.

        Returns
        -------
        display : AuditDisplay
            The drawn display, with `axes_` and `figure_`.
        """
        pairs = self.result.pairs
        table = self.result.table
        statistics = table[table["low"].notna()]
        heights = [0.3 * len(statistics) + 0.8]
        if pairs:
            heights.append(1.5)
        axes = self._prepare_axes(
            ax,
            len(heights),
            per="panel",
            figsize=(max(3.5, 0.6 * len(pairs) + 1), sum(heights)),
            height_ratios=heights,
        )
        _draw_statistics(axes[0], statistics)
        axes[0].set_title(_describe_verdict(self.result), fontsize=9)
        if pairs:
            _draw_pairs(axes[1], pairs)
        return self


def _describe_verdict(result):
    """Return the verdict, with the power if the audit cannot tell that there are no copies."""
    verdict = result.verdict.capitalize()
    if verdict and result.limitation:
        return f"{verdict} (power {format_power(result.power)})"
    return verdict


def _draw_statistics(ax, statistics):
    """Draw each value with its interval; alarms have a colour and a marker of their own."""
    for row, (_, statistic) in enumerate(statistics.iterrows()):
        value = statistic["value"]
        ax.errorbar(
            [value],
            [row],
            xerr=[[value - statistic["low"]], [statistic["high"] - value]],
            color=ORANGE if statistic["alarm"] else BLUE,
            marker="s" if statistic["alarm"] else "o",
            capsize=3,
            clip_on=False,
        )
    labels = statistics["statistic"] + ", " + statistics["space"]
    # It is about the model. Next to the statistics of the images, it would read as one of them.
    is_of_model = statistics["space"] == DISCRIMINATOR
    labels = labels.where(~is_of_model, labels + "\n(the model, not in the verdict)")
    style_interval_chart(ax, labels, reference=0.5, xlabel="0.5 without copying; 95 % intervals")
    ax.set_xlim(0, 1)


def _draw_pairs(ax, pairs):
    """Draw each synthetic image above its training image, with a caption below."""
    images = [get_pair_images(pair) for pair in pairs]
    grid = ImageGrid([np.stack(row) for row in zip(*images, strict=True)])
    grid.draw(ax, ["synthetic", "nearest real"])
    captions = [_caption_pair(pair) for pair in pairs]
    ax.set_xticks(grid.column_centers, captions, fontsize=7)
    ax.tick_params(axis="y", labelsize=8)
    ax.tick_params(bottom=False)


def get_pair_images(pair):
    """Return the two images of a suspicious pair in gray, the training image as it is closest.

    Returns
    -------
    synthetic, train : ndarray of shape (h, w)
    """
    train = pair.train_image[..., ::-1] if pair.mirrored else pair.train_image
    return _convert_to_gray(pair.synthetic_image), _convert_to_gray(train)


def _convert_to_gray(image):
    """Return an image of shape (h, w) or (c, h, w) as (h, w)."""
    return image if image.ndim == 2 else image.mean(axis=0)


def _caption_pair(pair):
    """Return the rows of the two images, and whether they are a copy and mirrored."""
    lines = [f"{pair.synthetic} / {pair.train}"]
    if pair.copy:
        lines.append("copy")
    if pair.mirrored:
        lines.append("mirrored")
    return "\n".join(lines)
