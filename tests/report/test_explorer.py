"""What the run explorer draws."""

import base64
import json
import zlib
from math import inf, nan

import numpy as np
import polars as pl
import pytest

from vral.report import explorer
from vral.study import frames
from vral.study.methods import METHODS


def explored_frames():
    """Two seeds, 300 rounds of two D updates each; a probe every 100 rounds; seed 1 diverged."""
    cell = {"method": "lsgan", "ratio": "2", "dataset": "digits"}
    records = [
        {**cell, "seed": seed, "round": i, "g_updates": i, "d_updates": 2 * i + 1}
        | {"images": 64 * (2 * i + 1), "grad_norm_fake": float(i + seed)}
        for seed in (0, 1)
        for i in range(300)
    ]
    probes = [
        {k: v for k, v in row.items() if k != "grad_norm_fake"} | {"auc": 0.5 + row["seed"]}
        for row in records
        if row["round"] % 100 == 99
    ]
    records, probes = pl.DataFrame(records), pl.DataFrame(probes)
    diverged = [{**cell, "seed": 1, "reading": "loss_D"}]
    return records, probes, frames.marked(frames.final_values(records, probes), diverged)


def test_the_explorer_gets_bands_of_all_seeds_and_final_values_of_those_left():
    drawn = explorer.explored(*explored_frames())
    (curve,) = drawn["curves"]["grad_norm_fake"]
    times = drawn["clocks"][curve["clock"]]
    assert len(curve["median"]) <= explorer.POINTS
    # Bins of three rounds: the mean round is the middle one, and the median of i and i+1 is i+½.
    assert times["round"][:2] == [1.0, 4.0]
    assert curve["median"][:2] == [1.5, 4.5]
    np.testing.assert_allclose(times["d_updates"], 2 * np.array(times["round"]) + 1, rtol=1e-3)
    np.testing.assert_allclose(times["images"], 64 * np.array(times["d_updates"]), rtol=1e-3)
    (dots,) = drawn["finals"]["grad_norm_fake"]
    assert dots["seeds"] == [0]
    assert dots["values"] == [pytest.approx(np.mean(np.arange(240, 300)), rel=1e-3)]
    assert drawn["finals"]["auc"][0]["values"] == [0.5]
    assert len(drawn["curves"]["auc"][0]["median"]) == 3


def test_arms_of_a_method_have_colours_of_their_own():
    parts = [frame.with_columns(method=pl.col("method") + "+b=2") for frame in explored_frames()]
    both = [pl.concat(pair) for pair in zip(explored_frames(), parts, strict=True)]
    colours = [method["colour"] for method in explorer.explored(*both)["methods"]]
    assert colours[0] == METHODS["lsgan"].colour.lower()
    assert colours[0] != colours[1]


def test_a_held_generator_s_turns_are_no_clock():
    every = list(explorer.CLOCKS)
    assert explorer.explored(*explored_frames())["over"] == every
    assert explorer.explored(*explored_frames(), g_held=True)["over"] == every[1:]
    assert every[0] == "g_updates"


def test_numbers_keep_four_digits_and_say_what_is_missing():
    assert explorer.numbers(np.array([1.23456e-9, nan, inf, 0])) == [1.235e-9, None, None, 0]


def test_thinned_curves_keep_every_kth_bin_and_the_last():
    drawn = explorer.explored(*explored_frames())
    (curve,), (thin,) = (
        study["curves"]["grad_norm_fake"] for study in (drawn, explorer.thinned(drawn, 3))
    )
    assert thin["median"] == curve["median"][::-1][::3][::-1]
    times = explorer.thinned(drawn, 3)["clocks"][thin["clock"]]["round"]
    assert len(times) == len(thin["median"])
    assert times[-1] == drawn["clocks"][curve["clock"]]["round"][-1]
    assert explorer.thinned(drawn, 1) == drawn


def unpacked(packed):
    return json.loads(zlib.decompress(base64.b64decode(packed)))["studies"]


def full_study():
    """One curve of as many bins as a curve may have."""
    bins = [float(i) for i in range(explorer.POINTS)]
    curve = {"method": 0, "ratio": 0, "clock": 0, "median": bins, "low": bins, "high": bins}
    times = [{clock: bins for clock in explorer.CLOCKS}]
    return {"title": "x", "clocks": times, "curves": {"loss_D": [curve]}, "finals": {}}


def test_curves_keep_the_most_bins_that_have_room_but_never_fewer_than_the_fewest(monkeypatch):
    whole, points = explorer.packed_data([full_study()])
    assert (points, unpacked(whole)) == (explorer.POINTS, [full_study()])
    monkeypatch.setattr(explorer, "ROOM", len(whole) - 1)
    assert explorer.packed_data([full_study()])[1] == explorer.POINTS // 2
    monkeypatch.setattr(explorer, "ROOM", 1)
    least, points = explorer.packed_data([full_study()])
    assert points == explorer.FEWEST_POINTS == 12
    (curve,) = unpacked(least)[0]["curves"]["loss_D"]
    assert len(curve["median"]) == 12
    assert len(least) < len(whole)
