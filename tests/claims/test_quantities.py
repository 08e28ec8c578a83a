"""The quantities that claims measure, on cases done by hand."""

import math

import numpy as np
import polars as pl
import pytest
from worlds import final_of

from vral.claims import quantities
from vral.claims.evidence import Evidence, NotRunError


def made(records=(), probes=(), interpolation=(), diverged=frozenset()) -> Evidence:
    cell = {"method": "lsgan", "ratio": "50", "dataset": "digits"}
    records, probes = (
        pl.DataFrame([{**cell, **row} for row in rows]) for rows in (records, probes)
    )
    final = final_of(records, probes)
    return Evidence(final, probes, pl.DataFrame(interpolation), diverged, 64)


def series(name: str, values, seed: int = 0) -> list[dict]:
    times = ("round", "g_updates", "images")
    return [
        {"seed": seed, **dict.fromkeys(times, i), "d_updates": 10 * (i + 1), name: float(value)}
        for i, value in enumerate(values)
    ]


def test_end_over_peak_and_end_over_start():
    evidence = made(probes=series("m", [4, 8, 6, 2, 1, 2]))
    assert quantities.end_over_peak("lsgan", "m", "50")(evidence) == {0: 0.25}
    # The run ends at 60 D updates; a third of them is the second probe.
    assert quantities.end_over_start("lsgan", "m", "50", parts=3)(evidence) == {0: 0.25}


def test_deviation_by_hand():
    """Of 1, 2, 3 the others' means are 2.5, 2, 1.5: 0.6, 0 and 1 of them away."""
    unit = 0.6744897501960817
    distances = quantities.deviation(np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(distances, np.array([0.6, 0.0, 1.0]) / unit)


def test_the_median_deviation_of_a_normal_law_is_its_coefficient_of_variation():
    """Times √(n/(n - 1)), for the error of the others' mean."""
    values = np.random.default_rng(0).normal(10, 1, (20_000, 8))
    expected = 0.1 * math.sqrt(8 / 7)
    assert np.median(quantities.deviation(values)) == pytest.approx(expected, rel=0.02)


def test_spread_leaves_out_what_is_not_known():
    spread = quantities.spread(lambda _: {0: 1.0, 1: 3.0, 2: float("nan")})(made())
    assert list(spread) == [0, 1, 2]
    assert math.isnan(spread[2])
    np.testing.assert_allclose([spread[0], spread[1]], quantities.deviation(np.array([1.0, 3.0])))


def test_the_poincare_ratio_of_functions_with_known_moments():
    """z ~ N(0, 1): of 3z it is 1, of z² it is 2/4, of sin z it is tanh 1."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    for value, slope, expected in (
        (3 * nodes, 3 * np.ones_like(nodes), 1.0),
        (nodes**2, 2 * nodes, 0.5),
        (np.sin(nodes), np.cos(nodes), math.tanh(1)),
    ):
        variance = weights @ value**2 - (weights @ value) ** 2
        ratio = quantities.poincare_ratio(variance, weights @ slope**2)
        assert float(ratio) == pytest.approx(expected)


def test_the_poincare_ratio_of_a_constant_is_zero_and_of_a_breach_infinite():
    ratios = quantities.poincare_ratio(np.array([0.0, 1.0]), np.array([0.0, 0.0]))
    np.testing.assert_array_equal(ratios, [0, np.inf])


def test_a_path_swings_between_real_and_fake_only():
    rows = [
        {"method": "lsgan", "ratio": "50", "seed": 0, "pairing": pairing}
        | {"gamma": gamma, "grad_norm_mean": norm * scale}
        for pairing, scale in (("random", 1.0), ("nearest", 2.0))
        for gamma, norm in ((-0.5, 100.0), (0.0, 2.0), (0.5, 1.0), (1.0, 5.0), (1.5, 0.001))
    ]
    evidence = made(interpolation=rows)
    assert quantities.path_swing("lsgan", "random")(evidence) == {0: 5.0}
    with pytest.raises(NotRunError, match="not recorded"):
        quantities.path_swing("lsgan", "random")(made())


def test_pairs_are_of_the_same_seed_and_a_lacking_one_is_left_out():
    first, second = {0: 2.0, 1: 6.0, 2: 1.0}, {1: 3.0, 2: 0.0, 3: 1.0}
    assert quantities.quotient(lambda _: first, lambda _: second)(made()) == {1: 2.0, 2: math.inf}
    with pytest.raises(NotRunError, match="no seed"):
        quantities.quotient(lambda _: first, lambda _: {7: 1.0})(made())


def test_correlation_and_inequality_are_taken_within_a_seed_over_arms_and_checkpoints():
    probes = [
        {"method": arm, "ratio": "50", "seed": seed, "v": float(v), "l": float(v) ** 3 * sign}
        for seed, sign in ((0, 1), (1, -1))
        for arm, values in (("lsgan", (1, 4)), ("r1", (2, 3)))
        for v in values
    ]
    evidence = made(probes=probes)
    correlation = quantities.over_arms(["lsgan", "r1"], ("v", "l"), quantities.rank_correlation)
    assert correlation(evidence) == {0: pytest.approx(1), 1: pytest.approx(-1)}
    worst = quantities.over_arms(["lsgan", "r1"], ("v", "l"), quantities.worst_poincare)
    assert worst(evidence)[0] == 1.0
    with pytest.raises(NotRunError, match="moment at 50 has not been run"):
        quantities.over_arms(["lsgan", "moment"], ("v", "l"), quantities.rank_correlation)(evidence)


def test_what_was_not_run_or_measured_is_said():
    evidence = made(records=series("grad_norm_fake", [1, 2]), probes=series("m", [1, 2]))
    with pytest.raises(NotRunError, match="r1 at 50 has not been run"):
        quantities.last("r1", "m")(evidence)
    with pytest.raises(NotRunError, match="lipschitz of lsgan at 50 was not measured"):
        quantities.last("lsgan", "lipschitz")(evidence)


def test_seeds_that_diverged_before_any_reading_have_no_value_and_are_not_missing():
    diverged = frozenset({("lsgan", "50", 0), ("lsgan", "50", 1)})
    empty = pl.DataFrame(schema={"method": pl.String, "ratio": pl.String, "seed": pl.Int64})
    evidence = Evidence(empty, empty, empty, diverged, 64)
    for test in (
        quantities.last("lsgan", "frechet"),
        quantities.end_over_peak("lsgan", "frechet", "50"),
        quantities.end_over_start("lsgan", "frechet", "50"),
        quantities.path_swing("lsgan", "random"),
        quantities.spread(quantities.last("lsgan", "grad_norm_fake")),
    ):
        values = test(evidence)
        assert list(values) == [0, 1]
        assert np.isnan(list(values.values())).all()
    for test in (
        quantities.over_arms(["lsgan"], ("v", "l"), quantities.rank_correlation),
        quantities.scale_gap("lsgan", "lsgan"),
    ):
        with pytest.raises(NotRunError, match="every seed has diverged before its first reading"):
            test(evidence)


def test_a_diverged_seed_has_no_value_even_if_it_left_no_rows():
    diverged = frozenset({("lsgan", "50", 0), ("lsgan", "50", 7)})
    probes = series("m", [1, 2]) + series("m", [1, 3], seed=1)
    records = series("grad_norm_fake", [1, 2]) + series("grad_norm_fake", [1, 2], seed=1)
    values = quantities.last("lsgan", "m")(made(records, probes, diverged=diverged))
    assert list(values) == [0, 1, 7]
    assert values[1] == 3
    assert math.isnan(values[0])
    assert math.isnan(values[7])
