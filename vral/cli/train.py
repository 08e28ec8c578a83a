"""``vral train``: one run of a method."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import rich_click as click

from vral.cli.options import (
    config_options,
    execution_of,
    execution_options,
    given,
    refuse_unused,
)
from vral.cli.results import summarise
from vral.cli.tables import counted_ends, ends_of, progress_bar, show_ends, show_plan
from vral.cli.terminal import open_terminal
from vral.errors import FolderError
from vral.files import drop_temporaries
from vral.signals import exit_code, stop_on_signal, what_ended
from vral.study.config import resolve
from vral.study.experiments import EXPERIMENTS
from vral.study.folders import folder_name, locked, read_run, refuse_foreign
from vral.study.run import execute, on_its_device, settled_config
from vral.study.sweep import Cell, estimate


@click.command("train")
@click.argument("method")
@config_options()
@execution_options("runs/train/method=…/ratio=…/dataset=…/seeds=…")
def command(method: str, dry_run: bool, out: Path | None, **options: Any) -> None:
    """Train one METHOD, such as lsgan, and write one run folder.

    Every setting of the run is an option. What is not given comes from the data set (vral ls
    datasets) and from the method (vral ls methods). The same command again continues an interrupted
    run, and larger --rounds prolong a finished one.
    """
    settings = given(options)
    config = resolve(method, settings)
    refuse_unused(config, settings)
    cores = os.cpu_count() or 1
    execution = execution_of(options, options["threads"] or (1 if config.lanes_pay else cores))
    folder = out or Path("runs", "train") / folder_name(config)
    console = open_terminal()
    if not Cell(config, folder).finished:
        there = on_its_device(execution, folder)
        if there.torch_device != execution.torch_device:
            console.print(f"It continues on {there.device}, where it was begun.")
        execution = there
    if dry_run:
        refuse_foreign(folder, "run.json")
        settled_config(config, folder, read_run(folder))
        cells = [Cell(config, folder)]
        show_plan(console, cells, estimate(cells, execution, 1), jobs=1)
        return
    progress = progress_bar(console)
    task = progress.add_task(f"{method} {config.ratio}", total=config.rounds)

    def report_progress(rounds: int) -> None:
        progress.start()  # Not before the first round is done, so that errors come without a bar.
        progress.update(task, completed=rounds)

    try:
        with stop_on_signal() as ended:
            report = execute(
                config, folder, execution, report_progress, lambda: ended() is not None
            )
            by = ended()
    finally:
        progress.stop()
    with suppress(FolderError), locked(folder):
        drop_temporaries(folder)  # tables that a killed process was writing
    summarise(console, folder, config.batch, [EXPERIMENTS["ratios"].metrics])
    seeds, ends = len(config.seeds), ends_of(folder)
    show_ends(console, ends)
    told = f" ({'; '.join(counted_ends(ends))})" if ends else ""
    console.print(
        f"{report['status']}{told}: {report['rounds_done']} rounds × {seeds} "
        f"seed{'s' if seeds > 1 else ''} in {report['seconds']:.1f} s → {folder}",
        soft_wrap=True,
    )
    if report["status"] == "stopped" and by is not None:
        console.print(f"{what_ended(by)}; the same command continues it.")
        sys.exit(exit_code(by))
    if report["status"] == "diverged":
        sys.exit(2)
