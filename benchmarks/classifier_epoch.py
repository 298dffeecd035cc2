"""What does an epoch of CXRClassifier cost, beside a stock skorch net of the same module?

    python benchmarks/classifier_epoch.py --rounds 7

All take their turn in each round; ratios are medians over rounds. The stock net is skorch's
NeuralNetClassifier with its own DataLoader, as its documentation shows it, once on images as they
are, and once with the augmentation of CXRClassifier written as torchvision's transforms, image by
image; that one also with the module in PyTorch's own layout, which CXRNet leaves for channels_last.
With one thread, seconds are the process' own: other work on the machine moves them little.
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


class Augmented(Dataset):
    """Images that are augmented one by one, as they are asked for."""

    def __init__(self, X, y):
        self.X, self.y = torch.from_numpy(X), torch.from_numpy(y)
        options = {"degrees": 7, "translate": (0.06, 0.06), "scale": (1 / 1.1, 1.1)}
        self.transform = RandomAffine(**options, interpolation=InterpolationMode.BILINEAR)

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        return self.transform(self.X[i]), self.y[i]


class InPytorchsLayout(CXRNet):
    """The same layers without the layout that CXRNet takes for its speed."""

    def __init__(self, n_classes):
        super().__init__(n_classes)
        self.to(memory_format=torch.contiguous_format)


def stock(max_epochs, batch_size, module=CXRNet):
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=202, help="three of four folds of 270")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    clock = time.process_time if args.threads == 1 else time.perf_counter
    data = make_chest_phantoms(args.images, random_state=0)
    X, y = data.images, data.target.astype(np.int64)
    floats = (X[:, None] / 127.5 - 1).astype(np.float32)
    params = {"max_epochs": args.epochs, "batch_size": args.batch}
    ways = {
        "stock skorch, no augmentation": lambda: stock(**params).fit(floats, y),
        "stock skorch, augmented": lambda: stock(**params).fit(Augmented(floats, y), None),
        "stock skorch, augmented, PyTorch's layout": lambda: stock(
            **params, module=InPytorchsLayout
        ).fit(Augmented(floats, y), None),
        "CXRClassifier(augment=None)": lambda: CXRClassifier(**params, augment=None).fit(X, y),
        "CXRClassifier()": lambda: CXRClassifier(**params).fit(X, y),
        "CXRClassifier(precision='bfloat16')": lambda: CXRClassifier(
            **params, precision="bfloat16"
        ).fit(X, y),
    }
    seconds = {name: [] for name in ways}
    for _ in range(args.rounds + 1):
        for name, fit in ways.items():
            start = clock()
            fit()
            seconds[name].append((clock() - start) / args.epochs)
    seconds = {name: np.array(values[1:]) for name, values in seconds.items()}
    plain, augmented, other_layout = (seconds[name] for name in list(ways)[:3])
    table = {
        name: {
            "ms an epoch, least": 1e3 * values.min(),
            "median": 1e3 * np.median(values),
            "times faster than stock": np.median(plain / values),
            "than stock, augmented": np.median(augmented / values),
            "than that in PyTorch's layout": np.median(other_layout / values),
        }
        for name, values in seconds.items()
    }
    print(f"{args.images} images, batches of {args.batch}, {args.threads} threads")
    print(pd.DataFrame.from_dict(table, orient="index").round(2).to_markdown())


if __name__ == "__main__":
    main()
