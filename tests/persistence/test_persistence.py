"""Nothing runs when loaded, and what is loaded predicts what was saved, bit by bit."""

import copy
import io
import json
import pickle
import pickletools
import re
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io
import torch
from imblearn.pipeline import Pipeline
from pandas.testing import assert_frame_equal
from safetensors import safe_open
from safetensors.torch import save_file
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KernelDensity
from skops.io.exceptions import UntrustedTypesFoundException
from torch import nn
from torchvision import models

import skcxr
from skcxr import DCGAN, CXRClassifier, DCGANOversampler
from skcxr.augment import Affine
from skcxr.networks import CXRNet
from skcxr.networks._inference import forward_in_batches
from skcxr.over_sampling import grow
from skcxr.persistence import TRUSTED_TYPES
from tests.conftest import full_disk

PACKAGE = Path(skcxr.__file__).parent


class UserNet(nn.Sequential):
    """A module of a user's own."""

    def __init__(self, n_classes, n_channels):
        super().__init__(nn.Flatten(), nn.Linear(256 * n_channels, n_classes))


def through_skops(estimator, also=()):
    data = skops.io.dumps(estimator)
    untrusted = skops.io.get_untrusted_types(data=data)
    assert set(untrusted) <= {*TRUSTED_TYPES, *also}
    return skops.io.loads(data, trusted=[*TRUSTED_TYPES, *also])


def through_joblib(estimator, also=()):
    file = io.BytesIO()
    joblib.dump(estimator, file)
    file.seek(0)
    return joblib.load(file)


both_ways = pytest.mark.parametrize("through", [through_skops, through_joblib])


def assert_same_gan(loaded, gan, X):
    np.testing.assert_array_equal(loaded.sample(5, 0), gan.sample(5, 0))
    np.testing.assert_array_equal(loaded.decision_function(X), gan.decision_function(X))
    assert loaded.spec_ == gan.spec_
    assert_frame_equal(loaded.history_, gan.history_)
    assert loaded.get_params() == gan.get_params()


def assert_same_classifier(loaded, clf, X):
    np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))
    np.testing.assert_array_equal(loaded.predict(X), clf.predict(X))
    assert loaded.classes_.dtype == clf.classes_.dtype
    assert loaded.spec_ == clf.spec_
    assert_frame_equal(loaded.history_, clf.history_)


# Round trips


@both_ways
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"augment": Affine(degrees=3), "betas": [0.4, 0.9], "latent_dim": np.int64(7)},
        {"image_size": 32, "augment": None, "random_state": np.random.RandomState(3)},
        {"monitor": "cxr"},
    ],
)
def test_a_gan(tiny_gan, phantoms, through, params):
    gan = tiny_gan.set_params(**params).fit(phantoms.images)
    loaded = through(gan)
    if isinstance(gan.random_state, np.random.RandomState):
        assert loaded.random_state.randint(1000) == gan.random_state.randint(1000)
        loaded.random_state = gan.random_state
    assert_same_gan(loaded, gan, phantoms.images)
    assert loaded.monitor_ == gan.monitor_
    assert len(loaded.fit(phantoms.images).history_)


@both_ways
def test_an_unfitted_estimator(through):
    for estimator in (DCGAN(latent_dim=3), CXRClassifier(CXRNet), DCGANOversampler(DCGAN())):
        loaded = through(estimator)
        assert str(loaded.get_params()) == str(estimator.get_params())
        assert not [name for name in vars(loaded) if "skcxr" in name]


@both_ways
def test_a_device_and_a_path_become_words(tiny_gan, phantoms, tmp_path, through):
    params = {"device": torch.device("cpu"), "checkpoint": tmp_path / "gan.pt"}
    loaded = through(tiny_gan.set_params(**params).fit(phantoms.data))
    assert (loaded.device, loaded.checkpoint) == ("cpu", str(tmp_path / "gan.pt"))
    assert_same_gan(loaded, tiny_gan.set_params(**loaded.get_params()), phantoms.data)


@both_ways
def test_a_gan_of_colour_images_with_names(tiny_gan, through):
    pandas = pytest.importorskip("pandas")
    X = np.random.default_rng(0).random((6, 3 * 5 * 4)).astype(np.float32)
    X = pandas.DataFrame(X, columns=[f"pixel{i}" for i in range(60)])
    gan = tiny_gan.set_params(image_shape=(3, 5, 4)).fit(X)
    loaded = through(gan)
    assert_same_gan(loaded, gan, X)
    assert (loaded.feature_names_in_ == gan.feature_names_in_).all()


@both_ways
@pytest.mark.parametrize(
    "labels", [["b", "a", "c"], [7, -1, 3], [True, False, True], np.array(["y", "x", "z"], object)]
)
def test_an_oversampler_of_gans(tiny_gan, phantoms, through, labels):
    y = np.array(labels)[np.arange(48) % 3]
    sampler = DCGANOversampler(tiny_gan, sampling_strategy=grow(1.5), random_state=0)
    sampler.fit_resample(phantoms.data, y)
    loaded = through(sampler)
    assert list(loaded.estimators_) == list(sampler.estimators_)
    assert dict(loaded.sampling_strategy_) == dict(sampler.sampling_strategy_)
    assert loaded.sampling_strategy == grow(1.5)
    np.testing.assert_array_equal(loaded.synthetic_mask_, sampler.synthetic_mask_)
    for k, gan in sampler.estimators_.items():
        assert_same_gan(loaded.estimators_[k], gan, phantoms.data)
    for one, same in zip(
        *(s.fit_resample(phantoms.data, y) for s in (loaded, sampler)), strict=True
    ):
        np.testing.assert_array_equal(one, same)


@both_ways
def test_an_oversampler_of_scikit_learns_density(phantoms, through):
    strategy = {0: 20, 1: 20}
    sampler = DCGANOversampler(KernelDensity(bandwidth=5), sampling_strategy=strategy)
    sampler.fit_resample(phantoms.data, phantoms.target)
    # skops itself leaves it to its user whether to trust scikit-learn's compiled trees.
    also = [
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.neighbors._kd_tree.KDTree",
    ]
    loaded = through(sampler, also)
    assert loaded.sampling_strategy == strategy
    for k, density in sampler.estimators_.items():
        same = loaded.estimators_[k].sample(3, random_state=0)
        np.testing.assert_array_equal(same, density.sample(3, random_state=0))


@both_ways
@pytest.mark.parametrize(
    "params",
    [
        {"lr_schedule": "constant", "augment": None},
        {"lr_schedule": "onecycle", "class_weight": "balanced"},
        {"class_weight": {0: 1.0, 1: 2.0, 2: 1.0, 3: 1.0}, "lr": np.float32(0.05)},
        {"module": CXRNet, "nesterov": False, "momentum": 0.0, "device": torch.device("cpu")},
    ],
)
def test_a_classifier(tiny_clf, phantoms, through, params):
    clf = tiny_clf.set_params(**params).fit(phantoms.data, phantoms.target)
    loaded = through(clf)
    assert_same_classifier(loaded, clf, phantoms.data)
    assert loaded.class_weight == clf.class_weight
    assert len(loaded.fit(phantoms.data, phantoms.target).history_)


@both_ways
@pytest.mark.parametrize(
    "labels", [["b", "a", "c"], [7, -1, 3], [True, False, True], np.array(["y", "x", "z"], object)]
)
def test_a_classifier_of_any_labels(tiny_clf, phantoms, through, labels):
    y = np.array(labels)[np.arange(48) % 3]
    weights = dict.fromkeys(np.unique(y).tolist(), 2.0)
    clf = tiny_clf.set_params(class_weight=weights).fit(phantoms.data, y)
    loaded = through(clf)
    assert_same_classifier(loaded, clf, phantoms.data)
    assert loaded.class_weight == weights


@both_ways
def test_the_loaded_net_can_be_used(tiny_clf, phantoms, through):
    clf = tiny_clf.fit(phantoms.data, phantoms.target)
    net, same = clf.net_, through(clf).net_
    images = clf.spec_.to_tensor(phantoms.data)
    np.testing.assert_array_equal(same.predict_proba(images), net.predict_proba(images))
    assert same.history[:, ("epoch", "train_loss")] == net.history[:, ("epoch", "train_loss")]
    assert torch.equal(same.criterion_.weight, net.criterion_.weight)
    assert not same.module_.training
    assert same.get_params(deep=False).keys() == net.get_params(deep=False).keys()


@both_ways
def test_what_is_set_after_fit_does_not_change_the_fitted_net(
    tiny_clf, tiny_gan, phantoms, through
):
    clf = tiny_clf.fit(phantoms.data, phantoms.target).set_params(module="resnet18", lr=5.0)
    loaded = through(clf)
    assert_same_classifier(loaded, clf, phantoms.data)
    assert (loaded.lr, loaded.net_.lr) == (5.0, 0.1)
    gan = tiny_gan.fit(phantoms.data).set_params(base_width=9)
    assert_same_gan(through(gan), gan, phantoms.data)


@both_ways
@pytest.mark.filterwarnings("ignore:The default weight initialization of GoogleNet")
@pytest.mark.parametrize("name", ["resnet18", "googlenet"])
def test_a_pretrained_network_needs_no_download(phantoms, monkeypatch, through, name):
    """torchvision's weights decide on input size, input transform and auxiliary heads."""
    enum = models.get_model_weights(name)
    blank = models.get_model(name, weights=None).state_dict()
    monkeypatch.setattr(enum, "get_state_dict", lambda self, **_: blank)
    # Batches of 64 take seconds.
    monkeypatch.setitem(forward_in_batches.__wrapped__.__kwdefaults__, "batch_size", 2)
    clf = CXRClassifier(name, weights="DEFAULT", max_epochs=1, batch_size=4, random_state=0)
    clf.fit(phantoms.data[:4], [0, 1, 0, 1])

    def refuse(self, **_):
        raise AssertionError("downloads")

    monkeypatch.setattr(enum, "get_state_dict", refuse)
    loaded = through(clf)
    assert_same_classifier(loaded, clf, phantoms.data[:2])
    assert loaded.net_.module__weights == "DEFAULT"


def test_a_torchvision_network(phantoms, tmp_path):
    X, y = phantoms.data[:6], [0, 1] * 3
    clf = CXRClassifier("resnet18", max_epochs=1, random_state=0).fit(X, y)
    assert_same_classifier(through_skops(clf), clf, X)
    clf.save_weights(tmp_path / "clf.safetensors")
    loaded = CXRClassifier("resnet18").load_weights(tmp_path / "clf.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))


def test_a_module_of_the_users_is_the_users_to_trust(tiny_clf, phantoms, tmp_path):
    clf = tiny_clf.set_params(module=UserNet).fit(phantoms.data, phantoms.target)
    own = f"{__name__}.UserNet"
    assert own in skops.io.get_untrusted_types(data=skops.io.dumps(clf))
    assert_same_classifier(through_skops(clf, [own]), clf, phantoms.data)
    assert_same_classifier(through_joblib(clf), clf, phantoms.data)
    clf.save_weights(tmp_path / "clf.safetensors")
    loaded = CXRClassifier(UserNet).load_weights(tmp_path / "clf.safetensors")
    np.testing.assert_array_equal(
        loaded.predict_proba(phantoms.data), clf.predict_proba(phantoms.data)
    )
    with pytest.raises(ValueError, match=r"module was '.*UserNet' and is 'cxrnet'"):
        CXRClassifier().load_weights(tmp_path / "clf.safetensors")


@both_ways
def test_a_pipeline_of_both(tiny_gan, tiny_clf, phantoms, through):
    sampler = DCGANOversampler(tiny_gan, sampling_strategy=grow(1.5), random_state=0)
    pipe = Pipeline([("gan", sampler), ("clf", tiny_clf)])
    pipe.fit(phantoms.data, phantoms.target_names[phantoms.target])
    loaded = through(pipe)
    assert_same_classifier(loaded["clf"], pipe["clf"], phantoms.data)
    for k, gan in pipe["gan"].estimators_.items():
        assert_same_gan(loaded["gan"].estimators_[k], gan, phantoms.data)


def test_arrays_that_can_not_be_written_to_serve(tiny_gan, tiny_clf, phantoms, tmp_path):
    gan, clf = tiny_gan.fit(phantoms.data), tiny_clf.fit(phantoms.data, phantoms.target)
    joblib.dump((gan, clf), tmp_path / "both.joblib")
    same_gan, same_clf = joblib.load(tmp_path / "both.joblib", mmap_mode="r")
    assert_same_gan(same_gan, gan, phantoms.data)
    assert_same_classifier(same_clf, clf, phantoms.data)


@pytest.mark.usefixtures("global_generators")
def test_loading_leaves_the_global_generators_alone(tiny_gan, tiny_clf, phantoms):
    for estimator in (tiny_gan, tiny_clf):
        through_joblib(estimator.fit(phantoms.data, phantoms.target))


def test_copies_share_nothing(tiny_gan, tiny_clf, phantoms):
    for estimator, name in ((tiny_gan, "generator_"), (tiny_clf, "net_")):
        estimator.fit(phantoms.data, phantoms.target)
        before = joblib.hash(estimator)
        copied = getattr(copy.deepcopy(estimator), name)
        with torch.no_grad():
            for weight in getattr(copied, "module_", copied).parameters():
                weight.zero_()
        assert joblib.hash(estimator) == before


def test_no_tensor_is_in_a_file_whatever_device_it_was_on(tiny_gan, tiny_clf, phantoms):
    sampler = DCGANOversampler(tiny_gan, sampling_strategy=grow(1.5), random_state=0)
    pipe = Pipeline([("gan", sampler), ("clf", tiny_clf)]).fit(phantoms.data, phantoms.target)
    words = [word for _, word, _ in pickletools.genops(pickle.dumps(pipe)) if type(word) is str]
    assert "skcxr.over_sampling._per_class" in words
    assert not [word for word in words if re.match(r"torch|cuda|skorch", word)]


@pytest.mark.cuda
@both_ways
def test_what_was_on_a_gpu_loads_on_a_cpu(tiny_gan, tiny_clf, phantoms, through, tmp_path):
    for estimator in (tiny_gan, tiny_clf):
        estimator.set_params(device="cuda").fit(phantoms.data, phantoms.target)
    tiny_gan.generator_.cuda()
    tiny_clf.net_.module_.cuda()
    gan, clf = through(tiny_gan), through(tiny_clf)
    networks = (gan.generator_, gan.discriminator_, clf.net_.module_, clf.net_.criterion_)
    assert {t.device.type for net in networks for t in net.state_dict().values()} == {"cpu"}
    assert gan.set_params(device="cpu").sample(2).shape == (2, 256)
    assert clf.set_params(device="cpu").predict(phantoms.data).shape == (48,)
    tiny_gan.save_weights(tmp_path / "gan.safetensors")
    with safe_open(tmp_path / "gan.safetensors", "pt") as file:
        assert {file.get_tensor(name).device.type for name in file.keys()} == {"cpu"}  # noqa: SIM118


# Other versions, broken states


@pytest.mark.parametrize("estimator", [DCGAN(), CXRClassifier(), DCGANOversampler()])
def test_another_format_states_both_versions(estimator, monkeypatch):
    monkeypatch.setattr("skcxr.persistence._state.FORMAT", 9)
    monkeypatch.setattr("skcxr.persistence._state.__version__", "7.3")
    data = pickle.dumps(estimator), skops.io.dumps(estimator)
    monkeypatch.undo()
    message = f"saved by skcxr 7.3 in format 9, and skcxr {skcxr.__version__} reads format 3"
    with pytest.raises(ValueError, match=re.escape(message)):
        pickle.loads(data[0])
    with pytest.raises(ValueError, match=re.escape(message)):
        skops.io.loads(data[1], trusted=TRUSTED_TYPES)


def test_a_state_without_a_version_is_refused():
    with pytest.raises(ValueError, match="saved by skcxr of an unknown version in format None"):
        DCGAN().__setstate__({"latent_dim": 3})


def without_a_tensor(tensors):
    tensors.pop(next(iter(tensors)))


def of_another_shape(tensors):
    tensors[next(iter(tensors))] = np.zeros((2, 2), np.float32)


def with_an_object(tensors):
    tensors[next(iter(tensors))] = "weights"


@pytest.mark.parametrize("damage", [without_a_tensor, of_another_shape, with_an_object])
def test_a_damaged_state_is_refused(tiny_gan, tiny_clf, phantoms, damage):
    for estimator, part in ((tiny_gan, "generator_"), (tiny_clf, "net_")):
        state = estimator.fit(phantoms.data, phantoms.target).__getstate__()
        damage(state[part]["tensors"])
        with pytest.raises(ValueError, match=f"of this {type(estimator).__name__} is broken"):
            type(estimator)().__setstate__(state)


def test_a_state_that_promises_much_takes_no_memory(tiny_gan, phantoms):
    state = tiny_gan.fit(phantoms.data).__getstate__()
    state["discriminator_"]["config"]["base_width"] = 10**6  # 64 TB of weights
    with pytest.raises(ValueError, match=r"of this DCGAN is broken(.|\n)*size mismatch"):
        DCGAN().__setstate__(state)


def test_no_network_but_ours_is_built_from_a_state(tiny_gan, phantoms):
    state = tiny_gan.fit(phantoms.data).__getstate__()
    state["generator_"]["class"] = "eval"
    with pytest.raises(ValueError, match=r"of this DCGAN is broken.*KeyError: 'eval'"):
        DCGAN().__setstate__(state)


# Nothing runs


class Hostile:
    """Makes a file when unpickled."""

    def __init__(self, file):
        self.file = str(file)

    def __reduce__(self):
        return (open, (self.file, "w"))


def hostile_files(hit, folder):
    """Files that run code in loaders that let them."""
    # PyTorch warns of other protocols than 2 before it refuses.
    (folder / "pickle").write_bytes(pickle.dumps(Hostile(hit), protocol=2))
    torch.save({"skcxr": "0", "format": 1, "state": Hostile(hit)}, folder / "torch")
    joblib.dump(Hostile(hit), folder / "joblib", protocol=2)
    with zipfile.ZipFile(folder / "zip", "w") as archive:
        archive.writestr("../hit", "x")
        archive.writestr("archive/data.pkl", pickle.dumps(Hostile(hit)))
    return [folder / name for name in ("pickle", "torch", "joblib", "zip")]


def test_the_hostile_files_are_hostile(tmp_path):
    file, *_ = hostile_files(tmp_path / "hit", tmp_path)
    pickle.loads(file.read_bytes()).close()
    assert (tmp_path / "hit").exists()


def test_hostile_files_run_nothing(tiny_gan, tiny_clf, phantoms, tmp_path):
    (tmp_path / "in").mkdir()
    for file in hostile_files(tmp_path / "hit", tmp_path / "in"):
        before = file.read_bytes()
        for estimator in (tiny_gan, tiny_clf):
            with pytest.raises(ValueError, match="is broken or is not a file of skcxr's weights"):
                estimator.load_weights(file)
        # With a suffix, or a checkpoint is a folder.
        checkpoint = file.rename(file.with_suffix(".pt"))
        with pytest.raises(ValueError, match="is broken or is not a checkpoint of skcxr"):
            tiny_gan.set_params(checkpoint=checkpoint).fit(phantoms.data)
        with pytest.raises(Exception, match=r"zip file|schema\.json"):
            skops.io.load(checkpoint, trusted=TRUSTED_TYPES)
        assert checkpoint.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def node(loader, module, name, **content):
    return {"__loader__": loader, "__module__": module, "__class__": name, **content}


def text(value):
    return node("JsonNode", "builtins", "str", content=json.dumps(value), is_json=True)


def archive(schema):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        file.writestr("schema.json", json.dumps(schema | {"protocol": 2, "_skops_version": "0.11"}))
    return data.getvalue()


@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("builtins", "open"), ("skcxr.cli", "main"), ("skcxr.report", "rmtree"),
     ("skcxr.persistence._weights", "write_weights"), ("skcxr.gan._checkpoint", "Path")],
)  # fmt: skip
@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in an estimator"])
def test_a_hostile_skops_archive_calls_nothing(tmp_path, module, name, inside):
    arguments = node(
        "TupleNode", "builtins", "tuple", content=[text(str(tmp_path / "hit")), text("w")]
    )
    call = node("ConstructorFromReduceNode", module, name, content=arguments)
    if inside:
        state = node(
            "DictNode", "builtins", "dict", content={"net_": call},
            key_types=node("ListNode", "builtins", "list",
                           content=[node("TypeNode", "builtins", "str")]),
        )  # fmt: skip
        call = node("ObjectNode", "skcxr.classifier._estimator", "CXRClassifier", content=state)
    assert f"{module}.{name}" in skops.io.get_untrusted_types(data=archive(call))
    with pytest.raises(UntrustedTypesFoundException, match=re.escape(f"{module}.{name}")):
        skops.io.loads(archive(call), trusted=TRUSTED_TYPES)
    assert not list(tmp_path.iterdir())


def test_the_package_unpickles_nothing():
    calls = []
    for file in PACKAGE.rglob("*.py"):
        source = file.read_text("utf-8")
        calls += re.findall(r"torch\.load\(", source)
        for call in re.findall(r"torch\.load\(.*?\)", source, flags=re.DOTALL):
            assert "weights_only=True" in call, file
        unsafe = r"(pickle|joblib|dill|cloudpickle|skops\.io)\.loads?\(|Unpickler|allow_pickle=True"
        assert not re.search(unsafe, source), file
        assert not re.search(r"(?<![.\w])(eval|exec)\(|add_safe_globals", source), file
    assert len(calls) >= 2


# Weights alone


@pytest.fixture
def gan(tiny_gan, phantoms):
    return tiny_gan.fit(phantoms.images)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "weights.safetensors"


def test_weights_of_a_gan_without_its_discriminator(gan, phantoms, file):
    gan.save_weights(file)
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    loaded = DCGAN(image_size=16, base_width=4).load_weights(str(file))
    np.testing.assert_array_equal(loaded.sample(5, 0), gan.sample(5, 0))
    assert (loaded.spec_, loaded.n_features_in_) == (gan.spec_, gan.n_features_in_)
    assert (len(loaded.history_), loaded.monitor_) == (0, None)
    with safe_open(file, "pt") as saved:
        assert all(name.startswith("generator.") for name in saved.keys())  # noqa: SIM118
    with pytest.raises(NotFittedError, match="This DCGAN has no discriminator"):
        loaded.decision_function(phantoms.images)
    with pytest.raises(NotFittedError, match="This DCGAN has no discriminator"):
        loaded.save_weights(file, discriminator=True)


def test_weights_of_a_gan_with_its_discriminator(gan, phantoms, file):
    gan.save_weights(file, discriminator=True)
    loaded = DCGAN(image_size=16, base_width=4).load_weights(file)
    np.testing.assert_array_equal(
        loaded.decision_function(phantoms.images), gan.decision_function(phantoms.images)
    )


def test_a_fitted_gan_forgets_its_former_fit(gan, phantoms, file):
    gan.save_weights(file)
    other = DCGAN(**gan.get_params() | {"random_state": 1}).fit(phantoms.data)
    other.load_weights(file)
    np.testing.assert_array_equal(other.sample(5, 0), gan.sample(5, 0))
    assert not hasattr(other, "discriminator_")


@pytest.mark.parametrize(
    "labels",
    [["b", "a", "cc"], [7, -1, 3], [True, False, True], [1.0, 2.0, 3.0],
     np.array(["y", "x", "z"], object)],
    ids=["str", "int", "bool", "float", "object"],
)  # fmt: skip
def test_weights_of_a_classifier(tiny_clf, phantoms, file, labels):
    clf = tiny_clf.fit(phantoms.data, np.array(labels)[np.arange(48) % 3])
    clf.save_weights(file)
    loaded = CXRClassifier().load_weights(file)
    np.testing.assert_array_equal(
        loaded.predict_proba(phantoms.data), clf.predict_proba(phantoms.data)
    )
    np.testing.assert_array_equal(loaded.classes_, clf.classes_)
    assert loaded.classes_.dtype == clf.classes_.dtype
    assert_same_classifier(through_skops(loaded), loaded, phantoms.data)


def test_labels_that_json_can_not_hold_are_refused(tiny_clf, phantoms, file):
    clf = tiny_clf.fit(phantoms.data, phantoms.target)
    clf.classes_ = np.array([b"a", b"b", b"c", b"d"])
    with pytest.raises(ValueError, match=r"classes_=\[b'a', .* labels that are strings or numbers"):
        clf.save_weights(file)
    assert not file.exists()


def test_names_of_features_are_kept(tiny_clf, phantoms, file):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(phantoms.data, columns=[f"pixel{i}" for i in range(256)])
    tiny_clf.fit(X, phantoms.target).save_weights(file)
    assert CXRClassifier().load_weights(file).predict(X).shape == (48,)


def test_other_parameters_are_named(gan, file):
    gan.save_weights(file)
    message = r"base_width was 4 and is 64.*Use DCGAN\(latent_dim=100, image_size=16, base_w"
    with pytest.raises(ValueError, match=message) as error:
        DCGAN(image_size=64).load_weights(file)
    assert "image_size was 16 and is 64" in str(error.value)
    assert "latent_dim was" not in str(error.value)


def test_another_class_is_named(gan, file):
    gan.save_weights(file)
    with pytest.raises(ValueError, match="holds weights of DCGAN, not of CXRClassifier"):
        CXRClassifier().load_weights(file)


def rewritten(file, **changes):
    """The file with other values in its header; a callable changes the tensors."""
    with safe_open(file, "pt") as saved:
        header = json.loads(saved.metadata()["skcxr"])
        tensors = {name: saved.get_tensor(name) for name in saved.keys()}  # noqa: SIM118
    change = changes.pop("tensors", None)
    if change:
        change(tensors)
    save_file(tensors, file, {"skcxr": json.dumps(header | changes)})


def test_weights_of_another_format_state_both_versions(gan, file):
    gan.save_weights(file)
    rewritten(file, format=8, skcxr="5.0")
    message = f"saved by skcxr 5.0 in format 8, and skcxr {skcxr.__version__} reads format 3"
    with pytest.raises(ValueError, match=re.escape(message)):
        gan.load_weights(file)


@pytest.mark.parametrize(
    "changes",
    [
        {"spec": None},
        {"spec": {"row_shape": [16, 16], "shape": [1, 16], "dtype": "|u1", "low": 0, "high": 1}},
        {"spec": {"row_shape": [-1], "shape": [1, 16, 16], "dtype": "|u1", "low": 0, "high": 1}},
        {"spec": {"row_shape": [9], "shape": [1, 3, 3], "dtype": "|O", "low": 0, "high": 1}},
        {"spec": {"row_shape": [9], "shape": [3, 3, 3], "dtype": "|u1", "low": 0, "high": 1}},
        {"networks": {}},
        {"n_features_in": "many"},
        {"tensors": lambda tensors: tensors.pop(next(iter(tensors)))},
        {"tensors": lambda tensors: tensors.update({next(iter(tensors)): torch.zeros(3)})},
    ],
)
def test_a_header_or_tensors_that_do_not_fit_are_refused(gan, file, changes):
    gan.save_weights(file)
    rewritten(file, **changes)
    before = joblib.hash(gan)
    with pytest.raises(ValueError, match=r"is broken; write it again with save_weights"):
        gan.load_weights(file)
    assert joblib.hash(gan) == before


@pytest.mark.parametrize("content", [b"", b"\x08", b"\xff" * 200, b"\x02" + b"\0" * 7 + b"{}"])
def test_no_safetensors(gan, tiny_clf, file, content):
    file.write_bytes(content)
    for estimator in (gan, tiny_clf):
        with pytest.raises(ValueError, match="is broken or is not a file of skcxr's weights"):
            estimator.load_weights(file)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_truncated_file(gan, file, share):
    gan.save_weights(file)
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    with pytest.raises(ValueError, match="is broken or is not a file of skcxr's weights"):
        gan.load_weights(file)


def test_no_file(gan, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"does not exist on this machine\. Pass a file that save_weights"
    ):
        gan.load_weights(tmp_path / "gan.safetensors")
    with pytest.raises(ValueError, match="is broken or is not a file of skcxr's weights"):
        gan.load_weights(tmp_path)


def test_a_folder_that_is_not_there(gan, tmp_path):
    with pytest.raises(OSError, match=r"cannot be written: No such file.*in a folder that exists"):
        gan.save_weights(tmp_path / "no" / "gan.safetensors")


def test_a_full_disk_leaves_the_old_file(gan, file):
    gan.save_weights(file)
    before = file.read_bytes()
    with full_disk(), pytest.raises(OSError, match="cannot be written: File too large"):
        gan.save_weights(file)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_an_unfitted_estimator_has_no_weights(file):
    for estimator in (DCGAN(), CXRClassifier()):
        with pytest.raises(NotFittedError):
            estimator.save_weights(file)
