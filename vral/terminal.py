"""What the terminal shows: progress, the plan of a study, its table of results."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from vral import study
from vral.methods import label
from vral.sweep import Cell


def progress_bar(console: Console) -> Progress:
    """A bar with the share done, the time gone and the time left."""
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>5.1f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )


def show_plan(console: Console, cells: Sequence[Cell], seconds: float, jobs: int) -> None:
    """Every run with its updates over all lanes, the totals and the estimated time.

    A held G makes no updates. Those of a warm-up stand in a line of their own, without their time.
    """
    table = Table(title="Plan", title_justify="left")
    for heading in ("method", "ratio", "data set"):
        table.add_column(heading, no_wrap=True)
    for heading in ("seeds", "rounds", "D updates", "G updates"):
        table.add_column(heading, justify="right")
    table.add_column("state")
    totals = [0, 0]
    for cell in cells:
        config, lanes = cell.config, len(cell.config.seeds)
        updates = [count * lanes for count in cell.updates]
        totals = [total + count for total, count in zip(totals, updates, strict=True)]
        done = cell.rounds_done
        state = "done" if cell.finished else f"{done:,} done" if done else "new"
        numbers = [lanes, config.rounds, *updates]
        texts = [config.arm, config.ratio, config.dataset, *(f"{n:,}" for n in numbers), state]
        table.add_row(*texts)
    console.print(table)
    console.print(
        f"{len(cells)} runs, {totals[0]:,} D updates, {totals[1]:,} G updates; about "
        f"{duration(seconds)} with {jobs} process{'es' if jobs > 1 else ''}, "
        "timed on a few updates of each kind, none of them compiled",
        soft_wrap=True,
    )
    warmups = sum(c.config.warmup * len(c.config.seeds) for c in cells if not c.rounds_done)
    if warmups:
        console.print(
            f"Before that, warm-ups: {warmups:,} updates of G and as many of a D that is then gone",
            soft_wrap=True,
        )


def show_bench(console: Console, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Contenders: time per D update, speed in units of the plain loop's, share of the machine's
    rate of products of matrices, cost of a first round.
    """
    table = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    table.add_column("who", no_wrap=True)
    for heading in ("µs/D update", "range", "× plain", "% sgemm", "1st CPU-s"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        cost = f"{row['first_round_cpu_s']:.1f}"
        spread = f"{row['us_least']:,.0f}-{row['us_most']:,.0f}"
        share = f"{100 * row['sgemm_share']:.0f}"
        numbers = (f"{row['us']:,.0f}", spread, f"{row['faster']:.2f}", share)
        table.add_row(row["contender"], *numbers, cost)
    console.print(table)


def show_summary(console: Console, summary: pl.DataFrame, headings: Mapping[str, str]) -> None:
    """Method × ratio: the metrics of ``headings`` that were measured, medians and intervals."""
    values = {(r["method"], r["ratio"], r["metric"]): r for r in summary.to_dicts()}
    measured = {metric for _, _, metric in values}
    shown = {metric: text for metric, text in headings.items() if metric in measured}
    table = Table(
        title="Final values: median [95 % bootstrap interval] over seeds that have not diverged; "
        f"training readings averaged over the last {study.FINAL_SHARE:.0%} of rounds",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    table.add_column("method", no_wrap=True)
    table.add_column("D:G", justify="right", no_wrap=True)
    for text in shown.values():
        table.add_column(text, justify="right")
    for method, ratio in dict.fromkeys((method, ratio) for method, ratio, _ in values):
        entries = [values.get((method, ratio, metric)) for metric in shown]
        texts = [_interval(entry) if entry else "–" for entry in entries]
        table.add_row(label(method), ratio, *texts)
    console.print(table)


def show_diverged(console: Console, root: Path) -> None:
    """A line for every seed under ``root`` that diverged."""
    for entry in study.diverged(root):
        console.print(
            f"diverged: {entry['method']} at {entry['ratio']} on {entry['dataset']}, "
            f"seed {entry['seed']}: {entry['reading']} = {entry['value']} "
            f"at D update {entry['d_update']:,}",
            style="yellow",
            soft_wrap=True,
        )


def show_not_compiled(console: Console, root: Path) -> None:
    """A line for every run under ``root`` that was to be compiled and could not."""
    for folder, reason in study.not_compiled(root):
        console.print(
            f"not compiled: {folder}: {reason}", style="yellow", markup=False, soft_wrap=True
        )


def _interval(entry: Mapping[str, Any]) -> str:
    text = number(entry["median"])
    if entry["low"] == entry["low"]:
        text += f"\n[dim]\\[{number(entry['low'], 2)}, {number(entry['high'], 2)}][/]"
    return text


def number(value: float, digits: int = 3) -> str:
    """``digits`` significant digits; very small and very large ones as 1.2e-5."""
    if value != value:
        return "–"
    if abs(value) == math.inf:
        return "∞" if value > 0 else "-∞"
    if value == 0 or 1e-3 <= abs(value) < 10**digits:
        return f"{value:.{digits}g}"
    if 10**digits <= abs(value) < 1e5:
        return f"{value:.0f}"
    mantissa, exponent = f"{value:.{min(digits, 2) - 1}e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def duration(seconds: float) -> str:
    """In the unit a person would choose."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
