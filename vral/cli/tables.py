"""What the terminal shows: a progress bar, the plan of a study, a table of results."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from vral.cli.terminal import NARROW, Column, show_table
from vral.study import frames, notes
from vral.study.methods import label
from vral.study.numbers import duration, how_many, number
from vral.study.statistics import interval_name
from vral.study.sweep import Cell


def progress_bar(console: Console) -> Progress:
    """A bar with the share that is done, the time that has passed and the time that is left.

    A narrow terminal has room for the numbers alone.
    """
    wide = [
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=None if console.is_terminal else 40),
    ]
    return Progress(
        *(wide if console.width >= NARROW else ()),
        TextColumn("{task.percentage:>5.1f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )


PLAN = (
    *(Column("method", text=True), Column("ratio", text=True), Column("data set", text=True)),
    *(Column(name, right=True) for name in ("seeds", "rounds", "D updates", "G updates")),
    Column("state"),
)


def show_plan(console: Console, cells: Sequence[Cell], seconds: float, jobs: int) -> None:
    """Print every run with its updates over all seeds, the totals and the estimated time.

    A held G makes no updates. The updates of warm-ups stand in a line of their own, because the
    estimate leaves them out.
    """
    rows = []
    totals = [0, 0]
    for cell in cells:
        config, seeds = cell.config, len(cell.config.seeds)
        updates = [count * seeds for count in cell.updates]
        totals = [total + count for total, count in zip(totals, updates, strict=True)]
        rounds_done = cell.rounds_done
        state = f"{rounds_done:,} done" if rounds_done else "new"
        numbers = (f"{count:,}" for count in (seeds, config.rounds, *updates))
        state = "done" if cell.finished else state
        rows.append((escape(config.arm), config.ratio, config.dataset, *numbers, state))
    show_table(console, "Plan", PLAN, rows)
    runs, processes = how_many(len(cells), "run"), how_many(jobs, "process", "processes")
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


Entry = Mapping[str, Any]
"""What is known of one seed: the COORDINATES of its run, "seed", and what else there is."""


def ends_of(
    root: Path, select: Callable[[pl.DataFrame], pl.DataFrame] = lambda frame: frame
) -> list[dict[str, Any]]:
    """``notes.ends`` of ``root``: those that ``select`` keeps of a frame with a row for each."""
    ends = notes.ends(root)
    return select(pl.DataFrame(ends)).to_dicts() if ends else []


def counted_ends(ends: Iterable[Entry]) -> list[str]:
    """The seeds of each kind of end, such as "exploded: seeds 0, 1"."""
    seeds: dict[str, list[int]] = defaultdict(list)
    for end in ends:
        seeds[end["what"]].append(end["seed"])
    return [
        f"{what}: seed{'s' if len(of_kind) > 1 else ''} {', '.join(map(str, sorted(of_kind)))}"
        for what, of_kind in seeds.items()
    ]


def show_ends(console: Console, ends: Iterable[Entry]) -> None:
    """Print a line for each of ``ends``, as ``ends_of`` gives them."""
    for end in ends:
        console.print(
            f"{end['what']}: {end['method']} at {end['ratio']} on {end['dataset']}, "
            f"seed {end['seed']}: {end['how']}",
            style="yellow",
            soft_wrap=True,
        )


def show_summary(
    console: Console,
    summary: pl.DataFrame,
    headings: Mapping[str, str],
    ends: Sequence[Entry] = (),
) -> None:
    """Print medians and intervals: a row per arm and ratio, a column per metric of ``headings``.

    Metrics that were not measured have no column. Where there are ``ends`` the last column names
    their seeds; those that exploded are among the medians, those that diverged are not.
    """
    values = {(r["method"], r["ratio"], r["metric"]): r for r in summary.to_dicts()}
    measured = {metric for _, _, metric in values}
    shown = {metric: text for metric, text in headings.items() if metric in measured}
    columns = [Column("method", text=True), Column("D:G", right=True)]
    columns += [Column(text, right=True) for text in shown.values()]
    columns += [Column("to note", text=True)] if ends else []
    seeds = {row["seeds"] for (_, _, metric), row in values.items() if metric in shown}
    rows = []
    for arm, ratio in dict.fromkeys((arm, ratio) for arm, ratio, _ in values):
        entries = [values.get((arm, ratio, metric)) for metric in shown]
        cells = [escape(label(arm)), ratio]
        cells += [_interval(entry) if entry else "–" for entry in entries]
        if ends:
            here = [end for end in ends if (end["method"], end["ratio"]) == (arm, ratio)]
            cells.append("; ".join(counted_ends(here)))
        rows.append(cells)
    show_table(
        console,
        f"Final values: median [{interval_name(seeds)}] over the seeds that have not diverged; "
        f"training readings are averaged over the last {frames.FINAL_SHARE:.0%} of the rounds",
        columns,
        rows,
    )


def _interval(entry: Mapping[str, Any]) -> str:
    text = number(entry["median"])
    if entry["low"] == entry["low"]:
        text += f"\n[dim]\\[{number(entry['low'], 2)}, {number(entry['high'], 2)}][/]"
    return text


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
            soft_wrap=True,
        )


def show_not_compiled(console: Console, root: Path) -> None:
    """Print a line for every run under ``root`` that was to be compiled and could not."""
    for folder, reason in frames.not_compiled(root):
        console.print(f"not compiled: {folder}: {reason}", style="yellow", soft_wrap=True)
