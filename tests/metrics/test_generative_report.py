import numpy as np
import pandas as pd
import pytest

from skcxr.metrics import (
    frechet_distance,
    generative_report,
    inception_score,
    intra_diversity,
    kernel_distance,
    precision_recall_density_coverage,
)
from skcxr.metrics.features import FeatureExtractor

rng = np.random.default_rng(0)
REAL, FAKE, UNSEEN = (rng.normal(shift, 1, (n, 9)) for n, shift in ((40, 0), (30, 0.5), (20, 0)))


def same(X):
    return X


def test_without_subsampling_each_value_is_that_of_its_function():
    """With equal numbers of synthetic and unseen images, all of them are used."""
    unseen = rng.normal(0, 1, (30, 9))
    report = generative_report(REAL, FAKE, unseen=unseen, features=same, k=3, random_state=0)
    for column, X in (("synthetic", FAKE), ("real", unseen)):
        kernel = kernel_distance(REAL, X, n_permutations=0).value
        figures = precision_recall_density_coverage(REAL, X, 3)
        assert report.loc["kernel distance", column] == pytest.approx(kernel)
        assert report.loc["Frechet distance", column] == pytest.approx(frechet_distance(REAL, X))
        assert report.loc["diversity", column] == pytest.approx(intra_diversity(X))
        assert tuple(report.loc[list(figures._fields), column]) == pytest.approx(figures)


def test_both_columns_compare_sets_of_equal_sizes():
    """A perfect generator has the real column's value in every metric, bias and all."""
    reports = []
    for seed in range(30):
        draw = np.random.default_rng(seed).normal(size=(120, 16))
        reports.append(generative_report(draw[:60], draw[60:], features=same, random_state=0))
    gaps = pd.concat([report["synthetic"] - report["real"] for report in reports], axis=1)
    standard_error = gaps.std(axis=1) / np.sqrt(30)
    assert (gaps.mean(axis=1).abs() < 3.5 * standard_error).all()
    assert reports[0].attrs["n_compared"] == (30, 30)


def test_the_smallest_set_determines_all_sizes():
    report = generative_report(REAL, FAKE[:7], features=same, random_state=0)
    assert report.attrs["n_compared"] == (7, 7)
    assert report.attrs["k"] == 5
    report = generative_report(REAL[:8], FAKE, features=same, random_state=0)
    assert report.attrs["n_compared"] == (4, 4)
    assert report.attrs["k"] == 3


def test_attrs_hold_the_context_of_the_values():
    report = generative_report(REAL, FAKE, features=same, random_state=0)
    expected = {"extractor": "same", "d": 9, "n_real": 40, "n_fake": 30, "n_compared": (20, 20)}
    assert expected.items() <= report.attrs.items()
    assert report.attrs["p_value"] < 0.01
    for word in ("same", "d = 9", "40 real", "30 synthetic", "20 against 20"):
        assert word in report.attrs["caption"]


def test_a_classifier_gives_inception_scores():
    def halves(X):
        return np.tile([0.5, 0.5], (len(X), 1)) + 0.4 * np.sign(X[:, :1]) * [1, -1]

    extractor = FeatureExtractor("mine", "output", same, classifier=halves)
    unseen = rng.normal(0, 1, (30, 9))
    report = generative_report(REAL, FAKE, unseen=unseen, features=extractor, random_state=0)
    for column, X in (("synthetic", FAKE), ("real", unseen)):
        assert report.loc["inception score", column] == pytest.approx(inception_score(halves(X)))


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({"real": REAL[:3]}, "real must hold 4 or more images, got 3"),
        ({"fake": FAKE[:1]}, "fake must hold 2 or more images, got 1"),
        ({"unseen": UNSEEN[:1]}, "unseen must hold 2 or more images, got 1"),
    ],
)
def test_the_error_for_too_few_images_names_the_set(sets, message):
    with pytest.raises(ValueError, match=message):
        generative_report(**({"real": REAL, "fake": FAKE} | sets), features=same)


@pytest.mark.parametrize("features", ["cxr", "pixels", same])
@pytest.mark.parametrize("name", ["real", "fake", "unseen"])
def test_nan_names_the_images_that_hold_it(name, features):
    sets = {"real": REAL.copy(), "fake": FAKE.copy(), "unseen": UNSEEN.copy()}
    sets[name][5, 3] = np.nan
    sets[name][8] = np.inf
    message = f"{name} holds NaN or infinity in 2 of {len(sets[name])} images, at index 5, 8"
    with pytest.raises(ValueError, match=message):
        generative_report(**sets, features=features)


def test_equal_images_give_no_warning_of_a_division_by_zero():
    """Warnings are errors here. All distances between equal images are 0."""
    equal = np.repeat(REAL[:1], 12, axis=0)
    report = generative_report(equal, equal, features="pixels", random_state=0)
    assert (report.loc[["kernel distance", "Frechet distance", "diversity"]] == 0).all(axis=None)
