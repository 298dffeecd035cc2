"""Control arms, which add duplicates of real images in place of synthetic ones."""

from imblearn.over_sampling import RandomOverSampler
from imblearn.over_sampling.base import BaseOverSampler
from sklearn.base import clone

from skcxr.over_sampling._duplicates import DuplicateOversampler


def duplicates_of(pipeline):
    """Build the control of a pipeline: it adds as many duplicates as that adds synthetic images.

    Parameters
    ----------
    pipeline : imblearn.pipeline.Pipeline
        Pipeline with at least one sampler among its steps.

    Returns
    -------
    control : imblearn.pipeline.Pipeline
        A clone in which every sampler is replaced by a RandomOverSampler that takes images in any
        layout, with the same ``sampling_strategy`` and ``random_state``.

    Raises
    ------
    ValueError
        If no step of `pipeline` is a sampler.

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
    control = clone(pipeline)
    samplers = _find_samplers(control)
    if not samplers:
        raise ValueError(
            f"pipeline has no step that samples, got {pipeline!r}. Pass an imblearn Pipeline with "
            "an over-sampler before the classifier."
        )
    for name, sampler in samplers.items():
        params = sampler.get_params(deep=False)
        options = {k: params[k] for k in ("sampling_strategy", "random_state") if k in params}
        control.set_params(**{name: DuplicateOversampler(**options)})
    return control


def lacks_control(arms):
    """Return whether some arm adds images and no arm adds duplicates."""
    over_samplers = [
        sampler
        for estimator in arms.values()
        for sampler in _find_samplers(estimator).values()
        if isinstance(sampler, BaseOverSampler)
    ]
    has_duplicates = any(isinstance(sampler, RandomOverSampler) for sampler in over_samplers)
    return bool(over_samplers) and not has_duplicates


def _find_samplers(estimator):
    """Return the samplers of a pipeline by step name; other estimators have none."""
    steps = getattr(estimator, "steps", [])
    return {name: step for name, step in steps if hasattr(step, "fit_resample")}
