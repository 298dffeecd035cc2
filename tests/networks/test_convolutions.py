import pytest
import torch
from torch import nn

from skcxr.networks._convolutions import _Strided, convolve

SIDES = [(1, 5), (3, 4), (5, 6)]  # channels of the large side and of the small one


def layers(large, small, dtype=torch.float32, side=4):
    """Both convolutions between `large` and `small` channels, and images for them."""
    options = {"kernel_size": 4, "bias": False, "dtype": dtype}
    down = nn.Conv2d(large, small, stride=2, padding=1, **options)
    up = nn.ConvTranspose2d(small, large, stride=2, padding=1, **options)
    return [
        (down, torch.randn(2, large, 8, 6, dtype=dtype)),
        (up, torch.randn(2, small, 4, 3, dtype=dtype)),
    ]


def gradients(y, *inputs):
    weights = torch.linspace(-1, 1, y.numel()).view(y.shape)
    return torch.autograd.grad((y.float() * weights).sum(), inputs)


@pytest.mark.parametrize(("large", "small"), SIDES)
def test_results_and_gradients_are_the_layers_own(large, small):
    torch.manual_seed(0)
    for layer, x in layers(large, small):
        x.requires_grad_()
        ours, theirs = convolve(layer, x), layer(x)
        torch.testing.assert_close(ours, theirs)
        for ours_, theirs_ in zip(
            gradients(ours, x, layer.weight), gradients(theirs, x, layer.weight), strict=True
        ):
            torch.testing.assert_close(ours_, theirs_, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("side", [4, 10])  # kernel gradients are products, or PyTorch's own
@pytest.mark.parametrize(("large", "small"), SIDES)
def test_bfloat16_is_off_by_its_rounding_alone(large, small, side, layout):
    torch.manual_seed(0)
    for layer, x in layers(large, small, side=side):
        layer, x = layer.to(memory_format=layout), x.to(memory_format=layout).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            rounded = convolve(layer, x)
        assert rounded.dtype == torch.bfloat16
        pairs = [(rounded, layer(x))]
        pairs += zip(
            gradients(rounded, x, layer.weight), gradients(layer(x), x, layer.weight), strict=True
        )
        for ours, exact in pairs:
            assert (ours.float() - exact).norm() < 0.01 * exact.norm()
            assert ours.shape == exact.shape


@pytest.mark.parametrize(("large", "small"), SIDES)
def test_gradients_can_be_differentiated(large, small):
    torch.manual_seed(0)
    for transposed, (layer, x) in enumerate(layers(large, small, torch.float64)):
        inputs = (x.requires_grad_(), layer.weight, torch.float64, bool(transposed))
        assert torch.autograd.gradcheck(_Strided.apply, inputs)
        assert torch.autograd.gradgradcheck(_Strided.apply, inputs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_single_pixels_are_products(dtype):
    torch.manual_seed(0)
    first = nn.ConvTranspose2d(7, 6, 4, 1, 0, bias=False)
    last = nn.Conv2d(6, 1, 4, 1, 0, bias=False)
    z, x = torch.randn(3, 7, 1, 1), torch.randn(3, 6, 4, 4)
    with torch.autocast("cpu", dtype, enabled=dtype == torch.bfloat16):
        from_pixel, to_pixel = convolve(first, z), convolve(last, x)
    assert (from_pixel.dtype, to_pixel.dtype) == (dtype, torch.float32)
    tolerance = 1e-5 if dtype == torch.float32 else 0.05
    torch.testing.assert_close(from_pixel.float(), first(z), rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(to_pixel, last(x), rtol=1e-5, atol=1e-5)


def test_frozen_kernels_get_no_gradient():
    layer, x = layers(1, 5)[0]
    layer.requires_grad_(False)
    with torch.autocast("cpu", torch.bfloat16):
        convolve(layer, x.requires_grad_()).float().sum().backward()
    assert layer.weight.grad is None
    assert x.grad is not None
