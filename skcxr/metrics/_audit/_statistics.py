"""Statistics of nearest-neighbor distances: are synthetic images too close to training images?

All functions take distance matrices, so that they work in any space and with any metric. They are
calibrated by a hold-out: images from the distribution of the training images that the generator
has not seen.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

# A distance below this share of the distance to the next neighbors is a rounding error.
ROUNDING = 1e-9
# A suspected copy's distance is compared with the distance to its k-th nearest training image.
K_NEIGHBORS = 5


class Estimate(NamedTuple):
    """A statistic, the ends of its 95 % interval and a one-sided p-value. NaN stands for none."""

    value: float
    low: float = np.nan
    high: float = np.nan
    p_value: float = np.nan


def distance_ratios(to_train, k=2):
    """Return the nearest distance over the k-th nearest: near 0 for a copy of one record.

    With k = 2 this is the nearest-neighbor distance ratio (NNDR). A larger k allows for up to
    k - 2 near-duplicates of the copied record in the training set, such as other images of the
    same patient.

    Parameters
    ----------
    to_train : ndarray of shape (n, n_train)
        Distances, >= 0, with n_train >= 2.
    k : int, default=2
        Neighbor to compare with. If there are fewer, the last one is used.

    Returns
    -------
    ratios : ndarray of shape (n,)
        Ratios in [0, 1]. A distance of 0 has ratio 0, even if the k-th distance is 0.

    Examples
    --------
    >>> import numpy as np
    >>> from skcxr.metrics._audit._statistics import distance_ratios
    >>> distance_ratios(np.array([[3.0, 1.0, 2.0], [0.0, 0.0, 4.0]]))
    array([0.5, 0. ])
    """
    k = min(k, to_train.shape[1])
    ordered = np.partition(to_train, (0, k - 1), axis=1)
    nearest, kth = ordered[:, 0], ordered[:, k - 1]
    return np.divide(nearest, kth, out=np.zeros_like(nearest), where=kth > 0)


def copy_p_values(to_train, holdout_to_train, *, k=K_NEIGHBORS):
    """Return how probable it is that an image is as close to a training image without copying.

    Closeness is -log(d1 / dk), where d1 is the distance to the nearest training image and dk the
    distance to the k-th nearest. As a ratio, it is not affected by smooth images being close to
    all others. If training images are spread evenly around an image, to a first approximation,
    closeness has an exponential tail, whose rate is the intrinsic dimension of the data [1]_ [2]_.

    The rate is estimated from the hold-out images above their median. An excess over the median,
    in units of their mean excess, then follows an F distribution, which accounts for the small
    number of these images.

    Parameters
    ----------
    to_train : ndarray of shape (n, n_train)
        Distances of the images to test.
    holdout_to_train : ndarray of shape (n_holdout, n_train)
        Distances of images that are known not to be copies, n_holdout >= 2.
    k : int, default=5
        Neighbor to compare with, as in :func:`distance_ratios`.

    Returns
    -------
    p_values : ndarray of shape (n,)
        One-sided p-values in [0, 1], not corrected for n tests. A distance of 0 has p-value 0,
        unless hold-out images have it too. A ratio above the median of the hold-out has p-value 1.

    References
    ----------
    .. [1] Hill, "A Simple General Approach to Inference About the Tail of a Distribution", 1975.
    .. [2] Facco et al., "Estimating the intrinsic dimension of datasets by a minimal neighborhood
       information", 2017: equation 2 is this tail for k = 2.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.spatial.distance import cdist
    >>> from skcxr.metrics._audit._statistics import copy_p_values
    >>> rng = np.random.default_rng(0)
    >>> train, holdout = rng.normal(size=(2, 60, 16))
    >>> near_copy = train[:1] + 0.1
    >>> bool(copy_p_values(cdist(near_copy, train), cdist(holdout, train))[0] < 1e-6)
    True
    """
    excess, n_above = measure_excess(to_train, holdout_to_train, k=k)
    p_values = compute_tail(excess, n_above)
    if distance_ratios(holdout_to_train, k).min() > ROUNDING:
        p_values[distance_ratios(to_train, k) <= ROUNDING] = 0.0
    return p_values


def measure_excess(to_train, reference_to_train, *, k=K_NEIGHBORS):
    """Return by how much images are closer to a training image than reference images are.

    Parameters
    ----------
    to_train, reference_to_train : ndarray of shape (n, n_train) and (n_reference, n_train)
        Distances.
    k : int, default=5
        Neighbor to compare with, as in :func:`distance_ratios`.

    Returns
    -------
    excess : ndarray of shape (n,)
        Closeness above the median of the reference, in units of the mean excess of the reference
        images that are above it. It is 0 if no reference image is above the median.
    n_above : int
        Number of reference images above the median.
    """
    closeness = -np.log(np.maximum(distance_ratios(to_train, k), ROUNDING))
    reference = -np.log(np.maximum(distance_ratios(reference_to_train, k), ROUNDING))
    median = np.median(reference)
    above = reference[reference > median] - median
    if not len(above):
        return np.zeros(len(closeness)), 0
    return (closeness - median) / above.mean(), len(above)


def compute_tail(excess, n_above):
    """Return the p-value of an excess over the median, whose unit is the mean of `n_above` images.

    Parameters
    ----------
    excess : float or ndarray
        Excess as :func:`measure_excess` returns it.
    n_above : int or ndarray of int
        Number of reference images above their median.

    Returns
    -------
    p_values : ndarray
        One-sided p-values, 1 at or below the median.
    """
    tail = 0.5 * stats.f.sf(np.maximum(excess, 0), 2, 2 * np.maximum(n_above, 1))
    return np.where(excess > 0, tail, 1.0)


def authenticity(to_train, within_train):
    """Return the share of authentic images, as defined by Alaa et al.

    An image is authentic if it is farther from its nearest training image than that training image
    is from its own nearest neighbor in the training set.

    This is not the share of images that are not copies. Of independent draws 0.66 are authentic on
    average, with a standard deviation of 0.08, for 60 Gaussian records in 16 dimensions. Compare
    it with the authenticity of the hold-out.

    Parameters
    ----------
    to_train : ndarray of shape (n, n_train)
        Distances to the training images, n_train >= 2.
    within_train : ndarray of shape (n_train, n_train)
        Distances between the training images. The diagonal is ignored.

    Returns
    -------
    authenticity : float
        Share in [0, 1]. It is 0 if all images are exact copies.

    Notes
    -----
    This is the definition of the paper. The authors' published code differs: it searches the image
    nearest to each *training* image, and looks up training distances at the *synthetic* indices
    that it found. That gives 0.50 in the case above, and an IndexError if there are more synthetic
    than training images.

    References
    ----------
    .. [1] Alaa et al., "How Faithful is your Synthetic Data? Sample-level Metrics for Evaluating
       and Auditing Generative Models", ICML 2022, section 3.3.

    Examples
    --------
    >>> import numpy as np
    >>> from skcxr.metrics._audit._statistics import authenticity
    >>> train = np.array([[0.0], [1.0], [5.0]])
    >>> synthetic = np.array([[0.2], [7.0], [9.5]])      # nearest: 0 at 0.2, 5 at 2 and at 4.5
    >>> round(authenticity(abs(synthetic - train.T), abs(train - train.T)), 3)
    0.333
    """
    to_others = within_train.astype(np.float64)
    np.fill_diagonal(to_others, np.inf)
    distance_of_neighbor = to_others.min(axis=1)[to_train.argmin(axis=1)]
    return float(np.mean(to_train.min(axis=1) > distance_of_neighbor))


def share_nearer_to_train(to_train, to_holdout, *, n_draws=1000, rng):
    """Return the share of images nearer to the training set than to the hold-out.

    Without copying it is 0.5. Each image votes for the nearest of all real images, and splits its
    vote if several are equally near. The share is v_T / (v_T + v_H), where v_T and v_H are the
    mean numbers of votes per training and per hold-out image. It does not depend on the sizes of
    the two sets.

    Votes concentrate on few real images. The interval therefore resamples real images with their
    votes. Resampling synthetic images instead covers 0.5 in 62 % of clean cases rather than 95 %,
    for 500 synthetic images and 60 + 60 real images in 16 dimensions. The p-value comes from
    permuting which real images are called training images.

    Parameters
    ----------
    to_train, to_holdout : ndarray of shape (n, n_train) and (n, n_holdout)
        Distances.
    n_draws : int, default=1000
        Number of draws of the bootstrap and of the permutation test.
    rng : RandomState
        Generator of both.

    Returns
    -------
    share : Estimate
        The share in [0, 1], a 95 % percentile interval and a one-sided p-value, which is at least
        1 / (n_draws + 1).

    Examples
    --------
    >>> import numpy as np
    >>> from skcxr.metrics._audit._statistics import share_nearer_to_train
    >>> to_train = np.array([[1.0, 2.0, 3.0, 9.0], [4.0, 1.0, 9.0, 9.0], [5.0, 5.0, 5.0, 5.0]])
    >>> to_holdout = np.array([[2.0, 3.0], [3.0, 5.0], [1.0, 2.0]])
    >>> share = share_nearer_to_train(to_train, to_holdout, rng=np.random.RandomState(0))
    >>> round(share.value, 3)           # two votes for four images against one vote for two
    0.5
    """
    distances = np.hstack([to_train, to_holdout])
    nearest = distances == distances.min(axis=1, keepdims=True)
    votes = (nearest / nearest.sum(axis=1, keepdims=True)).sum(axis=0)
    n_train, n_holdout = to_train.shape[1], to_holdout.shape[1]
    train_votes, holdout_votes = votes[:n_train], votes[n_train:]

    drawn_train = _draw_resampling_counts(n_train, n_draws, rng) @ train_votes / n_train
    drawn_holdout = _draw_resampling_counts(n_holdout, n_draws, rng) @ holdout_votes / n_holdout
    drawn = drawn_train + drawn_holdout
    low, high = np.quantile(drawn_train[drawn > 0] / drawn[drawn > 0], [0.025, 0.975])

    permuted = votes[rng.random_sample((n_draws, len(votes))).argsort(axis=1)[:, :n_train]]
    # Sums of the same votes in another order differ by rounding.
    as_many = permuted.sum(axis=1) > train_votes.sum() - ROUNDING * len(to_train)
    p_value = (1 + as_many.sum()) / (1 + n_draws)
    share = train_votes.mean() / (train_votes.mean() + holdout_votes.mean())
    return Estimate(float(share), float(low), float(high), float(p_value))


def copying_score(to_train, holdout_to_train, cells=None, holdout_cells=None, *, min_size=20):
    """Return C_T of Meehan et al., which compares distances to the training set.

    C_T is the Mann-Whitney z score of the synthetic images' distances against those of the
    hold-out. Far below 0 (-3 is the usual alarm), synthetic images are closer to training images
    than the hold-out is, because they are copies or smooth averages. Far above 0, they miss the
    data. Without copying, C_T is distributed approximately as N(0, 1) for one cell, and more
    narrowly for several.

    Parameters
    ----------
    to_train, holdout_to_train : ndarray of shape (n, n_train) and (n_holdout, n_train)
        Distances.
    cells, holdout_cells : ndarray of int of shape (n,) and (n_holdout,), or None, default=None
        Cell of each image. None stands for a single cell.
    min_size : int, default=20
        Cells with fewer synthetic or hold-out images are left out, unless that leaves none.

    Returns
    -------
    score : float
        The mean of the cells' z scores, weighted by their numbers of hold-out images.

    References
    ----------
    .. [1] Meehan, Chaudhuri and Dasgupta, "A Non-Parametric Test to Detect Data-Copying in
       Generative Models", AISTATS 2020, sections 3.2 and 3.3.

    Examples
    --------
    >>> import numpy as np
    >>> from skcxr.metrics._audit._statistics import copying_score
    >>> copies, holdout = np.zeros((60, 2)), np.ones((60, 2))
    >>> round(copying_score(copies, holdout), 2)
    -9.45
    """
    nearest = to_train.min(axis=1)
    holdout_nearest = holdout_to_train.min(axis=1)
    groups = [(nearest, holdout_nearest)]
    if cells is not None:
        by_cell = [(nearest[cells == c], holdout_nearest[holdout_cells == c]) for c in set(cells)]
        groups = [(a, b) for a, b in by_cell if min(len(a), len(b)) >= min_size] or groups
    scores = [_mann_whitney_z(a, b) for a, b in groups]
    return float(np.average(scores, weights=[len(b) for _, b in groups]))


def _mann_whitney_z(a, b):
    m, n = len(a), len(b)
    u = stats.rankdata(np.concatenate([a, b]))[:m].sum() - m * (m + 1) / 2
    return (u - m * n / 2) / np.sqrt(m * n * (m + n + 1) / 12)


def membership_auc(train_scores, holdout_scores, *, n_draws=1000, rng):
    """Return the area under the ROC curve of a score that separates training from hold-out images.

    Parameters
    ----------
    train_scores, holdout_scores : ndarray of shape (n_train,) and (n_holdout,)
        Scores of a membership attack, larger for images that it takes for training images: minus
        the distance to the nearest synthetic image [1]_, or the discriminator's logit [2]_.
    n_draws : int, default=1000
        Number of draws of the bootstrap, which resamples both sets.
    rng : RandomState
        Generator of the bootstrap.

    Returns
    -------
    auc : Estimate
        The area in [0, 1], which is 0.5 by chance, a 95 % percentile interval and the one-sided
        p-value of the Mann-Whitney test.

    References
    ----------
    .. [1] Chen et al., "GAN-Leaks: A Taxonomy of Membership Inference Attacks against Generative
       Models", CCS 2020, equation 4.
    .. [2] Hayes et al., "LOGAN: Membership Inference Attacks Against Generative Models", PoPETs
       2019, section 4.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skcxr.metrics._audit._statistics import membership_auc
    >>> rng = np.random.RandomState(0)
    >>> membership_auc(np.array([3.0, 2.0]), np.array([1.0, 2.0]), rng=rng).value
    0.875
    """
    difference = train_scores[:, None] - holdout_scores
    wins = (difference > 0) + 0.5 * (difference == 0)
    # A record that is drawn twice counts twice. The bootstrap reweights records and does not
    # compute distances again.
    counts = _draw_resampling_counts(len(train_scores), n_draws, rng)
    holdout_counts = _draw_resampling_counts(len(holdout_scores), n_draws, rng)
    drawn = ((counts @ wins) * holdout_counts).sum(axis=1) / wins.size
    low, high = np.quantile(drawn, [0.025, 0.975])
    p_value = stats.mannwhitneyu(train_scores, holdout_scores, alternative="greater").pvalue
    return Estimate(float(wins.mean()), float(low), float(high), float(p_value))


def _draw_resampling_counts(n, n_draws, rng):
    """Return how often each of `n` records occurs in each bootstrap sample: (n_draws, n)."""
    return rng.multinomial(n, np.full(n, 1 / n), size=n_draws).astype(np.float64)
