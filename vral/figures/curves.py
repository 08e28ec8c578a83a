"""Curves over time or along a path: a held G, clipping, segments from real to fake samples."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from vral.figures.panels import draw_band, draw_dots, finite, missing, share_y
from vral.figures.style import (
    CLOCKS,
    FAINT,
    FLOOR,
    MEDIANS,
    PAGE,
    PHONE,
    REAL,
    TINY,
    ArmStyle,
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
    wrap,
)
from vral.study.methods import label
from vral.study.statistics import band

SIGNAL_READINGS = {
    "median_signal_fake": "signal to G: median ‖∂$l_G$/∂G(z)‖",
    "median_grad_norm_fake": "slope of D: median ‖∇ₓD(G(z))‖",
    "held_out_var_fake": "Var D(G(z)), squared score units",
    "auc": "AUC of D on held-out data",
}


def draw_arms(
    ax: Axes,
    frame: pl.DataFrame,
    styles: Mapping[str, ArmStyle],
    clock: str,
    metric: str,
    per: int,
    log: bool = True,
) -> None:
    """One band per arm, over ``clock`` in units of ``per``."""
    for i, (arm, style) in enumerate(styles.items()):
        curve = band(frame.filter(pl.col("method") == arm), clock, metric)
        if not curve.is_empty():
            curve = curve.with_columns(pl.col(clock) / per)
        draw_band(
            ax, curve, clock, log, color=style.colour, ls=style.dash, marker=style.marker, ms=3,
            mew=0, markevery=(0.04 * i, 0.2),
        )  # fmt: skip


Key = tuple[list[Artist], list[str]]
"""Handles and names of a legend."""


def arm_key(
    frame: pl.DataFrame, styles: Mapping[str, ArmStyle], diverged: Mapping[str, int]
) -> Key:
    """All arms, with their diverged seeds or "no data"."""
    handles: list[Artist] = [
        Line2D([], [], color=s.colour, ls=s.dash, marker=s.marker, ms=3, mew=0, lw=1.1)
        for s in styles.values()
    ]
    return handles, [arm_label(arm, frame, diverged) for arm in styles]


@drawing
def held_generator(
    width: float,
    probes: pl.DataFrame,
    arms: Sequence[str],
    unit: int,
    unit_name: str,
    diverged: Mapping[str, int],
    title: str,
    claims: str,
) -> Figure:
    """What a D that is trained further tells a G that is held fixed: one line per arm, log axes.

    Four panels over D's updates in units W of ``unit`` of them: the median signal to G, the median
    ‖∇D‖, Var D(G(z)) and D's AUC, all of the probes. ``diverged`` counts the seeds of an arm that
    diverged.
    """
    styles = arm_styles(arms)
    probes = log_spaced(probes)
    columns = beside(width, 3.5, 2)
    figure, axes = grid(min(width, 8.0), 4 // columns, columns, 2.2, sharex=True)
    for ax, (metric, text) in zip(axes.flat, SIGNAL_READINGS.items(), strict=True):
        draw_arms(ax, probes, styles, "d_updates", metric, unit, log=metric != "auc")
        ax.set_ylabel(wrap(text, 8.5, 1.9))
        if not ax.has_data():
            missing(ax)
        elif metric != "auc":
            log_axis(ax)
        else:
            ax.set_ylim(min(0.5, ax.get_ylim()[0]), 1.02)
    if any(ax.has_data() for ax in axes.flat):
        axes[0, 0].set_xscale("log")
        plain_ticks(axes[0, 0])
    for ax in axes[-1]:
        ax.set_xlabel(f"D updates / W, W = {unit}")
    last = _last_medians(probes, arms, "median_signal_fake")
    return finish(
        figure,
        title,
        f"{claims} · {MEDIANS}; held-out data, per sample, at log-spaced probes; W: {unit_name}",
        f"Four panels of curves over D's updates, one curve for each of {len(arms)} arms: the "
        "median signal to the held G, the median slope of D, the variance of its outputs on "
        f"fakes, its AUC. Median signal at the end: {last}.",
        arm_key(probes, styles, diverged),
    )


def log_spaced(probes: pl.DataFrame, count: int = 25) -> pl.DataFrame:
    """At most ``count`` moments of probing, spaced evenly on a log axis of D's updates.

    The first and the last moment are among them.
    """
    if probes.is_empty():
        return probes
    updates = probes["d_updates"].unique().sort().to_numpy()
    wanted = np.geomspace(updates[0], updates[-1], count)
    nearest = updates[np.abs(updates[:, None] - wanted).argmin(axis=0)]
    return probes.filter(pl.col("d_updates").is_in(np.unique(nearest).tolist()))


def plain_ticks(ax: Axes) -> None:
    """Label the x axis with 1, 2, 5, 10, … instead of powers of ten."""
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))


def _last_medians(frame: pl.DataFrame, arms: Sequence[str], metric: str) -> str:
    """The median over seeds of a reading at each seed's last round, by arm, in words."""
    if metric not in frame.columns:
        return in_words([])
    last = frame.filter(pl.col("round") == pl.col("round").max().over("method", "seed"))
    values = ((arm, finite(last.filter(pl.col("method") == arm), metric)) for arm in arms)
    return in_words((label(arm), float(np.median(v))) for arm, v in values if len(v))


@drawing
def clipping(
    width: float,
    records: pl.DataFrame,
    final: pl.DataFrame,
    arms: Sequence[str],
    ratio: str,
    diverged: Mapping[str, int],
) -> Figure:
    """E‖∇D‖ over time, and how much it varies in time: the coefficient of variation per arm."""
    styles = arm_styles(arms)
    clock = "g_updates"
    wide = width >= PAGE
    figure, axes = grid(
        min(width, 9.0), 1 if wide else 2, 2 if wide else 1, 2.6,
        **({"width_ratios": (1.5, 1)} if wide else {}),
    )  # fmt: skip
    curves, dots = axes.flat
    draw_arms(curves, records, styles, clock, "grad_norm_fake", 1)
    curves.set(xlabel=CLOCKS[clock], ylabel="E‖∇ₓD(G(z))‖, per sample")
    curves.set_title("over time")
    if curves.has_data():
        log_axis(curves)
    else:
        missing(curves)
    in_numbers = []
    for y, (arm, style) in enumerate(styles.items()):
        kept = final.filter((pl.col("method") == arm) & ~pl.col("diverged"))
        values = finite(kept, "grad_norm_variation")
        if len(values):
            draw_dots(dots, y, values, style, log=True, marker=style.marker)
            in_numbers.append((label(arm), float(np.median(values))))
    dots.set_title("how much it varies")
    dots.set_xlabel("coefficient of variation of E‖∇ₓD(G(z))‖\nover the rounds of the last half")
    dots.set_ylim(len(arms) - 0.4, -0.6)
    if in_numbers:
        log_axis(dots, "x")
        dots.set_yticks(range(len(arms)), [""] * len(arms))
        dots.grid(axis="y", lw=0.3, color="#dddddd")
    else:
        missing(dots)
    return finish(
        figure,
        f"Slope of D where its weights are clipped or its gradient penalised, "
        f"D:G = {ratio_label(ratio)}",
        f"Claim C10 · {MEDIANS}; strokes: seeds. clip-all is a replica of a defect of the "
        "original code",
        "Curves of the mean gradient norm of D over generator updates, and its coefficient of "
        f"variation over time per arm: {in_words(in_numbers)}.",
        arm_key(records, styles, diverged),
    )


@drawing
def interpolation(
    width: float,
    table: pl.DataFrame,
    arms: Sequence[str],
    ratio: str,
    diverged: Mapping[str, int],
) -> Figure:
    """D and ‖∇D‖ along the segments from real (γ = 0) to fake (γ = 1), one column per arm.

    Lines are means over the pairs, bands their 10 % to 90 % quantiles, each as the median over
    seeds. Random pairs are solid, in the arm's colour; nearest pairs are dashed and dark. Where the
    columns do not fit beside each other they stand in several rows of two panels.
    """
    styles = arm_styles(arms)
    columns = beside(width, 1.2, len(arms))
    blocks = -(-len(arms) // columns)
    figure, axes = grid(min(width, max(PHONE, 2.2 * columns + 1.2)), 2 * blocks, columns, 1.7)
    for ax in axes.flat:
        ax.set_axis_off()
    in_numbers = []
    for i, (arm, style) in enumerate(styles.items()):
        block, at = divmod(i, columns)
        column = axes[2 * block : 2 * block + 2, at]
        rows = table.filter(pl.col("method") == arm)
        name = wrap(label(arm), 9, width / columns - 0.5, "bold")
        column[0].set_title(name, color=style.colour, weight="bold", pad=14)
        for ax, reading in zip(column, ("score", "grad_norm"), strict=True):
            ax.set_axis_on()
            if rows.is_empty():
                missing(ax, "diverged" if diverged.get(arm) else "no data")
                continue
            for pairing, colour, dash in (("random", style.colour, "-"), ("nearest", REAL, "--")):
                pairs = rows.filter(pl.col("pairing") == pairing)
                _draw_path(ax, pairs, reading, color=colour, ls=dash)
                if reading == "grad_norm" and pairing == "random":
                    in_numbers.append((label(arm), _swing(pairs)))
            _mark_ends(ax, names=reading == "score")
            ax.set_xticks([0, 1])
            ax.yaxis.set_major_locator(MaxNLocator(4))
        if rows.height:
            log_axis(column[1])
            column[0].tick_params(labelbottom=False)
        column[1].set_xlabel("γ")
    share_y(axes[1::2].flat)
    for block in range(blocks):
        for ax in axes[2 * block + 1, 1:]:
            ax.tick_params(labelleft=False)
        axes[2 * block, 0].set_ylabel("D's raw score")
        axes[2 * block + 1, 0].set_ylabel("‖∇ₓD‖, per sample")
    return finish(
        figure,
        f"D along segments from real to fake samples, D:G = {ratio_label(ratio)}",
        "Claim C5 · x(γ) = γ·fake + (1-γ)·real, held-out reals; line: mean over pairs, "
        "band: 10 to 90 % of the pairs; of each the median over seeds",
        "D's score and its gradient norm along segments from real to fake, one column for each "
        f"of {len(arms)} arms. Largest over smallest mean gradient norm between the ends, "
        f"random pairs: {in_words(in_numbers)}.",
        _pairing_key(),
    )


def _draw_path(ax: Axes, pairs: pl.DataFrame, reading: str, **line: Any) -> None:
    names = [f"{reading}_{part}" for part in ("mean", "low", "high")]
    over_seeds = pairs.group_by("gamma").agg(pl.col(name).median() for name in names).sort("gamma")
    gamma, mean, low, high = (over_seeds[name].to_numpy() for name in ("gamma", *names))
    if reading == "grad_norm":
        mark_zeros(ax, gamma[mean < FLOOR], line["color"])
        mean, low, high = on_log(mean), end_on_log(low), end_on_log(high)
    ax.plot(gamma, mean, lw=1.1, **line)
    ax.fill_between(gamma, low, high, color=line["color"], alpha=0.16, lw=0)


def _swing(pairs: pl.DataFrame) -> float:
    """Largest over smallest mean ‖∇D‖ between real and fake, the median over seeds."""
    between = pairs.filter(pl.col("gamma").is_between(0, 1)).group_by("seed")
    norm = pl.col("grad_norm_mean")
    swing = between.agg(swing=norm.max() / norm.min())["swing"].median()
    return float(swing) if isinstance(swing, int | float) else float("nan")


def _mark_ends(ax: Axes, names: bool) -> None:
    for gamma, name in ((0, "real"), (1, "fake")):
        ax.axvline(gamma, color=FAINT, lw=0.6, ls=":")
        if names:
            ax.annotate(
                name, (gamma, 1), xycoords=("data", "axes fraction"), xytext=(0, 2),
                textcoords="offset points", ha="center", color=FAINT, fontsize=TINY,
            )  # fmt: skip


def _pairing_key() -> Key:
    handles: list[Artist] = [
        Line2D([], [], color=FAINT, lw=1.1),
        Line2D([], [], color=REAL, lw=1.1, ls="--"),
    ]
    return handles, ["random pairs (the method's colour)", "nearest of 32"]
