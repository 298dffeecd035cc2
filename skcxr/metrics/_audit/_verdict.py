"""When a statistic raises an alarm, the verdict that follows from the alarms, and its text."""

# Level of each test. Eight tests, four per space, can raise an alarm.
LEVEL = 0.01
# The alarm of Meehan et al., a p-value of 0.0013.
C_T_ALARM = -3.0

COPIES = "copies found"
SUSPICIOUS = "suspicious"
CLEAN = "no sign of copying"

# Statistics that the verdict or its text reads from the table.
COPIED = "copied images"
SHARE = "share nearer to train"
C_T = "C_T"
MEMBERSHIP = "membership AUC"
AUTHENTICITY = "authenticity"
# The space of the discriminator's row, which is not part of the verdict on the images.
DISCRIMINATOR = "discriminator"


def decide_verdict(table):
    """Return the verdict on the images by the rule of :func:`skcxr.metrics.audit`."""
    of_images = table[table["space"] != DISCRIMINATOR]
    alarms = of_images.pivot(index="space", columns="statistic", values="alarm")
    if (alarms[COPIED] | (alarms[SHARE] & alarms[C_T])).any():
        return COPIES
    return SUSPICIOUS if alarms.to_numpy().any() else CLEAN


def describe_findings(verdict, table, pairs, n_synthetic, n_train, n_holdout):
    """Return the findings as one paragraph of text."""
    sentences = [
        f"{verdict.capitalize()}: the audit compared {_count_images(n_synthetic)} with {n_train} "
        f"training and {n_holdout} hold-out images."
    ]
    for space, rows in table.groupby("space", sort=False):
        statistics = rows.set_index("statistic")
        if space == DISCRIMINATOR:
            sentences.append(_describe_discriminator(statistics))
        else:
            sentences.append(_describe_space(space, statistics))
    if pairs and pairs[0].copy:
        sentences.append(_describe_pair(pairs[0]))
    elif verdict == COPIES and not table["alarm"][table["statistic"] == COPIED].any():
        sentences.append(
            "No single pair stands out. Together, the synthetic images are closer to the training "
            "set than the hold-out is, and closer to the training set than to the hold-out."
        )
    elif verdict == SUSPICIOUS:
        sentences.append(
            "No single pair stands out. Either the generator stays close to its training images, "
            "or its images are smooth averages, which are close to all images. Look at the pairs."
        )
    sentences.append(
        "This audit is not a guarantee: for synthetic sets that passed distance tests, other "
        "attacks have revealed who was in the training set (arXiv 2505.01524)."
    )
    return " ".join(sentences)


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
