import json
import os

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
    assert (mine / "thesis.txt").read_text() == "years of work"

    out = tmp_path / "out"
    write_images(out, images, provenance={"n": 1})
    with pytest.raises(FileExistsError, match="Pass a new folder, or overwrite=True"):
        write_images(out, images, provenance={"n": 2})
    write_images(out, {"covid": images["covid"]}, provenance={"n": 3}, overwrite=True)
    assert json.loads((out / PROVENANCE).read_text())["n"] == 3
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
    assert json.loads((out / PROVENANCE).read_text())["n"] == 1
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_a_failed_rename_puts_the_earlier_result_back(images, tmp_path, monkeypatch):
    out, rename = tmp_path / "out", type(tmp_path).rename
    write_images(out, images, provenance={"n": 1})

    def failing(self, target):
        if self.name.startswith(".") and not self.name.endswith(".old"):
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(type(tmp_path), "rename", failing)
    with pytest.raises(OSError, match="Input/output error"):
        write_images(out, images, provenance={"n": 2}, overwrite=True)
    assert json.loads((out / PROVENANCE).read_text())["n"] == 1
    assert os.listdir(tmp_path) == ["out"]


def test_fingerprints_of_different_training_sets_differ():
    X, y = np.arange(12).reshape(4, 3), np.array(["a", "a", "b", "b"])
    first = fingerprint_training_set(X, y)
    assert first == fingerprint_training_set(X.copy(order="F"), y)
    assert first["n_by_class"] == {"a": 2, "b": 2}
    for other in ((X[::-1], y), (X, y[::-1]), (X.astype(float), y), (X.reshape(4, 3, 1), y)):
        assert fingerprint_training_set(*other)["sha256"] != first["sha256"]
