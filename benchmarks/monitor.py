"""Measure the share of the training time that DCGAN(monitor=...) takes.

    python benchmarks/monitor.py --rounds 5

Each round trains one epoch of the GAN and measures its samples once. With the default
monitor_every=10, there is one measurement in ten epochs. The first round is a warm-up and is left
out.
"""

import argparse
import time

import numpy as np
import torch

from skcxr import DCGAN
from skcxr.datasets import make_chest_phantoms
from skcxr.gan._monitor import SampleMonitor


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=int, default=64, help="base_width of the networks")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--features", default="cxr", help="value of monitor=")
    parser.add_argument("--images", type=int, default=70, help="training images")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    X = make_chest_phantoms(args.images, random_state=0).data
    gan = DCGAN.paper(base_width=args.width, batch_size=args.batch, max_epochs=1, random_state=0)
    shares = []
    for _ in range(args.rounds + 1):
        epoch = gan.fit(X).history_["seconds"].iloc[-1]
        monitor = SampleMonitor(args.features, X, image_shape=None, seed=0)
        start = time.perf_counter()
        monitor.measure(gan.sample(monitor.n_samples, random_state=0))
        seconds = time.perf_counter() - start
        shares.append(seconds / (gan.monitor_every * epoch))
        print(f"epoch {epoch:.2f} s, measurement {seconds:.3f} s", flush=True)
    shares = 100 * np.sort(shares[1:])
    print(f"% of training, once in {gan.monitor_every} epochs: {np.round(shares, 2).tolist()}")


if __name__ == "__main__":
    main()
