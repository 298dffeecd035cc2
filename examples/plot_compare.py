"""
Does it help?
=============

Is a classifier better with synthetic images than without them? Three arms meet on the same folds:
classic augmentation alone, with duplicates of real images, and with as many synthetic ones. The
duplicates are the control: more images also mean more training steps.
"""

import os

import matplotlib.pyplot as plt
from imblearn.pipeline import Pipeline

from skcxr import DCGAN, CXRClassifier, DCGANOversampler
from skcxr.datasets import make_chest_phantoms
from skcxr.displays import ComparisonDisplay, ConfusionMatrixGridDisplay
from skcxr.evaluation import compare, duplicates_of
from skcxr.over_sampling import grow

short = os.environ.get("SKCXR_GALLERY_SHORT") == "1"  # a quick run, whose picture means nothing

phantoms = make_chest_phantoms(
    24 if short else 100, classes=["normal", "covid"], image_size=32, random_state=0
)
X, y = phantoms.images, phantoms.target_names[phantoms.target]

# %%
# ``grow(2)`` adds a synthetic image for each real one. ``duplicates_of`` puts random duplicates in
# their place, as many.

gan = DCGAN(image_size=32, base_width=16, batch_size=16, max_epochs=1 if short else 7, lr=8e-4)
clf = CXRClassifier(max_epochs=2 if short else 40, random_state=0)
sampler = DCGANOversampler(gan, sampling_strategy=grow(2), random_state=0)
dcgan = Pipeline([("gan", sampler), ("clf", clf)])
arms = {"classic": clf, "duplicates": duplicates_of(dcgan), "dcgan": dcgan}
comparison = compare(arms, X, y, cv=4)
print(comparison.reading)
comparison.against("duplicates").summary.round(3)

# %%
# Orange dots are folds, blue ones their mean with a 95 % interval that allows for folds sharing
# their training images (Nadeau and Bengio). An interval that holds 0 says that this experiment can
# not tell the two arms apart, in either direction, and no more than that. Four folds give wide
# ones.

figure = plt.figure(figsize=(6.5, 4.6), layout="constrained")
top, bottom = figure.subfigures(2, height_ratios=[1, 1.3])
ComparisonDisplay.from_comparison(comparison.against("duplicates"), ax=top.subplots())
ConfusionMatrixGridDisplay.from_comparison(comparison, ax=bottom.subplots(1, 3, sharey=True))
verdict, basis = comparison.only(["duplicates", "dcgan"]).against("duplicates").findings["dcgan"]
figure.suptitle(verdict, fontsize=12)
plt.show()

# %%
# It is worth looking at the price too, ``fit_seconds`` in the table above. On radiographs, with
# more and longer trained GANs, no gain was found either: :doc:`/results`.
