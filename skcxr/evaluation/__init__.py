"""Experiments: estimators on the same folds, and what their differences show."""

from skcxr.evaluation._compare import FoldResult, compare, duplicates_of, fit_folds
from skcxr.evaluation._comparison import Comparison
from skcxr.evaluation._inspection import inspect_samples

__all__ = [
    "Comparison",
    "FoldResult",
    "compare",
    "duplicates_of",
    "fit_folds",
    "inspect_samples",
]
