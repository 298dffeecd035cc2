"""How a GAN's training went."""

from skcxr.displays._axes import as_axes
from skcxr.displays._colors import BLUE, GREEN, ORANGE

PANELS = {
    "Loss": {"loss_d": ("Loss_D", BLUE, "-"), "loss_g": ("Loss_G", ORANGE, "--")},
    "Discriminator's output": {
        "d_x": ("D(x)", BLUE, "-"),
        "d_g_z1": ("D(G(z)) before its update", ORANGE, "--"),
        "d_g_z2": ("D(G(z)) after", GREEN, ":"),
    },
    "Kernel distance": {"kernel_distance": ("kernel distance", BLUE, "o-")},
    "Frechet distance": {"frechet_distance": ("Frechet distance", ORANGE, "s-")},
    "Inception score": {"inception_score": ("inception score", GREEN, "^-")},
}


class TrainingHistoryDisplay:
    """Losses, the discriminator's outputs and what was monitored, over the epochs.

    Use :meth:`from_estimator` to create it.

    Parameters
    ----------
    history : pandas.DataFrame
        A row an epoch, as ``DCGAN.history_``.
    monitor : dict or None, default=None
        What belongs beside monitored figures, as ``DCGAN.monitor_``.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One a panel: losses, outputs, and one for each monitored figure, with a dashed line at the
        distance between halves of the real images.
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

    def __init__(self, *, history, monitor=None):
        self.history = history
        self.monitor = monitor

    @classmethod
    def from_estimator(cls, gan, *, ax=None):
        """Show the training of a fitted GAN.

        Parameters
        ----------
        gan : DCGAN
            Fitted; of a sampler, one of its ``estimators_``.
        ax : array-like of matplotlib Axes or None, default=None
            Where to draw, one for each panel; None makes a figure.

        Returns
        -------
        display : TrainingHistoryDisplay
            Drawn, with `ax_` and `figure_`.

        Raises
        ------
        ValueError
            If `gan` has no history, or `ax` has not one for each panel.
        """
        history = getattr(gan, "history_", None)
        if history is None or not len(history):
            raise ValueError(
                f"gan={gan!r} has no history_. Pass a fitted DCGAN; of a DCGANOversampler, one "
                "of the values of estimators_."
            )
        return cls(history=history, monitor=getattr(gan, "monitor_", None)).plot(ax)

    def plot(self, ax=None):
        """Draw the panels.

        Parameters
        ----------
        ax : array-like of matplotlib Axes or None, default=None
            Where to draw, one for each panel; None makes a figure.

        Returns
        -------
        display : TrainingHistoryDisplay
            Drawn, with `ax_` and `figure_`.
        """
        import matplotlib.pyplot as plt

        measured = set(self.history.columns)
        panels = {title: lines for title, lines in PANELS.items() if measured & set(lines)}
        if ax is None:
            _, ax = plt.subplots(
                len(panels),
                figsize=(3.5, 1.5 * len(panels) + 0.4),
                sharex=True,
                squeeze=False,
                layout="constrained",
            )
        axes = as_axes(ax, len(panels), "one for each panel")
        for ax, (title, lines) in zip(axes, panels.items(), strict=True):
            for name, (label, color, style) in lines.items():
                # Some of a panel's figures, and some epochs, may be without.
                measures = self.history[["epoch", name]].dropna()
                ax.plot(
                    measures["epoch"],
                    measures[name],
                    style,
                    color=color,
                    label=label,
                    linewidth=1.2,
                    markersize=3,
                )
            for name in lines:
                floor = (self.monitor or {}).get("floor", {}).get(name)
                if floor is not None:
                    ax.axhline(floor, color="0.4", linewidth=0.8, linestyle="--")
            ax.set_ylabel(title, fontsize=8)
            ax.tick_params(labelsize=8)
            ax.spines[["top", "right"]].set_visible(False)
            if len(lines) > 1:
                # Above the panel, where it hides no curve.
                ax.legend(
                    fontsize=7,
                    frameon=False,
                    loc="lower left",
                    bbox_to_anchor=(0, 1),
                    borderaxespad=0,
                    ncols=len(lines),
                    columnspacing=0.8,
                    handlelength=1.6,
                    handletextpad=0.4,
                )
            if title == "Discriminator's output":
                ax.set_ylim(0, 1)
        axes[-1].set_xlabel("Epoch", fontsize=8)
        axes[-1].locator_params(axis="x", integer=True)
        if self.monitor:
            beside = "{extractor} features, d = {d}, {n_real} real, {n_fake} synthetic"
            floor = "; dashed: halves of the real" if self.monitor["floor"] else ""
            axes[-1].set_xlabel(f"Epoch\n{beside.format(**self.monitor)}{floor}", fontsize=7)
        self.axes_, self.figure_ = axes, axes[0].figure
        return self
