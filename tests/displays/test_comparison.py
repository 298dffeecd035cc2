import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from skcxr.displays import ComparisonDisplay, ConfusionMatrixGridDisplay


def test_each_arm_has_its_mean_interval_and_folds(comparison):
    display = ComparisonDisplay.from_comparison(comparison)
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["strong", "bayes"]
    expected = comparison.summary.loc[["strong", "bayes"]]
    (bars,) = display.ax_.containers
    means, _, (lines,) = bars.lines
    np.testing.assert_allclose(means.get_xdata(), expected["difference"])
    ends = [(segment[0, 0], segment[1, 0]) for segment in lines.get_segments()]
    np.testing.assert_allclose(ends, expected[["low", "high"]])
    folds = comparison.results.query("metric == 'accuracy'").pivot(
        index="fold", columns="arm", values="value"
    )
    drawn = display.ax_.collections[0].get_offsets()[:, 0]
    np.testing.assert_allclose(drawn, folds["strong"] - folds["classic"])
    assert display.ax_.get_xlabel() == "Difference in accuracy from classic"


def test_another_metric_and_baseline(comparison):
    display = ComparisonDisplay.from_comparison(
        comparison.against("strong"), metric="sensitivity[b]"
    )
    assert display.ax_.get_xlabel() == "Difference in sensitivity[b] from strong"
    assert list(display.folds) == ["classic", "bayes"]
    with pytest.raises(ValueError, match=r"metric must be one of \['accuracy', .*\], got 'f1'"):
        ComparisonDisplay.from_comparison(comparison, metric="f1")


def test_confusion_matrices_hold_counts(comparison):
    display = ConfusionMatrixGridDisplay.from_comparison(comparison)
    for ax, arm in zip(display.axes_, comparison.arms, strict=True):
        rows = comparison.predictions.query("arm == @arm")
        counts = confusion_matrix(rows["true"], rows["predicted"])
        assert [text.get_text() for text in ax.texts] == [str(n) for n in counts.ravel()]
        assert ax.get_title() == arm
        (image,) = ax.images
        np.testing.assert_allclose(image.get_array(), counts / counts.sum(1, keepdims=True))
        assert image.get_clim() == (0, 1)
    labels = [label.get_text() for label in display.axes_[0].get_yticklabels()]
    assert labels == ["a", "b", "c"]


def test_many_arms_take_several_rows(comparison):
    matrices = {str(i): comparison.confusion("strong").to_numpy() for i in range(5)}
    display = ConfusionMatrixGridDisplay(matrices=matrices, class_names=list("abc")).plot()
    assert len(display.axes_) == len(display.figure_.axes) == 5
    tops = {round(ax.get_position().y0, 3) for ax in display.axes_}
    assert len(tops) == 2


def test_given_axes_are_used(comparison):
    figure = Figure()
    one, *three = figure.subplots(1, 4)
    assert ComparisonDisplay.from_comparison(comparison, ax=one).ax_ is one
    display = ConfusionMatrixGridDisplay.from_comparison(comparison, ax=three)
    assert list(display.axes_) == three
    assert display.figure_ is figure
    with pytest.raises(ValueError, match="ax must hold 3 axes, one per arm, got 1"):
        ConfusionMatrixGridDisplay.from_comparison(comparison, ax=one)


def test_one_arm_has_no_difference_to_draw(comparison):
    message = "comparison has one arm, 'strong', and no difference to draw"
    alone = comparison.only(["strong"])
    for comparison in (alone, alone.against("strong")):
        with pytest.raises(ValueError, match=message):
            ComparisonDisplay.from_comparison(comparison)
    display = ConfusionMatrixGridDisplay.from_comparison(alone)
    assert display.matrices["strong"].sum() == 150


def test_differences_to_an_arm_that_was_left_out_are_refused(comparison):
    without = comparison.only(["strong", "bayes"])
    with pytest.raises(ValueError, match=r"baseline='classic' is not one of the arms, \['strong"):
        ComparisonDisplay.from_comparison(without)
