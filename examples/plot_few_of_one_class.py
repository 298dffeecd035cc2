"""
A rare class
============

What helps a classifier to find a disease with ten images against sixty normal ones? Class weights,
duplicates, blends of real images (SMOTE) and synthetic images all favor the rare class. They must
therefore be compared with each other, and not only with the unchanged data.
"""

import os

import matplotlib.pyplot as plt
import numpy as np
from imblearn.pipeline import Pipeline
from sklearn.base import clone

from skcxr import DCGAN, CXRClassifier, DCGANOversampler
from skcxr.datasets import make_chest_phantoms
from skcxr.evaluation import compare, duplicates_of
from skcxr.metrics import corrected_interval
from skcxr.over_sampling import ImageSMOTE

short = os.environ.get("SKCXR_GALLERY_SHORT") == "1"  # quick run, without meaningful results

# %%
# The number of phantoms is unlimited, so the experiment is repeated five times on new images. Each
# repetition has 60 normal and 10 covid images for training, and 50 of each class for testing.

n_sets = 2 if short else 5
phantoms = make_chest_phantoms(
    [110 * n_sets, 60 * n_sets], classes=["normal", "covid"], image_size=32, random_state=0
)
X, y = phantoms.data, phantoms.target_names[phantoms.target]
normal, covid = (np.flatnonzero(y == k).reshape(n_sets, -1) for k in ("normal", "covid"))
train = np.hstack([normal[:, :60], covid[:, :10]])
test = np.hstack([normal[:, 60:], covid[:, 10:]])

# %%
# The default strategy, ``"auto"``, brings the rare class to the size of the other class, which it
# leaves unchanged. It needs one GAN per repetition.

gan = DCGAN(image_size=32, base_width=16, batch_size=16, max_epochs=1 if short else 7, lr=8e-4)
clf = CXRClassifier(max_epochs=2 if short else 40, random_state=0)
dcgan = Pipeline([("gan", DCGANOversampler(gan, random_state=0)), ("clf", clf)])
arms = {
    "unchanged": clf,
    "class weights": clone(clf).set_params(class_weight="balanced"),
    "duplicates": duplicates_of(dcgan),
    "SMOTE": Pipeline([("smote", ImageSMOTE(random_state=0)), ("clf", clf)]),
    "dcgan": dcgan,
}
comparison = compare(
    arms, X, y, cv=list(zip(train, test, strict=True)), scoring="balanced_accuracy"
)
values = comparison.results.pivot_table(index="arm", columns="metric", values="value", sort=False)
values.round(3)

# %%
# The sensitivity of covid must be compared together with the sensitivity of normal, which is the
# specificity. If more images are classified as covid, the first increases and the second decreases.
# Their mean is the balanced accuracy. In the left panel, light marks are the five repetitions. The
# right panel shows differences within repetitions, with ordinary 95 % t intervals, since
# repetitions share no images. (``comparison.reading`` corrects for shared images.)

figure, (left, right) = plt.subplots(1, 2, figsize=(6.5, 4), sharey=True, layout="constrained")
by_set = comparison.results.pivot(index=["metric", "fold"], columns="arm", values="value")
scores = by_set.loc["balanced_accuracy"]
for row, arm in enumerate(arms):
    for k, color, marker in (("covid", "#D55E00", "D"), ("normal", "#0072B2", "o")):
        found = by_set.loc[f"sensitivity[{k}]", arm]
        left.plot(found, np.full(len(found), row), marker, color=color, markersize=4, alpha=0.3)
        left.plot(found.mean(), row, marker, color=color, label=k if row == 0 else None)
    if arm != "unchanged":
        mean, low, high = corrected_interval(scores[arm] - scores["unchanged"], 0)
        right.errorbar(mean, row, xerr=[[mean - low], [high - mean]], fmt="ks", capsize=3)
right.axvline(0, color="0.4", linestyle="--", linewidth=1)
left.legend(frameon=False, fontsize=9, ncols=2, loc="lower left")
left.set(xlim=(-0.02, 1.02), ylim=(len(arms) - 0.1, -0.5))
left.set_yticks(range(len(arms)), arms)
left.set_title("sensitivity", fontsize=10)
right.set_title("balanced accuracy, minus unchanged", fontsize=10)
for ax in (left, right):
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(left=False)
mean, low, high = corrected_interval(scores["dcgan"] - scores["duplicates"], 0)
figure.suptitle(
    f"dcgan minus duplicates, balanced accuracy:\n{mean:+.3f}, 95 % {low:+.3f} to {high:+.3f}"
)
plt.show()

# %%
# On radiographs with ten images of one class, the sensitivity for the rare class was higher with
# one GAN for all classes (:class:`skcxr.ConditionalDCGANOversampler`) than with duplicates. With a
# GAN that was trained on the ten images only, it was not. See :doc:`/results`.
