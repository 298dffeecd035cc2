"""The page that `skcxr evaluate` sums up its results on: one file, which loads nothing."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from skcxr.displays import (
    AuditDisplay,
    ComparisonDisplay,
    SyntheticSamplesDisplay,
    TrainingHistoryDisplay,
)
from skcxr.metrics._generative_table import GENERATIVE_METRICS
from skcxr.report._figures import (
    audit_in_words,
    differences_in_words,
    inline_svg,
    png_uri,
    training_in_words,
)

PHANTOMS = "Procedural chest phantoms"
ARMS = {
    "classic": "The classifier alone, trained on real images under classic augmentation: small "
    "rotations, shifts and scalings.",
    "duplicates": "Control: adds as many duplicated real images as dcgan adds synthetic ones. More "
    "images also mean more training steps, so only a gain over this arm can come from the GANs.",
    "dcgan": "Synthetic images are added, of one GAN for each class, trained inside each fold: no "
    "image that is predicted was seen by a GAN.",
}
NO_OPTIONS = ("command", "started", "versions", "skipped")
VERDICTS = {"no sign of copying": "clear", "suspicious": "doubt", "copies found": "alarm"}


@dataclass
class FirstFold:
    """What the GANs of the first fold, and their images, are like.

    Attributes
    ----------
    samples : SyntheticSamplesDisplay
        Real images of each class, synthetic ones and what these are nearest to.
    training : dict of class to TrainingHistoryDisplay
        How each GAN's training went.
    table : pandas.DataFrame
        Of :func:`skcxr.evaluation.inspect_samples`.
    audits : dict of class to AuditResult
        Of the same.
    """

    samples: SyntheticSamplesDisplay
    training: dict[str, TrainingHistoryDisplay]
    table: pd.DataFrame
    audits: dict


def report_page(comparison, *, data, settings, first_fold=None):
    """The results as one HTML page, with its style and figures in it.

    Parameters
    ----------
    comparison : Comparison
        What the finished folds show.
    data : Bunch
        The images, as skcxr's loaders return them.
    settings : dict
        Of the run: options by name, and ``started`` and ``versions``.
    first_fold : FirstFold or None, default=None
        None leaves out samples, training curves, generative metrics and audit.

    Returns
    -------
    page : str
    """
    counts = np.bincount(data.target, minlength=len(data.target_names))
    started = datetime.fromisoformat(settings["started"])
    options = {k: v for k, v in settings.items() if k not in NO_OPTIONS}
    template = _environment().get_template("report.html")
    return template.render(
        settings={"skipped": {}} | settings,
        options=options,
        source=PHANTOMS if settings["data"] is None else Path(settings["data"]).resolve().name,
        date=f"{started.day} {started:%B %Y, %H:%M}",
        counts=dict(zip(map(str, data.target_names), counts.tolist(), strict=True)),
        n_patients=None if settings["groups"] is None else len(set(data.groups)),
        has_covid=settings["data"] is not None
        and any("covid" in str(name).lower() for name in data.target_names),
        comparison=comparison,
        arms={arm: ARMS.get(arm, "") for arm in comparison.arms},
        n_folds=_n_folds(comparison),
        verdicts=_verdicts(comparison),
        reach=_reach(comparison),
        differences=_differences(comparison),
        chart=_chart(comparison),
        copying={} if first_fold is None else _copying(first_fold.table),
        classes=[] if first_fold is None else list(_classes(first_fold)),
        nearness=None if first_fold is None else _nearness(first_fold.table),
    )


def _environment():
    """Jinja, with how numbers and names are written."""
    environment = Environment(
        loader=PackageLoader("skcxr.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": _number,
        "p": _p,
        "minus": _minus,
        "breakable": _breakable,
        "slug": _slug,
        "isnan": pd.isna,
    }
    return environment


def _minus(text):
    """Hyphens that stand for a minus sign as one."""
    return re.sub(r"(?<![\w.])-(?=\d)", "\N{MINUS SIGN}", str(text))


def _number(value, form=".3f"):
    """A number, or a dash where there is none."""
    if pd.isna(value):
        return "\N{EN DASH}"
    text = format(value, form)
    return _minus(text if float(text) else text.replace("-", "+"))


def _p(value):
    """A p-value."""
    return "< 0.001" if value < 0.001 else _number(value, ".3f" if value < 0.1 else ".2f")


def _breakable(text):
    """A name that may be broken after its underscores."""
    return escape(text).replace("_", Markup("_<wbr>"))


def _slug(text):
    """A name as part of an element's id."""
    return re.sub(r"[^\w-]+", "-", str(text)).lower()


def _n_folds(comparison):
    """How many folds of each arm have finished."""
    return comparison.results.groupby("arm", sort=False)["fold"].nunique().to_dict()


def control_of(comparison):
    """The comparison of synthetic images with as many duplicates, or None.

    Duplicates cost as many training steps: only what goes beyond them is the GANs' doing.
    """
    if {"duplicates", "dcgan"} <= set(comparison.arms):
        return comparison.only(["duplicates", "dcgan"]).against("duplicates")
    return None


def _verdicts(comparison):
    """What was found, and what that stands on: what is the GANs' doing first."""
    control = control_of(comparison)
    of_baseline = comparison.findings
    found = [] if control is None else [control.findings["dcgan"]]
    found += [of_baseline[arm] for arm in ("dcgan", "duplicates") if arm in of_baseline]
    return found + [finding for arm, finding in of_baseline.items() if arm not in ARMS]


def _reach(comparison):
    """How far the widest interval of the first score goes to either side, or None."""
    first = comparison.differences.query("metric == @comparison.metric")
    widths = (first["high"] - first["low"]) / 2
    return None if widths.isna().all() else widths.max()


def _chart(comparison):
    """The paired differences as a figure, or None."""
    if len(comparison.arms) < 2:
        return None
    display = _undrawn(ComparisonDisplay.from_comparison(comparison))
    return inline_svg(display, "differences", differences_in_words(display))


def _undrawn(display):
    """The display, its first figure closed: it is drawn once more, in the page's style."""
    import matplotlib.pyplot as plt

    plt.close(display.figure_)
    return display


def _copying(table):
    """The classes of each verdict of the audit."""
    return {verdict: list(rows.index) for verdict, rows in table.groupby("copying", sort=False)}


def _differences(comparison):
    """Tables of paired differences: to the baseline, and to the control."""
    tables = {}
    for one in (comparison, control_of(comparison)):
        if one is not None and len(one.arms) > 1:
            rows = one.differences.replace({"metric": {one.metric: f"{one.metric}, all classes"}})
            rows["metric"] = rows["metric"].str.replace(r"sensitivity\[(.*)\]", r"\1", regex=True)
            tables[one.baseline] = dict(list(rows.groupby("arm", sort=False)))
    return tables


def _classes(first_fold):
    """What is shown of each class that has grown."""
    samples = first_fold.samples
    for k in samples.real:
        audit, training = first_fold.audits.get(k), first_fold.training[k]
        pairs = zip(samples.synthetic[k], samples.nearest[k], strict=True)
        verdict = first_fold.table.loc[k, "copying"]
        yield {
            "name": str(k),
            "real": [png_uri(image) for image in samples.real[k]],
            "pairs": [(png_uri(image), png_uri(nearest)) for image, nearest in pairs],
            "training": inline_svg(
                training, f"training-{_slug(k)}", training_in_words(k, training)
            ),
            "verdict": verdict,
            "tone": VERDICTS.get(verdict, "doubt"),
            "audit": audit,
            "suspects": [] if audit is None else [_suspect(pair) for pair in audit.pairs],
            "chances": None if audit is None else _chances(k, audit),
        }


def _chances(k, audit):
    """The audit's statistics as a figure: the page has its verdict and its pairs beside it."""
    display = _undrawn(AuditDisplay.from_result(replace(audit, pairs=(), verdict="")))
    return inline_svg(display, f"audit-{_slug(k)}", audit_in_words(k, audit))


def _suspect(pair):
    """A suspicious pair: its images, the training image mirrored where that is closer."""
    gray = [
        image if image.ndim == 2 else image.mean(axis=0)
        for image in (pair.synthetic_image, pair.train_image)
    ]
    gray[1] = gray[1][:, ::-1] if pair.mirrored else gray[1]
    return {"images": [png_uri(image) for image in gray], "pair": pair}


def _nearness(table):
    """Generative metrics: a row each, with every class' value and what real images reach."""
    meanings = {}
    for metric in GENERATIVE_METRICS.values():
        meanings[metric.label] = f"{metric.meaning}; {metric.direction} is better"
        if metric.key == "kernel_distance":
            meanings["p_value"] = "of the kernel distance"
    rows = []
    for metric, meaning in meanings.items():
        if metric in table:
            real = table.get(f"{metric}, real", pd.Series(np.nan, table.index))
            cells = list(zip(table[metric], real, strict=True))
            rows.append({"metric": metric, "meaning": meaning, "cells": cells})
    first = table.iloc[0]
    features = f"{first['features']} ({first['layer']}, d = {first['d']})" if rows else ""
    return {"rows": rows, "features": features, "classes": [str(k) for k in table.index]}
