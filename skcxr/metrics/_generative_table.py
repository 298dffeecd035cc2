"""The generative metrics: how each is called, which values are better, and what it means."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GenerativeMetric:
    """A metric of synthetic images that are compared with real ones.

    Parameters
    ----------
    key : str
        Name in code, such as a column of ``DCGAN.history_``.
    label : str
        Name in tables, such as a row of :func:`skcxr.metrics.generative_report`.
    direction : {"lower", "higher"}
        Whether lower or higher values are better. "higher" holds up to the value of real images.
    meaning : str
        What the metric measures, in one phrase.
    """

    key: str
    label: str
    direction: str
    meaning: str

    @property
    def columns(self):
        """Return the column names of synthetic and of real images in tables of samples."""
        return self.label, f"{self.label}, real"


TABLE = (
    GenerativeMetric(
        "kernel_distance",
        "kernel distance",
        "lower",
        "Distance between the distributions of features, about 0 if they are the same",
    ),
    GenerativeMetric(
        "frechet_distance",
        "Frechet distance",
        "lower",
        "Distance between means and covariances of features, biased upward for few images",
    ),
    GenerativeMetric(
        "precision",
        "precision",
        "higher",
        "Share of synthetic images in the neighborhood of a real image",
    ),
    GenerativeMetric(
        "recall",
        "recall",
        "higher",
        "Share of real images in the neighborhood of a synthetic image",
    ),
    GenerativeMetric(
        "density",
        "density",
        "higher",
        "Number of real images in whose neighborhood a synthetic image lies, divided by k: about 1 "
        "for real images",
    ),
    GenerativeMetric(
        "coverage",
        "coverage",
        "higher",
        "Share of real images with a synthetic image in their neighborhood",
    ),
    GenerativeMetric(
        "diversity",
        "diversity",
        "higher",
        "Mean distance between two synthetic images",
    ),
    GenerativeMetric(
        "inception_score",
        "inception score",
        "higher",
        "Certainty and variety of a classifier's predictions, from 1 to the number of classes",
    ),
)
GENERATIVE_METRICS = {metric.key: metric for metric in TABLE}
