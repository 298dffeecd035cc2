"""The paper's generator and discriminator, tables 1 and 2."""

from typing import Any

import torch
from torch import nn

from skcxr.networks._convolutions import convolve

LEAK = 0.2
IMAGE_SIZES = (16, 32, 64, 128, 256)


def count_blocks(image_size):
    """Return the number of halvings from `image_size` to the 4x4 that the networks start from.

    Raises
    ------
    ValueError
        If `image_size` is not a power of two from 16 to 256.
    """
    if image_size not in IMAGE_SIZES:
        raise ValueError(f"image_size must be one of {IMAGE_SIZES}, got {image_size!r}.")
    return IMAGE_SIZES.index(image_size) + 2


def compute_widths(image_size, base_width):
    """Return the channels of the networks' blocks, from the image inwards."""
    return [base_width * min(2**i, 8) for i in range(count_blocks(image_size))]


class Dropout(nn.Module):
    """Dropout whose masks cost little on a CPU.

    ``bernoulli_`` draws one word per element on one thread, which took 36 % of a GAN step. Here one
    64-bit word serves 64 elements at rate 0.5. Other rates are rounded to 1/256 and take up to
    eight words. Elements stay independent.

    Parameters
    ----------
    p : float, default=0.5
        Probability that an element is zeroed, in [0, 1).
    """

    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, x, generator=None):
        """Zero elements of `x` at rate `p` in training, and scale the others by 1 / (1 - p)."""
        keep = 256 - min(round(256 * self.p), 255)
        if not self.training or keep == 256:
            return x
        if x.device.type == "cpu":
            return x * _draw_factors(x, keep, generator)
        mask = torch.empty_like(x).bernoulli_(keep / 256, generator=generator)
        return x * mask.mul_(256 / keep)

    def extra_repr(self):
        return f"p={self.p}"


def _draw_factors(x, keep, generator):
    """Return factors like `x`, each ``256 / keep`` with probability ``keep / 256``, else 0."""
    bits = _draw_bits(-(-x.numel() // 64), keep, generator)
    # Row i of the table holds the factors that the eight bits of the byte i stand for.
    bytes_ = torch.arange(256, dtype=torch.uint8)[:, None]
    table = (bytes_ >> torch.arange(8, dtype=torch.uint8) & 1).to(x.dtype) * (256 / keep)
    factors = table.index_select(0, bits.view(torch.uint8).int()).flatten()[: x.numel()]
    if x.ndim == 4:
        # In channels_last, which is the layout of x: another would cost more than all of this.
        n, c, h, w = x.shape
        return factors.view(n, h, w, c).permute(0, 3, 1, 2)
    return factors.view(x.shape)


def _draw_bits(n_words, numerator, generator):
    """Return int64 words, each of whose bits is 1 with probability ``numerator / 256``."""
    bits = torch.zeros(n_words, dtype=torch.int64)
    # From the probability's last binary digit to its first. A random word halves the probability:
    # & for the digit 0, and | adds one half for the digit 1.
    last_digit = (numerator & -numerator).bit_length() - 1
    for digit in range(last_digit, 8):
        words = torch.empty(n_words, dtype=torch.int64)
        # This range makes all 64 bits random; random_() alone leaves the sign bit 0.
        words.random_(-(2**63), None, generator=generator)
        bits = words | bits if numerator >> digit & 1 else words & bits
    return bits


def _initialize(network, generator):
    """Draw DCGAN's weights from `generator` alone.

    N(0, 0.02) for convolutions and N(1, 0.02) for the scale of batch normalisation (Radford et al.
    2016, section 3). The network comes from the meta device: PyTorch's own initialisation would
    draw from the global generator.
    """
    if torch.get_default_device().type == "meta":
        # The caller has the weights and assigns them.
        return network
    network = network.to_empty(device="cpu")
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02, generator=generator)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
            nn.init.normal_(layer.weight, 1.0, 0.02, generator=generator)
    return network


def apply_layer(layer, x, generator=None):
    """Return ``layer(x)``, by the faster way; dropout draws from `generator`."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        return convolve(layer, x)
    if isinstance(layer, Dropout):
        return layer(x, generator)
    return layer(x)


class Generator(nn.Module):
    """The paper's table 1: transposed convolutions from latent vectors to images.

    Parameters
    ----------
    latent_dim : int, default=100
        Length of a latent vector.
    image_size : {16, 32, 64, 128, 256}, default=64
        Side of the images. Each doubling adds a block. A block has at most ``8 * base_width``
        channels, so 128 and 256 repeat the widest block.
    base_width : int, default=64
        Channels before the last layer.
    n_channels : {1, 3}, default=1
        Channels of the images.
    generator : torch.Generator or None, default=None
        Source of the initial weights. None takes PyTorch's global generator.

    Attributes
    ----------
    config : dict
        The parameters above except `generator`: ``type(network)(**network.config)`` has the same
        layers.

    References
    ----------
    .. [1] Davoodi and Lo Giudice, "Synthetic of Chest X-ray Images", table 1.
    .. [2] Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep
       Convolutional Generative Adversarial Networks", ICLR 2016, section 3.

    Examples
    --------
    >>> import torch
    >>> from skcxr.networks import Generator
    >>> table_1 = Generator()
    >>> sum(p.numel() for p in table_1.parameters())
    3574656
    >>> table_1(torch.zeros(2, 100, 1, 1)).shape
    torch.Size([2, 1, 64, 64])
    """

    def __init__(
        self,
        latent_dim: int = 100,
        image_size: int = 64,
        base_width: int = 64,
        n_channels: int = 1,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "latent_dim": latent_dim,
            "image_size": image_size,
            "base_width": base_width,
            "n_channels": n_channels,
        }
        widths = compute_widths(image_size, base_width)[::-1]
        with torch.device("meta"):
            layers: list[nn.Module] = [
                nn.ConvTranspose2d(latent_dim, widths[0], 4, 1, 0, bias=False)
            ]
            for width, next_width in zip(widths, [*widths[1:], n_channels], strict=True):
                layers.append(nn.BatchNorm2d(width))
                layers.append(nn.ReLU(inplace=True))
                layers.append(nn.ConvTranspose2d(width, next_width, 4, 2, 1, bias=False))
            layers.append(nn.Tanh())
            network = nn.Sequential(*layers)
        self.layers = _initialize(network, generator)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Map latent vectors to images.

        Parameters
        ----------
        z : tensor of shape (n, latent_dim, 1, 1)
            Latent vectors, uniform on [-1, 1] in training.

        Returns
        -------
        images : tensor of shape (n, n_channels, image_size, image_size)
            Images in [-1, 1].
        """
        for layer in self.layers:
            z = apply_layer(layer, z)
        return z


class Discriminator(nn.Module):
    """The paper's table 2: strided convolutions from images to the probability of being real.

    The layers stand in the table's order: the second block has no dropout, and in the last block
    dropout comes before the LeakyReLU. The module's output is the probability. Training uses
    :meth:`logits`, which stay accurate where the sigmoid saturates.

    Parameters
    ----------
    image_size : {16, 32, 64, 128, 256}, default=64
        Side of the images.
    base_width : int, default=64
        Channels after the first layer.
    n_channels : {1, 3}, default=1
        Channels of the images.
    dropout : float, default=0.5
        Rate of the dropout layers. The paper does not print it; PyTorch's default is 0.5.
    generator : torch.Generator or None, default=None
        Source of the initial weights. None takes PyTorch's global generator.

    Attributes
    ----------
    config : dict
        The parameters above except `generator`: ``type(network)(**network.config)`` has the same
        layers.

    References
    ----------
    .. [1] Davoodi and Lo Giudice, "Synthetic of Chest X-ray Images", table 2.

    Examples
    --------
    >>> import torch
    >>> from skcxr.networks import Discriminator
    >>> table_2 = Discriminator()
    >>> sum(p.numel() for p in table_2.parameters())
    2763520
    >>> table_2(torch.zeros(2, 1, 64, 64)).shape
    torch.Size([2, 1, 1, 1])
    """

    def __init__(
        self,
        image_size: int = 64,
        base_width: int = 64,
        n_channels: int = 1,
        dropout: float = 0.5,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "image_size": image_size,
            "base_width": base_width,
            "n_channels": n_channels,
            "dropout": dropout,
        }
        widths = compute_widths(image_size, base_width)
        with torch.device("meta"):
            layers: list[nn.Module] = [
                nn.Conv2d(n_channels, base_width, 4, 2, 1, bias=False),
                nn.LeakyReLU(LEAK, inplace=True),
                Dropout(dropout),
            ]
            for i in range(1, len(widths)):
                layers.append(nn.Conv2d(widths[i - 1], widths[i], 4, 2, 1, bias=False))
                layers.append(nn.BatchNorm2d(widths[i]))
                activation = nn.LeakyReLU(LEAK, inplace=True)
                if i == len(widths) - 1:
                    layers.append(Dropout(dropout))
                    layers.append(activation)
                else:
                    layers.append(activation)
                    if i > 1:
                        layers.append(Dropout(dropout))
            layers.append(nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False))
            layers.append(nn.Sigmoid())
            network = nn.Sequential(*layers)
        self.layers = _initialize(network, generator)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return each image's probability of being real.

        Parameters
        ----------
        x : tensor of shape (n, n_channels, image_size, image_size)
            Images in [-1, 1].

        Returns
        -------
        probability : tensor of shape (n, 1, 1, 1)
            Probabilities in [0, 1].
        """
        return self.layers[-1](self.logits(x))

    def logits(self, x: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Return the logits, which the sigmoid is applied to.

        Parameters
        ----------
        x : tensor of shape (n, n_channels, image_size, image_size)
            Images in [-1, 1].
        generator : torch.Generator or None, default=None
            Source of dropout's masks. None takes PyTorch's global generator.

        Returns
        -------
        logits : tensor of shape (n, 1, 1, 1)
            Logits, unbounded; 0 is a probability of one half.
        """
        for layer in self.layers[:-1]:
            x = apply_layer(layer, x, generator)
        return x
