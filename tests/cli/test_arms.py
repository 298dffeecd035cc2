"""The arms of skcxr evaluate: their names, their control, and what they are built of."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from skcxr import ConditionalDCGANOversampler, CXRClassifier, CXRFeatures, DCGANOversampler
from skcxr.cli import main
from skcxr.cli._arms import ARMS, build_arms, describe_arms
from skcxr.cli._phantoms import make_flawed_phantoms
from skcxr.datasets import make_chest_phantoms
from skcxr.evaluation import fit_folds
from skcxr.over_sampling import ImageSMOTE
from skcxr.over_sampling._duplicates import DuplicateOversampler

QUICK = ["--image-size", "16", "--epochs", "1", "--gan-epochs", "1", "--gan-width", "2"]
QUICK += ["--n-jobs", "1", "--cv", "2"]


@pytest.fixture
def planned(monkeypatch):
    """Collect the arms of an evaluation, which is not run."""
    arms = {}

    def collect(args, data, estimators, cv, groups, report):
        arms.update(estimators)
        return 0

    monkeypatch.setattr("skcxr.cli._evaluate._run_fits", collect)
    return arms


def evaluate(out, *args):
    return main(["evaluate", *QUICK, "--out", str(out), *args])


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([], ["classic", "duplicates", "smote", "dcgan"]),
        (["--arms", "classic"], ["classic"]),
        (["--arms", "probe,classic"], ["classic", "probe"]),
        (["--arms", "dcgan", "--arms", "classic"], ["classic", "duplicates", "dcgan"]),
        (["--arms", "smote, conditional"], ["duplicates", "smote", "conditional"]),
    ],
)
def test_arms_are_chosen_by_name_and_arms_that_add_images_have_a_control(
    planned, tmp_path, args, expected
):
    assert evaluate(tmp_path / "out", *args) == 0
    assert list(planned) == expected
    settings = json.loads((tmp_path / "out" / "settings.json").read_text("utf-8"))
    assert settings["arms"] == {name: ARMS[name].meaning for name in expected}


@pytest.mark.parametrize("names", ["classic,gan", "", "classic,"])
def test_an_unknown_arm_is_refused_and_the_known_ones_are_listed(tmp_path, capsys, names):
    assert evaluate(tmp_path / "out", "--arms", names) == 2
    error = capsys.readouterr().err
    assert re.search(r"'(gan)?' is not an arm", error)
    assert ", ".join(ARMS) in " ".join(error.split())
    assert not (tmp_path / "out").exists()


def test_each_arm_is_built_as_it_says(planned, tmp_path):
    # The last two need another image size and a pool: tests/cli/test_pool.py builds them.
    names = list(ARMS)[:-2]
    evaluate(tmp_path / "out", "--arms", ",".join(names), "--grow", "1.5", "--seed", "4")
    assert type(planned["classic"]) is CXRClassifier
    assert type(planned["probe"][0]) is CXRFeatures
    samplers = {name: planned[name][0] for name in ("duplicates", "smote", "dcgan", "conditional")}
    assert [type(sampler) for sampler in samplers.values()] == [
        DuplicateOversampler,
        ImageSMOTE,
        DCGANOversampler,
        ConditionalDCGANOversampler,
    ]
    for name, sampler in samplers.items():
        assert sampler.sampling_strategy.factor == 1.5
        assert sampler.random_state == 4
        assert planned[name][1].get_params() == planned["classic"].get_params()


def test_smote_has_fewer_neighbors_where_a_class_is_small():
    args = SimpleNamespace(arms=["smote"], epochs=None, seed=0, grow=2.0)
    assert build_arms(args, 4)["smote"][0].k_neighbors == 3
    assert build_arms(args, 60)["smote"][0].k_neighbors == 5
    assert (
        "Arm smote: 3 neighbors in place of 5, since a class has only 4 training images in a fold"
        in describe_arms(args, 4)
    )
    assert "neighbors" not in " ".join(describe_arms(args, 60))


def test_the_probe_says_that_its_network_may_know_the_images(planned, tmp_path, capsys):
    evaluate(tmp_path / "out", "--arms", "probe")
    assert "trained on 2,012 labelled images of the Kermany set" in capsys.readouterr().out
    assert "its scores are too high" in " ".join(ARMS["probe"].meaning.split()).replace(
        "this arm knows their classes, and its", "its"
    )


def test_the_smote_arm_passes_no_test_image_to_smote(monkeypatch):
    seen = []
    original = ImageSMOTE.fit_resample

    def record(self, X, y):
        seen.append(X.copy())
        return original(self, X, y)

    monkeypatch.setattr(ImageSMOTE, "fit_resample", record)
    phantoms = make_chest_phantoms(24, image_size=16, random_state=0)
    args = SimpleNamespace(arms=["smote"], epochs=1, seed=0, grow=2.0)
    arms = build_arms(args, 3)
    results = list(fit_folds(arms, phantoms.data, phantoms.target, cv=2))
    for result, X in zip(results, seen, strict=True):
        np.testing.assert_array_equal(X, phantoms.data[result.train])


def test_arms_are_ranked_with_their_cost_and_compared_with_the_control(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("skcxr.report._folder.Report._inspect_samples", lambda self, result: None)
    out = tmp_path / "out"
    assert evaluate(out, "--arms", "classic,smote,probe", "--json") == 0
    captured = capsys.readouterr()
    result = json.loads(captured.out)
    summary = pd.DataFrame(result["summary"]).T
    scores = [result["summary"][arm]["score"] for arm in result["ranking"]]
    assert scores == sorted(scores, reverse=True)
    assert (summary["fit_seconds"] > 0).all()
    assert "Arms by accuracy, best first" in captured.err
    assert sum("smote" in line and "duplicates" in line for line in result["reading"]) == 1
    assert not any("probe" in line and "duplicates" in line for line in result["reading"])
    page = (out / "report.html").read_text("utf-8")
    assert "Seconds per fit" in page
    assert ARMS["probe"].meaning.split(". ")[0] in page


def test_phantoms_hold_a_rare_class_and_a_marker_in_most_covid_images():
    clean = make_chest_phantoms([30, 42, 18, 30], random_state=3)
    flawed = make_flawed_phantoms(64, 3)
    np.testing.assert_array_equal(flawed.target, clean.target)
    is_changed = (flawed.images != clean.images).any(axis=(1, 2))
    assert set(flawed.target_names[flawed.target[is_changed]]) == {"covid"}
    corner = flawed.images[:, 1:6, 55:63]
    assert np.count_nonzero((corner == 255).all(axis=(1, 2)) & (flawed.target == 3)) == 24
    assert not (corner == 255).all(axis=(1, 2))[flawed.target != 3].any()
    # Nothing but the corner is drawn over, and rows hold the same pixels.
    unmarked = flawed.images.copy()
    unmarked[:, :6, 55:] = clean.images[:, :6, 55:]
    np.testing.assert_array_equal(unmarked, clean.images)
    np.testing.assert_array_equal(flawed.data, flawed.images.reshape(120, -1))


def test_the_planted_flaws_are_described_before_anything_runs(planned, tmp_path, capsys):
    evaluate(tmp_path / "out")
    printed = capsys.readouterr().out
    assert printed.startswith("Phantoms (pass --data for your own images): normal 30, ")
    assert "24 of 30 images of covid show a white marker in the upper right corner" in printed
    assert planned["classic"].max_epochs == 1
    assert main(["evaluate", "--out", str(tmp_path / "default")]) == 0
    assert planned["classic"].max_epochs == 75
