"""torchvision's classification networks, adapted to radiographs."""

import warnings

import torch
from torch import nn
from torch.nn import functional as F

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class TorchvisionNet(nn.Module):
    """torchvision classifier with a new last layer, for images in [-1, 1].

    Gray images are repeated to three channels, and all are normalised as ImageNet's were. With
    pretrained weights, images are resized to the size that those expect. Without, they keep their
    size; transformers (224) and the inception networks (75 and more) refuse images of 64.

    Parameters
    ----------
    n_classes : int
        Number of outputs.
    n_channels : {1, 3}, default=1
        Channels of the images.
    name : str, default="resnet18"
        Name of a classification network, as ``torchvision.models.list_models`` gives it.
    weights : str or None, default=None
        Pretrained weights: "DEFAULT", or another of torchvision's names. torchvision downloads them
        unless its cache holds them. None starts from random weights.

    Raises
    ------
    ValueError
        If torchvision has no classification network or no weights of that name.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, n_classes, n_channels=1, name="resnet18", weights=None):
        super().__init__()
        from torchvision import models

        known = models.list_models(module=models)
        if name not in known:
            raise ValueError(
                f"module={name!r} is not a network of skcxr or torchvision. Pass 'cxrnet', an "
                f"nn.Module class, or one of {', '.join(known)}."
            )
        self.input_size = None
        if weights is not None:
            choices = models.get_model_weights(name)
            if weights not in choices.__members__:
                raise ValueError(
                    f"weights={weights!r} does not exist for {name}. Pass None or one of "
                    f"{', '.join(choices.__members__)}."
                )
            weights = choices[weights]
            self.input_size = weights.transforms().crop_size[0]
        with warnings.catch_warnings():
            # googlenet and inception_v3 announce another default in every call.
            warnings.filterwarnings("ignore", "The default weight init", FutureWarning)
            self.net = models.get_model(name, weights=weights)
        layers = [
            name
            for name, module in self.net.named_modules()
            if isinstance(module, nn.Linear | nn.Conv2d)
        ]
        parent, _, child = layers[-1].rpartition(".")
        last = self.net.get_submodule(layers[-1])
        if isinstance(last, nn.Linear):
            head = nn.Linear(last.in_features, n_classes)
        else:
            head = nn.Conv2d(last.in_channels, n_classes, last.kernel_size)
        setattr(self.net.get_submodule(parent), child, head)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)

    def forward(self, x):
        """Return logits (n, n_classes) of the images `x` (n, n_channels, h, w) in [-1, 1]."""
        if self.input_size:
            side = self.input_size
            x = F.interpolate(x, (side, side), mode="bilinear", antialias=True)
        x = ((x + 1) / 2 - self.mean) / self.std
        outputs = self.net(x)
        # Networks with auxiliary heads return a named tuple in training.
        return getattr(outputs, "logits", outputs)
