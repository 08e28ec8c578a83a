"""D's variance against another reading: a Parzen window's bandwidth, D's slope."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import polars as pl
from matplotlib import rc_context
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
    STYLE,
    arm_label,
    arm_styles,
    finish,
    grid,
    in_words,
    log_axis,
    ratio_label,
    shade,
)
from vral.parzen import optimal_variance
from vral.study.methods import METHODS
from vral.study.statistics import bootstrap_median

Kind = Literal["forward", "backward"]
KLS: dict[Kind, str] = {"forward": "forward KL", "backward": "backward KL"}


def parzen(
    final: pl.DataFrame,
    arms: Mapping[str, tuple[float, str]],
    ratio: str,
    diverged: Mapping[str, int],
) -> Figure:
    """The variance that D reaches against the window's bandwidth, and the signal that G gets.

    ``arms`` maps an arm to its (bandwidth, "forward" | "backward"). The theory is that of a free
    density: max(0, 1 - h²) forward, a - h² backward.
    """
    colour = METHODS["vral-parzen"].colour
    real = {"color": REAL, "marker": "s", "mfc": "white"}
    fake = {"color": colour, "marker": "o"}
    with rc_context(STYLE):
        figure, axes = grid(1, 3, 2.75, 2.7, sharex=True)
        in_numbers = []
        for ax, (kl, name) in zip(axes[0], KLS.items(), strict=False):
            _draw_theory(ax, arms, kl)
            here = {arm: h for arm, (h, kind) in arms.items() if kind == kl}
            drawn = [
                _draw_against(ax, final, here, "score_var_real", dodge=0.97, **real),
                _draw_against(ax, final, here, "score_var_fake", dodge=1.03, **fake),
            ]
            in_numbers += [(f"{name} h = {h:g}", v) for h, v in drawn[1].items()]
            ax.set_title(name)
            _note_diverged(ax, here, diverged)
        for kl, style in (("forward", {"ls": "-"}), ("backward", {"ls": "--", "mfc": "white"})):
            here = {arm: h for arm, (h, kind) in arms.items() if kind == kl}
            tint = colour if kl == "forward" else shade(colour, -0.4)
            look = {**fake, **style, "color": tint}
            _draw_against(axes[0, 2], final, here, "signal_fake", dodge=1.0, **look)
        axes[0, 2].set_title("what G gets")
        axes[0, 2].set_ylabel("signal to G: E‖∂$l_G$/∂G(z)‖")
        axes[0, 0].set_ylabel("variance of D, squared score units")
        if axes[0, 2].has_data():
            log_axis(axes[0, 2])
        else:
            missing(axes[0, 2])
        share_y(axes[0, :2])
        for ax in axes[0]:
            ax.set_xlabel("bandwidth h, score units")
        if arms:
            axes[0, 0].set_xscale("log")
            _bandwidth_ticks(axes[0], [h for h, _ in arms.values()])
        _parzen_legend(figure, colour, real, fake)
        return finish(
            figure,
            f"A Parzen window of bandwidth h: the variance D is asked for and reaches, "
            f"D:G = {ratio_label(ratio)}",
            f"Claim C9 · means over the last fifth of the run; {MEDIANS}; theory: optimum of the "
            "population KL, max(0, 1-h²) and a-h², a = (1+√(1+4h²))/2",
            "Variance of D on real and fake samples against the bandwidth of the Parzen window, "
            "forward and backward KL, with theory curves, and the signal to G. Variance on fakes: "
            f"{in_words(in_numbers)}.",
        )


def _draw_theory(ax: Axes, arms: Mapping[str, tuple[float, str]], kl: Kind) -> None:
    widths = [h for h, _ in arms.values()] or [0.05, 1.5]
    h = np.geomspace(min(widths) / 1.15, max(widths) * 1.15, 200)
    ax.plot(h, optimal_variance(h, kl), "-", color=FAINT, lw=1.0, zorder=1, gid="theory")


def _draw_against(
    ax: Axes, final: pl.DataFrame, arms: Mapping[str, float], column: str, dodge: float,
    **line: Any,
) -> dict[float, float]:  # fmt: skip
    """Median and interval over seeds at each arm's bandwidth; the medians by bandwidth."""
    rows = []
    for arm, h in sorted(arms.items(), key=lambda pair: pair[1]):
        values = finite(final.filter((pl.col("method") == arm) & ~pl.col("diverged")), column)
        if len(values):
            rows.append((h, *map(float, bootstrap_median(values))))
    if not rows:
        return {}
    h, middle, low, high = np.maximum(rows, FLOOR).T
    joined = {"ls": "", **line}
    ax.plot(h * dodge, middle, ms=4, lw=0.9, mew=0.9, zorder=3, **joined)
    ax.vlines(h * dodge, low, high, color=line["color"], lw=1.0, zorder=2)
    return dict(zip(h.tolist(), middle.tolist(), strict=True))


def _note_diverged(ax: Axes, arms: Mapping[str, float], diverged: Mapping[str, int]) -> None:
    lost = {h: diverged[arm] for arm, h in arms.items() if diverged.get(arm)}
    text = ", ".join(f"{n} at h = {h:g}" for h, n in sorted(lost.items()))
    if text:
        ax.text(0.02, 0.02, f"diverged: {text}", transform=ax.transAxes, color=FAINT, fontsize=6.5)


def _bandwidth_ticks(axes: Iterable[Axes], widths: Sequence[float]) -> None:
    ticks = sorted(set(widths))
    for ax in axes:
        ax.set_xticks(ticks, minor=False)
        ax.set_xticks([], minor=True)
        ax.xaxis.set_major_formatter(FuncFormatter(lambda h, _: f"{h:g}".removeprefix("0")))
        ax.tick_params(axis="x", labelsize=7)


def _parzen_legend(figure: Figure, colour: str, real: dict, fake: dict) -> None:
    dark = shade(colour, -0.4)
    handles = [
        Line2D([], [], ls="", ms=4, **real),
        Line2D([], [], ls="", ms=4, **fake),
        Line2D([], [], color=FAINT, lw=1.0),
        Line2D([], [], color=colour, lw=0.9, marker="o", ms=4),
        Line2D([], [], color=dark, lw=0.9, marker="o", ms=4, mfc="white", ls="--"),
    ]
    names = ["Var D(x)", "Var D(G(z))", "theory", "signal, forward", "signal, backward"]
    figure.legend(handles, names, loc="outside right center")


def lipschitz(
    probes: pl.DataFrame, arms: Sequence[str], ratio: str, diverged: Mapping[str, int]
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
    with rc_context(STYLE):
        figure, axes = grid(1, 2, 3.4, 3.2, sharey=True)
        correlations = {}
        for ax, (metric, text) in zip(axes[0], readings.items(), strict=True):
            dots = _positive(probes, metric, "held_out_var_fake")
            for arm, style in styles.items():
                rows = dots.filter(pl.col("method") == arm)
                x, y = rows[metric].to_numpy(), rows["held_out_var_fake"].to_numpy()
                look = {"ms": 3.2, "mew": 0, "alpha": 0.55, "ls": "", "marker": style.marker}
                ax.plot(x, y, color=style.colour, **look)
            ax.set_xlabel(text)
            if dots.is_empty():
                missing(ax)
                continue
            log_axis(ax, "x")
            log_axis(ax)
            correlations[metric] = _rank_correlation(dots, metric, "held_out_var_fake")
        axes[0, 0].set_ylabel("Var D(G(z)), held-out latents")
        if correlations:
            _draw_poincare(axes[0, 1])
            middle, low, high = correlations["lipschitz"]
            in_numbers = (
                f"{middle:.2f} [{low:.2f}, {high:.2f}]" if np.isfinite(low) else f"{middle:.2f}"
            )
            axes[0, 0].set_title(f"rank correlation {in_numbers}")
        figure.legend(
            [
                Line2D([], [], ls="", marker=s.marker, color=s.colour, ms=4, mew=0)
                for s in styles.values()
            ],
            [arm_label(arm, probes, diverged) for arm in styles],
            loc="outside right center",
        )
        return finish(
            figure,
            f"Does a bounded variance bound the slope? D:G = {ratio_label(ratio)}",
            "Claim C6 · a dot: one seed at one probe during training; Spearman's correlation "
            "within a seed, median and 95 % bootstrap interval over seeds",
            f"Log-log scatter plots of the variance of D on fakes, {len(arms)} arms. Left: against "
            "D's empirical Lipschitz constant"
            + (f", rank correlation {correlations['lipschitz'][0]:.2f}" if correlations else "")
            + ". Right: against the mean squared gradient in the latent, with the line that "
            "Poincaré's inequality forbids to cross.",
        )


def _positive(probes: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """The rows where these columns are finite; smaller values are raised to FLOOR."""
    if any(name not in probes.columns for name in columns):
        return probes.clear().with_columns(pl.lit(None, pl.Float64).alias(c) for c in columns)
    known = pl.all_horizontal(pl.col(c).is_not_null() & pl.col(c).is_finite() for c in columns)
    return probes.filter(known).with_columns(pl.col(c).clip(lower_bound=FLOOR) for c in columns)


def _rank_correlation(dots: pl.DataFrame, x: str, y: str) -> tuple[float, float, float]:
    """Spearman's rank correlation within each seed: the median over seeds and its interval."""
    parts = [part for _, part in dots.group_by("seed") if part.height > 1]
    values = np.array([np.asarray(spearmanr(part[x], part[y]))[0] for part in parts])
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return math.nan, math.nan, math.nan
    middle, low, high = map(float, bootstrap_median(values))
    return middle, low, high


def _draw_poincare(ax: Axes) -> None:
    """Draw the bound that the variance cannot exceed, and shade the side above it."""
    limits: NDArray = np.array([ax.get_xlim(), ax.get_ylim()])
    ends = np.array([limits.min(), limits.max()])
    ax.plot(ends, ends, color=REAL, lw=0.9, scalex=False, scaley=False, gid="poincare")
    ax.fill_between(ends, ends, limits.max(), color="#eeeeee", lw=0, zorder=0)
    ax.set(xlim=limits[0], ylim=limits[1])
    ax.set_title("Poincaré's inequality: none in the grey")
