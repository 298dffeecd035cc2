import pytest
from imblearn.pipeline import Pipeline
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from skcxr import DCGAN, CXRClassifier, DCGANOversampler
from skcxr._base.estimators import DOCUMENTATION

ESTIMATORS = [DCGAN, DCGANOversampler, CXRClassifier]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_html_representation_links_to_the_estimators_own_page(estimator):
    link = f"{DOCUMENTATION}/generated/skcxr.{estimator.__name__}.html"
    assert f'href="{link}' in estimator()._repr_html_()


def test_a_pipeline_links_to_each_of_its_steps():
    html = Pipeline([("gan", DCGANOversampler(DCGAN())), ("clf", CXRClassifier())])._repr_html_()
    for estimator in ESTIMATORS:
        assert f"{DOCUMENTATION}/generated/skcxr.{estimator.__name__}.html" in html


def test_the_history_is_a_fitted_attribute(tiny_gan, phantoms):
    assert not hasattr(tiny_gan, "history_")
    with pytest.raises(AttributeError, match="This DCGAN has no history_ yet"):
        tiny_gan.history_  # noqa: B018
    tiny_gan.fit(phantoms.data)
    check_is_fitted(tiny_gan, "history_")
    assert not hasattr(clone(tiny_gan), "history_")


def test_changing_the_table_of_the_history_changes_no_estimator(tiny_clf, phantoms):
    tiny_clf.fit(phantoms.data, phantoms.target)
    table = tiny_clf.history_
    table["epoch"] = 0
    assert tiny_clf.history_["epoch"].tolist() == [1, 2]


def test_html_of_a_fitted_estimator(tiny_gan, phantoms):
    assert "DCGAN" in tiny_gan.fit(phantoms.data)._repr_html_()
