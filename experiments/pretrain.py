"""Train the weights "cxr" that come with skcxr: a GAN and a classifier, on kermany64 alone.

    OMP_NUM_THREADS=1 python experiments/pretrain.py train --data ../shared/data/kermany64.npz
    OMP_NUM_THREADS=1 python experiments/pretrain.py package --data ../shared/data/kermany64.npz

Both networks are trained on the images of 70 % of the patients, those that the "cxr" features were
trained on as well. The other patients are for tests. The data is an .npz file of X (n, 64, 64)
uint8, y and groups.

``train`` resumes after an interruption. It keeps the weights of the GAN at several numbers of
steps. ``package`` writes those of one number of steps, and of the classifier, in half precision
into skcxr/networks, with fingerprints of the training images.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from sklearn.model_selection import GroupShuffleSplit

from skcxr import DCGAN, CXRClassifier

STEPS_PER_EPOCH = 100
STEPS = (3000, 6000, 9000, 12000, 18000)
WIDTH = 24
CLASSIFIER_EPOCHS = 30


def load_training_images(data):
    """Return images, classes and patients of the 70 % of the patients for training."""
    file = np.load(data, allow_pickle=True)
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
            gan = DCGAN(
                base_width=WIDTH,
                lr=2e-4 * 64 / WIDTH,
                steps_per_epoch=STEPS_PER_EPOCH,
                max_epochs=steps // STEPS_PER_EPOCH,
                checkpoint=args.keep / f"gan-{seed}.pt",
                random_state=seed,
            )
            gan.fit(X).save_weights(gan_file, discriminator=True)
            print(f"{gan_file.name}: {time.perf_counter() - start:.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["train"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/kermany64.npz"))
    parser.add_argument("--keep", type=Path, default=Path("results/pretrain"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, nargs="+", default=list(STEPS))
    args = parser.parse_args()
    {"train": train}[args.command](args)


if __name__ == "__main__":
    main()
