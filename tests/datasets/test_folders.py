import os
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from skcxr.datasets import _folders as folders
from skcxr.datasets._folders import load_image_folder

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def save(root, name, image=RAMP, **options):
    file = Path(root, name)
    file.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    image.save(file, **options)
    return file


def load_one(root, name, image, **options):
    save(root, f"covid/{name}", image, **options)
    return load_image_folder(root, image_size=None).images[0]


@pytest.fixture
def flat(tmp_path):
    for name in ["normal/c.png", "covid/b.png", "covid/a.png"]:
        save(tmp_path, name)
    return tmp_path


@pytest.fixture
def split(tmp_path):
    for name in ["train/covid/a.png", "train/normal/b.png", "test/covid/c.png"]:
        save(tmp_path, name)
    return tmp_path


# Modes


def test_8_bit_gray_keeps_its_values(tmp_path):
    narrow = RAMP // 4 + 20
    np.testing.assert_array_equal(load_one(tmp_path, "a.png", narrow), narrow)


def test_8_bit_gray_keeps_its_values_when_its_size_is_asked_for(flat):
    np.testing.assert_array_equal(load_image_folder(flat, image_size=16).images[0], RAMP)


def test_1_bit_is_black_and_white(tmp_path):
    image = load_one(tmp_path, "a.png", RAMP > 99)
    np.testing.assert_array_equal(image, np.where(RAMP > 99, 255, 0))


def test_palette_is_looked_up(tmp_path):
    image = Image.fromarray(255 - RAMP).convert("P")
    image.putpalette([level for i in range(256) for level in (255 - i,) * 3])
    image.putdata(RAMP.ravel().tolist())
    np.testing.assert_array_equal(load_one(tmp_path, "a.png", image), 255 - RAMP)


def test_transparent_palette_entry_is_black(tmp_path):
    image = Image.new("P", (2, 1), 1)
    image.putpalette([200] * 6)
    image.putpixel((0, 0), 0)
    assert load_one(tmp_path, "a.png", image, transparency=0).tolist() == [[0, 200]]


def test_rgb_is_weighted_by_luma(tmp_path):
    rgb = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], dtype=np.uint8)
    assert load_one(tmp_path, "a.png", rgb).tolist() == [[76, 150, 29]]


@pytest.mark.parametrize("channels", [2, 4])  # LA, RGBA
def test_alpha_is_composited_over_black(tmp_path, channels):
    image = np.full((1, 3, channels), 200, dtype=np.uint8)
    image[0, :, -1] = [0, 128, 255]
    assert load_one(tmp_path, "a.png", image).tolist() == [[0, 100, 200]]


def test_cmyk_turns_gray(tmp_path):
    image = Image.new("CMYK", (2, 2), (0, 0, 0, 55))
    assert load_one(tmp_path, "a.tif", image).tolist() == [[200, 200], [200, 200]]


def test_12_bit_range_in_16_bits_is_not_black(tmp_path):
    image = load_one(tmp_path, "a.png", RAMP.astype(np.uint16) * 16)
    np.testing.assert_array_equal(image, RAMP)


def test_full_16_bit_range_is_not_clipped(tmp_path):
    image = load_one(tmp_path, "a.png", RAMP.astype(np.uint16) * 257)
    np.testing.assert_array_equal(image, RAMP)


def test_16_bit_minimum_is_black(tmp_path):
    image = load_one(tmp_path, "a.png", RAMP.astype(np.uint16) + 30_000)
    np.testing.assert_array_equal(image, RAMP)


@pytest.mark.parametrize("dtype", ["<u2", ">u2", "int32", "float32"])  # I;16, I;16B, I, F
def test_deep_tiff_is_scaled_by_its_own_range(tmp_path, dtype):
    image = load_one(tmp_path, "a.tif", (RAMP.astype(np.int32) * 100).astype(dtype))
    np.testing.assert_array_equal(image, RAMP)


def test_negative_and_fractional_values_are_scaled(tmp_path):
    image = load_one(tmp_path, "a.tif", RAMP.astype(np.float32) / 255 - 0.5)
    np.testing.assert_array_equal(image, RAMP)


def test_32_bit_extremes_do_not_overflow(tmp_path):
    image = load_one(tmp_path, "a.tif", np.array([[-(2**31), 2**31 - 1]], dtype=np.int32))
    assert image.tolist() == [[0, 255]]


def test_constant_16_bit_image_is_black(tmp_path):
    image = load_one(tmp_path, "a.png", np.full((3, 3), 4095, dtype=np.uint16))
    np.testing.assert_array_equal(image, np.zeros((3, 3)))


def test_16_bit_tiff_whose_white_is_zero_is_inverted(tmp_path):
    image = load_one(tmp_path, "a.tif", RAMP.astype(np.uint16) * 257, tiffinfo={262: 0})
    np.testing.assert_array_equal(image, 255 - RAMP)


def test_8_bit_tiff_whose_white_is_zero_is_not_inverted_twice(tmp_path):
    image = load_one(tmp_path, "a.tif", RAMP, tiffinfo={262: 0})  # Pillow inverts, writing it
    np.testing.assert_array_equal(image, RAMP)


def test_jpeg_is_read(tmp_path):
    image = load_one(tmp_path, "a.jpeg", Image.new("RGB", (16, 8), (90, 90, 90)), quality=95)
    assert image.shape == (8, 16)
    assert abs(image.astype(int) - 90).max() <= 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_exif_orientation_is_applied(tmp_path, dtype):
    exif = Image.Exif()
    exif[274] = 6  # to be turned clockwise by 90 degrees
    stored = np.array([[0, 100, 255], [0, 0, 0]], dtype=dtype)
    image = load_one(tmp_path, "a.png", stored, exif=exif)
    np.testing.assert_array_equal(image, np.rot90(stored, -1))


def test_tiff_orientation_is_applied_once(tmp_path):
    stored = np.array([[0, 100, 255], [0, 0, 0]], dtype=np.uint8)
    image = load_one(tmp_path, "a.tif", stored, tiffinfo={274: 6})
    np.testing.assert_array_equal(image, np.rot90(stored, -1))


# Size


def test_images_are_resized_to_a_square(tmp_path):
    save(tmp_path, "covid/a.png", Image.new("L", (80, 60), 100))
    images = load_image_folder(tmp_path, image_size=8).images
    np.testing.assert_array_equal(images, np.full((1, 8, 8), 100))


def test_default_image_size_is_64(flat):
    assert load_image_folder(flat).images.shape == (3, 64, 64)


def test_shrinking_averages(tmp_path):
    stripes = np.tile(np.array([0, 255], dtype=np.uint8), (64, 32))
    save(tmp_path, "covid/a.png", stripes)
    inside = load_image_folder(tmp_path, image_size=8).images[0, :, 1:-1]
    assert abs(inside.astype(int) - 127.5).max() < 5


@pytest.mark.parametrize("image_size", [10, 50])
def test_resizing_does_not_ring(tmp_path, image_size):
    marker = np.full((16, 16), 60, dtype=np.uint8)
    marker[4:12, 4:12] = 180
    save(tmp_path, "covid/a.png", marker)
    image = load_image_folder(tmp_path, image_size=image_size).images
    assert image.min() == 60
    assert image.max() == 180


def test_16_bit_image_is_rounded_only_after_resizing(tmp_path):
    fine = np.tile(np.array([116, 116, 373], dtype=np.uint16), (63, 21))  # 0.45, 0.45, 1.45
    fine[0, 0], fine[0, 1] = 0, 65535
    save(tmp_path, "covid/a.png", fine)
    assert load_image_folder(tmp_path, image_size=1).images.item() == 1


def test_native_size_is_kept(tmp_path):
    save(tmp_path, "covid/a.png", RAMP[:5, :9].copy())
    assert load_image_folder(tmp_path, image_size=None).images.shape == (1, 5, 9)


def test_native_sizes_that_differ_are_listed(flat):
    save(flat, "normal/d.png", RAMP[:5, :9].copy())
    save(flat, "normal/e.png", RAMP[:5, :9].copy())
    with pytest.raises(ValueError, match=r"got 2.*\n  5x9: normal/d.png\n  16x16: covid/a.png$"):
        load_image_folder(flat, image_size=None)


def test_fit_and_percentiles_are_passed_on(tmp_path):
    save(tmp_path, "covid/a.png", RAMP[:8] // 2 + 50)
    images = load_image_folder(tmp_path, image_size=16, fit="pad", percentiles=(0, 100)).images
    assert images[0, 4].min() == 0
    assert images[0, 11].max() == 255
    assert not images[0, [0, 3, 12, 15]].any()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"fit": "stretch"}, "'fit' parameter of load_image_folder must be a str among"),
        ({"on_error": "ignore"}, "'on_error' parameter of load_image_folder must be a str among"),
        ({"n_jobs": "all"}, "'n_jobs' parameter of load_image_folder"),
        ({"verbose": -1}, "'verbose' parameter of load_image_folder"),
        ({"max_pixels": 0}, "'max_pixels' parameter of load_image_folder"),
        ({"percentiles": 1}, "percentiles must be two numbers, 0 <= low < high <= 100, got 1. "),
        ({"percentiles": (99, 1)}, r"percentiles must be two numbers, .*got \(99, 1\)"),
        ({"percentiles": (0, 101)}, "percentiles must be two numbers"),
        ({"percentiles": (float("nan"), 9)}, "percentiles must be two numbers"),
        ({"percentiles": "19"}, "percentiles must be two numbers, .*got '19'"),
    ],
)
def test_wrong_parameter_is_named(flat, parameters, message):
    with pytest.raises(ValueError, match=message):
        load_image_folder(flat, **parameters)


@pytest.mark.parametrize("image_size", [0, -1, 64.0, "64", True])
def test_image_size_must_be_a_positive_int(flat, image_size):
    with pytest.raises(ValueError, match=f"image_size must be an int >= 1, got {image_size!r}"):
        load_image_folder(flat, image_size=image_size)


def test_numpy_integer_is_an_image_size(flat):
    assert load_image_folder(flat, image_size=np.int64(8)).images.shape == (3, 8, 8)


# Layout


def test_flat_layout_is_ordered_by_class_and_path(flat):
    bunch = load_image_folder(flat)
    assert bunch.filenames.tolist() == ["covid/a.png", "covid/b.png", "normal/c.png"]
    assert bunch.target.tolist() == [0, 0, 1]
    assert bunch.target_names.tolist() == ["covid", "normal"]
    assert bunch.split is None
    assert bunch.groups is None


def test_split_layout_is_ordered_by_split_class_and_path(split):
    bunch = load_image_folder(split)
    names = ["test/covid/c.png", "train/covid/a.png", "train/normal/b.png"]
    assert bunch.filenames.tolist() == names
    assert bunch.split.tolist() == ["test", "train", "train"]
    assert bunch.target_names[bunch.target].tolist() == ["covid", "covid", "normal"]


def test_split_names_are_lower_cased(tmp_path):
    for name in ["Train/covid/a.png", "VALIDATION/covid/a.png", "test/covid/a.png"]:
        save(tmp_path, name)
    assert load_image_folder(tmp_path).split.tolist() == ["test", "train", "validation"]


def test_class_missing_from_train_is_allowed(split):
    save(split, "test/pneumonia/d.png")
    target_names = load_image_folder(split).target_names
    assert target_names.tolist() == ["covid", "normal", "pneumonia"]


def test_one_folder_named_as_a_split_may_be_a_class(tmp_path):
    save(tmp_path, "valid/a.png")
    save(tmp_path, "invalid/a.png")
    bunch = load_image_folder(tmp_path)
    assert bunch.target_names.tolist() == ["invalid", "valid"]
    assert bunch.split is None


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("Training", "train"),
        ("train_set", "train"),
        ("training images", "train"),
        ("test", "test"),
        ("testing", "test"),
        ("TestSet", "test"),
        ("val", "validation"),
        ("valid", "validation"),
        ("VALIDATION", "validation"),
        ("dev", "validation"),
        ("val-data", "validation"),
    ],
)
def test_splits_are_recognized_by_many_names(tmp_path, name, split):
    for folder in {name, "train" if split != "train" else "test"}:
        save(tmp_path, f"{folder}/covid/a.png")
    bunch = load_image_folder(tmp_path)
    assert bunch.split[bunch.filenames == f"{name}/covid/a.png"].tolist() == [split]
    assert bunch.target_names.tolist() == ["covid"]


def test_folders_of_one_split_are_joined(tmp_path):
    for name in ["train/covid/a.png", "dev/covid/b.png", "val/covid/c.png"]:
        save(tmp_path, name)
    bunch = load_image_folder(tmp_path)
    assert bunch.split.tolist() == ["train", "validation", "validation"]


@pytest.mark.parametrize("split_names", [["train"], ["test"], ["dev"], ["train", "test", "val"]])
@pytest.mark.parametrize("inner", ["", "covid/"])
def test_splits_next_to_classes_are_refused(tmp_path, split_names, inner):
    for name in [*(f"{split}/{inner}" for split in split_names), "masks/", "normal/"]:
        save(tmp_path, f"{name}a.png")
    match = rf"mixes splits and classes: .*{sorted(split_names)}".replace("[", r"\[")
    with pytest.raises(ValueError, match=rf"{match}.* next to \['masks', 'normal'\]"):
        load_image_folder(tmp_path)


def test_a_class_valid_that_holds_classes_is_a_split(tmp_path):
    for name in ["valid/covid/a.png", "invalid/a.png"]:
        save(tmp_path, name)
    with pytest.raises(ValueError, match=r"holds the splits \['valid'\] .*next to \['invalid'\]"):
        load_image_folder(tmp_path)


def copy_of_kaggle(root):
    """Write the tree of a well-known collection on Kaggle, whose archive holds it twice."""
    for split in ("test", "train", "val"):
        for name in ("NORMAL", "PNEUMONIA"):
            save(root, f"{split}/{name}/a.png")


def test_a_copy_of_the_splits_inside_the_folder_is_named(tmp_path):
    copy_of_kaggle(tmp_path)
    copy_of_kaggle(tmp_path / "chest_xray")
    match = r"the splits \['test', 'train', 'val'\].* \['chest_xray'\] may be a copy of the whole"
    with pytest.raises(ValueError, match=match):
        load_image_folder(tmp_path)


def test_what_macos_adds_to_an_archive_is_no_class(tmp_path):
    copy_of_kaggle(tmp_path)
    (tmp_path / "__MACOSX" / "train" / "NORMAL").mkdir(parents=True)
    assert (
        load_image_folder(tmp_path).split.tolist()
        == ["test"] * 2 + ["train"] * 2 + ["validation"] * 2
    )


@pytest.mark.parametrize("prefix", ["", "train/"])
def test_a_copy_of_the_classes_inside_the_folder_is_named(tmp_path, prefix):
    for name in ("covid", "normal", "images/covid", "images/normal"):
        save(tmp_path, f"{prefix}{name}/a.png")
    match = rf"copy of itself in '{prefix}images', .* \['covid', 'normal'\] again"
    with pytest.raises(ValueError, match=match):
        load_image_folder(tmp_path)


def test_splits_below_the_classes_are_refused(tmp_path):
    for name in ["covid/train/a.png", "covid/test/b.png", "normal/train/c.png"]:
        save(tmp_path, name)
    match = r"splits below the class folder 'covid': \['test', 'train'\].*<split>/<class>/"
    with pytest.raises(ValueError, match=match):
        load_image_folder(tmp_path)


def test_the_folder_above_the_data_set_is_refused(tmp_path):
    copy_of_kaggle(tmp_path / "chest_xray")
    with pytest.raises(ValueError, match="If 'chest_xray' is the whole data set, pass that folder"):
        load_image_folder(tmp_path)


def test_classes_whose_names_differ_only_in_case_are_refused(tmp_path):
    for name in ["train/COVID/a.png", "test/covid/a.png", "test/normal/a.png"]:
        save(tmp_path, name)
    with pytest.raises(ValueError, match=r"differ only in case: \['COVID', 'covid'\]"):
        load_image_folder(tmp_path)


def test_one_class_in_two_spellings_is_one_class(tmp_path):
    for split, form in (("train", "NFC"), ("test", "NFD")):
        save(tmp_path, f"{split}/{unicodedata.normalize(form, 'Pneumonía')}/a.png")
    save(tmp_path, "val/Pneumonía /a.png")
    assert load_image_folder(tmp_path).target_names.tolist() == ["Pneumonía"]


def test_files_deeper_below_a_class_are_found(flat):
    save(flat, "covid/ward/2020/z.png")
    assert "covid/ward/2020/z.png" in load_image_folder(flat).filenames


def test_linked_folder_is_followed(flat, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    save(elsewhere, "z.png")
    try:
        (flat / "covid" / "linked").symlink_to(elsewhere, target_is_directory=True)
    except OSError:
        pytest.skip("no right to make symbolic links")
    assert "covid/linked/z.png" in load_image_folder(flat).filenames


def link(source, target):
    try:
        source.symlink_to(target, target_is_directory=True)
    except OSError:
        pytest.skip("no right to make symbolic links")


@pytest.mark.parametrize("target", [".", "covid", "covid/ward"])
def test_link_to_a_folder_above_is_refused(flat, target):
    save(flat, "covid/ward/z.png")
    link(flat / "covid" / "ward" / "loop", flat / target)
    match = r"got 1 of 5 files.*\n  covid/ward/loop: it links to a folder that contains it$"
    with pytest.raises(ValueError, match=match):
        load_image_folder(flat)


def test_class_that_links_to_the_folder_itself_is_refused(flat):
    link(flat / "loop", flat)
    with pytest.raises(ValueError, match=r"\n  loop: it links to a folder that contains it$"):
        load_image_folder(flat)


def test_folder_named_as_an_image_is_a_folder(flat):
    save(flat, "covid/x.png/z.png")
    (flat / "covid" / "empty.png").mkdir()
    assert "covid/x.png/z.png" in load_image_folder(flat).filenames


def test_hidden_entries_and_files_next_to_the_classes_are_ignored(flat):
    (flat / "metadata.csv").write_text("file,group\n")
    (flat / "covid" / ".DS_Store").write_bytes(b"x")
    save(flat, ".cache/a.png")
    save(flat, "covid/.thumbnails/a.png")
    assert len(load_image_folder(flat).images) == 3


@pytest.mark.parametrize("name", ["Thumbs.db", "desktop.ini", "ehthumbs.db", "THUMBS.DB"])
def test_what_windows_adds_is_ignored(flat, name):
    (flat / "covid" / name).write_bytes(b"x")
    save(flat, "covid/@eaDir/a.png")
    assert len(load_image_folder(flat).images) == 3


def test_unicode_names_are_kept(tmp_path):
    save(tmp_path, "肺炎/Łódź é.png")
    bunch = load_image_folder(str(tmp_path))
    assert bunch.filenames.tolist() == ["肺炎/Łódź é.png"]
    assert bunch.target_names.tolist() == ["肺炎"]


def test_bunch_has_the_documented_types(flat):
    bunch = load_image_folder(flat, image_size=8)
    assert bunch.images.dtype == bunch.data.dtype == np.uint8
    assert bunch.target.dtype == np.int64
    assert bunch.data.shape == (3, 64)
    assert np.shares_memory(bunch.data, bunch.images)
    assert bunch.DESCR.startswith("3 grayscale images of 8x8 pixels in 2 classes")


# Errors


def test_missing_path(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere' does not exist"):
        load_image_folder(tmp_path / "nowhere")


def test_path_of_a_file(flat):
    with pytest.raises(NotADirectoryError, match=r"a\.png' is a file"):
        load_image_folder(flat / "covid" / "a.png")


def test_no_class_folder(flat):
    with pytest.raises(ValueError, match="must hold one sub-folder per class, got none"):
        load_image_folder(flat / "covid")


def test_split_without_class_folder(split):
    (split / "val").mkdir()
    with pytest.raises(ValueError, match=r"got none in .*val"):
        load_image_folder(split)


def test_empty_class_folder(split):
    (split / "test" / "normal").mkdir()
    (split / "test" / "normal" / ".keep").touch()
    with pytest.raises(ValueError, match="empty class folder 'test/normal'"):
        load_image_folder(split)


def refuse(root, reason):
    with pytest.raises(ValueError, match=rf"got 1 of \d+ files.*\n  covid/bad[.a-z]*: {reason}"):
        load_image_folder(root)


def test_zero_byte_file(flat):
    (flat / "covid" / "bad.png").touch()
    refuse(flat, "the file is empty")


def test_file_that_is_not_an_image(flat):
    (flat / "covid" / "bad.txt").write_text("to do: ask the ward")
    refuse(flat, "not an image format that Pillow reads")


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_truncated_image(flat, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    file = save(flat, f"covid/bad.{suffix}", noise)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    refuse(flat, ".")


@pytest.mark.parametrize("suffix", ["gif", "tif", "png"])
def test_several_frames(flat, suffix):
    frames = [Image.fromarray(RAMP), Image.fromarray(255 - RAMP)]
    save(flat, f"covid/bad.{suffix}", frames[0], save_all=True, append_images=frames[1:])
    refuse(flat, "it has 2 frames")


@pytest.mark.filterwarnings("default")  # not what makes an error of Pillow's warning
@pytest.mark.parametrize("limit", [200, 100])  # Pillow warns at 256 > 200, raises at > 2 * 100
def test_decompression_bomb(flat, monkeypatch, limit):
    for name in ["covid/a.png", "covid/b.png", "normal/c.png"]:
        save(flat, name, RAMP[:4, :4].copy())
    save(flat, "covid/bad.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    refuse(flat, r"Image size \(256 pixels\) exceeds limit")


def test_a_larger_image_is_read_if_asked(flat, monkeypatch):
    save(flat, "covid/large.png", np.kron(RAMP, np.ones((2, 2), np.uint8)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    match = r"large.png: Image size \(1024 pixels\) .* pass a larger max_pixels$"
    with pytest.raises(ValueError, match=match):
        load_image_folder(flat)
    assert len(load_image_folder(flat, max_pixels=1024).images) == 4
    with pytest.raises(ValueError, match=r"exceeds limit of 1023 pixels"):
        load_image_folder(flat, max_pixels=1023)


def test_nan_pixels(flat):
    save(flat, "covid/bad.tif", np.array([[0, np.nan]], dtype=np.float32))
    refuse(flat, "it has NaN or infinite pixels")


@pytest.mark.skipif(os.name == "nt", reason="Windows words it otherwise")
def test_broken_link(flat):
    try:
        (flat / "covid" / "bad.png").symlink_to(flat / "gone.png")
    except OSError:
        pytest.skip("no right to make symbolic links")
    refuse(flat, ".*No such file")


def test_all_unreadable_files_are_named_at_once(flat):
    (flat / "covid" / "bad.png").touch()
    (flat / "normal" / "notes.txt").write_text("x")
    with pytest.raises(ValueError, match=r"got 2 of 5 files(.|\n)*covid/bad(.|\n)*normal/notes"):
        load_image_folder(flat)


def test_an_error_lists_every_unreadable_file(flat):
    for i in range(50):
        (flat / "covid" / f"bad{i:02}.png").touch()
    with pytest.raises(ValueError, match="got 50 of 53 files") as caught:
        load_image_folder(flat)
    assert [f"  covid/bad{i:02}.png: the file is empty" for i in range(50)] == str(
        caught.value
    ).splitlines()[1:]


def save_bytes(root, name):
    """Write an image whose path, of bytes, is not UTF-8."""
    file = os.path.join(os.fsencode(root), name)
    try:
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(file, "wb") as stream:
            Image.fromarray(RAMP).save(stream, "PNG")
    except (OSError, UnicodeDecodeError):
        pytest.skip("this file system takes UTF-8 only")


@pytest.mark.parametrize("name", [b"covid/caf\xe9.png", b"covid/caf\xe9/a.png", b"caf\xe9/a.png"])
def test_a_path_that_is_not_utf_8_is_named_in_utf_8(flat, name):
    save_bytes(flat, name)
    escaped = name.decode("utf-8", "surrogateescape").encode("utf-8", "backslashreplace").decode()
    csv = write_csv(flat, "file,group\na.png,p1\nb.png,p2\nc.png,p3\ncovid/a.png,p1\n")
    with pytest.raises(ValueError, match="its path is not UTF-8") as caught:
        load_image_folder(flat, groups=csv)
    assert f"\n  {escaped}: its path is not UTF-8, so that no table" in str(caught.value)
    str(caught.value).encode()  # can be printed


def test_a_file_whose_name_is_not_utf_8_can_be_skipped(flat):
    save_bytes(flat, b"covid/caf\xe9.png")
    with pytest.warns(UserWarning, match="Left out 1 of 4 files"):
        bunch = load_image_folder(flat, on_error="skip")
    assert list(bunch.skipped) == ["covid/caf\\udce9.png"]


# Skipping


@pytest.fixture
def faulty(flat):
    (flat / "covid" / "bad.png").touch()
    (flat / "normal" / "notes.txt").write_text("x")
    return flat


REASONS = {
    "covid/bad.png": "the file is empty",
    "normal/notes.txt": "not an image format that Pillow reads, and not DICOM",
}


def test_skipped_files_are_left_out_and_listed(faulty):
    with pytest.warns(UserWarning, match="Left out 2 of 5 files"):
        bunch = load_image_folder(faulty, on_error="skip")
    assert bunch.filenames.tolist() == ["covid/a.png", "covid/b.png", "normal/c.png"]
    assert bunch.target.tolist() == [0, 0, 1]
    assert len(bunch.images) == 3
    assert bunch.skipped == REASONS


def test_skipping_warns_of_each_file_where_it_is_called(faulty):
    match = r"Left out 2 of 5 files:\n  covid/bad.png: the file is empty\n  normal/notes.txt: "
    with pytest.warns(UserWarning, match=match) as caught:
        load_image_folder(faulty, on_error="skip")
    assert caught[0].filename == __file__


def test_a_warning_names_the_first_20_skipped_files_and_counts_the_rest(flat):
    for i in range(23):
        (flat / "covid" / f"bad{i:02}.png").touch()
    with pytest.warns(match=r"bad19.png: the file is empty\n  \.\.\. and 3 more$"):
        skipped = load_image_folder(flat, on_error="skip").skipped
    assert len(skipped) == 23


def test_nothing_is_skipped_among_good_files(flat):
    assert load_image_folder(flat, on_error="skip").skipped == {}


def test_class_without_a_readable_image_is_an_error(faulty):
    (faulty / "normal" / "c.png").write_bytes(b"x")
    match = r"no readable image of the classes \['normal'\]:(.|\n)*normal/notes"
    with pytest.raises(ValueError, match=match):
        load_image_folder(faulty, on_error="skip")


def test_skipped_files_need_no_group(faulty):
    csv = write_csv(faulty, "file,group\na.png,p1\nb.png,p2\nc.png,p3\n")
    with pytest.warns(UserWarning, match="Left out 2 of 5 files"):
        bunch = load_image_folder(faulty, groups=csv, on_error="skip")
    assert bunch.groups.tolist() == ["p1", "p2", "p3"]


def test_missing_group_is_an_error_before_the_images_are_read(faulty):
    csv = write_csv(faulty, "file,group\na.png,p1\n")
    with pytest.raises(ValueError, match="for 4 of 5 images"):
        load_image_folder(faulty, groups=csv)


def test_name_of_a_skipped_file_is_still_ambiguous(flat):
    (flat / "normal" / "a.png").touch()
    csv = write_csv(flat, "file,group\na.png,p1\nb.png,p2\nc.png,p3\n")
    with (
        pytest.warns(UserWarning, match="Left out"),
        pytest.raises(ValueError, match=r"for 1 of 3 images(.|\n)*covid/a.png: no group$"),
    ):
        load_image_folder(flat, groups=csv, on_error="skip")


def test_threads_and_progress_are_passed_on(flat, monkeypatch):
    seen, read = {}, folders.read_images
    monkeypatch.setattr(
        folders, "read_images", lambda files, **options: seen.update(options) or read(files)
    )
    load_image_folder(flat, image_size=None, n_jobs=2, verbose=1)
    assert (seen["n_jobs"], seen["verbose"]) == (2, 1)


def test_threads_give_the_same_bunch(faulty):
    with pytest.warns(UserWarning, match="Left out 2 of 5 files"):
        one, two = (load_image_folder(faulty, on_error="skip", n_jobs=n) for n in (1, 2))
    np.testing.assert_array_equal(one.images, two.images)
    assert one.filenames.tolist() == two.filenames.tolist()
    assert one.skipped == two.skipped


# Groups


def write_csv(root, text, encoding="utf-8"):
    file = root / "metadata.csv"
    file.write_text(text, encoding=encoding)
    return file


def test_groups_by_path_relative_to_root(split):
    csv = write_csv(
        split,
        "file,patient_id\ntrain/covid/a.png,p1\ntest/covid/c.png,p2\ntrain/normal/b.png,p3\n",
    )
    assert load_image_folder(split, groups=csv).groups.tolist() == ["p2", "p1", "p3"]


def test_groups_by_path_under_split(split):
    csv = write_csv(split, "file,group\ncovid/a.png,p1\nnormal/b.png,p2\ncovid/c.png,p3\n")
    assert load_image_folder(split, groups=csv).groups.tolist() == ["p3", "p1", "p2"]


def test_groups_by_path_under_class(tmp_path):
    save(tmp_path, "train/covid/ward1/a.png")
    save(tmp_path, "test/covid/ward2/a.png")
    csv = write_csv(tmp_path, "file,group\nward1/a.png,p1\nward2/a.png,p2\n")
    assert load_image_folder(tmp_path, groups=csv).groups.tolist() == ["p2", "p1"]


def test_groups_by_bare_name(split):
    csv = write_csv(split, "file,group\na.png,p1\nb.png,p2\nc.png,p1\n")
    assert load_image_folder(split, groups=csv).groups.tolist() == ["p1", "p1", "p2"]


def test_longer_path_wins_over_bare_name(split):
    csv = write_csv(split, "file,group\na.png,no\nb.png,p2\nc.png,p3\ntrain/covid/a.png,p1\n")
    assert load_image_folder(split, groups=csv).groups.tolist() == ["p3", "p1", "p2"]


def test_bare_name_of_two_images_gives_no_group(flat):
    save(flat, "normal/a.png")
    csv = write_csv(flat, "file,group\na.png,p1\nb.png,p2\nc.png,p3\n")
    match = r"for 2 of 4 images(.|\n)*covid/a.png: no group\n  normal/a.png: no group$"
    with pytest.raises(ValueError, match=match):
        load_image_folder(flat, groups=csv)


def test_row_of_another_folder_does_not_lend_its_group(flat):
    csv = write_csv(flat, "file,group\nother/a.png,p1\nb.png,p2\nc.png,p3\n")
    with pytest.raises(ValueError, match=r"covid/a.png: no group"):
        load_image_folder(flat, groups=csv)


@pytest.mark.parametrize("column", ["file", "FileName", "PATH", " image"])
def test_file_column_names(flat, column):
    csv = write_csv(flat, f"{column},group\na.png,p1\nb.png,p2\nc.png,p3\n")
    assert load_image_folder(flat, groups=csv).groups.tolist() == ["p1", "p2", "p3"]


@pytest.mark.parametrize(
    "column", ["group", "Groups", "patient_id", "PatientID", "patient", "SUBJECT"]
)
def test_group_column_names(flat, column):
    csv = write_csv(flat, f"file,{column}\na.png,p1\nb.png,p2\nc.png,p3\n")
    assert load_image_folder(flat, groups=csv).groups.tolist() == ["p1", "p2", "p3"]


def test_first_accepted_column_is_used(flat):
    csv = write_csv(flat, "patient,image,group,file\nx,y,p1,a.png\nx,y,p2,b.png\nx,y,p3,c.png\n")
    assert load_image_folder(flat, groups=csv).groups.tolist() == ["p1", "p2", "p3"]


@pytest.mark.parametrize("header", ["name,group", "file,ward"])
def test_missing_column_lists_columns_and_names_accepted(flat, header):
    csv = write_csv(flat, f"{header}\na.png,p1\n")
    match = f"named one of .*(filename|patient_id).*got the columns {header.replace(',', ', ')}"
    with pytest.raises(ValueError, match=match):
        load_image_folder(flat, groups=csv)


def test_groups_from_a_csv_are_strings_as_written(flat):
    csv = write_csv(flat, "file,group\na.png,007\nb.png,7\nc.png,7.0\n")
    groups = load_image_folder(flat, groups=csv).groups
    assert groups.dtype == object
    assert groups.tolist() == ["007", "7", "7.0"]
    assert all(type(group) is str for group in groups)


def test_groups_from_a_data_frame_are_kept(flat):
    table = pd.DataFrame({"file": ["c.png", "a.png", "b.png"], "group": [3, 1, 2]})
    assert load_image_folder(flat, groups=table).groups.tolist() == [1, 2, 3]


def test_rows_without_an_image_are_ignored(flat):
    text = "file,group\nz.png,p8\nz.png,p9\na.png,p1\nb.png,p2\nc.png,p3\n"
    assert load_image_folder(flat, groups=write_csv(flat, text)).groups.tolist() == [
        "p1",
        "p2",
        "p3",
    ]


def test_repeated_rows_that_agree_are_allowed(flat):
    csv = write_csv(flat, "file,group\na.png,p1\na.png,p1\nb.png,p2\nc.png,p3\n")
    assert load_image_folder(flat, groups=csv).groups.tolist() == ["p1", "p2", "p3"]


def test_repeated_rows_that_disagree_are_named(flat):
    csv = write_csv(flat, "file,group\na.png,p1\na.png,p9\nb.png,p2\nc.png,p3\n")
    with pytest.raises(ValueError, match=r"for 1 of 3 images.*\n  covid/a.png: \['p1', 'p9'\]$"):
        load_image_folder(flat, groups=csv)


def test_row_with_an_empty_group_gives_none(flat):
    csv = write_csv(flat, "file,group\na.png,p1\nb.png,\nc.png,p3\n")
    with pytest.raises(ValueError, match=r"covid/b.png: no group$"):
        load_image_folder(flat, groups=csv)


def test_more_than_20_images_without_group_are_counted(flat):
    for i in range(22):
        save(flat, f"covid/x{i:02}.png")
    csv = write_csv(flat, "file,group\na.png,p1\nb.png,p2\nc.png,p3\n")
    with pytest.raises(ValueError, match=r"for 22 of 25 (.|\n)*\.\.\. and 2 more$"):
        load_image_folder(flat, groups=csv)


@pytest.mark.parametrize(
    "content", [None, b"", b"file,group\na,b,c,d\nx,y,z", b"file,group\n\xff\xfe"]
)
def test_csv_that_cannot_be_read(flat, content):
    csv = flat / "metadata.csv"
    if content is not None:
        csv.write_bytes(content)
    with pytest.raises(ValueError, match=r"groups must be a comma-separated UTF-8 file, got .*csv"):
        load_image_folder(flat, groups=csv)


@pytest.mark.parametrize(
    "row",
    [
        "xrays/covid/a.png",
        "/home/anna/covid/a.png",
        "C:/xrays/a.png",
        "COVID/A.PNG",
        "covid/a",
        "covid/a.jpg",
        "covid_a.png",
    ],
)
def test_the_nearest_row_is_shown_where_an_image_has_no_group(flat, row):
    csv = write_csv(flat, f"file,group\nz/x.png,p0\n{row},p1\nb.png,p2\nc.png,p3\n")
    match = rf"The row nearest to 'covid/a.png' is '{row}':\n  covid/a.png: no group$"
    with pytest.raises(ValueError, match=match):
        load_image_folder(flat, groups=csv)


def test_a_table_without_a_group_says_so(flat):
    csv = write_csv(flat, "file,group\na.png,\nb.png,\n,p3\n")
    with pytest.raises(ValueError, match=r"for 3 of 3 (.|\n)*No row has both a file and a group:"):
        load_image_folder(flat, groups=csv)


@pytest.mark.parametrize(
    ("separator", "name"), [(";", "semicolons"), ("\t", "tabs"), (" ;", "semicolons")]
)
def test_another_separator_is_named(flat, separator, name):
    rows = [["file", "group"], ["a.png", "Muster, Anna"], ["b.png", "p2"]]
    csv = write_csv(flat, "\n".join(separator.join(row) for row in rows))
    match = f"groups must be a comma-separated .*it seems to be separated by {name}, since"
    with pytest.raises(ValueError, match=match):
        load_image_folder(flat, groups=csv)


def test_nih_table_is_taken(tmp_path):
    """The first lines of Data_Entry_2017.csv: rows are one cell longer than the header."""
    save(tmp_path, "hernia/00000003_000.png")
    save(tmp_path, "effusion/00000001_001.png")
    csv = write_csv(
        tmp_path,
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,"
        "View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n"
        "00000001_001.png,Cardiomegaly|Effusion,001,00001,058Y,M,PA,2894,2729,0.143,0.143,\n"
        "00000003_000.png,Hernia,000,00003,081Y,F,PA,2582,2991,0.143,0.143,\n",
    )
    bunch = load_image_folder(tmp_path, groups=csv)
    assert bunch.groups.tolist() == ["00001", "00003"]


def test_groups_of_another_type(flat):
    with pytest.raises(TypeError, match="groups must be None, a path or a DataFrame, got list"):
        load_image_folder(flat, groups=["p1", "p2", "p3"])


def test_csv_with_byte_order_mark_and_backslashes(flat):
    text = "file,group\n.\\covid\\a.png,p1\ncovid\\b.png,p2\n./normal/c.png,p3\n"
    csv = write_csv(flat, text, encoding="utf-8-sig")
    assert load_image_folder(flat, groups=str(csv)).groups.tolist() == ["p1", "p2", "p3"]


def test_accents_match_composed_or_not(tmp_path):
    save(tmp_path, "covid/" + unicodedata.normalize("NFD", "é.png"))
    csv = write_csv(tmp_path, "file,group\n" + unicodedata.normalize("NFC", "é.png") + ",Zoë\n")
    assert load_image_folder(tmp_path, groups=csv).groups.tolist() == ["Zoë"]


@pytest.mark.parametrize("as_table", [False, True])
def test_blanks_and_accents_do_not_split_a_patient(flat, as_table):
    composed, decomposed = (unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD"))
    groups = write_csv(
        flat, f" File ,Patient_ID \n a.png,{composed}\nb.png\t,{decomposed} \nc.png,\u00a0P0\n"
    )
    if as_table:
        groups = pd.read_csv(groups)
    assert load_image_folder(flat, groups=groups).groups.tolist() == [composed, composed, "P0"]


@pytest.mark.parametrize("blank", [" ", '""', "\t "])
@pytest.mark.parametrize("as_table", [False, True])
def test_a_group_of_blanks_is_none(flat, blank, as_table):
    groups = write_csv(flat, f"file,group\na.png,p1\nb.png,{blank}\nc.png,{blank}\n")
    if as_table:
        groups = pd.read_csv(groups, keep_default_na=False)
    with pytest.raises(ValueError, match=r"for 2 of 3 images(.|\n)*covid/b.png: no group"):
        load_image_folder(flat, groups=groups)


def test_pandas_is_not_needed_without_groups(flat):
    code = (
        "import sys; sys.modules['pandas'] = None; "
        "from skcxr.datasets._folders import load_image_folder; "
        f"load_image_folder({str(flat)!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Real radiographs


def test_real_radiographs():
    data = Path(os.environ.get("SKCXR_DATA", Path(__file__).parents[3] / "shared" / "data"))
    root = data / "covid_cxr"
    if not root.is_dir():
        pytest.skip(f"no covid_cxr in {data}; set SKCXR_DATA to the folder that holds it")
    bunch = load_image_folder(root, groups=root / "metadata.csv")

    classes = bunch.target_names[bunch.target]
    counts = Counter(zip(bunch.split.tolist(), classes.tolist(), strict=True))
    n_train = {"covid": 60, "normal": 70, "pneumonia_bac": 70, "pneumonia_vir": 70}
    expected = {("train", name): n for name, n in n_train.items()}
    assert counts == expected | {("test", name): 9 for name in n_train}
    covid_train = (bunch.split == "train") & (classes == "covid")
    assert len(set(bunch.groups[covid_train])) == 38


def test_metadata_has_the_size_of_each_file(tmp_path):
    for i, shape in enumerate([(40, 20), (30, 30)]):
        (tmp_path / "covid").mkdir(exist_ok=True)
        Image.new("L", shape, color=9).save(tmp_path / "covid" / f"{i}.png")
    metadata = load_image_folder(tmp_path).metadata
    assert metadata.dtype.names == ("file_size", "height", "width")
    assert metadata["height"].tolist() == [20, 30]
    assert metadata["width"].tolist() == [40, 30]
    sizes = [(tmp_path / "covid" / f"{i}.png").stat().st_size for i in range(2)]
    assert metadata["file_size"].tolist() == sizes
