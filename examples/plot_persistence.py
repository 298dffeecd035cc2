"""
Save, ship and reload
=====================

Which file is to keep, and which one to pass on? joblib keeps everything, and runs whatever a file
says. skops runs nothing that it was not told to trust. ``save_weights`` writes a generator alone:
its discriminator, which can tell training images from others, stays at home.
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import matplotlib.pyplot as plt
import numpy as np
import skops.io

from skcxr import DCGAN
from skcxr.datasets import make_chest_phantoms
from skcxr.metrics import audit
from skcxr.persistence import TRUSTED_TYPES

short = os.environ.get("SKCXR_GALLERY_SHORT") == "1"  # a quick run, whose picture means nothing

n = 20 if short else 40
X = make_chest_phantoms(2 * n, classes=["normal"], image_size=32, random_state=0).images
train, unseen = X[:n], X[n:]
gan = DCGAN(
    image_size=32,
    base_width=16,
    batch_size=16,
    max_epochs=1 if short else 20,
    lr=8e-4,
    random_state=0,
)
gan.fit(train)

# %%
# Three files. All estimators of skcxr, and pipelines of them, go into the first two kinds as well.

with TemporaryDirectory() as folder:
    files = {name: Path(folder) / f"gan.{name}" for name in ("joblib", "skops", "safetensors")}
    joblib.dump(gan, files["joblib"])
    skops.io.dump(gan, files["skops"])
    gan.save_weights(files["safetensors"])
    kilobytes = {name: file.stat().st_size / 1000 for name, file in files.items()}
    loaded = {
        "joblib": joblib.load(files["joblib"]),
        "skops": skops.io.load(files["skops"], trusted=TRUSTED_TYPES),
        "safetensors": DCGAN(image_size=32, base_width=16).load_weights(files["safetensors"]),
    }

# %%
# Each loaded generator makes the same images from the same seed. What a discriminator gives away
# the audit measures as an AUC, by which its logits tell training images from unseen ones, with a 95
# % interval: 0.5 would be nothing. Half a minute of training is enough for more than that; on
# radiographs it reached 0.74, see :doc:`/results`.

rows = {"as fitted": gan.sample(5, random_state=0)}
says = {"as fitted": ""}
for name, model in loaded.items():
    rows[f"gan.{name}"] = model.sample(5, random_state=0)
    says[f"gan.{name}"] = f"{kilobytes[name]:.0f} kB\nno discriminator"
    if hasattr(model, "discriminator_"):
        audited = audit(
            rows["as fitted"], train, unseen, features=None, discriminator=model, random_state=0
        )
        auc = audited.table.set_index("space").loc["discriminator"]
        says[f"gan.{name}"] = (
            f"{kilobytes[name]:.0f} kB, discriminator:\n"
            f"AUC {auc['value']:.2f} ({auc['low']:.2f} to {auc['high']:.2f})"
        )
same = all((images == rows["as fitted"]).all() for images in rows.values())

figure, ax = plt.subplots(figsize=(7.4, 3.8), layout="compressed")
picture = np.vstack([np.hstack(images) for images in rows.values()])
ax.imshow(picture, cmap="gray", vmin=0, vmax=255)
ax.set_xticks([])
ax.set_yticks(32 * np.arange(len(rows)) + 16, rows)
for row, words in enumerate(says.values()):
    ax.text(picture.shape[1] + 4, 32 * row + 16, words, va="center")
ax.tick_params(left=False)
ax.spines[:].set_visible(False)
figure.suptitle(
    f"Three files, {'the same' if same else 'other'} images; one has no discriminator", fontsize=12
)
plt.show()

# %%
# joblib's and pickle's files are for yourself: open none that you do not trust. skops names the
# types in a file that are not trusted, and refuses them. A safetensors file holds numbers and a
# header.
