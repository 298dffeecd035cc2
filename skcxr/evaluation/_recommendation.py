"""One recommendation in words, which follows from the verdicts by stated rules.

1. Only an arm with the verdict "better" can replace the baseline. An arm that failed in a fold
   cannot.
2. Of several such arms, the one with the best mean is chosen, or the cheapest of those that it is
   not better than.
3. If the chosen arm adds synthetic images, its control decides what the gain may be credited to.
"""

import numpy as np

from skcxr.evaluation._verdicts import (
    BETTER,
    EQUIVALENT,
    UNDECIDED,
    WORSE,
    format_probability,
    get_required_probability,
)


def recommend(comparison, table, seconds):
    """Return the recommendation, a few sentences.

    Parameters
    ----------
    comparison : Comparison
        The results.
    table : pandas.DataFrame
        The first score's differences and verdicts, one row per arm but the baseline.
    seconds : pandas.Series
        Mean seconds per fit, by arm.

    Returns
    -------
    text : str
    """
    baseline = comparison.baseline
    if table.empty:
        return f"No recommendation: {baseline} was not compared with another arm."
    missing = table.index[table["p_better"].isna()].tolist()
    if len(missing) == len(table):
        sentences = [
            f"No recommendation: no arm has an interval of its difference from {baseline}, which "
            "takes two or more folds with different results"
        ]
        missing = []
    else:
        better = table[table["verdict"] == BETTER]
        failed = [arm for arm in better.index if comparison.n_failed[arm]]
        better = better.drop(index=failed)
        if better.empty:
            sentences = [_keep_baseline(baseline, table, seconds, failed)]
        else:
            sentences = _choose_arm(comparison, better, seconds)
        sentences += [
            f"{arm} is better where it finished, but an arm that failed is not recommended"
            for arm in failed
        ]
    if missing:
        sentences += [f"Nothing is said of {arm}, which has no interval" for arm in missing]
    if _is_unfinished(comparison):
        sentences.append("This is preliminary, because the arms have not finished the same folds")
    failures = comparison._describe_failures(comparison.arms)
    if failures:
        sentences.append(failures)
    return " ".join(f"{sentence}." for sentence in sentences)


def _keep_baseline(baseline, table, seconds, failed):
    """Return the sentence that recommends the baseline."""
    n_arms = table["p_better"].notna().sum()
    required = f"{get_required_probability(table):.3g}"
    if n_arms > 1:
        required += f" (0.95, corrected for {n_arms} arms)"
    others = [arm for arm in table.index if arm not in failed]
    is_cheapest = all(seconds[baseline] <= seconds[arm] for arm in others)
    reason = "no other arm that finished" if failed else "no other arm"
    cost = ", and it costs least" if is_cheapest else ""
    return f"Use {baseline}: {reason} is better with a probability above {required}{cost}"


def _choose_arm(comparison, better, seconds):
    """Return sentences that recommend one of the arms that are better than the baseline."""
    baseline = comparison.baseline
    best = better["difference"].idxmax()
    tied = [arm for arm in better.index if _judge(comparison, best, arm) != BETTER]
    chosen = seconds[tied].fillna(np.inf).idxmin()
    row = better.loc[chosen]
    sentences = [
        f"Use {chosen}: it is better than {baseline} with a probability of "
        f"{format_probability(row['p_better'])} ({comparison.metric} {row['difference']:+.3f}, "
        f"95 % CI {row['low']:+.3f} to {row['high']:+.3f})"
    ]
    if chosen != best:
        sentences.append(f"{best} has the best mean, but is not shown to be better and costs more")
    elif len(tied) > 1:
        others = " and ".join(arm for arm in tied if arm != chosen)
        sentences.append(f"It is not shown to be better than {others}, but costs less")
    return sentences + _credit_gain(comparison, chosen, better.index)


def _judge(comparison, arm, other):
    """Return the verdict on an arm compared with another one, as a comparison of these two."""
    if arm == other:
        return EQUIVALENT
    pair = comparison.only([arm, other]).against(other)
    return pair._judge_arms().loc[arm, "verdict"]


def _credit_gain(comparison, chosen, better):
    """Return a sentence on whether the gain comes from the synthetic images, if this is a question.

    Parameters
    ----------
    comparison : Comparison
        The results.
    chosen : str
        The recommended arm.
    better : iterable of str
        All arms that are better than the baseline.

    Returns
    -------
    sentences : list of str
        One sentence, or none.
    """
    controls = comparison.controls
    for arm in better:
        if controls.get(arm) == chosen and _judge(comparison, arm, chosen) != BETTER:
            return [
                f"{chosen} is the control of {arm}, which is not shown to be better: the gain does "
                "not need synthetic images"
            ]
    if chosen not in controls or controls[chosen] == comparison.baseline:
        return []
    control = controls[chosen]
    if control not in comparison.arms:
        return [
            "No arm adds as many duplicates, so the gain may come from more training steps alone"
        ]
    return {
        BETTER: [f"It is also better than its control, {control}, so the images cause a gain"],
        EQUIVALENT: [
            f"It is practically equivalent to its control, {control}: the gain does not come from "
            "the synthetic images"
        ],
        WORSE: [
            f"It is worse than its control, {control}: the gain does not come from the synthetic "
            "images"
        ],
        UNDECIDED: [
            f"It is not shown to be better than its control, {control}, so the gain may not come "
            "from the synthetic images"
        ],
    }.get(_judge(comparison, chosen, control), [])


def _is_unfinished(comparison):
    """Return whether the arms have results of different folds, as in an interrupted run."""
    folds = comparison.results.groupby("arm")["fold"].agg(frozenset)
    return folds.nunique() > 1
