import json

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import kstest

from skcxr import DCGAN
from skcxr._base.images import ImageSpec
from skcxr.datasets import make_chest_phantoms
from skcxr.metrics import audit
from skcxr.metrics._audit._equality import find_equal
from skcxr.metrics._audit._power import STEPS, make_probes
from skcxr.metrics._audit._statistics import (
    authenticity,
    copy_p_values,
    copying_score,
    distance_ratios,
    membership_auc,
    share_nearer_to_train,
)

COPIES, SUSPICIOUS, CLEAN = "copies found", "suspicious", "no sign of copying"
CANNOT_TELL = "cannot tell"
SIZE = 32


def gradients(X):
    """Stand-in for learned features: magnitudes of slopes, averaged over blocks."""
    dy, dx = np.gradient(X.reshape(-1, SIZE, SIZE).astype(float), axis=(1, 2))
    slopes = np.stack([np.maximum(s, 0) for s in (dx, -dx, dy, -dy)], axis=1)
    blocks = slopes.reshape(len(X), 4, SIZE // 4, 4, SIZE // 4, 4).mean(axis=(3, 5))
    return np.sqrt(blocks.reshape(len(X), -1))


def shift(X):
    """Return the images, each shifted by a pixel in one of four directions."""
    steps = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    return np.stack([np.roll(x, steps[i % 4], (0, 1)) for i, x in enumerate(X)])


def add_noise(X):
    noise = np.random.default_rng(5).normal(0, 0.05 * np.ptp(X), X.shape)
    return X + noise


CASES = {
    "exact": lambda X: X,
    "shifted": shift,
    "mirrored": lambda X: X[..., ::-1],
    "noisy": add_noise,
    "darker": lambda X: 0.8 * X,
}


@pytest.fixture(scope="module")
def clean_sets():
    """60 + 60 + 60 phantoms of one class: synthetic, train and hold-out without copying."""
    X = make_chest_phantoms(180, classes=["covid"], image_size=SIZE, random_state=3)
    return np.split(X.data.reshape(-1, SIZE, SIZE).astype(float), 3)


def draw_gaussians(seed, *sizes, d=16):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, d)) for n in sizes]


def select_values(result, statistic):
    rows = result.table[result.table["statistic"] == statistic]
    return rows.set_index("space")["value"]


# --- planted cases


@pytest.mark.parametrize("n_copies", [60, 30, 3])
@pytest.mark.parametrize("case", CASES)
def test_planted_copies_are_found(clean_sets, case, n_copies):
    synthetic, train, holdout = clean_sets
    synthetic = np.concatenate([CASES[case](train[:n_copies]), synthetic[n_copies:]])
    result = audit(
        synthetic, train, holdout, features=gradients, n_bootstrap=200, n_pairs=60, random_state=0
    )
    assert result.verdict == COPIES
    found = [p for p in result.pairs if p.copy]
    assert all(p.synthetic == p.train < n_copies for p in found)
    copied = select_values(result, "copied images")
    assert copied["pixels"] == len(found) == n_copies
    # Alone, these features would miss noisy copies, and some of three shifted ones.
    if case != "noisy" and n_copies > 3:
        assert copied["gradients features"] > 0


def test_clean_samples_raise_no_alarm(clean_sets):
    result = audit(*clean_sets, features=gradients, random_state=0)
    assert result.verdict == CLEAN
    assert not result.table["alarm"].any()
    assert not any(p.copy for p in result.pairs)
    shares = result.table[result.table["statistic"] == "share nearer to train"]
    assert len(shares) == 2
    assert ((shares["low"] < 0.5) & (shares["high"] > 0.5)).all()


def test_false_alarms_are_rare():
    # At the measured rates, about 3 % and 0.5 %, more than 4 and 2 of 40 are one in a hundred.
    verdicts = []
    for seed in range(40):
        sets = draw_gaussians(seed, 60, 60, 60)
        verdicts.append(audit(*sets, features=None, n_bootstrap=200, random_state=0).verdict)
    assert verdicts.count(COPIES) + verdicts.count(SUSPICIOUS) <= 4
    assert verdicts.count(COPIES) <= 2


def test_smooth_averages_are_suspicious_but_not_copies(clean_sets):
    synthetic, train, holdout = clean_sets
    averages = 0.5 * synthetic + 0.5 * synthetic.mean(axis=0)
    result = audit(averages, train, holdout, features=None, random_state=0)
    assert result.verdict == SUSPICIOUS
    assert "smooth averages" in result.reading


def test_many_weak_copies_are_found_together():
    # A correlation of 0.2 with a training record is too little for any pair to stand out.
    synthetic, train, holdout = draw_gaussians(0, 300, 60, 60, d=400)
    synthetic = 0.2 * train[np.arange(300) % 60] + 0.98 * synthetic
    result = audit(synthetic, train, holdout, features=lambda X: X, random_state=0)
    assert select_values(result, "copied images")["<lambda> features"] == 0
    assert result.verdict == COPIES
    assert "No single pair stands out" in result.reading


# --- power


def plant(synthetic, train, n_copies=3):
    """Return the synthetic images, the first of them near-copies of training images."""
    return np.concatenate([add_noise(shift(train[:n_copies])), synthetic[n_copies:]])


def test_too_few_hold_out_images_cannot_tell(clean_sets):
    """With 3 hold-out images, 3 near-copies among 30 images were "no sign of copying"."""
    synthetic, train, holdout = (x[:30] for x in clean_sets)
    few = audit(plant(synthetic, train), train, holdout[:3], features=None, random_state=0)
    assert few.verdict == CANNOT_TELL
    assert not few.passed
    assert few.power < 0.8
    assert 3 < few.n_holdout_needed <= 30
    assert few.reading.startswith("Cannot tell: the audit compared 30 synthetic images with 30")
    assert few.limitation in few.reading
    assert f"It would take about {few.n_holdout_needed} hold-out images." in few.limitation
    enough = audit(plant(synthetic, train), train, holdout, features=None, random_state=0)
    assert enough.verdict == COPIES


def test_the_suggested_hold_out_gives_the_power(clean_sets):
    synthetic, train, holdout = clean_sets
    few = audit(synthetic, train, holdout[:5], features=None, random_state=0)
    assert few.verdict == CANNOT_TELL
    enough = audit(synthetic, train, holdout[: few.n_holdout_needed], features=None, random_state=0)
    assert enough.verdict == CLEAN
    assert enough.power >= 0.8
    assert (enough.limitation, enough.n_holdout_needed, enough.passed) == ("", None, True)


@pytest.mark.parametrize("n_holdout", [10, 60])
def test_power_is_the_share_of_near_copies_that_are_found(clean_sets, n_holdout):
    """Planted as all synthetic images, the audit reports this share of them."""
    _, train, holdout = clean_sets
    holdout = holdout[:n_holdout]
    probes = make_probes(train, ImageSpec.of(np.concatenate([train, holdout])))
    result = audit(probes, train, holdout, features=gradients, n_pairs=60, random_state=0)
    assert np.mean([p.copy for p in result.pairs]) == pytest.approx(result.power)
    assert result.power > 0.1


def test_probes_are_shifted_by_a_pixel_with_noise_of_5_percent(clean_sets):
    train = clean_sets[1]
    probes = make_probes(train, ImageSpec.of(train))
    noise = probes - np.stack([np.roll(x, STEPS[i % 4], (0, 1)) for i, x in enumerate(train)])
    inside = (train > 60) & (train < 200)
    assert noise[np.roll(inside, 1, 1)].std() == pytest.approx(0.05 * np.ptp(train), rel=0.1)
    assert probes.min() >= train.min()
    assert probes.max() <= train.max()
    many = np.concatenate([train] * 3)
    assert len(make_probes(many, ImageSpec.of(many))) == 100
    assert make_probes(train.astype(np.uint8), ImageSpec.of(train.astype(np.uint8))).dtype == "u1"


def test_a_finding_is_reported_at_any_power(clean_sets):
    synthetic, train, holdout = clean_sets
    synthetic = np.concatenate([train[:30], synthetic[:30]])
    result = audit(synthetic, train, holdout[:3], features=None, random_state=0)
    assert result.power < 0.8
    assert result.verdict == COPIES
    assert result.limitation in result.reading


@pytest.mark.parametrize("change", ["exact", "darker", "8 bits", "mirrored", "negative"])
@pytest.mark.parametrize("n_holdout", [2, 3])
def test_equal_images_are_found_with_any_hold_out(clean_sets, change, n_holdout):
    synthetic, train, holdout = (x[:30].copy() for x in clean_sets)
    copied = {
        "exact": train[4],
        "darker": 0.3 * train[4] + 20,
        "8 bits": np.rint(0.5 * train[4] + 9),
        "mirrored": train[4, :, ::-1],
        "negative": 255 - train[4],
    }
    synthetic[7] = copied[change]
    result = audit(synthetic, train, holdout[:n_holdout], features=None, random_state=0)
    assert result.verdict == COPIES
    (pair,) = (p for p in result.pairs if p.copy)
    assert (pair.synthetic, pair.train, pair.mirrored) == (7, 4, change == "mirrored")


def test_images_that_are_only_similar_are_not_equal(clean_sets):
    images, real, _ = clean_sets
    spec = ImageSpec.of(real)
    assert not find_equal(images, real, spec)[0].any()
    assert not find_equal(add_noise(real), real, spec)[0].any()
    blank = np.full_like(real[:2], 7.0)
    assert not find_equal(blank, np.concatenate([blank, real]), spec)[0].any()
    few_pixels = np.random.default_rng(0).normal(size=(20, 2))
    assert not find_equal(few_pixels, few_pixels[::-1] + 1, ImageSpec.of(few_pixels))[0].any()


# --- train and hold-out swapped


def test_copies_of_the_hold_out_are_a_finding(clean_sets):
    """With train and hold-out swapped, exact copies were "no sign of copying"."""
    synthetic, train, holdout = clean_sets
    synthetic = np.concatenate([train[:3], synthetic[3:]])
    result = audit(synthetic, holdout, train, features=None, random_state=0)
    assert result.verdict == COPIES
    assert "3 synthetic images equal a hold-out image" in result.reading
    assert "the training images and the hold-out may be swapped" in result.limitation
    assert select_values(result, "equal to hold-out images")["pixels"] == 3
    assert select_values(result, "copied images")["pixels"] == 0


def test_near_copies_of_the_hold_out_cannot_pass(clean_sets):
    synthetic, train, holdout = clean_sets
    result = audit(plant(synthetic, train), holdout, train, features=None, random_state=0)
    assert result.power >= 0.8
    assert result.verdict == CANNOT_TELL
    assert "may be swapped" in result.reading
    assert select_values(result, "copied hold-out images")["pixels"] == 3


# --- single statistics


def test_authenticity_of_independent_draws():
    draws = []
    for seed in range(100):
        synthetic, train = draw_gaussians(seed, 60, 60)
        draws.append(authenticity(cdist(synthetic, train), cdist(train, train)))
    # A draw's standard deviation is 0.08, so the mean's is 0.008.
    assert np.mean(draws) == pytest.approx(0.66, abs=0.025)


def test_wrong_indexing_gives_another_authenticity():
    def published_code(synthetic, train):
        within = cdist(train, train)
        np.fill_diagonal(within, np.inf)
        to_synthetic = cdist(train, synthetic)
        closest = to_synthetic.argmin(axis=1)
        return np.mean(within.min(axis=1)[closest] < to_synthetic.min(axis=1))

    draws = [published_code(*draw_gaussians(seed, 60, 60)) for seed in range(100)]
    assert np.mean(draws) == pytest.approx(0.5, abs=0.025)


def test_authenticity_of_copies_is_zero():
    (train,) = draw_gaussians(0, 60)
    assert authenticity(cdist(train, train), cdist(train, train)) == 0


def test_distance_ratios_of_duplicated_training_records_are_defined():
    train = np.array([[0.0], [0.0], [1.0], [5.0]])
    ratios = distance_ratios(cdist([[0.0], [0.5]], train))
    np.testing.assert_array_equal(ratios, [0, 1])


def test_a_fifth_neighbour_sees_noisy_copies_of_duplicated_records():
    train, holdout = draw_gaussians(0, 30, 60)
    train = np.repeat(train, 2, axis=0)
    noisy_copies = train[::2] + 0.05
    ratios = distance_ratios(cdist(noisy_copies, train))
    np.testing.assert_allclose(ratios, 1)
    p_values = copy_p_values(cdist(noisy_copies, train), cdist(holdout, train))
    assert (p_values * len(p_values) < 0.01).all()


def test_copy_p_values_are_uniform_in_the_tail():
    below = []
    for seed in range(100):
        synthetic, train, holdout = draw_gaussians(seed, 60, 60, 60)
        below.append(copy_p_values(cdist(synthetic, train), cdist(holdout, train)) < 0.05)
    # 6000 p-values, correlated within a draw: the standard error is below 0.005.
    assert np.mean(below) == pytest.approx(0.05, abs=0.015)


def test_with_equal_hold_out_ratios_only_exact_copies_have_a_p_value_below_1():
    to_train = np.array([[0.0, 1.0], [0.1, 1.0]])
    holdout_to_train = np.array([[1.0, 2.0], [2.0, 4.0]])
    np.testing.assert_array_equal(copy_p_values(to_train, holdout_to_train), [0, 1])


@pytest.mark.parametrize(("n_train", "n_holdout"), [(60, 60), (90, 30), (30, 90)])
def test_share_is_a_half_without_copying_for_all_sizes(n_train, n_holdout):
    rng = np.random.RandomState(0)
    shares, p_values = [], []
    for seed in range(100):
        synthetic, train, holdout = draw_gaussians(seed, 60, n_train, n_holdout)
        share, low, high, p_value = share_nearer_to_train(
            cdist(synthetic, train), cdist(synthetic, holdout), n_draws=200, rng=rng
        )
        assert low <= share <= high
        shares.append(share)
        p_values.append(p_value)
    # The standard error is 0.01; the ratio of votes is biased by up to 0.01.
    assert np.mean(shares) == pytest.approx(0.5, abs=0.03)
    assert np.mean(np.array(p_values) < 0.05) < 0.1


def test_share_is_one_for_copies_for_unequal_sizes():
    train, holdout = draw_gaussians(0, 90, 30)
    share, *_, p_value = share_nearer_to_train(
        cdist(train, train), cdist(train, holdout), rng=np.random.RandomState(0)
    )
    assert share == 1
    assert p_value < 0.01


def test_records_equally_near_to_both_sets_vote_for_both():
    to_train, to_holdout = np.ones((10, 4)), np.ones((10, 4))
    share, *_ = share_nearer_to_train(to_train, to_holdout, rng=np.random.RandomState(0))
    assert share == 0.5


def test_one_repeated_synthetic_image_is_no_evidence():
    synthetic, train, holdout = draw_gaussians(0, 1, 60, 60)
    collapsed = np.repeat(synthetic, 60, axis=0)
    *_, p_value = share_nearer_to_train(
        cdist(collapsed, train), cdist(collapsed, holdout), rng=np.random.RandomState(0)
    )
    assert p_value > 0.3


def test_copying_score_is_standard_normal_without_copying():
    scores = []
    for seed in range(200):
        synthetic, train, holdout = draw_gaussians(seed, 60, 60, 60)
        scores.append(copying_score(cdist(synthetic, train), cdist(holdout, train)))
    assert kstest(scores, "norm").pvalue > 0.01


def test_copying_score_of_copies_and_of_misses():
    train, holdout = draw_gaussians(0, 60, 60)
    holdout_to_train = cdist(holdout, train)
    assert copying_score(cdist(train, train), holdout_to_train) < -9
    assert copying_score(cdist(train + 9, train), holdout_to_train) > 9


def test_copying_in_one_cell_is_seen_in_that_cell():
    holdout = np.arange(40.0)[:, None]
    copied = np.concatenate([np.zeros(20), np.arange(20, 40.0)])[:, None]
    cells = np.repeat([0, 1], 20)
    in_cells = copying_score(copied, holdout, cells, cells)
    both = [copying_score(copied[c], holdout[c]) for c in (cells == 0, cells == 1)]
    assert in_cells == pytest.approx(np.mean(both))
    assert both[0] < -4.5
    assert both[1] == 0


def test_small_cells_are_left_out():
    holdout, copied = np.arange(45.0)[:, None], np.zeros((45, 1))
    cells = np.repeat([0, 1], [40, 5])
    assert copying_score(copied, holdout, cells, cells) == copying_score(copied[:40], holdout[:40])


def test_membership_auc_of_independent_scores():
    rng = np.random.RandomState(0)
    results = [membership_auc(*rng.normal(size=(2, 60)), n_draws=200, rng=rng) for _ in range(100)]
    auc, low, high, p_value = np.transpose(results)
    # The standard error of the mean is 0.005.
    assert auc.mean() == pytest.approx(0.5, abs=0.02)
    assert np.mean((low <= 0.5) & (high >= 0.5)) > 0.88
    assert np.mean(p_value < 0.05) < 0.1


def test_membership_auc_of_copies_is_one():
    train, holdout = draw_gaussians(0, 60, 60)
    scores = [-cdist(train, x).min(axis=0) for x in (train, holdout)]
    auc, low, high, p_value = membership_auc(*scores, rng=np.random.RandomState(0))
    assert (auc, low, high) == (1, 1, 1)
    assert p_value < 1e-9


# --- the audit as a whole


def test_order_of_the_images_does_not_matter(clean_sets):
    synthetic, train, holdout = clean_sets
    synthetic = np.concatenate([train[:2], synthetic[2:]])
    first = audit(synthetic, train, holdout, features=gradients, random_state=0)
    rng = np.random.default_rng(0)
    order = [rng.permutation(60) for _ in range(3)]
    again = audit(
        synthetic[order[0]],
        train[order[1]],
        holdout[order[2]],
        features=gradients,
        random_state=0,
    )
    np.testing.assert_allclose(again.table["value"], first.table["value"])
    assert again.verdict == first.verdict
    pairs = {(order[0][p.synthetic], order[1][p.train]) for p in again.pairs}
    assert pairs == {(p.synthetic, p.train) for p in first.pairs}


def test_results_are_reproducible(clean_sets):
    first, again = (audit(*clean_sets, features=None, random_state=7) for _ in range(2))
    assert first.table.equals(again.table)


@pytest.mark.parametrize("shape", [(SIZE * SIZE,), (SIZE, SIZE), (1, SIZE, SIZE)])
def test_layouts_and_ranges_give_one_result(clean_sets, shape):
    expected = audit(*clean_sets, features=None, random_state=0)
    images = (2000 * x.reshape(-1, *shape) + 5 for x in clean_sets)
    result = audit(*images, features=None, random_state=0)
    np.testing.assert_allclose(result.table["value"], expected.table["value"], atol=1e-5)
    assert result.pairs[0].train_image.shape == (SIZE, SIZE)


def test_flat_rows_of_another_shape_need_image_shape(clean_sets):
    wide = [x[:, : SIZE // 2].reshape(60, -1) for x in clean_sets]
    wide[0] = np.concatenate([clean_sets[1][:3, : SIZE // 2, ::-1].reshape(3, -1), wide[0][3:]])
    options = {"features": None, "random_state": 0}
    result = audit(*wide, image_shape=(SIZE // 2, SIZE), **options)
    assert result.verdict == COPIES
    assert result.pairs[0].mirrored
    # Rows that fill no square have no mirror image.
    assert audit(*wide, **options).verdict == CANNOT_TELL


def test_colour_images(clean_sets):
    synthetic, train, holdout = (np.repeat(x[:, None], 3, axis=1) for x in clean_sets)
    synthetic = np.concatenate([train[:1], synthetic])
    result = audit(synthetic, train, holdout, features=None, random_state=0)
    assert (result.pairs[0].synthetic, result.pairs[0].train) == (0, 0)
    assert result.pairs[0].synthetic_image.shape == (3, SIZE, SIZE)


def test_pairs_show_what_was_copied(clean_sets):
    synthetic, train, holdout = clean_sets
    synthetic = synthetic.copy()
    synthetic[11] = train[22, :, ::-1]
    result = audit(synthetic, train, holdout, features=None, n_pairs=3, random_state=0)
    first = result.pairs[0]
    assert (first.synthetic, first.train, first.mirrored, first.copy) == (11, 22, True, True)
    assert first.distance == pytest.approx(0, abs=1e-9)
    np.testing.assert_array_equal(first.synthetic_image, first.train_image[:, ::-1])
    assert len(result.pairs) == 3
    assert [p.copy for p in result.pairs[1:]] == [False, False]
    assert "synthetic image 11 and training image 22, mirrored" in result.reading


def test_a_single_synthetic_image(clean_sets):
    synthetic, train, holdout = clean_sets
    assert audit(synthetic[:1], train, holdout, features=gradients).verdict == CLEAN
    result = audit(train[:1], train, holdout, features=gradients)
    assert result.verdict == COPIES
    assert "compared 1 synthetic image with 60 training and 60 hold-out images" in result.reading
    assert "In pixels, 1 synthetic image is closer" in result.reading


def test_two_real_images_of_each_kind(clean_sets):
    synthetic, train, holdout = clean_sets
    result = audit(synthetic[:5], train[:2], holdout[:2], features=gradients, random_state=0)
    assert result.verdict == CANNOT_TELL
    result = audit(train[:2], train[:2], holdout[:2], features=gradients, random_state=0)
    assert result.verdict == COPIES


def test_duplicates_in_train_are_not_copies_in_synthetic(clean_sets):
    synthetic, train, holdout = clean_sets
    twice = np.concatenate([train[:30], train[:30]])
    assert audit(synthetic, twice, holdout, features=gradients, random_state=0).verdict == CLEAN
    synthetic = np.concatenate([add_noise(train[:2]), synthetic[2:]])
    result = audit(synthetic, twice, holdout, features=gradients, random_state=0)
    assert [p.synthetic for p in result.pairs if p.copy] in ([0, 1], [1, 0])


def test_blank_images_are_compared(clean_sets):
    synthetic, train, holdout = clean_sets
    blank = np.zeros_like(train[:1])
    result = audit(np.concatenate([blank, synthetic]), train, holdout, features=None)
    assert result.verdict == CLEAN


def test_large_sets_are_compared_in_cells():
    sets = draw_gaussians(0, 130, 130, 130)
    result = audit(*sets, features=None, random_state=0)
    assert not result.table["alarm"].any()
    assert abs(select_values(result, "C_T")["pixels"]) < 3


def test_a_discriminator_that_knows_its_training_images(clean_sets):
    known = {x.tobytes() for x in clean_sets[1]}
    noise = np.random.default_rng(0)

    def discriminator(X):
        return np.array([(x.tobytes() in known) for x in X]) + noise.normal(size=len(X))

    result = audit(*clean_sets, features=None, discriminator=discriminator, random_state=0)
    row = result.table.iloc[-1]
    assert row["space"] == "discriminator"
    assert row["low"] > 0.5
    assert row["alarm"]
    assert "discriminator's logits" in result.reading
    # The images themselves are clean.
    assert result.verdict == CLEAN


def test_a_fitted_dcgan_is_a_discriminator(phantoms, tiny_gan):
    train, holdout = np.split(phantoms.data, 2)
    gan = tiny_gan.fit(train)
    assert isinstance(gan, DCGAN)
    synthetic = gan.sample(8, random_state=0)
    result = audit(synthetic, train, holdout, features=None, discriminator=gan, random_state=0)
    logits = [gan.decision_function(X) for X in (train, holdout)]
    expected, *_ = membership_auc(*logits, rng=np.random.RandomState(0))
    assert result.table.iloc[-1]["value"] == expected


def test_without_features_only_pixels_are_compared(clean_sets):
    result = audit(*clean_sets, features=None, random_state=0)
    assert set(result.table["space"]) == {"pixels"}


def test_result_as_json(clean_sets):
    result = audit(clean_sets[1], *clean_sets[1:], features=gradients, random_state=0)
    restored = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert restored["verdict"] == COPIES
    assert restored["passed"] is False
    assert (restored["power"], restored["limitation"]) == (result.power, "")
    assert restored["n_holdout_needed"] is None
    assert len(restored["pairs"]) == 8
    assert restored["pairs"][0]["train"] == result.pairs[0].train
    assert len(restored["table"]) == len(result.table)
    assert restored["table"][0]["alarm"] is True
    assert restored["table"][0]["low"] is None


def test_the_printed_result_holds_reading_and_table(clean_sets):
    result = audit(*clean_sets, features=None, random_state=0)
    text = str(result)
    assert text.startswith(result.reading)
    assert "not a guarantee" in text
    assert "share nearer to train" in text
    assert "\n" not in result.reading


# --- errors


def test_layouts_that_differ(clean_sets):
    synthetic, train, holdout = clean_sets
    with pytest.raises(ValueError, match=r"synthetic \(60, 16, 32\), train \(60, 32, 32\)"):
        audit(synthetic[:, ::2], train, holdout)


@pytest.mark.parametrize(("name", "n"), [("synthetic", 0), ("train", 1), ("holdout", 1)])
def test_too_few_images(clean_sets, name, n):
    sets = dict(zip(("synthetic", "train", "holdout"), clean_sets, strict=True))
    sets[name] = sets[name][:n]
    with pytest.raises(ValueError, match=rf"{name} must hold .* or more images, got .*\({n}, "):
        audit(**sets)


@pytest.mark.parametrize("name", ["synthetic", "train", "holdout"])
def test_values_that_are_not_finite(clean_sets, name):
    sets = dict(zip(("synthetic", "train", "holdout"), map(np.copy, clean_sets), strict=True))
    sets[name][3, 4, 5] = np.nan
    with pytest.raises(ValueError, match=f"{name} holds NaN or infinity in 1 of 60 .* index 3"):
        audit(**sets)


def test_a_hold_out_that_the_generator_saw(clean_sets):
    synthetic, train, holdout = clean_sets
    leaked = np.concatenate([holdout[:7], train[3:4]])
    with pytest.raises(ValueError, match=r"holdout holds 1 of the images in train, .* index 7"):
        audit(synthetic, train, leaked)


def test_a_discriminator_of_the_wrong_shape(clean_sets):
    with pytest.raises(ValueError, match=r"shape \(60, 2\) for 60 images"):
        audit(*clean_sets, features=None, discriminator=lambda X: np.ones((len(X), 2)))


@pytest.mark.parametrize("dtype", [complex, object, str])
def test_images_of_other_dtypes_are_refused(dtype):
    X = np.ones((4, 8, 8))
    with pytest.raises(ValueError, match=r"holdout has dtype .*Pass images of real numbers"):
        audit(X, X, X.astype(dtype), features=None)


def test_equal_training_images_give_no_warning_of_clusters():
    """Warnings are errors here. From 120 images on, distances are also compared within clusters."""
    rng = np.random.default_rng(0)
    synthetic, holdout = rng.normal(size=(2, 120, 16))
    train = np.repeat(rng.normal(size=(1, 16)), 120, axis=0)
    result = audit(synthetic, train, holdout, features=None, random_state=0)
    # One point is not like the spread of the hold-out.
    assert result.verdict == "suspicious"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_discriminator_that_diverged(clean_sets, value):
    """NaN passed the test of membership."""
    with pytest.raises(ValueError, match="logits that are NaN or infinite"):
        audit(*clean_sets, features=None, discriminator=lambda X: np.full(len(X), value))


def test_values_that_overflow(clean_sets):
    """Distances of NaN passed every test."""
    synthetic, train, holdout = clean_sets
    with pytest.raises(ValueError, match=r"synthetic from 0 to .*e\+30.*Scale all images alike"):
        audit(1e300 * synthetic, train, holdout, features=None)
    with pytest.raises(ValueError, match="values of the real images are from -1"):
        audit(synthetic, 1e305 * train - 1e308, 4e305 * holdout, features=None)
    with pytest.raises(ValueError, match="too large for float64"):
        audit(*clean_sets, features=lambda X: 1e200 * X.reshape(len(X), -1))
