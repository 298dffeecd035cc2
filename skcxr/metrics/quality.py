"""How near synthetic images come to real ones, beside what real images themselves reach."""

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from skcxr.metrics.features import feature_extractor
from skcxr.metrics.generative import (
    frechet_distance,
    inception_score,
    intra_diversity,
    kernel_distance,
    precision_recall_density_coverage,
)

N_HALVINGS = 20


def generative_report(
    real, fake, *, unseen=None, features="cxr", k=5, image_shape=None, random_state=None
):
    """All generative metrics of synthetic images, each beside its value for real images.

    Parameters
    ----------
    real : array-like of shape (n, h*w), (n, h, w) or (n, c, h, w)
        Real images to compare with, 4 or more; they set the range of values.
    fake : array-like of shape (m, ...)
        Synthetic images in the same layout and range, 2 or more.
    unseen : array-like of shape (l, ...) or None, default=None
        Other real images, which take the place of the synthetic ones for the real column. None
        halves `real` at random, 20 times, and takes the mean: the halves are smaller, which makes
        the Frechet distance larger, and leaves the kernel distance as it is.
    features : str, path or callable, default="cxr"
        As :func:`skcxr.metrics.features.feature_extractor` takes it.
    k : int, default=5
        Nearest neighbours of precision, recall, density and coverage; fewer where a set, or half
        of one, has no more than `k` images.
    image_shape : tuple of int or None, default=None
        Of flat images that are no square.
    random_state : int, RandomState instance or None, default=None
        Seed of the halves and of the kernel distance's permutations.

    Returns
    -------
    report : pandas.DataFrame
        A row a metric, columns ``synthetic`` and ``real``: the metric of the synthetic images, and
        that of real ones. ``report.attrs`` holds ``extractor``, ``layer``, ``d``, ``n_real``,
        ``n_fake``, ``n_floor`` (sizes of the two sets of the real column), ``p_value`` (of the
        kernel distance) and ``caption``, all of these in one line. Show it with the table: values
        of other features or other numbers of images can not be compared with these.

    Examples
    --------
    >>> from skcxr.datasets import make_chest_phantoms
    >>> from skcxr.metrics import generative_report
    >>> X = make_chest_phantoms(60, random_state=0).images
    >>> report = generative_report(X[:30], 255 - X[30:], features="pixels", random_state=0)
    >>> bool(report.loc["kernel distance", "synthetic"] > report.loc["kernel distance", "real"])
    True
    >>> report.attrs["caption"]  # doctest: +ELLIPSIS
    'pixels features (..., d = 29); 30 real, 30 synthetic images; real column: 15 against 15'
    """
    real, fake = np.asarray(real), np.asarray(fake)
    if len(real) < 4:
        raise ValueError(f"real holds {len(real)} images; its halves need two or more each.")
    extractor = feature_extractor(features, real, image_shape=image_shape)
    rng = check_random_state(random_state)
    of_real, of_fake = extractor(real), extractor(fake)
    synthetic = _figures(of_real, of_fake, k, extractor.probabilities(fake))
    if unseen is None:
        half = len(real) // 2
        pairs = [(order[:half], order[half : 2 * half]) for order in _orders(rng, len(real))]
        floors = [
            _figures(of_real[a], of_real[b], k, extractor.probabilities(real)) for a, b in pairs
        ]
        n_floor = (half, half)
    else:
        unseen = np.asarray(unseen)
        floors = [_figures(of_real, extractor(unseen), k, extractor.probabilities(unseen))]
        n_floor = (len(real), len(unseen))
    report = pd.DataFrame({"synthetic": synthetic, "real": pd.DataFrame(floors).mean()})
    p_value = kernel_distance(of_real, of_fake, random_state=rng).p_value
    d = of_real.shape[1]
    report.attrs |= {
        "extractor": extractor.name,
        "layer": extractor.layer,
        "d": d,
        "n_real": len(real),
        "n_fake": len(fake),
        "n_floor": n_floor,
        "p_value": p_value,
        "caption": (
            f"{extractor.name} features ({extractor.layer}, d = {d}); {len(real)} real, "
            f"{len(fake)} synthetic images; real column: {n_floor[0]} against {n_floor[1]}"
        ),
    }
    return report


def _orders(rng, n):
    return [rng.permutation(n) for _ in range(N_HALVINGS)]


def _figures(real, fake, k, probabilities):
    """Each metric's value, by name."""
    k = min(k, len(real) - 1, len(fake) - 1)
    figures = {
        "kernel distance": kernel_distance(real, fake, n_permutations=0).value,
        "Frechet distance": frechet_distance(real, fake),
        **precision_recall_density_coverage(real, fake, k)._asdict(),
        "diversity": intra_diversity(fake),
    }
    if probabilities is not None:
        figures["inception score"] = inception_score(probabilities)
    return figures
