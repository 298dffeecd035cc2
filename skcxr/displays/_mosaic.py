"""Gray images side by side."""

import numpy as np


def gap(height):
    """Pixels between images of that height."""
    return max(1, height // 32)


def mosaic(rows):
    """The images of each row side by side on white.

    Parameters
    ----------
    rows : list of ndarray of shape (n, h, w)
        Gray images in [-1, 1], all of one size; rows may differ in length.

    Returns
    -------
    picture : ndarray
    """
    height, width = rows[0].shape[1:]
    down, across = height + gap(height), width + gap(height)
    n_columns = max(len(images) for images in rows)
    picture = np.ones((len(rows) * down - gap(height), n_columns * across - gap(height)))
    for i, images in enumerate(rows):
        for j, image in enumerate(images):
            picture[i * down : i * down + height, j * across : j * across + width] = image
    return picture


def draw_rows(rows, labels, ax=None):
    """Draw the mosaic of `rows`, each with its label, on `ax` or on a new figure's axes.

    Returns
    -------
    ax : matplotlib Axes
    """
    import matplotlib.pyplot as plt

    height = rows[0].shape[1]
    picture, step = mosaic(rows), height + gap(height)
    if ax is None:
        size = 1.05 * np.array([picture.shape[1], picture.shape[0]]) / step
        _, ax = plt.subplots(figsize=size)
    ax.imshow(picture, cmap="gray", vmin=-1, vmax=1)
    ax.set_yticks(np.arange(len(rows)) * step + (height - 1) / 2, labels)
    ax.set_xticks([])
    ax.tick_params(left=False)
    ax.spines[:].set_visible(False)
    return ax
