import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.stats import kstest, ortho_group

from skcxr.metrics import (
    frechet_distance,
    inception_score,
    intra_diversity,
    kernel_distance,
    precision_recall_density_coverage,
)

DISTANCES = {
    "frechet": frechet_distance,
    "kernel": lambda A, B: kernel_distance(A, B, n_permutations=0).value,
}


@pytest.fixture(params=DISTANCES)
def distance(request):
    return DISTANCES[request.param]


def draw(n, d, seed=0, shift=0.0, scale=1.0):
    return np.random.default_rng(seed).normal(shift, scale, (n, d))


def draw_with_moments(mean, covariance, n=200, seed=0):
    """Return a sample with exactly this mean and covariance."""
    white = draw(n, len(mean), seed)
    white -= white.mean(axis=0)
    white = np.linalg.solve(np.linalg.cholesky(np.cov(white.T)), white.T).T
    return mean + white @ np.linalg.cholesky(covariance).T


def test_frechet_distance_of_gaussians_is_the_closed_form():
    """Commuting covariances: squared differences of means and of standard deviations."""
    basis = ortho_group.rvs(4, random_state=0)
    first, second = np.array([1.0, 4, 9, 16]), np.array([4.0, 1, 9, 25])
    A = draw_with_moments(np.zeros(4), basis @ np.diag(first) @ basis.T)
    B = draw_with_moments(np.arange(4.0), basis @ np.diag(second) @ basis.T, n=77, seed=1)
    expected = (0 + 1 + 4 + 9) + (1 + 1 + 0 + 1)
    assert frechet_distance(A, B) == pytest.approx(expected, rel=1e-10)


def test_frechet_distance_is_heusels_equation_for_any_covariances():
    A, B = draw(300, 6) @ draw(6, 6, seed=1), draw(200, 6, seed=2, shift=0.3)
    S, T = np.cov(A.T), np.cov(B.T)
    trace = np.trace(S + T - 2 * sqrtm(S @ T).real)
    expected = ((A.mean(0) - B.mean(0)) ** 2).sum() + trace
    assert frechet_distance(A, B) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_with_fewer_images_than_features():
    """Rotating both sets into a larger space changes nothing; there a matrix root is singular."""
    A, B = draw(12, 5), draw(9, 5, seed=1, shift=1.0)
    embed = np.linalg.qr(draw(64, 64, seed=2))[0][:5]
    assert frechet_distance(A @ embed, B @ embed) == pytest.approx(
        frechet_distance(A, B), rel=1e-10
    )


class Columns(torch.nn.Module):
    """Feature extractor for torchmetrics, for images that are already features."""

    num_features = 16

    def forward(self, x):
        return x


def draw_two_sets():
    return draw(400, 16), draw(300, 16, seed=1, shift=0.2, scale=1.3)


def test_frechet_distance_agrees_with_torchmetrics():
    from torchmetrics.image.fid import FrechetInceptionDistance

    A, B = draw_two_sets()
    metric = FrechetInceptionDistance(feature=Columns()).set_dtype(torch.float64)
    metric.update(torch.from_numpy(A), real=True)
    metric.update(torch.from_numpy(B), real=False)
    assert frechet_distance(A, B) == pytest.approx(metric.compute().item(), rel=1e-4)


def test_frechet_distance_agrees_with_torch_fidelity():
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    A, B = draw_two_sets()
    statistics = [fid_features_to_statistics(torch.from_numpy(values)) for values in (A, B)]
    theirs = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert frechet_distance(A, B) == pytest.approx(theirs, rel=1e-4)


def test_kernel_distance_agrees_with_torchmetrics():
    from torchmetrics.image.kid import poly_mmd

    A, B = (values[:300] for values in draw_two_sets())
    theirs = poly_mmd(torch.from_numpy(A), torch.from_numpy(B)).item()
    assert kernel_distance(A, B, n_permutations=0).value == pytest.approx(theirs, rel=1e-9)


def test_kernel_distance_agrees_with_torch_fidelity():
    from torch_fidelity.metric_kid import kid_features_to_metric

    A, B = (torch.from_numpy(values[:300]) for values in draw_two_sets())
    theirs = kid_features_to_metric(A, B, kid_subsets=1, kid_subset_size=300, verbose=False)
    ours = kernel_distance(A, B, n_permutations=0).value
    assert ours == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-9)


def test_inception_score_agrees_with_torch_fidelity():
    from torch_fidelity.metric_isc import isc_features_to_metric

    logits = torch.from_numpy(draw(90, 7))
    for splits in (1, 3):
        theirs = isc_features_to_metric(logits, splits=splits, shuffle=False)
        ours = inception_score(logits.softmax(dim=1).numpy(), splits)
        assert ours == pytest.approx(theirs["inception_score_mean"], rel=1e-12)


def test_kernel_distance_is_the_mean_over_pairs():
    A, B = draw(5, 3), draw(4, 3, seed=1)

    def k(x, y):
        return (x @ y / 3 + 1) ** 3

    within = [np.mean([k(x, y) for x in S for y in S if x is not y]) for S in map(list, (A, B))]
    between = np.mean([k(x, y) for x in A for y in B])
    ours = kernel_distance(A, B, n_permutations=0).value
    assert ours == pytest.approx(sum(within) - 2 * between)


def test_kernel_distance_is_unbiased():
    """Its mean over samples of one distribution is zero, for any two sizes, unlike Frechet's."""
    values = [
        kernel_distance(draw(8, 4, seed), draw(30, 4, seed + 10_000), n_permutations=0).value
        for seed in range(2000)
    ]
    standard_error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * standard_error
    assert min(values) < 0


def test_p_value_of_kernel_distance_is_uniform_for_equal_distributions():
    p_values = [
        kernel_distance(
            draw(20, 3, seed), draw(15, 3, seed + 5000), n_permutations=199, random_state=seed
        ).p_value
        for seed in range(200)
    ]
    assert kstest(p_values, "uniform").pvalue > 0.001


def test_p_value_of_kernel_distance_is_small_for_different_sets():
    found = kernel_distance(draw(30, 3), draw(30, 3, seed=1, shift=1.5), random_state=0)
    assert found.p_value == pytest.approx(1 / 1001)


def test_permutations_of_kernel_distance_are_seeded():
    A, B = draw(20, 3), draw(20, 3, seed=1, shift=0.2)
    first, again = (kernel_distance(A, B, random_state=3) for _ in range(2))
    assert first == again
    assert np.isnan(kernel_distance(A, B, n_permutations=0).p_value)


def test_distances_are_symmetric(distance):
    A, B = draw(20, 5), draw(33, 5, seed=1, shift=0.5)
    assert distance(A, B) == pytest.approx(distance(B, A), rel=1e-10)


def test_distances_do_not_depend_on_the_order_of_rows(distance):
    A, B = draw(20, 5), draw(33, 5, seed=1, shift=0.5)
    assert distance(A[::-1], np.roll(B, 7, axis=0)) == pytest.approx(distance(A, B), rel=1e-10)


def test_frechet_distance_of_a_set_to_itself_is_zero():
    for d in (3, 500):
        A = draw(40, d)
        assert frechet_distance(A, A) == pytest.approx(0, abs=1e-9)


def test_kernel_distance_of_a_set_to_itself_is_not_above_zero():
    """The estimate is unbiased for independent samples; a copied set is nearer than chance."""
    A = draw(40, 6)
    assert kernel_distance(A, A, n_permutations=0).value < 0


def test_two_images_per_set_are_enough(distance):
    assert np.isfinite(distance(draw(2, 50), draw(2, 50, seed=1)))
    assert np.isfinite(intra_diversity(draw(2, 50)))


@pytest.mark.parametrize(
    ("A", "B", "message"),
    [
        (draw(3, 4), draw(3, 5), r"A \(3, 4\), B \(3, 5\).*one extractor"),
        (draw(1, 4), draw(3, 4), "minimum of 2 is required"),
        (np.full((3, 4), np.nan), draw(3, 4), "A contains NaN"),
        (draw(3, 4)[0], draw(3, 4), "Expected 2D array"),
    ],
)
def test_bad_features_are_named(distance, A, B, message):
    with pytest.raises(ValueError, match=message):
        distance(A, B)


def test_inception_score_of_certain_and_even_classes_is_their_number():
    assert inception_score(np.tile(np.eye(5), (3, 1))) == pytest.approx(5)


def test_inception_score_of_one_answer_is_one():
    assert inception_score(np.tile([0.2, 0.5, 0.3], (9, 1))) == pytest.approx(1)


def test_inception_score_averages_splits():
    probabilities = np.eye(2)[[0, 0, 0, 1, 0, 1]]
    assert inception_score(probabilities, 2) == pytest.approx((1 + inception_score(
        probabilities[3:])) / 2)  # fmt: skip


@pytest.mark.parametrize(
    ("probabilities", "splits", "message"),
    [
        ([[0.5, 0.4], [0.5, 0.5]], 1, "rows that sum to 1"),
        ([[1.5, -0.5], [0.5, 0.5]], 1, "non-negative"),
        ([[0.5, 0.5], [0.5, 0.5]], 3, "splits=3 must be from 1 to the number of images, 2"),
    ],
)
def test_inception_score_refuses_bad_input(probabilities, splits, message):
    with pytest.raises(ValueError, match=message):
        inception_score(probabilities, splits)


def compute_by_brute_force(real, fake, k):
    def compute_radii(points):
        return [sorted(np.linalg.norm(points - p, axis=1))[k] for p in points]

    real_radii, fake_radii = compute_radii(real), compute_radii(fake)
    near = np.array([[np.linalg.norm(r - f) for f in fake] for r in real])
    in_real = near < np.array(real_radii)[:, None]
    in_fake = near < np.array(fake_radii)[None]
    return in_real.any(0).mean(), in_fake.any(1).mean(), in_real.sum() / k / len(fake), in_real.any(
        1).mean()  # fmt: skip


def test_precision_recall_density_coverage_by_brute_force():
    real, fake = draw(30, 3), draw(22, 3, seed=1, shift=0.8)
    for k in (1, 5):
        ours = precision_recall_density_coverage(real, fake, k)
        assert ours == pytest.approx(compute_by_brute_force(real, fake, k))


def test_density_and_coverage_of_real_images_are_as_published():
    """Naeem et al., section 3.3: the expected coverage of k = 5 at equal, large sizes is 0.97."""
    figures = precision_recall_density_coverage(draw(800, 4), draw(800, 4, seed=1))
    assert figures.density == pytest.approx(1, abs=0.08)
    assert figures.coverage == pytest.approx(0.97, abs=0.03)


def test_a_collapsed_generator_is_precise_and_covers_nothing():
    real = draw(60, 4)
    figures = precision_recall_density_coverage(real, np.tile(real[:1], (60, 1)) + 1e-6)
    assert figures.precision == 1
    assert figures.recall < 0.1
    assert figures.coverage < 0.3


def test_k_must_leave_neighbours():
    with pytest.raises(ValueError, match="k=5 must be an int from 1 to 4, below the 5 images"):
        precision_recall_density_coverage(draw(9, 2), draw(5, 2))


def test_diversity_is_the_mean_pairwise_distance():
    assert intra_diversity([[0.0, 0], [3, 4], [0, 0]]) == pytest.approx(10 / 3)


def test_equal_values_are_ties_to_the_permutation_test():
    """Three against three rows have ten permutations, so p-values are about a tenth or more."""
    p_values = [
        kernel_distance(draw(3, 2, seed), draw(3, 2, seed + 99), random_state=seed).p_value
        for seed in range(100)
    ]
    assert min(p_values) > 0.06
    assert kernel_distance(np.ones((20, 2)), np.ones((20, 2)), random_state=0).p_value == 1


def test_permutations_are_counted_from_zero():
    with pytest.raises(ValueError, match="n_permutations=-3 must be 0 or more"):
        kernel_distance(draw(3, 2), draw(3, 2), n_permutations=-3)


def test_coverage_far_from_the_origin():
    real, fake = draw(60, 3), draw(60, 3, seed=1)
    near, far = (precision_recall_density_coverage(real + c, fake + c) for c in (0, 1e8))
    assert far == pytest.approx(near, abs=0.02)


# --- overflow and underflow


METRICS = {
    "frechet": frechet_distance,
    "kernel": lambda A, B: kernel_distance(A, B, random_state=0),
    "prdc": precision_recall_density_coverage,
    "diversity": lambda A, B: intra_diversity(B),
}


def draw_features(scale):
    """Return two sets of features that differ and whose values are about `scale`."""
    rng = np.random.default_rng(0)
    return rng.normal(0, scale, (20, 4)), rng.normal(10 * scale, scale, (20, 4))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scale", [1e200, 1e306])
@pytest.mark.filterwarnings("error")
def test_features_that_overflow_are_refused(metric, scale):
    """A Frechet distance of NaN was reported as 0, a perfect score."""
    with pytest.raises(ValueError, match=r"too large for float64.*e\+\d+ in .*Scale them"):
        METRICS[metric](*draw_features(scale))


def test_a_kernel_that_overflows_in_float64_is_refused():
    # Squares of 1e120 are finite, their third powers are not.
    with pytest.raises(ValueError, match="too large for float64"):
        kernel_distance(*draw_features(1e120), random_state=0)


@pytest.mark.parametrize("metric", METRICS)
def test_float32_features_are_computed_in_float64(metric):
    large = [X.astype(np.float32) for X in draw_features(1e30)]
    same = [X.astype(np.float64) for X in large]
    assert METRICS[metric](*large) == METRICS[metric](*same)
    assert np.isfinite(frechet_distance(*large))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(metric, value):
    A, B = draw_features(1)
    B[3, 2] = value
    with pytest.raises(ValueError, match=r"contains (NaN|infinity)"):
        METRICS[metric](A, B)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_probabilities_that_are_not_finite_are_refused(value):
    with pytest.raises(ValueError, match=r"contains (NaN|infinity)"):
        inception_score([[value, 0.0], [0.5, 0.5]])


@pytest.mark.parametrize(("distance", "scale"), [("frechet", 1e-200), ("kernel", 1e-9)])
def test_features_that_vanish_are_refused(distance, scale):
    """Their distance was 0, a perfect score."""
    with pytest.raises(ValueError, match=r"too small: .*Scale them"):
        DISTANCES[distance](*draw_features(scale))
    assert DISTANCES[distance](np.zeros((4, 2)), np.zeros((4, 2))) == 0
