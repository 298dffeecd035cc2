import numpy as np
import pytest
from matplotlib.figure import Figure

from skcxr import DCGAN
from skcxr.displays import TrainingHistoryDisplay

PANELS = ["Loss", "Discriminator's output"]
MONITORED = ["Kernel distance", "Frechet distance"]


def titles(display):
    return [ax.get_ylabel() for ax in display.axes_]


def test_losses_and_outputs_over_epochs(tiny_gan, phantoms):
    gan = tiny_gan.set_params(max_epochs=4).fit(phantoms.data)
    display = TrainingHistoryDisplay.from_estimator(gan)
    assert titles(display) == PANELS
    lines = display.axes_[0].get_lines() + display.axes_[1].get_lines()
    names = ["loss_d", "loss_g", "d_x", "d_g_z1", "d_g_z2"]
    for line, name in zip(lines, names, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3, 4])
        np.testing.assert_array_equal(line.get_ydata(), gan.history_[name])


def test_ticks_are_integer_epochs(tiny_gan, phantoms):
    gan = tiny_gan.set_params(max_epochs=2).fit(phantoms.data)
    ticks = TrainingHistoryDisplay.from_estimator(gan).axes_[-1].get_xticks()
    np.testing.assert_array_equal(ticks, np.rint(ticks))


def test_monitored_metrics_are_drawn_at_their_epochs(tiny_gan, phantoms):
    gan = tiny_gan.set_params(max_epochs=5, monitor="pixels", monitor_every=2).fit(phantoms.data)
    display = TrainingHistoryDisplay.from_estimator(gan)
    assert titles(display) == PANELS + MONITORED
    line, _ = display.axes_[2].get_lines()
    np.testing.assert_array_equal(line.get_xdata(), [2, 4, 5])


def test_monitored_metrics_have_their_context(tiny_gan, phantoms):
    gan = tiny_gan.set_params(max_epochs=2, monitor="pixels").fit(phantoms.data)
    display = TrainingHistoryDisplay.from_estimator(gan)
    for ax, name in zip(display.axes_[2:], ["kernel_distance", "frechet_distance"], strict=True):
        assert list(ax.get_lines()[1].get_ydata()) == [gan.monitor_["floor"][name]] * 2
    assert "pixels features, d = 32, 48 real, 48 synthetic" in display.axes_[-1].get_xlabel()


def test_given_axes_are_used(tiny_gan, phantoms):
    gan = tiny_gan.fit(phantoms.data)
    axes = Figure().subplots(1, 2)
    assert list(TrainingHistoryDisplay.from_estimator(gan, ax=axes).axes_) == list(axes)
    with pytest.raises(ValueError, match="ax must hold 2 axes, one per panel, got 1"):
        TrainingHistoryDisplay.from_estimator(gan, ax=axes[0])


def test_an_unfitted_gan_is_refused():
    with pytest.raises(ValueError, match="Pass a fitted DCGAN"):
        TrainingHistoryDisplay.from_estimator(DCGAN())


def test_the_history_of_a_classifier_is_refused(tiny_clf, phantoms):
    clf = tiny_clf.fit(phantoms.data, phantoms.target)
    message = r"gan must have the history_ of a GAN, got that of CXRClassifier.*history_\.plot"
    with pytest.raises(ValueError, match=message):
        TrainingHistoryDisplay.from_estimator(clf)
    assert clf.history_.plot(x="epoch") is not None
