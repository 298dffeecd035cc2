"""Measure how time and memory of fit_resample grow with images, classes and image size.

    python benchmarks/scale.py

Each row is measured in a new process. X is a memory map of uint8 on the disk, and the sampler adds
a quarter to each class. A step updates both networks of a class once. Its time is that of the
fastest epoch, and the time of fit_resample is in CPU seconds, because other work on the machine
affects these little. Memory is the growth of the peak resident set after the imports, including the
mapped pages of X. The last row of a table is the slope of a line through all points, on log-log
axes.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from skcxr import DCGAN, DCGANOversampler
from skcxr.over_sampling import grow

MIB = 2**20
USUAL = {"images": 3200, "classes": 4, "image_size": 64}
SWEEPS = {
    "images": (1000, 3000, 10_000, 30_000, 100_000),
    "classes": (2, 4, 8, 16),
    "image_size": (32, 64, 128, 256),
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=5, help="steps in each of ten epochs")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sweep", choices=SWEEPS, nargs="+", default=list(SWEEPS))
    parser.add_argument("--point", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.point:
        print(json.dumps(measure_point(args, **json.loads(args.point))))
        return
    print(f"torch {torch.__version__}, {vars(args)}; what a table does not vary: {USUAL}\n")
    for name in args.sweep:
        rows = [run_process(USUAL | {name: value}) for value in SWEEPS[name]]
        table = pd.DataFrame(rows, index=pd.Index(SWEEPS[name], name=name))
        table = table.map(lambda value: f"{value:.4g}")
        exponents = [
            fit_exponent(SWEEPS[name], [row[column] for row in rows]) for column in rows[0]
        ]
        table.loc["exponent"] = [f"{value:+.2f}" for value in exponents]
        print(table.to_markdown(disable_numparse=True), "\n", flush=True)


def run_process(point):
    """Measure a point in a new process."""
    command = [sys.executable, *sys.argv, "--point", json.dumps(point)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def fit_exponent(x, y):
    return np.polyfit(np.log(x), np.log(y), 1)[0]


def read_peak_memory():
    """Return the largest resident set so far, in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB


def measure_point(args, images, classes, image_size):
    """Return the figures of one row of a table."""
    torch.set_num_threads(args.threads)
    gan = DCGAN.paper(
        image_size=image_size,
        base_width=args.width,
        batch_size=args.batch,
        max_epochs=10,
        steps_per_epoch=args.steps,
        device="cpu",
    )
    sampler = DCGANOversampler(gan, sampling_strategy=grow(1.25), random_state=0)
    with tempfile.TemporaryDirectory() as folder:
        X = create_memory_map(Path(folder) / "X", images, image_size)
        y = np.arange(images) % classes
        before = read_peak_memory()
        start = time.process_time()
        result, _ = sampler.fit_resample(X, y)
        seconds = time.process_time() - start
        growth = read_peak_memory() - before
    epochs = pd.concat([gan.history_["seconds"] for gan in sampler.estimators_.values()])
    data = (X.nbytes + result.nbytes) / MIB
    return {
        "ms per step": 1e3 * epochs.min() / args.steps,
        "fit_resample, CPU s": seconds,
        "X + result, MiB": data,
        "peak, MiB": growth,
        "peak - X - result, MiB": growth - data,
    }


def create_memory_map(path, n, side):
    """Write random images to a file and map it for reading."""
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        for start in range(0, n, 1000):
            rows = min(1000, n - start)
            rng.integers(0, 256, (rows, side, side), dtype=np.uint8).tofile(file)
    return np.memmap(path, np.uint8, "r", shape=(n, side, side))


if __name__ == "__main__":
    main()
