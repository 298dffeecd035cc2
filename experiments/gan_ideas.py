"""Train GANs by many recipes on the 60 to 70 radiographs of each class.

    python experiments/gan_ideas.py --data ../shared/data --seeds 3 --keep results/ideas

Each idea is one change to a recipe, or a few. All are trained on the training images of a class,
for the same number of steps. The samples of each run are kept on disk: a script that was stopped
resumes, and several scripts can share one folder. gan_ideas_table.py compares the samples with real
images of the class that no GAN was trained on; gan_ideas_use.py trains classifiers on them.
"""

import argparse
import os
import time
import zlib
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
from gan_recipes import IDEAS, SOFT
from torch import nn
from torch.nn.functional import relu
from torch.nn.utils.parametrizations import spectral_norm

from skcxr import DCGAN, ConditionalDCGANOversampler, DCGANOversampler
from skcxr._base.images import ImageSpec, TrainingImages
from skcxr.datasets import load_image_folder
from skcxr.gan._losses import discriminator_loss, generator_loss
from skcxr.gan._training import GANTraining, TrainingConfig
from skcxr.metrics import kernel_distance
from skcxr.metrics.features import feature_extractor
from skcxr.networks import Discriminator
from skcxr.networks._precision import autocast

CLASSES = ("normal", "pneumonia_bac", "pneumonia_vir", "covid")
N_SAMPLES = 512


class MinibatchDeviation(nn.Module):
    """Append the features' standard deviation over the batch (Karras et al. 2018) as a channel."""

    def forward(self, x):
        deviation = (x.float().var(0, unbiased=False) + 1e-8).sqrt().mean()
        return torch.cat([x, deviation.to(x.dtype).expand(len(x), 1, *x.shape[2:])], dim=1)


def replace_norm(D, norm, rng):
    """Replace the batch normalisation of `D` by another one, in place."""
    if norm == "batch":
        return
    for i, layer in enumerate(D.layers):
        if isinstance(layer, nn.BatchNorm2d):
            instance = norm == "instance"
            n = layer.num_features
            D.layers[i] = nn.InstanceNorm2d(n, affine=True) if instance else nn.Identity()
        elif isinstance(layer, nn.Conv2d) and norm in ("spectral", "none"):
            nn.init.kaiming_normal_(layer.weight, 0.2, generator=rng)
            if norm == "spectral":
                spectral_norm(layer)


class RecipeTraining(GANTraining):
    """The training of DCGAN with the changes of a recipe."""

    def __init__(self, config, images, seed, precision, recipe):
        super().__init__(config, images, seed, precision)
        self.recipe = recipe
        rng = torch.Generator().manual_seed(seed)
        D = Discriminator(64, config.base_width, 1, recipe.dropout, rng)
        replace_norm(D, recipe.norm, rng)
        if recipe.stddev:
            last = nn.Conv2d(8 * config.base_width + 1, 1, 4, bias=False)
            nn.init.normal_(last.weight, 0.0, 0.02, generator=rng)
            D.layers[-2] = nn.Sequential(MinibatchDeviation(), last)
        self.D = D.to(memory_format=torch.channels_last)
        options = {"betas": (0.5, 0.999), "fused": True}
        self.adam_g = torch.optim.Adam(self.G.parameters(), lr=config.lr * recipe.lr_g, **options)
        self.adam_d = torch.optim.Adam(self.D.parameters(), lr=config.lr * recipe.lr_d, **options)
        self.p = torch.tensor(0.0)
        self.anchors = torch.zeros(2)
        self.average = torch.optim.swa_utils.AveragedModel(
            self.G,
            multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.ema),
            use_buffers=True,
        )

    def augment_for_discriminator(self, x):
        """Augment real or synthetic images with what only the discriminator sees."""
        recipe = self.recipe
        if recipe.seen is not None:
            # The coordinates of the augmentation need more precision than bfloat16 has.
            changed = recipe.seen(x.float(), self.rng)
            if recipe.adaptive:
                rate = torch.rand(len(x), 1, 1, 1, generator=self.rng)
                changed = torch.where(rate < self.p, changed, x)
            x = changed
        if recipe.noise:
            x = x + recipe.noise * torch.randn(x.shape, generator=self.rng)
        return x

    def step(self, rows):
        """Update D, then G, with the real images `rows`; return the statistics of the step."""
        G = self.G
        D = self.D
        rng = self.rng
        recipe = self.recipe
        device = self.images.device

        real = self.augment(self.images.batch(rows), rng)
        z_shape = (self.config.batch_size, self.config.latent_dim, 1, 1)
        z = torch.rand(z_shape, generator=rng) * 2 - 1
        with autocast(device, self.precision):
            fake = G(z)
            real_seen = self.augment_for_discriminator(real)
            fake_seen = self.augment_for_discriminator(fake.detach())
            if recipe.r1:
                real_seen.requires_grad_()
            if recipe.together:
                real_logits, fake_logits = D.logits(torch.cat([real_seen, fake_seen]), rng).chunk(2)
            else:
                real_logits = D.logits(real_seen, rng)
                fake_logits = D.logits(fake_seen, rng)
        if recipe.loss == "hinge":
            loss_d = relu(1 - real_logits).mean() + relu(1 + fake_logits).mean()
        else:
            loss_d = discriminator_loss(real_logits, fake_logits)
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
            # ADA (Karras et al. 2020): p follows the mean sign of the real logits, with target 0.6.
            excess = real_logits.detach().sign().mean() - 0.6
            self.p = (self.p + excess.sign() * 32 / 10_000).clamp(0, 0.9)

        D.requires_grad_(False)
        with autocast(device, self.precision):
            updated_logits = D.logits(self.augment_for_discriminator(fake), rng)
        if recipe.loss == "hinge":
            loss_g = -updated_logits.mean()
        else:
            loss_g = generator_loss(updated_logits)
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
def draw_samples(G, seed):
    """Return N_SAMPLES images of `G`, a float32 tensor."""
    z = torch.rand(N_SAMPLES, 100, 1, 1, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return torch.cat([G.eval()(part).float() for part in z.split(64)])


def train(recipe, X, seed, width, n_steps):
    """Return uint8 samples after `n_steps`, the CPU seconds of training, and the last losses."""
    gan = DCGAN.paper(base_width=width, lr=2e-4 * 64 / width, batch_size=recipe.batch)
    gan.set_params(augment=recipe.real_only)
    spec = ImageSpec.of(X)
    n_held_out = round(recipe.held_out * len(X))
    held_out, X = X[:n_held_out], X[n_held_out:]
    images = TrainingImages(X, spec, 64, torch.device("cpu"))
    config = TrainingConfig.from_estimator(gan)
    training = RecipeTraining(config, images, seed, "bfloat16", recipe)
    start = time.process_time()
    candidates = []
    if n_held_out:
        extract = feature_extractor("cxr", held_out)
        reference = extract(held_out)
    for _ in range(10):
        row = training.run_epoch(n_steps // 10, lambda *_: None)
        if n_held_out:
            samples = spec.to_array(draw_samples(training.G, seed))
            distance = kernel_distance(reference, extract(samples), n_permutations=0)
            candidates.append((distance.value, samples))
            training.G.train()
    seconds = time.process_time() - start
    result = {"samples": spec.to_array(draw_samples(training.G, seed)), "seconds": seconds, **row}
    if n_held_out:
        _, result["chosen"] = min(candidates, key=lambda pair: pair[0])
    if recipe.ema:
        result["averaged"] = spec.to_array(draw_samples(training.average.module, seed))
    return result


# Trainings that all classes share. The number is their steps in all, in units of the steps that one
# class has in the other recipes.
SHARED = {
    "conditional, 1 training": (1, ConditionalDCGANOversampler),
    "conditional, 4 trainings": (4, ConditionalDCGANOversampler),
    "pooled, 2 trainings": (1, partial(DCGANOversampler, pretrain="pooled")),
}


def train_shared(idea, X, y, seed, width, n_steps, params):
    """Return samples of each class, and a quarter of the CPU seconds of the training."""
    factor, build_sampler = SHARED[idea]
    gan = DCGAN.paper(
        augment=None,
        diff_augment=SOFT,
        precision="bfloat16",
        device="cpu",
        base_width=width,
        lr=2e-4 * 64 / width,
        max_epochs=20,
        steps_per_epoch=factor * n_steps // 20,
        **params,
    )
    sizes = {k: np.count_nonzero(y == k) + N_SAMPLES for k in np.unique(y)}
    sampler = build_sampler(gan, sampling_strategy=sizes, random_state=seed)
    start = time.process_time()
    X_new, y_new = sampler.fit_resample(X, y)
    seconds = (time.process_time() - start) / 4
    return {
        k: {"samples": X_new[sampler.synthetic_mask_ & (y_new == k)], "seconds": seconds}
        for k in np.unique(y)
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of covid_cxr/")
    add("--keep", type=Path, required=True, help="folder of the samples, resumed from")
    add("--seeds", type=int, default=3, help="number of runs of each idea and class")
    add("--classes", nargs="+", default=CLASSES)
    add("--ideas", nargs="*", default=list(IDEAS), help="recipes of gan_recipes.py")
    add("--shared", nargs="*", default=list(SHARED), help="trainings that all classes share")
    add("--mode-seeking", type=float, default=0.3, help="of the shared trainings")
    add("--dropout", type=float, default=0.0, help="of the shared trainings")
    add("--width", type=int, default=16, help="base_width of the networks")
    add("--steps", type=int, default=1000, help="training steps per class")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.keep.mkdir(parents=True, exist_ok=True)
    images = load_image_folder(args.data / "covid_cxr", image_size=64)
    y = images.target_names[images.target]
    train_rows = images.split == "train"
    for seed in range(args.seeds):
        for idea in args.ideas:
            for k in args.classes:
                with claim_run(build_path(args, idea, k, seed)) as path:
                    if path is None:
                        continue
                    run_seed = zlib.crc32(f"{k}{seed}".encode()) % 2**31
                    X = images.images[train_rows & (y == k)]
                    result = train(IDEAS[idea], X, run_seed, args.width, args.steps)
                    np.savez_compressed(path, **result)
                    print(f"{path.stem}: {result['seconds']:.0f} s", flush=True)
        for idea in args.shared:
            with claim_run(build_path(args, idea, "all", seed)) as path:
                if path is None:
                    continue
                params = {"mode_seeking": args.mode_seeking, "dropout": args.dropout}
                X = images.images[train_rows]
                results = train_shared(idea, X, y[train_rows], seed, args.width, args.steps, params)
                for k, result in results.items():
                    np.savez_compressed(build_path(args, idea, k, seed), **result)
                print(f"{path.stem}: {result['seconds']:.0f} s per class", flush=True)


def build_path(args, idea, k, seed):
    """Return the file of a run; gan_ideas_table.py splits its name at the commas."""
    return args.keep / f"{idea}, {k}, {seed}, {args.width}, {args.steps}.npz"


@contextmanager
def claim_run(path):
    """Give `path`, or None if this or another process has started or finished that run."""
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
