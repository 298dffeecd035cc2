"""The public interface: what docs/api.rst lists, each name with its parameters and members."""

import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest
from numpydoc.validate import validate

HERE = Path(__file__).parent

# Of numpydoc's checks, those that docstrings here are written otherwise than.
NOT_CHECKED = {
    "GL01",  # the summary stands behind the opening quotes, as ruff's and most projects' do
    "ES01",  # an extended summary, See Also and Examples are written where they say something
    "SA01",
    "EX01",
    "RT02",  # a single returned value has a name, as scikit-learn's have
}


def public_names():
    """Of docs/api.rst, the names that can be imported: module and name of each."""
    module, names = None, []
    for line in (HERE.parent / "docs" / "api.rst").read_text("utf-8").splitlines():
        if match := re.fullmatch(r"\.\. currentmodule:: (\S+)", line):
            module = match[1]
        elif match := re.fullmatch(r"   (\w+)", line):
            names.append((module, match[1]))
    return names


def members(owner):
    """Public methods and properties of a class that skcxr itself wrote, in order of their names."""
    for name, kind, _, member in inspect.classify_class_attrs(owner):
        function = member.fget if isinstance(member, property) else getattr(owner, name)
        ours = (getattr(function, "__module__", None) or "").startswith("skcxr")
        if ours and kind in ("method", "class method", "property") and not name.startswith("_"):
            yield name


def signature(of):
    """Parameters with defaults as text; annotations differ between versions of Python."""
    plain = inspect.signature(of)
    parameters = [p.replace(annotation=p.empty) for p in plain.parameters.values()]
    return str(plain.replace(parameters=parameters, return_annotation=plain.empty))


def interface():
    """A line for each public name, and for each member of a class."""
    for module, name in public_names():
        of = getattr(import_module(module), name)
        yield f"{module}.{name}{signature(of) if callable(of) else ''}"
        for member in members(of) if inspect.isclass(of) else ():
            of_member = getattr(of, member)
            text = "" if isinstance(of_member, property) else signature(of_member)
            yield f"{module}.{name}.{member}{text}"


# The one constant has a comment for its documentation, and no docstring.
DOCUMENTED = [line.partition("(")[0] for line in interface() if "TRUSTED_TYPES" not in line]


def test_a_change_of_the_public_interface_is_deliberate():
    """Where it is, write it to the list too: python -m tests.test_public_api"""
    assert "\n".join(interface()) == (HERE / "public_api.txt").read_text("utf-8").strip()


@pytest.mark.parametrize("package", ["skcxr", "skcxr.datasets", "skcxr.metrics", "skcxr.displays"])
def test_what_a_package_exports_is_in_the_reference(package):
    assert {(package, name) for name in import_module(package).__all__} <= set(public_names())


@pytest.mark.parametrize("name", DOCUMENTED)
def test_docstrings_are_numpydoc(name):
    errors = [error for error in validate(name)["errors"] if error[0] not in NOT_CHECKED]
    assert not errors


if __name__ == "__main__":
    (HERE / "public_api.txt").write_text("\n".join(interface()) + "\n")
