"""The figures of a ratio study: one row or column per arm and ratio."""

from collections.abc import Mapping, Sequence

import polars as pl
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
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
    STYLE,
    ArmAtRatio,
    finish,
    grid,
    log_axis,
    ratio_label,
)
from vral.study.methods import colour as colour_of
from vral.study.methods import label
from vral.study.statistics import band


def _last_scores(probes: pl.DataFrame) -> list[tuple[NDArray, NDArray]]:
    """The last probe's (real, fake) scores of every seed."""
    if "scores_real" not in probes.columns or probes.is_empty():
        return []
    last = probes.filter(pl.col("round") == pl.col("round").max().over("seed")).sort("seed")
    pairs = zip(last["scores_real"], last["scores_fake"], strict=True)
    return [(real.to_numpy(), fake.to_numpy()) for real, fake in pairs]


LEAST_HEIGHT = 2.9
"""Inches that one method needs: title, heading and small print take half of them."""


def histograms(
    probes: pl.DataFrame,
    arms: Sequence[str],
    ratios: Sequence[str],
    targets: Mapping[str, tuple[float, float]],
) -> Figure:
    """D's output on held-out real and fake samples at the end of training, arms × ratios."""
    with rc_context(STYLE):
        height = max(1.25, LEAST_HEIGHT / len(arms))
        figure, axes = grid(len(arms), len(ratios), 2.9 if len(ratios) > 1 else 4.8, height)
        for row, arm in zip(axes, arms, strict=True):
            for ax, ratio in zip(row, ratios, strict=True):
                _histogram_panel(ax, probes, arm, ratio, targets)
            row[0].set_ylabel(label(arm))
        for ax, ratio in zip(axes[0], ratios, strict=True):
            ax.set_title(f"D:G = {ratio_label(ratio)}")
        for ax in axes[-1]:
            ax.set_xlabel("D's raw score")
        if axes[0, 0].get_legend_handles_labels()[0]:
            axes[0, 0].legend(loc="upper right")
        return finish(
            figure,
            "D's output on held-out data at the end of training",
            "Deck R3, claim C3 · filled: fakes, outlines: reals, one of each per seed; dashed: the "
            "N(m, 1) that VRAL asks for",
            "Histograms of D's raw scores on held-out real and fake samples at the end of "
            f"training, {_in_words(arms, ratios)}.",
        )


def _in_words(arms: Sequence[str], ratios: Sequence[str]) -> str:
    rows, columns = ", ".join(map(label, arms)), ", ".join(map(ratio_label, ratios))
    return f"for {rows} at D:G = {columns}"


def _histogram_panel(
    ax: Axes,
    probes: pl.DataFrame,
    arm: str,
    ratio: str,
    targets: Mapping[str, tuple[float, float]],
) -> None:
    seeds = _last_scores(cell(probes, arm, ratio))
    if seeds:
        draw_histogram(ax, arm, seeds, targets.get(arm))
    else:
        missing(ax)


def gradients_and_variance(
    records: pl.DataFrame, arms: Sequence[str], ratios: Sequence[str], clock: str = "g_updates"
) -> Figure:
    """‖∇D‖ and Var D(G(z)) over time, one row per arm, one column per ratio."""
    with rc_context(STYLE):
        height = max(1.45, LEAST_HEIGHT / len(arms))
        figure, axes = grid(len(arms), len(ratios), 3.2, height)
        for row, arm in zip(axes, arms, strict=True):
            for ax, ratio in zip(row, ratios, strict=True):
                draw_gradient_and_variance(ax, arm, cell(records, arm, ratio), clock)
            row[0].set_ylabel(label(arm))
            share_y(row)
            if row[0].get_legend_handles_labels()[0]:
                row[0].legend(loc="best")
        for ax, ratio in zip(axes[0], ratios, strict=True):
            ax.set_title(f"D:G = {ratio_label(ratio)}")
        for ax in axes[-1]:
            ax.set_xlabel(CLOCKS[clock])
        return finish(
            figure,
            "Gradient of D and variance of its output on fakes",
            f"Deck R4, claims C4, C5 · {MEDIANS}",
            "Curves of D's mean gradient norm and of the variance of its outputs on fakes over "
            f"{CLOCKS[clock]}, log axis, {_in_words(arms, ratios)}.",
        )


GENERATOR_METRICS = {
    "signal_fake": "signal: E‖∂ℓ/∂G(z)‖ of G's loss ℓ",
    "g_grad_rms": "RMS of G's parameter gradient",
}


def generator_gradients(
    records: pl.DataFrame, arms: Sequence[str], ratios: Sequence[str], clock: str = "g_updates"
) -> Figure:
    """What G is told: the per-sample signal and the RMS of its parameter gradient, per ratio."""
    with rc_context(STYLE):
        figure, axes = grid(len(GENERATOR_METRICS), len(ratios), 3.6, 2.6)
        for row, (metric, text) in zip(axes, GENERATOR_METRICS.items(), strict=True):
            for ax, ratio in zip(row, ratios, strict=True):
                for arm in arms:
                    curve = band(cell(records, arm, ratio), clock, metric)
                    colour = colour_of(arm)
                    draw_band(ax, curve, clock, color=colour, label=label(arm))
                log_axis(ax)
                ax.set_xlabel(CLOCKS[clock])
            row[0].set_ylabel(text)
            share_y(row)
        for ax, ratio in zip(axes[0], ratios, strict=True):
            ax.set_title(f"D:G = {ratio_label(ratio)}")
        handles, names = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside right center")
        return finish(
            figure,
            "The gradient that reaches G",
            f"Claims C1, C2 · {MEDIANS}",
            "Curves of the per-sample signal to G and of the size of its parameter gradient over "
            f"{CLOCKS[clock]}, log axes, {_in_words(arms, ratios)}.",
        )


def sample_grids(
    samples: Mapping[ArmAtRatio, NDArray | None],
    arms: Sequence[str],
    ratios: Sequence[str],
    claims: str,
    real: NDArray | None = None,
) -> Figure:
    """Samples of the first seed at the end of training, arms × ratios; points over ``real``."""
    with rc_context(STYLE):
        size = max(1.6, LEAST_HEIGHT / len(arms)), max(1.75, LEAST_HEIGHT / len(ratios))
        figure, axes = grid(len(ratios), len(arms), *size)
        for row, ratio in zip(axes, ratios, strict=True):
            for ax, arm in zip(row, arms, strict=True):
                draw_samples(ax, samples.get((arm, ratio)), colour_of(arm), real)
                ax.tick_params(
                    labelleft=arm == arms[0], labelbottom=ratio == ratios[-1], labelsize=6
                )
            row[0].set_ylabel(f"D:G = {ratio_label(ratio)}")
        for ax, arm in zip(axes[0], arms, strict=True):
            ax.set_title(label(arm))
        return finish(
            figure,
            "Samples at the end of training",
            f"{claims} · first seed, the same latents for all; none chosen by hand"
            + (" · grey: held-out data" if real is not None else ""),
            f"Samples of the generators at the end of training, {_in_words(arms, ratios)}.",
        )


def overview(
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
    ratio.
    """
    kinds = ("output", "gradient", "signal", "samples")
    heights = {"output": 1.0, "gradient": 1.25, "signal": 1.1, "samples": 1.6}
    with rc_context(STYLE):
        shape = (len(kinds) * len(ratios), len(arms))
        ratio_heights = [heights[kind] for kind in kinds for _ in ratios]
        figure = Figure(
            figsize=(max(5, 1.75 * shape[1] + 0.6), sum(ratio_heights) + 0.9),
            layout="constrained",
        )
        axes = figure.subplots(*shape, squeeze=False, height_ratios=ratio_heights)
        ordered = list(reversed(ratios))
        for column, arm in enumerate(arms):
            axes[0, column].set_title(label(arm), color=colour_of(arm), weight="bold")
            for i, kind in enumerate(kinds):
                for j, ratio in enumerate(ordered):
                    ax = axes[i * len(ratios) + j, column]
                    here = cell(records, arm, ratio)
                    if kind == "output":
                        _histogram_panel(ax, probes, arm, ratio, targets)
                    elif kind == "samples":
                        draw_samples(ax, samples.get((arm, ratio)), colour_of(arm))
                    elif kind == "gradient":
                        draw_gradient_and_variance(ax, arm, here)
                    else:
                        curve = band(here, "g_updates", "signal_fake")
                        draw_band(ax, curve, "g_updates", color=colour_of(arm))
                        log_axis(ax)
        names = {
            "output": "D's output",
            "gradient": "‖∇D‖, Var (dashed)",
            "signal": "signal to G",
            "samples": "samples",
        }
        for i, kind in enumerate(kinds):
            for j, ratio in enumerate(ordered):
                row = axes[i * len(ratios) + j]
                row[0].set_ylabel(f"{ratio_label(ratio)}\n{names[kind]}")
                if kind in ("gradient", "signal"):
                    share_y(row)
                    for ax in row[1:]:
                        ax.tick_params(labelleft=False)
        for ax in axes[len(kinds) * len(ratios) - len(ratios) - 1]:
            ax.set_xlabel("generator updates")
        handles, names = axes[0, 0].get_legend_handles_labels()
        if handles:
            targets_line = Line2D([], [], ls="--", lw=0.7, color=FAINT)
            figure.legend(
                [*handles, targets_line],
                [*names, "VRAL's targets"],
                loc="outside right upper",
            )
        return finish(
            figure,
            title,
            f"Deck R3, R4, claims C3 to C5, C7 to C9 · {MEDIANS}",
            "Per arm a column of panels: histograms of D's output, its gradient norm with the "
            "variance of its outputs, the signal to G, samples; "
            f"{_in_words(arms, ratios)}.",
        )
