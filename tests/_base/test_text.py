import numpy as np
import pytest

from skcxr._base.text import format_count
from skcxr._base.validation import check_labels, check_lengths
from skcxr.datasets import load_image_folder, make_chest_phantoms
from skcxr.metrics.features import FeatureExtractor


@pytest.mark.parametrize(
    ("n", "noun", "text"),
    [
        (0, "image", "0 images"),
        (1, "image", "1 image"),
        (2, "image", "2 images"),
        (1, "class", "1 class"),
        (2, "class", "2 classes"),
        (np.int64(1), "synthetic image", "1 synthetic image"),
        (3, "synthetic image", "3 synthetic images"),
    ],
)
def test_a_count_agrees_with_its_noun(n, noun, text):
    assert format_count(n, noun) == text


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: check_labels([None, 1], "y"), "missing for 1 image,"),
        (lambda: check_lengths(("X", "y"), np.ones((1, 4)), [0, 0]), "X holds 1 image, but y "),
        (lambda: check_lengths(("X", "y"), np.ones((2, 4)), [0]), "but y holds 1 label. "),
        (lambda: FeatureExtractor("f", "out", np.ravel)(np.ones((1, 4))), "for 1 image. "),
        (lambda: make_chest_phantoms([1, 1], classes=["covid"]), "must be 1 integer >= 0"),
    ],
)
def test_messages_about_one_of_a_kind_are_in_the_singular(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_a_folder_of_one_class_is_described_in_the_singular(tmp_path):
    from PIL import Image

    (tmp_path / "covid").mkdir()
    Image.new("L", (32, 32), 9).save(tmp_path / "covid" / "a.png")
    description = load_image_folder(tmp_path, image_size=8).DESCR
    assert description.startswith("1 grayscale image of 8x8 pixels in 1 class, loaded from ")
