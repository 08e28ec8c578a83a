"""Functions that draw one panel on given axes."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from numpy.typing import NDArray

from vral.figures.style import (
    FAINT,
    FLOOR,
    REAL,
    SMALL,
    TINY,
    VARIANCE,
    ZERO,
    ArmStyle,
    end_on_log,
    log_axis,
    mark_zeros,
    on_log,
    wrap,
)
from vral.study.methods import colour as colour_of
from vral.study.statistics import band, median_interval

BORDER = 110
"""Grey level between the images of a grid."""
SPIKE = 5
"""A histogram of fakes is cut at this many times the peak of the real one's: fake scores may
collapse to a point."""


def draw_histogram(
    ax: Axes,
    arm: str,
    seeds: Sequence[tuple[NDArray, NDArray]],
    targets: tuple[float, float] | None,
) -> None:
    """Draw histograms of D's (real, fake) scores on held-out data, one pair per seed.

    Real scores are outlines, fake ones are filled; VRAL's targets are dashed.
    """
    low, high = np.quantile(
        np.concatenate([np.concatenate(pair) for pair in seeds]), (0.002, 0.998)
    )
    margin = 0.05 * (high - low) or 1.0
    if targets is not None:
        low, high = min(low, targets[0] - 2.5), max(high, targets[1] + 2.5)
    edges = np.linspace(low - margin, high + margin, 60)
    faint = min(0.7, 1.4 / len(seeds))
    top = 0.0
    for i, (real, fake) in enumerate(seeds):
        names = ("D(G(z))", "D(x)") if i == 0 else (None, None)
        colour = colour_of(arm)
        heights = [np.histogram(part, edges, density=True)[0] for part in (fake, real)]
        ax.stairs(heights[0], edges, fill=True, color=colour, alpha=faint, label=names[0])
        ax.stairs(heights[1], edges, color=REAL, lw=0.7, alpha=0.7, label=names[1])
        top = max(top, min(heights[0].max(), SPIKE * heights[1].max()), heights[1].max())
    ax.set_ylim(0, 1.05 * top)
    if any(np.histogram(fake, edges, density=True)[0].max() > 1.05 * top for _, fake in seeds):
        ax.text(
            0.99, 0.9, "peak cut", transform=ax.transAxes, ha="right", color=FAINT, fontsize=TINY
        )
    if targets is not None:
        x = np.linspace(edges[0], edges[-1], 200)
        for mean in targets:
            density = np.exp(-0.5 * (x - mean) ** 2) / np.sqrt(2 * np.pi)
            ax.plot(x, density, "--", color=FAINT, lw=0.7)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)


def draw_band(ax: Axes, data: pl.DataFrame, clock: str, log: bool = True, **line: Any) -> None:
    """Draw the median over seeds as a line and its interval as a band.

    ``data`` comes from ``study.statistics.band``. On a ``log`` axis the line has a gap and a mark
    at the edge where the median is 0, and the band reaches the edge where its low end is 0.
    """
    if data.is_empty():
        return
    x = data[clock].to_numpy()
    middle, low, high = (data[name].to_numpy() for name in ("median", "low", "high"))
    if log:
        mark_zeros(ax, x[middle < FLOOR], line["color"])
        middle, low, high = on_log(middle), end_on_log(low), end_on_log(high)
    if np.isfinite(middle).any():
        ax.plot(x, middle, **{"lw": 1.1, **line})
        gaps = np.isnan([np.nan, *middle, np.nan])
        alone = ~gaps[1:-1] & gaps[:-2] & gaps[2:]
        if alone.any():
            ax.plot(x[alone], middle[alone], ".", ms=3, mew=0, color=line["color"])
    ax.fill_between(x, low, high, color=line["color"], alpha=0.22, lw=0)


def draw_gradient_and_variance(
    ax: Axes, arm: str, records: pl.DataFrame, clock: str = "g_updates"
) -> None:
    """Draw ‖∇D‖ in the arm's colour and Var D(G(z)) dashed, on one log axis."""
    colour = colour_of(arm)
    draw_band(ax, band(records, clock, "grad_norm_fake"), clock, color=colour, label="E‖∇ₓD(G(z))‖")
    draw_band(
        ax,
        band(records, clock, "score_var_fake"),
        clock,
        ls="--",
        color=VARIANCE,
        label="Var D(G(z))",
    )
    log_axis(ax)


def draw_samples(
    ax: Axes,
    samples: NDArray | None,
    colour: str | tuple[float, float, float],
    real: NDArray | None = None,
) -> None:
    """Draw a square grid of images, or points in the plane over ``real`` ones in grey.

    Real points set the axes' limits; the share of samples outside is written into the panel.
    """
    ax.set_xticks([])
    ax.set_yticks([])
    if real is not None:
        reach = 1.25 * float(np.abs(real).max())
        ax.plot(real[:, 0], real[:, 1], ".", ms=1.5, mew=0, color="#c4c4c4")
        ax.set(xlim=(-reach, reach), ylim=(-reach, reach))
        ax.set_aspect("equal", "box")
        ends = int(reach) or reach
        ax.set(xticks=[-ends, 0, ends], yticks=[-ends, 0, ends])
        outside = 0.0 if samples is None else float((np.abs(samples) > reach).any(1).mean())
        if outside:
            text = f"{outside:.0%} outside" if outside >= 0.005 else "< 1% outside"
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
            ax.text(0.5, 0.03, text, transform=ax.transAxes, ha="center", fontsize=TINY, bbox=box)
    if samples is None:
        ax.text(0.5, 0.5, "no samples", ha="center", va="center", transform=ax.transAxes)
        return
    if samples.ndim == 2:
        ax.plot(samples[:, 0], samples[:, 1], ".", ms=1.5, alpha=0.5, color=colour)
        if real is None:
            ax.set_aspect("equal", "datalim")
        return
    side = int(np.sqrt(len(samples)))
    border = ((0, 0), (0, 0), (1, 1), (1, 1))
    padded = np.pad(samples[: side**2], border, constant_values=BORDER)
    _, channels, height, width = padded.shape
    grid = padded.reshape(side, side, channels, height, width)
    image = grid.transpose(0, 3, 1, 4, 2).reshape(side * height, side * width, channels)
    shown = image[..., 0] if channels == 1 else image
    ax.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    for spine in ax.spines.values():
        spine.set_visible(False)


def draw_dots(
    ax: Axes, y: float | int, values: NDArray, style: ArmStyle, log: bool = False, **dot: Any
) -> None:
    """Draw one row of dots and intervals: a stroke per seed, the median and its interval.

    ``values`` (seeds,) are finite. On a ``log`` axis a median of 0 is a mark at the edge, and an
    interval that holds 0 reaches the edge.
    """
    middle, low, high = median_interval(values)
    if log:
        if middle < FLOOR:
            mark_zeros(ax, y, style.colour, "x")
        values, middle = on_log(values), on_log(middle)
        low, high = end_on_log(low), end_on_log(high)
    ax.plot(values, np.full(len(values), y), "|", ms=6, mew=0.7, color=style.colour, alpha=0.7)
    ax.plot([low, high], [y, y], "-", lw=1.3, color=style.colour, solid_capstyle="butt")
    look = {"marker": "o", "ms": 5, "mew": 1.0, "mfc": style.colour, **dot}
    ax.plot([middle], [y], color=style.colour, ls="", **look)


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """Name the rows from the top down and draw a faint line along each."""
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_yticks(range(len(names)), [wrap(name, SMALL, 1.5) for name in names])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="y", lw=0.3, color="#dddddd")
    ax.set_axisbelow(True)


def cell(frame: pl.DataFrame, arm: str, ratio: str) -> pl.DataFrame:
    """The rows of one arm at one ratio."""
    return frame.filter((pl.col("method") == arm) & (pl.col("ratio") == ratio))


def finite(frame: pl.DataFrame, column: str) -> NDArray:
    """The finite values of a column; empty if it was not measured."""
    if column not in frame.columns:
        return np.empty(0)
    values = frame[column].cast(pl.Float64).drop_nulls().to_numpy()
    return values[np.isfinite(values)]


def missing(ax: Axes, text: str = "no data") -> None:
    """Write into an empty panel why it is empty."""
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes, color=FAINT)
    ax.set_xticks([])
    ax.set_yticks([])


def share_y(axes: Iterable[Axes]) -> None:
    """Give all panels the same limits of y, those of the panels that have a curve."""
    axes = list(axes)
    limits = [
        ax.get_ylim()
        for ax in axes
        if any(
            line.get_gid() != ZERO and np.isfinite(line.get_xydata()).all(1).any()
            for line in ax.lines
        )
    ]
    for ax in axes:
        if limits:
            ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
