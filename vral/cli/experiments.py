"""``vral reproduce``: a command per row of EXPERIMENTS."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import rich_click as click
from rich.console import Console

from vral.cli.options import config_options, execution_of, execution_options, given
from vral.cli.tables import (
    LEGACY_METRICS,
    progress_bar,
    selection_of,
    show_plan,
    summarise,
    write_figures,
)
from vral.data.datasets import DATASETS, Dataset, cache_root
from vral.diagnostics.quality import quality_measure
from vral.errors import INTERRUPTED, ConfigError
from vral.files import drop_temporaries
from vral.study.config import MOST_SEEDS, RunConfig, option_name
from vral.study.experiments import EXPERIMENTS, Arm, Experiment
from vral.study.folders import locked, make_folder, note_command, refuse_other_study
from vral.study.machine import Execution
from vral.study.methods import METHODS
from vral.study.sweep import Cell, estimate, plan, run_cells
from vral.train.schedule import ratio_list


class SeedCount(click.IntRange):
    """Of a study's seeds, which are 0, 1, …; ``vral train --seed`` takes ranges, this none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            raise ConfigError(
                f"--seeds: {value} given; allowed: a count, such as 5, from 1 to {self.max}"
            ) from None


def study_options(row: Experiment) -> Callable[[Callable], Callable]:
    """What a study has beyond the options of its runs."""
    arms = ", ".join(arm.name for arm in row.arms)
    options = [
        click.option(
            "--methods",
            help="Arms or any methods, separated by commas; an arm's own commas are part of its "
            f"name. [dim](default: {arms})[/]",
        ),
        click.option(
            "--ratios",
            help="Ratios, separated by commas, or by spaces where one is a schedule: "
            f"'1 100x25,5'. [dim](default: {','.join(row.ratios)})[/]",
        ),
        click.option(
            "--dataset",
            type=click.Choice(list(DATASETS)),
            help=f"One data set. [dim](default: {', '.join(row.datasets)})[/]",
        ),
        click.option(
            "--seeds",
            "seed_count",
            type=SeedCount(1, MOST_SEEDS),
            help="Number of seeds. [dim](default: 5; 10 on points)[/]",
        ),
        click.option("--quick", is_flag=True, help="Few rounds and seeds, in a folder of its own."),
        click.option(
            "--jobs",
            type=click.IntRange(min=1),
            help="Cells side by side. [dim](default: cores)[/]",
        ),
        click.option(
            "--legacy-scales",
            is_flag=True,
            help="Also show ‖∇D‖² on the original code's two scales, 64-fold apart at batch 64.",
        ),
    ]

    def decorate(command: Callable) -> Callable:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _command(name: str, row: Experiment) -> click.Command:
    @study_options(row)
    @config_options(skip=("ratio", "seeds", "dataset", "variant"))
    @execution_options
    def run(**options: Any) -> None:
        try:
            _study(name, options)
        except KeyboardInterrupt:
            Console().print("Interrupted; the same command continues it.")
            sys.exit(INTERRUPTED)

    more = (
        f"Writes records, figures and tables to runs/{name}. The same command again does what is "
        "missing; more seeds, methods or ratios add to what is there."
    )
    return click.command(name, help=f"{row.question}\n\n{row.about}\n\n{more}")(run)


COMMANDS: dict[str, click.Command] = {
    name: _command(name, row) for name, row in EXPERIMENTS.items()
}


def _study(name: str, options: dict[str, Any]) -> None:
    row = EXPERIMENTS[name]
    configs = list(_configs(row, options))
    root = options["out"] or Path("runs", f"{name}-quick" if options["quick"] else name)
    refuse_other_study(root, name)
    console = Console()
    execution = execution_of(options, options["threads"] or 1)
    on_gpu = execution.torch_device.type == "cuda"
    planned = (plan([config], root, on_gpu or config.lanes_pay) for config in configs)
    cells = [cell for some in planned for cell in some]
    unfinished = [cell for cell in cells if not cell.finished]
    jobs = min(options["jobs"] or (1 if on_gpu else os.cpu_count() or 1), max(1, len(unfinished)))
    if options["dry_run"]:
        show_plan(console, cells, estimate(cells, execution, jobs), jobs)
        return
    data = [execution.load(dataset) for dataset in dict.fromkeys(c.dataset for c in configs)]
    make_folder(root, "study.json")
    with locked(root):
        _run_study(name, root, configs, cells, execution, jobs, data, options["legacy_scales"])


def _configs(row: Experiment, options: dict[str, Any]) -> Iterator[RunConfig]:
    """Every run that the options ask for, data set by data set, each with all its seeds."""
    quick = row.quick if options["quick"] else {}
    arms = _arms(row, options["methods"])
    try:
        ratios = row.ratios if options["ratios"] is None else ratio_list(options["ratios"])
    except ValueError as error:
        raise ConfigError(f"--ratios: {error}") from None
    own = given(options)
    own.pop("dataset", None)
    for setting in own:
        names = [arm.name for arm in arms if setting in arm.settings]
        if names:
            raise ConfigError(
                f"{option_name(setting)}: given, but it is what makes the arms {', '.join(names)}; "
                "leave it out, or choose others with --methods"
            )
    for dataset in [options["dataset"]] if options["dataset"] else row.datasets:
        count = options["seed_count"] or quick.get("seeds") or row.seeds_on(dataset)
        common: dict[str, Any] = {"seeds": tuple(range(count))}
        if quick:
            common["rounds"] = quick["rounds"]
        played = [(arm, ratio) for ratio in ratios for arm in arms if not arm.ratio]
        played += [(arm, arm.ratio) for arm in arms if arm.ratio]
        for arm, ratio in played:
            yield row.config(arm, ratio, dataset, **{**common, **own})


def _arms(row: Experiment, text: str | None) -> Sequence[Arm]:
    """The arms of a comma-separated list; a name may itself hold commas."""
    if text is None:
        return row.arms
    known = {name: Arm(name) for name in METHODS} | {arm.name: arm for arm in row.arms}
    found: dict[str, Arm] = {}
    pieces = [piece.strip() for piece in text.split(",")]
    while pieces:
        lengths = range(len(pieces), 0, -1)
        taken = next((n for n in lengths if ",".join(pieces[:n]) in known), None)
        if taken is None:
            raise ConfigError(f"--methods: {pieces[0]!r} given; allowed: {', '.join(known)}")
        arm = known[",".join(pieces[:taken])]
        found[arm.name] = arm
        pieces = pieces[taken:]
    return tuple(found.values())


def _run_study(
    name: str,
    root: Path,
    configs: Sequence[RunConfig],
    cells: Sequence[Cell],
    execution: Execution,
    jobs: int,
    data: Sequence[Dataset],
    legacy: bool,
) -> None:
    row, console = EXPERIMENTS[name], Console()
    for folder in (root, *root.glob("figures/*")):
        drop_temporaries(folder)
    note_command(root, name)
    unfinished = [cell for cell in cells if not cell.finished]
    failed = False
    if unfinished:
        for one in data:  # the feature classifiers, once, before the workers start
            quality_measure(one, cache_root())
        console.print(
            f"{row.question}\n{len(unfinished)} of {len(cells)} runs to do, "
            f"{jobs} at a time → {root}",
            soft_wrap=True,
        )
        with progress_bar(console) as progress:
            task = progress.add_task(name, total=sum(sum(cell.updates) for cell in unfinished))
            done: dict[Path, float] = {}

            def report(cell, rounds: int) -> None:
                done[cell.folder] = sum(cell.updates) * rounds / cell.config.rounds
                progress.update(task, completed=sum(done.values()))

            for cell in unfinished:
                report(cell, cell.rounds_done)
            outcome = run_cells(unfinished, execution, jobs, report)
        failed = bool(outcome.errors)
        for cell, error in outcome.errors.items():
            console.print(f"{cell.folder}: {error}", style="red", markup=False, soft_wrap=True)
        if outcome.interrupted:
            raise KeyboardInterrupt
    tables = [row.metrics, LEGACY_METRICS] if legacy else [row.metrics]
    for one in data:
        here = [config for config in configs if config.dataset == one.name]
        selection = selection_of(root, here)
        if len(data) > 1:
            console.print(one.name, style="bold")
        summarise(console, selection, tables)
        write_figures(console, name, selection)
    if failed:
        sys.exit(2)
