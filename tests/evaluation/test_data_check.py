import json

import numpy as np
import pandas as pd
import pytest

from skcxr.datasets import make_chest_phantoms
from skcxr.evaluation import check_data
from skcxr.evaluation._data_check import _differ_in_size
from skcxr.evaluation._parts import cut_image_parts, find_constant_and_saturated
from skcxr.evaluation._shortcuts import (
    N_FOLDS,
    build_features,
    compare_with_maxima,
    permute_labels,
    predict_from_parts,
    score_labels,
    split_folds,
)


@pytest.fixture(scope="module")
def pool():
    """120 phantoms of 32x32 in four classes."""
    return make_chest_phantoms(120, image_size=32, random_state=7)


@pytest.fixture
def images(pool):
    """The images, which a test may change, and the names of their classes."""
    return pool.images.copy(), pool.target_names[pool.target]


def choose(y, name, share=0.8):
    """Return rows of a share of one class."""
    rows = np.flatnonzero(y == name)
    return rows[: round(share * len(rows))]


def list_alarms(check):
    """Return (part, class) of each alarm."""
    rows = check.table[check.table["alarm"]]
    return set(zip(rows["part"], rows["class"], strict=True))


# Shortcuts


def test_clean_phantoms_have_no_finding(images):
    check = check_data(*images, random_state=0)
    assert check.reading == ""
    assert check.limitation == ""
    assert not check.table["alarm"].any()


def test_a_corner_marker_is_found_in_the_corners(images):
    X, y = images
    X[choose(y, "covid"), 1:3, 1:3] = 255
    check = check_data(X, y, random_state=0)
    assert ("corners", "covid") in list_alarms(check)
    row = check.table.query("part == 'corners' and `class` == 'covid'").iloc[0]
    # 80 % of the class are marked, and nothing else is.
    assert 0.85 <= row["balanced_accuracy"] <= 0.95
    assert "covid can be recognised from the corners alone (0.9" in check.reading
    assert "chance 0.50): it may come from another hospital or device." in check.reading


def test_a_frame_offset_is_found(images):
    X, y = images
    rows = choose(y, "covid")
    X[rows, 1:] = X[rows, :-1]
    X[rows, 0] = 0
    assert ("image frame", "covid") in list_alarms(check_data(X, y, random_state=0))


def test_a_brighter_frame_is_found(images):
    X, y = images
    rows = choose(y, "covid")
    inner = X[rows, 2:-2, 2:-2].copy()
    X[rows] = np.minimum(X[rows], 245) + 10
    X[rows, 2:-2, 2:-2] = inner
    assert ("image frame", "covid") in list_alarms(check_data(X, y, random_state=0))


def test_the_centre_raises_no_alarm(images):
    X, y = images
    X[choose(y, "covid"), 12:20, 12:20] = 255
    check = check_data(X, y, random_state=0)
    assert check.reading == ""
    thumbnail = check.table.query("part == '8x8 thumbnail' and `class` == 'covid'").iloc[0]
    assert thumbnail["balanced_accuracy"] > 0.8


def predict_from_frames(X, y, groups, seed):
    """Return the p-values of the frame and of the corners."""
    folds = split_folds(y, groups, seed)
    rng = np.random.default_rng(seed)
    return predict_from_parts(cut_image_parts(X), y, groups, folds, rng)[1]


def test_few_clean_sets_raise_an_alarm():
    # The fast version of the study: about 5 % of sets without shortcuts may raise an alarm.
    y = np.repeat([0, 1, 2], 12)
    rng = np.random.default_rng(0)
    sets = [rng.normal(size=(36, 16, 16)).astype(np.float32) for _ in range(60)]
    alarms = [predict_from_frames(X, y, np.arange(36), 0).min() <= 0.05 for X in sets]
    # If 5 % do, more than 7 of 60 have a probability of 1 %.
    assert sum(alarms) <= 7


def test_labels_that_follow_patients_raise_no_alarm():
    # Four images of a patient share a frame, so they are not four independent images.
    groups = np.repeat(np.arange(24), 4)
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(40):
        X = rng.normal(size=(24, 16, 16))[groups] + 0.5 * rng.normal(size=(96, 16, 16))
        y = np.repeat(rng.permutation(np.arange(24) % 2), 4)
        alarms += predict_from_frames(X.astype(np.float32), y, groups, 0).min() <= 0.05
    # If 5 % do, more than 5 of 40 have a probability of 1 %.
    assert alarms <= 5


def test_two_classes_are_named_together(images):
    X, y = images
    rows = np.isin(y, ["covid", "normal"])
    X, y = X[rows], y[rows]
    X[y == "covid", :2, :2] = 255
    reading = check_data(X, y, random_state=0).reading
    assert reading.startswith("covid and normal can be recognised from the image frame alone (")
    assert "one of them may come from another hospital or device" in reading


def test_the_same_seed_gives_the_same_result(images):
    first, second = (check_data(*images, random_state=3).table for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_layouts_and_ranges_do_not_matter(images):
    X, y = images
    expected = check_data(X, y, random_state=0).table["balanced_accuracy"]
    flat = (X / 255).reshape(len(X), -1)
    color = np.repeat(X[:, None], 3, axis=1)
    for other in (flat, color):
        found = check_data(other, y, random_state=0).table["balanced_accuracy"]
        np.testing.assert_allclose(found, expected, atol=0.03)


def test_global_generators_are_left_alone(images, global_generators):
    check_data(*images, random_state=0)


# Metadata


@pytest.mark.parametrize(
    ("column", "part"),
    [("StationName", "station"), ("modality", "modality"), ("View Position", "view")],
)
def test_a_column_of_metadata_is_tested(images, column, part):
    X, y = images
    values = np.where(np.arange(len(y)) % 2, "one", "two").astype(object)
    values[choose(y, "covid")] = "three"
    values[choose(y, "normal", 0.1)] = None
    check = check_data(X, y, metadata=pd.DataFrame({column: values}), random_state=0)
    assert list_alarms(check) >= {(part, "covid")}
    assert f"covid can be recognised from the {part} alone (0.9" in check.reading


def test_original_shapes_are_tested(images):
    X, y = images
    metadata = pd.DataFrame({"height": 1024, "width": 1024}, index=range(len(y)))
    metadata.loc[choose(y, "covid"), "width"] = 900
    check = check_data(X, y, metadata=metadata, random_state=0)
    assert ("original shape", "covid") in list_alarms(check)
    assert "from the original shape alone (0.90" in check.reading


@pytest.mark.parametrize(("factor", "is_alarm"), [(1.1, False), (1.5, True)])
def test_file_sizes_must_differ_by_more_than_content_does(images, factor, is_alarm):
    X, y = images
    sizes = np.random.default_rng(0).normal(1e5, 2e3, len(y))
    sizes[y == "covid"] *= factor
    check = check_data(X, y, metadata=pd.DataFrame({"file_size": sizes}), random_state=0)
    assert (("file size", "covid") in list_alarms(check)) == is_alarm
    row = check.table.query("part == 'file size' and `class` == 'covid'").iloc[0]
    assert row["p_value"] == 0.002


def test_sizes_of_classes_are_compared_by_medians():
    metadata = pd.DataFrame({"file_size": [10.0, 10, 10, 13, 13, np.nan]})
    assert _differ_in_size(metadata, np.array([0, 0, 0, 1, 1, 1]), 0)
    assert not _differ_in_size(metadata, np.array([0, 0, 1, 0, 0, 1]), -1)


def test_other_columns_and_equal_values_raise_no_alarm(images):
    X, y = images
    metadata = pd.DataFrame({"finding": y, "station": "A", "height": 64, "width": 64})
    check = check_data(X, y, metadata=metadata, random_state=0)
    assert check.reading == ""
    assert set(check.table["part"]) >= {"station", "original shape"}
    assert not check.table["part"].str.contains("finding").any()


def test_a_structured_array_is_metadata_too(images):
    X, y = images
    metadata = np.array([("CR",)] * len(y), dtype=[("modality", object)])
    assert "modality" in set(check_data(X, y, metadata=metadata, random_state=0).table["part"])


# Near-duplicates


@pytest.fixture(scope="module")
def detailed():
    """20 phantoms of 64x64, the last of which is a darker copy of the first."""
    phantoms = make_chest_phantoms(20, random_state=0)
    phantoms.images[19] = phantoms.images[0] // 2
    return phantoms.images


def test_near_duplicates_across_patients_and_classes_are_named(detailed):
    y = np.array(["a"] * 10 + ["b"] * 10)
    files = [f"{k}/{i}.png" for i, k in enumerate(y)]
    check = check_data(detailed, y, np.arange(20), filenames=files, random_state=0)
    (group,) = check.near_duplicates
    assert group["rows"] == [0, 19]
    assert group["across_patients"]
    assert group["across_classes"]
    assert not group["across_splits"]
    assert check.reading.splitlines() == [
        "1 group of near-duplicates has images of several classes, so that labels contradict each "
        "other: a/0.png and b/19.png.",
        "1 group of near-duplicates has images of several patients, who may be one: a/0.png and "
        "b/19.png.",
    ]


def test_near_duplicates_of_one_patient_are_no_finding(detailed):
    y = np.array(["a", "b"] * 10)
    y[19] = y[0]
    groups = np.arange(20)
    groups[19] = 0
    check = check_data(detailed, y, groups, split=["train"] * 20, random_state=0)
    assert len(check.near_duplicates) == 1
    assert check.reading == ""


def test_near_duplicates_and_patients_across_a_split_are_found(detailed):
    y = np.array(["a", "b"] * 10)
    y[19] = y[0]
    groups = np.arange(20)
    groups[19] = 0
    split = np.array(["train"] * 10 + ["test"] * 10)
    check = check_data(detailed, y, groups, split=split, random_state=0)
    assert check.near_duplicates[0]["across_splits"]
    assert check.images["shared_patient"].tolist() == [0, 19]
    assert "images in several splits, so that results are too good: row 0 and row 19." in (
        check.reading
    )
    assert "2 images show patients who are in several splits" in check.reading


def test_without_groups_near_duplicates_belong_in_one_fold(detailed):
    y = np.array(["a", "b"] * 10)
    y[19] = y[0]
    assert check_data(detailed, y, random_state=0).reading == (
        "1 group of near-duplicates has several images of one radiograph, which belong in one "
        "fold: row 0 and row 19."
    )


# Images and classes


def test_constant_saturated_and_lateral_images_are_named(images):
    X, y = images
    X[3] = 9
    X[5, :20] = 255
    view = np.full(len(y), "PA", dtype=object)
    view[[7, 8]] = ["LL", "Lateral"]
    check = check_data(X, y, metadata=pd.DataFrame({"view": view}), random_state=0)
    assert check.images["constant"].tolist() == [3]
    assert check.images["saturated"].tolist() == [5]
    assert check.images["lateral"].tolist() == [7, 8]
    assert check.reading.splitlines() == [
        "1 image has one gray value: row 3.",
        "1 image is saturated: row 5.",
        "2 images are lateral views: row 7 and row 8.",
    ]
    assert check.classes[["constant", "saturated", "lateral"]].sum().tolist() == [1, 1, 2]


def test_black_margins_are_not_saturation():
    images = np.full((2, 10, 10), 100)
    images[0, :4] = 0
    images[:, 9, 9] = 255
    images[1, :5] = 0
    assert find_constant_and_saturated(images)[1].tolist() == [False, True]


def test_classes_are_counted_in_images_and_patients():
    X = np.random.default_rng(0).random((7, 16, 16))
    check = check_data(X, [0, 0, 0, 0, 1, 1, 1], ["a", "a", "a", "b", "c", "d", "e"])
    assert check.classes.loc[0, ["n_images", "n_patients", "most_images"]].tolist() == [4, 2, 3]
    assert check.classes.loc[1, ["n_images", "n_patients", "most_images"]].tolist() == [3, 3, 1]


# What could not be checked


def test_a_class_of_few_patients_is_left_out_of_the_tests(images):
    X, y = images
    rows = np.concatenate([np.flatnonzero(y != "covid"), np.flatnonzero(y == "covid")[:4]])
    check = check_data(X[rows], y[rows], random_state=0)
    assert "covid" not in set(check.table["class"])
    assert check.limitation == (
        "The tests for shortcuts leave out covid (4 patients): they take 5 patients per class."
    )


def test_one_class_has_no_test_for_shortcuts(images):
    X, _ = images
    check = check_data(X[:9], ["a"] * 9)
    assert check.table.empty
    assert check.limitation == (
        "There was no test for shortcuts: it takes two classes of 5 patients each."
    )


def test_tiny_images_have_no_search_for_near_duplicates():
    X = np.random.default_rng(0).random((20, 8, 8))
    check = check_data(X, ["a", "b"] * 10, random_state=0)
    assert check.limitation.splitlines()[0] == (
        "The images are too small to look for near-duplicates."
    )


def test_alarms_out_of_reach_are_said():
    X = np.random.default_rng(0).random((12, 16, 16))
    y = ["a"] * 6 + ["b"] * 6
    check = check_data(X, y, random_state=0)
    assert (check.table["alarm_above"] >= 1).any() == ("too few patients" in check.limitation)


# The result


def test_the_result_is_json(images):
    X, y = images
    X[choose(y, "covid"), :2, :2] = 255
    X[0] = 0
    files = np.array([f"{i}.png" for i in range(len(y))])
    check = check_data(X, y, filenames=files, random_state=0)
    found = json.loads(json.dumps(check.to_dict()))
    assert found["reading"] == check.reading.splitlines()
    assert found["images"]["constant"] == ["0.png"]
    assert found["table"][0]["part"] == "image frame"
    assert found["table"][-1]["p_value"] is None
    assert found["classes"][0]["class"] == "covid"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": [1]}, "groups holds 1 label"),
        ({"split": ["train"]}, "split holds 1 label"),
        ({"filenames": ["a"]}, "filenames holds 1 label"),
        ({"metadata": pd.DataFrame({"view": ["PA"]})}, "metadata holds 1 row, but X holds 120"),
    ],
)
def test_other_lengths_are_refused(images, options, message):
    with pytest.raises(ValueError, match=message):
        check_data(*images, **options)


def test_metadata_of_another_type_is_refused(images):
    with pytest.raises(TypeError, match="metadata must be a DataFrame, a structured array or None"):
        check_data(*images, metadata=["PA"] * 120)


def test_images_with_nan_are_refused():
    X = np.full((10, 16, 16), np.nan)
    with pytest.raises(ValueError, match="X holds NaN or infinity"):
        check_data(X, ["a", "b"] * 5)


# Statistics


def test_patients_exchange_labels_within_folds():
    patients = np.array([0, 0, 0, 1, 2, 3, 4, 5])
    folds = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    y = np.array([0, 0, 0, 1, 2, 5, 6, 7])
    permuted = permute_labels(y, patients, folds, 50, np.random.default_rng(0))
    for labels in permuted:
        assert len(set(labels[:3])) == 1
        assert sorted({labels[0], labels[3], labels[4]}) == [0, 1, 2]
        assert sorted(labels[5:]) == [5, 6, 7]
    assert len({tuple(labels) for labels in permuted}) > 20


def test_labels_that_differ_within_a_patient_move_together():
    patients = np.array([0, 0, 1, 1, 2])
    y = np.array([0, 1, 2, 2, 3])
    for labels in permute_labels(y, patients, np.zeros(5, dtype=int), 20, np.random.default_rng(0)):
        assert sorted(labels[:2]) in ([0, 1], [2, 2], [3, 3])
        assert sorted(labels[2:4]) in ([0, 1], [2, 2], [3, 3])


def test_patients_in_any_order_exchange_labels():
    patients = np.array([3, 1, 3, 0, 1])
    y = np.array([3, 1, 3, 0, 1])
    permuted = permute_labels(y, patients, np.zeros(5, dtype=int), 30, np.random.default_rng(0))
    assert (permuted[:, 0] == permuted[:, 2]).all()
    assert (permuted[:, 1] == permuted[:, 4]).all()
    assert all(set(labels) == {0, 1, 3} for labels in permuted)


def test_folds_hold_patients_together_and_are_stratified():
    patients = np.repeat(np.arange(40), 2)
    y = np.repeat(np.arange(40) % 2, 2)
    folds = split_folds(y, patients, 0)
    assert (folds[::2] == folds[1::2]).all()
    for fold in range(N_FOLDS):
        assert np.bincount(y[folds == fold]).tolist() == [8, 8]


def test_scores_are_those_of_a_ridge_regression():
    rng = np.random.default_rng(0)
    X = build_features([rng.normal(size=(60, 7)).astype(np.float32)])
    y = (X[:, 0] + 0.05 * rng.normal(size=60) > 0).astype(int)
    folds = np.arange(60) % N_FOLDS
    predicted = np.empty(60)
    for fold in range(N_FOLDS):
        train = folds != fold
        predict = _fit_ridge(X[train], y[train])
        left_out = np.array(
            [
                _fit_ridge(np.delete(X[train], i, 0), np.delete(y[train], i), X[train].mean(0))(x)
                for i, x in enumerate(X[train])
            ]
        )
        middle = (left_out[y[train] == 1].mean() + left_out[y[train] == 0].mean()) / 2
        predicted[~train] = [predict(x) > middle for x in X[~train]]
    expected = ((predicted[y == 1] == 1).mean() + (predicted[y == 0] == 0).mean()) / 2
    scores = score_labels(X, y[None], 2, folds)[0]
    np.testing.assert_allclose(scores, expected, atol=0.02)


def _fit_ridge(X, y, centre=None):
    """Return the predictions of a ridge regression with a penalty of 1 and a free intercept."""
    mean = X.mean(0)
    weights = np.linalg.solve((X - mean).T @ (X - mean) + np.eye(X.shape[1]), (X - mean).T @ y)
    return lambda x: (x - mean) @ weights + y.mean()


def test_the_maximum_holds_the_level_for_all_statistics():
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(200):
        p_values, _ = compare_with_maxima(rng.normal(size=(500, 4, 5)) * np.arange(1, 6))
        alarms += (p_values <= 0.05).any()
    assert alarms <= 18


def test_limits_are_where_alarms_begin():
    rng = np.random.default_rng(0)
    for _ in range(20):
        accuracies = rng.normal(size=(500, 2, 3))
        accuracies[0] += 2.5
        p_values, limits = compare_with_maxima(accuracies)
        assert ((accuracies[0] > limits + 1e-5) == (p_values <= 0.05)).all()


def test_constant_statistics_have_no_limit():
    p_values, limits = compare_with_maxima(np.full((500, 1), 0.5))
    assert p_values.tolist() == [1]
    assert np.isnan(limits).all()
