"""What the terminal shows: a progress bar, the plan of a study, a table of results."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from vral.study import frames
from vral.study.methods import label
from vral.study.numbers import duration, number
from vral.study.sweep import Cell


def progress_bar(console: Console) -> Progress:
    """A bar with the share that is done, the time that has passed and the time that is left."""
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>5.1f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )


def plain_table(title: str) -> Table:
    """A table with one line under its headings and none around it."""
    return Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )


def show_plan(console: Console, cells: Sequence[Cell], seconds: float, jobs: int) -> None:
    """Print every run with its updates over all seeds, the totals and the estimated time.

    A held G makes no updates. The updates of warm-ups stand in a line of their own, because the
    estimate leaves them out.
    """
    table = plain_table("Plan")
    for heading in ("method", "ratio", "data set"):
        table.add_column(heading, overflow="fold")
    for heading in ("seeds", "rounds", "D updates", "G updates"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("state")
    totals = [0, 0]
    for cell in cells:
        config, seeds = cell.config, len(cell.config.seeds)
        updates = [count * seeds for count in cell.updates]
        totals = [total + count for total, count in zip(totals, updates, strict=True)]
        rounds_done = cell.rounds_done
        state = f"{rounds_done:,} done" if rounds_done else "new"
        numbers = (f"{count:,}" for count in (seeds, config.rounds, *updates))
        state = "done" if cell.finished else state
        table.add_row(config.arm, config.ratio, config.dataset, *numbers, state)
    console.print(table)
    runs, processes = _count(len(cells), "run"), _count(jobs, "process", "processes")
    console.print(
        f"{runs}, {totals[0]:,} D updates, {totals[1]:,} G updates; about {duration(seconds)} with "
        f"{processes}, estimated from a few updates of each kind that were not compiled",
        soft_wrap=True,
    )
    warmups = sum(c.config.warmup * len(c.config.seeds) for c in cells if not c.rounds_done)
    if warmups:
        console.print(
            f"Before that, {warmups:,} warm-up updates of G, and as many of a D that the run then "
            "replaces by a fresh one; the estimate leaves them out",
            soft_wrap=True,
        )


def _count(number: int, singular: str, plural: str = "") -> str:
    return f"{number} {singular if number == 1 else plural or f'{singular}s'}"


def show_summary(console: Console, summary: pl.DataFrame, headings: Mapping[str, str]) -> None:
    """Print medians and intervals: a row per arm and ratio, a column per metric of ``headings``.

    Metrics that were not measured have no column.
    """
    values = {(r["method"], r["ratio"], r["metric"]): r for r in summary.to_dicts()}
    measured = {metric for _, _, metric in values}
    shown = {metric: text for metric, text in headings.items() if metric in measured}
    table = plain_table(
        "Final values: median [95 % bootstrap interval] over the seeds that have not diverged; "
        f"training readings are averaged over the last {frames.FINAL_SHARE:.0%} of the rounds"
    )
    table.add_column("method", no_wrap=True)
    table.add_column("D:G", justify="right", no_wrap=True)
    for text in shown.values():
        table.add_column(text, justify="right")
    for arm, ratio in dict.fromkeys((arm, ratio) for arm, ratio, _ in values):
        entries = [values.get((arm, ratio, metric)) for metric in shown]
        table.add_row(label(arm), ratio, *(_interval(entry) if entry else "–" for entry in entries))
    console.print(table)


def _interval(entry: Mapping[str, Any]) -> str:
    text = number(entry["median"])
    if entry["low"] == entry["low"]:
        text += f"\n[dim]\\[{number(entry['low'], 2)}, {number(entry['high'], 2)}][/]"
    return text


def show_diverged(console: Console, root: Path) -> None:
    """Print a line for every seed under ``root`` that diverged."""
    for entry in frames.diverged(root):
        console.print(
            f"diverged: {entry['method']} at {entry['ratio']} on {entry['dataset']}, "
            f"seed {entry['seed']}: {entry['reading']} = {entry['value']} "
            f"at D update {entry['d_update']:,}",
            style="yellow",
            soft_wrap=True,
        )


def show_batch_norm(console: Console, root: Path) -> None:
    """Print what is not per sample under ``root``, where D looks at its whole batch."""
    configs = [report["config"] for _, report in frames.runs(root)]
    mixed = [config for config in configs if config.get("norm_d") == "batch"]
    arms = dict.fromkeys(label(frames.coordinates(config)["method"]) for config in mixed)
    if arms:
        console.print(
            f"batch norm in D ({', '.join(arms)}): ‖∇D‖, the signal to G and D along segments are "
            "not those of single samples, since a score depends on its whole batch",
            style="yellow",
            markup=False,
            soft_wrap=True,
        )


def show_not_compiled(console: Console, root: Path) -> None:
    """Print a line for every run under ``root`` that was to be compiled and could not."""
    for folder, reason in frames.not_compiled(root):
        console.print(
            f"not compiled: {folder}: {reason}", style="yellow", markup=False, soft_wrap=True
        )
