"""The commands behind ``vral``: ls and train; bench and reproduce have modules of their own."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rich_click as click
from rich.console import Console
from rich.text import Text

from vral.cli.bench import bench
from vral.cli.claims import claims
from vral.cli.conform import command as conform
from vral.cli.options import config_options, execution_of, execution_options, given
from vral.cli.report import report
from vral.cli.reproduce import reproduce
from vral.cli.spectrum import command as spectrum
from vral.cli.tables import progress_bar, selection_of, show_plan, summarise
from vral.data.datasets import DATASETS
from vral.diagnostics.gradients import METRICS
from vral.diagnostics.probe import PROBE_METRICS
from vral.errors import INTERRUPTED
from vral.nets import NETWORKS
from vral.optim import RULES
from vral.study.config import resolve
from vral.study.experiments import EXPERIMENTS
from vral.study.folders import folder_name, refuse_foreign
from vral.study.methods import METHODS
from vral.study.run import execute, settled_config
from vral.study.sweep import Cell, estimate, stop_on_interrupt


@click.command("ls")
def list_everything() -> None:
    """Show methods, data sets, networks, update rules, experiments and readings, a line each."""

    def settings(values: Mapping[str, object]) -> str:
        return " ".join(f"{name}={value}" for name, value in values.items())

    sections = {
        "Methods": {k: (m.description, settings(m.settings)) for k, m in METHODS.items()},
        "Data sets": {k: (d.description, settings(d.defaults)) for k, d in DATASETS.items()},
        "Networks": {k: (n.description, f"width={n.width}") for k, n in NETWORKS.items()},
        "Update rules": {k: (r.description, "") for k, r in RULES.items()},
        "Experiments": {k: (e.question, f"vral reproduce {k}") for k, e in EXPERIMENTS.items()},
        "Game dynamics": {
            name: (command.get_short_help_str(100).rstrip("."), f"vral reproduce {name}")
            for name, command in reproduce.commands.items()
            if name not in EXPERIMENTS
        },
        "Readings at D's updates": {k: (text, "") for k, text in METRICS.items()},
        "Readings of a probe": {k: (text, "") for k, text in PROBE_METRICS.items()},
    }
    console = Console(highlight=False)
    for title, rows in sections.items():
        console.print(title, style="bold")
        for name, (text, more) in rows.items():
            line = Text.assemble((f"  {name:22}", "cyan"), text, (f"  {more}" * bool(more), "dim"))
            console.print(line, soft_wrap=True)
        console.print()


@click.command()
@click.argument("method")
@config_options()
@execution_options
def train(method: str, dry_run: bool, out: Path | None, **options: Any) -> None:
    """Train one METHOD (see vral ls) and write one run folder.

    Every setting of the run is an option; what is not given comes from the data set and the method.
    The same command again continues an interrupted run, and larger --rounds prolong a finished one.
    """
    config = resolve(method, given(options))
    cores = os.cpu_count() or 1
    execution = execution_of(options, options["threads"] or (1 if config.lanes_pay else cores))
    cell = Cell(config, out or Path("runs", "train") / folder_name(config))
    console = Console()
    if dry_run:
        refuse_foreign(cell.folder, "run.json")
        settled_config(cell.folder, config)
        show_plan(console, [cell], estimate([cell], execution, 1), jobs=1)
        return
    lanes = len(config.seeds)
    progress = progress_bar(console)
    task = progress.add_task(f"{method} {config.ratio}", total=config.rounds)

    def report_progress(rounds: int) -> None:
        progress.start()  # not before the first round is done: errors come without a bar
        progress.update(task, completed=rounds)

    try:
        with stop_on_interrupt() as stopping:
            report = execute(config, cell.folder, execution, report_progress, stopping)
    finally:
        progress.stop()
    selection = selection_of(cell.folder, [config])
    summarise(console, selection, [EXPERIMENTS["ratios"].metrics])
    console.print(
        f"{report['status']}: {report['rounds_done']} rounds × {lanes} "
        f"seed{'s' if lanes > 1 else ''} in {report['seconds']:.1f} s → {cell.folder}",
        soft_wrap=True,
    )
    if report["status"] == "stopped":
        console.print("The same command continues it.")
        sys.exit(INTERRUPTED)
    if report["status"] == "diverged":
        sys.exit(2)


COMMANDS = {
    "ls": list_everything,
    "train": train,
    "bench": bench,
    "reproduce": reproduce,
    "claims": claims,
    "conform": conform,
    "report": report,
    "spectrum": spectrum,
}
