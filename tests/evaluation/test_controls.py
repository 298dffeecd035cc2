from collections import Counter

import numpy as np
import pytest
from imblearn import FunctionSampler
from imblearn.base import BaseSampler
from imblearn.combine import SMOTEENN, SMOTETomek
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.pipeline import Pipeline
from imblearn.under_sampling import EditedNearestNeighbours, RandomUnderSampler
from sklearn.base import BaseEstimator, clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, RandomizedSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler

from skcxr import DCGANOversampler
from skcxr.evaluation import compare, duplicates_of
from skcxr.evaluation._samplers import plan_class_sizes
from skcxr.over_sampling import grow

rng = np.random.default_rng(0)
y = np.repeat(["covid", "normal"], [6, 12])
X = rng.normal(size=(18, 9)) + 3 * (y == "covid")[:, None]
UNDER = ("under", RandomUnderSampler(random_state=0))
GAN = (
    "gan",
    DCGANOversampler(KernelDensity(), sampling_strategy=grow(2), random_state=0),
)


class Counting(DummyClassifier):
    """Keeps the class sizes that it is fitted on."""

    def fit(self, X, y):
        self.sizes_ = dict(Counter(y.tolist()))
        return super().fit(X, y)


CLF = ("clf", Counting())


def test_duplicates_grow_to_the_same_counts(phantoms):
    sampler = DCGANOversampler(sampling_strategy=grow(1.5), random_state=7)
    pipe = Pipeline([("gan", sampler), ("clf", LogisticRegression())])
    control = duplicates_of(pipe)
    assert isinstance(control["gan"], RandomOverSampler)
    _, grown = control["gan"].fit_resample(phantoms.data, phantoms.target)
    np.testing.assert_array_equal(np.bincount(grown), [18] * 4)
    assert control["gan"].random_state == 7
    assert pipe["gan"] is sampler


@pytest.mark.parametrize("steps", [[CLF], [UNDER, CLF]])
def test_a_pipeline_without_an_over_sampler_is_refused(steps):
    with pytest.raises(ValueError, match="pipeline has no step that over-samples, got Pipeline"):
        duplicates_of(Pipeline(steps))


def fit_sizes(estimator):
    """Return the class sizes that the last classifier of a fitted estimator has seen."""
    estimator = clone(estimator).fit(X, y)
    while not hasattr(estimator, "sizes_"):
        if hasattr(estimator, "steps"):
            estimator = estimator[-1]
        elif hasattr(estimator, "named_estimators_"):
            estimator = estimator.named_estimators_["a"]
        else:
            estimator = getattr(estimator, "best_estimator_", None) or estimator.estimator_
    return estimator.sizes_


def test_under_samplers_stay_in_the_control():
    arm = Pipeline([UNDER, GAN, CLF])
    assert fit_sizes(arm) == {"covid": 12, "normal": 12}
    control = duplicates_of(arm)
    assert fit_sizes(control) == {"covid": 12, "normal": 12}
    assert isinstance(control["under"], RandomUnderSampler)


PIPE = Pipeline([GAN, CLF])
STACKED = {
    "cleaning": Pipeline([("clean", EditedNearestNeighbours()), GAN, CLF]),
    "transformer": Pipeline([("scale", StandardScaler()), GAN, CLF]),
    "two over-samplers": Pipeline([("smote", SMOTE(k_neighbors=2)), GAN, CLF]),
    "pipeline in a pipeline": Pipeline([UNDER, ("inner", PIPE)]),
    "search": GridSearchCV(PIPE, {"clf__strategy": ["prior", "uniform"]}, cv=2),
    "search for a size": GridSearchCV(PIPE, {"gan__sampling_strategy": [grow(3)]}, cv=2),
    "list of grids": GridSearchCV(PIPE, [{"clf__strategy": ["prior"]}], cv=2),
    "random search": RandomizedSearchCV(PIPE, {"clf__strategy": ["prior"]}, n_iter=1, cv=2),
    "search in a pipeline": Pipeline([UNDER, ("search", GridSearchCV(PIPE, {}, cv=2))]),
    "threshold": FixedThresholdClassifier(PIPE, pos_label="covid"),
    "vote": VotingClassifier([("a", PIPE), ("b", PIPE)], voting="soft"),
}


@pytest.mark.parametrize("kind", STACKED)
def test_over_samplers_are_found_wherever_they_are(kind):
    arm = STACKED[kind]
    control = duplicates_of(arm)
    params = control.get_params()
    names = [name for name in params if isinstance(params[name], RandomOverSampler)]
    originals = [name for name, v in arm.get_params().items() if isinstance(v, BaseOverSampler)]
    assert names == originals
    assert "DCGANOversampler" not in repr(params)
    assert fit_sizes(control) == fit_sizes(arm)


def test_random_over_samplers_stay_as_they_are():
    ros = RandomOverSampler(shrinkage=0.5, random_state=0)
    control = duplicates_of(Pipeline([("ros", ros), GAN, CLF]))
    assert type(control["ros"]) is RandomOverSampler
    assert control["ros"].shrinkage == 0.5
    assert isinstance(control["gan"], RandomOverSampler)


class OwnSampler(BaseEstimator):
    def fit_resample(self, X, y):
        return X, y


class OfNoKind(BaseSampler):
    _sampling_type = "bypass"

    def _fit_resample(self, X, y):
        return X, y


class WithoutStrategy(BaseOverSampler):
    def __init__(self, n=2):
        super().__init__()
        self.n = n

    def _fit_resample(self, X, y):
        return X, y


@pytest.mark.parametrize(
    "sampler",
    [SMOTEENN(smote=SMOTE()), SMOTETomek(), FunctionSampler(), OwnSampler(), OfNoKind(),
     WithoutStrategy()],
)  # fmt: skip
@pytest.mark.parametrize("others", [[], [GAN]])
def test_what_cannot_be_mirrored_is_refused_by_name(sampler, others):
    message = f"Step 'mixed' is a {type(sampler).__name__}.* duplicates_of cannot tell how many"
    with pytest.raises(ValueError, match=message):
        duplicates_of(Pipeline([("mixed", sampler), *others, CLF]))


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"gan__estimator__bandwidth": [1, 2]}, "tunes 'estimator__gan__estimator__bandwidth', a"),
        ([{}, {"gan__select": [None]}], "tunes 'estimator__gan__select', a parameter of DCGANOver"),
        ({"gan": ["passthrough", GAN[1]]}, "tries the over-sampler DCGANOversampler for 'estim"),
        ({"gan": ["passthrough", SMOTEENN()]}, "Step 'estimator__gan' is a SMOTEENN"),
        ({"gan": ["passthrough"]}, "replaces 'estimator__gan', and with it the over-sampler DCGAN"),
        ({"clf": [Pipeline([GAN, CLF])]}, "tries the over-sampler DCGANOversampler"),
    ],
)
def test_a_search_of_what_duplicates_lack_is_refused(grid, message):
    with pytest.raises(ValueError, match=message):
        duplicates_of(GridSearchCV(PIPE, grid))


def test_a_search_whose_only_over_sampler_is_a_candidate_is_refused():
    search = GridSearchCV(Pipeline([("gan", "passthrough"), CLF]), {"gan": [GAN[1]]})
    with pytest.raises(ValueError, match="tries the over-sampler DCGANOversampler for 'estimator_"):
        duplicates_of(search)


def test_duplicates_do_not_depend_on_the_layout(phantoms):
    control = duplicates_of(Pipeline([("gan", DCGANOversampler(random_state=7)), ("clf", None)]))
    rows, y = phantoms.data[:-9], phantoms.target[:-9]
    expected, _ = control["gan"].fit_resample(rows, y)
    for shape in ((16, 16), (1, 16, 16)):
        X, _ = control["gan"].fit_resample(rows.reshape(-1, *shape), y)
        assert X.shape[1:] == shape
        np.testing.assert_array_equal(X.reshape(len(X), -1), expected)
    assert len(expected) > len(rows)


STRATEGIES = [
    ("auto", "auto"),
    ("majority", "minority"),
    ("not minority", "all"),
    ({"b": 20}, {"a": 30}),
    ("auto", lambda y: {"c": len(y)}),
    ({"c": 0}, "auto"),
]


@pytest.mark.parametrize(("under", "over"), STRATEGIES)
@pytest.mark.parametrize("dtype", [object, "U1"])
def test_planned_class_sizes_are_those_of_a_fit(under, over, dtype):
    labels = np.repeat(np.array(["a", "b", "c"], dtype=dtype), [10, 40, 25])
    images = np.arange(75.0)[:, None]
    under = RandomUnderSampler(sampling_strategy=under)
    pipe = Pipeline([("under", under), ("over", RandomOverSampler(sampling_strategy=over))])
    _, grown = pipe.fit_resample(images, labels)
    assert plan_class_sizes(pipe, labels) == dict(Counter(grown.tolist()))


def test_planned_class_sizes_of_two_classes():
    pipe = Pipeline([("smote", SMOTE(sampling_strategy=0.8)), ("scale", None), CLF])
    assert plan_class_sizes(pipe, y) == {"covid": 9, "normal": 12}
    assert plan_class_sizes(CLF[1], y) == {"covid": 6, "normal": 12}
    search = GridSearchCV(pipe, {"clf__strategy": ["prior"], "smote__k_neighbors": [1]})
    assert plan_class_sizes(search, y) == {"covid": 9, "normal": 12}


@pytest.mark.parametrize(
    "arm",
    [
        Pipeline([("clean", EditedNearestNeighbours()), GAN, CLF]),
        Pipeline([("mixed", SMOTEENN()), CLF]),
        GridSearchCV(PIPE, {"gan__sampling_strategy": [grow(2)]}),
        GridSearchCV(PIPE, {"gan": ["passthrough"]}),
        GridSearchCV(Pipeline([("gan", "passthrough"), CLF]), {"gan": [GAN[1]]}),
        VotingClassifier([("a", PIPE)]),
    ],
)
def test_class_sizes_that_labels_do_not_decide_are_unknown(arm):
    assert plan_class_sizes(arm, y) is None


# Twice the 18 images: the folds train on the first ones and test on the others.
FOLDS = [(np.arange(18), np.arange(18, 36))]
BOTH = {"X": np.concatenate([X, X]), "y": np.concatenate([y, y]), "cv": FOLDS}


def test_a_control_of_other_class_sizes_raises_a_warning():
    arms = {
        "classic": CLF[1],
        "duplicates": duplicates_of(PIPE),
        "dcgan": Pipeline([UNDER, GAN, CLF]),
    }
    message = (
        "In fold 0, dcgan trains on covid 12, normal 12; no arm adds as many duplicates: "
        "duplicates trains on covid 12, normal 24. "
    )
    with pytest.warns(UserWarning, match=message) as caught:
        compare(arms, **BOTH)
    assert "Add duplicates_of(arms['dcgan']) to the arms." in str(caught[0].message)
    assert caught[0].filename == __file__
    compare(arms | {"control": duplicates_of(arms["dcgan"])}, **BOTH)


def test_each_arm_needs_its_own_control():
    larger = Pipeline([("gan", clone(GAN[1]).set_params(sampling_strategy=grow(3))), CLF])
    arms = {"x2": PIPE, "duplicates x2": duplicates_of(PIPE), "x3": larger}
    with pytest.warns(UserWarning, match="In fold 0, x3 trains on covid 18, normal 36") as caught:
        compare(arms, **BOTH)
    assert len(caught) == 1
    compare(arms | {"duplicates x3": duplicates_of(larger)}, **BOTH)


@pytest.mark.parametrize(
    "arm",
    [
        GridSearchCV(PIPE, {"clf__strategy": ["prior"]}, cv=2),
        GridSearchCV(Pipeline([("gan", None), CLF]), {"gan": [GAN[1]]}, cv=2),
        Pipeline([UNDER, ("inner", PIPE)]),
        Pipeline([("mixed", SMOTEENN(smote=SMOTE(k_neighbors=2))), CLF]),
        VotingClassifier([("a", PIPE), ("b", PIPE)], voting="soft"),
    ],
)
def test_a_missing_control_is_noticed_wherever_the_sampler_is(arm):
    with pytest.warns(UserWarning, match="none adds duplicates as a control"):
        compare({"classic": CLF[1], "arm": arm}, **BOTH)


def test_a_control_inside_a_search_is_recognised():
    arm = GridSearchCV(PIPE, {"clf__strategy": ["prior"]}, cv=2)
    compare({"arm": arm, "control": duplicates_of(arm)}, **BOTH)


def test_class_sizes_that_are_unknown_raise_no_warning():
    arm = Pipeline([("clean", EditedNearestNeighbours()), GAN, CLF])
    compare({"arm": arm, "duplicates": duplicates_of(PIPE)}, **BOTH)
    compare({"arm": PIPE, "duplicates": duplicates_of(arm)}, **BOTH)
