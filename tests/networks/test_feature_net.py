from importlib import resources
from pathlib import Path

import torch
from safetensors.torch import load_file

from skcxr.networks import _feature_net
from skcxr.networks._feature_net import CXRFeatureNet, load_packaged_feature_net

PACKAGED = resources.files("skcxr.networks") / "cxr_features.safetensors"


def test_the_packaged_file_is_small_and_part_of_the_package():
    assert PACKAGED.is_file()
    assert len(PACKAGED.read_bytes()) < 1_000_000
    # An editable install reads the source tree; a wheel holds what package-data names.
    pyproject = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    assert '"skcxr.networks" = ["*.safetensors"' in pyproject


def test_the_packaged_file_is_read_once(monkeypatch):
    load_packaged_feature_net()
    monkeypatch.setattr(_feature_net, "load_file", None)
    load_packaged_feature_net()


def test_the_packaged_network_has_the_weights_of_the_file():
    with resources.as_file(PACKAGED) as path:
        weights = load_file(path)
    state = load_packaged_feature_net().state_dict()
    assert set(state) == set(weights)
    assert all(torch.equal(state[name], weights[name]) for name in weights)


def test_features_are_projected_channel_means():
    network = CXRFeatureNet().eval()
    x = torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    means = network.means(x)
    assert means.shape == (2, 24 + 48 + 96 + 64)
    assert torch.equal(network(x), network.project(means))
