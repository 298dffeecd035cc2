"""Figures, as scikit-learn's Display objects."""

from skcxr.displays._audit import AuditDisplay
from skcxr.displays._comparison import ComparisonDisplay, ConfusionMatrixGridDisplay
from skcxr.displays._data_check import DataCheckDisplay
from skcxr.displays._history import TrainingHistoryDisplay
from skcxr.displays._samples import SyntheticSamplesDisplay

__all__ = [
    "AuditDisplay",
    "ComparisonDisplay",
    "ConfusionMatrixGridDisplay",
    "DataCheckDisplay",
    "SyntheticSamplesDisplay",
    "TrainingHistoryDisplay",
]
