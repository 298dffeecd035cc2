import numpy as np
import pytest

from skcxr.datasets import make_chest_phantoms
from skcxr.displays import DataCheckDisplay
from skcxr.evaluation import check_data


@pytest.fixture(scope="module")
def result():
    """A check of 60 phantoms, of which those of covid have a marker."""
    phantoms = make_chest_phantoms(60, image_size=32, random_state=0)
    y = phantoms.target_names[phantoms.target]
    phantoms.images[y == "covid", :3, :3] = 255
    return check_data(phantoms.images, y, random_state=0)


def test_each_accuracy_is_drawn_and_alarms_are_framed(result):
    ax = DataCheckDisplay.from_result(result).ax_
    table = result.table
    assert [label.get_text() for label in ax.get_yticklabels()] == list(table["part"].unique())
    assert sorted(text.get_text() for text in ax.texts) == sorted(
        f"{value:.2f}" for value in table["balanced_accuracy"]
    )
    assert len(ax.patches) == table["alarm"].sum() > 0
    assert ax.get_title() == "Balanced accuracy (framed: alarm)"


def test_colors_go_from_chance_to_one(result):
    image = DataCheckDisplay.from_result(result).ax_.images[0]
    first = result.table.iloc[0]
    expected = (first["balanced_accuracy"] - first["chance"]) / (1 - first["chance"])
    np.testing.assert_allclose(image.get_array()[0, 0], expected)
    assert image.get_clim() == (0, 1)


def test_a_check_without_tests_has_nothing_to_draw():
    X = np.random.default_rng(0).random((6, 16, 16))
    with pytest.raises(ValueError, match="result has no test for shortcuts to draw"):
        DataCheckDisplay.from_result(check_data(X, ["a"] * 6))
