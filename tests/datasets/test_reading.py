import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from skcxr.datasets._reading import describe_files, read_image, read_images

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


# Bits that Pillow drops, or takes for others


def chunk(kind, content):
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def deep_png(folder, pixels, *chunks, interlaced=False):
    """Write a 16-bit PNG of 1 to 4 channels: gray, gray with alpha, color, color with alpha."""
    pixels = np.atleast_3d(pixels).astype(">u2")
    height, width, n_channels = pixels.shape
    color_type = {1: 0, 2: 4, 3: 2, 4: 6}[n_channels]
    starts_and_steps = [(0, 0, 1, 1)]
    if interlaced:  # Adam7
        starts_and_steps = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)]
        starts_and_steps += [(2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = b"".join(
        b"\0" + row.tobytes()
        for top, left, down, right in starts_and_steps
        for row in pixels[top::down, left::right]
    )
    header = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, interlaced)
    parts = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(rows))]
    file = folder / "a.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b""))
    return file


def tiff(folder, pixels, **tags):
    """Write an uncompressed TIFF whose tags may say anything."""
    n_channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    known = {"bits": 258, "photometric": 262, "orientation": 274, "sample_format": 339}
    entries = {known[name]: value for name, value in tags.items()}
    entries = {258: 8 * pixels.itemsize, 262: 1, **entries}
    entries |= {256: pixels.shape[1], 257: pixels.shape[0], 259: 1, 277: n_channels}
    start = 8 + 2 + 12 * (len(entries) + 2) + 4
    depth = struct.pack(f"<{n_channels}H", *[entries[258]] * n_channels)
    entries |= {273: start + len(depth), 279: pixels.nbytes}
    table = b""
    for tag, value in sorted(entries.items()):
        if tag == 258 and n_channels > 2:
            table += struct.pack("<HHII", tag, 3, n_channels, start)
        elif tag == 258:
            table += struct.pack("<HHI4s", tag, 3, n_channels, depth)
        else:
            table += struct.pack("<HHII", tag, 4, 1, value)
    content = b"II*\0" + struct.pack("<IH", 8, len(entries)) + table + bytes(4) + depth
    (folder / "a.tif").write_bytes(content + pixels.tobytes())
    return folder / "a.tif"


DEEP = RAMP.astype(np.uint16) * 16  # 12 bits
OPAQUE = np.full((16, 16), 65535, dtype=np.uint16)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("n_channels", [1, 2, 3, 4])
def test_12_bits_of_a_16_bit_png_use_the_gray_scale(tmp_path, n_channels, interlaced):
    pixels = np.stack([DEEP] * 3, axis=-1) if n_channels > 2 else DEEP[..., None]
    if n_channels in (2, 4):
        pixels = np.dstack([pixels, OPAQUE])
    file = deep_png(tmp_path, pixels, interlaced=interlaced)
    np.testing.assert_array_equal(read_image(file), RAMP)


def test_16_bit_color_is_weighted_by_luma(tmp_path):
    colors = [[0, 0, 0], [1000, 0, 0], [0, 1000, 0], [0, 0, 1000], [1000, 1000, 1000]]
    image = read_image(deep_png(tmp_path, np.array([colors])))
    assert image.tolist() == [[0, 76, 150, 29, 255]]


def test_transparency_darkens_16_bit_pixels_but_does_not_set_their_range(tmp_path):
    # The visible values are 1000 to 3000. The pixel of value 2000 is half transparent.
    gray = np.array([[60000, 1000, 2000, 2000, 3000]])
    alpha = np.array([[0, 65535, 65535, 32768, 65535]])
    image = read_image(deep_png(tmp_path, np.dstack([gray, alpha])))
    assert image.tolist() == [[0, 0, 128, 64, 255]]


@pytest.mark.parametrize("n_channels", [1, 3])
def test_the_transparent_value_of_a_16_bit_png_is_black(tmp_path, n_channels):
    gray = np.array([[65535, 1000, 2000, 3000]])
    transparent = chunk(b"tRNS", b"\xff\xff" * n_channels)
    file = deep_png(tmp_path, np.dstack([gray] * n_channels), transparent)
    assert read_image(file).tolist() == [[0, 0, 128, 255]]


def test_the_orientation_of_a_16_bit_png_with_alpha_is_applied(tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # to be turned clockwise by 90 degrees
    pixels = np.dstack([DEEP[:2], OPAQUE[:2]])
    file = deep_png(tmp_path, pixels, chunk(b"eXIf", exif.tobytes()[6:]))
    expected = np.rint(np.rot90(RAMP[:2], -1) * (255 / 31))
    np.testing.assert_array_equal(read_image(file), expected)


def test_a_damaged_16_bit_png_with_alpha_is_refused(tmp_path):
    noise = np.random.default_rng(0).integers(0, 4096, (16, 16, 2))
    content = deep_png(tmp_path, noise).read_bytes()
    for size in range(60, len(content) - 20, 37):
        (tmp_path / "b.png").write_bytes(content[:size])
        (reason,) = read_images([tmp_path / "b.png"])
        assert isinstance(reason, str), size


@pytest.mark.parametrize("n_channels", [3, 4])
def test_16_bit_color_in_a_tiff_is_refused(tmp_path, n_channels):
    photometric = {"photometric": 2}
    file = tiff(tmp_path, np.dstack([DEEP] * n_channels), **photometric)
    refused(
        file,
        "it has 16 bits per channel, of which only the upper 8 would be read. Save it as 16-bit "
        "grayscale or as 8-bit color",
    )
    shallow = tiff(tmp_path, np.dstack([RAMP] * n_channels), **photometric)
    expected = RAMP if n_channels == 3 else np.rint(RAMP * (RAMP / 255.0))
    np.testing.assert_allclose(read_image(shallow), expected, atol=1)


@pytest.mark.parametrize(("largest", "n_bits"), [(4095, 12), (65535, 16)])
def test_deep_color_in_a_ppm_is_refused(tmp_path, largest, n_bits):
    header = b" 16 16 %d\n" % largest
    (tmp_path / "a").write_bytes(b"P6" + header + np.dstack([DEEP] * 3).astype(">u2").tobytes())
    (reason,) = read_images([tmp_path / "a"])
    assert f"it has {n_bits} bits per channel" in reason
    (tmp_path / "a").write_bytes(b"P5" + header + DEEP.astype(">u2").tobytes())
    np.testing.assert_array_equal(read_image(tmp_path / "a"), RAMP)


@pytest.mark.parametrize("suffix", ["j2k", "jp2"])
def test_deep_color_in_jpeg_2000_is_refused(tmp_path, suffix):
    """Pillow writes no such file. So the precision in the header is set to 12 bits."""
    file = tmp_path / f"a.{suffix}"
    Image.fromarray(np.dstack([np.kron(RAMP, np.ones((4, 4), np.uint8))] * 3)).save(file)
    np.testing.assert_array_equal(read_image(file)[::4, ::4], RAMP)
    content = bytearray(file.read_bytes())
    first = content.index(b"\xff\x4f\xff\x51") + 42  # Ssiz
    content[first] = 11
    file.write_bytes(content)
    (reason,) = read_images([file])
    assert "it has 12 bits per channel" in reason


def test_jpeg_2000_of_more_than_16_bits_is_refused(tmp_path):
    file = tmp_path / "a.j2k"
    Image.fromarray(np.kron(DEEP, np.ones((4, 4), np.uint16))).save(file)
    np.testing.assert_array_equal(read_image(file)[::4, ::4], RAMP)
    content = bytearray(file.read_bytes())
    content[42] = 23  # Ssiz
    file.write_bytes(content)
    (reason,) = read_images([file])
    assert "it has 24 bits per channel, of which only the upper 16 would be read" in reason


def test_unsigned_32_bit_tiff_does_not_wrap(tmp_path):
    pixels = RAMP.astype(np.uint32) * 2**24
    np.testing.assert_array_equal(read_image(tiff(tmp_path, pixels)), RAMP)
    signed = pixels.astype(np.int64) - 2**31
    file = tiff(tmp_path, signed.astype(np.int32), sample_format=2)
    np.testing.assert_array_equal(read_image(file), RAMP)


def test_signed_8_bit_tiff_does_not_wrap(tmp_path):
    pixels = (RAMP.astype(int) - 128).astype(np.int8)
    np.testing.assert_array_equal(read_image(tiff(tmp_path, pixels, sample_format=2)), RAMP)


@pytest.mark.parametrize(
    "pixels",
    [
        [[[255, 0, 0, 255], [0, 130, 0, 255]]],  # red and green of one luma
        [[[0, 0, 0, 0], [9, 99, 0, 0]]],  # all transparent
        [[[0, 0, 0, 0], [0, 0, 0, 255]]],  # drawn in black
    ],
)
def test_pixels_that_become_equal_are_refused(tmp_path, pixels):
    file = save(tmp_path, np.array(pixels, dtype=np.uint8))
    refused(file, "its pixels differ, but their gray values are all equal")


def test_a_16_bit_png_that_shows_nothing_is_refused(tmp_path):
    clear = np.dstack([DEEP, np.zeros((16, 16))])
    refused(deep_png(tmp_path, clear), "all of its pixels are transparent")
    drawn_in_black = np.dstack([np.zeros((16, 16)), DEEP * 16])
    reason = "its pixels differ, but their gray values are all equal"
    refused(deep_png(tmp_path, drawn_in_black), reason)


def test_a_palette_of_one_color_is_refused(tmp_path):
    """Some writers store 8-bit colors where TIFF has 16 bits, of which Pillow reads the upper 8."""
    image = Image.fromarray(RAMP).convert("P")
    image.putpalette([7] * 768)
    image.save(tmp_path / "a.png")
    refused(tmp_path / "a.png", "its pixels differ, but their gray values are all equal")


@pytest.mark.parametrize(
    ("pixels", "gray"),
    [
        (np.full((2, 2), 77, np.uint8), 77),
        (np.full((2, 2), 4095, np.uint16), 0),
        (np.full((2, 2, 4), 0, np.uint8), 0),
        (np.full((2, 2, 3), 200, np.uint8), 200),
    ],
)
def test_an_image_that_is_constant_in_its_file_is_kept(tmp_path, pixels, gray):
    assert read_image(save(tmp_path, pixels)).tolist() == [[gray, gray], [gray, gray]]


# Unreadable files


def refused(file, reason, **options):
    assert read_images([file], **options) == [reason]


def test_folder(tmp_path):
    refused(tmp_path, "it links to a folder that contains it")


@pytest.mark.skipif(os.name == "nt", reason="Windows words it otherwise")
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


# Large files


def test_the_number_of_pixels_is_limited(tmp_path, monkeypatch):
    file = save(tmp_path, RAMP)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)
    advice = ". If you trust the file, pass a larger max_pixels"
    refused(file, f"Image size (256 pixels) exceeds limit of 200 pixels{advice}")
    refused(file, f"Image size (256 pixels) exceeds limit of 255 pixels{advice}", max_pixels=255)
    (image,) = read_images([file], max_pixels=256)
    np.testing.assert_array_equal(image, RAMP)
    assert Image.MAX_IMAGE_PIXELS == 200


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


def test_files_are_described_without_their_pixels(tmp_path):
    Image.new("L", (40, 20)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    size = (tmp_path / "a.png").stat().st_size
    assert describe_files([tmp_path / "a.png", tmp_path / "b.png"]) == [
        {"file_size": size, "height": 20, "width": 40},
        {"file_size": 8},
    ]
