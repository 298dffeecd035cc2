import pickle
from importlib import resources

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from skcxr.metrics import frechet_distance, kernel_distance
from skcxr.metrics.features import FeatureExtractor, feature_extractor, standardize_features
from skcxr.networks._feature_net import CXRFeatureNet

PACKAGED = resources.files("skcxr.networks") / "cxr_features.safetensors"


@pytest.fixture(scope="module")
def inception_file(tmp_path_factory):
    """A file of random weights for torchvision's inception_v3."""
    from torchvision.models import inception_v3

    with torch.device("meta"):
        network = inception_v3(weights=None, init_weights=False)
    # All are views of the same noise, which makes a file of a tenth of the size.
    noise = 0.1 * torch.randn(2_500_000, generator=torch.Generator().manual_seed(0))
    weights = {}
    for name, w in network.state_dict().items():
        weights[name] = noise[: w.numel()].view(w.shape)
        if name.endswith("running_var"):
            weights[name] = torch.ones(w.shape)
        if name.endswith("num_batches_tracked"):
            weights[name] = torch.tensor(0)
    path = tmp_path_factory.mktemp("inception") / "mine.pth"
    torch.save(weights, path)
    return path


@pytest.fixture
def no_network(monkeypatch):
    """Any attempt to download fails the test."""

    def refuse(*args, **kwargs):
        raise AssertionError("tried to reach the network")

    monkeypatch.setattr("socket.socket", refuse)
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", refuse)
    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)


def test_cxr_gives_64_finite_features(phantoms):
    extractor = feature_extractor("cxr", phantoms.data)
    result = extractor(phantoms.data[:7])
    assert (extractor.name, extractor.layer) == ("cxr", "means of 4 stages")
    assert result.shape == (7, 64)
    assert result.dtype == np.float64


def test_pixels_are_principal_components_of_the_reference(phantoms):
    extractor = feature_extractor("pixels", phantoms.data)
    result = extractor(phantoms.data)
    assert (extractor.name, extractor.layer) == ("pixels", "32 principal components")
    np.testing.assert_allclose(result.mean(0), 0, atol=1e-9)
    assert (result**2).mean() == pytest.approx(1, rel=0.05)


def test_pixels_of_few_images_are_fewer_components(phantoms):
    assert feature_extractor("pixels", phantoms.data[:5])(phantoms.data).shape == (48, 4)


def test_a_callable_gets_the_images_as_they_are(phantoms):
    seen = []

    def brightness(images):
        seen.append(images)
        return images.mean(axis=1, keepdims=True)

    extractor = feature_extractor(brightness, phantoms.data)
    result = extractor(phantoms.data)
    assert seen[0] is phantoms.data
    assert extractor.name == "brightness"
    np.testing.assert_allclose(result[:, 0], phantoms.data.mean(1))


def test_a_callable_may_return_a_tensor_with_a_gradient(phantoms):
    layer = torch.nn.Linear(256, 3)
    extractor = feature_extractor(lambda X: layer(torch.as_tensor(X).float()), phantoms.data)
    assert extractor(phantoms.data).shape == (48, 3)


def test_an_extractor_is_returned_unchanged(phantoms):
    extractor = FeatureExtractor("mine", "output", np.asarray)
    assert feature_extractor(extractor, phantoms.data) is extractor


@pytest.mark.parametrize("features", ["cxr", "pixels"])
def test_layouts_and_dtypes_give_the_same_features(features, phantoms):
    X = np.rint(phantoms.data * 255 / phantoms.data.max())
    flat = feature_extractor(features, X)(X)
    for same in (
        X.reshape(-1, 16, 16).astype(np.uint8),
        X.reshape(-1, 1, 16, 16).astype(np.float32) / 255,
    ):
        np.testing.assert_allclose(
            feature_extractor(features, same)(same), flat, rtol=1e-3, atol=1e-4
        )


def test_colour_counts_as_its_mean(phantoms):
    X = np.rint(phantoms.data * 255 / phantoms.data.max()).reshape(-1, 1, 16, 16)
    colour = np.repeat(X, 3, axis=1)
    np.testing.assert_allclose(
        feature_extractor("cxr", colour)(colour), feature_extractor("cxr", X)(X), atol=1e-4
    )


def test_flat_rows_that_are_no_square_take_image_shape(phantoms):
    X = phantoms.data[:, :128]
    flat = feature_extractor("cxr", X, image_shape=(8, 16))(X)
    images = X.reshape(-1, 8, 16)
    np.testing.assert_array_equal(flat, feature_extractor("cxr", images)(images))


@pytest.mark.parametrize("features", ["cxr", "pixels"])
def test_later_sets_are_scaled_by_the_reference(features, phantoms):
    X = phantoms.data
    extractor = feature_extractor(features, X)
    darker = X.min() + (X - X.min()) / 2
    assert np.abs(extractor(darker) - extractor(X)).max() > 0.1
    # Scaled by its own extremes the darker set would look the same.
    np.testing.assert_allclose(
        feature_extractor(features, darker)(darker), extractor(X), rtol=1e-3, atol=1e-4
    )


def test_a_row_does_not_depend_on_the_other_rows(phantoms):
    extractor = feature_extractor("cxr", phantoms.data)
    X = np.concatenate([phantoms.data, phantoms.data[::-1]])
    together = extractor(X)
    np.testing.assert_array_equal(extractor(X[:1]), together[:1])
    np.testing.assert_array_equal(extractor(X[60:70]), together[60:70])


def test_cxr_gives_probabilities_of_its_three_classes(phantoms):
    proba = feature_extractor("cxr", phantoms.data).probabilities(phantoms.data)
    assert proba.shape == (48, 3)
    np.testing.assert_allclose(proba.sum(1), 1)


def test_without_a_head_there_are_no_probabilities(phantoms):
    assert feature_extractor("pixels", phantoms.data).probabilities(phantoms.data) is None


def test_an_extractor_survives_pickling(phantoms):
    for features in ("cxr", "pixels"):
        extractor = feature_extractor(features, phantoms.data)
        again = pickle.loads(pickle.dumps(extractor))
        np.testing.assert_array_equal(again(phantoms.data), extractor(phantoms.data))


def test_random_generators_and_the_callers_images_do_not_change(phantoms, global_generators):
    before = phantoms.data.copy()
    for features in ("cxr", "pixels"):
        feature_extractor(features, phantoms.data)(phantoms.data)
    np.testing.assert_array_equal(phantoms.data, before)


def test_the_packaged_weights_by_path_are_cxr(phantoms):
    with resources.as_file(PACKAGED) as path:
        mine = feature_extractor(path, phantoms.data)
    assert mine.name == "cxr_features.safetensors"
    expected = feature_extractor("cxr", phantoms.data)(phantoms.data)
    np.testing.assert_array_equal(mine(phantoms.data), expected)


def test_own_weights_may_have_other_classes(phantoms, tmp_path):
    path = tmp_path / "four.safetensors"
    save_file(CXRFeatureNet(n_classes=4).state_dict(), path)
    extractor = feature_extractor(str(path), phantoms.data)
    assert extractor.probabilities(phantoms.data).shape == (48, 4)


def test_safetensors_of_another_network_raise(phantoms, tmp_path):
    path = tmp_path / "wide.safetensors"
    save_file(CXRFeatureNet(widths=(8, 8, 8, 32)).state_dict(), path)
    with pytest.raises(ValueError, match=r"wide.safetensors does not hold .* Pass a file"):
        feature_extractor(path, phantoms.data)
    path.write_bytes(b"no tensors")
    with pytest.raises(ValueError, match=r"wide.safetensors does not hold"):
        feature_extractor(path, phantoms.data)
    with resources.as_file(PACKAGED) as packaged:
        weights = load_file(packaged)
    del weights["head.bias"]
    save_file(weights, path)
    with pytest.raises(ValueError, match=r"wide.safetensors does not hold"):
        feature_extractor(path, phantoms.data)


def test_inception_from_a_local_file_is_torchvisions(phantoms, inception_file, no_network):
    from torchvision.models import inception_v3
    from torchvision.transforms.functional import normalize, resize

    extractor = feature_extractor(inception_file, phantoms.data)
    result = extractor(phantoms.data[:1])
    assert (extractor.name, extractor.layer, result.shape) == ("mine.pth", "pool", (1, 2048))

    network = inception_v3(weights=None, init_weights=False, transform_input=True).eval()
    network.load_state_dict(torch.load(inception_file))
    network.fc = torch.nn.Identity()
    low, high = phantoms.data.min(), phantoms.data.max()
    x = torch.from_numpy((phantoms.data[:1] - low) / (high - low)).float().view(1, 1, 16, 16)
    x = resize(x, [299, 299], antialias=True).expand(-1, 3, -1, -1)
    with torch.inference_mode():
        expected = network(normalize(x, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])).numpy()
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-3 * expected.max())


def test_inception_gives_probabilities_of_a_thousand_classes(phantoms, inception_file):
    extractor = feature_extractor(inception_file, phantoms.data)
    proba = extractor.probabilities(phantoms.data[:2])
    assert proba.shape == (2, 1000)
    np.testing.assert_allclose(proba.sum(1), 1)


def test_inception_comes_from_the_local_cache(
    phantoms, inception_file, tmp_path, monkeypatch, no_network
):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "inception_v3_google-0cc3c7bd.pth").symlink_to(inception_file)
    assert feature_extractor("inception", phantoms.data).name == "inception"


def test_the_error_for_missing_inception_weights_says_how_to_get_them(
    phantoms, tmp_path, monkeypatch, no_network
):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(FileNotFoundError) as error:
        feature_extractor("inception", phantoms.data)
    for part in (str(tmp_path / "checkpoints"), "https://", "pass its path", 'weights="DEFAULT"'):
        assert part in str(error.value)


def test_pth_of_another_network_raises(phantoms, tmp_path):
    path = tmp_path / "other.pth"
    torch.save(CXRFeatureNet().state_dict(), path)
    with pytest.raises(ValueError, match=r"other.pth does not hold .*inception_v3"):
        feature_extractor(path, phantoms.data)
    path.write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"other.pth does not hold"):
        feature_extractor(path, phantoms.data)


def test_pth_with_code_is_not_executed(phantoms, tmp_path):
    path = tmp_path / "code.pth"
    torch.save({"x": pytest.fail}, path)
    with pytest.raises(ValueError, match=r"code.pth does not hold"):
        feature_extractor(path, phantoms.data)


@pytest.mark.parametrize("features", ["vgg", "weights.bin", None, 3])
def test_unknown_features_raise_with_the_choices(features, phantoms):
    with pytest.raises(ValueError, match=r"must be 'cxr', 'inception', 'pixels', a path"):
        feature_extractor(features, phantoms.data)


def test_a_missing_file_raises(phantoms):
    with pytest.raises(FileNotFoundError, match=r"features='nowhere.pth': there is no such file"):
        feature_extractor("nowhere.pth", phantoms.data)


def test_one_reference_image_is_too_few(phantoms):
    with pytest.raises(ValueError, match="reference must hold two images or more, got 1"):
        feature_extractor("pixels", phantoms.data[:1])


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda X: X.mean(1), r"shape \(48,\) for 48 images. Return one row"),
        (lambda X: X[:3], r"shape \(3, 256\) for 48 images"),
        (lambda X: np.where(np.arange(48)[:, None] == 5, np.nan, X), "NaN .* for 1 .* index 5"),
    ],
)
def test_a_callable_that_returns_no_features_raises(function, message, phantoms):
    with pytest.raises(ValueError, match=message):
        feature_extractor(function, phantoms.data)(phantoms.data)


@pytest.mark.parametrize("features", ["cxr", "pixels"])
def test_nan_in_images_raises(phantoms, features):
    extractor = feature_extractor(features, phantoms.data)
    X = phantoms.data.copy().astype(float)
    X[3, 4] = np.nan
    with pytest.raises(ValueError, match=r"^images holds NaN or infinity in 1 of 48 .* at index 3"):
        extractor(X)


@pytest.mark.parametrize("features", ["cxr", "pixels"])
def test_nan_in_the_reference_raises(phantoms, features):
    X = phantoms.data.copy().astype(float)
    X[3, 4] = np.nan
    with pytest.raises(ValueError, match=r"^reference holds NaN or infinity in 1 of 48 .* index 3"):
        feature_extractor(features, X)


def test_standardized_features_have_mean_0_and_standard_deviation_1(phantoms):
    extractor = feature_extractor("pixels", phantoms.data)
    features = standardize_features(extractor, phantoms.data)(phantoms.data)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(features.std(axis=0), 1)


def test_constant_features_are_only_centered():
    X = np.array([[1.0, 5.0], [3.0, 5.0]])
    standardize = standardize_features(np.asarray, X)
    np.testing.assert_array_equal(standardize(X), [[-1, 0], [1, 0]])
    np.testing.assert_array_equal(standardize(X + 1), [[0, 1], [2, 1]])


# Corruptions of flat rows of 64x64 images in [0, 255], and three strengths of each.


def blur(X, sigma):
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(X.reshape(-1, 64, 64), (0, sigma, sigma)).reshape(len(X), -1)


def add_noise(X, sd):
    return np.clip(X + np.random.default_rng(0).normal(0, sd, X.shape), 0, 255)


def occlude(X, side):
    images = X.reshape(-1, 64, 64).copy()
    corners = np.random.default_rng(0).integers(0, 65 - side, (len(X), 2))
    for image, (top, left) in zip(images, corners, strict=True):
        image[top : top + side, left : left + side] = 0
    return images.reshape(len(X), -1)


def brighten(X, shift):
    return np.clip(X + shift, 0, 255)


@pytest.mark.parametrize(
    ("corrupt", "strengths"),
    [
        (blur, (0.5, 1.0, 2.0)),
        (add_noise, (6, 15, 40)),
        (occlude, (10, 20, 32)),
        (brighten, (12, 25, 50)),
    ],
)
def test_distances_grow_with_the_corruption_of_real_radiographs(corrupt, strengths, radiographs):
    X = np.random.default_rng(0).permutation(radiographs[0][radiographs[1] != "covid"])
    X = X.astype(float)
    extractor = feature_extractor("cxr", X)
    real, other = extractor(X[:100]), X[100:200]
    sets = [extractor(other), *(extractor(corrupt(other, s)) for s in strengths)]
    frechet = [frechet_distance(real, s) for s in sets]
    kernel = [kernel_distance(real, s, n_permutations=0).value for s in sets]
    assert frechet == sorted(frechet)
    assert kernel == sorted(kernel)


def test_features_whose_standard_deviation_overflows_are_refused():
    """Divided by infinity, all images would be equal."""
    rng = np.random.default_rng(0)
    X = rng.normal(0, 1e200, (10, 4))
    with pytest.raises(ValueError, match=r"too large for float64.*e\+200"):
        standardize_features(lambda images: images, X)
