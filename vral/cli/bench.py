"""``vral bench``: our update timed against the loops that people write."""

import errno
import os
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
    Comparison,
    ComparisonError,
    growth,
    in_own_process,
    machine_rates,
)
from vral.bench.workloads import METHODS, MODES, WORKLOADS, Case
from vral.cli.options import NamedPath, check_device
from vral.cli.terminal import Column, open_terminal, show_table
from vral.errors import ConfigError
from vral.signals import exit_code, what_ended
from vral.study.folders import write_json
from vral.study.machine import Execution, machine

DISAGREED = 1
"""Exit code where the compiled and the eager step play different games."""
FAILED = 2
"""Exit code where something could not be timed."""

QUICK = [
    Comparison(Case("toy", method, 5), ("eager", "compiled"))
    for method in ("nonsaturating", "vral-meta")
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
"""Options that take names: what separates the names, which are allowed, and the default."""

EXCLUDED = {
    "growth": ("quick", "ratios", *LISTS),
    "quick": ("ratios", *LISTS, "repeats", "seconds"),
}
"""Options that must not be given with a flag, because the flag decides them."""


def _listed(what: str, option: str) -> str:
    separator, allowed, default = LISTS[option]
    word = {",": "commas", ";": "semicolons"}[separator]
    return (
        f"{what}, separated by {word}: {f'{separator} '.join(allowed)}. "
        f"[dim](default: {f'{separator} '.join(default) if default != allowed else 'all'})[/]"
    )


@click.command("bench")
@click.option(
    "--workloads", metavar="NAMES", help=_listed("Networks and data to train on", "workloads")
)
@click.option("--methods", metavar="NAMES", help=_listed("Methods to train by", "methods"))
@click.option(
    "--ratios",
    metavar="NUMBERS",
    help="Whole numbers of D updates per G update, separated by commas. [dim](default: 50)[/]",
)
@click.option("--modes", metavar="NAMES", help=_listed("Modes of vral's step", "modes"))
@click.option(
    "--repeats",
    type=click.IntRange(1, 1_000),
    help="Turns of each contender. [dim](default: 7)[/]",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True, max=3600),
    help="Least length of a turn, in seconds. [dim](default: 1)[/]",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Where all contenders train.",
)
@click.option(
    "--growth",
    is_flag=True,
    help=f"Time instead how the step's cost grows with {', '.join(GROWTH)}.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="Check that everything works: two methods on the toy workload at 5:1, one short turn.",
)
@click.option(
    "--out",
    type=NamedPath(path_type=Path),
    help="New JSON file for all numbers, rewritten after every comparison.",
)
def command(out: Path | None, device: str, **options: Any) -> None:
    """Time vral's update against a plain training loop, a lean one and installed packages.

    A comparison is a method on a workload at a ratio. It has a process of its own, in which the
    contenders take turns on one thread. The compiled step must agree with the eager one in float64.
    The exit code is 1 if one does not, and 2 if a comparison failed; the others go on.
    """
    comparisons = _comparisons(options)
    repeats, seconds = options["repeats"] or 7, options["seconds"] or 1.0
    if options["quick"]:
        repeats, seconds = 1, 0.05
    check_device(device)
    if out:
        _check_new(out)
    sys.exit(_measure(comparisons, repeats, seconds, device, out))


def _comparisons(options: Mapping[str, Any]) -> Sequence[Comparison]:
    """The comparisons that ``options`` ask for.

    Raises ConfigError for a name that does not exist and for options that exclude each other.
    """
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
    return [Comparison(Case(w, m, k), modes) for w in workloads for m in methods for k in ratios]


def _names(option: str, text: str | None) -> tuple[str, ...]:
    """The names given to an option, each once. Raises ConfigError for one that does not exist."""
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
    """Raise ConfigError unless ``out`` is new and can be written; leaves nothing under its name."""
    try:
        if os.path.lexists(out):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        probe = out.with_name(f".{out.name}.{os.getpid()}.tmp")  # as it will be written
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        allowed = "a new file in a folder that can be written"
        raise ConfigError(f"--out: {out} given ({error.strerror}); allowed: {allowed}") from None


def _measure(
    comparisons: Sequence[Comparison], repeats: int, seconds: float, device: str, out: Path | None
) -> int:
    """Make one comparison after another, print and write what it gave; returns the exit code."""
    console = open_terminal()
    torch.set_num_threads(1)
    code, done = 0, 0
    try:
        rates = machine_rates(torch.device(device))
        console.print(", ".join(f"{name} {value:.0f}" for name, value in rates.items()))
        called = shlex.join(["vral", *sys.argv[1:]])
        about = {**machine(Execution(device)), "rates": rates, "command": called}
        results: dict[str, Any] = {
            "machine": about,
            "agreement": [],
            "left_out": [],
            "failed": [],
            "rows": [],
        }
        for comparison in comparisons:
            how = repeats, seconds, device
            code = max(code, _measure_one(console, comparison, how, results))
            if out:
                write_json(out, results)
            done += 1
    except KeyboardInterrupt as error:
        console.print(f"{what_ended(error)} after {done} of {len(comparisons)} comparisons.")
        code = exit_code(error)
    if out and done:
        console.print(f"written → {out}", soft_wrap=True)
    return code


def _measure_one(
    console: Console,
    comparison: Comparison,
    how: tuple[int, float, str],
    results: dict[str, Any],
) -> int:
    """Make ``comparison``, print it and add it to ``results``; returns its exit code.

    ``how`` is (repeats, seconds, device).
    """
    names = {**asdict(comparison.case), **comparison.columns}
    try:
        timings = in_own_process(comparison, *how)
    except ComparisonError as error:
        console.print(f"{comparison}: {error}", style="red", soft_wrap=True)
        results["failed"].append({"cell": names, "why": str(error)})
        return FAILED
    peak = results["machine"]["rates"]["sgemm_gflops"]
    rows = [{**row, "sgemm_share": row["gflops"] / peak} for row in timings.rows]
    _show(console, str(comparison), rows)
    results["rows"] += rows
    for peer, why in timings.left_out.items():
        console.print(f"without {peer}: {why}", style="dim", soft_wrap=True)
        results["left_out"].append({"cell": names, "peer": peer, "why": why})
    if timings.difference is None:
        return 0
    results["agreement"].append({"cell": names, "difference": timings.difference})
    agreed = timings.difference <= AGREED  # A NaN does not agree either.
    verdict = "agree to" if agreed else "DISAGREE by"
    console.print(
        f"compiled and eager parameters {verdict} {timings.difference:.0e} in float64",
        style=None if agreed else "bold red",
    )
    return 0 if agreed else DISAGREED


def _show(console: Console, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a row per contender.

    Time per D update with its range, speed in units of the plain loop's, share of the machine's
    rate of float32 matrix products, and CPU time of the first round, which compiles.
    """
    headings = ("µs/D update", "range", "× plain", "% sgemm", "1st CPU-s")
    columns = [Column("contender"), *(Column(heading, right=True) for heading in headings)]
    cells = [
        (
            row["contender"],
            f"{row['us']:,.0f}",
            f"{row['us_least']:,.0f}-{row['us_most']:,.0f}",
            f"{row['faster']:.2f}",
            f"{100 * row['sgemm_share']:.0f}",
            f"{row['first_round_cpu_s']:.1f}",
        )
        for row in rows
    ]
    show_table(console, title, columns, cells)
