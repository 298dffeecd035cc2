"""The page of a fitted model in Markdown: what it is, how good it is, and what it is for."""

from itertools import pairwise

from skcxr._base.estimators import DOCUMENTATION
from skcxr._base.text import format_count

INTENDED_USE = f"{DOCUMENTATION}/intended_use.html"


def format_card(record, comparison, usage):
    """Return the model card.

    Parameters
    ----------
    record : dict
        Record of the model, as `skcxr fit` writes it.
    comparison : Comparison
        Out-of-fold results of the one arm.
    usage : str
        Command that predicts with the model.

    Returns
    -------
    text : str
        Markdown.
    """
    arm = record["arm"]
    training = record["training_set"]
    report = comparison.report(arm)
    sections = [
        f"# {arm}: a classifier of chest radiographs",
        "For research only. This model is not a medical device. Do not use it for diagnosis, "
        f"triage or treatment. Read [the intended use]({INTENDED_USE}).",
        "## Model",
        f"- Classes: {', '.join(record['classes'])}",
        f"- Training: {record['meaning']}",
        f"- Probabilities: {_describe_calibration(record)}",
        f"- Images: {_describe_images(training)}",
        f"- Written by skcxr {record['skcxr']} on {record['created']}",
        "## How good it is",
        _describe_figures(record),
        f"Total accuracy {report.attrs['accuracy']:.3f}, balanced accuracy "
        f"{report.attrs['balanced_accuracy']:.3f}, calibration error "
        f"{record['figures']['calibration_error']:.3f}.",
        report.rename_axis("class").to_markdown(floatfmt=".3f"),
        "Confusion matrix, true classes in rows:",
        comparison.confusion(arm).rename_axis(index=None, columns=None).to_markdown(),
        "## What it was trained on",
        f"- SHA-256 of the images and classes: `{training['sha256']}`",
        *[
            f"- {name.capitalize()}: {low:.4g} to {high:.4g}"
            for name, (low, high) in record["ranges"].items()
        ],
        "`model.json` holds fingerprints of the training images. A fingerprint recognizes its "
        "radiograph, and does not show it.",
        "## Limits",
        "- The figures hold for images of the same source. On images of another hospital or "
        "device, accuracy may be much lower: measure it there.",
        "- A classifier can use shortcuts, such as markers and borders, in place of a disease. "
        "Good figures do not rule this out.",
        "- Treat the file like the training images: a network can reveal who was among them.",
        "## Use",
        f"```\n{usage}\n```",
        "## Settings",
        *[f"- {name}: {_format_setting(value)}" for name, value in record["settings"].items()],
    ]
    # Items of a list follow each other; all else is separated by an empty line.
    text = sections[0]
    for before, section in pairwise(sections):
        is_list = before.startswith("- ") and section.startswith("- ")
        text += ("\n" if is_list else "\n\n") + section
    return text + "\n"


def _describe_calibration(record):
    if record["calibration"] is None:
        return "of the classifier, not calibrated"
    return f"calibrated on held-out folds by scikit-learn's method {record['calibration']!r}"


def _describe_images(training):
    by_class = ", ".join(f"{name} {n}" for name, n in training["n_by_class"].items())
    text = f"{format_count(training['n_images'], 'image')} ({by_class})"
    if training["n_patients"] is not None:
        text += f" of {format_count(training['n_patients'], 'patient')}"
    return text


def _describe_figures(record):
    n_folds = format_count(record["settings"]["cv"], "fold")
    text = (
        f"Figures of {n_folds}: each image was predicted by a model that was trained without it. "
        "The model in this folder was trained on all images, and has no test images of its own."
    )
    if record["training_set"]["n_patients"] is None:
        text += (
            " Images were not grouped by patient. If some patients have several images, all "
            "figures are too high."
        )
    return text


def _format_setting(value):
    if value is None:
        return "not given"
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
