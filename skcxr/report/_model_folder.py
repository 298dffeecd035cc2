"""A fitted classifier in a folder: the model, what it was trained on, and a page that says so.

``model.skops`` runs nothing when it is loaded. ``model.json`` holds what a prediction needs to
know, and ``README.md`` is for people.
"""

import json
from pathlib import Path

from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import Pipeline

from skcxr._base.files import fill_folder
from skcxr.persistence import TRUSTED_TYPES

MODEL = "model.skops"
RECORD = "model.json"
CARD = "README.md"
FORMAT = 1


def import_skops():
    """Return skops.io, or say how to install it."""
    try:
        import skops.io
    except ImportError as error:
        raise ImportError(
            "Models are files of skops, which is not installed. Run: pip install skops"
        ) from error
    return skops.io


def drop_samplers(model):
    """Return the parts of a fitted model that a prediction uses.

    Samplers, and the GANs and images' masks in them, are used in training alone.

    Parameters
    ----------
    model : estimator
        Fitted classifier, pipeline, or CalibratedClassifierCV of one of them.

    Returns
    -------
    model : estimator
        Fitted classifier or pipeline. A calibrated model is changed in place.
    """
    if isinstance(model, CalibratedClassifierCV):
        for calibrated in model.calibrated_classifiers_:
            calibrated.estimator = drop_samplers(calibrated.estimator)
        # The folds are rows of a training set that the file does not hold.
        return model.set_params(estimator=clone(calibrated.estimator), cv=None)
    if not isinstance(model, Pipeline):
        return model
    steps = [(name, step) for name, step in model.steps if not hasattr(step, "fit_resample")]
    if len(steps) == len(model.steps):
        return model
    return steps[0][1] if len(steps) == 1 else Pipeline(steps)


def write_model(folder, model, record, card):
    """Write the files of a model into a folder.

    Parameters
    ----------
    folder : str or Path
        Folder, which is new or empty.
    model : estimator
        Fitted classifier.
    record : dict
        What a prediction needs to know, as JSON's types.
    card : str
        Page for people, in Markdown.
    """
    with fill_folder(folder, last=RECORD) as new:
        import_skops().dump(model, new / MODEL)
        (new / CARD).write_text(card, encoding="utf-8")
        text = json.dumps({"format": FORMAT, **record}, indent=2)
        (new / RECORD).write_text(text + "\n", encoding="utf-8")


def read_model(folder):
    """Return the model and the record that :func:`write_model` wrote.

    Parameters
    ----------
    folder : str or Path
        Folder of a model.

    Returns
    -------
    model : estimator
        Fitted classifier.
    record : dict
        Its record.

    Raises
    ------
    FileNotFoundError
        If the folder holds no model.
    ValueError
        If a file is broken, of another format, or holds types that are not skcxr's.
    """
    folder = Path(folder)
    for name in (MODEL, RECORD):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"model={str(folder)!r} holds no {name}. Pass a folder that skcxr fit has written."
            )
    skops_io = import_skops()
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
        number = record["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"model={str(folder)!r} has a broken {RECORD}. Fit it again.") from error
    if number != FORMAT:
        raise ValueError(
            f"model={str(folder)!r} has format {number}, and this version of skcxr reads format "
            f"{FORMAT}. Use skcxr {record.get('skcxr', 'of the version that wrote it')}."
        )
    try:
        model = skops_io.load(folder / MODEL, trusted=TRUSTED_TYPES)
    except Exception as error:  # skops raises errors of many types on files that are not its own
        raise ValueError(
            f"model={str(folder)!r} has a {MODEL} that is broken or holds types that skcxr does "
            f"not trust: {' '.join(str(error).split())}"
        ) from error
    return model, record
