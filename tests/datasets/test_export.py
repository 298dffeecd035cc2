import json
import os
import re

import numpy as np
import pydicom
import pytest

from skcxr.datasets._export import PROVENANCE, fingerprint_training_set, write_images
from tests.conftest import full_disk


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return {k: rng.integers(0, 255, (2, 16, 16), dtype=np.uint8) for k in ("covid", "normal")}


def test_dicom_files_take_any_class_name_and_size(tmp_path):
    image = np.arange(15, dtype=np.uint8).reshape(3, 5)
    write_images(tmp_path / "out", {"肺炎 é": image[None]}, provenance={}, file_format="dicom")
    (file,) = tmp_path.glob("out/*/*.dcm")
    dataset = pydicom.dcmread(file)
    assert dataset.PatientID == "SYNTHETIC-肺炎 é-00001"
    np.testing.assert_array_equal(dataset.pixel_array, image)


def test_only_an_earlier_result_is_overwritten_and_only_on_request(images, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match=r"exists already|is not an earlier result"):
            write_images(mine, images, provenance={}, overwrite=overwrite)
    assert (mine / "thesis.txt").read_text("utf-8") == "years of work"

    out = tmp_path / "out"
    write_images(out, images, provenance={"n": 1})
    with pytest.raises(FileExistsError, match="Pass a new folder, or overwrite=True"):
        write_images(out, images, provenance={"n": 2})
    write_images(out, {"covid": images["covid"]}, provenance={"n": 3}, overwrite=True)
    assert json.loads((out / PROVENANCE).read_text("utf-8"))["n"] == 3
    assert not (out / "normal").exists()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mine", "out"]


@pytest.mark.parametrize("n_bytes", [10, 400])  # in the first image, and in the manifest
def test_a_full_disk_leaves_the_earlier_result(images, tmp_path, n_bytes):
    out = tmp_path / "out"
    images = {k: of_class[:, :2, :2] for k, of_class in images.items()}
    write_images(out, images, provenance={"n": 1})
    with (
        full_disk(n_bytes),
        pytest.raises(OSError, match=r"out=.*out' cannot be written: File too large\. Free"),
    ):
        write_images(out, images, provenance={"n": 2}, overwrite=True)
    assert json.loads((out / PROVENANCE).read_text("utf-8"))["n"] == 1
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def read_content(folder):
    return {
        file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()
    }


def test_a_failed_rename_puts_the_earlier_result_back(images, tmp_path, monkeypatch):
    """4 entries leave and 4 come: each of these 8 renames fails in turn."""
    out, rename = tmp_path / "out", type(tmp_path).rename
    write_images(out, images, provenance={"n": 1})
    earlier = read_content(out)
    for failing in range(8):
        renamed = []

        def fail_once(self, target, failing=failing, renamed=renamed):
            renamed.append(self)
            if len(renamed) == failing + 1:
                raise OSError(5, "Input/output error")
            return rename(self, target)

        monkeypatch.setattr(type(tmp_path), "rename", fail_once)
        with pytest.raises(OSError, match=r"out=.*Input/output error\. Free space"):
            write_images(out, images, provenance={"n": 2}, overwrite=True)
        assert read_content(out) == earlier
        assert os.listdir(tmp_path) == ["out"]
        assert len(os.listdir(out)) == 4
    monkeypatch.setattr(type(tmp_path), "rename", rename)
    write_images(out, images, provenance={"n": 2}, overwrite=True)
    assert json.loads((out / PROVENANCE).read_text("utf-8"))["n"] == 2
    assert len(os.listdir(out)) == 4


@pytest.mark.parametrize("exists", [False, True])
def test_a_failure_leaves_no_new_folder(images, tmp_path, exists):
    out = tmp_path / "out"
    if exists:
        out.mkdir()
    with full_disk(10), pytest.raises(OSError, match=r"out=.* cannot be written"):
        write_images(out, images, provenance={})
    assert os.listdir(tmp_path) == ["out"] * exists
    assert not exists or os.listdir(out) == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_mount_point_is_filled(images, tmp_path, monkeypatch, overwrite):
    """Of a volume of a container, the folder itself cannot be renamed, and its parent may be
    read-only."""
    out, rename = tmp_path / "out", os.rename
    out.mkdir()
    if overwrite:
        write_images(out, images, provenance={"n": 1})
    inode = out.stat().st_ino

    def refuse_mount_point(source, target):
        for path in (source, target):
            if os.path.abspath(path) == str(out):
                raise OSError(16, "Device or resource busy")
            if os.path.dirname(path) == str(tmp_path):
                raise OSError(30, "Read-only file system")
        return rename(source, target)

    monkeypatch.setattr(os, "rename", refuse_mount_point)
    write_images(out, images, provenance={"n": 2}, overwrite=overwrite)
    assert json.loads((out / PROVENANCE).read_text("utf-8"))["n"] == 2
    assert out.stat().st_ino == inode
    assert sorted(os.listdir(out)) == ["covid", "manifest.csv", "normal", PROVENANCE]


@pytest.mark.parametrize("exists", [False, True])
def test_a_link_to_a_folder_is_followed(images, tmp_path, exists):
    target = tmp_path / "elsewhere"
    if exists:
        target.mkdir()
    try:
        (tmp_path / "out").symlink_to(target, target_is_directory=True)
    except OSError:
        pytest.skip("no right to make symbolic links")
    write_images(tmp_path / "out", images, provenance={})
    assert (tmp_path / "out").is_symlink()
    assert (target / PROVENANCE).is_file()


def test_the_current_folder_is_filled(images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_images(".", images, provenance={})
    assert sorted(os.listdir(tmp_path)) == ["covid", "manifest.csv", "normal", PROVENANCE]


@pytest.mark.parametrize("letter", ["x", "肺"])
def test_each_dicom_file_of_a_long_class_name_is_of_another_patient(tmp_path, letter):
    ends = "ab"
    size = 1 if letter == "x" else 3
    names = [letter * ((255 - 1) // size) + end for end in ends]
    images = np.zeros((3, 4, 4), dtype=np.uint8)
    write_images(tmp_path / "out", dict.fromkeys(names, images), provenance={}, file_format="dicom")
    files = sorted(tmp_path.glob("out/*/*.dcm"))
    patients = {str(pydicom.dcmread(file).PatientID) for file in files}
    assert len(patients) == 6
    assert max(map(len, patients)) <= 64
    assert all(re.fullmatch(rf"SYNTHETIC-{letter}+~\w+-0000\d", name) for name in patients)


def test_fingerprints_of_different_training_sets_differ():
    X, y = np.arange(12).reshape(4, 3), np.array(["a", "a", "b", "b"])
    first = fingerprint_training_set(X, y)
    assert first == fingerprint_training_set(X.copy(order="F"), y)
    assert first["n_by_class"] == {"a": 2, "b": 2}
    for other in ((X[::-1], y), (X, y[::-1]), (X.astype(float), y), (X.reshape(4, 3, 1), y)):
        assert fingerprint_training_set(*other)["sha256"] != first["sha256"]
