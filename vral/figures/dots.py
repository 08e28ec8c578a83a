"""Dots with intervals: arms against readings, defects against the readings they change."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from vral.figures.panels import cell, draw_dots, finite, missing, name_rows
from vral.figures.style import (
    FAINT,
    MEDIANS,
    PAGE,
    TINY,
    ArmAtRatio,
    ArmStyle,
    beside,
    drawing,
    end_on_log,
    finish,
    grid,
    in_words,
    log_axis,
    on_log,
    ratio_label,
)
from vral.study.legacy import FILLER, FILLER_ROWS, ROWS, filler_variance, legacy_scales
from vral.study.methods import colour as colour_of
from vral.study.methods import label
from vral.study.numbers import number
from vral.study.statistics import inverted, median_interval, no_less_than_one

ROW = 0.27
"""Inches of height per row."""
AROUND = 0.75
"""Inches of height for the axes around the rows."""

NECESSITY_READINGS = {
    "frechet": ("Fréchet distance", "log"),
    "held_out_var_fake": ("Var D(G(z))", "log"),
    "ks_fake": ("KS distance of D(G(z))\nto its target", "linear"),
    "signal_fake": ("signal to G:\nE‖∂$l_G$/∂G(z)‖", "log"),
    "lipschitz": ("Lipschitz constant\n(99.9th pct. of ‖∇ₓD‖)", "log"),
}


def _row_name(arm: str, diverged: Mapping[ArmAtRatio, int], ratios: Sequence[str]) -> str:
    """The arm's name with its number of diverged seeds, by ratio if there are several."""
    lost = {ratio: diverged[arm, ratio] for ratio in ratios if diverged.get((arm, ratio))}
    if not lost:
        return label(arm)
    counts = [f"{n} at {ratio_label(r)}" if len(ratios) > 1 else f"{n}" for r, n in lost.items()]
    return f"{label(arm)} ({', '.join(counts)} diverged)"


def _final(final: pl.DataFrame, arm: str, column: str) -> NDArray:
    """Final values of a column, for the arm's seeds that have not diverged."""
    return finite(final.filter((pl.col("method") == arm) & ~pl.col("diverged")), column)


def _say_none(ax: Axes, y: float | int, text: str = "no data") -> None:
    where = {"transform": ax.get_yaxis_transform(), "ha": "center", "va": "center"}
    ax.text(0.5, y, text, color=FAINT, fontsize=TINY, **where)


@drawing
def necessity(
    width: float, final: pl.DataFrame, arms: Sequence[str], ratio: str,
    diverged: Mapping[ArmAtRatio, int], reference: str = "vral-meta",
) -> Figure:  # fmt: skip
    """Final readings of every arm; the reference arm's is also a vertical line."""
    columns = beside(width, 1.9, len(NECESSITY_READINGS))
    rows = -(-len(NECESSITY_READINGS) // columns)
    figure, axes = grid(width, rows, columns, ROW * len(arms) + AROUND)
    in_numbers = []
    names = [_row_name(arm, diverged, [ratio]) for arm in arms]
    for i, (ax, (column, (text, scale))) in enumerate(
        zip(axes.flat, NECESSITY_READINGS.items(), strict=False)
    ):
        ax.set_xlabel(text)
        log = scale == "log"
        known = _final(final, reference, column)
        if len(known):
            _reference(ax, known, colour_of(reference), log)
        for y, arm in enumerate(arms):
            values = _final(final, arm, column)
            if len(values) == 0:
                _say_none(ax, y)
                continue
            draw_dots(ax, y, values, ArmStyle(colour_of(arm), "-", "o"), log)
            if column == "frechet":
                in_numbers.append((label(arm), float(np.median(values))))
        if log and ax.lines:
            log_axis(ax, "x")
        name_rows(ax, names)
        ax.tick_params(labelleft=i % columns == 0)
    for ax in axes.flat[len(NECESSITY_READINGS) :]:
        ax.set_axis_off()
    return finish(
        figure,
        f"VRAL meta, what might replace it, and its own choices changed one at a time, "
        f"D:G = {ratio_label(ratio)}",
        f"Questions 1 and 2 of the deck (claims Q1, Q2) · {MEDIANS}, strokes: seeds; line: "
        f"{label(reference)}; end of the run",
        f"Dots with intervals of {len(arms)} arms on {len(NECESSITY_READINGS)} readings, "
        f"{label(reference)} as a line. Fréchet distance: {in_words(in_numbers)}.",
    )


def _reference(ax: Axes, values: NDArray, colour: str, log: bool) -> None:
    """A line at the median of ``values``, and a strip over its interval."""
    middle, low, high = median_interval(values)
    if log:
        middle, low, high = on_log(middle), end_on_log(low), end_on_log(high)
    if np.isfinite(middle):
        ax.axvline(float(middle), color=colour, lw=0.9, alpha=0.8)
    if np.isfinite([low, high]).all():
        ax.axvspan(float(low), float(high), color=colour, alpha=0.12, lw=0)


MODE_READINGS = {
    "modes_share": "share of the modes covered",
    "high_quality": "share of high-quality samples",
    "reverse_kl": "reverse KL to the modes, nats",
}


@drawing
def modes(
    width: float, final: pl.DataFrame, arms: Sequence[str], ratios: Sequence[str],
    count: int | None, diverged: Mapping[ArmAtRatio, int],
) -> Figure:  # fmt: skip
    """Share of the ``count`` modes covered, of high-quality samples, and reverse KL, per arm.

    ``count`` is None where the data has no known modes.
    """
    if count is not None and "modes_covered" in final.columns:
        final = final.with_columns(modes_share=pl.col("modes_covered") / count)
    shown = {
        column: text
        for column, text in MODE_READINGS.items()
        if column in final.columns and final[column].is_not_null().any()
    }
    panels = max(1, len(shown))
    columns = beside(width, 2.6, panels)
    height = (0.14 * len(ratios) + 0.2) * len(arms) + AROUND
    figure, axes = grid(min(width, 3.2 * columns + 0.6), -(-panels // columns), columns, height)
    in_numbers = []
    names = [_row_name(arm, diverged, ratios) for arm in arms]
    for i, ax in enumerate(axes.flat):
        name_rows(ax, names)
        ax.tick_params(labelleft=i % columns == 0)
    for ax, (column, text) in zip(axes.flat, shown.items(), strict=False):
        ax.set_xlabel(text)
        numbers = _at_ratios(ax, final, arms, ratios, column)
        in_numbers = in_numbers or numbers
        if column != "reverse_kl":
            ax.set_xlim(-0.03, 1.03)
        else:
            ax.set_xlim(left=min(0.0, ax.get_xlim()[0]))
    if not shown:
        missing(axes[0, 0])
    of = f", {count} modes" if count else ""
    return finish(
        figure,
        f"Modes that G reaches{of}",
        f"Problem 1 of the deck (claims P1) · {MEDIANS}, strokes: seeds; end of the run",
        f"Dots with intervals per arm and ratio on {', '.join(shown.values()) or 'nothing'}. "
        f"{next(iter(shown.values()), '')}: {in_words(in_numbers)}.",
        _ratio_key(ratios) if len(ratios) > 1 else ((), ()),
    )


READINGS = {
    "frechet": ("Fréchet distance", "log"),
    "coverage": ("coverage", "linear"),
    "score_var_fake": ("Var D(G(z))", "log"),
}


@drawing
def readings(
    width: float, final: pl.DataFrame, arms: Sequence[str], ratios: Sequence[str],
    diverged: Mapping[ArmAtRatio, int], title: str, about: str,
) -> Figure:  # fmt: skip
    """Final readings of every arm at every ratio; ``about`` stands first in the small print."""
    columns = beside(width, 2.6, len(READINGS))
    height = (0.14 * len(ratios) + 0.2) * len(arms) + AROUND
    figure, axes = grid(width, -(-len(READINGS) // columns), columns, height)
    in_numbers = []
    names = [_row_name(arm, diverged, ratios) for arm in arms]
    for i, (ax, (column, (text, scale))) in enumerate(
        zip(axes.flat, READINGS.items(), strict=False)
    ):
        name_rows(ax, names)
        ax.tick_params(labelleft=i % columns == 0)
        ax.set_xlabel(text)
        numbers = _at_ratios(ax, final, arms, ratios, column, scale == "log")
        in_numbers = in_numbers or numbers
        if scale == "linear":
            ax.set_xlim(-0.03, 1.03)
        elif ax.lines:
            log_axis(ax, "x")
    for ax in axes.flat[len(READINGS) :]:
        ax.set_axis_off()
    return finish(
        figure,
        title,
        f"{about} · {MEDIANS}, strokes: seeds; end of the run",
        f"Dots with intervals per arm and ratio on {len(READINGS)} readings. "
        f"Fréchet distance: {in_words(in_numbers)}.",
        _ratio_key(ratios) if len(ratios) > 1 else ((), ()),
    )


RATIO_MARKERS = ("o", "D", "s", "^")


def _at_ratios(
    ax: Axes, final: pl.DataFrame, arms: Sequence[str], ratios: Sequence[str], column: str,
    log: bool = False,
) -> list[tuple[str, float]]:  # fmt: skip
    """Dots of every arm's final values, one row of them for each ratio; returns the medians."""
    medians = []
    for y, arm in enumerate(arms):
        for j, ratio in enumerate(ratios):
            at = y + (j - (len(ratios) - 1) / 2) * 0.6 / max(2, len(ratios))
            values = _final(cell(final, arm, ratio), arm, column)
            look = {"marker": RATIO_MARKERS[j % len(RATIO_MARKERS)], "ms": 4.5}
            if len(ratios) > 1 and j == 0:
                look["mfc"] = "white"
            if len(values) == 0:
                _say_none(ax, at, f"{ratio_label(ratio)}: no data")
                continue
            draw_dots(ax, at, values, ArmStyle(colour_of(arm), "-", "o"), log, **look)
            medians.append((f"{label(arm)} at {ratio_label(ratio)}", float(np.median(values))))
    return medians


def _ratio_key(ratios: Sequence[str]) -> tuple[list[Artist], list[str]]:
    handles: list[Artist] = [
        Line2D([], [], ls="", color=FAINT, ms=4.5, marker=RATIO_MARKERS[j % len(RATIO_MARKERS)],
               mfc="white" if j == 0 else FAINT)
        for j in range(len(ratios))
    ]  # fmt: skip
    return handles, [f"D:G = {ratio_label(ratio)}" for ratio in ratios]


Place = tuple[str, str, str]
"""(arm, ratio, column of the final values)."""


@dataclass(frozen=True)
class Defect:
    """One defect of the original code, and the reading whose change by it alone is shown."""

    name: str
    reading: str
    with_it: Place
    without: Place
    predicted: Place | float | None = None
    """The reading it should give instead of ``with_it``, or the fold change itself."""
    either_way: bool = False
    """Whether its claim asks for a change by a factor either up or down."""
    added: str = ""
    """The column of what it adds, where its claim asks for that."""


def _defects() -> tuple[Defect, ...]:
    slope, distance = "E‖∇D(G(z))‖", "Fréchet distance"
    norm, frechet = "grad_norm_fake", "frechet"
    return (
        Defect(
            "norms on two scales",
            "Standard: E‖∇D‖²",
            ("standard", "50", "legacy_fake_summed"),
            ("standard", "50", "legacy_fake_averaged"),
            ("standard", "50", "predicted_scale"),
        ),
        Defect(
            "rows of 99 never written",
            "WGAN-GP: Var D(G(z))",
            ("wgan-gp", "50", "filled_variance"),
            ("wgan-gp", "50", "held_out_var_fake"),
            ("wgan-gp", "50", "predicted_filled"),
            added="added_variance",
        ),
        Defect(
            "everything clipped",
            f"WGAN with batch norm in D: {slope}",
            ("wgan+norm-d=batch,clip-all", "50", norm),
            ("wgan+norm-d=batch", "50", norm),
            either_way=True,
        ),
        *(
            Defect(
                "batch norm in D",
                f"{label(arm)}: {slope}",
                (f"{arm}+norm-d=batch", "50", norm),
                (arm, "50", norm),
                either_way=True,
            )
            for arm in ("standard", "vral-meta")
        ),
        *(
            Defect(
                "one real batch for all k updates",
                f"{label(arm)}: {distance}",
                (f"{arm}+same-real", "50", frechet),
                (arm, "50", frechet),
                either_way=True,
            )
            for arm in ("standard", "wgan-gp", "vral-meta")
        ),
        Defect(
            "10:1 filed as 50:1",
            f"LSGAN: {distance}",
            ("lsgan", "10", frechet),
            ("lsgan", "50", frechet),
            either_way=True,
        ),
        Defect(
            "penalty at the real image",
            "WGAN-GP: E‖∇D(x)‖",
            ("wgan-gp+real-gp", "50", "grad_norm_real"),
            ("wgan-gp", "50", "grad_norm_real"),
            1.5,
        ),
    )


@drawing
def artefacts(
    width: float, final: pl.DataFrame, batch: int, diverged: Mapping[ArmAtRatio, int]
) -> Figure:
    """The change of a headline reading that each defect alone produces.

    ``final`` are final values of the arms at 10:1 and 50:1; with and without a defect are compared
    within a seed. The numbers are those that the claims judge.
    """
    final = _with_what_the_defects_read(final, batch)
    defects = _defects()
    wide = width >= PAGE / 2
    row = 2 * ROW if wide else 2.6 * ROW
    figure, axes = grid(min(width, 8.5), 1, 1, row * len(defects) + AROUND)
    ax = axes[0, 0]
    in_numbers = []
    for y, defect in enumerate(defects):
        folds = _folds(final, defect.with_it, defect.without)
        lost = sum(diverged.get(place, 0) for place in {defect.with_it[:2], defect.without[:2]})
        if len(folds) == 0:
            _above(ax, y, defect, "diverged" if lost else "no data", wide)
            continue
        draw_dots(ax, y, folds, ArmStyle(colour_of(defect.without[0]), "-", "o"), log=True)
        prediction = _prediction(final, defect)
        if prediction is not None:
            ax.plot([prediction], [y], "|", ms=13, mew=1.4, color=FAINT, zorder=1)
        change = _change(defect, folds, _by_seed(final, (*defect.without[:2], defect.added)))
        _above(ax, y, defect, change + (f", {lost} diverged" if lost else ""), wide)
        in_numbers.append(f"{defect.name} ({defect.reading}) {change}")
    ax.axvline(1, color=FAINT, lw=0.7, zorder=0)
    name_rows(ax, [""] * len(defects))
    ax.set_xlabel("change of the reading by the defect alone, as a factor")
    if in_numbers:
        log_axis(ax, "x")
    else:
        ax.set(xscale="log", xlim=(0.5, 2))
    _fold_ticks(ax, wide)
    mark: list[Artist] = [Line2D([], [], ls="", marker="|", ms=11, mew=1.4, color=FAINT)]
    return finish(
        figure,
        "What each defect of the original code changes by itself",
        f"Claims A · same seed with and without the defect; {MEDIANS}, strokes: seeds; "
        "at 50:1 unless named. ÷ 2 halves a reading; an interval that holds 1 starts there",
        "Dots with intervals on a log axis: change of a reading by one defect of the "
        f"original code: {'; '.join(in_numbers) or 'no readings'}.",
        (mark, ["predicted"]),
    )


def _change(defect: Defect, folds: NDArray, added: Mapping[int, float]) -> str:
    """The number that the defect's claim judges, and the factor by which the reading changes."""
    sign, more = "×", ""
    if defect.either_way:
        sign = "÷" if np.median(folds) < 1 else "×"
        folds = inverted(folds)
    ends = [float(end) for end in median_interval(folds)]
    if defect.either_way:
        ends[1:] = no_less_than_one(ends[1], ends[2])
    if defect.added:
        more = f"+ {_interval(map(float, median_interval(np.array(list(added.values())))))}, "
    return f"{more}{sign} {_interval(ends)}"


def _interval(ends: Iterable[float]) -> str:
    """Median and interval as the verdicts print them."""
    middle, low, high = ends
    known = f" [{number(low, 2)}, {number(high, 2)}]" if np.isfinite(low) else ""
    return f"{number(middle)}{known}"


def _above(ax: Axes, y: int, defect: Defect, text: str, wide: bool) -> None:
    """The defect, its reading and its number, above its row."""
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
    where = {"transform": ax.get_yaxis_transform(), "va": "bottom", "fontsize": TINY, "bbox": box}
    about = f"{defect.name} · {defect.reading}"
    if wide:
        ax.text(0, y - 0.2, about, **where)
        ax.text(1, y - 0.2, text, **where, ha="right")
    else:
        ax.text(0, y - 0.16, f"{about}\n{text}", **where)


def _fold_ticks(ax: Axes, wide: bool) -> None:
    low, high = ax.get_xlim()
    ax.set_xlim(min(low, 0.5), max(high, 2.0))
    many = ax.get_xlim()[1] / ax.get_xlim()[0] > (1e4 if wide else 20)
    subs = (1.0,) if many else (1.0, 2.0, 5.0)
    ax.xaxis.set_major_locator(LogLocator(subs=subs, numticks=9 if wide else 5))
    ax.xaxis.set_major_formatter(FuncFormatter(_factor))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _factor(x: float, _: Any = None) -> str:
    """A factor as it changes a reading: ÷ 10, 1, × 10."""
    return "1" if x == 1 else f"× {x:g}" if x > 1 else f"÷ {1 / x:g}"


def _with_what_the_defects_read(final: pl.DataFrame, batch: int) -> pl.DataFrame:
    """The original's two scales of ‖∇D‖² and its variance with rows of 99, with predictions."""
    if "grad_square_fake" in final.columns:
        final = legacy_scales(final, batch).with_columns(
            predicted_scale=batch * pl.col("legacy_fake_averaged")
        )
    if "held_out_var_fake" in final.columns:
        pairs = final.select("held_out_mean_fake", "held_out_var_fake").iter_rows()
        added = [None if None in pair else filler_variance(*pair) for pair in pairs]
        variance = pl.col("held_out_var_fake")
        final = final.with_columns(
            added_variance=pl.Series(added, dtype=pl.Float64),
            filled_variance=variance + pl.Series(added, dtype=pl.Float64),
            predicted_filled=variance + FILLER_ROWS / ROWS * FILLER**2,
        )
    return final


def _by_seed(final: pl.DataFrame, place: Place) -> dict[int, float]:
    arm, ratio, column = place
    if column not in final.columns:
        return {}
    rows = cell(final, arm, ratio).filter(~pl.col("diverged") & pl.col(column).is_finite())
    return dict(zip(rows["seed"], rows[column], strict=True))


def _folds(final: pl.DataFrame, with_it: Place, without: Place) -> NDArray:
    """Quotients over the common seeds; those that are not finite, or below 0, are left out."""
    first, second = _by_seed(final, with_it), _by_seed(final, without)
    common = sorted(first.keys() & second.keys())
    with np.errstate(all="ignore"):
        folds = np.array([first[s] for s in common]) / np.array([second[s] for s in common])
    return folds[np.isfinite(folds) & (folds >= 0)]


def _prediction(final: pl.DataFrame, defect: Defect) -> float | None:
    if not isinstance(defect.predicted, tuple):
        return defect.predicted
    folds = _folds(final, defect.predicted, defect.without)
    return float(np.median(folds)) if len(folds) else None
