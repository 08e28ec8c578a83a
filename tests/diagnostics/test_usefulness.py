"""The usefulness of a signal, where transport has a closed form or chance can be counted."""

from itertools import permutations

import numpy as np
import ot
import pytest
from scipy.linalg import sqrtm

from vral.diagnostics.transport import wasserstein
from vral.diagnostics.usefulness import (
    PERMUTATIONS,
    STEP,
    USEFULNESS_METRICS,
    displacements,
    usefulness,
)

READINGS = ("cosine", "w2_drop", "w1_drop")
SHAPES = [(2,), (1, 2, 3)]


def cloud(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def w2_square(first, second):
    """By POT's network simplex, which is not the solver under test."""
    return float(ot.emd2([], [], ot.dist(first, second)))


def found(fakes, reals, signal):
    readings = usefulness(fakes, reals, signal)
    assert readings.keys() == USEFULNESS_METRICS.keys()
    return {name.removeprefix("usefulness_"): value for name, value in readings.items()}


def close(value, wanted, tolerance=1e-12):
    np.testing.assert_allclose(value, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_constant_field_along_a_shift_is_all_that_a_signal_can_be(shape):
    """A shift is its own optimal transport, for both costs, whatever the points."""
    fakes, shift = cloud(40, *shape), 3 * cloud(*shape, seed=1)
    size, length = shift.size, np.linalg.norm(shift)
    read = found(fakes, (fakes + shift)[::-1], np.broadcast_to(7 * shift, fakes.shape))
    close([read["w2_square"], read["w1"]], [length**2, length])
    for name, best in zip(READINGS, (1, 2 * length, 1), strict=True):
        close(read[name], best)
        close([read[f"{name}_permuted"], read[f"{name}_permuted_sd"]], [best, 0])
        close(read[f"{name}_random_sd"], best / np.sqrt(40 * size))
    # A step of t leaves (‖shift‖ - t)² and ‖shift‖ - t.
    for name, drop in (("w2", (2 - STEP) * length), ("w1", 1)):
        close(read[f"{name}_drop_step"], drop)
        close(read[f"{name}_drop_step_permuted"], drop)
        close(read[f"{name}_drop_step_permuted_sd"], 0)


def test_the_opposite_field_has_the_opposite_sign_and_one_across_none():
    fakes, shift, across = cloud(40, 2), np.array([3.0, 4.0]), np.array([4.0, -3.0])
    for field, cosine in ((-shift, -1), (across, 0)):
        read = found(fakes, fakes + shift, np.broadcast_to(field, fakes.shape))
        close([read[name] for name in READINGS], [cosine, 10 * cosine, cosine])


def test_between_two_gaussians_the_way_is_affine():
    """T(x) = m + A(x - m'), A = S^-½ (S^½ S' S^½)^½ S^-½, is the gradient of a convex function."""
    first, second = (np.cov(cloud(3, 9, seed=seed)) for seed in (1, 2))
    root = sqrtm(first).real
    inverse = np.linalg.inv(root)
    matrix = inverse @ sqrtm(root @ second @ root).real @ inverse
    mean = np.array([0.5, -1.0, 2.0])
    fakes = cloud(400, 3) @ root
    reals = mean + fakes @ matrix
    order = np.random.default_rng(3).permutation(400)
    way = mean + fakes @ (matrix - np.eye(3))
    close(displacements(fakes, reals[order], squared=True), way)
    lengths = np.linalg.norm(way, axis=1)
    weights = np.random.default_rng(4).uniform(0.1, 10, 400)
    read = found(fakes, reals[order], weights[:, None] * way)
    close(read["cosine"], 1)
    close(read["w2_square"], (lengths**2).mean())
    bures = np.trace(first + second - 2 * sqrtm(root @ second @ root).real)
    assert abs(read["w2_square"] / (mean @ mean + bures) - 1) < 0.15  # 400 samples
    drop = 2 * (weights * lengths**2).mean() / np.sqrt((weights**2 * lengths**2).mean())
    close(read["w2_drop"], drop)
    assert drop < 2 * np.sqrt(read["w2_square"])
    close(found(fakes, reals[order], way)["w2_drop"], 2 * np.sqrt(read["w2_square"]))


def test_permuted_points_are_no_distance_apart_and_leave_nothing_to_gain():
    points = cloud(30, 4)
    read = found(points, points[::-1], cloud(30, 4, seed=1))
    close(read.pop("variance_share"), 1)
    assert set(read.values()) == {0.0}


def test_a_signal_of_zero_is_of_no_use():
    fakes, reals = cloud(30, 4), cloud(30, 4, seed=1)
    read = found(fakes, reals, np.zeros((30, 4)))
    assert read.pop("w2_square") > 1
    assert read.pop("w1") > 1
    assert read.pop("variance_share") > 0
    assert set(read.values()) == {0.0}


def test_a_fake_that_is_asked_for_nothing_counts_as_a_cosine_of_zero():
    fakes, shift = cloud(8, 2), np.array([1.0, 1.0])
    signal = np.broadcast_to(shift, (8, 2)).copy()
    signal[:2] = 0
    close(found(fakes, fakes + shift, signal)["cosine"], 6 / 8)


def test_a_signal_that_is_not_finite_says_nothing():
    fakes, reals, signal = cloud(8, 2), cloud(8, 2, seed=1), cloud(8, 2, seed=2)
    signal[3, 0] = np.inf
    read = found(fakes, reals, signal)
    of_samples = {"w2_square", "w1", "variance_share"}
    assert all(np.isnan(value) != (name in of_samples) for name, value in read.items())


@pytest.mark.parametrize("shape", SHAPES)
def test_the_share_of_the_variance_is_the_square_of_a_scale_wherever_samples_lie(shape):
    reals, signal = cloud(30, *shape), cloud(30, *shape, seed=1)
    close(found(0.3 * reals[::-1] + 7, reals, signal)["variance_share"], 0.09)
    one_point = np.broadcast_to(reals[0], reals.shape)
    close(found(one_point, reals, signal)["variance_share"], 0)
    zeros = np.zeros_like(reals)
    assert np.isnan(found(reals, zeros, signal)["variance_share"])


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_scale_of_the_signal_does_not_matter(scale):
    fakes, reals, signal = (cloud(30, 3, seed=seed) for seed in range(3))
    one, other = found(fakes, reals, signal), found(fakes, reals, scale * signal)
    close(list(one.values()), list(other.values()), 1e-9)


def test_drops_of_w2_scale_with_the_samples_and_those_of_w1_do_not():
    fakes, reals, signal = (cloud(30, 3, seed=seed) for seed in range(3))
    one, other = found(fakes, reals, signal), found(5 * fakes, 5 * reals, signal)
    powers = {"w2_square": 25, "w1": 5}
    for name, value in one.items():
        close(other[name], powers.get(name, 5 if name.startswith("w2") else 1) * value, 1e-9)


def test_it_does_not_matter_in_which_order_samples_come():
    fakes, reals, signal = (cloud(30, 3, seed=seed) for seed in range(3))
    order = np.random.default_rng(3).permutation(30)
    one, other = found(fakes, reals, signal), found(fakes[order], reals[::-1], signal[order])
    for name, value in one.items():
        if "step_permuted" not in name:  # those are a few ways of many
            close(other[name], value, 1e-9)


def test_the_derivatives_are_those_of_finite_differences():
    """Of W₂² and W₁ by another solver, which assigns anew at both ends."""
    fakes, reals, signal = (cloud(30, 3, seed=seed) for seed in range(3))
    read, t = found(fakes, reals, signal), 1e-6
    step = t * signal / np.sqrt((signal**2).sum(1).mean())
    close(read["w2_square"], w2_square(fakes, reals))
    close(read["w1"], wasserstein(fakes, reals))
    for name, distance in (("w2_drop", w2_square), ("w1_drop", wasserstein)):
        slope = (distance(fakes - step, reals) - distance(fakes + step, reals)) / (2 * t)
        close(read[name], slope, 1e-6)


def test_a_finite_step_is_that_of_another_solver_and_gains_at_least_its_tangent():
    fakes, reals, signal = (cloud(30, 3, seed=seed) for seed in range(3))
    read = found(fakes, reals, signal)
    t = STEP * np.sqrt(read["w2_square"])
    moved = fakes + t * signal / np.sqrt((signal**2).sum(1).mean())
    close(read["w2_drop_step"], (w2_square(fakes, reals) - w2_square(moved, reals)) / t)
    close(read["w1_drop_step"], (wasserstein(fakes, reals) - wasserstein(moved, reals)) / t)
    # The plan held would leave W₂² - t·drop + t².
    assert read["w2_drop_step"] >= read["w2_drop"] - t


def test_only_a_finite_step_sees_that_random_vectors_spread_a_collapsed_g():
    reals, signal = cloud(60, 3), cloud(60, 3, seed=1)
    signal -= signal.mean(0)
    read = found(1e-9 * cloud(60, 3, seed=2), reals, signal)
    assert abs(read["w2_drop"]) < 4 * read["w2_drop_random_sd"]
    assert read["w2_drop_step"] > 10 * read["w2_drop_random_sd"]
    # Any fake may take any of the vectors, so it is no more than chance.
    close(read["w2_drop_step_permuted"], read["w2_drop_step"], 1e-6)


def test_permuted_chance_is_the_mean_and_spread_over_all_ways():
    fakes, reals, signal = (cloud(5, 2, seed=seed) for seed in range(3))
    signal[1] = 0
    every = [found(fakes, reals, signal[list(order)]) for order in permutations(range(5))]
    read = found(fakes, reals, signal)
    for name in READINGS:
        values = [entry[name] for entry in every]
        close(read[f"{name}_permuted"], np.mean(values))
        close(read[f"{name}_permuted_sd"], np.std(values))


def test_permuted_chance_of_a_finite_step_is_far_below_a_signal_that_knows_the_way():
    fakes, reals = cloud(30, 3), cloud(30, 3, seed=1)
    way = displacements(fakes, reals, squared=True)
    random = np.random.default_rng(2)
    every = [found(fakes, reals, way[random.permutation(30)]) for _ in range(40)]
    read = found(fakes, reals, way)
    close(read["w2_drop_step"], (2 - STEP) * np.sqrt(read["w2_square"]))
    for name in ("w2_drop_step", "w1_drop_step"):
        values = [entry[name] for entry in every]
        error = np.std(values) * np.sqrt(1 / PERMUTATIONS + 1 / 40)
        assert abs(read[f"{name}_permuted"] - np.mean(values)) < 4 * error
        assert 0.2 < read[f"{name}_permuted_sd"] / np.std(values) < 3
        assert read[name] > np.mean(values) + 6 * np.std(values)


def test_permuted_chance_of_a_finite_step_leaves_out_the_order_that_it_judges():
    """One of n fakes, far from each other, has a way to go: 1, and the signal is its alone.

    A way to deal brings one of two drops: of the fake that takes the whole step of √n·t = STEP,
    towards its real or away from it. So mean and deviation over all ways say how many of them left
    the vector where it was; over all n places that is seldom, as in a random order one stays.
    """
    n, stayed = 30, []
    for place in range(n):
        fakes = np.stack([10.0 * np.arange(n), np.zeros(n)], axis=1)
        way = np.zeros((n, 2))
        way[place, 1] = 1
        read = found(fakes, fakes + way, way)
        own = {"w2_drop_step": 2 - STEP, "w1_drop_step": 1}
        other = {"w2_drop_step": -STEP, "w1_drop_step": -1}
        share = (read["w1_drop_step_permuted"] * np.sqrt(n) + 1) / 2
        stayed.append(round(share * PERMUTATIONS))
        for name in own:
            gap = own[name] - other[name]
            mean = other[name] + gap * stayed[-1] / PERMUTATIONS
            variance = stayed[-1] * (PERMUTATIONS - stayed[-1]) / (PERMUTATIONS - 1) / PERMUTATIONS
            close(read[name] * np.sqrt(n), own[name], 1e-9)
            close(read[f"{name}_permuted"] * np.sqrt(n), mean, 1e-9)
            close(read[f"{name}_permuted_sd"] * np.sqrt(n), gap * np.sqrt(variance), 1e-9)
    assert sum(stayed) < n / 2  # PERMUTATIONS are expected


def test_random_chance_is_the_spread_over_random_directions():
    fakes, reals, signal = (cloud(6, 3, seed=seed) for seed in range(3))
    lengths = np.linalg.norm(signal, axis=1, keepdims=True)
    random = np.random.default_rng(4)
    drawn = {name: [] for name in READINGS}
    for _ in range(400):
        directions = random.standard_normal((6, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        read = found(fakes, reals, lengths * directions)
        for name in READINGS:
            drawn[name].append(read[name])
    read = found(fakes, reals, signal)
    for name, values in drawn.items():
        sd = read[f"{name}_random_sd"]
        assert abs(np.mean(values)) < 4 * sd / np.sqrt(400)
        assert abs(np.std(values) / sd - 1) < 4 / np.sqrt(800)
    close(read["cosine_random_sd"], 1 / np.sqrt(6 * 3))


def test_one_sample_has_one_way():
    read = found(np.zeros((1, 2)), np.array([[3.0, 4.0]]), np.array([[0.0, 2.0]]))
    close([read[name] for name in READINGS], [0.8, 8, 0.8])
    close([read[f"{name}_permuted"] for name in READINGS], [0.8, 8, 0.8])
    close([read[f"{name}_permuted_sd"] for name in READINGS], 0)


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"shapes differ: \(3, 2\), \(4, 2\), \(3, 2\)"):
        usefulness(np.zeros((3, 2)), np.zeros((4, 2)), np.zeros((3, 2)))
