"""``vral reproduce spectrum-mog``: the eigenvalues of a mixture GAN, before and after training.

The figure of "The Numerics of GANs" (Mescheder et al. 2017), whose released notebook keeps one row
of the Jacobian per parameter tensor and so cannot draw it. Here the Jacobian is the full one, of
1122 + 881 parameters on one fixed batch, and exact: consensus optimization follows w = v - γ∇½‖v‖²,
and w' has second derivatives of v besides v' - γ v'ᵀv' wherever v is not 0.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import polars as pl
import rich_click as click
import torch
from rich.console import Console

from vral import figures
from vral.data.draws import rng
from vral.diagnostics.linearise import field_map
from vral.diagnostics.spectrum import Spectrum, spectrum
from vral.errors import ConfigError, FolderError
from vral.figures.style import save_figures
from vral.files import replace_file
from vral.games.game import field
from vral.games.planar import mixture
from vral.games.toy import Toy
from vral.optim import Consensus, FirstOrder, RmsProp
from vral.study.config import differences
from vral.study.folders import locked, make_folder, note_command, read_json, write_json
from vral.study.measured import MEASURED, Measured, Quantity, Row
from vral.train.paths import trajectories
from vral.types import Profile, map_tensors

EXPERIMENT = "spectrum-mog"

SIMULTANEOUS = (("G", "D"),)
DECAY, EPS = 0.9, 1e-10
"""RMSProp's in the published code."""

TIMES = ("before", "after")
Spectra = dict[tuple[str, str], Spectrum]
"""By row of PANELS and time."""
PANELS = {
    "none": ("v", "trained without consensus: v"),
    "consensus": ("v", "trained with consensus: v"),
    "consensus-w": ("w", "trained with consensus: w, which it follows"),
}
"""Rows of the figure: the field that is linearised, and how it is called."""


@dataclass(frozen=True)
class Setup:
    """What decides the numbers; RMSProp, simultaneous play."""

    rounds: int = 5000
    lr: float = 5e-4
    gamma: float = 10.0
    seed: int = 0
    width: int = 16
    latent: int = 16
    per_mode: int = 64
    """Samples of each of the eight modes in a batch."""

    def differences(self) -> list[tuple[str, float | int]]:
        """What differs from the experiment's own setup."""
        own = asdict(Setup())
        return [(name, value) for name, value in asdict(self).items() if value != own[name]]

    def toy(self) -> Toy:
        return mixture(seed=self.seed, width=self.width, latent=self.latent, per_mode=self.per_mode)

    def trained(self, toy: Toy, gamma: float) -> Profile:
        """Where RMSProp of the game, with consensus where γ > 0, ends on fresh batches."""
        transforms = {player: RmsProp(self.lr, DECAY, EPS) for player in toy.start}
        rule = Consensus(transforms, gamma) if gamma else FirstOrder(transforms)
        random = rng(torch.device("cpu"), self.seed, EXPERIMENT)
        path = trajectories(
            toy.game,
            rule,
            SIMULTANEOUS,
            map_tensors(lambda value: value[None], toy.start),
            self.rounds,
            lambda lanes: toy.sample(random, lanes),
            every=self.rounds,
        )
        return toy.profile(path[-1, 0])

    def spectra(self) -> Iterator[tuple[str, str, Spectrum]]:
        """(row of PANELS, time, spectrum), as they are found.

        Raises ConfigError where training diverges.
        """
        toy = self.toy()
        ends = {"none": self.trained(toy, 0.0), "consensus": self.trained(toy, self.gamma)}
        follows = Consensus({}, self.gamma).direction
        start = spectrum(field_map(toy.game, toy.start, toy.draw))
        for row, (name, _) in PANELS.items():
            direction = follows if name == "w" else field
            at_start = field_map(toy.game, toy.start, toy.draw, direction)
            yield row, "before", start if name == "v" else spectrum(at_start)
            end = ends[row.removesuffix("-w")]
            yield row, "after", spectrum(field_map(toy.game, end, toy.draw, direction))


QUICK = {"rounds": 100, "width": 4, "latent": 4, "per_mode": 8}


def _help(name: str, text: str) -> str:
    default = next(entry.default for entry in fields(Setup) if entry.name == name)
    return f"{text} [dim](default: {default:g})[/]"


@click.command(EXPERIMENT)
@click.option("--rounds", type=click.IntRange(min=1), help=_help("rounds", "Published: 50,000."))
@click.option("--lr", type=float, help=_help("lr", "RMSProp's. Published: 1e-4."))
@click.option("--gamma", type=float, help=_help("gamma", "Of consensus optimization."))
@click.option("--seed", type=click.IntRange(min=0), help=_help("seed", "Of both arms."))
@click.option("--quick", is_flag=True, help="A small net and few rounds, in a folder of its own.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--dry-run", is_flag=True, help="Show the plan; compute nothing.")
def spectrum_mog(
    quick: bool, out: Path | None, threads: int, dry_run: bool, **given: float | int | None
) -> None:
    """Does consensus optimization move a GAN's eigenvalues away from the imaginary axis?

    Trains a GAN of 2003 parameters on eight Gaussians by simultaneous RMSProp, without and with
    consensus, and takes all eigenvalues of the full Jacobian before and after, on one fixed batch:
    the figure of Mescheder et al. 2017. ‖v‖ stands in every title, since away from a stationary
    point eigenvalues say nothing about convergence.

    Writes eigenvalues, counts and a figure to runs/spectrum-mog. The same command again only draws.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    for name in ("lr", "gamma"):
        value = chosen.get(name, 1.0)
        if not (math.isfinite(value) and value > 0):
            raise ConfigError(f"--{name}: {value} given; allowed: a finite number above 0")
    setup = Setup(**{**(QUICK if quick else {}), **chosen})
    root = out or Path("runs", f"{EXPERIMENT}-quick" if quick else EXPERIMENT)
    console = Console(highlight=False)
    if dry_run:
        console.print(_plan(setup), soft_wrap=True)
        return
    torch.set_num_threads(threads)
    make_folder(root, "study.json")
    with locked(root):
        note_command(root, EXPERIMENT)
        _check_same(root, setup)
        if not (root / "eigenvalues.csv").exists():
            console.print(_plan(setup), soft_wrap=True)
            _compute(root, setup, console)
        found = _found(root)
        with replace_file(root / MEASURED) as temporary:
            other = [f"--{name} {value:g}" for name, value in setup.differences()]
            Measured(measured(found)).under(other).measured.write_csv(temporary)
        _draw(root, setup, found)
        console.print(f"figures → {root / 'figures'}", soft_wrap=True)


def _plan(setup: Setup) -> str:
    size = setup.toy().size
    return (
        f"2 × {setup.rounds:,} rounds of a GAN of {size} parameters, seed {setup.seed}, RMSProp "
        f"{setup.lr:g}, consensus γ = {setup.gamma:g}; then 5 Jacobians {size} × {size}"
    )


def _check_same(root: Path, setup: Setup) -> None:
    """Keep what decides the folder's numbers. Raises FolderError where it differs."""
    path = root / "setup.json"
    if path.exists():
        changed = differences(read_json(path, asdict(setup)), asdict(setup))
        if changed:
            raise FolderError(
                f"--out: {root} holds another setup ({'; '.join(changed)}); take that, or name "
                "another folder"
            )
    write_json(path, asdict(setup))


def _compute(root: Path, setup: Setup, console: Console) -> None:
    values, counts = [], []
    for row, time, found in setup.spectra():
        console.print(f"{PANELS[row][1]}, {time} training", style="bold")
        console.print(found.summary(), soft_wrap=True, markup=False)
        place = {"row": row, "time": time}
        numbers = {"real": found.eigenvalues.real, "imag": found.eigenvalues.imag}
        values.append(
            pl.DataFrame(numbers).select(*(pl.lit(v).alias(k) for k, v in place.items()), pl.all())
        )
        counts.append(place | found.readings())
    for name, frame in {"counts": pl.DataFrame(counts), "eigenvalues": pl.concat(values)}.items():
        with replace_file(root / f"{name}.csv") as temporary:
            frame.write_csv(temporary)


def _found(root: Path) -> Spectra:
    """What is in the folder."""
    values, counts = (pl.read_csv(root / f"{name}.csv") for name in ("eigenvalues", "counts"))

    def spectrum_at(row: str, time: str) -> Spectrum:
        here = (pl.col("row") == row) & (pl.col("time") == time)
        some, told = values.filter(here), counts.filter(here)
        eigenvalues = some["real"].to_numpy() + 1j * some["imag"].to_numpy()
        return Spectrum(eigenvalues, told["size"][0], told["residual"][0])

    return {(row, time): spectrum_at(row, time) for row in PANELS for time in TIMES}


DAMPING = "-Σ Re λ / Σ |λ|"
"""Of all eigenvalues: 1 where all are real and negative, 0 where they turn only."""
DAMPING_GAINED = Quantity("after training", f"{DAMPING}, with consensus less without")


def measured(found: Spectra) -> list[Row]:
    """Residual, abscissa and damping of every panel, and what consensus adds to the last: NaN where
    training has led away from rest, so that an end's eigenvalues tell of a blow-up, not of damping.
    """
    rows, damping = [], {}
    for (row, time), one in found.items():
        case = f"{PANELS[row][1]}, {time} training"
        damping[row, time] = float(-one.eigenvalues.real.sum() / np.abs(one.eigenvalues).sum())
        rows += [
            Row(case, "‖v‖", one.residual),
            Row(case, "spectral abscissa", one.abscissa),
            Row(case, DAMPING, damping[row, time]),
        ]
    ends = ("none", "consensus-w")
    gained = damping["consensus-w", "after"] - damping["none", "after"]
    if any(found[row, "after"].residual > found[row, "before"].residual for row in ends):
        gained = math.nan
    return [*rows, DAMPING_GAINED.row(gained)]


def _draw(root: Path, setup: Setup, found: Spectra) -> None:
    rows = [
        [(f"{name}\n{time} training", found[row, time]) for time in TIMES]
        for row, (_, name) in PANELS.items()
    ]
    title = (
        f"Mixture GAN of {found['none', 'before'].size} parameters, {setup.rounds:,} rounds of "
        f"RMSProp {setup.lr:g}, consensus γ = {setup.gamma:g}, seed {setup.seed};\n"
        f"full Jacobian on one batch of {8 * setup.per_mode}"
    )
    save_figures(root / "figures", {EXPERIMENT: figures.eigenvalues(rows, title)})
