"""The commands behind ``vral``: ls, train and reproduce."""

import os
import shlex
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import rich_click as click
import torch
from rich.console import Console
from rich.text import Text

from vral import study
from vral.bench.measure import GROWTH, in_own_process, machine_rates
from vral.bench.workloads import METHODS as BENCH_METHODS
from vral.bench.workloads import MODES, WORKLOADS
from vral.config import RunConfig, resolve
from vral.conformance.command import command as conform
from vral.data.datasets import DATASETS, Dataset, cache_root
from vral.diagnostics.gradients import METRICS
from vral.diagnostics.probe import PROBE_METRICS
from vral.diagnostics.quality import quality_measure
from vral.errors import ConfigError
from vral.experiments import EXPERIMENTS, Selection, draw
from vral.figures import ratio_label
from vral.files import replace_file
from vral.methods import METHODS
from vral.nets import NETWORKS
from vral.optim import RULES
from vral.options import config_options, given
from vral.run import (
    Execution,
    execute,
    folder_name,
    locked,
    machine,
    make_folder,
    read_json,
    write_json,
)
from vral.sweep import Cell, estimate, plan, run_cells
from vral.terminal import progress_bar, show_bench, show_diverged, show_plan, show_summary
from vral.train.records import legacy_scales
from vral.train.schedule import ratio_list

INTERRUPTED = 130


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


def execution_options(command):
    """Where and how a run computes."""
    options = [
        click.option("--out", type=click.Path(path_type=Path), help="Folder to write to."),
        click.option(
            "--device",
            type=click.Choice(["auto", "cpu", "cuda"]),
            default="auto",
            show_default=True,
            help="Where to compute; auto takes a GPU if there is one.",
        ),
        click.option(
            "--threads",
            type=click.IntRange(min=1),
            help="Threads of each process. [dim](default: 1; all for one convolutional run)[/]",
        ),
        click.option(
            "--compile",
            type=click.Choice(["auto", "on", "off"]),
            default="auto",
            show_default=True,
            help="Compile updates: twice as fast after half a minute; auto: if the run is long.",
        ),
        click.option(
            "--data-root",
            type=click.Path(file_okay=False),
            help="Folder of torchvision data. [dim](default: $VRAL_DATA, else the cache)[/]",
        ),
        click.option("--download", is_flag=True, help="Fetch the data set if it is missing."),
        click.option("--dry-run", is_flag=True, help="Show the plan and its time; train nothing."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _execution(options: dict[str, Any], threads: int):
    if options["device"] == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device: cuda given, but torch sees no GPU; allowed: cpu, auto")
    return Execution(
        device=options["device"],
        threads=threads,
        compile=options["compile"],
        data_root=options["data_root"],
        download=options["download"],
    )


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
    execution = _execution(options, options["threads"] or (1 if config.lanes_pay else cores))
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
    selection = _selection(cell.folder, [config])
    _summarise(console, selection, [EXPERIMENTS["ratios"].metrics])
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


@click.group()
def reproduce() -> None:
    """Run a whole experiment: its cells, records, figures and table."""


@reproduce.command()
@click.option("--methods", help="Methods, separated by commas. [dim](default: the deck's seven)[/]")
@click.option(
    "--ratios",
    help="Ratios, separated by commas, or by spaces where one is a schedule: '1 100x25,5'. "
    "[dim](default: 1,50)[/]",
)
@click.option("--seeds", "seed_count", type=click.IntRange(min=1), help="Number of seeds.")
@click.option("--quick", is_flag=True, help="Few rounds and seeds, into a folder of its own.")
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Cells side by side. [dim](default: cores)[/]"
)
@click.option(
    "--legacy-scales",
    is_flag=True,
    help="Also show ‖∇D‖² on the original code's two scales, 64-fold apart at batch 64.",
)
@config_options(skip=("ratio", "seeds"))
@execution_options
def ratios(**options: Any) -> None:
    """Every method at 1:1 and far ahead at 50:1, over seeds: the deck's figures and their numbers.

    Writes records, sample grids and figures to runs/ratios. The same command again does what is
    missing; more seeds, methods or ratios add to what is there.
    """
    _study("ratios", options)


def _study(name: str, options: dict[str, Any]) -> None:
    row = EXPERIMENTS[name]
    quick = row.quick if options["quick"] else {}
    methods = _methods(options["methods"]) or row.methods
    try:
        ratio_texts = row.ratios if options["ratios"] is None else ratio_list(options["ratios"])
    except ValueError as error:
        raise ConfigError(f"--ratios: {error}") from None
    seeds = tuple(range(options["seed_count"] or quick.get("seeds", row.seeds)))
    settings = ({"rounds": quick["rounds"]} if quick else {}) | given(options)
    configs = [
        resolve(method, {**settings, "ratio": ratio, "seeds": seeds})
        for ratio in ratio_texts
        for method in methods
    ]
    root = options["out"] or Path("runs", f"{name}-quick" if quick else name)
    console = Console()

    execution = _execution(options, options["threads"] or 1)
    lanes = execution.torch_device.type == "cuda" or configs[0].lanes_pay
    cells = plan(configs, root, lanes)
    unfinished = [cell for cell in cells if not cell.finished]
    cores = 1 if execution.torch_device.type == "cuda" else os.cpu_count() or 1
    jobs = min(options["jobs"] or cores, max(1, len(unfinished)))
    if options["dry_run"]:
        show_plan(console, cells, estimate(cells, execution, jobs), jobs)
        return
    data = execution.load(configs[0].dataset)
    make_folder(root, "study.json")
    with locked(root):
        _run_study(name, root, configs, cells, execution, jobs, data, options["legacy_scales"])


def _run_study(
    name: str,
    root: Path,
    configs: Sequence[RunConfig],
    cells: Sequence[Cell],
    execution: Execution,
    jobs: int,
    data: Dataset,
    legacy: bool,
) -> None:
    row, console = EXPERIMENTS[name], Console()
    marker = root / "study.json"
    history = read_json(marker, ["commands"])["commands"] if marker.exists() else []
    write_json(marker, {"experiment": name, "commands": [*history, shlex.join(sys.argv[1:])]})
    unfinished = [cell for cell in cells if not cell.finished]
    failed = interrupted = False
    if unfinished:
        _prepare_quality(data)
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
        failed, interrupted = bool(outcome.errors), outcome.interrupted
        for cell, error in outcome.errors.items():
            console.print(f"{cell.folder}: {error}", style="red", markup=False, soft_wrap=True)
    if interrupted:
        console.print("Interrupted; the same command continues it.")
        sys.exit(INTERRUPTED)

    selection = _selection(root, configs)
    _summarise(console, selection, [row.metrics, LEGACY_METRICS] if legacy else [row.metrics])
    _write_figures(console, selection, configs[0])
    if failed:
        sys.exit(2)


def _methods(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    names = tuple(dict.fromkeys(piece.strip() for piece in text.split(",")))
    for name in names:
        if name not in METHODS:
            raise ConfigError(f"--methods: {name!r} given; allowed: {', '.join(METHODS)}")
    return names


def _has_targets(config) -> bool:
    return config.objective in ("meta", "parzen") or config.moment_penalty > 0


def _prepare_quality(data) -> None:
    """Train the feature classifier once, before the workers start."""
    quality_measure(data, cache_root())


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


LEGACY_METRICS = {
    "legacy_fake_summed": "‖∇D‖²/B",
    "legacy_fake_averaged": "‖∇D‖²/B²",
}


def _selection(root: Path, configs: Sequence[RunConfig]) -> Selection:
    """What ``configs`` cover of the study in ``root``."""
    return Selection(
        root,
        configs[0].dataset,
        list(dict.fromkeys(config.method for config in configs)),
        list(dict.fromkeys(config.ratio for config in configs)),
        configs[0].seeds,
        {c.method: (c.mean_fake, c.mean_real) for c in configs if _has_targets(c)},
        configs[0].batch,
    )


OPTIMALITY_METRICS = {
    "optimality_loss_gap": "D's loss: gain by training on",
    "optimality_auc_before": "held-out AUC",
    "optimality_auc_after": "AUC trained on",
    "optimality_updates": "D updates",
    "optimality_converged": "share converged",
}


def _summarise(console: Console, selection: Selection, tables: Sequence[Mapping[str, str]]) -> None:
    """Print the selection's tables; write every metric of the whole study beside the records.

    ``final.csv`` has every seed, ``summary.csv`` medians and intervals.
    """
    root = selection.root
    records, probes = study.read(root, "records"), study.read(root, "probes")
    show_diverged(console, root)
    if records.is_empty() or probes.is_empty():
        console.print("No readings were kept, so there is nothing to tabulate.")
        return
    legacy = legacy_scales(records, selection.batch)
    final = study.final_values(legacy, probes, study.diverged(root))
    for name, frame in {"final.csv": final, "summary.csv": study.summary(final)}.items():
        with replace_file(root / name) as temporary:
            frame.write_csv(temporary)
    shown = study.summary(selection.restrict(final))
    for headings in tables:
        show_summary(console, shown, headings)
    if "optimality_loss_gap" in final.columns:
        show_summary(console, shown, OPTIMALITY_METRICS)


def _write_figures(console: Console, selection: Selection, config: RunConfig) -> None:
    folder = selection.root / "figures" / selection.dataset
    folder.mkdir(parents=True, exist_ok=True)
    count = len(selection.seeds)
    caption = (
        f"D:G = {', '.join(map(ratio_label, selection.ratios))} · "
        f"{selection.dataset}, {config.network}, {count} seed{'s' if count > 1 else ''}"
    )
    for name, figure in draw(selection, caption).items():
        for kind in ("png", "pdf"):
            with replace_file(folder / f"{name}.{kind}") as temporary:
                figure.savefig(temporary, format=kind, dpi=160)
    console.print(f"figures → {folder}", soft_wrap=True)


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
    "conform": conform,
}
