"""Rows of gray images, side by side."""

import numpy as np


class ImageGrid:
    """Rows of gray images on a white ground.

    Parameters
    ----------
    rows : list of ndarray of shape (n, h, w)
        Gray images in [-1, 1], all of one size; rows may differ in length.

    Attributes
    ----------
    picture : ndarray
        All images as one.
    row_centers, column_centers : ndarray
        Positions of the images' centres in `picture`, in pixels.
    row_step : int
        Height of an image and the gap below it, in pixels.
    """

    def __init__(self, rows):
        height, width = rows[0].shape[1:]
        gap = max(1, height // 32)
        tops = np.arange(len(rows)) * (height + gap)
        lefts = np.arange(max(len(images) for images in rows)) * (width + gap)
        self.picture = np.ones((tops[-1] + height, lefts[-1] + width))
        for top, images in zip(tops, rows, strict=True):
            # A shorter row ends early.
            for left, image in zip(lefts, images, strict=False):
                self.picture[top : top + height, left : left + width] = image
        self.row_centers = tops + (height - 1) / 2
        self.column_centers = lefts + (width - 1) / 2
        self.row_step = height + gap

    def draw(self, ax, labels):
        """Draw the images on `ax`, with a label for each row."""
        ax.imshow(self.picture, cmap="gray", vmin=-1, vmax=1)
        ax.set_yticks(self.row_centers, labels)
        ax.set_xticks([])
        ax.tick_params(left=False)
        ax.spines[:].set_visible(False)
