"""Statistics over seeds, on records made by hand."""

import math

import numpy as np
import polars as pl
import pytest
from cases import tiny

from vral.study import frames, statistics


def records(values: dict[int, list[float]]):
    """A metric "m" per seed, one row per round; ‖∇D‖ is one more than it."""
    rows = [
        {"method": "lsgan", "ratio": "1", "dataset": "digits", "seed": seed, "m": value}
        | {"grad_norm_fake": value + 1}
        | {"round": i, "d_updates": i + 1, "g_updates": i, "images": 64 * (i + 1)}
        for seed, series in values.items()
        for i, value in enumerate(series)
    ]
    return pl.DataFrame(rows)


def test_the_median_of_one_seed_has_no_interval():
    middle, low, high = statistics.median_interval(np.array([3.0]))
    assert middle == 3.0
    assert math.isnan(low)
    assert math.isnan(high)


def test_equal_seeds_leave_no_doubt():
    assert statistics.median_interval(np.full(5, 2.0)) == (2.0, 2.0, 2.0)


def test_the_interval_of_five_seeds_is_their_range():
    middle, low, high = statistics.median_interval(np.arange(1.0, 6.0))
    assert (middle, low, high) == (3.0, 1.0, 5.0)


def test_seeds_lie_along_the_last_axis():
    rows = np.stack([np.arange(1.0, 6.0), 10 * np.arange(1.0, 6.0)])
    middle, low, high = statistics.median_interval(rows)
    np.testing.assert_array_equal(middle, [3, 30])
    np.testing.assert_array_equal(low, [1, 10])
    np.testing.assert_array_equal(high, [5, 50])


def test_final_values_are_means_over_the_last_fifth_and_the_last_probe():
    seen = records({0: [float(i) for i in range(101)]})
    probes = records({0: [0.0, 7.0]}).rename({"m": "frechet"}).drop("grad_norm_fake")
    final = frames.marked(frames.final_values(seen, probes), [])
    assert final["m"].to_list() == [pytest.approx(np.mean(np.arange(80, 101)))]
    assert final["frechet"].to_list() == [7.0]
    assert final["grad_norm_swing"].to_list() == [101 / 51]
    late = np.arange(51, 102)
    assert final["grad_norm_variation"].to_list() == [pytest.approx(late.std() / late.mean())]
    assert final["diverged"].to_list() == [False]


def test_final_values_mark_the_seeds_that_diverged():
    seen = records({0: [1.0, 2.0], 1: [1.0]})
    entry = {"method": "lsgan", "ratio": "1", "dataset": "digits", "seed": 1, "reading": "loss_D"}
    probes = seen.rename({"m": "frechet"}).drop("grad_norm_fake")
    final = frames.marked(frames.final_values(seen, probes), [entry])
    assert final["diverged"].to_list() == [False, True]
    assert frames.summary(final)["seeds"].to_list() == [1] * 5


def test_a_study_without_runs_is_empty_and_can_be_drawn(tmp_path):
    frame = frames.restrict(frames.read(tmp_path, "records"), ["lsgan"], ["1"], [0], "digits")
    assert frame.is_empty()
    assert statistics.band(frame, "g_updates", "grad_norm_fake").is_empty()


def test_the_summary_counts_seeds_and_keeps_the_order_of_the_methods():
    rows = [
        {"method": m, "ratio": r, "dataset": "digits", "seed": s, "m": float(s)}
        | {"diverged": s == 5}
        for m in ("vral-meta", "standard")
        for r in ("50", "1")
        for s in range(6)
    ]
    # The sixth seed has diverged: it has no final value.
    table = frames.summary(pl.DataFrame(rows))
    assert table["method"].to_list() == ["standard"] * 2 + ["vral-meta"] * 2
    assert table["ratio"].to_list() == ["1", "50"] * 2
    assert table["seeds"].to_list() == [5] * 4
    assert table["median"].to_list() == [2.0] * 4


def test_a_band_is_the_median_over_seeds_of_what_each_seed_averages_in_a_bin():
    frame = records({0: [0.0, 2.0, 4.0, 6.0], 1: [2.0, 4.0, 6.0, 8.0], 2: [9.0, 11.0, 13.0, 15.0]})
    curve = statistics.band(frame, "round", "m", points=2)
    assert curve["round"].to_list() == [0.5, 2.5]
    assert curve["median"].to_list() == [3.0, 7.0]
    assert (curve["low"] <= curve["median"]).all()
    assert (curve["median"] <= curve["high"]).all()


def test_a_band_goes_on_with_the_seeds_that_are_left():
    frame = records({0: [1.0, 1.0, 1.0], 1: [3.0], 2: [2.0, 2.0, 2.0]})
    curve = statistics.band(frame, "round", "m")
    assert curve["median"].to_list() == [2.0, 1.5, 1.5]


def test_a_band_skips_what_was_not_measured_or_is_not_finite():
    frame = records({0: [1.0, math.nan, math.inf, 4.0]})
    assert statistics.band(frame, "round", "m")["median"].to_list() == [1.0, 4.0]
    assert statistics.band(frame.with_columns(m=pl.lit(None, pl.Float64)), "round", "m").is_empty()


def test_ratios_sort_by_how_far_ahead_d_is():
    assert sorted(["50", "1", "1:4", "100x25,5"], key=frames.ratio_key) == [
        "1:4",
        "1",
        "50",
        "100x25,5",
    ]


def test_the_seeds_of_a_cell_are_counted_over_its_runs():
    def config(method, seeds, ratio="1"):
        return {"method": method, "ratio": ratio, "dataset": "digits", "seeds": seeds}

    first, more = config("lsgan", [0, 1]), config("lsgan", [2, 3, 4])
    assert frames.seed_counts([first]) == [2]
    assert frames.seed_counts([first, more]) == [5]
    assert frames.seed_counts([first, more, config("lsgan", [0, 1], "50")]) == [2, 5]


def test_a_run_and_its_copy_are_told_from_another_run_of_the_same_settings():
    run = {"config": {"rounds": 3}, "status": "finished", "rounds_done": 3, "seconds": 1.5}
    assert frames.same_run(run, run | {"manifest": "other"})
    for change in ({"seconds": 1.6}, {"config": {"rounds": 4}}, {"status": "stopped"}):
        assert not frames.same_run(run, run | change)


def test_runs_of_a_cell_may_differ_in_seeds_and_pace_alone():
    first = tiny("lsgan", seeds=(0,), rounds=20).model_dump(mode="json")
    longer = {"seeds": [1], "rounds": 40, "record_every": 3, "probe_every": 7}
    assert frames.misfit(first, first | longer) == ""
    assert frames.misfit(first, first | {"lr": 0.5, "ratio": "50"}) == "", "of two cells"
    assert "0.5" in frames.misfit(first, first | {"seeds": [1], "lr": 0.5})
    assert frames.misfit(first, first) == "the same seeds: 0"
