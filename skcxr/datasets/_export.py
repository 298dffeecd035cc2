"""Export of synthetic images, each marked as synthetic, with a record of their origin."""

import hashlib
import json
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from skcxr._base.files import (
    check_writable,
    explain_write_errors,
    fill_folder,
    shorten_name,
)

PROVENANCE = "provenance.json"
NOTICE = (
    "Synthetic image, made by a generative model. It shows no patient and is not for diagnosis."
)
_SUFFIXES = {"png": "png", "dicom": "dcm"}
_PACKAGES = ("skcxr", "torch", "numpy", "scikit-learn", "imbalanced-learn", "pillow")


def fingerprint_training_set(X, y):
    """Return a digest of a training set that identifies it without revealing its images.

    Parameters
    ----------
    X : ndarray of shape (n, ...)
        Images.
    y : ndarray of shape (n,)
        Classes of the images.

    Returns
    -------
    fingerprint : dict
        ``n_images``, ``n_by_class``, and the ``sha256`` of shape, dtype, pixels and classes.
    """
    digest = hashlib.sha256(f"{X.shape} {X.dtype} {y.tolist()}".encode())
    digest.update(np.ascontiguousarray(X).tobytes())
    classes, counts = np.unique(y, return_counts=True)
    by_class = dict(zip(map(str, classes), counts.tolist(), strict=True))
    return {"n_images": len(X), "n_by_class": by_class, "sha256": digest.hexdigest()}


def build_file_name(k, row, file_format="png"):
    """Return the path, within the output folder, of image `row` (from 0) of class `k`."""
    return f"{k}/synthetic-{row + 1:05d}.{_SUFFIXES[file_format]}"


def check_target(out, *, overwrite=False):
    """Raise an error if images cannot be written to a folder. Call it before training.

    Parameters
    ----------
    out : str or path
        The folder.
    overwrite : bool, default=False
        Whether an earlier result, a folder with a ``provenance.json``, may be replaced. Nothing
        else is ever deleted.

    Raises
    ------
    FileExistsError
        If the folder has content that may not be replaced.
    OSError
        If the folder cannot be created.
    """
    out = Path(out)
    if out.is_dir() and any(out.iterdir()):
        if not overwrite:
            raise FileExistsError(
                f"out={str(out)!r} exists already. Pass a new folder, or overwrite=True to replace "
                "an earlier result."
            )
        if not (out / PROVENANCE).is_file():
            raise FileExistsError(
                f"out={str(out)!r} holds no {PROVENANCE}, so it is not an earlier result and is "
                "not replaced. Pass a new folder."
            )
    check_writable(out)


def check_classes(out, classes):
    """Raise an OSError if the folders of the classes cannot be created in an existing folder."""
    with explain_write_errors(out), TemporaryDirectory(dir=out) as folder:
        for k in classes:
            Path(folder, k).mkdir()


def write_images(out, images, *, provenance, file_format="png", overwrite=False):
    """Write synthetic images to one folder per class, with a manifest and their provenance.

    Everything is written to a temporary folder in `out`, and then moved, ``provenance.json`` last.
    A folder that has this file is therefore complete, even if runs were killed.

    Parameters
    ----------
    out : str or path
        The folder, see :func:`check_target`.
    images : dict of class name to ndarray of shape (n, h, w), uint8
        Gray images of each class.
    provenance : dict
        Origin of the images, in JSON's types. Versions and the time are added.
    file_format : {"png", "dicom"}, default="png"
        Format of the images. "dicom" writes secondary captures that are marked as synthetic in
        their standard attributes.
    overwrite : bool, default=False
        Whether an earlier result may be replaced, see :func:`check_target`.

    Returns
    -------
    manifest : pandas.DataFrame
        One row per image: ``file``, ``class``, ``sha256`` of the file, ``synthetic`` (True). It is
        also written to ``manifest.csv``.

    Raises
    ------
    OSError
        If the images cannot be written. The earlier content of `out` is then unchanged, and no
        other file is left.
    """
    check_target(out, overwrite=overwrite)
    with fill_folder(out, last=PROVENANCE) as folder:
        manifest = _write_files(folder, images, file_format)
        manifest.to_csv(folder / "manifest.csv", index=False)
        provenance = {
            "notice": NOTICE,
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "versions": {name: version(name) for name in _PACKAGES},
            **provenance,
        }
        (folder / PROVENANCE).write_text(json.dumps(provenance, indent=2) + "\n")
    return manifest


def _write_files(folder, images, file_format):
    """Write the images to `folder`; return the manifest."""
    write = {"png": _write_png, "dicom": _write_dicom}[file_format]
    rows = []
    for k, class_images in images.items():
        (folder / str(k)).mkdir(parents=True)
        for row, image in enumerate(class_images):
            name = build_file_name(k, row, file_format)
            write(folder / name, image, k, row + 1)
            digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            rows.append({"file": name, "class": k, "sha256": digest, "synthetic": True})
    return pd.DataFrame(rows)


def _write_png(file, image, k, number):
    text = PngInfo()
    text.add_text("Synthetic", "true")
    text.add_text("Title", f"{k}-{number:05d}")
    text.add_text("Description", NOTICE)
    text.add_text("Software", f"skcxr {version('skcxr')}")
    Image.fromarray(image).save(file, pnginfo=text)


def _build_patient_id(k, number):
    """Return an identifier of one image, in the 64 characters that DICOM allows."""
    ends = "SYNTHETIC-", f"-{number:05d}"
    return shorten_name(str(k), 64 - len("".join(ends))).join(ends)


def _write_dicom(file, image, k, number):
    """Write a secondary capture that is marked as a derived, synthetic image of no patient."""
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    instance_uid = generate_uid()
    attributes = {
        "SpecificCharacterSet": "ISO_IR 192",  # UTF-8, since a class may have any name
        "SOPClassUID": SecondaryCaptureImageStorage,
        "SOPInstanceUID": instance_uid,
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "ImageType": ["DERIVED", "SECONDARY", "SYNTHETIC"],
        "ConversionType": "SYN",  # PS3.3, C.8.6.1: synthetic image
        "Modality": "OT",
        "PatientName": "SYNTHETIC^NO PATIENT",
        "PatientID": _build_patient_id(k, number),
        "PatientIdentityRemoved": "YES",
        "DeidentificationMethod": "Synthetic image of no patient",
        "SeriesNumber": 1,
        "InstanceNumber": number,
        "SeriesDescription": "Synthetic images, not for diagnosis",
        "DerivationDescription": f"{NOTICE} skcxr {version('skcxr')}",
        "Manufacturer": "skcxr",
        # Required by the standard, which allows them to be empty
        "PatientBirthDate": "",
        "PatientSex": "",
        "StudyID": "",
        "StudyDate": "",
        "StudyTime": "",
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        "Laterality": "",
        "PatientOrientation": "",
        # Pixels
        "PhotometricInterpretation": "MONOCHROME2",
        "SamplesPerPixel": 1,
        "Rows": image.shape[0],
        "Columns": image.shape[1],
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        "PixelData": image.tobytes() + bytes(image.size % 2),  # of an even number of bytes
    }
    dataset = pydicom.Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    # PS3.3, C.12.1.1: Synthetic Data. Older releases of pydicom do not know its keyword.
    dataset.add_new(0x0008001C, "CS", "YES")
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = instance_uid
    dataset.save_as(file, enforce_file_format=True)
