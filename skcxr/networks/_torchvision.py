"""torchvision's classification networks, made to take radiographs."""

import torch
from torch import nn
from torch.nn import functional as F

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class TorchvisionNet(nn.Module):
    """A torchvision classifier with a new last layer, fed with images in [-1, 1].

    Gray images are repeated to three channels and all are normalised as ImageNet's were. With
    pretrained weights they are resized to the size those expect; without, they keep theirs, which
    transformers (224) and the inception networks (75 and more) refuse to take at 64.

    Parameters
    ----------
    n_classes : int
        Number of outputs.
    n_channels : {1, 3}, default=1
        Channels of the images.
    name : str, default="resnet18"
        A classification network of torchvision, by the name that ``torchvision.models.list_models``
        gives it.
    weights : str or None, default=None
        None starts from random weights; "DEFAULT", or another of torchvision's names, from
        pretrained ones, which torchvision downloads unless its cache holds them.

    Raises
    ------
    ValueError
        If torchvision has no classification network or no weights of that name.
    """

    def __init__(self, n_classes, n_channels=1, name="resnet18", weights=None):
        super().__init__()
        from torchvision import models

        known = models.list_models(module=models)
        if name not in known:
            raise ValueError(
                f"module={name!r} is no network of skcxr or torchvision. Pass 'cxrnet', an "
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
        self.net = models.get_model(name, weights=weights)
        layers = [n for n, m in self.net.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)]
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
        """Logits (n, n_classes) of the images `x` (n, n_channels, h, w) in [-1, 1]."""
        if self.input_size:
            side = self.input_size
            x = F.interpolate(x, (side, side), mode="bilinear", antialias=True)
        x = ((x + 1) / 2 - self.mean) / self.std
        outputs = self.net(x)
        # Networks with auxiliary heads return a named tuple while they train.
        return getattr(outputs, "logits", outputs)
