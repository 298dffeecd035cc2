"""The result of a comparison: tables, paired differences, verdicts and a recommendation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from skcxr.evaluation._recommendation import recommend
from skcxr.evaluation._verdicts import PROBABILITIES, decide_verdicts, describe_finding
from skcxr.metrics import (
    corrected_interval,
    correlated_t_test,
    expected_calibration_error,
    mcnemar_p_value,
    per_class_report,
    wilcoxon_p_value,
)
from skcxr.metrics._classification import bootstrap_calibration_error, compute_auc
from skcxr.metrics._paired import check_rope, extrapolate_repeats

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from skcxr._base.types import Path
    from skcxr.evaluation._folds import FoldResult

# A metric in the results, but not a score: no paired test includes it.
SECONDS = "fit_seconds"
# Columns of the paired tests in the summary.
TESTED_COLUMNS = [
    "difference", "low", "high", *PROBABILITIES, "verdict", "wilcoxon_p", "only_arm",
    "only_baseline", "mcnemar_p",
]  # fmt: skip
# First words of the names of scores in [0, 1], whose differences are in [-1, 1].
UNIT_SCORES = (
    "accuracy", "auc", "average_precision", "balanced_accuracy", "f1", "jaccard", "precision",
    "recall", "roc_auc", "sensitivity", "top_k_accuracy",
)  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """Results of several arms on the same folds.

    Use :func:`skcxr.evaluation.compare` to create it.

    Parameters
    ----------
    results : pandas.DataFrame
        Long form, one row per arm, fold and metric: ``arm``, ``fold``, ``repeat``, ``n_train``,
        ``n_test``, ``metric``, ``value``. A repeat is a run of folds that share no test image.
        Metrics are the requested scores, ``sensitivity[<class>]``, ``auc[<class>]`` (area under
        the ROC curve of the class against the rest), and ``fit_seconds``. If a fit failed, its
        scores are `error_score`, and the other metrics are NaN.
    predictions : pandas.DataFrame
        One row per arm and predicted image: ``arm``, ``fold``, ``repeat``, ``row`` (in X),
        ``true``, ``predicted``, and the probability ``p_<class>`` of each class. Fits that failed
        have none.
    classes : ndarray
        The classes of y, sorted.
    baseline : str
        Name of the arm that the others are compared with.
    rope : float, default=0.01
        Half the width of the region of practical equivalence, in units of the first score.
    groups : ndarray of shape (n,) or None, default=None
        Patient of each image in X. None takes each image for a patient of its own.
    controls : dict of str to str or None, default={}
        For each arm that adds synthetic images, the arm that adds as many duplicates. None means
        that there is none.
    """

    results: pd.DataFrame
    predictions: pd.DataFrame
    classes: NDArray[Any]
    baseline: str
    rope: float = 0.01
    groups: NDArray[Any] | None = None
    controls: dict[str, str | None] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        fold_results: Iterable[FoldResult],
        y: NDArray[Any],
        *,
        arms: Iterable[str],
        baseline: str,
        rope: float = 0.01,
        groups: NDArray[Any] | None = None,
        controls: dict[str, str | None] | None = None,
    ) -> Self:
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
        rope, groups : object
            The same as in :func:`skcxr.evaluation.compare`.
        controls : dict of str to str or None, default=None
            The same as in :class:`Comparison`. None is an empty dict.

        Returns
        -------
        comparison : Comparison
            All scores and predictions of `fold_results`.

        Raises
        ------
        ValueError
            If there is no result, if all fits failed, if an arm is unknown, or if `rope` is
            negative.
        """
        check_rope(rope)
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
            rope=rope,
            groups=groups,
            controls={} if controls is None else controls,
        )

    def against(self, baseline: str) -> Self:
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

    def only(self, arms: Sequence[str]) -> Self:
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
    def arms(self) -> list[str]:
        """Names of the arms, in order."""
        return self.results["arm"].unique().tolist()

    @property
    def metric(self) -> str:
        """The first of the requested scores, which decides the reading."""
        return self.results["metric"].iloc[0]

    @property
    def n_failed(self) -> dict[str, int]:
        """Number of folds in which the fit of an arm failed, by arm."""
        n_folds = self.results.groupby("arm")["fold"].nunique()
        n_predicted = self.predictions.groupby("arm")["fold"].nunique()
        return {arm: int(n_folds[arm] - n_predicted.get(arm, 0)) for arm in self.arms}

    @property
    def differences(self) -> pd.DataFrame:
        """Paired differences to the baseline, one row per other arm and metric.

        Columns ``arm``, ``metric``, ``difference`` (mean over folds), ``low`` and ``high`` (95 %
        confidence interval after Nadeau and Bengio, within [-1, 1] for scores in [0, 1]),
        ``wilcoxon_p`` (over the folds of a repeat; the median over repeats), ``n_folds``. Folds in
        which a value is NaN are left out.
        """
        metrics = self.results["metric"].unique()
        return self._list_differences([metric for metric in metrics if metric != SECONDS])

    def _list_differences(self, metrics):
        """Return the rows of `differences` for some metrics."""
        test_ratio = self._test_ratio
        rows = []
        for metric in metrics:
            for arm, values in self._pair_folds(metric).items():
                mean, low, high = _compute_interval(values, test_ratio, metric)
                p_values = values.groupby("repeat").agg(wilcoxon_p_value)
                rows.append((arm, metric, mean, low, high, p_values.median(), len(values)))
        rows.sort(key=lambda row: self.arms.index(row[0]))
        columns = ["arm", "metric", "difference", "low", "high", "wilcoxon_p", "n_folds"]
        return pd.DataFrame(rows, columns=columns)

    def _pair_folds(self, metric):
        """Return the differences to the baseline by repeat and fold, without NaN, by other arm."""
        _check_arm("baseline", self.baseline, self.arms)
        wide = self.results[self.results["metric"] == metric].pivot(
            index=["repeat", "fold"], columns="arm", values="value"
        )
        others = [arm for arm in self.arms if arm != self.baseline]
        return {arm: (wide[arm] - wide[self.baseline]).dropna() for arm in others}

    @property
    def _test_ratio(self):
        """Mean number of test images of a fold over its number of training images."""
        return float((self.results["n_test"] / self.results["n_train"]).mean())

    @property
    def sensitivities(self) -> pd.DataFrame:
        """The rows of `differences` for the sensitivity of each class, by arm."""
        table = self.differences
        table = table[table["metric"].str.startswith("sensitivity[")]
        return table.set_index("arm").drop(columns="n_folds")

    @property
    def summary(self) -> pd.DataFrame:
        """One row per arm, for the first score.

        Columns ``score`` (mean over folds); ``difference``, ``low`` and ``high`` as in
        `differences`; ``p_worse``, ``p_equivalent`` and ``p_better``, the probabilities of
        :func:`skcxr.metrics.correlated_t_test`, and the ``verdict`` on the arm; ``wilcoxon_p``;
        ``only_arm`` and ``only_baseline``, the numbers of images that only one of the two
        classified correctly, and their ``mcnemar_p``, which are medians over the repeats of a
        repeated cross-validation; ``calibration_error``, pooled over folds, with the ends of a
        95 % bootstrap interval over patients, ``calibration_low`` and ``calibration_high``;
        ``fit_seconds``.

        The verdict is "better" or "worse" if that probability is above 0.95 after Holm's correction
        for the number of arms, "practically equivalent" if that probability is above 0.95, and
        otherwise "undecided".
        """
        values = self.results.groupby(["arm", "metric"])["value"].mean().unstack().loc[self.arms]
        table = pd.DataFrame({"score": values[self.metric]})
        tested = self._test_first_score()
        table = table.join(tested[TESTED_COLUMNS])
        calibration = {arm: self._measure_calibration(arm) for arm in self.arms}
        columns = ["calibration_error", "calibration_low", "calibration_high"]
        table[columns] = pd.DataFrame.from_dict(calibration, orient="index", columns=columns)
        table[SECONDS] = values[SECONDS]
        return table.rename_axis("arm")

    def _measure_calibration(self, arm):
        """Return the calibration error of an arm and the ends of its interval."""
        rows = self._select_predictions(arm)
        if rows.empty:
            return np.nan, np.nan, np.nan
        probabilities = rows[[f"p_{k}" for k in self.classes]]
        error = expected_calibration_error(rows["true"], probabilities, self.classes)
        units = rows["row"].to_numpy()
        if self.groups is not None:
            units = self.groups[units]
        low, high = bootstrap_calibration_error(rows["true"], probabilities, self.classes, units)
        return error, low, high

    def _test_first_score(self):
        """Return all paired tests of the first score, one row per other arm."""
        table = self._judge_arms()
        values = self._pair_folds(self.metric)
        table["wilcoxon_p"] = [
            values[arm].groupby("repeat").agg(wilcoxon_p_value).median() for arm in table.index
        ]
        columns = ["only_arm", "only_baseline", "mcnemar_p"]
        counts = [self._test_with_mcnemar(arm)[columns] for arm in table.index]
        table[columns] = np.reshape(counts, (len(table), len(columns)))
        return table

    def _judge_arms(self):
        """Return what the verdicts rest on, one row per other arm, for the first score.

        ``limit`` is the verdict after infinitely many repeats with the same mean and spread, and
        ``smallest_rope`` the narrowest region of practical equivalence that they could show.
        """
        test_ratio = self._test_ratio
        rows = {}
        limits = {}
        for arm, values in self._pair_folds(self.metric).items():
            mean, low, high = _compute_interval(values, test_ratio, self.metric)
            probabilities = correlated_t_test(values, test_ratio, rope=self.rope)
            *limit, smallest = extrapolate_repeats(values, test_ratio, rope=self.rope)
            if (values == 0).all() and self._has_discordant(arm):
                # Different predictions with equal scores in all folds are ties by chance, from
                # which the spread cannot be estimated.
                low = high = smallest = np.nan
                probabilities = limit = [np.nan] * 3
            rows[arm] = [mean, low, high, *probabilities, len(values), smallest]
            limits[arm] = limit
        columns = ["difference", "low", "high", *PROBABILITIES, "n_folds", "smallest_rope"]
        table = pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("arm")
        limits = pd.DataFrame.from_dict(limits, orient="index", columns=PROBABILITIES)
        table["verdict"] = decide_verdicts(table).where(table["n_folds"] > 0)
        table["limit"] = decide_verdicts(limits)
        return table

    def _has_discordant(self, arm):
        """Return whether an image was classified correctly by only one of arm and baseline."""
        counts = self._test_with_mcnemar(arm)
        return counts["only_arm"] + counts["only_baseline"] > 0

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

    def report(self, arm: str, *, harmonic_mean: bool = False) -> pd.DataFrame:
        """Return the paper's table 4 of one arm, pooled over folds, and the AUC of each class.

        Probabilities of different folds come from different classifiers and must not be ranked
        together, so ``AUC`` is the mean of the folds' areas under the ROC curve of each class
        against the rest.

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
            The table that :func:`skcxr.metrics.per_class_report` returns, and the column
            ``AUC``.

        Raises
        ------
        ValueError
            If there is no such arm, or if it failed in all folds.
        """
        rows = self._select_predictions(arm)
        if rows.empty:
            raise ValueError(f"arm={arm!r} has no predictions: {self._describe_failures([arm])}.")
        report = per_class_report(
            rows["true"], rows["predicted"], labels=self.classes, harmonic_mean=harmonic_mean
        )
        values = self.results[self.results["arm"] == arm].groupby("metric")["value"].mean()
        report["AUC"] = [values[f"auc[{k}]"] for k in self.classes]
        return report

    def confusion(self, arm: str) -> pd.DataFrame:
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
    def findings(self) -> dict[str, tuple[str, str]]:
        """Verdict and basis of each arm but the baseline: two strings, by arm."""
        findings = {}
        for arm, row in self._test_first_score().iterrows():
            verdict, basis = describe_finding(
                arm, self.baseline, row, metric=self.metric, rope=self.rope
            )
            failures = self._describe_failures([arm, self.baseline])
            findings[arm] = (verdict, f"{basis}. {failures}" if failures else basis)
        return findings

    @property
    def reading(self) -> str:
        """The findings as text, one line per arm."""
        return "\n".join(f"{verdict}: {basis}." for verdict, basis in self.findings.values())

    @property
    def recommendation(self) -> str:
        """The arm to use, and why, in a few sentences.

        Only an arm with the verdict "better" that failed in no fold can replace the baseline. Of
        several such arms, the best mean is chosen, or the cheapest of those that the arm with the
        best mean is not better than. If the chosen arm adds synthetic images, the comparison with
        its control says whether the gain comes from them.
        """
        seconds = self.results[self.results["metric"] == SECONDS].groupby("arm")["value"].mean()
        return recommend(self, self._judge_arms(), seconds)

    def to_markdown(self) -> str:
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
                self.recommendation,
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

    @overload
    def to_csv(self, path: None = None) -> str: ...

    @overload
    def to_csv(self, path: Path) -> None: ...

    def to_csv(self, path: Path | None = None) -> str | None:
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


def _compute_interval(values, test_ratio, metric):
    """Return the mean and the ends of the interval, which stays in the metric's possible range."""
    mean, low, high = corrected_interval(values, test_ratio)
    if metric.startswith(UNIT_SCORES):
        low, high = np.clip([low, high], -1, 1).tolist()
    return mean, low, high


def _number_repeats(tests):
    """Return the repeat of each fold; a new one starts where a test image recurs."""
    repeats = {}
    repeat = 0
    seen: set[int] = set()
    for fold, test in sorted(tests.items()):
        rows = set(test.tolist())
        if seen & rows:
            repeat += 1
            seen = set()
        seen |= rows
        repeats[fold] = repeat
    return repeats


def _collect_metrics(result, y, classes):
    """Return the scores of a FoldResult, sensitivity and AUC of each class, and its time."""
    metrics = dict(result.scores)
    if result.error is not None:
        metrics.update({f"sensitivity[{k}]": np.nan for k in classes})
        metrics.update({f"auc[{k}]": np.nan for k in classes})
        metrics[SECONDS] = np.nan
        return metrics
    true = y[result.test]
    hits = result.predictions == true
    for k in classes:
        hits_of_class = hits[true == k]
        # A fold without images of a class has no sensitivity for it.
        metrics[f"sensitivity[{k}]"] = hits_of_class.mean() if hits_of_class.size else np.nan
    for k, probabilities in _collect_probabilities(result, classes).items():
        metrics[f"auc[{k}]"] = compute_auc(true == k, probabilities)
    metrics[SECONDS] = result.seconds
    return metrics


def _collect_predictions(result, y, classes):
    """Return the columns of a FoldResult in `Comparison.predictions`."""
    columns = {"row": result.test, "true": y[result.test], "predicted": result.predictions}
    for k, probabilities in _collect_probabilities(result, classes).items():
        columns[f"p_{k}"] = probabilities
    return columns


def _collect_probabilities(result, classes):
    """Return the probabilities of the test images of a FoldResult, by class."""
    known = result.classes.tolist()
    # A class that the training fold lacks has probability 0.
    nothing = np.zeros(len(result.test))
    return {
        k: result.probabilities[:, known.index(k)] if k in known else nothing
        for k in classes.tolist()
    }


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
