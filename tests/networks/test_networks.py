import copy

import pytest
import torch
from torch import nn

from skcxr.networks import CXRNet, Discriminator, Generator
from skcxr.networks._dcgan import Dropout
from skcxr.networks._inference import forward_in_batches

# (layer, parameters) as the paper prints them.
TABLE_1 = [
    ("ConvTranspose2d", 819_200),
    ("BatchNorm2d", 1_024),
    ("ReLU", 0),
    ("ConvTranspose2d", 2_097_152),
    ("BatchNorm2d", 512),
    ("ReLU", 0),
    ("ConvTranspose2d", 524_288),
    ("BatchNorm2d", 256),
    ("ReLU", 0),
    ("ConvTranspose2d", 131_072),
    ("BatchNorm2d", 128),
    ("ReLU", 0),
    ("ConvTranspose2d", 1_024),
    ("Tanh", 0),
]
TABLE_2 = [
    ("Conv2d", 1_024),
    ("LeakyReLU", 0),
    ("Dropout", 0),
    ("Conv2d", 131_072),
    ("BatchNorm2d", 256),
    ("LeakyReLU", 0),
    ("Conv2d", 524_288),
    ("BatchNorm2d", 512),
    ("LeakyReLU", 0),
    ("Dropout", 0),
    ("Conv2d", 2_097_152),
    ("BatchNorm2d", 1_024),
    ("Dropout", 0),
    ("LeakyReLU", 0),
    ("Conv2d", 8_192),
    ("Sigmoid", 0),
]


def n_parameters(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("network", "table", "total"),
    [(Generator(), TABLE_1, 3_574_656), (Discriminator(), TABLE_2, 2_763_520)],
    ids=["table 1", "table 2"],
)
def test_layers_and_parameters_are_the_papers(network, table, total):
    assert [(type(layer).__name__, n_parameters(layer)) for layer in network.layers] == table
    assert n_parameters(network) == total


def test_kernels_strides_and_paddings_are_the_papers():
    geometry = [
        (m.kernel_size, m.stride, m.padding)
        for network in (Generator(), Discriminator())
        for m in network.modules()
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)
    ]
    outer, inner = ((4, 4), (1, 1), (0, 0)), ((4, 4), (2, 2), (1, 1))
    assert geometry == [outer, *[inner] * 4, *[inner] * 4, outer]


def test_generator_shapes_follow_table_1():
    x, shapes = torch.zeros(2, 100, 1, 1), []
    for layer in Generator().eval().layers:
        x = layer(x)
        if isinstance(layer, nn.ConvTranspose2d):
            shapes.append(tuple(x.shape[1:]))
    assert shapes == [(512, 4, 4), (256, 8, 8), (128, 16, 16), (64, 32, 32), (1, 64, 64)]


@pytest.mark.parametrize("image_size", [16, 32, 64, 128, 256])
@pytest.mark.parametrize("n_channels", [1, 3])
def test_networks_come_in_other_sizes(image_size, n_channels):
    G = Generator(10, image_size, base_width=2, n_channels=n_channels)
    D = Discriminator(image_size, base_width=2, n_channels=n_channels)
    images = G(torch.zeros(2, 10, 1, 1))
    assert images.shape == (2, n_channels, image_size, image_size)
    assert D(images).shape == (2, 1, 1, 1)


@pytest.mark.parametrize("image_size", [8, 48, 512])
def test_other_sides_are_refused(image_size):
    with pytest.raises(ValueError, match=rf"image_size must be one of .*, got {image_size}"):
        Generator(image_size=image_size)


@torch.no_grad()
def test_initial_weights_are_dcgans():
    for network in (Generator(), Discriminator()):
        for m in network.modules():
            if isinstance(m, nn.Conv2d | nn.ConvTranspose2d):
                assert m.bias is None
                assert m.weight.mean().abs() < 0.005
                assert m.weight.std() == pytest.approx(0.02, rel=0.1)
            elif isinstance(m, nn.BatchNorm2d):
                assert m.weight.mean() == pytest.approx(1, abs=0.02)
                assert 0 < m.weight.std() < 0.05
                assert not m.bias.any()


def test_weights_come_from_the_generator_given_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    one, same, other = (
        Discriminator(16, 4, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    weights = [d.state_dict()["layers.0.weight"] for d in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_discriminators_output_is_the_sigmoid_of_its_logits():
    D = Discriminator(16, 4).eval()
    x = torch.randn(3, 1, 16, 16)
    torch.testing.assert_close(D(x), D.logits(x).sigmoid())


@pytest.mark.parametrize("p", [0.0, 0.25, 0.5, 0.9])
def test_dropout_zeroes_at_its_rate_and_keeps_the_mean(p):
    x = Dropout(p)(torch.ones(200_003), torch.Generator().manual_seed(0))
    assert (x == 0).float().mean() == pytest.approx(p, abs=0.005)
    assert x.mean() == pytest.approx(1, abs=0.01)


def test_dropout_masks_are_independent_within_a_word():
    # Eight neighbours share one 64-bit word; their covariances must vanish all the same.
    mask = Dropout(0.5)(torch.ones(80_000), torch.Generator().manual_seed(0)).bool()
    covariance = torch.cov(mask.float().view(-1, 8).T)
    off_diagonal = covariance - covariance.diag().diag()
    assert off_diagonal.abs().max() < 0.01


def test_dropout_at_rates_next_to_one_is_finite():
    assert Dropout(0.9999)(torch.ones(1000)).isfinite().all()


def test_dropout_does_nothing_in_evaluation():
    x = torch.randn(10)
    assert Dropout(0.5).eval()(x) is x


@pytest.mark.parametrize("side", [1, 2, 5, 16, 64, 100])
def test_cxrnet_takes_any_image_size(side):
    assert CXRNet(3).eval()(torch.zeros(2, 1, side, side)).shape == (2, 3)


def test_a_rows_result_does_not_depend_on_the_rows_beside_it():
    network = CXRNet(3).eval()
    x = torch.randn(37, 1, 32, 32)
    options = {"batch_size": 16, "device": torch.device("cpu")}

    def outputs(x):
        return torch.cat(
            [out for _, out in forward_in_batches(network, x.__getitem__, len(x), **options)]
        )

    assert torch.equal(outputs(x), torch.cat([outputs(row[None]) for row in x]))


def test_rows_are_asked_for_in_turn_a_batch_at_a_time():
    asked = []

    def batch_of(rows):
        asked.append((rows.start, rows.stop))
        return torch.zeros(rows.stop - rows.start, 3)

    outputs = forward_in_batches(
        torch.nn.Identity(), batch_of, 10, batch_size=4, device=torch.device("cpu")
    )
    next(outputs)
    assert asked == [(0, 4)]
    assert [(rows.start, rows.stop, len(out)) for rows, out in outputs] == [(4, 8, 4), (8, 10, 2)]


def test_networks_can_be_copied():
    for network in (Generator(10, 16, 2), Discriminator(16, 2)):
        assert n_parameters(copy.deepcopy(network)) == n_parameters(network)
