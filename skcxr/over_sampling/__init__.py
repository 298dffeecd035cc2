"""Samplers of synthetic images for imbalanced-learn's pipelines, and what they keep."""

from skcxr.over_sampling._conditional import ConditionalDCGANOversampler
from skcxr.over_sampling._per_class import DCGANOversampler, grow
from skcxr.over_sampling._selection import Candidates, by_discriminator, distinct

__all__ = [
    "Candidates",
    "ConditionalDCGANOversampler",
    "DCGANOversampler",
    "by_discriminator",
    "distinct",
    "grow",
]
