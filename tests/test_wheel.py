"""The wheel holds all that the package needs; an editable install would hide what it lacks."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

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


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Path of a wheel that was built from a copy of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    # A copy of what git knows: builds leave folders behind, and take up what lies around.
    for name in listed.stdout.splitlines():
        target = folder / "checkout" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
    subprocess.run([*command, "-w", folder, folder / "checkout"], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"skcxr"}
    suffixes = {Path(name).suffix for name in names if name.startswith("skcxr/")}
    assert suffixes == {".py", ".typed", ".css", ".html", ".csv", ".safetensors"}


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
    assert "cxr" in (tmp_path / "out" / "samples.csv").read_text()
