"""The eigenvalues of a mixture GAN before and after training: ``vral reproduce spectrum-mog``.

The figure of "The Numerics of GANs" (Mescheder et al. 2017), whose released notebook keeps one row
of the Jacobian per parameter tensor and so cannot draw it. Here the Jacobian is the full one, of
1122 + 881 parameters on one fixed batch, and exact: consensus optimization follows w = v - γ∇½‖v‖²,
and w' has second derivatives of v besides v' - γ v'ᵀv' wherever v is not 0.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import torch

from vral import figures
from vral.data.draws import rng
from vral.diagnostics.linearise import field_map
from vral.diagnostics.spectrum import Spectrum, spectrum
from vral.figures import save_figures
from vral.games.game import field
from vral.games.planar import mixture
from vral.games.toy import Toy
from vral.optim import Consensus, FirstOrder, RmsProp
from vral.study.folders import keep_setup
from vral.study.measured import (
    MEASURED,
    Measured,
    Quantity,
    Row,
    has_table,
    read_table,
    write_tables,
)
from vral.train.paths import trajectories
from vral.types import Profile, map_tensors

EXPERIMENT = "spectrum-mog"
"""Name of the experiment on the command line, and of its folder and figure."""

SIMULTANEOUS = (("G", "D"),)
DECAY, EPS = 0.9, 1e-10
"""RMSProp's settings in the published code."""

TIMES = ("before", "after")
Spectra = Mapping[tuple[str, str], Spectrum]
"""Spectra by row of PANELS and entry of TIMES."""
PANELS = {
    "none": ("v", "trained without consensus: v"),
    "consensus": ("v", "trained with consensus: v"),
    "consensus-w": ("w", "trained with consensus: w, which it follows"),
}
"""Rows of the figure: the field that is linearised, and the row's title."""


@dataclass(frozen=True)
class Setup:
    """Everything that decides the numbers; training is simultaneous RMSProp."""

    rounds: int = 5000
    lr: float = 5e-4
    gamma: float = 10.0
    """Weight of consensus optimization."""
    seed: int = 0
    width: int = 16
    latent: int = 16
    per_mode: int = 64
    """Samples of each of the eight modes in a batch."""

    def differences(self) -> list[tuple[str, float | int]]:
        """The settings that are not the experiment's own, with their values."""
        standard = asdict(Setup())
        return [(name, value) for name, value in asdict(self).items() if value != standard[name]]

    @property
    def plan(self) -> str:
        """What will be computed, in one line."""
        size = self.toy().size
        return (
            f"2 × {self.rounds:,} rounds of a GAN of {size} parameters, seed {self.seed}, RMSProp "
            f"{self.lr:g}, consensus γ = {self.gamma:g}; then 5 Jacobians {size} × {size}"
        )

    def toy(self) -> Toy:
        """The untrained GAN with its fixed batch."""
        return mixture(seed=self.seed, width=self.width, latent=self.latent, per_mode=self.per_mode)

    def trained(self, toy: Toy, gamma: float) -> Profile:
        """The profile after training on fresh batches, with consensus where γ > 0."""
        if toy.sample is None:
            raise ValueError("the game has no fresh batches to train on")
        sample = toy.sample
        transforms = {player: RmsProp(self.lr, DECAY, EPS) for player in toy.start}
        rule = Consensus(transforms, gamma) if gamma else FirstOrder(transforms)
        random = rng(torch.device("cpu"), self.seed, EXPERIMENT)
        path = trajectories(
            toy.game,
            rule,
            SIMULTANEOUS,
            map_tensors(lambda value: value[None], toy.start),
            self.rounds,
            lambda lanes: sample(random, lanes),
            every=self.rounds,
        )
        return toy.profile(path[-1, 0])

    def spectra(
        self, found: Collection[tuple[str, str]] = ()
    ) -> Iterator[tuple[str, str, Spectrum]]:
        """Yield (row of PANELS, time, spectrum), each as soon as it is computed.

        What was ``found`` before is left out. Raises ConfigError where training diverges.
        """
        toy = self.toy()
        follows = Consensus({}, self.gamma).direction

        @cache
        def at(name: str, gamma: float | None) -> Spectrum:
            profile = toy.start if gamma is None else trained(gamma)
            direction = follows if name == "w" else field
            return spectrum(field_map(toy.game, profile, toy.draw, direction))

        @cache
        def trained(gamma: float) -> Profile:
            return self.trained(toy, gamma)

        for row, (name, _) in PANELS.items():
            gamma = 0.0 if row == "none" else self.gamma
            for time in TIMES:
                if (row, time) not in found:
                    yield row, time, at(name, None if time == "before" else gamma)


QUICK = {"rounds": 100, "width": 4, "latent": 4, "per_mode": 8}
"""The settings of ``--quick``."""


def run(root: Path, setup: Setup, tell: Callable[[str], object]) -> None:
    """Write eigenvalues, counts, measured numbers and the figure to the folder ``root``.

    Spectra are written as they are computed; those that are already there are kept, and only drawn.
    ``tell`` is called with every line of the report. Raises FolderError where the folder holds
    another setup.
    """
    keep_setup(root, asdict(setup))
    spectra: dict[tuple[str, str], Spectrum] = {}
    if has_table(root, "counts.csv"):
        spectra = from_tables(*(read_table(root, f"{it}.csv") for it in ("counts", "eigenvalues")))
    if len(spectra) < len(PANELS) * len(TIMES):
        tell(setup.plan)
        for row, time, at in setup.spectra(set(spectra)):
            tell(f"{PANELS[row][1]}, {time} training")
            tell(at.summary())
            spectra[row, time] = at
            found = tables(spectra)
            write_tables(root, {f"{it}.csv": found[it] for it in ("eigenvalues", "counts")})
    changed = [f"--{name} {value:g}" for name, value in setup.differences()]
    write_tables(root, {MEASURED: Measured(rows_of(spectra)).under(changed).frame()})
    save_figures(root / "figures", {EXPERIMENT: figure(setup, spectra)})


def tables(spectra: Spectra) -> dict[str, pl.DataFrame]:
    """The tables "counts", a row per spectrum, and "eigenvalues", a row per eigenvalue."""
    values, counts = [], []
    for (row, time), at in spectra.items():
        place = {"row": row, "time": time}
        numbers = {"real": at.eigenvalues.real, "imag": at.eigenvalues.imag}
        values.append(
            pl.DataFrame(numbers).select(*(pl.lit(v).alias(k) for k, v in place.items()), pl.all())
        )
        counts.append(place | at.readings())
    return {
        "counts": pl.DataFrame(counts, infer_schema_length=None),
        "eigenvalues": pl.concat(values),
    }


def from_tables(counts: pl.DataFrame, eigenvalues: pl.DataFrame) -> dict[tuple[str, str], Spectrum]:
    """The spectra that ``tables`` wrote."""

    def spectrum_at(row: str, time: str) -> Spectrum:
        here = (pl.col("row") == row) & (pl.col("time") == time)
        values, readings = eigenvalues.filter(here), counts.filter(here)
        numbers = values["real"].to_numpy() + 1j * values["imag"].to_numpy()
        return Spectrum(numbers, readings["size"][0], readings["residual"][0])

    places = zip(counts["row"], counts["time"], strict=True)
    return {(row, time): spectrum_at(row, time) for row, time in places}


DAMPING = "-Σ Re λ / Σ |λ|"
"""Sums over all eigenvalues: 1 if all are real and negative, 0 if all are imaginary."""
DAMPING_GAINED = Quantity("after training", f"{DAMPING}, with consensus less without")
"""The damping of w after training with consensus, less that of v after training without it."""


def rows_of(spectra: Spectra) -> list[Row]:
    """Residual, abscissa and damping of every panel, and DAMPING_GAINED.

    DAMPING_GAINED is NaN where a training has led away from rest (‖v‖ larger at its end than at its
    start): the eigenvalues at such an end say nothing about damping.
    """
    rows, damping = [], {}
    for (row, time), at in spectra.items():
        case = f"{PANELS[row][1]}, {time} training"
        damping[row, time] = float(-at.eigenvalues.real.sum() / np.abs(at.eigenvalues).sum())
        rows += [
            Row(case, "‖v‖", at.residual),
            Row(case, "spectral abscissa", at.abscissa),
            Row(case, DAMPING, damping[row, time]),
        ]
    ends = ("none", "consensus-w")
    gained = damping["consensus-w", "after"] - damping["none", "after"]
    if any(spectra[row, "after"].residual > spectra[row, "before"].residual for row in ends):
        gained = math.nan
    return [*rows, DAMPING_GAINED.row(gained)]


def figure(setup: Setup, spectra: Spectra) -> figures.Drawing:
    """Eigenvalues in the complex plane: a row for each of PANELS, a column for each of TIMES."""
    panels = [
        [(f"{name}\n{time} training", spectra[row, time]) for time in TIMES]
        for row, (_, name) in PANELS.items()
    ]
    title = (
        f"Mixture GAN of {spectra['none', 'before'].size} parameters, {setup.rounds:,} rounds of "
        f"RMSProp {setup.lr:g}, consensus γ = {setup.gamma:g}, seed {setup.seed};\n"
        f"full Jacobian on one batch of {8 * setup.per_mode}"
    )
    return figures.eigenvalues(panels, title)
