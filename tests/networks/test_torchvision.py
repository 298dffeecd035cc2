import numpy as np
import pytest
import torch
from torchvision import models

from skcxr import CXRClassifier
from skcxr.networks._torchvision import TorchvisionNet

rng = np.random.default_rng(0)
X = rng.integers(0, 255, (6, 1, 32, 32)).astype(np.uint8)
y = [0, 1] * 3


# googlenet announces another default initialisation, which is torchvision's business alone.
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "squeezenet1_1", "googlenet"])
def test_torchvision_networks_get_a_head_of_our_classes(name):
    network = TorchvisionNet(5, name=name).eval()
    assert network(torch.zeros(2, 1, 64, 64)).shape == (2, 5)


def test_every_channel_count():
    for n_channels in (1, 3):
        network = TorchvisionNet(2, n_channels).eval()
        assert network(torch.zeros(2, n_channels, 32, 32)).shape == (2, 2)


def test_a_torchvision_network_trains():
    clf = CXRClassifier("resnet18", max_epochs=1, random_state=0).fit(X, y)
    assert clf.predict_proba(X).shape == (6, 2)


def test_images_are_normalised_as_imagenets():
    seen = []
    network = TorchvisionNet(2).eval()
    network.net.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(torch.full((1, 1, 32, 32), 1.0))
    expected = [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    assert seen[0][0, :, 0, 0].tolist() == pytest.approx(expected)


@pytest.fixture
def cached_resnet(tmp_path, monkeypatch):
    """torchvision's cache with a resnet18 in it, so that nothing is downloaded."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub._hub_dir", None)
    name = models.ResNet18_Weights.DEFAULT.url.rpartition("/")[2]
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    network = models.resnet18()
    torch.save(network.state_dict(), folder / name)
    return network


def test_pretrained_weights_come_from_the_cache(cached_resnet):
    network = TorchvisionNet(4, name="resnet18", weights="DEFAULT")
    assert torch.equal(network.net.conv1.weight, cached_resnet.conv1.weight)
    assert network.net.fc.out_features == 4


def test_pretrained_networks_get_the_size_they_expect(cached_resnet):
    seen = []
    network = TorchvisionNet(2, name="resnet18", weights="DEFAULT").eval()
    network.net.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(torch.zeros(1, 1, 32, 32))
    assert seen[0].shape == (1, 3, 224, 224)


def test_unknown_weights_are_refused():
    with pytest.raises(ValueError, match=r"weights='BEST' does not exist for resnet18.*DEFAULT"):
        CXRClassifier("resnet18", weights="BEST").fit(X, y)
