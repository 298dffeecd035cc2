"""Measurements of DCGAN(monitor=...) during training."""

import numpy as np

from skcxr.metrics import frechet_distance, inception_score, kernel_distance
from skcxr.metrics.features import feature_extractor

LARGEST_SAMPLE = 256


class SampleMonitor:
    """Distances between a generator's samples and the images that it is trained on.

    Distances are taken to training images only, so that no validation image reaches the GAN. A
    generator that copies its training images has the lowest distances, so low values alone are not
    a sign of quality.

    Parameters
    ----------
    features : str, path or callable
        Features, as :func:`skcxr.metrics.features.feature_extractor` takes them.
    X : ndarray of shape (n, ...)
        Training images, in any layout.
    image_shape : tuple of int or None
        Shape of flat rows that are not square.
    seed : int
        Seed of the halves behind the floor.

    Attributes
    ----------
    n_samples : int
        Number of samples to measure: as many as training images, 256 at most.
    context : dict
        Facts to report with the figures: ``extractor``, ``layer``, ``d``, ``n_real``, ``n_fake``,
        and ``floor``, the distances between random halves of the real images. The kernel
        distance's floor holds for any number of images; the Frechet distance's is larger than it
        would be for all of them.
    """

    def __init__(self, features, X, *, image_shape, seed):
        self.extractor = feature_extractor(features, X, image_shape=image_shape)
        self.real = self.extractor(X)
        self.n_samples = min(len(X), LARGEST_SAMPLE)
        self.context = {
            "extractor": self.extractor.name,
            "layer": self.extractor.layer,
            "d": self.real.shape[1],
            "n_real": len(X),
            "n_fake": self.n_samples,
            "floor": _measure_floor(self.real, seed),
        }

    def measure(self, samples):
        """Return the distances of `samples`, images in X's layout, as a dict."""
        fake = self.extractor(samples)
        figures = {
            "kernel_distance": kernel_distance(self.real, fake, n_permutations=0).value,
            "frechet_distance": frechet_distance(self.real, fake),
        }
        probabilities = self.extractor.probabilities(samples)
        if probabilities is not None:
            figures["inception_score"] = inception_score(probabilities)
        return figures


def _measure_floor(real, seed):
    """Return mean distances between halves of the real images' features, over 20 random splits."""
    if len(real) < 4:
        return {}
    rng = np.random.RandomState(seed)
    half = len(real) // 2
    kernel = []
    frechet = []
    for _ in range(20):
        order = rng.permutation(len(real))
        halves = real[order[:half]], real[order[half : 2 * half]]
        kernel.append(kernel_distance(*halves, n_permutations=0).value)
        frechet.append(frechet_distance(*halves))
    return {"kernel_distance": float(np.mean(kernel)), "frechet_distance": float(np.mean(frechet))}
