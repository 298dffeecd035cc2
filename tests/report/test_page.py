import base64
import json
import re
from copy import copy
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import auc, roc_auc_score
from sklearn.utils import Bunch

from skcxr.datasets import make_chest_phantoms
from skcxr.metrics import audit
from skcxr.report._first_fold import compare_with_control
from skcxr.report._formats import format_number
from skcxr.report._page import render_page
from skcxr.report._roc import pool_roc_curves, render_roc_curves
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


def flatten(text):
    """Return text with single spaces, and none in front of punctuation."""
    return re.sub(r" (?=[.,:;)])", "", " ".join(text.split()))


def get_summary(page):
    """Return the text of the first section, which is the first screen."""
    _, summary, _ = re.split(r"Summary Is the data|Each arm is one way", flatten(page.text))
    return f"Is the data{summary}"


def render(report_run, comparison=None, **changes):
    """Return the text of the page with other settings, or with a part replaced."""
    parts = {
        "data": report_run.data,
        "settings": report_run.settings | changes.pop("settings", {}),
        "first_fold": report_run.first_fold,
        "check": report_run.check,
    }
    comparison = report_run.build_comparison() if comparison is None else comparison
    return Page(render_page(comparison, **parts | changes))


def replace_audit(first_fold, k, result, verdict):
    """Return a FirstFold whose class `k` has another audit, or none, and another verdict."""
    table = first_fold.table.copy()
    table.loc[k, "copying"] = verdict
    audits = {name: found for name, found in first_fold.audits.items() if name != k}
    if result is not None:
        audits[k] = result
    return replace(first_fold, table=table, audits=audits)


def test_the_first_screen_has_check_recommendation_verdicts_and_detectable_difference(
    report_run, page
):
    summary = get_summary(page)
    comparison = report_run.build_comparison()
    check = report_run.check
    control = comparison.only(["duplicates", "dcgan"]).against("duplicates")
    findings = [control.findings["dcgan"], comparison.findings["dcgan"]]
    parts = [
        check.reading.splitlines()[0] if check.reading else "No finding",
        comparison.recommendation,
        *(f"{verdict}." for verdict, _ in findings),
        SETTINGS["plan"]["reading"],
        "Audit for copied images",
    ]
    positions = [summary.index(part) for part in parts]
    assert positions == sorted(positions)
    # Long texts are further down.
    assert SETTINGS["plan"]["basis"] not in summary
    assert "McNemar" not in summary
    assert "Parts without anatomy" not in summary
    rest = flatten(page.text).partition("Basis of the verdicts smote")[0]
    assert SETTINGS["plan"]["basis"] in rest
    assert "McNemar p" in rest


def test_the_title_is_about_all_arms(page):
    assert flatten(page.text).startswith("Which training recipe is best? skcxr evaluate, images")
    assert "Did the synthetic images help" not in page.text


def test_the_table_of_the_check_follows_what_was_compared(page):
    titles = [a["id"] for tag, a in page.elements if tag == "h2"]
    assert titles[:4] == ["summary", "arms", "check", "images"]


def test_a_pretraining_on_the_images_is_warned_of_at_the_very_top(report_run):
    overlap = {"probe": ["a.png", "b.png"], "dcgan": []}
    page = render(report_run, settings={"pretraining_overlap": overlap})
    text = flatten(page.text)
    warning = "The weights of arm probe were trained on 2 of these images: its scores are too high."
    start = text.index("Summary The weights of arm")
    assert text[start:].startswith(f"Summary {warning}")
    assert text.index(warning) < text.index("Is the data sound?")
    assert "The weights of arm dcgan" not in text
    assert "--pretraining-overlap" not in text


def test_the_folds_of_all_repeats_are_counted(report_run):
    text = flatten(render(report_run, settings={"repeats": 3}).text)
    assert "2 of 6 folds (3 repeats of 2)." in text
    assert "Finished folds out of 6: classic 2, duplicates 2, dcgan 2." in text
    assert "Each image is predicted once per repeat" in text
    assert "Preliminary: 12 fits have not finished. " in text


def test_missing_fits_of_all_repeats_are_counted(report_run, monkeypatch):
    monkeypatch.setitem(report_run.settings, "repeats", 2)
    assert report_run.to_text().startswith("Preliminary: 6 fits have not finished.")


def test_a_finished_run_of_one_arm_is_complete(report_run):
    arms = {"classic": "One."}
    comparison = report_run.build_comparison().only(["classic"])
    text = render(report_run, comparison, settings={"arms": arms}).text
    assert "did not finish" not in text


def test_an_arm_without_a_finished_fold_is_named(report_run):
    arms = dict.fromkeys(["classic", "duplicates", "dcgan", "conditional"], "One.")
    text = flatten(render(report_run, settings={"arms": arms}).text)
    assert "Finished folds out of 2: classic 2, duplicates 2, dcgan 2, conditional 0." in text
    assert "0 of 2 folds" in text


def test_only_arms_of_the_control_are_compared_with_it(report_run):
    comparison = report_run.build_comparison()
    assert compare_with_control(comparison).arms == ["duplicates", "dcgan"]
    # Such as a classifier on features, whatever its place.
    results = comparison.results.assign(arm=comparison.results["arm"].replace("dcgan", "probe"))
    predictions = comparison.predictions.assign(
        arm=comparison.predictions["arm"].replace("dcgan", "probe")
    )
    without = replace(comparison, results=results, predictions=predictions)
    assert compare_with_control(without) is None


def test_used_and_left_out_images_are_listed(report_run):
    settings = {
        "skipped": {"a.png": "broken"},
        "unused": {"test": ["test/b.png", "test/c.png"]},
        "near_duplicates": [{"files": ["d.png", "e.png"], "similarity": 0.99}],
    }
    page = render(report_run, settings=settings)
    section = flatten(page.text).rpartition("Images used and left out")[2]
    counts = np.bincount(report_run.data.target)
    assert f"Class Images covid {counts[0]} normal {counts[1]} " in section
    for sentence in (
        "1 file could not be read and was left out.",
        "2 images of the split test were not used.",
        "1 pair of near-duplicates: the images of a pair were kept in the same fold.",
        "settings.json lists these files.",
    ):
        assert sentence in section.partition("Results per class")[0]
    assert "No image was left out" not in section


def test_a_run_on_all_images_says_so(page):
    assert "No image was left out." in page.text


def test_the_discriminator_is_apart_from_the_audit_of_images(report_run):
    X = make_chest_phantoms(60, image_size=16, random_state=0).images
    known = {image.tobytes() for image in X[20:40]}
    result = audit(
        X[:20],
        X[20:40],
        X[40:],
        features=None,
        discriminator=lambda images: np.array([float(x.tobytes() in known) for x in images]),
        n_bootstrap=200,
        random_state=0,
    )
    first_fold = replace_audit(report_run.first_fold, "covid", result, result.verdict)
    page = render(report_run, first_fold=first_fold)
    charts = [svg["aria-label"] for svg in page.all("svg")]
    assert any("audit of covid" in words for words in charts)
    assert not any("discriminator" in words for words in charts)
    html = flatten(page.text)
    _, of_images, of_model = re.split(
        "This audit checks whether|This test is about the model, and", html
    )
    assert "discriminator" not in of_images
    assert "AUC in pixels" not in of_model
    assert "an alarm here does not contradict an audit without findings" in of_model
    assert "covid 1.00 1.00 to 1.00 reveals training images" in of_model


def test_an_untested_discriminator_has_no_figures(report_run):
    first_fold = replace_audit(report_run.first_fold, "covid", None, "not audited")
    of_model = flatten(render(report_run, first_fold=first_fold).text).partition(
        "This test is about the model"
    )[2]
    assert "covid \u2013 not tested" in of_model
    assert "normal 0." in of_model


def test_without_any_audit_the_discriminator_has_no_section(report_run):
    first_fold = report_run.first_fold
    for k in ("covid", "normal"):
        first_fold = replace_audit(first_fold, k, None, "not audited")
    page = render(report_run, first_fold=first_fold)
    assert "Would the GAN reveal" not in page.text


@pytest.mark.parametrize(
    ("verdict", "tone"),
    [
        ("no sign of copying", "clear"),
        ("not audited", "doubt"),
        ("cannot tell", "doubt"),
        ("suspicious", "doubt"),
        ("copies found", "alarm"),
    ],
)
def test_only_a_passed_audit_looks_passed(report_run, verdict, tone):
    first_fold = report_run.first_fold
    for k in ("covid", "normal"):
        result = None if verdict == "not audited" else first_fold.audits[k]
        first_fold = replace_audit(first_fold, k, result, verdict)
    page = render(report_run, first_fold=first_fold)
    # In the summary and in the heading of each class.
    tones = [
        attrs["class"]
        for tag, attrs in page.elements
        if tag in ("strong", "span") and attrs.get("class") in ("clear", "doubt", "alarm")
    ]
    assert tones == [tone] * 3


def test_a_class_without_an_audit_says_what_that_means(report_run):
    first_fold = replace_audit(report_run.first_fold, "covid", None, "not audited")
    text = flatten(render(report_run, first_fold=first_fold).text)
    assert "covid: not audited There were too few images for an audit." in text
    assert "Copies may be among the synthetic images." in text
    found = replace_audit(report_run.first_fold, "covid", None, "copies found")
    text = flatten(render(report_run, first_fold=found).text)
    assert "covid: copies found Synthetic images equal training images." in text


def test_arms_without_an_audit_are_named(report_run, page):
    assert "Not audited:" not in page.text
    text = flatten(render(report_run, first_fold=None).text)
    assert (
        "Not audited: the images that dcgan adds. Copies of training images may be among them."
        in text
    )


def test_audits_against_the_pool_are_shown_and_missing_ones_are_named(report_run):
    page = render(report_run, pool_audits={"covid": {"verdict": "no sign of copying"}})
    summary = get_summary(page)
    assert (
        "Audit for copies of the pool\u2019s images in the first fold: covid no sign of copying, "
        "normal not audited." in summary
    )
    assert "Audit for copies of the pool" not in render(report_run).text


def test_the_images_of_the_pool_are_counted(report_run):
    record = {"n_images": 90, "dropped": ["a.png", "b.png"], "skipped": {"c.png": "broken"}}
    text = flatten(render(report_run, settings={"pool_record": record}).text)
    assert (
        "Pool: 90 images without labels. 2 images showed labelled images or their patients, and "
        "were left out. 1 file could not be read." in text
    )
    text = render(report_run, settings={"pool_record": {"n_images": None}}).text
    assert "Pool: the number of its images is not known." in flatten(text)


def test_audited_pairs_name_the_file_of_the_training_image(report_run, tmp_path):
    # Phantoms have no files.
    found = json.loads((report_run.folder / "audit.json").read_text("utf-8"))
    assert "train_file" not in found["covid"]["pairs"][0]
    names = [f"{i}.png" for i in range(len(report_run.y))]
    report = copy(report_run)
    report.data = Bunch(**report_run.data | {"filenames": np.array(names)})
    train = next(r.train for r in report_run.fold_results if r.arm == "dcgan" and r.fold == 0)
    found = report._name_training_files(report_run.first_fold, train)
    for k, result in report_run.first_fold.audits.items():
        for stored, pair in zip(found[k]["pairs"], result.pairs, strict=True):
            row = int(stored["train_file"].removesuffix(".png"))
            image = report_run.data.images[row].astype(np.float32)
            shown = (pair.train_image + 1) / 2
            scaled = (image - image.min()) / np.ptp(image)
            assert np.corrcoef(shown.ravel(), scaled.ravel())[0, 1] > 0.9999


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


def get_roc_descriptions(page):
    """Return the descriptions of the ROC curves on a page."""
    words = [svg.get("aria-label", "") for svg in page.all("svg")]
    return [text for text in words if text.startswith("ROC curves of")]


def test_each_class_has_a_roc_curve_of_each_arm_with_the_mean_auc_of_the_folds(report_run, page):
    comparison = report_run.build_comparison()
    reports = {arm: comparison.report(arm)["AUC"] for arm in comparison.arms}
    section = page.text.partition("ROC curves")[2].partition("Paired differences")[0]
    descriptions = []
    for k in ("covid", "normal"):
        aucs = [f"{arm} {report[k]:.2f}" for arm, report in reports.items()]
        descriptions.append(
            f"ROC curves of {k} against the rest. Mean AUC over the folds: {', '.join(aucs)}."
        )
        # The legend, in the order of the arms.
        assert " ".join(aucs) in " ".join(section.split())
        assert list(pool_roc_curves(comparison)[k]) == ["classic", "duplicates", "dcgan"]
    assert get_roc_descriptions(page) == descriptions


def test_arms_differ_in_the_colours_of_their_roc_curves(report_run):
    for svg in render_roc_curves(report_run.build_comparison()).values():
        for color in ("blue", "orange", "green"):
            # On the curve and in the legend.
            assert svg.count(f"stroke: var(--{color}); stroke-width: 1.5") == 2


def test_an_arm_that_is_always_right_has_a_perfect_roc_curve(report_run, monkeypatch):
    results = []
    for result in report_run.fold_results:
        is_class = np.equal.outer(report_run.y[result.test], result.classes)
        perfect = replace(result, probabilities=is_class.astype(float))
        results.append(perfect if result.arm == "dcgan" else result)
    monkeypatch.setattr(report_run, "fold_results", results)
    comparison = report_run.build_comparison()
    descriptions = get_roc_descriptions(render(report_run, comparison))
    assert [text.endswith("dcgan 1.00.") for text in descriptions] == [True, True]
    for curves in pool_roc_curves(comparison).values():
        false_rate, true_rate = curves["dcgan"]
        np.testing.assert_array_equal(false_rate, [0, 0, 1])
        np.testing.assert_array_equal(true_rate, [0, 1, 1])


def test_roc_curves_pool_the_folds_that_did_not_fail(report_run):
    comparison = report_run.build_comparison()
    is_failed = (comparison.predictions["arm"] == "dcgan") & (comparison.predictions["fold"] == 0)
    predictions = comparison.predictions[~is_failed]
    curves = pool_roc_curves(replace(comparison, predictions=predictions))
    pooled = pool_roc_curves(comparison)
    for k in ("covid", "normal"):
        for arm, (false_rate, true_rate) in curves[k].items():
            rows = predictions[predictions["arm"] == arm]
            expected = roc_auc_score(rows["true"] == k, rows[f"p_{k}"])
            assert auc(false_rate, true_rate) == pytest.approx(expected)
        np.testing.assert_array_equal(curves[k]["classic"][1], pooled[k]["classic"][1])
    without = replace(comparison, predictions=predictions[predictions["arm"] != "dcgan"])
    assert list(pool_roc_curves(without)["covid"]) == ["classic", "duplicates"]


def test_a_class_without_predicted_images_has_no_roc_curve(report_run):
    comparison = report_run.build_comparison()
    rows = comparison.predictions["true"] == "covid"
    assert pool_roc_curves(replace(comparison, predictions=comparison.predictions[rows])) == {}


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
    assert (
        "The run did not finish. Finished folds out of 5: classic 2, duplicates 2, dcgan 0." in text
    )
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
    assert text in render(report_run, settings={"skipped": skipped}).text


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


def test_the_table_of_the_check_has_all_parts(report_run, page):
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
