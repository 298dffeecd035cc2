"""CXRFeatures: features of images as a transformer."""

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcxr import CXRFeatures
from skcxr.datasets import make_chest_phantoms
from skcxr.metrics.features import feature_extractor
from skcxr.persistence import TRUSTED_TYPES


@pytest.fixture(scope="module")
def images():
    """40 phantoms of 32x32."""
    return make_chest_phantoms(40, image_size=32, random_state=0)


def test_the_features_are_those_of_the_metrics(images):
    expected = feature_extractor("cxr", images.images)(images.images)
    np.testing.assert_allclose(CXRFeatures().fit_transform(images.images), expected, rtol=1e-6)


def test_all_layouts_give_the_same_features(images):
    flat = CXRFeatures().fit_transform(images.data)
    channels = CXRFeatures().fit_transform(images.images[:, None])
    np.testing.assert_allclose(flat, channels, rtol=1e-6)


def test_new_images_are_scaled_as_those_of_fit(images):
    features = CXRFeatures().fit(images.images)
    dark = features.transform(images.images // 2)
    assert not np.allclose(dark, CXRFeatures().fit_transform(images.images // 2))


def test_a_row_does_not_depend_on_the_others(images):
    features = CXRFeatures().fit(images.images)
    together = features.transform(images.images)
    assert np.array_equal(features.transform(images.images[3:4]), together[3:4])


def test_names_of_features_and_tables(images):
    features = CXRFeatures().set_output(transform="pandas").fit(images.images)
    table = features.transform(images.images)
    assert isinstance(table, pd.DataFrame)
    assert table.columns.tolist() == features.get_feature_names_out().tolist()
    assert table.columns[0] == "cxrfeatures0"


def test_a_callable_is_called_with_the_images_as_passed(images):
    shapes = []

    def measure_brightness(X):
        shapes.append(X.shape)
        return X.reshape(len(X), -1).mean(axis=1, keepdims=True)

    features = CXRFeatures(measure_brightness).fit(images.images)
    result = features.transform(images.images)
    np.testing.assert_allclose(result[:, 0], images.images.mean(axis=(1, 2)))
    assert shapes == [(1, 32, 32), (40, 32, 32)]


def test_a_linear_classifier_on_sixty_radiographs_per_class(data_folder):
    """Normal against bacterial pneumonia. 0.85 is far from the 0.5 of features without content."""
    kermany = np.load(data_folder / "kermany64.npz", allow_pickle=True)
    classes = ("normal", "pneumonia_bac")
    rows = np.concatenate([np.flatnonzero(kermany["y"] == k)[:60] for k in classes])
    probe = make_pipeline(CXRFeatures(), StandardScaler(), LogisticRegression(C=0.01))
    scores = cross_val_score(probe, kermany["X"][rows], kermany["y"][rows].astype(str), cv=4)
    assert scores.mean() > 0.85


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ("pixels", ValueError, "weights='pixels' must be 'cxr', a path"),
        ("nowhere", ValueError, "weights='nowhere' must be 'cxr'"),
        ("nowhere.safetensors", FileNotFoundError, "weights='nowhere.safetensors': there is no"),
        (lambda X: X.mean(), ValueError, r"weights='<lambda>' returned shape \(\) for 1 image"),
        (3, ValueError, "'weights' parameter of CXRFeatures must be"),
    ],
)
def test_unknown_weights_are_refused_by_fit(images, weights, error, message):
    with pytest.raises(error, match=message):
        CXRFeatures(weights).fit(images.images)


def test_skops_round_trip(images):
    features = CXRFeatures().fit(images.images)
    loaded = skops.io.loads(skops.io.dumps(features), trusted=TRUSTED_TYPES)
    expected = features.transform(images.images)
    assert np.array_equal(loaded.transform(images.images), expected)
    assert clone(loaded).get_params() == features.get_params()
