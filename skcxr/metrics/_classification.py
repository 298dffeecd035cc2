"""Metrics of a classifier: the paper's table 4 for each class, and calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import hmean
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    multilabel_confusion_matrix,
    recall_score,
    roc_auc_score,
)
from sklearn.utils import check_array
from sklearn.utils.multiclass import unique_labels

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def per_class_report(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    zero_division: float = 0.0,
    harmonic_mean: bool = False,
) -> pd.DataFrame:
    """Return one-against-rest accuracy, sensitivity, specificity and F1 score of each class.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        True classes.
    y_pred : array-like of shape (n,)
        Predicted classes.
    labels : array-like or None, default=None
        Classes of the rows, in this order. None takes all classes that occur, sorted.
    zero_division : {0.0, 1.0, np.nan}, default=0.0
        Value of undefined metrics: the sensitivity if no image is of the class, the specificity if
        all images are, and the F1 score if no image is of the class or predicted to be.
    harmonic_mean : bool, default=False
        Whether to add the column ``HarmonicMean``, the harmonic mean of sensitivity and
        specificity. Compare it with the column "F1Score" that the paper prints: the two agree to
        within 0.007 in all eight rows, while the F1 score differs by up to 0.11.

    Returns
    -------
    report : pandas.DataFrame
        One row per class, with columns ``Accuracy``, ``Sensitivity``, ``Specificity`` and
        ``F1Score`` in [0, 1]. ``F1Score`` is the harmonic mean of precision and sensitivity.
        ``report.attrs`` holds the ``accuracy`` over all images and the
        ``balanced_accuracy``, the mean sensitivity of the rows' classes that occur in `y_true`.

    References
    ----------
    .. [1] Davoodi and Lo Giudice, "Synthetic of Chest X-ray Images", table 4.

    Examples
    --------
    >>> from skcxr.metrics import per_class_report
    >>> report = per_class_report(["a", "a", "b", "b"], ["a", "b", "b", "b"])
    >>> report.round(3)
       Accuracy  Sensitivity  Specificity  F1Score
    a      0.75          0.5          1.0    0.667
    b      0.75          1.0          0.5    0.800
    >>> report.attrs["accuracy"]
    0.75
    """
    labels = unique_labels(y_true, y_pred) if labels is None else np.asarray(labels)
    options = {"labels": labels, "average": None, "zero_division": zero_division}
    one_against_rest = multilabel_confusion_matrix(y_true, y_pred, labels=labels)
    true_negative = one_against_rest[:, 0, 0]
    rest = one_against_rest[:, 0].sum(axis=1)
    report = pd.DataFrame(
        {
            "Accuracy": np.trace(one_against_rest, axis1=1, axis2=2) / np.size(y_true),
            "Sensitivity": recall_score(y_true, y_pred, **options),
            "Specificity": np.where(rest, true_negative / np.maximum(rest, 1), zero_division),
            "F1Score": f1_score(y_true, y_pred, **options),
        },
        index=labels,
    )
    if harmonic_mean:
        rates = report[["Sensitivity", "Specificity"]]
        report["HarmonicMean"] = hmean(rates, axis=1)
    report.attrs["accuracy"] = float(accuracy_score(y_true, y_pred))
    occurring = np.isin(labels, np.unique(y_true))
    report.attrs["balanced_accuracy"] = float(report["Sensitivity"][occurring].mean())
    return report


def expected_calibration_error(
    y_true: ArrayLike, probabilities: ArrayLike, classes: ArrayLike, *, n_bins: int = 10
) -> float:
    """Return the mean distance between a classifier's confidence and its accuracy.

    With a few hundred images the error is biased upward. Compare the errors of classifiers on the
    same images instead of reading one alone.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        True classes.
    probabilities : array-like of shape (n, n_classes)
        Predicted probabilities.
    classes : array-like of shape (n_classes,)
        Class of each column.
    n_bins : int, default=10
        Number of bins of equal width, by the probability of the most probable class.

    Returns
    -------
    error : float
        The error in [0, 1]. It is 0 if the confidence equals the accuracy in each bin.

    References
    ----------
    .. [1] Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3.

    Examples
    --------
    >>> from skcxr.metrics import expected_calibration_error
    >>> expected_calibration_error(["a", "b"], [[0.9, 0.1], [0.9, 0.1]], ["a", "b"])
    0.4
    """
    gaps, bins = _compute_gaps(y_true, probabilities, classes, n_bins)
    return float(np.abs(np.bincount(bins, weights=gaps)).sum() / len(gaps))


def bootstrap_calibration_error(
    y_true, probabilities, classes, units, *, n_bins=10, n_resamples=1000, random_state=0
):
    """Return a 95 % bootstrap interval of :func:`expected_calibration_error`.

    Few images bias the error upward, and resampling them biases it once more. The upper end is the
    97.5 % quantile of the resampled errors. The lower end is as far below the estimate, less the
    bias that resampling shows. Of well-calibrated classifiers, whose error is about 0, fewer than
    95 % of the intervals hold the true error.

    Parameters
    ----------
    y_true, probabilities, classes, n_bins : object
        The same as in :func:`expected_calibration_error`.
    units : array-like of shape (n,)
        What is resampled: the image of each row, or its patient.
    n_resamples : int, default=1000
        Number of bootstrap samples.
    random_state : int, default=0
        Seed of the bootstrap samples.

    Returns
    -------
    low, high : float
        Ends of the interval, in [0, 1]. They are NaN for fewer than two units.
    """
    gaps, bins = _compute_gaps(y_true, probabilities, classes, n_bins)
    known, codes = np.unique(np.asarray(units), return_inverse=True)
    n_units = len(known)
    if n_units < 2:
        return np.nan, np.nan
    gaps_by_unit = np.zeros((n_units, n_bins))
    np.add.at(gaps_by_unit, (codes, bins), gaps)
    rows_by_unit = np.bincount(codes, minlength=n_units)
    rng = np.random.default_rng(random_state)
    counts = rng.multinomial(n_units, np.full(n_units, 1 / n_units), size=n_resamples)
    errors = np.abs(counts @ gaps_by_unit).sum(axis=1) / (counts @ rows_by_unit)
    estimate = np.abs(gaps_by_unit.sum(axis=0)).sum() / len(gaps)
    high = np.quantile(errors, 0.975)
    low = 2 * estimate - high - (errors.mean() - estimate)
    return float(max(low, 0)), float(high)


def _compute_gaps(y_true, probabilities, classes, n_bins):
    """Return hit minus confidence, and the confidence's bin, of each prediction."""
    probabilities = check_array(probabilities, dtype=float, input_name="probabilities")
    confidence = probabilities.max(axis=1)
    hits = np.asarray(classes)[probabilities.argmax(axis=1)] == np.asarray(y_true)
    # A confidence of exactly 1 belongs to the last bin.
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    return hits - confidence, bins


def compute_auc(is_class, probabilities):
    """Return the area under the ROC curve of one class, or NaN unless both kinds of image occur."""
    if len(np.unique(is_class)) < 2 or np.isnan(probabilities).any():
        return np.nan
    return float(roc_auc_score(is_class, probabilities))
