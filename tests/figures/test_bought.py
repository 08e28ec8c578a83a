"""What a budget buys: the numbers behind the figure."""

import numpy as np
import polars as pl

from vral.figures.budget import bought, budgets, surface


def probes(times, distances, seed=0, ratio="5"):
    return pl.DataFrame(
        {"method": "lsgan", "ratio": ratio, "seed": seed, "d_updates": times, "frechet": distances}
    )


def test_budgets_are_1_2_and_5_times_powers_of_ten():
    assert budgets(200, 50_000).tolist() == [200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4]
    assert budgets(150, 900).tolist() == [200, 500]


def test_a_budget_buys_the_last_reading_within_it():
    frame = pl.concat(
        [probes([100, 200, 500], [9.0, 8.0, 5.0]), probes([100, 200, 500], [7.0, 6.0, 4.0], seed=1)]
    )
    got = bought(frame, "d_updates", np.array([50, 100, 250, 500, 1000]), "frechet")
    nan = np.nan
    wanted = [[nan, nan], [9, 7], [8, 6], [5, 4], [nan, nan]]  # 1000 is twice the last: not reached
    np.testing.assert_array_equal(got, wanted)


def test_the_surface_is_the_median_over_seeds_and_empty_where_a_ratio_was_not_played():
    frame = pl.concat([probes([100], [float(value)], seed=value) for value in range(1, 6)])
    median, low, high = surface(frame, "lsgan", ["1", "5"], "d_updates", np.array([100.0]))
    assert np.isnan([median[0], low[0], high[0]]).all()
    assert (median[1], low[1], high[1]) == (3, 1, 5)
