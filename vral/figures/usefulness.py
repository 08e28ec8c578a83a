"""How far the signal that G gets points at the data: to held G's, and to one in training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from vral.figures.curves import draw_arms, plain_ticks
from vral.figures.panels import draw_dots, finite, missing, name_rows, share_y
from vral.figures.style import (
    FAINT,
    MEDIANS,
    REAL,
    ArmStyle,
    arm_styles,
    beside,
    drawing,
    finish,
    grid,
    in_words,
    wrap,
)
from vral.study.methods import label
from vral.study.statistics import band, median_interval

COSINE, SHARE = "usefulness_cosine", "usefulness_w2_share"
"""The readings; the second is at most 1, as no step can bring more than 2W₂."""
CHANCE = "usefulness_cosine_permuted"
ROWS = 2
"""Rows of panels: the cosine along the training of D, and both readings in the last probe."""
GREY = "#dddddd"
FEW_TICKS: dict[str, Any] = {"nbins": 4, "steps": [1, 2, 5, 10]}
"""Ticks that stay the same when the layout makes a panel narrower."""


@drawing
def usefulness(
    width: float,
    probes: pl.DataFrame,
    panels: Mapping[str, Mapping[str, str]],
    diverged: Mapping[str, int],
    caption: str,
) -> Figure:
    """A column of two panels for each stage of a held G, and one for the G that is trained.

    Above the cosine is followed, below it stands with the fall of W₂² at the last probe.

    ``panels`` maps a stage ("" where G is trained) to its arms, and these to the methods that train
    D there. Held G's are followed over D's updates, trained ones over those of G. ``diverged``
    counts the seeds of an arm that diverged.
    """
    probes = _with_share(probes)
    methods = list(dict.fromkeys(name for arms in panels.values() for name in arms.values()))
    styles = arm_styles(methods)
    columns = beside(width, 2.2, max(1, len(panels)))
    blocks = -(-len(panels) // columns)
    figure, axes = grid(min(width, max(3.0, 2.6 * columns)), ROWS * blocks, columns, 1.9)
    for ax in axes.flat:
        ax.set_axis_off()
    told = []
    for i, (stage, arms) in enumerate(panels.items()):
        block, at = divmod(i, columns)
        here = probes.filter(pl.col("method").is_in(list(arms)))
        renamed = here.with_columns(pl.col("method").replace(arms))
        along, end = axes[ROWS * block : ROWS * (block + 1), at]
        along.set_axis_on()
        along.set_title(_name(stage, here))
        along.set_xlabel("thousand D updates" if stage else "generator updates")
        clock, unit = ("d_updates", 1000) if stage else ("g_updates", 1)
        if len(finite(here, COSINE)):
            _draw_chance(along, here, clock, unit)
            along.axhline(0, color=FAINT, lw=0.6)
            draw_arms(along, renamed, styles, clock, COSINE, unit, log=False)
            if stage:
                along.set_xscale("log")
                plain_ticks(along)
            else:
                along.xaxis.set_major_locator(MaxNLocator(**FEW_TICKS))
        else:
            missing(along)
        end.set_axis_on()
        _draw_end(end, _ends(renamed), methods, styles)
        end.tick_params(labelleft=at == 0)
        if at == 0:
            along.set_ylabel(wrap("cosine with optimal transport", 8.5, 1.5))
        told.append(f"{stage or 'trained'}: {_last(renamed, methods)}")
    share_y(axes[::ROWS].flat)
    handles: list[Artist] = [
        Line2D([], [], color=s.colour, ls=s.dash, marker=s.marker, ms=3, mew=0, lw=1.1)
        for s in styles.values()
    ]
    lost = {
        name: sum(
            diverged.get(arm, 0) for arms in panels.values() for arm in arms if arms[arm] == name
        )
        for name in methods
    }
    names = [label(n) + (f" ({lost[n]} diverged)" if lost[n] else "") for n in methods]
    return finish(
        figure,
        "Does the signal that G gets point at the data?",
        f"Claim C2 · {caption} · {MEDIANS}; share: of the data's variance; chance: cosines that "
        "these signals get with their vectors dealt out anew; fall of W₂²: to held-out data, per "
        "unit step along the signal, over 2W₂, the most that a step can bring",
        "Curves of the cosine of G's signal with optimal transport; dots of it, and of the fall of "
        "squared W2 along the signal, at the last probe. Median cosines there, by stage of G: "
        f"{'; '.join(told)}.",
        (
            [*handles, Patch(color=GREY, lw=0), _dot(REAL), _dot("white")],
            [*names, "cosine by chance", "cosine, last probe", "fall of W₂², last probe"],
        ),
    )


def _with_share(probes: pl.DataFrame) -> pl.DataFrame:
    """``probes`` with the fall of W₂² as a share of 2 W₂, which no signal exceeds."""
    drop, square = "usefulness_w2_drop", "usefulness_w2_square"
    if drop not in probes.columns:
        return probes
    share = pl.col(drop) / (2 * pl.col(square).sqrt())
    return probes.with_columns(share.alias(SHARE))


def _draw_end(
    ax: Axes, ends: pl.DataFrame, methods: Sequence[str], styles: Mapping[str, ArmStyle]
) -> None:
    """Both readings of each method at the last probe, over what chance brings its cosine."""
    ax.axvline(0, color=FAINT, lw=0.6)
    for y, name in enumerate(methods):
        rows = ends.filter(pl.col("method") == name)
        chance = finite(rows, CHANCE)
        if len(chance):
            _, low, high = median_interval(chance)
            ax.fill_betweenx([y - 0.4, y + 0.4], low, high, color=GREY, lw=1, zorder=0)
        style = styles[name]
        for reading, lift, face in ((COSINE, -0.18, style.colour), (SHARE, 0.18, "white")):
            values = finite(rows, reading)
            if len(values):
                draw_dots(ax, y + lift, values, style, ms=4, mfc=face)
    name_rows(ax, [label(name) for name in methods])
    ax.xaxis.set_major_locator(MaxNLocator(**FEW_TICKS))
    ax.set_xlabel("cosine; fall of W₂²")


def _dot(face: str) -> Line2D:
    """A dot of the legend, as _draw_end draws it."""
    return Line2D([], [], color=REAL, ls="", marker="o", ms=4, mfc=face)


def _draw_chance(ax: Axes, probes: pl.DataFrame, clock: str, unit: int) -> None:
    """Shade the range, over arms, of the median chance level of the cosine."""
    curves = [
        band(part, clock, CHANCE).select(clock, "median")
        for _, part in probes.group_by("method", maintain_order=True)
    ]
    every = (
        pl.concat(curves)
        .group_by(clock)
        .agg(low=pl.col("median").min(), high=pl.col("median").max())
    )
    every = every.sort(clock)
    x, low, high = (every[c].to_numpy() for c in (clock, "low", "high"))
    ax.fill_between(x / unit, low, high, color=GREY, lw=0, zorder=0, gid="chance")


def _ends(probes: pl.DataFrame) -> pl.DataFrame:
    """The last probe of every seed."""
    if probes.is_empty():  # Where nothing was read there is no clock either.
        return probes
    return probes.filter(pl.col("round") == pl.col("round").max().over("method", "seed"))


def _name(stage: str, probes: pl.DataFrame) -> str:
    """What the panel's G is, with what it has learned at the end."""
    last = _ends(probes)
    if not stage:
        return "G trained at 50:1"
    parts = [f"{stage} G, held"]
    for column, word in (("coverage", "coverage"), ("usefulness_variance_share", "share")):
        values = finite(last, column)
        if len(values):
            parts.append(f"{word} {np.median(values):.2f}")
    return "\n".join([parts[0], ", ".join(parts[1:])])


def _last(probes: pl.DataFrame, methods: Sequence[str]) -> str:
    last = _ends(probes)
    values = ((m, finite(last.filter(pl.col("method") == m), COSINE)) for m in methods)
    return in_words((label(m), float(np.median(v))) for m, v in values if len(v))
