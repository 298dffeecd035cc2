"""Control arms, which add duplicates of real images in place of synthetic ones."""

import warnings
from typing import TypeVar

from imblearn.over_sampling import RandomOverSampler
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.under_sampling.base import BaseCleaningSampler, BaseUnderSampler
from sklearn.base import BaseEstimator, clone

from skcxr.evaluation._find_samplers import (
    adds_synthetic_images,
    find_candidates,
    find_samplers,
    find_tuned,
    is_inside,
    plan_class_sizes,
)
from skcxr.over_sampling._duplicates import DuplicateOversampler

Estimator = TypeVar("Estimator", bound=BaseEstimator)

# Samplers that a control shares with its arm: they add duplicates, or only leave images out.
SHARED = (RandomOverSampler, BaseUnderSampler, BaseCleaningSampler)


def duplicates_of(pipeline: Estimator) -> Estimator:
    """Build the control of a pipeline: it adds as many duplicates as that adds synthetic images.

    Parameters
    ----------
    pipeline : estimator
        Pipeline of imbalanced-learn with an over-sampler, or an estimator that holds such a
        pipeline, such as a search over its parameters.

    Returns
    -------
    control : estimator
        A clone in which every over-sampler is replaced by a RandomOverSampler that takes images in
        any layout, with the same ``sampling_strategy`` and ``random_state``. All other steps stay
        as they are, among them under-samplers, cleaning samplers and RandomOverSampler itself.

    Raises
    ------
    ValueError
        If `pipeline` has no over-sampler. If it has a sampler of which imbalanced-learn's classes
        do not tell what it adds, such as SMOTEENN or a FunctionSampler. If a search tunes what
        duplicates do not have, such as a parameter of a GAN.

    Examples
    --------
    >>> from imblearn.pipeline import Pipeline
    >>> from skcxr import CXRClassifier, DCGANOversampler
    >>> from skcxr.evaluation import duplicates_of
    >>> from skcxr.over_sampling import grow
    >>> gan = DCGANOversampler(sampling_strategy=grow(2), random_state=0)
    >>> duplicates_of(Pipeline([("gan", gan), ("clf", CXRClassifier())]))["gan"]
    DuplicateOversampler(random_state=0, sampling_strategy=grow(factor=2))
    """
    samplers = find_samplers(pipeline)
    for name, sampler in [*samplers.items(), *find_candidates(pipeline)]:
        _check_is_known(name, sampler)
    replaced = {k: sampler for k, sampler in samplers.items() if not isinstance(sampler, SHARED)}
    _check_search(pipeline, replaced)
    if not any(isinstance(sampler, BaseOverSampler) for sampler in samplers.values()):
        raise ValueError(
            f"pipeline has no step that over-samples, got {pipeline!r}. Pass an imblearn Pipeline "
            "with an over-sampler before the classifier."
        )
    control = clone(pipeline)
    for name, sampler in replaced.items():
        params = sampler.get_params(deep=False)
        options = {k: params[k] for k in ("sampling_strategy", "random_state") if k in params}
        control.set_params(**{name: DuplicateOversampler(**options)})
    return control


def _check_is_known(name, sampler):
    """Refuse a sampler unless it is known how many images of each class it adds or leaves out."""
    kind = type(sampler).__name__
    if not isinstance(sampler, (BaseOverSampler, BaseUnderSampler, BaseCleaningSampler)):
        raise ValueError(
            f"Step {name!r} is a {kind}, of which duplicates_of cannot tell how many images it "
            "adds. Use one step that over-samples and one that cleans in its place, such as SMOTE "
            "and then EditedNearestNeighbours; derive your own sampler from imbalanced-learn's "
            "BaseOverSampler or BaseUnderSampler; or build the control by hand."
        )
    if not isinstance(sampler, SHARED) and "sampling_strategy" not in sampler.get_params():
        raise ValueError(
            f"Step {name!r} is a {kind} without the parameter sampling_strategy, so duplicates_of "
            "cannot tell how many images it adds. Give it this parameter, or build the control by "
            "hand."
        )


def _check_search(pipeline, replaced):
    """Refuse a search whose candidates set what a control with duplicates does not have."""
    for name, sampler in find_candidates(pipeline):
        if not isinstance(sampler, SHARED):
            raise ValueError(
                f"The search tries the over-sampler {type(sampler).__name__} for {name!r}, which "
                "its control would try as well. Compare over-samplers as arms of their own, each "
                "with its control."
            )
    known = DuplicateOversampler().get_params()
    for tuned, _ in find_tuned(pipeline):
        for name, sampler in replaced.items():
            kind = type(sampler).__name__
            if name == tuned or is_inside(name, [tuned]):
                raise ValueError(
                    f"The search replaces {tuned!r}, and with it the over-sampler {kind}, which "
                    "the control has duplicates for. Compare its candidates as arms of their own, "
                    "each with its control."
                )
            if is_inside(tuned, [name]) and tuned.removeprefix(f"{name}__") not in known:
                raise ValueError(
                    f"The search tunes {tuned!r}, a parameter of {kind} that duplicates do not "
                    "have. Leave it out of the search, or build the control by hand."
                )


def find_controls(arms, y, splits):
    """Find the control of each arm that adds synthetic images.

    Parameters
    ----------
    arms : dict of str to estimator
        The arms of a comparison.
    y : ndarray of shape (n,)
        Labels of all images.
    splits : list of (ndarray, ndarray)
        Training and test rows of each fold.

    Returns
    -------
    controls : dict of str to str or None
        For each arm that adds synthetic images, the first arm that adds as many duplicates. None
        if there is none. An arm is left out if its class sizes, or those of an arm that adds
        duplicates, depend on the images.
    """
    with_synthetic, duplicating = _group_arms(arms)
    sizes = _plan_all_sizes(arms, [*with_synthetic, *duplicating], y, splits)
    if any(None in sizes[arm] for arm in duplicating):
        return {}
    return {
        arm: next((other for other in duplicating if sizes[other] == sizes[arm]), None)
        for arm in with_synthetic
        if None not in sizes[arm]
    }


def warn_of_missing_controls(arms, y, splits):
    """Warn if an arm adds synthetic images and no arm adds as many duplicates.

    The parameters are those of :func:`find_controls`.
    """
    with_synthetic, duplicating = _group_arms(arms)
    if with_synthetic and not duplicating:
        warnings.warn(
            "An arm adds synthetic images, but none adds duplicates as a control. More images also "
            "mean more training steps, so a gain may come from these alone. Add "
            "duplicates_of(pipeline) to the arms.",
            stacklevel=3,
        )
        return
    sizes = _plan_all_sizes(arms, [*with_synthetic, *duplicating], y, splits)
    for arm, control in find_controls(arms, y, splits).items():
        if control is not None:
            continue
        differs = [sizes[arm][i] != sizes[duplicating[0]][i] for i in range(len(splits))]
        fold = differs.index(True)
        others = ", ".join(f"{k} trains on {_format(sizes[k][fold])}" for k in duplicating)
        warnings.warn(
            f"In fold {fold}, {arm} trains on {_format(sizes[arm][fold])}; no arm adds as many "
            f"duplicates: {others}. More images also mean more training steps, so a difference may "
            f"come from these alone. Add duplicates_of(arms[{arm!r}]) to the arms.",
            stacklevel=3,
        )


def _group_arms(arms):
    """Return the arms that add synthetic images, and the other arms that add duplicates."""
    with_synthetic = [
        arm for arm, estimator in arms.items() if _has_sampler(estimator, adds_synthetic_images)
    ]
    duplicating = [
        arm
        for arm, estimator in arms.items()
        if arm not in with_synthetic and _has_sampler(estimator, _is_duplicating)
    ]
    return with_synthetic, duplicating


def _plan_all_sizes(arms, names, y, splits):
    """Return the planned class sizes of some arms in each fold."""
    return {arm: [_plan_sizes(arms[arm], y[train]) for train, _ in splits] for arm in names}


def _has_sampler(estimator, is_of_kind):
    """Return whether an estimator has a sampler of a kind, also as a candidate of a search."""
    samplers = list(find_samplers(estimator).values())
    samplers += [sampler for _, sampler in find_candidates(estimator)]
    return any(is_of_kind(sampler) for sampler in samplers)


def _is_duplicating(sampler):
    return isinstance(sampler, RandomOverSampler)


def _plan_sizes(estimator, y):
    """Return the planned class sizes, or None if they are unknown or cannot be reached."""
    try:
        return plan_class_sizes(estimator, y)
    except (ValueError, TypeError):  # this fit will fail, and error_score says what then
        return None


def _format(sizes):
    return ", ".join(f"{label} {n}" for label, n in sizes.items())
