"""Figures, as scikit-learn's Display objects."""

from skcxr.displays.audit import AuditDisplay
from skcxr.displays.comparison import ComparisonDisplay, ConfusionMatrixGridDisplay
from skcxr.displays.history import TrainingHistoryDisplay
from skcxr.displays.samples import SyntheticSamplesDisplay

__all__ = [
    "AuditDisplay",
    "ComparisonDisplay",
    "ConfusionMatrixGridDisplay",
    "SyntheticSamplesDisplay",
    "TrainingHistoryDisplay",
]
