"""Annotations of the public interface. nox -s lint checks that they are right, with mypy."""

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.test_public_api import interface

ROOT = Path(__file__).parents[1]
PUBLIC = [line.partition("(")[0] for line in interface()]


def find(name):
    """Return the public object or member of a class with a dotted name."""
    parts = name.split(".")
    n_modules = next(i for i, part in enumerate(parts) if i and not is_module(parts[: i + 1]))
    found = import_module(".".join(parts[:n_modules]))
    for part in parts[n_modules:]:
        found = getattr(found, part)
    return found.fget if isinstance(found, property) else found


def is_module(parts):
    folder = ROOT.joinpath(*parts)
    return folder.is_dir() or folder.with_suffix(".py").is_file()


@pytest.mark.parametrize("name", [name for name in PUBLIC if "TRUSTED_TYPES" not in name])
def test_public_names_have_complete_annotations(name):
    of = inspect.signature(find(name))
    # A class's constructor returns None, and a bound or unbound method has its owner first.
    missing = [
        parameter.name
        for parameter in of.parameters.values()
        if parameter.annotation is inspect.Parameter.empty and parameter.name not in ("self", "cls")
    ]
    assert missing == []
    assert inspect.isclass(find(name)) or of.return_annotation is not inspect.Signature.empty


def test_code_of_pages_is_extracted_for_mypy_on_its_own_lines(tmp_path):
    tool = ROOT / "docs" / "tools" / "extract_code.py"
    subprocess.run([sys.executable, str(tool), str(tmp_path)], check=True)
    readme = (ROOT / "README.md").read_text("utf-8").splitlines()
    code = (tmp_path / "README_page.py").read_text("utf-8").splitlines()
    extracted = {i: line for i, line in enumerate(code) if line and i > 0}
    assert [readme[i] for i in extracted] == list(extracted.values())
    assert any("compare(" in line for line in extracted.values())
    chapter = (ROOT / "docs" / "guide" / "gan.md").read_text("utf-8").splitlines()
    code = (tmp_path / "gan_page.py").read_text("utf-8").splitlines()
    shown = [line for line in chapter if line.startswith(">>> ")]
    assert len(shown) > 20
    assert all(
        code[i] == line[4:] or ": dict = " in code[i]
        for i, line in enumerate(chapter)
        if line in shown
    )
