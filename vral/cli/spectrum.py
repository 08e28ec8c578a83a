"""``vral spectrum``: the eigenvalues of a trained run's vector field and of its rounds."""

import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rich_click as click
import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from vral import figures
from vral.cli.options import execution_of, threads_option
from vral.cli.terminal import open_terminal
from vral.diagnostics.gamma_sweep import GammaSweep, gamma_sweep
from vral.diagnostics.polish import STEPS, Polished, polish
from vral.diagnostics.spectrum import (
    DENSE_LIMIT,
    STATIONARY,
    WHICH,
    Spectrum,
    spectrum,
)
from vral.diagnostics.spectrum import Progress as Tell
from vral.dynamics import kept_spectra
from vral.dynamics.kept_spectra import MARK, Settings
from vral.dynamics.trained import SAMPLES, Trained, TrainedRun, open_run
from vral.errors import ConfigError
from vral.figures import ratio_label, save_figures
from vral.signals import exit_code, what_ended
from vral.study.config import seeds_of
from vral.study.folders import locked, make_folder
from vral.study.methods import label
from vral.study.numbers import duration, number

NAMES = {
    "field": "v, the game's field",
    "direction": "w, the direction that the rule follows",
    "round": "F, one round of updates",
}
"""The maps whose Jacobians have the eigenvalues."""
MOST_GAMMAS = 1000
TRIAL = 400
"""Size of the matrix whose eigenvalues are timed for an estimate; the time grows with its cube."""


@click.command("spectrum")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--seed",
    "seeds",
    metavar="SEEDS",
    help="Seeds of the run: one (3), a range (0-4) or a list (0,2,5). [dim](default: all)[/]",
)
@click.option(
    "--samples",
    type=click.IntRange(1, 1_000_000),
    help="Fixed real and latent samples, this many of each, that losses are averaged over. "
    f"[dim](default: {SAMPLES})[/]",
)
@click.option(
    "--arnoldi",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    help="Look for the N rightmost, N largest and N fastest rotating eigenvalues by Arnoldi "
    f"iteration instead of all. [dim](default: all up to {DENSE_LIMIT} parameters, 10 of each "
    "beyond)[/]",
)
@click.option(
    "--gamma-sweep",
    metavar="A:B:N",
    help="Also add R1 to the run's losses, at N weights γ from A to B, and print the field's "
    "spectral abscissa: from which γ it is negative (stable) and where it is least (critical "
    f"damping). Judged only where ‖v‖ is below {STATIONARY:.0e} at every γ.",
)
@click.option(
    "--polish",
    is_flag=True,
    help="First look for a stationary point next to the checkpoint, by at most "
    f"{STEPS} damped Gauss-Newton steps on ‖v‖² (each needs a Jacobian), and say how far it is and "
    "of what kind. It need not be one that play leads to.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder to write to. [dim](default: RUN/spectrum, with --polish RUN/spectrum-polished)[/]",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Where to compute; auto takes a GPU if there is one.",
)
@threads_option
@click.option(
    "--data-root",
    type=click.Path(file_okay=False),
    help="Folder that holds torchvision's data sets.",
)
def command(
    run: Path,
    seeds: str | None,
    samples: int | None,
    arnoldi: int | None,
    gamma_sweep: str | None,
    polish: bool,
    out: Path | None,
    device: str,
    threads: int,
    data_root: str | None,
) -> None:
    """Compute the eigenvalues of a trained run, at the checkpoint in the folder RUN.

    They are those of the vector field v, which is every player's descent direction, and of F, one
    round by the run's own rule and ratio, in which Adam's second moments stay as they are. All is
    computed in float64 on one large fixed batch and without D's noise, seed by seed. ‖v‖ is printed
    first: where it is not small the point is not stationary, eigenvalues say nothing about
    convergence, and what would mean something only there is withheld.

    Writes eigenvalues, counts and figures, each map as soon as it is found; the same command again
    does what is missing. Most of the time goes into the Jacobians, of F two to three times that of
    v, then into their eigenvalues, whose time grows with the cube of the number of parameters.
    """
    gammas = _gammas(gamma_sweep)
    options = {"device": device, "compile": "off", "data_root": data_root, "download": False}
    execution = execution_of(options, threads)
    trained = open_run(run, execution)
    chosen = trained.seeds if seeds is None else _seeds(seeds)
    trained.check(chosen)
    if gammas is not None and trained.config.norm_d == "batch":
        raise ConfigError(
            "--gamma-sweep: given, but R1 is per sample, and with the batch norm in this run's D a "
            "score depends on its whole batch; allowed: runs with --norm-d none or group"
        )
    count = trained.samples_of(samples)
    folder = out or run / ("spectrum-polished" if polish else "spectrum")
    settings = Settings(trained.rounds, count, arnoldi, polish)
    torch.set_num_threads(threads)
    _check_arnoldi(trained.at(chosen[0], 1), arnoldi)
    make_folder(folder, MARK)
    console = open_terminal()
    with locked(folder):
        kept_spectra.note(folder, trained, settings)
        try:
            _report(console, trained, chosen, settings, gammas, folder)
        except KeyboardInterrupt as error:
            console.print(f"{what_ended(error)}; the same command goes on behind what is found.")
            sys.exit(exit_code(error))


def _seeds(text: str) -> Sequence[int]:
    """What ``vral train --seed`` takes. Raises ConfigError."""
    try:
        return seeds_of(text)
    except ValueError as error:
        raise ConfigError(f"--seed: {text!r} given; {error}") from None


def _gammas(text: str | None) -> np.ndarray | None:
    """A:B:N as N evenly spaced numbers. Raises ConfigError."""
    if text is None:
        return None
    try:
        first, last, count = text.split(":")
        low, high, number = float(first), float(last), int(count)
        if 0 <= low < high < math.inf and 2 <= number <= MOST_GAMMAS:
            return np.linspace(low, high, number)
    except ValueError:
        pass
    raise ConfigError(
        f"--gamma-sweep: {text!r} given; allowed: A:B:N with 0 ≤ A < B and N from 2 to "
        f"{MOST_GAMMAS}, as in 0:10:21"
    )


def _check_arnoldi(trained: Trained, count: int | None) -> None:
    """Raise ConfigError for more eigenvalues than the iteration can find in the smallest map."""
    size = min(len(a_map.point) for _, a_map in trained.maps())
    if count is not None and count > size - 2:
        raise ConfigError(
            f"--arnoldi: {count} given; allowed: 1 to {size - 2} of {size} parameters"
        )


@contextmanager
def _watch(console: Console, subject: str) -> Iterator[Tell]:
    """Show how far the work on ``subject`` is, phase by phase, and the time it has left."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    phases: list[str] = []
    shown = {"console": console, "transient": True, "disable": not console.is_terminal}
    with Progress(*columns, **shown) as progress:
        task = progress.add_task(subject, total=None)

        def tell(phase: str, done: int, total: int | None) -> None:
            if phases[-1:] != [phase]:
                phases.append(phase)
                text = f"{subject}: {phase}{_expected(phase)}"
                progress.reset(task, description=text, total=total, completed=done)
            progress.update(task, completed=done)

        yield tell


def _expected(phase: str) -> str:
    """About how long all eigenvalues of a matrix take, which nothing tells on the way."""
    first, *_, size = phase.split()
    if first != "eigenvalues" or int(size) <= TRIAL:
        return ""
    matrix, began = np.random.default_rng(0).standard_normal((TRIAL, TRIAL)), time.perf_counter()
    np.linalg.eigvals(matrix)
    return f", about {duration((time.perf_counter() - began) * (int(size) / TRIAL) ** 3)}"


def _report(
    console: Console,
    trained: TrainedRun,
    seeds: Sequence[int],
    settings: Settings,
    gammas: np.ndarray | None,
    folder: Path,
) -> None:
    config = trained.config
    subject = f"{label(config.arm)} at {ratio_label(config.ratio)} on {config.dataset}"
    console.print(
        f"{subject}, {trained.rounds} rounds, rule {config.rule}; {settings.samples} samples of "
        "each kind, float64, D without noise",
        soft_wrap=True,
    )
    if config.generator == "held":
        console.print("This run held G: v includes it, and F leaves it where it is.")
    for seed in seeds:
        console.print(f"\nseed {seed}", style="bold")
        at = trained.at(seed, settings.samples)
        if settings.polish:
            at = _polished(console, at, seed, folder)
        spectra = _spectra(console, at, seed, settings, folder)
        title = f"{subject}, seed {seed}, {trained.rounds} rounds"
        title += ", polished" if settings.polish else ""
        panels = [[(NAMES[name], its) for name, its in spectra.items()]]
        drawn = {f"eigenvalues-seed{seed}": figures.eigenvalues(panels, title)}
        if gammas is not None:
            sweep = _sweep(console, at, seed, gammas, folder)
            drawn[kept_spectra.sweep_name(gammas, seed)] = figures.damping(sweep, title)
        save_figures(folder, drawn)
    console.print(f"\neigenvalues, counts and figures → {folder}", soft_wrap=True)


def _spectra(
    console: Console, at: Trained, seed: int, settings: Settings, folder: Path
) -> dict[str, Spectrum]:
    """Every map's spectrum, found or read, printed and written."""
    found, spectra, speed = kept_spectra.kept(folder, seed), {}, None
    for name, its_map in at.maps():
        speed = its_map.residual if name == "field" else speed
        if name not in found:
            which, count = (
                (None, 10) if settings.arnoldi is None else (list(WHICH), settings.arnoldi)
            )
            with _watch(console, f"seed {seed}, {name}") as tell:
                found[name] = spectrum(
                    its_map, which, count, speed=None if name == "field" else speed, progress=tell
                )
            kept_spectra.keep(folder, seed, found)
        spectra[name] = found[name]
        console.print(f"{NAMES[name]}:", style="cyan")
        console.print(spectra[name].summary(), soft_wrap=True)
        if settings.polish and name == "field" and spectra[name].stationary:
            grow = spectra[name].positive
            kind = f"{grow} directions grow, so play leaves it"
            console.print(f"kind of point: {kind if grow else 'no direction grows'}")
    return spectra


def _polished(console: Console, start: Trained, seed: int, folder: Path) -> Trained:
    """``start`` at the stationary point next to it, or as near to one as the search came."""
    _, field = next(start.maps())
    found = kept_spectra.kept_polished(folder, seed, field.point)
    if found is None:
        with _watch(console, f"seed {seed}, polishing") as tell:
            found = polish(
                field,
                progress=lambda steps, norm, done: tell(
                    f"‖v‖ = {number(norm)}, step {steps + 1} of at most {STEPS}, products",
                    done,
                    len(field.point) if len(field.point) <= DENSE_LIMIT else None,
                ),
            )
        kept_spectra.keep_polished(folder, seed, found)
    end = start.moved_to(found.point)
    console.print("polished:", style="cyan")
    console.print(_polished_text(start, end, field.residual, found), soft_wrap=True)
    return end


def _polished_text(start: Trained, end: Trained, before: float, found: Polished) -> str:
    """How far the search went and came, and what it did to the game."""
    lines = [f"‖v‖ from {number(before)} to {number(found.residual)} in {found.steps} steps"]
    if found.residual > STATIONARY:
        lines[0] += (
            f", and no further: not below {STATIONARY:.0e}, so no stationary point. ‖v‖² has a "
            "minimum there, or a kink, as networks with ReLU have"
        )
    ways = []
    for player, params in start.profile.items():
        first = torch.cat([value.flatten() for value in params.values()])
        last = torch.cat([end.profile[player][name].flatten() for name in params])
        share = torch.linalg.vector_norm(last - first) / torch.linalg.vector_norm(first)
        ways.append(f"{player} by {share.item():.2%}")
    lines.append(f"moved, in shares of the parameters' norm: {', '.join(ways)}; momenta set to 0")
    first, last = start.readings(), end.readings()
    changes = [f"{name} {number(first[name])} → {number(last[name])}" for name in first]
    lines.append("; ".join(changes))
    if last["signal to G"] < STATIONARY:
        lines.append(
            "D tells G nothing there, as at an equilibrium; it is one only if G(z) has the law of x"
        )
    return "\n".join(lines)


def _sweep(
    console: Console, at: Trained, seed: int, gammas: np.ndarray, folder: Path
) -> GammaSweep:
    sweep = kept_spectra.kept_sweep(folder, seed, gammas)
    if sweep is None:
        with _watch(console, f"seed {seed}, γ") as tell:
            sweep = gamma_sweep(at.with_r1, at.profile, at.draw, gammas, progress=tell)
        kept_spectra.keep_sweep(folder, seed, sweep)
    console.print("R1 of weight γ added to the run's losses:", style="cyan")
    console.print(_sweep_text(sweep), soft_wrap=True)
    return sweep


def _sweep_text(sweep: GammaSweep) -> str:
    low, high = sweep.gammas[0], sweep.gammas[-1]
    first = f"‖v‖ from γ = {low:g} to {high:g}: at most {sweep.residual:.3g}"
    if not sweep.stationary:
        return (
            f"{first}\nnot stationary (above {STATIONARY:.0e}): neither stability nor critical "
            "damping can be read off; withheld"
        )
    lines = [
        first,
        f"abscissa {sweep.abscissae[0]:.6g} at γ = {low:g}, "
        f"{sweep.abscissae.min():.6g} at its least",
    ]
    if sweep.critical is not None:
        lines.append(f"critical damping at γ = {sweep.critical:g} (least abscissa, on the grid)")
    between, exact = sweep.stable_between, sweep.stable_from
    if between is None:
        lines.append(f"not stable up to γ = {high:g}: the abscissa is not negative there")
    elif between[1] == low:
        lines.append(f"stable from γ = {low:g} at most: the abscissa is negative on the whole grid")
    elif exact is None:
        lines.append("stable from γ between {:g} and {:g}".format(*between))
    else:
        lines.append(f"stable from γ = {exact:.4g}: from there on the abscissa is negative")
    return "\n".join(lines)
