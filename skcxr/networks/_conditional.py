"""The paper's networks for several classes at once, and the plain networks that they contain."""

import torch
from torch import nn
from torch.nn import functional as F

from skcxr.networks._dcgan import Discriminator, Generator, apply_layer


class ConditionalBatchNorm2d(nn.Module):
    """Batch normalisation over all images, with a scale and a shift per class.

    Parameters
    ----------
    num_features : int
        Number of channels.
    n_classes : int
        Number of classes.
    generator : torch.Generator or None, default=None
        Source of the initial scales, N(1, 0.02) as in the plain networks.

    References
    ----------
    .. [1] Dumoulin, Shlens and Kudlur, "A Learned Representation for Artistic Style", ICLR 2017,
       section 2.2.
    """

    def __init__(self, num_features, n_classes, generator=None):
        super().__init__()
        self.norm = nn.BatchNorm2d(num_features, affine=False)
        scale = torch.empty(n_classes, num_features).normal_(1.0, 0.02, generator=generator)
        self.scale = nn.Parameter(scale)
        self.shift = nn.Parameter(torch.zeros(n_classes, num_features))

    def forward(self, x, classes):
        """Normalise `x` (n, c, h, w), then scale and shift it by `classes` (n,), int64."""
        scale = F.embedding(classes, self.scale)[:, :, None, None]
        shift = F.embedding(classes, self.shift)[:, :, None, None]
        return self.norm(x) * scale + shift

    def extract_class(self, index):
        """Return the plain layer that this one is for one class."""
        plain = nn.BatchNorm2d(self.norm.num_features)
        state = self.norm.state_dict()
        state["weight"] = self.scale[index]
        state["bias"] = self.shift[index]
        plain.load_state_dict(state)
        return plain


class ConditionalGenerator(Generator):
    """The paper's table 1 with normalisation per class; all classes share the other layers.

    Parameters
    ----------
    n_classes : int
        Number of classes.
    latent_dim, image_size, base_width, n_channels, generator
        Parameters of :class:`skcxr.networks.Generator`.

    References
    ----------
    .. [1] Miyato and Koyama, "cGANs with Projection Discriminator", ICLR 2018, section 5.

    Examples
    --------
    >>> import torch
    >>> from skcxr.networks._conditional import ConditionalGenerator
    >>> G = ConditionalGenerator(4, base_width=8).eval()
    >>> z, classes = torch.zeros(2, 100, 1, 1), torch.tensor([0, 3])
    >>> G(z, classes).shape
    torch.Size([2, 1, 64, 64])
    >>> torch.allclose(G(z, classes)[1:], G.extract_class(3).eval()(z[1:]), atol=1e-6)
    True
    """

    def __init__(
        self, n_classes, latent_dim=100, image_size=64, base_width=64, n_channels=1, generator=None
    ):
        super().__init__(latent_dim, image_size, base_width, n_channels, generator)
        self.n_classes = n_classes
        for i, layer in enumerate(self.layers):
            if isinstance(layer, nn.BatchNorm2d):
                self.layers[i] = ConditionalBatchNorm2d(layer.num_features, n_classes, generator)

    def forward(self, z, classes=None):
        """Return images of z (n, latent_dim, 1, 1) and `classes` (n,), int64.

        None takes the classes in turn.
        """
        if classes is None:
            classes = torch.arange(len(z), device=z.device) % self.n_classes
        for layer in self.layers:
            if isinstance(layer, ConditionalBatchNorm2d):
                z = layer(z, classes)
            else:
                z = apply_layer(layer, z)
        return z

    def extract_class(self, index):
        """Return the :class:`skcxr.networks.Generator` that this network is for one class."""
        plain = Generator(**self.config, generator=torch.Generator())
        for i, layer in enumerate(self.layers):
            if isinstance(layer, ConditionalBatchNorm2d):
                plain.layers[i] = layer.extract_class(index)
            else:
                plain.layers[i].load_state_dict(layer.state_dict())
        return plain.to(memory_format=torch.channels_last)


class ConditionalDiscriminator(Discriminator):
    """The paper's table 2 with a projection: the probability of being a real image of its class.

    Parameters
    ----------
    n_classes : int
        Number of classes.
    image_size, base_width, n_channels, dropout, generator
        Parameters of :class:`skcxr.networks.Discriminator`.

    References
    ----------
    .. [1] Miyato and Koyama, "cGANs with Projection Discriminator", ICLR 2018, equation 4.

    Examples
    --------
    >>> import torch
    >>> from skcxr.networks._conditional import ConditionalDiscriminator
    >>> D = ConditionalDiscriminator(4, base_width=8).eval()
    >>> x, classes = torch.zeros(2, 1, 64, 64), torch.tensor([0, 3])
    >>> logits = D.logits(x, None, classes)
    >>> torch.allclose(logits[1:], D.extract_class(3).eval().logits(x)[1:], atol=1e-6)
    True
    """

    def __init__(
        self, n_classes, image_size=64, base_width=64, n_channels=1, dropout=0.5, generator=None
    ):
        super().__init__(image_size, base_width, n_channels, dropout, generator)
        width = self.layers[-2].in_channels
        embedding = torch.empty(n_classes, width).normal_(0.0, 0.02, generator=generator)
        self.embedding = nn.Parameter(embedding)

    def logits(self, x, generator=None, classes=None):
        """Return logits (n, 1, 1, 1) of `x` as images of `classes` (n,), int64."""
        for layer in self.layers[:-2]:
            x = apply_layer(layer, x, generator)
        projection = x.float().sum(dim=(2, 3)) * F.embedding(classes, self.embedding)
        return apply_layer(self.layers[-2], x) + projection.sum(dim=1).view(-1, 1, 1, 1)

    @torch.no_grad()
    def extract_class(self, index):
        """Return the :class:`skcxr.networks.Discriminator` that this network is for one class."""
        plain = Discriminator(**self.config, generator=torch.Generator())
        plain.layers.load_state_dict(self.layers.state_dict())
        # The sum over pixels times a vector equals one more kernel with that vector at each pixel.
        plain.layers[-2].weight += self.embedding[index][None, :, None, None]
        return plain.to(memory_format=torch.channels_last)
