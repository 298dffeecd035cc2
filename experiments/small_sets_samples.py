"""Measure what the samples of GANs that are trained on small sets are like.

    python experiments/small_sets_samples.py audit --data ../shared/data --keep results/small_sets
    python experiments/small_sets_samples.py large --data ../shared/data --keep results/small_sets

"audit" looks for copies among the samples of the GANs of the study "balanced" in small_sets.py, and
of pooled and conditional GANs of the same folds. "large" compares GANs of 128x128 and of 64x64 with
unseen radiographs, at 64x64. GANs are kept, and a script that was stopped resumes.
"""

import numpy as np
import pandas as pd
from PIL import Image
from small_sets import CLASSES, build_gan, main, prepare_folds, train_gans

from skcxr import ConditionalDCGANOversampler, DCGANOversampler
from skcxr.datasets import load_image_folder
from skcxr.metrics import audit, kernel_distance, precision_recall_density_coverage
from skcxr.metrics._audit._verdict import SHARE
from skcxr.metrics.features import feature_extractor
from skcxr.over_sampling import grow


def audit_folds(args, images):
    """Audit the samples of each fold, with its test images held out, and unseen images too."""
    X, y, splits, sampler = prepare_folds(args, images)
    options = {"sampling_strategy": grow(2), "random_state": 0}
    # As many steps as the four GANs of the classes have together.
    shared_gan = build_gan(args).set_params(max_epochs=80)
    samplers = {
        "default GAN": sampler,
        "pooled": DCGANOversampler(
            build_gan(args), pretrain="pooled", fine_tune_epochs=10, **options
        ),
        "conditional": ConditionalDCGANOversampler(shared_gan, **options),
    }
    folds = [(X[train], y[train]) for train, _ in splits]
    sets = {arm: train_gans(args, [(s, *fold) for fold in folds]) for arm, s in samplers.items()}
    sets["unseen images"] = [
        draw_unseen(labels, *images, seed) for seed, (_, labels) in enumerate(folds)
    ]
    rows = []
    for arm, of_folds in sets.items():
        for fold, (samples, labels) in enumerate(of_folds):
            train, test = splits[fold]
            for k in CLASSES:
                real = X[train][y[train] == k]
                held_out = X[test][y[test] == k]
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
    print(average_classes(table, list(shares)).round(2).to_string(), flush=True)


def average_classes(table, spaces):
    """Return mean shares over classes, and by how much they exceed those of unseen images."""
    means = table.groupby(["arm", "fold"])[spaces].mean()
    above = means - means.loc["unseen images"].reindex(means.index, level="fold")
    parts = {"share": means, "above unseen images": above}
    return pd.concat(
        {name: part.groupby("arm").agg(["mean", "sem"]) for name, part in parts.items()}, axis=1
    )


def draw_unseen(labels, X, y, groups, train, seed):
    """Draw as many unseen images of each class as `labels` has."""
    rng = np.random.default_rng(seed)
    rows = [
        rng.permutation(np.flatnonzero(~train & (y == k)))[: np.count_nonzero(labels == k)]
        for k in CLASSES
    ]
    rows = np.concatenate(rows)
    return X[rows], y[rows]


def compare_sizes(args, images):
    """Compare samples of GANs of two sizes with unseen radiographs, which exist only at 64x64."""
    X, y, _, train = images
    at_128 = load_image_folder(args.data / "covid_cxr", image_size=128)
    rows = at_128.split == "train"
    sets = {
        64: (X[train], y[train]),
        128: (at_128.images[rows], at_128.target_names[at_128.target][rows]),
    }
    tasks = []
    for size, (images_of_size, labels) in sets.items():
        gan = build_gan(args, image_size=size)
        sampler = DCGANOversampler(gan, sampling_strategy=grow(5), random_state=0)
        tasks.append((sampler, images_of_size, labels))
    table = []
    for size, (samples, labels) in zip(sets, train_gans(args, tasks), strict=True):
        samples = samples.reshape(-1, size, size)
        grid = [np.hstack(samples[labels == k][:10]) for k in CLASSES]
        Image.fromarray(np.vstack(grid)).save(args.keep / f"{size}.png")
        small = samples.reshape(len(samples), 64, size // 64, 64, size // 64).mean(axis=(2, 4))
        small = np.rint(small).astype(np.uint8).reshape(len(small), -1)
        for k in CLASSES:
            unseen = X[~train & (y == k)]
            extract = feature_extractor("cxr", unseen)
            real = extract(unseen)
            fake = extract(small[labels == k])
            few = precision_recall_density_coverage(real[:300], fake[:300], min(5, len(real) - 1))
            distance = kernel_distance(real, fake, n_permutations=0).value
            figures = {"kernel distance": distance, "coverage": few.coverage}
            table.append({"size": size, "class": k} | figures)
    print(pd.DataFrame(table).pivot(index="class", columns="size").round(2).to_markdown())


if __name__ == "__main__":
    main({"audit": audit_folds, "large": compare_sizes}, __doc__)
