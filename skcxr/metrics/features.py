"""Features of images, from which the distances between sets of images are computed."""

from __future__ import annotations

import copy
import functools
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import nn
from torch.nn import functional as F

from skcxr._base.images import ImageSpec
from skcxr._base.text import format_count
from skcxr._base.validation import check_finite
from skcxr.networks._feature_net import load_feature_net, load_packaged_feature_net

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from skcxr._base.types import Device, Features, ImageShape, Rows

NAMES = ("cxr", "inception", "pixels")
SUFFIXES = (".safetensors", ".pth", ".pt")
# A feature with a smaller standard deviation than this is constant.
ROUNDING = 1e-9


@dataclass(frozen=True)
class FeatureExtractor:
    """A function from images to features, with the names to report next to its results.

    Distances between different kinds of features are not comparable. Use
    :func:`feature_extractor` to create it.

    Parameters
    ----------
    name, layer : str
        What computes the features, such as "cxr", and which of its layers they are taken from,
        such as "means of 4 stages".
    function : callable
        From images to features (n, d).
    classifier : callable or None, default=None
        From images to class probabilities. None stands for features without a classifier.

    Examples
    --------
    >>> import numpy as np
    >>> from skcxr.metrics.features import FeatureExtractor
    >>> extractor = FeatureExtractor("brightness", "output", lambda X: X.mean(1, keepdims=True))
    >>> extractor(np.ones((2, 16))).tolist()
    [[1.0], [1.0]]
    """

    name: str
    layer: str
    function: Callable[[Any], Any]
    classifier: Callable[[Any], NDArray[np.float64]] | None = None

    def __call__(self, images: Rows) -> NDArray[np.float64]:
        """Return features of `images` as float64 (n, d).

        The images must have the layout of the reference images.

        Raises
        ------
        ValueError
            If the function does not return one row of finite numbers per image.
        """
        features = self.function(images)
        if isinstance(features, torch.Tensor):
            features = features.detach().cpu()
        features = np.asarray(features, dtype=np.float64)
        if features.ndim != 2 or len(features) != len(images):
            raise ValueError(
                f"features={self.name!r} returned shape {features.shape} for "
                f"{format_count(len(images), 'image')}. Return one row of features per image: "
                f"({len(images)}, d)."
            )
        bad = np.flatnonzero(~np.isfinite(features).all(axis=1))
        if len(bad):
            raise ValueError(
                f"features={self.name!r} returned NaN or infinity for {len(bad)} of the images, "
                f"the first at index {bad[0]}. Check these images for NaN."
            )
        return features

    def probabilities(self, images: Rows) -> NDArray[np.float64] | None:
        """Return class probabilities of images, if the features have a classifier.

        Parameters
        ----------
        images : array-like of shape (n, ...)
            Images in the layout of the reference images.

        Returns
        -------
        probabilities : ndarray of shape (n, n_classes) or None
            The classes of "cxr" are normal, bacterial and viral pneumonia. The classes of
            "inception" are ImageNet's.
        """
        return None if self.classifier is None else self.classifier(images)


def standardize_features(extractor, real):
    """Return a function from images to features with mean 0 and standard deviation 1.

    Parameters
    ----------
    extractor : callable
        From images to features (n, d).
    real : array-like of shape (n, ...)
        Images on which the mean and standard deviation are computed.

    Returns
    -------
    standardized : callable
        From images to standardized features (n, d). Features that are constant on `real` are only
        centered.

    Raises
    ------
    ValueError
        If features are so large that their standard deviation overflows.
    """
    real_features = extractor(real)
    mean = real_features.mean(axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        std = real_features.std(axis=0)
    if not np.isfinite(std).all():
        # Dividing by infinity would make all images equal.
        raise ValueError(
            "The features are too large for float64: their largest magnitude is "
            f"{np.abs(real_features).max():.3g}. Scale them."
        )
    std[std <= ROUNDING] = 1
    return lambda X: (extractor(X) - mean) / std


@dataclass(frozen=True)
class _Network:
    """A network with a linear ``head``, which computes features and class probabilities of images.

    Images are resized to `side` and have `channels` channels. They are processed in batches of
    `batch_size`.
    """

    network: Any
    spec: ImageSpec
    channels: int
    side: int
    batch_size: int
    device: torch.device

    @torch.inference_mode()
    def compute_features(self, images):
        x = _to_tensor(images, self.spec)
        results = []
        for batch in x.split(self.batch_size):
            # Results of different batch sizes differ by rounding. All batches are padded to one
            # size, so that a row does not depend on the number of rows.
            full = F.pad(batch, (0, 0) * 3 + (0, self.batch_size - len(batch))).to(self.device)
            if self.channels != full.shape[1]:
                full = full.mean(1, keepdim=True).expand(-1, self.channels, -1, -1)
            full = F.interpolate(full, (self.side, self.side), mode="bilinear", antialias=True)
            results.append(self.network(full)[: len(batch)].cpu())
        return torch.cat(results)

    @torch.inference_mode()
    def predict_proba(self, images):
        features = self.compute_features(images).to(self.device)
        return self.network.head(features).double().softmax(1).cpu().numpy()


def _to_tensor(images, spec):
    images = np.asarray(images)
    check_finite(images, "images")
    return spec.to_tensor(images)


def _flatten_pixels(images, spec):
    return _to_tensor(images, spec).flatten(1).double().numpy()


def _compute_components(images, spec, pca):
    # Dividing by one number keeps the geometry, and gives squared values of about 1, which the
    # kernel distance needs.
    scale = np.sqrt(pca.explained_variance_.mean() or 1.0)
    return pca.transform(_flatten_pixels(images, spec)) / scale


def _make_pixel_extractor(reference, spec):
    x = _flatten_pixels(reference, spec)
    pca = PCA(min(32, len(x) - 1, x.shape[1]), random_state=0)
    # Of equal images, the ratios of explained variance are 0 / 0. They are not used.
    with np.errstate(invalid="ignore"):
        pca.fit(x)
    function = functools.partial(_compute_components, spec=spec, pca=pca)
    return FeatureExtractor("pixels", f"{pca.n_components_} principal components", function)


def _load_inception(path):
    """Return torchvision's inception_v3 with the weights of a local file, up to its ``head``."""
    from torchvision.models import inception_v3

    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
        # The auxiliary head is only used in training.
        weights = {name: w for name, w in weights.items() if not name.startswith("AuxLogits.")}
        with torch.device("meta"):
            network = inception_v3(weights=None, aux_logits=False, init_weights=False)
        network.load_state_dict(weights, assign=True)
    except (RuntimeError, AttributeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(
            f"{path} does not hold a state dict of torchvision's inception_v3. Pass the file that "
            "torchvision.models.inception_v3(weights='DEFAULT') downloads."
        ) from error
    network.head = network.fc
    network.fc = nn.Identity()
    return network.eval()


def _find_inception_weights():
    """Return the path of torchvision's inception_v3 weights in torch.hub's cache."""
    from torchvision.models import Inception_V3_Weights

    url = Inception_V3_Weights.IMAGENET1K_V1.url
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not path.is_file():
        raise FileNotFoundError(
            f"features='inception' needs {path}, and skcxr does not download it. Get it from "
            f'{url}, or run torchvision.models.inception_v3(weights="DEFAULT") on a machine with '
            "network access. Then copy it there, or pass its path as features=."
        )
    return path


def feature_extractor(
    features: Features,
    reference: ArrayLike,
    *,
    image_shape: ImageShape | None = None,
    device: Device = "cpu",
) -> FeatureExtractor:
    """Return the extractor that a parameter ``features`` stands for.

    Layout and range of values are inferred once, from the real training images, and applied to
    all later sets. Scaling each set by its own extremes would hide a shift of intensity. The `user
    guide <https://skcxr.readthedocs.io/en/stable/guide/measuring.html>`_ links to measurements of
    what each kind of features detects.

    Parameters
    ----------
    features : {"cxr", "inception", "pixels"}, path, callable or FeatureExtractor
        - "cxr": 64 features of a small network trained on radiographs, which comes with skcxr.
        - "inception": the 2048 pool features of torchvision's ImageNet network. Its weights are
          read from torch.hub's local cache. Published values were computed with TensorFlow's
          weights and differ.
        - "pixels": up to 32 principal components of the reference's pixels, for comparison.
        - a path to a local file: ``.safetensors`` holds weights of the "cxr" network, ``.pth`` or
          ``.pt`` a state dict of torchvision's inception_v3.
        - a callable: it is called with the images exactly as passed and returns features (n, d).
        - a FeatureExtractor: it is returned unchanged.
    reference : array-like of shape (n, h*w), (n, h, w) or (n, c, h, w)
        The real training images, of any dtype and range.
    image_shape : tuple of int or None, default=None
        The (height, width) or (channels, height, width) of flat rows. None stands for one square
        channel.
    device : str or torch.device, default="cpu"
        The device that the networks run on.

    Returns
    -------
    extractor : FeatureExtractor
        A callable from images to features (n, d).

    Raises
    ------
    ValueError
        If `features` is none of the above, a file does not fit, or `reference` holds fewer than
        two images, or values that are not finite.
    FileNotFoundError
        If the file of weights does not exist. Nothing is downloaded.

    Examples
    --------
    >>> from skcxr.datasets import make_chest_phantoms
    >>> from skcxr.metrics.features import feature_extractor
    >>> X = make_chest_phantoms(12, image_size=32, random_state=0).data
    >>> extractor = feature_extractor("cxr", X)
    >>> extractor.name, extractor.layer, extractor(X).shape
    ('cxr', 'means of 4 stages', (12, 64))
    """
    if isinstance(features, FeatureExtractor):
        return features
    if callable(features):
        return build_feature_extractor(features, None, None)
    if features not in NAMES:
        _check_path(features)
    reference = np.asarray(reference)
    if len(reference) < 2:
        raise ValueError(f"reference must hold two images or more, got {len(reference)}.")
    check_finite(reference, "reference")
    spec = ImageSpec.of(reference, image_shape)
    if features == "pixels":
        return _make_pixel_extractor(reference, spec)
    return build_feature_extractor(features, spec, torch.device(device))


def build_feature_extractor(features, spec, device):
    """Return the extractor of a network, or of a callable, for images of a layout.

    Parameters
    ----------
    features : {"cxr", "inception"}, path or callable
        Features, as :func:`feature_extractor` takes them.
    spec : ImageSpec
        Layout and range of the images.
    device : torch.device
        The device that a network runs on.

    Returns
    -------
    extractor : FeatureExtractor
    """
    if callable(features):
        name = getattr(features, "__name__", type(features).__name__)
        return FeatureExtractor(name, "output", features)
    if features not in NAMES:
        _check_path(features)
    path = Path(features)
    if features == "cxr" or path.suffix == ".safetensors":
        layer = "means of 4 stages"
        # The packaged network is cached: a copy moves to the device.
        network = (
            copy.deepcopy(load_packaged_feature_net())
            if features == "cxr"
            else load_feature_net(path)
        )
        run = _Network(network.to(device), spec, channels=1, side=64, batch_size=64, device=device)
    else:
        layer = "pool"
        network = _load_inception(_find_inception_weights() if features == "inception" else path)
        # Images stay in [-1, 1]: the transform_input of torchvision's pretrained network would
        # convert ImageNet's normalization to this range.
        run = _Network(network.to(device), spec, channels=3, side=299, batch_size=4, device=device)
    # Path("cxr").name is "cxr".
    return FeatureExtractor(path.name, layer, run.compute_features, run.predict_proba)


def _check_path(features):
    """Raise an error if `features` is not the path of an existing file of weights."""
    if not isinstance(features, str | Path) or Path(features).suffix not in SUFFIXES:
        raise ValueError(
            f"features={features!r} must be 'cxr', 'inception', 'pixels', a path to weights "
            f"({', '.join(SUFFIXES)}) or a callable."
        )
    if not Path(features).is_file():
        raise FileNotFoundError(
            f"features={str(features)!r}: there is no such file. Pass the path of an existing file."
        )
