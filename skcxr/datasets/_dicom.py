"""Radiographs from DICOM files: the pixels as a viewer shows them, and nothing else of the file."""

from __future__ import annotations

import logging
import struct
import sys
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pydicom import Dataset

# All that is read of a file to show it. pydicom passes over every other element.
_TAGS = [
    *("SOPClassUID", "NumberOfFrames", "Rows", "Columns", "SamplesPerPixel", "PlanarConfiguration"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PhotometricInterpretation"),
    *("ModalityLUTSequence", "RescaleSlope", "RescaleIntercept"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction"),
    *(f"{color}PaletteColorLookupTableDescriptor" for color in ("Red", "Green", "Blue")),
    *(f"{color}PaletteColorLookupTableData" for color in ("Red", "Green", "Blue")),
    "PixelData",
]
# JPEG's SOF0 to SOF15, which have DHT, JPG and DAC among them; and SOF55 of JPEG-LS.
_START_OF_FRAME = {*range(0xFFC0, 0xFFD0), 0xFFF7} - {0xFFC4, 0xFFC8, 0xFFCC}
# pydicom's decoders, of which the first that knows a file's compression is taken. "pydicom" goes
# before "pylibjpeg", whose RLE panics on damaged data, which no `except Exception` catches. "gdcm"
# is never asked: on damaged data it ends the whole process.
_DECODERS = ("pydicom", "pyjpegls", "pylibjpeg", "pillow")
_LUMA = (0.299, 0.587, 0.114)  # ITU-R 601, as Pillow's mode L


@contextmanager
def in_silence() -> Iterator[None]:
    """What pydicom warns of and logs goes nowhere, in no thread.

    Its words quote a value that breaks the standard, which in a damaged file can be all that
    follows in the header: names and dates. What matters is raised.

    Examples
    --------
    >>> import logging
    >>> from skcxr.datasets._dicom import in_silence
    >>> with in_silence():
    ...     logging.getLogger("pydicom").warning("Invalid value for VR UI: 'Doe^Jane'")
    """
    logger = logging.getLogger("pydicom")

    def none(record: logging.LogRecord) -> bool:  # one of this call: several may be under way
        return False

    logger.addFilter(none)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pydicom")
            yield
    finally:
        logger.removeFilter(none)


def is_dicom(path: Path) -> bool:
    """Whether a file holds DICOM, whatever its name.

    Files from before 1993, and some of today's, lack the preamble with the magic ``DICM``: they
    begin with an element of group 2 or 8, and count if their suffix is .dcm or .dicom as well.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from skcxr.datasets._dicom import is_dicom
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "a.png")
    ...     _ = file.write_bytes(bytes(128) + b"DICM")
    ...     is_dicom(file)
    True
    """
    with path.open("rb") as stream:
        head = stream.read(132)
    begins_with_group = head[:2] in (b"\2\0", b"\0\2", b"\10\0", b"\0\10")
    return head[128:] == b"DICM" or (
        begins_with_group and path.suffix.lower() in (".dcm", ".dicom")
    )


def read_dicom(path: Path) -> tuple[np.ndarray, tuple[float, float]]:
    """Read a radiograph as a viewer shows it.

    Stored values go through the modality LUT or rescale slope and intercept, then through the
    first VOI LUT or, without one, the first window. MONOCHROME1, whose white is low, is inverted.
    What the file calls padding, since the detector did not see it, is black. Colour and palettes
    turn gray by ITU-R 601 luma.

    Parameters
    ----------
    path : Path
        A file that :func:`is_dicom`.

    Returns
    -------
    pixels : ndarray of shape (height, width)
        Gray values, higher is brighter; integers or float64.
    levels : (black, white)
        The values to show as black and as white:

        - the ends of the window or of the VOI LUT's output, if the file has one;
        - else the range of the stored bits, for colour and for unsigned gray of up to 8 bits;
        - else the least and the greatest of `pixels` that are not padding.

    Raises
    ------
    ImportError
        If pydicom is not installed.
    ValueError
        If the file has no pixels, several frames, more pixels than ``PIL.Image.MAX_IMAGE_PIXELS``
        or a VOI that shows all of them alike. pydicom and the decoders raise errors of any other
        type on damaged files.

    Notes
    -----
    Of the data set only what describes the pixels is kept, and that until the return: no name,
    date or identifier. (In passing, pydicom reads the file meta information, sequences of
    undefined length and, if it is deflated, the whole file.) Text that is burned into the pixels
    stays there. Overlays, shutters and presentation states are not applied.

    References
    ----------
    .. [1] DICOM PS3.3, sections C.7.6.3 (pixels), C.11.1 (modality LUT) and C.11.2 (VOI LUT).

    Examples
    --------
    >>> from pydicom.examples import get_path
    >>> from skcxr.datasets._dicom import read_dicom
    >>> pixels, (black, white) = read_dicom(get_path("ct"))
    >>> pixels.shape, black, white
    ((128, 128), -896.0, 1167.0)
    """
    header = _read(path, _TAGS, stop_before_pixels=True)
    _check_size(int(header.get("Rows") or 0), int(header.get("Columns") or 0))
    if (n_frames := int(header.get("NumberOfFrames") or 1)) > 1:
        raise ValueError(f"it has {n_frames} frames")
    header = _read(path, _TAGS)
    stored = _decode(header)

    from pydicom.pixels import apply_color_lut, apply_modality_lut

    photometric = header.PhotometricInterpretation
    if stored.ndim == 3:
        return stored @ np.array(_LUMA), (0, 2**header.BitsStored - 1)
    if photometric == "PALETTE COLOR":
        color = apply_color_lut(stored, header)
        return color @ np.array(_LUMA), (0, np.iinfo(color.dtype).max)
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise ValueError(f"it has the photometric interpretation {photometric!r}")

    # int64: pydicom subtracts a LUT's first value in the type of the pixels, which may wrap.
    values = apply_modality_lut(stored.astype(np.int64), header)
    seen = _seen(stored, header)
    pixels, levels = _view(values, values[seen], header)
    if np.ptp(pixels[seen]) == 0 and np.ptp(values[seen]) > 0:
        raise ValueError("its window or VOI LUT shows all pixels alike")
    # DX repeats the inversion as a Presentation LUT Shape, which must not be applied on top.
    pixels = sum(levels) - pixels if photometric == "MONOCHROME1" else pixels
    return np.where(seen, pixels, levels[0]), levels


def read_patient_id(path: Path) -> str | None:
    """The PatientID of a DICOM file; None if it is absent or empty, or the file is no DICOM.

    Raises
    ------
    ImportError
        If pydicom is not installed.

    Examples
    --------
    >>> from pydicom.examples import get_path
    >>> from skcxr.datasets._dicom import read_patient_id
    >>> read_patient_id(get_path("ct"))
    '1CT1'
    """
    if not is_dicom(path):
        return None
    return str(_read(path, ["PatientID"], stop_before_pixels=True).get("PatientID") or "").strip()


def _read(path: Path, tags: list[str], stop_before_pixels: bool = False) -> Dataset:
    """The elements `tags` of the file; what else it has never becomes part of the result."""
    try:
        from pydicom import dcmread, uid
    except ImportError as error:
        raise ImportError(
            f"{path.name!r} is a DICOM file, which needs pydicom. Run "
            'pip install "skcxr[dicom]", or convert the DICOM files to PNG.'
        ) from error
    _check_deflated(path)
    # force=True reads files without preamble; those are little endian, or say otherwise.
    header = dcmread(path, force=True, specific_tags=tags, stop_before_pixels=stop_before_pixels)
    if "TransferSyntaxUID" not in header.file_meta:
        is_implicit, _ = header.original_encoding
        header.file_meta.TransferSyntaxUID = (
            uid.ImplicitVRLittleEndian if is_implicit else uid.ExplicitVRLittleEndian
        )
    return header


def _decode(header: Dataset) -> np.ndarray:
    """The stored values of the first frame, (height, width) or for colour (height, width, 3)."""
    from pydicom.pixels import pixel_array
    from pydicom.uid import UID

    if not header.get("PixelData"):
        kind = UID(str(header.get("SOPClassUID")))
        kind = f" ({kind.name})" if kind.type else ""  # of a damaged one, nothing is shown
        raise ValueError(f"it has no pixel data{kind}, or is cut off before it")
    syntax = header.file_meta.TransferSyntaxUID
    decoder = ""
    if syntax.is_encapsulated:
        _check_frame(header)
        decoder = _decoder_of(header)
    # index=0: pydicom returns more frames than declared where it finds them.
    return pixel_array(header, index=0, decoding_plugin=decoder)


def _decoder_of(header: Dataset) -> str:
    """Which of pydicom's decoders is for a compressed file.

    One alone: what a strict one finds damaged, the next may decode to something.
    """
    from pydicom.pixels import get_decoder
    from pydicom.uid import JPEGExtended12Bit, JPEGTransferSyntaxes

    syntax = header.file_meta.TransferSyntaxUID
    available = [name for name in _DECODERS if name in get_decoder(syntax).available_plugins]
    # Pillow claims it, and reads 8 bits of it alone.
    if syntax == JPEGExtended12Bit and header.BitsStored > 8 and "pillow" in available:
        available.remove("pillow")
    if available:
        return available[0]
    extra = "dicom-gpl" if syntax in JPEGTransferSyntaxes else "dicom"
    raise ValueError(
        f"it is compressed as {syntax.name}, which nothing that is installed decodes. Run "
        f'pip install "skcxr[{extra}]", or decompress it'
    )


def _seen(stored: np.ndarray, header: Dataset) -> np.ndarray:
    """Which pixels are no padding, that is often far from all others; all if none is another."""
    end = header.get("PixelPaddingValue")
    if end is None:
        return np.ones(stored.shape, dtype=bool)
    other_end = header.get("PixelPaddingRangeLimit")
    low, high = sorted([end, end if other_end is None else other_end])
    seen = (stored < low) | (stored > high)
    return seen if seen.any() else ~seen


def _view(
    values: np.ndarray, seen: np.ndarray, header: Dataset
) -> tuple[np.ndarray, tuple[float, float]]:
    """`values` through the file's VOI LUT or window, and the levels of the result.

    `seen` are those of `values` that are no padding.
    """
    from pydicom import Dataset
    from pydicom.pixels import apply_modality_lut, apply_windowing

    luts = header.get("VOILUTSequence")
    if luts and luts[0].get("LUTData"):
        return _look_up(values, luts[0], header.original_encoding[1])
    if None not in (header.get("WindowCenter"), header.get("WindowWidth")):
        window = Dataset()
        window.WindowCenter, window.WindowWidth = header.WindowCenter, header.WindowWidth
        window.VOILUTFunction = header.get("VOILUTFunction") or "LINEAR"
        # pydicom maps a window to the range of the stored bits: by these, to 0 and 255.
        window.PhotometricInterpretation, window.PixelRepresentation = "MONOCHROME2", 0
        window.BitsStored = 8
        with np.errstate(over="ignore"):  # far below a sigmoid's window
            return apply_windowing(values, window), (0, 255)
    if header.BitsStored <= 8 and not header.PixelRepresentation:
        ends = apply_modality_lut(np.array([0, 2**header.BitsStored - 1]), header)
        return values, (float(ends.min()), float(ends.max()))
    return values, (float(seen.min()), float(seen.max()))


def _look_up(
    values: np.ndarray, lut: Dataset, is_little_endian: bool
) -> tuple[np.ndarray, tuple[float, float]]:
    """`values` through a VOI LUT, and its levels.

    Not by pydicom's apply_voi: up to 3.0.2, it indexes in the type of the LUT's output, so that
    256 wraps to 0 where that has 8 bits.
    """
    n_entries, first, n_bits = lut.LUTDescriptor
    n_entries, table = n_entries or 2**16, lut.LUTData
    if isinstance(table, bytes):  # OW; some writers pack 8 bits by bytes
        itemsize = len(table) // n_entries
        table = np.frombuffer(table, dtype=f"{'<' if is_little_endian else '>'}u{itemsize}")
    index = np.clip(np.rint(values) - first, 0, n_entries - 1).astype(np.intp)
    return np.asarray(table)[index].astype(np.int64), (0, 2**n_bits - 1)


def _check_size(height: int, width: int) -> None:
    if Image.MAX_IMAGE_PIXELS is not None and height * width > Image.MAX_IMAGE_PIXELS:
        raise ValueError(
            f"Image size ({height * width} pixels) exceeds limit of {Image.MAX_IMAGE_PIXELS} "
            "pixels, could be decompression bomb DOS attack"
        )


def _check_deflated(path: Path) -> None:
    """Refuse a deflated file that would fill the memory: pydicom inflates without bound."""
    from pydicom.filereader import read_file_meta_info
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    with path.open("rb") as stream:
        if stream.read(132)[128:] != b"DICM":
            return
        meta = read_file_meta_info(path)
        if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            # 12 bytes are the element of the group's length, which counts what follows it.
            stream.seek(132 + 12 + meta.FileMetaInformationGroupLength)
            limit = 4 * (Image.MAX_IMAGE_PIXELS or sys.maxsize // 8)
            inflater = zlib.decompressobj(-zlib.MAX_WBITS)
            if len(inflater.decompress(stream.read(), limit + 1)) > limit:
                raise ValueError(
                    f"it inflates to more than {limit} bytes, could be decompression bomb"
                )


def _check_frame(header: Dataset) -> None:
    """Refuse a JPEG larger than the header says: decoders allocate what the JPEG asks for."""
    from pydicom.encaps import get_frame

    frame = get_frame(header.PixelData, 0, number_of_frames=1)
    size = _jpeg_size(frame)
    if size is not None and size != (header.Rows, header.Columns):
        raise ValueError(
            f"its header says {header.Rows}x{header.Columns} pixels, its compressed image "
            f"{size[0]}x{size[1]}"
        )


def _jpeg_size(frame: bytes) -> tuple[int, int] | None:
    """Height and width by the frame header of a JPEG, JPEG-LS or JPEG 2000; None for others."""
    if (start := frame.find(b"\xff\x4f\xff\x51")) >= 0:  # ISO 15444-1, annex A: SOC, SIZ
        width, height, left, top = struct.unpack_from(">4I", frame, start + 8)
        return height - top, width - left
    if frame[:2] != b"\xff\xd8":
        return None
    position = 2
    while position + 9 <= len(frame):  # ISO 10918-1, annex B
        marker, length = struct.unpack_from(">HH", frame, position)
        if marker in _START_OF_FRAME:
            return struct.unpack_from(">HH", frame, position + 5)
        # A marker may be filled up by 0xFF in front of it.
        position += 1 if marker == 0xFFFF else 2 + length
    return None
