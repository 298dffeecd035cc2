"""What a report of an error should say about the machine and the installed packages."""

import os
import platform
from importlib import metadata

from skcxr._version import __version__

# Those that skcxr needs, then those of its extras.
_PACKAGES = [
    "numpy",
    "scipy",
    "scikit-learn",
    "imbalanced-learn",
    "torch",
    "torchvision",
    "skorch",
    "safetensors",
    "pillow",
    "joblib",
    "pandas",
    "matplotlib",
    "tqdm",
    "tabulate",
    "jinja2",
    "click",
    "pooch",
    "requests",
    "filelock",
    "pydicom",
    "pylibjpeg",
    "pylibjpeg-openjpeg",
    "pylibjpeg-rle",
    "pylibjpeg-libjpeg",
    "pyjpegls",
    "dask",
    "distributed",
    "skops",
]


def show_versions() -> None:
    """Print the versions of skcxr and of other packages, and what PyTorch computes on.

    Add the output to a report of an error. It contains no path and no name of a user.

    Examples
    --------
    >>> import skcxr
    >>> skcxr.show_versions()  # doctest: +ELLIPSIS
    System
      python: 3...
      platform: ...
      cores: ...
      threads of PyTorch: ...
      GPU: ...
    Packages
      skcxr: 0...
      numpy: ...
    """
    print("System")
    for name, value in _describe_system().items():
        print(f"  {name}: {value}")
    print("Packages")
    print(f"  skcxr: {__version__}")
    for name in _PACKAGES:
        print(f"  {name}: {_find_version(name)}")


def _describe_system():
    """Return facts about Python, the machine and its GPUs, by name."""
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "threads of PyTorch": torch.get_num_threads(),
        "GPU": ", ".join(gpus) or "none with CUDA",
    }


def _find_version(name):
    """Return the version of an installed package, or "not installed"."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
