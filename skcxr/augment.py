"""Batched image transforms on tensors: one call for a whole batch, on any device."""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F


@dataclass(frozen=True)
class Affine:
    """The classic affine augmentation: each image is rotated, shifted and scaled at random.

    The defaults are small enough to keep a radiograph's label. There is no flip by default: it
    would move the heart to the other side. Pixels from beyond the border repeat the border.

    Parameters
    ----------
    degrees : float, default=7
        Rotation is uniform in [-degrees, degrees].
    translate : float, default=0.06
        Shift is uniform in [-translate, translate] of the image's side, in x and in y.
    scale : float, default=0.1
        Magnification is log-uniform in [1 / (1 + scale), 1 + scale].
    flip : float, default=0.0
        Probability of a horizontal flip.

    Examples
    --------
    >>> import torch
    >>> from skcxr.augment import Affine
    >>> Affine()(torch.zeros(8, 1, 64, 64)).shape
    torch.Size([8, 1, 64, 64])
    """

    degrees: float = 7.0
    translate: float = 0.06
    scale: float = 0.1
    flip: float = 0.0

    def __call__(self, x, generator=None):
        """Transformed copy of `x` (n, c, h, w); random numbers come from `generator`."""
        n = len(x)
        # One (5, n) draw: rotation, log scale, shift in x and y in [-1, 1], and the flip.
        u = torch.rand(5, n, generator=generator, device=x.device, dtype=x.dtype).mul_(2).sub_(1)
        angle = u[0] * math.radians(self.degrees)
        zoom = torch.exp(-u[1] * math.log1p(self.scale))
        mirror = torch.where(u[4] < 2 * self.flip - 1, -1.0, 1.0)
        cos, sin = (zoom * part(angle) for part in (torch.cos, torch.sin))
        cos, sin = cos[:, None, None], sin[:, None, None]
        mirror, shift = mirror[:, None, None], 2 * self.translate * u[2:4, :, None, None]
        return _warped(x, cos, sin, shift, mirror)


@dataclass(frozen=True)
class DiffAugment:
    """Differentiable augmentation that a GAN's discriminator sees on real *and* synthetic images.

    A discriminator on sixty images learns them by heart. Here it sees each of them, and each
    synthetic one, changed at random, so that it can not; and since both are changed alike, and the
    generator learns through the change, synthetic images do not come out changed. Pixels from
    beyond the border repeat the border: a fill of 0 would be mid-gray.

    Parameters
    ----------
    translate : float, default=0.125
        Shift is uniform in [-translate, translate] of the image's side, in x and in y.
    degrees : float, default=0.0
        Rotation is uniform in [-degrees, degrees].
    scale : float, default=0.0
        Magnification is log-uniform in [1 / (1 + scale), 1 + scale].
    brightness : float, default=0.0
        What is added to an image is uniform in [-brightness, brightness]; its range is [-1, 1].
    contrast : float, default=0.0
        An image's deviation from its mean is multiplied by a number uniform in [1 - contrast,
        1 + contrast].
    cutout : float, default=0.0
        Side of a square that is blackened (-1), as a share of the image's. Its centre is uniform in
        the image.

    References
    ----------
    .. [1] Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", NeurIPS 2020,
       section 3.2 (there translation is 1/8, cutout 1/2 and brightness and contrast 0.5).

    Examples
    --------
    >>> import torch
    >>> from skcxr.augment import DiffAugment
    >>> DiffAugment(cutout=0.25)(torch.zeros(8, 1, 64, 64)).shape
    torch.Size([8, 1, 64, 64])
    """

    translate: float = 0.125
    degrees: float = 0.0
    scale: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    cutout: float = 0.0

    def __call__(self, x, generator=None):
        """Transformed copy of `x` (n, c, h, w); random numbers come from `generator`."""
        n, _, h, w = x.shape
        u = torch.rand(8, n, generator=generator, device=x.device, dtype=x.dtype).mul_(2).sub_(1)
        if self.brightness or self.contrast:
            mean = x.mean(dim=(1, 2, 3), keepdim=True)
            factor = 1 + self.contrast * u[0, :, None, None, None]
            x = (x - mean) * factor + mean + self.brightness * u[1, :, None, None, None]
        if self.translate or self.degrees or self.scale:
            angle = (u[2] * math.radians(self.degrees))[:, None, None]
            zoom = torch.exp(-u[3] * math.log1p(self.scale))[:, None, None]
            shift = 2 * self.translate * u[4:6, :, None, None]
            x = _warped(x, zoom * torch.cos(angle), zoom * torch.sin(angle), shift)
        if self.cutout:
            across, down = (
                (_centres(side, x) - u[i][:, None]).abs() < self.cutout
                for i, side in ((6, w), (7, h))
            )
            hidden = (down[:, :, None] & across[:, None, :])[:, None]
            x = torch.where(hidden, -1.0, x)
        return x


def _warped(x, cos, sin, shift, mirror=1.0):
    """`x` (n, c, h, w) with each image turned, magnified by 1 / hypot(cos, sin), and shifted.

    Parameters
    ----------
    x : tensor
    cos, sin, mirror : tensors of shape (n, 1, 1)
    shift : tensor of shape (2, n, 1, 1)
        In x and in y, in halves of the image's side.
    """
    h, w = x.shape[2:]
    # grid_sample's coordinates run from -1 to 1 on both axes; h / w keeps a rotation rigid.
    # Computed here, since affine_grid's product of matrices three wide takes several times as
    # long.
    of_x, of_y = _centres(w, x), _centres(h, x)[:, None]
    grid = torch.stack(
        [
            cos * mirror * of_x - sin * (h / w) * of_y + shift[0],
            sin * mirror * (w / h) * of_x + cos * of_y + shift[1],
        ],
        dim=-1,
    )
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def _centres(size, like):
    """Coordinates of `size` pixels' centres on an axis from -1 to 1."""
    steps = torch.arange(size, device=like.device, dtype=like.dtype)
    return (2 * steps + 1) / size - 1


def _unchanged(batch, generator):
    return batch


def resolve_augment(augment):
    """The callable that a parameter ``augment`` stands for; None leaves batches as they are.

    Parameters
    ----------
    augment : "classic", callable or None
        A callable takes (tensor (n, c, h, w) in [-1, 1], torch.Generator) and returns a tensor of
        the same shape.
    """
    if augment is None:
        return _unchanged
    return Affine() if augment == "classic" else augment
