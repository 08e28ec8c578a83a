"""The figures of a ratio study: one row or column per arm and ratio."""

from collections.abc import Mapping, Sequence

import polars as pl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from vral.figures.panels import (
    cell,
    draw_band,
    draw_gradient_and_variance,
    draw_histogram,
    draw_samples,
    missing,
    share_y,
)
from vral.figures.style import (
    CLOCKS,
    FAINT,
    MEDIANS,
    PAGE,
    PHONE,
    REAL,
    VARIANCE,
    ArmAtRatio,
    arm_styles,
    beside,
    drawing,
    finish,
    grid,
    log_axis,
    ratio_label,
    wrap,
)
from vral.study.methods import colour as colour_of
from vral.study.methods import label
from vral.study.numbers import how_many
from vral.study.statistics import band

Key = tuple[list[Artist], list[str]]
"""Handles and names of a legend."""


def _last_scores(probes: pl.DataFrame) -> list[tuple[NDArray, NDArray]]:
    """The last probe's (real, fake) scores of every seed."""
    if "scores_real" not in probes.columns or probes.is_empty():
        return []
    last = probes.filter(pl.col("round") == pl.col("round").max().over("seed")).sort("seed")
    pairs = zip(last["scores_real"], last["scores_fake"], strict=True)
    return [(real.to_numpy(), fake.to_numpy()) for real, fake in pairs]


ALONE = 1.6
"""Inches that the row of a single method takes, whose heading takes half of them."""


@drawing
def histograms(
    width: float,
    probes: pl.DataFrame,
    arms: Sequence[str],
    ratios: Sequence[str],
    targets: Mapping[str, tuple[float, float]],
) -> Figure:
    """D's output on held-out real and fake samples at the end of training, arms × ratios."""
    figure, axes = grid(
        min(width, 3.0 * len(ratios) + 2.0), len(arms), len(ratios), max(1.15, ALONE / len(arms))
    )
    panel = figure.get_figwidth() / len(ratios)
    for row, arm in zip(axes, arms, strict=True):
        for ax, ratio in zip(row, ratios, strict=True):
            _histogram_panel(ax, probes, arm, ratio, targets, panel)
        row[0].set_ylabel(wrap(label(arm), 8.5, 1.0))
    _name_columns(axes, ratios, "D's raw score")
    return finish(
        figure,
        "D's output on held-out data at the end of training",
        "Deck R3, claim C3 · filled: fakes, outlines: reals, one of each per seed; dashed: the "
        "N(m, 1) that VRAL asks for",
        "Histograms of D's raw scores on held-out real and fake samples at the end of "
        f"training, {_in_words(arms, ratios)}.",
        _score_key(),
    )


def _name_columns(axes: NDArray, ratios: Sequence[str], x: str) -> None:
    """The ratio above each column; below, what x is, once where the columns are narrow."""
    narrow = axes[0, 0].figure.get_figwidth() / len(ratios) < 2
    for ax, ratio in zip(axes[0], ratios, strict=True):
        ax.set_title(ratio_label(ratio) if narrow else f"D:G = {ratio_label(ratio)}")
    below = axes[-1]
    for ax in below[[len(below) // 2]] if narrow else below:
        ax.set_xlabel(x)


def _score_key() -> Key:
    handles: list[Artist] = [
        Patch(color="#9a9a9a", lw=0),
        Line2D([], [], color=REAL, lw=0.9),
        Line2D([], [], color=FAINT, lw=0.9, ls="--"),
    ]
    return handles, ["D(G(z)), in the method's colour", "D(x)", "VRAL's targets"]


def _gradient_key() -> Key:
    handles: list[Artist] = [
        Line2D([], [], color="#9a9a9a", lw=1.6),
        Line2D([], [], color=VARIANCE, lw=1.1, ls="--"),
    ]
    return handles, ["E‖∇ₓD(G(z))‖, in the method's colour", "Var D(G(z))"]


def _in_words(arms: Sequence[str], ratios: Sequence[str]) -> str:
    rows, columns = ", ".join(map(label, arms)), ", ".join(map(ratio_label, ratios))
    return f"for {rows} at D:G = {columns}"


def _histogram_panel(
    ax: Axes,
    probes: pl.DataFrame,
    arm: str,
    ratio: str,
    targets: Mapping[str, tuple[float, float]],
    width: float,
) -> None:
    seeds = _last_scores(cell(probes, arm, ratio))
    if seeds:
        draw_histogram(ax, arm, seeds, targets.get(arm))
        _few_ticks(ax, width)
    else:
        missing(ax)


def _few_ticks(ax: Axes, width: float) -> None:
    """As many numbers on the x axis as have room in ``width`` inches."""
    ax.xaxis.set_major_locator(MaxNLocator(max(2, int(width / 0.55)), steps=[1, 2, 5, 10]))


@drawing
def gradients_and_variance(
    width: float,
    records: pl.DataFrame,
    arms: Sequence[str],
    ratios: Sequence[str],
    clock: str = "g_updates",
) -> Figure:
    """‖∇D‖ and Var D(G(z)) over time, one row per arm, one column per ratio."""
    panel = width / len(ratios)
    figure, axes = grid(
        min(width, 3.3 * len(ratios) + 1.5), len(arms), len(ratios), max(1.25, ALONE / len(arms))
    )
    for row, arm in zip(axes, arms, strict=True):
        for ax, ratio in zip(row, ratios, strict=True):
            draw_gradient_and_variance(ax, arm, cell(records, arm, ratio), clock)
            _few_ticks(ax, panel)
            ax.tick_params(labelleft=ax is row[0], labelbottom=arm == arms[-1])
        row[0].set_ylabel(wrap(label(arm), 8.5, 1.0))
        share_y(row)
    _name_columns(axes, ratios, CLOCKS[clock])
    return finish(
        figure,
        "Gradient of D and variance of its output on fakes",
        f"Deck R4, claims C4, C5 · {MEDIANS}",
        "Curves of D's mean gradient norm and of the variance of its outputs on fakes over "
        f"{CLOCKS[clock]}, log axis, {_in_words(arms, ratios)}.",
        _gradient_key(),
    )


GENERATOR_METRICS = {
    "signal_fake": "signal: E‖∂ℓ/∂G(z)‖ of G's loss ℓ",
    "g_grad_rms": "RMS of G's parameter gradient",
}


@drawing
def generator_gradients(
    width: float,
    records: pl.DataFrame,
    arms: Sequence[str],
    ratios: Sequence[str],
    clock: str = "g_updates",
) -> Figure:
    """What G is told: the per-sample signal and the RMS of its parameter gradient, per ratio."""
    styles = arm_styles(arms)
    wide = width >= PAGE / 2
    if wide:
        figure, axes = grid(min(width, 4.5 * len(ratios)), len(GENERATOR_METRICS), len(ratios), 2.3)
    else:
        figure, axes = grid(width, len(GENERATOR_METRICS) * len(ratios), 1, 1.6)
        axes = axes.reshape(len(GENERATOR_METRICS), len(ratios))
    for row, (metric, text) in zip(axes, GENERATOR_METRICS.items(), strict=True):
        for ax, ratio in zip(row, ratios, strict=True):
            for arm, style in styles.items():
                curve = band(cell(records, arm, ratio), clock, metric)
                draw_band(ax, curve, clock, color=style.colour, ls=style.dash)
            log_axis(ax)
            if not wide:
                ax.set_title(f"{text}, {ratio_label(ratio)}")
            if wide or ax is axes[-1, -1]:
                ax.set_xlabel(CLOCKS[clock])
        if wide:
            row[0].set_ylabel(wrap(text, 8.5, 2.2))
        share_y(row)
    if wide:
        for ax, ratio in zip(axes[0], ratios, strict=True):
            ax.set_title(f"D:G = {ratio_label(ratio)}")
    handles: list[Artist] = [
        Line2D([], [], color=style.colour, ls=style.dash, lw=1.3) for style in styles.values()
    ]
    return finish(
        figure,
        "The gradient that reaches G",
        f"Claims C1, C2 · {MEDIANS}",
        "Curves of the per-sample signal to G and of the size of its parameter gradient over "
        f"{CLOCKS[clock]}, log axes, {_in_words(arms, ratios)}.",
        (handles, list(map(label, arms))),
    )


@drawing
def sample_grids(
    width: float,
    samples: Mapping[ArmAtRatio, NDArray | None],
    arms: Sequence[str],
    ratios: Sequence[str],
    claims: str,
    real: NDArray | None = None,
) -> Figure:
    """Samples of the first seed at the end of training, ratios × arms; points over ``real``.

    Where the arms do not fit beside each other they stand in several blocks.
    """
    columns = beside(width, 1.1, len(arms))
    blocks = -(-len(arms) // columns)
    width = min(width, max(PHONE, 1.7 * columns + 0.4))
    side = (width - 0.4) / columns
    figure, axes = grid(width, blocks * len(ratios), columns, side + 0.25)
    for ax in axes.flat:
        ax.set_axis_off()
    for i, arm in enumerate(arms):
        block, at = divmod(i, columns)
        for j, ratio in enumerate(ratios):
            ax = axes[block * len(ratios) + j, at]
            ax.set_axis_on()
            draw_samples(ax, samples.get((arm, ratio)), colour_of(arm), real)
            ax.tick_params(labelleft=at == 0, labelbottom=j == len(ratios) - 1)
            if at == 0:
                ax.set_ylabel(ratio_label(ratio))
            if j == 0:
                ax.set_title(wrap(label(arm), 9, side - 0.1))
    return finish(
        figure,
        "Samples at the end of training",
        f"{claims} · one row for each D:G; first seed, the same latents for all; none chosen by "
        "hand" + (" · grey: held-out data" if real is not None else ""),
        f"Samples of the generators at the end of training, {_in_words(arms, ratios)}.",
    )


OVERVIEW = {
    "output": ("D's output", 0.96),
    "gradient": ("‖∇D‖, Var", 0.98),
    "signal": ("signal to G", 0.96),
    "samples": ("samples", 1.3),
}
"""Kinds of panel of the overview: their names and heights in inches."""


@drawing
def overview(
    width: float,
    records: pl.DataFrame,
    probes: pl.DataFrame,
    samples: Mapping[ArmAtRatio, NDArray | None],
    arms: Sequence[str],
    ratios: Sequence[str],
    targets: Mapping[str, tuple[float, float]],
    title: str,
) -> Figure:
    """The deck's result slides on one page, a column per arm.

    The rows are D's output, ‖∇D‖ with Var D(G(z)), the signal to G and samples, each at every
    ratio. Where the arms do not fit beside each other they stand in several blocks. An arm without
    records at some ratio is left out and counted, if any arm has records at all of them.
    """
    played = {*records.select("method", "ratio").unique().iter_rows()} if records.width else set()
    everywhere = [arm for arm in arms if played >= {(arm, ratio) for ratio in ratios}]
    lacking = len(arms) - len(everywhere)
    left_out = f" · left out: {how_many(lacking, 'arm')} not played at every ratio"
    left_out *= bool(everywhere and lacking)
    arms = everywhere or arms
    ordered = list(reversed(ratios))
    columns = beside(width, 1.1, len(arms))
    blocks = -(-len(arms) // columns)
    width = min(width, max(PHONE, 1.75 * columns + 0.6))
    panel = (width - 0.6) / columns
    heights = [min(height, panel) for _, height in OVERVIEW.values() for _ in ordered] * blocks
    figure = Figure(figsize=(width, sum(heights) + 0.25 * blocks), layout="constrained")
    axes = figure.subplots(len(heights), columns, squeeze=False, height_ratios=heights)
    for ax in axes.flat:
        ax.set_axis_off()
    per_block = len(OVERVIEW) * len(ordered)
    ends = (
        {}
        if records.is_empty()
        else dict(records.group_by("ratio").agg(pl.col("g_updates").max()).iter_rows())
    )
    shorter = {ratio for ratio in ordered if ends.get(ratio) != ends.get(ordered[-1])}
    for i, arm in enumerate(arms):
        block, at = divmod(i, columns)
        column = axes[block * per_block : (block + 1) * per_block, at]
        column[0].set_title(
            wrap(label(arm), 9, panel - 0.1, "bold"), color=colour_of(arm), weight="bold"
        )
        for k, (kind, (name, _)) in enumerate(OVERVIEW.items()):
            for j, ratio in enumerate(ordered):
                ax = column[k * len(ordered) + j]
                ax.set_axis_on()
                here = cell(records, arm, ratio)
                if kind == "output":
                    _histogram_panel(ax, probes, arm, ratio, targets, panel)
                elif kind == "samples":
                    draw_samples(ax, samples.get((arm, ratio)), colour_of(arm))
                elif kind == "gradient":
                    draw_gradient_and_variance(ax, arm, here)
                else:
                    curve = band(here, "g_updates", "signal_fake")
                    draw_band(ax, curve, "g_updates", color=colour_of(arm))
                    log_axis(ax)
                if at == 0:
                    ax.set_ylabel(f"{ratio_label(ratio)}\n{name}")
                if kind in ("gradient", "signal"):
                    _few_ticks(ax, panel)
                    last = kind == "signal" and j == len(ordered) - 1
                    ax.tick_params(labelleft=at == 0, labelbottom=last or ratio in shorter)
                    if last and at == min(columns, len(arms) - block * columns) // 2:
                        ax.set_xlabel("generator updates")
    for k, kind in enumerate(OVERVIEW):
        for j in range(len(ordered)) if kind in ("gradient", "signal") else ():
            row = k * len(ordered) + j
            share_y(axes[row::per_block].flat)
    (score, scores), (line, lines) = _score_key(), _gradient_key()
    return finish(
        figure,
        title,
        f"Deck R3, R4, claims C3 to C5, C7 to C9 · {MEDIANS}{left_out}",
        "Per arm a column of panels: histograms of D's output, its gradient norm with the "
        "variance of its outputs, the signal to G, samples; "
        f"{_in_words(arms, ratios)}.",
        ([*score, *line], [*scores, *lines]),
    )
