"""What share of the matrix peak do DCGAN.sample and CXRClassifier.predict_proba reach?

    python benchmarks/inference.py --images 2048 --threads 1

The peak is that of a 2048-cubed float32 product. With one thread the process' own CPU seconds are
taken, which other work on the machine moves little; with more, the clock on the wall. Memory is
what the process has gained at most while it worked, its result included.
"""

import argparse
import resource
import time

import numpy as np
import pandas as pd
import torch

from skcxr import DCGAN, CXRClassifier
from skcxr.datasets import make_chest_phantoms


def flop_of_an_image():
    """Multiplications and additions of one image, by the functions' names."""
    sides = ((1, 64, 32), (64, 128, 16), (128, 256, 8), (256, 512, 4))
    generator = 100 * 512 * 16 + sum(a * b * 16 * side**2 for a, b, side in sides)
    widths = ((1, 24, 32), (24, 48, 16), (48, 96, 8), (96, 128, 4))
    classifier = sum(a * b * 9 * side**2 for a, b, side in widths)
    return {"sample": 2 * generator, "predict_proba": 2 * classifier}


def seconds(run, clock):
    start = clock()
    run()
    return clock() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    clock = time.process_time if args.threads == 1 else time.perf_counter
    phantoms = make_chest_phantoms(64, random_state=0)
    gan = DCGAN.paper(max_epochs=1, steps_per_epoch=1, random_state=0).fit(phantoms.images)
    clf = CXRClassifier(max_epochs=1, random_state=0).fit(phantoms.images, phantoms.target)
    X = np.resize(phantoms.images, (args.images, 64, 64))
    ways = {
        "sample": lambda: gan.sample(args.images, random_state=0),
        "predict_proba": lambda: clf.predict_proba(X),
    }
    matrix = torch.randn(2048, 2048)
    rows = {name: [] for name in ways}
    for _ in range(args.rounds):
        peak = 2 * 2048**3 / min(seconds(lambda: matrix @ matrix, clock) for _ in range(3))
        for name, run in ways.items():
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            taken = seconds(run, clock)
            gained = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10
            share = flop_of_an_image()[name] * args.images / taken / peak
            rows[name].append((1e6 * taken / args.images, share, gained, peak / 1e9))
    print(f"PyTorch {torch.__version__}, {args.threads} threads, {args.images} images of 64x64")
    columns = ["us an image", "share of the peak", "MiB gained", "peak, GFLOP/s"]
    medians = {name: np.median(values, axis=0) for name, values in rows.items()}
    print(pd.DataFrame.from_dict(medians, orient="index", columns=columns).round(2).to_markdown())


if __name__ == "__main__":
    main()
