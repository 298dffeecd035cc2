"""Radiographs from folders, and procedural phantoms that need no data."""

from skcxr.datasets.folders import load_image_folder
from skcxr.datasets.phantoms import make_chest_phantoms

__all__ = ["load_image_folder", "make_chest_phantoms"]
