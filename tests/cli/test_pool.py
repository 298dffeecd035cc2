"""GANs that are pretrained on a pool of further images, from the command line."""

import json
import shutil
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from skcxr import DCGAN
from skcxr.cli import main
from skcxr.datasets import make_chest_phantoms
from skcxr.datasets._export import PROVENANCE
from tests.cli.test_synthesize import write_folder

QUICK = ["--image-size", "16", "--gan-width", "2", "--pool-epochs", "1", "-n", "3"]


@pytest.fixture(scope="module")
def phantom_folder(tmp_path_factory):
    """24 phantoms of 16x16 in two class folders."""
    phantoms = make_chest_phantoms(24, classes=("covid", "normal"), image_size=16, random_state=0)
    return write_folder(tmp_path_factory.mktemp("images"), phantoms)


@pytest.fixture
def pool_folder(phantom_folder, tmp_path):
    """12 other phantoms without class folders, and three of the labelled ones."""
    folder = tmp_path / "pool"
    (folder / "2024").mkdir(parents=True)
    for i, image in enumerate(make_chest_phantoms(12, image_size=16, random_state=1).images):
        Image.fromarray(image).save(folder / "2024" / f"{i}.png")
    for file in sorted((phantom_folder / "covid").iterdir())[:3]:
        shutil.copy(file, folder / f"again-{file.name}")
    return folder


def synthesize(*args):
    return main(["synthesize", *QUICK, *map(str, args)])


def read_provenance(folder):
    return json.loads((folder / PROVENANCE).read_text("utf-8"))


def test_gans_start_from_the_pool_without_labelled_images(phantom_folder, pool_folder, tmp_path):
    out = tmp_path / "out"
    assert synthesize("--data", phantom_folder, "--pool", pool_folder, "--out", out) == 0
    provenance = read_provenance(out)
    pool = provenance["pool"]
    assert pool["n_images"] == 12
    assert len(pool["dropped"]) == 3
    assert all(file.startswith("again-") for file in pool["dropped"])
    weights = tmp_path / "out-pool.safetensors"
    assert provenance["parameters"]["weights"] == str(weights) == pool["weights"]
    assert provenance["parameters"]["max_epochs"] == "8"
    assert DCGAN(image_size=16, base_width=2).load_weights(weights).discriminator_ is not None
    assert not list(out.rglob("*.safetensors"))


def test_samples_are_audited_against_the_pool(phantom_folder, pool_folder, tmp_path, capsys):
    out = tmp_path / "out"
    synthesize("--data", phantom_folder, "--pool", pool_folder, "--out", out, "--holdout", 0.3)
    audits = read_provenance(out)["pool_audit"]
    assert sorted(audits) == ["covid", "normal"]
    assert "covid, compared with the pool: " in capsys.readouterr().out


def test_images_of_labelled_patients_are_dropped(phantom_folder, pool_folder, tmp_path, capsys):
    files = [file.relative_to(phantom_folder) for file in phantom_folder.rglob("*.png")]
    patients = {file.as_posix(): f"patient {file.stem}" for file in files}
    patients |= {"2024/0.png": "patient 0", "2024/1.png": "a patient of the pool"}
    table = pd.Series(patients, name="patient_id").rename_axis("file").reset_index()
    table.to_csv(tmp_path / "patients.csv", index=False)
    assert (
        synthesize(
            *("--data", phantom_folder, "--groups", tmp_path / "patients.csv"),
            *("--pool", pool_folder, "--out", tmp_path / "out"),
        )
        == 0
    )
    dropped = read_provenance(tmp_path / "out")["pool"]["dropped"]
    assert "2024/0.png" in dropped
    assert "2024/1.png" not in dropped
    assert "Dropped from --pool: 4 of 15 images" in capsys.readouterr().err


def test_weights_of_an_earlier_run_are_used_again(phantom_folder, pool_folder, tmp_path):
    synthesize("--data", phantom_folder, "--pool", pool_folder, "--out", tmp_path / "a")
    weights = tmp_path / "a-pool.safetensors"
    synthesize("--data", phantom_folder, "--pool", weights, "--out", tmp_path / "b")
    a, b = (pd.read_csv(tmp_path / name / "manifest.csv")["sha256"] for name in "ab")
    assert a.equals(b)
    assert not (tmp_path / "b-pool.safetensors").exists()


def test_weights_of_labelled_images_are_refused(tmp_path, capsys):
    phantoms = make_chest_phantoms(24, classes=("covid", "normal"), random_state=0)
    data = write_folder(tmp_path / "data", phantoms)
    gan = DCGAN(base_width=2, max_epochs=1, steps_per_epoch=1, random_state=0)
    weights = tmp_path / "known.safetensors"
    gan.fit(phantoms.images).save_weights(
        weights, discriminator=True, training_images=phantoms.images[:5]
    )
    arguments = ["--data", data, "--pool", weights, "--out", tmp_path / "out"]
    assert main(["synthesize", "--gan-width", "2", *map(str, arguments)]) == 2
    assert "was trained on 5 images of --data" in " ".join(capsys.readouterr().err.split())


def test_a_killed_pretraining_resumes(phantom_folder, pool_folder, tmp_path, monkeypatch):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    arguments = ["--data", phantom_folder, "--pool", pool_folder, "--out", tmp_path / "out"]
    with monkeypatch.context() as patch:
        patch.setattr(DCGAN, "save_weights", stop)
        assert synthesize(*arguments) == 130
    (checkpoint,) = (tmp_path / "pool-checkpoints").iterdir()
    before = checkpoint.stat().st_mtime_ns
    assert synthesize(*arguments) == 0
    # Nothing was left to train, so nothing was written again.
    assert checkpoint.stat().st_mtime_ns == before


def test_earlier_weights_are_not_replaced(phantom_folder, pool_folder, tmp_path, capsys):
    weights = tmp_path / "out-pool.safetensors"
    weights.write_bytes(b"of another run")
    arguments = ["--data", phantom_folder, "--pool", pool_folder, "--out", tmp_path / "out"]
    assert synthesize(*arguments) == 2
    assert "exists" in capsys.readouterr().err
    assert weights.read_bytes() == b"of another run"


def test_a_pool_of_labelled_images_alone_is_refused(phantom_folder, tmp_path, capsys):
    arguments = ["--data", phantom_folder, "--pool", phantom_folder, "--out", tmp_path / "out"]
    assert synthesize(*arguments) == 2
    assert "has 0 images that --data does not have" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_an_empty_pool_is_refused(phantom_folder, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    arguments = ["--data", phantom_folder, "--pool", tmp_path / "empty", "--out", tmp_path / "out"]
    assert synthesize(*arguments) == 2
    assert "holds no file" in capsys.readouterr().err
    assert np.all([file.name != "out" for file in tmp_path.iterdir()])


def evaluate(*args):
    quick = ["--epochs", "1", "--gan-epochs", "1", "--cv", "2", "--n-jobs", "1"]
    return main(["evaluate", *QUICK[:-2], *quick, "--no-curve", *map(str, args)])


def test_evaluate_compares_gans_that_start_from_the_pool(phantom_folder, pool_folder, tmp_path):
    out = tmp_path / "out"
    arguments = ["--data", phantom_folder, "--pool", pool_folder, "--arms", "classic"]
    assert evaluate(*arguments, "--out", out) == 0
    settings = json.loads((out / "settings.json").read_text("utf-8"))
    assert list(settings["arms"]) == ["classic", "duplicates", "pool-dcgan"]
    assert settings["pool_record"]["n_images"] == 12
    assert (out / "pool.safetensors").exists()
    assert sorted(json.loads((out / "audit-pool.json").read_text("utf-8"))) == ["covid", "normal"]
    pipe = joblib.load(out / "pipelines" / "pool-dcgan-fold0.joblib")
    assert Path(pipe["gan"].estimator.weights) == out / "pool.safetensors"


def test_evaluate_repeats_the_folds(phantom_folder, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["--data", phantom_folder, "--arms", "classic", "--repeats", "2", "--out", out]
    assert evaluate(*arguments) == 0
    results = pd.read_csv(out / "results.csv")
    assert sorted(results["fold"].unique()) == [0, 1, 2, 3]
    assert sorted(results["repeat"].unique()) == [0, 1]
    assert "2 folds, repeated 2 times" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--arms", "pool-dcgan"], "Arm pool-dcgan needs --pool"),
        (["--arms", "pretrained-dcgan"], "Arm pretrained-dcgan needs --image-size 64"),
    ],
)
def test_arms_that_lack_another_option_are_refused(
    phantom_folder, tmp_path, capsys, arguments, message
):
    assert evaluate("--data", phantom_folder, *arguments, "--out", tmp_path / "out") == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_evaluate_names_images_that_weights_were_trained_on(data_folder, tmp_path, capsys):
    file = np.load(data_folder / "kermany64.npz", allow_pickle=True)
    y = file["y"].astype(str)
    for k in ("normal", "pneumonia_bac"):
        (tmp_path / "data" / k).mkdir(parents=True)
        for row in np.flatnonzero(y == k)[:8]:
            Image.fromarray(file["X"][row]).save(tmp_path / "data" / k / f"{row}.png")
    out = tmp_path / "out"
    quick = ["--cv", "2", "--n-jobs", "1", "--no-curve", "--arms", "probe", "--json"]
    assert main(["evaluate", "--data", str(tmp_path / "data"), *quick, "--out", str(out)]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)["pretraining_overlap"]["probe"]
    assert 5 < len(found) <= 16
    assert "The weights of arm probe were trained on" in printed.err


def test_a_model_starts_from_a_pool(phantom_folder, pool_folder, tmp_path):
    pytest.importorskip("skops")
    arguments = ["--data", phantom_folder, "--pool", pool_folder, "--arm", "pool-dcgan"]
    quick = ["--image-size", "16", "--gan-width", "2", "--pool-epochs", "1", "--gan-epochs", "1"]
    quick += ["--epochs", "1", "--cv", "2", "--n-jobs", "1", "--out", tmp_path / "model"]
    assert main(["fit", *map(str, [*arguments, *quick])]) == 0
    assert (tmp_path / "model-pool.safetensors").exists()
    assert not list((tmp_path / "model").glob("*.safetensors"))
