import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vral.diagnostics.coverage import coverage, mixture_quality

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


def test_mixture_quality_by_hand():
    samples = np.array([[0, 0], [0, 0.29], [0, 0.31], [10, 0.1], [5, 5], [10.2, 10.2]])
    assert mixture_quality(samples, MODES, 0.1) == {"modes_covered": 3, "high_quality": 4 / 6}


def test_quality_reaches_to_three_standard_deviations():
    inside, outside = np.array([[2.999, 0.0]]), np.array([[3.001, 0.0]])
    assert mixture_quality(inside, MODES, 1.0) == {"modes_covered": 1, "high_quality": 1}
    assert mixture_quality(outside, MODES, 1.0) == {"modes_covered": 0, "high_quality": 0}


@pytest.mark.parametrize(("there", "covered"), [(1, 1), (2, 1), (3, 2), (30, 2)])
def test_a_mode_needs_one_percent_of_its_fair_share(there, covered):
    samples = np.zeros((1000, 2))  # a fair share is 250, one percent of it 2.5
    samples[:there] = [10, 10]
    quality = mixture_quality(samples, MODES, 0.1)
    assert quality == {"modes_covered": covered, "high_quality": 1}


def test_perfect_samples_cover_every_mode():
    assert mixture_quality(np.tile(MODES, (5, 1)), MODES, 0.1) == {
        "modes_covered": 4,
        "high_quality": 1,
    }


def test_few_samples_still_need_one_good_one_in_a_mode():
    far = np.full((4, 2), 100.0)
    assert mixture_quality(far, MODES, 0.1) == {"modes_covered": 0, "high_quality": 0}


def test_a_diverged_generator_has_no_quality():
    nothing = np.full((4, 2), np.nan)
    assert mixture_quality(nothing, MODES, 0.1) == {"modes_covered": 0, "high_quality": 0}


def test_gaussian_samples_are_good_as_often_as_rayleigh_says():
    random = np.random.default_rng(0)
    samples = MODES[random.integers(4, size=20_000)] + 0.1 * random.standard_normal((20_000, 2))
    good = mixture_quality(samples, MODES, 0.1)["high_quality"]
    expected = 1 - np.exp(-4.5)
    assert abs(good - expected) < 4 * np.sqrt(expected * (1 - expected) / 20_000)
