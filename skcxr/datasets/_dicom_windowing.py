"""DICOM windowing: from stored pixel values to the gray values that a viewer shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pydicom import Dataset


def render_grayscale(stored: np.ndarray, header: Dataset) -> tuple[np.ndarray, tuple[float, float]]:
    """Convert the stored values of a monochrome image to gray values, as a viewer does.

    1. The modality LUT, or rescale slope and intercept, is applied.
    2. The first VOI LUT is applied or, without one, the first window.
    3. MONOCHROME1, whose low values are white, is inverted.
    4. Padding pixels turn black, because the detector did not see them.

    Parameters
    ----------
    stored : ndarray of shape (height, width)
        Stored values.
    header : pydicom.Dataset
        Elements of the file, of which MONOCHROME1 or MONOCHROME2 is the photometric interpretation.

    Returns
    -------
    pixels : ndarray of shape (height, width)
        Gray values, higher is brighter; int64 or float64.
    levels : (black, white)
        Values to show as black and as white:

        - the ends of the window or of the VOI LUT's output, if the file has one;
        - otherwise the range of the stored bits, for unsigned values of up to 8 bits;
        - otherwise the minimum and maximum of the pixels that are not padding.

    Raises
    ------
    ValueError
        If the window or VOI LUT maps all pixels to one value.

    References
    ----------
    .. [1] DICOM PS3.3, sections C.7.6.3 (pixels), C.11.1 (modality LUT) and C.11.2 (VOI LUT).

    Examples
    --------
    >>> import numpy as np
    >>> from pydicom import Dataset
    >>> from skcxr.datasets._dicom_windowing import render_grayscale
    >>> header = Dataset()
    >>> header.PhotometricInterpretation = "MONOCHROME1"
    >>> header.WindowCenter, header.WindowWidth = 1000, 1000
    >>> header.VOILUTFunction = "LINEAR_EXACT"
    >>> pixels, levels = render_grayscale(np.array([[0, 500, 1000, 1500]]), header)
    >>> pixels.tolist(), levels
    ([[255.0, 255.0, 127.5, 0.0]], (0, 255))
    """
    from pydicom.pixels import apply_modality_lut

    # int64, because pydicom subtracts a LUT's first value in the type of the pixels, where it may
    # overflow.
    values = apply_modality_lut(stored.astype(np.int64), header)
    visible = _mask_non_padding(stored, header)
    pixels, levels = _apply_voi(values, values[visible], header)
    if np.ptp(pixels[visible]) == 0 and np.ptp(values[visible]) > 0:
        raise ValueError("its window or VOI LUT maps all pixels to one value")
    # DX repeats the inversion as a Presentation LUT Shape, which must not be applied again.
    if header.PhotometricInterpretation == "MONOCHROME1":
        pixels = sum(levels) - pixels
    return np.where(visible, pixels, levels[0]), levels


def _mask_non_padding(stored: np.ndarray, header: Dataset) -> np.ndarray:
    """Return a mask of non-padding pixels (all True if every pixel is padding)."""
    end = header.get("PixelPaddingValue")
    if end is None:
        return np.ones(stored.shape, dtype=bool)
    other_end = header.get("PixelPaddingRangeLimit")
    low, high = sorted([end, end if other_end is None else other_end])
    mask = (stored < low) | (stored > high)
    return mask if mask.any() else ~mask


def _apply_voi(
    values: np.ndarray, visible: np.ndarray, header: Dataset
) -> tuple[np.ndarray, tuple[float, float]]:
    """Apply the file's VOI LUT or window to `values`; return the result and its levels.

    `visible` are the values that are not padding. They set the levels if nothing else does.
    """
    from pydicom.pixels import apply_modality_lut

    luts = header.get("VOILUTSequence")
    if luts and luts[0].get("LUTData"):
        return _apply_voi_lut(values, luts[0], header.original_encoding[1])
    if header.get("WindowCenter") is not None and header.get("WindowWidth") is not None:
        return _apply_window(values, header)
    if header.BitsStored <= 8 and not header.PixelRepresentation:
        ends = apply_modality_lut(np.array([0, 2**header.BitsStored - 1]), header)
        return values, (float(ends.min()), float(ends.max()))
    return values, (float(visible.min()), float(visible.max()))


def _apply_window(values: np.ndarray, header: Dataset) -> tuple[np.ndarray, tuple[float, float]]:
    """Map the first window to the range from 0 to 255."""
    from pydicom import Dataset
    from pydicom.pixels import apply_windowing

    window = Dataset()
    window.WindowCenter = header.WindowCenter
    window.WindowWidth = header.WindowWidth
    window.VOILUTFunction = header.get("VOILUTFunction") or "LINEAR"
    # pydicom maps a window to the range of the stored bits; these values make it 0 to 255.
    window.PhotometricInterpretation = "MONOCHROME2"
    window.PixelRepresentation = 0
    window.BitsStored = 8
    with np.errstate(over="ignore"):  # a sigmoid overflows far below its window
        return apply_windowing(values, window), (0, 255)


def _apply_voi_lut(
    values: np.ndarray, lut: Dataset, is_little_endian: bool
) -> tuple[np.ndarray, tuple[float, float]]:
    """Look up `values` in a VOI LUT.

    Up to version 3.0.2, pydicom's apply_voi computes the index in the type of the LUT's output: if
    that has 8 bits, 256 overflows to 0.
    """
    n_entries, first, n_bits = lut.LUTDescriptor
    n_entries = n_entries or 2**16  # 2**16 does not fit into its 16 bits and is stored as 0
    table = lut.LUTData
    if isinstance(table, bytes):  # OW, of 16 bits or, from some writers, of 8
        itemsize = len(table) // n_entries
        table = np.frombuffer(table, dtype=f"{'<' if is_little_endian else '>'}u{itemsize}")
    index = np.clip(np.rint(values) - first, 0, n_entries - 1).astype(np.intp)
    return np.asarray(table)[index].astype(np.int64), (0, 2**n_bits - 1)
