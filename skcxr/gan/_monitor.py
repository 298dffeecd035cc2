"""What DCGAN(monitor=...) measures while it trains."""

import numpy as np
import torch

from skcxr.metrics import frechet_distance, inception_score, kernel_distance
from skcxr.metrics.features import feature_extractor

LARGEST_SAMPLE = 256
BATCH = 64


class SampleMonitor:
    """Distances between a generator's samples and the images that it is trained on.

    They are taken to training images alone, so that nothing of a validation fold reaches the GAN.
    A generator that copies its training images comes nearest of all: low values are no praise.

    Parameters
    ----------
    features : str, path or callable
        As :func:`skcxr.metrics.features.feature_extractor` takes it.
    X : ndarray
        The training images, in any layout.
    to_array : callable
        From a generator's images, a tensor on the CPU, to X's layout and range.
    latent_dim : int
        Length of a latent vector.
    image_shape : tuple of int or None
        Of flat X that is no square.
    seed : int
        Of the latent vectors, which stay the same over training. They are a generator of their
        own: a monitored training leads to the same weights.

    Attributes
    ----------
    context : dict
        What belongs beside the figures: ``extractor``, ``layer``, ``d``, ``n_real``, ``n_fake``,
        and ``floor``, the distances between random halves of the real images. The kernel
        distance's floor is good for any number of images; the Frechet distance's is larger than it
        would be for all of them.
    """

    def __init__(self, features, X, *, to_array, latent_dim, image_shape, seed):
        self.extractor = feature_extractor(features, X, image_shape=image_shape)
        self.real = self.extractor(X)
        self.to_array = to_array
        n_samples = min(len(X), LARGEST_SAMPLE)
        self.context = {
            "extractor": self.extractor.name,
            "layer": self.extractor.layer,
            "d": self.real.shape[1],
            "n_real": len(X),
            "n_fake": n_samples,
            "floor": _floor(self.real, seed),
        }
        rng = np.random.RandomState(seed)
        self.z = torch.from_numpy(rng.uniform(-1, 1, (n_samples, latent_dim, 1, 1))).float()

    @torch.no_grad()
    def __call__(self, generator):
        """Figures of the generator's current weights, as a dict."""
        device = next(generator.parameters()).device
        generator.eval()
        images = torch.cat([generator(z.to(device)).cpu() for z in self.z.split(BATCH)])
        generator.train()
        if not images.isfinite().all():
            # The losses tell, with advice.
            return {}
        samples = self.to_array(images)
        fake = self.extractor(samples)
        figures = {
            "kernel_distance": kernel_distance(self.real, fake, n_permutations=0).value,
            "frechet_distance": frechet_distance(self.real, fake),
        }
        probabilities = self.extractor.probabilities(samples)
        if probabilities is not None:
            figures["inception_score"] = inception_score(probabilities)
        return figures


def _floor(real, seed):
    """Distances between halves of the real images' features, the mean of 20 random ones."""
    if len(real) < 4:
        return {}
    rng, half = np.random.RandomState(seed), len(real) // 2
    orders = [rng.permutation(len(real)) for _ in range(20)]
    pairs = [(real[order[:half]], real[order[half : 2 * half]]) for order in orders]
    return {
        "kernel_distance": float(
            np.mean([kernel_distance(*pair, n_permutations=0).value for pair in pairs])
        ),
        "frechet_distance": float(np.mean([frechet_distance(*pair) for pair in pairs])),
    }
