"""Selections: which samples of a generative model an over-sampler keeps (its ``select``).

Each callable takes :class:`Candidates` and the number to keep, and returns that many of their rows,
in the order in which they were drawn.
"""

from __future__ import annotations

import reprlib
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import logit
from sklearn.utils import check_random_state

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Candidates:
    """Samples of one class, and what they can be judged by.

    Parameters
    ----------
    images : ndarray of shape (m, ...)
        Samples, in the order in which they were drawn.
    real : ndarray of shape (n, ...)
        Training images of the class.
    label : object
        Label of the class.
    estimator : object
        Fitted generative model.
    random_state : int
        Seed.
    """

    images: NDArray[Any]
    real: NDArray[Any]
    label: Any
    estimator: Any
    random_state: int


# Text, since only type checkers read it.
Selection: TypeAlias = (
    "Literal['discriminator', 'distinct'] | Callable[[Candidates, int], ArrayLike]"
)


def by_discriminator(candidates: Candidates, n: int) -> NDArray[np.integer[Any]]:
    """Keep samples at random, with a chance that grows with the discriminator's logit.

    Discriminator rejection sampling accepts a sample if a uniform random number is below its
    acceptance probability. This function keeps the `n` samples that would be accepted up to the
    highest rate of rejection.

    Parameters
    ----------
    candidates : Candidates
        Samples of an estimator with a `decision_function`, such as DCGAN.
    n : int
        Number of samples to keep.

    Returns
    -------
    rows : ndarray of shape (n,), int
        Rows of the samples that are kept.

    Raises
    ------
    ValueError
        If the estimator has no `decision_function`.

    References
    ----------
    .. [1] Azadi et al., "Discriminator Rejection Sampling", ICLR 2019, equation 8.
    """
    check_has_discriminator(candidates.estimator)
    logits = candidates.estimator.decision_function(candidates.images)
    below_largest = logits - logits.max()
    # F of equation 8, without gamma, which is the same for all samples.
    acceptance = below_largest - np.log1p(-np.exp(below_largest - 1e-6))
    u = check_random_state(candidates.random_state).uniform(size=len(logits))
    return _keep_largest(acceptance - logit(u), n)


def check_has_discriminator(estimator):
    """Refuse a generative model that :func:`by_discriminator` cannot use."""
    if not hasattr(estimator, "decision_function"):
        raise ValueError(
            f"select='discriminator' needs a generative model with a decision_function, got "
            f"{estimator!r}. Pass DCGAN(), or another select."
        )


def distinct(candidates: Candidates, n: int) -> NDArray[np.integer[Any]]:
    """Keep samples that are not near-duplicates of training images or of one another.

    A sample is a near-duplicate if it is nearer than all but a twentieth of the training images are
    to their nearest other one, in the features of the audit. Exact copies among the training images
    do not count as others.

    Parameters
    ----------
    candidates : Candidates
        Samples to choose from.
    n : int
        Number of samples to keep.

    Returns
    -------
    rows : ndarray of shape (n,), int
        Rows of the samples that are kept.

    Warns
    -----
    UserWarning
        If there are too few distinct samples. The most distant of the others are added then.
    """
    real, samples = _extract_features(candidates)
    least = _measure_usual_distance(real)
    # Distance of each sample to what it must not repeat: real images and samples kept before it.
    to_real = cdist(samples, real).min(axis=1)
    between = cdist(samples, samples)
    kept: list[int] = []
    for row in range(len(samples)):
        nearest = min(to_real[row], between[row, kept].min(initial=np.inf))
        if len(kept) < n and nearest >= least:
            kept.append(row)
    if len(kept) < n:
        warnings.warn(
            f"Class {candidates.label!r}: too few samples are distinct from the training images "
            f"and from one another, {len(kept)} of {len(samples)} instead of {n}. The most distant "
            "of the others are added. A larger `candidates` gives more to choose from.",
            stacklevel=2,
        )
        to_real[kept] = np.inf
        return _keep_largest(to_real, n)
    return np.array(kept)


def _measure_usual_distance(real):
    """Return the 5 % quantile of the distances of real images to their nearest other image."""
    within = cdist(real, real)
    # Copies differ by rounding only. With them, any distance would seem usual.
    within[within <= 1e-3 * np.median(within)] = np.inf
    nearest = within.min(axis=1)
    nearest = nearest[np.isfinite(nearest)]
    return np.quantile(nearest, 0.05) if len(nearest) else np.inf


SELECTIONS = {"discriminator": by_discriminator, "distinct": distinct}


def select_rows(select, candidates, n):
    """Return the rows that `select`, a name in ``SELECTIONS`` or a callable, keeps.

    Raises
    ------
    ValueError
        If a callable does not return `n` different rows.
    """
    selection = select if callable(select) else SELECTIONS[select]
    found = selection(candidates, n)
    try:
        rows = np.asarray(found)
    except ValueError:  # lists of several lengths
        rows = np.empty(0)
    is_valid = rows.shape == (n,) and rows.dtype.kind in "iu" and len(np.unique(rows)) == n
    if not is_valid or rows.min() < 0 or rows.max() >= len(candidates.images):
        raise ValueError(
            f"select={select!r} must return {n} different rows of {len(candidates.images)} "
            f"candidates, got {reprlib.repr(found)}."
        )
    return rows


def _keep_largest(scores, n):
    """Return the rows of the `n` largest scores, in their order."""
    return np.sort(np.argsort(-scores, kind="stable")[:n])


def _extract_features(candidates):
    """Return standardized features of the real images and of the samples."""
    # Imported here: most over-samplers need no features.
    from skcxr.metrics.features import feature_extractor, standardize_features

    real = candidates.real
    image_shape = getattr(candidates.estimator, "image_shape", None)
    extract = standardize_features(feature_extractor("cxr", real, image_shape=image_shape), real)
    return extract(real), extract(candidates.images)
