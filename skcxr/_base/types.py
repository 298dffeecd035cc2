"""Types of parameters that several public names share. Only type checkers import this module."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator


class SparseMatrix(Protocol):
    """Matrix or array of scipy.sparse."""

    def toarray(self) -> Any: ...


class HasArrayInterface(Protocol):
    """Image of Pillow."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...


class GenerativeModel(Protocol):
    """What DCGANOversampler needs of its estimator. The types of its results vary too much."""

    @property
    def fit(self) -> Callable[..., Any]: ...

    @property
    def sample(self) -> Callable[..., Any]: ...


class HasDiscriminator(Protocol):
    """Model whose decision function returns logits of images."""

    def decision_function(self, X: Any, /) -> Any: ...


class FittedSampler(Protocol):
    """Sampler whose `fit_resample` has been called."""

    @property
    def estimators_(self) -> dict[Any, Any]: ...


class Splitter(Protocol):
    """Splitter of scikit-learn."""

    def split(self, X: Any, y: Any = ..., groups: Any = ..., /) -> Any: ...

    def get_n_splits(self) -> int: ...


Pixels = TypeVar("Pixels", bound=np.generic)
Labels = TypeVar("Labels", bound=np.generic)


class Rows(Protocol):
    """Array-like with one row per image."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Any: ...


Images: TypeAlias = ArrayLike | Sequence[HasArrayInterface] | SparseMatrix
ImageShape: TypeAlias = tuple[int, ...] | list[int]
ImagesByClass: TypeAlias = Mapping[Any, NDArray[Any]]
Path: TypeAlias = str | PathLike[str]
Device: TypeAlias = str | torch.device
RandomState: TypeAlias = int | np.random.RandomState
Transform: TypeAlias = Callable[[torch.Tensor, torch.Generator], torch.Tensor]
Augmentation: TypeAlias = Literal["classic"] | Transform
Precision: TypeAlias = Literal["auto", "float32", "bfloat16"]
Features: TypeAlias = Path | Callable[[Any], Any]

Arms: TypeAlias = Mapping[str, BaseEstimator]
Folds: TypeAlias = int | Splitter | Iterable[tuple[Any, Any]]
Scoring: TypeAlias = str | Callable[..., Any] | Sequence[str] | Mapping[str, Any]
Strategy: TypeAlias = float | str | Mapping[Any, int] | Callable[[Any], Mapping[Any, int]]
