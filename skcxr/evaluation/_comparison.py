"""What a comparison of arms on the same folds found: tables, intervals and their reading."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from skcxr.metrics import (
    corrected_interval,
    expected_calibration_error,
    mcnemar_p_value,
    per_class_report,
    wilcoxon_p_value,
)

# Not a score: it takes part in no paired test.
SECONDS = "fit_seconds"


@dataclass(frozen=True)
class Comparison:
    """Results of several arms on the same folds.

    :func:`skcxr.evaluation.compare` makes it.

    Parameters
    ----------
    results : pandas.DataFrame
        Long form, a row for each arm, fold and metric: ``arm``, ``fold``, ``repeat``, ``n_train``,
        ``n_test``, ``metric``, ``value``. A repeat is a run of folds that share no test image.
        Metrics are the scores asked for, ``sensitivity[<class>]``, and ``fit_seconds``.
    predictions : pandas.DataFrame
        A row for each arm and predicted image: ``arm``, ``fold``, ``repeat``, ``row`` (in X),
        ``true``, ``predicted``, and the probability ``p_<class>`` of each class.
    classes : ndarray
        The classes of y, sorted.
    baseline : str
        The arm that differences are taken to.
    """

    results: pd.DataFrame
    predictions: pd.DataFrame
    classes: np.ndarray
    baseline: str

    @classmethod
    def of(cls, fold_results, y, *, arms, baseline):
        """Comparison of FoldResults.

        Parameters
        ----------
        fold_results : iterable of FoldResult
            In any order.
        y : ndarray of shape (n,)
            Classes of all images.
        arms : iterable of str
            The arms in the order wished for.
        baseline : str
            One of them.

        Returns
        -------
        comparison : Comparison
            With all of their scores and predictions.
        """
        classes, scores, predictions = np.unique(y), [], []
        fold_results = list(fold_results)
        repeat_of = _repeats({result.fold: result.test for result in fold_results})
        for result in fold_results:
            repeat = repeat_of[result.fold]
            fold = {"arm": result.arm, "fold": result.fold, "repeat": repeat}
            true = y[result.test]
            hits = result.predictions == true
            # The sensitivity of a class that a fold lacks is not known.
            of_class = [hits[true == k] for k in classes]
            values = (
                result.scores
                | {
                    f"sensitivity[{k}]": h.mean() if h.size else np.nan
                    for k, h in zip(classes, of_class, strict=True)
                }
                | {SECONDS: result.seconds}
            )
            sizes = {"n_train": len(result.train), "n_test": len(result.test)}
            scores += [fold | sizes | {"metric": m, "value": v} for m, v in values.items()]
            rows = {"row": result.test, "true": true, "predicted": result.predictions}
            columns = result.classes.tolist()
            rows |= {
                f"p_{k}": result.probabilities[:, columns.index(k)] if k in columns else 0.0
                for k in classes.tolist()
            }
            predictions.append(pd.DataFrame(fold | rows))
        order = {arm: i for i, arm in enumerate(arms)}

        def sorted_by(table, columns):
            return table.sort_values(
                columns, key=lambda c: c.map(order) if c.name == "arm" else c, kind="stable"
            ).reset_index(drop=True)

        predictions = sorted_by(pd.concat(predictions), ["arm", "fold"])
        results = sorted_by(pd.DataFrame(scores), ["arm", "fold"])
        return cls(results, predictions, classes, baseline)

    def against(self, baseline):
        """The same results with differences to another arm.

        Parameters
        ----------
        baseline : str
            The arm that differences are to be taken to.

        Returns
        -------
        comparison : Comparison
            A new one.

        Raises
        ------
        ValueError
            If there is no such arm.
        """
        if baseline not in self.arms:
            raise ValueError(f"baseline={baseline!r} is not one of the arms, {self.arms}.")
        return replace(self, baseline=baseline)

    def only(self, arms):
        """The same results of some arms alone.

        Parameters
        ----------
        arms : list of str
            Those to keep; the baseline must be among them for differences to be read.

        Returns
        -------
        comparison : Comparison
            A new one.
        """
        kept = [table[table["arm"].isin(arms)] for table in (self.results, self.predictions)]
        return replace(self, results=kept[0], predictions=kept[1])

    @property
    def arms(self):
        """Names of the arms, in their order."""
        return self.results["arm"].unique().tolist()

    @property
    def metric(self):
        """The first score that was asked for, which decides the reading."""
        return self.results["metric"].iloc[0]

    @property
    def differences(self):
        """Paired differences to the baseline: a row for each other arm and metric.

        Columns ``arm``, ``metric``, ``difference`` (mean over folds), ``low`` and ``high`` (95 %
        interval after Nadeau and Bengio), ``wilcoxon_p`` (over a repeat's folds, the median over
        repeats), ``n_folds``.
        """
        folds = self.results[self.results["metric"] != SECONDS]
        ratio = float((folds["n_test"] / folds["n_train"]).mean())
        wide = folds.pivot(index=["metric", "repeat", "fold"], columns="arm", values="value")
        rows = []
        for arm in self.arms:
            if arm == self.baseline:
                continue
            paired = wide[arm] - wide[self.baseline]
            for metric in folds["metric"].unique():
                values = paired[metric].dropna()
                mean, low, high = corrected_interval(values, ratio)
                row = {"arm": arm, "metric": metric, "difference": mean, "low": low, "high": high}
                p = values.groupby("repeat").agg(wilcoxon_p_value).median()
                rows.append(row | {"wilcoxon_p": p, "n_folds": len(values)})
        columns = ["arm", "metric", "difference", "low", "high", "wilcoxon_p", "n_folds"]
        return pd.DataFrame(rows, columns=columns)

    @property
    def sensitivities(self):
        """The rows of `differences` that are of classes' sensitivities, by arm."""
        table = self.differences
        table = table[table["metric"].str.startswith("sensitivity[")]
        return table.set_index("arm").drop(columns="n_folds")

    @property
    def summary(self):
        """One row an arm, for the first score.

        Columns ``score`` (mean over folds); ``difference``, ``low``, ``high`` and ``wilcoxon_p``
        as in `differences`; ``only_arm`` and ``only_baseline``, images that just one of the two
        got right, and ``mcnemar_p`` of them, in repeated cross-validation the median over repeats;
        ``calibration_error``, pooled; ``fit_seconds``.
        """
        values = self.results.pivot_table("value", "arm", "metric", sort=False)
        table = pd.DataFrame({"score": values[self.metric]})
        differences = self.differences
        first = differences[differences["metric"] == self.metric].set_index("arm")
        table = table.join(first[["difference", "low", "high", "wilcoxon_p"]])
        table = table.join(pd.DataFrame({arm: self._discordant(arm) for arm in first.index}).T)
        table["calibration_error"] = {
            arm: expected_calibration_error(
                rows["true"], rows[[f"p_{k}" for k in self.classes]], self.classes
            )
            for arm, rows in self.predictions.groupby("arm")
        }
        table[SECONDS] = values[SECONDS]
        return table.rename_axis("arm")

    def _discordant(self, arm):
        """McNemar's counts and p-value of an arm, the median over repeats."""
        hits = self.predictions.assign(hit=lambda p: p["true"] == p["predicted"]).pivot(
            index=["repeat", "row"], columns="arm", values="hit"
        )
        # Of a run that was cut short, the images that both have seen.
        hits = hits[[arm, self.baseline]].dropna().astype(bool)
        repeats = [
            {
                "only_arm": (pair[arm] & ~pair[self.baseline]).sum(),
                "only_baseline": (~pair[arm] & pair[self.baseline]).sum(),
                "mcnemar_p": mcnemar_p_value(pair[arm], pair[self.baseline]),
            }
            for _, pair in hits.groupby("repeat")
        ]
        return pd.DataFrame(repeats).median()

    def report(self, arm):
        """The paper's table 4 of one arm, pooled over folds.

        Parameters
        ----------
        arm : str
            Its name.

        Returns
        -------
        report : pandas.DataFrame
            As :func:`skcxr.metrics.per_class_report` returns it.
        """
        rows = self.predictions[self.predictions["arm"] == arm]
        return per_class_report(rows["true"], rows["predicted"], labels=self.classes)

    def confusion(self, arm):
        """Confusion matrix of one arm, pooled over folds.

        Parameters
        ----------
        arm : str
            Its name.

        Returns
        -------
        matrix : pandas.DataFrame
            Numbers of images: true classes in rows, predicted ones in columns.
        """
        rows = self.predictions[self.predictions["arm"] == arm]
        return pd.DataFrame(
            confusion_matrix(rows["true"], rows["predicted"], labels=self.classes),
            index=pd.Index(self.classes, name="true"),
            columns=pd.Index(self.classes, name="predicted"),
        )

    @property
    def findings(self):
        """Of each arm but the baseline, the verdict and what it stands on: two strings, by arm."""
        summary, found = self.summary, {}
        n_folds = self.results["fold"].nunique()
        for arm in summary.index.drop(self.baseline):
            row = summary.loc[arm]
            interval = f"95 % interval {row['low']:+.3f} to {row['high']:+.3f} over {n_folds} folds"
            if np.isnan(row["low"]):
                # McNemar's test alone is left.
                interval = f"no interval from {n_folds} fold{'s' * (n_folds > 1)}"
                told = row["mcnemar_p"] < 0.05
            else:
                told = row["low"] > 0 or row["high"] < 0
            verdict = "is better than" if row["difference"] > 0 else "is worse than"
            found[arm] = (
                f"{arm} {verdict if told else 'can not be told from'} {self.baseline}",
                f"{self.metric} {row['difference']:+.3f}, {interval}; only {arm} is "
                f"right on {row['only_arm']:g} images, only {self.baseline} on "
                f"{row['only_baseline']:g} (McNemar p = {row['mcnemar_p']:.2g})",
            )
        return found

    @property
    def reading(self):
        """What the differences show, in words: one sentence an arm."""
        return "\n".join(f"{verdict}: {basis}." for verdict, basis in self.findings.values())

    def to_markdown(self):
        """Summary, paired differences of sensitivities, and each arm's table 4 as Markdown.

        Returns
        -------
        text : str
            Tables with their captions and the reading.
        """
        parts = [
            f"Scores are {self.metric}; differences are to {self.baseline}, with 95 % intervals "
            "after Nadeau and Bengio.",
            _markdown(self.summary, {"fit_seconds": ".1f", "only_arm": "g", "only_baseline": "g"}),
        ]
        if len(self.arms) > 1:
            parts += [self.reading, "Differences in sensitivity", _markdown(self.sensitivities, {})]
        for arm in self.arms:
            report = self.report(arm)
            parts += [
                f"{arm}, total accuracy {report.attrs['accuracy']:.3f}",
                _markdown(report.rename_axis("class"), {}),
            ]
        return "\n\n".join(parts) + "\n"

    def to_csv(self, path=None):
        """`results` as CSV.

        Parameters
        ----------
        path : str, path or None, default=None
            Where to write it.

        Returns
        -------
        text : str or None
            The CSV itself, if `path` is None.
        """
        return self.results.to_csv(path, index=False)


def _repeats(tests):
    """Number of the repeat of each fold: a new one begins where a test image comes again."""
    repeat_of, repeat, seen = {}, 0, set()
    for fold, test in sorted(tests.items()):
        rows = set(test.tolist())
        if seen & rows:
            repeat, seen = repeat + 1, set()
        seen |= rows
        repeat_of[fold] = repeat
    return repeat_of


def _markdown(table, formats):
    """`table` as Markdown: three decimals where `formats` has nothing else, NaN as a blank."""

    def cell(value, column):
        if isinstance(value, str):
            return value
        if pd.isna(value):
            return ""
        if column.endswith("_p") and value < 0.001:
            return "<0.001"
        return format(value, formats.get(column, ".3f"))

    cells = table.apply(lambda column: [cell(value, column.name) for value in column])
    return cells.to_markdown(disable_numparse=True)
