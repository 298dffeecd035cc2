"""Synthetic images on disk: marked as such, with where they come from, whole or not at all."""

import hashlib
import json
import shutil
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from skcxr._base.files import check_writable, temporary_path

PROVENANCE = "provenance.json"
SUFFIXES = {"png": "png", "dicom": "dcm"}
NOTICE = (
    "Synthetic image, made by a generative model. It shows no patient and is not for diagnosis."
)


def training_fingerprint(X, y):
    """Digest of a training set: tells whether two were the same, and nothing of what they hold.

    Parameters
    ----------
    X : ndarray of shape (n, ...)
        Images.
    y : ndarray of shape (n,)
        Their classes.

    Returns
    -------
    fingerprint : dict
        ``n_images``, ``n_by_class`` and ``sha256`` of shape, dtype, pixels and classes.
    """
    digest = hashlib.sha256(f"{X.shape} {X.dtype} {y.tolist()}".encode())
    digest.update(np.ascontiguousarray(X).tobytes())
    classes, counts = np.unique(y, return_counts=True)
    by_class = dict(zip(map(str, classes), counts.tolist(), strict=True))
    return {"n_images": len(X), "n_by_class": by_class, "sha256": digest.hexdigest()}


def file_name(k, row, file_format="png"):
    """Where the image of class `k` in this row, counted from 0, goes below the result's folder."""
    return f"{k}/synthetic-{row + 1:05d}.{SUFFIXES[file_format]}"


def check_target(out, *, overwrite=False):
    """Refuse a folder that the images may not go to, before anything is trained for it.

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
        If there is something that may not be replaced.
    OSError
        If nothing can be written beside it.
    """
    out = Path(out)
    check_writable(out)
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not overwrite:
        raise FileExistsError(
            f"--out {out} is there already. Pass a new folder, or --overwrite to replace an "
            "earlier result."
        )
    if not (out / PROVENANCE).is_file():
        raise FileExistsError(
            f"--out {out} holds no {PROVENANCE}, so it is no earlier result, and is not replaced. "
            "Pass a new folder."
        )


def write_images(out, images, *, provenance, file_format="png", overwrite=False):
    """Write synthetic images, one folder a class, with ``manifest.csv`` and ``provenance.json``.

    All of it is written to a folder beside `out`, which is then renamed: a run that is killed
    leaves no half of a result.

    Parameters
    ----------
    out : str or path
        The folder, as :func:`check_target` allows it.
    images : dict of class name to ndarray of shape (n, h, w), uint8
        Gray images of each class.
    provenance : dict
        What is to be known of them, JSON's types only. Versions and time are added.
    file_format : {"png", "dicom"}, default="png"
        "dicom" writes secondary captures that say they are synthetic in their own fields.
    overwrite : bool, default=False
        As of :func:`check_target`.

    Returns
    -------
    manifest : pandas.DataFrame
        A row an image: ``file``, ``class``, ``sha256`` of the file, ``synthetic`` (True).

    Raises
    ------
    OSError
        If it can not be written. What was at `out` stays, and nothing is left beside it.
    """
    out = Path(out)
    check_target(out, overwrite=overwrite)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(out)
    shutil.rmtree(temporary, ignore_errors=True)
    write = {"png": _write_png, "dicom": _write_dicom}[file_format]
    rows = []
    try:
        for k, of_class in images.items():
            (temporary / str(k)).mkdir(parents=True)
            for row, image in enumerate(of_class):
                name = file_name(k, row, file_format)
                file = temporary / name
                write(file, image, f"{k}-{row + 1:05d}")
                digest = hashlib.sha256(file.read_bytes()).hexdigest()
                rows.append({"file": name, "class": k, "sha256": digest, "synthetic": True})
        manifest = pd.DataFrame(rows)
        manifest.to_csv(temporary / "manifest.csv", index=False)
        names = ("skcxr", "torch", "numpy", "scikit-learn", "imbalanced-learn", "pillow")
        provenance = {
            "notice": NOTICE,
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "versions": {name: version(name) for name in names},
            **provenance,
        }
        (temporary / PROVENANCE).write_text(json.dumps(provenance, indent=2) + "\n")
        _replace(temporary, out)
    except OSError as error:
        raise OSError(
            f"--out {out} can not be written: {error.strerror or error}. Free space, or pass "
            "another folder. What was there is as it was."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return manifest


def _replace(new, out):
    """Put the folder `new` in the place of `out`, which stays until it is there."""
    if not out.exists():
        new.rename(out)
        return
    old = out.with_name(f"{new.name}.old")
    out.rename(old)
    try:
        new.rename(out)
    except OSError:
        old.rename(out)
        raise
    shutil.rmtree(old)


def _write_png(file, image, name):
    text = PngInfo()
    text.add_text("Synthetic", "true")
    text.add_text("Title", name)
    text.add_text("Description", NOTICE)
    text.add_text("Software", f"skcxr {version('skcxr')}")
    Image.fromarray(image).save(file, pnginfo=text)


def _write_dicom(file, image, name):
    """A secondary capture: derived, of no patient, its conversion type "synthetic image"."""
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.SpecificCharacterSet = "ISO_IR 192"  # UTF-8: a class may have any name
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.ImageType = ["DERIVED", "SECONDARY", "SYNTHETIC"]
    # PS3.3, C.12.1.1: Synthetic Data, by its tag since it is newer than some of pydicom's releases.
    dataset.add_new(0x0008001C, "CS", "YES")
    # Defined terms of PS3.3, C.8.6.1: SYN is a synthetic image.
    dataset.ConversionType = "SYN"
    dataset.Modality = "OT"
    dataset.PatientName = "SYNTHETIC^NO PATIENT"
    dataset.PatientID = f"SYNTHETIC-{name}"[:64]
    dataset.PatientBirthDate, dataset.PatientSex = "", ""
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Synthetic image of no patient"
    dataset.StudyID, dataset.AccessionNumber, dataset.ReferringPhysicianName = "", "", ""
    dataset.StudyDate, dataset.StudyTime = "", ""
    dataset.Laterality, dataset.PatientOrientation = "", ""
    dataset.SeriesNumber, dataset.InstanceNumber = 1, int(name.rpartition("-")[2])
    dataset.SeriesDescription = "Synthetic images, not for diagnosis"
    dataset.DerivationDescription = f"{NOTICE} skcxr {version('skcxr')}"
    dataset.Manufacturer = "skcxr"
    dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "MONOCHROME2", 1
    dataset.Rows, dataset.Columns = image.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelRepresentation = 0
    dataset.PixelData = np.ascontiguousarray(image).tobytes() + bytes(image.size % 2)
    dataset.save_as(file, enforce_file_format=True)
