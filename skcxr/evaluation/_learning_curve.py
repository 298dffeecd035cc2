"""The score of an estimator by the number of patients that it is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.model_selection import learning_curve as fit_learning_curve

from skcxr.evaluation._checks import check_images, check_splits
from skcxr.evaluation._folds import split_rows
from skcxr.metrics import corrected_interval

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from sklearn.base import BaseEstimator

    from skcxr._base.types import Folds, Images

# A gain of less than this does not matter in practice.
SMALLEST_GAIN = 0.01


@dataclass(frozen=True)
class LearningCurve:
    """Scores of one estimator after training on growing shares of the patients.

    Use :func:`skcxr.evaluation.learning_curve` to create it.

    Parameters
    ----------
    scores : pandas.DataFrame
        Scores on the test images of each fold, with folds in columns. The index ``share`` holds
        shares of the training patients, ascending.
    n_train : pandas.Series
        Number of training images in the first fold, by share.
    test_ratio : float
        Mean number of test images of a fold over its number of training images.
    metric : str
        Name of the score.
    """

    scores: pd.DataFrame
    n_train: pd.Series
    test_ratio: float
    metric: str

    @property
    def table(self) -> pd.DataFrame:
        """One row per share: ``n_train``, and the ``score`` as a mean over folds."""
        return pd.DataFrame({"n_train": self.n_train, "score": self.scores.mean(axis=1)})

    @property
    def gain(self) -> dict[str, float] | None:
        """Gain of the last doubling: ``share`` it starts from, ``difference``, ``low``, ``high``.

        The ends are those of the 95 % interval after Nadeau and Bengio. None without a share below
        the largest one.
        """
        shares = self.scores.index
        if len(shares) < 2:
            return None
        smaller = shares[:-1]
        half = smaller[np.abs(smaller - shares[-1] / 2).argmin()]
        differences = self.scores.loc[shares[-1]] - self.scores.loc[half]
        mean, low, high = corrected_interval(differences, self.test_ratio)
        return {"share": float(half), "difference": mean, "low": low, "high": high}

    @property
    def reading(self) -> str:
        """Answer to whether more images would help, in words."""
        gain = self.gain
        if gain is None:
            return "There are too few images for a learning curve."
        change = (
            f"From {100 * gain['share']:.0f} % to {100 * self.scores.index[-1]:.0f} % of the "
            f"patients, {self.metric} changed by {gain['difference']:+.3f}"
        )
        if np.isnan(gain["low"]):
            return f"{change}, the same in all folds. More images may help."
        interval = f"95 % CI {gain['low']:+.3f} to {gain['high']:+.3f}"
        if gain["low"] > 0:
            outlook = "More images would probably help"
        elif gain["high"] < SMALLEST_GAIN:
            outlook = "More images of the same kind would hardly help"
        else:
            outlook = "This may be chance: the folds cannot tell whether more images would help"
        return f"{change} ({interval}). {outlook}."

    def to_dict(self) -> dict[str, Any]:
        """Return the curve as JSON's types.

        Returns
        -------
        curve : dict
            ``metric``, ``table`` (a list of rows), ``gain`` and ``reading``. None stands for NaN.
        """
        gain = self.gain
        if gain is not None:
            gain = {name: None if np.isnan(value) else value for name, value in gain.items()}
        return {
            "metric": self.metric,
            "table": self.table.reset_index().to_dict("records"),
            "gain": gain,
            "reading": self.reading,
        }


def learning_curve(
    estimator: BaseEstimator,
    X: Images,
    y: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    cv: Folds = 4,
    shares: ArrayLike = (0.25, 0.5, 0.75, 1.0),
    scoring: str = "accuracy",
    full_scores: ArrayLike | None = None,
    n_jobs: int | None = None,
    random_state: int = 0,
) -> LearningCurve:
    """Train an estimator on growing shares of the patients and score it on the same test folds.

    The shares are nested and hold about the same share of each class. Fits and scores are those of
    :func:`sklearn.model_selection.learning_curve`, which knows neither patients nor classes.

    Parameters
    ----------
    estimator : estimator
        Classifier or pipeline. It is cloned.
    X : array-like
        Images, in any layout that the estimator takes.
    y : array-like of shape (n,)
        Classes.
    groups : array-like of shape (n,) or None, default=None
        Patient of each image. None stands for one image per patient.
    cv : int or splitter, default=4
        Folds, as in :func:`compare`.
    shares : array-like of float, default=(0.25, 0.5, 0.75, 1.0)
        Shares of the training patients in (0, 1]. Those that leave a fold without images of a class
        are left out.
    scoring : str, default="accuracy"
        Score.
    full_scores : array-like of shape (n_folds,) or None, default=None
        Scores of the folds with all training patients, if they are known. They become the scores
        of the share 1, for which nothing is fitted then.
    n_jobs : int or None, default=None
        Number of fits that joblib runs at once.
    random_state : int, default=0
        Seed of the order in which patients are added.

    Returns
    -------
    curve : LearningCurve
        Scores, the gain of the last doubling, and a reading in words.

    Raises
    ------
    ValueError
        If a share is outside (0, 1], if there is not one full score per fold, or if labels, groups
        and folds do not fit together.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skcxr.evaluation import learning_curve
    >>> X, y = load_iris(return_X_y=True)
    >>> curve = learning_curve(LogisticRegression(max_iter=999), X[:, :2], y)
    >>> curve.table["n_train"].tolist()
    [28, 56, 84, 112]
    """
    shares = np.unique(np.asarray(shares, dtype=float))
    if not len(shares) or shares[0] <= 0 or shares[-1] > 1:
        raise ValueError(f"shares={shares.tolist()} must be one or more numbers in (0, 1].")
    if full_scores is not None:
        full_scores = np.asarray(full_scores, dtype=float)
        shares = np.union1d(shares, [1.0])
    y, groups = check_images(X, y, groups)
    splits = split_rows(cv, X, y, groups)
    check_splits(splits, len(y), groups)
    if full_scores is not None and len(full_scores) != len(splits):
        raise ValueError(
            f"full_scores has {len(full_scores)} values for {len(splits)} folds. Pass one score "
            "per fold, in the order of the folds."
        )
    rng = np.random.default_rng(random_state)
    patients = np.arange(len(y)) if groups is None else groups
    splits = [(_order_rows(train, y, patients, rng), test) for train, test in splits]
    n_train = pd.Series(
        np.round(shares * len(splits[0][0])).astype(int), pd.Index(shares, name="share")
    )
    n_train = n_train[[_has_all_classes(n, splits, y) for n in n_train]]
    n_train = n_train.drop_duplicates(keep="last")
    fitted = n_train if full_scores is None else n_train[n_train.index < 1]
    scores = pd.DataFrame(index=fitted.index, columns=range(len(splits)), dtype=float)
    if len(fitted):
        _, _, scores[:] = fit_learning_curve(
            estimator,
            X,
            y,
            cv=splits,
            train_sizes=fitted.to_numpy(),
            scoring=scoring,
            n_jobs=n_jobs,
            error_score="raise",
        )
    if full_scores is not None:
        scores.loc[1.0] = full_scores
    return LearningCurve(
        scores=scores,
        n_train=n_train,
        test_ratio=float(np.mean([len(test) / len(train) for train, test in splits])),
        metric=scoring,
    )


def _order_rows(train, y, patients, rng):
    """Return training rows in an order whose beginnings hold whole patients of all classes."""
    _, first, members = np.unique(patients[train], return_index=True, return_inverse=True)
    labels = y[train][first]
    position = np.empty(len(first))
    for k in np.unique(labels):
        of_class = rng.permutation(np.flatnonzero(labels == k))
        # A random start keeps classes from taking turns in the same order in all folds.
        position[of_class] = (np.arange(len(of_class)) + rng.random()) / len(of_class)
    return train[np.argsort(position[members], kind="stable")]


def _has_all_classes(n, splits, y):
    """Return whether the first n training rows of each fold hold all classes of the fold."""
    return all(len(np.unique(y[train[:n]])) == len(np.unique(y[train])) for train, _ in splits)
