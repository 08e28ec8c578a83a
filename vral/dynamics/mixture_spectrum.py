"""The eigenvalues of a mixture GAN before and after training: ``vral reproduce spectrum-mog``.

The figure of "The Numerics of GANs" (Mescheder et al. 2017), whose released notebook keeps one row
of the Jacobian per parameter tensor and so cannot draw it. Here the Jacobian is the full one, of
1122 + 881 parameters on one fixed batch, and exact: consensus optimization follows w = v - γ∇½‖v‖²,
and w' has second derivatives of v besides v' - γ v'ᵀv' wherever v is not 0.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch

from vral import figures
from vral.data.draws import rng
from vral.diagnostics.linearise import field_map
from vral.diagnostics.spectrum import Spectrum, spectrum
from vral.errors import FolderError
from vral.figures.style import save_figures
from vral.files import replace_file
from vral.games.game import field
from vral.games.planar import mixture
from vral.games.toy import Toy
from vral.optim import Consensus, FirstOrder, RmsProp
from vral.study.config import differences
from vral.study.folders import read_json, write_json
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

    @property
    def plan(self) -> str:
        """What is computed, in one line."""
        size = self.toy().size
        return (
            f"2 × {self.rounds:,} rounds of a GAN of {size} parameters, seed {self.seed}, RMSProp "
            f"{self.lr:g}, consensus γ = {self.gamma:g}; then 5 Jacobians {size} × {size}"
        )

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


def run(root: Path, setup: Setup, tell: Callable[[str], object]) -> None:
    """Write eigenvalues, counts, measured numbers and the figure to the folder ``root``.

    Spectra that are already there are kept, and only drawn. ``tell`` is called with every line of
    the report. Raises FolderError where the folder holds another setup.
    """
    _check_same(root, setup)
    if not (root / "eigenvalues.csv").exists():
        tell(setup.plan)
        _compute(root, setup, tell)
    spectra = _read(root)
    with replace_file(root / MEASURED) as temporary:
        changed = [f"--{name} {value:g}" for name, value in setup.differences()]
        Measured(measured(spectra)).under(changed).measured.write_csv(temporary)
    _draw(root, setup, spectra)


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


def _compute(root: Path, setup: Setup, tell: Callable[[str], object]) -> None:
    values, counts = [], []
    for row, time, found in setup.spectra():
        tell(f"{PANELS[row][1]}, {time} training")
        tell(found.summary())
        place = {"row": row, "time": time}
        numbers = {"real": found.eigenvalues.real, "imag": found.eigenvalues.imag}
        values.append(
            pl.DataFrame(numbers).select(*(pl.lit(v).alias(k) for k, v in place.items()), pl.all())
        )
        counts.append(place | found.readings())
    for name, frame in {"counts": pl.DataFrame(counts), "eigenvalues": pl.concat(values)}.items():
        with replace_file(root / f"{name}.csv") as temporary:
            frame.write_csv(temporary)


def _read(root: Path) -> Spectra:
    """The spectra in the folder."""
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
