"""Experiments: estimators on the same folds, their differences, and their synthetic images."""

from skcxr.evaluation._compare import compare
from skcxr.evaluation._comparison import Comparison
from skcxr.evaluation._controls import duplicates_of
from skcxr.evaluation._folds import FoldResult, fit_folds
from skcxr.evaluation._inspection import inspect_samples

__all__ = [
    "Comparison",
    "FoldResult",
    "compare",
    "duplicates_of",
    "fit_folds",
    "inspect_samples",
]
