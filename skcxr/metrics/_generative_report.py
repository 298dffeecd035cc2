"""How near synthetic images come to real ones, beside what real images themselves reach."""

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from skcxr.metrics._generative import (
    frechet_distance,
    inception_score,
    intra_diversity,
    kernel_distance,
    precision_recall_density_coverage,
)
from skcxr.metrics.features import feature_extractor

N_DRAWS = 20


def generative_report(
    real, fake, *, unseen=None, features="cxr", k=5, image_shape=None, random_state=None
):
    """All generative metrics of synthetic images, each beside its value for real images.

    The metrics hang on the numbers of images, so both columns are of equal numbers: half of the
    real images against as many synthetic ones, and against the other half of the real ones, at
    random 20 times, of which the means are shown.

    Parameters
    ----------
    real : array-like of shape (n, h*w), (n, h, w) or (n, c, h, w)
        Real images to compare with, 4 or more; they set the range of values.
    fake : array-like of shape (m, ...)
        Synthetic images in the same layout and range, 2 or more.
    unseen : array-like of shape (l, ...) or None, default=None
        Other real images, 2 or more: `real` is then compared with as many of these and of `fake`,
        not halved.
    features : str, path or callable, default="cxr"
        As :func:`skcxr.metrics.features.feature_extractor` takes it.
    k : int, default=5
        Nearest neighbours of precision, recall, density and coverage; fewer where a set has no
        more than `k` images.
    image_shape : tuple of int or None, default=None
        Of flat images that are no square.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws and of the kernel distance's permutations.

    Returns
    -------
    report : pandas.DataFrame
        A row a metric, columns ``synthetic`` and ``real``: the metric of the synthetic images, and
        that of real ones in their place. ``report.attrs`` holds ``extractor``, ``layer``, ``d``,
        ``n_real``, ``n_fake``, ``n_compared`` (images in each of the two sets that are compared),
        ``k``, ``p_value`` (of the kernel distance, of all images) and ``caption``, all of these in
        one line. Show it with the table: values of other features or other numbers of images can
        not be compared with these.

    Raises
    ------
    ValueError
        If a set has too few images, or `features` is none.

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
            raise ValueError(f"{name} holds {len(X)} images, and {least} are the fewest.")
    extractor = feature_extractor(features, sets["real"], image_shape=image_shape)
    rng = check_random_state(random_state)
    embedded = {name: extractor(X) for name, X in sets.items()}
    classified = {name: extractor.probabilities(X) for name, X in sets.items()}
    draws = list(_draws(rng, {name: len(X) for name, X in sets.items()}))
    k = min(k, min(len(rows) for rows in draws[0].values()) - 1)
    columns = {}
    for column, name in (("synthetic", "fake"), ("real", "other")):
        source = name if name in sets else ("real" if unseen is None else "unseen")
        columns[column] = pd.DataFrame(
            [
                _figures(
                    embedded["real"][rows["real"]],
                    embedded[source][rows[name]],
                    k,
                    None if classified[source] is None else classified[source][rows[name]],
                )
                for rows in draws
            ]
        ).mean()
    report = pd.DataFrame(columns)
    of_real, of_fake = embedded["real"], embedded["fake"]
    context = {
        "extractor": extractor.name,
        "layer": extractor.layer,
        "d": of_real.shape[1],
        "n_real": len(of_real),
        "n_fake": len(of_fake),
        "n_compared": (len(draws[0]["real"]), len(draws[0]["fake"])),
        "k": k,
        "p_value": kernel_distance(of_real, of_fake, random_state=rng).p_value,
    }
    caption = (
        "{extractor} features ({layer}, d = {d}), {n_compared[0]} against {n_compared[1]} of "
        "{n_real} real and {n_fake} synthetic"
    ).format(**context)
    report.attrs |= context | {"caption": caption}
    return report


def _draws(rng, sizes):
    """Rows of real images, and of the synthetic and the other real ones that these meet."""
    for _ in range(N_DRAWS):
        real = rng.permutation(sizes["real"])
        if "unseen" in sizes:
            n = min(sizes["fake"], sizes["unseen"])
            other = rng.permutation(sizes["unseen"])[:n]
        else:
            # The fewest images set the size of all.
            n = min(len(real) // 2, sizes["fake"])
            real, other = real[:n], real[n : 2 * n]
        yield {"real": real, "fake": rng.permutation(sizes["fake"])[:n], "other": other}


def _figures(real, fake, k, probabilities):
    """Each metric's value, by name."""
    figures = {
        "kernel distance": kernel_distance(real, fake, n_permutations=0).value,
        "Frechet distance": frechet_distance(real, fake),
        **precision_recall_density_coverage(real, fake, k)._asdict(),
        "diversity": intra_diversity(fake),
    }
    if probabilities is not None:
        figures["inception score"] = inception_score(probabilities)
    return figures
