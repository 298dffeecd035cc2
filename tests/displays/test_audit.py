import numpy as np
import pytest
from matplotlib.figure import Figure

from skcxr.datasets import make_chest_phantoms
from skcxr.displays import AuditDisplay
from skcxr.metrics import audit


@pytest.fixture(scope="module")
def images():
    return make_chest_phantoms(80, image_size=32, random_state=0).images


@pytest.fixture(scope="module")
def result(images):
    """Return the audit of twenty synthetic images, ten of them copies and one of these mirrored."""
    fake = np.concatenate([images[:9], images[9:10, :, ::-1], images[70:]])
    return audit(fake, images[:35], images[35:70], features=None, n_pairs=12, random_state=0)


def test_statistics_have_intervals_and_a_verdict(result):
    display = AuditDisplay.from_result(result)
    chances = result.table[result.table["low"].notna()]
    assert len(display.axes_[0].containers) == len(chances) > 0
    for bar, value in zip(display.axes_[0].containers, chances["value"], strict=True):
        assert bar.lines[0].get_xdata().tolist() == [value]
    assert display.axes_[0].get_title() == "Copies found"


def test_each_synthetic_image_is_above_its_training_image(result):
    picture = np.asarray(AuditDisplay.from_result(result).axes_[1].images[0].get_array())
    for i in range(10):
        synthetic, train = (picture[top : top + 32, i * 33 : i * 33 + 32] for top in (0, 33))
        np.testing.assert_allclose(synthetic, train, atol=1e-5)
    captions = AuditDisplay.from_result(result).axes_[1].get_xticklabels()
    assert [c.get_text() for c in captions].count("9 / 9\ncopy\nmirrored") == 1
    assert len(captions) == 12


def test_without_pairs_only_statistics_are_drawn(images):
    result = audit(images[:9], images[9:40], images[40:], features=None, n_pairs=0, random_state=0)
    assert len(AuditDisplay.from_result(result).axes_) == 1


def test_the_discriminator_is_marked_as_not_part_of_the_verdict(images):
    result = audit(
        images[:9],
        images[9:40],
        images[40:],
        features=None,
        discriminator=lambda X: np.arange(len(X), dtype=float),
        random_state=0,
    )
    ax = AuditDisplay.from_result(result).axes_[0]
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert labels == [
        "share nearer to train, pixels",
        "membership AUC, pixels",
        "membership AUC, discriminator\n(the model, not in the verdict)",
    ]


def test_given_axes_are_used(result):
    axes = Figure().subplots(2)
    assert list(AuditDisplay.from_result(result, ax=axes).axes_) == list(axes)
    with pytest.raises(ValueError, match="ax must hold 2 axes, one per panel, got 1"):
        AuditDisplay.from_result(result, ax=axes[0])
