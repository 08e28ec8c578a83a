"""``vral reproduce NAME`` for the experiments without chance: no seeds, one number a question."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import rich_click as click
import torch
from rich.console import Console
from rich.markup import escape

from vral.cli.options import NamedPath, threads_option
from vral.cli.terminal import Column, open_terminal, show_table
from vral.dynamics import (
    basins,
    damping,
    errata,
    lazy_r1,
    limit_cycles,
    mixture_spectrum,
    portraits,
    score_map,
    trade_off,
)
from vral.dynamics.systems import ALGORITHMS, CONVENTIONS, System, systems
from vral.errors import ConfigError
from vral.figures import save_figures
from vral.games.dirac import GAMMA_CONVENTIONS
from vral.games.toy import one_of
from vral.study.folders import locked, make_folder, note_command
from vral.study.measured import MEASURED, Measured, write_tables


def checked(allowed: str, fits: Callable[[float], bool]) -> Callable[..., Any]:
    """A callback that raises ConfigError unless every number given to an option ``fits``."""

    def callback(context: click.Context, option: click.Parameter, value: Any) -> Any:
        for number in value if isinstance(value, tuple) else (value,):
            if number is not None and not fits(number):
                raise ConfigError(f"--{option.name}: {number:g} given; allowed: {allowed}")
        return value

    return callback


STEP_LIMIT = 1e6
"""Far beyond any stable step; its powers over a round are still finite."""

positive = checked("a finite number above 0", lambda number: 0 < number < math.inf)
weight = checked("a finite number, 0 or more", lambda number: 0 <= number < math.inf)
step_size = checked(
    f"a number above 0, up to {STEP_LIMIT:g}", lambda number: 0 < number <= STEP_LIMIT
)


def step_option(default: float) -> Callable[[Callable], Callable]:
    """--step: the step size h."""
    return click.option(
        "--step",
        type=float,
        default=default,
        show_default=True,
        callback=step_size,
        help="Step size h of both players.",
    )


def rounds_option(default: int) -> Callable[[Callable], Callable]:
    """--rounds: the length of a trajectory."""
    return click.option(
        "--rounds",
        type=click.IntRange(1, 10_000_000),
        default=default,
        show_default=True,
        help="Rounds of a trajectory.",
    )


def gammas_option(
    default: Sequence[float], callback: Callable[..., Any] = weight
) -> Callable[[Callable], Callable]:
    """--gamma, several times: the weights of a penalty."""
    return click.option(
        "--gamma",
        type=float,
        multiple=True,
        default=tuple(default),
        show_default=True,
        callback=callback,
        help="Weight γ of the penalty; repeat the option for several.",
    )


def output_options(folder: str) -> Callable[[Callable], Callable]:
    """--out, the folder, and --dry-run, a plan instead of the work."""

    def decorate(command: Callable) -> Callable:
        command = click.option(
            "--dry-run", is_flag=True, help="Show what would be computed; compute nothing."
        )(command)
        return click.option(
            "--out",
            type=NamedPath(file_okay=False, path_type=Path),
            help=f"Folder to write to. [dim](default: {folder})[/]",
        )(command)

    return decorate


ROW_OPTIONS = ("points", "step", "rounds", "gamma", "convention", "gamma_convention")
"""Options that change the numbers; all others choose among rows, or draw."""


def changed_settings() -> list[str]:
    """Those of ROW_OPTIONS that the running command was given with other values."""
    context, changed = click.get_current_context(), []
    assert context is not None
    for option in context.command.params:
        name = option.name or ""
        value = context.params.get(name)
        if name in ROW_OPTIONS and value != option.get_default(context):
            values = value if isinstance(value, tuple) else (value,)
            changed += [f"{option.opts[0]} {entry}" for entry in values]
    return changed


def run_experiment(
    name: str, out: Path | None, dry_run: bool, plan: str, compute: Callable[[], Measured]
) -> None:
    """Compute, write numbers and figures and print the numbers; or print ``plan`` alone."""
    root, console = out or Path("runs", name), open_terminal()
    if dry_run:
        console.print(f"{plan} → {root}", soft_wrap=True)
        return
    make_folder(root, "study.json")
    with locked(root):
        note_command(root, name)
        result = compute().under(changed_settings())
        write_results(root, result)
    show_measured(console, name, result)
    for note in result.notes:
        console.print(note, soft_wrap=True)
    console.print(f"tables and figures → {root}", soft_wrap=True)


def write_results(root: Path, result: Measured) -> None:
    """Write ``measured.csv``, the other tables, and every figure as PNG and PDF."""
    frames = {MEASURED: result.frame()}
    frames |= {f"{name}.csv": frame for name, frame in result.tables.items()}
    write_tables(root, frames)
    save_figures(root / "figures", result.figures)


def show_measured(console: Console, name: str, result: Measured) -> None:
    """Print measured beside expected numbers; the file also has the source of the expected."""
    columns = [Column("case", text=True), Column("quantity", text=True)]
    columns += [Column(heading, right=True) for heading in ("measured", "expected", "difference")]
    rows = []
    for row in result.rows:
        known = not math.isnan(row.expected)
        gap = row.measured - row.expected if math.isfinite(row.expected) else 0.0
        rows.append(
            (
                escape(row.case),
                escape(row.quantity),
                f"{row.measured:.6g}",
                f"{row.expected:.6g}" if known else "–",
                f"{gap:.1e}" if known else "–",
            )
        )
    show_table(console, f"{name}: deterministic, no seeds", columns, rows)


def parse_starts(
    context: click.Context, option: click.Parameter, value: Sequence[str]
) -> tuple[tuple[float, float], ...]:
    """THETA,PSI of every --start as two numbers. Raises ConfigError."""
    starts = []
    for text in value:
        try:
            theta, psi = (float(part) for part in text.split(","))
        except ValueError:
            raise ConfigError(f"--start: {text!r} given; allowed: two numbers, as in 1,1") from None
        if not (math.isfinite(theta) and math.isfinite(psi)):
            raise ConfigError(f"--start: {text} given; allowed: finite numbers")
        starts.append((theta, psi))
    return tuple(starts) or portraits.STARTS


def named_systems(names: str | None, every: Mapping[str, System]) -> list[System]:
    """The systems of a list that commas separate; None names them all. Raises ConfigError."""
    if names is None:
        return list(every.values())
    chosen = [name.strip() for name in names.split(",")]
    for name in chosen:
        one_of("--systems", name, list(every))
    return [every[name] for name in dict.fromkeys(chosen)]


@click.command("dirac")
@click.option(
    "--systems",
    "names",
    metavar="NAMES",
    help=f"Rows of the page, separated by commas: {', '.join(systems())}. [dim](default: all)[/]",
)
@step_option(0.2)
@rounds_option(500)
@click.option(
    "--gamma",
    type=float,
    default=0.3,
    show_default=True,
    callback=weight,
    help="Weight γ of the zero-centred penalties.",
)
@click.option(
    "--start",
    "starts",
    multiple=True,
    callback=parse_starts,
    metavar="THETA,PSI",
    help="Parameters of G and D that a trajectory starts from; repeat the option for several. "
    f"[dim](default: {'; '.join(f'{theta:g},{psi:g}' for theta, psi in portraits.STARTS)})[/]",
)
@click.option(
    "--convention",
    metavar="NAME",
    default="common",
    show_default=True,
    help=f"{' or '.join(CONVENTIONS)}: D is high on real samples, or on fakes. VRAL's D is always "
    "high on real samples.",
)
@click.option(
    "--gamma-convention",
    metavar="NAME",
    default="paper",
    show_default=True,
    help=f"{' or '.join(GAMMA_CONVENTIONS)}: γ weighs ½‖∇D‖², or ‖∇D‖².",
)
@click.option(
    "--animate",
    type=NamedPath(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also animate the first row in a new .gif file, or .mp4 where ffmpeg is installed.",
)
@output_options("runs/dirac")
def dirac(
    names: str | None,
    step: float,
    rounds: int,
    gamma: float,
    starts: tuple[tuple[float, float], ...],
    convention: str,
    gamma_convention: str,
    animate: Path | None,
    out: Path | None,
    dry_run: bool,
) -> None:
    """Draw phase portraits of every method and algorithm on one page, with eigenvalues."""
    rows = named_systems(names, systems(gamma, convention, gamma_convention))
    if animate is not None:
        portraits.writer_for(animate)
        if animate.exists():
            raise ConfigError(f"--animate: {animate} exists; allowed: a new file")
        if not animate.parent.is_dir():
            raise ConfigError(f"--animate: {animate} given; allowed: a file in an existing folder")
    plan = (
        f"{len(rows)} systems × {len(ALGORITHMS)} algorithms, {len(starts)} starts as lanes, "
        f"{rounds} rounds"
    )
    run_experiment(
        "dirac", out, dry_run, plan, lambda: portraits.experiment(rows, step, rounds, starts)
    )
    if animate is not None and not dry_run:
        click.echo(f"animating {rows[0].label} → {animate}")
        portraits.animate(portraits.portraits(rows[:1], step, rounds, starts), animate)


@click.command("dirac-basins")
@click.option(
    "--points",
    type=click.IntRange(2, 10_000),
    default=41,
    show_default=True,
    help="Starts along each axis of [-2, 2]².",
)
@step_option(0.2)
@rounds_option(3000)
@gammas_option(basins.GAMMAS)
@output_options("runs/dirac-basins")
def dirac_basins(
    points: int, step: float, rounds: int, gamma: tuple[float, ...], out: Path | None, dry_run: bool
) -> None:
    """Map the starts from which R1 and consensus optimization, exact and as published, converge."""
    plan = (
        f"{len(basins.DIRECTIONS)} methods × {len(ALGORITHMS)} algorithms, "
        f"{len(gamma)} γ × {points}² starts as lanes, {rounds} rounds"
    )
    run_experiment(
        "dirac-basins", out, dry_run, plan, lambda: basins.experiment(points, rounds, step, gamma)
    )


@click.command("dirac-damping")
@output_options("runs/dirac-damping")
def dirac_damping(out: Path | None, dry_run: bool) -> None:
    """Show how γ and the step size damp: critical damping, largest steps, two time scales."""
    plan = (
        f"{len(damping.FAMILIES)} regularisers × {len(damping.STRENGTHS)} strengths, "
        f"{len(ALGORITHMS)} algorithms × {len(damping.STEPS)} steps"
    )
    run_experiment("dirac-damping", out, dry_run, plan, damping.experiment)


@click.command("limit-cycles")
@rounds_option(4000)
@output_options("runs/limit-cycles")
def limit_cycles_command(rounds: int, out: Path | None, dry_run: bool) -> None:
    """Measure the cycles of -log D, WGAN-GP and clipped WGAN against closed forms."""
    plan = f"{len(limit_cycles.ONE_CENTRED)} settings of WGAN-GP and others, {rounds} rounds"
    run_experiment("limit-cycles", out, dry_run, plan, lambda: limit_cycles.experiment(rounds))


@click.command("lazy-r1")
@step_option(0.1)
@rounds_option(1500)
@gammas_option(lazy_r1.GAMMAS, positive)
@output_options("runs/lazy-r1")
def lazy_r1_command(
    step: float, rounds: int, gamma: tuple[float, ...], out: Path | None, dry_run: bool
) -> None:
    """Apply R1 at every k-th round with weight k·γ, up to its limit of stability at h·γ·k ≈ 2."""
    plan = f"{len(gamma)} γ × {len(lazy_r1.INTERVALS)} intervals, {rounds} rounds"
    run_experiment(
        "lazy-r1", out, dry_run, plan, lambda: lazy_r1.experiment(step, gamma, rounds=rounds)
    )


@click.command("errata")
@output_options("runs/errata")
def errata_command(out: Path | None, dry_run: bool) -> None:
    """Compute three published mistakes both ways, as printed and corrected."""
    plan = "consensus both ways, R1's eigenvalues both ways, a Jacobian both ways"
    run_experiment("errata", out, dry_run, plan, errata.experiment)


@click.command("trade-off")
@click.option(
    "--beside",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Also draw what the VRAL runs of a study in this folder measured.",
)
@output_options("runs/trade-off")
def trade_off_command(beside: Path | None, out: Path | None, dry_run: bool) -> None:
    """What may D tell where its scores are as VRAL asks, and what slope must it keep for G?"""
    points = None if beside is None else trade_off.measured_points(beside)
    if points is not None and points.is_empty():
        raise ConfigError(f"--beside: {beside} given; allowed: a folder with runs of a VRAL method")
    plan = f"closed forms over the gap m_r - m_f, and our readings at {len(trade_off.MEANS)} gaps"
    run_experiment("trade-off", out, dry_run, plan, lambda: trade_off.experiment(points))


def _setup_help(name: str, text: str, setup: type = mixture_spectrum.Setup) -> str:
    default = next(entry.default for entry in fields(setup) if entry.name == name)
    return f"{text} [dim](default: {default:g})[/]"


_score_help = partial(_setup_help, setup=score_map.Setup)


def _compute(
    study: Any,
    given: Mapping[str, float | int | None],
    quick: bool,
    out: Path | None,
    threads: int,
    dry_run: bool,
) -> None:
    """Show the plan of a study that takes long, or compute what its folder lacks and draw it.

    ``study`` is its module: EXPERIMENT names it, its Setup holds the settings (QUICK: those of the
    quick form) and ``run`` writes what is missing.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    setup = study.Setup(**{**(study.QUICK if quick else {}), **chosen})
    root = out or Path("runs", f"{study.EXPERIMENT}-quick" if quick else study.EXPERIMENT)
    console = open_terminal()
    if dry_run:
        console.print(f"{setup.plan} → {root}", soft_wrap=True)
        return
    torch.set_num_threads(threads)
    make_folder(root, "study.json")
    with locked(root):
        note_command(root, study.EXPERIMENT)
        study.run(root, setup, lambda line: console.print(line, soft_wrap=True))
    console.print(f"figures → {root / 'figures'}", soft_wrap=True)


@click.command(mixture_spectrum.EXPERIMENT)
@click.option(
    "--rounds",
    type=click.IntRange(1, 10_000_000),
    help=_setup_help("rounds", "Rounds of training; 50,000 in the paper."),
)
@click.option(
    "--lr",
    type=float,
    callback=positive,
    help=_setup_help("lr", "Learning rate of RMSProp; 1e-4 in the paper."),
)
@click.option(
    "--gamma",
    type=float,
    callback=positive,
    help=_setup_help("gamma", "Weight γ of consensus optimization."),
)
@click.option(
    "--seed",
    type=click.IntRange(0, 999_999_999),
    help=_setup_help("seed", "Seed of both trainings."),
)
@click.option(
    "--quick", is_flag=True, help="A small network and few rounds, in a folder of its own."
)
@threads_option
@output_options(f"runs/{mixture_spectrum.EXPERIMENT}")
def spectrum_mog(
    quick: bool, out: Path | None, threads: int, dry_run: bool, **given: float | int | None
) -> None:
    """Does consensus optimization move a GAN's eigenvalues away from the imaginary axis?

    Trains a GAN of 2003 parameters on eight Gaussians by simultaneous RMSProp, without and with
    consensus, and computes all eigenvalues of the full Jacobian before and after training, on one
    fixed batch: the figure of Mescheder et al. 2017. ‖v‖ stands in every title, because away from a
    stationary point eigenvalues say nothing about convergence.

    Writes eigenvalues, counts and a figure to runs/spectrum-mog. The same command again only draws.
    """
    _compute(mixture_spectrum, given, quick, out, threads, dry_run)


@click.command(score_map.EXPERIMENT)
@click.option(
    "--seeds",
    type=click.IntRange(1, 1_000),
    help=_score_help("seeds", "Number of seeds."),
)
@click.option(
    "--points",
    type=click.IntRange(4, 1_000),
    help=_score_help("points", "Values of τ and of λ."),
)
@click.option(
    "--most-steps",
    type=click.IntRange(1, 1_000),
    help=_score_help("most_steps", "Largest number n of steps of R and F a D update."),
)
@click.option(
    "--updates",
    type=click.IntRange(10, 10_000_000),
    help=_score_help("updates", "Updates of D in every cell."),
)
@click.option("--quick", is_flag=True, help="Few cells of small networks, in a folder of its own.")
@threads_option
@output_options(f"runs/{score_map.EXPERIMENT}")
def score_game_command(
    quick: bool, out: Path | None, threads: int, dry_run: bool, **given: int | None
) -> None:
    """When do D's scores meet VRAL's targets? A map over R's and F's rate, penalty and steps.

    Trains VRAL's D against R and F on digits with G held, at 20 ratios τ of learning rates × 20
    penalties λ, and with 1 to 20 steps of R and F a D update; and lays over it the lines
    from which on a swing of D falls by e within each turn, by the linearised game of scores.

    Writes cells, measured numbers and a figure to runs/score-game. The same command again does what
    is missing.
    """
    _compute(score_map, given, quick, out, threads, dry_run)


COMMANDS: dict[str, click.Command] = {
    command.name or "": command
    for command in (
        dirac,
        dirac_basins,
        dirac_damping,
        limit_cycles_command,
        lazy_r1_command,
        errata_command,
        trade_off_command,
        spectrum_mog,
        score_game_command,
    )
}
