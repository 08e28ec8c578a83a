"""What a budget buys: the numbers behind the figure."""

import numpy as np
import polars as pl

from vral.figures.budget import bought, budget, budgets, same_budget, surface


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


def test_lines_over_the_ratio_hold_the_budgets_that_every_cell_has_reached():
    """5:1 has the fewest updates of G, 200, and 1:1 the fewest of D, 1,000."""
    frame = pl.concat(
        [
            probes([200, 999], [50.0, 20.0], ratio="1").with_columns(g_updates=pl.col("d_updates")),
            probes([500, 1000, 2000], [9.0, 7.0, 4.0]).with_columns(
                g_updates=pl.Series([99, 199, 399])
            ),
        ]
    )
    figure = same_budget(frame, ["lsgan"], ["1", "5"], "digits")(7.0)
    left, right = figure.axes
    assert left.get_title(loc="left") == "for the same 1,000 updates of D"
    assert right.get_title(loc="left") == "for the same 200 updates of G"
    for ax, wanted in ((left, [20, 7]), (right, [50, 7])):
        (line,) = ax.lines
        assert line.get_ydata().tolist() == wanted
    assert "LSGAN: 1 20, 5 7." in figure.get_label()
    frame = pl.concat([frame, frame[:1].with_columns(method=pl.lit("r1"))])
    figure = same_budget(frame, ["lsgan", "r1"], ["1", "5"], "digits")(7.0)
    assert [len(ax.lines) for ax in figure.axes] == [1, 1]
    assert figure.get_supxlabel().endswith("not yet at every ratio: R1")


def test_columns_in_which_a_single_ratio_was_read_are_left_out():
    frame = pl.concat(
        [probes([1, 500], [500.0, 50.0], ratio="1"), probes([5, 500], [500.0, 40.0])]
    ).with_columns(g_updates=pl.col("d_updates"))
    figure = budget(frame, ["lsgan"], ["1", "5"], "d_updates", 64, "digits")(7.0)
    (image,) = figure.axes[0].images
    assert image.get_array().shape == (2, 1)
