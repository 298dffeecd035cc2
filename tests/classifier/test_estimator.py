import joblib
import numpy as np
import pytest
import torch
from imblearn.pipeline import Pipeline
from joblib import parallel_config
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedGroupKFold,
    cross_val_predict,
    cross_val_score,
)
from skorch.callbacks import Callback, EarlyStopping
from torch import nn

from skcxr import CXRClassifier
from skcxr._base.images import ImageSpec, TrainingImages
from skcxr.augment import resolve_augment
from skcxr.classifier._batches import AugmentedBatches, LabelledImages, count_batches
from skcxr.networks import CXRNet
from skcxr.networks import _precision as precision

rng = np.random.default_rng(0)


def two_tone(n, shape=(8, 8)):
    """Images bright above (class "a") or below (class "b")."""
    y = np.array(["a", "b"] * (n // 2))
    X = rng.integers(0, 100, (n, *shape)).astype(np.uint8)
    half = shape[-2] // 2
    X[y == "a", ..., :half, :] += 100
    X[y == "b", ..., half:, :] += 100
    return X, y


def test_the_papers_recipe():
    expected = {
        "max_epochs": 150,
        "batch_size": 256,
        "lr": 0.01,
        "lr_schedule": "constant",
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 0.0,
        "augment": "classic",
        "class_weight": None,
    }
    assert expected.items() <= CXRClassifier.paper().get_params().items()
    assert CXRClassifier.paper(lr=0.1).lr == 0.1


def test_the_papers_optimizer_is_what_trains(phantoms):
    seen = {}

    class Spy(Callback):
        def on_train_end(self, net, **kwargs):
            seen.update(net.optimizer_.param_groups[0], type=type(net.optimizer_))

    CXRClassifier.paper(max_epochs=1, callbacks=[Spy()]).fit(phantoms.data, phantoms.target)
    assert seen["type"] is torch.optim.SGD
    assert (seen["lr"], seen["momentum"], seen["nesterov"]) == (0.01, 0.9, True)


def test_it_learns():
    X, y = two_tone(60)
    clf = CXRClassifier(max_epochs=20, batch_size=32, random_state=0).fit(X, y)
    unseen, truth = two_tone(60)
    assert clf.score(unseen, truth) > 0.9


@pytest.mark.parametrize("shape", [(64,), (8, 8), (1, 8, 8), (3, 8, 6), (7,)])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float16, np.float32, np.int64])
def test_every_layout_and_dtype(tiny_clf, shape, dtype):
    X = rng.integers(0, 255, (12, *shape)).astype(dtype)
    proba = tiny_clf.fit(X, np.arange(12) % 3).predict_proba(X)
    assert proba.shape == (12, 3)
    np.testing.assert_allclose(proba.sum(axis=1), 1)


@pytest.mark.parametrize(
    "labels",
    [["covid", "normal", "viral"], [7, -1, 3], [True, False, True], np.array(["x", "y", "z"], "O")],
    ids=["str", "int", "bool", "object"],
)
def test_labels_come_back_as_given(tiny_clf, phantoms, labels):
    y = np.array(labels)[np.arange(48) % 3]
    predictions = tiny_clf.fit(phantoms.data, y).predict(phantoms.data)
    assert predictions.dtype == y.dtype
    assert set(predictions.tolist()) <= set(y.tolist())
    assert tiny_clf.classes_.tolist() == sorted(set(y.tolist()))


def test_history_has_a_row_an_epoch(tiny_clf, phantoms):
    history = tiny_clf.fit(phantoms.data, phantoms.target).history_
    assert sorted(history) == ["epoch", "seconds", "train_loss"]
    assert history["epoch"].tolist() == [1, 2]
    assert history.notna().all(axis=None)


def test_one_seed_one_result(tiny_clf, phantoms):
    one, same, other = (
        clone(tiny_clf)
        .set_params(random_state=seed)
        .fit(phantoms.data, phantoms.target)
        .predict_proba(phantoms.data)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.usefixtures("global_generators")
def test_global_generators_are_left_alone(tiny_clf, phantoms):
    tiny_clf.fit(phantoms.data, phantoms.target).predict(phantoms.data)


def test_results_do_not_depend_on_the_global_generator(tiny_clf, phantoms):
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        clf = clone(tiny_clf).fit(phantoms.data, phantoms.target)
        results.append(clf.predict_proba(phantoms.data))
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("lr_schedule", ["constant", "onecycle"])
@pytest.mark.parametrize("augment", ["classic", None])
def test_joblib_round_trip(tiny_clf, phantoms, tmp_path, lr_schedule, augment):
    tiny_clf.set_params(lr_schedule=lr_schedule, augment=augment)
    clf = tiny_clf.fit(phantoms.data, phantoms.target)
    joblib.dump(clf, tmp_path / "clf.joblib")
    loaded = joblib.load(tmp_path / "clf.joblib")
    np.testing.assert_array_equal(
        loaded.predict_proba(phantoms.data), clf.predict_proba(phantoms.data)
    )
    # Weights once, and neither gradients nor momenta of the optimizer.
    n_weights = sum(p.numel() for p in clf.net_.module_.parameters())
    assert (tmp_path / "clf.joblib").stat().st_size < 4 * n_weights * 1.2


def test_one_cycle_warms_up_and_anneals(phantoms):
    rates = []

    class Spy(Callback):
        def on_batch_begin(self, net, **kwargs):
            rates.append(net.optimizer_.param_groups[0]["lr"])

    CXRClassifier(
        max_epochs=10, batch_size=16, lr=0.1, lr_schedule="onecycle", callbacks=[Spy()]
    ).fit(phantoms.data, phantoms.target)
    assert len(rates) == 30
    assert max(rates) == pytest.approx(0.1, rel=1e-2)
    assert rates[0] < 0.01
    assert rates[-1] < 1e-3


def test_callbacks_pass_through_and_stay_as_given(phantoms):
    stopping = EarlyStopping(monitor="train_loss", patience=2, threshold=10, sink=lambda _: None)
    clf = CXRClassifier(max_epochs=50, callbacks=[stopping], random_state=0)
    clf.fit(phantoms.data, phantoms.target)
    assert len(clf.history_) < 10
    assert stopping.misses_ == 0


def test_verbose_prints_skorchs_table(tiny_clf, phantoms, capsys):
    tiny_clf.set_params(verbose=1).fit(phantoms.data, phantoms.target)
    assert "train_loss" in capsys.readouterr().out


def test_it_is_silent_where_print_was_replaced(tiny_clf, phantoms, monkeypatch, capsys):
    plain = print
    monkeypatch.setattr("builtins.print", lambda *args, **kwargs: plain(*args, **kwargs))
    tiny_clf.fit(phantoms.data, phantoms.target)
    assert capsys.readouterr().out == ""


def test_class_weights_go_by_the_classes_own_names(phantoms):
    """A class that weighs next to nothing is not predicted."""
    names = phantoms.target_names[phantoms.target]
    weight = dict.fromkeys(phantoms.target_names.tolist(), 1e-6) | {"covid": 1.0}
    clf = CXRClassifier(max_epochs=15, class_weight=weight, random_state=0)
    assert set(clf.fit(phantoms.data, names).predict(phantoms.data)) == {"covid"}


def test_augment_sees_training_batches_alone(phantoms):
    seen = []

    def spy(batch, generator):
        assert isinstance(generator, torch.Generator)
        seen.append(len(batch))
        return batch

    clf = CXRClassifier(max_epochs=3, batch_size=20, augment=spy, random_state=0)
    clf.fit(phantoms.data, phantoms.target).predict(phantoms.data)
    assert seen == [16] * 9


@pytest.mark.parametrize(("n", "size"), [(2, 2), (3, 2), (5, 4), (65, 64), (270, 256), (7, 100)])
def test_batches_hold_each_row_once_and_none_is_single(n, size):
    X = np.arange(n * 4).reshape(n, 4)
    images = TrainingImages(X, ImageSpec.of(X), None, torch.device("cpu"))
    dataset = LabelledImages(images, torch.arange(n))
    keep = resolve_augment(None)
    batches = list(AugmentedBatches(dataset, size, keep, seed=0))
    labels = [labels for _, labels in batches]
    assert len(labels) == count_batches(n, size)
    assert min(map(len, labels)) > 1
    assert torch.equal(torch.cat(labels).sort().values, torch.arange(n))
    for batch, rows in batches:
        assert torch.equal(batch, images.spec.to_tensor(X[rows]))


def test_user_modules_are_called_with_classes_and_channels(phantoms):
    class Linear(nn.Sequential):
        def __init__(self, n_classes, n_channels):
            assert n_channels == 1
            super().__init__(nn.Flatten(), nn.Linear(256, n_classes))

    clf = CXRClassifier(Linear, max_epochs=2, random_state=0).fit(phantoms.data, phantoms.target)
    assert isinstance(clf.net_.module_, Linear)
    assert isinstance(CXRClassifier(CXRNet, max_epochs=1).fit(*two_tone(8)).net_.module_, CXRNet)


def test_a_failed_refit_leaves_the_first_fit_as_it_was(tiny_clf, phantoms):
    clf = tiny_clf.fit(phantoms.data, phantoms.target)
    before = clf.predict_proba(phantoms.data)
    with pytest.raises(ValueError, match="is not a network"):
        clf.set_params(module="resnet19").fit(phantoms.data, phantoms.target % 2)
    np.testing.assert_array_equal(clf.predict_proba(phantoms.data), before)


def test_fits_in_threads_do_not_disturb_each_other(tiny_clf, phantoms):
    def proba(backend):
        with parallel_config(backend, n_jobs=2):
            return cross_val_predict(
                tiny_clf, phantoms.data, phantoms.target, cv=4, method="predict_proba"
            )

    np.testing.assert_array_equal(proba("threading"), proba("sequential"))


@pytest.mark.parametrize("lr_schedule", ["constant", "onecycle"])
def test_parameters_may_be_numpys(phantoms, lr_schedule):
    params = {"max_epochs": np.int64(2), "batch_size": np.int32(16), "lr": np.float32(0.1)}
    clf = CXRClassifier(**params, lr_schedule=lr_schedule, nesterov=np.bool_(True), random_state=0)
    assert len(clf.fit(phantoms.data, phantoms.target).history_) == 2


def test_divergence_stops_with_advice(phantoms):
    clf = CXRClassifier(lr=1e12, lr_schedule="constant", max_epochs=20, random_state=0)
    with pytest.raises(FloatingPointError, match=r"CXRClassifier training diverged.*smaller lr"):
        clf.fit(phantoms.data, phantoms.target)
    assert not hasattr(clf, "net_")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"max_epochs": 0}, "'max_epochs' parameter of CXRClassifier must be"),
        ({"lr": 0.0}, "'lr' parameter of CXRClassifier must be"),
        ({"batch_size": 1}, "'batch_size' parameter of CXRClassifier must be"),
        ({"lr_schedule": "cosine"}, "'lr_schedule' parameter of CXRClassifier must be"),
        ({"augment": "heavy"}, "'augment' parameter of CXRClassifier must be"),
        ({"module": "resnet19"}, "module='resnet19' is not a network of skcxr or torchvision"),
        ({"image_shape": (3, 3)}, r"image_shape=\(3, 3\) has 9 pixels, but X has 256 features"),
        ({"device": "gpu"}, "device='gpu' cannot be used here"),
    ],
)
def test_bad_parameters_are_named(tiny_clf, phantoms, params, message):
    with pytest.raises(ValueError, match=message):
        tiny_clf.set_params(**params).fit(phantoms.data, phantoms.target)


def test_one_class_is_refused(tiny_clf, phantoms):
    with pytest.raises(ValueError, match="y holds one class, 'a'"):
        tiny_clf.fit(phantoms.data, ["a"] * 48)


def test_grid_search(tiny_clf, phantoms):
    search = GridSearchCV(tiny_clf, {"max_epochs": [1, 2], "augment": ["classic", None]}, cv=2)
    search.fit(phantoms.data, phantoms.target)
    assert search.best_estimator_.predict(phantoms.data).shape == (48,)


def test_calibrated(tiny_clf, phantoms):
    clf = CalibratedClassifierCV(tiny_clf, cv=2).fit(phantoms.data, phantoms.target)
    np.testing.assert_allclose(clf.predict_proba(phantoms.data).sum(axis=1), 1)


def test_cross_val_predict_of_probabilities(tiny_clf, phantoms):
    proba = cross_val_predict(
        tiny_clf, phantoms.data, phantoms.target, cv=2, method="predict_proba"
    )
    assert proba.shape == (48, 4)


def test_grouped_folds(tiny_clf, phantoms):
    scores = cross_val_score(
        tiny_clf,
        phantoms.data,
        phantoms.target,
        groups=np.arange(48) // 2,
        cv=StratifiedGroupKFold(2),
    )
    assert np.isfinite(scores).all()


def test_inside_a_pipeline_of_imbalanced_learn(tiny_clf, phantoms):
    pipe = Pipeline([("clf", tiny_clf)]).fit(phantoms.data, phantoms.target)
    assert (pipe.classes_ == [0, 1, 2, 3]).all()


@pytest.mark.cuda
def test_cuda_leaves_nothing_of_itself_behind(tiny_clf, phantoms):
    clf = tiny_clf.set_params(device="cuda").fit(phantoms.data, phantoms.target)
    assert all(p.device.type == "cpu" for p in clf.net_.module_.parameters())
    assert clf.predict_proba(phantoms.data).shape == (48, 4)


def test_bfloat16_trains_weights_of_float32_nearly_as_float32_does(phantoms):
    losses = {}
    for name in ("float32", "bfloat16"):
        clf = CXRClassifier(max_epochs=2, batch_size=16, lr=0.01, precision=name, random_state=0)
        clf.fit(phantoms.data, phantoms.target)
        assert clf.precision_ == name
        assert {p.dtype for p in clf.net_.module_.parameters()} == {torch.float32}
        losses[name] = clf.history_["train_loss"].tolist()
    assert losses["bfloat16"] != losses["float32"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.02)


class Linear(nn.Sequential):
    """A module that is not skcxr's."""

    def __init__(self, n_classes, n_channels):
        super().__init__(nn.Flatten(), nn.LazyLinear(n_classes))


def test_auto_leaves_other_modules_in_float32(phantoms, monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: True)
    params = {"max_epochs": 1, "precision": "auto"}
    ours = CXRClassifier(**params).fit(phantoms.data, phantoms.target)
    other = CXRClassifier(Linear, **params).fit(phantoms.data, phantoms.target)
    assert (ours.precision_, other.precision_) == ("bfloat16", "float32")


def test_augmentation_stays_in_float32(phantoms):
    seen = []

    def watching(x, generator):
        seen.append((x.dtype, torch.is_autocast_enabled("cpu")))
        return x

    clf = CXRClassifier(max_epochs=1, augment=watching, precision="bfloat16")
    clf.fit(phantoms.data, phantoms.target)
    assert set(seen) == {(torch.float32, False)}


def test_warm_start_goes_on_from_the_last_weights(phantoms):
    clf = CXRClassifier(max_epochs=5, random_state=0).fit(phantoms.data, phantoms.target)
    before = torch.cat([p.flatten() for p in clf.net_.module_.parameters()])
    clf.set_params(max_epochs=1, lr=1e-12, momentum=0.0)
    clf.set_params(warm_start=True).fit(phantoms.data, phantoms.target)
    after = torch.cat([p.flatten() for p in clf.net_.module_.parameters()])
    assert torch.allclose(before, after, atol=1e-6)
    clf.set_params(warm_start=False).fit(phantoms.data, phantoms.target)
    anew = torch.cat([p.flatten() for p in clf.net_.module_.parameters()])
    assert not torch.allclose(before, anew, atol=1e-3)


def test_warm_start_before_any_fit_is_a_fit(phantoms):
    warm, cold = (CXRClassifier(max_epochs=1, random_state=0, warm_start=w) for w in (True, False))
    probabilities = [
        clf.fit(phantoms.data, phantoms.target).predict_proba(phantoms.data) for clf in (warm, cold)
    ]
    assert (probabilities[0] == probabilities[1]).all()


def test_warm_start_refuses_other_classes_and_modules(phantoms):
    clf = CXRClassifier(max_epochs=1, random_state=0, warm_start=True)
    clf.fit(phantoms.data, phantoms.target)
    with pytest.raises(ValueError, match=r"warm_start=True continues a fit with the classes"):
        clf.fit(phantoms.data, phantoms.target % 2)
    with pytest.raises(ValueError, match="another module than 'resnet18'"):
        clf.set_params(module="resnet18").fit(phantoms.data, phantoms.target)


@pytest.mark.parametrize("callbacks", [[1], ["early"], [("name", 1)], [(1, 2, 3)]])
def test_what_is_no_callback_is_refused(tiny_clf, phantoms, callbacks):
    with pytest.raises(TypeError, match=r"callbacks holds .*, which is not a callback of skorch"):
        tiny_clf.set_params(callbacks=callbacks).fit(phantoms.data, phantoms.target)


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_cuda_repeats_a_training_bit_for_bit(tiny_clf, phantoms, precision):
    clf = tiny_clf.set_params(device="cuda", precision=precision)
    first, second = (
        clf.fit(phantoms.data, phantoms.target).net_.module_.state_dict() for _ in range(2)
    )
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


@pytest.mark.parametrize("callback", [EarlyStopping(), EarlyStopping, ("stop", EarlyStopping())])
def test_a_callback_that_needs_a_validation_split_is_refused_before_training(phantoms, callback):
    clf = CXRClassifier(callbacks=[callback])
    with pytest.raises(ValueError, match=r"monitors 'valid_loss'.*Pass monitor='train_loss'"):
        clf.fit(phantoms.data, phantoms.target)


def test_values_of_another_range_are_warned_of(tiny_clf, tiny_gan, phantoms):
    X = phantoms.data
    clf = tiny_clf.fit(X, phantoms.target)
    gan = tiny_gan.fit(X)
    for predict in (clf.predict, clf.predict_proba, gan.decision_function):
        with pytest.warns(UserWarning, match=r"values from 0 to 1, .* values from 0 to 255"):
            predict(X / 255)
        with pytest.warns(UserWarning, match=r"fitted on values from 0 to 255"):
            predict(X.astype(float) * 257)
        # A dark image, one of low contrast and a black one are of the same scale.
        predict(X[:1] // 8)
        predict(X[:1] // 100 + 126)
        predict(np.zeros_like(X[:2]))


@pytest.mark.parametrize("side", [8, 16])
def test_rows_of_color_images_are_asked_about(side):
    X = np.random.default_rng(0).integers(0, 255, (6, 3 * side**2))
    y = [0, 1] * 3
    with pytest.warns(UserWarning, match=rf"Pass image_shape=\(3, {side}, {side}\)"):
        CXRClassifier(max_epochs=1).fit(X, y)
    CXRClassifier(max_epochs=1, image_shape=(3, side, side)).fit(X, y)
    CXRClassifier(max_epochs=1).fit(X[:, :-1], y)


class Interrupted(nn.Module):
    """A module in whose third forward pass Ctrl-C is pressed."""

    n_passes = 0

    def __init__(self, n_classes, n_channels):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(256, n_classes))

    def forward(self, x):
        Interrupted.n_passes += 1
        if Interrupted.n_passes == 3:
            raise KeyboardInterrupt
        return self.layers(x)


def test_ctrl_c_is_not_taken_for_the_end_of_training(tiny_clf, phantoms, monkeypatch):
    monkeypatch.setattr(Interrupted, "n_passes", 0)
    clf = tiny_clf.fit(phantoms.data, phantoms.target)
    before = clf.predict_proba(phantoms.data)
    with pytest.raises(KeyboardInterrupt):
        clf.set_params(module=Interrupted, max_epochs=9).fit(phantoms.data, phantoms.target)
    assert (clf.predict_proba(phantoms.data) == before).all()


class StopAfter(Callback):
    """A callback that stops training in skorch's way."""

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.n_epochs:
            raise KeyboardInterrupt


def test_a_callback_can_stop_training(phantoms):
    clf = CXRClassifier(max_epochs=9, callbacks=[StopAfter(2)], random_state=0)
    assert len(clf.fit(phantoms.data, phantoms.target).history_) == 2
