"""Procedural chest radiographs: labelled sets of any size, without patient data."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval

from skcxr._base.parameters import validate_arguments
from skcxr._base.text import format_count
from skcxr.datasets._thorax import SIGNS, draw_radiograph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from skcxr._base.types import RandomState


@validate_arguments(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "classes": ["array-like"],
        "image_size": [Interval(Integral, 16, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    }
)
def make_chest_phantoms(
    n_samples: int | ArrayLike = 100,
    *,
    classes: Sequence[str] = ("normal", "pneumonia_bac", "pneumonia_vir", "covid"),
    image_size: int = 64,
    noise: float = 0.03,
    random_state: RandomState | None = None,
) -> Bunch:
    """Generate chest radiograph phantoms with the signs of pneumonia.

    Each image is a new patient: trunk, lungs, ribs, heart, diaphragm and vessels are drawn with
    random anatomy and posture, then filmed with random exposure, wires, side marker and borders.
    The class adds only its sign, which ranges from subtle to obvious:

    - "normal": clear lungs;
    - "pneumonia_bac": one dense, focal opacity that stops at a fissure;
    - "pneumonia_vir": fine lines and nodules in both lungs;
    - "covid": ground glass in both lungs, along the wall and towards the bases.

    With 70 images per class, logistic regression on the pixels classifies about half of the images
    correctly, a small convolutional network about four in five. The phantoms are for testing and
    teaching. They are not evidence about patients.

    Parameters
    ----------
    n_samples : int or array-like of shape (n_classes,), default=100
        Number of images: an int is the total, divided among the classes as evenly as possible; an
        array has one number per class.

    classes : sequence of str, default=("normal", "pneumonia_bac", "pneumonia_vir", "covid")
        Classes to draw: a subset of the default, in any order. ``target`` indexes it.

    image_size : int, default=64
        Height and width of the images in pixels, at least 16. With the same `random_state`, the
        anatomy is the same at every size.

    noise : float, default=0.03
        Standard deviation of the grain in mid-grey, as a fraction of the range from black to
        white.

    random_state : int, RandomState instance or None, default=None
        Seed of anatomy, disease, film and order. Pass an int for reproducible output across
        multiple function calls. None uses NumPy's global generator.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        images : ndarray of shape (n_samples, image_size, image_size), dtype=uint8
            Phantoms, shuffled; 0 is black, 255 is white.
        data : ndarray of shape (n_samples, image_size**2), dtype=uint8
            The same pixels, one image per row.
        target : ndarray of shape (n_samples,), dtype=int64
            Index of each image's class in `target_names`.
        target_names : ndarray of shape (n_classes,), dtype=str
            `classes`, in the given order.
        groups : ndarray of shape (n_samples,), dtype=int64
            Patient of each image; each image has its own.
        filenames : None
            Phantoms have no files.
        DESCR : str
            Description of the data.

    Raises
    ------
    ValueError
        If `classes` is empty, repeats a class or names an unknown one, if `n_samples` does not
        fit `classes`, if `image_size` is below 16, or if `noise` is negative.

    Examples
    --------
    >>> from skcxr.datasets import make_chest_phantoms
    >>> phantoms = make_chest_phantoms([6, 2], classes=["normal", "covid"], random_state=0)
    >>> phantoms.images.shape, phantoms.data.shape
    ((8, 64, 64), (8, 4096))
    >>> phantoms.target_names[phantoms.target[:3]].tolist()
    ['covid', 'normal', 'normal']
    """
    classes = list(classes)
    unknown = [name for name in classes if name not in SIGNS]
    if unknown or not classes or len(set(classes)) < len(classes):
        raise ValueError(
            f"classes must be distinct names from {list(SIGNS)}, got {classes!r}. "
            "Correct the spelling, or leave classes out to draw all of them."
        )
    counts = _count_per_class(n_samples, len(classes))

    generator = check_random_state(random_state)
    target = generator.permutation(np.repeat(np.arange(len(classes)), counts))
    seeds = np.random.SeedSequence(generator.randint(2**31 - 1)).spawn(len(target))
    images = np.empty((len(target), image_size, image_size), dtype=np.uint8)
    for i, (label, seed) in enumerate(zip(target, seeds, strict=True)):
        rng = np.random.default_rng(seed)
        images[i] = draw_radiograph(rng, classes[label], image_size, noise)
    return Bunch(
        images=images,
        data=images.reshape(len(images), image_size**2),
        target=target.astype(np.int64),
        target_names=np.array(classes),
        groups=np.arange(len(images)),
        filenames=None,
        DESCR=f"{len(images)} procedural chest radiograph phantoms of {image_size} x {image_size} "
        f"pixels; classes: {', '.join(classes)}. No patient data.",
    )


def _count_per_class(n_samples, n_classes):
    """Return the number of images of each class."""
    if isinstance(n_samples, Integral):
        return np.bincount(np.arange(int(n_samples)) % n_classes, minlength=n_classes)
    counts = np.asarray(n_samples)
    if counts.shape != (n_classes,) or counts.dtype.kind not in "iu" or counts.min() < 0:
        raise ValueError(
            f"n_samples must be {format_count(n_classes, 'integer')} >= 0, one per class, got "
            f"{n_samples!r}. Pass as many counts as classes, or an int for the total."
        )
    return counts
