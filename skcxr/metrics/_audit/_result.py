"""What the audit returns: a verdict, its text, a table of statistics and pairs of images."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from skcxr.metrics._audit._verdict import is_passed

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class SuspiciousPair:
    """A synthetic image and the training image that it is closest to.

    Parameters
    ----------
    synthetic, train : int
        Rows of the two images.
    space : str
        The space in which the pair is closest, compared with the hold-out: "pixels" or the name of
        the features.
    distance : float
        Distance in this space, >= 0. In pixels it is at most 2.
    ratio : float
        `distance` over the distance to the fifth nearest training image, in [0, 1].
    p_value : float
        Probability that an image is that close without copying, not corrected for the number of
        images.
    copy : bool
        True if `p_value` is below the level after correction for the number of images.
    mirrored : bool
        True if the training image is that close when it is mirrored left to right.
    synthetic_image, train_image : ndarray of shape (h, w) or (c, h, w)
        The two images, in the range of the real images, which is scaled to [-1, 1]. The training
        image is not mirrored.
    """

    synthetic: int
    train: int
    space: str
    distance: float
    ratio: float
    p_value: float
    copy: bool
    mirrored: bool
    synthetic_image: NDArray[np.float32] = field(repr=False)
    train_image: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True, eq=False)
class AuditResult:
    """Result of :func:`audit`.

    Parameters
    ----------
    verdict : {"copies found", "suspicious", "cannot tell", "no sign of copying"}
        The verdict by the rule of :func:`audit`.
    limitation : str
        Why the audit cannot tell that there are no copies, in a few sentences. It is empty if the
        audit can.
    power : float
        Share in [0, 1] of the training images that this audit would report as copies if they were
        among the synthetic images, each shifted by a pixel and with 5 % noise.
    n_holdout_needed : int or None
        Number of hold-out images that would give a power of about 0.8, if the power is lower. None
        if the power is high enough, or if 1,000 hold-out images would not be enough.
    reading : str
        One paragraph of text that states the findings.
    table : pandas.DataFrame
        One row per statistic, with columns ``space``, ``statistic``, ``value``, ``low`` and
        ``high`` (95 % interval), ``expected`` (the value without copying: chance, or the
        hold-out's own value), ``p_value`` and ``alarm``. NaN marks what a statistic does not have.
    pairs : tuple of SuspiciousPair
        The most suspicious pairs first. Each synthetic image occurs at most once.
    """

    verdict: Literal["copies found", "suspicious", "cannot tell", "no sign of copying"]
    limitation: str
    power: float
    n_holdout_needed: int | None
    reading: str
    table: pd.DataFrame
    pairs: tuple[SuspiciousPair, ...]

    @property
    def passed(self) -> bool:
        """Return True if the verdict is "no sign of copying"."""
        return is_passed(self.verdict)

    def to_dict(self) -> dict[str, Any]:
        """Return the result without images, as values that JSON can store.

        Returns
        -------
        found : dict
            The fields of the result and ``passed``, as plain values. None marks what a statistic
            does not have.
        """
        table = self.table.astype(object).where(self.table.notna(), None)
        pairs = [
            {name: value for name, value in asdict(pair).items() if not name.endswith("_image")}
            for pair in self.pairs
        ]
        return {
            "verdict": self.verdict,
            "passed": self.passed,
            "limitation": self.limitation,
            "power": self.power,
            "n_holdout_needed": self.n_holdout_needed,
            "reading": self.reading,
            "table": table.to_dict("records"),
            "pairs": pairs,
        }

    def __str__(self) -> str:
        table = self.table.to_string(index=False, na_rep="", float_format="{:.3g}".format)
        return f"{self.reading}\n\n{table}"
