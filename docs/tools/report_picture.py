"""Draw the README's picture of the report, docs/images/report.png: its top, as a browser shows it.

    skcxr evaluate --out report && python docs/tools/report_picture.py report

It needs playwright, which comes with the extra `test`, and Chromium. The evaluation takes about
four minutes on two cores.
"""

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

OUTPUT = Path(__file__).parents[1] / "images" / "report.png"
WIDTH = 1240  # wide enough for the list of contents at the side
MARGIN = 24


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("report", type=Path, help="results folder of skcxr evaluate")
    page_file = (parser.parse_args().report / "report.html").resolve()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 900}, color_scheme="light")
        page.goto(page_file.as_uri())
        # The picture ends below the first section.
        caution = page.locator(".caution").bounding_box()
        height = round(caution["y"] + caution["height"]) + MARGIN
        page.set_viewport_size({"width": WIDTH, "height": height})
        page.screenshot(path=OUTPUT)
        browser.close()


if __name__ == "__main__":
    main()
