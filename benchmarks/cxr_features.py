"""Which features order graded corruptions of radiographs? Trains the packaged "cxr" network.

    python benchmarks/cxr_features.py train --data ../shared/data/kermany64.npz
    python benchmarks/cxr_features.py compare --data ../shared/data

``train`` writes the weights of CXRFeatureNet, trained on 70 % of the patients, as safetensors; the
data is an .npz of X (n, 64, 64) uint8, y and groups, so that your own serves as well. ``compare``
takes pairs of disjoint sets of images whose patients no network has seen, corrupts one of the two
at five strengths, and prints how often the distance between them grows with the strength.
"""

import argparse
import json
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from scipy.stats import spearmanr
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupShuffleSplit
from torch import nn
from torch.nn import functional as F

from skcxr.augment import Affine
from skcxr.datasets._folders import load_image_folder
from skcxr.metrics import (
    frechet_distance,
    intra_diversity,
    kernel_distance,
    precision_recall_density_coverage,
)
from skcxr.metrics.features import feature_extractor
from skcxr.networks._features import CXRFeatureNet

PACKAGED = Path(__file__).parents[1] / "skcxr" / "networks" / "cxr_features.safetensors"
CHOSEN = "class + corruption"
OBJECTIVES = {
    "untrained": (),
    "class": ("class",),
    "contrast": ("contrast",),
    "corruption": ("corruption",),
    "class + corruption": ("class", "corruption"),
    "contrast + corruption": ("contrast", "corruption"),
    "class + contrast + corruption": ("class", "contrast", "corruption"),
}


# Corruptions take images (n, 1, h, w) in [-1, 1] and one strength in [0, 1] for each image.


def blur(x, t, generator):
    """Gaussian blur of up to 2 pixels."""
    sigma = (2 * t).clamp_min(1e-3)[:, None]
    kernel = torch.exp(-0.5 * (torch.arange(-6, 7) / sigma) ** 2)
    kernel = kernel / kernel.sum(1, keepdim=True)
    n, _, h, w = x.shape
    # One group for each image: each has a kernel of its own.
    x = F.pad(x.view(1, n, h, w), (6, 6, 6, 6), mode="replicate")
    x = F.conv2d(x, kernel.view(n, 1, 13, 1), groups=n)
    return F.conv2d(x, kernel.view(n, 1, 1, 13), groups=n).view(n, 1, h, w)


def noise(x, t, generator):
    """White noise with a standard deviation of up to 15 % of the range."""
    white = torch.randn(x.shape, generator=generator)
    return (x + 0.3 * t.view(-1, 1, 1, 1) * white).clamp(-1, 1)


def occlusion(x, t, generator):
    """A square of one random gray, with a side of up to half the image's."""
    n, _, h, w = x.shape
    side, u = 0.5 * t, torch.rand(3, n, generator=generator)
    top, left = (1 - side) * u[0], (1 - side) * u[1]
    row, column = (torch.arange(k)[None] / k for k in (h, w))
    inside = [
        (a >= start[:, None]) & (a < (start + side)[:, None])
        for a, start in ((row, top), (column, left))
    ]
    hole = (inside[0][:, :, None] & inside[1][:, None])[:, None]
    return torch.where(hole, (2 * u[2] - 1).view(-1, 1, 1, 1), x)


def intensity(x, t, generator):
    """A brighter image, by up to 15 % of the range; darker if t is negative."""
    return (x + 0.3 * t.view(-1, 1, 1, 1)).clamp(-1, 1)


def checkerboard(x, t, generator):
    """The pattern of period two that transposed convolutions leave, up to 10 % of the range."""
    i, j = (torch.arange(k) for k in x.shape[2:])
    sign = 1 - 2 * ((i[:, None] + j) % 2)
    return (x + 0.2 * t.view(-1, 1, 1, 1) * sign).clamp(-1, 1)


def pixelate(x, t, generator):
    """Blocks of four by four pixels, blended in."""
    blocks = F.interpolate(F.avg_pool2d(x, 4), scale_factor=4, mode="nearest")
    return torch.lerp(x, blocks, t.view(-1, 1, 1, 1))


def warp(x, t, generator):
    """A smooth random deformation with a standard deviation of up to 4 of 64 pixels."""
    shift = 0.125 * torch.randn(len(x), 2, 5, 5, generator=generator) * t.view(-1, 1, 1, 1)
    shift = F.interpolate(shift, x.shape[2:], mode="bicubic", align_corners=True)
    grid = F.affine_grid(torch.eye(2, 3).expand(len(x), 2, 3), list(x.shape), align_corners=False)
    return F.grid_sample(
        x, grid + shift.permute(0, 2, 3, 1), padding_mode="border", align_corners=False
    )


def ghost(x, t, generator):
    """Another image of the set shines through, by up to half."""
    return torch.lerp(x, x.roll(1, 0), 0.5 * t.view(-1, 1, 1, 1))


SEEN = (warp, blur, noise, occlusion, intensity)
# No objective trains on these: they show what a network learnt beyond its own task.
UNSEEN = (checkerboard, pixelate, ghost)
STRENGTHS = (0.2, 0.35, 0.5, 0.7, 1.0)
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5)  # of normal images among pneumonia
REPEATS = (2, 4, 8, 16, 32)  # n / distinct images


# Training


def corrupted(x, generator):
    """`x` with each seen corruption, at random strength, in 40 % of the images; the strengths."""
    targets = []
    for corrupt in SEEN:
        u = torch.rand(3, len(x), generator=generator)
        t = u[0] * (u[1] < 0.4)
        if corrupt is intensity:
            t = torch.where(u[2] < 0.5, t, -t)
        x = corrupt(x, t, generator)
        targets.append(t)
    return x, torch.stack(targets, 1)


def crop(x, generator):
    """A random crop of 30 to 100 % of the area at another aspect ratio, back at full size."""
    u = torch.rand(4, len(x), generator=generator)
    scale, ratio = (0.3 + 0.7 * u[0]).sqrt(), torch.exp(0.5 * (u[1] - 0.5))
    w, h = (scale * ratio).clamp_max(1), (scale / ratio).clamp_max(1)
    zero = torch.zeros_like(w)
    rows = [[w, zero, (1 - w) * (2 * u[2] - 1)], [zero, h, (1 - h) * (2 * u[3] - 1)]]
    theta = torch.stack([torch.stack(row, 1) for row in rows], 1)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def contrastive_loss(z, temperature=0.2):
    """NT-Xent of SimCLR (Chen et al. 2020, eq. 1): rows i and i + n/2 are views of one image."""
    z = F.normalize(z)
    similarity = (z @ z.T / temperature).fill_diagonal_(-torch.inf)
    n = len(z) // 2
    return F.cross_entropy(similarity, torch.arange(2 * n).roll(n))


def train(objective, x, y, *, epochs=60, seed=0):
    """CXRFeatureNet trained on the images `x` (n, 1, 64, 64) in [-1, 1] of classes `y` (ints)."""
    terms = OBJECTIVES[objective]
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = CXRFeatureNet(int(y.max()) + 1).to(memory_format=torch.channels_last)
    d = network.project.in_features
    classes, strengths = nn.Linear(d, network.head.out_features), nn.Linear(d, len(SEEN))
    projection = nn.Linear(d, 64)
    parts = nn.ModuleList([network, classes, strengths, projection])
    affine, batch_size = Affine(), 128
    steps = epochs * (len(x) // batch_size) if terms else 0
    optimizer = torch.optim.AdamW(parts.parameters(), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=max(steps, 1))
    parts.train()
    for step in range(steps):
        if step % (len(x) // batch_size) == 0:
            order = torch.randperm(len(x), generator=generator)
        rows, order = order[:batch_size], order[batch_size:]
        batch = affine(x[rows], generator)
        loss = 0.0
        if "corruption" in terms:
            batch, amount = corrupted(batch, generator)
        means = network.means(batch)
        if "corruption" in terms:
            loss = loss + 5 * F.mse_loss(strengths(means), amount)
        if "class" in terms:
            loss = loss + F.cross_entropy(classes(means), y[rows], label_smoothing=0.1)
        if "contrast" in terms:
            views = torch.cat([crop(x[rows], generator), crop(x[rows], generator)])
            loss = loss + 0.5 * contrastive_loss(projection(network.means(views)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 200 == 0 or step == steps - 1:
            print(f"{objective}: step {step} of {steps}, loss {loss.item():.3f}", flush=True)
    return finished(network, classes, x)


@torch.no_grad()
def finished(network, classes, x):
    """`network` with the clean images' statistics in all that comes after the convolutions."""
    network.train()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None  # the plain mean over batches
    for batch in x.split(len(x) // 8):
        network.means(batch)
    network.eval()
    means = torch.cat([network.means(batch) for batch in x.split(256)])
    _, singular, components = torch.linalg.svd(means - means.mean(0), full_matrices=False)
    k = network.project.out_features
    # One scale for all, so that the mean square is 1, keeps the proportions between components.
    scale = singular[:k].square().mean().div(len(x)).sqrt()
    network.project.weight.copy_(components[:k] / scale)
    network.head.weight.copy_(classes.weight @ components[:k].T * scale)
    network.head.bias.copy_(classes.bias)
    print(f"{k} components hold {singular[:k].square().sum() / singular.square().sum():.1%}")
    return network


# Comparison


# What is to grow with the strength. The last two measure how much of the set's variety is lost.
DISTANCES = {
    "Frechet": frechet_distance,
    "kernel": lambda A, B: kernel_distance(A, B, n_permutations=0).value,
    "1 - coverage": lambda A, B: 1 - precision_recall_density_coverage(A, B).coverage,
    "sameness": lambda A, B: -intra_diversity(B),
}


def draw(rng, rows, n):
    return rng.choice(rows, n, replace=False)


def series(X, normal, groups, n, seed):
    """Yield (corruption, images): a reference, then sets to compare with it, a clean one first.

    The reference and the others share no patient, and each set's images are drawn anew.
    """
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    patients = np.unique(groups)
    first = np.isin(groups, rng.permutation(patients)[: len(patients) // 2])
    everything = np.arange(len(X))
    yield "reference", X[draw(rng, everything[first], n)]
    rest = everything[~first]
    for corrupt in SEEN + UNSEEN:
        for t in (0, *STRENGTHS):
            x = X[draw(rng, rest, n)]
            yield corrupt.__name__, corrupt(x, torch.full((n,), t), generator) if t else x
    for repeats in (1, *REPEATS):
        distinct = draw(rng, rest, max(n // repeats, 1))
        yield "copies", X[np.resize(distinct, n)]
    yield "reference without normal", X[draw(rng, everything[first & ~normal], n)]
    for share in (0, *SHARES):
        k = round(share * n)
        mixed = draw(rng, everything[~first & ~normal], n - k)
        yield "mixing", X[np.r_[mixed, draw(rng, everything[~first & normal], k)]]


def compare(extractors, X, normal, groups, n, seeds):
    """Rows of (extractor, corruption, distance, seed, values at levels 0 to 5)."""
    results = []
    for seed in range(seeds):
        sets = [(name, x.numpy()) for name, x in series(X, normal, groups, n, seed)]
        for name, make in extractors.items():
            values = {}
            for corruption, images in sets:
                if corruption.startswith("reference"):
                    extractor = make(images)
                    A = extractor(images)
                    continue
                B = extractor(images)
                for distance, between in DISTANCES.items():
                    values.setdefault((corruption, distance), []).append(between(A, B))
            results += [(name, *key, seed, v) for key, v in values.items()]
    return results


def summary(results):
    """Table of Spearman's rho, the share of strictly growing series, AUCs and mean distances."""
    import pandas as pd

    frame = pd.DataFrame(results, columns=["features", "corruption", "distance", "seed", "values"])
    rows = []
    for key, part in frame.groupby(["features", "corruption", "distance"], sort=False):
        v = np.array(part["values"].tolist())
        # A series that never moves has no order.
        rho = [spearmanr(range(6), row).statistic if np.ptp(row) else 0.0 for row in v]
        # How often a set is further away than a clean one: both from all seeds.
        auc = [(v[:, i, None] > v[None, :, 0]).mean() for i in range(1, 6)]
        grows = (np.diff(v, axis=1) > 0).all(1).mean()
        rows.append((*key, np.mean(rho), grows, *auc, *v.mean(0)))
    columns = ["features", "corruption", "distance", "rho", "grows"]
    columns += [f"auc {i}" for i in range(1, 6)] + [f"d{i}" for i in range(6)]
    return pd.DataFrame(rows, columns=columns)


def real_sets(folder):
    """Name -> images in [-1, 1], whether normal, patients, and the numbers of images to draw."""
    kermany = np.load(folder / "kermany64.npz")
    X, y, groups = kermany["X"], kermany["y"], kermany["groups"]
    _, test = split(X, y, groups)
    images = load_image_folder(folder / "covid_cxr", groups=folder / "covid_cxr" / "metadata.csv")
    names = images.target_names[images.target]
    return {
        "kermany": (as_tensor(X[test]), y[test] == "normal", groups[test], (60, 200)),
        "covid_cxr": (as_tensor(images.images), names == "normal", images.groups, (60,)),
    }


def as_tensor(X):
    """uint8 images (n, 64, 64) as float32 (n, 1, 64, 64) in [-1, 1]."""
    return torch.from_numpy(X).reshape(-1, 1, *X.shape[1:3]).float() / 127.5 - 1


def split(X, y, groups):
    """Training and test rows: 70 % and 30 % of the patients."""
    return next(GroupShuffleSplit(1, test_size=0.3, random_state=0).split(X, y, groups))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("task", choices=["train", "compare"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--objective", choices=OBJECTIVES, default=CHOSEN)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--weights", type=Path, nargs="*", default=[], help="further candidates")
    parser.add_argument("--only", default="", help="as 'kermany 60'")
    parser.add_argument("--out", type=Path, help="file to write: safetensors, or compare's JSON")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.task == "compare":
        return print_comparison(args)
    data = np.load(args.data)
    X, (names, y) = as_tensor(data["X"]), np.unique(data["y"], return_inverse=True)
    fit, test = split(X, y, data["groups"])
    network = train(args.objective, X[fit], torch.from_numpy(y[fit]), epochs=args.epochs)
    with torch.no_grad():
        accuracy = balanced_accuracy_score(y[test], network.head(network(X[test])).argmax(1))
    print(f"{args.objective}: balanced accuracy {accuracy:.3f} of {names} on other patients")
    out = args.out or PACKAGED
    out.parent.mkdir(parents=True, exist_ok=True)
    weights = {name: w.contiguous() for name, w in network.state_dict().items()}
    save_file(weights, out)
    out.chmod(0o644)  # safetensors leaves the file to its owner alone
    print(f"{out}: {out.stat().st_size} bytes")


def print_comparison(args):
    import pandas as pd

    names = {"pixels": "pixels", "cxr": "cxr"} | {path.stem: path for path in args.weights}
    extractors = {name: partial(feature_extractor, source) for name, source in names.items()}
    everything = {}
    for data, (X, normal, groups, sizes) in real_sets(args.data).items():
        for n in sizes:
            if args.only not in f"{data} {n}":
                continue
            results = compare(extractors, X, normal, groups, n, args.seeds)
            everything[f"{data} {n}"] = results
            table = summary(results)
            for distance in DISTANCES:
                part = table[table.distance == distance]
                for value in ("rho", "grows", "auc 1", "auc 2", "d0", "d5"):
                    wide = part.pivot(index="features", columns="corruption", values=value)
                    wide = wide.reindex(index=list(names), columns=part.corruption.unique())
                    print(f"\n{data}, n = {n}, {distance}, {value}")
                    with pd.option_context("display.width", 200):
                        print(wide.round(2).to_string(), flush=True)
    if args.out:
        args.out.write_text(json.dumps(everything))


if __name__ == "__main__":
    main()
