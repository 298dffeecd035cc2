"""Figures on arrays: what a classifier gets right, and how near synthetic images come to real."""

from skcxr.metrics.classification import per_class_report
from skcxr.metrics.generative import (
    PRDC,
    KernelDistance,
    frechet_distance,
    inception_score,
    intra_diversity,
    kernel_distance,
    precision_recall_density_coverage,
)

__all__ = [
    "PRDC",
    "KernelDistance",
    "frechet_distance",
    "inception_score",
    "intra_diversity",
    "kernel_distance",
    "per_class_report",
    "precision_recall_density_coverage",
]
