"""What the page's run explorer draws: bands over seeds and every seed's final value, as JSON.

Each curve has at most POINTS bins, so that a page stays small however long a run was; on a page
with many studies it keeps every second, third, … bin.
"""

import base64
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
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
FEWEST_POINTS = 12
"""Thinning leaves so many bins of POINTS at least, even where the data then exceed ROOM."""
DIGITS = 4
"""Significant digits of every value: finer than a pixel."""
ROOM = 1_100_000
"""Bytes that the data of a page may have when packed."""

CLOCKS = {
    "g_updates": "generator updates",
    "d_updates": "D updates",
    "images": "images seen by D",
    "round": "rounds",
}
"""The columns of every record that can be the horizontal axis, and their labels."""

NO_CLOCK_WITH_G_HELD = "g_updates"
"""This clock is left out with G held, because it counts turns at which G does not move."""

READINGS = {"Training, at D's updates": METRICS, "Probes, on held-out data": PROBE_METRICS}
"""Heading of the menu → reading → what it is, in words."""

Times = dict[str, list[float | None]]
"""Clock → the mean time of each bin of a curve."""


def explored(
    records: pl.DataFrame, probes: pl.DataFrame, final: pl.DataFrame, g_held: bool = False
) -> dict[str, Any]:
    """Curves and final values of one study on one data set.

    ``records``, ``probes`` and ``final`` hold the rows of one data set; ``g_held`` says that G does
    not move. In the result, "over" lists the clocks to choose from. A curve is {"method": i,
    "ratio": j, "clock": k, "median": […], "low": […], "high": […]}, where k is the position in
    "clocks" of its bins' mean times. Final values come in rows {"method": i, "ratio": j,
    "seeds": […], "values": […]} of the seeds that have not diverged.
    """
    arms = sorted(set(final["method"]), key=arm_order)
    ratios = sorted(set(final["ratio"]), key=ratio_key)
    clocks: list[Times] = []
    curves: dict[str, list[dict[str, Any]]] = {}
    finals: dict[str, list[dict[str, Any]]] = {}
    for i, arm in enumerate(arms):
        for j, ratio in enumerate(ratios):
            here = (pl.col("method") == arm) & (pl.col("ratio") == ratio)
            place = {"method": i, "ratio": j}
            for frame, readings in zip((records, probes), READINGS.values(), strict=True):
                for name, curve in _curves(frame.filter(here), readings, clocks):
                    curves.setdefault(name, []).append(place | curve)
            for name, row in _finals(final.filter(here & ~pl.col("diverged"))):
                finals.setdefault(name, []).append(place | row)
    return {
        "methods": [
            {"name": name, "label": label(name), "colour": to_hex(style.colour)}
            for name, style in arm_styles(arms).items()
        ],
        "ratios": [{"name": name, "label": ratio_label(name)} for name in ratios],
        "over": [clock for clock in CLOCKS if not (g_held and clock == NO_CLOCK_WITH_G_HELD)],
        "clocks": clocks,
        "curves": curves,
        "finals": finals,
    }


def _curves(
    frame: pl.DataFrame, readings: Mapping[str, str], clocks: list[Times]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """(reading, curve) for every reading in ``frame``, which holds one arm at one ratio.

    The times of a curve's bins are added to ``clocks`` unless an earlier curve has the same.
    """
    columns = [pl.col(clock).mean().alias(clock) for clock in CLOCKS]
    times = frame.group_by(on=pl.col("round")).agg(columns).sort("round")
    for name in readings:
        curve = band(frame, "round", name, POINTS)
        if curve.is_empty():
            continue
        middle = curve["round"].to_numpy()
        # A bin's mean round falls between two rounds; the other clocks run evenly between them.
        now = {clock: numbers(np.interp(middle, times["round"], times[clock])) for clock in CLOCKS}
        if now not in clocks:
            clocks.append(now)
        yield (
            name,
            {"clock": clocks.index(now)}
            | {part: numbers(curve[part].to_numpy()) for part in ("median", "low", "high")},
        )


def _finals(final: pl.DataFrame) -> Iterator[tuple[str, dict[str, Any]]]:
    """(reading, {"seeds": […], "values": […]}) for every reading with a final value."""
    for name in [name for readings in READINGS.values() for name in readings]:
        if name in final.columns:
            rows = final.filter(pl.col(name).is_not_null() & pl.col(name).is_finite())
            if not rows.is_empty():
                values = numbers(rows[name].to_numpy())
                yield name, {"seeds": rows["seed"].to_list(), "values": values}


def numbers(values: NDArray) -> list[float | None]:
    """``values`` rounded to DIGITS significant digits; None where not finite: JSON has no NaN."""
    return [float(f"{v:.{DIGITS - 1}e}") if np.isfinite(v) else None for v in values]


def pack(text: str) -> str:
    """``text`` compressed by zlib, in base64, in which no character can end a script element.

    explorer.js unpacks it.
    """
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def packed_data(studies: Sequence[Mapping[str, Any]]) -> tuple[str, int]:
    """What explorer.js reads of these studies, packed, and how many bins a curve has at most.

    ``studies`` are results of ``explored`` with their titles. Curves keep every k-th bin, for the
    least k with which the data have ROOM, or else the largest k that leaves FEWEST_POINTS of POINTS
    bins. Raises ValueError on NaN, which JSON does not have.
    """
    known = {name for study in studies for name in (*study["curves"], *study["finals"])}
    readings = [
        {
            "heading": heading,
            "readings": [{"name": k, "text": v} for k, v in texts.items() if k in known],
        }
        for heading, texts in READINGS.items()
    ]
    for every in range(1, POINTS // FEWEST_POINTS + 1):
        shown = [thinned(study, every) for study in studies]
        content = {"studies": shown, "clocks": CLOCKS, "readings": readings}
        data = pack(json.dumps(content, allow_nan=False, separators=(",", ":")))
        if len(data) <= ROOM:
            break
    return data, -(-POINTS // every)


def thinned(study: Mapping[str, Any], every: int) -> dict[str, Any]:
    """A result of ``explored`` with every ``every``-th bin of its curves, the last one included."""

    def kept(values: Sequence[float | None]) -> list[float | None]:
        return list(values[(len(values) - 1) % every :: every])

    parts = ("median", "low", "high")
    return {
        **study,
        "clocks": [{name: kept(at) for name, at in times.items()} for times in study["clocks"]],
        "curves": {
            name: [{**curve, **{part: kept(curve[part]) for part in parts}} for curve in curves]
            for name, curves in study["curves"].items()
        },
    }
