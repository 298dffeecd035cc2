"""How do time and memory of fit_resample grow with images, classes and image size?

    python benchmarks/scale.py

Each row is a process of its own, in which X is a memory map of uint8 on the disk and the sampler
adds a quarter to each class. A step is one update of both of a class' networks, as fast as in the
fastest epoch: a machine shared with others only adds to it. The whole is in seconds of the CPU, for
the same reason. Memory is the peak of the resident set over what the imports left; X's mapped pages
count. The last row of a table is the exponent of a line through all points on log-log axes.
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=5, help="in each of ten epochs")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sweep", choices=SWEEPS, nargs="+", default=list(SWEEPS))
    parser.add_argument("--point", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.point:
        print(json.dumps(measured(args, **json.loads(args.point))))
        return
    print(f"torch {torch.__version__}, {vars(args)}; but for what varies: {USUAL}\n")
    for name in args.sweep:
        rows = [in_a_process(USUAL | {name: value}) for value in SWEEPS[name]]
        table = pd.DataFrame(rows, index=pd.Index(SWEEPS[name], name=name))
        table = table.map(lambda value: f"{value:.4g}")
        exponents = [exponent(SWEEPS[name], [row[column] for row in rows]) for column in rows[0]]
        table.loc["exponent"] = [f"{value:+.2f}" for value in exponents]
        print(table.to_markdown(disable_numparse=True), "\n", flush=True)


def in_a_process(point):
    command = [sys.executable, *sys.argv, "--point", json.dumps(point)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def exponent(x, y):
    return np.polyfit(np.log(x), np.log(y), 1)[0]


def peak():
    """Largest resident set so far, in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB


def measured(args, images, classes, image_size):
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
        X = memory_map(Path(folder) / "X", images, image_size)
        y = np.arange(images) % classes
        before, start = peak(), time.process_time()
        result, _ = sampler.fit_resample(X, y)
        seconds, growth = time.process_time() - start, peak() - before
    epochs = pd.concat([gan.history_["seconds"] for gan in sampler.estimators_.values()])
    data = (X.nbytes + result.nbytes) / MIB
    return {
        "ms a step": 1e3 * epochs.min() / args.steps,
        "fit_resample, CPU s": seconds,
        "X + result, MiB": data,
        "peak, MiB": growth,
        "peak - X - result, MiB": growth - data,
    }


def memory_map(path, n, side):
    """Random images in a file, opened for reading."""
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        for start in range(0, n, 1000):
            rows = min(1000, n - start)
            rng.integers(0, 256, (rows, side, side), dtype=np.uint8).tofile(file)
    return np.memmap(path, np.uint8, "r", shape=(n, side, side))


if __name__ == "__main__":
    main()
