import json
import re
import shutil
from datetime import datetime

import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch

import skcxr
from skcxr.cli import _synthesize, main
from skcxr.cli._inputs import select_images
from skcxr.datasets import load_image_folder, make_chest_phantoms
from skcxr.datasets._export import PROVENANCE
from tests.conftest import full_disk


class Clock(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz=None):
        return cls(2026, 5, 4, 3, 2, 1, tzinfo=tz)


QUICK = ["--image-size", "16", "--gan-epochs", "1", "--gan-width", "2", "-n", "3"]


@pytest.fixture(scope="module")
def phantom_folder(tmp_path_factory):
    """Write 48 phantoms of 16x16 in two class folders."""
    phantoms = make_chest_phantoms(48, classes=("covid", "normal"), image_size=16, random_state=0)
    return write_folder(tmp_path_factory.mktemp("images"), phantoms)


def write_folder(folder, phantoms):
    """Write the Bunch `phantoms` as PNGs in class folders."""
    for i, (image, k) in enumerate(zip(phantoms.images, phantoms.target, strict=True)):
        file = folder / phantoms.target_names[k] / f"{i}.png"
        file.parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(image).save(file)
    return folder


def synthesize(*args):
    return main(["synthesize", *QUICK, *map(str, args)])


def test_synthesize_writes_marked_images_and_their_provenance(phantom_folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert synthesize("--data", phantom_folder, "--out", out) == 0
    printed = capsys.readouterr().out
    assert f"Wrote 6 synthetic images to {out}" in printed
    assert re.search(r"^covid: .* \(an audit, not a guarantee\)$", printed, re.M)

    manifest = pd.read_csv(out / "manifest.csv")
    assert manifest["class"].tolist() == ["covid"] * 3 + ["normal"] * 3
    assert manifest["synthetic"].all()
    for file in manifest["file"]:
        with Image.open(out / file) as image:
            assert image.size == (16, 16)
            assert image.text["Synthetic"] == "true"
            assert "shows no patient" in image.text["Description"]

    provenance = json.loads((out / PROVENANCE).read_text("utf-8"))
    assert provenance["versions"]["skcxr"] == skcxr.__version__
    assert provenance["seed"] == 0
    assert provenance["parameters"]["base_width"] == "2"
    assert sorted(provenance["audit"]) == ["covid", "normal"]
    assert provenance["audit"]["covid"]["verdict"] == provenance["quality"]["covid"]["copying"]
    assert sum(provenance["training_set"]["n_by_class"].values()) < 48
    assert len(provenance["training_set"]["sha256"]) == 64
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_the_result_loads_as_a_folder_of_images(phantom_folder, tmp_path):
    synthesize("--data", phantom_folder, "--out", tmp_path / "out")
    assert len(load_image_folder(tmp_path / "out", image_size=16).images) == 6


def test_one_seed_one_result(phantom_folder, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        synthesize("--data", phantom_folder, "--out", tmp_path / name, "--seed", seed)
    a, b, c = (pd.read_csv(tmp_path / name / "manifest.csv")["sha256"] for name in "abc")
    assert a.equals(b)
    assert not set(a) & set(c)


def test_dicom_files_say_that_they_are_synthetic(phantom_folder, tmp_path):
    out = tmp_path / "out"
    assert synthesize("--data", phantom_folder, "--out", out, "--format", "dicom") == 0
    files = sorted(out.glob("*/*.dcm"))
    assert len(files) == 6
    dataset = pydicom.dcmread(files[0])
    assert dataset[0x0008001C].value == "YES"  # Synthetic Data
    assert dataset.ConversionType == "SYN"
    assert list(dataset.ImageType) == ["DERIVED", "SECONDARY", "SYNTHETIC"]
    assert str(dataset.PatientName) == "SYNTHETIC^NO PATIENT"
    assert dataset.PatientID == "SYNTHETIC-covid-00001"
    # Nobody knows: a GAN may have learned to write.
    assert "BurnedInAnnotation" not in dataset
    assert len({pydicom.dcmread(file).SOPInstanceUID for file in files}) == 6
    loaded = load_image_folder(out, image_size=None)
    np.testing.assert_array_equal(loaded.images[0], dataset.pixel_array)


def test_groups_stay_together_in_the_holdout(phantom_folder, tmp_path, monkeypatch):
    files = sorted(file.relative_to(phantom_folder).as_posix() for file in
                   phantom_folder.glob("*/*.png"))  # fmt: skip
    patients = pd.DataFrame(
        {"file": files, "patient_id": [f"p{i // 3}" for i in range(len(files))]}
    )
    patients.to_csv(tmp_path / "patients.csv", index=False)
    seen = []
    monkeypatch.setattr(
        "skcxr.cli._synthesize._train_and_write", lambda args, *parts: seen.extend(parts[:3]) or 0
    )
    groups = "--groups", tmp_path / "patients.csv"
    assert synthesize("--data", phantom_folder, "--out", tmp_path / "out", *groups) == 0
    train, holdout, _ = seen
    assert not set(train.groups) & set(holdout.groups)
    assert len(train.groups) + len(holdout.groups) == 48
    assert 5 <= len(holdout.groups) <= 15


@pytest.mark.parametrize(
    ("splits", "held"), [(["train", "val"], "val"), (["training", "testing", "val"], "testing")]
)
def test_the_holdout_is_test_or_else_val(phantom_folder, tmp_path, monkeypatch, splits, held):
    for i, split in enumerate(splits):
        split_folder(phantom_folder, tmp_path / "data" / split, slice(i, None, 3))
    seen = []
    monkeypatch.setattr(
        "skcxr.cli._synthesize._train_and_write", lambda args, *parts: seen.extend(parts[:3]) or 0
    )
    assert synthesize("--data", tmp_path / "data", "--out", tmp_path / "out") == 0
    folders = [{name.split("/")[0] for name in part.filenames} for part in seen[:2]]
    assert folders == [{splits[0]}, {held}]


@pytest.fixture
def split_phantoms(tmp_path):
    """Write 24 + 12 phantoms of 64x64 in train/ and test/, of two classes."""
    phantoms = make_chest_phantoms(36, classes=("covid", "normal"), random_state=0)
    for name, rows in {"train": slice(0, 24), "test": slice(24, 36)}.items():
        write_folder(tmp_path / "split" / name, select_images(phantoms, rows))
    return tmp_path / "split"


def list_files(folder):
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.png"))


def test_held_out_copies_of_training_images_are_named_and_left_out(
    split_phantoms, tmp_path, monkeypatch, capsys
):
    copied, *_ = list_files(split_phantoms / "train")
    target = split_phantoms / "test" / copied.replace("/", "/copy-")
    with Image.open(split_phantoms / "train" / copied) as image:
        # Brighter, and cropped by 5 %.
        image.crop((2, 1, 63, 62)).resize((64, 64)).point(lambda v: min(v + 9, 255)).save(target)
    seen = catch_parts(monkeypatch)
    size = "--image-size", 64
    assert synthesize("--data", split_phantoms, "--out", tmp_path / "out", *size) == 0
    train, holdout, overlap = seen
    assert len(train.images) == 24
    assert len(holdout.images) == 12
    name = target.relative_to(split_phantoms).as_posix()
    assert overlap["n_left_out"] == 1
    (pair,) = overlap["near_duplicates"]
    assert pair["holdout_file"] == name
    assert pair["train_file"] == f"train/{copied}"
    printed = capsys.readouterr().err
    assert "1 of 13 held-out images, which the generator has seen" in printed
    assert f"{name} is a near-duplicate of train/{copied}" in printed


def test_a_holdout_of_training_images_alone_is_refused(split_phantoms, tmp_path, capsys):
    shutil.rmtree(split_phantoms / "test")
    shutil.copytree(split_phantoms / "train", split_phantoms / "test")
    size = "--image-size", 64
    assert synthesize("--data", split_phantoms, "--out", tmp_path / "out", *size) == 2
    error = capsys.readouterr().err
    assert "held-out images of class 'covid' show training images or their patients" in error
    assert not (tmp_path / "out").exists()


def test_held_out_images_of_training_patients_are_left_out(
    split_phantoms, tmp_path, monkeypatch, capsys
):
    files = list_files(split_phantoms)
    patients = [f"p{i}" for i in range(len(files))]
    shared = files.index(next(file for file in files if file.startswith("train/")))
    assert files[0].startswith("test/")
    patients[0] = patients[shared]
    table = tmp_path / "patients.csv"
    pd.DataFrame({"file": files, "patient_id": patients}).to_csv(table, index=False)
    seen = catch_parts(monkeypatch)
    options = "--groups", table, "--image-size", 64
    assert synthesize("--data", split_phantoms, "--out", tmp_path / "out", *options) == 0
    _, holdout, overlap = seen
    assert overlap["same_patient"] == [files[0]]
    assert files[0] not in holdout.filenames
    assert f"{files[0]} shows a training patient" in capsys.readouterr().err


def test_near_duplicates_stay_on_one_side_of_the_split(tmp_path, monkeypatch, capsys):
    folder = write_folder(tmp_path / "data", make_chest_phantoms(40, random_state=0))
    copied = list_files(folder)[0]
    shutil.copy(folder / copied, folder / copied.replace("/", "/copy-"))
    seen = catch_parts(monkeypatch)
    for seed in range(8):
        out = tmp_path / f"out{seed}"
        options = "--image-size", 64, "--seed", seed
        assert synthesize("--data", folder, "--out", out, *options) == 0
        *parts, overlap = seen[-3:]
        both = [copied in part.filenames for part in parts]
        assert both == [copied.replace("/", "/copy-") in part.filenames for part in parts]
    assert len(overlap["near_duplicates_kept_together"]) == 1
    copy = copied.replace("/", "/copy-")
    assert f"{copied} and {copy}" in capsys.readouterr().err


def catch_parts(monkeypatch):
    """Return a list that gets what would be trained on, and what is held out."""
    seen = []
    monkeypatch.setattr(
        "skcxr.cli._synthesize._train_and_write", lambda args, *parts: seen.extend(parts[:3]) or 0
    )
    return seen


@pytest.mark.parametrize("share", [0.05, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9])
def test_the_share_asked_for_is_held_out_of_each_class(
    phantom_folder, tmp_path, monkeypatch, share
):
    seen = catch_parts(monkeypatch)
    out = "--out", tmp_path / "out"
    assert synthesize("--data", phantom_folder, *out, "--holdout", share) == 0
    train, holdout, _ = seen
    for k, n in enumerate(np.bincount([*train.target, *holdout.target])):
        assert abs((holdout.target == k).sum() - share * n) <= 0.5
    assert len(train.target) + len(holdout.target) == 48


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_the_share_asked_for_is_held_out_of_patients(phantom_folder, tmp_path, monkeypatch, share):
    """Patients of 1 to 4 images, some of them with images of both classes."""
    files = [file.relative_to(phantom_folder).as_posix() for file in phantom_folder.glob("*/*.png")]
    sizes = np.resize([1, 2, 3, 4], 20)
    patients = np.repeat(np.arange(20), sizes)[: len(files)]
    table = tmp_path / "patients.csv"
    pd.DataFrame({"file": sorted(files), "patient_id": patients}).to_csv(table, index=False)
    seen = catch_parts(monkeypatch)
    data = "--data", phantom_folder, "--groups", table
    assert synthesize(*data, "--out", tmp_path / "out", "--holdout", share) == 0
    train, holdout, _ = seen
    assert not set(train.groups) & set(holdout.groups)
    for k, n in enumerate(np.bincount([*train.target, *holdout.target])):
        assert abs((holdout.target == k).sum() - share * n) <= 2


def test_what_is_held_out_is_printed_and_recorded(phantom_folder, tmp_path, capsys):
    out = tmp_path / "out"
    data = "--data", phantom_folder, "--out", out, "--holdout", 0.6
    assert synthesize(*data, "--json") == 0
    captured = capsys.readouterr()
    n_held = 14  # 0.6 of 24 images of each class
    held = {"split": None, "n_images": 2 * n_held, "share": 28 / 48}
    held |= {"n_by_class": {"covid": n_held, "normal": n_held}}
    held |= {"overlap": {"n_left_out": 0, "near_duplicates_kept_together": []}}
    provenance = json.loads((out / PROVENANCE).read_text("utf-8"))
    assert provenance["holdout"] == json.loads(captured.out)["holdout"] == held
    assert provenance["training_set"]["n_by_class"] == {"covid": 10, "normal": 10}
    assert "Held out for the audit: covid 14, normal 14 (58%)" in captured.err


def test_a_share_of_no_image_is_refused(phantom_folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert synthesize("--data", phantom_folder, "--out", out, "--holdout", 0.01) == 2
    error = capsys.readouterr().err
    assert "--holdout 0.01 holds out none of 48 images: it is rounded to whole images" in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_the_share_is_held_out_of_train_where_there_is_no_other_split(
    phantom_folder, tmp_path, monkeypatch
):
    split_folder(phantom_folder, tmp_path / "data" / "train", slice(None))
    seen = catch_parts(monkeypatch)
    data = "--data", tmp_path / "data", "--out", tmp_path / "out"
    assert synthesize(*data, "--holdout", 0.5) == 0
    assert [len(part.target) for part in seen[:2]] == [24, 24]


def test_runs_of_one_second_write_to_two_folders(phantom_folder, tmp_path, monkeypatch):
    """The second run begins before the first has written anything."""
    train_and_write = _synthesize._train_and_write
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("skcxr._base.files.datetime", Clock)
    begun = []

    def run_another_first(args, *parts):
        if not begun:
            begun.append(args.out)
            assert synthesize("--data", phantom_folder, "--holdout", 0, "--seed", 1) == 0
        return train_and_write(args, *parts)

    monkeypatch.setattr("skcxr.cli._synthesize._train_and_write", run_another_first)
    assert synthesize("--data", phantom_folder, "--holdout", 0) == 0
    files = sorted((tmp_path / "skcxr-synthetic").glob("*/provenance.json"))
    assert [file.parent.name for file in files] == ["2026-05-04-030201", "2026-05-04-030201-2"]
    assert [json.loads(file.read_text("utf-8"))["seed"] for file in files] == [0, 1]


def test_a_failed_run_leaves_no_reserved_folder(phantom_folder, tmp_path, monkeypatch):
    def fail(args, *parts):
        assert (tmp_path / "out").is_dir()
        raise FloatingPointError("diverged")

    monkeypatch.setattr("skcxr.cli._synthesize._train_and_write", fail)
    assert synthesize("--data", phantom_folder, "--out", tmp_path / "out") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_class_that_cannot_be_a_folder_is_refused_before_training(
    phantom_folder, tmp_path, monkeypatch, capsys
):
    """Another file system may allow shorter names, or fewer characters."""
    catch_parts(monkeypatch)
    mkdir = type(tmp_path).mkdir

    def refuse(self, *args, **kwargs):
        if self.name == "normal":
            raise OSError(22, "Invalid argument")
        return mkdir(self, *args, **kwargs)

    monkeypatch.setattr(type(tmp_path), "mkdir", refuse)
    assert synthesize("--data", phantom_folder, "--out", tmp_path / "out") == 2
    assert "out' cannot be written: Invalid argument" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


class Planting(BaseEstimator):
    """A generator of rows of `honest`, except that its third image is a training image."""

    def __init__(self, honest=None):
        self.honest = honest

    def fit(self, X):
        self.planted = [X[4]]
        return self

    def sample(self, n_samples):
        images = self.honest[:n_samples].copy()
        if self.planted:
            images[2] = self.planted.pop()
        return images


def test_the_images_that_are_written_are_audited(tmp_path, monkeypatch, capsys):
    """The audit finds a copy among the written images, which no later draw would repeat."""
    names = "covid", "normal"
    phantoms = make_chest_phantoms(160, classes=names, image_size=16, random_state=0)
    write_folder(tmp_path / "data", phantoms)
    honest = make_chest_phantoms(40, classes=names, image_size=16, random_state=1).data
    monkeypatch.setattr("skcxr.cli._synthesize.build_gan", lambda args, **_: Planting(honest))
    out = tmp_path / "out"
    assert synthesize("--data", tmp_path / "data", "--out", out, "-n", 20) == 0
    printed = capsys.readouterr().out
    audits = json.loads((out / PROVENANCE).read_text("utf-8"))["audit"]
    for k in names:
        assert f"{k}: copies found" in printed
        (copy,) = (pair for pair in audits[k]["pairs"] if pair["copy"])
        assert copy["file"] == f"{k}/synthetic-00003.png"
        assert f"{copy['file']} is closer to a training image than held-out images are" in printed
        trained = {image.tobytes() for image in phantoms.images}
        with Image.open(out / copy["file"]) as image:
            assert np.asarray(image).tobytes() in trained
    quality = json.loads((out / PROVENANCE).read_text("utf-8"))["quality"]
    assert [quality[k]["n_fake"] for k in names] == [20, 20]


def test_without_a_holdout_there_is_no_audit(phantom_folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert synthesize("--data", phantom_folder, "--out", out, "--holdout", 0) == 0
    provenance = json.loads((out / PROVENANCE).read_text("utf-8"))
    assert provenance["audit"] is None
    assert provenance["training_set"]["n_images"] == 48
    assert "covid, normal: not audited, since nothing was held out" in capsys.readouterr().out


def test_synthesize_says_when_the_audit_cannot_tell(phantom_folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert synthesize("--data", phantom_folder, "--out", out, "-n", "30") == 0
    printed = capsys.readouterr().out
    assert (
        "covid: cannot tell (an audit, not a guarantee)\n  With 5 hold-out images, the" in printed
    )
    found = json.loads((out / PROVENANCE).read_text("utf-8"))["audit"]["covid"]
    assert (found["verdict"], found["passed"]) == ("cannot tell", False)


def test_synthesize_says_which_class_was_not_audited(phantom_folder, tmp_path, capsys):
    data = tmp_path / "data"
    split_folder(phantom_folder, data / "train", slice(0, 12))
    split_folder(phantom_folder, data / "test", slice(12, 24))
    for file in sorted((data / "test" / "covid").iterdir())[1:]:
        file.unlink()
    out = tmp_path / "out"
    assert synthesize("--data", data, "--out", out) == 0
    assert "covid: not audited (an audit, not a guarantee)\n  There were too few images for an" in (
        capsys.readouterr().out
    )
    found = json.loads((out / PROVENANCE).read_text("utf-8"))["audit"]["covid"]
    assert (found["verdict"], found["passed"], found["power"]) == ("not audited", False, None)


def test_an_earlier_result_is_replaced_when_told(phantom_folder, tmp_path, capsys):
    out = tmp_path / "out"
    given = "--data", phantom_folder, "--out", out, "--holdout", 0
    assert synthesize(*given) == 0
    assert synthesize(*given, "--seed", 1) == 2
    assert "Pass a new folder, or overwrite=True" in capsys.readouterr().err
    assert synthesize(*given, "--seed", 1, "--overwrite") == 0
    assert json.loads((out / PROVENANCE).read_text("utf-8"))["seed"] == 1


def test_a_killed_run_resumes(phantom_folder, tmp_path):
    state = "--checkpoint", tmp_path / "state"
    synthesize("--data", phantom_folder, "--out", tmp_path / "a", *state)
    times = {file: file.stat().st_mtime_ns for file in (tmp_path / "state").iterdir()}
    assert len(times) == 2
    synthesize("--data", phantom_folder, "--out", tmp_path / "b", *state)
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "state").iterdir()} == times
    a, b = (pd.read_csv(tmp_path / name / "manifest.csv") for name in "ab")
    pd.testing.assert_frame_equal(a, b)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--out", "{folder}"], "exists already"),
        (["--data", "nowhere"], "path 'nowhere' does not exist"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(phantom_folder, tmp_path, capsys, args, message):
    given = {"--data": str(phantom_folder), "--out": str(tmp_path / "out")}
    given |= {args[0]: args[1].format(folder=phantom_folder)}
    assert synthesize(*(word for pair in given.items() for word in pair)) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert re.match(rf"skcxr synthesize: error: .*{message}", captured.err)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("share", "message"),
    [
        ("1", "1.0 is not in the range 0<=x<1"),
        ("-0.1", "-0.1 is not in the range 0<=x<1"),
        ("nan", "nan is not a number"),
    ],
)
def test_the_holdout_is_a_share_below_1(phantom_folder, tmp_path, capsys, share, message):
    out = tmp_path / "out"
    assert synthesize("--data", phantom_folder, "--out", out, "--holdout", share) == 2
    assert f"Invalid value for '--holdout': {message}" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_unreadable_files_are_listed_and_can_be_left_out(
    phantom_folder, tmp_path, capsys, on_error
):
    data, out = split_folder(phantom_folder, tmp_path / "data", slice(None)), tmp_path / "out"
    (data / "covid" / "notes.png").write_bytes(b"no image")
    (data / "normal" / "empty.png").touch()
    code = synthesize("--data", data, "--out", out, "--on-error", on_error)
    error = capsys.readouterr().err
    assert "\n  covid/notes.png: not an image format" in error
    assert "\n  normal/empty.png: the file is empty\n" in error
    if on_error == "raise":
        assert (code, out.exists()) == (2, False)
    else:
        assert code == 0
        assert f"Left out of {data}: 2 of 50 files" in error
        assert json.loads((out / PROVENANCE).read_text("utf-8"))["n_files_left_out"] == 2


def test_images_are_read_as_asked(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for k in ("covid", "normal"):
        (tmp_path / "data" / k).mkdir(parents=True)
        for i in range(6):
            Image.fromarray(rng.integers(0, 99, (20, 40), dtype=np.uint8)).save(
                tmp_path / "data" / k / f"{i}.png"
            )
    seen = []
    monkeypatch.setattr(
        "skcxr.cli._synthesize._train_and_write", lambda args, *parts: seen.append(parts) or 0
    )
    data = "--data", tmp_path / "data", "--holdout", 0
    options = "--fit", "pad", "--percentiles", 1, 99
    assert synthesize(*data, "--out", tmp_path / "out", *options) == 0
    expected = load_image_folder(
        tmp_path / "data", image_size=16, fit="pad", percentiles=(1.0, 99.0)
    )
    np.testing.assert_array_equal(seen[0][0].images, expected.images)


def test_a_folder_that_can_not_be_made_is_told_before_training(phantom_folder, capsys):
    below_a_file = next(phantom_folder.rglob("*.png")) / "out"
    assert synthesize("--data", phantom_folder, "--out", below_a_file) == 2
    assert f"out={str(below_a_file)!r} cannot be created" in capsys.readouterr().err


def test_a_broken_checkpoint_is_one_line_and_exit_code_2(phantom_folder, tmp_path, capsys):
    data = "--data", phantom_folder, "--checkpoint", tmp_path / "state"
    assert synthesize(*data, "--out", tmp_path / "a") == 0
    for file in (tmp_path / "state").iterdir():
        file.write_bytes(file.read_bytes()[:1000])
    capsys.readouterr()
    assert synthesize(*data, "--out", tmp_path / "b") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.match(
        r"skcxr synthesize: error: Class 'covid': checkpoint='.*' is broken or is not a checkpoint",
        error,
    )


def split_folder(source, target, rows):
    """Copy some of the images of each class to `target`."""
    for folder in sorted(source.iterdir()):
        (target / folder.name).mkdir(parents=True)
        for file in sorted(folder.iterdir())[rows]:
            (target / folder.name / file.name).write_bytes(file.read_bytes())
    return target


@pytest.fixture
def audited(phantom_folder, tmp_path):
    """Return arguments of an audit of eight images per class, two of them copies."""
    train = split_folder(phantom_folder, tmp_path / "train", slice(0, 10))
    holdout = split_folder(phantom_folder, tmp_path / "holdout", slice(10, 18))
    synthetic = split_folder(phantom_folder, tmp_path / "synthetic", slice(18, 24))
    for name in ("covid", "normal"):
        for file in sorted((train / name).iterdir())[:2]:
            (synthetic / name / file.name).write_bytes(file.read_bytes())
    folders = {"--synthetic": synthetic, "--train": train, "--holdout": holdout}
    return ["audit", "--image-size", "16", *(str(w) for pair in folders.items() for w in pair)]


def test_audit_prints_and_keeps_what_it_found(audited, tmp_path, capsys):
    out = tmp_path / "out"
    assert main([*audited, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("Copies found: the audit compared 8 synthetic images") == 2
    table = pd.read_csv(out / "audit.csv")
    assert set(table["class"]) == {"covid", "normal"}
    found = json.loads((out / "audit.json").read_text("utf-8"))
    assert found["normal"]["verdict"] == "copies found"
    copies = [pair for pair in found["normal"]["pairs"] if pair["copy"]]
    assert copies
    for pair in copies:  # planted under the name of what they are copies of
        assert pair["synthetic_file"] == pair["train_file"]
        text = "{synthetic_file} is a near-duplicate of {train_file}".format(**pair)
        assert text in printed
    with Image.open(out / "audit-covid.png") as picture:
        assert min(picture.size) > 300


@pytest.mark.parametrize(
    ("limit", "code", "message"),
    [
        ([], 0, None),
        (["--max-copies", "3"], 0, None),
        (["--max-copies", "2"], 1, "Exceeded: copied images of covid in pixels is 3, above 2"),
        (["--max-share", "0.01"], 1, "Exceeded: share nearer to train of normal in pixels"),
    ],
)
def test_thresholds_decide_the_exit_code(near_copies, capsys, limit, code, message):
    assert main([*near_copies(30), *limit]) == code
    printed = capsys.readouterr().out
    assert "covid: copies found" in printed
    assert message in printed if message else "Exceeded" not in printed
    assert "Cannot tell" not in printed


@pytest.fixture
def near_copies(tmp_path):
    """Return the arguments of an audit of 30 images per class, 3 of them near-copies."""

    def write(n_holdout, n_copies=3):
        names = "covid", "normal"
        phantoms = make_chest_phantoms(180, classes=names, image_size=32, random_state=5)
        rng = np.random.default_rng(0)
        args = ["audit", "--image-size", "32"]
        parts = {"train": [], "holdout": [], "synthetic": []}
        for k in range(2):
            rows = np.flatnonzero(phantoms.target == k)
            parts["train"] += rows[:30].tolist()
            parts["holdout"] += rows[30 : 30 + n_holdout].tolist()
            parts["synthetic"] += rows[60:90].tolist()
            for copy, row in zip(rows[60 : 60 + n_copies], rows, strict=False):
                shifted = np.roll(phantoms.images[row], 1, axis=1)
                noisy = shifted + rng.normal(0, 0.05 * 255, shifted.shape)
                phantoms.images[copy] = np.clip(noisy, 0, 255)
        for name, rows in parts.items():
            part = phantoms.copy()
            part.update(images=phantoms.images[rows], target=phantoms.target[rows])
            args += [f"--{name}", str(write_folder(tmp_path / name, Bunch(**part)))]
        return args

    return write


@pytest.mark.parametrize("limit", [["--max-copies", "0"], ["--max-share", "1"]])
def test_limits_are_not_passed_without_power(near_copies, capsys, limit):
    """Exit code 0 said that there were no copies, when 3 hold-out images could not show them."""
    assert main([*near_copies(3), *limit]) == 3
    printed = capsys.readouterr().out
    assert "covid: cannot tell\nCannot tell: the audit compared 30 synthetic images" in printed
    lines = re.findall(r"^Cannot tell whether (\w+) keeps the limit. With 3 .*", printed, re.M)
    assert lines == ["covid", "normal"]
    assert re.search(r"It would take about \d+ hold-out images", printed)
    assert "no sign" not in printed


def test_no_sign_of_copying_with_power(near_copies, capsys):
    assert main([*near_copies(30, n_copies=0), "--max-copies", "0", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["undecided"] == []
    for found in result["classes"].values():
        assert (found["verdict"], found["passed"]) == ("no sign of copying", True)
        assert found["power"] >= 0.8


def test_without_power_the_json_is_not_passed(near_copies, capsys):
    assert main([*near_copies(3), "--max-copies", "0", "--json"]) == 3
    result = json.loads(capsys.readouterr().out)
    assert [line.split()[3] for line in result["undecided"]] == ["covid", "normal"]
    for found in result["classes"].values():
        assert (found["verdict"], found["passed"]) == ("cannot tell", False)
        assert found["n_holdout_needed"] > 3


def test_swapped_folders_do_not_pass(audited, capsys):
    swapped = [{"--train": "--holdout", "--holdout": "--train"}.get(word, word) for word in audited]
    assert main([*swapped, "--max-copies", "0"]) == 1
    printed = capsys.readouterr().out
    assert "covid: copies found" in printed
    assert "the training images and the hold-out may be swapped" in printed
    assert "Exceeded: equal to hold-out images of covid in pixels is 2, above 0" in printed


def test_swapped_folders_of_near_copies_do_not_pass(near_copies, capsys):
    words = {"--train": "--holdout", "--holdout": "--train"}
    swapped = [words.get(word, word) for word in near_copies(30)]
    assert main([*swapped, "--max-copies", "0"]) == 3
    assert "may be swapped" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--features", "vgg"], "features='vgg' must be"),
        (["--train", "nowhere"], "path 'nowhere' does not exist"),
        (["--out", "."], "is not an empty folder"),
        (["--out", f"{__file__}/out"], "out' cannot be created"),  # below a file
    ],
)
def test_bad_audits_are_one_line_and_exit_code_2(audited, capsys, args, message):
    assert main([*audited, *args]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert message in captured.err


def test_an_audit_on_a_full_disk_leaves_nothing(audited, tmp_path, capsys):
    with full_disk(2000):  # in a figure
        assert main([*audited, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "out' cannot be written: File too large. Free space, or pass another folder" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_audit_of_a_class_with_a_long_name(audited, tmp_path):
    long = "x" * 245
    for name in ("synthetic", "train", "holdout"):
        (tmp_path / name / "covid").rename(tmp_path / name / long)
    assert main([*audited, "--out", str(tmp_path / "out")]) == 0
    assert set(pd.read_csv(tmp_path / "out" / "audit.csv")["class"]) == {long, "normal"}
    assert len(list((tmp_path / "out").glob("audit-x*~*.png"))) == 1


@pytest.mark.parametrize(
    ("share", "message"),
    [
        ("1.5", "1.5 is not in the range 0<=x<=1"),
        ("-0.1", "-0.1 is not in the range 0<=x<=1"),
        ("nan", "nan is not a number"),
    ],
)
def test_a_share_is_from_0_to_1(audited, capsys, share, message):
    assert main([*audited, "--max-share", share]) == 2
    assert f"Invalid value for '--max-share': {message}" in capsys.readouterr().err


def test_an_audit_skips_unreadable_files_and_says_so(audited, tmp_path, capsys):
    (tmp_path / "synthetic" / "covid" / "broken.png").write_bytes(b"no image")
    assert main(audited) == 2
    assert "covid/broken.png: not an image format" in capsys.readouterr().err
    assert main([*audited, "--on-error", "skip"]) == 0
    assert f"Left out of {tmp_path / 'synthetic'}: 1 of 17 files" in capsys.readouterr().err


def test_held_out_images_that_were_trained_on_are_named_and_left_out(audited, tmp_path, capsys):
    copied = next((tmp_path / "train" / "normal").iterdir())
    (tmp_path / "holdout" / "normal" / copied.name).write_bytes(copied.read_bytes())
    assert main([*audited, "--json"]) == 0
    captured = capsys.readouterr()
    name = f"normal/{copied.name}"
    assert f"{name} is a near-duplicate of {name}" in captured.err
    result = json.loads(captured.out)
    (pair,) = result["overlap"]["near_duplicates"]
    assert (pair["holdout_file"], pair["train_file"]) == (name, name)
    # The others are audited, and the planted copies are found.
    assert result["classes"]["normal"]["verdict"] == "copies found"


def test_a_holdout_that_was_trained_on_is_not_a_finding(audited, tmp_path, capsys):
    """Exit code 1 means that a limit was exceeded, and nothing else."""
    shutil.rmtree(tmp_path / "holdout")
    shutil.copytree(tmp_path / "train", tmp_path / "holdout")
    assert main([*audited, "--max-copies", "0"]) == 2
    error = capsys.readouterr().err
    assert "held-out images of class 'covid' show training images or their patients" in error


def test_a_class_that_a_folder_lacks_is_named(audited, tmp_path, capsys):
    (tmp_path / "holdout" / "covid").rename(tmp_path / "holdout" / "viral")
    assert main(audited) == 2
    assert "--holdout has no images of ['covid'], which --synthetic has" in capsys.readouterr().err
