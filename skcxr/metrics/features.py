"""Features of images, on which the distances between sets of images are computed."""

import copy
import functools
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from sklearn.decomposition import PCA
from torch import nn
from torch.nn import functional as F

from skcxr._base.images import ImageSpec

CHOICES = "'cxr', 'inception', 'pixels', a path to weights (.safetensors, .pth, .pt) or a callable"


@dataclass(frozen=True)
class FeatureExtractor:
    """A function from images to features, with the names that belong beside its results.

    Distances of different features are not comparable. :func:`feature_extractor` makes these.

    Parameters
    ----------
    name, layer : str
        What computes the features and where in it they are read: "cxr", "means of 4 stages".
    function, classifier : callable
        Images to features (n, d), and to class probabilities; the latter None without a head.

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
    function: Callable
    classifier: Callable | None = None

    def __call__(self, images):
        """Features of `images`, which are laid out as the reference was: float64 (n, d).

        Raises
        ------
        ValueError
            If the function returns anything but one row of finite numbers for each image.
        """
        features = self.function(images)
        if isinstance(features, torch.Tensor):
            features = features.detach().cpu()
        features = np.asarray(features, dtype=np.float64)
        if features.ndim != 2 or len(features) != len(images):
            raise ValueError(
                f"features={self.name!r} returned shape {features.shape} for {len(images)} images. "
                f"Return one row of features for each image: ({len(images)}, d)."
            )
        bad = np.flatnonzero(~np.isfinite(features).all(axis=1))
        if len(bad):
            raise ValueError(
                f"features={self.name!r} returned NaN or infinity for {len(bad)} of the images, "
                f"the first at index {bad[0]}. Check these images for NaN."
            )
        return features

    def probabilities(self, images):
        """Class probabilities of images, where the features have a classifier.

        Parameters
        ----------
        images : array-like of shape (n, ...)
            Laid out as the reference was.

        Returns
        -------
        probabilities : ndarray of shape (n, n_classes) or None
            Those of "cxr" are normal, bacterial and viral pneumonia; "inception"'s are ImageNet's.
        """
        return None if self.classifier is None else self.classifier(images)


class CXRFeatureNet(nn.Module):
    """The network behind the "cxr" features: what four stages of convolution see on average.

    A stage is a 3x3 convolution, 2x2 max pooling (but for the last), batch normalisation and
    ReLU. All channels' means over the image, standardised as the training images' were, are
    projected on principal components. ``docs/features.md`` says how it was trained and chosen.

    Parameters
    ----------
    n_classes : int, default=3
        Outputs of the head.
    widths : tuple of int, default=(24, 48, 96, 64)
        Channels of the stages.
    n_features : int, default=64
        Principal components: few, for a covariance of some 60 images.

    Examples
    --------
    >>> from skcxr.metrics.features import CXRFeatureNet
    >>> sum(p.numel() for p in CXRFeatureNet().parameters())
    122859
    """

    def __init__(self, n_classes=3, widths=(24, 48, 96, 64), n_features=64):
        super().__init__()
        self.stages = nn.ModuleList()
        for i, (before, width) in enumerate(zip((1, *widths[:-1]), widths, strict=True)):
            convolution = nn.Conv2d(before, width, 3, 2 if i == 0 else 1, padding=1, bias=False)
            pooling = nn.MaxPool2d(2) if i < len(widths) - 1 else nn.Identity()
            normalised = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(inplace=True))
            self.stages.append(nn.Sequential(convolution, pooling, *normalised))
        self.standardise = nn.BatchNorm1d(sum(widths), affine=False)
        self.project = nn.Linear(sum(widths), n_features, bias=False)
        self.head = nn.Linear(n_features, n_classes)

    def means(self, x):
        """Standardised means of all channels, (n, sum(widths))."""
        means = [(x := stage(x)).mean((2, 3)) for stage in self.stages]
        return self.standardise(torch.cat(means, 1))

    def forward(self, x):
        """Features (n, n_features) of the images `x` (n, 1, 64, 64) in [-1, 1]."""
        return self.project(self.means(x))


@dataclass(frozen=True)
class _Network:
    """Features and class probabilities of images by a network and its linear head."""

    network: nn.Module
    head: nn.Module
    spec: ImageSpec
    channels: int
    side: int
    batch_size: int
    device: torch.device

    @torch.inference_mode()
    def features(self, images):
        x = self.spec.to_tensor(np.asarray(images))
        results = []
        for batch in x.split(self.batch_size):
            # Another batch size rounds differently: a row must not depend on the rows beside it.
            full = F.pad(batch, (0, 0) * 3 + (0, self.batch_size - len(batch))).to(self.device)
            if self.channels != full.shape[1]:
                full = full.mean(1, keepdim=True).expand(-1, self.channels, -1, -1)
            full = F.interpolate(full, (self.side, self.side), mode="bilinear", antialias=True)
            results.append(self.network(full)[: len(batch)].cpu())
        return torch.cat(results)

    @torch.inference_mode()
    def probabilities(self, images):
        return self.head(self.features(images).to(self.device)).double().softmax(1).cpu().numpy()


def _pixels(images, spec):
    return spec.to_tensor(np.asarray(images)).flatten(1).double().numpy()


def _components(images, spec, pca):
    # One scalar keeps the geometry; the kernel distance wants squared values of about 1.
    scale = np.sqrt(pca.explained_variance_.mean() or 1.0)
    return pca.transform(_pixels(images, spec)) / scale


def _load_cxr(path):
    """The "cxr" network with the weights of a safetensors file, which can not hold code."""
    try:
        weights = load_file(path)
        network = CXRFeatureNet(n_classes=len(weights["head.bias"]))
        network.load_state_dict(weights)
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise ValueError(
            f"{path} does not hold weights of CXRFeatureNet. Pass a file that this version's "
            "benchmarks/cxr_features.py wrote."
        ) from error
    return network.eval()


@functools.cache
def _packaged_cxr():
    with resources.as_file(resources.files("skcxr.metrics") / "cxr_features.safetensors") as path:
        return _load_cxr(path)


def _load_inception(path):
    """torchvision's inception_v3 with the weights of a local file."""
    from torchvision.models import inception_v3

    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
        # The auxiliary head serves training alone.
        weights = {name: w for name, w in weights.items() if not name.startswith("AuxLogits.")}
        with torch.device("meta"):
            network = inception_v3(weights=None, aux_logits=False, init_weights=False)
        network.load_state_dict(weights, assign=True)
    except (RuntimeError, AttributeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(
            f"{path} does not hold a state dict of torchvision's inception_v3. Pass the file that "
            "its weights='DEFAULT' downloads."
        ) from error
    return network.eval()


def _inception_path():
    from torchvision.models import Inception_V3_Weights

    url = Inception_V3_Weights.IMAGENET1K_V1.url
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not path.is_file():
        raise FileNotFoundError(
            f"features='inception' needs {path}, and skcxr downloads nothing. Get it from {url}, "
            'or run torchvision.models.inception_v3(weights="DEFAULT") once on a machine with '
            "network; then put it there, or pass its path as features=."
        )
    return path


def feature_extractor(features, reference, *, image_shape=None, device="cpu"):
    """Make the extractor that a parameter ``features`` stands for.

    Layout and range of values are inferred once, from the real training images, and applied to
    every later set. Scaling each set by its own extremes would hide a shift of intensity.
    ``docs/features.md`` has measurements of what each choice sees.

    Parameters
    ----------
    features : {"cxr", "inception", "pixels"}, path, callable or FeatureExtractor
        - "cxr": 64 features of a small network trained on radiographs, which comes with skcxr.
        - "inception": the 2048 pool features of torchvision's ImageNet network, its weights from
          torch.hub's local cache. Published values come from TensorFlow's weights and differ.
        - "pixels": up to 32 principal components of the reference's pixels, to compare with.
        - a path to a local file: ``.safetensors`` holds weights of the "cxr" network, ``.pth`` or
          ``.pt`` a state dict of torchvision's inception_v3.
        - a callable takes the images just as they are passed and returns features (n, d).
        - a FeatureExtractor is returned as it is.
    reference : array-like of shape (n, h*w), (n, h, w) or (n, c, h, w)
        The real training images, of any dtype and range.
    image_shape : tuple of int or None, default=None
        (height, width) or (channels, height, width) of flat rows; None is one square channel.
    device : str or torch.device, default="cpu"
        Where the networks compute.

    Returns
    -------
    extractor : FeatureExtractor
        A callable from images to features (n, d).

    Raises
    ------
    ValueError
        If `features` is none of these, a file does not fit, or `reference` is no set of images.
    FileNotFoundError
        If the weights are not there. Nothing is ever downloaded.

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
        name = getattr(features, "__name__", type(features).__name__)
        return FeatureExtractor(name, "output", features)
    path = Path(features if isinstance(features, str | Path) else "")
    if features not in ("cxr", "inception", "pixels"):
        if path.suffix not in (".safetensors", ".pth", ".pt"):
            raise ValueError(f"features={features!r} must be {CHOICES}.")
        if not path.is_file():
            raise FileNotFoundError(f"features={str(features)!r}: there is no such file.")
    reference = np.asarray(reference)
    if len(reference) < 2:
        raise ValueError(f"reference must hold two images or more, got {len(reference)}.")
    spec = ImageSpec.of(reference, image_shape)
    if features == "pixels":
        x = _pixels(reference, spec)
        pca = PCA(min(32, len(x) - 1, x.shape[1]), random_state=0).fit(x)
        layer = f"{pca.n_components_} principal components"
        return FeatureExtractor("pixels", layer, functools.partial(_components, spec=spec, pca=pca))
    device, name = torch.device(device), path.name
    if features == "cxr" or path.suffix == ".safetensors":
        # A copy, since the cached one stays on the CPU.
        cxr = copy.deepcopy(_packaged_cxr()) if features == "cxr" else _load_cxr(path)
        layer = "means of 4 stages"
        run = _Network(cxr.to(device), cxr.head, spec, 1, 64, 64, device)
    else:
        inception = _load_inception(_inception_path() if features == "inception" else path)
        head, inception.fc = inception.to(device).fc, nn.Identity()
        # Images stay in [-1, 1]: with its pretrained weights torchvision's network would undo the
        # ImageNet normalisation of its input to just this (transform_input).
        layer, run = "pool", _Network(inception, head, spec, 3, 299, 4, device)
    return FeatureExtractor(name, layer, run.features, run.probabilities)
