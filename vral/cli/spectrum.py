"""``vral spectrum``: the eigenvalues of a trained run's vector field and of its rounds."""

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

from vral import figures
from vral.cli.options import execution_of
from vral.cli.terminal import open_terminal
from vral.diagnostics.gamma_sweep import GammaSweep, gamma_sweep
from vral.diagnostics.linearise import Map
from vral.diagnostics.spectrum import DENSE_LIMIT, WHICH, Spectrum, spectrum
from vral.dynamics.trained import SAMPLES, Trained, TrainedRun, open_run
from vral.errors import ConfigError, FolderError
from vral.figures import ratio_label, save_figures
from vral.study.config import differences
from vral.study.folders import locked, make_folder, read_json, write_json
from vral.study.methods import label
from vral.tables import write_csv

NAMES = {
    "field": "v, the game's field",
    "direction": "w, the direction that the rule follows",
    "round": "F, one round of updates",
}
"""The maps whose Jacobians have the eigenvalues."""
MARK = "spectrum.json"
"""The file by which a folder of this command is known."""
MOST_GAMMAS = 1000


@dataclass(frozen=True)
class Settings:
    """What decides the numbers of a spectrum, besides its run."""

    round: int
    """The run's round at the checkpoint."""
    samples: int
    """Fixed samples of each kind that losses are averaged over."""
    arnoldi: int | None
    """How many eigenvalues of each kind are looked for; None: all of them."""


@click.command("spectrum")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--seed",
    "seeds",
    metavar="SEEDS",
    help="Seeds of the run, separated by commas. [dim](default: all)[/]",
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
    "damping).",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder to write to. [dim](default: RUN/spectrum)[/]",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Where to compute; auto takes a GPU if there is one.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 1_024),
    default=1,
    show_default=True,
    help="Threads of the computation.",
)
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
    out: Path | None,
    device: str,
    threads: int,
    data_root: str | None,
) -> None:
    """Compute the eigenvalues of a trained run, at the checkpoint in the folder RUN.

    They are those of the vector field v, which is every player's descent direction, and of F, one
    round by the run's own rule and ratio, in which Adam's second moments stay as they are. All is
    computed in float64 on one large fixed batch and without D's noise, seed by seed. ‖v‖ is printed
    first, because away from a stationary point eigenvalues say nothing about convergence. Writes
    eigenvalues, counts and figures.
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
    settings = Settings(trained.rounds, count, arnoldi)
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
    """Raise ConfigError for more eigenvalues than the iteration can find in the smallest map."""
    size = min(len(a_map.point) for _, a_map in trained.maps())
    if count is not None and count > size - 2:
        raise ConfigError(
            f"--arnoldi: {count} given; allowed: 1 to {size - 2} of {size} parameters"
        )


def _note(folder: Path, trained: TrainedRun, settings: Settings) -> None:
    """Write what decides the folder's numbers.

    Raises FolderError where it holds the numbers of another run or of other settings.
    """
    config = trained.config.model_dump(mode="json")
    content = {"config": config, "settings": asdict(settings), "commands": []}
    path = folder / MARK
    if path.exists():
        old = read_json(path, {name: type(value) for name, value in content.items()})
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
    console = open_terminal()
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
        spectra = {}
        for name, linearised in at.maps():
            spectra[name] = _spectrum(linearised, settings.arnoldi)
            console.print(f"{NAMES[name]}:", style="cyan")
            console.print(spectra[name].summary(), soft_wrap=True)
        write_csv(folder / f"eigenvalues-seed{seed}.csv", _eigenvalues(spectra))
        write_csv(folder / f"counts-seed{seed}.csv", _counts(spectra))
        title = f"{subject}, seed {seed}, {trained.rounds} rounds"
        panels = [[(NAMES[name], its) for name, its in spectra.items()]]
        drawn = {f"eigenvalues-seed{seed}": figures.eigenvalues(panels, title)}
        if gammas is not None:
            sweep = gamma_sweep(at.with_r1, at.profile, at.draw, gammas)
            console.print("R1 of weight γ added to the run's losses:", style="cyan")
            console.print(_sweep_text(sweep), soft_wrap=True)
            name = f"gamma-{gammas[0]:g}-{gammas[-1]:g}-{len(gammas)}-seed{seed}"
            rows = {"gamma": sweep.gammas, "abscissa": sweep.abscissae}
            write_csv(folder / f"{name}.csv", pl.DataFrame(rows))
            drawn[name] = figures.damping(sweep, title)
        save_figures(folder, drawn)
    console.print(f"\neigenvalues, counts and figures → {folder}", soft_wrap=True)


def _spectrum(linearised: Map, count: int | None) -> Spectrum:
    return spectrum(linearised) if count is None else spectrum(linearised, list(WHICH), count)


def _eigenvalues(spectra: dict[str, Spectrum]) -> pl.DataFrame:
    """One row per eigenvalue; ``error`` is ‖Jx - λx‖ where Arnoldi iteration computed it."""
    frames = [
        pl.DataFrame(
            {
                "map": [name] * len(its.eigenvalues),
                "real": its.eigenvalues.real,
                "imag": its.eigenvalues.imag,
                "error": its.errors,
            },
            schema={"map": pl.String} | dict.fromkeys(("real", "imag", "error"), pl.Float64),
        )
        for name, its in spectra.items()
    ]
    return pl.concat(frames)


def _counts(spectra: dict[str, Spectrum]) -> pl.DataFrame:
    return pl.DataFrame([{"map": name, **its.readings()} for name, its in spectra.items()])


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
