"""Which small network and schedule? Cross-validated accuracy and seconds on real radiographs.

    python experiments/cxrnet.py --data ../shared/data --seeds 3 --out results/cxrnet.jsonl

For each design, 4-fold cross-validation on the 270 training images (plain folds, as the paper),
and the mean balanced accuracy of the folds' models on the 2,856 radiographs of other patients in
kermany64.npz (three of the four classes), which is by far the steadier figure. A finished run is a
line of the output file and is not run again.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold
from torch import nn

from skcxr import CXRClassifier
from skcxr.augment import Affine
from skcxr.datasets._folders import load_image_folder
from skcxr.networks import CXRNet


class Plain(nn.Sequential):
    """The reference: four blocks of convolution, batch normalisation, ReLU and max pooling."""

    def __init__(self, n_classes, n_channels=1, widths=(32, 64, 128, 256)):
        layers = []
        for before, width in zip((n_channels, *widths[:-1]), widths, strict=True):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width)]
            layers += [nn.ReLU(), nn.MaxPool2d(2)]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, n_classes))


def variant(**options):
    """An nn.Module class: CXRNet with other defaults."""

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
# Name -> parameters of CXRClassifier; what is not named is as in CXRNet with one-cycle 0.1.
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
    "CXRNet 16-32-64-128": {"module": variant(widths=(16, 32, 64, 128))},
    "CXRNet 32-64-128-256": {"module": variant(widths=(32, 64, 128, 256))},
    "CXRNet 24-48-96-128-128": {"module": variant(widths=(24, 48, 96, 128, 128))},
    "CXRNet 32-64-128": {"module": variant(widths=(32, 64, 128))},
    "CXRNet, one-cycle 0.1, 250 epochs": {"max_epochs": 250},
    "CXRNet, one-cycle 0.1, batches of 32": {"batch_size": 32},
    "CXRNet, no dropout": {"module": variant(dropout=0.0)},
    "CXRClassifier()": CXRClassifier().get_params(),
    "CXRClassifier(), in bfloat16": CXRClassifier(precision="bfloat16").get_params(),
    "CXRClassifier(batch_size=32, lr=0.05)": CXRClassifier(batch_size=32, lr=0.05).get_params(),
    "CXRClassifier(batch_size=16, lr=0.03)": CXRClassifier(batch_size=16, lr=0.03).get_params(),
}


def run(name, seed, data):
    """Cross-validated and unseen accuracy, and seconds of training, of one design and seed."""
    X, y, unseen_X, unseen_y = data
    hits, unseen, seconds = np.zeros(len(y), bool), [], 0.0
    for train, test in StratifiedKFold(4, shuffle=True, random_state=seed).split(X, y):
        start = time.perf_counter()
        clf = CXRClassifier(**(ONE_CYCLE | DESIGNS[name] | {"random_state": seed})).fit(
            X[train], y[train]
        )
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
    """Seconds of a 150-epoch fit of the reference and the default, in turn, and their ratios."""
    X, y = data[0][:202], data[1][:202]
    names = (next(iter(DESIGNS)), "CXRClassifier()")
    seconds = {name: [] for name in names}
    for _ in range(n_pairs + 1):
        for name in names:
            params = DESIGNS[name] | {"max_epochs": epochs, "random_state": 0}
            start = time.perf_counter()
            CXRClassifier(**params).fit(X, y)
            seconds[name].append((time.perf_counter() - start) * 150 / epochs)
    reference, default = (np.array(seconds[name][1:]) for name in names)
    print(f"{names[0]}: {np.median(reference):.0f} s a fit of 150 epochs")
    print(f"{names[1]}: {np.median(default):.0f} s a fit of 150 epochs")
    print("ratios of the pairs:", np.round(np.sort(reference / default), 1).tolist())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pairs", type=int, help="only time reference against default")
    parser.add_argument("--only", default="", help="designs whose name holds this")
    parser.add_argument("--out", type=Path, default=Path("results/cxrnet.jsonl"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    images = load_image_folder(args.data / "covid_cxr", image_size=64)
    train = images.split == "train"
    kermany = np.load(args.data / "kermany64.npz")
    unseen_X = kermany["X"].reshape(len(kermany["X"]), -1)
    data = images.data[train], images.target_names[images.target[train]], unseen_X, kermany["y"]
    if args.pairs:
        return time_pairs(args.pairs, data)
    args.out.parent.mkdir(exist_ok=True, parents=True)
    done = [json.loads(line) for line in args.out.open()] if args.out.exists() else []
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for name in DESIGNS:
            if args.only in name and not any(
                (d["design"], d["seed"]) == (name, seed) for d in done
            ):
                done.append(run(name, seed, data))
                with args.out.open("a") as file:
                    print(json.dumps(done[-1]), file=file)
    import pandas as pd

    table = pd.DataFrame(done).groupby("design", sort=False)
    print(table[["accuracy", "unseen", "seconds"]].agg(["mean", "std"]).round(3).to_string())


if __name__ == "__main__":
    main()
