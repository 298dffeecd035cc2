import functools
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skcxr import CXRClassifier
from skcxr._base.user_code import hash_user_code
from skcxr.augment import Affine

PRINT_DIGEST = """
import aug
from skcxr._base.user_code import hash_user_code
print(hash_user_code(aug.augment))
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a function that writes modules and returns the digest of ``aug.augment``."""
    monkeypatch.chdir(tmp_path)

    def write_and_hash(**sources):
        for name, source in sources.items():
            file = tmp_path.joinpath(*name.split("__")).with_suffix(".py")
            file.parent.mkdir(exist_ok=True)
            file.write_text(textwrap.dedent(source))
        command = [sys.executable, "-c", PRINT_DIGEST]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    return write_and_hash


AUG = """
    import numpy as np
    def augment(x, generator):
        from helper import shift
        return shift(x)
"""


def test_an_edit_of_a_module_or_of_a_helper_it_calls_changes_the_digest(project):
    first = project(aug=AUG, helper="def shift(x): return x + 1")
    assert first
    assert project() == first
    assert project(helper="def shift(x): return x + 2") != first
    assert project(helper="def shift(x): return x + 1", aug=AUG + "    # a comment") != first


def test_what_is_not_run_is_not_imported(project):
    aug = "def augment(x, generator):\n    import loud\n    return loud.shift(x)"
    first = project(aug=aug, loud="raise SystemExit('imported')")
    assert project(loud="raise SystemExit('imported again')") != first


def test_modules_of_a_package_count(project):
    source = "from . import inner\ndef shift(x): return inner.move(x)"
    aug = "from own.outer import shift as augment"
    first = project(
        aug=aug, own____init__="", own__outer=source, own__inner="def move(x): return x"
    )
    assert project(own__inner="def move(x): return 2 * x") != first


def define(source, **names):
    """Return the function ``f`` as a script or a notebook defines it."""
    namespace = {"__name__": "__main__", **names}
    exec(textwrap.dedent(source), namespace)
    return namespace["f"]


def test_a_function_of_a_notebook_counts_by_its_bytecode_and_what_it_refers_to():
    source = "def g(x): return x + step\ndef f(x): return g(x)"
    first = hash_user_code(define(source, step=1))
    assert first
    assert hash_user_code(define("\n\n" + source, step=1)) == first
    assert hash_user_code(define(source, step=2)) != first
    assert hash_user_code(define(source.replace("x + step", "x - step"), step=1)) != first


def test_closures_defaults_and_partials_count():
    source = "def make(n):\n    def f(x, k=%d): return x + n + k\n    return f\nf = make(%d)"
    digests = [hash_user_code(define(source % values)) for values in ((1, 1), (2, 1), (1, 2))]
    assert len(set(digests)) == 3
    assert hash_user_code(functools.partial(define(source % (1, 1)), k=3)) == digests[0]


def test_a_class_of_a_notebook_counts_by_its_methods():
    source = "class f:\n    step = %d\n    def __call__(self, x): return x %s self.step"
    digests = [
        hash_user_code(define(source % values)()) for values in ((1, "+"), (2, "+"), (1, "-"))
    ]
    assert len(set(digests)) == 3


def test_parameters_of_nested_estimators_count():
    def build(source):
        return make_pipeline(FunctionTransformer(define(source)), CXRClassifier())

    first = hash_user_code({"arm": build("def f(x): return x")})
    assert hash_user_code({"arm": build("def f(x): return x")}) == first
    assert hash_user_code({"arm": build("def f(x): return -x")}) != first


@pytest.mark.parametrize(
    "value",
    [
        LogisticRegression(),
        CXRClassifier(augment=Affine(degrees=3)),
        np.mean,
        len,
        3,
        None,
        {"a": [1]},
    ],
)
def test_libraries_and_values_are_not_code_of_the_user(value):
    assert hash_user_code(value) == ""
