"""All generative metrics of synthetic images, next to the values of real images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from skcxr._base.validation import check_finite
from skcxr.metrics._generative import (
    frechet_distance,
    inception_score,
    intra_diversity,
    kernel_distance,
    precision_recall_density_coverage,
)
from skcxr.metrics._generative_table import GENERATIVE_METRICS
from skcxr.metrics.features import feature_extractor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from skcxr._base.types import Features, ImageShape, RandomState

N_DRAWS = 20


def generative_report(
    real: ArrayLike,
    fake: ArrayLike,
    *,
    unseen: ArrayLike | None = None,
    features: Features = "cxr",
    k: int = 5,
    image_shape: ImageShape | None = None,
    random_state: RandomState | None = None,
) -> pd.DataFrame:
    """Return all generative metrics of synthetic images, next to their values for real images.

    The metrics depend on the numbers of images, so both columns compare sets of equal sizes. Half
    of the real images are compared with as many synthetic images, and with the other half of the
    real images. This is repeated for 20 random draws, and the report shows the means.

    Parameters
    ----------
    real : array-like of shape (n, h*w), (n, h, w) or (n, c, h, w)
        Real images to compare with, at least 4. They determine the range of values.
    fake : array-like of shape (m, ...)
        Synthetic images in the same layout and range, at least 2.
    unseen : array-like of shape (l, ...) or None, default=None
        Other real images, at least 2. If given, all of `real` is compared with equal numbers of
        `unseen` and `fake`. None compares halves of `real`.
    features : str, path or callable, default="cxr"
        Features as in :func:`skcxr.metrics.features.feature_extractor`.
    k : int, default=5
        Number of nearest neighbors for precision, recall, density and coverage. It is reduced if a
        set has `k` images or fewer.
    image_shape : tuple of int or None, default=None
        The (height, width) or (channels, height, width) of flat rows. None stands for one square
        channel.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws and of the kernel distance's permutations.

    Returns
    -------
    report : pandas.DataFrame
        One row per metric, with columns ``synthetic`` and ``real``: the value for synthetic images,
        and for real images in their place. ``report.attrs`` holds ``extractor``, ``layer``, ``d``,
        ``n_real``, ``n_fake``, ``n_compared`` (the sizes of the two sets that are compared), ``k``,
        ``p_value`` (of the kernel distance, for all images) and ``caption``, which states the
        features and the numbers of images in one line. Show the caption with the table: values for
        other features or other numbers of images are not comparable with these.

    Raises
    ------
    ValueError
        If a set has too few images or values that are not finite, or `features` is not known.

    Examples
    --------
    >>> from skcxr.datasets import make_chest_phantoms
    >>> from skcxr.metrics import generative_report
    >>> X = make_chest_phantoms(60, random_state=0).images
    >>> report = generative_report(X[:30], 255 - X[30:], features="pixels", random_state=0)
    >>> bool(report.loc["kernel distance", "synthetic"] > report.loc["kernel distance", "real"])
    True
    >>> report.attrs["caption"]
    'pixels features (29 principal components, d = 29), 15 against 15 of 30 real and 30 synthetic'
    """
    sets = {"real": np.asarray(real), "fake": np.asarray(fake)}
    if unseen is not None:
        sets["unseen"] = np.asarray(unseen)
    for name, X in sets.items():
        least = 4 if name == "real" and unseen is None else 2
        if len(X) < least:
            raise ValueError(f"{name} must hold {least} or more images, got {len(X)}.")
        # Before features: one NaN among the real images makes the range of all values NaN.
        check_finite(X, name)
    extractor = feature_extractor(features, sets["real"], image_shape=image_shape)
    embedded = {name: extractor(X) for name, X in sets.items()}
    probabilities = {name: extractor.probabilities(X) for name, X in sets.items()}

    rng = check_random_state(random_state)
    sizes = {name: len(X) for name, X in sets.items()}
    draws = [_draw_rows(rng, sizes) for _ in range(N_DRAWS)]
    real_rows, fake_rows, _ = draws[0]
    n_compared = len(real_rows), len(fake_rows)
    k = min(k, min(n_compared) - 1)

    other = "real" if unseen is None else "unseen"
    synthetic_values, real_values = [], []
    for real_rows, fake_rows, other_rows in draws:
        compared = embedded["real"][real_rows]
        synthetic_values.append(
            _measure(compared, embedded["fake"], probabilities["fake"], fake_rows, k)
        )
        real_values.append(_measure(compared, embedded[other], probabilities[other], other_rows, k))
    report = pd.DataFrame(
        {
            "synthetic": pd.DataFrame(synthetic_values).mean(),
            "real": pd.DataFrame(real_values).mean(),
        }
    )
    report.index = [GENERATIVE_METRICS[key].label for key in report.index]
    p_value = kernel_distance(embedded["real"], embedded["fake"], random_state=rng).p_value
    report.attrs = {
        "extractor": extractor.name,
        "layer": extractor.layer,
        "d": embedded["real"].shape[1],
        "n_real": sizes["real"],
        "n_fake": sizes["fake"],
        "n_compared": n_compared,
        "k": k,
        "p_value": p_value,
    }
    caption = (
        "{extractor} features ({layer}, d = {d}), {n_compared[0]} against {n_compared[1]} of "
        "{n_real} real and {n_fake} synthetic"
    )
    report.attrs["caption"] = caption.format(**report.attrs)
    return report


def _draw_rows(rng, sizes):
    """Return random rows of real images, and of the synthetic and other real images to compare."""
    real = rng.permutation(sizes["real"])
    if "unseen" in sizes:
        n = min(sizes["fake"], sizes["unseen"])
        other = rng.permutation(sizes["unseen"])[:n]
    else:
        n = min(len(real) // 2, sizes["fake"])
        other = real[n : 2 * n]
        real = real[:n]
    fake = rng.permutation(sizes["fake"])[:n]
    return real, fake, other


def _measure(real, fake, probabilities, rows, k):
    """Return the value of each metric by its key, for these rows of `fake`."""
    fake = fake[rows]
    values = {
        "kernel_distance": kernel_distance(real, fake, n_permutations=0).value,
        "frechet_distance": frechet_distance(real, fake),
        **precision_recall_density_coverage(real, fake, k)._asdict(),
        "diversity": intra_diversity(fake),
    }
    if probabilities is not None:
        values["inception_score"] = inception_score(probabilities[rows])
    return values
