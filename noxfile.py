"""What continuous integration runs, each in an environment of its own: ``nox -s test``.

``nox -R`` uses the environments of the last run again.
"""

import os
import shutil
from pathlib import Path

import nox

nox.options.sessions = ["lint", "test", "docs"]

# Of the suite, what stands closest to other packages' interfaces; all of it would take as long
# again. Each of the checks of scikit-learn and imbalanced-learn is among these.
CORE = [
    "tests/test_estimator_checks.py",
    "tests/gan/test_estimator.py",
    "tests/classifier/test_estimator.py",
    "tests/networks/test_networks.py",
    "tests/over_sampling/test_per_class.py",
    "tests/test_pipeline.py",
    "tests/evaluation/test_compare.py",
    "tests/metrics/test_classification.py",
    "tests/datasets/test_folders.py",
]

# Files that others' services read, by the name of their schema.
SCHEMAS = {
    "github-workflows": ".github/workflows/*.yml",
    "dependabot": ".github/dependabot.yml",
    "github-issue-forms": ".github/ISSUE_TEMPLATE/[!c]*.yml",
    "github-issue-config": ".github/ISSUE_TEMPLATE/config.yml",
    "readthedocs": ".readthedocs.yaml",
    "citation-file-format": "CITATION.cff",
}

# Where scikit-learn, NumPy and pandas, and where PyTorch publish what PyPI does not have yet.
NIGHTLY_INDEXES = [
    "https://pypi.anaconda.org/scientific-python-nightly-wheels/simple",
    "https://download.pytorch.org/whl/nightly/cpu",
]

# An evaluation in seconds, for what it runs and not for what it finds.
SHORT = [
    "--image-size",
    "16",
    "--cv",
    "2",
    "--epochs",
    "1",
    "--gan-epochs",
    "1",
    "--gan-width",
    "4",
]

USE_PACKAGED_FILES = """
from pathlib import Path
import skcxr
from skcxr.datasets._covid_cxr import _read_list
from skcxr.networks._feature_net import load_packaged_feature_net
from skcxr.report._page import _create_environment
assert "site-packages" in Path(skcxr.__file__).parts, skcxr.__file__
assert len(_read_list()) == 306
load_packaged_feature_net()
_create_environment().get_template("report.html")
"""


@nox.session
def test(session):
    """Run the suite; pass pytest's arguments behind ``--``."""
    session.install("-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session):
    """Check style, spelling, the direction of imports, types, workflows and other YAML files."""
    session.install("-e", ".[lint]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")
    session.run("lint-imports", env={"PYTHONPATH": "."})
    pages = str(Path(session.create_tmp()) / "pages")
    session.run("python", "docs/tools/extract_code.py", pages)
    session.run("mypy", "skcxr", pages)
    session.run("zizmor", "--offline", "--quiet", ".github")
    for schema, files in SCHEMAS.items():
        names = [str(path) for path in sorted(Path().glob(files))]
        session.run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *names)


@nox.session
def docs(session):
    """Build the site into docs/_build/html; a warning is an error."""
    session.install("-e", ".[docs]")
    session.run("sphinx-build", "-W", "-n", *session.posargs, "docs", "docs/_build/html")


@nox.session
def minimum(session):
    """Run the core of the suite on the oldest versions that pyproject.toml allows."""
    project = nox.project.load_toml("pyproject.toml")["project"]
    oldest = Path(session.create_tmp()) / "oldest.txt"
    # Matplotlib's oldest version minds what pyparsing's newest has deprecated.
    bounds = project["dependencies"] + project["optional-dependencies"]["fetch"]
    bounds = [bound.replace(">=", "==") for bound in bounds]
    oldest.write_text("\n".join([*bounds, "pyparsing<3.2"]))
    session.install("-c", str(oldest), "-e", ".[test]")
    session.run("pytest", *CORE, *session.posargs)


@nox.session
def prereleases(session):
    """Run the core of the suite on pre-releases of scikit-learn, NumPy, pandas and PyTorch."""
    session.install("-e", ".[test]")
    newest = ["scikit-learn", "numpy", "pandas", "torch", "torchvision"]
    indexes = [word for index in NIGHTLY_INDEXES for word in ("--extra-index-url", index)]
    session.install("--pre", "--upgrade", *indexes, *newest)
    # A pre-release may deprecate what its dependents still use: that warning is shown, not fatal.
    session.run("pytest", "-W", "default", *CORE, *session.posargs)


@nox.session
def wheel(session):
    """Build sdist and wheel, check them, and use the wheel outside the checkout."""
    dist = Path("dist").absolute()
    shutil.rmtree(dist, ignore_errors=True)
    session.install("build", "twine", "check-wheel-contents")
    session.run("python", "-m", "build")
    files = sorted(str(file) for file in dist.iterdir())
    (built,) = dist.glob("*.whl")
    session.run("twine", "check", "--strict", *files)
    session.run("check-wheel-contents", str(built))
    # The version is the same as in the last run, so pip would keep what is installed.
    session.run("pip", "uninstall", "-q", "-y", "skcxr")
    session.install(str(built))
    session.chdir(session.create_tmp())
    session.run("skcxr", "--version")
    session.run("python", "-c", USE_PACKAGED_FILES)
    shutil.rmtree("out", ignore_errors=True)
    session.run("skcxr", "evaluate", *SHORT, "--out", "out")
    session.install("pytest")
    # Those of the DICOM reader need an extra.
    doctests = ["--doctest-modules", "-k", "not dicom", "-p", "no:cacheprovider"]
    where = ["-c", os.devnull, "--rootdir", ".", "--pyargs", "skcxr"]
    session.run("pytest", "-q", *doctests, *where, env={"OMP_NUM_THREADS": "1"})


@nox.session
def bench(session):
    """Time the hot paths and compare them with the last run: see benchmarks/hot_paths.py."""
    session.install("-e", ".[bench]")
    # In the first run there is none before it, of which pytest-benchmark warns.
    compared = ["-W", "default", "--benchmark-autosave", "--benchmark-compare"]
    session.run("pytest", "benchmarks/hot_paths.py", *compared, *session.posargs)
