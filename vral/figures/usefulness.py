"""How far the signal that G gets points at the data: to held G's, and to one in training."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from vral.figures.curves import draw_arms, plain_ticks
from vral.figures.panels import finite, missing, share_y
from vral.figures.style import (
    FAINT,
    MEDIANS,
    arm_styles,
    beside,
    drawing,
    finish,
    grid,
    in_words,
    wrap,
)
from vral.study.methods import label
from vral.study.statistics import band

READINGS = {
    "usefulness_cosine": "cosine with optimal transport",
    "usefulness_w2_share": "fall of W₂² per step, over 2W₂",
}
"""What the rows show; the second is at most 1, as no step can bring more than 2W₂."""
GREY = "#dddddd"


@drawing
def usefulness(
    width: float,
    probes: pl.DataFrame,
    panels: Mapping[str, Mapping[str, str]],
    diverged: Mapping[str, int],
    caption: str,
) -> Figure:
    """A column of panels for each stage of a held G, and one for the G that is trained.

    ``panels`` maps a stage ("" where G is trained) to its arms, and these to the methods that train
    D there. Held G's are followed over D's updates, trained ones over those of G. ``diverged``
    counts the seeds of an arm that diverged.
    """
    probes = _with_share(probes)
    methods = list(dict.fromkeys(name for arms in panels.values() for name in arms.values()))
    styles = arm_styles(methods)
    columns = beside(width, 2.2, max(1, len(panels)))
    blocks = -(-len(panels) // columns)
    figure, axes = grid(min(width, max(3.0, 2.6 * columns)), len(READINGS) * blocks, columns, 1.9)
    for ax in axes.flat:
        ax.set_axis_off()
    told = []
    for i, (stage, arms) in enumerate(panels.items()):
        block, at = divmod(i, columns)
        here = probes.filter(pl.col("method").is_in(list(arms)))
        renamed = here.with_columns(pl.col("method").replace(arms))
        for row, (metric, text) in enumerate(READINGS.items()):
            ax = axes[len(READINGS) * block + row, at]
            ax.set_axis_on()
            clock, unit = ("d_updates", 1000) if stage else ("g_updates", 1)
            if not len(finite(here, metric)):
                missing(ax)
                continue
            if metric == "usefulness_cosine":
                _draw_chance(ax, here, clock, unit)
            ax.axhline(0, color=FAINT, lw=0.6)
            draw_arms(ax, renamed, styles, clock, metric, unit, log=False)
            if stage:
                ax.set_xscale("log")
                plain_ticks(ax)
            if row == 0:
                ax.set_title(_name(stage, here))
            else:
                ax.set_xlabel("thousand D updates" if stage else "generator updates")
            if at == 0:
                ax.set_ylabel(wrap(text, 8.5, 1.5))
        told.append(f"{stage or 'trained'}: {_last(renamed, methods)}")
    for row in range(len(READINGS)):
        share_y(axes[row :: len(READINGS)].flat)
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
        f"Claim C2 · {caption} · {MEDIANS}; W₂: optimal transport to held-out data; share: of the "
        "data's variance; grey: cosines that these signals get with their vectors dealt out anew",
        "Curves of the cosine of G's signal with optimal transport, and of the fall of squared "
        f"W2 along it. Median cosines at the end, by stage of G: {'; '.join(told)}.",
        ([*handles, Patch(color=GREY, lw=0)], [*names, "cosine by chance"]),
    )


def _with_share(probes: pl.DataFrame) -> pl.DataFrame:
    """``probes`` with the fall of W₂² as a share of 2 W₂, which no signal exceeds."""
    drop, square = "usefulness_w2_drop", "usefulness_w2_square"
    if drop not in probes.columns:
        return probes
    share = pl.col(drop) / (2 * pl.col(square).sqrt())
    return probes.with_columns(share.alias("usefulness_w2_share"))


def _draw_chance(ax: Axes, probes: pl.DataFrame, clock: str, unit: int) -> None:
    """Shade the range, over arms, of the median chance level of the cosine."""
    name = "usefulness_cosine_permuted"
    curves = [
        band(part, clock, name).select(clock, "median")
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
    values = ((m, finite(last.filter(pl.col("method") == m), "usefulness_cosine")) for m in methods)
    return in_words((label(m), float(np.median(v))) for m, v in values if len(v))
