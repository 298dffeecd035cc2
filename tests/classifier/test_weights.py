"""Training that starts from a file of weights: ``CXRClassifier(weights=...)``, and `max_steps`."""

from typing import ClassVar

import numpy as np
import pytest
from sklearn.base import clone
from skorch.callbacks import Callback
from torch import nn

from skcxr import CXRClassifier
from skcxr.datasets import make_chest_phantoms
from skcxr.evaluation import compare


@pytest.fixture
def path(tiny_clf, tmp_path):
    """File of a CXRNet that was trained on two classes of phantoms."""
    pool = make_chest_phantoms(24, classes=("covid", "normal"), image_size=16, random_state=7)
    clf = clone(tiny_clf).fit(pool.images, pool.target)
    clf.save_weights(tmp_path / "pool.safetensors")
    return tmp_path / "pool.safetensors"


def get_state(clf):
    return {name: tensor.numpy() for name, tensor in clf.net_.module_.state_dict().items()}


@pytest.fixture
def frozen():
    """A classifier whose weights training hardly changes."""
    return CXRClassifier(max_epochs=1, lr=1e-12, weight_decay=0.0, random_state=0)


def list_layers(state, kind):
    return [name for name in state if name.endswith("weight") and state[name].ndim == kind]


def test_a_file_of_other_classes_gets_a_new_head(frozen, path, phantoms):
    saved = get_state(CXRClassifier().load_weights(path))
    started = get_state(frozen.set_params(weights=path).fit(phantoms.images, phantoms.target))
    fresh = get_state(clone(frozen).set_params(weights=None).fit(phantoms.images, phantoms.target))
    for name in list_layers(saved, 4):
        np.testing.assert_allclose(started[name], saved[name], atol=1e-6)
    (head,) = list_layers(saved, 2)
    np.testing.assert_allclose(started[head], fresh[head], atol=1e-6)


def test_a_file_of_the_same_classes_keeps_its_head(frozen, path):
    saved = get_state(CXRClassifier().load_weights(path))
    phantoms = make_chest_phantoms(24, classes=("covid", "normal"), image_size=16, random_state=1)
    started = get_state(frozen.set_params(weights=path).fit(phantoms.images, phantoms.target))
    (head,) = list_layers(saved, 2)
    np.testing.assert_allclose(started[head], saved[head], atol=1e-6)


def test_as_many_other_classes_get_a_new_head(frozen, path):
    saved = get_state(CXRClassifier().load_weights(path))
    phantoms = make_chest_phantoms(24, classes=("covid", "normal"), image_size=16, random_state=1)
    y = np.array(["a", "b"])[phantoms.target]
    started = get_state(frozen.set_params(weights=path).fit(phantoms.images, y))
    (head,) = list_layers(saved, 2)
    assert np.abs(started[head] - saved[head]).max() > 0.01


def test_gray_weights_give_the_same_result_on_equal_channels(path):
    gray = make_chest_phantoms(24, classes=("covid", "normal"), image_size=16, random_state=1)
    color = np.repeat(gray.images[:, None], 3, axis=1)
    probabilities = [
        CXRClassifier(weights=path, max_epochs=1, lr=1e-12, random_state=0)
        .fit(X, gray.target)
        .predict_proba(X)
        for X in (gray.images, color)
    ]
    np.testing.assert_allclose(*probabilities, atol=1e-4)


def test_weights_fit_any_image_size(frozen, path):
    phantoms = make_chest_phantoms(16, classes=("covid", "normal"), image_size=32, random_state=1)
    clf = frozen.set_params(weights=path).fit(phantoms.images, phantoms.target)
    assert clf.predict(phantoms.images).shape == (16,)


def test_a_second_fit_under_warm_start_goes_on_from_the_first(tiny_clf, path, phantoms):
    X, y = phantoms.images, phantoms.target
    clf = tiny_clf.set_params(weights=path, warm_start=True).fit(X, y)
    first = clf.predict_proba(X)
    assert np.array_equal(first, clone(clf).fit(X, y).predict_proba(X))
    assert not np.array_equal(first, clf.fit(X, y).predict_proba(X))


def test_a_missing_file_is_named(tiny_clf, phantoms):
    with pytest.raises(FileNotFoundError, match="weights='DEFAULT' does not exist on this machine"):
        tiny_clf.set_params(weights="DEFAULT").fit(phantoms.data, phantoms.target)


def test_weights_of_another_module_are_refused(tiny_clf, path, phantoms):
    clf = tiny_clf.set_params(weights=path, module="resnet18")
    with pytest.raises(ValueError, match=r"weights='.*' does not fit.*module was 'cxrnet'"):
        clf.fit(phantoms.data, phantoms.target)


class Lazy(nn.Sequential):
    """A module that learns its number of inputs from the first batch."""

    def __init__(self, n_classes, n_channels):
        super().__init__(nn.Flatten(), nn.LazyLinear(n_classes))


def test_a_module_with_lazy_layers_takes_a_file_of_its_classes_only(phantoms, tmp_path):
    X, y = phantoms.images, phantoms.target
    clf = CXRClassifier(Lazy, max_epochs=1, lr=0.01, random_state=0).fit(X, y)
    clf.save_weights(tmp_path / "lazy.safetensors")
    clf.set_params(weights=tmp_path / "lazy.safetensors", lr=1e-12, weight_decay=0.0)
    before = get_state(clf)
    after = get_state(clf.fit(X, y))
    np.testing.assert_allclose(after["1.weight"], before["1.weight"], atol=1e-6)
    with pytest.raises(ValueError, match="lazy layers, so that its head cannot be found"):
        clf.fit(X, y > 1)


def test_a_torchvision_network_starts_from_a_file(tmp_path):
    phantoms = make_chest_phantoms(8, classes=("covid", "normal"), image_size=32, random_state=1)
    X, y = phantoms.images, phantoms.target
    clf = CXRClassifier("squeezenet1_1", max_epochs=1, lr=1e-12, weight_decay=0, random_state=0)
    clf.fit(X, y).save_weights(tmp_path / "net.safetensors")
    other = clone(clf).set_params(weights=tmp_path / "net.safetensors", random_state=5).fit(X, y)
    np.testing.assert_allclose(other.predict_proba(X), clf.predict_proba(X), atol=1e-5)


def test_kept_folds_belong_to_the_content_of_the_file(tiny_clf, path, phantoms, tmp_path):
    arms = {"pretrained": tiny_clf.set_params(weights=path)}
    X, y = phantoms.images, phantoms.target
    options = {"cv": 2, "memory": str(tmp_path / "memory")}
    first = compare(arms, X, y, **options).predictions
    clf = CXRClassifier(max_epochs=30, random_state=3).fit(X, y)
    clf.save_weights(path)
    second = compare(arms, X, y, **options).predictions
    fresh = compare(arms, X, y, cv=2).predictions
    assert not first.equals(fresh)
    assert second.equals(fresh)


@pytest.mark.parametrize(("n_steps", "n_epochs"), [(1, 1), (3, 1), (4, 2), (7, 3)])
def test_max_steps_replaces_max_epochs(phantoms, n_steps, n_epochs):
    """48 images in batches of 16 make three steps per epoch."""
    n_passes = []

    class Counting(nn.Sequential):
        def __init__(self, n_classes, n_channels):
            super().__init__(nn.Flatten(), nn.Linear(256, n_classes))

        def forward(self, x):
            n_passes.append(len(x))
            return super().forward(x)

    clf = CXRClassifier(Counting, max_steps=n_steps, max_epochs=99, batch_size=16, lr=0.001)
    clf.fit(phantoms.images, phantoms.target)
    assert n_passes == [16] * n_steps
    assert len(clf.history_) == n_epochs


@pytest.mark.parametrize("schedule", ["onecycle", "constant"])
def test_the_steps_of_whole_epochs_give_the_same_result(phantoms, schedule):
    X, y = phantoms.images, phantoms.target
    clf = CXRClassifier(max_epochs=2, batch_size=16, lr_schedule=schedule, random_state=0)
    by_epochs = clf.fit(X, y).predict_proba(X)
    by_steps = clone(clf).set_params(max_epochs=1, max_steps=6).fit(X, y).predict_proba(X)
    assert np.array_equal(by_epochs, by_steps)


def test_max_steps_must_be_positive(tiny_clf, phantoms):
    with pytest.raises(ValueError, match="'max_steps' parameter of CXRClassifier must be"):
        tiny_clf.set_params(max_steps=0).fit(phantoms.images, phantoms.target)


class RateRecorder(Callback):
    """A callback that notes the learning rate of each step."""

    rates: ClassVar[list] = []

    def on_batch_begin(self, net, **kwargs):
        self.rates.append(net.optimizer_.param_groups[0]["lr"])


def test_the_schedule_ends_with_the_last_step(phantoms, monkeypatch):
    monkeypatch.setattr(RateRecorder, "rates", [])
    clf = CXRClassifier(max_steps=10, batch_size=16, lr=0.1, callbacks=[RateRecorder()])
    clf.fit(phantoms.images, phantoms.target)
    assert len(RateRecorder.rates) == 10
    assert max(RateRecorder.rates) == pytest.approx(0.1)
    assert RateRecorder.rates[-1] < 1e-5
