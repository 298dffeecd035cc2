"""What the images of a fitted sampler are like: quality and copying, class by class."""

import numpy as np
import pandas as pd

from skcxr.metrics import audit, generative_report
from skcxr.over_sampling._base import check_samples, sample_like, to_dense

TOO_FEW = "too few hold-out images"


def inspect_samples(
    sampler, X, y, X_holdout, y_holdout, *, samples=None, features="cxr", random_state=0
):
    """Generative metrics and the memorization audit of each class that `sampler` has grown.

    Parameters
    ----------
    sampler : DCGANOversampler
        One that `fit_resample` was called on.
    X : array-like of shape (n, ...), or sparse matrix
        The images it was fitted on.
    y : array-like of shape (n,)
        Their classes.
    X_holdout, y_holdout : array-like
        Images that it has not seen, such as the fold's test images, for the audit: of the same
        source as the training images, since the audit takes any difference between the two for
        memorization. Copies of training images among them are left out.
    samples : dict of class to ndarray of shape (n, ...), or None, default=None
        The synthetic images to look at, each a row as of X. None draws as many from each model as
        it had real ones, which says what the models make; images that are passed on have to be
        looked at themselves, since a copy among them need not be drawn again.
    features : str, path or callable, default="cxr"
        As :func:`skcxr.metrics.features.feature_extractor` takes it.
    random_state : int, default=0
        Seed of samples, permutations and intervals.

    Returns
    -------
    table : pandas.DataFrame
        A row a class: ``n_real``, ``n_fake`` and ``n_compared``; each metric of
        :func:`skcxr.metrics.generative_report`, followed by its value for real images in place of
        the synthetic ones; the kernel distance's ``p_value``; ``n_shared``, the hold-out images
        that are in the training set too; and ``copying``, the audit's verdict. By which features:
        ``features``, ``layer`` and ``d``.
    audits : dict of class to AuditResult
        Of the classes with four training and two hold-out images or more. Rows of synthetic images
        are those of `samples`, if given.

    Raises
    ------
    ValueError
        If `samples` lacks a class.

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
    (X, y), (X_holdout, y_holdout) = (
        (np.asarray(to_dense(X)), np.asarray(y)) for X, y in ((X, y), (X_holdout, y_holdout))
    )
    check_samples(samples, sampler)
    known = {image.tobytes() for image in X}
    shared = np.array([image.tobytes() in known for image in X_holdout], dtype=bool)
    rows, audits = {}, {}
    for k, estimator in sampler.estimators_.items():
        real, unseen = X[y == k], X_holdout[(y_holdout == k) & ~shared]
        # As many as there are real ones: the Frechet distance hangs on the number.
        fake = (
            sample_like(estimator, real, len(real), random_state) if samples is None else samples[k]
        )
        options = {
            "features": features,
            "image_shape": getattr(estimator, "image_shape", None),
            "random_state": random_state,
        }
        rows[k] = row = {"n_real": len(real), "n_fake": len(fake)}
        if len(real) >= 4 and len(fake) >= 2:
            report = generative_report(real, fake, **options)
            row["n_compared"] = report.attrs["n_compared"][0]
            for metric, values in report.iterrows():
                row |= {metric: values["synthetic"], f"{metric}, real": values["real"]}
            row["p_value"] = report.attrs["p_value"]
            row |= {"features": report.attrs["extractor"]}
            row |= {name: report.attrs[name] for name in ("layer", "d")}
        row["n_shared"] = np.count_nonzero(shared & (y_holdout == k))
        row["copying"] = TOO_FEW
        if len(real) >= 4 and len(unseen) >= 2:
            discriminator = estimator if hasattr(estimator, "decision_function") else None
            audits[k] = audit(fake, real, unseen, discriminator=discriminator, **options)
            row["copying"] = audits[k].verdict
    return pd.DataFrame.from_dict(rows, orient="index"), audits
