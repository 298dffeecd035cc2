import matplotlib.figure
import numpy as np
import pytest
from sklearn.exceptions import DataConversionWarning
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from skcxr import DCGANOversampler
from skcxr.displays import SyntheticSamplesDisplay
from skcxr.over_sampling import grow
from skcxr.over_sampling._base import sample_like


@pytest.fixture(
    params=[KernelDensity(), GaussianMixture(2, covariance_type="diag", reg_covar=1.0)],
    ids=lambda estimator: type(estimator).__name__,
)
def sampler(phantoms, request):
    sampler = DCGANOversampler(request.param, sampling_strategy=grow(2), random_state=0)
    sampler.fit_resample(phantoms.data, phantoms.target)
    return sampler


def labels_of(display):
    return [label.get_text() for label in display.ax_.get_yticklabels()]


def shown(display, row, column, side=16, gap=1):
    """Return the pixels drawn at one position of the grid."""
    (image,) = display.ax_.images
    top, left = row * (side + gap), column * (side + gap)
    return np.asarray(image.get_array())[top : top + side, left : left + side]


def test_each_class_has_a_real_row_above_a_synthetic_row(sampler, phantoms):
    display = SyntheticSamplesDisplay.from_estimator(
        sampler, phantoms.data, phantoms.target, n_images=5, nearest=False
    )
    assert labels_of(display)[:2] == ["0\nreal", "0\nsynthetic"]
    assert len(labels_of(display)) == 8
    (image,) = display.ax_.images
    assert image.get_array().shape == (8 * 17 - 1, 5 * 17 - 1)
    first = phantoms.images[phantoms.target == 0][0].astype(float)
    assert np.corrcoef(shown(display, 0, 0).ravel(), first.ravel())[0, 1] == pytest.approx(1)
    expected = sample_like(sampler.estimators_[3], phantoms.data[phantoms.target == 3], 5, 0)
    drawn = shown(display, 7, 4).ravel()
    assert np.corrcoef(drawn, expected[4].astype(float))[0, 1] == pytest.approx(1)


def test_the_nearest_training_image_is_below(phantoms):
    class Copies(KernelDensity):
        def fit(self, X):
            self.images = X
            return self

        def sample(self, n_samples):
            return self.images[::-1][:n_samples]

    sampler = DCGANOversampler(Copies(), sampling_strategy=grow(2), random_state=0)
    sampler.fit_resample(phantoms.data, phantoms.target)
    display = SyntheticSamplesDisplay.from_estimator(
        sampler, phantoms.data, phantoms.target, n_images=5
    )
    assert labels_of(display)[:3] == ["0\nreal", "0\nsynthetic", "0\nnearest real"]
    assert len(labels_of(display)) == 12
    for column in range(5):
        np.testing.assert_array_equal(shown(display, 1, column), shown(display, 2, column))
        assert (shown(display, 0, column) != shown(display, 1, column)).any()


def test_given_samples_are_shown(sampler, phantoms):
    kept = {k: phantoms.data[phantoms.target == k][::-1] for k in sampler.estimators_}
    display = SyntheticSamplesDisplay.from_estimator(
        sampler, phantoms.data, phantoms.target, samples=kept, n_images=3
    )
    np.testing.assert_array_equal(shown(display, 1, 0), shown(display, 2, 0))
    assert display.synthetic[0].shape == (3, 16, 16)
    with pytest.raises(ValueError, match="samples has no images of"):
        SyntheticSamplesDisplay.from_estimator(sampler, phantoms.data, phantoms.target, samples={})


def test_class_names_are_shown(sampler, phantoms):
    names = dict(enumerate(phantoms.target_names))
    display = SyntheticSamplesDisplay.from_estimator(
        sampler, phantoms.data, phantoms.target, class_names=names
    )
    assert labels_of(display)[3] == f"{phantoms.target_names[1]}\nreal"


def test_given_axes_are_used(sampler, phantoms):
    figure = matplotlib.figure.Figure()
    ax = figure.subplots()
    display = SyntheticSamplesDisplay.from_estimator(sampler, phantoms.data, phantoms.target, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert display.plot() is display
    assert display.ax_ is not ax


def test_more_columns_than_real_images(tiny_gan, phantoms):
    sampler = DCGANOversampler(tiny_gan, sampling_strategy={0: 20}, random_state=0)
    few = np.r_[np.flatnonzero(phantoms.target == 0)[:3], np.flatnonzero(phantoms.target == 1)]
    sampler.fit_resample(phantoms.images[few], phantoms.target[few])
    display = SyntheticSamplesDisplay.from_estimator(
        sampler, phantoms.images[few], phantoms.target[few], n_images=6
    )
    assert (shown(display, 0, 2) < 1).any()
    assert (shown(display, 0, 3) == 1).all()
    assert (shown(display, 1, 5) < 1).any()


def test_a_sampler_that_has_not_grown_a_class_is_refused(phantoms):
    sampler = DCGANOversampler(KernelDensity()).fit(phantoms.data, phantoms.target)
    with pytest.raises(ValueError, match="sampler has not grown any class"):
        SyntheticSamplesDisplay.from_estimator(sampler, phantoms.data, phantoms.target)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("pneumonia_vir", "pneumonia_vir"),
        ("a" * 200 + "z" * 45, "aaaaaaaaaaa…zzzzzzzzzzz"),
        (7, "7"),
    ],
)
def test_a_long_class_name_does_not_fill_the_figure(name, label):
    images = {name: np.zeros((3, 16, 16))}
    display = SyntheticSamplesDisplay(real=images, synthetic=images).plot()
    display.figure_.canvas.draw()  # the layout warns if no room is left
    assert display.ax_.get_yticklabels()[0].get_text() == f"{label}\nreal"


def test_labels_of_another_type_are_refused(sampler, phantoms):
    X = phantoms.data
    message = r"y has no images of \[0, 1, 2, 3\], which the sampler has grown, but of \['0', "
    with pytest.raises(ValueError, match=message):
        SyntheticSamplesDisplay.from_estimator(sampler, X, phantoms.target.astype(str))
    with pytest.raises(ValueError, match=r"y has no images of \[0\], which the sampler has grown"):
        SyntheticSamplesDisplay.from_estimator(sampler, X, phantoms.target + 1)


def test_samples_and_names_by_labels_of_another_type_are_refused(sampler, phantoms):
    X, y = phantoms.data, phantoms.target
    samples = {str(k): X[y == k] for k in range(4)}
    with pytest.raises(ValueError, match=r"samples has no images of \[0, 1, 2, 3\], but of \['0'"):
        SyntheticSamplesDisplay.from_estimator(sampler, X, y, samples=samples)
    names = {str(k): name for k, name in enumerate(phantoms.target_names)}
    with pytest.raises(ValueError, match=r"class_names has no names of \[0, 1, 2, 3\], but of"):
        SyntheticSamplesDisplay.from_estimator(sampler, X, y, class_names=names)


def test_a_column_of_labels_is_raveled_with_a_warning(sampler, phantoms):
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        display = SyntheticSamplesDisplay.from_estimator(
            sampler, phantoms.data, phantoms.target[:, None], n_images=3
        )
    assert {k: len(images) for k, images in display.real.items()} == dict.fromkeys(range(4), 3)
