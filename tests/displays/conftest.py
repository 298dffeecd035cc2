import matplotlib
import matplotlib.pyplot
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from skcxr.evaluation import compare

matplotlib.use("agg")


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    matplotlib.pyplot.close("all")


@pytest.fixture(scope="package")
def comparison():
    """Three arms on iris' named classes."""
    X, y = load_iris(return_X_y=True)
    arms = {
        "classic": LogisticRegression(C=1e-4),
        "strong": LogisticRegression(max_iter=1000),
        "bayes": GaussianNB(),
    }
    return compare(arms, X, np.array(["a", "b", "c"])[y], cv=4)
