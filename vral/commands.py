"""The commands behind ``vral``: ls, train and bench; reproduce has a module of its own."""

import os
import shlex
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import rich_click as click
import torch
from rich.console import Console
from rich.text import Text

from vral.bench.measure import GROWTH, in_own_process, machine_rates
from vral.bench.workloads import METHODS as BENCH_METHODS
from vral.bench.workloads import MODES, WORKLOADS
from vral.claims_command import claims
from vral.config import resolve
from vral.conformance.command import command as conform
from vral.data.datasets import DATASETS
from vral.diagnostics.gradients import METRICS
from vral.diagnostics.probe import PROBE_METRICS
from vral.errors import ConfigError
from vral.experiments import EXPERIMENTS
from vral.methods import METHODS
from vral.nets import NETWORKS
from vral.optim import RULES
from vral.options import config_options, execution_of, execution_options, given
from vral.reproduce import INTERRUPTED, reproduce
from vral.results import selection_of, summarise
from vral.run import Execution, execute, folder_name, machine, write_json
from vral.sweep import Cell, estimate
from vral.terminal import progress_bar, show_bench, show_plan


@click.command("ls")
def list_everything() -> None:
    """Show methods, data sets, networks, update rules and experiments, a line each."""

    def settings(values: Mapping[str, object]) -> str:
        return " ".join(f"{name}={value}" for name, value in values.items())

    sections = {
        "Methods": {k: (m.description, settings(m.settings)) for k, m in METHODS.items()},
        "Data sets": {k: (d.description, settings(d.defaults)) for k, d in DATASETS.items()},
        "Networks": {k: (n.description, f"width={n.width}") for k, n in NETWORKS.items()},
        "Update rules": {k: (r.description, "") for k, r in RULES.items()},
        "Experiments": {k: (e.question, f"vral reproduce {k}") for k, e in EXPERIMENTS.items()},
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


@contextmanager
def _stop_on_interrupt() -> Iterator[Any]:
    """The first Ctrl-C asks for a stop at the end of the round; a second one ends at once."""
    asked = False

    def ask(*_: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)


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
        show_plan(console, [cell], estimate([cell], execution, 1), jobs=1)
        return
    lanes = len(config.seeds)
    progress = progress_bar(console)
    task = progress.add_task(f"{method} {config.ratio}", total=config.rounds)

    def report_progress(rounds: int) -> None:
        progress.start()  # not before the first round is done: errors come without a bar
        progress.update(task, completed=rounds)

    try:
        with _stop_on_interrupt() as stopping:
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


@click.command()
@click.option("--workloads", default="toy,mlp", show_default=True, help="Of toy, mlp, conv.")
@click.option(
    "--methods", help=f"Of {', '.join(BENCH_METHODS)}. [dim](default: all)[/]", metavar="NAMES"
)
@click.option("--ratios", default="50", show_default=True, help="D updates per G update.")
@click.option("--modes", help="Of ours, separated by semicolons. [dim](default: four)[/]")
@click.option("--repeats", type=click.IntRange(min=1), default=7, show_default=True)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="At least, of each contender in each repeat.",
)
@click.option("--growth", is_flag=True, help="Instead: cost against ratio, batch, width, lanes.")
@click.option("--quick", is_flag=True, help="Toy, two methods at 5:1, once: does it all work?")
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write; must be new.")
def bench(**options: Any) -> None:
    """Time our step against the plain loop, a lean one and installed packages.

    Contenders play in turn in one process on one thread. In every cell the compiled step must also
    agree with the eager one, in float64.
    """
    out, command = options["out"], ["vral", *sys.argv[1:]]
    if out and (out.exists() or not out.parent.is_dir()):
        raise ConfigError(f"--out: {out} given; allowed: a new file in an existing folder")
    pick = partial(_pick, options)
    cells: list[tuple] = []
    if options["growth"]:
        cells = [(axis, value) for axis, values in GROWTH.items() for value in values]
    elif options["quick"]:
        cells = [("toy", method, 5) for method in ("nonsaturating", "vral-meta")]
    else:
        workloads = pick("workloads", ",", WORKLOADS)
        methods = pick("methods", ",", BENCH_METHODS)
        ratios = [_positive("--ratios", text) for text in options["ratios"].split(",")]
        cells = [(w, m, k) for w in workloads for m in methods for k in ratios]
    modes = ["eager", "compiled"]
    if not options["quick"]:
        modes += ["compiled, losses only", "compiled, bf16"]
    if options["modes"]:
        modes = pick("modes", ";", MODES)
    repeats, seconds = (1, 0.05) if options["quick"] else (options["repeats"], options["seconds"])
    console = Console()
    torch.set_num_threads(1)
    rates = machine_rates(torch.device("cpu"))
    console.print(", ".join(f"{name} {value:.0f}" for name, value in rates.items()))
    rows, agreements = [], []
    for cell in cells:
        found, agreed = in_own_process(cell, modes, repeats, seconds, options["growth"])
        show_bench(console, ", ".join(map(str, cell)), found)
        rows += found
        if agreed is not None:
            console.print(f"compiled and eager parameters agree to {agreed:.0e} in float64")
            agreements.append({"cell": cell, "difference": agreed})
    if out:
        about = {**machine(Execution("cpu")), "rates": rates, "command": shlex.join(command)}
        write_json(out, {"machine": about, "agreement": agreements, "rows": rows})
        console.print(f"written → {out}", soft_wrap=True)


def _pick(options: Mapping[str, Any], name: str, separator: str, known: Any) -> list[str]:
    """The names given to an option, all of them where none is."""
    given = [part.strip() for part in (options[name] or separator.join(known)).split(separator)]
    for part in given:
        if part not in known:
            allowed = separator.join(known)
            raise ConfigError(f"--{name}: {part!r} given; allowed: {allowed}")
    return given


def _positive(option: str, text: str) -> int:
    if not text.strip().isdecimal() or not 1 <= int(text) <= 1000:
        raise ConfigError(f"{option}: {text!r} given; allowed: whole numbers from 1 to 1000")
    return int(text)


COMMANDS = {
    "ls": list_everything,
    "train": train,
    "bench": bench,
    "reproduce": reproduce,
    "claims": claims,
    "conform": conform,
}
