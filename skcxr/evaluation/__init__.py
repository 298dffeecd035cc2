"""Experiments: estimators on the same folds, their differences, and their synthetic images."""

from skcxr.evaluation._compare import compare
from skcxr.evaluation._comparison import Comparison
from skcxr.evaluation._controls import duplicates_of
from skcxr.evaluation._data_check import DataCheck, check_data
from skcxr.evaluation._folds import FoldResult, fit_folds
from skcxr.evaluation._inspection import inspect_samples
from skcxr.evaluation._learning_curve import LearningCurve, learning_curve
from skcxr.evaluation._plan import ComparisonPlan, plan
from skcxr.evaluation._pretraining import find_pretraining_overlap

__all__ = [
    "Comparison",
    "ComparisonPlan",
    "DataCheck",
    "FoldResult",
    "LearningCurve",
    "check_data",
    "compare",
    "duplicates_of",
    "find_pretraining_overlap",
    "fit_folds",
    "inspect_samples",
    "learning_curve",
    "plan",
]
