"""W1 of samples to held-out data, beside the floor that sampling alone sets."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter
from numpy.typing import NDArray

from vral.figures.panels import draw_band, draw_samples, share_y
from vral.figures.style import (
    FAINT,
    FLOOR,
    MEDIANS,
    PAGE,
    REAL,
    TINY,
    arm_styles,
    beside,
    drawing,
    finish,
    in_words,
    log_axis,
    mark_zeros,
    on_log,
    ratio_label,
    wrap,
)
from vral.study.methods import label
from vral.study.statistics import band

REFERENCES = {"w1_floor": "sampling floor", "w1_collapse": "one point"}
"""Readings of the data themselves, and how the figure calls them."""


@drawing
def transport(
    width: float,
    probes: pl.DataFrame,
    samples: Mapping[str, NDArray | None],
    real: NDArray,
    references: Mapping[str, float],
    caption: str,
) -> Figure:
    """Samples of every arm beside ``real`` ones; below, W1 during training and at its end.

    Grey lines are the floor that sampling sets, and the W1 of a G that generates one point.
    """
    arms = list(samples)
    styles = arm_styles(arms)
    names = _names(probes, arms)
    columns = beside(width, 1.15, len(arms) + 1)
    rows = -(-(len(arms) + 1) // columns)
    width = min(width, 1.6 * columns)
    side, wide = width / columns + 0.25, width >= PAGE / 2
    figure = Figure(figsize=(width, side * rows + (2.8 if wide else 5.0)), layout="constrained")
    outer = figure.add_gridspec(2, 1, height_ratios=(side * rows, 2.8 if wide else 5.0))
    top = outer[0].subgridspec(rows, columns)
    panels = [figure.add_subplot(top[i // columns, i % columns]) for i in range(len(arms) + 1)]
    draw_samples(panels[0], real, REAL, real)
    panels[0].set_title("held-out data")
    for ax, arm in zip(panels[1:], arms, strict=True):
        draw_samples(ax, samples[arm], styles[arm].colour, real)
        ax.set_title(wrap(label(arm), 9, width / columns - 0.1))
    below = outer[1].subgridspec(*((1, 2) if wide else (2, 1)), width_ratios=(2, 1)[: wide + 1])
    course, last = (figure.add_subplot(below[i]) for i in range(2))
    for i, arm in enumerate(arms):
        colour, dash = styles[arm].colour, styles[arm].dash
        here = probes.filter(pl.col("method") == arm)
        draw_band(course, band(here, "g_updates", "w1"), "g_updates", ls=dash, color=colour)
        seeds = _last(probes, arm).to_numpy()
        middle = np.median(seeds)
        if middle < FLOOR:
            mark_zeros(last, i, colour)
        last.plot(np.full(len(seeds), i), on_log(seeds), "o", ms=3, mew=0, alpha=0.6, color=colour)
        last.plot([i - 0.3, i + 0.3], np.repeat(on_log(middle), 2), color=colour, lw=1.5)
    for ax in (course, last):
        for name in REFERENCES:
            ax.plot([0, 1], [references[name]] * 2, color=FAINT, lw=0.8, zorder=0,
                    transform=ax.get_yaxis_transform())  # fmt: skip
        log_axis(ax)
        _ticks_of_w1(ax)
    share_y((course, last))
    for name, text in REFERENCES.items():
        last.annotate(
            text, (1, references[name]), xycoords=("axes fraction", "data"), xytext=(0, 2),
            textcoords="offset points", ha="right", color=FAINT, fontsize=TINY,
        )  # fmt: skip
    course.set(xlabel="generator updates", ylabel="W1 to held-out data")
    last.set_xticks(range(len(arms)), [label(arm) for arm in arms], rotation=35, ha="right",
                    rotation_mode="anchor")  # fmt: skip
    last.set_title("every seed, last")
    if not wide:
        last.set_ylabel("W1 to held-out data")
    medians = ((label(arm), float(np.median(_last(probes, arm)))) for arm in arms)
    key: list[Artist] = [
        Line2D([], [], color=style.colour, ls=style.dash, lw=1.3) for style in styles.values()
    ]
    return finish(
        figure,
        f"W1 to held-out data\n{caption}",
        f"Claim T8 · {MEDIANS}; sampling floor: W1 between real samples of the same size; one "
        "point: W1 of a G that generates a single point",
        f"W1 after training: {in_words(medians)}; sampling floor {references['w1_floor']:.2g}, "
        f"one point {references['w1_collapse']:.2g}",
        (key, [names[arm] for arm in arms]),
    )


def _names(probes: pl.DataFrame, arms: list[str]) -> dict[str, str]:
    """The arms' names, with D's updates per update of G where arms of one method differ in them."""
    ratios = dict(probes.select("method", "ratio").unique().rows())
    methods = [arm.partition("+")[0] for arm in arms]
    names = {}
    for arm, method in zip(arms, methods, strict=True):
        several = len({ratios.get(a) for a, m in zip(arms, methods, strict=True) if m == method})
        tells = f" (D:G = {ratio_label(ratios[arm])})" if several > 1 and arm in ratios else ""
        names[arm] = label(arm) + tells
    return names


def _ticks_of_w1(ax: Axes) -> None:
    """Numbers as they are, 0.1 instead of a power of ten: they span a decade or two."""
    ax.yaxis.set_major_formatter(FuncFormatter(lambda w1, _: f"{w1:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _last(probes: pl.DataFrame, arm: str) -> pl.Series:
    """W1 of every seed at its last probe."""
    final = pl.col("round") == pl.col("round").max().over("seed")
    return probes.filter(pl.col("method") == arm).filter(final)["w1"]
