"""Training batches of the classifier: their size, their order and their augmentation."""

import math

import torch
from torch.utils.data import Dataset


def count_batches(n_samples, batch_size):
    """Return the number of batches of nearly equal size, none of them a single row."""
    return max(1, min(math.ceil(n_samples / batch_size), n_samples // 2))


class LabelledImages(Dataset):
    """TrainingImages and their labels, as the dataset that skorch expects.

    Parameters
    ----------
    images : TrainingImages
        Images.
    labels : tensor of shape (n,)
        Labels, on the images' device.
    """

    def __init__(self, images, labels):
        self.images = images
        self.labels = labels

    def __len__(self):
        return len(self.labels)


class AugmentedBatches:
    """Shuffled training batches of LabelledImages, augmented as whole tensors.

    The batches are of nearly equal size. None is a single row, which batch normalisation could not
    use.

    Parameters
    ----------
    dataset : LabelledImages
        Images and labels, on the training device.
    batch_size : int
        Largest number of rows per batch, except where that would leave a single one.
    augment : callable
        Function of (batch of images, generator) that returns a batch of images.
    seed : int
        Seed of order and augmentation.
    max_steps : int or None, default=None
        Number of batches in all passes together. None does not limit it.
    """

    def __init__(self, dataset, batch_size, augment, seed, max_steps=None):
        self.images = dataset.images
        self.labels = dataset.labels
        self.batch_size = batch_size
        self.augment = augment
        self.generator = torch.Generator(self.labels.device).manual_seed(seed)
        self.n_steps_left = math.inf if max_steps is None else max_steps

    def __iter__(self):
        device = self.labels.device
        n_rows = len(self.labels)
        order = torch.randperm(n_rows, generator=self.generator, device=device)
        for rows in order.tensor_split(count_batches(n_rows, self.batch_size)):
            if self.n_steps_left == 0:
                return
            self.n_steps_left -= 1
            # Coordinates of an augmentation need more than bfloat16, which is for the module.
            with torch.autocast(device.type, enabled=False):
                images = self.augment(self.images.batch(rows), self.generator)
            yield images, self.labels[rows]
