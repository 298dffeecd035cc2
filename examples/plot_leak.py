"""
The leak of a generator outside the folds
=========================================

What happens if images are oversampled before cross-validation? The generators are then trained on
the test images too, and reveal them. To measure this leak, this example uses random labels, so that
there is nothing to learn. With four classes, an accuracy above 0.25 is due to a leak or to chance.
"""

import os

import matplotlib.pyplot as plt
import numpy as np
from imblearn.pipeline import Pipeline
from scipy.stats import binomtest
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import KernelDensity

from skcxr import DCGAN, CXRClassifier, DCGANOversampler
from skcxr.datasets import make_chest_phantoms
from skcxr.over_sampling import grow

short = os.environ.get("SKCXR_GALLERY_SHORT") == "1"  # quick run, without meaningful results

# %%
# The data are 48 small phantoms, all of them normal.

X = make_chest_phantoms(48, classes=["normal"], image_size=16, random_state=0).data
y = np.random.default_rng(0).permutation(np.repeat([0, 1, 2, 3], 12))
folds = StratifiedKFold(3, shuffle=True, random_state=0)
clf = CXRClassifier(max_epochs=2 if short else 30, augment=None, random_state=0)

# %%
# There are two generators. The GAN has no augmentation, and many steps for few images. The kernel
# density draws a training image and adds a little noise. This "copier" is the worst case of a
# generator.

gan = DCGAN(
    image_size=16,
    base_width=16,
    batch_size=16,
    max_epochs=1 if short else 9,
    lr=8e-4,
    dropout=0.2,
    augment=None,
    diff_augment=None,
    mode_seeking=0.0,
)
samplers = {
    name: DCGANOversampler(generator, sampling_strategy=grow(6), random_state=0)
    for name, generator in {"copier": KernelDensity(bandwidth=10), "GAN": gan}.items()
}

# %%
# "Inside" is a pipeline, which trains the generator in each fold. "Outside" generates synthetic
# images once from all images, and adds them to each training set. Both test on real images only.


def predict_outside(sampler):
    """Return predictions for all images, with generators that were trained on all of them."""
    X_new, y_new = sampler.fit_resample(X, y)
    X_new, y_new = (rows[sampler.synthetic_mask_] for rows in (X_new, y_new))
    predicted = np.empty_like(y)
    for train, test in folds.split(X, y):
        clf.fit(np.concatenate([X[train], X_new]), np.concatenate([y[train], y_new]))
        predicted[test] = clf.predict(X[test])
    return predicted


predictions = {"no generator": cross_val_predict(clf, X, y, cv=folds)}
for name, sampler in samplers.items():
    inside = Pipeline([("sampler", sampler), ("clf", clf)])
    predictions[f"{name} inside"] = cross_val_predict(inside, X, y, cv=folds)
    predictions[f"{name} outside"] = predict_outside(sampler)

# %%
# The leak of the copier is complete: each test image has copies in the training set. The leak of a
# GAN lies between chance and this, depending on how much it has memorized. Blurred images can leak
# too.
#
# Intervals are Wilson's at 95 % for the 48 images that were tested. The result of the GAN is from
# one run and varies between runs. Its size and number of epochs were chosen because they show the
# leak. With one epoch less, the accuracy outside was 0.38.

figure, ax = plt.subplots(figsize=(6.5, 4.3), layout="constrained")
accuracy = {}
for row, (name, predicted) in enumerate(predictions.items()):
    found = binomtest(int((predicted == y).sum()), len(y))
    low, high = found.proportion_ci(method="wilson")
    accuracy[name] = found.statistic
    color, marker = ("#D55E00", "s") if name.endswith("outside") else ("#0072B2", "o")
    ax.plot([low, high], [row, row], color=color)
    ax.plot(found.statistic, row, marker, color=color, markersize=8)
    ax.annotate(
        f"{found.statistic:.2f}",
        (found.statistic, row),
        (0, 8),
        textcoords="offset points",
        ha="center",
    )
ax.axvline(0.25, color="0.4", linestyle="--", linewidth=1)
ax.text(0.24, -0.6, "chance", color="0.4", va="top", ha="right")
ax.set_yticks(range(len(predictions)), predictions)
ax.set(xlim=(0, 1.02), ylim=(len(predictions) - 0.5, -0.7), xlabel="accuracy on random labels")
ax.spines[["top", "right", "left"]].set_visible(False)
ax.tick_params(left=False)
inside, outside = accuracy["GAN inside"], accuracy["GAN outside"]
ax.set_title(f"Random labels: accuracy {inside:.2f} with the GAN inside, {outside:.2f} outside")
plt.show()

# %%
# A pipeline prevents this leak, because the sampler is fitted on the training images of the fold
# only. :doc:`/results` has the effect of the same mistake on radiographs.
