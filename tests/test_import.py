"""`import skcxr` is cheap, and loads nothing that the work at hand does not need."""

import subprocess
import sys

import pytest

import skcxr

NEVER = {"torchvision", "matplotlib", "keras", "tensorflow", "sphinx", "pydicom", "dask"}


def modules_after(code):
    """Top-level packages in sys.modules of a fresh interpreter after `code`."""
    code += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


def test_importing_the_package_loads_none_of_its_libraries():
    loaded = modules_after("import skcxr")
    assert not loaded & (NEVER | {"pandas", "torch", "sklearn", "imblearn", "skorch", "numpy"})


def test_the_estimators_load_only_what_their_four_libraries_load():
    ours = modules_after("from skcxr import DCGAN, DCGANOversampler, CXRClassifier")
    # scikit-learn 1.9 itself loads pandas where it is installed: then only older ones show ours.
    theirs = modules_after(
        "import torch, sklearn, skorch, imblearn.over_sampling.base, skorch.callbacks, tqdm.auto"
    )
    assert not ours & NEVER
    assert not ({"pandas"} & ours) - theirs


@pytest.mark.parametrize("name", skcxr.__all__)
def test_public_names_resolve_and_are_listed(name):
    assert getattr(skcxr, name).__name__ == name
    assert name in dir(skcxr)


def test_public_modules_resolve_without_an_import_of_their_own():
    code = "import skcxr; skcxr.datasets.make_chest_phantoms; skcxr.over_sampling.grow"
    assert "skcxr" in modules_after(code)


def test_unknown_names_raise():
    with pytest.raises(AttributeError, match="module 'skcxr' has no attribute 'DCGANs'"):
        skcxr.DCGANs  # noqa: B018


def test_the_version_is_the_installed_one():
    from importlib.metadata import version

    assert skcxr.__version__ == version("skcxr")
