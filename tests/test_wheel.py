"""The sdist and the wheel hold all that they should; an editable install would hide what they lack.

``nox -s wheel`` also installs the wheel with its dependencies and runs the doctests of it.
"""

import email
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from skcxr import __version__
from skcxr._base.estimators import DOCUMENTATION

ROOT = Path(__file__).parents[1]
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
NOT_IN_SDIST = ("benchmarks/", "experiments/", ".")
LICENCE_FILES = ["LICENSE", "THIRD_PARTY.md"]


@pytest.fixture(scope="module")
def tracked():
    """Names of the files that git knows."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return listed.stdout.splitlines()


@pytest.fixture(scope="module")
def sdist(tracked, tmp_path_factory):
    """Path of an sdist that was built from a copy of the checkout."""
    folder = tmp_path_factory.mktemp("sdist")
    # A copy of what git knows: builds leave folders behind, and take up what lies around.
    for name in tracked:
        target = folder / "checkout" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    build = "from setuptools.build_meta import build_sdist; build_sdist('..')"
    checkout = folder / "checkout"
    subprocess.run([sys.executable, "-c", build], cwd=checkout, check=True, capture_output=True)
    (sdist,) = folder.glob("*.tar.gz")
    return sdist


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """Path of a wheel that was built from the sdist, as `python -m build` does."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
    subprocess.run([*command, "-w", folder, sdist], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def metadata(wheel):
    """The wheel's METADATA, as a message with headers and a payload."""
    with zipfile.ZipFile(wheel) as file:
        text = file.read(f"skcxr-{__version__}.dist-info/METADATA").decode("utf-8")
    return email.message_from_string(text)


def test_the_sdist_holds_what_git_knows_but_benchmarks_and_studies(sdist, tracked):
    with tarfile.open(sdist) as file:
        names = {member.name.partition("/")[2] for member in file if member.isfile()}
    made = {name for name in names if name == "PKG-INFO" or name.startswith("skcxr.egg-info/")}
    assert names - made == {name for name in tracked if not name.startswith(NOT_IN_SDIST)}


def test_the_wheel_holds_the_package_and_nothing_else(wheel, tracked):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name for name in names if name.startswith("skcxr/")} == {
        name for name in tracked if name.startswith("skcxr/")
    }
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"skcxr"}
    suffixes = {PurePosixPath(name).suffix for name in names if name.startswith("skcxr/")}
    assert suffixes == {".py", ".typed", ".css", ".html", ".csv", ".safetensors", ".md"}


def test_the_licences_of_all_content_are_in_the_metadata(wheel, metadata):
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert metadata.get_all("License-File") == LICENCE_FILES
    names = zipfile.ZipFile(wheel).namelist()
    data = [name for name in names if name.endswith((".safetensors", ".csv"))]
    with zipfile.ZipFile(wheel) as file:
        folder = f"skcxr-{__version__}.dist-info/licenses"
        third_party = file.read(f"{folder}/THIRD_PARTY.md").decode("utf-8")
        assert file.read(f"{folder}/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert len(data) == 4
    assert all(f"`{name}`" in third_party for name in data)


def test_the_readme_on_an_index_links_to_pages_of_the_site(metadata):
    readme = metadata.get_payload()
    targets = re.findall(r"\]\(([^)]+)\)", readme)
    here = re.findall(r"\]\(([^)]+)\)", (ROOT / "README.md").read_text("utf-8"))
    assert len(targets) == len(here)
    assert f"{DOCUMENTATION}/results.html#ten-images-of-one-class" in targets
    for target in targets:
        assert target.startswith((DOCUMENTATION, "#")), target
        path = target.partition("#")[0].removeprefix(f"{DOCUMENTATION}/")
        if path.startswith("_images/"):
            image = f"images/{path.removeprefix('_images/')}"
            pages = [page.read_text("utf-8") for page in (ROOT / "docs").glob("*.md")]
            assert any(image in page for page in pages), image
        elif path:
            assert (ROOT / "docs" / path).with_suffix(".md").is_file(), path


def test_the_urls_are_those_of_the_site(metadata):
    urls = dict(url.split(", ") for url in metadata.get_all("Project-URL"))
    assert urls["Documentation"] == DOCUMENTATION
    assert urls["Changelog"] == f"{DOCUMENTATION}/changelog.html"


def test_the_installed_wheel_evaluates_outside_the_checkout(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "OMP_NUM_THREADS": "1"}
    options = {"cwd": tmp_path, "env": environment, "check": True, "capture_output": True}
    where = [sys.executable, "-c", "import skcxr; print(skcxr.__file__)"]
    found = subprocess.run(where, text=True, **options).stdout.strip()
    assert Path(found).is_relative_to(tmp_path)
    evaluate = [sys.executable, "-m", "skcxr", "evaluate", *SHORT, "--out", "out"]
    subprocess.run(evaluate, **options)
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "<style>" in page
    assert "cxr" in (tmp_path / "out" / "samples.csv").read_text("utf-8")
