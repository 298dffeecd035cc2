"""All places that show generative metrics agree with the table."""

import inspect
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skcxr import metrics
from skcxr.displays import TrainingHistoryDisplay
from skcxr.metrics import PRDC, generative_report
from skcxr.metrics._generative_table import GENERATIVE_METRICS

METRICS = GENERATIVE_METRICS.values()
GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "measuring.md"


def test_labels_are_unique_and_directions_are_known():
    assert len({metric.label for metric in METRICS}) == len(METRICS)
    assert {metric.direction for metric in METRICS} == {"lower", "higher"}


def test_the_report_has_the_labels_in_the_order_of_the_table(phantoms):
    X = phantoms.data
    report = generative_report(X[:8], X[8:16], random_state=0)
    assert report.index.tolist() == [metric.label for metric in METRICS]


def test_each_metric_has_a_function_or_a_field():
    functions = set(metrics.__all__) | set(PRDC._fields) | {"diversity"}
    assert set(GENERATIVE_METRICS) <= functions


def test_the_fields_of_prdc_have_the_meanings_of_the_table():
    documentation = " ".join(inspect.getdoc(PRDC).split())
    for metric in METRICS:
        if metric.key in PRDC._fields:
            assert f"{metric.key} : float {metric.meaning}." in documentation


def test_the_guide_has_the_table():
    rows = [f"| {m.label} | {m.direction} | {m.meaning} |" for m in METRICS]
    assert "\n".join(rows) in GUIDE.read_text("utf-8")


def test_the_file_of_samples_has_the_columns(report_run):
    header = pd.read_csv(report_run.folder / "samples.csv").columns.tolist()
    first = header.index(GENERATIVE_METRICS["kernel_distance"].label)
    columns = [name for metric in METRICS for name in metric.columns]
    assert header[first : first + len(columns)] == columns


def test_the_page_of_a_run_has_labels_directions_and_meanings(report_run):
    page = (report_run.folder / "report.html").read_text(encoding="utf-8")
    page = page.replace("&#39;", "'").replace("Fréchet", "Frechet")
    for metric in METRICS:
        row = f"{metric.label} <small>{metric.meaning}; {metric.direction} is better</small>"
        assert row in page


@pytest.mark.parametrize("key", ["kernel_distance", "frechet_distance", "inception_score"])
def test_monitored_metrics_have_the_labels_in_figures(key):
    history = pd.DataFrame({"epoch": [1, 2], key: [2.0, np.nan]})
    display = TrainingHistoryDisplay(history=history).plot()
    assert display.axes_[0].get_ylabel() == GENERATIVE_METRICS[key].label.capitalize()
