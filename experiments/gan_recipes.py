"""The recipes that gan_ideas.py tries: the paper's with one change, or with a few.

This module is imported by gan_ideas.py and does nothing by itself.
"""

from dataclasses import dataclass, field, replace

import torch

from skcxr.augment import Affine


@dataclass(frozen=True)
class DiffAugment:
    """Affine, colour and cutout, as in Zhao et al., "Differentiable Augmentation", NeurIPS 2020.

    Parameters
    ----------
    affine : Affine
        Shifts, rotations and scalings.
    colour : float
        Largest change of brightness, on [-1, 1], and largest relative change of contrast.
    cutout : float
        Side of a black square, as a share of the image's side.
    """

    affine: Affine = field(default_factory=Affine)
    colour: float = 0.0
    cutout: float = 0.0

    def __call__(self, x, generator):
        n, _, h, w = x.shape
        u = torch.rand(4, n, 1, 1, 1, generator=generator) * 2 - 1
        mean = x.mean(dim=(1, 2, 3), keepdim=True)
        x = (x - mean) * (1 + self.colour * u[0]) + mean + self.colour * u[1]
        x = self.affine(x, generator)
        columns = (torch.linspace(-1, 1, w) - u[2, ..., 0]).abs() < self.cutout
        rows = (torch.linspace(-1, 1, h) - u[3, ..., 0]).abs() < self.cutout
        return torch.where(rows.transpose(1, 2)[:, None] & columns[:, None], -1.0, x)


@dataclass(frozen=True)
class Recipe:
    """The paper's recipe, and what can be changed in it."""

    real_only: object = field(default_factory=Affine)  # augmentation of real images only
    seen: object = None  # augmentation of all images that the discriminator sees
    ema: float = 0.0  # decay of the generator's moving average
    norm: str = "batch"  # of the discriminator: "batch", "instance", "spectral" or "none"
    together: bool = False  # real and synthetic images in one batch of the discriminator
    loss: str = "paper"  # or "hinge"
    smooth: float = 0.0  # one-sided label smoothing
    r1: float = 0.0  # weight of the gradient penalty on real images
    lecam: float = 0.0  # weight of the LeCam regularisation
    adaptive: bool = False  # ADA: `seen` is applied with an adaptive probability
    spread: float = 0.0  # weight of mode seeking
    stddev: bool = False  # minibatch standard deviation in the discriminator
    dropout: float = 0.5
    lr_g: float = 1.0  # factors of the learning rate
    lr_d: float = 1.0
    batch: int = 32
    noise: float = 0.0  # standard deviation of noise on what the discriminator sees
    # Share of the training images that are held out: their kernel distance chooses the best of ten
    # points of the training.
    held_out: float = 0.0


SOFT = Affine()
COLOUR = DiffAugment(colour=0.2)
CUT = DiffAugment(colour=0.2, cutout=0.25)
STRONG = DiffAugment(Affine(degrees=0, translate=0.25, scale=0), colour=0.5, cutout=0.5)
PAPER = Recipe()
BASE = Recipe(real_only=None, seen=SOFT)
IDEAS = {
    "paper": PAPER,
    "paper, no augmentation": replace(PAPER, real_only=None),
    "moving average": replace(PAPER, ema=0.99),
    "classic on both": BASE,
    "classic on both, average": replace(BASE, ema=0.99),
    "colour": replace(BASE, seen=COLOUR),
    "colour, cutout": replace(BASE, seen=CUT),
    "strong DiffAugment": replace(BASE, seen=STRONG),
    "one batch for D": replace(BASE, together=True),
    "hinge": replace(BASE, loss="hinge"),
    "spectral": replace(BASE, norm="spectral"),
    "spectral, hinge": replace(BASE, norm="spectral", loss="hinge"),
    "instance norm": replace(BASE, norm="instance"),
    "no norm, R1": replace(BASE, norm="none", r1=1.0, dropout=0.0),
    "R1": replace(BASE, r1=1.0),
    "LeCam": replace(BASE, lecam=0.1),
    "label smoothing": replace(BASE, smooth=0.1),
    "adaptive": replace(BASE, seen=CUT, adaptive=True),
    "mode seeking": replace(BASE, spread=1.0),
    "minibatch deviation": replace(BASE, stddev=True),
    "no dropout": replace(BASE, dropout=0.0),
    "slow D": replace(BASE, lr_d=0.5),
    "batch of 64": replace(BASE, batch=64),
    "noise on D's input": replace(BASE, noise=0.1),
    "mode seeking 0.3": replace(BASE, spread=0.3),
    "no dropout, mode seeking 0.3": replace(BASE, dropout=0.0, spread=0.3),
    "mode seeking 0.1": replace(BASE, spread=0.1),
    "no dropout, mode seeking 0.1": replace(BASE, dropout=0.0, spread=0.1),
    "dropout 0.25, mode seeking 0.3": replace(BASE, dropout=0.25, spread=0.3),
    "no dropout, mode seeking 0.3, batch of 64": replace(BASE, dropout=0.0, spread=0.3, batch=64),
    "no dropout, mode seeking 0.3, a fifth held out": replace(
        BASE, dropout=0.0, spread=0.3, held_out=0.2
    ),
    "paper, mode seeking 0.3": replace(PAPER, spread=0.3),
    "paper, no dropout": replace(PAPER, dropout=0.0),
}
