"""What a memorization audit found: its verdict, its table, its pairs, and all of it in words."""

from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd

# Level of each test. Eight of them, four in each space, can raise the alarm.
LEVEL = 0.01
# Meehan et al.'s alarm, a p-value of 0.0013.
C_T_ALARM = -3.0

COPIES, SUSPICIOUS, CLEAN = "copies found", "suspicious", "no sign of copying"
# Rows of the table that the verdict or the reading looks up.
COPIED, SHARE, C_T = "copied images", "share nearer to train", "C_T"
MEMBERSHIP, AUTHENTICITY = "membership AUC", "authenticity"


@dataclass(frozen=True, eq=False)
class SuspiciousPair:
    """A synthetic image and the training image that it is closest to.

    Parameters
    ----------
    synthetic, train : int
        Rows of the two images.
    space : str
        Where the pair is closest, relative to honest images: "pixels" or the features' name.
    distance : float
        Distance there, in [0, 2].
    ratio : float
        `distance` over the distance to the fifth nearest training image, in [0, 1].
    p_value : float
        How rarely an honest image comes that close, for this image alone.
    copy : bool
        Whether `p_value` is below the level when as many images are looked at.
    mirrored : bool
        Whether the training image comes that close when it is mirrored left to right.
    synthetic_image, train_image : ndarray of shape (h, w) or (c, h, w)
        The images, the training image not mirrored; -1 and 1 are the real images' extremes.
    """

    synthetic: int
    train: int
    space: str
    distance: float
    ratio: float
    p_value: float
    copy: bool
    mirrored: bool
    synthetic_image: np.ndarray = field(repr=False)
    train_image: np.ndarray = field(repr=False)


@dataclass(frozen=True, eq=False)
class AuditResult:
    """What :func:`audit` found.

    Parameters
    ----------
    verdict : {"copies found", "suspicious", "no sign of copying"}
        See :func:`audit` for the rule.
    reading : str
        The findings in words, one paragraph.
    table : pandas.DataFrame
        A row a statistic, columns ``space``, ``statistic``, ``value``, ``low`` and ``high`` (95 %
        interval), ``expected`` (without copying: chance, or the hold-out's own value),
        ``p_value`` and ``alarm``. NaN is what a statistic does not have.
    pairs : tuple of SuspiciousPair
        The most suspicious first, each synthetic image at most once.
    """

    verdict: str
    reading: str
    table: pd.DataFrame
    pairs: tuple

    def to_dict(self):
        """Verdict, reading, table and pairs, without the images, as JSON takes them.

        Returns
        -------
        found : dict
            Of str to plain values; None is what a statistic does not have.
        """
        rows = self.table.astype(object).where(self.table.notna(), None).to_dict("records")
        pairs = [
            {k: v for k, v in asdict(pair).items() if not k.endswith("_image")}
            for pair in self.pairs
        ]
        return {
            "verdict": self.verdict,
            "reading": self.reading,
            "table": rows,
            "pairs": pairs,
        }

    def __str__(self):
        table = self.table.to_string(index=False, na_rep="", float_format="{:.3g}".format)
        return f"{self.reading}\n\n{table}"


def verdict_of(table):
    """The verdict on the images, by :func:`skcxr.metrics.audit`'s rule."""
    of_images = table[table["space"] != "discriminator"]
    alarms = of_images.pivot(index="space", columns="statistic", values="alarm")
    if (alarms[COPIED] | (alarms[SHARE] & alarms[C_T])).any():
        return COPIES
    return SUSPICIOUS if alarms.to_numpy().any() else CLEAN


def in_words(verdict, table, pairs, n_synthetic, n_train, n_holdout):
    """The findings in one paragraph."""
    sentences = [
        f"{verdict.capitalize()}: {n_synthetic} synthetic images were compared with {n_train} "
        f"training and {n_holdout} hold-out images."
    ]
    rows = table.set_index(["space", "statistic"])
    for name in table["space"].unique():
        auc = rows.loc[(name, MEMBERSHIP)]
        interval = f"{auc['value']:.2f} ({auc['low']:.2f} to {auc['high']:.2f}; 0.5 is chance)"
        if name == "discriminator":
            end = ": whoever gets it can tell who was in the training set." if auc["alarm"] else "."
            sentences.append(
                "The discriminator's logits tell training from hold-out images with an AUC of "
                f"{interval}{end}"
            )
            continue
        share, authentic = rows.loc[(name, SHARE)], rows.loc[(name, AUTHENTICITY)]
        sentences.append(
            f"In {name}, {rows.loc[(name, COPIED), 'value']:.0f} of them are closer to a training "
            f"image than honest images come; {share['value']:.0%} are nearer to the training than "
            f"to the hold-out set ({share['low']:.0%} to {share['high']:.0%}; 50% without "
            f"copying), C_T is {rows.loc[(name, C_T), 'value']:.1f} (alarm below {C_T_ALARM:.0f}), "
            f"authenticity {authentic['value']:.2f} (the hold-out's own is "
            f"{authentic['expected']:.2f}), and distances tell training from hold-out images with "
            f"an AUC of {interval}."
        )
    if pairs and pairs[0].copy:
        first = pairs[0]
        sentences.append(
            f"The closest pair is synthetic image {first.synthetic} and training image "
            f"{first.train}{', mirrored' if first.mirrored else ''}, in {first.space} at "
            f"{first.ratio:.2f} of the distance to the fifth nearest: look at the pairs."
        )
    elif verdict == COPIES and not rows.xs(COPIED, level="statistic")["alarm"].any():
        sentences.append(
            "No single pair stands out, but the images as a whole lie closer to the training set "
            "than the hold-out does, and closer to it than to the hold-out."
        )
    elif verdict == SUSPICIOUS:
        sentences.append(
            "No single pair stands out: the generator leans on its training images, or its images "
            "are smooth averages, which lie close to all; look at the pairs."
        )
    sentences.append(
        "This is an audit and no guarantee: synthetic sets that pass tests by distance have leaked "
        "who was in the training set to other attacks (arXiv 2505.01524)."
    )
    return " ".join(sentences)
