"""Quality and copying of the images of a fitted sampler, class by class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skcxr._base.images import ImageSpec, to_dense
from skcxr._base.validation import check_finite, check_lengths, ravel_labels
from skcxr.datasets._near_duplicates import find_near_duplicates
from skcxr.metrics import audit, generative_report
from skcxr.metrics._audit._equality import find_equal
from skcxr.metrics._audit._verdict import (
    COPIES,
    NOT_AUDITED,
    describe_missing_audit,
    is_passed,
)
from skcxr.over_sampling._base import check_classes, check_samples, sample_like

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from skcxr._base.types import Features, FittedSampler, Images, ImagesByClass
    from skcxr.metrics import AuditResult


def inspect_samples(
    sampler: FittedSampler,
    X: Images,
    y: ArrayLike,
    X_holdout: Images,
    y_holdout: ArrayLike,
    *,
    samples: ImagesByClass | None = None,
    features: Features = "cxr",
    random_state: int = 0,
) -> tuple[pd.DataFrame, dict[Any, AuditResult]]:
    """Measure and audit the synthetic images of each class that `sampler` has grown.

    Parameters
    ----------
    sampler : DCGANOversampler
        Sampler whose `fit_resample` has been called.
    X : array-like of shape (n, ...), or sparse matrix
        The images it was fitted on.
    y : array-like of shape (n,)
        Classes of `X`.
    X_holdout, y_holdout : array-like
        Held-out images for the audit, such as the fold's test images, and their classes. Take them
        from the same source as the training images: the audit interprets any difference between
        the two as memorization. Near-duplicates of training images among them are left out.
    samples : dict of class to ndarray of shape (n, ...), or None, default=None
        Synthetic images to inspect, each a row in the layout of `X`. None draws as many from each
        model as it was fitted on, which describes the model. Images that you share must be passed
        here, since a new draw need not repeat a copy among them.
    features : str, path or callable, default="cxr"
        Features, as in :func:`skcxr.metrics.features.feature_extractor`.
    random_state : int, default=0
        Seed of samples, permutations and intervals.

    Returns
    -------
    table : pandas.DataFrame
        One row per class: ``n_real``, ``n_fake`` and ``n_compared``; each metric of
        :func:`skcxr.metrics.generative_report`, followed by its value for real images in place of
        the synthetic ones; the kernel distance's ``p_value``; the ``features`` with their ``layer``
        and dimension ``d``; ``n_shared``, the number of held-out images that show a
        training image; ``n_holdout``, the number of held-out images in the audit; ``power``, the
        share of near-copies that the audit would find; and ``copying``, the audit's verdict. It is
        "not audited" for classes without an audit, or "copies found" if their synthetic images
        equal training images.
    audits : dict of class to AuditResult
        Audits of the classes with at least four training and two held-out images. Rows of
        synthetic images refer to `samples`, if given.

    Raises
    ------
    ValueError
        If `y` or `samples` lacks a class that the sampler has grown, if `y_holdout` has no label in
        common with `y`, if there is not one label per image, or if images hold NaN or infinity.

    Examples
    --------
    >>> from skcxr import DCGAN, DCGANOversampler
    >>> from skcxr.datasets import make_chest_phantoms
    >>> from skcxr.evaluation import inspect_samples
    >>> phantoms = make_chest_phantoms(48, image_size=16, random_state=0)
    >>> X, y = phantoms.images, phantoms.target
    >>> gan = DCGAN(image_size=16, base_width=8, max_epochs=1)
    >>> sampler = DCGANOversampler(gan, sampling_strategy={0: 12}, random_state=0)
    >>> _ = sampler.fit_resample(X[:32], y[:32])
    >>> table, audits = inspect_samples(sampler, X[:32], y[:32], X[32:], y[32:])
    >>> table.index.tolist(), list(audits)
    ([0], [0])
    """
    X = np.asarray(to_dense(X))
    y = ravel_labels(y, "y")
    X_holdout = np.asarray(to_dense(X_holdout))
    y_holdout = ravel_labels(y_holdout, "y_holdout")
    check_lengths(("X", "y"), X, y)
    check_lengths(("X_holdout", "y_holdout"), X_holdout, y_holdout)
    check_classes(y, sampler)
    check_samples(samples, sampler)
    check_finite(X, "X")
    check_finite(X_holdout, "X_holdout")
    for k, images in ({} if samples is None else samples).items():
        check_finite(np.asarray(images), f"samples[{k!r}]")
    if len(y_holdout) and not set(y_holdout.tolist()) & set(y.tolist()):
        raise ValueError(
            f"y_holdout has the labels {np.unique(y_holdout).tolist()}, none of which is in y, "
            f"{np.unique(y).tolist()}. Pass labels of the same classes and the same type."
        )
    is_shared = _find_shared(X, X_holdout, sampler)
    rows = {}
    audits = {}
    for k, estimator in sampler.estimators_.items():
        real = X[y == k]
        unseen = X_holdout[(y_holdout == k) & ~is_shared]
        if samples is None:
            # The Frechet distance depends on the sample size, so draw as many as there are real.
            fake = sample_like(estimator, real, len(real), random_state)
        else:
            fake = samples[k]
        options: dict[str, Any] = {
            "features": features,
            "image_shape": getattr(estimator, "image_shape", None),
            "random_state": random_state,
        }
        row: dict[str, Any] = {"n_real": len(real), "n_fake": len(fake)}
        if len(real) >= 4 and len(fake) >= 2:
            row.update(_measure_quality(real, fake, options))
        row["n_shared"] = np.count_nonzero(is_shared & (y_holdout == k))
        row["n_holdout"] = len(unseen)
        if len(real) >= 4 and len(unseen) >= 2:
            discriminator = estimator if hasattr(estimator, "decision_function") else None
            audits[k] = audit(fake, real, unseen, discriminator=discriminator, **options)
            row["power"] = audits[k].power
            row["copying"] = audits[k].verdict
        else:
            row["power"] = np.nan
            row["copying"] = COPIES if _has_equal(fake, real, options) else NOT_AUDITED
        rows[k] = row
    return pd.DataFrame.from_dict(rows, orient="index"), audits


def _find_shared(X, X_holdout, sampler):
    """Return a mask of held-out images that show a training image."""
    known = {image.tobytes() for image in X}
    is_shared = np.array([image.tobytes() in known for image in X_holdout], dtype=bool)
    if len(X_holdout):
        estimator = next(iter(sampler.estimators_.values()), None)
        pairs, _ = find_near_duplicates(
            X_holdout, X, image_shape=getattr(estimator, "image_shape", None)
        )
        is_shared[pairs[:, 0]] = True
    return is_shared


def audit_pool(samples, pool, X_holdout, y_holdout, *, random_state=0):
    """Audit synthetic images for copies of images that their GANs were pretrained on.

    Parameters
    ----------
    samples : dict of class to ndarray of shape (n, ...)
        Synthetic images.
    pool : ndarray of shape (n, h, w)
        Images of the pretraining, without labels.
    X_holdout : ndarray of shape (n, ...)
        Real images that no GAN has seen.
    y_holdout : ndarray of shape (n,)
        Their classes.
    random_state : int, default=0
        Seed of the audit.

    Returns
    -------
    audits : dict of class to AuditResult
        Classes with fewer than two held-out images have none.
    """
    shape = (-1, *pool.shape[1:])
    audits = {}
    for k, images in samples.items():
        unseen = X_holdout[y_holdout == k]
        if len(unseen) >= 2:
            audits[k] = audit(
                images.reshape(shape), pool, unseen.reshape(shape), random_state=random_state
            )
    return audits


def convert_audits(table, audits):
    """Return the audit of each class as JSON's types, and why there is none of the others.

    Parameters
    ----------
    table, audits
        Both results of :func:`inspect_samples`.

    Returns
    -------
    found : dict of str to dict
    """
    found = {}
    for k, verdict in table["copying"].items():
        if k in audits:
            found[str(k)] = audits[k].to_dict()
        else:
            found[str(k)] = {
                "verdict": verdict,
                "passed": is_passed(verdict),
                "limitation": describe_missing_audit(verdict),
                "power": None,
                "n_holdout_needed": None,
                "reading": f"{verdict.capitalize()}. {describe_missing_audit(verdict)}",
                "table": [],
                "pairs": [],
            }
    return found


def _has_equal(fake, real, options):
    """Return whether a synthetic image equals a training image: this needs no held-out image."""
    fake, real = np.asarray(fake), np.asarray(real)
    spec = ImageSpec.of(real, options["image_shape"])
    return bool(find_equal(fake, real, spec)[0].any())


def _measure_quality(real, fake, options):
    """Return the generative metrics of one class, and the features they are based on."""
    report = generative_report(real, fake, **options)
    metrics = {}
    for metric, values in report.iterrows():
        metrics[metric] = values["synthetic"]
        metrics[f"{metric}, real"] = values["real"]
    return {
        "n_compared": report.attrs["n_compared"][0],
        **metrics,
        "p_value": report.attrs["p_value"],
        "features": report.attrs["extractor"],
        "layer": report.attrs["layer"],
        "d": report.attrs["d"],
    }
