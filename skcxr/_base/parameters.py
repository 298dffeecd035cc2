"""Checks of parameters and arguments by scikit-learn's decorators, with annotations."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from sklearn.base import _fit_context
from sklearn.utils._param_validation import validate_params

Function = TypeVar("Function", bound=Callable[..., Any])


def validate_before(fit: Function) -> Function:
    """Check the estimator's parameters before the method `fit`, which this decorates.

    scikit-learn's decorators have no annotations, and would hide those of what they decorate.
    """
    return cast(Function, _fit_context(prefer_skip_nested_validation=True)(fit))


def validate_arguments(constraints: dict[str, list]) -> Callable[[Function], Function]:
    """Check the arguments of the function that this decorates, as scikit-learn's are checked."""
    decorate = validate_params(constraints, prefer_skip_nested_validation=True)
    return cast(Callable[[Function], Function], decorate)
