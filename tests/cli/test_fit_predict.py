"""skcxr fit and skcxr predict: a model folder, and predictions with it."""

import json
import re
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import skops.io
from PIL import Image
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import accuracy_score
from sklearn.pipeline import Pipeline

from skcxr import CXRClassifier, CXRFeatures
from skcxr.cli import main
from skcxr.datasets import load_image_folder, make_chest_phantoms
from skcxr.evaluation import fit_folds
from skcxr.persistence import TRUSTED_TYPES

QUICK = ["--epochs", "1", "--gan-epochs", "1", "--gan-width", "2", "--n-jobs", "1", "--cv", "2"]
N_IMAGES = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write 24 phantoms of two classes, and a table of 12 patients."""
    root = tmp_path_factory.mktemp("data")
    rows = []
    phantoms = make_chest_phantoms(N_IMAGES, classes=["covid", "normal"], random_state=0)
    for i, (image, k) in enumerate(zip(phantoms.images, phantoms.target, strict=True)):
        name = f"{phantoms.target_names[k]}/{i:02}.png"
        (root / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / "images" / name)
        rows.append({"file": name})
    table = pd.DataFrame(rows).sort_values("file")
    table["patient_id"] = [f"p{i // 2}" for i in range(N_IMAGES)]
    table.to_csv(root / "patients.csv", index=False)
    return root / "images"


@pytest.fixture(scope="module")
def model(folder, tmp_path_factory):
    """Fit the probe, which takes a second."""
    out = tmp_path_factory.mktemp("model") / "model"
    groups = folder.parent / "patients.csv"
    args = ["--data", folder, "--groups", groups, "--arm", "probe", "--out", out, "--quiet"]
    assert main(["fit", *QUICK, *map(str, args)]) == 0
    return out


def fit(folder, out, *args):
    return main(["fit", *QUICK, "--data", str(folder), "--out", str(out), *args])


def predict(model, data, out, *args):
    return main(["predict", "--model", str(model), "--data", str(data), "--out", str(out), *args])


def read_record(model):
    return json.loads((model / "model.json").read_text("utf-8"))


def load(model):
    return skops.io.load(model / "model.skops", trusted=TRUSTED_TYPES)


@pytest.fixture(scope="module")
def new(tmp_path_factory):
    """Write two phantoms that no model has seen, without class folders."""
    root = tmp_path_factory.mktemp("new")
    for i, image in enumerate(make_chest_phantoms(2, random_state=9).images):
        Image.fromarray(image).save(root / f"{i}.png")
    return root


def test_the_folder_holds_a_model_its_record_and_a_card(model):
    assert {file.name for file in model.iterdir()} == {"model.skops", "model.json", "README.md"}
    record = read_record(model)
    assert record["classes"] == ["covid", "normal"]
    assert record["training_set"]["n_by_class"] == {"covid": 12, "normal": 12}
    assert record["training_set"]["n_patients"] == 12
    assert record["settings"]["arm"] == "probe"
    assert record["settings"]["data"] == "images"
    assert len(record["fingerprints"]) == N_IMAGES
    card = (model / "README.md").read_text("utf-8")
    assert "not a medical device" in card
    assert "intended_use.html" in card
    assert "24 images (covid 12, normal 12) of 12 patients" in card
    assert record["training_set"]["sha256"] in card
    assert "trained on 2,012 labelled radiographs of the Kermany set" in card
    assert f"Total accuracy {record['figures']['accuracy']:.3f}" in card
    assert "were not grouped by patient" not in card


def test_the_model_is_the_arm_on_all_images(model, folder):
    loaded = load(model)
    assert type(loaded) is Pipeline
    assert type(loaded[0]) is CXRFeatures
    data = load_image_folder(folder)
    y = data.target_names[data.target]
    assert accuracy_score(y, loaded.predict(data.data)) > 0.9
    again = clone(loaded).fit(data.data, y)
    np.testing.assert_allclose(again.predict_proba(data.data), loaded.predict_proba(data.data))


def test_figures_are_out_of_fold_and_by_patient(folder, tmp_path, capsys, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "skcxr.evaluation.fit_folds",
        lambda arms, X, y, cv, **options: seen.append(cv[0]) or fit_folds(arms, X, y, cv=cv),
    )
    groups = folder.parent / "patients.csv"
    assert fit(folder, tmp_path / "m", "--arm", "probe", "--groups", str(groups), "--json") == 0
    result = json.loads(capsys.readouterr().out)
    patients = pd.read_csv(groups)["patient_id"].to_numpy()
    assert len(seen) == 2
    assert sorted(np.concatenate([test for _, test in seen])) == list(range(N_IMAGES))
    for train, test in seen:
        assert not set(patients[train]) & set(patients[test])
    assert result["figures"].keys() == {"accuracy", "balanced_accuracy", "calibration_error"}
    assert result["folder"] == str(tmp_path / "m")


def test_samplers_and_gans_stay_out_of_the_model(folder, tmp_path):
    for arm in ("dcgan", "smote"):
        assert fit(folder, tmp_path / arm, "--arm", arm) == 0
        assert type(load(tmp_path / arm)) is CXRClassifier
    sizes = [(tmp_path / arm / "model.skops").stat().st_size for arm in ("dcgan", "smote")]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.01)


def test_without_groups_the_card_says_so(folder, tmp_path):
    assert fit(folder, tmp_path / "m", "--arm", "classic") == 0
    assert "were not grouped by patient" in (tmp_path / "m" / "README.md").read_text("utf-8")
    assert read_record(tmp_path / "m")["training_set"]["n_patients"] is None


def test_calibration_is_scikit_learns_on_folds_by_patient(folder, tmp_path, monkeypatch, new):
    calls = []
    original = CalibratedClassifierCV.fit

    def record(self, X, y, *args, **kwargs):
        calls.append((len(X), self.cv, self.method))
        return original(self, X, y, *args, **kwargs)

    monkeypatch.setattr(CalibratedClassifierCV, "fit", record)
    groups = folder.parent / "patients.csv"
    out = tmp_path / "m"
    assert fit(folder, out, "--arm", "probe", "--calibrate", "--groups", str(groups)) == 0
    assert [n for n, _, _ in calls] == [12, 12, N_IMAGES]
    patients = pd.read_csv(groups)["patient_id"].to_numpy()
    for train, test in calls[-1][1]:
        assert not set(patients[train]) & set(patients[test])
    assert read_record(out)["calibration"] == calls[0][2]
    assert calls[0][2] in (out / "README.md").read_text("utf-8")
    loaded = load(out)
    assert type(loaded) is CalibratedClassifierCV
    assert predict(out, new, tmp_path / "p.csv", "--quiet") == 0
    table = pd.read_csv(tmp_path / "p.csv")
    np.testing.assert_allclose(table["p_covid"] + table["p_normal"], 1)


def test_calibration_needs_enough_patients(folder, tmp_path, capsys):
    small = tmp_path / "small"
    for name in ("covid", "normal"):
        (small / name).mkdir(parents=True)
        for file in sorted((folder / name).iterdir())[:4]:
            shutil.copy(file, small / name)
    args = ["--arm", "classic", "--calibrate"]
    assert fit(small, tmp_path / "m", *args) == 2
    assert "splits the training images of each fold again" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("layout", ["flat", "classes", "split"])
def test_predictions_have_a_row_per_image_in_any_layout(model, folder, tmp_path, layout):
    prefix = {"flat": "", "classes": "", "split": "test/"}[layout]
    data = tmp_path / "data"
    for file in folder.glob("*/*.png"):
        name = file.name if layout == "flat" else f"{prefix}{file.parent.name}/{file.name}"
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, data / name)
    assert predict(model, data, tmp_path / "p.csv", "--quiet") == 0
    table = pd.read_csv(tmp_path / "p.csv")
    assert table.columns.tolist() == ["file", "class", "p_covid", "p_normal", "note"]
    assert sorted(table["file"]) == sorted(
        file.relative_to(data).as_posix() for file in data.rglob("*.png")
    )
    expected = load(model).predict_proba(
        np.stack([np.asarray(Image.open(data / name)).ravel() for name in table["file"]])
    )
    np.testing.assert_allclose(table[["p_covid", "p_normal"]], expected, rtol=1e-6)
    np.testing.assert_array_equal(
        table["class"], np.array(["covid", "normal"])[expected.argmax(axis=1)]
    )


def test_training_images_are_recognized_and_new_ones_are_not(model, folder, new, tmp_path, capsys):
    data = tmp_path / "data"
    shutil.copytree(new, data)
    # In another size, and darker.
    image = Image.open(folder / "covid" / sorted(f.name for f in (folder / "covid").iterdir())[0])
    image.resize((100, 100)).point(lambda value: value * 0.9).save(data / "seen.png")
    assert predict(model, data, tmp_path / "p.csv") == 0
    notes = pd.read_csv(tmp_path / "p.csv").set_index("file")["note"]
    assert "shows a training image" in notes["seen.png"]
    assert not notes.drop("seen.png").fillna("").str.contains("training image").any()
    error = capsys.readouterr().err
    assert "1 image of 3 show training images" in error
    assert "seen.png" in error


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda image: image.resize((400, 400)), "side 400, training 64 to 64"),
        (lambda image: image.resize((128, 64)), "aspect ratio 2, training 1 to 1"),
        (lambda image: image.point(lambda value: 255 - value // 16), "brightness 2"),
        (lambda image: image.point(lambda value: value // 16 + 100), "contrast"),
    ],
)
def test_images_unlike_the_training_images_are_noted(model, new, tmp_path, capsys, change, note):
    data = tmp_path / "data"
    data.mkdir()
    with Image.open(new / "0.png") as image:
        image.save(data / "same.png")
        change(image).save(data / "changed.png")
    assert predict(model, data, tmp_path / "p.csv", "--json") == 0
    captured = capsys.readouterr()
    notes = json.loads(captured.out)["notes"]
    assert list(notes) == ["changed.png"]
    assert note in "; ".join(notes["changed.png"])
    assert "1 image of 2 are unlike the training images" in captured.err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--model", "nowhere"], "model='nowhere' holds no model.skops"),
        (["--data", "nowhere"], "path 'nowhere' does not exist"),
        (["--out", "{folder}/p.csv"], "p.csv exists. Pass a new file"),
        (["--out", "{folder}/p.csv/q.csv"], "cannot be"),
        (["--data", "{folder}/empty"], "holds no file"),
        (["--data", "{folder}"], "p.csv: not an image format"),
    ],
)
def test_bad_input_of_predict_is_refused_with_exit_code_2(
    model, new, tmp_path, capsys, args, message
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "p.csv").write_text("mine")
    given = {"--model": str(model), "--data": str(new), "--out": str(tmp_path / "out.csv")}
    given[args[0]] = args[1].format(folder=tmp_path)
    assert main(["predict", *[word for pair in given.items() for word in pair]]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.search(f"skcxr predict: error: (.|\n)*{message}", captured.err)
    assert (tmp_path / "p.csv").read_text() == "mine"
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("model.json", "{", "broken model.json"),
        ("model.json", '{"format": 99}', "has format 99"),
        ("model.skops", "no archive", "broken or holds types that skcxr does not trust"),
    ],
)
def test_a_broken_model_is_refused(model, new, tmp_path, capsys, file, content, message):
    shutil.copytree(model, tmp_path / "model")
    (tmp_path / "model" / file).write_text(content)
    assert predict(tmp_path / "model", new, tmp_path / "p.csv") == 2
    assert message in capsys.readouterr().err


def test_a_hostile_model_runs_nothing(model, new, tmp_path, capsys):
    shutil.copytree(model, tmp_path / "model")
    ran = tmp_path / "ran"

    class Hostile:
        def __reduce__(self):
            return (open, (str(ran), "w"))

    skops.io.dump(Hostile(), tmp_path / "model" / "model.skops")
    assert predict(tmp_path / "model", new, tmp_path / "p.csv") == 2
    assert "does not trust" in capsys.readouterr().err
    assert not ran.exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--arm", "gan"], "gan"),
        (["--arm", "classic", "--cv", "13"], "fewer than --cv 13"),
        (["--arm", "smote", "--grow", "0.5"], "factor must be a finite number"),
        (["--arm", "classic", "--groups", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_bad_input_of_fit_fails_before_training(
    folder, tmp_path, capsys, monkeypatch, args, message
):
    monkeypatch.setattr(CXRClassifier, "fit", None)
    assert fit(folder, tmp_path / "m", *args) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_fit_overwrites_nothing(folder, tmp_path, capsys):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "thesis.txt").touch()
    assert fit(folder, tmp_path / "m", "--arm", "classic") == 2
    assert "is not an empty folder" in capsys.readouterr().err
    assert [file.name for file in (tmp_path / "m").iterdir()] == ["thesis.txt"]


def test_a_missing_skops_is_named_before_training(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "skops.io", None)
    assert fit(folder, tmp_path / "m", "--arm", "classic") == 2
    assert "pip install skops" in capsys.readouterr().err


def test_divergence_writes_no_model(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("skcxr.gan._training.LARGEST_LOSS", 0.0)
    assert fit(folder, tmp_path / "m", "--arm", "dcgan") == 1
    error = capsys.readouterr().err
    assert "Class 'covid': DCGAN training diverged" in error
    assert "error_score" not in error
    assert not (tmp_path / "m").exists()


def test_results_have_a_folder_of_their_own_by_default(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", *QUICK, "--data", str(folder), "--arm", "probe", "--quiet"]) == 0
    (out,) = (tmp_path / "skcxr-models").iterdir()
    assert (out / "model.json").exists()
