"""DCGAN: the estimator, its training loop, its losses and its checkpoints."""

from skcxr.gan._estimator import DCGAN

__all__ = ["DCGAN"]
