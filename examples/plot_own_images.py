"""
Your own images: a folder of PNG, JPEG and DICOM
================================================

Image files have 8 or 16 bits, may be inverted or windowed, and differ in shape. Are they alike
after loading? This example writes one chest to five files of different formats, and loads the
folder.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pydicom
from PIL import Image
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from skcxr.datasets import load_image_folder, make_chest_phantoms

chest = make_chest_phantoms(1, image_size=256, random_state=3).images[0]

# %%
# Two of the files are DICOM. One is MONOCHROME1, in which low values are white. The other contains
# raw detector values with a window, which defines the values that a viewer shows as black and as
# white.


def write_dicom(path, pixels, photometric="MONOCHROME2", **window):
    """Write a minimal DICOM file of 12 bits."""
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.PatientID = "phantom"
    dataset.set_pixel_data(pixels.astype(np.uint16), photometric, 12)
    for name, value in window.items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)


# %%
# Each sub-folder is a class, and a CSV file assigns images to patients. Formats are detected from
# the content of the files, so a folder can contain several formats.

with TemporaryDirectory() as folder:
    folder = Path(folder)
    (folder / "normal").mkdir()
    raw = {
        "8-bit PNG": chest,
        "16-bit PNG": 900 + 20 * chest.astype(np.uint16),
        "DICOM,\nMONOCHROME1": 4095 - 16 * chest.astype(np.uint16),
        "DICOM,\nwindow": 1000 + 4 * chest.astype(np.uint16),
        "JPEG, a wide film": np.pad(chest[20:212], ((0, 0), (64, 64))),
    }
    files = [folder / "normal" / f"{i}" for i in range(len(raw))]
    Image.fromarray(raw["8-bit PNG"]).save(files[0], "PNG")
    Image.fromarray(raw["16-bit PNG"]).save(files[1], "PNG")
    write_dicom(files[2], raw["DICOM,\nMONOCHROME1"], "MONOCHROME1")
    write_dicom(files[3], raw["DICOM,\nwindow"], WindowCenter=1510, WindowWidth=1020)
    Image.fromarray(raw["JPEG, a wide film"]).save(files[4], "JPEG", quality=95)
    patients = pd.DataFrame({"file": [file.name for file in files], "patient_id": "phantom"})
    patients.to_csv(folder / "patients.csv", index=False)

    loaded = {
        fit: load_image_folder(folder, fit=fit, groups=folder / "patients.csv")
        for fit in ("squash", "pad", "crop")
    }

print(loaded["squash"].DESCR)
print(loaded["squash"].data.shape, loaded["squash"].data.dtype, loaded["squash"].groups)

# %%
# The first row shows the values in the files. Black is 0, and white is the largest value that the
# bits can represent. The other rows show the images after loading. ``fit`` determines how films
# that are not square are treated.

figure, axes = plt.subplots(4, 5, figsize=(6.5, 5.2), layout="constrained")
for ax, (name, pixels) in zip(axes[0], raw.items(), strict=True):
    top = {"1": 65535, "D": 4095}.get(name[0], 255)
    ax.imshow(pixels, cmap="gray", vmin=0, vmax=top)
    ax.set_title(name, fontsize=9)
for row, images in zip(axes[1:], loaded.values(), strict=True):
    for ax, image in zip(row, images.images, strict=True):
        ax.imshow(image, cmap="gray", vmin=0, vmax=255)
for ax, name in zip(axes[:, 0], ["in the file", *(f'fit="{fit}"' for fit in loaded)], strict=True):
    ax.set_ylabel(name, fontsize=9)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
squash = loaded["squash"].images[:4].astype(int)
difference = np.abs(squash - squash[0]).max()
figure.suptitle(f"Four files of one square film differ by at most {difference} of 255 gray levels")
plt.show()

# %%
# Pass ``data``, ``target`` and ``groups`` of the result to ``cross_validate`` or
# :func:`skcxr.evaluation.compare`. The groups keep all images of a patient in one fold.
