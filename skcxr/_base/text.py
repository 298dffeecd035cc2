"""Text that several kinds of messages share."""


def format_count(n, noun):
    """Return a number with its noun, as in "1 image", "2 images" and "2 classes".

    Parameters
    ----------
    n : int
        The number.
    noun : str
        The noun in the singular, which may follow other words, as in "synthetic image". Its
        plural ends in "s", or in "es" after an "s".

    Returns
    -------
    text : str
        The number, followed by the noun in the singular or plural.

    Examples
    --------
    >>> from skcxr._base.text import format_count
    >>> format_count(1, "image"), format_count(0, "class")
    ('1 image', '0 classes')
    """
    if n == 1:
        return f"{n} {noun}"
    return f"{n} {noun}es" if noun.endswith("s") else f"{n} {noun}s"


def join_names(names):
    """Return names as a list in a sentence.

    Examples
    --------
    >>> from skcxr._base.text import join_names
    >>> join_names(["a"]), join_names(["a", "b"]), join_names(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    *most, last = map(str, names)
    return f"{', '.join(most)} and {last}" if most else last
