"""How the report writes numbers and names."""

import re

import pandas as pd
from markupsafe import Markup, escape


def format_number(value, form=".3f"):
    """Return a number with a minus sign, never "-0.000", or a dash for NaN."""
    if pd.isna(value):
        return "\N{EN DASH}"
    text = format(value, form)
    if float(text) == 0:
        text = text.replace("-", "+")
    return replace_minus(text)


def format_p_value(value):
    """Return a p-value with two or three decimals."""
    if value < 0.001:
        return "< 0.001"
    return format_number(value, ".3f" if value < 0.1 else ".2f")


def replace_minus(text):
    """Replace hyphens in front of numbers by minus signs."""
    return re.sub(r"(?<![\w.])-(?=\d)", "\N{MINUS SIGN}", str(text))


def allow_breaks(name):
    """Return a name as HTML that allows a line break after each underscore."""
    return escape(name).replace("_", Markup("_<wbr>"))


def slugify(name):
    """Return a name as part of an element's id."""
    return re.sub(r"[^\w-]+", "-", str(name)).lower()


def format_calibration(row):
    """Return the calibration error of a row of the summary, with its interval."""
    low, high = row["calibration_low"], row["calibration_high"]
    return f"{row['calibration_error']:.3f} (95 % interval {low:.3f} to {high:.3f})"
