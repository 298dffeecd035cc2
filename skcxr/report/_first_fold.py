"""What the page, the text and the files of a report have in common."""

from dataclasses import dataclass

import pandas as pd

from skcxr.displays import SyntheticSamplesDisplay, TrainingHistoryDisplay
from skcxr.evaluation._inspection import convert_audits, inspect_samples


@dataclass
class FirstFold:
    """The GANs of one arm in the first fold, and their synthetic images.

    Attributes
    ----------
    arm : str
        Name of the arm.
    samples : SyntheticSamplesDisplay
        Real images, synthetic images and their nearest real images, per class.
    training : dict of class to TrainingHistoryDisplay
        Training curves of each GAN.
    table : pandas.DataFrame
        Table of :func:`skcxr.evaluation.inspect_samples`.
    audits : dict of class to AuditResult
        Audits of :func:`skcxr.evaluation.inspect_samples`.
    """

    arm: str
    samples: SyntheticSamplesDisplay
    training: dict[str, TrainingHistoryDisplay]
    table: pd.DataFrame
    audits: dict


def inspect_first_fold(arm, sampler, X_train, y_train, X_test, y_test):
    """Draw, measure and audit the synthetic images of a fitted sampler.

    Parameters
    ----------
    arm : str
        Name of the arm that the sampler is from.
    sampler : DCGANOversampler or ConditionalDCGANOversampler
        A sampler that was fitted on the training images of a fold.
    X_train, y_train, X_test, y_test : ndarray
        Images and classes of the fold.

    Returns
    -------
    first_fold : FirstFold
    """
    samples = SyntheticSamplesDisplay.from_estimator(sampler, X_train, y_train)
    training = {
        k: TrainingHistoryDisplay.from_estimator(gan) for k, gan in sampler.estimators_.items()
    }
    table, audits = inspect_samples(sampler, X_train, y_train, X_test, y_test)
    return FirstFold(arm, samples, training, table, audits)


def compare_with_control(comparison):
    """Return the comparison of the arms that add images with as many duplicates.

    None is returned if there are no such arms, or if the duplicates are the baseline anyway.
    Duplicates cost as many training steps: only an improvement over them can be due to what the
    added images show.
    """
    arms = comparison.arms
    control = get_control(comparison)
    if control not in arms or comparison.baseline == control:
        return None
    controlled = [arm for arm in arms if comparison.controls.get(arm) == control]
    return comparison.only([control, *controlled]).against(control) if controlled else None


def get_control(comparison):
    """Return the arm that adds duplicates as a control, or None if there is none."""
    return next(filter(None, comparison.controls.values()), None)


def count_folds(settings):
    """Return the planned number of fits of an arm: the folds of all repeats."""
    return settings["cv"] * settings.get("repeats", 1)


def rank_arms(summary):
    """Return the summary of a comparison, best arms first. Of equal scores, the cheaper is first.

    Parameters
    ----------
    summary : pandas.DataFrame
        `Comparison.summary`, which takes a bootstrap to compute.

    Returns
    -------
    ranking : pandas.DataFrame
    """
    return summary.sort_values(["score", "fit_seconds"], ascending=[False, True])


def list_limitations(first_fold):
    """Return why the audits of some classes cannot tell that there are no copies, by class."""
    audits = convert_audits(first_fold.table, first_fold.audits)
    return {k: found["limitation"] for k, found in audits.items() if found["limitation"]}
