"""
Sixty labelled images and a pool without labels
===============================================

What does a GAN gain from images without labels? A hospital often has many radiographs and few
labels. A GAN can be trained on all of them first, and then on the labelled images of each class.
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import pandas as pd
from imblearn.pipeline import Pipeline

from skcxr import DCGAN, CXRClassifier, DCGANOversampler
from skcxr.datasets import make_chest_phantoms
from skcxr.evaluation import find_pretraining_overlap
from skcxr.metrics import kernel_distance
from skcxr.metrics.features import feature_extractor

short = os.environ.get("SKCXR_GALLERY_SHORT") == "1"  # quick run, without meaningful results

# %%
# Phantoms stand for radiographs: 60 labelled ones of each of two classes, 100 of each class for
# testing, and a pool of 600 whose labels are not used. The pool must not contain test images.

classes = ["covid", "normal"]
labelled = make_chest_phantoms(120, classes=classes, image_size=32, random_state=0)
unseen = make_chest_phantoms(200, classes=classes, image_size=32, random_state=1)
pool = make_chest_phantoms(600, image_size=32, random_state=2).images

# %%
# The first training. Its weights go to a file, with a fingerprint of each image of the pool.
# ``discriminator=True`` is needed, since training starts from both networks.

tiny = {"image_size": 32, "base_width": 12, "batch_size": 16, "lr": 8e-4, "random_state": 0}
folder = TemporaryDirectory()
weights = Path(folder.name) / "pool.safetensors"
pool_gan = DCGAN(**tiny, max_epochs=1 if short else 30).fit(pool)
pool_gan.save_weights(weights, discriminator=True, training_images=pool)

# %%
# The second training takes 136 steps per class, from random weights and from those of the pool. The
# kernel distance between samples and unseen images of the class is 0 if they are of one
# distribution.

max_epochs = 1 if short else 4
starts = {"random weights": None, "the pool's weights": weights}
extract = feature_extractor("cxr", labelled.images)
samples = {}
distances = {}
for k, name in enumerate(classes):
    images = labelled.images[labelled.target == k]
    others = extract(unseen.images[unseen.target == k])
    samples[name, "real"] = images[:8]
    distances[name, "real"] = kernel_distance(others, extract(images), random_state=0).value
    for start, path in starts.items():
        gan = DCGAN(**tiny, max_epochs=max_epochs, weights=path).fit(images)
        samples[name, start] = gan.sample(8, random_state=0)
        synthetic = extract(gan.sample(60, random_state=1))
        distances[name, start] = kernel_distance(others, synthetic, random_state=0).value
pd.Series(distances).unstack(0).round(2)

# %%

figure, axes = plt.subplots(len(samples), 8, figsize=(7, 6), layout="constrained")
for row, ((name, start), images) in zip(axes, samples.items(), strict=True):
    for ax, image in zip(row, images, strict=True):
        ax.imshow(image, cmap="gray", vmin=0, vmax=255)
        ax.set(xticks=[], yticks=[])
    row[0].set_ylabel(f"{name}\n{start}", rotation=0, ha="right", va="center", fontsize=8)
plt.show()

# %%
# In a pipeline, the GANs of all classes start from the file, inside each fold. Check first that no
# labelled image is in the pool: the file has fingerprints of its training images.

gan = DCGAN(**tiny, max_epochs=max_epochs, weights=weights)
clf = CXRClassifier(max_epochs=1 if short else 30, random_state=0)
pipe = Pipeline([("gan", DCGANOversampler(gan, random_state=0)), ("clf", clf)])
print(find_pretraining_overlap(pipe, labelled.images).sum(), "labelled images are in the pool")

folder.cleanup()

# %%
# Whether better images help a classifier is another question. :func:`skcxr.evaluation.compare`
# answers it, with :func:`~skcxr.evaluation.duplicates_of` as the control. On radiographs, the
# answer depends on the hospital: see :doc:`/guide/transfer`.
