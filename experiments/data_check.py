"""What check_data finds: alarms without and with shortcuts, planted near-duplicates, and cost.

    python experiments/data_check.py clean
    python experiments/data_check.py planted
    python experiments/data_check.py patients --data ../shared/data
    python experiments/data_check.py copies --data ../shared/data
    python experiments/data_check.py cost --data ../shared/data
    python experiments/data_check.py real --data ../shared/data

- ``clean``: 200 sets of 4 times 60 phantoms, drawn from a pool of 8,000 without replacement within
  a set. The classes differ by their signs of disease alone. Near-duplicates, constant and
  saturated images are looked for in the pool.
- ``planted``: 100 such sets for each of several shortcuts, planted in 48 of the 60 images of one
  class. A shortcut is found if that class raises an alarm in the frame or the corners.
- ``patients``: 200 sets of radiographs of one diagnosis, with labels drawn by patient. Patients
  have several images. In "sizes", all patients of one class have several images, and all others
  have one.
- ``copies``: the share of planted near-duplicates that are found, and of false pairs.
- ``cost``: seconds and memory for 10,000 radiographs.
- ``real``: the reading and the table for the 270 training images and all 306 images.
"""

import argparse
import io
import resource
import time
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.stats import beta

from skcxr.datasets import load_image_folder, make_chest_phantoms
from skcxr.datasets._near_duplicates import find_near_duplicates
from skcxr.evaluation import check_data
from skcxr.evaluation._parts import cut_image_parts, find_constant_and_saturated, shrink
from skcxr.evaluation._shortcuts import LEVEL, predict_from_parts, split_folds

PER_CLASS = 60
N_PLANTED = 48
PLANTED_CLASS = "covid"


def load_pool(keep):
    """Return the pool of phantoms, drawn once."""
    file = keep / "phantoms.npz"
    if not file.exists():
        keep.mkdir(parents=True, exist_ok=True)
        phantoms = make_chest_phantoms(8000, random_state=123)
        np.savez(file, X=phantoms.images, y=phantoms.target)
    pool = np.load(file)
    names = np.array(["normal", "pneumonia_bac", "pneumonia_vir", "covid"])
    return pool["X"], names[pool["y"]]


def draw_set(X, y, rng):
    """Return PER_CLASS images of each class, and their classes."""
    rows = [rng.choice(np.flatnonzero(y == k), PER_CLASS, replace=False) for k in np.unique(y)]
    rows = np.concatenate(rows)
    return X[rows], y[rows]


def mark_corner(image, rng):
    """Draw a white square of 4x4 pixels into the upper left corner."""
    image[2:6, 2:6] = 255


def mark_corner_anywhere(image, rng):
    """Draw a bright square of 3x3 pixels at a random place in the upper right corner."""
    top, right = rng.integers(1, 5, 2)
    image[top : top + 3, 64 - right - 3 : 64 - right] = 230


def shift_frame(image, rng):
    """Move the image down by two pixels, with black above."""
    image[2:] = image[:-2].copy()
    image[:2] = 0


def shift_frame_by_one(image, rng):
    """Move the image down by one pixel, with black above."""
    image[1:] = image[:-1].copy()
    image[0] = 0


def brighten_frame(image, rng, offset=12):
    """Add an offset to the outer four pixels."""
    inner = image[4:-4, 4:-4].copy()
    image[:] = np.clip(image.astype(int) + offset, 0, 255)
    image[4:-4, 4:-4] = inner


def brighten_frame_little(image, rng):
    """Add a smaller offset to the outer four pixels."""
    brighten_frame(image, rng, offset=4)


PLANTS = {
    "corner marker, 4x4, white": mark_corner,
    "frame offset, 2 pixels": shift_frame,
    "frame brighter by 12 of 255": brighten_frame,
    "corner marker, 3x3, random place": mark_corner_anywhere,
    "frame offset, 1 pixel": shift_frame_by_one,
    "frame brighter by 4 of 255": brighten_frame_little,
}


def test_shortcuts(X, y, groups, seed):
    """Return the rows of the check's table that are tests of the pixels, without the context."""
    classes, codes = np.unique(y, return_inverse=True)
    _, patients = np.unique(groups, return_inverse=True)
    folds = split_folds(codes, patients, seed)
    rng = np.random.default_rng(seed)
    parts = cut_image_parts(shrink(X))
    accuracies, p_values, _ = predict_from_parts(parts, codes, patients, folds, rng)
    return accuracies, p_values <= LEVEL, ["all classes", *classes.tolist()]


def report_alarms(name, alarms):
    """Print the number of alarms with the upper 95 % limit (Clopper and Pearson, one-sided)."""
    n, k = len(alarms), int(np.sum(alarms))
    upper = 1.0 if k == n else beta.ppf(0.95, k + 1, n - k)
    lower = 0.0 if k == 0 else beta.ppf(0.05, k, n - k + 1)
    print(f"{name}: {k} of {n} ({k / n:.1%}); 95 % limits {lower:.1%} and {upper:.1%}", flush=True)


def run_clean(args):
    """Test each set as check_data does. Near-duplicates are looked for in the whole pool, once."""
    X, y = load_pool(args.keep)
    is_constant, is_saturated = find_constant_and_saturated(X)
    print(f"constant: {is_constant.sum()}, saturated: {is_saturated.sum()} of {len(X)}", flush=True)
    alarms = []
    for seed in range(args.sets or 200):
        images, labels = draw_set(X, y, np.random.default_rng(seed))
        scores, is_alarm, names = test_shortcuts(images, labels, np.arange(len(labels)), seed)
        alarms.append(is_alarm.any())
        for part, column in np.argwhere(is_alarm):
            print(
                f"set {seed}: part {part}, {names[column]}, {scores[part, column]:.2f}", flush=True
            )
        if seed % 20 == 19:
            report_alarms("clean so far", alarms)
    report_alarms("clean", alarms)
    pairs, _ = find_near_duplicates(X[: args.compared])
    print(f"pairs of near-duplicates among {args.compared} phantoms: {len(pairs)}", flush=True)


def run_planted(args):
    X, y = load_pool(args.keep)
    for name, plant in PLANTS.items():
        found, scores = [], []
        for seed in range(args.sets or 100):
            rng = np.random.default_rng([seed, 1])
            images, labels = draw_set(X, y, rng)
            rows = rng.choice(np.flatnonzero(labels == PLANTED_CLASS), N_PLANTED, replace=False)
            for row in rows:
                plant(images[row], rng)
            accuracies, is_alarm, names = test_shortcuts(
                images, labels, np.arange(len(labels)), seed
            )
            column = names.index(PLANTED_CLASS)
            found.append(is_alarm[:, column].any())
            scores.append(accuracies[:, column].max())
        report_alarms(f"{name}, mean accuracy {np.mean(scores):.2f}, found", found)


def run_patients(args):
    kermany = np.load(args.data / "kermany64.npz", allow_pickle=True)
    own = kermany["y"] == "pneumonia_bac"
    X, groups = kermany["X"][own], kermany["groups"][own].astype(str)
    names, sizes = np.unique(groups, return_counts=True)
    for kind in ("random", "sizes"):
        alarms = []
        for seed in range(args.sets or 200):
            rng = np.random.default_rng([seed, 2])
            if kind == "random":
                chosen = rng.choice(names, 80, replace=False)
                positive = set(chosen[:40])
            else:
                several = rng.choice(names[(sizes > 1) & (sizes < 6)], 40, replace=False)
                chosen = np.concatenate([several, rng.choice(names[sizes == 1], 80, replace=False)])
                positive = set(several)
            rows = np.flatnonzero(np.isin(groups, chosen))
            labels = np.where(np.isin(groups[rows], list(positive)), "a", "b")
            _, is_alarm, _ = test_shortcuts(X[rows], labels, groups[rows], seed)
            alarms.append(is_alarm.any())
        report_alarms(f"patients, {kind}", alarms)


def change(X, function):
    """Return what a function makes of each image as a PIL image."""
    return np.stack([np.asarray(function(Image.fromarray(image))) for image in X])


def resize(image, width, height):
    return image.resize((width, height), Image.BILINEAR)


def compress(image):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=60)
    return Image.open(file)


def crop(image):
    """Cut 5 % of both sides, unevenly, at twice the size."""
    return resize(resize(image, 128, 128).crop((2, 5, 124, 127)), 64, 64)


def bend(gamma):
    """Return a function that applies a gamma."""
    levels = [round(255 * (value / 255) ** gamma) for value in range(256)]
    return lambda image: image.point(levels)


COPIES = {
    "crop of 5 %": crop,
    "JPEG of quality 60": compress,
    "resized to 128 and back": lambda image: resize(resize(image, 128, 128), 64, 64),
    "resized to 40 and back": lambda image: resize(resize(image, 40, 40), 64, 64),
    "gamma 0.8": bend(0.8),
    "gamma 1.25": bend(1.25),
    "crop, JPEG and gamma": lambda image: compress(bend(0.8)(crop(image))),
}


def run_copies(args):
    """Compare 500 radiographs of 500 patients with changed copies of 250 of them."""
    kermany = np.load(args.data / "kermany64.npz", allow_pickle=True)
    _, first = np.unique(kermany["groups"].astype(str), return_index=True)
    rows = np.random.default_rng(0).permutation(first)[:500]
    X = kermany["X"][rows]
    pairs, _ = find_near_duplicates(X)
    print(f"false pairs among {len(X)} radiographs of as many patients: {len(pairs)}", flush=True)
    for name, function in COPIES.items():
        pairs, _ = find_near_duplicates(change(X[:250], function), X)
        true = sum(i == j for i, j in pairs.tolist())
        false = len({i for i, j in pairs.tolist() if i != j})
        print(f"{name}: {true} of 250 found; {false} of 250 with a false pair", flush=True)


def run_cost(args):
    """Check 10,000 different radiographs: mirror images are not near-duplicates."""
    kermany = np.load(args.data / "kermany64.npz", allow_pickle=True)
    X = kermany["X"]
    X = np.concatenate([X, X[:, :, ::-1], X[:, ::-1], X[:, ::-1, ::-1]])[:10_000]
    y = np.resize(kermany["y"], len(X)).astype(str)
    groups = np.char.add(np.resize(kermany["groups"], len(X)).astype(str), "")
    begin, begin_cpu = time.perf_counter(), time.process_time()
    check = check_data(X, y, groups, random_state=0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{len(X)} images: {time.perf_counter() - begin:.0f} s, "
        f"{time.process_time() - begin_cpu:.0f} CPU seconds, peak {peak:.2f} GB, "
        f"{len(check.near_duplicates)} groups of near-duplicates"
    )


def run_real(args):
    folder = args.data / "covid_cxr"
    data = load_image_folder(folder, groups=folder / "metadata.csv")
    y = data.target_names[data.target]
    for rows in (data.split == "train", np.ones(len(y), dtype=bool)):
        check = check_data(
            data.images[rows],
            y[rows],
            data.groups[rows],
            split=data.split[rows],
            metadata=data.metadata[rows],
            filenames=data.filenames[rows],
            random_state=0,
        )
        print(f"{rows.sum()} images\n{check}\n")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = {
        "clean": run_clean,
        "planted": run_planted,
        "patients": run_patients,
        "copies": run_copies,
        "cost": run_cost,
        "real": run_real,
    }
    parser.add_argument("command", choices=commands)
    parser.add_argument("--data", type=Path, help="folder of the radiographs")
    parser.add_argument("--keep", type=Path, default=Path("results/data_check"))
    parser.add_argument("--sets", type=int, help="number of sets, 200 or 100 by default")
    parser.add_argument("--compared", type=int, default=4000, help="phantoms compared in pairs")
    args = parser.parse_args()
    commands[args.command](args)


if __name__ == "__main__":
    main()
