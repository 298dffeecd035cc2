"""Messages of the library speak of parameters; only those of the command line name its options."""

import ast
import re
from pathlib import Path

import pytest

import skcxr

PACKAGE = Path(skcxr.__file__).parent
MODULES = sorted(
    path.relative_to(PACKAGE).as_posix()
    for path in PACKAGE.rglob("*.py")
    if "cli" not in path.relative_to(PACKAGE).parts
)


def find_options(source):
    """Return the line and text of each string in the source that names a command-line option."""
    strings = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    return [
        (node.lineno, node.value)
        for node in strings
        if isinstance(node.value, str) and re.search("--[a-zA-Z]", node.value)
    ]


@pytest.mark.parametrize("module", MODULES)
def test_no_library_string_names_a_command_line_option(module):
    assert find_options((PACKAGE / module).read_text("utf-8")) == []


@pytest.mark.parametrize("source", ['"Pass --out."', 'f"--out {out}"', '"""A --json docstring."""'])
def test_an_option_is_found_in_any_string(source):
    assert len(find_options(source)) == 1
