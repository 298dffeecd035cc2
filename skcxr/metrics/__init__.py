"""Metrics on arrays: of classifiers, and of synthetic images compared with real ones."""

from skcxr.metrics._audit._result import AuditResult, SuspiciousPair
from skcxr.metrics._audit._run import audit
from skcxr.metrics._classification import expected_calibration_error, per_class_report
from skcxr.metrics._generative import (
    PRDC,
    KernelDistance,
    frechet_distance,
    inception_score,
    intra_diversity,
    kernel_distance,
    precision_recall_density_coverage,
)
from skcxr.metrics._generative_report import generative_report
from skcxr.metrics._paired import (
    corrected_interval,
    correlated_t_test,
    mcnemar_p_value,
    wilcoxon_p_value,
)

__all__ = [
    "PRDC",
    "AuditResult",
    "KernelDistance",
    "SuspiciousPair",
    "audit",
    "corrected_interval",
    "correlated_t_test",
    "expected_calibration_error",
    "frechet_distance",
    "generative_report",
    "inception_score",
    "intra_diversity",
    "kernel_distance",
    "mcnemar_p_value",
    "per_class_report",
    "precision_recall_density_coverage",
    "wilcoxon_p_value",
]
