"""Radiographs from folders and public collections, and procedural phantoms that need no data."""

from skcxr.datasets._covid_cxr import fetch_covid_cxr
from skcxr.datasets._folders import load_image_folder
from skcxr.datasets._phantoms import make_chest_phantoms

__all__ = ["fetch_covid_cxr", "load_image_folder", "make_chest_phantoms"]
