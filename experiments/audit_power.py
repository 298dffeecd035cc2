"""The audit's power by the number of hold-out images, on radiographs: docs/guide/auditing.md.

    python experiments/audit_power.py --data ../shared/data

Training images are 60 of each pediatric class of covid_cxr. Hold-out images are of the same class
and of other patients, in kermany64.npz. So are the images that stand for synthetic ones: the power
depends only on their number. It is measured for five draws of each class.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from skcxr.datasets import load_image_folder
from skcxr.metrics import audit

SIZES = (3, 7, 15, 30, 60)
N_SYNTHETIC = (30, 100)
N_DRAWS = 5


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    args = parser.parse_args()
    data = load_image_folder(args.data / "covid_cxr", image_size=64)
    labels = data.target_names[data.target]
    others = np.load(args.data / "kermany64.npz", allow_pickle=True)
    rows = []
    for k in ("normal", "pneumonia_bac", "pneumonia_vir"):
        images = data.images[labels == k]
        unseen = others["X"][others["y"] == k]
        for draw in range(N_DRAWS):
            rng = np.random.default_rng(draw)
            train = rng.permutation(images)[:60]
            holdout = rng.permutation(unseen)
            for n_synthetic in N_SYNTHETIC:
                synthetic = holdout[200 : 200 + n_synthetic]
                rows += measure(k, draw, synthetic, train, holdout)
    table = pd.DataFrame(rows)
    by_size = table.groupby(["n_synthetic", "n_holdout"])
    print(
        by_size.agg(
            power=("power", "mean"),
            low=("power", lambda x: x.quantile(0.1)),
            high=("power", lambda x: x.quantile(0.9)),
            enough=("power", lambda x: (x >= 0.8).mean()),
            needed=("needed", "median"),
        ).round(2)
    )
    print(by_size["verdict"].value_counts().unstack(fill_value=0))
    suggested = table.dropna(subset=["power_then"])
    print("Audits with the suggested hold-out:", len(suggested), "of them with power 0.8 or more:")
    print(
        suggested.groupby(["n_synthetic", "n_holdout"])["power_then"].agg(
            lambda x: (x >= 0.8).mean()
        )
    )


def measure(k, draw, synthetic, train, holdout):
    """Return the power for each number of hold-out images, and with the number that it suggests."""
    rows = []
    for n_holdout in SIZES:
        result = audit(synthetic, train, holdout[:n_holdout], n_bootstrap=200, random_state=0)
        n_needed = result.n_holdout_needed
        power_then = np.nan
        if n_needed is not None and n_needed <= 200:
            then = audit(synthetic, train, holdout[:n_needed], n_bootstrap=200, random_state=0)
            power_then = then.power
        rows.append(
            {
                "class": k,
                "draw": draw,
                "n_synthetic": len(synthetic),
                "n_holdout": n_holdout,
                "power": result.power,
                "needed": n_needed,
                "power_then": power_then,
                "verdict": result.verdict,
            }
        )
    return rows


if __name__ == "__main__":
    main()
