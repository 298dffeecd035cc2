"""
Monitor the training of a GAN
=============================

How can you see whether the training of a GAN succeeds? This example shows the paper's statistics,
the distances of samples to the training images, and the samples themselves.
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np

from skcxr import DCGAN
from skcxr.datasets import make_chest_phantoms
from skcxr.displays import TrainingHistoryDisplay

short = os.environ.get("SKCXR_GALLERY_SHORT") == "1"  # quick run, without meaningful results

phantoms = make_chest_phantoms(20 if short else 70, classes=["covid"], random_state=0)
X = phantoms.images

# %%
# ``history_`` has one row per epoch with the paper's statistics: the losses and the discriminator's
# mean outputs. ``d_x`` is its output on real images. ``d_g_z1`` and ``d_g_z2`` are its outputs on
# synthetic images before and after its update. With ``monitor``, every few epochs also have
# distances to the training images.
#
# With ``checkpoint``, a training resumes where an earlier one ended, with bit-identical weights.
# This example uses it to look at samples during training.

epochs = [1, 2] if short else [2, 8, 14, 20]
rows = {"real": X[:4]}
with TemporaryDirectory() as folder:
    for max_epochs in epochs:
        gan = DCGAN(
            base_width=16,
            batch_size=16,
            max_epochs=max_epochs,
            lr=8e-4,
            monitor="cxr",
            monitor_every=2,
            checkpoint=Path(folder) / "gan.pt",
            random_state=0,
        )
        rows[f"epoch {max_epochs}"] = gan.fit(X).sample(4, random_state=0)
gan.history_.tail().round(3)

# %%
# The figure has three panels of curves. ``TrainingHistoryDisplay.from_estimator(gan)`` draws all
# five. Each row of images uses the same four latent vectors.
#
# If D(x) approaches 1 and D(G(z)) approaches 0, the discriminator dominates and the generator stops
# learning. The losses are hard to interpret, because each depends on the other network. The
# distances are more informative. Their dashed lines are the distances between two halves of the
# real images, which are the best values to expect. (The kernel distance is unbiased, so it can be
# slightly negative.)

figure = plt.figure(figsize=(7.4, 4.9), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=[1.1, 1])
history = gan.history_.drop(columns=["frechet_distance", "inception_score"])
display = TrainingHistoryDisplay(history=history, monitor=gan.monitor_)
display.plot(left.subplots(3, sharex=True))
ax = right.subplots()
ax.imshow(np.vstack([np.hstack(images) for images in rows.values()]), cmap="gray", vmin=0, vmax=255)
ax.set_xticks([])
ax.set_yticks(64 * np.arange(len(rows)) + 32, rows, rotation=90, va="center", fontsize=9)
ax.tick_params(left=False)
ax.spines[:].set_visible(False)
first, last = gan.history_["kernel_distance"].dropna().iloc[[0, -1]]
floor = gan.monitor_["floor"]["kernel_distance"]
figure.suptitle(
    f"Kernel distance: {first:.0f} at first, {last:.0f} at the end, {floor:.0f} for real images"
)
plt.show()
