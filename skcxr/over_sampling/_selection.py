"""Which samples of a generative model to keep: what an over-sampler's ``select`` stands for.

Each callable takes :class:`Candidates` and how many to keep, and returns that many rows of them, in
the order they were drawn in.
"""

import reprlib
import warnings
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import logit
from sklearn.utils import check_random_state


@dataclass(frozen=True)
class Candidates:
    """Samples of one class, and what they can be judged by.

    Parameters
    ----------
    images : ndarray of shape (m, ...)
        The samples, in the order they were drawn in.
    real : ndarray of shape (n, ...)
        Training images of the class.
    label : object
        The class.
    estimator : object
        The fitted generative model.
    random_state : int
        Seed.
    """

    images: np.ndarray
    real: np.ndarray
    label: object
    estimator: object
    random_state: int


def by_discriminator(candidates, n):
    """Keep samples that the discriminator takes for real, at random.

    The chance to be kept grows with the discriminator's logit. Discriminator rejection sampling
    keeps a sample where a uniform number is below its acceptance probability; here those are kept
    that would stay at the highest rates of rejection, which are exactly `n`.

    Parameters
    ----------
    candidates : Candidates
        Of an estimator with a `decision_function`, such as DCGAN.
    n : int
        How many to keep.

    Returns
    -------
    rows : ndarray of shape (n,), int
        Of those that are kept.

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
    below = logits - logits.max()
    hardness = below - np.log1p(-np.exp(below - 1e-6))
    u = check_random_state(candidates.random_state).uniform(size=len(logits))
    return _first(hardness - logit(u), n)


def check_has_discriminator(estimator):
    """Refuse a generative model whose samples :func:`by_discriminator` can not judge."""
    if not hasattr(estimator, "decision_function"):
        raise ValueError(
            f"select='discriminator' needs a generative model with a decision_function, got "
            f"{estimator!r}. Pass DCGAN(), or another select."
        )


def distinct(candidates, n):
    """Keep samples that are no near copies of training images, nor of one another.

    A sample is one if it is nearer than all but a twentieth of the training images are to their
    nearest other, by the audit's features; an image's own copies among them are no others.

    Parameters
    ----------
    candidates : Candidates
        What to choose from.
    n : int
        How many to keep.

    Returns
    -------
    rows : ndarray of shape (n,), int
        Of those that are kept.

    Warns
    -----
    UserWarning
        If there are too few of them; the most distant of the others then fill up.
    """
    of_real, of_samples = _features(candidates)
    within = cdist(of_real, of_real)
    # Copies, which would make any nearness seem usual, differ by rounding alone.
    within[within <= 1e-3 * np.median(within)] = np.inf
    nearest = within.min(axis=1)
    nearest = nearest[np.isfinite(nearest)]
    least = np.quantile(nearest, 0.05) if len(nearest) else np.inf
    # How far each is from all that it must not repeat: real images, and samples kept before it.
    distance = cdist(of_samples, of_real).min(axis=1)
    between = cdist(of_samples, of_samples)
    kept = []
    for row in range(len(of_samples)):
        if len(kept) < n and min(distance[row], between[row, kept].min(initial=np.inf)) >= least:
            kept.append(row)
    if len(kept) < n:
        warnings.warn(
            f"Class {candidates.label!r}: of {len(of_samples)} samples only {len(kept)} are "
            f"distinct from the training images and from one another, and {n} are wanted. The most "
            "distant others fill up; a larger `candidates` gives more to choose from.",
            stacklevel=2,
        )
        distance[kept] = np.inf
        return _first(distance, n)
    return np.array(kept)


SELECTIONS = {"discriminator": by_discriminator, "distinct": distinct}


def select_rows(select, candidates, n):
    """The rows that `select`, a name of ``SELECTIONS`` or a callable, keeps.

    Raises
    ------
    ValueError
        If a callable does not return `n` different rows.
    """
    found = (select if callable(select) else SELECTIONS[select])(candidates, n)
    try:
        rows = np.asarray(found)
    except ValueError:  # of lists of several lengths
        rows = np.empty(0)
    valid = rows.shape == (n,) and rows.dtype.kind in "iu" and len(np.unique(rows)) == n
    if not valid or rows.min() < 0 or rows.max() >= len(candidates.images):
        raise ValueError(
            f"select={select!r} must return {n} different rows of {len(candidates.images)} "
            f"candidates, got {reprlib.repr(found)}."
        )
    return rows


def _first(scores, n):
    """The rows of the `n` largest scores, in their order."""
    return np.sort(np.argsort(-scores, kind="stable")[:n])


def _features(candidates):
    """Standardised features of the real images and of the samples."""
    # Imported here: most over-samplers need no features.
    from skcxr.metrics.features import feature_extractor, standardize_features

    real = candidates.real
    image_shape = getattr(candidates.estimator, "image_shape", None)
    extract = standardize_features(feature_extractor("cxr", real, image_shape=image_shape), real)
    return extract(real), extract(candidates.images)
