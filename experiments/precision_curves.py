"""Compare the training of a GAN in bfloat16 with that in float32, over several seeds.

    python experiments/precision_curves.py --data ../shared/data/covid_cxr --seeds 3

The statistics of each training are averaged over blocks of epochs. The row of a block shows the
range over seeds, for both precisions. Finished trainings are kept in --out and are not repeated.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from skcxr import DCGAN
from skcxr.datasets import load_image_folder, make_chest_phantoms

STATISTICS = ["loss_d", "loss_g", "d_x", "d_g_z1", "kernel_distance", "frechet_distance"]


def load_images(args):
    """Return the training images of one class of radiographs, or phantoms."""
    if args.data is None:
        return make_chest_phantoms(70, random_state=0).images
    data = load_image_folder(args.data, image_size=64)
    wanted = (data.split == "train") & (data.target_names[data.target] == args.finding)
    return data.images[wanted]


def tabulate(done, block):
    """Return the ranges over seeds in each block of epochs, and the difference of the means."""
    runs = pd.concat(
        pd.DataFrame(run["history"]).assign(seed=run["seed"], precision=run["precision"])
        for run in done
    )
    runs["epochs"] = (np.ceil(runs["epoch"] / block) * block).astype(int)
    means = runs.groupby(["epochs", "precision", "seed"])[STATISTICS].mean()
    rows = []
    for (epochs, statistic), values in means.stack().groupby(level=[0, 3]):
        exact = values.xs("float32", level="precision")
        rounded = values.xs("bfloat16", level="precision")
        rows.append(
            {
                "epochs to": epochs,
                "statistic": statistic,
                "float32": f"{exact.min():.3f} to {exact.max():.3f}",
                "bfloat16": f"{rounded.min():.3f} to {rounded.max():.3f}",
                "overlap": bool(exact.min() <= rounded.max() and rounded.min() <= exact.max()),
                "means apart": rounded.mean() - exact.mean(),
            }
        )
    return pd.DataFrame(rows)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, help="folder of radiographs; without it, phantoms are used")
    add("--finding", default="normal", help="class of radiographs to train on")
    add("--seeds", type=int, default=3, help="number of seeds")
    add("--width", type=int, default=32, help="base_width of the networks")
    add("--epochs", type=int, default=30)
    add("--block", type=int, default=10, help="epochs that are averaged")
    add("--threads", type=int, default=1)
    add("--out", type=Path, default=Path("results/precision_curves.jsonl"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    X = load_images(args)
    args.out.parent.mkdir(exist_ok=True, parents=True)
    done = [json.loads(line) for line in args.out.open()] if args.out.exists() else []
    finished = {(run["seed"], run["precision"]) for run in done}
    for seed in range(args.seeds):
        for precision in ("float32", "bfloat16"):
            if (seed, precision) in finished:
                continue
            gan = DCGAN.paper(
                base_width=args.width,
                max_epochs=args.epochs,
                precision=precision,
                monitor="cxr",
                monitor_every=args.block // 2,
                random_state=seed,
            ).fit(X)
            history = gan.history_.to_dict(orient="records")
            done.append({"seed": seed, "precision": precision, "history": history})
            with args.out.open("a") as file:
                print(json.dumps(done[-1]), file=file)
    print(f"{len(X)} images, width {args.width}, {args.epochs * 34} steps, {args.seeds} seeds")
    print(tabulate(done, args.block).round(3).to_markdown(index=False))


if __name__ == "__main__":
    main()
