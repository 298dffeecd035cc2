"""The audit's power: how many copies of training images it would find, and what it would take."""

import math

import numpy as np
import torch

from skcxr.metrics._audit._statistics import compute_tail, measure_excess
from skcxr.metrics._audit._verdict import LEVEL, MIN_POWER

# Each probe is shifted by a pixel: down, up, right or left.
STEPS = ((1, 0), (-1, 0), (0, 1), (0, -1))
# Standard deviation of a probe's noise, as a share of the range of values.
NOISE = 0.05
# More probes take longer, and a power of 0.8 already has a standard error of 0.04.
MAX_PROBES = 100
# Hold-outs of one size differ. More images than it takes on average make most of them suffice.
MARGIN = 1.5
# Larger hold-outs are never suggested.
MAX_HOLDOUT = 1000


def make_probes(train, spec):
    """Return near-copies of training images: each is shifted by a pixel and has noise.

    The row or column that leaves an image enters at the opposite side, as in the shifts that the
    audit tries.

    Parameters
    ----------
    train : ndarray of shape (n_train, ...)
        Training images. If there are more than 100, 100 evenly spaced ones are taken.
    spec : ImageSpec
        Layout and range of the images.

    Returns
    -------
    probes : ndarray of shape (n_probes, ...)
        Near-copies in the layout, dtype and range of the training images.
    """
    n_probes = min(len(train), MAX_PROBES)
    x = spec.to_tensor(train[np.arange(n_probes) * len(train) // n_probes])
    if spec.fills_rectangle:
        for i in range(n_probes):
            x[i] = x[i].roll(STEPS[i % len(STEPS)], dims=(1, 2))
    # The same images get the same noise: a verdict should not depend on the draw.
    noise = np.random.default_rng(0).normal(0, NOISE, x.shape)
    # The range of values is 2 wide.
    return spec.to_array(x.double() + torch.from_numpy(2 * noise))


def measure_power(spaces, n_synthetic):
    """Return the share of probes that the audit would report as copies of training images.

    Parameters
    ----------
    spaces : list of Space
        Distances in each space.
    n_synthetic : int
        Number of synthetic images, for which p-values are corrected.

    Returns
    -------
    power : float
        Share in [0, 1].
    """
    p_values = np.min([space.probe_p_values for space in spaces], axis=0)
    return float(np.mean(p_values * n_synthetic < LEVEL))


def estimate_holdout_needed(spaces, n_synthetic, n_holdout):
    """Return about how many hold-out images would give the audit a power of 0.8.

    The power depends on the median and the mean excess of the hold-out images' closeness, and on
    their number. A few hold-out images determine the first two poorly. They are therefore
    estimated from the training images, each compared with all others. If that suggests no more
    images than there are, they are estimated from the hold-out.

    Parameters
    ----------
    spaces : list of Space
        Distances in each space.
    n_synthetic, n_holdout : int
        Numbers of images.

    Returns
    -------
    n_needed : int or None
        The number, more than `n_holdout`. None stands for more than 1,000.
    """
    of_train = [_remove_diagonal(space.within_train) for space in spaces]
    n_needed = _find_size(of_train, spaces, n_synthetic)
    if n_needed is None or n_needed <= n_holdout:
        of_holdout = [space.holdout_to_train for space in spaces]
        n_needed = _find_size(of_holdout, spaces, n_synthetic)
    return n_needed


def _find_size(references, spaces, n_synthetic):
    """Return how many images like `references` would give a power of 0.8, or None."""
    excesses = [
        measure_excess(space.probes_to_train, reference)[0]
        for space, reference in zip(spaces, references, strict=True)
    ]
    # A probe is found in the space where its excess is largest.
    largest = np.sort(np.max(excesses, axis=0))[::-1]
    weakest = largest[math.ceil(MIN_POWER * len(largest)) - 1]
    # Half of the hold-out is above its median.
    halves = np.arange(1, int(MAX_HOLDOUT / MARGIN / 2) + 1)
    enough = halves[compute_tail(weakest, halves) * n_synthetic < LEVEL]
    return math.ceil(MARGIN * 2 * enough[0]) if len(enough) else None


def _remove_diagonal(distances):
    """Return distances between the images of one set, without those of images to themselves."""
    n = len(distances)
    return distances[~np.eye(n, dtype=bool)].reshape(n, n - 1)
