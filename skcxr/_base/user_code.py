"""Digest of the user's own code, so that kept results are not reused after an edit of it."""

import ast
import functools
import hashlib
import sys
import sysconfig
from importlib.machinery import PathFinder
from importlib.util import resolve_name
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType

import joblib
import numpy as np

LIBRARIES = [
    Path(__file__).parents[1],
    *(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
]
NUMBERS = (bool, int, float, complex, np.generic, np.ndarray)
PLAIN = (str, bytes, range, type(None), type(...), *NUMBERS)
# Entries of a class's namespace that say nothing about what it does.
NOT_CODE = ("__module__", "__doc__", "__dict__", "__weakref__", "__firstlineno__")


def hash_user_code(*values):
    """Return a digest of the user's code behind `values`, which changes whenever that code does.

    Code of installed packages, of the standard library and of skcxr does not count. The code of a
    module is its source file and the modules of the user that it imports. Functions and classes of
    a running script or notebook count by their bytecode, their closures and what they refer to.

    Parameters
    ----------
    *values : object
        Estimators, functions, classes, or containers of them. Parameters and attributes of objects
        count too.

    Returns
    -------
    digest : str
        Equal for equal code, also in another process; "" if there is no code of the user.
    """
    collector = _Collector()
    collector.visit(values)
    if not collector.parts:
        return ""
    return hashlib.sha256("\n".join(sorted(collector.parts)).encode()).hexdigest()


class _Collector:
    """The parts of the user's code that were found so far.

    Attributes
    ----------
    parts : set of str
        Name and digest of each part.
    """

    def __init__(self):
        self.parts = set()
        self.visited = []

    def visit(self, value):
        """Add the code behind a value of any kind."""
        if isinstance(value, PLAIN) or any(value is other for other in self.visited):
            return
        self.visited.append(value)
        if isinstance(value, dict):
            self._visit_all(value.values())
        elif isinstance(value, list | tuple | set | frozenset):
            self._visit_all(value)
        elif isinstance(value, functools.partial):
            self._visit_all([value.func, value.args, value.keywords])
        elif isinstance(value, ModuleType):
            self._visit_module(value.__name__)
        elif isinstance(value, MethodType):
            self._visit_all([value.__func__, value.__self__])
        elif isinstance(value, FunctionType | type):
            self._visit_definition(value)
        else:
            self.visit(type(value))
            self._visit_all(getattr(value, "__dict__", {}).values())

    def _visit_all(self, values):
        for value in values:
            self.visit(value)

    def _visit_definition(self, value):
        """Add a function or a class."""
        path = _find_source(value.__module__)
        if path is not None:
            self._visit_source(value.__module__, path)
        elif isinstance(value, FunctionType):
            self._visit_function(value)
        elif value.__module__ not in sys.builtin_module_names:
            self._visit_class(value)

    def _visit_function(self, function):
        """Add the bytecode of a function, and what it refers to."""
        name = function.__qualname__
        self.parts.add(f"{name} {_hash_bytecode(function.__code__)}")
        values = [function.__defaults__, function.__kwdefaults__]
        values += [cell.cell_contents for cell in function.__closure__ or ()]
        for global_name in _find_names(function.__code__):
            values.append(function.__globals__.get(global_name))
        for value in values:
            self._visit_data(name, value)

    def _visit_class(self, cls):
        """Add the methods and the attributes of a class and of its bases."""
        self._visit_all(cls.__bases__)
        for name, member in vars(cls).items():
            member = getattr(member, "fget", getattr(member, "__func__", member))
            if name not in NOT_CODE:
                self._visit_data(f"{cls.__qualname__}.{name}", member)

    def _visit_data(self, name, value):
        """Add plain data by its content, and any other value by its code."""
        if _is_data(value):
            self.parts.add(f"{name} {joblib.hash(value)}")
        else:
            self.visit(value)

    def _visit_module(self, name):
        path = _find_source(name)
        if path is not None:
            self._visit_source(name, path)

    def _visit_source(self, name, path):
        """Add the source of a module, if it is the user's, and of those that it imports."""
        if any(folder in path.parents for folder in LIBRARIES):
            return
        part = f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        if part in self.parts:
            return
        self.parts.add(part)
        if path.suffix == ".py":
            for imported in _find_imports(path, name):
                self._visit_module(imported)


def _find_source(name):
    """Return the file of a module, or None for the running script and what has no file."""
    spec = None if name == "__main__" else _find_spec(name)
    return Path(spec.origin) if spec is not None and spec.has_location else None


def _find_spec(name):
    """Return the spec of a module without importing it or its parents, or None."""
    if name in sys.modules:
        return sys.modules[name].__spec__
    parent = name.rpartition(".")[0]
    if not parent:
        return PathFinder.find_spec(name)
    spec = _find_spec(parent)
    locations = getattr(spec, "submodule_search_locations", None)
    return PathFinder.find_spec(name, locations) if locations else None


def _find_imports(path, name):
    """Return the absolute names that a module may import, in functions too."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    names = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            base = resolve_name(relative, package)
            names.append(base)
            # What is imported from a package may be a module.
            names += [f"{base}.{alias.name}" for alias in node.names]
    return names


def _hash_bytecode(code):
    """Return a digest of a code object with its constants and inner functions."""
    constants = [
        _hash_bytecode(constant) if isinstance(constant, CodeType) else repr(constant)
        for constant in code.co_consts
    ]
    text = repr((code.co_code, constants, code.co_names, code.co_varnames))
    return hashlib.sha256(text.encode()).hexdigest()


def _find_names(code):
    """Return the names that a code object and its inner functions refer to."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _find_names(constant)
    return sorted(names)


def _is_data(value):
    """Return whether a value is plain data, or a container of it."""
    if isinstance(value, dict):
        return all(_is_data(item) for item in value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return all(_is_data(item) for item in value)
    return isinstance(value, PLAIN)
