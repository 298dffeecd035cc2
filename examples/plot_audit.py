"""
Audit synthetic images for copies
=================================

Are synthetic images copies of training images? The audit compares them with the training images,
and with hold-out images that the generator has not seen. This example audits the images of a GAN.
It then audits the same images with three planted copies.
"""

import os

import matplotlib.pyplot as plt
import numpy as np

from skcxr import DCGAN
from skcxr.datasets import make_chest_phantoms
from skcxr.displays import AuditDisplay
from skcxr.metrics import audit

short = os.environ.get("SKCXR_GALLERY_SHORT") == "1"  # quick run, without meaningful results

# %%
# The GAN is trained on half of the images. The other half is the hold-out. The audit interprets any
# difference between the two halves as memorization, so split images at random, by patient.

n = 20 if short else 60
X = make_chest_phantoms(2 * n, classes=["covid"], random_state=0).images
train, holdout = X[:n], X[n:]
gan = DCGAN(
    base_width=16,
    batch_size=16,
    max_epochs=1 if short else 16,
    lr=8e-4,
    random_state=0,
)
synthetic = gan.fit(train).sample(n, random_state=0)

# %%
# The three copies are altered: one is darker, one is mirrored and noisy, and one is shifted by a
# pixel.

rng = np.random.default_rng(0)
planted = synthetic.copy()
planted[3] = 0.7 * train[10]
planted[7] = np.clip(train[11][:, ::-1] + rng.normal(0, 12, train[11].shape), 0, 255)
planted[11] = np.roll(train[12], 1, axis=1)

results = {
    "GAN images": audit(synthetic, train, holdout, n_pairs=4, random_state=0),
    "With three copies": audit(planted, train, holdout, n_pairs=4, random_state=0),
}
for name, result in results.items():
    print(f"{name}: {result.reading}\n")

# %%
# The left panels show each statistic with its interval. The value expected without copying is 0.5,
# and an orange square marks an alarm. Three copies among sixty images hardly change an average. The
# right panels show the synthetic images that are closest to a training image, above that image.
# Copies are detected from such single pairs.

figure = plt.figure(figsize=(7.2, 5), layout="constrained")
for part, (name, result) in zip(figure.subfigures(2), results.items(), strict=True):
    left, right = part.subfigures(1, 2)
    AuditDisplay.from_result(result, ax=[left.subplots(), right.subplots()])
    left.axes[0].set_title("")
    part.suptitle(f"{name}: {result.verdict}", fontsize=12)
plt.show()

# %%
# An audit without findings does not prove privacy. The documentation of :func:`skcxr.metrics.audit`
# lists its error rates and what it cannot detect, such as copies that are shifted by several
# pixels.
