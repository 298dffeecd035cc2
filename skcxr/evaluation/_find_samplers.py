"""Samplers inside an estimator, and the class sizes that they lead to."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
from imblearn.combine import SMOTEENN, SMOTETomek
from imblearn.over_sampling import RandomOverSampler
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.under_sampling.base import BaseUnderSampler
from imblearn.utils import check_sampling_strategy
from sklearn.pipeline import Pipeline

from skcxr.over_sampling._base import ImageOversampler

# Parameters of scikit-learn's searches. Their keys name parameters of the search's `estimator`.
GRIDS = ("param_grid", "param_distributions")


def is_sampler(step):
    """Return whether `step` is a sampler, and not a pipeline that ends in one."""
    return hasattr(step, "fit_resample") and not isinstance(step, (type, Pipeline))


def find_samplers(estimator):
    """Return the samplers inside an estimator and its nested estimators, by parameter name.

    The samplers that are parts of another sampler are left out.
    """
    params = estimator.get_params(deep=True)
    names = [name for name, value in params.items() if is_sampler(value)]
    return {name: params[name] for name in names if not is_inside(name, names)}


def find_tuned(estimator):
    """Return what the searches inside an estimator try, as (parameter name, candidates)."""
    tuned = []
    for name, value in estimator.get_params(deep=True).items():
        prefix, _, last = name.rpartition("__")
        if last not in GRIDS:
            continue
        for grid in [value] if isinstance(value, Mapping) else value:
            for key, candidates in grid.items():
                path = [part for part in (prefix, "estimator", key) if part]
                tuned.append(("__".join(path), candidates))
    return tuned


def find_candidates(estimator):
    """Return the samplers among the candidates of searches, as (parameter name, sampler)."""
    found = []
    for name, candidates in find_tuned(estimator):
        if not isinstance(candidates, (list, tuple)):  # a distribution of numbers
            continue
        for candidate in candidates:
            if is_sampler(candidate):
                found.append((name, candidate))
            elif hasattr(candidate, "get_params") and not isinstance(candidate, type):
                found += [(name, sampler) for sampler in find_samplers(candidate).values()]
    return found


def is_inside(name, others):
    """Return whether `name` is a parameter of one of the `others`, which are parameter names."""
    return any(name.startswith(f"{other}__") for other in others)


def adds_synthetic_images(sampler):
    """Return whether a sampler of imbalanced-learn's kinds adds images that are not duplicates."""
    adds_images = isinstance(sampler, (BaseOverSampler, SMOTEENN, SMOTETomek))
    return adds_images and not isinstance(sampler, RandomOverSampler)


def plan_class_sizes(estimator, y):
    """Return the class sizes that the last step of an estimator is trained on.

    Parameters
    ----------
    estimator : BaseEstimator
        Classifier, pipeline or search.
    y : ndarray of shape (n,)
        Labels that it is fitted on.

    Returns
    -------
    sizes : dict of label to int or None
        Number of images per class. None if the sizes depend on more than the labels.

    Raises
    ------
    ValueError or TypeError
        If a sampler cannot be fitted on these labels.
    """
    samplers = _list_in_order(estimator)
    if samplers is None:
        return None
    for sampler in samplers:
        if not isinstance(sampler, (BaseOverSampler, BaseUnderSampler)):
            return None
        y = _resample_labels(sampler, y)
    return dict(sorted(Counter(y.tolist()).items()))


def _list_in_order(estimator):
    """Return the samplers of an estimator in the order of their use, or None if it is unknown.

    Other estimators than pipelines and searches may fit on parts of the images, or encode y.
    """
    if is_sampler(estimator):
        return [estimator]
    if isinstance(estimator, Pipeline):
        parts = [_list_in_order(step) for _, step in estimator.steps]
        return None if None in parts else [sampler for part in parts for sampler in part]
    if not hasattr(estimator, "get_params") or not _has_samplers(estimator):
        return []
    is_search = any(hasattr(estimator, grid) for grid in GRIDS)
    if not is_search or find_candidates(estimator) or _tunes_sizes(estimator):
        return None
    return _list_in_order(estimator.estimator)


def _has_samplers(estimator):
    return bool(find_samplers(estimator) or find_candidates(estimator))


def _tunes_sizes(search):
    """Return whether a search tries several samplers or sampling strategies."""
    tuned = [name for name, _ in find_tuned(search)]
    return any(
        name in tuned or is_inside(name, tuned) or f"{name}__sampling_strategy" in tuned
        for name in find_samplers(search)
    )


def _resample_labels(sampler, y):
    """Return the labels that an over-sampler or an under-sampler turns `y` into."""
    strategy = sampler.sampling_strategy
    if isinstance(sampler, BaseUnderSampler):
        sizes = dict(Counter(y.tolist()))
        sizes.update(check_sampling_strategy(strategy, y, "under-sampling"))
        return np.repeat(np.array(list(sizes), dtype=y.dtype), list(sizes.values()))
    if isinstance(sampler, ImageOversampler):
        gains = sampler._count_gains(y)
    else:
        gains = check_sampling_strategy(strategy, y, "over-sampling")
    new = np.repeat(np.array(list(gains), dtype=y.dtype), list(gains.values()))
    return np.concatenate([y, new])
