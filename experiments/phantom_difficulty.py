"""Measure how hard the phantoms are to classify, by a linear model and by CXRClassifier.

    python experiments/phantom_difficulty.py

Accuracies are cross-validated in four folds. The first model sees only the mean, the standard
deviation and the border of each image. An accuracy of 0.25, chance, means that exposure and framing
do not reveal the class.
"""

import argparse

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skcxr import CXRClassifier
from skcxr.datasets import make_chest_phantoms


def measure_brightness(X):
    """Return the mean, standard deviation and mean of the border of each flat square image."""
    images = X.reshape(len(X), int(X.shape[1] ** 0.5), -1).astype(float)
    border = np.concatenate([images[:, [0, -1]].reshape(len(X), -1), images[:, :, 0]], axis=1)
    return np.column_stack([images.mean((1, 2)), images.std((1, 2)), border.mean(1)])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--per-class", type=int, nargs="+", default=[70, 140], help="images")
    parser.add_argument("--seeds", type=int, default=3, help="number of sets of phantoms")
    args = parser.parse_args()
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=1000))
    models = {
        "brightness, logistic regression": make_pipeline(
            FunctionTransformer(measure_brightness), linear
        ),
        "pixels, logistic regression": linear,
        "CXRClassifier()": CXRClassifier(random_state=0),
    }
    print("| model | images per class | accuracy | over seeds |\n| --- | --- | --- | --- |")
    for n in args.per_class:
        for name, model in models.items():
            scores = []
            for seed in range(args.seeds):
                phantoms = make_chest_phantoms(4 * n, random_state=seed)
                cv = StratifiedKFold(4, shuffle=True, random_state=seed)
                scores.append(cross_val_score(model, phantoms.data, phantoms.target, cv=cv).mean())
            print(f"| {name} | {n} | {np.mean(scores):.3f} | {np.round(scores, 3).tolist()} |")


if __name__ == "__main__":
    main()
