import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from skcxr.cli import main
from skcxr.datasets import make_chest_phantoms


def write_images(folder, images, first=0):
    folder.mkdir(parents=True)
    for i, image in enumerate(images, start=first):
        Image.fromarray(image).save(folder / f"{i}.png")


@pytest.fixture(scope="module")
def phantoms():
    """24 phantoms of 64x64."""
    return make_chest_phantoms(24, image_size=64, random_state=0).images


@pytest.fixture
def folder(tmp_path, phantoms):
    """12 images of covid and 12 of normal, without a difference."""
    write_images(tmp_path / "images" / "covid", phantoms[:12])
    write_images(tmp_path / "images" / "normal", phantoms[12:], first=12)
    return tmp_path / "images"


def check(*args):
    return main(["check", *map(str, args)])


def mark(folder):
    """Mark a corner of all images of covid."""
    for file in (folder / "covid").iterdir():
        image = np.asarray(Image.open(file)).copy()
        image[2:6, 2:6] = 255
        Image.fromarray(image).save(file)


def test_clean_images_have_no_finding(folder, capsys):
    assert check("--data", folder, "--strict") == 0
    printed = capsys.readouterr().out
    assert "24 images in 2 classes" in printed
    assert "Data check: no finding\n" in printed
    assert "original shape" in printed
    assert "file size" in printed


def test_findings_are_printed_and_change_the_exit_code_only_if_strict(folder, capsys):
    mark(folder)
    assert check("--data", folder) == 0
    printed = capsys.readouterr().out
    assert "- covid and normal can be recognised from the corners alone (1.00; chance" in printed
    assert check("--data", folder, "--strict") == 1


def test_strict_cannot_tell_without_enough_patients(folder, tmp_path, capsys):
    table = pd.DataFrame({"file": [f"{i}.png" for i in range(24)]})
    table["patient_id"] = [i // 3 for i in range(24)]
    table.to_csv(tmp_path / "patients.csv", index=False)
    args = ("--data", folder, "--groups", tmp_path / "patients.csv")
    assert check(*args, "--strict") == 3
    assert "no finding, but not all was checked" in capsys.readouterr().out
    assert check(*args) == 0


def test_splits_are_checked_together(tmp_path, phantoms, capsys):
    write_images(tmp_path / "images" / "train" / "covid", phantoms[:8])
    write_images(tmp_path / "images" / "train" / "normal", phantoms[8:16], first=8)
    write_images(tmp_path / "images" / "test" / "covid", [phantoms[0] // 2], first=16)
    write_images(tmp_path / "images" / "test" / "normal", phantoms[16:18], first=17)
    assert check("--data", tmp_path / "images", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    (group,) = result["near_duplicates"]
    assert set(group["files"]) == {"test/covid/16.png", "train/covid/0.png"}
    assert group["across_splits"]
    assert any("images in several splits" in sentence for sentence in result["reading"])


def test_results_are_written_to_a_new_folder(folder, tmp_path):
    out = tmp_path / "out"
    assert check("--data", folder, "--out", out, "--quiet") == 0
    assert {file.name for file in out.iterdir()} == {"check.csv", "check.json", "check.png"}
    assert set(pd.read_csv(out / "check.csv")["part"]) >= {"image frame", "file size"}
    assert check("--data", folder, "--out", out) == 2


def test_views_of_dicom_files_are_checked(tmp_path, phantoms, capsys):
    pydicom = pytest.importorskip("pydicom")
    template = pydicom.dcmread(pydicom.examples.get_path("ct"))
    for i, image in enumerate(phantoms):
        k = "covid" if i < 12 else "normal"
        template.Rows, template.Columns = image.shape
        template.PixelData = image.astype("<i2").tobytes()
        template.Modality = "DX"
        template.StationName = "WARD" if i < 12 else "CLINIC"
        template.ViewPosition = "LL" if i == 3 else "PA"
        (tmp_path / "images" / k).mkdir(parents=True, exist_ok=True)
        template.save_as(tmp_path / "images" / k / f"{i}.dcm")
    assert check("--data", tmp_path / "images") == 0
    printed = capsys.readouterr().out
    assert "- covid and normal can be recognised from the station alone (1.00" in printed
    assert "- 1 image is a lateral view: covid/3.dcm." in printed
    assert "modality alone" not in printed
