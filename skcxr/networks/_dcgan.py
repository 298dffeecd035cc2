"""The networks: the paper's generator and discriminator, and a small classifier."""

import copy

import torch
from sklearn.utils import gen_batches
from torch import nn
from torch.nn import functional as F

from skcxr._base.parallel import use_repeatable_convolutions
from skcxr.networks._convolutions import convolve

LEAK = 0.2
IMAGE_SIZES = (16, 32, 64, 128, 256)


def count_blocks(image_size):
    """How many halvings lead from `image_size` to the 4x4 that the GAN's networks start from.

    Raises
    ------
    ValueError
        If `image_size` is not a power of two from 16 to 256.
    """
    if image_size not in IMAGE_SIZES:
        raise ValueError(f"image_size must be one of {IMAGE_SIZES}, got {image_size!r}.")
    return IMAGE_SIZES.index(image_size) + 2


class Dropout(nn.Module):
    """Dropout whose masks cost little on a CPU.

    ``bernoulli_`` draws one word for each element on one thread, which was 36 % of a GAN step. Here
    one 64-bit word serves 64 elements at rate 0.5; other rates are rounded to 1/256 and take up to
    eight words. Elements stay independent.

    Parameters
    ----------
    p : float, default=0.5
        Probability of an element to be zeroed, in [0, 1).
    """

    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, x, generator=None):
        """Zero elements of `x` at rate `p` and scale the rest by 1 / (1 - p), in training only."""
        keep = 256 - min(round(256 * self.p), 255)
        if not self.training or keep == 256:
            return x
        if x.device.type != "cpu":
            mask = torch.empty_like(x).bernoulli_(keep / 256, generator=generator)
            return x * mask.mul_(256 / keep)
        bits = _random_bits(-(-x.numel() // 64), keep, generator, x.device)
        # Each of the 256 bytes stands for the factors of eight elements.
        byte, bit = (torch.arange(n, dtype=torch.uint8, device=x.device) for n in (256, 8))
        factors = (byte[:, None] >> bit & 1).to(x.dtype) * (256 / keep)
        mask = factors.index_select(0, bits.view(torch.uint8).int()).flatten()[: x.numel()]
        if x.ndim == 4:  # channels_last, as x is: another layout would cost more than all of this
            n, c, h, w = x.shape
            return x * mask.view(n, h, w, c).permute(0, 3, 1, 2)
        return x * mask.view(x.shape)

    def extra_repr(self):
        return f"p={self.p}"


def _random_bits(n_words, numerator, generator, device):
    """int64 words, each of whose bits is 1 with probability ``numerator / 256``."""
    bits = 0
    # From the last binary digit of the probability to the first: half of it, and half if it is 1.
    for digit in range((numerator & -numerator).bit_length() - 1, 8):
        words = torch.empty(n_words, dtype=torch.int64, device=device)
        # The two-sided range makes all 64 bits random; random_() alone leaves the sign bit 0.
        words.random_(-(2**63), None, generator=generator)
        bits = words | bits if numerator >> digit & 1 else words & bits
    return bits


def _initialize(module, generator):
    """N(0, 0.02) for convolutions, N(1, 0.02) for BN's scale (Radford et al. 2016, section 3)."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02, generator=generator)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
            nn.init.normal_(layer.weight, 1.0, 0.02, generator=generator)


def _with_weights(layers, generator):
    """`layers()` as nn.Sequential with DCGAN's weights, drawn from `generator` alone.

    PyTorch's own initialisation would draw from the global generator and be thrown away: on the
    meta device it costs nothing and draws nothing.
    """
    with torch.device("meta"):
        network = nn.Sequential(*layers())
    if torch.get_default_device().type == "meta":  # the caller has weights for it
        return network
    network = network.to_empty(device="cpu")
    _initialize(network, generator)
    return network


def apply_layer(layer, x, generator=None):
    """``layer(x)`` by the faster way; dropout draws from `generator`."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        return convolve(layer, x)
    return layer(x, generator) if isinstance(layer, Dropout) else layer(x)


class Generator(nn.Module):
    """The paper's table 1: latent vectors to images, by transposed convolutions.

    Parameters
    ----------
    latent_dim : int, default=100
        Length of a latent vector.
    image_size : {16, 32, 64, 128, 256}, default=64
        Side of the images. Each doubling adds a block; a block has at most ``8 * base_width``
        channels, so 128 and 256 repeat the widest block instead of growing it.
    base_width : int, default=64
        Channels before the last layer.
    n_channels : {1, 3}, default=1
        Channels of the images.
    generator : torch.Generator or None, default=None
        Source of the initial weights; None is PyTorch's global generator.

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

    def __init__(self, latent_dim=100, image_size=64, base_width=64, n_channels=1, generator=None):
        super().__init__()
        self.latent_dim = latent_dim
        widths = [base_width * min(2**i, 8) for i in range(count_blocks(image_size))][::-1]

        def layers():
            yield nn.ConvTranspose2d(latent_dim, widths[0], 4, 1, 0, bias=False)
            for i, width in enumerate(widths):
                yield nn.BatchNorm2d(width)
                yield nn.ReLU(inplace=True)
                following = widths[i + 1] if i + 1 < len(widths) else n_channels
                yield nn.ConvTranspose2d(width, following, 4, 2, 1, bias=False)
            yield nn.Tanh()

        self.layers = _with_weights(layers, generator)

    def forward(self, z):
        """Map latent vectors to images.

        Parameters
        ----------
        z : tensor of shape (n, latent_dim, 1, 1)
            Latent vectors; in training they are uniform on [-1, 1].

        Returns
        -------
        images : tensor of shape (n, n_channels, image_size, image_size)
            In [-1, 1].
        """
        for layer in self.layers:
            z = apply_layer(layer, z)
        return z


class Discriminator(nn.Module):
    """The paper's table 2: images to the probability of being real, by strided convolutions.

    The layers stand in the table's order: the second block has no dropout, and in the last one
    dropout comes before the LeakyReLU. The module's output is the probability; training uses
    :meth:`logits`, which is stable where the sigmoid saturates.

    Parameters
    ----------
    image_size : {16, 32, 64, 128, 256}, default=64
        Side of the images.
    base_width : int, default=64
        Channels after the first layer.
    n_channels : {1, 3}, default=1
        Channels of the images.
    dropout : float, default=0.5
        Rate of the dropout layers. The paper does not print it; 0.5 is PyTorch's default.
    generator : torch.Generator or None, default=None
        Source of the initial weights; None is PyTorch's global generator.

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

    def __init__(self, image_size=64, base_width=64, n_channels=1, dropout=0.5, generator=None):
        super().__init__()
        widths = [base_width * min(2**i, 8) for i in range(count_blocks(image_size))]

        def layers():
            yield nn.Conv2d(n_channels, base_width, 4, 2, 1, bias=False)
            yield nn.LeakyReLU(LEAK, inplace=True)
            yield Dropout(dropout)
            for i in range(1, len(widths)):
                yield nn.Conv2d(widths[i - 1], widths[i], 4, 2, 1, bias=False)
                yield nn.BatchNorm2d(widths[i])
                if i == len(widths) - 1:
                    yield Dropout(dropout)
                    yield nn.LeakyReLU(LEAK, inplace=True)
                else:
                    yield nn.LeakyReLU(LEAK, inplace=True)
                    if i > 1:
                        yield Dropout(dropout)
            yield nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False)
            yield nn.Sigmoid()

        self.layers = _with_weights(layers, generator)

    def forward(self, x):
        """Probability of each image to be real.

        Parameters
        ----------
        x : tensor of shape (n, n_channels, image_size, image_size)
            Images in [-1, 1].

        Returns
        -------
        probability : tensor of shape (n, 1, 1, 1)
            In [0, 1].
        """
        return self.layers[-1](self.logits(x))

    def logits(self, x, generator=None):
        """What the sigmoid is applied to.

        Parameters
        ----------
        x : tensor of shape (n, n_channels, image_size, image_size)
            Images in [-1, 1].
        generator : torch.Generator or None, default=None
            Source of dropout's masks; None is PyTorch's global generator.

        Returns
        -------
        logits : tensor of shape (n, 1, 1, 1)
            Unbounded; 0 is a probability of one half.
        """
        for layer in self.layers[:-1]:
            x = apply_layer(layer, x, generator)
        return x


class CXRNet(nn.Sequential):
    """A small convolutional classifier for 64x64 radiographs.

    Stages of 3x3 convolution, 2x2 max pooling, batch normalisation and ReLU, then the mean over
    the image. The first convolution is strided; pooling stands before the normalisation, where it
    saves three quarters of the work for the same mathematics but for negative scales.
    ``docs/cxrnet.md`` has the table of designs that it was chosen from, by cross-validated
    accuracy and seconds. Any image size works, down to a single pixel.

    Parameters
    ----------
    n_classes : int
        Number of outputs.
    n_channels : int, default=1
        Channels of the images.
    widths : tuple of int, default=(24, 48, 96, 128)
        Channels of the stages.
    dropout : float, default=0.2
        Rate of the dropout before the linear layer.

    Examples
    --------
    >>> import torch
    >>> from skcxr.networks import CXRNet
    >>> CXRNet(4)(torch.zeros(2, 1, 64, 64)).shape
    torch.Size([2, 4])
    """

    def __init__(self, n_classes, n_channels=1, widths=(24, 48, 96, 128), dropout=0.2):
        layers = []
        for i, (before, width) in enumerate(zip((n_channels, *widths[:-1]), widths, strict=True)):
            layers.append(
                nn.Conv2d(before, width, 3, stride=2 if i == 0 else 1, padding=1, bias=False)
            )
            if i < len(widths) - 1:
                # ceil_mode keeps at least one pixel, so that tiny images pass.
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
            layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        super().__init__(
            *layers,
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(widths[-1], n_classes),
        )
        # A third less time on a CPU than the default layout.
        self.to(memory_format=torch.channels_last)


@torch.inference_mode()
def forward_in_batches(network, batch_of, n, *, batch_size, device, forward=None):
    """Outputs of `network` for `n` rows, in batches of one fixed size, on the CPU.

    One batch is in memory at a time, whatever `n` is. The last batch is padded to `batch_size`,
    since float32 convolutions of another batch size round differently: a row's result must not
    depend on the rows beside it.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode and on the CPU; for another `device` a copy goes there.
    batch_of : callable
        From a slice of rows to their input, a tensor on the CPU. Called in the rows' order.
    n : int
        Rows in all.
    batch_size : int
        Rows of a batch.
    device : torch.device
        Where to compute.
    forward : callable or None, default=None
        ``forward(network, batch)``; None calls the network.

    Yields
    ------
    rows : slice
        The batch's rows.
    outputs : tensor
        What the network makes of them.
    """
    if device.type != "cpu":
        network = copy.deepcopy(network).to(device)
    forward = forward or (lambda network, batch: network(batch))
    for rows in gen_batches(n, batch_size):
        batch = batch_of(rows)
        padding = (0, 0) * (batch.ndim - 1) + (0, batch_size - len(batch))
        with use_repeatable_convolutions(device):
            outputs = forward(network, F.pad(batch, padding).to(device))[: len(batch)].cpu()
        yield rows, outputs
