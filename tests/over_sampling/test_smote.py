"""ImageSMOTE: imbalanced-learn's SMOTE on images in any layout, dtype and range."""

import io
import re

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import Pipeline
from scipy import sparse
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import NearestNeighbors

from skcxr.evaluation import compare, duplicates_of
from skcxr.over_sampling import ImageSMOTE, grow
from skcxr.persistence import TRUSTED_TYPES


def test_blends_of_floats_are_those_of_smote(phantoms):
    X = phantoms.data / 255
    smote = ImageSMOTE(sampling_strategy=grow(2), k_neighbors=3, random_state=0)
    resampled, y = smote.fit_resample(X.reshape(-1, 16, 16), phantoms.target)
    expected, labels = SMOTE(sampling_strategy=grow(2), k_neighbors=3, random_state=0).fit_resample(
        X, phantoms.target
    )
    np.testing.assert_array_equal(resampled.reshape(96, -1), expected)
    np.testing.assert_array_equal(y, labels)


@pytest.mark.parametrize("shape", [(256,), (16, 16), (1, 16, 16)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int64", "float16", "float64"])
def test_layout_and_dtype_are_kept(phantoms, shape, dtype):
    X = phantoms.data.reshape(-1, *shape).astype(dtype)
    smote = ImageSMOTE(sampling_strategy=grow(1.5), random_state=0)
    resampled, y = smote.fit_resample(X, phantoms.target)
    assert resampled.shape == (72, *shape)
    assert resampled.dtype == dtype
    np.testing.assert_array_equal(resampled[:48], X)
    np.testing.assert_array_equal(y[:48], phantoms.target)
    np.testing.assert_array_equal(smote.synthetic_mask_, np.arange(72) >= 48)
    assert np.bincount(y).tolist() == [18, 18, 18, 18]


def test_color_images_are_blended_as_a_whole(phantoms):
    X = np.repeat(phantoms.images[:, None], 3, axis=1)
    resampled, _ = ImageSMOTE(sampling_strategy=grow(2), random_state=0).fit_resample(
        X, phantoms.target
    )
    np.testing.assert_array_equal(resampled[:, 0], resampled[:, 2])


def test_integers_are_rounded_and_do_not_wrap_around():
    # Two images of a class: each blend is a + t (b - a), with negative differences among them.
    X = np.array([[0, 250], [250, 0], [9, 9], [9, 9], [9, 9]], dtype=np.uint8)
    y = ["pair", "pair", "rest", "rest", "rest"]
    smote = ImageSMOTE(sampling_strategy={"pair": 60}, k_neighbors=1, random_state=0)
    X_new = smote.fit_resample(X, y)[0][5:]
    assert set(X_new.astype(int).sum(axis=1)) <= {249, 250, 251}
    floats = ImageSMOTE(sampling_strategy={"pair": 60}, k_neighbors=1, random_state=0)
    exact = floats.fit_resample(X.astype(np.float32), y)[0][5:]
    np.testing.assert_array_equal(X_new, np.rint(exact))


def test_blends_stay_within_the_range_of_the_images():
    X = np.random.default_rng(0).uniform(-0.3, 0.7, (20, 16)).astype(np.float32)
    X[:, 0] = 0.7
    X[:, 1] = -0.3
    resampled, _ = ImageSMOTE(sampling_strategy=grow(20), random_state=0).fit_resample(
        X, np.repeat([0, 1], 10)
    )
    assert resampled.min() == X.min()
    assert resampled.max() == X.max()


def test_tables_keep_integer_columns():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.integers(0, 255, 20), "b": rng.uniform(size=20)})
    resampled, _ = ImageSMOTE(sampling_strategy=grow(2), random_state=0).fit_resample(
        table, np.repeat([0, 1], 10)
    )
    assert resampled["a"].dtype == table["a"].dtype
    exact, _ = SMOTE(sampling_strategy=grow(2), random_state=0).fit_resample(
        table.astype(float), np.repeat([0, 1], 10)
    )
    np.testing.assert_array_equal(resampled["a"], np.rint(exact["a"]))
    np.testing.assert_allclose(resampled["b"], exact["b"])


def test_sparse_in_sparse_out(phantoms):
    X = sparse.csr_matrix(phantoms.data)
    smote = ImageSMOTE(sampling_strategy=grow(2), random_state=0)
    resampled, _ = smote.fit_resample(X, phantoms.target)
    dense, _ = smote.fit_resample(phantoms.data, phantoms.target)
    assert resampled.format == "csr"
    np.testing.assert_array_equal(resampled.toarray(), dense)


def test_classes_that_do_not_grow_may_be_small(phantoms):
    y = np.where(np.arange(48) < 2, "rare", "common")
    resampled, _ = ImageSMOTE(sampling_strategy={"common": 50}).fit_resample(phantoms.images, y)
    assert len(resampled) == 52


@pytest.mark.parametrize("k_neighbors", [5, NearestNeighbors(n_neighbors=6)])
def test_too_many_neighbors_name_the_class_its_size_and_a_way_out(phantoms, k_neighbors):
    y = np.where(np.arange(48) < 4, "covid", "normal")
    message = (
        f"Class 'covid' has 4 images, but k_neighbors={k_neighbors!r} needs 6 or more. Pass "
        "k_neighbors=3 or less, leave the class out of sampling_strategy, or add images."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        ImageSMOTE(k_neighbors=k_neighbors).fit_resample(phantoms.images, y)


def test_a_class_of_one_image_cannot_be_blended(phantoms):
    y = np.where(np.arange(48) < 1, "covid", "normal")
    with pytest.raises(ValueError, match=r"'covid' has 1 image, but .*or more\. Leave the class"):
        ImageSMOTE().fit_resample(phantoms.images, y)


def test_a_comparison_refuses_too_many_neighbors_before_anything_is_trained(phantoms, tiny_clf):
    y = np.where(np.arange(48) < 8, "covid", "normal")
    smote = Pipeline([("smote", ImageSMOTE(sampling_strategy=grow(2))), ("clf", tiny_clf)])
    with pytest.raises(ValueError, match="Arm 'smote' cannot be trained in fold 0: Class 'covid'"):
        compare({"classic": tiny_clf, "smote": smote}, phantoms.images, y, cv=StratifiedKFold(2))


def test_its_control_has_as_many_duplicates(phantoms, tiny_clf):
    smote = Pipeline([("smote", ImageSMOTE(sampling_strategy=grow(2))), ("clf", tiny_clf)])
    control = duplicates_of(smote)
    X, y = control["smote"].fit_resample(phantoms.images, phantoms.target)
    assert X.shape == (96, 16, 16)
    assert np.bincount(y).tolist() == [24, 24, 24, 24]


def test_it_runs_in_a_pipeline_on_images(phantoms, tiny_clf):
    pipe = Pipeline([("smote", ImageSMOTE(sampling_strategy=grow(2))), ("clf", tiny_clf)])
    assert np.isfinite(cross_val_score(pipe, phantoms.images, phantoms.target, cv=2)).all()


def test_one_seed_one_result(phantoms, global_generators):
    smote = ImageSMOTE(sampling_strategy=grow(2), random_state=3)
    first, _ = smote.fit_resample(phantoms.images, phantoms.target)
    again, _ = smote.fit_resample(phantoms.images, phantoms.target)
    np.testing.assert_array_equal(first, again)


def test_joblib_and_skops_restore_it_without_any_image(phantoms):
    smote = ImageSMOTE(sampling_strategy=grow(2), random_state=0)
    X, _ = smote.fit_resample(phantoms.images, phantoms.target)
    file = io.BytesIO()
    joblib.dump(smote, file)
    # Images would take 12 kB, and the mask takes 96 bytes.
    assert len(file.getvalue()) < 4000
    file.seek(0)
    data = skops.io.dumps(smote)
    assert set(skops.io.get_untrusted_types(data=data)) <= set(TRUSTED_TYPES)
    for loaded in (joblib.load(file), skops.io.loads(data, trusted=list(TRUSTED_TYPES))):
        assert loaded.synthetic_mask_.sum() == 48
        np.testing.assert_array_equal(loaded.fit_resample(phantoms.images, phantoms.target)[0], X)
