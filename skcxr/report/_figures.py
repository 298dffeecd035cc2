"""Figures that are part of the HTML page, and their descriptions for screen readers."""

import base64
from io import BytesIO, StringIO
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from skcxr._base.text import format_count
from skcxr.displays._base import BLUE, GREEN, ORANGE
from skcxr.metrics._generative_table import GENERATIVE_METRICS

# Matplotlib's colours by their names in the style sheet, which follow dark mode.
VARIABLES = {"muted": "#666666", "blue": BLUE, "orange": ORANGE, "green": GREEN}
COLORS = {color.lower(): f"var(--{name})" for name, color in VARIABLES.items()}
COLORS["#000000"] = "currentColor"
# On top of Matplotlib's defaults: text remains text, on the background of the page.
STYLE = {"svg.fonttype": "none", "axes.facecolor": "none", "figure.facecolor": "none"}
NO_METADATA = dict.fromkeys(["Creator", "Date", "Format", "Type"])
XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
LARGEST_SIDE = 128


def render_svg(display, name, description):
    """Return the figure of a display as an ``<svg>`` element.

    Parameters
    ----------
    display : Display
        A drawn display. It is drawn once more, in the style of the page.
    name : str
        Name of the figure, unique on the page: the ids in the figure depend on it.
    description : str
        Description of the figure for screen readers.

    Returns
    -------
    svg : str
    """
    import matplotlib.pyplot as plt

    plt.close(display.figure_)
    file = StringIO()
    with plt.style.context(["default", STYLE | {"svg.hashsalt": name}]):
        figure = display.plot().figure_
        # Labels can extend beyond the figure.
        figure.savefig(
            file, format="svg", metadata=NO_METADATA, bbox_inches="tight", pad_inches=0.03
        )
        plt.close(figure)
    root = ElementTree.fromstring(file.getvalue())
    for element in root.iter():
        _adapt_to_page(element)
    # Without width and height, the style sheet decides. Matplotlib omits the fill of black text.
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-label": description,
        "fill": "currentColor",
    }
    return ElementTree.tostring(root, encoding="unicode")


def _adapt_to_page(element):
    """Make an element of Matplotlib's SVG fit into HTML, with the colours of the page."""
    # HTML has no namespaces.
    element.tag = element.tag.rpartition("}")[2]
    if XLINK_HREF in element.attrib:
        element.set("href", element.attrib.pop(XLINK_HREF))
    # Groups have the same ids in all figures, and nothing refers to them.
    if element.tag == "g":
        element.attrib.pop("id", None)
    if "style" in element.attrib:
        style = element.get("style")
        for color, variable in COLORS.items():
            style = style.replace(color, variable)
        element.set("style", style)


def encode_png(image):
    """Return a gray image in [-1, 1] as a data URI, reduced to the size that the page shows."""
    gray = np.clip((image + 1) * 127.5, 0, 255).round().astype(np.uint8)
    picture = Image.fromarray(gray)
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    file = BytesIO()
    picture.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def describe_differences(display):
    """Describe the figure of a ComparisonDisplay."""
    arms = [
        f"{row['arm']} {row['difference']:+.3f}"
        + ("" if np.isnan(row["low"]) else f", interval {row['low']:+.3f} to {row['high']:+.3f}")
        for _, row in display.differences.iterrows()
    ]
    return (
        f"Chart of differences in {display.metric} from {display.baseline}, with folds as small "
        f"dots above each mean: {'; '.join(arms)}."
    )


def describe_training(k, display):
    """Describe the figure of the TrainingHistoryDisplay of class `k`."""
    history = display.history
    names = {
        "loss_d": "Loss_D",
        "loss_g": "Loss_G",
        "d_x": "D(x)",
        "d_g_z2": "D(G(z))",
        **{
            key: f"the {GENERATIVE_METRICS[key].label}"
            for key in ("kernel_distance", "frechet_distance")
        },
    }
    curves = [
        f"{name} from {history[key].dropna().iloc[0]:.2f} to {history[key].iloc[-1]:.2f}"
        for key, name in names.items()
        if key in history
    ]
    epochs = format_count(len(history), "epoch")
    return f"Training curves of the GAN of {k} over {epochs}: {', '.join(curves)}."


def describe_audit(k, result):
    """Describe the figure of the audit statistics of class `k`."""
    rows = result.table[result.table["low"].notna()]
    statistics = [
        f"{row['statistic']} in {row['space']} {row['value']:.2f}, interval {row['low']:.2f} to "
        f"{row['high']:.2f}" + (", an alarm" if row["alarm"] else "")
        for _, row in rows.iterrows()
    ]
    return f"Chart of the audit of {k}, 0.5 without copying: {'; '.join(statistics)}."
