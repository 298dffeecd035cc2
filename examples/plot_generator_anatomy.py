"""
Anatomy of the generator
========================

Are the networks of :class:`skcxr.DCGAN` those of the paper? This example compares them, layer by
layer, with the paper's tables 1 and 2. It then trains a small GAN and interpolates in its latent
space.
"""

import os

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from skcxr import DCGAN
from skcxr.datasets import make_chest_phantoms
from skcxr.networks import Discriminator, Generator

short = os.environ.get("SKCXR_GALLERY_SHORT") == "1"  # quick run, without meaningful results

# %%
# The tables list the type of each layer and its number of parameters, which determines its kernel
# and channels. "skcxr" is counted in the modules.

TABLE_1 = {
    "ConvTranspose2d": [819_200, 2_097_152, 524_288, 131_072, 1_024],
    "BatchNorm2d": [1_024, 512, 256, 128],
}
TABLE_2 = {
    "Conv2d": [1_024, 131_072, 524_288, 2_097_152, 8_192],
    "BatchNorm2d": [256, 512, 1_024],
}


def count_parameters(table, network, x):
    """Return one row per layer: parameters in the paper's table, and in the module."""
    printed, rows = {kind: iter(numbers) for kind, numbers in table.items()}, []
    for layer in network.eval().layers:
        with torch.no_grad():
            x = layer(x)
        kind = type(layer).__name__
        if kind in table:
            n_parameters = sum(p.numel() for p in layer.parameters())
            shape = " x ".join(map(str, x.shape[1:]))
            rows.append(
                {
                    "layer": kind,
                    "output": shape,
                    "paper": next(printed[kind]),
                    "skcxr": n_parameters,
                }
            )
    rows.append({"layer": "sum", "output": ""})
    rows = pd.DataFrame(rows)
    rows.loc[len(rows) - 1, ["paper", "skcxr"]] = rows[["paper", "skcxr"]].sum()
    return rows.astype({"paper": int, "skcxr": int})


# Output shapes are (channels, height, width).
table_1 = count_parameters(TABLE_1, Generator(), torch.zeros(2, 100, 1, 1))
table_1

# %%

table_2 = count_parameters(TABLE_2, Discriminator(), torch.zeros(2, 1, 64, 64))
table_2

# %%
# The GAN has a quarter of the paper's width, so that it trains in half a minute. It is trained on
# one class.

phantoms = make_chest_phantoms(20 if short else 70, classes=["normal"], random_state=0)
gan = DCGAN(
    base_width=16,
    batch_size=16,
    max_epochs=1 if short else 18,
    lr=8e-4,
    random_state=0,
)
gan.fit(phantoms.images)

# %%
# ``sample`` draws latent vectors that are uniform on [-1, 1]. Each row at the bottom interpolates
# linearly between two latent vectors, and images change gradually along it. If the images in
# between are chests too, the generator has learned more than a list of images.

rng = np.random.default_rng(5)
ends = rng.uniform(-1, 1, (2, 3, 1, 100))
steps = np.linspace(0, 1, 8)[:, None]
walk = torch.from_numpy((1 - steps) * ends[0] + steps * ends[1]).float()
with torch.no_grad():
    images = gan.generator_(walk.reshape(-1, 100, 1, 1)).reshape(3, 8, 64, 64).numpy()

figure, axes = plt.subplot_mosaic(
    [["generator", "discriminator"], ["walk", "walk"]],
    figsize=(6.5, 4.8),
    height_ratios=[1, 1.7],
    layout="constrained",
)
for name, table in (("generator", table_1), ("discriminator", table_2)):
    layers, ax = table[table["layer"].str.startswith("Conv")], axes[name]
    x = np.arange(len(layers))
    ax.bar(x - 0.2, layers["paper"], 0.4, color="0.65", label="paper")
    ax.bar(x + 0.2, layers["skcxr"], 0.4, color="#0072B2", label="skcxr")
    ax.set(yscale="log", ylim=(1e2, 2e8), yticks=[1e2, 1e4, 1e6])
    ax.set_xticks(x, layers["output"].str.replace(" x ", "\nx "), fontsize=8)
    total = table["skcxr"].iloc[-1]
    ax.set_title(f"{name}: {total:,} parameters", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
axes["generator"].legend(fontsize=9, frameon=False, ncols=2)
axes["walk"].imshow(np.vstack([np.hstack(row) for row in images]), cmap="gray", vmin=-1, vmax=1)
axes["walk"].set_axis_off()
axes["walk"].set_title("Three interpolations in the latent space of one class", fontsize=10)
plt.show()
