"""W1 of samples to held-out data, beside the floor that sampling alone sets."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vral.figures.panels import draw_band, draw_samples
from vral.figures.style import FAINT, MEDIANS, REAL, STYLE, arm_styles, finish, in_words
from vral.study.methods import label
from vral.study.statistics import band


def transport(
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
    with rc_context(STYLE):
        figure = Figure(figsize=(1.45 * (len(arms) + 1), 4.6), layout="constrained")
        top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(1, 1.7))[:, 0]
        panels = top.subplots(1, len(arms) + 1)
        draw_samples(panels[0], real, REAL, real)
        panels[0].set_title("held-out data")
        for ax, arm in zip(panels[1:], arms, strict=True):
            draw_samples(ax, samples[arm], styles[arm].colour, real)
            ax.set_title(label(arm))
        course, last = bottom.subplots(1, 2, sharey=True, width_ratios=(2, 1))
        for i, arm in enumerate(arms):
            colour, dash = styles[arm].colour, styles[arm].dash
            here = probes.filter(pl.col("method") == arm)
            curve = band(here, "g_updates", "w1")
            draw_band(course, curve, "g_updates", ls=dash, color=colour, label=label(arm))
            seeds = _last(probes, arm).to_numpy()
            last.plot(np.full(len(seeds), i), seeds, "o", ms=3, mew=0, alpha=0.6, color=colour)
            last.plot([i - 0.3, i + 0.3], [np.median(seeds)] * 2, color=colour, lw=1.5)
        for ax in (course, last):
            ax.set_yscale("log")
            for name, text in (("w1_floor", "sampling floor"), ("w1_collapse", "one point")):
                ax.axhline(references[name], color=FAINT, lw=0.8, zorder=0)
                if ax is last:
                    ax.annotate(
                        text,
                        (1, references[name]),
                        xycoords=("axes fraction", "data"),
                        xytext=(0, 2),
                        textcoords="offset points",
                        ha="right",
                        color=FAINT,
                    )
        course.set(xlabel="generator updates", ylabel="W1 to held-out data")
        last.set_xticks(range(len(arms)), [label(arm) for arm in arms], rotation=30, ha="right")
        last.set_title("every seed, last")
        course.legend()
        medians = ((label(arm), float(np.median(_last(probes, arm)))) for arm in arms)
        return finish(
            figure,
            f"W1 to held-out data\n{caption}",
            f"Claim T8 · {MEDIANS}; sampling floor: W1 between real samples of the same size",
            f"W1 after training: {in_words(medians)}; sampling floor {references['w1_floor']:.2g}, "
            f"one point {references['w1_collapse']:.2g}",
        )


def _last(probes: pl.DataFrame, arm: str) -> pl.Series:
    """W1 of every seed at its last probe."""
    final = pl.col("round") == pl.col("round").max().over("seed")
    return probes.filter(pl.col("method") == arm).filter(final)["w1"]
