"""What a budget buys at every ratio: Fréchet distance over ratio × budget, one panel per arm."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from vral.figures.panels import cell, missing
from vral.figures.style import FLOOR, SMALL, beside, drawing, finish, grid, ratio_label, wrap
from vral.study.methods import label
from vral.study.statistics import median_interval

CLOCKS = {
    "d_updates": "updates of D",
    "g_updates": "updates of G",
    "shown": "images shown to D",
}
"""What a budget is counted in: the readings' clocks, and ``shown``, 2B an update of D and B an
update of G with batches of B."""

LATE = 1.5
"""A reading stands for a budget up to this many times its own."""
COLOURS = "viridis_r"


def budgets(first: float, last: float) -> NDArray:
    """The numbers 1, 2 and 5 times a power of ten from ``first`` to ``last``."""
    powers = 10.0 ** np.arange(np.floor(np.log10(first)), np.ceil(np.log10(last)) + 1)
    steps = np.outer(powers, (1, 2, 5)).ravel()
    return steps[(steps >= 0.999 * first) & (steps <= 1.001 * last)]


def bought(probes: pl.DataFrame, clock: str, at: NDArray, metric: str) -> NDArray:
    """What each seed has at each budget: ``metric`` of the last probe within it (budgets, seeds).

    ``probes`` are those of one arm at one ratio. NaN where the seed had not come so far, or was
    last read long before.
    """
    values = np.full((len(at), probes["seed"].n_unique()), np.nan)
    for i, (_, seed) in enumerate(probes.group_by("seed", maintain_order=True)):
        seed = seed.sort(clock)
        times, readings = seed[clock].to_numpy(), seed[metric].to_numpy()
        place = np.searchsorted(times, at * 1.001) - 1
        read = (place >= 0) & (at <= LATE * times[place])
        values[read, i] = readings[place[read]]
    return values


def surface(
    probes: pl.DataFrame, arm: str, ratios: Sequence[str], clock: str, at: NDArray
) -> NDArray:
    """Median, low and high end of the Fréchet distance over seeds, (3, ratios, budgets)."""
    parts = []
    for ratio in ratios:
        rows = cell(probes, arm, ratio)
        if rows.is_empty():
            parts.append(np.full((3, len(at)), np.nan))
            continue
        values = bought(rows, clock, at, "frechet")
        ends = np.array(median_interval(values))
        parts.append(np.where(np.isnan(values).all(-1), np.nan, ends))
    return np.stack(parts, axis=1)


@drawing
def budget(
    width: float,
    probes: pl.DataFrame,
    arms: Sequence[str],
    ratios: Sequence[str],
    clock: str,
    batch: int,
    caption: str,
) -> Figure:
    """The median Fréchet distance over ratio and budget, and the best ratio for each budget.

    A dot is the ratio with the least median; a ring, one whose interval over seeds overlaps the
    best one's.
    """
    columns = beside(width, 2.2, min(4, len(arms)))
    rows = -(-len(arms) // columns)
    figure, axes = grid(width, rows, columns, 1.9)
    for ax in axes.flat[len(arms) :]:
        ax.set_axis_off()
    described = []
    read = _with_clocks(probes, clock, batch)
    if read.is_empty():
        missing(axes[0, 0])
    else:
        at = budgets(float(read[clock].to_numpy().min()), float(read[clock].to_numpy().max()))
        surfaces = {arm: surface(read, arm, ratios, clock, at) for arm in arms}
        medians = np.array([part[0] for part in surfaces.values()])
        shown = medians[medians > FLOOR]
        norm = LogNorm(*((shown.min(), shown.max()) if len(shown) else (FLOOR, 1.0)), clip=True)
        for ax, arm in zip(axes.flat, arms, strict=False):
            _panel(ax, surfaces[arm], at, ratios, norm)
            described.append(_title(ax, surfaces[arm][0], at, arm, ratios, width / columns))
        figure.colorbar(
            ScalarMappable(norm, COLOURS),
            ax=axes,
            location="bottom" if columns < 3 else "right",
            label="Fréchet distance (less is better)",
            aspect=40,
            fraction=0.03,
        )
    for ax in axes[-1]:
        ax.set_xlabel(CLOCKS[clock])
    for ax in axes[:, 0]:
        ax.set_ylabel("D:G")
    key = [
        Line2D([], [], color="white", marker="o", mec="black", ls="", ms=5),
        Line2D([], [], color="none", marker="o", mec="black", ls="", ms=4, mew=0.6),
    ]
    return finish(
        figure,
        f"The best ratio for a budget, counted in {CLOCKS[clock]}",
        f"Claim Q3 · {caption} · medians over seeds; white: not reached; no dot where half of the "
        "ratios or fewer are read",
        f"Fréchet distance over D:G and {CLOCKS[clock]}, a panel for each method. "
        + " ".join(described),
        (key, ["best ratio", "interval overlaps the best one's"]),
    )


def _with_clocks(probes: pl.DataFrame, clock: str, batch: int) -> pl.DataFrame:
    """The probes at which the distance was read and something bought, with the clock ``shown``."""
    if "frechet" not in probes.columns:
        return probes.clear()
    shown = batch * (2 * pl.col("d_updates") + pl.col("g_updates"))
    return probes.with_columns(shown=shown).filter(
        pl.col("frechet").is_finite() & (pl.col(clock) > 0)
    )


def _panel(ax: Axes, parts: NDArray, at: NDArray, ratios: Sequence[str], norm: LogNorm) -> None:
    median, low, high = parts
    ax.imshow(
        median, origin="lower", aspect="auto", norm=norm, cmap=COLOURS, interpolation="nearest"
    )
    for column in range(len(at)):
        if np.isfinite(median[:, column]).mean() <= 0.5:  # The best of a few says little.
            continue
        best = int(np.nanargmin(median[:, column]))
        rivals = np.flatnonzero(low[:, column] <= high[best, column])
        others = [row for row in rivals if row != best]
        ax.plot([column] * len(others), others, "o", mfc="none", mec="black", ms=4, mew=0.6)
        ax.plot(column, best, "o", color="white", mec="black", ms=5)
    ax.set_yticks(range(len(ratios)), [ratio_label(ratio) for ratio in ratios])
    powers = [i for i, value in enumerate(at) if np.isclose(np.log10(value) % 1, 0)]
    ax.set_xticks(powers, [f"{at[i]:,.0f}" for i in powers])


def _title(
    ax: Axes, median: NDArray, at: NDArray, arm: str, ratios: Sequence[str], inches: float
) -> str:
    """Write above a panel its arm, and the best ratio at the largest budget that all have reached.

    Returns it as a sentence.
    """
    name = wrap(label(arm), 9, inches - 0.4)
    common = np.flatnonzero(np.isfinite(median).all(0))
    if not len(common):
        ax.set_title(name)
        return f"{label(arm)}: no budget that every ratio has reached."
    ends = median[:, common[-1]]
    best = int(np.argmin(ends))
    told = f"{ratio_label(ratios[best])} gives {ends[best]:.3g} at {at[common[-1]]:,.0f}"
    ax.set_title(f"{name}\n{wrap(told, SMALL, inches - 0.4)}")
    return f"{label(arm)}: {told}."
