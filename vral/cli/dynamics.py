"""``vral reproduce dirac`` and its kin: a command per experiment on the Dirac-GAN."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import rich_click as click
from rich import box
from rich.console import Console
from rich.table import Table

from vral.dynamics import basins, damping, errata, lazy_r1, limit_cycles, portraits
from vral.dynamics.mixture_spectrum import EXPERIMENT, spectrum_mog
from vral.dynamics.systems import ALGORITHMS, CONVENTIONS, System, systems
from vral.errors import ConfigError
from vral.figures import save
from vral.files import replace_file
from vral.games.dirac import GAMMA_CONVENTIONS
from vral.games.toy import one_of
from vral.study.folders import locked, make_folder, note_command
from vral.study.measured import MEASURED, Measured


def positive(context: click.Context, option: click.Parameter, value: float) -> float:
    """A finite number above 0. Raises ConfigError."""
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"--{option.name}: {value:g} given; allowed: a finite number above 0")
    return value


STEP_LIMIT = 1e6
"""Far beyond any stable step; its powers over a round are still finite."""


def step_size(context: click.Context, option: click.Parameter, value: float) -> float:
    """A positive number up to STEP_LIMIT. Raises ConfigError."""
    if not 0 < value <= STEP_LIMIT:
        raise ConfigError(
            f"--{option.name}: {value:g} given; allowed: a number above 0, up to {STEP_LIMIT:g}"
        )
    return value


def weight(context: click.Context, option: click.Parameter, value: float) -> float:
    """A finite number from 0 up. Raises ConfigError."""
    if not (math.isfinite(value) and value >= 0):
        raise ConfigError(f"--{option.name}: {value:g} given; allowed: a finite number, 0 or more")
    return value


def weights(
    context: click.Context, option: click.Parameter, value: Sequence[float]
) -> tuple[float, ...]:
    return tuple(weight(context, option, one) for one in value)


def positives(
    context: click.Context, option: click.Parameter, value: Sequence[float]
) -> tuple[float, ...]:
    return tuple(positive(context, option, one) for one in value)


def step_option(default: float) -> Callable[[Callable], Callable]:
    return click.option(
        "--step", type=float, default=default, show_default=True, callback=step_size,
        help="Step size h of both players.",
    )  # fmt: skip


def rounds_option(default: int) -> Callable[[Callable], Callable]:
    return click.option(
        "--rounds", type=click.IntRange(min=1), default=default, show_default=True,
        help="Rounds of a trajectory.",
    )  # fmt: skip


def gammas_option(
    default: Sequence[float], callback: Callable = weights
) -> Callable[[Callable], Callable]:
    return click.option(
        "--gamma", type=float, multiple=True, default=tuple(default), show_default=True,
        callback=callback, help="Weights γ, each given as an option of its own.",
    )  # fmt: skip


def common(command: Callable) -> Callable:
    """The folder, and a plan instead of the work."""
    command = click.option("--dry-run", is_flag=True, help="Say what would be computed, no more.")(
        command
    )
    return click.option(
        "--out", type=click.Path(file_okay=False, path_type=Path),
        help="Folder to write. [dim](default: runs/<name>)[/]",
    )(command)  # fmt: skip


DECIDING = ("points", "step", "rounds", "gamma", "convention", "gamma_convention")
"""Options that change the rows; others choose among them, or draw."""


def other_settings() -> list[str]:
    """Those of DECIDING that the running command has with other values than its defaults."""
    context = click.get_current_context()
    other = []
    for option in context.command.params:
        value = context.params.get(option.name)
        if option.name in DECIDING and value != option.get_default(context):
            values = value if isinstance(value, tuple) else (value,)
            other += [f"{option.opts[0]} {one}" for one in values]
    return other


def carry_out(
    name: str, out: Path | None, dry_run: bool, plan: str, work: Callable[[], Measured]
) -> None:
    """Do ``work`` and write its numbers and figures, or print ``plan``."""
    root, console = out or Path("runs", name), Console(highlight=False)
    if dry_run:
        console.print(f"{plan} → {root}", soft_wrap=True)
        return
    make_folder(root, "study.json")
    with locked(root):
        note_command(root, name)
        outcome = work().under(other_settings())
        write(root, outcome)
    console.print(table(name, outcome))
    for note in outcome.notes:
        console.print(note, soft_wrap=True)
    console.print(f"tables and figures → {root}", soft_wrap=True)


def write(root: Path, outcome: Measured) -> None:
    """``measured.csv``, further tables, and every figure as PNG and PDF."""
    frames = {MEASURED: outcome.measured}
    frames |= {f"{name}.csv": frame for name, frame in outcome.tables.items()}
    for name, frame in frames.items():
        with replace_file(root / name) as temporary:
            frame.write_csv(temporary)
    folder = root / "figures"
    folder.mkdir(exist_ok=True)
    for name, drawing in outcome.figures.items():
        for kind in ("png", "pdf"):
            with replace_file(folder / f"{name}.{kind}") as temporary:
                save(drawing, temporary, format=kind, dpi=160)


def table(name: str, outcome: Measured) -> Table:
    """Measured beside expected; the source of the expected stands in the file."""
    shown = Table(title=f"{name}: deterministic, no seeds", title_justify="left", box=box.SIMPLE)
    shown.add_column("case")
    shown.add_column("quantity")
    for heading in ("measured", "expected", "difference"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for row in outcome.rows:
        known = not math.isnan(row.expected)
        gap = row.measured - row.expected if math.isfinite(row.expected) else 0.0
        shown.add_row(
            row.case,
            row.quantity,
            f"{row.measured:.6g}",
            f"{row.expected:.6g}" if known else "–",
            f"{gap:.1e}" if known else "–",
        )
    return shown


def start_of(context: click.Context, option: click.Parameter, value: Sequence[str]) -> tuple:
    """THETA,PSI of every start. Raises ConfigError."""
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


def chosen(names: str | None, every: dict[str, System]) -> list[System]:
    if names is None:
        return list(every.values())
    wanted = [name.strip() for name in names.split(",")]
    for name in wanted:
        one_of("--systems", name, list(every))
    return [every[name] for name in dict.fromkeys(wanted)]


@click.command("dirac")
@click.option(
    "--systems", "names", help="Rows of the page, separated by commas. [dim](default: all)[/]"
)
@step_option(0.2)
@rounds_option(500)
@click.option(
    "--gamma", type=float, default=0.3, show_default=True, callback=weight,
    help="Weight γ of the zero-centred penalties.",
)  # fmt: skip
@click.option(
    "--start", "starts", multiple=True, callback=start_of, metavar="THETA,PSI",
    help="A start; as many as you like.",
)  # fmt: skip
@click.option(
    "--convention", default="common", show_default=True,
    help=f"{' or '.join(CONVENTIONS)}: D is high on reals, or on fakes. VRAL's always on reals.",
)  # fmt: skip
@click.option(
    "--gamma-convention", default="paper", show_default=True,
    help=f"{' or '.join(GAMMA_CONVENTIONS)}: γ before ½‖∇D‖², or before ‖∇D‖².",
)  # fmt: skip
@click.option(
    "--animate", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Also animate the first row into a .gif, or an .mp4 where ffmpeg is installed.",
)  # fmt: skip
@common
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
    """Phase portraits of every method × algorithm on one page, with eigenvalues."""
    rows = chosen(names, systems(gamma, convention, gamma_convention))
    if animate is not None:
        portraits.writer_for(animate)
        if animate.exists():
            raise ConfigError(f"--animate: {animate} exists; name a new file")
        if not animate.parent.is_dir():
            raise ConfigError(f"--animate: {animate.parent} is no folder; name a file in one")
    plan = (
        f"{len(rows)} systems × {len(ALGORITHMS)} algorithms, {len(starts)} starts as lanes, "
        f"{rounds} rounds"
    )
    carry_out("dirac", out, dry_run, plan, lambda: portraits.experiment(rows, step, rounds, starts))
    if animate is not None and not dry_run:
        click.echo(f"animating {rows[0].label} → {animate}")
        portraits.animate(portraits.portraits(rows[:1], step, rounds, starts), animate)


@click.command("dirac-basins")
@click.option(
    "--points", type=click.IntRange(min=2), default=41, show_default=True,
    help="Starts along each axis of [-2, 2]².",
)  # fmt: skip
@step_option(0.2)
@rounds_option(3000)
@gammas_option(basins.GAMMAS)
@common
def dirac_basins(
    points: int, step: float, rounds: int, gamma: tuple[float, ...], out: Path | None, dry_run: bool
) -> None:
    """From which starts R1 and consensus, exact and as published, arrive."""
    plan = (
        f"{len(basins.FOLLOWED)} methods × {len(ALGORITHMS)} algorithms, "
        f"{len(gamma)} γ × {points}² starts as lanes, {rounds} rounds"
    )
    carry_out(
        "dirac-basins", out, dry_run, plan, lambda: basins.experiment(points, rounds, step, gamma)
    )


@click.command("dirac-damping")
@common
def dirac_damping(out: Path | None, dry_run: bool) -> None:
    """Eigenvalues and rates by γ and step: critical damping, largest steps, two time scales."""
    plan = (
        f"{len(damping.FAMILIES)} regularisers × {len(damping.STRENGTHS)} strengths, "
        f"{len(ALGORITHMS)} algorithms × {len(damping.STEPS)} steps"
    )
    carry_out("dirac-damping", out, dry_run, plan, damping.experiment)


@click.command("limit-cycles")
@rounds_option(4000)
@common
def limit_cycles_command(rounds: int, out: Path | None, dry_run: bool) -> None:
    """Cycles of -log D, WGAN-GP and clipped WGAN, measured against closed forms."""
    plan = f"{len(limit_cycles.ONE_CENTRED)} settings of WGAN-GP and others, {rounds} rounds"
    carry_out("limit-cycles", out, dry_run, plan, lambda: limit_cycles.experiment(rounds))


@click.command("lazy-r1")
@step_option(0.1)
@rounds_option(1500)
@gammas_option(lazy_r1.GAMMAS, positives)
@common
def lazy_r1_command(
    step: float, rounds: int, gamma: tuple[float, ...], out: Path | None, dry_run: bool
) -> None:
    """R1 every k-th round with weight k·γ, and the wall at h·γ·k ≈ 2."""
    plan = f"{len(gamma)} γ × {len(lazy_r1.INTERVALS)} intervals, {rounds} rounds"
    carry_out("lazy-r1", out, dry_run, plan, lambda: lazy_r1.experiment(step, gamma, rounds=rounds))


@click.command("errata")
@common
def errata_command(out: Path | None, dry_run: bool) -> None:
    """Three published mistakes, each computed both ways."""
    plan = "consensus both ways, R1's eigenvalues both ways, a Jacobian both ways"
    carry_out("errata", out, dry_run, plan, errata.experiment)


COMMANDS: dict[str, click.Command] = {
    "dirac": dirac,
    "dirac-basins": dirac_basins,
    "dirac-damping": dirac_damping,
    "limit-cycles": limit_cycles_command,
    "lazy-r1": lazy_r1_command,
    "errata": errata_command,
    EXPERIMENT: spectrum_mog,
}
