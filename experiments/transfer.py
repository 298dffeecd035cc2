"""Do networks learn from a pool of further radiographs? kermany64, other patients for testing.

    OMP_NUM_THREADS=1 python experiments/pretrain.py train --steps 6000 --seeds 0 1
    OMP_NUM_THREADS=1 python experiments/transfer.py run
    python experiments/transfer.py report

The protocol was written down before the first run:

- Test: the 30 % of kermany64's patients that the "cxr" features never saw. No network of the study
  sees them.
- A draw: 60 images per class of the other patients, who suffice for seven draws. Draws share no
  patient of a class.
- Pool: the 2,012 images of all patients who are not for testing. The images of a draw are among
  them, as a user's own images may be part of a pool.
- Pool GAN: one DCGAN of width 24 on the pool without labels, 6,000 steps, with two seeds that take
  turns over the draws. It is fine-tuned on each class of the draw for 200 steps. The GAN from
  random weights takes 1,000 steps per class.
- Pool classifier: CXRNet on the labelled pool, 30 epochs of the default recipe, with two seeds.
  Fine-tuning takes 150 steps at a rate of 0.01.
- All arms of a start take the same number of steps: 900 from random weights, 150 from the pool's.
  Sampling arms double each class.
- Probe: the packaged "cxr" features and logistic regression (C 0.01). These features saw the
  labelled pool. The unlabelled probe takes the channel means of all stages of the pool GAN's
  discriminator, and its control those of a discriminator with random weights.
- Figure: balanced accuracy on the test patients. Intervals: t over draws, and bootstrap over test
  patients of the mean over draws.

``run`` fits what has no result yet. The predictions are kept in ``experiments/transfer/``, and no
images.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from imblearn.pipeline import Pipeline
from scipy.stats import t
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from skcxr import DCGAN, CXRClassifier, CXRFeatures, DCGANOversampler
from skcxr.networks import Discriminator
from skcxr.over_sampling import ImageSMOTE, grow
from skcxr.over_sampling._duplicates import DuplicateOversampler

RESULTS = Path(__file__).parent / "transfer"
N_PER_CLASS = 60
WIDTH = 24
STEPS_PER_EPOCH = 50
N_PRETRAININGS = 2
FRESH_STEPS = 1000
FINE_STEPS = 200
RANDOM_CLASSIFIER_STEPS = 900
FINE_CLASSIFIER_STEPS = 150


def load_images(data):
    """Return kermany64's images, classes and patients."""
    file = np.load(data / "kermany64.npz", allow_pickle=True)
    return file["X"], file["y"].astype(str), file["groups"].astype(str)


def split_patients(X, y, groups):
    """Return the rows for training, and those of the test patients."""
    return next(GroupShuffleSplit(1, test_size=0.3, random_state=0).split(X, y, groups))


def choose_draw(draw, rows, y, groups):
    """Return the labelled rows of a draw.

    The patients of a class, in random order, fill one draw after the other.
    """
    patients = np.random.default_rng(0).permutation(np.unique(groups[rows]))
    order = {patient: i for i, patient in enumerate(patients)}
    chosen = []
    for k in np.unique(y):
        of_class = rows[y[rows] == k]
        of_class = of_class[np.argsort([order[patient] for patient in groups[of_class]])]
        taken = 0
        for _ in range(draw + 1):
            images = of_class[taken : taken + N_PER_CLASS]
            if len(images) < N_PER_CLASS:
                raise ValueError(f"draw={draw}: class {k!r} has too few images. Pass less.")
            taken += N_PER_CLASS
            # The next draw starts with another patient.
            while taken < len(of_class) and groups[of_class[taken]] == groups[images[-1]]:
                taken += 1
        chosen.append(images)
    return np.concatenate(chosen)


def build_gan(seed, n_steps, weights=None):
    """Return an unfitted GAN of the study."""
    return DCGAN(
        base_width=WIDTH,
        lr=2e-4 * 64 / WIDTH,
        steps_per_epoch=STEPS_PER_EPOCH,
        max_epochs=n_steps // STEPS_PER_EPOCH,
        weights=weights,
        random_state=seed,
    )


class StageMeans:
    """Features of uint8 images: the channel means of all stages of a discriminator."""

    def __init__(self, discriminator):
        self.discriminator = discriminator.eval()

    @torch.inference_mode()
    def __call__(self, X):
        means = []
        x = torch.from_numpy(X).float()[:, None] / 127.5 - 1
        for layer in self.discriminator.layers[:-2]:
            x = layer(x)
            if isinstance(layer, nn.LeakyReLU):
                means.append(x.mean(dim=(2, 3)))
        return torch.cat(means, dim=1).numpy()


def build_probe(features):
    """Return a logistic regression on features."""
    return make_pipeline(
        CXRFeatures(features), StandardScaler(), LogisticRegression(C=0.01, max_iter=2000)
    )


def build_samplers(draw, gan_file):
    """Return the samplers of the arms by name."""
    return {
        "classic": [],
        "duplicates": [
            ("sampler", DuplicateOversampler(sampling_strategy=grow(2), random_state=draw))
        ],
        "smote": [
            ("sampler", ImageSMOTE(sampling_strategy=grow(2), random_state=draw)),
        ],
        "gan": [
            (
                "sampler",
                DCGANOversampler(
                    build_gan(draw, FRESH_STEPS), sampling_strategy=grow(2), random_state=draw
                ),
            )
        ],
        "pool gan": [
            (
                "sampler",
                DCGANOversampler(
                    build_gan(draw, FINE_STEPS, gan_file),
                    sampling_strategy=grow(2),
                    random_state=draw,
                ),
            )
        ],
    }


def build_arms(draw, gan_file, classifier_file, memory):
    """Return the arms by name. GANs are kept in `memory`, and serve both starts."""
    starts = {
        "random": CXRClassifier(max_steps=RANDOM_CLASSIFIER_STEPS, random_state=draw),
        "pool classifier": CXRClassifier(
            weights=classifier_file, lr=0.01, max_steps=FINE_CLASSIFIER_STEPS, random_state=draw
        ),
    }
    arms = {}
    for sampler, steps in build_samplers(draw, gan_file).items():
        for start, clf in starts.items():
            arms[f"{start}, {sampler}"] = Pipeline([*steps, ("clf", clf)], memory=memory)
    random_weights = torch.Generator().manual_seed(draw)
    arms["probe"] = build_probe("cxr")
    arms["untrained probe"] = build_probe(
        StageMeans(Discriminator(base_width=WIDTH, generator=random_weights))
    )
    if gan_file.exists():
        pool_gan = build_gan(draw, FINE_STEPS).load_weights(gan_file)
        arms["unlabelled probe"] = build_probe(StageMeans(pool_gan.discriminator_))
    return arms


def run(args):
    """Fit the arms of each draw, and keep their predictions on the test patients."""
    X, y, groups = load_images(args.data)
    train, test = split_patients(X, y, groups)
    RESULTS.mkdir(exist_ok=True)
    args.keep.mkdir(parents=True, exist_ok=True)
    for draw in args.draws:
        seed = draw % N_PRETRAININGS
        gan_file = args.pretrained / f"gan-{seed}-6000.safetensors"
        classifier_file = args.pretrained / f"classifier-{seed}.safetensors"
        arms = build_arms(draw, gan_file, classifier_file, str(args.keep / "memory"))
        arms = {name: arm for name, arm in arms.items() if args.only in name}
        fit_arms(draw, arms, X, y, choose_draw(draw, train, y, groups), test, RESULTS)


def fit_arms(draw, arms, X, y, train, test, folder):
    """Fit the arms of a draw that have no result yet, and write their predictions."""
    for arm, pipeline in arms.items():
        result = folder / f"draw{draw}-{arm.replace(', ', '-').replace(' ', '_')}.csv"
        if result.exists():
            continue
        start = time.perf_counter()
        pipeline.fit(X[train], y[train])
        table = pd.DataFrame({"row": test, "predicted": pipeline.predict(X[test])})
        table.to_csv(result, index=False)
        seconds = time.perf_counter() - start
        score = balanced_accuracy_score(y[test], table["predicted"])
        print(f"draw {draw}, {arm}: {score:.3f} ({seconds:.0f} s)", flush=True)


def report(args):
    """Print the balanced accuracy of each arm, and its gain over its baselines."""
    _, y, groups = load_images(args.data)
    report_results(RESULTS, y, groups)


def report_results(folder, y, groups):
    """Print the balanced accuracies in a folder of predictions, and the gains of each arm."""
    accuracy = {}
    predictions = {}
    for file in sorted(folder.glob("draw*.csv")):
        draw, arm = file.stem.removeprefix("draw").split("-", 1)
        table = pd.read_csv(file).set_index("row")["predicted"]
        predictions[arm, int(draw)] = table
        accuracy[arm, int(draw)] = balanced_accuracy_score(y[table.index], table)
    scores = pd.Series(accuracy).unstack()
    print(scores.assign(mean=scores.mean(axis=1)).round(3).to_string())
    for arm in scores.index:
        start = arm.split("-")[0]
        for baseline in (f"{start}-duplicates", "random-classic"):
            if baseline in scores.index and baseline != arm:
                print(describe_gain(arm, baseline, scores, predictions, y, groups))


def describe_gain(arm, baseline, scores, predictions, y, groups):
    """Return a line with the gain, and its intervals over draws and over test patients."""
    gains = (scores.loc[arm] - scores.loc[baseline]).dropna()
    half = t.ppf(0.975, len(gains) - 1) * gains.sem() if len(gains) > 1 else np.nan
    low, high = bootstrap_patients(
        [(predictions[arm, draw], predictions[baseline, draw]) for draw in gains.index], y, groups
    )
    return (
        f"{arm} against {baseline}: {gains.mean():+.3f}, draws {gains.mean() - half:+.3f} to "
        f"{gains.mean() + half:+.3f} (n={len(gains)}), patients {low:+.3f} to {high:+.3f}"
    )


def bootstrap_patients(pairs, y, groups, n_resamples=1000):
    """Return a 95 % interval of the gain in balanced accuracy, over test patients.

    Parameters
    ----------
    pairs : list of (Series, Series)
        Predictions of an arm and of the baseline for each draw, by row of the test images.
    y, groups : ndarray
        Class and patient of all images.
    n_resamples : int, default=1000
        Number of resamples.
    """
    gains = [
        (predicted == y[predicted.index]).astype(float) - (baseline == y[baseline.index])
        for predicted, baseline in pairs
    ]
    # An image may be among the test images of several draws.
    gain = pd.concat(gains).groupby(level=0).mean()
    rows = gain.index.to_numpy()
    _, patients = np.unique(groups[rows], return_inverse=True)
    members = [np.flatnonzero(patients == k) for k in range(patients.max() + 1)]
    rng = np.random.default_rng(0)
    means = []
    for _ in range(n_resamples):
        drawn = np.concatenate([members[k] for k in rng.integers(len(members), size=len(members))])
        by_class = pd.Series(gain.to_numpy()[drawn]).groupby(y[rows][drawn]).mean()
        means.append(by_class.mean())
    return np.quantile(means, [0.025, 0.975])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["run", "report"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--keep", type=Path, default=Path("results/transfer"))
    parser.add_argument("--pretrained", type=Path, default=Path("results/pretrain"))
    parser.add_argument("--draws", type=int, nargs="+", default=list(range(7)))
    parser.add_argument("--only", default="", help="fit the arms whose name contains this alone")
    args = parser.parse_args()
    {"run": run, "report": report}[args.command](args)


if __name__ == "__main__":
    main()
