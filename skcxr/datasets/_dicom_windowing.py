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
        If the rescale slope, a LUT or the window is not valid, or maps all pixels to one value.

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
    values = _apply_modality(stored, header)
    visible = _mask_non_padding(stored, header)
    if np.ptp(values[visible]) == 0 and np.ptp(stored[visible]) > 0:
        raise ValueError("its rescale slope or modality LUT maps all pixels to one value")
    pixels, levels = _apply_voi(values, values[visible], header)
    if not np.isfinite(pixels).all():
        raise ValueError("its window is not a number")
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


def _apply_modality(stored: np.ndarray, header: Dataset) -> np.ndarray:
    """Apply the file's modality LUT, or its rescale slope and intercept, to stored values."""
    luts = header.get("ModalityLUTSequence")
    if luts and luts[0].get("LUTData"):
        values, _ = _look_up(stored, luts[0], header)
        return values
    slope = header.get("RescaleSlope")
    intercept = header.get("RescaleIntercept")
    if slope is None and intercept is None:
        return stored.astype(np.int64)
    values = stored * float(1 if slope is None else slope) + float(intercept or 0)
    if not np.isfinite(values).all():
        raise ValueError(
            f"its rescale slope {slope} and intercept {intercept} give values that are not numbers"
        )
    return values


def _apply_voi(
    values: np.ndarray, visible: np.ndarray, header: Dataset
) -> tuple[np.ndarray, tuple[float, float]]:
    """Apply the file's VOI LUT or window to `values`; return the result and its levels.

    `visible` are the values that are not padding. They set the levels if nothing else does.
    """
    luts = header.get("VOILUTSequence")
    if luts and luts[0].get("LUTData"):
        return _look_up(values, luts[0], header)
    if header.get("WindowCenter") is not None and header.get("WindowWidth") is not None:
        return _apply_window(values, header)
    if header.BitsStored <= 8 and not header.PixelRepresentation:
        all_values = _apply_modality(np.arange(2**header.BitsStored), header)
        return values, (float(all_values.min()), float(all_values.max()))
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


def _look_up(
    values: np.ndarray, lut: Dataset, header: Dataset
) -> tuple[np.ndarray, tuple[float, float]]:
    """Look up `values` in a modality or VOI LUT; return the result and its range.

    pydicom's apply_modality_lut fails unless entries have 8 or 16 bits. Up to version 3.0.2, its
    apply_voi computes the index in the type of the LUT's output, where 256 may overflow to 0.
    """
    n_entries, first, n_bits = lut.LUTDescriptor
    n_entries = n_entries or 2**16  # 2**16 does not fit into its 16 bits and is stored as 0
    table = lut.LUTData
    if isinstance(table, bytes):  # OW, of 16 bits or, from some writers, of 8
        itemsize = len(table) // n_entries
        order = "<" if header.original_encoding[1] else ">"
        table = np.frombuffer(table, dtype=f"{order}u{itemsize}")
    table = np.atleast_1d(table).astype(np.int64)
    if len(table) < n_entries:
        raise ValueError(
            f"its LUT has {len(table)} entries, but its LUT Descriptor says {n_entries}"
        )
    n_bits = max(n_bits, int(table.max()).bit_length())  # some descriptors say too few
    index = np.clip(np.rint(values) - first, 0, n_entries - 1).astype(np.intp)
    return table[index], (0, 2**n_bits - 1)
