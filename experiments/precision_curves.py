"""Does a GAN train in bfloat16 as it does in float32? Curves of both, seed by seed.

    python experiments/precision_curves.py --data ../shared/data/covid_cxr --seeds 3

Each training's statistics are averaged over blocks of epochs; a block's row shows, for both
precisions, the range over seeds. Trainings go to --out as they end, and are not run again.
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


def images_of(args):
    if args.data is None:
        return make_chest_phantoms(70, random_state=0).images
    data = load_image_folder(args.data, image_size=64)
    wanted = (data.split == "train") & (data.target_names[data.target] == args.finding)
    return data.images[wanted]


def table_of(done, block):
    """Ranges over seeds, and how far the means lie apart in units of float32's range."""
    runs = pd.concat(
        pd.DataFrame(run["history"]).assign(seed=run["seed"], precision=run["precision"])
        for run in done
    )
    runs["epochs"] = (np.ceil(runs["epoch"] / block) * block).astype(int)
    means = runs.groupby(["epochs", "precision", "seed"])[STATISTICS].mean()
    rows = []
    for (epochs, statistic), values in means.stack().groupby(level=[0, 3]):
        by = {p: v.to_numpy() for p, v in values.groupby(level="precision")}
        exact, rounded = by["float32"], by["bfloat16"]
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of radiographs; phantoms without it")
    parser.add_argument("--finding", default="normal")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--block", type=int, default=10, help="epochs that are averaged")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("results/precision_curves.jsonl"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    X = images_of(args)
    args.out.parent.mkdir(exist_ok=True, parents=True)
    done = [json.loads(line) for line in args.out.open()] if args.out.exists() else []
    for seed in range(args.seeds):
        for precision in ("float32", "bfloat16"):
            if any((run["seed"], run["precision"]) == (seed, precision) for run in done):
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
    print(table_of(done, args.block).round(3).to_markdown(index=False))


if __name__ == "__main__":
    main()
