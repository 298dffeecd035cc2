"""The folder in which `skcxr evaluate` keeps what it found, fold by fold."""

import json
import os
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from skcxr.displays import SyntheticSamplesDisplay
from skcxr.metrics import per_class_report


def new_folder(out):
    """Create the results' folder: `out`, or a new one under skcxr-results/ if it is None.

    Raises
    ------
    FileExistsError
        If `out` is there and not empty, or is a file.
    """
    if out is None:
        folder = Path("skcxr-results") / datetime.now().strftime("%Y-%m-%d-%H%M%S")
    else:
        folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"--out {folder} is not an empty folder. Pass a new one.")
    (folder / "pipelines").mkdir(parents=True)
    return folder


class Report:
    """Results of an evaluation: written as each fold finishes, summed up on demand.

    Files: ``settings.json``; ``predictions.csv``, a row an image and arm; ``folds.csv``;
    ``table4.csv`` and ``confusion.csv``; ``samples.png``; ``pipelines/<arm>-fold<i>.joblib``.

    Parameters
    ----------
    folder : Path
        An existing folder with a sub-folder ``pipelines``.
    data : Bunch
        The images that are evaluated on, as skcxr's loaders return them.
    settings : dict
        What to keep of the run's settings, JSON's types only.
    """

    def __init__(self, folder, data, settings):
        self.folder = folder
        self.data = data
        self.predictions = []
        self.folds = []
        versions = {name: version(name) for name in ("skcxr", "torch", "scikit-learn", "skorch")}
        settings = settings | {"versions": versions}
        (folder / "settings.json").write_text(json.dumps(settings, indent=2) + "\n")

    def add(self, result):
        """Keep the FoldResult `result` on disk."""
        names = self.data.target_names
        rows = pd.DataFrame({"arm": result.arm, "fold": result.fold, "row": result.test})
        if self.data.filenames is not None:
            rows["file"] = np.asarray(self.data.filenames)[result.test]
        rows["true"] = names[self.data.target[result.test]]
        rows["predicted"] = names[result.predictions]
        for i, k in enumerate(result.estimator.classes_):
            rows[f"p_{names[k]}"] = result.probabilities[:, i]
        self.predictions.append(rows)
        accuracy = float((rows["true"] == rows["predicted"]).mean())
        self.folds.append(
            {
                "arm": result.arm,
                "fold": result.fold,
                "n_train": len(result.train),
                "n_test": len(result.test),
                "accuracy": accuracy,
                "fit_seconds": result.seconds,
            }
        )
        joblib.dump(
            result.estimator, self.folder / "pipelines" / f"{result.arm}-fold{result.fold}.joblib"
        )
        self._write("predictions.csv", pd.concat(self.predictions))
        self._write("folds.csv", pd.DataFrame(self.folds))
        self._draw_samples(result)

    def _write(self, name, table, index=False):
        """Replace the file at once: a run that is killed leaves the old one or the new one."""
        temporary = self.folder / f".{name}"
        table.to_csv(temporary, index=index)
        os.replace(temporary, self.folder / name)

    def _draw_samples(self, result):
        """Draw the first fold's real and synthetic images, where the arm has made any."""
        sampler = getattr(result.estimator, "named_steps", {}).get("gan")
        if result.fold > 0 or not getattr(sampler, "estimators_", None):
            return
        import matplotlib.pyplot as plt

        display = SyntheticSamplesDisplay.from_estimator(
            sampler,
            self.data.data[result.train],
            self.data.target[result.train],
            class_names=dict(enumerate(self.data.target_names)),
        )
        display.figure_.savefig(self.folder / "samples.png", dpi=150, bbox_inches="tight")
        plt.close(display.figure_)

    def summarize(self):
        """Text of the tables of all finished folds; writes ``table4.csv`` and ``confusion.csv``."""
        if not self.predictions:
            return "No fold has finished."
        predictions, folds = pd.concat(self.predictions), pd.DataFrame(self.folds)
        names, text, tables, confusions = self.data.target_names, [], {}, {}
        for arm, rows in predictions.groupby("arm", sort=False):
            table = per_class_report(rows["true"], rows["predicted"], labels=names)
            tables[arm] = table
            confusions[arm] = pd.DataFrame(
                confusion_matrix(rows["true"], rows["predicted"], labels=names),
                index=pd.Index(names, name="true"),
                columns=pd.Index(names, name="predicted"),
            )
            of_arm = folds[folds["arm"] == arm]
            text += [
                f"{arm}: {len(rows)} images in {len(of_arm)} folds, "
                f"{of_arm['fit_seconds'].mean():.1f} s a fit",
                table.to_string(float_format="{:.3f}".format),
                f"Total accuracy {table.attrs['accuracy']:.3f} "
                f"(folds {' '.join(f'{a:.3f}' for a in of_arm.sort_values('fold')['accuracy'])}), "
                f"balanced {table.attrs['balanced_accuracy']:.3f}",
                "",
                "Confusion matrix, true classes in rows",
                confusions[arm].rename_axis(index=None, columns=None).to_string(),
                "",
            ]
        self._write("table4.csv", pd.concat(tables, names=["arm", "class"]), index=True)
        self._write("confusion.csv", pd.concat(confusions, names=["arm"]), index=True)
        return "\n".join(text)
