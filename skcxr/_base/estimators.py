"""Mixins of estimators: the link to their documentation, and the history of their training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator

if TYPE_CHECKING:
    import pandas as pd

# Where .readthedocs.yaml puts the site of the released version, once the project is registered.
DOCUMENTATION = "https://skcxr.readthedocs.io/en/stable"


class Documented:
    """Mixin of estimators whose HTML representation links to their page in the documentation.

    It goes before BaseEstimator, which makes the representation.
    """

    _doc_link_module = "skcxr"
    _doc_link_template = DOCUMENTATION + "/generated/{name}.html"

    def _name_page(self) -> dict[str, str]:
        # The name that users import, not the module that defines the class.
        return {"name": f"skcxr.{type(self).__name__}"}

    # scikit-learn's own is None.
    _doc_link_url_param_generator: Any = _name_page


class Estimator(Documented, BaseEstimator):
    """Base class of the estimators that are not samplers."""


class EpochHistory:
    """Mixin of estimators that are trained epoch by epoch. `fit` sets `_history`, a list of dict.

    Plain values are kept: a table would tie saved files to a version of pandas.
    """

    _history: list[dict[str, Any]]

    @property
    def history_(self) -> pd.DataFrame:
        """Statistics of training.

        Returns
        -------
        history : pandas.DataFrame
            A new table with one row per epoch, NaN where an epoch lacks a figure.

        Raises
        ------
        AttributeError
            Before `fit`.
        """
        # Imported here: most histories are never read, and scikit-learn works without pandas.
        import pandas as pd

        if "_history" not in vars(self):
            raise AttributeError(f"This {type(self).__name__} has no history_ yet. Call fit first.")
        return pd.DataFrame(self._history)
