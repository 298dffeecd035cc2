"""Verdicts on the arms of a comparison, and their basis in words: one rule for all outputs."""

import numpy as np
import pandas as pd

from skcxr.metrics._paired import adjust_with_holm

# A verdict needs a probability above this level.
LEVEL = 0.95
BETTER = "better"
WORSE = "worse"
EQUIVALENT = "practically equivalent"
UNDECIDED = "undecided"
PROBABILITIES = ["p_worse", "p_equivalent", "p_better"]


def decide_verdicts(table):
    """Return the verdict on each arm.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per arm, with the probabilities ``p_worse``, ``p_equivalent`` and ``p_better``.

    Returns
    -------
    verdicts : pandas.Series of str
        "better" or "worse" where that probability is above 0.95 after Holm's correction for the
        number of arms, since the most different of several arms is often so by chance;
        "practically equivalent" where that probability is above 0.95; otherwise "undecided".
    """
    verdicts = np.full(len(table), UNDECIDED, dtype=object)
    for verdict, column in ((BETTER, "p_better"), (WORSE, "p_worse")):
        doubts = adjust_with_holm(1 - table[column].to_numpy(dtype=float))
        verdicts[doubts < 1 - LEVEL] = verdict
    verdicts[table["p_equivalent"].to_numpy(dtype=float) > LEVEL] = EQUIVALENT
    return pd.Series(verdicts, index=table.index, dtype=object)


def get_required_probability(table):
    """Return the probability that the first of the arms in `table` needs to be called better."""
    n_arms = max(table["p_better"].notna().sum(), 1)
    return 1 - (1 - LEVEL) / n_arms


def describe_finding(arm, baseline, row, *, metric, rope):
    """Return the verdict on an arm as a clause, and the figures and advice that belong to it.

    Parameters
    ----------
    arm, baseline : str
        Names of the arm and of the baseline.
    row : pandas.Series
        The arm's row of the first score's table.
    metric : str
        Name of the score.
    rope : float
        Half the width of the region of practical equivalence.

    Returns
    -------
    verdict, basis : str
        Text without a full stop at the end.
    """
    if row["n_folds"] == 0:
        return f"{arm} cannot be compared with {baseline}", "no fold has finished for both"
    verdict = {
        BETTER: f"{arm} is better than {baseline}",
        WORSE: f"{arm} is worse than {baseline}",
        EQUIVALENT: f"{arm} and {baseline} are practically equivalent",
        UNDECIDED: f"Undecided between {arm} and {baseline}",
    }[row["verdict"]]
    sentences = [f"{metric} {row['difference']:+.3f} ({_format_interval(row)})"]
    if not np.isnan(row["p_better"]):
        sentences.append(_format_probabilities(row, rope))
    sentences += _describe_mcnemar(arm, baseline, row)
    if row["verdict"] == UNDECIDED:
        sentences += _advise(row, rope)
    return verdict, ". ".join(sentences)


def _format_interval(row):
    """Return a difference's confidence interval and number of folds, or why it has no interval."""
    if row["n_folds"] == 1:
        return "no confidence interval from 1 fold"
    if np.isnan(row["low"]):
        return f"no confidence interval: all {row['n_folds']:g} folds have the same difference"
    return f"95 % CI {row['low']:+.3f} to {row['high']:+.3f}, {row['n_folds']:g} folds"


def _format_probabilities(row, rope):
    """Return the three probabilities in words, or two where the region has no width."""
    parts = [f"better {format_probability(row['p_better'])}"]
    if rope:
        equivalent = format_probability(row["p_equivalent"])
        parts.append(f"practically equivalent (within {rope:g}) {equivalent}")
    parts.append(f"worse {format_probability(row['p_worse'])}")
    return f"Probabilities: {', '.join(parts)}"


def format_probability(p):
    """Return a probability with two decimals, or three where two would be 0 or 1 or the level."""
    if p < 0.001:
        return "below 0.001"
    if p > 0.999:
        return "above 0.999"
    return f"{p:.3f}" if p < 0.01 or p > 0.94 else f"{p:.2f}"


def _describe_mcnemar(arm, baseline, row):
    """Return the counts of McNemar's test, and a sentence where it disagrees with the interval."""
    if np.isnan(row["only_arm"]):
        return ["No image was predicted by both"]
    images = "1 image was" if row["only_arm"] == 1 else f"{row['only_arm']:g} images were"
    sentences = [
        f"{images} classified correctly only by {arm}, {row['only_baseline']:g} only by {baseline} "
        f"(McNemar p = {row['mcnemar_p']:.2g})"
    ]
    excludes_zero = row["low"] > 0 or row["high"] < 0
    is_significant = row["mcnemar_p"] < 0.05
    if is_significant and not excludes_zero:
        sentences.append(
            "McNemar's test finds a difference where the interval does not, because it ignores "
            "that other training images would give other classifiers"
        )
    elif excludes_zero and not is_significant:
        sentences.append(
            "McNemar's test finds no difference where the interval does, because it counts the "
            "images of one repeat and ignores how well the folds agree"
        )
    return sentences


def _advise(row, rope):
    """Return sentences on what could decide: more folds, more repeats, or only more patients."""
    if np.isnan(row["p_better"]):
        return ["There is no verdict without an interval. More folds or repeats can give one"]
    if row["limit"] == UNDECIDED:
        sentences = [
            "With this difference and spread, no number of repeats decides it, so do not repeat "
            "until there is a verdict. More patients could decide it"
        ]
    else:
        sentences = [
            "More repeats of the cross-validation could decide it, if this difference persists. "
            "Choose their number first: repeating until there is a verdict finds differences that "
            "do not exist"
        ]
    if 0 < rope < row["smallest_rope"]:
        sentences.append(
            f"No number of repeats shows practical equivalence within {rope:g}: the smallest rope "
            f"for it is {_round_up(row['smallest_rope'])}"
        )
    return sentences


def _round_up(value):
    """Return a number as text, rounded up to two significant digits."""
    unit = 10.0 ** (np.floor(np.log10(value)) - 1)
    return f"{np.ceil(value / unit - 1e-9) * unit:.2g}"
