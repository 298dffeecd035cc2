"""The comparison of several estimators, the arms, on the same cross-validation folds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tqdm.auto import tqdm

from skcxr.evaluation._checks import check_names
from skcxr.evaluation._comparison import Comparison
from skcxr.evaluation._controls import find_controls, warn_of_missing_controls
from skcxr.evaluation._folds import plan_folds, run_folds
from skcxr.evaluation._pretraining import warn_of_pretraining_overlap
from skcxr.metrics._paired import check_rope

if TYPE_CHECKING:
    from joblib import Memory
    from numpy.typing import ArrayLike

    from skcxr._base.types import Arms, Folds, Images, Path, Scoring


def compare(
    arms: Arms,
    X: Images,
    y: ArrayLike,
    *,
    cv: Folds = 4,
    groups: ArrayLike | None = None,
    baseline: str | None = None,
    scoring: Scoring = "accuracy",
    rope: float = 0.01,
    n_jobs: int | None = None,
    memory: Path | Memory | None = None,
    verbose: int = 0,
    error_score: Literal["raise"] | float = "raise",
) -> Comparison:
    """Fit all arms on the same folds and compare them by their paired differences.

    Parameters
    ----------
    arms : dict of str to estimator
        Classifiers with `predict_proba`, or pipelines that end in one and may hold samplers. If an
        arm adds synthetic images, include a control that adds as many duplicates
        (:func:`duplicates_of`), since more images also mean more training steps.
    X : array-like
        Images, in any layout that the arms take.
    y : array-like of shape (n,)
        Classes, of any type that can be sorted. One column is raveled with a warning.
    cv : int or splitter, default=4
        Folds, as in scikit-learn. An int gives stratified folds without shuffling, which keep
        groups together if there are any. A repeated splitter narrows the intervals.
    groups : array-like of shape (n,) or None, default=None
        Patient of each image; all images of a patient stay in one fold. Folds that would separate
        them are refused. None splits image by image.
    baseline : str or None, default=None
        Name of the arm that the others are compared with. None takes the first arm.
    scoring : str, callable, list of str or dict, default="accuracy"
        Scores, as in :func:`sklearn.model_selection.cross_validate`. The first one decides the
        verdicts. The sensitivity and the AUC of each class are added.
    rope : float, default=0.01
        Half the width of the region of practical equivalence, in units of the first score:
        differences from ``-rope`` to ``rope`` do not matter in practice. Choose it before you look
        at results. At least 0.
    n_jobs : int or None, default=None
        Number of fits that joblib runs at once. None runs one at a time, unless a joblib backend
        is active.
    memory : str, path, joblib.Memory or None, default=None
        Folder that keeps each finished fold, so that the same call resumes after an interruption.
        The key is the arm with its parameters, the images, the fold, the scores, the source of your
        own modules that they use, and the versions of skcxr and PyTorch: give each arm an int as
        ``random_state``. None keeps nothing. The cache of ``Pipeline(memory=...)`` is joblib's own,
        which knows functions by their names: clear it when you edit one.
    verbose : int, default=0
        1 shows a progress bar.
    error_score : "raise" or float, default="raise"
        What an error in a fit leads to. "raise" raises it, with the arm and the fold in its
        message. A number, such as NaN, becomes each score of that arm in that fold, with a
        FitFailedWarning; the predictions of that fold are missing.

    Returns
    -------
    comparison : Comparison
        Results in long form, paired differences with intervals, verdicts, and a recommendation in
        sentences.

    Raises
    ------
    ValueError or TypeError
        If arms, their parameters, the baseline, images, labels, groups, folds, scores or `rope` are
        invalid, or if the labels alone show that a fit would fail. Nothing has been fitted then.

    Warns
    -----
    UserWarning
        If an arm adds synthetic images and none adds as many duplicates. The class sizes that arms
        train on are computed from the labels. They are not compared where a sampler that looks at
        the images decides them, such as TomekLinks.
    DataConversionWarning
        If `y` is a column.
    FitFailedWarning
        If a fit fails and `error_score` is a number.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skcxr.evaluation import compare
    >>> X, y = load_iris(return_X_y=True)
    >>> arms = {"weak": LogisticRegression(C=1e-4), "strong": LogisticRegression(max_iter=999)}
    >>> comparison = compare(arms, X, y, cv=5)
    >>> comparison.summary.loc["strong", ["difference", "low", "high"]].round(2).tolist()
    [0.28, 0.21, 0.35]
    >>> comparison.summary["verdict"]["strong"]
    'better'
    """
    check_names(arms)
    if baseline is not None and baseline not in arms:
        raise ValueError(
            f"baseline={baseline!r} is not one of the arms, {list(arms)}. Name one of them, or "
            "pass None for the first."
        )
    check_rope(rope)
    plan = plan_folds(arms, X, y, cv, groups, scoring, error_score)
    warn_of_missing_controls(arms, plan.y, plan.splits)
    warn_of_pretraining_overlap(arms, X)
    results = run_folds(plan, X, n_jobs=n_jobs, memory=memory, return_estimator=False)
    n_fits = len(arms) * len(plan.splits)
    bar = tqdm(results, total=n_fits, desc="folds x arms", unit="fit", disable=not verbose)
    baseline = next(iter(arms)) if baseline is None else baseline
    return Comparison.of(
        bar,
        plan.y,
        arms=arms,
        baseline=baseline,
        rope=rope,
        groups=plan.groups,
        controls=find_controls(arms, plan.y, plan.splits),
    )
