"""Per-class DCGANs inside scikit-learn cross-validation for small chest X-ray data sets."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skcxr.classification import CXRClassifier
    from skcxr.conditional import ConditionalDCGANOversampler
    from skcxr.gan import DCGAN
    from skcxr.over_sampling import DCGANOversampler
    from skcxr.pretraining import SyntheticPretrainingClassifier

__version__ = "0.1.0.dev0"
__all__ = [
    "DCGAN",
    "CXRClassifier",
    "ConditionalDCGANOversampler",
    "DCGANOversampler",
    "SyntheticPretrainingClassifier",
]

# PyTorch and scikit-learn (which brings pandas) are loaded by the first name that needs them.
_MODULE_OF = {
    "CXRClassifier": "skcxr.classification",
    "ConditionalDCGANOversampler": "skcxr.conditional",
    "DCGAN": "skcxr.gan",
    "DCGANOversampler": "skcxr.over_sampling",
    "SyntheticPretrainingClassifier": "skcxr.pretraining",
}


_SUBMODULES = {"augment", "datasets", "displays", "evaluation", "metrics", "networks"}
_SUBMODULES |= {module.partition(".")[2] for module in _MODULE_OF.values()}


def __getattr__(name):
    if name in _MODULE_OF:
        return getattr(import_module(_MODULE_OF[name]), name)
    if name in _SUBMODULES:
        return import_module(f"skcxr.{name}")
    raise AttributeError(f"module 'skcxr' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_MODULE_OF, *_SUBMODULES})
