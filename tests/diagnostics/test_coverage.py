import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import plug_in_kl_mean, plug_in_kl_sd

from vral.diagnostics.coverage import coverage, mixture_quality, reverse_kl, variance_share

LINE = np.arange(10.0)[:, None]


@pytest.mark.parametrize(
    ("fake", "value"),
    [
        ([[0.0]], 0.1),  # nearer than 1 to itself only
        ([[0.5]], 0.2),
        ([[0.5], [0.5], [0.4]], 0.2),
        ([[4.6], [8.9], [100.0]], 0.4),  # covers 4, 5, 8 and 9; the outlier covers nothing
        ([[-1.0]], 0.0),  # at the radius is not within it
        ([[1000.0]], 0.0),
    ],
)
def test_coverage_by_the_first_neighbour_by_hand(fake, value):
    assert coverage(LINE, np.array(fake), neighbours=1) == value


def test_the_radius_reaches_the_fifth_other_real_point():
    # of 0 … 9 the fifth neighbour is 5, 4, 3, 3, 3, 3, 3, 3, 4, 5 away
    assert coverage(LINE, np.array([[2.5]])) == 0.6  # 0 … 5 are nearer than that
    assert coverage(LINE, np.array([[-4.5]])) == 0.1  # only 0, whose radius is 5


def test_coverage_of_the_real_points_by_themselves_is_one():
    points = np.random.default_rng(0).standard_normal((50, 3))
    assert coverage(points, points) == 1
    assert coverage(points, points[::-1] + 1e-9) == 1


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_coverage_is_its_definition(seed, neighbours):
    random = np.random.default_rng(seed)
    real, fake = random.standard_normal((12, 2)), random.standard_normal((9, 2)) + 1
    covered = 0
    for point in real:
        radius = np.sort(np.linalg.norm(real - point, axis=1))[neighbours]  # [0] is the point
        covered += np.linalg.norm(fake - point, axis=1).min() < radius
    assert coverage(real, fake, neighbours) == covered / 12


MODES = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


def test_the_share_of_variance_by_hand():
    real = np.array([[0.0, 0.0], [2.0, 4.0]])
    assert variance_share(real, real) == 1
    assert variance_share(real, np.array([[7.0, 1.0], [9.0, 1.0]])) == 0.2
    assert variance_share(real, 3 * real + 5) == 9
    assert variance_share(real, real[:1]) == 0
    assert math.isnan(variance_share(real[:1], real))


def test_mixture_quality_by_hand():
    samples = np.array([[0, 0], [0, 0.29], [0, 0.31], [10, 0.1], [5, 5], [10.2, 10.2]])
    kl = 4 / 6 * np.log(4 * 4 / 6) + 2 / 6 * np.log(4 * 1 / 6)  # (5, 5) is (0, 0)'s, as the first
    assert mixture_quality(samples, MODES, 0.1) == pytest.approx(
        {"modes_covered": 3, "high_quality": 4 / 6, "reverse_kl": kl}
    )


def test_quality_reaches_to_three_standard_deviations():
    inside, outside = np.array([[2.999, 0.0]]), np.array([[3.001, 0.0]])
    alone = pytest.approx(np.log(4))
    assert mixture_quality(inside, MODES, 1.0) == {
        "modes_covered": 1,
        "high_quality": 1,
        "reverse_kl": alone,
    }
    assert mixture_quality(outside, MODES, 1.0) == {
        "modes_covered": 0,
        "high_quality": 0,
        "reverse_kl": alone,
    }


@pytest.mark.parametrize(("there", "covered"), [(1, 1), (2, 1), (3, 2), (30, 2)])
def test_a_mode_needs_one_percent_of_its_fair_share(there, covered):
    samples = np.zeros((1000, 2))  # a fair share is 250, one percent of it 2.5
    samples[:there] = [10, 10]
    quality = mixture_quality(samples, MODES, 0.1)
    assert (quality["modes_covered"], quality["high_quality"]) == (covered, 1)


def test_perfect_samples_cover_every_mode():
    assert mixture_quality(np.tile(MODES, (5, 1)), MODES, 0.1) == {
        "modes_covered": 4,
        "high_quality": 1,
        "reverse_kl": pytest.approx(0, abs=1e-15),
    }


def test_few_samples_still_need_one_good_one_in_a_mode():
    far = np.full((4, 2), 100.0)
    quality = mixture_quality(far, MODES, 0.1)
    assert (quality["modes_covered"], quality["high_quality"]) == (0, 0)


def test_a_diverged_generator_has_no_quality():
    nothing = np.full((4, 2), np.nan)
    quality = mixture_quality(nothing, MODES, 0.1)
    assert (quality["modes_covered"], quality["high_quality"]) == (0, 0)


def test_gaussian_samples_are_good_as_often_as_rayleigh_says():
    random = np.random.default_rng(0)
    samples = MODES[random.integers(4, size=20_000)] + 0.1 * random.standard_normal((20_000, 2))
    good = mixture_quality(samples, MODES, 0.1)["high_quality"]
    expected = 1 - np.exp(-4.5)
    assert abs(good - expected) < 4 * np.sqrt(expected * (1 - expected) / 20_000)


# ---- reverse KL -----------------------------------------------------------------------------


def test_reverse_kl_by_hand():
    assert reverse_kl(np.array([0, 0, 1, 0]), np.array([0.5, 0.5])) == pytest.approx(
        0.75 * np.log(1.5) - 0.25 * np.log(2)
    )
    assert reverse_kl(np.array([2, 1, 0, 1]), np.array([0.2, 0.3, 0.5])) == pytest.approx(
        0.25 * np.log(0.25 / 0.2) + 0.5 * np.log(0.5 / 0.3) + 0.25 * np.log(0.25 / 0.5)
    )


def test_reverse_kl_is_zero_for_the_shares_of_the_data():
    assert reverse_kl(np.array([1, 0, 1, 2, 1]), np.array([0.2, 0.6, 0.2])) == pytest.approx(0)


@pytest.mark.parametrize("left", [1, 3, 10])
def test_dropped_modes_cost_the_logarithm_of_their_ratio(left):
    shares = np.full(10, 0.1)
    assert reverse_kl(np.repeat(np.arange(left), 7), shares) == pytest.approx(np.log(10 / left))


def test_all_samples_in_one_mode_cost_its_surprise():
    shares = np.array([0.7, 0.2, 0.1])
    for mode, share in enumerate(shares):
        assert reverse_kl(np.full(5, mode), shares) == pytest.approx(-np.log(share))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(0, 100))
def test_reverse_kl_is_the_mean_log_ratio_of_the_samples(modes, seed):
    shares = np.random.default_rng(seed).dirichlet(np.ones(6))
    ratios = [np.log(modes.count(mode) / len(modes) / shares[mode]) for mode in modes]
    assert reverse_kl(np.array(modes), shares) == pytest.approx(np.mean(ratios), abs=1e-12)


def test_samples_of_the_data_itself_score_the_finite_sample_bias():
    """Of 1000 equal modes and 10,000 samples: mean (K-1)/2n to leading order, spread of χ²."""
    modes, count, studies = 1000, 10_000, 200
    random, shares = np.random.default_rng(0), np.full(modes, 1 / modes)
    found = [reverse_kl(random.integers(modes, size=count), shares) for _ in range(studies)]
    expected, sd = plug_in_kl_mean(shares, count), plug_in_kl_sd(modes, count)
    assert expected == pytest.approx((modes - 1) / (2 * count), rel=0.02)
    assert abs(np.mean(found) - expected) < 4 * sd / studies**0.5
    # the sample variance of normals spreads by sqrt(2 / studies), a tenth
    assert np.var(found, ddof=1) == pytest.approx(sd**2, rel=4 * (2 / studies) ** 0.5)


@pytest.mark.parametrize("count", [2, 4])
def test_samples_of_a_mixture_score_its_floor(count):
    modes = MODES[:count]
    random = np.random.default_rng(0)
    nearest = random.integers(count, size=2000)
    samples = modes[nearest] + 0.1 * random.standard_normal((2000, 2))
    shares = np.bincount(nearest) / 2000
    entropy = -(shares * np.log(shares)).sum()
    found = mixture_quality(samples, modes, 0.1)["reverse_kl"]
    assert found == pytest.approx(np.log(count) - entropy, abs=1e-12)
