"""The verdict: when a statistic raises an alarm, what follows, and how it is worded.

All other modules take a verdict, its tone and whether it counts as passed from here.
"""

import math

# Level of each test. Eight tests, four per space, can raise an alarm.
LEVEL = 0.01
# The alarm of Meehan et al., a p-value of 0.0013.
C_T_ALARM = -3.0
# With a lower power, the audit cannot tell that there are no copies.
MIN_POWER = 0.8

COPIES = "copies found"
SUSPICIOUS = "suspicious"
CANNOT_TELL = "cannot tell"
CLEAN = "no sign of copying"
NOT_AUDITED = "not audited"

# Statistics that the verdict or its text reads from the table.
COPIED = "copied images"
EQUAL_TO_HOLDOUT = "equal to hold-out images"
COPIED_HOLDOUT = "copied hold-out images"
# Each counts images that are copies one by one.
COUNTED = {COPIED, EQUAL_TO_HOLDOUT}
SHARE = "share nearer to train"
C_T = "C_T"
MEMBERSHIP = "membership AUC"
AUTHENTICITY = "authenticity"
# The space of the discriminator's row, which is not part of the verdict on the images.
DISCRIMINATOR = "discriminator"


def decide_verdict(table, limitation):
    """Return the verdict on the images by the rule of :func:`skcxr.metrics.audit`.

    A finding is reported even if a limitation keeps the audit from telling that there is none.
    """
    of_images = table[table["space"] != DISCRIMINATOR]
    alarms = of_images[of_images["alarm"]].groupby("space")["statistic"].agg(set)
    if any(COUNTED & found or {SHARE, C_T} <= found for found in alarms):
        return COPIES
    if len(alarms):
        return SUSPICIOUS
    return CANNOT_TELL if limitation else CLEAN


def is_passed(verdict):
    """Return whether a verdict counts as passed: no other word than "no sign of copying" does."""
    return verdict == CLEAN


def get_tone(verdict):
    """Return how a verdict is shown: "clear" if it is passed, "alarm" for copies, else "doubt"."""
    if is_passed(verdict):
        return "clear"
    return "alarm" if verdict == COPIES else "doubt"


def describe_limitation(table, power, n_needed, n_holdout):
    """Return why the audit cannot tell that there are no copies, or "" if it can."""
    n_swapped = int(table["value"][table["statistic"] == COPIED_HOLDOUT].max())
    sentences = []
    if n_swapped:
        sentences.append(
            f"{_count_images(n_swapped)} {'is' if n_swapped == 1 else 'are'} closer to a hold-out "
            "image than training images are: the training images and the hold-out may be swapped."
        )
    if power < MIN_POWER:
        sentences.append(
            f"With {n_holdout} hold-out images, the audit would find only {format_power(power)} of "
            f"near-copies, less than {format_power(MIN_POWER)}."
        )
        sentences.append(
            "It would take more than 1,000 hold-out images."
            if n_needed is None
            else f"It would take about {n_needed} hold-out images."
        )
    return " ".join(sentences)


def describe_missing_audit(verdict):
    """Return why a class has no audit, and what its verdict comes from if it has one."""
    reason = (
        "There were too few images for an audit. It takes four training images and two hold-out "
        "images."
    )
    if verdict == COPIES:
        return f"Synthetic images equal training images. {reason} It could find further copies."
    return f"{reason} Copies may be among the synthetic images."


def split_reading(result):
    """Return the reading of an audit, and apart from it the sentences on the discriminator.

    The discriminator is about the model, and not part of the verdict on the images. Its sentences
    are empty without a discriminator.
    """
    rows = result.table[result.table["space"] == DISCRIMINATOR]
    if rows.empty:
        return result.reading, ""
    of_model = _describe_discriminator(rows.set_index("statistic"))
    return result.reading.replace(f" {of_model}", ""), of_model


def describe_findings(verdict, limitation, power, table, pairs, n_synthetic, n_train, n_holdout):
    """Return the findings as one paragraph of text, the result first."""
    sentences = [
        f"{verdict.capitalize()}: the audit compared {_count_images(n_synthetic)} with {n_train} "
        f"training and {n_holdout} hold-out images."
    ]
    n_equal = int(table["value"][table["statistic"] == EQUAL_TO_HOLDOUT].sum())
    if n_equal:
        sentences.append(
            f"{_count_images(n_equal)} {'equals' if n_equal == 1 else 'equal'} a hold-out image, "
            "up to brightness and contrast."
        )
    if limitation:
        sentences.append(limitation)
    if pairs and pairs[0].copy:
        sentences.append(_describe_pair(pairs[0]))
    elif verdict == COPIES and not table["alarm"][table["statistic"].isin(COUNTED)].any():
        sentences.append(
            "No single pair stands out. Together, the synthetic images are closer to the training "
            "set than the hold-out is, and closer to the training set than to the hold-out."
        )
    elif verdict == SUSPICIOUS:
        sentences.append(
            "No single pair stands out. Either the generator stays close to its training images, "
            "or its images are smooth averages, which are close to all images. Look at the pairs."
        )
    for space, rows in table.groupby("space", sort=False):
        statistics = rows.set_index("statistic")
        if space == DISCRIMINATOR:
            sentences.append(_describe_discriminator(statistics))
        else:
            sentences.append(_describe_space(space, statistics))
    sentences.append(
        f"The power is {format_power(power)}: the share of training images that the audit would "
        "report as copies if each were shifted by a pixel and had 5 % noise."
    )
    sentences.append(
        "This audit is not a guarantee: for synthetic sets that passed distance tests, other "
        "attacks have revealed who was in the training set (arXiv 2505.01524)."
    )
    return " ".join(sentences)


def format_power(power):
    """Return the power in percent, rounded down so that 79.9 % does not read as enough."""
    return f"{math.floor(100 * power + 1e-9)} %"


def _describe_space(space, statistics):
    n_copied = int(statistics.loc[COPIED, "value"])
    share = statistics.loc[SHARE]
    return (
        f"In {space}, {_count_images(n_copied)} {'is' if n_copied == 1 else 'are'} closer to a "
        "training image than hold-out images are. The share nearer to the training set than to "
        f"the hold-out is {share['value']:.2f} (95 % CI {share['low']:.2f} to "
        f"{share['high']:.2f}; 0.5 without copying). C_T is {statistics.loc[C_T, 'value']:.1f} "
        f"(alarm below {C_T_ALARM:.0f}). Authenticity is "
        f"{statistics.loc[AUTHENTICITY, 'value']:.2f} (hold-out: "
        f"{statistics.loc[AUTHENTICITY, 'expected']:.2f}). Distances separate training from "
        f"hold-out images with an AUC of {_format_auc(statistics)}."
    )


def _describe_discriminator(statistics):
    alarm = " Anyone who has the discriminator can infer who was in the training set."
    return (
        "The discriminator's logits separate training from hold-out images with an AUC of "
        f"{_format_auc(statistics)}.{alarm if statistics.loc[MEMBERSHIP, 'alarm'] else ''}"
    )


def _describe_pair(pair):
    mirrored = ", mirrored" if pair.mirrored else ""
    return (
        f"The closest pair is synthetic image {pair.synthetic} and training image "
        f"{pair.train}{mirrored}. In {pair.space}, their distance is {pair.ratio:.2f} times the "
        "distance to the fifth nearest training image. Look at the pairs."
    )


def _format_auc(statistics):
    auc = statistics.loc[MEMBERSHIP]
    return f"{auc['value']:.2f} (95 % CI {auc['low']:.2f} to {auc['high']:.2f}; 0.5 is chance)"


def _count_images(n):
    return f"{n} synthetic image{'' if n == 1 else 's'}"
