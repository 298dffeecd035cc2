"""Figures on arrays: what a classifier gets right, and how near synthetic images are to real."""

from skcxr.metrics.classification import expected_calibration_error, per_class_report
from skcxr.metrics.generative import (
    PRDC,
    KernelDistance,
    frechet_distance,
    inception_score,
    intra_diversity,
    kernel_distance,
    precision_recall_density_coverage,
)
from skcxr.metrics.paired import corrected_interval, mcnemar_p_value, wilcoxon_p_value

__all__ = [
    "PRDC",
    "KernelDistance",
    "corrected_interval",
    "expected_calibration_error",
    "frechet_distance",
    "inception_score",
    "intra_diversity",
    "kernel_distance",
    "mcnemar_p_value",
    "per_class_report",
    "precision_recall_density_coverage",
    "wilcoxon_p_value",
]
