"""How well parts of the data predict the classes, and how well they would by chance.

The classifier is a ridge regression on the indicators of the classes, which is Fisher's linear
discriminant with a ridge. It takes the place of logistic regression because its fit is linear in
the labels: one factorization per fold predicts for the labels and for all their permutations at
once. On the frame of 270 radiographs, its balanced accuracy is that of logistic regression.

Labels are permuted by patient, within folds. Folds are stratified, so they depend on the labels.
Within folds, each permutation is stratified as the labels are, and the test is exact.
"""

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_batches

from skcxr.evaluation._folds import split_shuffled

N_FOLDS = 5
N_PERMUTATIONS = 499
# Family-wise error rate of all tests of a check.
LEVEL = 0.05
# Of images whose features have a mean squared norm of 1. From 0.1 to 10, accuracies on the frames
# of 270 radiographs differ by 0.03 at most.
RIDGE = 1.0
# Standard deviations that are small compared with the largest one are noise.
SMALL = 0.01
# Numbers of scores that are held at a time.
CHUNK = 4_000_000


def split_folds(y, patients, seed):
    """Return the fold of each image, stratified by class, with all images of a patient together.

    Parameters
    ----------
    y : ndarray of int of shape (n,)
        Classes from 0 on, each of at least N_FOLDS patients.
    patients : ndarray of int of shape (n,)
        Patients.
    seed : int
        Seed.

    Returns
    -------
    folds : ndarray of int of shape (n,)
    """
    folds = np.empty(len(y), dtype=int)
    # The splitter of groups would take seconds for thousands of single images.
    groups = patients if len(np.unique(patients)) < len(patients) else None
    for fold, (_, test) in enumerate(split_shuffled(y, groups, N_FOLDS, random_state=seed)):
        folds[test] = fold
    return folds


def permute_labels(y, patients, folds, n_permutations, rng):
    """Return labels that patients of the same fold have exchanged.

    A patient gets the labels of another one, in random order. If that one has more images, some of
    its labels are drawn; if it has fewer, they are repeated. So images of one patient keep labels
    that are as alike as those of one patient are.

    Parameters
    ----------
    y, patients, folds : ndarray of int of shape (n,)
        Labels, patients and folds of the images.
    n_permutations : int
        Number of permutations.
    rng : Generator
        Random numbers.

    Returns
    -------
    permuted : ndarray of int of shape (n_permutations, n)
    """
    _, first, codes, sizes = np.unique(
        patients, return_index=True, return_inverse=True, return_counts=True
    )
    starts = np.cumsum(sizes) - sizes
    # In both sorts, random fractions shuffle what is equal: images of a patient, and patients of a
    # fold.
    order = np.argsort(codes + rng.random((n_permutations, len(y))), axis=1)
    shuffled = np.argsort(folds[first] + rng.random((n_permutations, len(first))), axis=1)
    donors = np.empty_like(shuffled)
    donors[:, np.argsort(folds[first], kind="stable")] = shuffled
    patient_of_place = np.repeat(np.arange(len(first)), sizes)
    rank = np.arange(len(y)) - starts[patient_of_place]
    donor = donors[:, patient_of_place]
    place = (starts[donor] + rank % sizes[donor]).astype(np.intp)
    permuted = np.empty_like(order)
    np.put_along_axis(permuted, order, y[np.take_along_axis(order, place, axis=1)], axis=1)
    return permuted


def build_features(blocks):
    """Return the blocks of a part as features (n, d) with d <= n, up to a rotation.

    Columns are standardized, and blocks are scaled to one mean norm.
    """
    scaled = [_scale(block.reshape(len(block), -1)) for block in blocks]
    features = np.concatenate(scaled, axis=1) / np.float32(np.sqrt(len(blocks)))
    if features.shape[1] <= len(features):
        return features
    values, vectors = np.linalg.eigh(features @ features.T)
    kept = values > 1e-6 * max(values[-1], 1e-12)
    return vectors[:, kept] * np.sqrt(values[kept])


def _scale(block):
    centred = block - block.mean(axis=0)
    deviations = centred.std(axis=0)
    centred /= deviations + SMALL * max(deviations.max(), 1e-6)
    norm = np.sqrt((centred**2).sum(axis=1).mean())
    return centred / np.float32(max(norm, 1e-6))


def score_labels(features, labels, n_classes, folds):
    """Return cross-validated balanced accuracies for several labels of the same images.

    Parameters
    ----------
    features : ndarray of float32 of shape (n, d)
        Features of the images.
    labels : ndarray of int of shape (n_labels, n)
        Labels of the images: the true ones and permuted ones, for example.
    n_classes : int
        Number of classes.
    folds : ndarray of int of shape (n,)
        Fold of each image.

    Returns
    -------
    accuracies : ndarray of shape (n_labels, 1 + n_classes)
        Balanced accuracy over all classes, and that of each class against the rest. The
        predictions of all folds are pooled.
    """
    fits = [_factorize(features, folds == fold) for fold in range(N_FOLDS)]
    step = max(1, CHUNK // (len(features) * n_classes))
    chunks = [
        _score_chunk(fits, labels[start : start + step], n_classes)
        for start in range(0, len(labels), step)
    ]
    return np.concatenate(chunks)


def _factorize(features, is_test):
    """Return what a ridge regression needs to predict for any labels of the training images."""
    mean = features[~is_test].mean(axis=0)
    train = features[~is_test] - mean
    gram = train.T @ train
    gram.flat[:: len(gram) + 1] += RIDGE
    solution = cho_solve(cho_factor(gram, overwrite_a=True), train.T)
    leverages = (train * solution.T).sum(axis=1) + 1 / len(train)
    return is_test, train, features[is_test] - mean, solution, leverages[:, None]


def _score_chunk(fits, labels, n_classes):
    """Return the balanced accuracies of a few labels."""
    indicators = (labels.T[:, :, None] == np.arange(n_classes)).astype(np.float32)
    shape = indicators.shape
    n_found = np.zeros(shape[1:])
    n_rejected = np.zeros(shape[1:])
    n_correct = np.zeros(shape[1:])
    for is_test, train, test, solution, leverages in fits:
        y = indicators[~is_test].reshape(len(train), -1)
        prior = y.mean(axis=0)
        weights = solution @ (y - prior)
        # Scores of images that the fit has left out, in closed form: those of the fit itself are
        # too far apart. A class is predicted beyond the middle of the mean scores.
        scores = (train @ weights + prior - leverages * y) / (1 - leverages)
        n_members = y.sum(axis=0)
        inside = (scores * y).sum(axis=0) / np.maximum(n_members, 1)
        outside = (scores * (1 - y)).sum(axis=0) / np.maximum(len(y) - n_members, 1)
        margins = (test @ weights + prior - (inside + outside) / 2).reshape(-1, *shape[1:])
        is_member = indicators[is_test]
        n_found += ((margins > 0) * is_member).sum(axis=0)
        n_rejected += ((margins <= 0) * (1 - is_member)).sum(axis=0)
        best = margins.argmax(axis=2)[:, :, None] == np.arange(n_classes)
        n_correct += (best * is_member).sum(axis=0)
    n_members = indicators.sum(axis=0)
    overall = (n_correct / n_members).mean(axis=1, keepdims=True)
    of_classes = (n_found / n_members + n_rejected / (len(indicators) - n_members)) / 2
    return np.concatenate([overall, of_classes], axis=1)


def predict_from_parts(parts, y, patients, folds, rng):
    """Return how well parts predict the classes, and how likely that is by chance.

    Parameters
    ----------
    parts : dict of str to list of ndarray of shape (n, ...)
        Blocks of each part.
    y, patients, folds : ndarray of int of shape (n,)
        Classes from 0 on, patients and folds.
    rng : Generator
        Random numbers.

    Returns
    -------
    accuracies, p_values, limits : ndarray of shape (n_parts, 1 + n_classes)
        Balanced accuracies as in :func:`score_labels`, with the results of
        :func:`compare_with_maxima`.
    """
    n_classes = y.max() + 1
    labels = np.empty((1 + N_PERMUTATIONS, len(y)), dtype=np.int16)
    labels[0] = y
    for rows in gen_batches(N_PERMUTATIONS, max(1, CHUNK // (4 * len(y)))):
        n_permutations = rows.stop - rows.start
        labels[1:][rows] = permute_labels(y, patients, folds, n_permutations, rng)
    scores = [
        score_labels(build_features(blocks), labels, n_classes, folds) for blocks in parts.values()
    ]
    scores = np.stack(scores, axis=1)
    return scores[0], *compare_with_maxima(scores)


def score_by_logistic_regression(features, y, folds):
    """Return the balanced accuracies of :func:`score_labels` for logistic regression.

    Parameters
    ----------
    features : ndarray of shape (n, d)
        Features of the images.
    y : ndarray of int of shape (n,)
        Classes.
    folds : ndarray of int of shape (n,)
        Fold of each image.

    Returns
    -------
    accuracies : ndarray of shape (1 + n_classes,)
    """
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000)
    )
    n_classes = y.max() + 1
    predicted = np.empty((1 + n_classes, len(y)), dtype=int)
    for fold in range(N_FOLDS):
        train = folds != fold
        targets = [y, *(y == k for k in range(n_classes))]
        for row, target in zip(predicted, targets, strict=True):
            row[~train] = model.fit(features[train], target[train]).predict(features[~train])
    recalls = [(predicted[0][y == k] == k).mean() for k in range(n_classes)]
    of_classes = [
        (predicted[1 + k][y == k].mean() + 1 - predicted[1 + k][y != k].mean()) / 2
        for k in range(n_classes)
    ]
    return np.array([np.mean(recalls), *of_classes])


def compare_with_maxima(accuracies):
    """Compare all accuracies of one check with the maxima of its permutations.

    Each accuracy is standardized by the mean and standard deviation of its own permutations. An
    alarm is an accuracy above 95 % of the maxima over all accuracies, so that at most 5 % of checks
    without shortcuts raise any.

    Parameters
    ----------
    accuracies : ndarray of shape (1 + n_permutations, ...)
        Accuracies for the true labels, followed by those for permuted labels.

    Returns
    -------
    p_values : ndarray of shape (...)
        Share of the maxima that are as large, among them that of the true labels.
    limits : ndarray of shape (...)
        Accuracies above which there is an alarm.
    """
    mean = accuracies.mean(axis=0)
    deviation = accuracies.std(axis=0)
    is_constant = deviation < 1e-9
    deviation[is_constant] = 1
    # Rounded, because the same accuracy of another permutation may differ in the last bit.
    scores = np.round((accuracies - mean) / deviation, 6)
    maxima = np.sort(scores.reshape(len(scores), -1).max(axis=1))
    n_reached = len(maxima) - np.searchsorted(maxima, scores[0])
    p_values = n_reached / len(maxima)
    # An alarm has at most this number of maxima that are as large.
    n_above = int(LEVEL * len(maxima))
    limits = mean + deviation * maxima[-n_above - 1]
    limits[is_constant] = np.nan
    return p_values, limits
