import pytest

from skcxr import DCGANOversampler
from skcxr.displays import (
    AuditDisplay,
    ComparisonDisplay,
    ConfusionMatrixGridDisplay,
    DataCheckDisplay,
    SyntheticSamplesDisplay,
    TrainingHistoryDisplay,
)
from skcxr.evaluation import check_data
from skcxr.metrics import audit
from skcxr.over_sampling import grow


@pytest.fixture
def displays(comparison, tiny_gan, phantoms):
    X, y = phantoms.images, phantoms.target
    sampler = DCGANOversampler(tiny_gan, sampling_strategy=grow(2), random_state=0)
    sampler.fit_resample(X, y)
    return [
        AuditDisplay.from_result(audit(X[:8], X[8:28], X[28:], features=None, random_state=0)),
        ComparisonDisplay.from_comparison(comparison),
        ConfusionMatrixGridDisplay.from_comparison(comparison),
        DataCheckDisplay.from_result(check_data(X, y, random_state=0)),
        SyntheticSamplesDisplay.from_estimator(sampler, X, y),
        TrainingHistoryDisplay.from_estimator(sampler.estimators_[0]),
    ]


def test_plot_draws_a_new_figure_and_returns_the_display(displays):
    for display in displays:
        first = display.figure_
        assert display.plot() is display
        assert display.figure_ is not first
