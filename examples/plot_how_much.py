"""
How many synthetic images?
==========================

Is one synthetic image for each real one the right number, or none, or three? The number is a
parameter of the pipeline, and a grid search can look for it. The GANs need not be trained anew for
each candidate.
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from imblearn.pipeline import Pipeline
from sklearn.model_selection import GridSearchCV

from skcxr import DCGAN, CXRClassifier, DCGANOversampler
from skcxr.datasets import make_chest_phantoms
from skcxr.metrics import corrected_interval
from skcxr.over_sampling import grow

short = os.environ.get("SKCXR_GALLERY_SHORT") == "1"  # a quick run, whose picture means nothing

phantoms = make_chest_phantoms(
    24 if short else 90, classes=["normal", "covid"], image_size=32, random_state=0
)

# %%
# Two caches, for two kinds of parameters. ``memory`` of the pipeline keeps what the sampler
# returned: the classifier's parameters can then vary without a GAN being trained. Another number of
# synthetic images is another result of the sampler, but of the same GANs: ``checkpoint`` of the GAN
# keeps each training in a file, by its images and parameters, and goes on from there. Both need an
# int as ``random_state``.

factors, rates = [1, 2, 4], [0.03, 0.1]
with TemporaryDirectory() as folder:
    gan = DCGAN(
        image_size=32,
        base_width=16,
        batch_size=16,
        max_epochs=1 if short else 8,
        lr=8e-4,
        checkpoint=Path(folder) / "gans",
    )
    steps = [
        ("gan", DCGANOversampler(gan, random_state=0)),
        ("clf", CXRClassifier(max_epochs=2 if short else 30, random_state=0)),
    ]
    search = GridSearchCV(
        Pipeline(steps, memory=f"{folder}/memory"),
        {"gan__sampling_strategy": [grow(factor) for factor in factors], "clf__lr": rates},
        cv=3,
        refit=False,
    )
    search.fit(phantoms.images, phantoms.target)

# %%
# Each candidate's accuracy in the folds, and its seconds: the first one with synthetic images pays
# for the GANs, and all others do not.

table = pd.DataFrame(search.cv_results_)
table["factor"] = [strategy.factor for strategy in table["param_gan__sampling_strategy"]]
columns = ["param_clf__lr", "factor", "mean_test_score", "std_test_score", "mean_fit_time"]
table[columns].round(3)

# %%
# What decides is not which mean is highest, since one always is, but the difference to no synthetic
# images at all, in the same folds, with its interval.

figure, (left, right) = plt.subplots(1, 2, figsize=(6.5, 3.9), layout="constrained")
folds = [column for column in table if column.startswith("split")]
told = []
for rate, color, marker, shift in zip(
    rates, ("#0072B2", "#D55E00"), "os", (-0.15, 0.15), strict=True
):
    rows = table[table["param_clf__lr"] == rate].set_index("factor")
    right.bar(np.arange(len(factors)) + shift, rows["mean_fit_time"], 0.28, color=color)
    for x, factor in enumerate(factors[1:]):
        # A fold in three is tested: half as many images as are trained on.
        difference = (rows.loc[factor, folds] - rows.loc[1, folds]).astype(float)
        mean, low, high = corrected_interval(difference, 0.5)
        told.append(low > 0 or high < 0)
        ends = [[mean - low], [high - mean]]
        label = f"lr {rate}" if x == 0 else None
        left.errorbar(x + shift, mean, ends, fmt=marker, color=color, capsize=3, label=label)
left.axhline(0, color="0.4", linestyle="--", linewidth=1)
left.legend(frameon=False, fontsize=9)
left.set_xlim(-0.6, 1.6)
left.set_xticks([0, 1], [f"x {factor}" for factor in factors[1:]])
left.set_title("accuracy, difference to x 1", fontsize=10)
right.set_xticks(range(len(factors)), [f"x {factor}" for factor in factors])
right.set_title("seconds of a fit", fontsize=10)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
best = table.loc[table["mean_test_score"].idxmax()]
figure.suptitle(
    f"Best: x {best['factor']}, {best['mean_test_score']:.2f}. Differences to x 1 that exclude 0: "
    f"{sum(told)} of {len(told)}",
    fontsize=11,
)
plt.show()

# %%
# The best candidate's score is an optimistic one: it was chosen for it. To report a score, put the
# search itself into ``cross_validate``.
