"""Data frames to matplotlib figures: one pure function per kind of figure.

Every kind draws on axes that it is given, so that the overview puts the same panels side by side.
A method has one colour everywhere, real data is always dark, and a curve names its clock.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import polars as pl
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from vral.methods import colour as colour_of
from vral.methods import label
from vral.study import band

Cell = tuple[str, str]
"""(method, ratio)."""

STYLE = {
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "figure.dpi": 150,
    "savefig.bbox": "tight",
    "pdf.fonttype": 42,
}
REAL = "#222222"
VARIANCE = "#222222"
CLOCKS = {"g_updates": "generator updates", "d_updates": "D updates", "round": "rounds"}
BORDER = 110
SPIKE = 5
"""Fake scores that have collapsed to a point are cut at this many times the real ones' peak."""
FLOOR = 1e-12
"""Below this a reading is drawn at the edge of a log axis: it has underflowed."""


def ratio_label(ratio: str) -> str:
    return f"{ratio}:1" if ratio.isdigit() else ratio


# --- panels --------------------------------------------------------------------------------------


def draw_histogram(
    ax: Axes,
    method: str,
    seeds: Sequence[tuple[NDArray, NDArray]],
    targets: tuple[float, float] | None,
) -> None:
    """D's (real, fake) scores on held-out data, seed over seed: real as outlines, fake filled.

    VRAL's targets are dashed.
    """
    low, high = np.quantile(
        np.concatenate([np.concatenate(pair) for pair in seeds]), (0.002, 0.998)
    )
    margin = 0.05 * (high - low) or 1.0
    if targets is not None:
        low, high = min(low, targets[0] - 2.5), max(high, targets[1] + 2.5)
    edges = np.linspace(low - margin, high + margin, 60)
    faint = min(0.7, 1.4 / len(seeds))
    top = 0.0
    for i, (real, fake) in enumerate(seeds):
        names = ("D(G(z))", "D(x)") if i == 0 else (None, None)
        colour = colour_of(method)
        heights = [np.histogram(part, edges, density=True)[0] for part in (fake, real)]
        ax.stairs(heights[0], edges, fill=True, color=colour, alpha=faint, label=names[0])
        ax.stairs(heights[1], edges, color=REAL, lw=0.7, alpha=0.7, label=names[1])
        top = max(top, min(heights[0].max(), SPIKE * heights[1].max()), heights[1].max())
    ax.set_ylim(0, 1.05 * top)
    if any(np.histogram(fake, edges, density=True)[0].max() > 1.05 * top for _, fake in seeds):
        ax.text(0.99, 0.9, "peak cut", transform=ax.transAxes, ha="right", color="#888888")
    if targets is not None:
        x = np.linspace(edges[0], edges[-1], 200)
        for mean in targets:
            density = np.exp(-0.5 * (x - mean) ** 2) / np.sqrt(2 * np.pi)
            ax.plot(x, density, "--", color="#888888", lw=0.7)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)


def _log_axis(ax: Axes) -> None:
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(numticks=6))
    ax.yaxis.set_minor_formatter(NullFormatter())
    low, high = ax.get_ylim()
    if high < 30 * low:
        # Only powers of ten are labelled: let there be two of them.
        ax.set_ylim(10 ** np.floor(np.log10(low)), 10 ** np.ceil(np.log10(high)))


def draw_band(ax: Axes, data: pl.DataFrame, clock: str, style: str = "-", **line: object) -> None:
    """Median over seeds as a line, its 95 % interval as a band."""
    if data.is_empty():
        return
    x = data[clock].to_numpy()
    middle, low, high = (
        np.maximum(data[name].to_numpy(), FLOOR) for name in ("median", "low", "high")
    )
    ax.plot(x, middle, style, lw=1.1, **line)
    ax.fill_between(x, low, high, color=line["color"], alpha=0.22, lw=0)


def draw_gradient_and_variance(
    ax: Axes, method: str, records: pl.DataFrame, clock: str = "g_updates"
) -> None:
    """‖∇D‖ in the method's colour and Var D(G(z)) dashed, on one log axis."""
    colour = colour_of(method)
    draw_band(ax, band(records, clock, "grad_norm_fake"), clock, color=colour, label="E‖∇ₓD(G(z))‖")
    draw_band(
        ax,
        band(records, clock, "score_var_fake"),
        clock,
        style="--",
        color=VARIANCE,
        label="Var D(G(z))",
    )
    _log_axis(ax)


def draw_samples(ax: Axes, samples: NDArray | None, colour: str) -> None:
    """A square grid of images, or points in the plane."""
    ax.set_xticks([])
    ax.set_yticks([])
    if samples is None:
        ax.text(0.5, 0.5, "diverged", ha="center", va="center", transform=ax.transAxes)
        return
    if samples.ndim == 2:
        ax.plot(samples[:, 0], samples[:, 1], ".", ms=1.5, alpha=0.5, color=colour)
        ax.set_aspect("equal", "datalim")
        return
    side = int(np.sqrt(len(samples)))
    border = ((0, 0), (0, 0), (1, 1), (1, 1))
    padded = np.pad(samples[: side**2], border, constant_values=BORDER)
    _, channels, height, width = padded.shape
    grid = padded.reshape(side, side, channels, height, width)
    image = grid.transpose(0, 3, 1, 4, 2).reshape(side * height, side * width, channels)
    shown = image[..., 0] if channels == 1 else image
    ax.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    for spine in ax.spines.values():
        spine.set_visible(False)


# --- figures -------------------------------------------------------------------------------------


def _cell(frame: pl.DataFrame, method: str, ratio: str) -> pl.DataFrame:
    return frame.filter((pl.col("method") == method) & (pl.col("ratio") == ratio))


def _last_scores(probes: pl.DataFrame) -> list[tuple[NDArray, NDArray]]:
    """The last probe's (real, fake) scores of every seed."""
    if "scores_real" not in probes.columns or probes.is_empty():
        return []
    last = probes.filter(pl.col("round") == pl.col("round").max().over("seed")).sort("seed")
    pairs = zip(last["scores_real"], last["scores_fake"], strict=True)
    return [(real.to_numpy(), fake.to_numpy()) for real, fake in pairs]


def _grid(rows: int, columns: int, width: float, height: float) -> tuple[Figure, NDArray]:
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def _missing(ax: Axes, text: str = "no data") -> None:
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes, color="#888888")
    ax.set_xticks([])
    ax.set_yticks([])


def histograms(
    probes: pl.DataFrame,
    methods: Sequence[str],
    ratios: Sequence[str],
    targets: Mapping[str, tuple[float, float]],
) -> Figure:
    """D's output on held-out real and fake samples at the end of training, methods × ratios."""
    with rc_context(STYLE):
        figure, axes = _grid(len(methods), len(ratios), 2.9, 1.25)
        for row, method in zip(axes, methods, strict=True):
            for ax, ratio in zip(row, ratios, strict=True):
                _histogram_panel(ax, probes, method, ratio, targets)
            row[0].set_ylabel(label(method))
        for ax, ratio in zip(axes[0], ratios, strict=True):
            ax.set_title(f"D:G = {ratio_label(ratio)}")
        for ax in axes[-1]:
            ax.set_xlabel("D's raw score")
        if axes[0, 0].get_legend_handles_labels()[0]:
            axes[0, 0].legend(loc="upper right")
        figure.suptitle("D's output on held-out data at the end of training (deck R3; claim C3)")
        return figure


def _histogram_panel(ax, probes, method, ratio, targets) -> None:
    seeds = _last_scores(_cell(probes, method, ratio))
    if seeds:
        draw_histogram(ax, method, seeds, targets.get(method))
    else:
        _missing(ax)


def gradients_and_variance(
    records: pl.DataFrame, methods: Sequence[str], ratios: Sequence[str], clock: str = "g_updates"
) -> Figure:
    """‖∇D‖ and Var D(G(z)) over time, one row per method, one column per ratio."""
    with rc_context(STYLE):
        figure, axes = _grid(len(methods), len(ratios), 3.2, 1.45)
        for row, method in zip(axes, methods, strict=True):
            for ax, ratio in zip(row, ratios, strict=True):
                draw_gradient_and_variance(ax, method, _cell(records, method, ratio), clock)
            row[0].set_ylabel(label(method))
            _share_y(row)
            if row[0].get_legend_handles_labels()[0]:
                row[0].legend(loc="best")
        for ax, ratio in zip(axes[0], ratios, strict=True):
            ax.set_title(f"D:G = {ratio_label(ratio)}")
        for ax in axes[-1]:
            ax.set_xlabel(CLOCKS[clock])
        figure.suptitle(
            "Gradient of D and variance of its output on fakes (deck R4; claims C4, C5)\n"
            "median and 95 % interval over seeds"
        )
        return figure


def _share_y(axes: Iterable[Axes]) -> None:
    axes = list(axes)
    limits = [ax.get_ylim() for ax in axes if ax.has_data()]
    for ax in axes:
        if limits:
            ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


GENERATOR_METRICS = {
    "signal_fake": "signal: E‖∂ℓ/∂G(z)‖ of G's loss ℓ",
    "g_grad_rms": "RMS of G's parameter gradient",
}


def generator_gradients(
    records: pl.DataFrame, methods: Sequence[str], ratios: Sequence[str], clock: str = "g_updates"
) -> Figure:
    """What G is told: the per-sample signal and the RMS of its parameter gradient, per ratio."""
    with rc_context(STYLE):
        figure, axes = _grid(len(GENERATOR_METRICS), len(ratios), 3.6, 2.6)
        for row, (metric, text) in zip(axes, GENERATOR_METRICS.items(), strict=True):
            for ax, ratio in zip(row, ratios, strict=True):
                for method in methods:
                    curve = band(_cell(records, method, ratio), clock, metric)
                    colour = colour_of(method)
                    draw_band(ax, curve, clock, color=colour, label=label(method))
                _log_axis(ax)
                ax.set_xlabel(CLOCKS[clock])
            row[0].set_ylabel(text)
            _share_y(row)
        for ax, ratio in zip(axes[0], ratios, strict=True):
            ax.set_title(f"D:G = {ratio_label(ratio)}")
        handles, names = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside right center")
        figure.suptitle(
            "The gradient that reaches G (claims C1, C2), median and 95 % interval over seeds"
        )
        return figure


def sample_grids(
    samples: Mapping[Cell, NDArray | None], methods: Sequence[str], ratios: Sequence[str]
) -> Figure:
    """Samples of the first seed at the end of training, methods × ratios."""
    with rc_context(STYLE):
        figure, axes = _grid(len(ratios), len(methods), 1.6, 1.75)
        for row, ratio in zip(axes, ratios, strict=True):
            for ax, method in zip(row, methods, strict=True):
                draw_samples(ax, samples.get((method, ratio)), colour_of(method))
            row[0].set_ylabel(f"D:G = {ratio_label(ratio)}")
        for ax, method in zip(axes[0], methods, strict=True):
            ax.set_title(label(method))
        figure.suptitle("Samples at the end of training, first seed (claim C7)")
        return figure


def overview(
    records: pl.DataFrame,
    probes: pl.DataFrame,
    samples: Mapping[Cell, NDArray | None],
    methods: Sequence[str],
    ratios: Sequence[str],
    targets: Mapping[str, tuple[float, float]],
    title: str,
) -> Figure:
    """The deck's result slides on one page: a column per method; D's output, ‖∇D‖ with
    Var D(G(z)), G's gradient and samples, each at every ratio."""
    kinds = ("output", "gradient", "signal", "samples")
    heights = {"output": 1.0, "gradient": 1.25, "signal": 1.1, "samples": 1.6}
    with rc_context(STYLE):
        shape = (len(kinds) * len(ratios), len(methods))
        ratio_heights = [heights[kind] for kind in kinds for _ in ratios]
        figure = Figure(
            figsize=(max(5, 1.75 * shape[1] + 0.6), sum(ratio_heights) + 0.9),
            layout="constrained",
        )
        axes = figure.subplots(*shape, squeeze=False, height_ratios=ratio_heights)
        ordered = list(reversed(ratios))
        for column, method in enumerate(methods):
            axes[0, column].set_title(label(method), color=colour_of(method), weight="bold")
            for i, kind in enumerate(kinds):
                for j, ratio in enumerate(ordered):
                    ax = axes[i * len(ratios) + j, column]
                    cell = _cell(records, method, ratio)
                    if kind == "output":
                        _histogram_panel(ax, probes, method, ratio, targets)
                    elif kind == "samples":
                        draw_samples(ax, samples.get((method, ratio)), colour_of(method))
                    elif kind == "gradient":
                        draw_gradient_and_variance(ax, method, cell)
                    else:
                        curve = band(cell, "g_updates", "signal_fake")
                        draw_band(ax, curve, "g_updates", color=colour_of(method))
                        _log_axis(ax)
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
                    _share_y(row)
                    for ax in row[1:]:
                        ax.tick_params(labelleft=False)
        for ax in axes[len(kinds) * len(ratios) - len(ratios) - 1]:
            ax.set_xlabel("generator updates")
        handles, names = axes[0, 0].get_legend_handles_labels()
        if handles:
            targets_line = Line2D([], [], ls="--", lw=0.7, color="#888888")
            figure.legend(
                [*handles, targets_line],
                [*names, "VRAL's targets"],
                loc="outside lower center",
                ncols=3,
            )
        figure.suptitle(title)
        return figure
