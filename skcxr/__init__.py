"""Per-class DCGANs inside scikit-learn cross-validation for small chest X-ray data sets."""

from importlib import import_module
from typing import TYPE_CHECKING

from skcxr._version import __version__ as __version__

if TYPE_CHECKING:
    from skcxr import augment as augment
    from skcxr import datasets as datasets
    from skcxr import displays as displays
    from skcxr import evaluation as evaluation
    from skcxr import metrics as metrics
    from skcxr import networks as networks
    from skcxr import over_sampling as over_sampling
    from skcxr import persistence as persistence
    from skcxr._show_versions import show_versions
    from skcxr.classifier import CXRClassifier, CXRFeatures
    from skcxr.gan import DCGAN
    from skcxr.over_sampling import ConditionalDCGANOversampler, DCGANOversampler

__all__ = [
    "DCGAN",
    "CXRClassifier",
    "CXRFeatures",
    "ConditionalDCGANOversampler",
    "DCGANOversampler",
    "show_versions",
]

# PyTorch and scikit-learn (which brings pandas) are loaded by the first name that needs them.
_MODULE_OF = {
    "CXRClassifier": "skcxr.classifier",
    "CXRFeatures": "skcxr.classifier",
    "ConditionalDCGANOversampler": "skcxr.over_sampling",
    "DCGAN": "skcxr.gan",
    "DCGANOversampler": "skcxr.over_sampling",
    "show_versions": "skcxr._show_versions",
}
_SUBMODULES = {
    "augment",
    "datasets",
    "displays",
    "evaluation",
    "metrics",
    "networks",
    "over_sampling",
    "persistence",
}


# Type checkers know the names from the imports above. With this function, they would accept any.
if not TYPE_CHECKING:

    def __getattr__(name):
        if name in _MODULE_OF:
            return getattr(import_module(_MODULE_OF[name]), name)
        if name in _SUBMODULES:
            return import_module(f"skcxr.{name}")
        raise AttributeError(f"module 'skcxr' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF, *_SUBMODULES})
