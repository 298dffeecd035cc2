import pytest
import torch
from torch.nn.functional import grid_sample

from skcxr.augment import Affine, _RepeatableSample, resolve_augment

x = torch.rand(16, 1, 32, 32, generator=torch.Generator().manual_seed(0))


def test_no_motion_is_the_identity():
    torch.testing.assert_close(Affine(0, 0, 0)(x), x)


def test_each_image_moves_in_its_own_way():
    same = x[:1].expand(4, -1, -1, -1)
    moved = Affine()(same, torch.Generator().manual_seed(0))
    assert all(not torch.allclose(moved[0], other) for other in moved[1:])


def test_one_generator_state_gives_one_result():
    a, b = (Affine()(x, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(a, b)


def test_motion_stays_within_its_bounds():
    # A bright dot in the middle moves by at most the shift, and the turn leaves it there.
    dot = torch.zeros(500, 1, 33, 33)
    dot[:, :, 16, 16] = 1
    moved = Affine(degrees=30, translate=0.1, scale=0)(dot, torch.Generator().manual_seed(0))
    weights = moved / moved.sum((2, 3), keepdim=True)
    rows = (weights.sum(3) * torch.arange(33.0)).sum(2)
    # The shift is along the turned axes, so its length is what is bounded.
    columns = (weights.sum(2) * torch.arange(33.0)).sum(2)
    distance = torch.hypot(rows - 16, columns - 16)
    assert distance.max() <= 2**0.5 * 0.1 * 33 + 0.1
    assert distance.max() > 0.1 * 33


def test_rotation_is_rigid_on_images_that_are_no_square():
    # A centred horizontal bar turned by a quarter is a centred vertical bar of the same length.
    bar = torch.zeros(1, 1, 21, 41)
    bar[:, :, 10, 16:25] = 1
    turned = Affine(degrees=90, translate=0, scale=0)
    generator = torch.Generator().manual_seed(0)
    angles = (torch.rand(5, 400, generator=generator.clone_state())[0] * 2 - 1) * 90
    moved = turned(bar.expand(400, -1, -1, -1), generator)[angles.abs().argmax()]
    assert moved[0, :, 20].sum() == pytest.approx(9, abs=1)


def test_flip_mirrors_left_and_right():
    torch.testing.assert_close(Affine(0, 0, 0, flip=1.0)(x), x.flip(3))


def test_no_flip_by_default():
    ramp = torch.linspace(0, 1, 32).expand(64, 1, 32, 32)
    moved = Affine()(ramp, torch.Generator().manual_seed(0))
    assert (moved[..., -1] > moved[..., 0]).all()


def test_gradients_pass():
    leaf = x.clone().requires_grad_()
    Affine()(leaf).sum().backward()
    assert leaf.grad.abs().sum() > 0


def test_what_the_parameter_augment_stands_for():
    assert resolve_augment("classic") == Affine()
    assert resolve_augment(Affine(3)) == Affine(3)
    assert resolve_augment(None)(x, None) is x


@pytest.mark.parametrize("shape", [(4, 1, 16, 16), (3, 3, 9, 5), (2, 1, 1, 1), (2, 2, 1, 7)])
def test_the_repeatable_gradient_is_that_of_grid_sample(shape):
    rng = torch.Generator().manual_seed(0)
    images = torch.randn(shape, generator=rng, dtype=torch.float64, requires_grad=True)
    # Positions also from beyond the border, which repeats.
    grid = torch.rand(shape[0], *shape[2:], 2, generator=rng, dtype=torch.float64) * 2.6 - 1.3
    plain = grid_sample(images, grid, padding_mode="border", align_corners=False)
    repeatable = _RepeatableSample.apply(images, grid)
    assert torch.equal(plain, repeatable)
    of_result = torch.randn(plain.shape, generator=rng, dtype=torch.float64)
    (expected,) = torch.autograd.grad(plain, images, of_result)
    (found,) = torch.autograd.grad(repeatable, images, of_result)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
