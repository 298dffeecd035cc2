"""Time an epoch of CXRClassifier and of a stock skorch net of the same module.

    python benchmarks/classifier_epoch.py --rounds 7

All variants take turns in each round, and ratios are medians over rounds. The stock net is skorch's
NeuralNetClassifier with its own DataLoader, as in its documentation. It runs without augmentation
and with that of CXRClassifier, written as torchvision transforms, image by image. With augmentation
it also runs in PyTorch's default memory layout instead of CXRNet's channels_last. With one thread,
CPU seconds of the process are measured, which other work on the machine affects little.
"""

import argparse
import time

import numpy as np
import pandas as pd
import torch
from skorch import NeuralNetClassifier
from torch import nn
from torch.utils.data import Dataset
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import RandomAffine

from skcxr import CXRClassifier
from skcxr.datasets import make_chest_phantoms
from skcxr.networks import CXRNet


class AugmentedImages(Dataset):
    """Images that are augmented one by one when they are loaded."""

    def __init__(self, X, y):
        self.X = torch.from_numpy(X)
        self.y = torch.from_numpy(y)
        self.transform = RandomAffine(
            degrees=7,
            translate=(0.06, 0.06),
            scale=(1 / 1.1, 1.1),
            interpolation=InterpolationMode.BILINEAR,
        )

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        return self.transform(self.X[i]), self.y[i]


class ContiguousCXRNet(CXRNet):
    """CXRNet in PyTorch's default memory layout."""

    def __init__(self, n_classes):
        super().__init__(n_classes)
        self.to(memory_format=torch.contiguous_format)


def build_stock_net(max_epochs, batch_size, module=CXRNet):
    return NeuralNetClassifier(
        module,
        module__n_classes=4,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        optimizer__momentum=0.9,
        optimizer__nesterov=True,
        lr=0.01,
        max_epochs=max_epochs,
        batch_size=batch_size,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--images", type=int, default=202, help="by default, three of four folds of 270"
    )
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=5, help="epochs per fit")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    clock = time.process_time if args.threads == 1 else time.perf_counter
    data = make_chest_phantoms(args.images, random_state=0)
    X = data.images
    y = data.target.astype(np.int64)
    floats = (X[:, None] / 127.5 - 1).astype(np.float32)
    params = {"max_epochs": args.epochs, "batch_size": args.batch}
    augmented = AugmentedImages(floats, y)
    variants = {
        "stock skorch, no augmentation": lambda: build_stock_net(**params).fit(floats, y),
        "stock skorch, augmented": lambda: build_stock_net(**params).fit(augmented, None),
        "stock skorch, augmented, PyTorch's layout": lambda: build_stock_net(
            **params, module=ContiguousCXRNet
        ).fit(augmented, None),
        "CXRClassifier(augment=None)": lambda: CXRClassifier(**params, augment=None).fit(X, y),
        "CXRClassifier()": lambda: CXRClassifier(**params).fit(X, y),
        "CXRClassifier(precision='bfloat16')": lambda: CXRClassifier(
            **params, precision="bfloat16"
        ).fit(X, y),
    }
    seconds = {name: [] for name in variants}
    for _ in range(args.rounds + 1):
        for name, fit in variants.items():
            start = clock()
            fit()
            seconds[name].append((clock() - start) / args.epochs)
    # The first round is the warm-up.
    seconds = {name: np.array(values[1:]) for name, values in seconds.items()}
    stock = seconds["stock skorch, no augmentation"]
    stock_augmented = seconds["stock skorch, augmented"]
    stock_contiguous = seconds["stock skorch, augmented, PyTorch's layout"]
    table = {
        name: {
            "ms per epoch, least": 1e3 * values.min(),
            "median": 1e3 * np.median(values),
            "times faster than stock": np.median(stock / values),
            "than stock, augmented": np.median(stock_augmented / values),
            "than that in PyTorch's layout": np.median(stock_contiguous / values),
        }
        for name, values in seconds.items()
    }
    print(f"{args.images} images, batches of {args.batch}, {args.threads} threads")
    print(pd.DataFrame.from_dict(table, orient="index").round(2).to_markdown())


if __name__ == "__main__":
    main()
