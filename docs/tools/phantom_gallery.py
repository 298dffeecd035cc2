"""Draw docs/images/phantoms.png: eight phantoms of each class, one class per row.

python docs/tools/phantom_gallery.py
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from skcxr.datasets._phantoms import make_chest_phantoms

COLUMNS = 8
SIZE = 128
MARGIN = 28
OUTPUT = Path(__file__).parents[1] / "images" / "phantoms.png"


def draw_gallery(phantoms):
    n_rows = len(phantoms.target_names)
    page = Image.new("L", (MARGIN + COLUMNS * SIZE, n_rows * SIZE), 255)
    for row, name in enumerate(phantoms.target_names):
        label = Image.new("L", (SIZE, MARGIN), 255)
        font = ImageFont.load_default(16)
        ImageDraw.Draw(label).text((SIZE / 2, MARGIN / 2), str(name), 0, font, anchor="mm")
        page.paste(label.rotate(90, expand=True), (0, row * SIZE))
        images = phantoms.images[phantoms.target == row]
        page.paste(Image.fromarray(np.hstack(images)), (MARGIN, row * SIZE))
    return page


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    phantoms = make_chest_phantoms(4 * COLUMNS, image_size=SIZE, noise=0.02, random_state=0)
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    draw_gallery(phantoms).quantize(64).save(OUTPUT, optimize=True)
    print(f"{OUTPUT}: {OUTPUT.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
