"""Figures on arrays: what a classifier gets right."""

from skcxr.metrics.classification import per_class_report

__all__ = ["per_class_report"]
