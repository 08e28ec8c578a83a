"""What a budget buys at every ratio: Fréchet distance over ratio, and over ratio × budget."""

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
from vral.figures.style import (
    FLOOR,
    SMALL,
    arm_styles,
    beside,
    drawing,
    end_on_log,
    finish,
    grid,
    in_words,
    log_axis,
    mark_zeros,
    on_log,
    ratio_label,
    wrap,
)
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
def same_budget(
    width: float,
    probes: pl.DataFrame,
    arms: Sequence[str],
    ratios: Sequence[str],
    caption: str,
) -> Figure:
    """The Fréchet distance at every ratio, for the same updates of D and for the same of G.

    The budgets are the largest of ``budgets`` that every cell has reached. An arm that lacks a
    ratio is left out, and named below.
    """
    columns = beside(width, 3.0, 2)
    figure, axes = grid(min(width, 8.0), 2 // columns, columns, 2.6)
    read, told = _with_clocks(probes, "d_updates", 1), []
    lacking = [arm for arm in arms if not all(len(cell(read, arm, ratio)) for ratio in ratios)]
    read = read.filter(~pl.col("method").is_in(lacking))
    styles = arm_styles([arm for arm in arms if arm not in lacking])
    for ax, clock in zip(axes.flat, ("d_updates", "g_updates"), strict=True):
        ax.set_xticks(range(len(ratios)), [ratio_label(ratio) for ratio in ratios])
        ax.set(xlabel="D:G", ylabel="Fréchet distance, less is better")
        if read.is_empty():
            missing(ax)
            continue
        ends = read.group_by("method", "ratio").agg(pl.col(clock).max())[clock]
        # G's last update comes after the last probe.
        at = budgets(1, float(ends.to_numpy().min()) + 1)[-1]
        ax.set_title(f"for the same {at:,.0f} {CLOCKS[clock]}", loc="left")
        for arm, style in styles.items():
            median, low, high = surface(read, arm, ratios, clock, np.array([at]))[..., 0]
            line = {"color": style.colour, "ls": style.dash}
            places = np.arange(len(ratios))
            ax.plot(places, on_log(median), marker=style.marker, ms=4, lw=1.4, **line)
            mark_zeros(ax, places[median < FLOOR], style.colour)
            ax.fill_between(
                places, end_on_log(low), end_on_log(high), color=style.colour, alpha=0.15, lw=0
            )
            told.append(f"{label(arm)}: {in_words(zip(ratios, median, strict=True))}.")
        log_axis(ax)
    key = [
        Line2D([], [], marker=style.marker, ms=4, color=style.colour, ls=style.dash)
        for style in styles.values()
    ]
    return finish(
        figure,
        "What the ratio costs",
        f"Claim Q3 · {caption} · medians and intervals over seeds"
        + f" · not yet at every ratio: {', '.join(map(label, lacking))}" * bool(lacking),
        "Fréchet distance over D:G, a line for each method, first for the same updates of D, then "
        "for the same updates of G. " + " ".join(told),
        (key, [label(arm) for arm in styles]),
    )


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
        # Before that each ratio has had its first update alone.
        several = [(np.isfinite(part[0]).sum(0) > 1) for part in surfaces.values()]
        first = int(np.argmax(np.any(several, axis=0)))
        at = at[first:]
        surfaces = {arm: part[:, :, first:] for arm, part in surfaces.items()}
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
