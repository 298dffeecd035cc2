"""The recipes that gan_ideas.py tries: each one change, or a few, to the paper's."""

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
        Brightness changes by at most this, on [-1, 1], and contrast by this share.
    cutout : float
        Side of a square that is blackened, as a share of the image's.
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
        across, down = (
            (torch.linspace(-1, 1, size) - u[i, ..., 0]).abs() < self.cutout
            for i, size in ((2, w), (3, h))
        )
        return torch.where(down.transpose(1, 2)[:, None] & across[:, None], -1.0, x)


@dataclass(frozen=True)
class Recipe:
    """The paper's, and what can be changed in it.

    `held_out` is a share of the training images by whose kernel distance the best of ten points of
    the training is chosen.
    """

    real_only: object = field(default_factory=Affine)
    seen: object = None
    ema: float = 0.0
    norm: str = "batch"
    together: bool = False
    loss: str = "paper"
    smooth: float = 0.0
    r1: float = 0.0
    lecam: float = 0.0
    adaptive: bool = False
    spread: float = 0.0
    stddev: bool = False
    dropout: float = 0.5
    lr_g: float = 1.0
    lr_d: float = 1.0
    batch: int = 32
    noise: float = 0.0
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
