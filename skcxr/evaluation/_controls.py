"""Control arms: duplicates of real images in place of synthetic ones."""

from imblearn.over_sampling import RandomOverSampler
from imblearn.over_sampling.base import BaseOverSampler
from sklearn.base import clone

from skcxr.over_sampling._duplicates import DuplicateOversampler


def _lacks_control(arms):
    """Whether images are added by some arm, but duplicates by none."""
    samplers = [
        sampler
        for estimator in arms.values()
        for sampler in _samplers(estimator).values()
        if isinstance(sampler, BaseOverSampler)
    ]
    return bool(samplers) and not any(isinstance(s, RandomOverSampler) for s in samplers)


def _samplers(estimator):
    """Return the samplers of a pipeline by the names of their steps."""
    steps = getattr(estimator, "steps", [])
    return {name: step for name, step in steps if hasattr(step, "fit_resample")}


def duplicates_of(pipeline):
    """The control to a pipeline that adds synthetic images: it adds as many duplicates instead.

    Parameters
    ----------
    pipeline : imblearn.pipeline.Pipeline
        With at least one step that samples.

    Returns
    -------
    control : imblearn.pipeline.Pipeline
        A clone, each sampler replaced by one of duplicates, of the same ``sampling_strategy`` and
        ``random_state``: a RandomOverSampler that takes images in any layout.

    Raises
    ------
    ValueError
        If no step of `pipeline` samples.

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
    samplers = _samplers(control)
    if not samplers:
        raise ValueError(f"No step of the pipeline samples: {pipeline!r}.")
    for name, step in samplers.items():
        params = step.get_params(deep=False)
        options = {k: params[k] for k in ("sampling_strategy", "random_state") if k in params}
        control.set_params(**{name: DuplicateOversampler(**options)})
    return control
