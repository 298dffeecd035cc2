"""
Watching a GAN train
====================

How does one know, while a GAN trains, that it goes well? By the paper's statistics, by distances
of its images to the training images, and by the images themselves.
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np

from skcxr import DCGAN
from skcxr.datasets import make_chest_phantoms
from skcxr.displays import TrainingHistoryDisplay

short = os.environ.get("SKCXR_GALLERY_SHORT") == "1"  # a quick run, whose picture means nothing

phantoms = make_chest_phantoms(20 if short else 70, classes=["covid"], random_state=0)
X = phantoms.images

# %%
# ``history_`` has a row an epoch: the losses, and what the discriminator says to real images,
# ``d_x``, and to synthetic ones before and after its own update, ``d_g_z1`` and ``d_g_z2``: the
# paper's statistics. With ``monitor`` every few epochs also have distances to the training images.
#
# With ``checkpoint`` a training goes on where an earlier one ended, to the same weights bit by bit.
# Here that serves to look at the images on the way.

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
# Three panels are drawn; ``TrainingHistoryDisplay.from_estimator(gan)`` draws all five. The same
# four latent vectors in each row of images. What to look at in the curves: D(x) and D(G(z)) that
# run to 1 and 0 would say that the discriminator has won, and the generator learns no more. The
# losses say little, since each is measured against an opponent that moves. The distances say more;
# the dashed lines are where two halves of the real images stand to one another, the best that can
# be hoped for. (A kernel distance is an unbiased estimate, and so can fall a little below 0.)

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
    f"Kernel distance: {first:.0f} at first, {last:.0f} in the end, {floor:.0f} of real images"
)
plt.show()
