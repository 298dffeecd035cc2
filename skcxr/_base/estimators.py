"""What estimators show of themselves: where they are documented, and how training went."""

# Where .readthedocs.yaml puts the site of the released version, once the project is registered.
DOCUMENTATION = "https://skcxr.readthedocs.io/en/stable"


class Documented:
    """Mixin of estimators whose HTML representation links to their page in the documentation.

    Goes before BaseEstimator, which brings the representation.
    """

    _doc_link_module = "skcxr"
    _doc_link_template = DOCUMENTATION + "/generated/{name}.html"

    def _doc_link_url_param_generator(self):
        # By the name that it is imported by, not by the module that it is written in.
        return {"name": f"skcxr.{type(self).__name__}"}


class EpochHistory:
    """Mixin of estimators that are trained epoch by epoch; `fit` sets `_history`, a list of dict.

    What is kept is plain values: a table would tie files to a version of pandas.
    """

    @property
    def history_(self):
        """How training went: a row an epoch, NaN where an epoch lacks a figure.

        Returns
        -------
        history : pandas.DataFrame
            A new one each time.

        Raises
        ------
        AttributeError
            Before `fit`.
        """
        # Imported here: most fits are never looked at, and scikit-learn does without pandas.
        import pandas as pd

        if "_history" not in vars(self):
            raise AttributeError(f"This {type(self).__name__} has no history_ yet. Call fit first.")
        return pd.DataFrame(self._history)
