"""The folder in which `skcxr evaluate` stores its results, fold by fold."""

import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from platform import python_version

import joblib
import numpy as np
import pandas as pd

from skcxr._base.files import (
    check_empty,
    create_dated_folder,
    explain_write_errors,
    shorten_name,
    write_atomically,
)
from skcxr.displays import (
    AuditDisplay,
    ComparisonDisplay,
    ConfusionMatrixGridDisplay,
    DataCheckDisplay,
)
from skcxr.evaluation._comparison import Comparison
from skcxr.evaluation._controls import find_controls
from skcxr.evaluation._inspection import audit_pool, convert_audits
from skcxr.over_sampling._base import sample_like
from skcxr.report._first_fold import count_folds, inspect_first_fold
from skcxr.report._page import render_page
from skcxr.report._summary import build_summary, format_summary

# Number of synthetic images per class that are audited against a pool.
N_AUDITED = 60
# Where evaluations without a folder of their own are stored.
PARENT = "skcxr-results"
# Packages that results depend on, skcxr first.
PACKAGES = ("skcxr", "torch", "scikit-learn", "imbalanced-learn", "skorch", "numpy", "scipy")


def create_folder(out):
    """Create and return the results folder.

    Parameters
    ----------
    out : str, Path or None
        Path of the folder. None creates one in skcxr-results/, named by the time.

    Returns
    -------
    folder : Path

    Raises
    ------
    FileExistsError
        If `out` is a file, or a folder that is not empty.
    """
    if out is None:
        folder = create_dated_folder(PARENT)
    else:
        check_empty(out)
        folder = Path(out)
    (folder / "pipelines").mkdir(parents=True)
    return folder


class Report:
    """Results of an evaluation, stored in a folder as each fold finishes.

    Files: ``report.html``, a page with all results; ``settings.json``; ``predictions.csv``, one row
    per image and arm; ``results.csv``, one row per fit and score; ``summary.csv``,
    ``differences.csv``, ``table4.csv`` and ``confusion.csv``; ``learning_curve.csv``, if there is
    one; ``confusion.png``, ``comparison.png``; for a check of the data ``check.json`` and
    ``check.png``; for the synthetic images of the first fold ``samples.png``, ``samples.csv``,
    ``audit.json``, ``training-<class>.png`` and ``audit-<class>.png``;
    ``pipelines/<arm>-fold<i>.joblib``.

    Parameters
    ----------
    folder : Path
        An existing folder with a sub-folder ``pipelines``.
    data : Bunch
        The images of the evaluation, as skcxr's loaders return them.
    arms : dict of str to estimator
        The arms. The first one is the baseline.
    settings : dict
        Settings of the run, of JSON's types only.
    groups : array-like of shape (n,) or None, default=None
        Patient of each image. None takes each image for a patient of its own.
    check : DataCheck or None, default=None
        Check of the images. None leaves it out.
    pool : (str, ndarray of shape (n, h, w)) or None, default=None
        Arm whose GANs start from a pool, and the images of the pool, against which the synthetic
        images of its first fold are audited: ``audit-pool.json``. None audits no arm so.
    """

    def __init__(self, folder, data, arms, settings, groups=None, check=None, pool=None):
        self.check = check
        self.pool = pool
        self.pool_audits = {}
        self.folder = folder
        self.data = data
        self.arms = list(arms)
        self.y = data.target_names[data.target]
        self.groups = None if groups is None else np.asarray(groups)
        all_rows = np.arange(len(self.y))
        self.controls = find_controls(arms, self.y, [(all_rows, all_rows)])
        self.fold_results = []
        self.first_fold = None
        self.learning_curve = None
        self.settings = {
            **settings,
            "started": datetime.now().isoformat(" ", "minutes"),
            "versions": {"python": python_version(), **{name: version(name) for name in PACKAGES}},
        }
        self._write_json("settings.json", self.settings)
        if check is not None:
            self._write_check()

    def add(self, result):
        """Add the FoldResult of one fit, and write what the folds so far have given."""
        name = f"{shorten_name(result.arm)}-fold{result.fold}.joblib"
        with self._open(f"pipelines/{name}") as file:
            joblib.dump(result.estimator, file)
        # The fitted arms are on disk: all of them together would fill the memory.
        self.fold_results.append(replace(result, estimator=None))
        self._write_scores(self.build_comparison())
        self._inspect_samples(result)

    def build_comparison(self):
        """Return the Comparison of the finished folds."""
        finished = {result.arm for result in self.fold_results}
        arms = [arm for arm in self.arms if arm in finished]
        return Comparison.of(
            self.fold_results,
            self.y,
            arms=arms,
            baseline=arms[0],
            groups=self.groups,
            controls=self.controls,
        )

    def write_summary(self):
        """Write the tables, figures and the page of all finished folds, if there are any."""
        if not self.fold_results:
            return
        comparison = self.build_comparison()
        # Once more: Ctrl-C may have come between a fold and its files.
        self._write_scores(comparison)
        reports = {arm: comparison.report(arm) for arm in comparison.arms}
        confusions = {arm: comparison.confusion(arm) for arm in comparison.arms}
        self._write_table("table4.csv", pd.concat(reports, names=["arm", "class"]), index=True)
        self._write_table("confusion.csv", pd.concat(confusions, names=["arm"]), index=True)
        self._write_table("summary.csv", comparison.summary, index=True)
        self._write_table("differences.csv", comparison.differences)
        self._write_figure("confusion.png", ConfusionMatrixGridDisplay.from_comparison(comparison))
        if len(comparison.arms) > 1:
            self._write_figure("comparison.png", ComparisonDisplay.from_comparison(comparison))
        if self.learning_curve is not None:
            self._write_table("learning_curve.csv", self.learning_curve.table, index=True)
        page = render_page(
            comparison,
            data=self.data,
            settings=self.settings,
            first_fold=self.first_fold,
            check=self.check,
            learning_curve=self.learning_curve,
            pool_audits=None if self.pool is None else self.pool_audits,
        )
        with self._open("report.html") as file:
            file.write(page.encode(errors="backslashreplace"))

    def to_text(self):
        """Return the summary of all finished folds as text."""
        if not self.fold_results:
            return "No fold has finished."
        text = format_summary(self.build_comparison(), self.first_fold, self._count_missing())
        for k, audit in self.pool_audits.items():
            text += f"\nImages of {self.pool[0]}, {k}, compared with the pool: {audit['verdict']}"
        if self.learning_curve is None:
            return text
        return f"{text}\nWould more images help? {self.learning_curve.reading}\n"

    def to_dict(self):
        """Return the summary of all finished folds as a dictionary of JSON's types."""
        finished = [result.arm for result in self.fold_results]
        page = self.folder / "report.html"
        result = {
            "folder": str(self.folder),
            "report": str(page) if page.exists() else None,
            "n_finished": {arm: finished.count(arm) for arm in self.arms},
            "plan": self.settings.get("plan"),
        }
        if self.check is not None:
            result["check"] = self.check.to_dict()
        if self.pool is not None:
            result["pool"] = self.settings["pool_record"]
            result["pool_audit"] = self.pool_audits
        result["pretraining_overlap"] = self.settings.get("pretraining_overlap", {})
        if not self.fold_results:
            return result
        if self.learning_curve is not None:
            result["learning_curve"] = self.learning_curve.to_dict()
        summary = build_summary(self.build_comparison(), self.first_fold, self._count_missing())
        return result | summary

    def _count_missing(self):
        """Return the number of fits that have not finished."""
        return len(self.arms) * count_folds(self.settings) - len(self.fold_results)

    def _write_check(self):
        """Write the check of the images, and its figure if there was a test for shortcuts."""
        self._write_json("check.json", self.check.to_dict())
        if len(self.check.table):
            self._write_figure("check.png", DataCheckDisplay.from_result(self.check))

    def _inspect_samples(self, result):
        """Inspect the synthetic images of the first fold, if `result` has any; write the files."""
        sampler = getattr(result.estimator, "named_steps", {}).get("gan")
        if result.fold > 0 or not getattr(sampler, "estimators_", None):
            return
        if self.pool is not None and result.arm == self.pool[0]:
            self._audit_pool(result, sampler)
        # Of several arms with GANs, the first one is shown.
        if self.first_fold is not None and not self._precedes(result.arm, self.first_fold.arm):
            return
        X = self.data.data
        y = self.y
        first_fold = inspect_first_fold(
            result.arm, sampler, X[result.train], y[result.train], X[result.test], y[result.test]
        )
        self.first_fold = first_fold
        self._write_figure("samples.png", first_fold.samples)
        for k, display in first_fold.training.items():
            self._write_figure(f"training-{shorten_name(str(k))}.png", display)
        self._write_table("samples.csv", first_fold.table.rename_axis("class"), index=True)
        for k, audit in first_fold.audits.items():
            name = f"audit-{shorten_name(str(k))}.png"
            self._write_figure(name, AuditDisplay.from_result(audit))
        self._write_json("audit.json", self._name_training_files(first_fold, result.train))

    def _name_training_files(self, first_fold, train):
        """Return the audits as JSON's types, with the file of each pair's training image.

        Without file names, pairs have rows alone.
        """
        found = convert_audits(first_fold.table, first_fold.audits)
        if self.data.filenames is not None:
            for k in first_fold.audits:
                # An audit counts the training images of its class.
                files = np.asarray(self.data.filenames)[train[self.y[train] == k]]
                for pair in found[str(k)]["pairs"]:
                    pair["train_file"] = str(files[pair["train"]])
        return found

    def _audit_pool(self, result, sampler):
        """Audit synthetic images of the first fold against the pool, and write the audits."""
        X, y = self.data.data, self.y
        samples = {
            k: sample_like(gan, X[result.train][y[result.train] == k], N_AUDITED, 0)
            for k, gan in sampler.estimators_.items()
        }
        audits = audit_pool(samples, self.pool[1], X[result.test], y[result.test])
        self.pool_audits = {str(k): audit.to_dict() for k, audit in audits.items()}
        self._write_json("audit-pool.json", self.pool_audits)

    def _precedes(self, arm, other):
        return self.arms.index(arm) < self.arms.index(other)

    def _write_scores(self, comparison):
        """Write the predictions for each image, and the scores of each fit."""
        predictions = comparison.predictions.copy()
        if self.data.filenames is not None:
            files = np.asarray(self.data.filenames)[predictions["row"]]
            predictions.insert(predictions.columns.get_loc("true"), "file", files)
        self._write_table("predictions.csv", predictions)
        self._write_table("results.csv", comparison.results)

    def _write_table(self, name, table, index=False):
        """Write a table as CSV."""
        with self._open(name) as file:
            table.to_csv(file, index=index)

    def _write_figure(self, name, display):
        """Write the figure of a display, and close it."""
        import matplotlib.pyplot as plt

        with self._open(name) as file:
            display.figure_.savefig(file, format="png", dpi=150, bbox_inches="tight")
        plt.close(display.figure_)

    def _write_json(self, name, content):
        """Write JSON."""
        with self._open(name) as file:
            file.write(json.dumps(content, indent=2).encode() + b"\n")

    @contextmanager
    def _open(self, name):
        """Open a file of the folder. A run that is killed leaves the old file or the new one."""
        note = " The files of finished fits are kept."
        with (
            explain_write_errors(self.folder, note),
            write_atomically(self.folder / name) as file,
        ):
            yield file
