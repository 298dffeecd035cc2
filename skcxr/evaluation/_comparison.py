"""The result of a comparison: tables, paired differences and their summary in sentences."""

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

# A metric in the results, but not a score: no paired test includes it.
SECONDS = "fit_seconds"


@dataclass(frozen=True)
class Comparison:
    """Results of several arms on the same folds.

    Use :func:`skcxr.evaluation.compare` to create it.

    Parameters
    ----------
    results : pandas.DataFrame
        Long form, one row per arm, fold and metric: ``arm``, ``fold``, ``repeat``, ``n_train``,
        ``n_test``, ``metric``, ``value``. A repeat is a run of folds that share no test image.
        Metrics are the requested scores, ``sensitivity[<class>]``, and ``fit_seconds``. If a fit
        failed, its scores are `error_score`, and the other metrics are NaN.
    predictions : pandas.DataFrame
        One row per arm and predicted image: ``arm``, ``fold``, ``repeat``, ``row`` (in X),
        ``true``, ``predicted``, and the probability ``p_<class>`` of each class. Fits that failed
        have none.
    classes : ndarray
        The classes of y, sorted.
    baseline : str
        Name of the arm that the others are compared with.
    """

    results: pd.DataFrame
    predictions: pd.DataFrame
    classes: np.ndarray
    baseline: str

    @classmethod
    def of(cls, fold_results, y, *, arms, baseline):
        """Build a comparison from the results of single folds.

        Parameters
        ----------
        fold_results : iterable of FoldResult
            Results in any order.
        y : ndarray of shape (n,)
            Classes of all images.
        arms : iterable of str
            Names of the arms, in the order of the tables.
        baseline : str
            Name of the arm that the others are compared with.

        Returns
        -------
        comparison : Comparison
            All scores and predictions of `fold_results`.

        Raises
        ------
        ValueError
            If there is no result, if all fits failed, or if an arm is unknown.
        """
        arms = list(arms)
        fold_results = list(fold_results)
        if not fold_results:
            raise ValueError("fold_results is empty: no fit has finished.")
        if all(result.error is not None for result in fold_results):
            raise ValueError(
                f"All fits failed, the first of {len(fold_results)} with {fold_results[0].error}"
            )
        for result in fold_results:
            _check_arm("fold_results", result.arm, arms)
        _check_arm("baseline", baseline, arms)
        fold_results.sort(key=lambda result: (arms.index(result.arm), result.fold))
        repeats = _number_repeats({result.fold: result.test for result in fold_results})
        classes = np.unique(y)
        scores = []
        predictions = []
        for result in fold_results:
            fold = {"arm": result.arm, "fold": result.fold, "repeat": repeats[result.fold]}
            sizes = {"n_train": len(result.train), "n_test": len(result.test)}
            for metric, value in _collect_metrics(result, y, classes).items():
                scores.append({**fold, **sizes, "metric": metric, "value": value})
            if result.error is None:
                columns = _collect_predictions(result, y, classes)
                predictions.append(pd.DataFrame({**fold, **columns}))
        return cls(
            results=pd.DataFrame(scores),
            predictions=pd.concat(predictions, ignore_index=True),
            classes=classes,
            baseline=baseline,
        )

    def against(self, baseline):
        """Return the same results with differences to another arm.

        Parameters
        ----------
        baseline : str
            Name of the arm that the others are to be compared with.

        Returns
        -------
        comparison : Comparison
            A new comparison.

        Raises
        ------
        ValueError
            If there is no such arm.
        """
        _check_arm("baseline", baseline, self.arms)
        return replace(self, baseline=baseline)

    def only(self, arms):
        """Return the results of some arms alone.

        Parameters
        ----------
        arms : list of str
            Names of the arms to keep. Differences need the baseline among them.

        Returns
        -------
        comparison : Comparison
            A new comparison.

        Raises
        ------
        ValueError
            If `arms` is empty or names an arm that there is not.
        """
        if isinstance(arms, str) or not len(arms):
            raise ValueError(f"arms={arms!r} must be a list of one or more of {self.arms}.")
        for arm in arms:
            _check_arm("arms", arm, self.arms)
        results = self.results[self.results["arm"].isin(arms)]
        predictions = self.predictions[self.predictions["arm"].isin(arms)]
        return replace(self, results=results, predictions=predictions)

    @property
    def arms(self):
        """Names of the arms, in order."""
        return self.results["arm"].unique().tolist()

    @property
    def metric(self):
        """The first of the requested scores, which decides the reading."""
        return self.results["metric"].iloc[0]

    @property
    def n_failed(self):
        """Number of folds in which the fit of an arm failed, by arm."""
        n_folds = self.results.groupby("arm")["fold"].nunique()
        n_predicted = self.predictions.groupby("arm")["fold"].nunique()
        return {arm: int(n_folds[arm] - n_predicted.get(arm, 0)) for arm in self.arms}

    @property
    def differences(self):
        """Paired differences to the baseline, one row per other arm and metric.

        Columns ``arm``, ``metric``, ``difference`` (mean over folds), ``low`` and ``high`` (95 %
        confidence interval after Nadeau and Bengio), ``wilcoxon_p`` (over the folds of a repeat;
        the median over repeats), ``n_folds``. Folds in which a value is NaN are left out.
        """
        _check_arm("baseline", self.baseline, self.arms)
        folds = self.results[self.results["metric"] != SECONDS]
        test_ratio = float((folds["n_test"] / folds["n_train"]).mean())
        wide = folds.pivot(index=["metric", "repeat", "fold"], columns="arm", values="value")
        rows = []
        for arm in self.arms:
            if arm == self.baseline:
                continue
            paired = wide[arm] - wide[self.baseline]
            for metric in folds["metric"].unique():
                values = paired[metric].dropna()
                mean, low, high = corrected_interval(values, test_ratio)
                p_values = values.groupby("repeat").agg(wilcoxon_p_value)
                rows.append((arm, metric, mean, low, high, p_values.median(), len(values)))
        columns = ["arm", "metric", "difference", "low", "high", "wilcoxon_p", "n_folds"]
        return pd.DataFrame(rows, columns=columns)

    @property
    def sensitivities(self):
        """The rows of `differences` for the sensitivity of each class, by arm."""
        table = self.differences
        table = table[table["metric"].str.startswith("sensitivity[")]
        return table.set_index("arm").drop(columns="n_folds")

    @property
    def summary(self):
        """One row per arm, for the first score.

        Columns ``score`` (mean over folds); ``difference``, ``low``, ``high`` and ``wilcoxon_p``
        as in `differences`; ``only_arm`` and ``only_baseline``, the numbers of images that only
        one of the two classified correctly, and their ``mcnemar_p``, which are medians over the
        repeats of a repeated cross-validation; ``calibration_error``, pooled over folds;
        ``fit_seconds``.
        """
        values = self.results.groupby(["arm", "metric"])["value"].mean().unstack().loc[self.arms]
        table = pd.DataFrame({"score": values[self.metric]})
        table = table.join(self._test_first_score().drop(columns="n_folds"))
        table["calibration_error"] = {
            arm: expected_calibration_error(
                rows["true"], rows[[f"p_{k}" for k in self.classes]], self.classes
            )
            for arm, rows in self.predictions.groupby("arm")
        }
        table[SECONDS] = values[SECONDS]
        return table.rename_axis("arm")

    def _test_first_score(self):
        """Return the first score's differences and McNemar's test, one row per other arm."""
        differences = self.differences
        table = differences[differences["metric"] == self.metric].set_index("arm")
        mcnemar = pd.DataFrame({arm: self._test_with_mcnemar(arm) for arm in table.index}).T
        return table.drop(columns="metric").join(mcnemar)

    def _test_with_mcnemar(self, arm):
        """Return the counts and p-value of McNemar's test as medians over repeats."""
        is_correct = self.predictions["true"] == self.predictions["predicted"]
        hits = self.predictions.assign(hit=is_correct).pivot(
            index=["repeat", "row"], columns="arm", values="hit"
        )
        # If a run was interrupted or a fit failed, arms differ in the images they have predicted.
        hits = hits.reindex(columns=[arm, self.baseline]).dropna().astype(bool)
        repeats = [
            {
                "only_arm": (pair[arm] & ~pair[self.baseline]).sum(),
                "only_baseline": (~pair[arm] & pair[self.baseline]).sum(),
                "mcnemar_p": mcnemar_p_value(pair[arm], pair[self.baseline]),
            }
            for _, pair in hits.groupby("repeat")
        ]
        return pd.DataFrame(repeats, columns=["only_arm", "only_baseline", "mcnemar_p"]).median()

    def report(self, arm, *, harmonic_mean=False):
        """Return the paper's table 4 of one arm, pooled over folds.

        Parameters
        ----------
        arm : str
            Name of the arm.
        harmonic_mean : bool, default=False
            Whether to add the column that corresponds to the paper's "F1Score", as in
            :func:`skcxr.metrics.per_class_report`.

        Returns
        -------
        report : pandas.DataFrame
            The table that :func:`skcxr.metrics.per_class_report` returns.

        Raises
        ------
        ValueError
            If there is no such arm, or if it failed in all folds.
        """
        rows = self._select_predictions(arm)
        if rows.empty:
            raise ValueError(f"arm={arm!r} has no predictions: {self._describe_failures([arm])}.")
        return per_class_report(
            rows["true"], rows["predicted"], labels=self.classes, harmonic_mean=harmonic_mean
        )

    def confusion(self, arm):
        """Return the confusion matrix of one arm, pooled over folds.

        Parameters
        ----------
        arm : str
            Name of the arm.

        Returns
        -------
        matrix : pandas.DataFrame
            Numbers of images, with true classes in rows and predicted ones in columns.

        Raises
        ------
        ValueError
            If there is no such arm.
        """
        rows = self._select_predictions(arm)
        counts = np.zeros((len(self.classes), len(self.classes)), dtype=int)
        if not rows.empty:
            counts = confusion_matrix(rows["true"], rows["predicted"], labels=self.classes)
        return pd.DataFrame(
            counts,
            index=pd.Index(self.classes, name="true"),
            columns=pd.Index(self.classes, name="predicted"),
        )

    def _select_predictions(self, arm):
        """Return the predictions of one arm."""
        _check_arm("arm", arm, self.arms)
        return self.predictions[self.predictions["arm"] == arm]

    def _describe_failures(self, arms):
        """Return how often the fits of some arms failed as text, empty if none did."""
        n_folds = self.results.groupby("arm")["fold"].nunique()
        n_failed = self.n_failed
        return "; ".join(
            f"{arm} failed in {n_failed[arm]} of {n_folds[arm]} folds"
            for arm in arms
            if n_failed[arm]
        )

    @property
    def findings(self):
        """Verdict and basis of each arm but the baseline: two strings, by arm."""
        findings = {}
        for arm, row in self._test_first_score().iterrows():
            verdict, basis = _format_finding(arm, self.baseline, row, self.metric)
            failures = self._describe_failures([arm, self.baseline])
            findings[arm] = (verdict, f"{basis}. {failures}" if failures else basis)
        return findings

    @property
    def reading(self):
        """The findings as text, one line per arm."""
        return "\n".join(f"{verdict}: {basis}." for verdict, basis in self.findings.values())

    def to_markdown(self):
        """Return the summary, the differences in sensitivity and each arm's table 4 as Markdown.

        Returns
        -------
        text : str
            Tables with captions, and the reading.
        """
        parts = [
            f"Scores are {self.metric}. Differences are to {self.baseline}, with 95 % confidence "
            "intervals after Nadeau and Bengio.",
            _format_table(self.summary, {SECONDS: ".1f", "only_arm": "g", "only_baseline": "g"}),
        ]
        if len(self.arms) > 1:
            parts += [
                self.reading,
                "Differences in sensitivity",
                _format_table(self.sensitivities, {}),
            ]
        for arm in self.arms:
            failures = self._describe_failures([arm])
            if self._select_predictions(arm).empty:
                parts.append(f"{failures}.")
                continue
            report = self.report(arm)
            parts += [
                f"{arm}, total accuracy {report.attrs['accuracy']:.3f}"
                + (f" ({failures})" if failures else ""),
                _format_table(report.rename_axis("class"), {}),
            ]
        return "\n\n".join(parts) + "\n"

    def to_csv(self, path=None):
        """Write `results` as CSV.

        Parameters
        ----------
        path : str, path or None, default=None
            File to write. None returns the text.

        Returns
        -------
        text : str or None
            The CSV text if `path` is None, otherwise None.
        """
        return self.results.to_csv(path, index=False)


def _check_arm(name, arm, arms):
    """Refuse an `arm` that is not among the `arms`; `name` is the parameter that it comes from."""
    if arm not in arms:
        raise ValueError(f"{name}={arm!r} is not one of the arms, {arms}. Name one of them.")


def _number_repeats(tests):
    """Return the repeat of each fold; a new one starts where a test image recurs."""
    repeats = {}
    repeat = 0
    seen = set()
    for fold, test in sorted(tests.items()):
        rows = set(test.tolist())
        if seen & rows:
            repeat += 1
            seen = set()
        seen |= rows
        repeats[fold] = repeat
    return repeats


def _collect_metrics(result, y, classes):
    """Return the scores of a FoldResult, its sensitivity for each class, and its time."""
    metrics = dict(result.scores)
    if result.error is not None:
        metrics.update({f"sensitivity[{k}]": np.nan for k in classes})
        metrics[SECONDS] = np.nan
        return metrics
    true = y[result.test]
    hits = result.predictions == true
    for k in classes:
        hits_of_class = hits[true == k]
        # A fold without images of a class has no sensitivity for it.
        metrics[f"sensitivity[{k}]"] = hits_of_class.mean() if hits_of_class.size else np.nan
    metrics[SECONDS] = result.seconds
    return metrics


def _collect_predictions(result, y, classes):
    """Return the columns of a FoldResult in `Comparison.predictions`."""
    columns = {"row": result.test, "true": y[result.test], "predicted": result.predictions}
    known = result.classes.tolist()
    for k in classes.tolist():
        # A class that the training fold lacks has probability 0.
        columns[f"p_{k}"] = result.probabilities[:, known.index(k)] if k in known else 0.0
    return columns


def _format_finding(arm, baseline, row, metric):
    """Return the verdict on an arm, and the figures that it rests on."""
    if row["n_folds"] == 0:
        return f"{arm} cannot be compared with {baseline}", "no fold has finished for both"
    if np.isnan(row["low"]):
        # Without an interval, McNemar's test decides.
        is_significant = row["mcnemar_p"] < 0.05
    else:
        is_significant = row["low"] > 0 or row["high"] < 0
    if is_significant:
        verdict = f"{arm} is {'better' if row['difference'] > 0 else 'worse'} than {baseline}"
    else:
        verdict = f"No significant difference between {arm} and {baseline}"
    difference = f"{metric} {row['difference']:+.3f} ({_format_interval(row)})"
    if np.isnan(row["only_arm"]):
        return verdict, f"{difference}. No image was predicted by both"
    images = "1 image was" if row["only_arm"] == 1 else f"{row['only_arm']:g} images were"
    return verdict, (
        f"{difference}. {images} classified correctly only by {arm}, {row['only_baseline']:g} only "
        f"by {baseline} (McNemar p = {row['mcnemar_p']:.2g})"
    )


def _format_interval(row):
    """Return a difference's confidence interval and number of folds, or why it has no interval."""
    if row["n_folds"] == 1:
        return "no confidence interval from 1 fold"
    if np.isnan(row["low"]):
        return f"no confidence interval: all {row['n_folds']:g} folds have the same difference"
    return f"95 % CI {row['low']:+.3f} to {row['high']:+.3f}, {row['n_folds']:g} folds"


def _format_table(table, formats):
    """Return `table` as Markdown, with three decimals by default and blanks for NaN."""

    def format_cell(value, column):
        if isinstance(value, str):
            return value
        if pd.isna(value):
            return ""
        if column.endswith("_p") and value < 0.001:
            return "<0.001"
        return format(value, formats.get(column, ".3f"))

    cells = table.apply(lambda column: [format_cell(value, column.name) for value in column])
    return cells.to_markdown(disable_numparse=True)
