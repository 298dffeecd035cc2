import numpy as np
import pytest
import torch

from skcxr._base.images import ImageSpec, TrainingImages, crop_from_square, pad_to_square

rng = np.random.default_rng(0)


@pytest.mark.parametrize("row_shape", [(1,), (2,), (20,), (64,), (4, 6), (1, 5, 5), (3, 4, 7)])
@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int16, np.uint16, np.float32, np.float64, np.dtype(">i2")]
)
def test_there_and_back_is_the_identity(row_shape, dtype):
    X = rng.integers(0, 255, (5, *row_shape)).astype(dtype)
    spec = ImageSpec.of(X)
    x = spec.to_tensor(X)
    assert x.dtype == torch.float32
    assert x.ndim == 4
    back = spec.to_array(x)
    assert back.dtype == dtype
    assert back.shape == X.shape
    np.testing.assert_allclose(back, X, rtol=1e-5, atol=1e-4)


def test_training_values_fill_minus_one_to_one():
    x = ImageSpec.of(np.array([[-3.0, 5, 7, 100]])).to_tensor(np.array([[-3.0, 5, 7, 100]]))
    assert (x.min(), x.max()) == (-1, 1)


def test_flat_rows_are_read_row_by_row():
    X = np.arange(6)[None]
    x = ImageSpec.of(X, image_shape=(2, 3)).to_tensor(X)
    torch.testing.assert_close(x, torch.linspace(-1, 1, 6).view(1, 1, 2, 3))


def test_flat_colour_rows_take_an_image_shape():
    X = rng.random((2, 48))
    assert ImageSpec.of(X, image_shape=(3, 4, 4)).to_tensor(X).shape == (2, 3, 4, 4)


def test_integers_are_rounded_and_stay_in_the_range_seen():
    X = np.array([[10, 20, 30, 40]], dtype=np.uint8)
    back = ImageSpec.of(X).to_array(torch.tensor([[[[-2.0, -1], [0.01, 2]]]]))
    assert back.tolist() == [[10, 10, 25, 40]]


def test_a_constant_image_comes_back():
    X = np.full((2, 9), 7.0)
    spec = ImageSpec.of(X)
    np.testing.assert_array_equal(spec.to_array(spec.to_tensor(X)), X)


def test_large_offsets_keep_their_precision():
    X = 1e9 + np.arange(16.0).reshape(1, 16)
    spec = ImageSpec.of(X)
    np.testing.assert_allclose(spec.to_array(spec.to_tensor(X)) - 1e9, X - 1e9, atol=1e-3)


def test_padding_is_black_and_cropped_back():
    x = torch.rand(2, 1, 5, 8)
    padded = pad_to_square(x, 16)
    assert padded.shape == (2, 1, 16, 16)
    assert (padded == -1).sum() == 2 * (256 - 40)
    torch.testing.assert_close(crop_from_square(padded, 5, 8), x)


@pytest.mark.parametrize(
    ("shape", "image_shape", "message"),
    [
        ((5,), None, r"X must hold images as .*got shape \(5,\)"),
        ((2, 2, 2, 2, 2), None, "X must hold images"),
        ((2, 2, 8, 8), None, "Images must have 1 or 3 channels"),
        ((2, 8, 8, 3), None, r"channels-last: pass X.transpose\(0, 3, 1, 2\)"),
        ((2, 64), (64,), r"image_shape=\(64,\) must be \(height, width\) or"),
        ((2, 64), (-8, -8), r"image_shape=\(-8, -8\) must be"),
        ((2, 64), ("8", "8"), r"image_shape=\('8', '8'\) must be"),
        ((2, 64), (8, 8, 1), r"Images must have 1 or 3 channels, got 8 for X of shape \(2, 64\)"),
        ((2, 10), (3, 3), r"image_shape=\(3, 3\) has 9 pixels, but X has 10 features"),
        ((2, 4, 4), (5, 5), r"image_shape=\(5, 5\) does not fit X of shape \(2, 4, 4\)"),
    ],
)
def test_what_are_no_images_is_refused(shape, image_shape, message):
    with pytest.raises(ValueError, match=message):
        ImageSpec.of(np.zeros(shape), image_shape)


def test_rows_of_another_shape_are_refused():
    spec = ImageSpec.of(np.zeros((2, 4, 4)))
    with pytest.raises(ValueError, match=r"rows of shape \(5, 5\).*fitted on \(4, 4\)"):
        spec.to_tensor(np.zeros((2, 5, 5)))


CPU = torch.device("cpu")
EVERY_DTYPE = [bool, np.uint8, np.int16, np.uint16, np.int64, np.float16, np.float64, ">i2", ">f4"]


def squares(X, spec, size):
    return pad_to_square(spec.to_tensor(X), size)


@pytest.mark.parametrize("row_shape", [(20,), (64,), (4, 6), (3, 4, 7)])
@pytest.mark.parametrize("dtype", EVERY_DTYPE)
def test_batches_are_the_rows_of_the_whole(row_shape, dtype):
    X = rng.integers(0, 255, (9, *row_shape)).astype(dtype)
    spec, rows = ImageSpec.of(X), torch.tensor([8, 0, 3, 3])
    x = TrainingImages(X, spec, 16, CPU).batch(rows)
    assert torch.equal(x, squares(X, spec, 16)[rows])
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(TrainingImages(X, spec, None, CPU).batch(rows), spec.to_tensor(X)[rows])


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.float16, np.float32])
def test_raw_tensors_are_scaled_to_the_same_bits(dtype):
    X = rng.integers(0, 255, (50, 3, 5, 7)).astype(dtype)
    spec = ImageSpec.of(X)
    assert torch.equal(spec.raw_to_tensor(torch.from_numpy(X)), spec.to_tensor(X))
    flat = X.reshape(50, -1)[:, :20]
    spec = ImageSpec.of(flat)
    assert torch.equal(spec.raw_to_tensor(torch.from_numpy(flat)), spec.to_tensor(flat))


def test_a_memory_map_is_read_batch_by_batch(tmp_path):
    X = np.memmap(tmp_path / "X", np.uint8, "w+", shape=(5, 16, 16))
    X[:] = rng.integers(0, 255, X.shape)
    X = np.memmap(tmp_path / "X", np.uint8, "r", shape=X.shape)
    images = TrainingImages(X, ImageSpec.of(X), 16, CPU)
    assert images.X is X
    assert torch.equal(images.batch(torch.tensor([4])), images.spec.to_tensor(X[4:]))


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", EVERY_DTYPE)
def test_a_gpus_batches_are_the_same_bits(dtype):
    X = rng.integers(0, 255, (3000, 30)).astype(dtype)
    spec, rows = ImageSpec.of(X), torch.tensor([2999, 0, 1500])
    X.flags.writeable = False
    x = TrainingImages(X, spec, 16, torch.device("cuda")).batch(rows.cuda())
    assert torch.equal(x.cpu(), squares(X, spec, 16)[rows])
