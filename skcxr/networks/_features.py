"""The network behind the "cxr" features, and the weights that come with skcxr."""

import functools
from importlib import resources

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn


class CXRFeatureNet(nn.Module):
    """The network behind the "cxr" features: channel means of four convolutional stages.

    A stage is a 3x3 convolution, 2x2 max pooling (except in the last stage), batch normalization
    and ReLU. The means of all channels over the image are standardized by the training images and
    projected on principal components.

    The packaged weights were trained on radiographs of children to separate normal, bacterial and
    viral pneumonia and to predict how strongly each image had been corrupted.

    Parameters
    ----------
    n_classes : int, default=3
        Number of outputs of the head.
    widths : tuple of int, default=(24, 48, 96, 64)
        Number of channels of each stage.
    n_features : int, default=64
        Number of principal components. It is small, so that some 60 images determine a covariance.

    Examples
    --------
    >>> from skcxr.networks._features import CXRFeatureNet
    >>> sum(p.numel() for p in CXRFeatureNet().parameters())
    122859
    """

    def __init__(self, n_classes=3, widths=(24, 48, 96, 64), n_features=64):
        super().__init__()
        self.stages = nn.ModuleList()
        for i, (before, width) in enumerate(zip((1, *widths[:-1]), widths, strict=True)):
            stride = 2 if i == 0 else 1
            stage = nn.Sequential(
                nn.Conv2d(before, width, 3, stride, padding=1, bias=False),
                nn.MaxPool2d(2) if i < len(widths) - 1 else nn.Identity(),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            )
            self.stages.append(stage)
        self.standardise = nn.BatchNorm1d(sum(widths), affine=False)
        self.project = nn.Linear(sum(widths), n_features, bias=False)
        self.head = nn.Linear(n_features, n_classes)

    def means(self, x):
        """Return the standardized means of all channels, of shape (n, sum(widths))."""
        means = []
        for stage in self.stages:
            x = stage(x)
            means.append(x.mean((2, 3)))
        return self.standardise(torch.cat(means, 1))

    def forward(self, x):
        """Return features (n, n_features) of the images `x` (n, 1, 64, 64) in [-1, 1]."""
        return self.project(self.means(x))


def load_feature_net(path):
    """Return a CXRFeatureNet with the weights of a safetensors file, which cannot hold code.

    Raises
    ------
    ValueError
        If the file does not hold weights of a CXRFeatureNet.
    """
    try:
        weights = load_file(path)
        network = CXRFeatureNet(n_classes=len(weights["head.bias"]))
        network.load_state_dict(weights)
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise ValueError(
            f'{path} does not hold weights of the network of features="cxr". Pass a file whose '
            "tensors have the names and shapes of this version's CXRFeatureNet."
        ) from error
    return network.eval()


@functools.cache
def load_packaged_feature_net():
    """Return the CXRFeatureNet that comes with skcxr. Copy it before you change it."""
    with resources.as_file(resources.files("skcxr.networks") / "cxr_features.safetensors") as path:
        return load_feature_net(path)
