"""The share of a data set that is held out."""

import numpy as np
from sklearn.utils import check_random_state


def choose_holdout(y, share, *, groups=None, random_state=None):
    """Return a mask of images to hold out: the share of each class, as nearly as groups allow.

    Groups are taken in random order. A group is held out if this brings the numbers of held-out
    images, summed over classes, nearer to the share.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Classes.
    share : float
        Share of the images of each class to hold out.
    groups : ndarray of shape (n,) or None, default=None
        Groups, such as patients, that are held out completely or not at all. None makes each image
        a group of its own.
    random_state : int, RandomState or None, default=None
        Seed of the order.

    Returns
    -------
    is_held : bool ndarray of shape (n,)

    Examples
    --------
    >>> import numpy as np
    >>> from skcxr.datasets._holdout import choose_holdout
    >>> y = np.repeat(["covid", "normal"], [10, 30])
    >>> held = choose_holdout(y, 0.4, random_state=0)
    >>> np.unique(y[held], return_counts=True)
    (array(['covid', 'normal'], dtype='<U6'), array([ 4, 12]))
    """
    _, target = np.unique(y, return_inverse=True)
    n_by_class = np.bincount(target)
    groups = np.arange(len(y)) if groups is None else groups
    names, members = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    # counts[group, class] is the number of images.
    counts = np.zeros((len(names), len(n_by_class)))
    np.add.at(counts, (members, target), 1)

    missing = share * n_by_class
    is_held = np.zeros(len(names), dtype=bool)
    for group in check_random_state(random_state).permutation(len(names)):
        rest = missing - counts[group]
        if np.abs(rest).sum() < np.abs(missing).sum():
            missing = rest
            is_held[group] = True
    return is_held[members]
