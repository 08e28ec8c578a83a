"""The front page's picture: four readings of every method at one ratio, readable on a phone."""

from typing import Any

import numpy as np
import polars as pl
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from vral.figures.style import (
    FAINT,
    FLOOR,
    STYLE,
    end_on_log,
    in_words,
    log_axis,
    mark_zeros,
    on_log,
    ratio_label,
)
from vral.study.methods import METHODS

SIZE = (5.0, 5.4)
"""Inches. At a phone's 390 pixels of width a letter of 9 points is then 10 pixels high."""

READINGS = {
    "auc": ("AUC of D; 0.5 is chance", "linear"),
    "signal_fake": ("signal to G: E‖∂$l_G$/∂G(z)‖", "log"),
    "score_var_fake": ("Var D(G(z)); VRAL's target: 1", "log"),
    "frechet": ("Fréchet distance; 0 is best", "log"),
}
"""Column of a study's summary to its panel's title and scale."""

TARGETS = {"auc": 0.5, "score_var_fake": 1.0}
"""Where a panel has a line: an AUC of 0.5 is chance, a variance of 1 what VRAL asks for."""


def front(summary: pl.DataFrame, ratio: str = "50", note: str = "") -> Figure:
    """Median and interval over seeds of READINGS, one row per method, in a grid of 2 × 2 panels.

    ``summary`` has the columns of a study's summary.csv: method, ratio, metric, seeds, median, low,
    high. Methods that it lacks are left out. ``note`` is added to the small print.
    """
    rows = summary.filter(pl.col("ratio").cast(pl.String) == ratio)
    methods = [name for name in METHODS if name in rows["method"]]
    larger: dict[Any, Any] = {**STYLE, "font.size": 9, "axes.titlesize": 9, "axes.labelsize": 9}
    with rc_context(larger):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots(2, 2, sharey=True)
        for ax, (metric, (title, scale)) in zip(axes.flat, READINGS.items(), strict=True):
            _panel(ax, rows.filter(pl.col("metric") == metric), methods, scale)
            ax.set_title(title, loc="left")
            if metric in TARGETS:
                ax.axvline(TARGETS[metric], color=FAINT, lw=1, ls=(0, (4, 2)), zorder=0)
        axes[0, 0].set_ylim(len(methods) - 0.4, -0.6)
        axes[0, 0].set_yticks(range(len(methods)), [METHODS[name].label for name in methods])
        lows = rows.filter(pl.col("metric") == "auc")["low"].to_numpy()
        axes[0, 0].set_xlim(float(np.nanmin([0.5, *lows])) - 0.02, 1.02)
        distances = rows.filter(pl.col("metric") == "frechet")
        distances_in_words = in_words(
            (METHODS[name].label, value)
            for name, value in distances.select("method", "median").iter_rows()
            if name in METHODS
        )
        figure.suptitle(f"{ratio_label(ratio)}: {ratio} updates of D per update of G", fontsize=10)
        figure.supxlabel(f"median and range over seeds · {note}".rstrip(" ·"), fontsize=8)
        figure.set_label(
            f"Four panels of dots with intervals, one row per method, at {ratio_label(ratio)}: how "
            f"well D tells real from fake, the signal that reaches G, the variance of D on fakes "
            f"against its target 1, Fréchet distance. Fréchet distance: {distances_in_words}."
        )
        return figure


def _panel(ax: Axes, readings: pl.DataFrame, methods: list[str], scale: str) -> None:
    """A dot at the median and a line over the interval, in the method's colour."""
    for y, name in enumerate(methods):
        chosen = readings.filter(pl.col("method") == name)
        if chosen.is_empty() or not np.isfinite(chosen["median"][0]):
            continue
        middle, low, high = (chosen[column][0] for column in ("median", "low", "high"))
        colour = METHODS[name].colour
        if scale == "log":
            if middle < FLOOR:
                mark_zeros(ax, y, colour, "x")
            middle, low, high = on_log(middle), end_on_log(low), end_on_log(high)
        ax.plot([low, high], [y, y], color=colour, lw=3, alpha=0.45, solid_capstyle="round")
        ax.plot(middle, y, "o", color=colour, ms=6)
    if scale == "log":
        log_axis(ax, "x")
        ax.xaxis.set_major_locator(LogLocator(numticks=4))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="y", lw=0.4, color="#dddddd")
    ax.set_axisbelow(True)
