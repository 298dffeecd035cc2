"""The phantoms of an evaluation without --data: few images of one class, and a planted shortcut."""

CLASS_SIZES = {"normal": 30, "pneumonia_bac": 42, "pneumonia_vir": 18, "covid": 30}
RARE_CLASS = "pneumonia_vir"
MARKED_CLASS = "covid"
MARKED_SHARE = 0.8
# Height and width of the marker, and its distance from the corner, as shares of the side.
MARKER_HEIGHT = 0.08
MARKER_WIDTH = 0.12
MARKER_OFFSET = 0.02
# Half of the classifier's default. Seed 0 has an accuracy of 0.63 with it, and of 0.67 with 100
# epochs. Without flaws and with 150 epochs, it was 0.59.
PHANTOM_EPOCHS = 75


def make_flawed_phantoms(image_size, random_state):
    """Return phantoms with two flaws that real sets have, described in DESCR.

    Parameters
    ----------
    image_size : int
        Side of the images.
    random_state : int
        Seed.

    Returns
    -------
    phantoms : Bunch
        As of :func:`skcxr.datasets.make_chest_phantoms`.
    """
    import numpy as np

    from skcxr.datasets import make_chest_phantoms

    phantoms = make_chest_phantoms(
        list(CLASS_SIZES.values()),
        classes=list(CLASS_SIZES),
        image_size=image_size,
        random_state=random_state,
    )
    of_class = np.flatnonzero(phantoms.target_names[phantoms.target] == MARKED_CLASS)
    marked = of_class[: round(MARKED_SHARE * len(of_class))]
    start = round(MARKER_OFFSET * image_size)
    bottom = start + max(1, round(MARKER_HEIGHT * image_size))
    left = image_size - start - max(1, round(MARKER_WIDTH * image_size))
    phantoms.images[marked, start:bottom, left : image_size - start] = 255
    phantoms.DESCR = (
        "Drawn chest phantoms, which show no patients and say nothing about them. Two flaws of "
        f"real sets are planted in them. {RARE_CLASS} has few images. And {len(marked)} of "
        f"{len(of_class)} images of {MARKED_CLASS} show a white marker in the upper right corner, "
        "which a classifier can use in place of the disease."
    )
    return phantoms
