import os

import numpy as np
import pytest
from PIL import Image

from skcxr.datasets._reading import read_image, read_images

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def save(folder, image, name="a.png"):
    Image.fromarray(np.asarray(image)).save(folder / name)
    return folder / name


# Fit


@pytest.fixture
def wide(tmp_path):
    """16 high, 48 wide: a black, a gray and a white square."""
    return save(tmp_path, np.repeat(np.array([[0, 100, 255]], dtype=np.uint8), 16, 0).repeat(16, 1))


def test_squash_keeps_the_whole_image_but_not_the_aspect_ratio(wide):
    image = read_image(wide, image_size=12, fit="squash")
    np.testing.assert_array_equal(image[:, [1, 5, 6, 10]], [[0, 100, 100, 255]] * 12)


def test_pad_adds_black_above_and_below(wide):
    image = read_image(wide, image_size=48, fit="pad")
    assert not image[:16].any()
    assert not image[32:].any()
    np.testing.assert_array_equal(image[16:32], np.asarray(Image.open(wide)))


def test_pad_adds_black_left_and_right(tmp_path):
    image = read_image(save(tmp_path, np.full((48, 16), 9, np.uint8)), image_size=48, fit="pad")
    assert image[:, 16:32].min() == 9
    assert image.sum() == 48 * 16 * 9


def test_crop_keeps_the_middle(wide):
    image = read_image(wide, image_size=16, fit="crop")
    np.testing.assert_array_equal(image, np.full((16, 16), 100))


@pytest.mark.parametrize("fit", ["squash", "pad", "crop"])
def test_every_fit_of_a_square_is_the_same(tmp_path, fit):
    np.testing.assert_array_equal(read_image(save(tmp_path, RAMP), image_size=16, fit=fit), RAMP)


@pytest.mark.parametrize("fit", ["squash", "pad", "crop"])
@pytest.mark.parametrize("shape", [(1, 7), (31, 17), (200, 3)])
def test_every_fit_gives_the_size_asked_for(tmp_path, fit, shape):
    image = read_image(save(tmp_path, np.ones(shape, np.uint8)), image_size=20, fit=fit)
    assert image.shape == (20, 20)


# Percentiles


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_percentiles_turn_black_and_white(tmp_path, dtype):
    pixels = np.arange(101, dtype=dtype)[None] + 50
    image = read_image(save(tmp_path, pixels), percentiles=(10, 90))
    np.testing.assert_array_equal(image[0], np.rint(np.clip(np.arange(-10, 91) * 255 / 80, 0, 255)))


def test_percentiles_0_and_100_stretch_8_bit(tmp_path):
    image = read_image(save(tmp_path, RAMP // 5 + 50), percentiles=(0, 100))
    assert image.min() == 0
    assert image.max() == 255


def test_an_outlier_does_not_darken_within_percentiles(tmp_path):
    pixels = RAMP.astype(np.uint16) * 10
    pixels[0, 0] = 65535
    file = save(tmp_path, pixels)
    assert np.median(read_image(file)) < 10
    assert abs(np.median(read_image(file, percentiles=(1, 99))) - 128) < 4


def test_percentiles_of_a_constant_image_are_black(tmp_path):
    file = save(tmp_path, np.full((4, 4), 77, np.uint8))
    assert not read_image(file, percentiles=(1, 99)).any()


def test_equal_percentiles_of_an_image_are_refused(tmp_path):
    pixels = np.full((16, 16), 255, np.uint8)
    pixels[0, 0] = 0
    file = save(tmp_path, pixels)
    refused(file, "its percentiles (1, 99) are both 255", percentiles=(1, 99))


# Unreadable files


def refused(file, reason, **options):
    assert read_images([file], **options) == [reason]


def test_folder(tmp_path):
    refused(tmp_path, "it links to a folder that contains it")


def test_link_to_itself(tmp_path):
    link = tmp_path / "a.png"
    try:
        link.symlink_to(link)
    except OSError:
        pytest.skip("no right to make symbolic links")
    refused(link, "Too many levels of symbolic links")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    refused(tmp_path / "a.png", "it is not a regular file")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root and Windows may read everything"
)
def test_file_without_permission(tmp_path):
    file = save(tmp_path, RAMP)
    file.chmod(0)
    refused(file, "Permission denied")


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp", "gif", "webp"])
def test_truncated_anywhere(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)
    content = save(tmp_path, noise, f"a.{suffix}").read_bytes()
    for size in range(1, len(content) * 3 // 4, 37):
        (tmp_path / "a").write_bytes(content[:size])
        (result,) = read_images([tmp_path / "a"])
        assert isinstance(result, str), size


# Many files


def test_threads_read_in_order(tmp_path):
    files = [save(tmp_path, np.full((4, 4), i % 256, np.uint8), f"{i}.png") for i in range(300)]
    results = read_images(files, image_size=2, n_jobs=4)
    assert [result[0, 0] for result in results] == [i % 256 for i in range(300)]


def test_progress_bar_counts_the_files(tmp_path, capsys):
    read_images([save(tmp_path, RAMP)] * 3, verbose=1)
    assert "3/3" in capsys.readouterr().err


def test_no_progress_bar_by_default(tmp_path, capsys):
    read_images([save(tmp_path, RAMP)])
    assert capsys.readouterr() == ("", "")


def test_postscript_is_not_opened(tmp_path):
    """Pillow would start Ghostscript for it."""
    Image.fromarray(RAMP).save(tmp_path / "a.png", format="EPS")
    with pytest.raises(Image.UnidentifiedImageError):
        read_image(tmp_path / "a.png", image_size=16)
