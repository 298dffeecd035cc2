"""Image transforms on whole batches of tensors, on any device."""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F


@dataclass(frozen=True)
class Affine:
    """Classic affine augmentation: random rotation, shift and scaling of each image.

    The defaults are small enough to keep a radiograph's label. There is no flip by default, since
    it would move the heart to the other side. Pixels from beyond the border repeat the border.

    Parameters
    ----------
    degrees : float, default=7
        Largest rotation in degrees. Rotations are uniform in [-degrees, degrees].
    translate : float, default=0.06
        Largest shift as a share of the image's side, in x and in y. Shifts are uniform.
    scale : float, default=0.1
        Largest magnification, minus 1. Magnifications are log-uniform in
        [1 / (1 + scale), 1 + scale].
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

    def __call__(self, x: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Return a transformed copy of `x` (n, c, h, w). Random numbers come from `generator`."""
        n, _, h, w = x.shape
        # One (5, n) draw: rotation, log scale, shift in x and y in [-1, 1], and the flip.
        u = torch.rand(5, n, generator=generator, device=x.device, dtype=x.dtype).mul_(2).sub_(1)
        angle = u[0] * math.radians(self.degrees)
        zoom = torch.exp(-u[1] * math.log1p(self.scale))
        mirror = torch.where(u[4] < 2 * self.flip - 1, -1.0, 1.0)
        cos = zoom * torch.cos(angle)
        sin = zoom * torch.sin(angle)
        # grid_sample's coordinates run from -1 to 1 on both axes; h / w keeps a rotation rigid. The
        # grid is computed here, since affine_grid's narrow matrix product takes several times as
        # long.
        column = _compute_centres(w, x)
        row = _compute_centres(h, x)[:, None]
        cos = cos[:, None, None]
        sin = sin[:, None, None]
        mirror = mirror[:, None, None]
        shift = 2 * self.translate * u[2:4, :, None, None]
        grid_x = cos * mirror * column - sin * (h / w) * row + shift[0]
        grid_y = sin * mirror * (w / h) * column + cos * row + shift[1]
        grid = torch.stack([grid_x, grid_y], dim=-1)
        if x.device.type == "cuda" and x.requires_grad:
            return _RepeatableSample.apply(x, grid)
        return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


class _RepeatableSample(torch.autograd.Function):
    """Bilinear grid_sample at border padding, with a gradient that is the same in each run.

    PyTorch's CUDA kernel adds floats to a pixel in the order in which threads arrive. Here the
    gradient is summed in integers, whose sum does not depend on the order.
    """

    @staticmethod
    def forward(ctx, x, grid):
        ctx.save_for_backward(grid)
        ctx.shape = x.shape
        return F.grid_sample(x, grid, padding_mode="border", align_corners=False)

    @staticmethod
    def backward(ctx, gradient):
        (grid,) = ctx.saved_tensors
        n, c, h, w = ctx.shape
        # Positions in pixels, clipped as padding_mode="border" clips them.
        x = (((grid[..., 0] + 1) * w - 1) / 2).clamp(0, w - 1)[:, None]
        y = (((grid[..., 1] + 1) * h - 1) / 2).clamp(0, h - 1)[:, None]
        # The four neighbours of each position, and its share in each of them.
        column = torch.cat([x.floor(), x.floor() + 1] * 2, dim=1)
        row = torch.cat([y.floor()] * 2 + [y.floor() + 1] * 2, dim=1)
        share = (1 - (x - column).abs()) * (1 - (y - row).abs())
        pixel = (row.clamp(max=h - 1) * w + column.clamp(max=w - 1)).long()
        terms = gradient[:, :, None] * share[:, None]
        # In units of the largest gradient over 2^40, sums of up to 2^22 terms fit 63 bits.
        unit = gradient.abs().amax().clamp(min=1e-20) / 2**40
        total = torch.zeros(n, c, h * w, dtype=torch.int64, device=gradient.device)
        index = pixel.flatten(1)[:, None].expand(n, c, -1)
        total.scatter_add_(2, index, (terms / unit).long().flatten(2))
        return (total * unit).to(gradient.dtype).view(n, c, h, w), None


def _compute_centres(size, like):
    """Return the centres of `size` pixels on an axis from -1 to 1."""
    steps = torch.arange(size, device=like.device, dtype=like.dtype)
    return (2 * steps + 1) / size - 1


def _return_unchanged(batch, generator):
    return batch


def resolve_augment(augment):
    """Return the callable that a parameter ``augment`` stands for.

    Parameters
    ----------
    augment : "classic", callable or None
        Augmentation. A callable takes (tensor (n, c, h, w) in [-1, 1], torch.Generator) and returns
        a tensor of the same shape. None leaves batches unchanged.
    """
    if augment is None:
        return _return_unchanged
    return Affine() if augment == "classic" else augment
