"""D's variance against another reading: a Parzen window's bandwidth, D's slope."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import polars as pl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray
from scipy.stats import spearmanr

from vral.figures.panels import finite, missing, share_y
from vral.figures.style import (
    FAINT,
    FLOOR,
    MEDIANS,
    REAL,
    arm_label,
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
    shade,
    wrap,
)
from vral.parzen import optimal_variance
from vral.study.methods import METHODS
from vral.study.statistics import median_interval

Kind = Literal["forward", "backward"]
KLS: dict[Kind, str] = {"forward": "forward KL", "backward": "backward KL"}


@drawing
def parzen(
    width: float,
    final: pl.DataFrame,
    arms: Mapping[str, tuple[float, str]],
    ratio: str,
    diverged: Mapping[str, int],
) -> Figure:
    """Against the window's bandwidth: D's variance, the signal that G gets, and its coverage.

    ``arms`` maps an arm to its (bandwidth, "forward" | "backward"). The theory is that of a free
    density: max(0, 1 - h²) forward, a - h² backward.
    """
    colour = METHODS["vral-parzen"].colour
    real = {"color": REAL, "marker": "s", "mfc": "white"}
    fake = {"color": colour, "marker": "o"}
    columns = beside(width, 2.75, 2)
    figure, axes = grid(min(width, 7.5), 4 // columns, columns, 2.2, sharex=True)
    in_numbers = []
    *variances, signal, covered = axes.flat
    for ax, (kl, name) in zip(variances, KLS.items(), strict=True):
        _draw_theory(ax, arms, kl)
        here = {arm: h for arm, (h, kind) in arms.items() if kind == kl}
        drawn = [
            _draw_against(ax, final, here, "score_var_real", dodge=0.97, log=True, **real),
            _draw_against(ax, final, here, "score_var_fake", dodge=1.03, log=True, **fake),
        ]
        in_numbers += [(f"{name} h = {h:g}", v) for h, v in drawn[1].items()]
        ax.set_title(name + _diverged_at(here, diverged))
        log_axis(ax)
        if ax is variances[0] or columns == 1:
            ax.set_ylabel("variance of D,\nsquared score units")
    for kl, style in (("forward", {"ls": "-"}), ("backward", {"ls": "--", "mfc": "white"})):
        here = {arm: h for arm, (h, kind) in arms.items() if kind == kl}
        tint = colour if kl == "forward" else shade(colour, -0.4)
        look = {**fake, **style, "color": tint}
        _draw_against(signal, final, here, "signal_fake", dodge=1.0, log=True, **look)
        if "coverage" in final.columns:
            _draw_against(covered, final, here, "coverage", dodge=1.0, **look)
    signal.set_title("what G gets")
    signal.set_ylabel("signal to G: E‖∂$l_G$/∂G(z)‖")
    if signal.has_data():
        log_axis(signal)
    else:
        missing(signal)
    covered.set_title("what G makes of it")
    covered.set_ylabel("coverage")
    covered.set_ylim(-0.03, 1.03)
    if not covered.has_data():
        missing(covered)
    share_y(variances)
    for ax in axes[-1]:
        ax.set_xlabel("bandwidth h, score units")
    if arms:
        axes[0, 0].set_xscale("log")
        _bandwidth_ticks(axes.flat, [h for h, _ in arms.values()])
    return finish(
        figure,
        f"A Parzen window of bandwidth h: the variance that it asks of D, and what comes of it, "
        f"D:G = {ratio_label(ratio)}",
        f"Claim C9 · means over the last fifth, coverage at the end; {MEDIANS}; theory: optimum of "
        "the population KL, max(0, 1-h²) and a-h², a = (1+√(1+4h²))/2",
        "Variance of D on real and fake samples against the bandwidth of the Parzen window, "
        "forward and backward KL, with theory curves, the signal to G, and its coverage. Variance "
        "on fakes: "
        f"{in_words(in_numbers)}.",
        _parzen_key(colour, real, fake),
    )


def _draw_theory(ax: Axes, arms: Mapping[str, tuple[float, str]], kl: Kind) -> None:
    widths = [h for h, _ in arms.values()] or [0.05, 1.5]
    h = np.geomspace(min(widths) / 1.15, max(widths) * 1.15, 200)
    best = on_log(optimal_variance(h, kl))
    ax.plot(h, best, "-", color=FAINT, lw=1.0, zorder=1, gid="theory")


def _draw_against(
    ax: Axes, final: pl.DataFrame, arms: Mapping[str, float], column: str, dodge: float,
    log: bool = False, **line: Any,
) -> dict[float, float]:  # fmt: skip
    """Median and interval over seeds at each arm's bandwidth; the medians by bandwidth."""
    rows = []
    for arm, h in sorted(arms.items(), key=lambda pair: pair[1]):
        values = finite(final.filter((pl.col("method") == arm) & ~pl.col("diverged")), column)
        if len(values):
            rows.append((h, *map(float, median_interval(values))))
    if not rows:
        return {}
    h, middle, low, high = np.array(rows).T
    known = dict(zip(h.tolist(), middle.tolist(), strict=True))
    if log:
        mark_zeros(ax, (h * dodge)[middle < FLOOR], line["color"])
        middle, low, high = on_log(middle), end_on_log(low), end_on_log(high)
    joined = {"ls": "", **line}
    ax.plot(h * dodge, middle, ms=4, lw=0.9, mew=0.9, zorder=3, **joined)
    ax.vlines(h * dodge, low, high, color=line["color"], lw=1.0, zorder=2)
    return known


def _diverged_at(arms: Mapping[str, float], diverged: Mapping[str, int]) -> str:
    """A line with the numbers of diverged seeds by bandwidth, or nothing."""
    lost = {h: diverged[arm] for arm, h in arms.items() if diverged.get(arm)}
    text = ", ".join(f"{n} at h = {h:g}" for h, n in sorted(lost.items()))
    return f"\ndiverged: {text}" if text else ""


def _bandwidth_ticks(axes: Iterable[Axes], widths: Sequence[float]) -> None:
    """Ticks at the bandwidths; names at those that are at least 1.25 times the one before."""
    ticks = sorted(set(widths))
    named: list[float] = []
    for h in ticks:
        if not named or h >= 1.25 * named[-1]:
            named.append(h)
    for ax in axes:
        ax.set_xticks(ticks, minor=False)
        ax.set_xticks([], minor=True)
        ax.xaxis.set_major_formatter(
            FuncFormatter(lambda h, _: f"{h:g}".removeprefix("0") if h in named else "")
        )


def _parzen_key(colour: str, real: dict, fake: dict) -> tuple[list[Artist], list[str]]:
    dark = shade(colour, -0.4)
    handles: list[Artist] = [
        Line2D([], [], ls="", ms=4, **real),
        Line2D([], [], ls="", ms=4, **fake),
        Line2D([], [], color=FAINT, lw=1.0),
        Line2D([], [], color=colour, lw=0.9, marker="o", ms=4),
        Line2D([], [], color=dark, lw=0.9, marker="o", ms=4, mfc="white", ls="--"),
    ]
    return handles, ["Var D(x)", "Var D(G(z))", "theory", "G, forward", "G, backward"]


@drawing
def lipschitz(
    width: float,
    probes: pl.DataFrame,
    arms: Sequence[str],
    ratio: str,
    diverged: Mapping[str, int],
) -> Figure:
    """Var D(G(z)) against D's empirical Lipschitz constant, and against Poincaré's bound on it.

    A dot is one seed at one probe. The title gives Spearman's rank correlation over arms and probes
    within a seed, as the median over seeds.
    """
    styles = arm_styles(arms)
    readings = {
        "lipschitz": "empirical Lipschitz constant of D:\n99.9th percentile of ‖∇ₓD‖, real to fake",
        "latent_grad_square": "E‖∇$_z$ D(G(z))‖², latent gradient squared",
    }
    columns = beside(width, 3.2, 2)
    figure, axes = grid(min(width, 8.0), 2 // columns, columns, 2.9)
    correlations = {}
    for ax, (metric, text) in zip(axes.flat, readings.items(), strict=True):
        dots = _known(probes, metric, "held_out_var_fake")
        for arm, style in styles.items():
            rows = dots.filter(pl.col("method") == arm)
            x, y = rows[metric].to_numpy(), rows["held_out_var_fake"].to_numpy()
            look = {"ms": 3.2, "mew": 0, "alpha": 0.55, "ls": "", "marker": style.marker}
            ax.plot(on_log(x), on_log(y), color=style.colour, **look)
            mark_zeros(ax, x[(y < FLOOR) & (x >= FLOOR)], style.colour)
            mark_zeros(ax, y[(x < FLOOR) & (y >= FLOOR)], style.colour, "x")
        ax.set_xlabel(wrap(text, 8.5, width / columns - 0.7))
        if dots.is_empty():
            missing(ax)
            continue
        log_axis(ax, "x")
        log_axis(ax)
        correlations[metric] = _rank_correlation(dots, metric, "held_out_var_fake")
        ax.set_ylabel("Var D(G(z)), held-out latents")
    share_y(axes.flat)
    if correlations:
        _draw_poincare(axes.flat[1])
        middle, low, high = correlations["lipschitz"]
        in_numbers = (
            f"{middle:.2f} [{low:.2f}, {high:.2f}]" if np.isfinite(low) else f"{middle:.2f}"
        )
        axes[0, 0].set_title(f"rank correlation {in_numbers}")
    handles: list[Artist] = [
        Line2D([], [], ls="", marker=s.marker, color=s.colour, ms=4, mew=0) for s in styles.values()
    ]
    return finish(
        figure,
        f"Does a bounded variance bound the slope? D:G = {ratio_label(ratio)}",
        "Claim C6 · a dot: one seed at one probe during training; Spearman's correlation "
        f"within a seed, {MEDIANS}",
        f"Log-log scatter plots of the variance of D on fakes, {len(arms)} arms. First against "
        "D's empirical Lipschitz constant"
        + (f", rank correlation {correlations['lipschitz'][0]:.2f}" if correlations else "")
        + ", then against the mean squared gradient in the latent, with the line that "
        "Poincaré's inequality forbids to cross where G has no batch norm.",
        (handles, [arm_label(arm, probes, diverged) for arm in styles]),
    )


def _known(probes: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """The rows where these columns are finite."""
    if any(name not in probes.columns for name in columns):
        return probes.clear().with_columns(pl.lit(None, pl.Float64).alias(c) for c in columns)
    return probes.filter(
        pl.all_horizontal(pl.col(c).is_not_null() & pl.col(c).is_finite() for c in columns)
    )


def _rank_correlation(dots: pl.DataFrame, x: str, y: str) -> tuple[float, float, float]:
    """Spearman's rank correlation within each seed: the median over seeds and its interval."""
    parts = [part for _, part in dots.group_by("seed") if part.height > 1]
    values = np.array([np.asarray(spearmanr(part[x], part[y]))[0] for part in parts])
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return math.nan, math.nan, math.nan
    middle, low, high = map(float, median_interval(values))
    return middle, low, high


def _draw_poincare(ax: Axes) -> None:
    """Draw the bound that the variance cannot exceed, and shade the side above it."""
    limits: NDArray = np.array([ax.get_xlim(), ax.get_ylim()])
    ends = np.array([limits.min(), limits.max()])
    ax.plot(ends, ends, color=REAL, lw=0.9, scalex=False, scaley=False, gid="poincare")
    ax.fill_between(ends, ends, limits.max(), color="#eeeeee", lw=0, zorder=0)
    ax.set(xlim=limits[0], ylim=limits[1])
    ax.set_title("Poincaré's bound for a G without batch norm")
