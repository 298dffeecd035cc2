"""What are the samples of GANs on small sets like? More studies of docs/results.md, and a size.

    python benchmarks/small_sets_samples.py audit --data ../shared/data --keep results/small_sets
    python benchmarks/small_sets_samples.py large --data ../shared/data --keep results/small_sets

"audit": whether samples of the balanced study's GANs, and of pooled and conditional ones of the
same folds, are copies. "large": GANs of 128x128 beside those of 64x64, whose samples are compared
with unseen radiographs at 64x64. GANs are kept, so that a killed script goes on.
"""

import numpy as np
import pandas as pd
from PIL import Image
from small_sets import CLASSES, gan_of, in_folds, main, train_gans

from skcxr import ConditionalDCGANOversampler, DCGANOversampler
from skcxr.datasets import load_image_folder
from skcxr.metrics import audit, kernel_distance, precision_recall_density_coverage
from skcxr.metrics._audit._verdict import SHARE
from skcxr.metrics.features import feature_extractor
from skcxr.over_sampling import grow


def audited(args, images):
    """Are the samples copies? By the audit with the held-out images, beside unseen images."""
    X, y, splits, each = in_folds(args, images)
    twice = {"sampling_strategy": grow(2), "random_state": 0}
    # As many steps as the four GANs of the classes have together.
    of_all = ConditionalDCGANOversampler(gan_of(args).set_params(max_epochs=80), **twice)
    samplers = {
        "default GAN": each,
        "pooled": DCGANOversampler(gan_of(args), pretrain="pooled", fine_tune_epochs=10, **twice),
        "conditional": of_all,
    }
    folds = [(X[train], y[train]) for train, _ in splits]
    sets = {arm: train_gans(args, [(s, *fold) for fold in folds]) for arm, s in samplers.items()}
    sets["unseen images"] = [
        unseen_like(labels, *images, seed) for seed, (_, labels) in enumerate(folds)
    ]
    rows = []
    for arm, found in sets.items():
        for fold, (samples, labels) in enumerate(found):
            train, test = splits[fold]
            for k in CLASSES:
                real, held_out = X[train][y[train] == k], X[test][y[test] == k]
                report = audit(samples[labels == k], real, held_out, random_state=0)
                share = report.table[report.table["statistic"] == SHARE]
                shares = share.set_index("space")["value"].to_dict()
                row = {"arm": arm, "class": k, "fold": fold, "verdict": report.verdict}
                rows.append(row | shares)
    table = pd.DataFrame(rows)
    table.to_csv(args.keep / "audit.csv", index=False)
    by_class = table.groupby(["arm", "class"], sort=False)[list(shares)]
    print(by_class.agg(["mean", "sem", "min", "max"]).round(2).to_string())
    print(pd.crosstab([table["arm"], table["class"]], table["verdict"]))
    print(over_classes(table, list(shares)).round(2).to_string(), flush=True)


def over_classes(table, spaces):
    """Shares of all classes alike, and what they are above those of unseen images, over folds."""
    means = table.groupby(["arm", "fold"])[spaces].mean()
    above = means - means.loc["unseen images"].reindex(means.index, level="fold")
    parts = {"share": means, "above unseen images": above}
    return pd.concat(
        {name: part.groupby("arm").agg(["mean", "sem"]) for name, part in parts.items()}, axis=1
    )


def unseen_like(labels, X, y, groups, train, seed):
    """As many images of each class as `labels` has, of those that are not for training."""
    rng = np.random.default_rng(seed)
    rows = [
        rng.permutation(np.flatnonzero(~train & (y == k)))[: np.count_nonzero(labels == k)]
        for k in CLASSES
    ]
    rows = np.concatenate(rows)
    return X[rows], y[rows]


def large(args, images):
    """Samples of GANs of two sizes against unseen radiographs, which are there at 64x64 alone."""
    X, y, _, train = images
    at_128 = load_image_folder(args.data / "covid_cxr", image_size=128)
    rows = at_128.split == "train"
    of_size = {64: (X[train], y[train])}
    of_size[128] = at_128.images[rows], at_128.target_names[at_128.target][rows]
    samplers = {
        size: DCGANOversampler(
            gan_of(args, image_size=size),
            sampling_strategy=grow(5),
            random_state=0,
        )
        for size in of_size
    }
    found = train_gans(args, [(s, *of_size[size]) for size, s in samplers.items()])
    table = []
    for size, (samples, labels) in zip(samplers, found, strict=True):
        samples = samples.reshape(-1, size, size)
        grid = [np.hstack(samples[labels == k][:10]) for k in CLASSES]
        Image.fromarray(np.vstack(grid)).save(args.keep / f"{size}.png")
        small = samples.reshape(len(samples), 64, size // 64, 64, size // 64).mean(axis=(2, 4))
        small = np.rint(small).astype(np.uint8).reshape(len(small), -1)
        for k in CLASSES:
            unseen = X[~train & (y == k)]
            extract = feature_extractor("cxr", unseen)
            real, fake = extract(unseen), extract(small[labels == k])
            few = precision_recall_density_coverage(real[:300], fake[:300], min(5, len(real) - 1))
            distance = kernel_distance(real, fake, n_permutations=0).value
            row = {"kernel distance": distance, "coverage": few.coverage}
            table.append({"size": size, "class": k} | row)
    print(pd.DataFrame(table).pivot(index="class", columns="size").round(2).to_markdown())


if __name__ == "__main__":
    main({"audit": audited, "large": large}, __doc__)
