"""How hard are the phantoms? Cross-validated accuracy of a linear model and of CXRClassifier.

    python experiments/phantom_difficulty.py

The first line is for each image's mean, standard deviation and border alone: chance, 0.25, says
that exposure and framing do not tell the class.
"""

import argparse

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skcxr import CXRClassifier
from skcxr.datasets import make_chest_phantoms


def brightness(X):
    """Mean, standard deviation and mean of the border of each flat square image."""
    images = X.reshape(len(X), int(X.shape[1] ** 0.5), -1).astype(float)
    border = np.concatenate([images[:, [0, -1]].reshape(len(X), -1), images[:, :, 0]], axis=1)
    return np.column_stack([images.mean((1, 2)), images.std((1, 2)), border.mean(1)])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-class", type=int, nargs="+", default=[70, 140])
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=1000))
    models = {
        "brightness, logistic regression": make_pipeline(FunctionTransformer(brightness), linear),
        "pixels, logistic regression": linear,
        "CXRClassifier()": CXRClassifier(random_state=0),
    }
    print("| model | images a class | accuracy | over seeds |\n| --- | --- | --- | --- |")
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
