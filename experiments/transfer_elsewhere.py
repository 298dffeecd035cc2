"""Do weights of children's radiographs help with another hospital's adults? nih64, five splits.

    OMP_NUM_THREADS=1 python experiments/transfer_elsewhere.py run --data ../shared/data
    python experiments/transfer_elsewhere.py report

The protocol was written down before the first run:

- A split: 60 images per class for training, by patients. Half of the other patients are the pool,
  without labels. The other half are for testing.
- Weights: "cxr", which come with skcxr and were trained on kermany64 alone; a GAN of width 24 on
  the split's own pool, 3,000 steps; none.
- Classifiers from random weights take 900 steps, and pretrained ones 150, as in transfer.py. GANs
  are fine-tuned on each class for 200 steps. Sampling arms double each class.
- Figure: balanced accuracy on the test patients. Intervals: t over splits, and bootstrap over test
  patients of the mean over splits.

The predictions are kept in ``experiments/transfer_elsewhere/``, and no images.
"""

import argparse
from pathlib import Path

import numpy as np
from imblearn.pipeline import Pipeline
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transfer import (
    FINE_CLASSIFIER_STEPS,
    FINE_STEPS,
    N_PER_CLASS,
    RANDOM_CLASSIFIER_STEPS,
    build_gan,
    fit_arms,
    report_results,
)

from skcxr import CXRClassifier, CXRFeatures, DCGANOversampler
from skcxr.over_sampling import grow
from skcxr.over_sampling._duplicates import DuplicateOversampler

RESULTS = Path(__file__).parent / "transfer_elsewhere"
POOL_STEPS = 3000


def load_images(data):
    """Return nih64's images, classes and patients."""
    file = np.load(data / "nih64.npz", allow_pickle=True)
    return file["X"], file["y"].astype(str), file["groups"].astype(str)


def split_patients(split, y, groups):
    """Return the rows for training, of the pool and for testing. They share no patient."""
    rng = np.random.default_rng(split)
    order = {patient: i for i, patient in enumerate(rng.permutation(np.unique(groups)))}
    rows = np.argsort([order[patient] for patient in groups], kind="stable")
    train = np.concatenate([rows[y[rows] == k][:N_PER_CLASS] for k in np.unique(y)])
    others = rng.permutation(np.setdiff1d(groups, groups[train]))
    is_pool = np.isin(groups, others[: len(others) // 2])
    is_test = np.isin(groups, others[len(others) // 2 :])
    return train, np.flatnonzero(is_pool), np.flatnonzero(is_test)


def pretrain(split, X, pool, folder):
    """Train a GAN on the pool of a split, and return the file of its weights."""
    file = folder / f"gan-{split}.safetensors"
    if not file.exists():
        gan = build_gan(split, POOL_STEPS).set_params(checkpoint=folder / f"gan-{split}.pt")
        gan.fit(X[pool]).save_weights(file, discriminator=True)
    return file


def build_arms(split, pool_file, memory):
    """Return the arms by name. GANs are kept in `memory`, and serve both starts."""
    growing = {"sampling_strategy": grow(2), "random_state": split}
    samplers = {
        "classic": [],
        "duplicates": [("sampler", DuplicateOversampler(**growing))],
        "cxr gan": [
            ("sampler", DCGANOversampler(build_gan(split, FINE_STEPS, "cxr"), **growing)),
        ],
        "pool gan": [
            ("sampler", DCGANOversampler(build_gan(split, FINE_STEPS, pool_file), **growing)),
        ],
    }
    starts = {
        "random": CXRClassifier(max_steps=RANDOM_CLASSIFIER_STEPS, random_state=split),
        "cxr classifier": CXRClassifier.pretrained(
            max_steps=FINE_CLASSIFIER_STEPS, random_state=split
        ),
    }
    arms = {}
    for sampler, steps in samplers.items():
        for start, clf in starts.items():
            arms[f"{start}, {sampler}"] = Pipeline([*steps, ("clf", clf)], memory=memory)
    arms["probe"] = make_pipeline(
        CXRFeatures(), StandardScaler(), LogisticRegression(C=0.01, max_iter=2000)
    )
    return arms


def run(args):
    """Fit the arms of each split, and keep their predictions on the test patients."""
    X, y, groups = load_images(args.data)
    RESULTS.mkdir(exist_ok=True)
    args.keep.mkdir(parents=True, exist_ok=True)
    for split in args.splits:
        train, pool, test = split_patients(split, y, groups)
        pool_file = pretrain(split, X, pool, args.keep)
        arms = build_arms(split, pool_file, str(args.keep / "memory"))
        fit_arms(split, arms, X, y, train, test, RESULTS)


def report(args):
    """Print the balanced accuracy of each arm, and its gain over its baselines."""
    _, y, groups = load_images(args.data)
    report_results(RESULTS, y, groups)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["run", "report"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--keep", type=Path, default=Path("results/transfer_elsewhere"))
    parser.add_argument("--splits", type=int, nargs="+", default=list(range(5)))
    args = parser.parse_args()
    {"run": run, "report": report}[args.command](args)


if __name__ == "__main__":
    main()
