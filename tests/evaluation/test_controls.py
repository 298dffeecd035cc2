import numpy as np
import pytest
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import Pipeline
from sklearn.linear_model import LogisticRegression

from skcxr import DCGANOversampler
from skcxr.evaluation import duplicates_of
from skcxr.over_sampling import grow


def test_duplicates_grow_to_the_same_counts(phantoms):
    sampler = DCGANOversampler(sampling_strategy=grow(1.5), random_state=7)
    pipe = Pipeline([("gan", sampler), ("clf", LogisticRegression())])
    control = duplicates_of(pipe)
    assert isinstance(control["gan"], RandomOverSampler)
    _, grown = control["gan"].fit_resample(phantoms.data, phantoms.target)
    np.testing.assert_array_equal(np.bincount(grown), [18] * 4)
    assert control["gan"].random_state == 7
    assert pipe["gan"] is sampler


def test_a_pipeline_without_a_sampler_is_refused():
    with pytest.raises(ValueError, match="pipeline has no step that samples, got Pipeline"):
        duplicates_of(Pipeline([("clf", LogisticRegression())]))


def test_duplicates_do_not_depend_on_the_layout(phantoms):
    control = duplicates_of(Pipeline([("gan", DCGANOversampler(random_state=7)), ("clf", None)]))
    rows, y = phantoms.data[:-9], phantoms.target[:-9]
    expected, _ = control["gan"].fit_resample(rows, y)
    for shape in ((16, 16), (1, 16, 16)):
        X, _ = control["gan"].fit_resample(rows.reshape(-1, *shape), y)
        assert X.shape[1:] == shape
        np.testing.assert_array_equal(X.reshape(len(X), -1), expected)
    assert len(expected) > len(rows)
