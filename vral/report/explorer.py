"""What the page's run explorer draws: bands over seeds and every seed's final value, as JSON.

Curves are binned to at most POINTS per cell and reading, so that a page stays small however long a
run was.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from vral.diagnostics.gradients import METRICS
from vral.diagnostics.probe import PROBE_METRICS
from vral.figures import ratio_label
from vral.figures.style import arm_styles
from vral.study.frames import ratio_key
from vral.study.methods import arm_order, label
from vral.study.statistics import band

POINTS = 120
DIGITS = 4
"""Significant digits: finer than a pixel."""

CLOCKS = {
    "g_updates": "generator updates",
    "d_updates": "D updates",
    "images": "images seen by D",
    "round": "rounds",
}
"""The columns of every record that can be the horizontal axis, but for HELD_LACKS."""

HELD_LACKS = "g_updates"
"""No clock where G is held: it counts turns at which G does not move."""

READINGS = {"At D's updates": METRICS, "Of a probe, on held-out data": PROBE_METRICS}
"""Heading → reading → what it is."""


def explored(
    records: pl.DataFrame, probes: pl.DataFrame, final: pl.DataFrame, held: bool = False
) -> dict[str, Any]:
    """Curves and final values of one study on one data set.

    ``records``, ``probes`` and ``final`` hold the rows of one data set; ``held`` says that G does
    not move. "over" are the clocks to choose from. A curve is
    {"method": i, "ratio": j, "clock": k, "median": […], "low": […], "high": […]} with ``k`` the
    place in "clocks" of its bins' mean times; a final value is one row {"method": i, "ratio": j,
    "seeds": […], "values": […]} of the seeds that have not diverged.
    """
    methods = sorted(set(final["method"]), key=arm_order)
    ratios = sorted(set(final["ratio"]), key=ratio_key)
    clocks: list[dict[str, list[float]]] = []
    curves: dict[str, list[dict[str, Any]]] = {}
    finals: dict[str, list[dict[str, Any]]] = {}
    for i, method in enumerate(methods):
        for j, ratio in enumerate(ratios):
            here = (pl.col("method") == method) & (pl.col("ratio") == ratio)
            place = {"method": i, "ratio": j}
            for frame, readings in zip((records, probes), READINGS.values(), strict=True):
                for name, curve in _curves(frame.filter(here), readings, clocks):
                    curves.setdefault(name, []).append(place | curve)
            for name, row in _finals(final.filter(here & ~pl.col("diverged"))):
                finals.setdefault(name, []).append(place | row)
    return {
        "methods": [
            {"name": name, "label": label(name), "colour": to_hex(style.colour)}
            for name, style in arm_styles(methods).items()
        ],
        "ratios": [{"name": name, "label": ratio_label(name)} for name in ratios],
        "over": [clock for clock in CLOCKS if not (held and clock == HELD_LACKS)],
        "clocks": clocks,
        "curves": curves,
        "finals": finals,
    }


def _curves(frame: pl.DataFrame, readings: Mapping[str, str], clocks: list[dict[str, list[float]]]):
    """(name, curve) of every reading in a cell; bins' times are added to ``clocks`` once."""
    columns = [pl.col(clock).mean().alias(clock) for clock in CLOCKS]
    times = frame.group_by(on=pl.col("round")).agg(columns).sort("round")
    for name in readings:
        found = band(frame, "round", name, POINTS)
        if found.is_empty():
            continue
        middle = found["round"].to_numpy()
        # A bin's mean round falls between two rounds; the other clocks run evenly between them.
        now = {clock: numbers(np.interp(middle, times["round"], times[clock])) for clock in CLOCKS}
        if now not in clocks:
            clocks.append(now)
        yield (
            name,
            {"clock": clocks.index(now)}
            | {part: numbers(found[part].to_numpy()) for part in ("median", "low", "high")},
        )


def _finals(final: pl.DataFrame):
    """(name, {"seeds", "values"}) of every reading with a final value."""
    for name in [name for readings in READINGS.values() for name in readings]:
        if name in final.columns:
            rows = final.filter(pl.col(name).is_not_null() & pl.col(name).is_finite())
            if not rows.is_empty():
                values = numbers(rows[name].to_numpy())
                yield name, {"seeds": rows["seed"].to_list(), "values": values}


def numbers(values: NDArray) -> list[float | None]:
    """Rounded to DIGITS significant digits; NaN, which JSON does not have, as None."""
    return [float(f"{v:.{DIGITS - 1}e}") if np.isfinite(v) else None for v in values]
