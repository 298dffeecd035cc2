"""
Measure whether synthetic images help
=====================================

Does a classifier improve with synthetic images? This example compares three arms on the same folds:
classic augmentation only, with duplicates of real images, and with as many synthetic images. The
duplicates are the control, because more images also mean more training steps.
"""

import os

import matplotlib.pyplot as plt
from imblearn.pipeline import Pipeline

from skcxr import DCGAN, CXRClassifier, DCGANOversampler
from skcxr.datasets import make_chest_phantoms
from skcxr.displays import ComparisonDisplay, ConfusionMatrixGridDisplay
from skcxr.evaluation import compare, duplicates_of
from skcxr.over_sampling import grow

short = os.environ.get("SKCXR_GALLERY_SHORT") == "1"  # quick run, without meaningful results

phantoms = make_chest_phantoms(
    24 if short else 100, classes=["normal", "covid"], image_size=32, random_state=0
)
X, y = phantoms.images, phantoms.target_names[phantoms.target]

# %%
# ``grow(2)`` adds one synthetic image for each real image. ``duplicates_of`` replaces the synthetic
# images with as many random duplicates.

gan = DCGAN(image_size=32, base_width=16, batch_size=16, max_epochs=1 if short else 7, lr=8e-4)
clf = CXRClassifier(max_epochs=2 if short else 40, random_state=0)
sampler = DCGANOversampler(gan, sampling_strategy=grow(2), random_state=0)
dcgan = Pipeline([("gan", sampler), ("clf", clf)])
arms = {"classic": clf, "duplicates": duplicates_of(dcgan), "dcgan": dcgan}
comparison = compare(arms, X, y, cv=4)
print(comparison.recommendation)
print(comparison.reading)
comparison.against("duplicates").summary.round(3)

# %%
# Orange dots are folds. Blue dots are their means, with a 95 % interval that is corrected for
# training images that folds share (Nadeau and Bengio). The verdict follows from the same
# distribution as the interval. "Undecided" does not show that two arms are equal. Intervals of four
# folds are wide.

figure = plt.figure(figsize=(6.5, 4.6), layout="constrained")
top, bottom = figure.subfigures(2, height_ratios=[1, 1.3])
ComparisonDisplay.from_comparison(comparison.against("duplicates"), ax=top.subplots())
ConfusionMatrixGridDisplay.from_comparison(comparison, ax=bottom.subplots(1, 3, sharey=True))
verdict, basis = comparison.only(["duplicates", "dcgan"]).against("duplicates").findings["dcgan"]
figure.suptitle(verdict, fontsize=12)
plt.show()

# %%
# The column ``fit_seconds`` in the table above shows the cost. On radiographs, with four classes
# and longer training, no gain was found either: see :doc:`/results`.
