"""Train the packaged "cxr" feature network, and compare features on graded corruptions.

    python experiments/cxr_features.py train --data ../shared/data/kermany64.npz
    python experiments/cxr_features.py compare --data ../shared/data

``train`` trains CXRFeatureNet on 70 % of the patients and writes its weights as safetensors. Its
data is an .npz file of X (n, 64, 64) uint8, y and groups, which can be your own. ``compare`` takes
pairs of disjoint sets of images of patients that no network was trained on. It corrupts one set of
each pair at five strengths and prints how often the distance between the sets grows with the
strength.
"""

import argparse
import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
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
DEFAULT_OBJECTIVE = "class + corruption"
OBJECTIVES = {
    "untrained": (),
    "class": ("class",),
    "contrast": ("contrast",),
    "corruption": ("corruption",),
    "class + corruption": ("class", "corruption"),
    "contrast + corruption": ("contrast", "corruption"),
    "class + contrast + corruption": ("class", "contrast", "corruption"),
}


# Corruptions take images (n, 1, h, w) in [-1, 1] and one strength in [0, 1] per image.


def blur(x, t, generator):
    """Blur with a Gaussian of up to 2 pixels."""
    sigma = (2 * t).clamp_min(1e-3)[:, None]
    kernel = torch.exp(-0.5 * (torch.arange(-6, 7) / sigma) ** 2)
    kernel = kernel / kernel.sum(1, keepdim=True)
    n, _, h, w = x.shape
    # One group per image, because each image has its own kernel.
    x = F.pad(x.view(1, n, h, w), (6, 6, 6, 6), mode="replicate")
    x = F.conv2d(x, kernel.view(n, 1, 13, 1), groups=n)
    return F.conv2d(x, kernel.view(n, 1, 1, 13), groups=n).view(n, 1, h, w)


def add_noise(x, t, generator):
    """Add white noise with a standard deviation of up to 15 % of the range."""
    white = torch.randn(x.shape, generator=generator)
    return (x + 0.3 * t.view(-1, 1, 1, 1) * white).clamp(-1, 1)


def occlude(x, t, generator):
    """Cover a square of one random gray, with a side of up to half the image's."""
    n, _, h, w = x.shape
    side = 0.5 * t
    u = torch.rand(3, n, generator=generator)
    rows = mark_interval((1 - side) * u[0], side, h)
    columns = mark_interval((1 - side) * u[1], side, w)
    hole = (rows[:, :, None] & columns[:, None])[:, None]
    return torch.where(hole, (2 * u[2] - 1).view(-1, 1, 1, 1), x)


def mark_interval(start, length, n_pixels):
    """Return a mask (n, n_pixels) of [start, start + length), both in shares of the side."""
    position = torch.arange(n_pixels)[None] / n_pixels
    return (position >= start[:, None]) & (position < (start + length)[:, None])


def shift_intensity(x, t, generator):
    """Brighten by up to 15 % of the range, or darken if t is negative."""
    return (x + 0.3 * t.view(-1, 1, 1, 1)).clamp(-1, 1)


def add_checkerboard(x, t, generator):
    """Add the pattern of transposed convolutions, of period two, up to 10 % of the range."""
    _, _, h, w = x.shape
    sign = 1 - 2 * ((torch.arange(h)[:, None] + torch.arange(w)) % 2)
    return (x + 0.2 * t.view(-1, 1, 1, 1) * sign).clamp(-1, 1)


def pixelate(x, t, generator):
    """Blend in blocks of four by four pixels."""
    blocks = F.interpolate(F.avg_pool2d(x, 4), scale_factor=4, mode="nearest")
    return torch.lerp(x, blocks, t.view(-1, 1, 1, 1))


def warp(x, t, generator):
    """Deform smoothly at random, with a standard deviation of up to 4 of 64 pixels."""
    shift = 0.125 * torch.randn(len(x), 2, 5, 5, generator=generator) * t.view(-1, 1, 1, 1)
    shift = F.interpolate(shift, x.shape[2:], mode="bicubic", align_corners=True)
    grid = F.affine_grid(torch.eye(2, 3).expand(len(x), 2, 3), list(x.shape), align_corners=False)
    return F.grid_sample(
        x, grid + shift.permute(0, 2, 3, 1), padding_mode="border", align_corners=False
    )


def add_ghost(x, t, generator):
    """Blend in another image of the set, by up to half."""
    return torch.lerp(x, x.roll(1, 0), 0.5 * t.view(-1, 1, 1, 1))


SEEN = {
    "warp": warp,
    "blur": blur,
    "noise": add_noise,
    "occlusion": occlude,
    "intensity": shift_intensity,
}
# No objective trains on these. They show what a network learned beyond its own task.
UNSEEN = {"checkerboard": add_checkerboard, "pixelate": pixelate, "ghost": add_ghost}
STRENGTHS = (0.2, 0.35, 0.5, 0.7, 1.0)
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5)  # of normal images among pneumonia
REPEATS = (2, 4, 8, 16, 32)  # n / distinct images


# Training


def corrupt_at_random(x, generator):
    """Apply each seen corruption to 40 % of the images; return images and random strengths."""
    targets = []
    for corrupt in SEEN.values():
        u = torch.rand(3, len(x), generator=generator)
        t = u[0] * (u[1] < 0.4)
        if corrupt is shift_intensity:
            t = torch.where(u[2] < 0.5, t, -t)
        x = corrupt(x, t, generator)
        targets.append(t)
    return x, torch.stack(targets, 1)


def crop(x, generator):
    """Crop 30 to 100 % of the area at another aspect ratio, and resize to the full size."""
    u = torch.rand(4, len(x), generator=generator)
    scale = (0.3 + 0.7 * u[0]).sqrt()
    ratio = torch.exp(0.5 * (u[1] - 0.5))
    w = (scale * ratio).clamp_max(1)
    h = (scale / ratio).clamp_max(1)
    zero = torch.zeros_like(w)
    rows = [[w, zero, (1 - w) * (2 * u[2] - 1)], [zero, h, (1 - h) * (2 * u[3] - 1)]]
    theta = torch.stack([torch.stack(row, 1) for row in rows], 1)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def contrastive_loss(z, temperature=0.2):
    """Return NT-Xent (Chen et al. 2020, eq. 1); rows i and i + n/2 are views of one image."""
    z = F.normalize(z)
    similarity = (z @ z.T / temperature).fill_diagonal_(-torch.inf)
    n = len(z) // 2
    return F.cross_entropy(similarity, torch.arange(2 * n).roll(n))


def train(objective, x, y, *, epochs=60, seed=0):
    """Train CXRFeatureNet on images `x` (n, 1, 64, 64) in [-1, 1] of integer classes `y`."""
    terms = OBJECTIVES[objective]
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = CXRFeatureNet(int(y.max()) + 1).to(memory_format=torch.channels_last)
    d = network.project.in_features
    classes = nn.Linear(d, network.head.out_features)
    strengths = nn.Linear(d, len(SEEN))
    projection = nn.Linear(d, 64)
    parts = nn.ModuleList([network, classes, strengths, projection])
    affine = Affine()
    batch_size = 128
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
            batch, amount = corrupt_at_random(batch, generator)
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
    return finish_network(network, classes, x)


@torch.no_grad()
def finish_network(network, classes, x):
    """Set batch statistics, projection and head of `network` from the clean images `x`."""
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
    # One common scale makes the mean square 1 and keeps the proportions between components.
    scale = singular[:k].square().mean().div(len(x)).sqrt()
    network.project.weight.copy_(components[:k] / scale)
    network.head.weight.copy_(classes.weight @ components[:k].T * scale)
    network.head.bias.copy_(classes.bias)
    print(f"{k} components hold {singular[:k].square().sum() / singular.square().sum():.1%}")
    return network


# Comparison


# These should grow with the strength. The last two measure how much of the variety is lost.
DISTANCES = {
    "Frechet": frechet_distance,
    "kernel": lambda A, B: kernel_distance(A, B, n_permutations=0).value,
    "1 - coverage": lambda A, B: 1 - precision_recall_density_coverage(A, B).coverage,
    "sameness": lambda A, B: -intra_diversity(B),
}


def draw(rng, rows, n):
    return rng.choice(rows, n, replace=False)


def draw_sets(X, normal, groups, n, seed):
    """Yield (corruption, images): a reference, then sets to compare with it, a clean one first.

    The reference and the other sets share no patient. The images of each set are drawn separately.
    """
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    patients = np.unique(groups)
    first = np.isin(groups, rng.permutation(patients)[: len(patients) // 2])
    everything = np.arange(len(X))
    yield "reference", X[draw(rng, everything[first], n)]
    rest = everything[~first]
    for name, corrupt in (SEEN | UNSEEN).items():
        for t in (0, *STRENGTHS):
            x = X[draw(rng, rest, n)]
            yield name, corrupt(x, torch.full((n,), t), generator) if t else x
    for repeats in (1, *REPEATS):
        distinct = draw(rng, rest, max(n // repeats, 1))
        yield "copies", X[np.resize(distinct, n)]
    yield "reference without normal", X[draw(rng, everything[first & ~normal], n)]
    for share in (0, *SHARES):
        k = round(share * n)
        mixed = draw(rng, everything[~first & ~normal], n - k)
        yield "mixing", X[np.r_[mixed, draw(rng, everything[~first & normal], k)]]


def compare_features(extractors, X, normal, groups, n, seeds):
    """Return rows of (extractor, corruption, distance, seed, values at levels 0 to 5)."""
    results = []
    for seed in range(seeds):
        sets = [(name, x.numpy()) for name, x in draw_sets(X, normal, groups, n, seed)]
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
            results.extend((name, *key, seed, v) for key, v in values.items())
    return results


def summarize(results):
    """Tabulate Spearman's rho, the share of strictly growing series, AUCs and mean distances."""
    frame = pd.DataFrame(results, columns=["features", "corruption", "distance", "seed", "values"])
    rows = []
    for key, part in frame.groupby(["features", "corruption", "distance"], sort=False):
        v = np.array(part["values"].tolist())
        # A constant series has no order.
        rho = [spearmanr(range(6), row).statistic if np.ptp(row) else 0.0 for row in v]
        # How often a corrupted set is further away than a clean one, over all pairs of seeds.
        auc = [(v[:, i, None] > v[None, :, 0]).mean() for i in range(1, 6)]
        grows = (np.diff(v, axis=1) > 0).all(1).mean()
        rows.append((*key, np.mean(rho), grows, *auc, *v.mean(0)))
    columns = ["features", "corruption", "distance", "rho", "grows"]
    columns += [f"auc {i}" for i in range(1, 6)] + [f"d{i}" for i in range(6)]
    return pd.DataFrame(rows, columns=columns)


def load_sets(folder):
    """Return per name: images in [-1, 1], a mask of normal images, patients, and set sizes."""
    kermany = np.load(folder / "kermany64.npz")
    X, y, groups = kermany["X"], kermany["y"], kermany["groups"]
    _, test = split_patients(X, y, groups)
    images = load_image_folder(folder / "covid_cxr", groups=folder / "covid_cxr" / "metadata.csv")
    names = images.target_names[images.target]
    return {
        "kermany": (to_tensor(X[test]), y[test] == "normal", groups[test], (60, 200)),
        "covid_cxr": (to_tensor(images.images), names == "normal", images.groups, (60,)),
    }


def to_tensor(X):
    """Convert uint8 images (n, 64, 64) to float32 (n, 1, 64, 64) in [-1, 1]."""
    return torch.from_numpy(X).reshape(-1, 1, *X.shape[1:3]).float() / 127.5 - 1


def split_patients(X, y, groups):
    """Return training and test rows, of 70 % and 30 % of the patients."""
    return next(GroupShuffleSplit(1, test_size=0.3, random_state=0).split(X, y, groups))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=["train", "compare"])
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help="train: the .npz file; compare: the folder of covid_cxr/ and kermany64.npz",
    )
    parser.add_argument("--objective", choices=OBJECTIVES, default=DEFAULT_OBJECTIVE)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=20, help="number of draws of the sets")
    parser.add_argument(
        "--weights", type=Path, nargs="*", default=[], help="files of further networks to compare"
    )
    parser.add_argument(
        "--only", default="", help="compare only the sets of this name, such as 'kermany 60'"
    )
    parser.add_argument(
        "--out", type=Path, help="file to write: the weights, or the values of compare as JSON"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.task == "compare":
        return print_comparison(args)
    data = np.load(args.data)
    X = to_tensor(data["X"])
    names, y = np.unique(data["y"], return_inverse=True)
    fit, test = split_patients(X, y, data["groups"])
    network = train(args.objective, X[fit], torch.from_numpy(y[fit]), epochs=args.epochs)
    with torch.no_grad():
        accuracy = balanced_accuracy_score(y[test], network.head(network(X[test])).argmax(1))
    print(f"{args.objective}: balanced accuracy {accuracy:.3f} of {names} on held-out patients")
    out = args.out or PACKAGED
    out.parent.mkdir(parents=True, exist_ok=True)
    weights = {name: w.contiguous() for name, w in network.state_dict().items()}
    save_file(weights, out)
    out.chmod(0o644)  # safetensors makes the file readable for its owner only
    print(f"{out}: {out.stat().st_size} bytes")


def print_comparison(args):
    """Compare pixels, the packaged network and further weights on each data set."""
    sources = {"pixels": "pixels", "cxr": "cxr"} | {path.stem: path for path in args.weights}
    extractors = {name: partial(feature_extractor, source) for name, source in sources.items()}
    everything = {}
    for data, (X, normal, groups, sizes) in load_sets(args.data).items():
        for n in sizes:
            if args.only not in f"{data} {n}":
                continue
            results = compare_features(extractors, X, normal, groups, n, args.seeds)
            everything[f"{data} {n}"] = results
            table = summarize(results)
            for distance in DISTANCES:
                part = table[table.distance == distance]
                for value in ("rho", "grows", "auc 1", "auc 2", "d0", "d5"):
                    wide = part.pivot(index="features", columns="corruption", values=value)
                    wide = wide.reindex(index=list(sources), columns=part.corruption.unique())
                    print(f"\n{data}, n = {n}, {distance}, {value}")
                    with pd.option_context("display.width", 200):
                        print(wide.round(2).to_string(), flush=True)
    if args.out:
        args.out.write_text(json.dumps(everything))


if __name__ == "__main__":
    main()
