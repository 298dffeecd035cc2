import io
import logging
import pickle
import struct
import subprocess
import sys
import unicodedata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder, get_encoder
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from skcxr.datasets import load_image_folder
from skcxr.datasets._dicom import _TAGS, _read_elements, is_dicom, read_dicom, read_patient_id
from skcxr.datasets._groups import read_patient_ids
from skcxr.datasets._reading import read_image, read_images

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
PATIENT = {
    "PatientName": "Wolkenstein^Oswald",
    "PatientBirthDate": "13770102",
    "InstitutionName": "Hauensteiner Spital",
    "StudyDate": "14170213",
    "AccessionNumber": "ACC4711",
    "OtherPatientIDs": "OTHER0815",
}


def write(file, pixels=RAMP, *, syntax=ExplicitVRLittleEndian, n_bits=None, **fields):
    """Write `pixels`, of `n_bits` stored bits, as a digital X-ray with `fields`."""
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = syntax
    header.SOPClassUID = DigitalXRayImageStorageForPresentation
    header.SOPInstanceUID = generate_uid()
    header.Modality = "DX"
    header.Rows, header.Columns = pixels.shape[:2]
    header.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    header.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    if pixels.ndim == 3:
        header.PlanarConfiguration = 0
    header.BitsAllocated = 8 * pixels.itemsize
    header.BitsStored = n_bits or header.BitsAllocated
    header.HighBit = header.BitsStored - 1
    header.PixelRepresentation = int(pixels.dtype.kind == "i")
    for keyword, value in fields.items():
        setattr(header, keyword, value)
    if syntax in (RLELossless, JPEG2000Lossless):
        if not get_encoder(syntax).is_available:
            pytest.skip(f"no encoder for {syntax.name}")
        header.compress(syntax, pixels)
    elif "PixelData" not in fields:
        order = ">" if syntax == ExplicitVRBigEndian else "<"
        stored = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
        header.PixelData = stored + bytes(len(stored) % 2)
        header["PixelData"].VR = "OB" if header.BitsAllocated == 8 else "OW"
    file.parent.mkdir(parents=True, exist_ok=True)
    header.save_as(file, enforce_file_format=True)
    return file


def shown(tmp_path, pixels=RAMP, **options):
    return read_image(write(tmp_path / "a.dcm", pixels, **options))


def lut(first, table, n_bits, vr="US"):
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(table) % 2**16, first, n_bits])
    item.add_new("LUTData", vr, table.tolist() if vr == "US" else table.tobytes())
    return [item]


def lossless_jpeg(pixels, n_bits):
    """Encode pixels of `n_bits` as a JPEG of process 14 (ISO 10918-1, annex H)."""
    pixels = pixels.astype(int)
    predicted = np.empty_like(pixels)
    predicted[:, 1:] = pixels[:, :-1]
    predicted[1:, 0] = pixels[:-1, 0]
    predicted[0, 0] = 2 ** (n_bits - 1)
    bits = ""
    for difference in (pixels - predicted).ravel():
        size = int(abs(difference)).bit_length()
        bits += f"{size:05b}"  # the Huffman table below gives every size a code of 5 bits
        if 0 < size < 16:
            bits += f"{difference if difference > 0 else difference + 2**size - 1:0{size}b}"
    bits += "1" * (-len(bits) % 8)
    data = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))

    def segment(marker, content):
        return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content

    frame = struct.pack(">BHHBBBB", n_bits, *pixels.shape, 1, 1, 0x11, 0)
    huffman = bytes([0, *(0, 0, 0, 0, 17), *[0] * 11, *range(17)])
    return (
        b"\xff\xd8"
        + segment(0xC3, frame)
        + segment(0xC4, huffman)
        + segment(0xDA, bytes([1, 1, 0, 1, 0, 0]))
        + data.replace(b"\xff", b"\xff\x00")
        + b"\xff\xd9"
    )


def shipped(name):
    file = Path(pydicom.__file__).parent / "data" / "test_files" / name
    if not file.exists():
        pytest.skip(f"this pydicom comes without {name}")
    return file


# Values


def test_8_bit_keeps_its_values(tmp_path):
    narrow = RAMP // 4 + 20
    np.testing.assert_array_equal(shown(tmp_path, narrow), narrow)


def test_low_is_white_in_monochrome1(tmp_path):
    image = shown(tmp_path, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(image, 255 - RAMP)


@pytest.mark.parametrize("n_bits", [10, 12, 14, 16])
def test_deep_pixels_are_scaled_by_their_own_range(tmp_path, n_bits):
    pixels = RAMP.astype(np.uint16) * 3 + 100
    np.testing.assert_array_equal(shown(tmp_path, pixels, n_bits=n_bits), RAMP)


@pytest.mark.parametrize("n_bits", [12, 16])
def test_signed_pixels_are_scaled_by_their_own_range(tmp_path, n_bits):
    pixels = RAMP.astype(np.int16) * 8 - 1024
    np.testing.assert_array_equal(shown(tmp_path, pixels, n_bits=n_bits), RAMP)


def test_deep_monochrome1_is_inverted(tmp_path):
    pixels = RAMP.astype(np.uint16) * 16
    image = shown(tmp_path, pixels, n_bits=12, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(image, 255 - RAMP)


def test_rescale_does_not_change_8_bit_brightness(tmp_path):
    narrow = RAMP // 4 + 20
    image = shown(tmp_path, narrow, RescaleSlope=2, RescaleIntercept=-100)
    np.testing.assert_array_equal(image, narrow)


def test_bits_that_are_not_stored_are_dropped(tmp_path):
    pixels = RAMP.astype(np.uint16)
    overlay = pixels * 16 + 0x4000 * (pixels % 2)
    np.testing.assert_array_equal(shown(tmp_path, overlay, n_bits=12), RAMP)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless])
def test_stored_bits_may_be_the_upper_ones(tmp_path, photometric, syntax):
    """12 of 16 bits are stored from bit 4 on. The lowest 4 hold something else."""
    stored = RAMP.astype(np.uint16) * 16 + 15
    pixels = stored * 16 + RAMP % 16
    file = write(tmp_path / "a.dcm", pixels, syntax=syntax, PhotometricInterpretation=photometric)
    header = pydicom.dcmread(file)
    header.BitsStored = 12
    header.save_as(file)
    expected = RAMP if photometric == "MONOCHROME2" else 255 - RAMP
    np.testing.assert_array_equal(read_image(file), expected)
    read, _ = read_dicom(file)
    np.testing.assert_array_equal(read, stored if photometric == "MONOCHROME2" else 4110 - stored)


def test_stored_bits_between_others_are_signed(tmp_path):
    values = RAMP.astype(np.int16) * 4 - 512  # 11 bits
    others = np.where(RAMP % 3, 0x6003, 0x8001).astype(np.uint16)
    pixels = ((values.astype(np.uint16) & 0x7FF) << 2) | others
    fields = {"BitsStored": 11, "HighBit": 12, "PixelRepresentation": 1}
    read, _ = read_dicom(write(tmp_path / "a.dcm", pixels, **fields))
    np.testing.assert_array_equal(read, values)


def test_stored_bits_that_do_not_fit_are_refused(tmp_path):
    for high_bit in (10, 16):
        file = write(tmp_path / "a.dcm", RAMP.astype(np.uint16), n_bits=12, HighBit=high_bit)
        refused(
            file,
            "its header is wrong: 12 stored bits (BitsStored) do not fit between bit 0 and bit "
            f"{high_bit} (HighBit) of 16 (BitsAllocated)",
        )


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"RescaleSlope": 0, "RescaleIntercept": 9},
            "its rescale slope or modality LUT maps all pixels to one value",
        ),
        (
            {"RescaleSlope": "nan", "RescaleIntercept": 0.0},
            "its rescale slope nan and intercept 0.0 give values that are not numbers",
        ),
        ({"WindowCenter": "nan", "WindowWidth": 100}, "its window is not a number"),
        (
            {"WindowCenter": 100, "WindowWidth": 1e9},
            "its pixels differ, but by less than one of the 256 gray values between 0 (black) and",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_pixels_that_become_equal_are_refused(tmp_path, fields, reason):
    refused(write(tmp_path / "a.dcm", RAMP.astype(np.uint16), **fields), reason)


def test_colors_of_one_luma_are_refused(tmp_path):
    red_and_green = np.array([[[255, 0, 0], [0, 130, 0]]], dtype=np.uint8)
    luma = "its colors differ, but by less than one gray value"
    refused(write(tmp_path / "a.dcm", red_and_green), luma)
    palette = {}
    for color in ("Red", "Green", "Blue"):
        palette[f"{color}PaletteColorLookupTableDescriptor"] = [256, 0, 8]
        palette[f"{color}PaletteColorLookupTableData"] = bytes([7] * 256)
    fields = {"PhotometricInterpretation": "PALETTE COLOR", **palette}
    refused(write(tmp_path / "a.dcm", **fields), luma)


def test_a_constant_file_is_kept(tmp_path):
    for fields in ({}, {"RescaleSlope": 0, "RescaleIntercept": 9}):
        image = shown(tmp_path, np.full((4, 4), 77, np.uint16), **fields)
        assert not image.any()


@pytest.mark.parametrize("fields", [{"RescaleSlope": 2}, {"RescaleIntercept": -100}])
def test_one_of_slope_and_intercept_is_enough(tmp_path, fields):
    """Without an intercept it is 0, and without a slope that is 1."""
    slope, intercept = fields.get("RescaleSlope", 1), fields.get("RescaleIntercept", 0)
    pixels = np.array([[0, 50, 100]], dtype=np.uint16)
    low, high = intercept, 100 * slope + intercept
    window = {"WindowCenter": (low + high) / 2, "WindowWidth": high - low}
    image = shown(tmp_path, pixels, VOILUTFunction="LINEAR_EXACT", **window, **fields)
    assert image.tolist() == [[0, 128, 255]]


def test_padding_does_not_set_the_range(tmp_path):
    pixels = RAMP.astype(np.int16) * 4
    pixels[0, 0] = -32768
    image = shown(tmp_path, pixels, PixelPaddingValue=-32768)
    assert image[0].tolist() == [0, 0, *range(1, 15)]  # from 4, the least that is no padding
    assert image[-1, -1] == 255


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("window", [{}, {"WindowCenter": 500, "WindowWidth": 600}])
def test_padding_is_black(tmp_path, photometric, window):
    pixels = RAMP.astype(np.int16) * 4
    pixels[:2] = -32768
    fields = {"PixelPaddingValue": -32768, "PhotometricInterpretation": photometric}
    image = shown(tmp_path, pixels, **fields, **window)
    assert image[:2].max() == 0
    assert image[2:].max() == 255


def test_padding_does_not_set_the_percentiles(tmp_path):
    pixels = RAMP.astype(np.int16) * 4
    pixels[:2] = -32768
    file = write(tmp_path / "a.dcm", pixels, PixelPaddingValue=-32768)
    image = read_image(file, percentiles=(1, 99))
    np.testing.assert_allclose(image[2:], (RAMP[2:] - 32.0) / 223 * 255, atol=4)


def test_padding_can_be_a_range(tmp_path):
    pixels = RAMP.astype(np.int16) * 4
    pixels[0] = [-32768, -20000] * 8
    fields = {"PixelPaddingValue": -32768, "PixelPaddingRangeLimit": -20000}
    image = shown(tmp_path, pixels, **fields)
    np.testing.assert_allclose(image[1:], (RAMP[1:] - 16.0) / 239 * 255, atol=0.5)


def test_an_image_of_padding_alone_is_black(tmp_path):
    pixels = np.full((16, 16), 63, dtype=np.int16)
    assert shown(tmp_path, pixels, PixelPaddingValue=63).max() == 0


def test_colour_is_weighted_by_luma(tmp_path):
    rgb = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]], dtype=np.uint8)
    assert shown(tmp_path, rgb).tolist() == [[76, 150, 29, 9]]


def test_palette_is_looked_up(tmp_path):
    palette = {}
    for color in ("Red", "Green", "Blue"):
        palette[f"{color}PaletteColorLookupTableDescriptor"] = [256, 0, 8]
        palette[f"{color}PaletteColorLookupTableData"] = bytes(range(255, -1, -1))
    image = shown(tmp_path, PhotometricInterpretation="PALETTE COLOR", **palette)
    np.testing.assert_array_equal(image, 255 - RAMP)


# Windows and tables, by PS3.3 C.11


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        # ((x - (c - 0.5)) / (w - 1) + 0.5), ((x - c) / w + 0.5), 1 / (1 + exp(-4 (x - c) / w))
        ("LINEAR", [0, 0, 64.5, 128.0, 254.9, 255]),
        ("LINEAR_EXACT", [0, 0, 63.75, 127.5, 254.4, 255]),
        ("SIGMOID", [4.6, 30.4, 68.6, 127.5, 224.4, 250.4]),
    ],
)
def test_window(tmp_path, function, expected):
    pixels = np.array([[1000, 1500, 1750, 2000, 2499, 3000]], dtype=np.uint16)
    image = shown(
        tmp_path, pixels, n_bits=12, WindowCenter=2000, WindowWidth=1000, VOILUTFunction=function
    )
    np.testing.assert_allclose(image[0], expected, atol=0.6)


def test_window_is_in_rescaled_values(tmp_path):
    pixels = np.array([[0, 500, 1000, 1500, 2000]], dtype=np.uint16)
    image = shown(
        tmp_path,
        pixels,
        RescaleSlope=2,
        RescaleIntercept=-1000,
        WindowCenter=1000,
        WindowWidth=2000,
        VOILUTFunction="LINEAR_EXACT",
    )
    assert image.tolist() == [[0, 0, 128, 255, 255]]


def test_window_of_monochrome1(tmp_path):
    pixels = np.array([[0, 500, 1000, 1500, 2000]], dtype=np.uint16)
    image = shown(
        tmp_path,
        pixels,
        PhotometricInterpretation="MONOCHROME1",
        WindowCenter=1000,
        WindowWidth=1000,
        VOILUTFunction="LINEAR_EXACT",
    )
    assert image.tolist() == [[255, 255, 128, 0, 0]]


def test_window_of_signed_values(tmp_path):
    pixels = np.array([[-400, -200, 0, 200]], dtype=np.int16)
    image = shown(
        tmp_path, pixels, WindowCenter=-100, WindowWidth=600, VOILUTFunction="LINEAR_EXACT"
    )
    assert image.tolist() == [[0, 85, 170, 255]]


def test_first_of_several_windows_is_used(tmp_path):
    image = shown(
        tmp_path,
        RAMP.astype(np.uint16),
        WindowCenter=[100, 2000],
        WindowWidth=[100, 4000],
        VOILUTFunction="LINEAR_EXACT",
    )
    assert image[RAMP == 50] == 0
    assert image[RAMP == 150] == 255


def test_window_without_a_number_is_ignored(tmp_path):
    image = shown(tmp_path, RAMP.astype(np.uint16), WindowCenter=None, WindowWidth=None)
    np.testing.assert_array_equal(image, RAMP)


@pytest.mark.parametrize("vr", ["US", "OW"])
@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]
)
def test_voi_lut(tmp_path, vr, syntax):
    table = (np.arange(1000, dtype=np.uint32) ** 2 * 4095 // 999**2).astype(np.uint16)
    if vr == "OW" and syntax == ExplicitVRBigEndian:
        table = table.byteswap()
    pixels = np.array([[0, 100, 600, 1099, 4000]], dtype=np.uint16)
    image = shown(tmp_path, pixels, syntax=syntax, VOILUTSequence=lut(100, table, 12, vr))
    assert image.tolist() == [[0, 0, 64, 255, 255]]


def test_voi_lut_with_8_bit_output(tmp_path):
    table = (np.arange(4096) // 16).astype(np.uint16)
    pixels = RAMP.astype(np.uint16) * 16
    image = shown(tmp_path, pixels, n_bits=12, VOILUTSequence=lut(0, table, 8))
    np.testing.assert_array_equal(image, RAMP)


def test_voi_lut_of_65536_entries(tmp_path):
    """Their number does not fit into 16 bits and is stored as 0."""
    table = np.arange(2**16, dtype=np.uint32).astype(np.uint16)
    pixels = RAMP.astype(np.uint16) * 257
    image = shown(tmp_path, pixels, VOILUTSequence=lut(0, table, 16, "OW"))
    np.testing.assert_array_equal(image, RAMP)


def test_voi_lut_packed_by_bytes(tmp_path):
    table = np.arange(256, dtype=np.uint8)[::-1]
    image = shown(tmp_path, VOILUTSequence=lut(0, table, 8, "OW"))
    np.testing.assert_array_equal(image, 255 - RAMP)


def test_voi_lut_of_rescaled_values_below_0(tmp_path):
    pixels = RAMP.astype(np.uint16)
    image = shown(
        tmp_path,
        pixels,
        RescaleSlope=1,
        RescaleIntercept=-128,
        VOILUTSequence=lut(-128, np.arange(256, dtype=np.uint16), 8),
    )
    np.testing.assert_array_equal(image, RAMP)


def test_voi_lut_precedes_a_window(tmp_path):
    image = shown(
        tmp_path,
        VOILUTSequence=lut(0, np.arange(256, dtype=np.uint16)[::-1], 8),
        WindowCenter=128,
        WindowWidth=2,
    )
    np.testing.assert_array_equal(image, 255 - RAMP)


def test_voi_lut_without_data_leaves_it_to_the_window(tmp_path):
    empty = lut(0, np.arange(256, dtype=np.uint16), 8)
    del empty[0].LUTData
    image = shown(tmp_path, VOILUTSequence=empty, WindowCenter=100, WindowWidth=2)
    np.testing.assert_array_equal(image, np.where(RAMP >= 100, 255, 0))


def test_voi_lut_of_monochrome1(tmp_path):
    table = np.arange(0, 1024, 4, dtype=np.uint16)
    image = shown(
        tmp_path, VOILUTSequence=lut(0, table, 10), PhotometricInterpretation="MONOCHROME1"
    )
    np.testing.assert_allclose(image, 255 - RAMP, atol=1)


def test_voi_lut_of_more_bits_than_its_descriptor_says_is_not_clipped(tmp_path):
    table = np.arange(256, dtype=np.uint16) * 16
    np.testing.assert_allclose(shown(tmp_path, VOILUTSequence=lut(0, table, 8)), RAMP, atol=1)


@pytest.mark.parametrize("name", ["VOILUTSequence", "ModalityLUTSequence"])
def test_lut_that_is_too_short_is_refused(tmp_path, name):
    table = lut(0, np.arange(256, dtype=np.uint16), 8)
    table[0].LUTDescriptor = [300, 0, 8]
    table[0].ModalityLUTType = "US"
    file = write(tmp_path / "a.dcm", RAMP.astype(np.uint16), **{name: table})
    refused(file, "its LUT has 256 entries, but its LUT Descriptor says 300")


@pytest.mark.parametrize("vr", ["US", "OW"])
@pytest.mark.parametrize("n_bits", [8, 10, 12, 14, 16])
def test_modality_lut_of_any_depth(tmp_path, vr, n_bits):
    table = (np.arange(4096) * (2**n_bits - 1) // 4095).astype(np.uint16)[::-1]
    modality = lut(0, table.copy(), n_bits, vr)
    modality[0].ModalityLUTType = "US"
    pixels = RAMP.astype(np.uint16) * 16
    image = shown(tmp_path, pixels, n_bits=12, ModalityLUTSequence=modality)
    # Values 4095 - 16 k of 4095, from 15 to 4095, are scaled by their own range.
    np.testing.assert_allclose(image, 255 - RAMP, atol=1)


def test_modality_lut_of_8_bit_pixels_is_not_clipped(tmp_path):
    """The ends of a table need not be its lowest and highest values."""
    values = np.abs(np.arange(256) - 100).astype(np.uint16)  # from 155 down to 0, and up again
    modality = lut(0, values, 16)
    modality[0].ModalityLUTType = "US"
    image = shown(tmp_path, ModalityLUTSequence=modality)
    np.testing.assert_array_equal(image, np.rint(values[RAMP] * (255 / 155)))


def test_palette_of_8_bits_in_16_is_not_black(tmp_path):
    palette = {}
    for color in ("Red", "Green", "Blue"):
        palette[f"{color}PaletteColorLookupTableDescriptor"] = [256, 0, 8]
        palette[f"{color}PaletteColorLookupTableData"] = np.arange(256, dtype="<u2").tobytes()
    image = shown(tmp_path, PhotometricInterpretation="PALETTE COLOR", **palette)
    np.testing.assert_array_equal(image, RAMP)


def test_modality_lut_precedes_the_window(tmp_path):
    modality = lut(0, np.arange(256, dtype=np.uint16)[::-1] * 10, 16)
    modality[0].ModalityLUTType = "US"
    image = shown(
        tmp_path,
        ModalityLUTSequence=modality,
        WindowCenter=1275,
        WindowWidth=2550,
        VOILUTFunction="LINEAR_EXACT",
    )
    np.testing.assert_allclose(image, 255 - RAMP, atol=1)


# Transfer syntaxes


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEG2000Lossless,
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_lossless_syntaxes_give_the_same_pixels(tmp_path, syntax, dtype):
    pixels = np.kron(RAMP, np.ones((4, 4), dtype=dtype)) * dtype(3)  # J2K takes no 16x16
    plain, _ = read_dicom(write(tmp_path / "plain.dcm", pixels))
    packed, _ = read_dicom(write(tmp_path / "packed.dcm", pixels, syntax=syntax))
    np.testing.assert_array_equal(packed, plain)


def test_jpeg_is_decoded(tmp_path):
    jpeg = io.BytesIO()
    Image.new("L", (16, 16), 90).save(jpeg, "JPEG")
    image = shown(tmp_path, syntax=JPEGBaseline8Bit, PixelData=encapsulate([jpeg.getvalue()]))
    assert abs(image.astype(int) - 90).max() <= 1


NEEDS_LIBJPEG = pytest.mark.skipif(not find_spec("libjpeg"), reason="skcxr[dicom-gpl]")


@NEEDS_LIBJPEG
@pytest.mark.parametrize(("stored", "high"), [(8, 7), (8, 15), (12, 11), (16, 15)])
def test_lossless_jpeg_of_8_bits_in_16_allocated(tmp_path, stored, high):
    fields = {"BitsAllocated": 16, "BitsStored": stored, "HighBit": high}
    frame = encapsulate([lossless_jpeg(RAMP, 8)])
    image = shown(tmp_path, syntax=JPEGLosslessSV1, PixelData=frame, **fields)
    np.testing.assert_array_equal(image, RAMP)


@NEEDS_LIBJPEG
@pytest.mark.parametrize(("n_bits", "shift"), [(12, 1), (16, 16)])
def test_lossless_jpeg_of_the_upper_12_bits(tmp_path, n_bits, shift):
    """The compressed image holds the stored bits alone, or all 16 bits."""
    pixels = RAMP.astype(np.uint16) * 16
    fields = {"BitsStored": 12, "HighBit": 15}
    frame = encapsulate([lossless_jpeg(pixels * shift, n_bits)])
    file = write(tmp_path / "a.dcm", pixels, syntax=JPEGLosslessSV1, PixelData=frame, **fields)
    read, _ = read_dicom(file)
    np.testing.assert_array_equal(read, pixels)


def test_lossless_jpeg_of_bits_that_its_header_does_not_explain_is_refused(tmp_path):
    pixels = RAMP.astype(np.uint16) * 16
    fields = {"BitsStored": 12, "HighBit": 15}
    frame = encapsulate([lossless_jpeg(pixels, 14)])
    file = write(tmp_path / "a.dcm", pixels, syntax=JPEGLosslessSV1, PixelData=frame, **fields)
    refused(file, "says 12 stored bits up to bit 15 (BitsStored, HighBit), but its compressed")


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEGExtended12Bit])
def test_jpeg_of_8_bits_in_16_allocated(tmp_path, syntax):
    jpeg = io.BytesIO()
    Image.new("L", (16, 16), 90).save(jpeg, "JPEG")
    fields = {"BitsAllocated": 16, "BitsStored": 8, "HighBit": 7}
    image = shown(tmp_path, syntax=syntax, PixelData=encapsulate([jpeg.getvalue()]), **fields)
    assert abs(image.astype(int) - 90).max() <= 1


@pytest.mark.parametrize(
    "name",
    ["bigendian", "expb", "implicit", "RLE", "jp2klossless", "jpeg_ls_lossless", "padded"],
)
def test_shipped_variants_of_one_image_agree(name):
    expected, _ = read_dicom(shipped("MR_small.dcm"))
    (image,) = read_images([shipped(f"MR_small_{name}.dcm")])
    np.testing.assert_array_equal(image, read_image(shipped("MR_small.dcm")))
    assert expected.shape == image.shape == (64, 64)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("SC_rgb_jpeg_gdcm.dcm", marks=NEEDS_LIBJPEG),  # JPEG lossless
        "SC_rgb_dcmtk_+eb+cy+np.dcm",  # JPEG baseline, YBR_FULL_422
        "SC_rgb_gdcm_KY.dcm",  # JPEG 2000
        "SC_rgb_jls_lossy_line.dcm",  # JPEG-LS
        "SC_rgb_rle_16bit.dcm",
        "SC_ybr_full_422_uncompressed.dcm",
    ],
)
def test_shipped_colour_bars(name):
    (image,) = read_images([shipped(name)])
    # red, pale red, green, pale green, blue, pale blue, black, two grays, white
    bars = [76, 166, 150, 203, 29, 142, 0, 64, 192, 255]
    np.testing.assert_allclose(image[5::10, 50], bars, atol=2)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("693_J2KI.dcm", (512, 512)),
        ("CT_small.dcm", (128, 128)),
        ("J2K_pixelrep_mismatch.dcm", (512, 512)),
        pytest.param("JPGExtended.dcm", (1024, 256), marks=NEEDS_LIBJPEG),  # of 12 bits
        ("JPEGLSNearLossless_16.dcm", (50, 10)),
        ("examples_overlay.dcm", (300, 484)),
        ("examples_palette.dcm", (350, 800)),
        ("image_dfl.dcm", (512, 512)),
    ],
)
def test_shipped_images_use_the_gray_scale(name, shape):
    (image,) = read_images([shipped(name)])
    assert image.shape == shape
    assert image.min() == 0
    assert image.max() >= 254


@pytest.mark.parametrize(
    ("name", "packages"),
    [
        ("SC_rgb_jpeg_gdcm.dcm", "pylibjpeg and pylibjpeg-libjpeg (the extra 'dicom-gpl')"),
        ("JPGExtended.dcm", "pylibjpeg and pylibjpeg-libjpeg (the extra 'dicom-gpl')"),
        (
            "MR_small_jpeg_ls_lossless.dcm",
            "pylibjpeg[openjpeg,rle] and pyjpegls (the extra 'dicom')",
        ),
    ],
)
def test_a_missing_decoder_says_how_to_install_it(monkeypatch, name, packages):
    # Pillow stays: it claims to support JPEG Extended, but reads only 8 bits.
    monkeypatch.setattr("skcxr.datasets._dicom._DECODERS", ("pillow",))
    refused(shipped(name), f"no installed package decodes. Install {packages}, or")


def test_gdcm_is_never_used(monkeypatch):
    """It ends the process on damaged files, and pydicom would use it first."""
    asked = []
    decoder = get_decoder(JPEGLSLossless)
    monkeypatch.setitem(decoder._available, "gdcm", lambda *args: asked.append(args))
    assert decoder.available_plugins[0] == "gdcm"
    (image,) = read_images([shipped("MR_small_jpeg_ls_lossless.dcm")])
    assert image.shape == (64, 64)
    assert asked == []


# Files that are not radiographs


def refused(file, reason):
    (result,) = read_images([file])
    assert isinstance(result, str)
    assert reason in result
    assert "\n" not in result


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("reportsi.dcm", "it has no pixel data (Basic Text SR Storage)"),
        ("rtplan.dcm", "it has no pixel data (RT Plan Storage)"),
        ("waveform_ecg.dcm", "it has no pixel data (12-lead ECG Waveform Storage)"),
        ("dicomdirtests/DICOMDIR-empty.dcm", "it has no pixel data"),
        ("examples_ybr_color.dcm", "it has 30 frames"),
        ("MR_truncated.dcm", "pixel data is less than expected"),
    ],
)
def test_shipped_files_that_are_refused(name, reason):
    refused(shipped(name), reason)


def test_several_frames(tmp_path):
    file = write(tmp_path / "a.dcm", NumberOfFrames=2, PixelData=RAMP.tobytes() * 2)
    refused(file, "it has 2 frames")


def test_window_that_shows_nothing(tmp_path):
    file = write(tmp_path / "a.dcm", RAMP.astype(np.uint16), WindowCenter=9000, WindowWidth=10)
    refused(file, "its window or VOI LUT maps all pixels to one value")


def test_window_of_no_width(tmp_path):
    refused(
        write(tmp_path / "a.dcm", WindowCenter=9, WindowWidth=0), "Window Width must be greater"
    )


def test_header_without_an_element_names_it(tmp_path):
    file = write(tmp_path / "a.dcm")
    header = pydicom.dcmread(file)
    del header.BitsStored
    del header.PhotometricInterpretation
    header.save_as(file)
    refused(file, "its header lacks PhotometricInterpretation, BitsStored")


def test_photometric_interpretation_that_is_not_gray(tmp_path):
    file = write(tmp_path / "a.dcm", PhotometricInterpretation="HSV")
    (result,) = read_images([file])
    assert "HSV" in result


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless])
def test_truncated_anywhere(tmp_path, syntax):
    noise = np.random.default_rng(0).integers(0, 4096, (48, 48), dtype=np.uint16)
    file = write(tmp_path / "a.dcm", noise, syntax=syntax)
    content = file.read_bytes()
    for size in range(1, len(content) - 20, 53):
        file.write_bytes(content[:size])
        (result,) = read_images([file])
        assert isinstance(result, str), size


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless])
def test_damage_never_escapes(tmp_path, syntax):
    pixels = np.kron(RAMP, np.ones((4, 4), dtype=np.uint16))
    file = write(tmp_path / "a.dcm", pixels, syntax=syntax, WindowCenter=99, WindowWidth=99)
    content, rng = file.read_bytes(), np.random.default_rng(0)
    for _ in range(100):
        damaged = bytearray(content)
        for place in rng.integers(132, len(content), 5):
            damaged[place] = rng.integers(256)
        file.write_bytes(damaged)
        (result,) = read_images([file])
        assert isinstance(result, str) or result.dtype == np.uint8


# Decompression bombs


def test_more_pixels_than_pillow_allows(tmp_path, monkeypatch):
    file = write(tmp_path / "a.dcm")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 255)
    refused(file, "Image size (256 pixels) exceeds limit of 255 pixels")


def test_deflated_file_that_fills_the_memory(tmp_path, monkeypatch):
    blank = np.zeros((256, 256), dtype=np.uint8)
    file = write(tmp_path / "a.dcm", blank, syntax=DeflatedExplicitVRLittleEndian)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2**14)
    assert file.stat().st_size < 1000
    refused(file, "it inflates to more than 65536 bytes")


@pytest.mark.parametrize(
    ("syntax", "codec"), [(JPEGBaseline8Bit, "JPEG"), (JPEG2000Lossless, "JPEG2000")]
)
def test_compressed_image_larger_than_declared(tmp_path, syntax, codec):
    stream = io.BytesIO()
    Image.new("L", (300, 200)).save(stream, codec)
    file = write(tmp_path / "a.dcm")
    header = pydicom.dcmread(file)
    header.file_meta.TransferSyntaxUID = syntax
    header.PixelData = encapsulate([stream.getvalue()])
    header.save_as(file)
    refused(file, "its header says 16x16 pixels, but its compressed image has 200x300")


# Recognition


@pytest.mark.parametrize("name", ["a.png", "IM0001", "a.DCM", "肺 é.jpeg"])
def test_content_makes_a_dicom_file(tmp_path, name):
    np.testing.assert_array_equal(read_image(write(tmp_path / name)), RAMP)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_file_without_preamble_and_meta_information(tmp_path, syntax):
    file = write(tmp_path / "a.dcm", syntax=syntax)
    content = file.read_bytes()
    (length,) = struct.unpack("<I", content[140:144])
    file.write_bytes(content[144 + length :])
    np.testing.assert_array_equal(read_image(file), RAMP)


def test_png_named_dcm_is_a_png(tmp_path):
    Image.fromarray(RAMP).save(tmp_path / "a.dcm", "PNG")
    assert not is_dicom(tmp_path / "a.dcm")
    np.testing.assert_array_equal(read_image(tmp_path / "a.dcm"), RAMP)


def test_text_named_dcm_is_not_dicom(tmp_path):
    (tmp_path / "a.dcm").write_text("to do: ask the ward")
    refused(tmp_path / "a.dcm", "not an image format that Pillow reads, and not DICOM")


# Patients and privacy


def mixed_folder(root):
    write(root / "covid" / "a.dcm", PatientID="007 ", **PATIENT)
    write(root / "covid" / "b.png", PatientID="8", **PATIENT)
    write(root / "normal" / "c", 255 - RAMP, PatientID="007", **PATIENT)
    return root


def test_folder_mixes_dicom_and_images(tmp_path):
    write(tmp_path / "covid" / "a.dcm")
    Image.fromarray(RAMP).save(tmp_path / "covid" / "b.png")
    images = load_image_folder(tmp_path, image_size=None).images
    np.testing.assert_array_equal(images, [RAMP, RAMP])


def test_groups_from_patient_id(tmp_path):
    groups = load_image_folder(mixed_folder(tmp_path), groups="PatientID").groups
    assert groups.tolist() == ["007", "8", "007"]
    assert groups.dtype == object
    assert all(type(group) is str for group in groups)


def test_accents_of_a_patient_id_do_not_split_a_patient(tmp_path):
    for name, form in (("a", "NFC"), ("b", "NFD")):
        patient = unicodedata.normalize(form, "Zoë")
        fields = {"SpecificCharacterSet": "ISO_IR 192", "PatientID": f"{patient} "}
        write(tmp_path / "covid" / f"{name}.dcm", **fields)
    assert load_image_folder(tmp_path, groups="PatientID").groups.tolist() == ["Zoë", "Zoë"]


def test_files_without_patient_id_are_named(tmp_path):
    mixed_folder(tmp_path)
    write(tmp_path / "normal" / "d.dcm")
    write(tmp_path / "normal" / "e.dcm", PatientID="")
    Image.fromarray(RAMP).save(tmp_path / "normal" / "f.png")
    match = r'groups="PatientID" .* got 3 of 6 files(.|\n)*normal/d.dcm\n.*e.dcm\n.*f.png$'
    with pytest.raises(ValueError, match=match):
        load_image_folder(tmp_path, groups="PatientID")


def test_skipped_files_need_no_patient_id(tmp_path):
    mixed_folder(tmp_path)
    (tmp_path / "normal" / "z.txt").write_text("notes")
    with pytest.warns(UserWarning, match="Left out 1 of 4 files"):
        bunch = load_image_folder(tmp_path, groups="PatientID", on_error="skip")
    assert bunch.groups.tolist() == ["007", "8", "007"]


def test_a_file_that_is_not_dicom_has_no_patient_id(tmp_path):
    Image.fromarray(RAMP).save(tmp_path / "a.png")
    assert read_patient_id(tmp_path / "a.png") is None


@pytest.mark.parametrize("groups", [None, "PatientID"])
def test_header_fields_are_nowhere_in_the_result(tmp_path, groups):
    kept = pickle.dumps(load_image_folder(mixed_folder(tmp_path), groups=groups))
    header = pydicom.dcmread(tmp_path / "covid" / "a.dcm")
    assert header.PatientName == PATIENT["PatientName"]  # the files do have them
    for value in [*PATIENT.values(), "Wolkenstein", header.SOPInstanceUID, "1.2.840"]:
        assert str(value).encode() not in kept
    assert (b"007" in kept) is (groups is not None)


def test_header_fields_are_not_in_a_warning(tmp_path):
    mixed_folder(tmp_path)
    write(tmp_path / "normal" / "d.dcm", NumberOfFrames=2, PatientID="007", **PATIENT)
    with pytest.warns(UserWarning, match=r"d\.dcm: it has 2 frames$") as caught:
        load_image_folder(tmp_path, on_error="skip")
    assert not any(value in str(caught[0].message) for value in [*PATIENT.values(), "007"])


def test_values_in_a_damaged_element_are_nowhere(tmp_path, caplog, recwarn):
    """pydicom logs an invalid UID. If its length is wrong, it contains the name and the dates."""
    file = mixed_folder(tmp_path) / "covid" / "a.dcm"
    content = bytearray(file.read_bytes())
    place = content.index(b"\x08\x00\x16\x00UI") + 6
    content[place : place + 2] = (600).to_bytes(2, "little")
    file.write_bytes(content)
    assert "Wolkenstein" in str(pydicom.dcmread(file, specific_tags=["SOPClassUID"]))
    assert "Wolkenstein" in caplog.text  # so it would be
    caplog.clear()
    recwarn.clear()
    result = read_images([file])
    with pytest.raises(ValueError, match="PatientID"):
        read_patient_ids(["a.dcm"], [file])
    told = caplog.text + str(result) + "".join(str(warning.message) for warning in recwarn)
    assert not any(value in told for value in PATIENT.values())


def test_pydicom_is_heard_again_afterwards(tmp_path, caplog):
    read_images([write(tmp_path / "a.dcm")])
    logging.getLogger("pydicom").warning("heard")
    assert "heard" in caplog.text


def test_a_damaged_patient_id_is_named(tmp_path):
    file = mixed_folder(tmp_path) / "covid" / "a.dcm"
    content = file.read_bytes()
    assert content.count(b"\x10\x00\x20\x00LO") == 1
    file.write_bytes(content.replace(b"\x10\x00\x20\x00LO", b"\x10\x00\x20\x00L\xd4"))
    with pytest.raises(ValueError, match=r"got 1 of 3 files(.|\n)*covid/a.dcm$"):
        load_image_folder(tmp_path, groups="PatientID")


def test_other_elements_are_not_read(tmp_path):
    file = mixed_folder(tmp_path) / "covid" / "a.dcm"
    assert {element.keyword for element in _read_elements(file, _TAGS)} <= {*_TAGS}


# Without pydicom


def test_missing_pydicom_says_how_to_install_it(tmp_path, monkeypatch):
    mixed_folder(tmp_path)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ImportError, match=r"Install pydicom, pylibjpeg\[openjpeg,rle\] .*'dicom'"):
        load_image_folder(tmp_path, on_error="skip")


def test_pydicom_is_not_imported_for_images(tmp_path):
    (tmp_path / "covid").mkdir()
    Image.fromarray(RAMP).save(tmp_path / "covid" / "a.png")
    code = (
        "import sys; from skcxr.datasets import load_image_folder; "
        f"load_image_folder({str(tmp_path)!r}); assert 'pydicom' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
