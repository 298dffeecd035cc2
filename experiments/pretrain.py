"""Train the weights "cxr" that come with skcxr: a GAN and a classifier, on kermany64 alone.

    OMP_NUM_THREADS=1 python experiments/pretrain.py train --data ../shared/data
    OMP_NUM_THREADS=1 python experiments/pretrain.py judge --data ../shared/data
    OMP_NUM_THREADS=1 python experiments/pretrain.py package --data ../shared/data

Both networks are trained on the images of 70 % of the patients, those that the "cxr" features were
trained on as well. The other patients are for tests.

``train`` resumes after an interruption. It keeps the weights of the GAN at several numbers of
steps. ``judge`` fine-tunes each of them on classes of another hospital, nih64, and prints the
distance between the samples and other images there. ``package`` writes the chosen GAN and the
classifier in half precision into skcxr/networks, with fingerprints of the training images.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from sklearn.model_selection import GroupShuffleSplit

from skcxr import DCGAN, CXRClassifier
from skcxr.datasets._near_duplicates import compute_fingerprints
from skcxr.metrics import kernel_distance
from skcxr.metrics.features import feature_extractor

NETWORKS = Path(__file__).parents[1] / "skcxr" / "networks"
STEPS_PER_EPOCH = 100
STEPS = (3000, 6000, 9000, 12000, 18000)
FINE_STEPS = 200
N_FINE = 60
N_SAMPLES = 300
WIDTH = 24
CLASSIFIER_EPOCHS = 30


def load_training_images(data):
    """Return images, classes and patients of the 70 % of the patients for training."""
    file = np.load(data / "kermany64.npz", allow_pickle=True)
    X = file["X"]
    y = file["y"].astype(str)
    groups = file["groups"].astype(str)
    train, _ = next(GroupShuffleSplit(1, test_size=0.3, random_state=0).split(X, y, groups))
    return X[train], y[train], groups[train]


def train(args):
    """Train both networks, and keep their weights in a folder."""
    X, y, _ = load_training_images(args.data)
    args.keep.mkdir(parents=True, exist_ok=True)
    for seed in args.seeds:
        classifier_file = args.keep / f"classifier-{seed}.safetensors"
        if not classifier_file.exists():
            clf = CXRClassifier(max_epochs=CLASSIFIER_EPOCHS, random_state=seed).fit(X, y)
            clf.save_weights(classifier_file)
        for steps in args.steps:
            gan_file = args.keep / f"gan-{seed}-{steps}.safetensors"
            if gan_file.exists():
                continue
            start = time.perf_counter()
            gan = build_gan(seed, steps).set_params(checkpoint=args.keep / f"gan-{seed}.pt")
            gan.fit(X).save_weights(gan_file, discriminator=True)
            print(f"{gan_file.name}: {time.perf_counter() - start:.0f} s", flush=True)


def build_gan(seed, n_steps):
    """Return an unfitted GAN from random weights."""
    return DCGAN(
        base_width=WIDTH,
        lr=2e-4 * 64 / WIDTH,
        steps_per_epoch=STEPS_PER_EPOCH,
        max_epochs=n_steps // STEPS_PER_EPOCH,
        random_state=seed,
    )


def judge(args):
    """Print how far fine-tuned samples are from other images of another hospital.

    The kernel distance is computed in two kinds of features. One is the "cxr" features; the other
    is pixels, which no network has learnt from.
    """
    file = np.load(args.data / "nih64.npz", allow_pickle=True)
    X, y, groups = file["X"], file["y"].astype(str), file["groups"].astype(str)
    rows = []
    for k in np.unique(y):
        of_class = np.flatnonzero(y == k)
        of_class = of_class[np.argsort(groups[of_class], kind="stable")]
        train = of_class[:N_FINE]
        others = of_class[~np.isin(groups[of_class], groups[train])]
        starts = {f"seed {s}, {n} steps": (s, n) for s in args.seeds for n in args.steps}
        samples = {"real": X[train], "random weights, 1000 steps": build_gan(0, 1000)}
        for name, (seed, steps) in starts.items():
            gan_file = args.keep / f"gan-{seed}-{steps}.safetensors"
            if gan_file.exists():
                samples[name] = build_gan(seed, FINE_STEPS).set_params(weights=gan_file)
        for name, images in samples.items():
            if isinstance(images, DCGAN):
                images = images.fit(X[train]).sample(N_SAMPLES, random_state=0)
            for features in ("cxr", "pixels"):
                extract = feature_extractor(features, X[others])
                distance, _ = kernel_distance(extract(X[others]), extract(images), random_state=0)
                rows.append((k, features, name, distance))
                print(rows[-1], flush=True)
    table = pd.DataFrame(rows, columns=["class", "features", "start", "kernel distance"])
    table = table.pivot(index="start", columns=["features", "class"], values="kernel distance")
    print(table.round(3).to_string())


def package(args):
    """Write the chosen weights into skcxr/networks, in half precision."""
    X, _, _ = load_training_images(args.data)
    seed = args.seeds[0]
    sources = {
        "gan": args.keep / f"gan-{seed}-{args.steps[0]}.safetensors",
        "classifier": args.keep / f"classifier-{seed}.safetensors",
    }
    for role, source in sources.items():
        with safe_open(source, framework="pt") as file:
            metadata = file.metadata()
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        # Statistics of normalization layers are small and stay in full precision.
        halved = {key: t.half() if t.ndim > 1 else t for key, t in tensors.items()}
        if role == "classifier":
            halved["fingerprints.images"] = torch.from_numpy(compute_fingerprints(X))
        target = NETWORKS / f"cxr_{role}.safetensors"
        save_file(halved, target, metadata=metadata)
        print(f"{target}: {target.stat().st_size / 1e6:.2f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["train", "judge", "package"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--keep", type=Path, default=Path("results/pretrain"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, nargs="+", default=list(STEPS))
    args = parser.parse_args()
    {"train": train, "judge": judge, "package": package}[args.command](args)


if __name__ == "__main__":
    main()
