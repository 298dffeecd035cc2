"""The summary of an evaluation, as text for a terminal and as a dictionary for JSON."""

import json

from skcxr._base.text import format_count
from skcxr.metrics._generative_table import GENERATIVE_METRICS
from skcxr.report._first_fold import compare_with_control, list_limitations, rank_arms
from skcxr.report._formats import format_calibration

# Columns of samples.csv that the text shows.
SAMPLES_COLUMNS = [
    "n_real",
    "n_fake",
    "n_compared",
    "d",
    *GENERATIVE_METRICS["kernel_distance"].columns,
    "p_value",
    *GENERATIVE_METRICS["frechet_distance"].columns,
    *GENERATIVE_METRICS["coverage"].columns,
    "n_holdout",
    "power",
    "copying",
]

# Columns of summary.csv that the text shows.
SUMMARY_COLUMNS = [
    "score",
    "difference",
    "low",
    "high",
    "p_worse",
    "p_equivalent",
    "p_better",
    "verdict",
    "fit_seconds",
]


def format_summary(comparison, first_fold=None, n_missing=0):
    """Return the summary as text.

    Parameters
    ----------
    comparison : Comparison
        Results of the finished folds.
    first_fold : FirstFold or None, default=None
        Synthetic images of the first fold. None leaves them out.
    n_missing : int, default=0
        Number of fits that have not finished.

    Returns
    -------
    text : str
    """
    blocks = []
    if len(comparison.arms) > 1:
        blocks += [qualify_recommendation(comparison, n_missing), _format_verdicts(comparison)]
    ranking = rank_arms(comparison.summary)
    blocks += [_format_arm(comparison, arm, ranking.loc[arm]) for arm in comparison.arms]
    if first_fold is not None:
        blocks.append(_format_samples(first_fold))
    if len(comparison.arms) > 1:
        blocks.append(_format_differences(comparison, ranking))
    return "\n\n".join(blocks) + "\n"


def qualify_recommendation(comparison, n_missing):
    """Return the recommendation, and in front of it how many fits have not finished."""
    if not n_missing:
        return comparison.recommendation
    verb = "has" if n_missing == 1 else "have"
    fits = format_count(n_missing, "fit")
    return f"Preliminary: {fits} {verb} not finished. {comparison.recommendation}"


def _format_verdicts(comparison):
    """Return the verdicts in words, compared with the baseline and with the control if any."""
    lines = [comparison.reading]
    control = compare_with_control(comparison)
    if control is not None:
        lines += ["", f"Compared with {control.baseline}, the control", control.reading]
    return "\n".join(lines)


def _format_arm(comparison, arm, row):
    """Return table 4 and the confusion matrix of one arm, whose row of the summary is `row`."""
    table = comparison.report(arm)
    confusion = comparison.confusion(arm)
    folds = comparison.results.query("arm == @arm").pivot(
        index="fold", columns="metric", values="value"
    )
    n_images = format_count(confusion.to_numpy().sum(), "image")
    accuracies = " ".join(f"{accuracy:.3f}" for accuracy in folds["accuracy"])
    return "\n".join(
        [
            f"{arm}: {n_images} in {format_count(len(folds), 'fold')}, "
            f"{folds['fit_seconds'].mean():.1f} s per fit",
            table.to_string(float_format="{:.3f}".format),
            f"Total accuracy {table.attrs['accuracy']:.3f} (folds {accuracies}), "
            f"balanced accuracy {table.attrs['balanced_accuracy']:.3f}, calibration error "
            + format_calibration(row),
            "",
            "Confusion matrix, true classes in rows",
            confusion.rename_axis(index=None, columns=None).to_string(),
        ]
    )


def _format_samples(first_fold):
    """Return the main metrics of the first fold's synthetic images; samples.csv has all."""
    samples = first_fold.table
    table = samples[[name for name in SAMPLES_COLUMNS if name in samples]].T
    lines = [
        f"Synthetic images of {first_fold.arm} in the first fold, compared with the images that "
        "their GANs were trained on",
        table.map(lambda value: f"{value:.3f}" if isinstance(value, float) else value).to_string(),
    ]
    if "layer" in samples:
        first = samples.iloc[0]
        lines.append(
            f'Features: {first["features"]} ({first["layer"]}). Rows ending in "real" give the '
            "value for real images in place of synthetic ones."
        )
    lines += [
        '"copying": the verdict of an audit, which cannot prove that nothing was copied.',
        '"power": the share of near-copies that this audit finds with "n_holdout" held-out images.',
    ]
    lines += [f"{k}: {text}" for k, text in list_limitations(first_fold).items()]
    return "\n".join(lines)


def _format_differences(comparison, ranking):
    """Return the tables of differences from the baseline."""
    options = {"float_format": "{:.3f}".format, "na_rep": ""}
    return "\n".join(
        [
            f"Arms by {comparison.metric}, best first, with differences from "
            f"{comparison.baseline}. fit_seconds is the cost of one fit",
            ranking[SUMMARY_COLUMNS].to_string(**options),
            "",
            "Differences in sensitivity",
            comparison.sensitivities.to_string(**options),
        ]
    )


def build_summary(comparison, first_fold=None, n_missing=0):
    """Return the summary as a dictionary of JSON's types; None stands for NaN.

    Parameters
    ----------
    comparison : Comparison
        Results of the finished folds.
    first_fold : FirstFold or None, default=None
        Synthetic images of the first fold. None leaves them out.
    n_missing : int, default=0
        Number of fits that have not finished.

    Returns
    -------
    summary : dict
    """
    reading = comparison.reading.splitlines()
    control = compare_with_control(comparison)
    if control is not None:
        reading += control.reading.splitlines()
    arms = comparison.arms
    summary = comparison.summary
    table = _convert_table(summary)
    result = {
        "recommendation": qualify_recommendation(comparison, n_missing),
        "verdicts": {arm: table[arm]["verdict"] for arm in arms if arm != comparison.baseline},
        "reading": reading,
        "metric": comparison.metric,
        "rope": comparison.rope,
        "summary": table,
        "ranking": rank_arms(summary).index.tolist(),
        "differences": _convert_table(comparison.differences, "records"),
        "table4": {arm: _convert_table(comparison.report(arm)) for arm in arms},
        "confusion": {arm: _convert_table(comparison.confusion(arm)) for arm in arms},
    }
    if first_fold is not None:
        result["samples"] = _convert_table(first_fold.table)
    return result


def _convert_table(table, orient="index"):
    """Return a table as JSON's types: pandas' writer converts NumPy's numbers."""
    return json.loads(table.to_json(orient=orient))
