"""CXRClassifier: the estimator and the skorch net that it trains."""

from skcxr.classifier._estimator import CXRClassifier

__all__ = ["CXRClassifier"]
