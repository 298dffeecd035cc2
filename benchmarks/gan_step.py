"""Time a step of the paper's GAN, in a common implementation and in skcxr.

    python benchmarks/gan_step.py --rounds 10
    python benchmarks/gan_step.py --device cuda --steps 200 --classes 4

All implementations take turns in each round, so that noise of the machine affects them alike.
Ratios are medians over rounds. The matrix peak is the speed of a product of two 2048x2048 matrices
of the same dtype, measured in each round. The common implementation is that of tutorials.
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import torch
from torch import nn

from skcxr import DCGAN
from skcxr._base.images import ImageSpec, TrainingImages
from skcxr.datasets import make_chest_phantoms
from skcxr.gan._cuda_graph import own_stream
from skcxr.gan._training import GANTraining, TrainingConfig

BATCH = 32


def common_generator(width=64):
    w = [width, 2 * width, 4 * width, 8 * width]
    return nn.Sequential(
        *(nn.ConvTranspose2d(100, w[3], 4, 1, 0, bias=False), nn.BatchNorm2d(w[3]), nn.ReLU(True)),
        *(nn.ConvTranspose2d(w[3], w[2], 4, 2, 1, bias=False), nn.BatchNorm2d(w[2]), nn.ReLU(True)),
        *(nn.ConvTranspose2d(w[2], w[1], 4, 2, 1, bias=False), nn.BatchNorm2d(w[1]), nn.ReLU(True)),
        *(nn.ConvTranspose2d(w[1], w[0], 4, 2, 1, bias=False), nn.BatchNorm2d(w[0]), nn.ReLU(True)),
        *(nn.ConvTranspose2d(w[0], 1, 4, 2, 1, bias=False), nn.Tanh()),
    )


def common_discriminator(width=64):
    w = [width, 2 * width, 4 * width, 8 * width]
    leak = {"negative_slope": 0.2, "inplace": True}
    return nn.Sequential(
        *(nn.Conv2d(1, w[0], 4, 2, 1, bias=False), nn.LeakyReLU(**leak), nn.Dropout(0.5)),
        *(nn.Conv2d(w[0], w[1], 4, 2, 1, bias=False), nn.BatchNorm2d(w[1]), nn.LeakyReLU(**leak)),
        *(nn.Conv2d(w[1], w[2], 4, 2, 1, bias=False), nn.BatchNorm2d(w[2]), nn.LeakyReLU(**leak)),
        nn.Dropout(0.5),
        *(nn.Conv2d(w[2], w[3], 4, 2, 1, bias=False), nn.BatchNorm2d(w[3]), nn.Dropout(0.5)),
        nn.LeakyReLU(**leak),
        *(nn.Conv2d(w[3], 1, 4, 1, 0, bias=False), nn.Sigmoid()),
    )


class CommonWay:
    """Tables 1 and 2 as tutorials train them: NCHW, float32, each loss read in each step."""

    def __init__(self, X, device, width=64):
        self.images = torch.from_numpy(X).float().view(-1, 1, 64, 64).to(device) / 127.5 - 1
        self.G = common_generator(width).to(device)
        self.D = common_discriminator(width).to(device)
        for layer in [*self.G, *self.D]:
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(layer.weight, 0.0, 0.02)
        options = {"lr": 2e-4, "betas": (0.5, 0.999)}
        self.adam_g = torch.optim.Adam(self.G.parameters(), **options)
        self.adam_d = torch.optim.Adam(self.D.parameters(), **options)
        self.loss = nn.BCELoss()

    def step(self):
        device = self.images.device
        real = self.images[torch.randperm(len(self.images))[:BATCH]]
        ones, zeros = torch.ones(BATCH, device=device), torch.zeros(BATCH, device=device)
        self.D.zero_grad()
        loss_real = self.loss(self.D(real).view(-1), ones)
        loss_real.backward()
        fake = self.G(torch.rand(BATCH, 100, 1, 1, device=device) * 2 - 1)
        loss_fake = self.loss(self.D(fake.detach()).view(-1), zeros)
        loss_fake.backward()
        self.adam_d.step()
        self.G.zero_grad()
        output = self.D(fake).view(-1)
        loss_g = self.loss(output, ones)
        loss_g.backward()
        self.adam_g.step()
        return (loss_real + loss_fake).item(), loss_g.item(), output.mean().item()


def build_skcxr_step(X, device, precision, width=64, *, graph=True, gan=None):
    """Return a function that runs one step of `gan`.

    None is the paper's GAN without augmentation.
    """
    images = TrainingImages(X, ImageSpec.of(X), 64, device)
    gan = gan or DCGAN.paper(augment=None)
    config = TrainingConfig.from_estimator(gan.set_params(base_width=width))
    training = GANTraining(config, images, 0, precision)
    run = training.run_step if graph else training.step
    return lambda: run(training.rows.draw())


def time_step(step, n_steps, device):
    """Return the mean seconds per step over `n_steps`."""
    wait(device)
    start = time.perf_counter()
    for _ in range(n_steps):
        step()
    wait(device)
    return (time.perf_counter() - start) / n_steps


def wait(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def time_side_by_side(steps, n_steps, device):
    """Return the seconds per step of several trainings in parallel, in threads and streams."""

    def train(step):
        with own_stream(device):
            for _ in range(n_steps):
                step()

    wait(device)
    start = time.perf_counter()
    with ThreadPoolExecutor(len(steps)) as pool:
        list(pool.map(train, steps))
    wait(device)
    return (time.perf_counter() - start) / n_steps


def count_step_flop(width=64):
    """Return the number of multiplications and additions of a step.

    Forward: G once, D three times. Backward: two products per layer, of G and of D on its two
    batches. There is only one product in D's layers in the step of G, where D is frozen, and in the
    first layers, whose input needs no gradient.
    """
    channels = (1, width, 2 * width, 4 * width, 8 * width)
    shared = sum(
        narrow * wide * 16 * side**2
        for narrow, wide, side in zip(channels, channels[1:], (32, 16, 8, 4), strict=False)
    )
    first_g = 100 * 8 * width * 16
    first_d = width * 16 * 32 * 32
    g = shared + first_g
    d = shared + 8 * width * 16
    passes = g + 2 * g - first_g + 3 * d + 2 * (2 * d - first_d) + d
    return 2 * BATCH * passes


def measure_matrix_peak(dtype, device, n=2048):
    """Return the FLOP/s of a product of two n x n matrices."""
    a = torch.randn(n, n, device=device).to(dtype)
    return 2 * n**3 / min(time_step(lambda: a @ a, 2, device) for _ in range(3))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=2, help="steps per round")
    parser.add_argument("--classes", type=int, default=0, help="trainings side by side, on CUDA")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--width", type=int, default=64)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    X = make_chest_phantoms(70, random_state=0).images
    ways = {
        "the common way": (CommonWay(X, device, args.width).step, torch.float32),
        "skcxr, float32": (build_skcxr_step(X, device, "float32", args.width), torch.float32),
        "skcxr, bfloat16": (build_skcxr_step(X, device, "bfloat16", args.width), torch.bfloat16),
    }
    if device.type == "cuda":
        one_by_one = build_skcxr_step(X, device, "bfloat16", args.width, graph=False)
        ways["skcxr, bfloat16, no graph"] = one_by_one, torch.bfloat16
    for step, _ in ways.values():
        with own_stream(device):
            time_step(step, 6, device)
    rows = {name: [] for name in ways}
    for _ in range(args.rounds):
        peaks = {
            dtype: measure_matrix_peak(dtype, device) for dtype in (torch.float32, torch.bfloat16)
        }
        for name, (step, dtype) in ways.items():
            with own_stream(device):
                seconds = time_step(step, args.steps, device)
            rows[name].append(
                (seconds, count_step_flop(args.width) / seconds / peaks[dtype], peaks[dtype])
            )
    machine = f"{args.threads} threads"
    if device.type == "cuda":
        machine = torch.cuda.get_device_name(device)
    gflop = count_step_flop(args.width) / 1e9
    print(f"PyTorch {torch.__version__}, {machine}, {gflop:.1f} GFLOP per step")
    common = np.array(rows["the common way"])[:, 0]
    table = {}
    for name, values in rows.items():
        seconds, share, peak = np.array(values).T
        table[name] = {
            "ms, least": 1e3 * min(seconds),
            "ms, median": 1e3 * np.median(seconds),
            "times faster": np.median(common / seconds),
            "share of the peak": np.median(share),
            "peak, GFLOP/s": np.median(peak) / 1e9,
        }
    print(pd.DataFrame.from_dict(table, orient="index").round(2).to_markdown())
    if args.classes:
        steps = [build_skcxr_step(X, device, "bfloat16", args.width) for _ in range(args.classes)]
        time_side_by_side(steps, 6, device)
        seconds = [time_side_by_side(steps, args.steps, device) for _ in range(args.rounds)]
        best = np.median(seconds)
        print(f"{args.classes} classes side by side: {1e3 * best:.2f} ms for a step of each")
        print(f"the paper's 6,800 steps of each: {6800 * best:.1f} s")


if __name__ == "__main__":
    main()
