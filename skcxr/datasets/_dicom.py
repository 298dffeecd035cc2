"""Radiographs from DICOM files: reading, decoding and protection against damaged files."""

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

from skcxr.datasets._dicom_windowing import render_grayscale

if TYPE_CHECKING:
    from pydicom import Dataset

# Every element that is read of a file to show it. pydicom skips all others.
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
# Elements that tell where and how an image was taken. The standard allows 16 characters each.
_ACQUISITION = {"station": "StationName", "modality": "Modality", "view": "ViewPosition"}
_MOST_CHARACTERS = 16
_REQUIRED = (
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "PixelRepresentation"),
)
# SOF0 to SOF15 of JPEG, except DHT, JPG and DAC, which lie among them; and SOF55 of JPEG-LS.
_START_OF_FRAME = {*range(0xFFC0, 0xFFD0), 0xFFF7} - {0xFFC4, 0xFFC8, 0xFFCC}
# pydicom's decoders. The first one that supports a file's compression is used. "pydicom" precedes
# "pylibjpeg", whose RLE decoder panics on damaged data, which `except Exception` does not catch.
# "gdcm" is excluded because it ends the whole process on damaged data.
_DECODERS = ("pydicom", "pyjpegls", "pylibjpeg", "pillow")
LUMA = (0.299, 0.587, 0.114)  # ITU-R 601, like Pillow's mode L


@contextmanager
def silence_pydicom() -> Iterator[None]:
    """Suppress pydicom's warnings and log messages, in all threads.

    They quote values that break the standard. In a damaged file, such a value can contain the rest
    of the header, with names and dates. Errors are still raised.

    Examples
    --------
    >>> import logging
    >>> from skcxr.datasets._dicom import silence_pydicom
    >>> with silence_pydicom():
    ...     logging.getLogger("pydicom").warning("Invalid value for VR UI: 'Doe^Jane'")
    """
    logger = logging.getLogger("pydicom")

    def reject(record: logging.LogRecord) -> bool:  # one per call, since calls may overlap
        return False

    logger.addFilter(reject)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pydicom")
            yield
    finally:
        logger.removeFilter(reject)


def is_dicom(path: Path) -> bool:
    """Return whether the content of a file is DICOM, whatever its name.

    Files from before 1993, and some of today's, lack the preamble and its ``DICM``. They begin with
    an element of group 2 or 8, and are recognized only if their suffix is .dcm or .dicom.

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

    Monochrome images are windowed as
    :func:`~skcxr.datasets._dicom_windowing.render_grayscale` describes. Colour and palettes are
    converted to gray by ITU-R 601 luma.

    Parameters
    ----------
    path : Path
        A DICOM file, see :func:`is_dicom`.

    Returns
    -------
    pixels : ndarray of shape (height, width)
        Gray values, higher is brighter; integers or float64.
    levels : (black, white)
        Values to show as black and as white: those of the windowing, or the full range of colour.

    Raises
    ------
    ImportError
        If pydicom is not installed.
    ValueError
        If the file has no pixels, several frames, bits that do not fit its header, or pixels that
        differ but become one value. On damaged files, pydicom and the decoders raise errors of any
        other type.
    PIL.Image.DecompressionBombError
        If the file has more pixels than ``PIL.Image.MAX_IMAGE_PIXELS``.

    Notes
    -----
    Only elements that describe the pixels are kept, and only until the function returns: no name,
    date or identifier. (pydicom temporarily reads the file meta information, sequences of undefined
    length and, if the file is deflated, all of it.) Text that is burned into the pixels stays
    there. Overlays, shutters and presentation states are not applied.

    Examples
    --------
    >>> from pydicom.examples import get_path
    >>> from skcxr.datasets._dicom import read_dicom
    >>> pixels, (black, white) = read_dicom(get_path("ct"))
    >>> pixels.shape, black, white
    ((128, 128), -896.0, 1167.0)
    """
    header = _read_elements(path, _TAGS, stop_before_pixels=True)
    _check_size(int(header.get("Rows") or 0), int(header.get("Columns") or 0))
    if (n_frames := int(header.get("NumberOfFrames") or 1)) > 1:
        raise ValueError(f"it has {n_frames} frames")
    header = _read_elements(path, _TAGS)
    stored = _decode(header)

    photometric = header.PhotometricInterpretation
    if photometric in ("MONOCHROME1", "MONOCHROME2"):
        return render_grayscale(stored, header)
    if stored.ndim == 3:
        color = stored
        n_bits = header.BitsStored
    elif photometric == "PALETTE COLOR":
        from pydicom.pixels import apply_color_lut

        color = apply_color_lut(stored, header)
        # Entries of 8 bits may take 16 bits each.
        n_bits = max(header.RedPaletteColorLookupTableDescriptor[2], int(color.max()).bit_length())
    else:
        raise ValueError(f"it has the photometric interpretation {photometric!r}")
    gray = color @ np.array(LUMA)
    if np.ptp(gray) < 1 and np.ptp(stored, axis=(0, 1)).max() > 0:
        raise ValueError("its colors differ, but by less than one gray value")
    return gray, (0, 2**n_bits - 1)


def read_patient_id(path: Path) -> str | None:
    """Return the PatientID of a DICOM file: "" if it is absent, None if the file is not DICOM.

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
    header = _read_elements(path, ["PatientID"], stop_before_pixels=True)
    return str(header.get("PatientID") or "")


def read_acquisition(path: Path) -> dict[str, object]:
    """Return the stored height and width of a DICOM file, and its station, modality and view.

    None stands for what is absent, and for a longer text than the standard allows: in a damaged
    file, a value can contain the rest of the header.

    Raises
    ------
    ImportError
        If pydicom is not installed.

    Examples
    --------
    >>> from pydicom.examples import get_path
    >>> from skcxr.datasets._dicom import read_acquisition
    >>> found = read_acquisition(get_path("ct"))
    >>> found["height"], found["modality"], found["view"]
    (128, 'CT', None)
    """
    tags = ["Rows", "Columns", *_ACQUISITION.values()]
    header = _read_elements(path, tags, stop_before_pixels=True)
    found: dict[str, object] = {"height": header.get("Rows"), "width": header.get("Columns")}
    for name, keyword in _ACQUISITION.items():
        text = str(header.get(keyword) or "").strip()
        found[name] = text if 0 < len(text) <= _MOST_CHARACTERS else None
    return found


def _read_elements(path: Path, tags: list[str], stop_before_pixels: bool = False) -> Dataset:
    """Read the elements `tags` of the file. No other element becomes part of the result."""
    try:
        from pydicom import dcmread, uid
    except ImportError as error:
        raise ImportError(
            f"{path.name!r} is a DICOM file, which needs pydicom. Install pydicom, "
            "pylibjpeg[openjpeg,rle] and pyjpegls (the extra 'dicom'), or convert the DICOM files "
            "to PNG."
        ) from error
    _check_deflated(path)
    # force=True reads files without a preamble. They are little endian unless they say otherwise.
    header = dcmread(path, force=True, specific_tags=tags, stop_before_pixels=stop_before_pixels)
    if "TransferSyntaxUID" not in header.file_meta:
        is_implicit, _ = header.original_encoding
        header.file_meta.TransferSyntaxUID = (
            uid.ImplicitVRLittleEndian if is_implicit else uid.ExplicitVRLittleEndian
        )
    return header


def _decode(header: Dataset) -> np.ndarray:
    """Decode the first frame: (height, width) or, for colour, (height, width, 3)."""
    from pydicom.pixels import pixel_array
    from pydicom.uid import UID

    if not header.get("PixelData"):
        kind = UID(str(header.get("SOPClassUID")))
        # The value of a damaged UID is not shown: it may contain anything.
        name = f" ({kind.name})" if kind.type else ""
        raise ValueError(f"it has no pixel data{name}, or is cut off before it")
    if missing := [keyword for keyword in _REQUIRED if header.get(keyword) is None]:
        raise ValueError(f"its header lacks {', '.join(missing)}")
    decoder = ""
    n_unused = _count_unused_bits(header)
    if header.file_meta.TransferSyntaxUID.is_encapsulated:
        n_unused = _check_frame(header, n_unused)
        decoder = _choose_decoder(header)
    # pydicom takes the lowest bits for those that are stored. So the unused bits below them count
    # as stored, and are dropped afterwards.
    header.BitsStored += n_unused
    # index=0, because pydicom returns more frames than the header declares if it finds them.
    stored = pixel_array(header, index=0, decoding_plugin=decoder)
    header.BitsStored -= n_unused
    return stored >> n_unused if n_unused else stored


def _count_unused_bits(header: Dataset) -> int:
    """Return the number of bits below the stored ones, which are not part of the pixels."""
    n_stored = header.BitsStored
    high_bit = header.get("HighBit", n_stored - 1)
    if not n_stored - 1 <= high_bit < header.BitsAllocated:
        raise ValueError(
            f"its header is wrong: {n_stored} stored bits (BitsStored) do not fit between bit 0 "
            f"and bit {high_bit} (HighBit) of {header.BitsAllocated} (BitsAllocated)"
        )
    return high_bit + 1 - n_stored


def _choose_decoder(header: Dataset) -> str:
    """Return the one decoder of pydicom for a compressed file.

    No second decoder is tried, since it may decode what a strict one rejects as damaged.
    """
    from pydicom.pixels import get_decoder
    from pydicom.uid import JPEGExtended12Bit, JPEGTransferSyntaxes

    syntax = header.file_meta.TransferSyntaxUID
    available = [name for name in _DECODERS if name in get_decoder(syntax).available_plugins]
    # Pillow claims to support JPEG Extended, but reads only 8 bits.
    if syntax == JPEGExtended12Bit and header.BitsStored > 8 and "pillow" in available:
        available.remove("pillow")
    if available:
        return available[0]
    packages = "pylibjpeg[openjpeg,rle] and pyjpegls (the extra 'dicom')"
    if syntax in JPEGTransferSyntaxes:
        packages = "pylibjpeg and pylibjpeg-libjpeg (the extra 'dicom-gpl')"
    raise ValueError(
        f"it is compressed as {syntax.name}, which no installed package decodes. Install "
        f"{packages}, or decompress it"
    )


def _check_size(height: int, width: int) -> None:
    """Refuse an image with more pixels than Pillow's limit, in Pillow's words."""
    if Image.MAX_IMAGE_PIXELS is not None and height * width > Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError(
            f"Image size ({height * width} pixels) exceeds limit of {Image.MAX_IMAGE_PIXELS} "
            "pixels, could be decompression bomb DOS attack."
        )


def _check_deflated(path: Path) -> None:
    """Refuse a deflated file that would fill the memory, because pydicom sets no limit."""
    from pydicom.filereader import read_file_meta_info
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    with path.open("rb") as stream:
        if stream.read(132)[128:] != b"DICM":
            return
        meta = read_file_meta_info(path)
        if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            # The group length has 12 bytes, and counts the bytes after it.
            stream.seek(132 + 12 + meta.FileMetaInformationGroupLength)
            limit = 4 * (Image.MAX_IMAGE_PIXELS or sys.maxsize // 8)
            inflater = zlib.decompressobj(-zlib.MAX_WBITS)
            if len(inflater.decompress(stream.read(), limit + 1)) > limit:
                raise Image.DecompressionBombError(f"it inflates to more than {limit} bytes")


def _check_frame(header: Dataset, n_unused: int) -> int:
    """Compare a compressed image with its header; return the number of unused bits below its own.

    A JPEG larger than the header says is refused, because decoders allocate its own size.
    """
    from pydicom.encaps import get_frame
    from pydicom.uid import JPEGTransferSyntaxes

    frame = get_frame(header.PixelData, 0, number_of_frames=1)
    found = read_jpeg_header(frame)
    if found is None:
        return n_unused
    height, width, precision = found
    if (height, width) != (header.Rows, header.Columns):
        raise ValueError(
            f"its header says {header.Rows}x{header.Columns} pixels, but its compressed image has "
            f"{height}x{width}"
        )
    if header.file_meta.TransferSyntaxUID in JPEGTransferSyntaxes and precision <= 8:
        # Its decoders return 8 bits per value even where the header allocates 16.
        header.BitsAllocated = 8
        header.BitsStored = min(header.BitsStored, 8)
    # A compressed image holds either the stored bits alone, or all bits up to HighBit.
    if n_unused and precision != header.BitsStored:
        if precision != header.BitsStored + n_unused:
            raise ValueError(
                f"its header says {header.BitsStored} stored bits up to bit {header.HighBit} "
                f"(BitsStored, HighBit), but its compressed image has {precision} bits"
            )
        return n_unused
    return 0


def read_jpeg_header(frame: bytes) -> tuple[int, int, int] | None:
    """Return height, width and bits per value of a JPEG, JPEG-LS or JPEG 2000; None for others."""
    if (start := frame.find(b"\xff\x4f\xff\x51")) >= 0:  # ISO 15444-1, annex A: SOC, SIZ
        width, height, left, top = struct.unpack_from(">4I", frame, start + 8)
        (n_channels,) = struct.unpack_from(">H", frame, start + 40)
        bits = struct.unpack_from(f"{3 * n_channels}B", frame, start + 42)[::3]
        return height - top, width - left, max(n_bits & 0x7F for n_bits in bits) + 1
    if frame[:2] != b"\xff\xd8":
        return None
    position = 2
    while position + 9 <= len(frame):  # ISO 10918-1, annex B
        marker, length = struct.unpack_from(">HH", frame, position)
        if marker in _START_OF_FRAME:
            precision, height, width = struct.unpack_from(">BHH", frame, position + 4)
            return height, width, precision
        # Any number of bytes 0xFF may precede a marker.
        position += 1 if marker == 0xFFFF else 2 + length
    return None
