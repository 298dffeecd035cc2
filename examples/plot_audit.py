"""
Is it copying?
==============

A generator of sixty images may have learned chests, or sixty images. The audit compares synthetic
images with those it was trained on, and with others that it has not seen. Here it looks at a GAN's
images, and at the same images among which three copies were hidden.
"""

import os

import matplotlib.pyplot as plt
import numpy as np

from skcxr import DCGAN
from skcxr.datasets import make_chest_phantoms
from skcxr.displays import AuditDisplay
from skcxr.metrics import audit

short = os.environ.get("SKCXR_GALLERY_SHORT") == "1"  # a quick run, whose picture means nothing

# %%
# Half of the images train the GAN; the other half is what honest images look like. The audit takes
# any difference between the two for memorization, so split at random, and by patients.

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
# The copies are disguised: one is darker, one is mirrored and noisy, one is shifted by a pixel.

rng = np.random.default_rng(0)
planted = synthetic.copy()
planted[3] = 0.7 * train[10]
planted[7] = np.clip(train[11][:, ::-1] + rng.normal(0, 12, train[11].shape), 0, 255)
planted[11] = np.roll(train[12], 1, axis=1)

results = {
    "The GAN's images": audit(synthetic, train, holdout, n_pairs=4, random_state=0),
    "With three copies": audit(planted, train, holdout, n_pairs=4, random_state=0),
}
for name, result in results.items():
    print(f"{name}: {result.reading}\n")

# %%
# At the left, each statistic with its interval: 0.5 is what honest images would give; an orange
# square would be an alarm. Three copies of sixty hardly move an average. At the right, the
# synthetic images that come closest to a training image, over that image: it is the single pair
# that gives a copy away.

figure = plt.figure(figsize=(7.2, 5), layout="constrained")
for part, (name, result) in zip(figure.subfigures(2), results.items(), strict=True):
    left, right = part.subfigures(1, 2)
    AuditDisplay.from_result(result, ax=[left.subplots(), right.subplots()])
    left.axes[0].set_title("")
    part.suptitle(f"{name}: {result.verdict}", fontsize=12)
plt.show()

# %%
# No sign of copying is no proof of privacy. What the audit can not see, such as copies shifted by
# several pixels, is in its documentation, with the rates at which it errs.
