"""Comparisons built from scores, without any fit."""

import numpy as np
import pandas as pd

from skcxr.evaluation import Comparison

N_TEST = 25


def build_comparison(scores_by_arm, *, seconds=None, n_folds=4, **options):
    """Return a comparison whose arms have these accuracies, in folds of a repeated 4-fold split.

    Parameters
    ----------
    scores_by_arm : dict of str to sequence of float
        Accuracy in each fold, NaN for a fit that failed. An arm may have fewer folds than others.
    seconds : dict of str to float or None, default=None
        Seconds per fit. None takes 1 for all arms.
    n_folds : int, default=4
        Number of folds of each repeat.
    **options : object
        Fields of the comparison. The baseline is the first arm unless it is among them.
    """
    results, predictions = [], []
    for arm, scores in scores_by_arm.items():
        for fold, score in enumerate(scores):
            row = {"arm": arm, "fold": fold, "repeat": fold // n_folds}
            sizes = {"n_train": N_TEST * (n_folds - 1), "n_test": N_TEST}
            time = 1.0 if seconds is None else seconds[arm]
            for metric, value in (("accuracy", score), ("fit_seconds", time)):
                results.append(row | sizes | {"metric": metric, "value": value})
            if not np.isnan(score):
                rows = np.arange(N_TEST) + N_TEST * (fold % n_folds)
                hits = np.arange(N_TEST) < round(score * N_TEST)
                columns = {"row": rows, "true": 1, "predicted": hits.astype(int)}
                columns |= {"p_0": 1 - 0.8 * hits, "p_1": 0.8 * hits}
                predictions.append(pd.DataFrame(row | columns))
    return Comparison(
        results=pd.DataFrame(results),
        predictions=pd.concat(predictions, ignore_index=True),
        classes=np.arange(2),
        **{"baseline": next(iter(scores_by_arm))} | options,
    )


def spread(mean, deviation, n=20):
    """Return n scores with this mean and standard deviation."""
    pattern = np.tile([-1.0, 1.0], n // 2)
    return mean + deviation * pattern / pattern.std(ddof=1)
