"""What show_versions prints: all packages that pyproject.toml names, and nothing private."""

import getpass
import re
from importlib.metadata import requires, version
from pathlib import Path

import skcxr

EXTRAS = ("fetch", "dicom", "dicom-gpl", "dask")


def printed(capsys):
    skcxr.show_versions()
    return capsys.readouterr().out


def test_every_package_that_can_be_needed_is_listed(capsys):
    extras = "|".join(EXTRAS)
    needed = {
        re.match(r"[\w-]+", line)[0]
        for line in requires("skcxr")
        if "extra ==" not in line or re.search(rf"extra == ['\"]({extras})['\"]", line)
    }
    listed = set(re.findall(r"^  ([\w-]+): ", printed(capsys), re.M))
    assert needed - {"skcxr"} <= listed


def test_versions_are_the_installed_ones(capsys):
    lines = printed(capsys).splitlines()
    assert f"  skcxr: {skcxr.__version__}" in lines
    assert f"  torch: {version('torch')}" in lines
    assert f"  scikit-learn: {version('scikit-learn')}" in lines


def test_a_missing_package_is_said_to_be_missing(capsys, monkeypatch):
    monkeypatch.setattr("skcxr._show_versions._PACKAGES", ["no-such-package"])
    assert printed(capsys).splitlines()[-1] == "  no-such-package: not installed"


def test_no_path_and_no_user_is_printed(capsys):
    text = printed(capsys)
    assert str(Path.home()) not in text
    assert getpass.getuser() not in re.findall(r"\w+", text)
