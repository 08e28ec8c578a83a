"""The command ``vral bench``."""

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rich_click as click
import torch
from rich.console import Console

from vral.bench.measure import (
    AGREED,
    GROWTH,
    Cell,
    CellError,
    growth,
    in_own_process,
    machine_rates,
)
from vral.bench.workloads import METHODS, MODES, WORKLOADS, Case
from vral.cli.options import check_device
from vral.cli.tables import show_bench
from vral.errors import INTERRUPTED, ConfigError
from vral.study.folders import write_json
from vral.study.machine import Execution, machine

DISAGREED = 1
FAILED = 2

QUICK = [
    Cell(Case("toy", method, 5), ("eager", "compiled")) for method in ("nonsaturating", "vral-meta")
]

LISTS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "workloads": (",", tuple(WORKLOADS), ("toy", "mlp")),
    "methods": (",", METHODS, METHODS),
    "modes": (
        ";",
        tuple(MODES),
        ("eager", "compiled", "compiled, losses only", "compiled, bf16"),
    ),
}
"""Options that take names: what separates them, what is allowed, what is taken if none is given."""

EXCLUDED = {
    "growth": ("quick", "ratios", *LISTS),
    "quick": ("ratios", *LISTS, "repeats", "seconds"),
}
"""What may not be given with a flag, because the flag fixes it."""


def _listed(name: str) -> str:
    separator, allowed, default = LISTS[name]
    return (
        f"Of {f'{separator} '.join(allowed)}, separated by {separator!r}. "
        f"[dim](default: {separator.join(default) if default != allowed else 'all'})[/]"
    )


@click.command("bench")
@click.option("--workloads", metavar="NAMES", help=_listed("workloads"))
@click.option("--methods", metavar="NAMES", help=_listed("methods"))
@click.option("--ratios", metavar="NUMBERS", help="D updates per G update. [dim](default: 50)[/]")
@click.option("--modes", metavar="NAMES", help=_listed("modes"))
@click.option("--repeats", type=click.IntRange(min=1), help="[dim](default: 7)[/]")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True, max=3600),
    help="At least, of each contender in each repeat. [dim](default: 1)[/]",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    help="Where everybody trains. [dim](default: cpu)[/]",
)
@click.option("--growth", is_flag=True, help=f"Instead: cost against {', '.join(GROWTH)}.")
@click.option("--quick", is_flag=True, help="Toy, two methods at 5:1, once: does it all work?")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="JSON file, written after every cell; must be new.",
)
def command(out: Path | None, device: str, **options: Any) -> None:
    """Time our step against the plain loop, a lean one and installed packages.

    A cell is a method on a workload at a ratio; it has a process of its own in which contenders
    play in turn on one thread, and its compiled step must agree with the eager one in float64.
    Exit code 1 if some do not agree, 2 if some cell could not be measured; the others go on.
    """
    cells = _cells(options)
    repeats, seconds = options["repeats"] or 7, options["seconds"] or 1.0
    if options["quick"]:
        repeats, seconds = 1, 0.05
    check_device(device)
    if out:
        _check_new(out)
    sys.exit(_measure(cells, repeats, seconds, device, out))


def _cells(options: Mapping[str, Any]) -> Sequence[Cell]:
    """What ``options`` ask for. Raises ConfigError where it cannot be or contradicts itself."""
    for flag, excluded in EXCLUDED.items():
        for name in excluded if options[flag] else ():
            if options[name] not in (None, False):
                raise ConfigError(f"--{name}: given with --{flag}; allowed: one of the two")
    workloads, methods, modes = (_names(name, options[name]) for name in LISTS)
    ratios = _ratios(options["ratios"])
    if options["growth"]:
        return growth()
    if options["quick"]:
        return QUICK
    return [Cell(Case(w, m, k), modes) for w in workloads for m in methods for k in ratios]


def _names(option: str, text: str | None) -> tuple[str, ...]:
    """The names given to an option, each once."""
    separator, allowed, default = LISTS[option]
    if text is None:
        return default
    names = dict.fromkeys(part.strip() for part in text.split(separator))
    for name in names:
        if name not in allowed:
            listed = separator.join(allowed)
            raise ConfigError(f"--{option}: {name!r} given; allowed: {listed}")
    return tuple(names)


def _ratios(text: str | None) -> tuple[int, ...]:
    ratios = {}
    for part in (text if text is not None else "50").split(","):
        if not re.fullmatch(r"\s*[0-9]+\s*", part) or not 1 <= int(part) <= 1000:
            raise ConfigError(f"--ratios: {part!r} given; allowed: whole numbers from 1 to 1000")
        ratios[int(part)] = None
    return tuple(ratios)


def _check_new(out: Path) -> None:
    """Raises ConfigError unless ``out`` can be created; leaves nothing behind."""
    try:
        with open(out, "x"):
            pass
        out.unlink()
    except OSError as error:
        allowed = "a new file in a folder that can be written"
        reason = error.strerror
        raise ConfigError(f"--out: {out} given ({reason}); allowed: {allowed}") from None


def _measure(
    cells: Sequence[Cell], repeats: int, seconds: float, device: str, out: Path | None
) -> int:
    """Measure, show and write cell after cell; returns the exit code."""
    console = Console()
    torch.set_num_threads(1)
    code, done = 0, 0
    try:
        rates = machine_rates(torch.device(device))
        console.print(", ".join(f"{name} {value:.0f}" for name, value in rates.items()))
        command = shlex.join(["vral", *sys.argv[1:]])
        about = {**machine(Execution(device)), "rates": rates, "command": command}
        results: dict[str, Any] = {
            "machine": about,
            "agreement": [],
            "left_out": [],
            "failed": [],
            "rows": [],
        }
        for cell in cells:
            code = max(code, _measure_cell(console, cell, (repeats, seconds, device), results))
            if out:
                write_json(out, results)
            done += 1
    except KeyboardInterrupt:
        console.print(f"Interrupted after {done} of {len(cells)} cells.")
        code = INTERRUPTED
    if out and done:
        console.print(f"written → {out}", soft_wrap=True)
    return code


def _measure_cell(
    console: Console, cell: Cell, how: tuple[int, float, str], results: dict[str, Any]
) -> int:
    """Measure ``cell``, show it and add it to ``results``; returns its exit code.

    ``how`` is (repeats, seconds, device).
    """
    names = {**asdict(cell.case), **cell.columns}
    try:
        found = in_own_process(cell, *how)
    except CellError as error:
        console.print(f"{cell}: {error}", style="red", markup=False, soft_wrap=True)
        results["failed"].append({"cell": names, "why": str(error)})
        return FAILED
    peak = results["machine"]["rates"]["sgemm_gflops"]
    rows = [{**row, "sgemm_share": row["gflops"] / peak} for row in found.rows]
    show_bench(console, str(cell), rows)
    results["rows"] += rows
    for peer, why in found.left_out.items():
        console.print(f"without {peer}: {why}", style="dim", markup=False, soft_wrap=True)
        results["left_out"].append({"cell": names, "peer": peer, "why": why})
    if found.difference is None:
        return 0
    results["agreement"].append({"cell": names, "difference": found.difference})
    agreed = found.difference <= AGREED  # Not so for a NaN either.
    verdict = "agree to" if agreed else "DISAGREE by"
    console.print(
        f"compiled and eager parameters {verdict} {found.difference:.0e} in float64",
        style=None if agreed else "bold red",
    )
    return 0 if agreed else DISAGREED
