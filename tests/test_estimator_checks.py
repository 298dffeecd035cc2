"""Both official check suites, in full: nothing is expected to fail and nothing may skip.

``conftest.py`` switches scikit-learn's array API support on, without which one check would skip.
"""

from unittest import SkipTest

import imblearn.utils.estimator_checks as imblearn_checks
import pytest
from imblearn.utils.estimator_checks import parametrize_with_checks as imblearn_parametrize
from sklearn.neighbors import KernelDensity
from sklearn.utils.estimator_checks import parametrize_with_checks

from skcxr import (
    DCGAN,
    ConditionalDCGANOversampler,
    CXRClassifier,
    CXRFeatures,
    DCGANOversampler,
)
from skcxr.over_sampling import ImageSMOTE

TINY = DCGAN(
    image_size=16, base_width=4, max_epochs=1, steps_per_epoch=2, batch_size=8, random_state=0
)
SAMPLERS = [
    DCGANOversampler(TINY, random_state=0),
    DCGANOversampler(KernelDensity(), random_state=0),
    ConditionalDCGANOversampler(TINY, random_state=0),
    ImageSMOTE(random_state=0),
]
CLASSIFIER = CXRClassifier(random_state=0)


def run(check, *args):
    try:
        check(*args)
    except SkipTest as skipped:
        pytest.fail(f"{check} skipped: {skipped}")


@imblearn_parametrize([*SAMPLERS, CLASSIFIER])
def test_imbalanced_learns_checks(estimator, check):
    run(check, estimator)


@pytest.mark.parametrize(
    "check",
    [
        imblearn_checks.check_param_validation,
        imblearn_checks.check_dataframe_column_names_consistency,
    ],
)
@pytest.mark.parametrize("sampler", [SAMPLERS[0], *SAMPLERS[2:]], ids=lambda s: type(s).__name__)
def test_imbalanced_learns_extra_checks(sampler, check):
    run(check, type(sampler).__name__, sampler)


@parametrize_with_checks([*SAMPLERS, CLASSIFIER, TINY, CXRFeatures()])
def test_scikit_learns_checks(estimator, check):
    run(check, estimator)
