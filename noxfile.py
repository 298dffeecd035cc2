"""What continuous integration runs, each in an environment of its own: ``nox -s test``.

``nox -R`` uses the environments of the last run again.
"""

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


@nox.session
def test(session):
    """Run the suite; pass pytest's arguments behind ``--``."""
    session.install("-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session):
    """Check style with ruff, spelling with codespell, and the direction of imports."""
    project = nox.project.load_toml("pyproject.toml")["project"]
    tools = ("ruff", "codespell", "import-linter")
    session.install(*(d for d in project["optional-dependencies"]["test"] if d.startswith(tools)))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")
    session.run("lint-imports", env={"PYTHONPATH": "."})


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
    bounds = [bound.replace(">=", "==") for bound in project["dependencies"]]
    oldest.write_text("\n".join([*bounds, "pyparsing<3.2"]))
    session.install("-c", str(oldest), "-e", ".[test]")
    session.run("pytest", *CORE, *session.posargs)


@nox.session
def bench(session):
    """Time the hot paths and compare them with the last run: see benchmarks/hot_paths.py."""
    session.install("-e", ".[bench]")
    # In the first run there is none before it, of which pytest-benchmark warns.
    compared = ["-W", "default", "--benchmark-autosave", "--benchmark-compare"]
    session.run("pytest", "benchmarks/hot_paths.py", *compared, *session.posargs)
