"""``vral spectrum``: the eigenvalues of a trained run's field and of its rounds."""

import math
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl
import rich_click as click
import torch
from rich.console import Console

from vral import figures
from vral.cli.options import execution_of
from vral.cli.tables import save_figures
from vral.diagnostics.gamma_sweep import GammaSweep, gamma_sweep
from vral.diagnostics.linearise import Map
from vral.diagnostics.spectrum import DENSE_LIMIT, WHICH, Spectrum, spectrum
from vral.dynamics.trained import SAMPLES, Trained, TrainedRun, open_run
from vral.errors import ConfigError, FolderError
from vral.figures import ratio_label
from vral.files import replace_file
from vral.study.config import differences
from vral.study.folders import locked, make_folder, read_json, write_json
from vral.study.methods import label

NAMES = {
    "field": "v, the game's field",
    "direction": "what the rule follows",
    "round": "F, one round of updates",
}
MARK = "spectrum.json"
MOST_GAMMAS = 1000


@dataclass(frozen=True)
class Settings:
    """What decides the numbers of a spectrum, beside its run."""

    round: int
    """Of the checkpoint."""
    samples: int
    arnoldi: int | None
    """Eigenvalues of each kind to look for; None: all of them."""


@click.command("spectrum")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--seed", "seeds", help="Seeds of the run, separated by commas. [dim](default: all)[/]"
)
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    help=f"Fixed samples of each kind that losses are averaged over. [dim](default: {SAMPLES})[/]",
)
@click.option(
    "--arnoldi",
    type=click.IntRange(min=1),
    help="This many rightmost, largest and fastest rotating eigenvalues by Arnoldi iteration "
    f"instead of all. [dim](default: all up to {DENSE_LIMIT} parameters, 10 of each beyond)[/]",
)
@click.option(
    "--gamma-sweep",
    metavar="A:B:N",
    help="Also the field's spectral abscissa at N weights γ of R1 from A to B, on top of the run's "
    "own losses: from which γ it is negative (stable), and where it is least (critical damping).",
)
@click.option("--out", type=click.Path(path_type=Path), help="[dim](default: RUN/spectrum)[/]")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="cpu")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--data-root", type=click.Path(file_okay=False), help="Folder of torchvision data.")
def command(
    run: Path,
    seeds: str | None,
    samples: int | None,
    arnoldi: int | None,
    gamma_sweep: str | None,
    out: Path | None,
    device: str,
    threads: int,
    data_root: str | None,
) -> None:
    """Eigenvalues at the checkpoint of a trained RUN, seed by seed.

    Of the vector field v (each player's descent direction) and of F, one round of the run's own
    rule and ratio with Adam's second moments held, in float64 on one large fixed batch and without
    D's noise. ‖v‖ comes first: away from a stationary point eigenvalues say nothing about
    convergence. Leaves eigenvalues, counts and figures.
    """
    gammas = _gammas(gamma_sweep)
    options = {"device": device, "compile": "off", "data_root": data_root, "download": False}
    execution = execution_of(options, threads)
    trained = open_run(run, execution)
    chosen = trained.seeds if seeds is None else _whole_numbers("--seed", seeds)
    trained.check(chosen)
    if gammas is not None and trained.config.norm_d == "batch":
        raise ConfigError(
            "--gamma-sweep: given, but R1 is per sample, and with the batch norm in this run's D a "
            "score depends on its whole batch; allowed: runs with --norm-d none or group"
        )
    count = trained.samples_of(samples)
    folder = out or run / "spectrum"
    settings = Settings(trained.round, count, arnoldi)
    torch.set_num_threads(threads)
    _check_arnoldi(trained.at(chosen[0], 1), arnoldi)
    make_folder(folder, MARK)
    with locked(folder):
        _note(folder, trained, settings)
        _report(trained, chosen, settings, gammas, folder)


def _whole_numbers(option: str, text: str) -> list[int]:
    pieces = [piece.strip() for piece in text.split(",")]
    if not all(piece.isdecimal() for piece in pieces):
        raise ConfigError(f"{option}: {text!r} given; allowed: whole numbers, as in 0,2")
    return list(dict.fromkeys(map(int, pieces)))


def _gammas(text: str | None) -> list[float] | None:
    """A:B:N as N evenly spaced numbers. Raises ConfigError."""
    if text is None:
        return None
    try:
        first, last, count = text.split(":")
        low, high, number = float(first), float(last), int(count)
        if 0 <= low < high < math.inf and 2 <= number <= MOST_GAMMAS:
            return np.linspace(low, high, number).tolist()
    except ValueError:
        pass
    raise ConfigError(
        f"--gamma-sweep: {text!r} given; allowed: A:B:N with 0 ≤ A < B and N from 2 to "
        f"{MOST_GAMMAS}, as in 0:10:21"
    )


def _check_arnoldi(trained: Trained, count: int | None) -> None:
    """Raises ConfigError for more than the iteration can find in the smallest of the maps."""
    size = min(len(map.point) for _, map in trained.maps())
    if count is not None and count > size - 2:
        raise ConfigError(
            f"--arnoldi: {count} given; allowed: 1 to {size - 2} of {size} parameters"
        )


def _note(folder: Path, trained: TrainedRun, settings: Settings) -> None:
    """Write what the folder's numbers rest on.

    Raises FolderError where it holds those of another run or of other settings.
    """
    config = trained.config.model_dump(mode="json")
    content = {"config": config, "settings": asdict(settings), "commands": []}
    path = folder / MARK
    if path.exists():
        old = read_json(path, list(content))
        changed = differences(
            {**old["config"], **old["settings"]}, {**config, **content["settings"]}
        )
        if changed:
            raise FolderError(
                f"--out: {folder} holds the spectrum of other settings ({'; '.join(changed)}); "
                "name another folder"
            )
        content["commands"] = old["commands"]
    content["commands"] = [*content["commands"], shlex.join(sys.argv[1:])]
    write_json(path, content)


def _report(
    trained: TrainedRun,
    seeds: Sequence[int],
    settings: Settings,
    gammas: Sequence[float] | None,
    folder: Path,
) -> None:
    console = Console(highlight=False)
    config = trained.config
    subject = f"{label(config.arm)} at {ratio_label(config.ratio)} on {config.dataset}"
    console.print(
        f"{subject}, {trained.round} rounds, rule {config.rule}; {settings.samples} samples of "
        "each kind, float64, D without noise",
        soft_wrap=True,
    )
    if config.generator == "held":
        console.print("G was held: it is in v, and F leaves it where it is.")
    for seed in seeds:
        console.print(f"\nseed {seed}", style="bold")
        at = trained.at(seed, settings.samples)
        spectra = {}
        for name, map in at.maps():
            spectra[name] = _spectrum(map, settings.arnoldi)
            console.print(f"{NAMES[name]}:", style="cyan")
            console.print(spectra[name].summary(), soft_wrap=True, markup=False)
        _write(folder / f"eigenvalues-seed{seed}.csv", _eigenvalues(spectra))
        _write(folder / f"counts-seed{seed}.csv", _counts(spectra))
        title = f"{subject}, seed {seed}, {trained.round} rounds"
        panels = [[(NAMES[name], found) for name, found in spectra.items()]]
        drawn = {f"eigenvalues-seed{seed}": figures.eigenvalues(panels, title)}
        if gammas is not None:
            sweep = gamma_sweep(at.with_r1, at.profile, at.draw, gammas)
            console.print("γ of R1 on top of the run's own losses:", style="cyan")
            console.print(_sweep_text(sweep), soft_wrap=True, markup=False)
            name = f"gamma-{gammas[0]:g}-{gammas[-1]:g}-{len(gammas)}-seed{seed}"
            rows = {"gamma": sweep.gammas, "abscissa": sweep.abscissae}
            _write(folder / f"{name}.csv", pl.DataFrame(rows))
            drawn[name] = figures.damping(sweep, title)
        save_figures(folder, drawn)
    console.print(f"\neigenvalues, counts and figures → {folder}", soft_wrap=True)


def _spectrum(map: Map, count: int | None) -> Spectrum:
    return spectrum(map) if count is None else spectrum(map, list(WHICH), count)


def _eigenvalues(spectra: dict[str, Spectrum]) -> pl.DataFrame:
    """One row per eigenvalue; ``error`` is ‖Jx - λx‖ where Arnoldi found it."""
    frames = [
        pl.DataFrame(
            {
                "map": [name] * len(found.eigenvalues),
                "real": found.eigenvalues.real,
                "imag": found.eigenvalues.imag,
                "error": found.errors,
            },
            schema={"map": pl.String} | dict.fromkeys(("real", "imag", "error"), pl.Float64),
        )
        for name, found in spectra.items()
    ]
    return pl.concat(frames)


def _counts(spectra: dict[str, Spectrum]) -> pl.DataFrame:
    return pl.DataFrame([{"map": name, **found.readings()} for name, found in spectra.items()])


def _sweep_text(sweep: GammaSweep) -> str:
    low, high = sweep.gammas[0], sweep.gammas[-1]
    lines = [
        f"‖v‖ at γ = {high:g}: {sweep.residual:.3g}"
        + (
            ""
            if sweep.stationary
            else ", not stationary: γ shapes the field here and decides nothing about convergence"
        ),
        f"abscissa {sweep.abscissae[0]:.6g} at γ = {low:g}, "
        f"{sweep.abscissae.min():.6g} at its least",
        f"critical damping at γ = {sweep.critical:g} (least abscissa, on the grid)",
    ]
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


def _write(path: Path, frame: pl.DataFrame) -> None:
    with replace_file(path) as temporary:
        frame.write_csv(temporary)
