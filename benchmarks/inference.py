"""Time DCGAN.sample and CXRClassifier.predict_proba, and compare them with the matrix peak.

    python benchmarks/inference.py --images 2048 --threads 1

The peak is the speed of a product of two 2048x2048 float32 matrices. With one thread, CPU seconds
of the process are measured, which other work on the machine affects little. With more threads,
elapsed seconds are measured. Memory is the growth of the peak resident set, including the result.
"""

import argparse
import resource
import time

import numpy as np
import pandas as pd
import torch

from skcxr import DCGAN, CXRClassifier
from skcxr.datasets import make_chest_phantoms


def count_flop_per_image():
    """Return the number of multiplications and additions per image, for each function."""
    sides = ((1, 64, 32), (64, 128, 16), (128, 256, 8), (256, 512, 4))
    generator = 100 * 512 * 16 + sum(a * b * 16 * side**2 for a, b, side in sides)
    widths = ((1, 24, 32), (24, 48, 16), (48, 96, 8), (96, 128, 4))
    classifier = sum(a * b * 9 * side**2 for a, b, side in widths)
    return {"sample": 2 * generator, "predict_proba": 2 * classifier}


def time_call(run, clock):
    start = clock()
    run()
    return clock() - start


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
    functions = {
        "sample": lambda: gan.sample(args.images, random_state=0),
        "predict_proba": lambda: clf.predict_proba(X),
    }
    matrix = torch.randn(2048, 2048)
    flop = count_flop_per_image()
    rows = {name: [] for name in functions}
    for _ in range(args.rounds):
        peak = 2 * 2048**3 / min(time_call(lambda: matrix @ matrix, clock) for _ in range(3))
        for name, run in functions.items():
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            seconds = time_call(run, clock)
            growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10
            share = flop[name] * args.images / seconds / peak
            rows[name].append((1e6 * seconds / args.images, share, growth, peak / 1e9))
    print(f"PyTorch {torch.__version__}, {args.threads} threads, {args.images} images of 64x64")
    columns = ["us per image", "share of the peak", "MiB gained", "peak, GFLOP/s"]
    medians = {name: np.median(values, axis=0) for name, values in rows.items()}
    print(pd.DataFrame.from_dict(medians, orient="index", columns=columns).round(2).to_markdown())


if __name__ == "__main__":
    main()
