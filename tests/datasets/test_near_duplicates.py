import io

import numpy as np
import pytest
from PIL import Image

from skcxr.datasets import load_image_folder, make_chest_phantoms
from skcxr.datasets._near_duplicates import (
    compute_fingerprints,
    find_fingerprinted,
    find_near_duplicates,
    join_groups,
)


@pytest.fixture(scope="module")
def images():
    """60 phantoms of 64x64."""
    return make_chest_phantoms(60, random_state=0).images


def change(X, function):
    """Return what `function` makes of each image as a PIL image."""
    return np.stack([np.asarray(function(Image.fromarray(image))) for image in X])


def resize(image, width, height):
    return image.resize((width, height), Image.BILINEAR)


def compress(image):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=60)
    return Image.open(file)


def crop(image):
    """Cut 5 % of both sides, unevenly, at twice the size."""
    return resize(resize(image, 128, 128).crop((2, 5, 124, 127)), 64, 64)


def pad(image):
    """Show a radiograph that was 1.4 times as wide as high, padded instead of squashed."""
    padded = Image.new("L", (64, 64))
    padded.paste(resize(image, 64, 46), (0, 9))
    return padded


def crop_to_square(image):
    """Show a radiograph that was 1.3 times as wide as high, cropped instead of squashed."""
    return resize(image.crop((7, 0, 57, 64)), 64, 64)


FIRST_PHANTOM = "1049b2cb822abe96a3a1ae67775349aab74adc41f2222f312e1973b84256c941"
CHANGES = {
    "jpeg": compress,
    "larger": lambda image: resize(image, 128, 128),
    "and back": lambda image: resize(resize(image, 128, 128), 64, 64),
    "crop": crop,
    "pad": pad,
    "crop to square": crop_to_square,
    "gamma 0.8": lambda image: image.point([255 * (v / 255) ** 0.8 for v in range(256)]),
    "gamma 1.25": lambda image: image.point([255 * (v / 255) ** 1.25 for v in range(256)]),
    "darker": lambda image: image.point([v // 2 for v in range(256)]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_images_are_found_and_no_others(images, name):
    changed = change(images[::3], CHANGES[name])
    pairs, similarity = find_near_duplicates(changed, images)
    assert pairs.tolist() == [[i, 3 * i] for i in range(20)]
    assert (similarity > 0.85).all()


def test_either_image_may_be_the_cropped_one(images):
    changed = change(images[:9], pad)
    assert find_near_duplicates(images[:9], changed)[0].tolist() == [[i, i] for i in range(9)]


def test_pairs_within_one_set_are_listed_once(images):
    X = np.concatenate([images, change(images[5:7], compress)])
    pairs, _ = find_near_duplicates(X)
    assert pairs.tolist() == [[5, 60], [6, 61]]


def test_mirror_images_are_not_near_duplicates(images):
    assert len(find_near_duplicates(images[:, :, ::-1], images)[0]) == 0


@pytest.mark.parametrize("value", [0, 7])
def test_images_without_detail_have_no_near_duplicates(value):
    X = np.full((3, 16, 16), value, dtype=np.uint8)
    assert len(find_near_duplicates(X)[0]) == 0


def test_tiny_images_have_no_near_duplicates():
    X = np.random.default_rng(0).random((60, 5, 5))
    assert len(find_near_duplicates(X, X)[0]) == 0


def test_layout_and_range_do_not_matter(images):
    flat = images[:4].reshape(4, -1) / 255
    color = np.repeat(images[:4, None], 3, axis=1)
    assert find_near_duplicates(flat, color)[0].tolist() == [[i, i] for i in range(4)]


def test_groups_are_joined_through_chains_of_pairs():
    joined = join_groups(6, [[0, 1], [1, 2]], groups=["a", "b", "c", "d", "e", "e"])
    assert joined.tolist() == [0, 0, 0, 1, 2, 2]


def test_without_groups_only_pairs_are_joined():
    assert join_groups(4, [[1, 3]]).tolist() == [0, 1, 2, 1]


@pytest.mark.parametrize("name", CHANGES)
def test_at_least_99_percent_of_changed_radiographs_are_found(data_folder, name):
    kermany = np.load(data_folder / "kermany64.npz", allow_pickle=True)["X"]
    rows = np.arange(0, len(kermany), 24)
    pairs, _ = find_near_duplicates(change(kermany[rows], CHANGES[name]), kermany[rows])
    found = {i for i, j in pairs if i == j}
    assert len(found) >= 0.99 * len(rows)
    assert len(pairs) - len(found) <= 0.01 * len(rows)


def test_few_radiographs_of_other_patients_are_found(data_folder):
    kermany = np.load(data_folder / "kermany64.npz", allow_pickle=True)["X"]
    adults = np.load(data_folder / "nih64.npz", allow_pickle=True)["X"]
    pairs, _ = find_near_duplicates(adults[::4], kermany[::4])
    assert len(np.unique(pairs[:, 0])) <= 0.01 * len(adults[::4])


@pytest.mark.parametrize("name", CHANGES)
def test_changed_images_are_recognized_by_fingerprints(images, name):
    fingerprints = compute_fingerprints(images[:30])
    changed = change(images[::5], CHANGES[name])
    assert find_fingerprinted(changed, fingerprints).tolist() == [True] * 6 + [False] * 6


def test_a_fingerprint_is_small_and_the_same_everywhere(images):
    fingerprints = compute_fingerprints(images[:1])
    assert fingerprints.dtype == np.uint8
    assert fingerprints.shape == (1, 32)
    # Files of weights carry fingerprints to other machines, where a few bits may differ.
    expected = np.frombuffer(bytes.fromhex(FIRST_PHANTOM), dtype=np.uint8)
    assert np.unpackbits(fingerprints[0] ^ expected).sum() <= 4


def test_without_fingerprints_nothing_is_found(images):
    assert not find_fingerprinted(images, np.empty((0, 32), dtype=np.uint8)).any()


def test_images_without_detail_match_no_fingerprint(images):
    black = np.zeros((2, 64, 64), dtype=np.uint8)
    fingerprints = compute_fingerprints(np.concatenate([images, black]))
    assert not find_fingerprinted(black, fingerprints).any()


@pytest.mark.parametrize("name", CHANGES)
def test_at_least_99_percent_of_radiographs_are_recognized(data_folder, name):
    kermany = np.load(data_folder / "kermany64.npz", allow_pickle=True)["X"]
    fingerprints = compute_fingerprints(kermany)
    changed = change(kermany[::24], CHANGES[name])
    assert find_fingerprinted(changed, fingerprints).mean() >= 0.99


@pytest.mark.parametrize("name", ["adults", "other children", "mirror images"])
def test_at_most_1_percent_of_other_radiographs_are_recognized(data_folder, name):
    kermany = np.load(data_folder / "kermany64.npz", allow_pickle=True)["X"]
    if name == "adults":
        others = np.load(data_folder / "nih64.npz", allow_pickle=True)["X"][::2]
    elif name == "other children":
        others = load_image_folder(data_folder / "covid_cxr", image_size=64).images
    else:
        others = kermany[::12, :, ::-1]
    assert find_fingerprinted(others, compute_fingerprints(kermany)).mean() <= 0.01


@pytest.mark.parametrize("side", [16, 32])
def test_fingerprints_of_other_small_images_are_not_found(side):
    known = make_chest_phantoms(100, image_size=side, random_state=0).images
    others = make_chest_phantoms(60, image_size=side, random_state=1).images
    fingerprints = compute_fingerprints(known)
    assert not find_fingerprinted(others, fingerprints).any()
    assert find_fingerprinted(known // 2, fingerprints).all()
