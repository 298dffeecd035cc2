"""Networks: the paper's generator and discriminator, and a small classifier."""

from skcxr.networks._cxrnet import CXRNet
from skcxr.networks._dcgan import Discriminator, Generator

__all__ = ["CXRNet", "Discriminator", "Generator"]
