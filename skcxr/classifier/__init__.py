"""CXRClassifier, the skorch net that it trains, and CXRFeatures for linear classifiers."""

from skcxr.classifier._estimator import CXRClassifier
from skcxr.classifier._features import CXRFeatures

__all__ = ["CXRClassifier", "CXRFeatures"]
