"""Samplers of synthetic images for imbalanced-learn's pipelines, and what they keep."""

from skcxr.over_sampling._conditional import ConditionalDCGANOversampler
from skcxr.over_sampling._per_class import DCGANOversampler
from skcxr.over_sampling._selection import Candidates, by_discriminator, distinct
from skcxr.over_sampling._smote import ImageSMOTE
from skcxr.over_sampling._strategies import grow

__all__ = [
    "Candidates",
    "ConditionalDCGANOversampler",
    "DCGANOversampler",
    "ImageSMOTE",
    "by_discriminator",
    "distinct",
    "grow",
]
