"""Which ideas for GANs on small sets earn their place on 60 to 70 radiographs of a class?

    python experiments/gan_ideas.py --data ../shared/data --seeds 3 --keep results/ideas

Each idea is one change to a recipe, trained for as many steps on the training images of a class. A
run's samples are kept on disk, so that a killed script goes on, and are compared with *unseen* real
images of the class, which no network was trained on. Several scripts can share one folder.
"""

import argparse
import os
import time
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from gan_recipes import IDEAS, SOFT
from torch import nn
from torch.nn.functional import relu, softplus
from torch.nn.utils.parametrizations import spectral_norm

from skcxr import DCGAN, ConditionalDCGANOversampler, DCGANOversampler
from skcxr._base.images import ImageSpec, TrainingImages
from skcxr.datasets import load_image_folder
from skcxr.gan._training import GANTraining
from skcxr.metrics import kernel_distance
from skcxr.metrics.features import feature_extractor
from skcxr.networks import Discriminator

CLASSES = ("normal", "pneumonia_bac", "pneumonia_vir", "covid")
N_SAMPLES = 512


class MinibatchDeviation(nn.Module):
    """One more channel: the features' standard deviation over the batch (Karras et al. 2018)."""

    def forward(self, x):
        deviation = (x.float().var(0, unbiased=False) + 1e-8).sqrt().mean()
        return torch.cat([x, deviation.to(x.dtype).expand(len(x), 1, *x.shape[2:])], dim=1)


def with_norm(D, norm, rng):
    """`D` with another normalisation than batch norm."""
    if norm == "batch":
        return D
    for i, layer in enumerate(D.layers):
        if isinstance(layer, nn.BatchNorm2d):
            instance = norm == "instance"
            n = layer.num_features
            D.layers[i] = nn.InstanceNorm2d(n, affine=True) if instance else nn.Identity()
        elif isinstance(layer, nn.Conv2d) and norm in ("spectral", "none"):
            nn.init.kaiming_normal_(layer.weight, 0.2, generator=rng)
            if norm == "spectral":
                spectral_norm(layer)
    return D


class Ideas(GANTraining):
    """The training of DCGAN with a recipe's changes."""

    def __init__(self, gan, images, seed, precision, recipe):
        super().__init__(gan, images, seed, precision)
        self.recipe = recipe
        rng = torch.Generator().manual_seed(seed)
        D = Discriminator(64, int(gan.base_width), 1, recipe.dropout, rng)
        D = with_norm(D, recipe.norm, rng)
        if recipe.stddev:
            last = nn.Conv2d(8 * gan.base_width + 1, 1, 4, bias=False)
            nn.init.normal_(last.weight, 0.0, 0.02, generator=rng)
            D.layers[-2] = nn.Sequential(MinibatchDeviation(), last)
        self.D = D.to(memory_format=torch.channels_last)
        options = {"betas": (0.5, 0.999), "fused": True}
        self.adam_g = torch.optim.Adam(self.G.parameters(), lr=gan.lr * recipe.lr_g, **options)
        self.adam_d = torch.optim.Adam(self.D.parameters(), lr=gan.lr * recipe.lr_d, **options)
        self.p = torch.tensor(0.0)
        self.anchors = torch.zeros(2)
        self.average = torch.optim.swa_utils.AveragedModel(
            self.G,
            multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.ema),
            use_buffers=True,
        )

    def see(self, x):
        recipe = self.recipe
        if recipe.seen is not None:
            # bfloat16 is too coarse for coordinates.
            changed = recipe.seen(x.float(), self.rng)
            if recipe.adaptive:
                rate = torch.rand(len(x), 1, 1, 1, generator=self.rng)
                changed = torch.where(rate < self.p, changed, x)
            x = changed
        if recipe.noise:
            x = x + recipe.noise * torch.randn(x.shape, generator=self.rng)
        return x

    def step(self, rows):
        G, D, rng, recipe = self.G, self.D, self.rng, self.recipe
        real = self.augment(self.images.batch(rows), rng)
        z = torch.rand(self.latent_shape, generator=rng) * 2 - 1
        with self.autocast():
            fake = G(z)
            real_seen, fake_seen = self.see(real), self.see(fake.detach())
            if recipe.r1:
                real_seen.requires_grad_()
            if recipe.together:
                real_logits, fake_logits = D.logits(torch.cat([real_seen, fake_seen]), rng).chunk(2)
            else:
                real_logits, fake_logits = D.logits(real_seen, rng), D.logits(fake_seen, rng)
        if recipe.loss == "hinge":
            loss_d = relu(1 - real_logits).mean() + relu(1 + fake_logits).mean()
        else:
            loss_d = softplus(-real_logits).mean() + softplus(fake_logits).mean()
            loss_d = loss_d + recipe.smooth * real_logits.mean()
        if recipe.r1:
            (slope,) = torch.autograd.grad(real_logits.sum(), real_seen, create_graph=True)
            loss_d = loss_d + recipe.r1 / 2 * slope.float().square().sum((1, 2, 3)).mean()
        if recipe.lecam:
            with torch.no_grad():
                means = torch.stack([real_logits.mean(), fake_logits.mean()])
                self.anchors = 0.99 * self.anchors + 0.01 * means
            of_real = relu(real_logits - self.anchors[1]).square().mean()
            of_fake = relu(self.anchors[0] - fake_logits).square().mean()
            loss_d = loss_d + recipe.lecam * (of_real + of_fake)
        self.adam_d.zero_grad()
        loss_d.backward()
        self.adam_d.step()
        if recipe.adaptive:
            # ADA: p moves so that 60 % more of the real images are taken for real than not.
            excess = real_logits.detach().sign().mean() - 0.6
            self.p = (self.p + excess.sign() * 32 / 10_000).clamp(0, 0.9)

        D.requires_grad_(False)
        with self.autocast():
            updated_logits = D.logits(self.see(fake), rng)
        hinge = recipe.loss == "hinge"
        loss_g = -updated_logits.mean() if hinge else softplus(-updated_logits).mean()
        if recipe.spread:
            # Mao et al., "Mode Seeking GANs", CVPR 2019, equation 2.
            apart = (fake.float() - fake.float().roll(1, 0)).abs().mean((1, 2, 3))
            of_z = (z - z.roll(1, 0)).abs().mean((1, 2, 3))
            loss_g = loss_g + recipe.spread / ((apart / of_z).mean() + 1e-5)
        self.adam_g.zero_grad()
        loss_g.backward()
        self.adam_g.step()
        D.requires_grad_(True)
        if recipe.ema:
            self.average.update_parameters(G)
        with torch.no_grad():
            outputs = torch.stack([real_logits, fake_logits, updated_logits])
            means = outputs.sigmoid().flatten(1).mean(1)
            return torch.cat([torch.stack([loss_d, loss_g]), means])


@torch.no_grad()
def samples(G, seed):
    z = torch.rand(N_SAMPLES, 100, 1, 1, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return torch.cat([G.eval()(part).float() for part in z.split(64)])


def train(recipe, X, seed, width, n_steps):
    """uint8 samples after `n_steps`, and the CPU seconds of training."""
    gan = DCGAN.paper(base_width=width, lr=2e-4 * 64 / width, batch_size=recipe.batch)
    gan.set_params(augment=recipe.real_only)
    spec = ImageSpec.of(X)
    n_held_out = round(recipe.held_out * len(X))
    held_out, X = X[:n_held_out], X[n_held_out:]
    images = TrainingImages(X, spec, 64, torch.device("cpu"))
    training = Ideas(gan, images, seed, "bfloat16", recipe)
    start = time.process_time()
    chosen = []
    if n_held_out:
        extract = feature_extractor("cxr", held_out)
        reference = extract(held_out)
    for _ in range(10):
        row = training.epoch(n_steps // 10, lambda *_: None)
        if n_held_out:
            drawn = spec.to_array(samples(training.G, seed))
            distance = kernel_distance(reference, extract(drawn), n_permutations=0)
            chosen.append((distance.value, drawn))
            training.G.train()
    taken = time.process_time() - start
    kept = {"samples": spec.to_array(samples(training.G, seed)), "seconds": taken, **row}
    if n_held_out:
        _, kept["chosen"] = min(chosen, key=lambda pair: pair[0])
    if recipe.ema:
        kept["averaged"] = spec.to_array(samples(training.average.module, seed))
    return kept


def of_package(**params):
    """skcxr's own DCGAN of the base recipe, with `params`."""
    return DCGAN.paper(
        augment=None, diff_augment=SOFT, precision="bfloat16", device="cpu", **params
    )


# All classes by one training, or from one: the number is the steps of all of it, in those that one
# class has in the other recipes.
SHARED = {
    "conditional, 1 training": (1, lambda gan: ConditionalDCGANOversampler(gan)),
    "conditional, 4 trainings": (4, lambda gan: ConditionalDCGANOversampler(gan)),
    "pooled, 2 trainings": (1, lambda gan: DCGANOversampler(gan, pretrain="pooled")),
}


def train_shared(idea, X, y, seed, width, n_steps, params):
    """Samples of each class, and the CPU seconds of all of it."""
    factor, sampler_of = SHARED[idea]
    gan = of_package(
        base_width=width,
        lr=2e-4 * 64 / width,
        max_epochs=20,
        steps_per_epoch=factor * n_steps // 20,
        **params,
    )
    sizes = {k: np.count_nonzero(y == k) + N_SAMPLES for k in np.unique(y)}
    sampler = sampler_of(gan).set_params(sampling_strategy=sizes, random_state=seed)
    start = time.process_time()
    X_new, y_new = sampler.fit_resample(X, y)
    taken = time.process_time() - start
    for k in np.unique(y):
        yield k, {"samples": X_new[sampler.synthetic_mask_ & (y_new == k)], "seconds": taken / 4}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--keep", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--classes", nargs="+", default=CLASSES)
    parser.add_argument("--ideas", nargs="*", default=list(IDEAS))
    parser.add_argument("--shared", nargs="*", default=list(SHARED))
    parser.add_argument("--mode-seeking", type=float, default=0.3, help="of shared trainings")
    parser.add_argument("--dropout", type=float, default=0.0, help="of shared trainings")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--steps", type=int, default=1000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.keep.mkdir(parents=True, exist_ok=True)
    images = load_image_folder(args.data / "covid_cxr", image_size=64)
    y, train_rows = images.target_names[images.target], images.split == "train"
    for seed in range(args.seeds):
        for idea in args.ideas:
            for k in args.classes:
                with claimed(path_of(args, idea, k, seed)) as path:
                    if path is None:
                        continue
                    run_seed = zlib.crc32(f"{k}{seed}".encode()) % 2**31
                    X = images.images[train_rows & (y == k)]
                    kept = train(IDEAS[idea], X, run_seed, args.width, args.steps)
                    np.savez_compressed(path, **kept)
                    print(f"{path.stem}: {kept['seconds']:.0f} s", flush=True)
        for idea in args.shared:
            with claimed(path_of(args, idea, "all", seed)) as path:
                if path is None:
                    continue
                params = {"mode_seeking": args.mode_seeking, "dropout": args.dropout}
                rows = images.images[train_rows], y[train_rows]
                sets = train_shared(idea, *rows, seed, args.width, args.steps, params)
                for k, kept in sets:
                    np.savez_compressed(path_of(args, idea, k, seed), **kept)
                print(f"{path.stem}: {kept['seconds']:.0f} s a class", flush=True)


def path_of(args, idea, k, seed):
    return args.keep / f"{idea}, {k}, {seed}, {args.width}, {args.steps}.npz"


@contextmanager
def claimed(path):
    """`path`, or None where this or another process has begun or done that run."""
    claim = path.with_suffix(".claim")
    try:
        os.close(os.open(claim, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        yield None
        return
    try:
        yield path
    except BaseException:
        claim.unlink()
        raise


if __name__ == "__main__":
    main()
