import matplotlib
import numpy as np
import pytest
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from skcxr import DCGANOversampler
from skcxr.displays import SyntheticSamplesDisplay
from skcxr.over_sampling import grow

matplotlib.use("agg")


@pytest.fixture(
    params=[KernelDensity(), GaussianMixture(2, covariance_type="diag", reg_covar=1.0)],
    ids=lambda estimator: type(estimator).__name__,
)
def sampler(phantoms, request):
    sampler = DCGANOversampler(request.param, sampling_strategy=grow(2), random_state=0)
    sampler.fit_resample(phantoms.data, phantoms.target)
    return sampler


def test_a_real_row_over_a_synthetic_row_a_class(sampler, phantoms):
    display = SyntheticSamplesDisplay.from_estimator(
        sampler, phantoms.data, phantoms.target, n_images=5
    )
    assert display.axes_.shape == (8, 5)
    assert all(len(ax.images) == 1 for ax in display.axes_.flat)
    first = phantoms.images[phantoms.target == 0][0].astype(float)
    shown = display.axes_[0, 0].images[0].get_array()
    np.testing.assert_allclose(np.corrcoef(shown.ravel(), first.ravel())[0, 1], 1)
    labels = [axes[0].texts[0].get_text() for axes in display.axes_]
    assert labels[:2] == ["0\nreal", "0\nsynthetic"]


def test_class_names_are_shown(sampler, phantoms):
    names = dict(enumerate(phantoms.target_names))
    display = SyntheticSamplesDisplay.from_estimator(
        sampler, phantoms.data, phantoms.target, class_names=names
    )
    assert display.axes_[2, 0].texts[0].get_text() == f"{phantoms.target_names[1]}\nreal"


def test_more_columns_than_real_images(tiny_gan, phantoms):
    sampler = DCGANOversampler(tiny_gan, sampling_strategy={0: 20}, random_state=0)
    few = np.r_[np.flatnonzero(phantoms.target == 0)[:3], np.flatnonzero(phantoms.target == 1)]
    sampler.fit_resample(phantoms.images[few], phantoms.target[few])
    display = SyntheticSamplesDisplay.from_estimator(
        sampler, phantoms.images[few], phantoms.target[few], n_images=6
    )
    assert display.axes_.shape == (2, 6)
    assert [len(ax.images) for ax in display.axes_[0]] == [1, 1, 1, 0, 0, 0]
    assert [len(ax.images) for ax in display.axes_[1]] == [1] * 6


def test_a_sampler_that_grew_nothing_is_refused(phantoms):
    sampler = DCGANOversampler(KernelDensity()).fit(phantoms.data, phantoms.target)
    with pytest.raises(ValueError, match="sampler has grown no class"):
        SyntheticSamplesDisplay.from_estimator(sampler, phantoms.data, phantoms.target)
