"""
How many synthetic images?
==========================

How many synthetic images per real image are best? The number is a parameter of the pipeline, so a
grid search can choose it. The GANs need not be trained again for each candidate.
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

short = os.environ.get("SKCXR_GALLERY_SHORT") == "1"  # quick run, without meaningful results

phantoms = make_chest_phantoms(
    24 if short else 90, classes=["normal", "covid"], image_size=32, random_state=0
)

# %%
# Two caches avoid repeated training. ``memory`` of the pipeline keeps the result of the sampler, so
# that candidates with other parameters of the classifier train no GAN. A different number of
# synthetic images changes this result, but not the GANs. ``checkpoint`` of the GAN therefore saves
# each training in a file that is keyed by its images and parameters. A repeated fit loads this
# file. Both caches need an int as ``random_state``.

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
# The table shows the accuracy and the fit time of each candidate. Only the first candidate with
# synthetic images includes the training of the GANs.

table = pd.DataFrame(search.cv_results_)
table["factor"] = [strategy.factor for strategy in table["param_gan__sampling_strategy"]]
columns = ["param_clf__lr", "factor", "mean_test_score", "std_test_score", "mean_fit_time"]
table[columns].round(3)

# %%
# One candidate always has the highest mean, so this alone shows nothing. What matters is the
# difference to training without synthetic images on the same folds, with its interval.

figure, (left, right) = plt.subplots(1, 2, figsize=(6.5, 3.9), layout="constrained")
folds = [column for column in table if column.startswith("split")]
excludes_zero = []
for rate, color, marker, shift in zip(
    rates, ("#0072B2", "#D55E00"), "os", (-0.15, 0.15), strict=True
):
    rows = table[table["param_clf__lr"] == rate].set_index("factor")
    right.bar(np.arange(len(factors)) + shift, rows["mean_fit_time"], 0.28, color=color)
    for x, factor in enumerate(factors[1:]):
        # With three folds, there are half as many test images as training images.
        difference = (rows.loc[factor, folds] - rows.loc[1, folds]).astype(float)
        mean, low, high = corrected_interval(difference, 0.5)
        excludes_zero.append(low > 0 or high < 0)
        ends = [[mean - low], [high - mean]]
        label = f"lr {rate}" if x == 0 else None
        left.errorbar(x + shift, mean, ends, fmt=marker, color=color, capsize=3, label=label)
left.axhline(0, color="0.4", linestyle="--", linewidth=1)
left.legend(frameon=False, fontsize=9)
left.set_xlim(-0.6, 1.6)
left.set_xticks([0, 1], [f"x {factor}" for factor in factors[1:]])
left.set_title("accuracy, minus x 1", fontsize=10)
right.set_xticks(range(len(factors)), [f"x {factor}" for factor in factors])
right.set_title("fit time in seconds", fontsize=10)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
best = table.loc[table["mean_test_score"].idxmax()]
figure.suptitle(
    f"Best: x {best['factor']}, {best['mean_test_score']:.2f}. Differences to x 1 that exclude 0: "
    f"{sum(excludes_zero)} of {len(excludes_zero)}",
    fontsize=11,
)
plt.show()

# %%
# The score of the best candidate is optimistic, because the candidate was selected by this score.
# To report a score, cross-validate the search itself with ``cross_validate``.
