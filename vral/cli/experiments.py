"""``vral reproduce NAME`` for the rows of EXPERIMENTS: studies that train over several seeds."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import rich_click as click
from rich.console import Console

from vral.claims.catalogue import families
from vral.cli.options import config_options, execution_of, execution_options, given
from vral.cli.results import LEGACY_METRICS, selection_of, summarise, write_figures
from vral.cli.tables import ends_of, progress_bar, show_ends, show_plan
from vral.cli.terminal import open_terminal
from vral.data.datasets import DATASETS, Dataset, cache_root
from vral.diagnostics.quality import quality_measure
from vral.errors import ConfigError
from vral.files import drop_temporaries
from vral.signals import exit_code, what_ended
from vral.study.config import MOST_SEEDS, RunConfig, option_name
from vral.study.experiments import EXPERIMENTS, Arm, Experiment
from vral.study.folders import locked, make_folder, note_command, refuse_other_study
from vral.study.machine import Execution
from vral.study.methods import METHODS
from vral.study.run import on_its_device
from vral.study.sweep import Cell, estimate, plan, run_cells
from vral.train.schedule import ratio_list


class SeedCount(click.IntRange):
    """A number of seeds, which count up from the experiment's first, mostly 0.

    The seeds themselves are for ``vral train``.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number. Raises ConfigError."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            raise ConfigError(
                f"--seeds: {value} given; allowed: a count, such as 5, from 1 to {self.max}"
            ) from None


def study_options(row: Experiment) -> Callable[[Callable], Callable]:
    """The options that a study has beyond those of its runs."""
    arms = ", ".join(arm.name for arm in row.arms)
    options = [
        click.option(
            "--methods",
            metavar="NAMES",
            help="What to train: arms of this experiment or methods, separated by commas. "
            f"[dim](default: {arms})[/]",
        ),
        click.option(
            "--ratios",
            metavar="RATIOS",
            help="D updates to G updates, separated by commas; by spaces if one is a schedule, "
            f"as in '1 100x25,5'. [dim](default: {','.join(row.ratios)})[/]",
        ),
        click.option(
            "--dataset",
            type=click.Choice(list(DATASETS)),
            help=f"Train on this data set alone. [dim](default: {', '.join(row.datasets)})[/]",
        ),
        click.option(
            "--seeds",
            "seed_count",
            type=SeedCount(1, MOST_SEEDS),
            help="Number of seeds. [dim](default: 5; 10 where samples are points)[/]",
        ),
        click.option(
            "--quick", is_flag=True, help="Few rounds and seeds, in a folder of their own."
        ),
        click.option(
            "--jobs",
            type=click.IntRange(1, 1_024),
            help="Runs that train at the same time. [dim](default: one a core, 1 on a GPU)[/]",
        ),
        click.option(
            "--legacy-scales",
            is_flag=True,
            help="Print ‖∇D‖² on the original code's two scales too, which differ by the batch "
            "size.",
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
    @execution_options(f"runs/{name}")
    def run(**options: Any) -> None:
        try:
            _study(name, options)
        except KeyboardInterrupt as error:
            open_terminal().print(f"{what_ended(error)}; the same command continues it.")
            sys.exit(exit_code(error))

    more = (
        f"Writes records, figures and tables to runs/{name}. The same command again trains what "
        "is missing; more seeds, methods or ratios add to what is there."
    )
    judged = families(name)
    claims = f" Claim{'s' if len(judged) > 1 else ''} {', '.join(judged)}." if judged else ""
    return click.command(name, help=f"{row.question}\n\n{row.about}{claims}\n\n{more}")(run)


COMMANDS: dict[str, click.Command] = {
    name: _command(name, row) for name, row in EXPERIMENTS.items()
}


def _study(name: str, options: dict[str, Any]) -> None:
    """Show the plan, or train what is missing and write the results."""
    row = EXPERIMENTS[name]
    configs = list(_configs(row, options))
    root = options["out"] or Path("runs", f"{name}-quick" if options["quick"] else name)
    refuse_other_study(root, name)
    execution = execution_of(options, options["threads"] or 1)
    on_gpu = execution.torch_device.type == "cuda"
    cells = [
        cell for config in configs for cell in plan([config], root, on_gpu or config.lanes_pay)
    ]
    unfinished = [cell for cell in cells if not cell.finished]
    console = open_terminal()
    places = [on_its_device(execution, cell.folder).torch_device.type for cell in unfinished]
    most = 1 if "cuda" in places else os.cpu_count() or 1
    jobs = min(options["jobs"] or most, max(1, len(unfinished)))
    if on_gpu and (kept := places.count("cpu")):
        console.print(f"On cpu, where they were begun, continue {kept} of {len(places)} runs.")
    if options["dry_run"]:
        show_plan(console, cells, estimate(cells, execution, jobs), jobs)
        return
    data = [execution.load(dataset) for dataset in dict.fromkeys(c.dataset for c in configs)]
    make_folder(root, "study.json")
    with locked(root):
        for folder in (root, *root.glob("figures/*"), *root.glob("figures/*/phone")):
            drop_temporaries(folder)
        note_command(root, name)
        if unfinished:
            console.print(
                f"{row.question}\n{len(unfinished)} of {len(cells)} runs to do, "
                f"{jobs} at a time → {root}",
                soft_wrap=True,
            )
        errors = _train(console, name, unfinished, execution, jobs, data) if unfinished else {}
        tables = [row.metrics, *([LEGACY_METRICS] if options["legacy_scales"] else [])]
        for dataset in data:
            if len(data) > 1:
                console.print(dataset.name, style="bold")
            selection = selection_of(root, [c for c in configs if c.dataset == dataset.name])
            summarise(console, root, selection.batch, tables, selection.restrict)
            write_figures(console, name, selection)
            show_ends(console, ends_of(root, selection.restrict))
    if errors:
        sys.exit(2)


def _configs(row: Experiment, options: dict[str, Any]) -> Iterator[RunConfig]:
    """Every run that the options ask for, data set by data set, each with all its seeds."""
    quick = row.quick if options["quick"] else {}
    arms = _arms(row, options["methods"])
    try:
        ratios = row.ratios if options["ratios"] is None else ratio_list(options["ratios"])
    except ValueError as error:
        raise ConfigError(f"--ratios: {error}") from None
    settings = given(options)
    settings.pop("dataset", None)
    for setting in settings:
        if setting == "probe" and setting in row.settings:
            raise ConfigError(
                f"--probe: {settings[setting]} given, but {row.settings[setting]} is what this "
                "experiment reads; leave it out"
            )
        names = [arm.name for arm in arms if setting in arm.settings]
        if names:
            raise ConfigError(
                f"{option_name(setting)}: given, but it is what makes the arms {', '.join(names)}; "
                "leave it out, or choose others with --methods"
            )
    for dataset in [options["dataset"]] if options["dataset"] else row.datasets:
        count = options["seed_count"] or quick.get("seeds") or row.seeds_on(dataset)
        seeds = range(row.first_seed, row.first_seed + count)
        common: dict[str, Any] = {"seeds": tuple(seeds)}
        if quick:
            common["rounds"] = quick["rounds"]
        for arm, ratio in row.cells(arms, ratios):
            yield row.config(arm, ratio, dataset, **{**common, **settings})


def _arms(row: Experiment, text: str | None) -> Sequence[Arm]:
    """The arms of a list that commas separate; a name may itself hold commas."""
    if text is None:
        return row.arms
    known = {name: Arm(name) for name in METHODS} | {arm.name: arm for arm in row.arms}
    arms: dict[str, Arm] = {}
    pieces = [piece.strip() for piece in text.split(",")]
    while pieces:
        lengths = range(len(pieces), 0, -1)
        taken = next((n for n in lengths if ",".join(pieces[:n]) in known), None)
        if taken is None:
            raise ConfigError(f"--methods: {pieces[0]!r} given; allowed: {', '.join(known)}")
        arm = known[",".join(pieces[:taken])]
        arms[arm.name] = arm
        pieces = pieces[taken:]
    return tuple(arms.values())


def _train(
    console: Console,
    name: str,
    cells: Sequence[Cell],
    execution: Execution,
    jobs: int,
    data: Sequence[Dataset],
) -> dict[Cell, str]:
    """Train the unfinished ``cells``; returns the errors of those that failed.

    Raises Ended after a signal, when all processes have ended.
    """
    for dataset in data:  # Train the classifiers of the readings once, before the processes start.
        quality_measure(dataset, cache_root())
    with progress_bar(console) as progress:
        task = progress.add_task(name, total=sum(sum(cell.updates) for cell in cells))
        done: dict[Path, float] = {}

        def report(cell: Cell, rounds: int) -> None:
            done[cell.folder] = sum(cell.updates) * rounds / cell.config.rounds
            progress.update(task, completed=sum(done.values()))

        for cell in cells:
            report(cell, cell.rounds_done)
        result = run_cells(cells, execution, jobs, report)
    for cell, error in result.errors.items():
        console.print(f"{cell.folder}: {error}", style="red", soft_wrap=True)
    if result.ended is not None:
        raise result.ended
    return result.errors
