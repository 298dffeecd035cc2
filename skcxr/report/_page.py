"""The results of `skcxr evaluate` as one HTML page that loads no other file."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from skcxr._base.text import format_count
from skcxr.displays import AuditDisplay, ComparisonDisplay
from skcxr.displays._audit import get_pair_images
from skcxr.metrics._audit._verdict import (
    DISCRIMINATOR,
    MEMBERSHIP,
    NOT_AUDITED,
    describe_missing_audit,
    get_tone,
    split_reading,
)
from skcxr.metrics._generative_table import GENERATIVE_METRICS
from skcxr.report._figures import (
    describe_audit,
    describe_differences,
    describe_training,
    encode_png,
    render_svg,
)
from skcxr.report._first_fold import (
    compare_with_control,
    count_folds,
    get_control,
    list_limitations,
    rank_arms,
)
from skcxr.report._formats import (
    allow_breaks,
    format_calibration,
    format_number,
    format_p_value,
    replace_minus,
    slugify,
)
from skcxr.report._roc import render_roc_curves
from skcxr.report._summary import qualify_recommendation

PHANTOMS = "Procedural chest phantoms"
NOT_OPTIONS = (
    "command",
    "started",
    "versions",
    "skipped",
    "unused",
    "near_duplicates",
    "plan",
    "pool_record",
    "pretraining_overlap",
)


def render_page(
    comparison,
    *,
    data,
    settings,
    first_fold=None,
    check=None,
    learning_curve=None,
    pool_audits=None,
):
    """Return the results as one HTML page, including its style and figures.

    Parameters
    ----------
    comparison : Comparison
        Results of the finished folds.
    data : Bunch
        The images of the evaluation, as skcxr's loaders return them.
    settings : dict
        Options of the run by name, ``started``, ``versions`` and, if any, ``skipped`` files,
        ``unused`` files by split, pairs of ``near_duplicates``, and for each arm the files on which
        its weights were trained, ``pretraining_overlap``. ``arms`` is a dict of the planned arms'
        names and their meanings.
    first_fold : FirstFold or None, default=None
        Synthetic images of the first fold. None leaves out samples, training curves, generative
        metrics and audits.
    check : DataCheck or None, default=None
        Check of the images. None leaves it out.
    learning_curve : LearningCurve or None, default=None
        Learning curve of the baseline. None leaves it out.
    pool_audits : dict of str to dict, or None, default=None
        Audits against the pool, by class. Classes without one are shown as not audited. None
        stands for a run without a pool.

    Returns
    -------
    page : str
    """
    names = data.target_names.tolist()
    counts = np.bincount(data.target, minlength=len(names)).tolist()
    started = datetime.fromisoformat(settings["started"])
    meanings = settings.get("arms", dict.fromkeys(comparison.arms, ""))
    finished = comparison.results.groupby("arm")["fold"].nunique()
    n_folds = {arm: int(finished.get(arm, 0)) for arm in meanings}
    n_missing = sum(count_folds(settings) - n for n in n_folds.values())
    control = compare_with_control(comparison)
    context = {
        "settings": settings,
        "options": {name: v for name, v in settings.items() if name not in NOT_OPTIONS},
        "n_skipped": len(settings.get("skipped", {})),
        "n_unused": {split: len(files) for split, files in settings.get("unused", {}).items()},
        "n_near_duplicates": len(settings.get("near_duplicates", [])),
        "has_filenames": data.filenames is not None,
        "overlap": {
            arm: len(files)
            for arm, files in settings.get("pretraining_overlap", {}).items()
            if files
        },
        "source": PHANTOMS if settings["data"] is None else Path(settings["data"]).resolve().name,
        "date": f"{started.day} {started:%B %Y, %H:%M}",
        "counts": dict(zip(names, counts, strict=True)),
        "n_patients": None if settings["groups"] is None else len(set(data.groups)),
        # This caution is about public collections, not about phantoms.
        "has_covid": settings["data"] is not None and any("covid" in n.lower() for n in names),
        "check": None if check is None else _describe_check(check),
        "comparison": comparison,
        "arms": {arm: meanings.get(arm, "") for arm in comparison.arms},
        "control": get_control(comparison),
        "ranking": rank_arms(comparison.summary),
        "phantoms": data.DESCR if settings["data"] is None else None,
        "n_folds": n_folds,
        "n_complete": min(n_folds.values()),
        "n_planned": count_folds(settings),
        "n_repeats": settings.get("repeats", 1),
        "recommendation": qualify_recommendation(comparison, n_missing),
        "plan": settings.get("plan"),
        "learning_curve": learning_curve,
        "findings": _list_findings(comparison, control),
        "widest_interval": _get_widest_interval(comparison),
        "differences": _list_differences(comparison, control),
        "chart": _render_differences(comparison),
        "roc_curves": render_roc_curves(comparison),
        "verdicts": {},
        "pool": _describe_pool(settings.get("pool_record")),
        "pool_verdicts": {}
        if pool_audits is None
        else {k: pool_audits.get(k, {}).get("verdict", NOT_AUDITED) for k in names},
        "limitations": {},
        "unaudited": [arm for arm in comparison.arms if arm in comparison.controls],
        "discriminators": [],
        "classes": [],
        "generative": None,
        "first_arm": None if first_fold is None else first_fold.arm,
    }
    if first_fold is not None:
        verdicts = first_fold.table.groupby("copying", sort=False)
        context["verdicts"] = {verdict: list(rows.index) for verdict, rows in verdicts}
        context["limitations"] = list_limitations(first_fold)
        context["unaudited"] = [arm for arm in context["unaudited"] if arm != first_fold.arm]
        context["discriminators"] = _list_discriminators(first_fold)
        context["classes"] = [_describe_class(first_fold, k) for k in first_fold.samples.real]
        context["generative"] = _list_generative_metrics(first_fold.table)
    return _create_environment().get_template("report.html").render(context)


def _describe_pool(record):
    """Return how many images of the pool were used and left out, or None without a pool.

    Weights from a file have no record of what was left out.
    """
    if record is None:
        return None
    return {"dropped": [], "skipped": {}, **record}


def _create_environment():
    """Return Jinja's environment, with the filters that write numbers and names."""
    environment = Environment(
        loader=PackageLoader("skcxr.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        calibration=format_calibration,
        format_count=format_count,
        number=format_number,
        p_value=format_p_value,
        minus=replace_minus,
        breakable=allow_breaks,
        slug=slugify,
        isnan=pd.isna,
        tone=get_tone,
    )
    return environment


def _describe_check(check):
    """Return the findings of a data check, and its accuracies as one row per part."""
    rows = []
    for part, cells in check.table.groupby("part", sort=False):
        rows.append(
            {
                "part": part,
                "kind": cells["kind"].iloc[0],
                "cells": cells[["balanced_accuracy", "alarm"]].to_dict("records"),
            }
        )
    return {
        "findings": check.reading.splitlines(),
        "limitations": check.limitation.splitlines(),
        "classes": check.table["class"].unique().tolist(),
        "rows": rows,
    }


def _list_findings(comparison, control):
    """Return each verdict with its figures and its basis: first those against the control."""
    first = [] if control is None else list(control.findings.values())
    # The control itself comes last.
    findings = comparison.findings
    arms = sorted(findings, key=lambda arm: arm == get_control(comparison))
    return [
        {"verdict": verdict, "figures": basis.partition(". ")[0], "basis": basis}
        for verdict, basis in first + [findings[arm] for arm in arms]
    ]


def _get_widest_interval(comparison):
    """Return half the width of the first score's widest interval, or None without intervals."""
    first = comparison.differences.query("metric == @comparison.metric")
    widths = (first["high"] - first["low"]) / 2
    return None if widths.isna().all() else widths.max()


def _list_differences(comparison, control):
    """Return tables of paired differences by baseline and arm: the control is a baseline too."""
    tables = {}
    for pair in (comparison, control):
        if pair is not None and len(pair.arms) > 1:
            rows = pair.differences
            rows["metric"] = rows["metric"].map(_label_metric)
            tables[pair.baseline] = dict(list(rows.groupby("arm", sort=False)))
    return tables


def _label_metric(metric):
    """Return "sensitivity, covid" for "sensitivity[covid]", and "accuracy, all classes"."""
    if metric.startswith(("sensitivity[", "auc[")):
        return metric.removesuffix("]").replace("[", ", ", 1).replace("auc", "AUC", 1)
    return f"{metric}, all classes"


def _render_differences(comparison):
    """Return the paired differences as a figure, or None for one arm alone."""
    if len(comparison.arms) < 2:
        return None
    display = ComparisonDisplay.from_comparison(comparison)
    return render_svg(display, "differences", describe_differences(display))


def _describe_class(first_fold, k):
    """Return what the page shows of class `k`: images, training curves and audit."""
    samples = first_fold.samples
    training = first_fold.training[k]
    audit = first_fold.audits.get(k)
    verdict = first_fold.table.loc[k, "copying"]
    return {
        "name": str(k),
        "real": [encode_png(image) for image in samples.real[k]],
        "pairs": [
            (encode_png(image), encode_png(nearest))
            for image, nearest in zip(samples.synthetic[k], samples.nearest[k], strict=True)
        ],
        "training": render_svg(training, f"training-{slugify(k)}", describe_training(k, training)),
        "verdict": verdict,
        "audit": audit,
        "reading": "" if audit is None else split_reading(audit)[0],
        "missing": describe_missing_audit(verdict),
        "statistics": None if audit is None else _render_statistics(k, audit),
        "suspects": [] if audit is None else [_encode_pair(pair) for pair in audit.pairs],
    }


def _render_statistics(k, audit):
    """Return the audit's statistics of the images as a figure.

    The page shows the verdict, the pairs and the discriminator itself.
    """
    of_images = audit.table[audit.table["space"] != DISCRIMINATOR]
    shown = replace(audit, table=of_images, pairs=(), verdict="")
    display = AuditDisplay.from_result(shown)
    return render_svg(display, f"audit-{slugify(k)}", describe_audit(k, shown))


def _list_discriminators(first_fold):
    """Return how well each class's discriminator tells training images, None where untested."""
    aucs = {}
    for k, audit in first_fold.audits.items():
        of_model = audit.table[audit.table["space"] == DISCRIMINATOR].set_index("statistic")
        if MEMBERSHIP in of_model.index:
            aucs[k] = of_model.loc[MEMBERSHIP]
    return [{"name": str(k), "auc": aucs.get(k)} for k in first_fold.table.index] if aucs else []


def _encode_pair(pair):
    """Return a suspicious pair with its images as data URIs."""
    synthetic, train = get_pair_images(pair)
    return {"pair": pair, "synthetic": encode_png(synthetic), "train": encode_png(train)}


def _list_generative_metrics(table):
    """Return a row per metric, with the values of synthetic and real images for each class."""
    rows = []
    for metric in GENERATIVE_METRICS.values():
        synthetic, real = metric.columns
        if synthetic in table:
            meaning = f"{metric.meaning}; {metric.direction} is better"
            cells = list(zip(table[synthetic], table[real], strict=True))
            rows.append({"metric": metric.label, "meaning": meaning, "cells": cells})
        if metric.key == "kernel_distance" and "p_value" in table:
            cells = [(value, np.nan) for value in table["p_value"]]
            rows.append({"metric": "p_value", "meaning": "of the kernel distance", "cells": cells})
    first = table.iloc[0]
    features = f"{first['features']} ({first['layer']}, d = {first['d']})" if rows else ""
    return {"rows": rows, "features": features, "classes": [str(k) for k in table.index]}
