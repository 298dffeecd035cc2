"""Compare small networks and schedules for the classifier on real radiographs.

    python experiments/cxrnet.py --data ../shared/data --seeds 3 --out results/cxrnet.jsonl

Each design is cross-validated in four folds of the 270 training images (plain folds, as in the
paper). Its folds' models are also tested on the 2,856 radiographs of other patients in
kermany64.npz, which have three of the four classes. The mean balanced accuracy on these varies
much less. Each finished run is a line of the output file and is not repeated.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold
from torch import nn

from skcxr import CXRClassifier
from skcxr.augment import Affine
from skcxr.datasets._folders import load_image_folder
from skcxr.networks import CXRNet


class Plain(nn.Sequential):
    """Reference network: four blocks of convolution, batch normalisation, ReLU and max pooling."""

    def __init__(self, n_classes, n_channels=1, widths=(32, 64, 128, 256)):
        layers = []
        for before, width in zip((n_channels, *widths[:-1]), widths, strict=True):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width)]
            layers += [nn.ReLU(), nn.MaxPool2d(2)]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, n_classes))


def make_variant(**options):
    """Return a subclass of CXRNet with other defaults."""

    class Variant(CXRNet):
        def __init__(self, n_classes, n_channels=1):
            super().__init__(n_classes, n_channels, **options)

    return Variant


ONE_CYCLE = {
    "lr_schedule": "onecycle",
    "batch_size": 64,
    "max_epochs": 125,
    "lr": 0.1,
    "weight_decay": 0.0,
}
PAPER = {"lr_schedule": "constant", "batch_size": 256, "max_epochs": 150, "lr": 0.01}
STRONG = Affine(degrees=12, translate=0.1, scale=0.2)
# Parameters of CXRClassifier by name. All others are those of ONE_CYCLE.
DESIGNS = {
    "plain 32-64-128-256, no augmentation, paper's schedule": {
        **PAPER,
        "module": Plain,
        "augment": None,
    },
    "CXRNet, paper's schedule": PAPER,
    "CXRNet, one-cycle 0.05": {"lr": 0.05},
    "CXRNet, one-cycle 0.1": {},
    "CXRNet, one-cycle 0.2": {"lr": 0.2},
    "CXRNet, one-cycle 0.1, weight decay 1e-3": {"weight_decay": 1e-3},
    "CXRNet, one-cycle 0.1, stronger affine": {"augment": STRONG},
    "CXRNet, one-cycle 0.1, no augmentation": {"augment": None},
    "CXRNet 16-32-64-128": {"module": make_variant(widths=(16, 32, 64, 128))},
    "CXRNet 32-64-128-256": {"module": make_variant(widths=(32, 64, 128, 256))},
    "CXRNet 24-48-96-128-128": {"module": make_variant(widths=(24, 48, 96, 128, 128))},
    "CXRNet 32-64-128": {"module": make_variant(widths=(32, 64, 128))},
    "CXRNet, one-cycle 0.1, 250 epochs": {"max_epochs": 250},
    "CXRNet, one-cycle 0.1, batches of 32": {"batch_size": 32},
    "CXRNet, no dropout": {"module": make_variant(dropout=0.0)},
    "CXRClassifier()": CXRClassifier().get_params(),
    "CXRClassifier(), in bfloat16": CXRClassifier(precision="bfloat16").get_params(),
    "CXRClassifier(batch_size=32, lr=0.05)": CXRClassifier(batch_size=32, lr=0.05).get_params(),
    "CXRClassifier(batch_size=16, lr=0.03)": CXRClassifier(batch_size=16, lr=0.03).get_params(),
}


def evaluate_design(name, seed, data):
    """Return cross-validated and unseen accuracy, and the training time, of a design and seed."""
    X, y, unseen_X, unseen_y = data
    params = ONE_CYCLE | DESIGNS[name] | {"random_state": seed}
    hits = np.zeros(len(y), bool)
    unseen = []
    seconds = 0.0
    for train, test in StratifiedKFold(4, shuffle=True, random_state=seed).split(X, y):
        start = time.perf_counter()
        clf = CXRClassifier(**params).fit(X[train], y[train])
        seconds += time.perf_counter() - start
        hits[test] = clf.predict(X[test]) == y[test]
        proba = clf.predict_proba(unseen_X)[:, clf.classes_ != "covid"]
        names = clf.classes_[clf.classes_ != "covid"]
        unseen.append(balanced_accuracy_score(unseen_y, names[proba.argmax(1)]))
    return {
        "design": name,
        "seed": seed,
        "accuracy": hits.mean(),
        "unseen": np.mean(unseen),
        "seconds": seconds,
    }


def time_pairs(n_pairs, data, epochs=6):
    """Print the seconds of a 150-epoch fit of the reference and the default, and their ratios."""
    X = data[0][:202]
    y = data[1][:202]
    names = (next(iter(DESIGNS)), "CXRClassifier()")
    seconds = {name: [] for name in names}
    for _ in range(n_pairs + 1):
        for name in names:
            params = DESIGNS[name] | {"max_epochs": epochs, "random_state": 0}
            start = time.perf_counter()
            CXRClassifier(**params).fit(X, y)
            seconds[name].append((time.perf_counter() - start) * 150 / epochs)
    reference = np.array(seconds[names[0]][1:])
    default = np.array(seconds[names[1]][1:])
    print(f"{names[0]}: {np.median(reference):.0f} s per fit of 150 epochs")
    print(f"{names[1]}: {np.median(default):.0f} s per fit of 150 epochs")
    print("ratios of the pairs:", np.round(np.sort(reference / default), 1).tolist())


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of covid_cxr/ and kermany64.npz")
    add("--seeds", type=int, default=3, help="number of seeds")
    add("--first-seed", type=int, default=0)
    add("--threads", type=int, default=1)
    add("--pairs", type=int, help="only time this many pairs of the reference and the default")
    add("--only", default="", help="run only designs whose name contains this text")
    add("--out", type=Path, default=Path("results/cxrnet.jsonl"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    images = load_image_folder(args.data / "covid_cxr", image_size=64)
    train = images.split == "train"
    kermany = np.load(args.data / "kermany64.npz")
    unseen_X = kermany["X"].reshape(len(kermany["X"]), -1)
    data = images.data[train], images.target_names[images.target[train]], unseen_X, kermany["y"]
    if args.pairs:
        time_pairs(args.pairs, data)
        return
    args.out.parent.mkdir(exist_ok=True, parents=True)
    done = [json.loads(line) for line in args.out.open()] if args.out.exists() else []
    finished = {(run["design"], run["seed"]) for run in done}
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for name in DESIGNS:
            if args.only not in name or (name, seed) in finished:
                continue
            done.append(evaluate_design(name, seed, data))
            with args.out.open("a") as file:
                print(json.dumps(done[-1]), file=file)
    table = pd.DataFrame(done).groupby("design", sort=False)
    print(table[["accuracy", "unseen", "seconds"]].agg(["mean", "std"]).round(3).to_string())


if __name__ == "__main__":
    main()
