"""
A GAN inside every fold
=======================

What happens if a pipeline with a GAN is cross-validated by scikit-learn? In each fold, a new GAN is
trained on the training images of this fold only. The test images are not used to train it.
"""

import os

import matplotlib.pyplot as plt
import numpy as np
from imblearn.pipeline import Pipeline
from sklearn.model_selection import cross_validate

from skcxr import DCGAN, CXRClassifier, DCGANOversampler
from skcxr.datasets import make_chest_phantoms

short = os.environ.get("SKCXR_GALLERY_SHORT") == "1"  # quick run, without meaningful results

# %%
# There are four classes, one of which has fewer images. The images are smaller than the default of
# 64 x 64, so that this example runs in half a minute.

n_samples = [12, 12, 12, 8] if short else [60, 60, 60, 30]
phantoms = make_chest_phantoms(n_samples, image_size=32, random_state=0)
X, y = phantoms.images, phantoms.target

# %%
# The pipeline has two steps. By default, its GAN is as large as the paper's, which takes half an
# hour per class on two cores. This example uses a smaller GAN. The default strategy, ``"auto"``,
# trains a GAN for each class that is smaller than the largest, and brings it to the size of the
# largest.

pipe = Pipeline([("gan", DCGANOversampler()), ("clf", CXRClassifier())])
small = DCGAN(image_size=32, base_width=16, batch_size=16, max_epochs=1 if short else 10, lr=8e-4)
pipe.set_params(gan__estimator=small, gan__random_state=0)
pipe.set_params(clf__max_epochs=2 if short else 40, clf__random_state=0)
result = cross_validate(pipe, X, y, cv=4, return_estimator=True, return_indices=True)
print(result["test_score"].round(2))

# %%
# ``return_estimator`` keeps the four fitted pipelines. Each row of the figure is a fold. It shows
# training images of the GAN, its synthetic images, and test images with their predictions.

rare = np.bincount(y).argmin()
names = [name.replace("pneumonia_", "") for name in phantoms.target_names]
figure, axes = plt.subplots(4, 3, figsize=(6.5, 4.5), width_ratios=[2, 2, 4], layout="constrained")
for fold, row in enumerate(axes):
    fitted = result["estimator"][fold]
    train, test = (result["indices"][part][fold] for part in ("train", "test"))
    real = X[train][y[train] == rare][:2]
    synthetic = fitted["gan"].estimators_[rare].sample(2, random_state=0)
    unseen = test[np.linspace(0, len(test) - 1, 4).astype(int)]
    for ax, images in zip(row, (real, synthetic, X[unseen]), strict=True):
        ax.imshow(np.hstack(images), cmap="gray", vmin=0, vmax=255)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    predicted = fitted.predict(X[unseen])
    right = predicted == y[unseen]
    labels = [f"{names[k]} {'✓' if r else '✗'}" for k, r in zip(predicted, right, strict=True)]
    row[2].set_xticks(32 * np.arange(4) + 16, labels, fontsize=9)
    row[2].tick_params(bottom=False)
    for label in np.array(row[2].get_xticklabels())[~right]:
        label.set_color("#D55E00")
    row[0].set_ylabel(f"fold {fold + 1}\n{result['test_score'][fold]:.2f}", fontsize=10)
titles = (f"{names[rare]}, trained on", f"{names[rare]}, synthetic", "test images with predictions")
for ax, title in zip(axes[0], titles, strict=True):
    ax.set_title(title, fontsize=10)
scores = result["test_score"]
figure.suptitle(f"Four folds, four GANs: accuracy {scores.min():.2f} to {scores.max():.2f}")
plt.show()

# %%
# This does not show whether the synthetic images helped. To measure that, compare with the same
# folds without synthetic images, and with duplicates instead: see
# :ref:`sphx_glr_auto_examples_plot_compare.py`.
