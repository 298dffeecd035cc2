"""Control arms, which add duplicates of real images in place of synthetic ones."""

import warnings

from imblearn.over_sampling import RandomOverSampler
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.under_sampling.base import BaseCleaningSampler, BaseUnderSampler
from sklearn.base import clone

from skcxr.evaluation._samplers import (
    find_candidates,
    find_samplers,
    find_tuned,
    is_inside,
    is_synthetic,
    plan_class_sizes,
)
from skcxr.over_sampling._duplicates import DuplicateOversampler

# Samplers that a control shares with its arm: they add duplicates, or only leave images out.
SHARED = (RandomOverSampler, BaseUnderSampler, BaseCleaningSampler)


def duplicates_of(pipeline):
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


def warn_of_missing_controls(arms, y, splits):
    """Warn if an arm adds synthetic images and no arm adds as many duplicates.

    Parameters
    ----------
    arms : dict of str to estimator
        The arms of a comparison.
    y : ndarray of shape (n,)
        Labels of all images.
    splits : list of (ndarray, ndarray)
        Training and test rows of each fold.
    """
    with_synthetic = [arm for arm, estimator in arms.items() if _adds(estimator, is_synthetic)]
    controls = [
        arm
        for arm, estimator in arms.items()
        if arm not in with_synthetic and _adds(estimator, _is_duplicating)
    ]
    if with_synthetic and not controls:
        warnings.warn(
            "An arm adds synthetic images, but none adds duplicates as a control. More images also "
            "mean more training steps, so a gain may come from these alone. Add "
            "duplicates_of(pipeline) to the arms.",
            stacklevel=3,
        )
        return
    sizes = {
        arm: [_plan_sizes(arms[arm], y[train]) for train, _ in splits]
        for arm in [*with_synthetic, *controls]
    }
    if any(None in sizes[control] for control in controls):
        return
    for arm in with_synthetic:
        if None in sizes[arm] or any(sizes[arm] == sizes[control] for control in controls):
            continue
        differs = [sizes[arm][i] != sizes[controls[0]][i] for i in range(len(splits))]
        fold = differs.index(True)
        others = ", ".join(f"{k} trains on {_format(sizes[k][fold])}" for k in controls)
        warnings.warn(
            f"In fold {fold}, {arm} trains on {_format(sizes[arm][fold])}; no arm adds as many "
            f"duplicates: {others}. More images also mean more training steps, so a difference may "
            f"come from these alone. Add duplicates_of(arms[{arm!r}]) to the arms.",
            stacklevel=3,
        )


def _adds(estimator, is_of_kind):
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
