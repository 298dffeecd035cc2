import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import skcxr
from skcxr import DCGAN
from skcxr.cli import main
from skcxr.cli._folds import choose_n_jobs
from skcxr.datasets import make_chest_phantoms
from skcxr.evaluation import fit_folds, plan
from skcxr.metrics import per_class_report
from skcxr.report._folder import create_folder
from tests.conftest import full_disk

QUICK = ["--image-size", "16", "--epochs", "1", "--gan-epochs", "1", "--gan-width", "2"]
QUICK += ["--n-jobs", "1", "--arms", "classic,dcgan"]
ARMS = ("classic", "duplicates", "dcgan")
KINDS = ("training", "audit")


@pytest.fixture(autouse=True)
def skip_samples(request, monkeypatch):
    """Skip the work on samples, which takes seconds, except in tests of the samples."""
    if "samples" not in request.node.name:
        monkeypatch.setattr(
            "skcxr.report._folder.Report._inspect_samples", lambda self, result: None
        )


@pytest.fixture
def folder(tmp_path):
    """Write 16x16 noise, 4 images of covid and 6 of normal, and a table of patients."""
    rng = np.random.default_rng(0)
    rows = []
    for name, n in (("covid", 4), ("normal", 6)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(n):
            file = tmp_path / "images" / name / f"{i}.png"
            Image.fromarray(rng.integers(0, 255, (16, 16)).astype(np.uint8)).save(file)
            rows.append({"file": f"{name}/{i}.png", "patient_id": f"{name}{i // 2}"})
    pd.DataFrame(rows).to_csv(tmp_path / "patients.csv", index=False)
    return tmp_path / "images"


def evaluate(*args):
    return main(["evaluate", *QUICK, *map(str, args)])


def list_finished(out):
    """Return the arm of each finished fit."""
    return pd.read_csv(out / "results.csv").query("metric == 'accuracy'")["arm"].tolist()


def test_evaluate_prints_table_4_of_each_arm_and_writes_the_results(folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert evaluate("--data", folder, "--cv", 2, "--grow", 2, "--out", out) == 0
    printed = capsys.readouterr().out
    assert "calibration error" in printed
    assert "sensitivity[covid]" in printed
    for arm in ARMS:
        assert re.search(rf"^{arm}: 10 images in 2 folds", printed, re.M)
    assert printed.count("Accuracy  Sensitivity  Specificity  F1Score") == 3
    assert printed.count("Total accuracy") == printed.count("Confusion matrix") == 3
    assert str(out) in printed

    predictions = pd.read_csv(out / "predictions.csv")
    assert len(predictions) == 30
    table = pd.read_csv(out / "table4.csv", index_col=["arm", "class"])
    confusion = pd.read_csv(out / "confusion.csv", index_col=["arm", "true"])
    for arm, rows in predictions.groupby("arm"):
        assert sorted(rows["file"]) == sorted(set(rows["file"]))
        report = per_class_report(rows["true"], rows["predicted"], labels=["covid", "normal"])
        np.testing.assert_allclose(table.loc[arm, list(report)], report)
        assert table.loc[arm, "AUC"].between(0, 1).all()
        np.testing.assert_array_equal(confusion.loc[arm].sum(axis=1), [4, 6])
        np.testing.assert_allclose(rows[["p_covid", "p_normal"]].sum(axis=1), 1)
    folds = pd.read_csv(out / "results.csv").query("metric == 'accuracy'")
    assert folds["n_test"].groupby(folds["arm"]).sum().tolist() == [10, 10, 10]
    assert pd.read_csv(out / "summary.csv")["arm"].tolist() == list(ARMS)
    assert set(pd.read_csv(out / "differences.csv")["arm"]) == {"duplicates", "dcgan"}
    for pair in ("duplicates .* classic", "dcgan .* classic", "dcgan .* duplicates"):
        assert re.search(rf"^.*{pair}.*: accuracy [+-]0\.\d+ \(95 % CI", printed, re.M)
    assert json.loads((out / "settings.json").read_text("utf-8"))["grow"] == 2
    assert "Which training recipe is best?" in (out / "report.html").read_text(encoding="utf-8")
    for name in ("confusion", "comparison"):
        with Image.open(out / f"{name}.png") as picture:
            assert min(picture.size) > 100


def test_the_first_folds_samples_are_drawn_measured_and_audited(tmp_path, capsys):
    out = tmp_path / "out"
    assert evaluate("--cv", 2, "--out", out) == 0
    samples = pd.read_csv(out / "samples.csv", index_col="class")
    assert len(samples) == 4
    assert np.isfinite(samples[["kernel distance", "kernel distance, real", "p_value"]]).all(
        axis=None
    )
    audits = json.loads((out / "audit.json").read_text("utf-8"))
    assert {k: found["verdict"] for k, found in audits.items()} == samples["copying"].to_dict()
    for name in ["samples", *(f"{kind}-{k}" for k in samples.index for kind in KINDS)]:
        with Image.open(out / f"{name}.png") as picture:
            assert min(picture.size) > 300
    printed = capsys.readouterr().out
    assert "Features: cxr (means of 4 stages)" in printed
    assert "an audit, which cannot prove that nothing was copied" in printed


def test_the_smallest_detectable_difference_is_printed_before_anything_is_trained(
    folder, tmp_path, capsys, monkeypatch
):
    calls = []

    def record(y, **options):
        calls.append({"y": y, **options})
        return plan(y, **options)

    monkeypatch.setattr("skcxr.evaluation.plan", record)
    interrupt_after(monkeypatch, 0)
    out = tmp_path / "out"
    table = folder.parent / "patients.csv"
    assert evaluate("--data", folder, "--groups", table, "--cv", 2, "--out", out) == 130
    (call,) = calls
    assert call["y"].tolist() == [0] * 4 + [1] * 6
    patients = [f"covid{i // 2}" for i in range(4)] + [f"normal{i // 2}" for i in range(6)]
    assert call["groups"].tolist() == patients
    assert len(call["cv"]) == 2
    # Holm's level for the first of two arms that are compared with classic.
    assert call["level"] == pytest.approx(0.975)
    stored = json.loads((out / "settings.json").read_text("utf-8"))["plan"]
    assert stored["reading"].startswith("With 10 images in 2 folds, ")
    assert f"\n{stored['reading']} {stored['basis']}\n" in capsys.readouterr().out


def test_the_learning_curve_ends_with_the_baselines_scores(folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert evaluate("--data", folder, "--cv", 2, "--out", out, "--json") == 0
    curve = json.loads(capsys.readouterr().out)["learning_curve"]
    assert [row["n_train"] for row in curve["table"]] == [2, 4, 5]
    folds = pd.read_csv(out / "results.csv").query("arm == 'classic' and metric == 'accuracy'")
    assert curve["table"][-1]["score"] == pytest.approx(folds["value"].mean())
    assert pd.read_csv(out / "learning_curve.csv")["share"].tolist() == [0.5, 0.75, 1.0]


@pytest.mark.parametrize(
    ("args", "is_drawn"),
    [([], False), (["--curve"], True), (["--data", "{}", "--no-curve"], False)],
)
def test_the_learning_curve_is_drawn_by_default_for_data_alone(
    folder, tmp_path, capsys, args, is_drawn
):
    args = [arg.format(folder) for arg in args]
    assert evaluate(*args, "--cv", 2, "--out", tmp_path / "out") == 0
    assert ("Would more images help?" in capsys.readouterr().out) == is_drawn


def test_fitted_pipelines_are_kept(folder, tmp_path):
    out = tmp_path / "out"
    evaluate("--data", folder, "--cv", 2, "--out", out)
    names = {f"{arm}-fold{i}.joblib" for arm in ARMS for i in (0, 1)}
    assert {file.name for file in (out / "pipelines").iterdir()} == names
    predictions = pd.read_csv(out / "predictions.csv").query("arm == 'dcgan' and fold == 1")
    pipe = joblib.load(out / "pipelines" / "dcgan-fold1.joblib")
    X = np.stack([np.asarray(Image.open(folder / f)).ravel() for f in predictions["file"]])
    np.testing.assert_allclose(pipe.predict_proba(X)[:, 0], predictions["p_covid"], rtol=1e-6)


@pytest.mark.parametrize(("recipe", "build"), [("default", DCGAN), ("paper", DCGAN.paper)])
def test_the_gans_recipe_can_be_the_papers(folder, tmp_path, recipe, build):
    out = tmp_path / "out"
    evaluate("--data", folder, "--cv", 2, "--gan-recipe", recipe, "--out", out)
    gan = joblib.load(out / "pipelines" / "dcgan-fold0.joblib")["gan"].estimator.get_params()
    names = ("augment", "diff_augment", "dropout", "mode_seeking")
    expected = build().get_params()
    assert {name: gan[name] for name in names} == {name: expected[name] for name in names}


def test_patients_stay_in_one_fold(folder, tmp_path):
    out, table = tmp_path / "out", folder.parent / "patients.csv"
    assert evaluate("--data", folder, "--groups", table, "--cv", 2, "--out", out) == 0
    patients = pd.read_csv(table).set_index("file")["patient_id"]
    predictions = pd.read_csv(out / "predictions.csv").query("arm == 'classic'")
    folds_of_patient = predictions.groupby(predictions["file"].map(patients))["fold"].nunique()
    assert (folds_of_patient == 1).all()


def test_near_duplicates_stay_in_one_fold(tmp_path, capsys, monkeypatch):
    phantoms = make_chest_phantoms(16, classes=("covid", "normal"), random_state=0)
    for i, (image, k) in enumerate(zip(phantoms.images, phantoms.target, strict=True)):
        path = tmp_path / "data" / phantoms.target_names[k] / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    copied = sorted((tmp_path / "data" / "covid").iterdir())[0]
    shutil.copy(copied, copied.with_name("copy.png"))
    groups = []
    monkeypatch.setattr(
        "skcxr.cli._evaluate._run_fits", lambda *args: groups.append(args[4]) or args[5]
    )
    report = main(["evaluate", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")])
    files = report.data.filenames.tolist()
    same = groups[0] == groups[0][files.index("covid/copy.png")]
    assert [file for file, kept in zip(files, same, strict=True) if kept] == [
        f"covid/{copied.name}",
        "covid/copy.png",
    ]
    (pair,) = report.settings["near_duplicates"]
    assert pair["files"] == [f"covid/{copied.name}", "covid/copy.png"]
    assert "1 pair of near-duplicates, kept together" in capsys.readouterr().err


def test_only_train_is_used_where_there_is_a_split(folder, tmp_path):
    data = tmp_path / "split"
    for split in ("train", "test"):
        for name in ("covid", "normal"):
            (data / split / name).mkdir(parents=True)
    for i, file in enumerate(sorted(folder.glob("*/*.png"))):
        split = "test" if i in (0, 9) else "train"
        file.rename(data / split / file.parent.name / file.name)
    out = tmp_path / "out"
    assert evaluate("--data", data, "--cv", 3, "--out", out) == 0
    files = set(pd.read_csv(out / "predictions.csv")["file"])
    assert len(files) == 8
    assert all(file.startswith("train/") for file in files)
    unused = json.loads((out / "settings.json").read_text("utf-8"))["unused"]
    assert unused == {"test": sorted(f.relative_to(data).as_posix() for f in data.glob("test/*/*"))}
    assert len(unused["test"]) == 2
    page = (out / "report.html").read_text("utf-8")
    assert "2 images of the split test were not used." in page


def test_one_seed_one_result(folder, tmp_path):
    tables = []
    for i, seed in enumerate((3, 3, 4)):
        evaluate("--data", folder, "--cv", 2, "--seed", seed, "--out", tmp_path / str(i))
        table = pd.read_csv(tmp_path / str(i) / "predictions.csv")
        tables.append(table.sort_values(["arm", "row"])["p_covid"].to_numpy())
    np.testing.assert_array_equal(tables[0], tables[1])
    assert (tables[0] != tables[2]).any()


def test_phantoms_are_the_default_and_results_get_a_folder_of_their_own(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert evaluate("--cv", 2) == 0
    (out,) = (tmp_path / "skcxr-results").iterdir()
    assert (out / "table4.csv").exists()
    printed = capsys.readouterr().out
    assert printed.startswith("Phantoms (pass --data for your own images): ")
    assert "\n\nData check: " in printed


def test_fits_in_parallel(folder, tmp_path):
    assert evaluate("--data", folder, "--cv", 2, "--n-jobs", 2, "--out", tmp_path / "out") == 0
    assert len(list_finished(tmp_path / "out")) == 6


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--data", "nowhere"], "path 'nowhere' does not exist"),
        (
            ["--data", "{folder}/covid/0.png"],
            "is a file. Pass the folder that holds the images",
        ),
        (["--data", "{folder}/covid"], "must hold one sub-folder per class"),
        (["--data", "{folder}", "--cv", "5"], "class 'covid' has 4 images, fewer than --cv 5"),
        (["--data", "{folder}", "--groups", "nowhere.csv"], "groups must be a .*'nowhere.csv'"),
        (
            ["--data", "{folder}", "--groups", "{folder}/../patients.csv", "--cv", "3"],
            "class 'covid' has 2 patients, fewer than --cv 3 folds",
        ),
        (["--groups", "x.csv"], "--groups needs --data"),
        (["--grow", "0.5"], "factor must be a finite number >= 1, got 0.5"),
        (["--out", "{folder}"], "is not an empty folder"),
        (["--out", "{folder}/covid/0.png/out"], "out' cannot be created"),  # below a file
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(folder, capsys, args, message):
    (folder / "covid" / ".hidden").touch()
    args = [arg.format(folder=folder) for arg in args]
    before = sorted(folder.rglob("*"))
    assert evaluate(*args) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert re.match(rf"skcxr evaluate: error: .*{message}", captured.err)
    assert sorted(folder.rglob("*")) == before


def test_too_few_images_to_train_on_are_refused(folder, capsys):
    for i in (1, 2):
        (folder / "covid" / f"{i}.png").unlink()
    assert evaluate("--data", folder, "--cv", 2) == 2
    assert "class 'covid' would have 1 image to train on in one of" in capsys.readouterr().err


def test_a_split_without_train_is_refused(folder, capsys):
    (folder.parent / "split").mkdir()
    folder.rename(folder.parent / "split" / "test")
    assert evaluate("--data", folder.parent / "split") == 2
    assert "has no images in train/" in capsys.readouterr().err


def test_divergence_keeps_finished_folds_and_exits_with_1(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("skcxr.gan._training.LARGEST_LOSS", 0.0)
    assert evaluate("--data", folder, "--cv", 2, "--out", tmp_path / "out") == 1
    captured = capsys.readouterr()
    error = "skcxr evaluate: error: Arm 'dcgan' failed in fold 0: Class 'covid': DCGAN training "
    assert captured.err.startswith(f"{error}diverged")
    assert "error_score" not in captured.err
    assert captured.err.count("\n") == 1
    assert "classic: 5 images in 1 fold," in captured.out
    assert list_finished(tmp_path / "out") == ["classic", "duplicates"]


def test_an_empty_class_is_named(folder, capsys):
    (folder / "viral").mkdir()
    assert evaluate("--data", folder) == 2
    assert "empty class folder 'viral'" in capsys.readouterr().err


def test_a_broken_image_is_named(folder, capsys):
    (folder / "covid" / "broken.png").write_bytes(b"no image")
    assert evaluate("--data", folder) == 2
    error = capsys.readouterr().err
    assert "covid/broken.png" in error
    assert 'pass on_error="skip"' in error


def test_a_broken_image_can_be_left_out(folder, tmp_path, capsys):
    (folder / "covid" / "broken.png").write_bytes(b"no image")
    out = tmp_path / "out"
    assert evaluate("--data", folder, "--cv", 2, "--on-error", "skip", "--out", out) == 0
    error = capsys.readouterr().err
    assert re.match(
        r"Left out of .*: 1 of 11 files\n  covid/broken.png: not an image format", error
    )
    skipped = json.loads((out / "settings.json").read_text("utf-8"))["skipped"]
    assert list(skipped) == ["covid/broken.png"]


@pytest.mark.parametrize(
    "args", [["--cv", "1"], ["--gan-epochs", "x"], ["--image-size", "50"], ["--n-jobs", "0"]]
)
def test_values_out_of_range_exit_with_2(args, capsys):
    assert evaluate(*args) == 2
    assert args[0] in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signal for Ctrl-C of one process")
@pytest.mark.parametrize("n_jobs", ["1", "2"])
def test_interrupting_keeps_finished_folds(folder, tmp_path, n_jobs):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "skcxr", "evaluate", *QUICK, "--data", str(folder)]
    # The last arm would take minutes. It is interrupted once the first has finished a fold.
    command += ["--cv", "2", "--out", str(out), "--gan-epochs", "1000", "--n-jobs", n_jobs]
    # A shell's background job ignores Ctrl-C, and so do the processes that it starts.
    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, ignored)
    try:
        deadline = time.monotonic() + 60
        while not (out / "results.csv").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    n = int(re.search(r"Interrupted: (\d) of 6 fits had finished", stderr)[1])
    assert 1 <= n <= 4
    assert "Traceback" not in stderr
    arms = list_finished(out)
    assert set(arms) <= {"classic", "duplicates"}
    assert len(arms) == n
    assert re.search(r"^classic: \d+ images in \d folds?,", stdout, re.M)
    assert len(pd.read_csv(out / "predictions.csv")) == 5 * n
    assert len(list((out / "pipelines").iterdir())) == n


def interrupt_after(monkeypatch, n):
    """Let Ctrl-C come after `n` fits."""

    def fit_some(*args, **kwargs):
        yield from itertools.islice(fit_folds(*args, **kwargs), n)
        raise KeyboardInterrupt

    monkeypatch.setattr("skcxr.evaluation.fit_folds", fit_some)


def test_a_report_that_was_not_written_is_not_named(folder, tmp_path, capsys, monkeypatch):
    interrupt_after(monkeypatch, 0)
    out = tmp_path / "out"
    assert evaluate("--data", folder, "--cv", 2, "--out", out, "--json") == 130
    captured = capsys.readouterr()
    result = json.loads(captured.out)
    assert result.pop("plan")["n_images"] == 10
    assert result.pop("check")["near_duplicates"] == []
    assert result == {
        "pretraining_overlap": {},
        "folder": str(out),
        "report": None,
        "n_finished": dict.fromkeys(ARMS, 0),
    }
    assert f"Results are in {out}\n" in captured.err
    assert "report.html" not in captured.err
    assert not (out / "report.html").exists()


def test_only_finished_folds_are_counted(folder, tmp_path, capsys, monkeypatch):
    """Of 2 folds, classic and duplicates have finished both, and dcgan one."""
    interrupt_after(monkeypatch, 5)
    out = tmp_path / "out"
    assert evaluate("--data", folder, "--cv", 2, "--out", out) == 130
    captured = capsys.readouterr()
    assert "Interrupted: 5 of 6 fits had finished." in captured.err
    assert re.search(r"^dcgan: 5 images in 1 fold,", captured.out, re.M)
    for baseline in ("classic", "duplicates"):
        assert re.search(rf"dcgan .*{baseline}.* from 1 fold\)", captured.out)
    assert f"see {out / 'report.html'}" in captured.out
    page = (out / "report.html").read_text("utf-8")
    assert "1 of 2 folds" in page
    assert "on the same folds, as far as they finished" in page
    assert "same 2 folds" not in page


# Folders and disks


def test_one_class_is_refused_before_the_first_fit(folder, tmp_path, capsys):
    (folder / "normal").rename(tmp_path / "normal")
    out = tmp_path / "out"
    assert evaluate("--data", folder, "--cv", 2, "--out", out) == 2
    assert "A classifier needs two classes, got ['covid'] alone" in capsys.readouterr().err
    assert not out.exists()
    out.mkdir()
    assert evaluate("--data", folder, "--cv", 2, "--out", out) == 2
    assert list(out.iterdir()) == []


def test_a_folder_with_content_is_refused_before_the_images_are_read(
    folder, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("skcxr.datasets.load_image_folder", None)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").touch()
    assert evaluate("--data", folder, "--out", tmp_path / "out") == 2
    assert "out' is not an empty folder" in capsys.readouterr().err


@pytest.mark.parametrize("n_bytes", [100, 5000, 400_000])  # settings, fitted arm, tables or arm
def test_a_full_disk_leaves_no_truncated_file(folder, tmp_path, capsys, n_bytes):
    out = tmp_path / "out"
    with full_disk(n_bytes):
        code = evaluate("--data", folder, "--cv", 2, "--out", out)
    error = capsys.readouterr().err
    assert code == 2
    reason = "out' cannot be written: File too large. Free space, or pass another folder."
    assert f"{reason} The files of finished fits are kept." in error
    assert error.count("\n") == 1
    for file in out.rglob("*"):
        assert not file.name.startswith(".")
        if file.suffix == ".joblib":
            joblib.load(file)
        elif file.suffix == ".json":
            json.loads(file.read_text("utf-8"))


def test_runs_of_one_second_get_two_folders(tmp_path, monkeypatch):
    class Clock(datetime):
        @classmethod
        def now(cls):
            return cls(2026, 5, 4, 3, 2, 1)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("skcxr._base.files.datetime", Clock)
    names = [create_folder(None).name for _ in range(2)]
    assert names == ["2026-05-04-030201", "2026-05-04-030201-2"]


def test_samples_of_a_class_with_a_long_name(folder, tmp_path):
    """The names of its figures are longer than file systems allow."""
    long = "x" * 245
    (folder / "covid").rename(folder / long)
    out = tmp_path / "out"
    assert evaluate("--data", folder, "--cv", 2, "--out", out) == 0
    assert long in (out / "report.html").read_text("utf-8")
    assert len(list(out.glob("training-x*~*.png"))) == 1
    assert set(pd.read_csv(out / "predictions.csv")["true"]) == {long, "normal"}


@pytest.fixture
def misnamed(folder):
    """Return a folder whose name is not UTF-8, with one file whose name is not."""
    try:
        target = Path(os.fsdecode(os.fsencode(folder.parent) + b"/caf\xe9"))
        folder.rename(target)
        (target / "covid" / os.fsdecode(b"\xe9.png")).touch()
    except (OSError, UnicodeDecodeError):
        pytest.skip("this file system takes UTF-8 only")
    return target


def test_a_file_name_that_is_not_utf_8_is_refused_by_name(misnamed, tmp_path, capsys):
    out = tmp_path / "out"
    assert evaluate("--data", misnamed, "--out", out) == 2
    assert r"covid/\udce9.png: its path is not UTF-8" in capsys.readouterr().err
    assert not out.exists()


def test_names_that_are_not_utf_8_are_escaped_in_every_output(misnamed, tmp_path):
    out = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe9"))
    options = "--data", misnamed, "--on-error", "skip", "--cv", 2, "--out", out
    command = [sys.executable, "-m", "skcxr", "evaluate", *QUICK, *map(str, options)]
    done = subprocess.run(command, capture_output=True, check=True)
    assert rb"caf\udce9: covid 4, normal 6" in done.stdout
    assert rb"covid/\udce9.png: its path is not UTF-8" in done.stderr
    assert r"caf\udce9" in (out / "report.html").read_text("utf-8")
    assert json.loads((out / "settings.json").read_text("utf-8"))["data"] == str(misnamed)


def test_one_fit_per_core_is_the_default(monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 6)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert [choose_n_jobs(n) for n in (4, 8)] == [4, 6]
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert choose_n_jobs(8) == 1


def test_version_and_help(capsys):
    for args in (["--version"], ["--help"], ["evaluate", "--help"]):
        assert main(args) == 0
    printed = capsys.readouterr().out
    assert f"skcxr {skcxr.__version__}" in printed
    assert "--gan-epochs" in printed


def test_interrupting_while_images_are_read_prints_no_traceback(folder, capsys, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("skcxr.datasets.load_image_folder", interrupted)
    assert evaluate("--data", folder) == 130
    assert capsys.readouterr().err == "skcxr evaluate: error: interrupted\n"


def test_the_data_check_is_printed_first(folder, tmp_path, capsys):
    copy = Image.open(folder / "covid" / "0.png")
    copy.save(folder / "normal" / "copy.png")
    assert evaluate("--data", folder, "--cv", 2, "--out", tmp_path / "out") == 0
    printed = capsys.readouterr().out
    first, check = printed.split("\n\n")[:2]
    assert first.endswith("covid 4, normal 7")
    assert check.startswith("Data check: 2 findings\n- 1 group of near-duplicates has images of ")
    assert printed.index("covid/0.png and normal/copy.png") < printed.index("Arms duplicates")
    found = json.loads((tmp_path / "out" / "check.json").read_text("utf-8"))
    assert found["near_duplicates"][0]["across_classes"]
    settings = json.loads((tmp_path / "out" / "settings.json").read_text("utf-8"))
    (pair,) = settings["near_duplicates"]
    assert pair["files"] == ["covid/0.png", "normal/copy.png"]
    assert pair["similarity"] > 0.99
