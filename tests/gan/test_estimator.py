import gc
import weakref

import joblib
import numpy as np
import pytest
import torch
from pandas.testing import assert_frame_equal
from sklearn.base import clone

from skcxr import DCGAN
from skcxr._base.images import TrainingImages
from skcxr.gan._losses import mode_seeking_loss
from skcxr.gan._training import GANTraining, ShuffledRows
from skcxr.networks import Discriminator, Generator

rng = np.random.default_rng(0)


def weights(gan):
    return torch.cat([p.flatten() for p in gan.generator_.parameters()])


def test_the_papers_recipe():
    gan = DCGAN.paper(random_state=1, max_epochs=3)
    assert gan.random_state == 1
    assert gan.max_epochs == 3
    expected = {
        "latent_dim": 100,
        "image_size": 64,
        "base_width": 64,
        "max_epochs": 200,
        "steps_per_epoch": 34,
        "batch_size": 32,
        "lr": 2e-4,
        "betas": (0.5, 0.999),
        "dropout": 0.5,
        "augment": "classic",
        "diff_augment": None,
        "mode_seeking": 0.0,
    }
    assert expected.items() <= DCGAN.paper().get_params().items()


def test_the_default_is_the_papers_networks_and_steps_with_three_changes():
    of_paper, default = DCGAN.paper().get_params(), DCGAN().get_params()
    changed = {name: value for name, value in default.items() if value != of_paper[name]}
    assert changed == {
        "augment": None,
        "diff_augment": "classic",
        "dropout": 0.0,
        "mode_seeking": 0.3,
    }


def test_fit_trains_the_networks_of_tables_1_and_2():
    X = rng.integers(0, 255, (4, 64, 64)).astype(np.uint8)
    gan = DCGAN.paper(max_epochs=1, steps_per_epoch=1, batch_size=2).fit(X)
    assert isinstance(gan.generator_, Generator)
    assert isinstance(gan.discriminator_, Discriminator)
    assert sum(p.numel() for p in gan.generator_.parameters()) == 3_574_656
    assert sum(p.numel() for p in gan.discriminator_.parameters()) == 2_763_520


def test_history_has_a_row_an_epoch(tiny_gan, phantoms):
    gan = tiny_gan.set_params(max_epochs=3).fit(phantoms.data)
    keys = ["epoch", "loss_d", "loss_g", "d_x", "d_g_z1", "d_g_z2", "seconds"]
    assert list(gan.history_) == keys
    assert gan.history_["epoch"].tolist() == [1, 2, 3]
    assert gan.history_[["d_x", "d_g_z1", "d_g_z2"]].stack().between(0, 1, "neither").all()


@pytest.mark.parametrize(
    ("precision", "error", "turned"), [("float32", 1e-4, 0.002), ("bfloat16", 0.01, 0.05)]
)
@pytest.mark.parametrize("recipe", [{"dropout": 0.5, "mode_seeking": 0.0}, {}])
def test_first_step_against_the_formulas_in_float64(phantoms, precision, error, turned, recipe):
    """One step without augmentation: D's loss and update, then G's loss against it."""
    gan = DCGAN(
        image_size=16,
        base_width=16,
        diff_augment=None,
        max_epochs=1,
        steps_per_epoch=1,
        batch_size=len(phantoms.data),
        precision=precision,
        random_state=0,
        **recipe,
    ).fit(phantoms.data)
    assert gan.precision_ == precision
    generator = torch.Generator().manual_seed(np.random.RandomState(0).randint(2**31 - 1))
    G = Generator(100, 16, 16, generator=generator)
    D = Discriminator(16, 16, dropout=gan.dropout, generator=generator)
    G, D = G.double(), D.double()
    rows = torch.randperm(len(phantoms.data), generator=generator)
    z = torch.rand(len(phantoms.data), 100, 1, 1, generator=generator) * 2 - 1
    fake = G(z.double())
    real = gan.spec_.to_tensor(phantoms.data[rows]).double()
    # Dropout's masks are drawn from the generator too, in this order.
    d_x, d_g_z1 = (D.logits(x, generator).sigmoid() for x in (real, fake.detach()))
    loss_d = -(d_x.log().mean() + (1 - d_g_z1).log().mean())
    loss_d.backward()
    torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999)).step()
    d_g_z2 = D.logits(fake, generator).sigmoid()
    # Mao et al. 2019, equation 2: how different neighbours are, for how different their z are.
    apart, of_z = ((x - x.roll(1, 0)).abs().mean((1, 2, 3)) for x in (fake, z))
    loss_g = -d_g_z2.log().mean() + gan.mode_seeking / ((apart / of_z).mean() + 1e-5)
    loss_g.backward()
    torch.optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999)).step()
    expected = {
        "loss_d": loss_d.item(),
        "loss_g": loss_g.item(),
        "d_x": d_x.mean().item(),
        "d_g_z1": d_g_z1.mean().item(),
        "d_g_z2": d_g_z2.mean().item(),
    }
    assert {k: gan.history_.loc[0, k] for k in expected} == pytest.approx(expected, rel=error)
    for network, reference in ((gan.generator_, G), (gan.discriminator_, D)):
        fitted, exact = (
            torch.cat([p.flatten() for p in net.parameters()]) for net in (network, reference)
        )
        # Adam's first update is the gradient's sign, which rounding turns where it is nearly 0.
        assert ((fitted - exact).abs() > 1e-5).double().mean() < turned


def test_the_discriminator_learns_to_tell_them_apart(phantoms):
    gan = DCGAN(image_size=16, base_width=8, max_epochs=8, steps_per_epoch=10, random_state=0)
    history = gan.fit(phantoms.data).history_
    first, last = history.iloc[0], history.iloc[-1]
    assert last["loss_d"] < first["loss_d"]
    assert last["d_x"] > last["d_g_z1"] > last["d_g_z2"]


def test_samples_resemble_the_training_images():
    """Two-tone images, dark above and bright below: the generator learns which half is which."""
    X = np.zeros((20, 16, 16), dtype=np.uint8)
    X[:, 8:] = rng.integers(150, 255, (20, 8, 16))
    gan = DCGAN(
        image_size=16, base_width=8, max_epochs=8, steps_per_epoch=20, lr=3e-3, random_state=0
    ).fit(X)
    samples = gan.sample(50, random_state=0).astype(float)
    # An untrained generator gives the same gray everywhere; the real difference is 200.
    assert samples[:, 10:].mean() - samples[:, :6].mean() > 60


@pytest.mark.parametrize("shape", [(9,), (20,), (16, 16), (10, 14), (1, 16, 16), (3, 12, 8)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int16])
def test_samples_come_in_the_layout_and_range_given(tiny_gan, shape, dtype):
    X = rng.integers(5, 90, (6, *shape)).astype(dtype)
    samples = tiny_gan.fit(X).sample(3, random_state=0)
    assert samples.shape == (3, *shape)
    assert samples.dtype == dtype
    assert samples.min() >= X.min()
    assert samples.max() <= X.max()


@pytest.mark.parametrize("n", [2, 3, 8, 9])
def test_any_number_of_images_from_two_on(tiny_gan, n):
    assert np.isfinite(tiny_gan.fit(rng.random((n, 256))).sample(2)).all()


@pytest.mark.parametrize(("n", "size"), [(5, 5), (12, 4), (14, 4)])
def test_batches_are_cut_from_one_shuffled_order_until_it_is_used_up(n, size):
    rows = ShuffledRows(n, size, torch.Generator().manual_seed(0))
    for _ in range(3):
        order = torch.cat([rows.draw() for _ in range(n // size)])
        assert len(order) == n // size * size
        assert len(order.unique()) == len(order)
        assert set(order.tolist()) <= set(range(n))


def test_every_image_gets_its_turn():
    rows = ShuffledRows(14, 4, torch.Generator().manual_seed(0))
    counts = torch.cat([rows.draw() for _ in range(1200)]).bincount(minlength=14)
    # 342.9 each; the standard deviation of a row that is left out of 1 in 7 orders is 7.
    assert (counts - 4800 / 14).abs().max() < 30


def test_too_few_images_are_drawn_with_replacement():
    rows = ShuffledRows(3, 8, torch.Generator().manual_seed(0))
    batches = [rows.draw() for _ in range(20)]
    assert {len(batch) for batch in batches} == {8}
    assert torch.cat(batches).unique().tolist() == [0, 1, 2]
    assert not torch.equal(batches[0], batches[1])


def test_a_shuffled_order_goes_on_from_its_state():
    rows = ShuffledRows(14, 4, torch.Generator().manual_seed(0))
    rows.draw()
    state, rng = rows.state_dict(), rows.rng.get_state()
    expected = [rows.draw().tolist() for _ in range(9)]
    resumed = ShuffledRows(14, 4, torch.Generator())
    resumed.rng.set_state(rng)
    resumed.load_state_dict(state)
    assert [resumed.draw().tolist() for _ in range(9)] == expected


def test_one_seed_one_result(tiny_gan, phantoms):
    one, same, other = (
        clone(tiny_gan).set_params(random_state=seed).fit(phantoms.data) for seed in (0, 0, 1)
    )
    assert torch.equal(weights(one), weights(same))
    assert not torch.equal(weights(one), weights(other))
    assert one.history_["loss_d"].equals(same.history_["loss_d"])
    np.testing.assert_array_equal(one.sample(4, 7), same.sample(4, 7))
    assert (one.sample(4, 7) != one.sample(4, 8)).any()


def test_first_samples_do_not_depend_on_how_many_are_drawn(tiny_gan, phantoms):
    gan = tiny_gan.fit(phantoms.data)
    np.testing.assert_array_equal(gan.sample(70, 0)[:3], gan.sample(3, 0))


@pytest.mark.usefixtures("global_generators")
def test_global_generators_are_left_alone(tiny_gan, phantoms):
    tiny_gan.fit(phantoms.data).sample(2, random_state=0)


def test_decision_function_is_the_discriminators_logits(tiny_gan, phantoms):
    gan = tiny_gan.fit(phantoms.data)
    x = gan.spec_.to_tensor(phantoms.data)
    with torch.no_grad():
        expected = gan.discriminator_.logits(x).flatten().numpy()
    np.testing.assert_allclose(gan.decision_function(phantoms.data), expected, rtol=1e-4, atol=1e-5)


def test_augment_sees_every_real_batch_and_only_real_ones(tiny_gan, phantoms):
    seen = []

    def spy(batch, generator):
        assert isinstance(generator, torch.Generator)
        seen.append(batch)
        return batch

    gan = tiny_gan.set_params(augment=spy).fit(phantoms.data)
    real = {tuple(row.flatten().tolist()) for row in gan.spec_.to_tensor(phantoms.data)}
    assert len(seen) == tiny_gan.max_epochs * tiny_gan.steps_per_epoch
    assert all(tuple(row.flatten().tolist()) in real for batch in seen for row in batch)


def test_fitted_state_is_at_rest_on_the_cpu(tiny_gan, phantoms):
    gan = tiny_gan.fit(phantoms.data)
    for network in (gan.generator_, gan.discriminator_):
        assert not network.training
        assert all(p.device.type == "cpu" and p.grad is None for p in network.parameters())


def test_training_images_are_freed_without_the_garbage_collector(tiny_gan, phantoms, monkeypatch):
    made = []

    class Watched(TrainingImages):
        def __init__(self, *args):
            super().__init__(*args)
            made.append(weakref.ref(self))

    monkeypatch.setattr("skcxr.gan._fit.TrainingImages", Watched)
    gc.disable()
    try:
        tiny_gan.fit(phantoms.images)
        assert [image() for image in made] == [None]
    finally:
        gc.enable()


def test_the_discriminator_sees_all_through_diff_augment(tiny_gan, phantoms, monkeypatch):
    changed, seen = [], []

    def look(x, generator):
        changed.append(x * 1.0)
        return changed[-1]

    logits = Discriminator.logits
    monkeypatch.setattr(
        Discriminator, "logits", lambda D, x, *args: seen.append(x) or logits(D, x, *args)
    )
    tiny_gan.set_params(diff_augment=look, max_epochs=1, steps_per_epoch=1, augment=None)
    tiny_gan.set_params(precision="bfloat16").fit(phantoms.images)
    # Real and synthetic images in the discriminator's step, and the synthetic in the generator's.
    assert len(seen) == 3
    assert all(a is b for a, b in zip(seen, changed, strict=True))
    real, fake, updated = (x.detach().float().std() for x in seen)
    assert real > 3 * fake
    assert fake == updated
    # The generator learns through it, in the precision of coordinates.
    assert [x.requires_grad for x in changed] == [False, False, True]
    assert {x.dtype for x in changed} == {torch.float32}


def test_sameness_is_the_ratio_of_distances():
    z = torch.tensor([0.0, 1.0, 3.0]).view(3, 1, 1, 1)
    images = torch.tensor([0.0, 0.2, 0.2]).view(3, 1, 1, 1)
    # Distances of images over those of z: 0.2 / 3, 0.2 / 1 and 0 / 2.
    expected = 1 / ((0.2 / 3 + 0.2 + 0) / 3 + 1e-5)
    assert mode_seeking_loss(images, z).item() == pytest.approx(expected)


def test_mode_seeking_makes_samples_more_different(tiny_gan, phantoms):
    tiny_gan.set_params(max_epochs=30, lr=1e-3)
    spreads = [
        clone(tiny_gan).set_params(mode_seeking=w).fit(phantoms.images).sample(64, 0).std(0).mean()
        for w in (0, 1)
    ]
    assert spreads[1] > 1.2 * spreads[0]


def test_warm_start_goes_on_from_the_last_networks(tiny_gan, phantoms):
    def of_both(gan):
        return weights(gan), torch.cat([p.flatten() for p in gan.discriminator_.parameters()])

    tiny_gan.set_params(lr=1e-12, warm_start=True)
    first = of_both(tiny_gan.fit(phantoms.images[:24]))
    tiny_gan.set_params(random_state=1)
    torch.testing.assert_close(of_both(tiny_gan.fit(phantoms.images[24:])), first)
    tiny_gan.set_params(warm_start=False)
    for net, before in zip(of_both(tiny_gan.fit(phantoms.images[24:])), first, strict=True):
        assert not torch.allclose(net, before)


def test_warm_start_refuses_networks_of_another_shape(tiny_gan, phantoms):
    tiny_gan.fit(phantoms.images).set_params(warm_start=True, base_width=8)
    with pytest.raises(ValueError, match=r"warm_start=True .* base_width=4, .* base_width=8"):
        tiny_gan.fit(phantoms.images)


def test_joblib_round_trip(tiny_gan, phantoms, tmp_path):
    gan = tiny_gan.fit(phantoms.data)
    joblib.dump(gan, tmp_path / "gan.joblib")
    loaded = joblib.load(tmp_path / "gan.joblib")
    np.testing.assert_array_equal(loaded.sample(3, 0), gan.sample(3, 0))
    assert_frame_equal(loaded.history_, gan.history_)


def test_verbose_shows_the_papers_line(tiny_gan, phantoms, capfd):
    tiny_gan.set_params(verbose=1).fit(phantoms.data)
    err = capfd.readouterr().err
    assert "Epoch 1 2/2" in err
    for word in ("Loss_D", "Loss_G", "D(x)", "D(G(z))"):
        assert word in err


def test_silent_by_default(tiny_gan, phantoms, capfd):
    tiny_gan.fit(phantoms.data)
    assert capfd.readouterr() == ("", "")


def test_divergence_stops_with_advice_and_keeps_no_generator(phantoms):
    gan = DCGAN(image_size=16, base_width=4, lr=1e6, max_epochs=20, steps_per_epoch=5)
    with pytest.raises(FloatingPointError, match=r"diverged in epoch \d+: .*Try a smaller lr"):
        gan.fit(phantoms.data)
    assert not hasattr(gan, "generator_")


def test_a_failed_refit_leaves_the_first_fit_as_it_was(tiny_gan, phantoms):
    gan = tiny_gan.fit(phantoms.data)
    before = gan.sample(3, 0)
    with pytest.raises(FloatingPointError):
        gan.set_params(lr=1e6, max_epochs=20).fit(phantoms.data / 2)
    np.testing.assert_array_equal(gan.sample(3, 0), before)


def test_a_generator_of_nans_is_never_returned(tiny_gan, phantoms, monkeypatch):
    """The last update comes after the last loss, so the weights are looked at themselves."""
    epoch = GANTraining.run_epoch

    def unsuspicious(self, *args):
        return dict.fromkeys(epoch(self, *args), 0.5)

    monkeypatch.setattr(GANTraining, "run_epoch", unsuspicious)
    with pytest.raises(FloatingPointError, match="the generator's weights are not finite"):
        tiny_gan.set_params(lr=1e30, max_epochs=3).fit(phantoms.data)


def test_parameters_may_be_numpys(tiny_gan, phantoms):
    tiny_gan.set_params(
        max_epochs=np.int64(1),
        batch_size=np.int32(4),
        image_size=np.int64(16),
        lr=np.float32(1e-4),
        betas=(np.float32(0.5), 0.9),
    )
    assert len(tiny_gan.fit(phantoms.data).sample(np.int64(3))) == 3


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"max_epochs": 0}, "'max_epochs' parameter of DCGAN must be"),
        ({"lr": -1.0}, "'lr' parameter of DCGAN must be"),
        ({"batch_size": 1}, "'batch_size' parameter of DCGAN must be"),
        ({"image_size": 50}, "'image_size' parameter of DCGAN must be"),
        ({"augment": "heavy"}, "'augment' parameter of DCGAN must be"),
        ({"betas": (0.5, 1.0)}, r"betas must be two numbers in \[0, 1\), got \(0.5, 1.0\)"),
        ({"betas": ("a", "b")}, r"betas must be two numbers in"),
        ({"image_shape": (256,)}, r"image_shape=\(256,\) must be \(height, width\) or"),
        ({"image_shape": (-16, -16)}, r"image_shape=\(-16, -16\) must be"),
        ({"device": "gpu"}, "device='gpu' cannot be used here"),
    ],
)
def test_bad_parameters_are_named(tiny_gan, phantoms, params, message):
    with pytest.raises(ValueError, match=message):
        tiny_gan.set_params(**params).fit(phantoms.data)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((1, 256)), "1 sample"),
        (np.full((3, 256), np.nan), "NaN"),
        (np.zeros((3, 32, 32)), "images of 32x32, larger than image_size=16"),
        (np.zeros((3, 2, 16, 16)), "Images must have 1 or 3 channels"),
    ],
)
def test_bad_images_are_refused(tiny_gan, X, message):
    with pytest.raises(ValueError, match=message):
        tiny_gan.fit(X)


@pytest.mark.parametrize("n_samples", [0, -1, 2.5, True])
def test_bad_numbers_of_samples_are_refused(tiny_gan, phantoms, n_samples):
    gan = tiny_gan.fit(phantoms.data)
    with pytest.raises(ValueError, match="n_samples must be an int >= 1"):
        gan.sample(n_samples)


@pytest.mark.cuda
def test_cuda_leaves_nothing_of_itself_behind(tiny_gan, phantoms):
    gan = tiny_gan.set_params(device="cuda").fit(phantoms.data)
    assert all(p.device.type == "cpu" for p in gan.generator_.parameters())
    assert all(b.device.type == "cpu" for b in gan.discriminator_.buffers())
    assert gan.sample(2, random_state=0).shape == (2, 256)


@pytest.mark.cuda
@pytest.mark.parametrize("recipe", [DCGAN, DCGAN.paper])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_cuda_repeats_a_training_bit_for_bit(phantoms, recipe, precision):
    params = {"image_size": 16, "base_width": 8, "batch_size": 8, "steps_per_epoch": 12}
    gan = recipe(**params, max_epochs=2, device="cuda", precision=precision, random_state=0)
    first, second = (gan.fit(phantoms.data).generator_.state_dict() for _ in range(2))
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
