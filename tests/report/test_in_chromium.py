"""Tests of the report in a browser; tests/report/test_page.py tests its contents."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from sklearn.utils import Bunch

from skcxr.report._page import render_page

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no Chromium: apt-get install chromium"
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
SCHEMES, WIDTHS = ("light", "dark"), (360, 768, 1440)


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        # Playwright's launch creates a new profile each time.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def long_page(report_run, tmp_path_factory):
    """Return the path of a report with long names, many findings and all warnings."""
    names = np.array(["covid-19_pneumonia_confirmed_by_PCR", "normal_without_findings"])
    arms = dict.fromkeys([*report_run.settings["arms"], "pretrained-dcgan"], "One. " * 30)
    file = f"train/{names[0]}/patient-00007_examination-2020-03-14_series-01_radiology.png"
    sentence = (
        f"1 group of near-duplicates has several images of one radiograph: {file} and {file}."
    )
    parts = report_run.check.table.assign(
        **{
            "class": report_run.check.table["class"].replace(
                {"covid": names[0], "normal": names[1]}
            )
        }
    )
    check = replace(
        report_run.check, table=parts, reading="\n".join([sentence] * 5), limitation=sentence
    )
    page = render_page(
        report_run.build_comparison(),
        data=Bunch(**report_run.data | {"target_names": names, "filenames": [file]}),
        settings=report_run.settings
        | {
            "data": "a-long-name-of-a-folder-of-images_" * 3,
            "arms": arms,
            "repeats": 5,
            "skipped": {file: "broken"},
            "unused": {"test": [file]},
            "near_duplicates": [{"files": [file, file], "similarity": 0.99}],
            "pretraining_overlap": {"pretrained-dcgan": [file]},
        },
        first_fold=report_run.first_fold,
        check=check,
    )
    path = tmp_path_factory.mktemp("long") / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


@pytest.fixture
def shown(browser, report_run, long_page, request):
    """Open a report with a window width and a colour scheme; record problems on loading."""
    width, scheme, *is_long = request.param
    path = long_page if is_long else report_run.folder / "report.html"
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    page, problems = context.new_page(), []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "request",
        lambda r: None if r.url.startswith(("file:", "data:")) else problems.append(r.url),
    )
    page.goto(path.as_uri())
    yield page, problems
    context.close()


every_window = pytest.mark.parametrize(
    "shown",
    [(width, scheme, *text) for width in WIDTHS for scheme in SCHEMES for text in ([], ["long"])],
    indirect=True,
    ids=lambda window: "-".join(map(str, window)),
)
one_window = pytest.mark.parametrize("shown", [(768, "light")], indirect=True, ids=["768"])


@every_window
def test_page_loads_without_problems_and_does_not_scroll_sideways(shown):
    page, problems = shown
    assert problems == []
    root = "document.documentElement"
    assert page.evaluate(f"{root}.scrollWidth") <= page.evaluate(f"{root}.clientWidth")


@every_window
def test_no_table_is_cut_off(shown):
    page, _ = shown
    tables = page.locator(".scroll")
    assert tables.count() > 6
    assert tables.evaluate_all("all => all.every(e => e.scrollWidth <= e.clientWidth)")


@every_window
def test_every_figure_is_visible(shown):
    page, _ = shown
    figures = page.locator("figure").all()
    assert len(figures) > 8
    width = page.viewport_size["width"]
    for figure in figures:
        for part in figure.locator("img, svg").all():
            assert part.is_visible()
            box = part.bounding_box()
            assert box["width"] > 30
            assert box["height"] > 30
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
    loaded = "all => all.every(image => image.complete && image.naturalWidth === 16)"
    assert page.locator("img").evaluate_all(loaded)


@every_window
def test_axe_finds_no_violations(shown):
    # Its rules cover contrast (WCAG AA), names of figures, order of headings, tables, landmarks.
    page, _ = shown
    violations = axe.Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in violations] == []


@pytest.mark.parametrize("shown", [(1440, "light")], indirect=True, ids=["1440"])
def test_the_first_screen_has_findings_recommendation_and_detectable_difference(shown):
    page, _ = shown
    for name in ("#check-findings", ".recommendation", ".findings", ".detectable"):
        box = page.locator(name).first.bounding_box()
        assert box["y"] + box["height"] < 900


@pytest.mark.parametrize("shown", [(768, scheme) for scheme in SCHEMES], indirect=True, ids=SCHEMES)
def test_chart_marks_contrast_with_the_background(shown):
    # WCAG 1.4.11 requires 3 to 1 for the parts of a figure, which axe does not check.
    page, _ = shown
    colors = page.evaluate(
        """() => {
            const found = new Set();
            for (const e of document.querySelectorAll('svg :is(path, use, text)')) {
                const style = getComputedStyle(e);
                if (e.closest('defs, clipPath')) continue;
                for (const c of [style.stroke, style.fill])
                    if (c.startsWith('rgb(')) found.add(c);
            }
            return [getComputedStyle(document.body).backgroundColor, ...found];
        }"""
    )
    ground, *marks = [tuple(map(int, c[4:-1].split(","))) for c in colors]
    assert len(marks) > 3
    assert min(_contrast(ground, mark) for mark in marks) >= 3


def _contrast(a, b):
    """Return the contrast ratio of two sRGB colours (WCAG 2)."""
    lighter, darker = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color):
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in _unit(color)]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _unit(color):
    return [c / 255 for c in color]


@one_window
def test_links_lead_to_their_sections(shown):
    page, _ = shown
    links = page.locator("nav a").all()
    for link in links:
        link.click()
        target = page.locator(link.get_attribute("href"))
        assert page.evaluate("location.hash") == link.get_attribute("href")
        # The last sections cannot scroll to the top of the window.
        assert -1 < target.bounding_box()["y"] < 900


@one_window
def test_keyboard_reaches_the_results_and_shows_the_focus(shown):
    page, _ = shown
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    assert focused.inner_text() == "Skip to the results"
    assert focused.bounding_box()["y"] >= 0
    page.keyboard.press("Enter")
    assert page.locator(":focus").inner_text() == "Summary"
    page.keyboard.press("Tab")
    assert page.locator(":focus").evaluate("e => getComputedStyle(e).outlineStyle") == "solid"


@one_window
def test_page_prints_dark_on_white_without_the_contents(shown):
    page, _ = shown
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.locator("nav").is_visible()
    assert page.locator("body").evaluate("e => getComputedStyle(e).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    assert page.pdf(format="A4").startswith(b"%PDF")
