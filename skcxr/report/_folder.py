"""The folder in which `skcxr evaluate` keeps what it found, fold by fold."""

import json
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from platform import python_version

import joblib
import numpy as np
import pandas as pd

from skcxr._base.files import build_dated_path, check_empty, write_atomically
from skcxr.displays import (
    AuditDisplay,
    ComparisonDisplay,
    ConfusionMatrixGridDisplay,
    SyntheticSamplesDisplay,
    TrainingHistoryDisplay,
)
from skcxr.evaluation._comparison import Comparison
from skcxr.evaluation._inspection import inspect_samples
from skcxr.metrics._generative_table import GENERATIVE_METRICS
from skcxr.report._page import FirstFold, control_of, report_page

# Those that results hang on, skcxr first.
PACKAGES = ("skcxr", "torch", "scikit-learn", "imbalanced-learn", "skorch", "numpy", "scipy")


def new_folder(out):
    """Create the results' folder: `out`, or a new one under skcxr-results/ if it is None.

    Raises
    ------
    FileExistsError
        If `out` is there and not empty, or is a file.
    """
    folder = build_dated_path("skcxr-results") if out is None else Path(out)
    check_empty(folder)
    (folder / "pipelines").mkdir(parents=True)
    return folder


class Report:
    """Results of an evaluation: written as each fold finishes, summed up on demand.

    Files: ``report.html``, all of it on one page; ``settings.json``; ``predictions.csv``, a row an
    image and arm; ``results.csv``, a row a fit and score; ``summary.csv``, ``differences.csv``,
    ``table4.csv`` and ``confusion.csv``; ``confusion.png``, ``comparison.png``; of the first fold's
    synthetic images ``samples.png``, ``samples.csv``, ``audit.json``, and ``training-<class>.png``
    and ``audit-<class>.png``; ``pipelines/<arm>-fold<i>.joblib``.

    Parameters
    ----------
    folder : Path
        An existing folder with a sub-folder ``pipelines``.
    data : Bunch
        The images that are evaluated on, as skcxr's loaders return them.
    arms : iterable of str
        The arms' names: the first one is the baseline.
    settings : dict
        What to keep of the run's settings, JSON's types only.
    """

    def __init__(self, folder, data, arms, settings):
        self.folder = folder
        self.data = data
        self.arms = list(arms)
        self.y = data.target_names[data.target]
        self.fold_results = []
        self.first_fold = None
        versions = {"python": python_version()} | {name: version(name) for name in PACKAGES}
        started = datetime.now().isoformat(" ", "minutes")
        self.settings = settings = settings | {"started": started, "versions": versions}
        (folder / "settings.json").write_text(json.dumps(settings, indent=2) + "\n")

    def add(self, result):
        """Keep the FoldResult `result` on disk."""
        joblib.dump(
            result.estimator, self.folder / "pipelines" / f"{result.arm}-fold{result.fold}.joblib"
        )
        # The fitted arms are on disk: holding all of them would fill the memory.
        self.fold_results.append(replace(result, estimator=None))
        self._keep(self._comparison())
        self._look_at_samples(result)

    def _keep(self, comparison):
        """Write what the finished folds gave, image by image and score by score."""
        predictions = comparison.predictions.copy()
        if self.data.filenames is not None:
            files = np.asarray(self.data.filenames)[predictions["row"]]
            predictions.insert(predictions.columns.get_loc("true"), "file", files)
        self._write("predictions.csv", predictions)
        self._write("results.csv", comparison.results)

    def _comparison(self):
        """What the finished folds show."""
        finished = [arm for arm in self.arms if any(r.arm == arm for r in self.fold_results)]
        return Comparison.of(self.fold_results, self.y, arms=finished, baseline=finished[0])

    def _write(self, name, table, index=False):
        """Replace the file at once: a run that is killed leaves the old one or the new one."""
        with write_atomically(self.folder / name) as file:
            table.to_csv(file, index=index)

    def _look_at_samples(self, result):
        """Draw, measure and audit the synthetic images of the first fold, where there are any."""
        sampler = getattr(result.estimator, "named_steps", {}).get("gan")
        if result.fold > 0 or not getattr(sampler, "estimators_", None):
            return
        X, y = self.data.data, self.y
        train, test = (X[result.train], y[result.train]), (X[result.test], y[result.test])
        samples = SyntheticSamplesDisplay.from_estimator(sampler, *train)
        self._save("samples.png", samples)
        training = {
            k: TrainingHistoryDisplay.from_estimator(gan) for k, gan in sampler.estimators_.items()
        }
        for k, display in training.items():
            self._save(f"training-{k}.png", display)
        table, audits = inspect_samples(sampler, *train, *test)
        self.first_fold = FirstFold(samples, training, table, audits)
        self._write("samples.csv", table.rename_axis("class"), index=True)
        for k, found in audits.items():
            self._save(f"audit-{k}.png", AuditDisplay.from_result(found))
        text = json.dumps({str(k): found.to_dict() for k, found in audits.items()}, indent=2)
        (self.folder / "audit.json").write_text(text + "\n")

    def _save(self, name, display):
        """Write the figure of `display`."""
        import matplotlib.pyplot as plt

        display.figure_.savefig(self.folder / name, dpi=150, bbox_inches="tight")
        plt.close(display.figure_)

    def summarize(self):
        """Text of the tables of all finished folds; writes them too."""
        if not self.fold_results:
            return "No fold has finished."
        comparison = self._comparison()
        # Once more: Ctrl-C may have come between a fold and its files.
        self._keep(comparison)
        text, tables, confusions = [], {}, {}
        for arm in comparison.arms:
            tables[arm] = table = comparison.report(arm)
            confusions[arm] = confusion = comparison.confusion(arm)
            of_arm = comparison.results.query("arm == @arm").pivot(
                index="fold", columns="metric", values="value"
            )
            text += [
                f"{arm}: {confusion.to_numpy().sum()} images in {len(of_arm)} folds, "
                f"{of_arm['fit_seconds'].mean():.1f} s a fit",
                table.to_string(float_format="{:.3f}".format),
                f"Total accuracy {table.attrs['accuracy']:.3f} "
                f"(folds {' '.join(f'{a:.3f}' for a in of_arm['accuracy'])}), "
                f"balanced {table.attrs['balanced_accuracy']:.3f}",
                "",
                "Confusion matrix, true classes in rows",
                confusion.rename_axis(index=None, columns=None).to_string(),
                "",
            ]
        self._write("table4.csv", pd.concat(tables, names=["arm", "class"]), index=True)
        self._write("confusion.csv", pd.concat(confusions, names=["arm"]), index=True)
        self._write("summary.csv", comparison.summary, index=True)
        self._write("differences.csv", comparison.differences)
        self._draw(comparison)
        page = report_page(
            comparison, data=self.data, settings=self.settings, first_fold=self.first_fold
        )
        with write_atomically(self.folder / "report.html") as file:
            file.write(page.encode())
        return "\n".join([*text, *self._describe_samples(), *self._readings(comparison)])

    def to_dict(self):
        """What `summarize` says, JSON's types only; None is what is not known."""
        result = {
            "folder": str(self.folder),
            "report": str(self.folder / "report.html"),
            "n_finished": {arm: sum(r.arm == arm for r in self.fold_results) for arm in self.arms},
        }
        if not self.fold_results:
            return result
        comparison = self._comparison()
        tables = {arm: comparison.report(arm) for arm in comparison.arms}
        confusions = {arm: comparison.confusion(arm) for arm in comparison.arms}
        result |= {
            "metric": comparison.metric,
            "reading": [*comparison.reading.splitlines(), *self._control_reading(comparison)],
            "summary": _plain(comparison.summary),
            "differences": _plain(comparison.differences, "records"),
            "table4": {arm: _plain(table) for arm, table in tables.items()},
            "confusion": {arm: _plain(counts) for arm, counts in confusions.items()},
        }
        if self.first_fold is not None:
            result["samples"] = _plain(self.first_fold.table)
        return result

    def _draw(self, comparison):
        """Draw the confusion matrices, and the differences where there are any."""
        self._save("confusion.png", ConfusionMatrixGridDisplay.from_comparison(comparison))
        if len(comparison.arms) > 1:
            self._save("comparison.png", ComparisonDisplay.from_comparison(comparison))

    def _describe_samples(self):
        """The first fold's synthetic images in a few columns; all are in samples.csv."""
        if self.first_fold is None:
            return []
        samples = self.first_fold.table
        columns = [
            "n_real",
            "n_fake",
            "n_compared",
            "d",
            *GENERATIVE_METRICS["kernel_distance"].columns,
            "p_value",
            *GENERATIVE_METRICS["frechet_distance"].columns,
            *GENERATIVE_METRICS["coverage"].columns,
            "copying",
        ]
        table = samples[[name for name in columns if name in samples]]
        features = ""
        if "layer" in samples:
            first = samples.iloc[0]
            features = (
                f"By {first['features']} features ({first['layer']}); real: real images in the "
                "synthetic ones' place; c"
            )
        return [
            "Synthetic images of the first fold against the images that they were trained on",
            table.T.map(lambda v: f"{v:.3f}" if isinstance(v, float) else v).to_string(),
            f"{features or 'C'}opying is an audit's verdict, no guarantee",
            "",
        ]

    def _readings(self, comparison):
        """Did the synthetic images help? Against classic augmentation, and against duplicates."""
        if len(comparison.arms) < 2:
            return []
        text = ["Did it help? Differences to " + comparison.baseline, comparison.reading, ""]
        in_short = {"float_format": "{:.3f}".format, "na_rep": ""}
        text += [comparison.summary.to_string(**in_short), ""]
        text += ["Differences in sensitivity", comparison.sensitivities.to_string(**in_short), ""]
        for reading in self._control_reading(comparison):
            text += ["Differences to duplicates, the control", reading, ""]
        return text

    def _control_reading(self, comparison):
        """What the differences to the control show, in words: a sentence if there is one."""
        control = control_of(comparison)
        return [] if control is None else control.reading.splitlines()


def _plain(table, orient="index"):
    """A table as JSON takes it: pandas' own writer turns NumPy's numbers into such."""
    return json.loads(table.to_json(orient=orient))
