"""Distances between real and synthetic images' features that hold at sixty images a class."""

from dataclasses import dataclass
from numbers import Integral
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist, pdist
from scipy.special import rel_entr
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.utils import check_array, check_random_state


def _check_features(**sets):
    """The feature arrays as float64, two rows or more each and of one width."""
    arrays = [
        check_array(values, dtype=np.float64, ensure_min_samples=2, input_name=name)
        for name, values in sets.items()
    ]
    if len({array.shape[1] for array in arrays}) > 1:
        shapes = ", ".join(f"{name} {a.shape}" for name, a in zip(sets, arrays, strict=True))
        raise ValueError(
            f"Features differ in number: {shapes}. Take all of them from one extractor."
        )
    return arrays


def frechet_distance(A, B):
    """Squared Frechet distance between Gaussians that are fitted to two sets of features.

    With Inception's 2,048 features it is known as FID. At sixty images most of that is bias: read
    it beside the value of real images against real images of the same number.

    The covariances' product has the trace of its square root in the nuclear norm of the product of
    the centred sets, so that neither a matrix square root nor a small constant on the diagonal is
    needed, and fewer images than features are no special case.

    Parameters
    ----------
    A : array-like of shape (n, d)
        Features of one set, n >= 2.
    B : array-like of shape (m, d)
        Features of the other, m >= 2.

    Returns
    -------
    distance : float
        In squared units of the features; 0 for equal means and covariances.

    Raises
    ------
    ValueError
        If a set has fewer than two rows, values that are not finite, or another width.

    References
    ----------
    .. [1] Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
       Equilibrium", NeurIPS 2017, equation 6.
    .. [2] Chong and Forsyth, "Effectively Unbiased FID and Inception Score and where to find
       them", CVPR 2020 (the bias).

    Examples
    --------
    >>> from skcxr.metrics import frechet_distance
    >>> frechet_distance([[0.0], [2.0]], [[3.0], [5.0]])
    9.0
    """
    A, B = _check_features(A=A, B=B)
    mean_difference = A.mean(axis=0) - B.mean(axis=0)
    root_a, root_b = _covariance_root(A), _covariance_root(B)
    fidelity = np.linalg.norm(root_a @ root_b.T, ord="nuc")
    squared = mean_difference @ mean_difference + (root_a**2).sum() + (root_b**2).sum()
    # Rounding alone can lead below zero.
    return max(0.0, float(squared - 2 * fidelity))


def _covariance_root(A):
    """R with R.T @ R the unbiased covariance of the rows of `A`, and at most d rows."""
    return np.linalg.qr((A - A.mean(axis=0)) / np.sqrt(len(A) - 1), mode="r")


@dataclass(frozen=True)
class KernelDistance:
    """What :func:`kernel_distance` found.

    Parameters
    ----------
    value : float
        The squared distance, unbiased and so at times negative.
    p_value : float
        Share of random exchanges of the two sets' rows that lead to a value as large: small where
        the sets differ. NaN where no permutation was asked for.
    """

    value: float
    p_value: float


def kernel_distance(A, B, *, degree=3, n_permutations=1000, random_state=None):
    r"""Unbiased kernel distance between two sets of features, with a permutation test.

    The squared maximum mean discrepancy with the polynomial kernel
    :math:`k(x, y) = (x \cdot y / d + 1)^3`, over all pairs of rows at once. Unlike the Frechet
    distance its expectation does not depend on the number of images, and is zero for two samples
    of one distribution: the figure to read at sixty images. With Inception's features it is known
    as KID.

    Parameters
    ----------
    A : array-like of shape (n, d)
        Features of one set, n >= 2.
    B : array-like of shape (m, d)
        Features of the other, m >= 2.
    degree : int, default=3
        Degree of the kernel.
    n_permutations : int, default=1000
        Random exchanges of rows for the p-value; 0 leaves it NaN.
    random_state : int, RandomState instance or None, default=None
        Seed of the exchanges.

    Returns
    -------
    distance : KernelDistance
        ``value`` and ``p_value``.

    Raises
    ------
    ValueError
        If a set has fewer than two rows, values that are not finite, or another width.

    Notes
    -----
    Memory grows with (n + m) squared.

    References
    ----------
    .. [1] Binkowski et al., "Demystifying MMD GANs", ICLR 2018, section 4.
    .. [2] Gretton et al., "A Kernel Two-Sample Test", JMLR 2012, equation 3.

    Examples
    --------
    >>> import numpy as np
    >>> from skcxr.metrics import kernel_distance
    >>> rng = np.random.default_rng(0)
    >>> A, B = rng.normal(0, 1, (60, 8)), rng.normal(1, 1, (60, 8))
    >>> kernel_distance(A, B, random_state=0).p_value < 0.01
    True
    """
    A, B = _check_features(A=A, B=B)
    if n_permutations < 0:
        raise ValueError(f"n_permutations={n_permutations!r} must be 0 or more.")
    n, m = len(A), len(B)
    kernel = polynomial_kernel(np.concatenate([A, B]), degree=degree, coef0=1)
    # A row's similarity to itself says nothing about the sets.
    np.fill_diagonal(kernel, 0.0)
    observed = _squared_mmd(kernel, np.arange(n + m)[None] < n)[0]
    if not n_permutations:
        return KernelDistance(float(observed), np.nan)
    rng = check_random_state(random_state)
    members = np.array([rng.permutation(n + m) < n for _ in range(n_permutations)])
    # With few rows exchanges lead to equal values, which rounding must not tell apart.
    rounding = 1e-12 * np.abs(kernel).max()
    as_large = np.count_nonzero(_squared_mmd(kernel, members) >= observed - rounding)
    # The observed split counts as one of the exchanges, so that p is never 0.
    return KernelDistance(float(observed), float((as_large + 1) / (n_permutations + 1)))


def _squared_mmd(kernel, members):
    """U-statistic for each row of `members`, bool: which of the pooled rows are the first set."""
    inside = members.astype(np.float64)
    to_first = inside @ kernel
    first = (to_first * inside).sum(axis=1)
    between = to_first.sum(axis=1) - first
    second = kernel.sum() - first - 2 * between
    n = np.count_nonzero(members, axis=1)
    m = members.shape[1] - n
    return first / (n * (n - 1)) + second / (m * (m - 1)) - 2 * between / (n * m)


def inception_score(probabilities, splits=1):
    r"""Exponential of the mean divergence of each image's classes from the mean over images.

    :math:`\exp \mathbb{E}_x \mathrm{KL}(p(y|x) \,\|\, p(y))`: 1 where all images look alike to
    the classifier, up to the number of classes where each is sure and all occur alike. With an
    ImageNet classifier, as usual, it counts ImageNet's classes and says little about radiographs.

    Parameters
    ----------
    probabilities : array-like of shape (n, n_classes)
        A classifier's probabilities for each image; rows sum to 1.
    splits : int, default=1
        Into how many parts the rows are cut, in order, whose scores are averaged. The usual 10
        needs thousands of images.

    Returns
    -------
    score : float
        From 1 to the number of classes.

    Raises
    ------
    ValueError
        If rows are no probabilities, or `splits` is not from 1 to the number of rows.

    References
    ----------
    .. [1] Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016, section 4.

    Examples
    --------
    >>> from skcxr.metrics import inception_score
    >>> round(inception_score([[1, 0, 0], [0, 1, 0], [0, 0, 1]]), 6)
    3.0
    """
    probabilities = check_array(probabilities, dtype=np.float64, input_name="probabilities")
    if (probabilities < 0).any() or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-3):
        raise ValueError(
            "probabilities must be non-negative with rows that sum to 1. Pass predict_proba's "
            "result, or logits through a softmax."
        )
    if not 1 <= splits <= len(probabilities):
        raise ValueError(
            f"splits={splits!r} must be from 1 to the number of images, {len(probabilities)}."
        )
    scores = [
        np.exp(rel_entr(part, part.mean(axis=0)).sum(axis=1).mean())
        for part in np.array_split(probabilities, splits)
    ]
    return float(np.mean(scores))


class PRDC(NamedTuple):
    """What :func:`precision_recall_density_coverage` found.

    Parameters
    ----------
    precision : float
        Share of synthetic images within reach of a real one.
    recall : float
        Share of real images within reach of a synthetic one.
    density : float
        How many real images' reach a synthetic one lies in, over k: 1 is expected of real images.
    coverage : float
        Share of real images with a synthetic one within their reach.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall_density_coverage(real, fake, k=5):
    """Fidelity and diversity of synthetic images, by reach of nearest neighbours.

    An image's reach is the distance to its k-th nearest neighbour in its own set.

    Parameters
    ----------
    real : array-like of shape (n, d)
        Features of real images, n > k.
    fake : array-like of shape (m, d)
        Features of synthetic images, m > k.
    k : int, default=5
        Which nearest neighbour.

    Returns
    -------
    figures : PRDC
        ``precision``, ``recall`` and ``coverage`` in [0, 1], and ``density``.

    Raises
    ------
    ValueError
        If `k` is not from 1 to one less than the images of either set, or features are no good.

    References
    ----------
    .. [1] Kynkaanniemi et al., "Improved Precision and Recall Metric for Assessing Generative
       Models", NeurIPS 2019, equations 1 and 2.
    .. [2] Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", ICML
       2020, equations 4 and 6.

    Examples
    --------
    >>> import numpy as np
    >>> from skcxr.metrics import precision_recall_density_coverage
    >>> real = np.random.default_rng(0).normal(size=(60, 8))
    >>> precision_recall_density_coverage(real, real + 100).coverage
    0.0
    """
    real, fake = _check_features(real=real, fake=fake)
    least = min(len(real), len(fake))
    if not isinstance(k, Integral) or not 1 <= k < least:
        raise ValueError(
            f"k={k!r} must be an int from 1 to {least - 1}, below the {least} images of the "
            "smaller set."
        )
    between = cdist(real, fake)
    real_reach = _reach(real, k)[:, None]
    fake_reach = _reach(fake, k)[None, :]
    return PRDC(
        precision=float((between < real_reach).any(axis=0).mean()),
        recall=float((between < fake_reach).any(axis=1).mean()),
        density=float((between < real_reach).sum(axis=0).mean() / k),
        coverage=float((between.min(axis=1) < real_reach[:, 0]).mean()),
    )


def _reach(features, k):
    """Distance of each row to its k-th nearest neighbour; the row itself comes before the first."""
    return np.partition(cdist(features, features), k, axis=1)[:, k]


def intra_diversity(features):
    """Mean distance between two images of one set: near 0 where a GAN has collapsed.

    Parameters
    ----------
    features : array-like of shape (n, d)
        Features, n >= 2. Read it beside the value of real images of the class.

    Returns
    -------
    diversity : float
        Mean Euclidean distance over all pairs, in units of the features.

    References
    ----------
    .. [1] Ojha et al., "Few-shot Image Generation via Cross-domain Correspondence", CVPR 2021,
       section 4 (with learned perceptual distance in place of the features' Euclidean one).

    Examples
    --------
    >>> from skcxr.metrics import intra_diversity
    >>> intra_diversity([[0.0], [0.0], [3.0]])
    2.0
    """
    (features,) = _check_features(features=features)
    return float(pdist(features).mean())
