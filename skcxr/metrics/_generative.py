"""Metrics of real and synthetic images' features, for small sets of about 60 images per class."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.spatial.distance import cdist, pdist
from scipy.special import rel_entr
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.utils import check_array, check_random_state

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from skcxr._base.types import RandomState


def _check_features(**sets):
    """Return the feature arrays as float64, with at least two rows each and the same width."""
    arrays = [
        check_array(values, dtype=np.float64, ensure_min_samples=2, input_name=name)
        for name, values in sets.items()
    ]
    if len({array.shape[1] for array in arrays}) > 1:
        shapes = ", ".join(f"{name} {a.shape}" for name, a in zip(sets, arrays, strict=True))
        raise ValueError(
            f"Features differ in number: {shapes}. Compute all of them with one extractor."
        )
    return arrays


def _check_magnitude(smallest, **sets):
    """Raise an error if all features are so small that rounding errors hide their differences."""
    largest = max(np.abs(array).max() for array in sets.values())
    if 0 < largest < smallest:
        raise ValueError(
            f"The features are too small: their largest magnitude is {largest:.3g}, below "
            f"{smallest:g}. Scale them, for example to mean 0 and standard deviation 1 on the real "
            "images."
        )


def _check_result(results, **sets):
    """Raise an error if results are not finite because values of the features are too large."""
    if np.isfinite(results).all():
        return
    sizes = ", ".join(f"{np.abs(array).max():.3g} in {name}" for name, array in sets.items())
    raise ValueError(
        f"The features are too large for float64: their largest magnitudes are {sizes}. Scale "
        "them, for example to mean 0 and standard deviation 1 on the real images."
    )


def frechet_distance(A: ArrayLike, B: ArrayLike) -> float:
    """Return the squared Frechet distance between Gaussians fitted to two sets of features.

    With Inception's 2,048 features it is known as FID. For 60 images, most of the FID is bias.
    Compare it with the distance between two sets of real images of the same sizes.

    The trace of the square root of the product of two covariances is the nuclear norm of the
    product of the centered sets. Computed this way, the distance needs no matrix square root and
    no small constant on the diagonal. It is also correct for fewer images than features.

    Parameters
    ----------
    A : array-like of shape (n, d)
        Features of one set, n >= 2.
    B : array-like of shape (m, d)
        Features of the other set, m >= 2.

    Returns
    -------
    distance : float
        The distance in squared units of the features. It is 0 for equal means and covariances.

    Raises
    ------
    ValueError
        If a set has fewer than two rows or values that are not finite, if the features are so large
        or so small that the result would overflow or vanish, or if the widths differ.

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
    # Squares of smaller values are 0 in float64.
    _check_magnitude(1e-150, A=A, B=B)
    with np.errstate(over="ignore", invalid="ignore"):
        mean_difference = A.mean(axis=0) - B.mean(axis=0)
        root_a = _compute_covariance_root(A)
        root_b = _compute_covariance_root(B)
        product = root_a @ root_b.T
        squared = mean_difference @ mean_difference + (root_a**2).sum() + (root_b**2).sum()
    # max(0, NaN) would be 0, a perfect score.
    _check_result([squared, np.abs(product).max()], A=A, B=B)
    fidelity = np.linalg.norm(product, ord="nuc")
    # Rounding errors can make it negative.
    return max(0.0, float(squared - 2 * fidelity))


def _compute_covariance_root(A):
    """Return R with at most d rows, where R.T @ R is the unbiased covariance of the rows of `A`."""
    centered = (A - A.mean(axis=0)) / np.sqrt(len(A) - 1)
    _check_result(centered, features=A)
    return np.linalg.qr(centered, mode="r")


@dataclass(frozen=True)
class KernelDistance:
    """Result of :func:`kernel_distance`.

    Parameters
    ----------
    value : float
        The squared distance. It is unbiased, and therefore sometimes negative.
    p_value : float
        Share of random permutations of the rows between the two sets whose value is as large. It
        is small if the sets differ, and NaN without permutations.
    """

    value: float
    p_value: float


def kernel_distance(
    A: ArrayLike,
    B: ArrayLike,
    *,
    degree: int = 3,
    n_permutations: int = 1000,
    random_state: RandomState | None = None,
) -> KernelDistance:
    r"""Return the unbiased kernel distance between two sets of features, with a permutation test.

    This is the squared maximum mean discrepancy with the polynomial kernel
    :math:`k(x, y) = (x \cdot y / d + 1)^3`, over all pairs of rows at once. Its expectation does
    not depend on the number of images, unlike that of the Frechet distance, and is zero for two
    samples of one distribution. It is the distance to use for 60 images. With Inception's features
    it is known as KID.

    Parameters
    ----------
    A : array-like of shape (n, d)
        Features of one set, n >= 2.
    B : array-like of shape (m, d)
        Features of the other set, m >= 2.
    degree : int, default=3
        Degree of the kernel.
    n_permutations : int, default=1000
        Number of random permutations for the p-value. With 0 it is NaN.
    random_state : int, RandomState instance or None, default=None
        Seed of the permutations.

    Returns
    -------
    distance : KernelDistance
        The ``value`` and its ``p_value``.

    Raises
    ------
    ValueError
        If a set has fewer than two rows or values that are not finite, if the features are so large
        or so small that the result would overflow or vanish, or if the widths differ.

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
    # The kernel adds 1 to the mean product of two rows, in which smaller values are lost.
    _check_magnitude(1e-6, A=A, B=B)
    n, m = len(A), len(B)
    with np.errstate(over="ignore", invalid="ignore"):
        kernel = polynomial_kernel(np.concatenate([A, B]), degree=degree, coef0=1)
    # A sum of n + m kernel values must not overflow either.
    _check_result(np.abs(kernel).max() * kernel.size, A=A, B=B)
    # The unbiased estimate leaves out the similarity of each row to itself.
    np.fill_diagonal(kernel, 0.0)
    observed = _compute_squared_mmd(kernel, np.arange(n + m)[None] < n)[0]
    if not n_permutations:
        return KernelDistance(float(observed), np.nan)
    rng = check_random_state(random_state)
    members = np.array([rng.permutation(n + m) < n for _ in range(n_permutations)])
    # With few rows, permutations lead to equal values, which can differ by rounding errors.
    rounding = 1e-12 * np.abs(kernel).max()
    as_large = np.count_nonzero(_compute_squared_mmd(kernel, members) >= observed - rounding)
    # The observed split counts as one of the permutations, so that p is never 0.
    return KernelDistance(float(observed), float((as_large + 1) / (n_permutations + 1)))


def _compute_squared_mmd(kernel, members):
    """Return the U-statistic for each row of `members`, a mask of the pooled rows in set A."""
    inside = members.astype(np.float64)
    to_first = inside @ kernel
    first = (to_first * inside).sum(axis=1)
    between = to_first.sum(axis=1) - first
    second = kernel.sum() - first - 2 * between
    n = np.count_nonzero(members, axis=1)
    m = members.shape[1] - n
    return first / (n * (n - 1)) + second / (m * (m - 1)) - 2 * between / (n * m)


def inception_score(probabilities: ArrayLike, splits: int = 1) -> float:
    r"""Return the exponential of the mean divergence of class probabilities from their mean.

    :math:`\exp \mathbb{E}_x \mathrm{KL}(p(y|x) \,\|\, p(y))` is 1 if the classifier gives all
    images the same probabilities. It is the number of classes if each prediction is certain and all
    classes are equally frequent. The usual classifier is trained on ImageNet. Its score refers to
    ImageNet's classes and says little about radiographs.

    Parameters
    ----------
    probabilities : array-like of shape (n, n_classes)
        A classifier's probabilities for each image. Rows sum to 1.
    splits : int, default=1
        Number of consecutive parts of the rows. The score is the mean of their scores. The usual
        10 parts need thousands of images.

    Returns
    -------
    score : float
        The score, from 1 to the number of classes.

    Raises
    ------
    ValueError
        If rows are not probabilities, or `splits` is not from 1 to the number of rows.

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
    """Result of :func:`precision_recall_density_coverage`.

    Parameters
    ----------
    precision : float
        Share of synthetic images in the neighborhood of a real image.
    recall : float
        Share of real images in the neighborhood of a synthetic image.
    density : float
        Number of real images in whose neighborhood a synthetic image lies, divided by k: about 1
        for real images.
    coverage : float
        Share of real images with a synthetic image in their neighborhood.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall_density_coverage(real: ArrayLike, fake: ArrayLike, k: int = 5) -> PRDC:
    """Return the fidelity and diversity of synthetic images, by neighborhoods of images.

    The radius of an image's neighborhood is the distance to its k-th nearest neighbor in its own
    set.

    Parameters
    ----------
    real : array-like of shape (n, d)
        Features of real images, n > k.
    fake : array-like of shape (m, d)
        Features of synthetic images, m > k.
    k : int, default=5
        Number of nearest neighbors in a neighborhood.

    Returns
    -------
    metrics : PRDC
        The ``precision``, ``recall`` and ``coverage`` in [0, 1], and the ``density``.

    Raises
    ------
    ValueError
        If `k` is less than 1 or not below the sizes of both sets, a set has fewer than two rows or
        values that are not finite or so large that distances overflow, or the widths differ.

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
    smaller = min(len(real), len(fake))
    if not isinstance(k, Integral) or not 1 <= k < smaller:
        raise ValueError(
            f"k={k!r} must be an int from 1 to {smaller - 1}, below the {smaller} images of the "
            "smaller set."
        )
    between = cdist(real, fake)
    real_radii = _compute_radii(real, k)
    fake_radii = _compute_radii(fake, k)
    _check_result([between.max(), real_radii.max(), fake_radii.max()], real=real, fake=fake)
    in_real_neighborhood = between < real_radii[:, None]
    in_fake_neighborhood = between < fake_radii[None, :]
    return PRDC(
        precision=float(in_real_neighborhood.any(axis=0).mean()),
        recall=float(in_fake_neighborhood.any(axis=1).mean()),
        density=float(in_real_neighborhood.sum(axis=0).mean() / k),
        coverage=float(in_real_neighborhood.any(axis=1).mean()),
    )


def _compute_radii(features, k):
    """Return the distance of each row to its k-th nearest neighbor among the other rows."""
    # The row itself, at distance 0, is at index 0.
    return np.partition(cdist(features, features), k, axis=1)[:, k]


def intra_diversity(features: ArrayLike) -> float:
    """Return the mean distance between two images of one set, near 0 if a GAN has collapsed.

    Compare it with the diversity of real images of the same class.

    Parameters
    ----------
    features : array-like of shape (n, d)
        Features of the images, n >= 2.

    Returns
    -------
    diversity : float
        Mean Euclidean distance over all pairs, in units of the features.

    Raises
    ------
    ValueError
        If there are fewer than two rows, or values that are not finite or so large that distances
        overflow.

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
    diversity = pdist(features).mean()
    _check_result(diversity, features=features)
    return float(diversity)
