import numpy as np
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


def test_the_synthetic_column_is_each_metrics_own():
    report = generative_report(REAL, FAKE, features=same, k=3, random_state=0)["synthetic"]
    assert report["kernel distance"] == kernel_distance(REAL, FAKE, n_permutations=0).value
    assert report["Frechet distance"] == frechet_distance(REAL, FAKE)
    assert report["diversity"] == intra_diversity(FAKE)
    figures = precision_recall_density_coverage(REAL, FAKE, 3)
    assert tuple(report[list(figures._fields)]) == figures


def test_the_real_column_of_unseen_images_is_theirs():
    report = generative_report(REAL, FAKE, unseen=UNSEEN, features=same, random_state=0)["real"]
    assert report["Frechet distance"] == frechet_distance(REAL, UNSEEN)
    assert report["diversity"] == intra_diversity(UNSEEN)


def test_real_images_are_as_near_as_their_halves():
    """Over draws, samples of one distribution have the floor's kernel distance: zero."""
    gaps = []
    for seed in range(40):
        draw = np.random.default_rng(seed).normal(size=(60, 4))
        row = generative_report(draw[:30], draw[30:], features=same, random_state=0).loc[
            "kernel distance"
        ]
        gaps.append(row["synthetic"] - row["real"])
    assert abs(np.mean(gaps)) < 3 * np.std(gaps) / np.sqrt(len(gaps))


def test_what_belongs_beside_the_figures_is_there():
    report = generative_report(REAL, FAKE, features=same, random_state=0)
    expected = {"extractor": "same", "d": 9, "n_real": 40, "n_fake": 30, "n_floor": (20, 20)}
    assert expected.items() <= report.attrs.items()
    assert report.attrs["p_value"] < 0.01
    for word in ("same", "d = 9", "40 real", "30 synthetic", "20 against 20"):
        assert word in report.attrs["caption"]


def test_a_classifier_gives_inception_scores():
    def halves(X):
        return np.tile([0.5, 0.5], (len(X), 1)) + 0.4 * np.sign(X[:, :1]) * [1, -1]

    extractor = FeatureExtractor("mine", "output", same, classifier=halves)
    report = generative_report(REAL, FAKE, features=extractor, random_state=0)
    assert report.loc["inception score", "synthetic"] == inception_score(halves(FAKE))
    assert report.loc["inception score", "real"] == pytest.approx(inception_score(halves(REAL)))


def test_few_images_take_fewer_neighbours():
    report = generative_report(REAL[:4], FAKE[:2], features=same, random_state=0)
    assert np.isfinite(report.to_numpy()).all()
    with pytest.raises(ValueError, match="real holds 3 images; its halves need two"):
        generative_report(REAL[:3], FAKE, features=same)
