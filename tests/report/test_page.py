import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image
from sklearn.utils import Bunch

from skcxr.report._formats import format_number
from skcxr.report._page import render_page
from skcxr.report._summary import build_summary, format_summary
from tests.report.report_run import SETTINGS

mpl.use("agg")

VOID = {"meta", "link", "img", "br", "wbr", "use", "path"}
OPTIONAL = {"p", "li", "dt", "dd"}


class Page(HTMLParser):
    """Parser of a page: its elements in order and its text; checks that tags are closed."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.open, self.text = [], [], ""
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID - {"use", "path"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += " ".join(data.split()) + " "

    def all(self, *tags):
        return [attrs for tag, attrs in self.elements if tag in tags]


@pytest.fixture(scope="module")
def page(report_run):
    return Page((report_run.folder / "report.html").read_text(encoding="utf-8"))


def test_the_plan_is_on_the_first_screen(page):
    plan = SETTINGS["plan"]
    summary = page.text.rpartition("What was compared")[0]
    assert f"{plan['reading']} {plan['basis']}" in " ".join(summary.split())


def test_the_learning_curve_is_a_table_with_a_reading(page):
    section = page.text.rpartition("Would more images help?")[2]
    assert "From 50 % to 100 % of the patients, accuracy changed by +0.150" in section
    assert "75 % 15 0.550 0.500 to 0.600" in " ".join(section.split())


def test_nothing_is_loaded_from_elsewhere(report_run, page):
    html = (report_run.folder / "report.html").read_text(encoding="utf-8")
    for _, attrs in page.elements:
        for name in ("src", "href", "xlink:href", "data", "action"):
            assert attrs.get(name, "#").startswith(("#", "data:"))
    assert not page.all("script", "iframe", "object")
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    (policy,) = [m["content"] for m in page.all("meta") if "http-equiv" in m]
    assert policy.startswith("default-src 'none'")


def test_links_lead_to_an_element_and_ids_are_unique(page):
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = [a["href"] for a in page.all("a", "use")]
    assert len(page.all("a")) > 8
    assert {link.removeprefix("#") for link in links} <= set(ids)
    labels = [a["aria-labelledby"] for _, a in page.elements if "aria-labelledby" in a]
    assert set(labels) <= set(ids)


def test_every_figure_has_a_description(page):
    images, charts = page.all("img"), page.all("svg")
    assert len({image["alt"] for image in images if image["alt"]}) == len(images)
    assert all(chart["role"] == "img" for chart in charts)
    words = [chart["aria-label"] for chart in charts]
    assert re.search(r"dcgan [+-]0\.\d+, interval [+-]0\.\d+ to", words[0])
    for k in ("covid", "normal"):
        assert any(re.search(rf"GAN of {k} over 2 epochs: Loss_D from \d", w) for w in words)
        assert any(re.search(rf"audit of {k}.*membership AUC in pixels 0\.", w) for w in words)


def test_page_does_not_depend_on_the_users_matplotlib_style(report_run):
    comparison = report_run.build_comparison()
    context = {
        "data": report_run.data,
        "settings": report_run.settings,
        "first_fold": report_run.first_fold,
    }
    page = render_page(comparison, **context)
    with mpl.style.context("dark_background"):
        assert render_page(comparison, **context) == page


def test_headings_go_down_one_level_at_a_time(page):
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert max(np.diff(levels)) == 1


def test_tables_have_captions_and_scopes(page):
    assert len(page.all("table")) == len(page.all("caption")) > 6
    assert all(cell["scope"] in ("row", "col", "rowgroup") for cell in page.all("th"))


def test_findings_of_the_comparison_come_first(report_run, page):
    comparison = report_run.build_comparison()
    control = comparison.only(["duplicates", "dcgan"]).against("duplicates")
    verdicts = [control.findings["dcgan"][0], *(v for v, _ in comparison.findings.values())]
    assert all(f"{verdict}." in page.text for verdict in verdicts)
    assert page.text.index(verdicts[0]) < page.text.index("Caution")


def test_the_recommendation_comes_before_the_findings(report_run, page):
    comparison = report_run.build_comparison()
    first_finding = comparison.findings["duplicates"][0]
    assert page.text.index(comparison.recommendation) < page.text.index(first_finding)


def test_text_and_json_begin_with_the_recommendation(report_run):
    comparison = report_run.build_comparison()
    text = report_run.to_text()
    assert text.startswith(f"{comparison.recommendation}\n\n{comparison.reading}\n")
    result = report_run.to_dict()
    assert result["recommendation"] == comparison.recommendation
    verdicts = comparison.summary["verdict"]
    assert result["verdicts"] == {arm: verdicts[arm] for arm in ("duplicates", "dcgan")}
    assert result["rope"] == 0.01


def test_the_control_is_known_to_the_recommendation(report_run):
    assert report_run.build_comparison().controls == {"dcgan": "duplicates"}


def test_a_run_with_missing_fits_has_a_preliminary_recommendation(report_run):
    comparison = report_run.build_comparison()
    text = format_summary(comparison, n_missing=1)
    assert text.startswith(f"Preliminary: 1 fit has not finished. {comparison.recommendation}\n")
    found = build_summary(comparison, n_missing=2)["recommendation"]
    assert found == f"Preliminary: 2 fits have not finished. {comparison.recommendation}"


def test_calibration_errors_have_an_interval(report_run, page):
    row = report_run.build_comparison().summary.loc["dcgan"]
    assert row["calibration_low"] < row["calibration_error"] < row["calibration_high"]
    interval = f"{row['calibration_low']:.3f} to {row['calibration_high']:.3f}"
    assert f"{row['calibration_error']:.3f} (95 % interval {interval})" in page.text
    assert f"(95 % interval {interval})" in report_run.to_text()


def test_audit_verdicts_come_before_the_details(report_run, page):
    for verdict, rows in report_run.first_fold.table.groupby("copying"):
        assert f"{verdict} ({', '.join(rows.index)}" in page.text[: page.text.index("Caution")]


def test_numbers_of_each_arm_are_those_of_the_comparison(report_run, page):
    comparison = report_run.build_comparison()
    for arm in comparison.arms:
        report = comparison.report(arm)
        assert f"Total accuracy {report.attrs['accuracy']:.3f}" in page.text
        for k, row in report.iterrows():
            assert f"{k} " + " ".join(f"{v:.3f}" for v in row) in page.text
        for k, row in comparison.confusion(arm).iterrows():
            assert f"{k} {' '.join(map(str, row))} " in page.text


def test_metrics_come_with_the_values_of_real_images(report_run, page):
    row = report_run.first_fold.table.loc["covid"]
    synthetic = format_number(row["coverage"], ".2f")
    real = format_number(row["coverage, real"], ".2f")
    assert f"{synthetic} , real images {real}" in page.text


def test_synthetic_images_are_shown_unchanged(report_run, page):
    (uri,) = [i["src"] for i in page.all("img") if i["alt"] == "Synthetic image 1 of covid"]
    with Image.open(BytesIO(base64.b64decode(uri.partition(",")[2]))) as image:
        pixels = np.asarray(image) / 127.5 - 1
    np.testing.assert_allclose(
        pixels, report_run.first_fold.samples.synthetic["covid"][0], atol=1 / 127
    )


@pytest.mark.parametrize(
    ("settings", "has_bias", "has_patients"),
    [({}, True, True), ({"data": None}, False, False), ({"groups": "patients.csv"}, True, False)],
)
def test_only_cautions_that_apply_are_shown(report_run, settings, has_bias, has_patients):
    text = Page(
        render_page(
            report_run.build_comparison(),
            data=report_run.data,
            settings=report_run.settings | settings,
        )
    ).text
    assert "not a medical device" in text
    assert ("covid images come from different hospitals" in text) == has_bias
    assert ("not grouped by patient" in text) == has_patients


def test_an_unfinished_run_is_reported(report_run):
    page = render_page(
        report_run.build_comparison().only(["classic", "duplicates"]),
        data=report_run.data,
        settings=report_run.settings | {"cv": 5},
    )
    text = Page(page).text
    assert "The run did not finish. Finished folds out of 5: classic 2, duplicates 2." in text
    assert "Audit for copied images" not in text


def test_a_single_arm_has_no_differences(report_run):
    page = render_page(
        report_run.build_comparison().only(["classic"]),
        data=report_run.data,
        settings=report_run.settings,
    )
    assert "Paired differences" not in Page(page).text


def test_class_names_are_escaped(report_run):
    data = Bunch(**report_run.data | {"target_names": np.array(["<b>covid</b>", "normal"])})
    page = render_page(report_run.build_comparison(), data=data, settings=report_run.settings)
    assert "&lt;b&gt;covid" in page
    assert "<b>covid" not in page


@pytest.mark.parametrize(
    ("skipped", "text"),
    [
        ({"a.png": "broken"}, "1 file could not be read and was left out."),
        ({"a.png": "broken", "b.png": "empty"}, "2 files could not be read and were left out."),
    ],
    ids=["one", "two"],
)
def test_skipped_files_are_counted(report_run, skipped, text):
    settings = report_run.settings | {"skipped": skipped}
    page = render_page(report_run.build_comparison(), data=report_run.data, settings=settings)
    assert text in Page(page).text


def test_settings_and_versions_are_complete(report_run, page):
    assert all(
        f"--{name.replace('_', '-')} " in page.text
        for name in SETTINGS
        if name not in ("command", "plan")
    )
    assert all(f"{name} {v}" in page.text for name, v in report_run.settings["versions"].items())


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [(-0.0004, "+.3f", "+0.000"), (-0.5, "+.3f", "\u22120.500"), (np.nan, ".3f", "\u2013")],
)
def test_numbers_have_a_minus_sign_unless_they_round_to_zero(value, form, text):
    assert format_number(value, form) == text


def test_the_data_check_comes_first(report_run, page):
    assert page.text.index("Data check") < page.text.index("Summary")
    table = report_run.check.table
    for part, rows in table.groupby("part"):
        marks = [
            f"{row['balanced_accuracy']:.2f}" + ("*" if row["alarm"] else "")
            for _, row in rows.iterrows()
        ]
        assert f"{part} {' '.join(marks)} " in page.text


def test_findings_of_the_data_check_are_listed(report_run):
    sentence = "covid can be recognised from the corners alone (0.90; chance 0.50): it may differ."
    check = replace(report_run.check, reading=sentence, limitation="There are too few patients.")
    html = render_page(
        report_run.build_comparison(),
        data=report_run.data,
        settings=report_run.settings,
        check=check,
    )
    assert f"<li>{sentence}</li>" in html
    assert '<p class="note">There are too few patients.</p>' in html
    assert "No finding." not in html


def test_a_report_without_a_check_has_no_section_for_it(report_run):
    html = render_page(
        report_run.build_comparison(), data=report_run.data, settings=report_run.settings
    )
    assert "Data check" not in html


def test_the_check_is_in_the_folder_and_the_json(report_run):
    found = json.loads((report_run.folder / "check.json").read_text("utf-8"))
    assert report_run.to_dict()["check"] == found == report_run.check.to_dict()
    assert (report_run.folder / "check.png").exists()
