"""What D's scores may tell, and the slope that they must keep, over the gap that VRAL asks for."""

from typing import Any

import numpy as np
import polars as pl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vral.diagnostics.gaussian_scores import at_optimum
from vral.figures.panels import finite
from vral.figures.style import (
    FAINT,
    MEDIANS,
    REAL,
    TINY,
    ArmStyle,
    arm_styles,
    beside,
    drawing,
    finish,
    grid,
)
from vral.study.methods import arm_order, label
from vral.study.statistics import median_interval

PANELS: dict[str, tuple[str, str, tuple[float, float]]] = {
    "auc": ("D tells real from fake", "AUC", (0.48, 1.03)),
    "total_variation": ("what the scores differ by", "total variation", (-0.02, 1.03)),
    "pushed_back": ("fakes that G pushes back", "share with D(G(z)) > $m_r$", (-0.01, 0.53)),
    "slope_per_gap": ("slope that G is sure of", "E‖∇$_z$ D(G(z))‖² / $d$²", (0.04, 30)),
}
"""Quantity to its panel's title, its axis, and the least range of that."""

BESIDE = {"auc": ("accuracy", "accuracy"), "total_variation": ("jensen_shannon", "bits per score")}
"""Panel to a second curve in it, dashed, and that curve's name there."""

ASKED = (1.0, 2.0)
"""Gaps that the authors ask for: means 0 and 1, and -1 and 1."""

WIDEST = 4.0
"""The largest gap drawn, where no point lies beyond it."""

SMALL = (
    "Curves: scores N($m_f$, 1) of fakes and N($m_r$, 1) of reals, as VRAL asks. On them: $d$ = 1 "
    "and $d$ = 2, the authors' gaps. Grey: ruled out by Poincaré's inequality, Var D(G(z)) = 1."
)
MEASURED = f" Other marks: measured, {MEDIANS}."


@drawing
def trade_off(width: float, points: pl.DataFrame | None = None) -> Figure:
    """Closed forms over the gap d = m_r - m_f, and measured points beside them.

    ``points`` has a row per seed: "method" (an arm), "gap", and any of the quantities of PANELS;
    what is missing or not finite is left out. Where D's scores are as VRAL asks, points lie on the
    curves, in the last panel on the curve or above it.
    """
    if points is None:
        points = pl.DataFrame(schema={"method": pl.String, "gap": pl.Float64})
    styles = arm_styles(sorted(set(points["method"]), key=arm_order))
    widest = float(np.max([WIDEST, *(1.1 * finite(points, "gap"))]))
    gaps = np.linspace(0.02, widest, 400)
    curves, asked = at_optimum(gaps), at_optimum(ASKED)
    columns = beside(width, 3.0, 2)
    figure, axes = grid(min(width, 7.0), 4 // columns, columns, 2.2, sharex=True)
    for ax, (name, (title, text, limits)) in zip(axes.flat, PANELS.items(), strict=True):
        ax.plot(gaps, curves[name], "-", color=REAL, lw=1.3, gid="theory")
        if name in BESIDE:
            second, words = BESIDE[name]
            ax.plot(gaps, curves[second], "--", color=FAINT, lw=1.1, gid=second)
            at = (2.0, float(np.interp(2.0, gaps, curves[second])))
            look: dict[str, Any] = {"textcoords": "offset points", "color": FAINT, "fontsize": TINY}
            ax.annotate(words, at, (5, -10), **look)
        for arm, style in styles.items():
            _draw_points(ax, points.filter(pl.col("method") == arm), name, style)
        _mark_asked(ax, asked[name].tolist())
        ax.set_title(title, loc="left")
        values = finite(points, name)
        low = min([limits[0], *(0.9 * values)])
        high = max([limits[1], *(1.03 * values)])
        ax.set(ylabel=text, xlim=(0, widest), ylim=(low, high))
    last = axes.flat[-1]
    last.fill_between(gaps, curves["slope_per_gap"], 1e-9, color="#e6e6e6", lw=0, zorder=0)
    last.set_yscale("log")
    for ax in axes[-1]:
        ax.set_xlabel("gap $d$ = $m_r$ - $m_f$, score units")
    handles: list[Artist] = [
        Line2D([], [], ls="", ms=5, marker=style.marker, color=style.colour)
        for style in styles.values()
    ]
    return finish(
        figure,
        "What D may tell, and the slope it must keep",
        SMALL + (MEASURED if styles else ""),
        _alternative(asked, list(styles)),
        (handles, list(map(label, styles))),
    )


def _draw_points(ax: Axes, rows: pl.DataFrame, name: str, style: ArmStyle) -> None:
    """Draw one arm's median and interval over seeds at each of its gaps."""
    for gap in sorted(set(finite(rows, "gap"))):
        values = finite(rows.filter(pl.col("gap") == gap), name)
        if len(values):
            middle, low, high = map(float, median_interval(values))
            ax.plot(gap, middle, ls="", ms=5, marker=style.marker, color=style.colour, zorder=4)
            ax.vlines(gap, low, high, color=style.colour, lw=1.3, zorder=3)


def _mark_asked(ax: Axes, heights: list[float]) -> None:
    """Mark the curve at the gaps of ASKED, and write the number at the first beside it."""
    for gap, height, face in zip(ASKED, heights, (REAL, "white"), strict=True):
        ax.plot(gap, height, "o", ms=5, mec=REAL, mfc=face, zorder=2.5, gid=f"d={gap:g}")
    number = f"{heights[0]:.3f}".removeprefix("0").removesuffix(".000")
    rises = heights[1] > heights[0]
    place: dict[str, Any] = {"xytext": (-6, 3), "ha": "right"} if rises else {"xytext": (7, 2)}
    ax.annotate(number, (ASKED[0], heights[0]), textcoords="offset points", **place)


def _alternative(asked: dict[str, Any], arms: list[str]) -> str:
    first, second = (
        f"AUC {asked['auc'][i]:.3f}, total variation {asked['total_variation'][i]:.3f}, "
        f"{asked['pushed_back'][i]:.3f} of the fakes pushed back, squared latent slope of at least "
        f"{asked['slope_per_gap'][i]:.2g} of the squared gap"
        for i in range(len(ASKED))
    )
    beside = f", and points measured under {', '.join(map(label, arms))}" if arms else ""
    return (
        "Four panels over the gap between the means that VRAL asks of D's scores, with closed "
        f"forms{beside}: the wider the gap, the more D tells and the less slope is sure. "
        f"At a gap of 1: {first}. At a gap of 2: {second}."
    )
