"""Gray pixels of the image files that Pillow opens, without the bits that it would drop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps

from skcxr.datasets._dicom import LUMA, read_jpeg_header

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

# Pillow supports more formats. EPS is excluded because Pillow starts Ghostscript to open it.
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM", "JPEG2000")
# Tags of TIFF, and one of EXIF.
_BITS_PER_SAMPLE = 258
_PHOTOMETRIC_INTERPRETATION = 262
_SAMPLE_FORMAT = 339
_ORIENTATION = 274


def read_with_pillow(file: Path) -> tuple[np.ndarray, tuple[float, float]]:
    """Return the gray pixels, and which of their values are black and white.

    8-bit images keep their values. The range of a deeper image is its own.

    Raises
    ------
    ValueError
        If the file has several frames, pixels that are not finite, bits that no installed decoder
        keeps, or pixels that differ but become one gray value. On damaged files, Pillow raises
        errors of any other type.
    """
    # If the orientation tag of an uncompressed TIFF swaps height and width, Pillow 13.0 maps the
    # file into memory and scrambles it. It does so only if the file is opened by its path.
    with file.open("rb") as stream, Image.open(stream, formats=FORMATS) as image:
        if (n_frames := getattr(image, "n_frames", 1)) > 1:
            raise ValueError(f"it has {n_frames} frames")
        n_bits = _count_bits(image, file)
        is_deep_gray = image.mode.startswith("I") or image.mode == "F"
        if image.format == "JPEG2000" and n_bits > 16:
            raise ValueError(
                f"it has {n_bits} bits per channel, of which only the upper 16 would be read. Save "
                "it as 16-bit grayscale"
            )
        if is_deep_gray and "transparency" not in image.info:
            return _read_deep_gray(image, n_bits)
        if n_bits > 8 and image.format == "PNG":
            return _read_deep_png(image, file)
        if n_bits > 8:
            raise ValueError(
                f"it has {n_bits} bits per channel, of which only the upper 8 would be read. Save "
                "it as 16-bit grayscale or as 8-bit color"
            )
        if _is_signed(image):
            return _read_deep_gray(image, n_bits)
        return _read_8_bits(image)


def read_size(file: Path) -> tuple[int, int]:
    """Return the stored height and width of an image, without its pixels."""
    with file.open("rb") as stream, Image.open(stream, formats=FORMATS) as image:
        return image.height, image.width


def _count_bits(image: ImageFile, file: Path) -> int:
    """Return the number of bits per channel in the file, which the mode does not tell."""
    if image.format == "PNG":
        with file.open("rb") as stream:
            return stream.read(25)[24]  # in the chunk IHDR, which is the first
    if image.format == "TIFF":
        return int(np.max(_get_tag(image, _BITS_PER_SAMPLE, 1)))
    if image.format == "JPEG2000":
        header = read_jpeg_header(file.read_bytes())
        if header is None:
            raise ValueError("its header is damaged")
        _, _, precision = header
        return precision
    if image.format == "PPM":
        # The decoder's arguments hold the largest value, unless it is 255.
        args = image.tile[0][3]
        return int(args[1]).bit_length() if isinstance(args, tuple) else 8
    return 8


def _get_tag(image: Any, tag: int, default: Any = None) -> Any:
    """Return the value of a tag of a TIFF."""
    return image.tag_v2.get(tag, default)


def _is_signed(image: Image.Image) -> bool:
    """Return whether an 8-bit TIFF holds negative values, which Pillow reads as high ones."""
    return image.format == "TIFF" and image.mode == "L" and _get_tag(image, _SAMPLE_FORMAT) == (2,)


def _read_8_bits(image: Image.Image) -> tuple[np.ndarray, tuple[float, float]]:
    """Return the pixels of an image with up to 8 bits per channel, transparent ones as black."""
    upright = ImageOps.exif_transpose(image)
    is_constant = np.ptp(np.reshape(upright.getextrema(), (-1, 2)), axis=1).max() == 0
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        black = Image.new("RGBA", upright.size, "black")
        upright = Image.alpha_composite(black, upright)
    gray = np.asarray(upright.convert("L"))
    _check_contrast(gray, is_constant)
    return gray, (0, 255)


def _read_deep_gray(image: Image.Image, n_bits: int) -> tuple[np.ndarray, tuple[float, float]]:
    """Return the values of an image with one channel. convert("L") would clip those above 255."""
    values = np.asarray(ImageOps.exif_transpose(image))
    if image.format == "TIFF":
        sample_format = _get_tag(image, _SAMPLE_FORMAT, (1,))
        if sample_format == (1,) and n_bits == 32:
            values = values.view(np.uint32)  # Pillow reads the upper half as negative
        elif image.mode == "L":
            values = values.view(np.int8)
    values = values.astype(np.float64)
    if image.format == "TIFF" and _get_tag(image, _PHOTOMETRIC_INTERPRETATION) == 0:
        values = -values  # low values are white, which Pillow considers only up to 8 bits
    if not np.isfinite(values).all():
        raise ValueError("it has NaN or infinite pixels")
    return values, (values.min(), values.max())


def _read_deep_png(image: Image.Image, file: Path) -> tuple[np.ndarray, tuple[float, float]]:
    """Return the pixels of a 16-bit PNG with color or transparency, of which Pillow reads 8 bits.

    Pixels that are not transparent set the range, and transparent ones become black.
    """
    channels = _decode_deep_png(file)
    n_channels = channels.shape[2]
    color = channels[..., :3] if n_channels > 2 else channels[..., :1]
    alpha = channels[..., -1] / 65535 if n_channels in (2, 4) else np.ones(channels.shape[:2])
    if "transparency" in image.info:
        alpha = alpha * (color != image.info["transparency"]).any(axis=2)
    visible = alpha > 0
    if not visible.any():
        raise ValueError("all of its pixels are transparent")

    gray = color @ np.array(LUMA) if n_channels > 2 else color[..., 0].astype(np.float64)
    low = gray[visible].min()
    high = gray[visible].max()
    gray = low + (gray - low) * alpha
    _check_contrast(gray, is_constant=np.ptp(channels, axis=(0, 1)).max() == 0)
    turned = Image.fromarray(gray.astype(np.float32))
    turned.getexif()[_ORIENTATION] = image.getexif().get(_ORIENTATION, 1)
    return np.asarray(ImageOps.exif_transpose(turned)), (low, high)


def _decode_deep_png(file: Path) -> np.ndarray:
    """Return all bits of a 16-bit PNG, as uint16 of shape (height, width, channels).

    Of the two bytes of each value, Pillow keeps one. Its decoder is told the order of the bytes,
    so that it keeps the upper one (B, for big-endian) or the lower one (L).
    """
    with Image.open(file, formats=["PNG"]) as image:
        raw_mode = image.tile[0][3]
    if raw_mode == "I;16B":
        return _decode_png(file, raw_mode)[..., np.newaxis]
    if raw_mode == "LA;16B":
        # The two bytes of gray and the two of alpha are decoded as the four channels of RGBA.
        pairs = _decode_png(file, "RGBA")
        return pairs[..., 0::2] * np.uint16(256) + pairs[..., 1::2]
    upper = _decode_png(file, raw_mode)
    lower = _decode_png(file, raw_mode.removesuffix("B") + "L")
    return upper * np.uint16(256) + lower


def _decode_png(file: Path, raw_mode: str) -> np.ndarray:
    """Return the pixels of a PNG whose bytes are taken as `raw_mode`, a name of Pillow's."""
    with Image.open(file, formats=["PNG"]) as image:
        image.tile = [(*image.tile[0][:3], raw_mode)]
        return np.asarray(image)


def _check_contrast(gray: np.ndarray, is_constant: bool) -> None:
    """Refuse gray pixels that are all equal, unless the file is constant itself."""
    if not is_constant and np.ptp(gray) == 0:
        raise ValueError("its pixels differ, but their gray values are all equal")
