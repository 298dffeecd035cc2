"""Figures for a page: as text that takes the page's colours and type, and in words."""

import base64
import re
from io import BytesIO, StringIO

import numpy as np
from PIL import Image

from skcxr.displays._base import BLUE, GREEN, ORANGE

# Matplotlib's colours by what the style sheet calls them. Black would not be written at all.
INK = "#010203"
COLORS = {BLUE: "--blue", ORANGE: "--orange", GREEN: "--green", "#666666": "--muted"}
RC = {
    "svg.fonttype": "none",
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "legend.labelcolor": INK,
    **{f"{part}.color": INK for part in ("text", "xtick", "ytick")},
    **{f"axes.{part}color": INK for part in ("edge", "label")},
}
LARGEST_SIDE = 128
UNSIGNED = {"Creator": None, "Date": None, "Format": None, "Type": None}


def inline_svg(display, name, description):
    """The figure of a Display as an ``<svg>`` element.

    Parameters
    ----------
    display : Display
        Its `plot` draws the figure.
    name : str
        What sets the element's ids apart from those of other figures on the page.
    description : str
        What the figure shows, for those who do not see it.

    Returns
    -------
    svg : str
        Colours are the style sheet's variables, and type is the page's: a figure follows into
        dark mode.
    """
    import matplotlib.pyplot as plt
    from markupsafe import escape

    text = StringIO()
    with plt.rc_context(RC):
        figure = display.plot().figure_
        # Labels may stand out further than the layout allowed for.
        figure.savefig(text, format="svg", metadata=UNSIGNED, bbox_inches="tight", pad_inches=0.03)
        plt.close(figure)
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    box = re.search(r'viewBox="[^"]+"', svg)[0]
    svg = svg[svg.index(">") + 1 :]
    # A page holds several figures: Matplotlib's ids are the same in each.
    svg = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"font-family: [^;\"]*;?", "", svg)
    svg = re.sub(r"font: [^;\"]*?([\d.]+px)[^;\"]*", r"font-size: \1", svg)
    svg = svg.replace(INK, "currentColor")
    for color, variable in COLORS.items():
        svg = svg.replace(color.lower(), f"var({variable})")
    label = escape(description)
    # xlink is the namespace in which Matplotlib refers to markers.
    return f'<svg {box} role="img" aria-label="{label}">' + svg.replace("xlink:href", "href")


def png_uri(image):
    """A gray image in [-1, 1] as the address of a PNG, which holds the image itself.

    Larger ones are reduced: a page shows them no larger, and would take long to open.
    """
    file = BytesIO()
    gray = np.clip((image + 1) * 127.5, 0, 255).round().astype(np.uint8)
    picture = Image.fromarray(gray)
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    picture.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def differences_in_words(display):
    """What a ComparisonDisplay shows."""
    rows = [
        f"{arm} {row['difference']:+.3f}"
        + ("" if np.isnan(row["low"]) else f", interval {row['low']:+.3f} to {row['high']:+.3f}")
        for arm, row in display.differences.set_index("arm").iterrows()
    ]
    return (
        f"Chart of differences in {display.metric} to {display.baseline}, folds as small dots "
        f"above each mean: {'; '.join(rows)}."
    )


def training_in_words(k, display):
    """What a TrainingHistoryDisplay shows."""
    history = display.history
    names = {"loss_d": "Loss_D", "loss_g": "Loss_G", "d_x": "D(x)", "d_g_z2": "D(G(z))"}
    names |= {"kernel_distance": "the kernel distance", "frechet_distance": "the Frechet distance"}
    rows = [
        f"{name} from {history[key].dropna().iloc[0]:.2f} to {history[key].iloc[-1]:.2f}"
        for key, name in names.items()
        if key in history
    ]
    epochs = f"{len(history)} epoch{'s' * (len(history) > 1)}"
    return f"Curves of the GAN of {k} over {epochs}: {', '.join(rows)}."


def audit_in_words(k, result):
    """What an AuditDisplay shows of its chances."""
    chances = result.table[result.table["low"].notna()]
    rows = [
        f"{row['statistic']} in {row['space']} {row['value']:.2f}, interval {row['low']:.2f} to "
        f"{row['high']:.2f}{', an alarm' * bool(row['alarm'])}"
        for _, row in chances.iterrows()
    ]
    return f"Chart of the audit of {k}, 0.5 without copying: {'; '.join(rows)}."
