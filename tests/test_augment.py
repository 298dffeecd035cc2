import pytest
import torch

from skcxr.augment import Affine, resolve_augment

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
