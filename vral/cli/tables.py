"""What the terminal shows: progress, the plan of a study, its table of results."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from vral.figures.experiments import FIGURES, Selection
from vral.figures.style import save_figures
from vral.files import replace_file
from vral.study import frames
from vral.study.config import RunConfig
from vral.study.legacy import legacy_scales
from vral.study.methods import label
from vral.study.numbers import duration, number
from vral.study.sweep import Cell


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
        f"training readings averaged over the last {frames.FINAL_SHARE:.0%} of rounds",
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
    for entry in frames.diverged(root):
        console.print(
            f"diverged: {entry['method']} at {entry['ratio']} on {entry['dataset']}, "
            f"seed {entry['seed']}: {entry['reading']} = {entry['value']} "
            f"at D update {entry['d_update']:,}",
            style="yellow",
            soft_wrap=True,
        )


def show_not_compiled(console: Console, root: Path) -> None:
    """A line for every run under ``root`` that was to be compiled and could not."""
    for folder, reason in frames.not_compiled(root):
        console.print(
            f"not compiled: {folder}: {reason}", style="yellow", markup=False, soft_wrap=True
        )


def _interval(entry: Mapping[str, Any]) -> str:
    text = number(entry["median"])
    if entry["low"] == entry["low"]:
        text += f"\n[dim]\\[{number(entry['low'], 2)}, {number(entry['high'], 2)}][/]"
    return text


LEGACY_METRICS = {
    "legacy_fake_summed": "‖∇D‖²/B",
    "legacy_fake_averaged": "‖∇D‖²/B²",
}
OPTIMALITY_METRICS = {
    "optimality_loss_gap": "D's loss: gain by training on",
    "optimality_auc_before": "held-out AUC",
    "optimality_auc_after": "AUC trained on",
    "optimality_updates": "D updates",
    "optimality_converged": "share converged",
}


def selection_of(root: Path, configs: Sequence[RunConfig]) -> Selection:
    """What ``configs`` cover of the study in ``root``."""
    return Selection.covering(root, [config.model_dump(mode="json") for config in configs])


def summarise(console: Console, selection: Selection, tables: Sequence[Mapping[str, str]]) -> None:
    """Print the selection's tables; write every metric of the whole study beside the records.

    ``final.csv`` has every seed, ``summary.csv`` medians and intervals.
    """
    root = selection.root
    records, probes = frames.read(root, "records"), frames.read(root, "probes")
    show_diverged(console, root)
    show_not_compiled(console, root)
    if records.is_empty() or probes.is_empty():
        console.print("No readings were kept, so there is nothing to tabulate.")
        return
    legacy = legacy_scales(records, selection.batch)
    final = frames.final_values(legacy, probes, frames.diverged(root))
    for name, frame in {"final.csv": final, "summary.csv": frames.summary(final)}.items():
        with replace_file(root / name) as temporary:
            frame.write_csv(temporary)
    shown = frames.summary(selection.restrict(final))
    for headings in tables:
        show_summary(console, shown, headings)
    if "optimality_loss_gap" in final.columns:
        show_summary(console, shown, OPTIMALITY_METRICS)


def write_figures(console: Console, experiment: str, selection: Selection) -> None:
    """Every figure of the experiment on the selection's data set, as PNG and PDF."""
    folder = selection.root / "figures" / selection.dataset
    save_figures(folder, FIGURES[experiment](selection))
    console.print(f"figures → {folder}", soft_wrap=True)
