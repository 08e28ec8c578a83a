"""Limit cycles of the Dirac-GAN, measured beside their closed forms."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from vral.dynamics import descent
from vral.dynamics.systems import moves_of
from vral.figures.style import beside, drawing, finish, grid, wrap
from vral.games.dirac import two_numbers
from vral.study.measured import Measured, Quantity, Row
from vral.study.methods import colour

NONSATURATING_STEPS = (0.1, 0.2, 0.4)
ONE_CENTRED = (
    (0.1, 1.0, 0.05),
    (0.3, 1.0, 0.1),
    (0.7, 1.0, 0.2),
    (0.7, 0.3, 0.2),
    (0.7, 1.0, 0.5),
    (0.7, 1.0, 0.8),
)
"""Settings (γ, centre g₀, step h) of WGAN-GP."""
WEAK = (0.1, 0.05)
"""(γ, h) at which WGAN-GP is damped so weakly that averaging over a turn is exact."""
CLIPS = ((1.0, 1), (1.0, 5), (0.3, 3))
"""Settings (limit c, D updates per round) of clipped WGAN."""
CLIP_STEP = 0.01

SMALLEST_MEAN_RADIUS = Quantity("WGAN-GP", "smallest mean r / g₀")
"""The least mean radius of a cycle over all settings of WGAN-GP in this module."""
SPEED_BESIDE_ORIGIN = Quantity("WGAN-GP", "‖v‖ at (0, ±0) / γg₀")
"""The field's norm close to (0, 0), in units of γ·g₀; 1 in closed form."""


class Cycle(NamedTuple):
    """One panel of the figure."""

    name: str
    method: str
    path: NDArray
    """The last rounds, (times, 2)."""
    radius: float
    """Radius of the circle in closed form; NaN where there is no closed form."""


def experiment(rounds: int = 4000) -> Measured:
    """The cycles of -log D, WGAN-GP and clipped WGAN; a kind's settings are lanes of a program."""
    rows, cycles = [], []
    for kind in (_nonsaturating, _one_centred, _clipped):
        rows_of_kind, cycles_of_kind = kind(rounds)
        rows += rows_of_kind
        cycles += cycles_of_kind
    return Measured(rows, {"limit-cycles": figure(cycles)})


def _last_quarter(path: torch.Tensor) -> NDArray:
    return path[3 * len(path) // 4 :].numpy()


def _starts(value: float, count: int) -> torch.Tensor:
    """Starts (count, 2), all at (value, value)."""
    return torch.full((count, 2), value, dtype=torch.float64)


def _nonsaturating(rounds: int) -> tuple[list[Row], list[Cycle]]:
    """Cycles of -log D under SimGD: mean r² = 2h."""
    steps = torch.tensor(NONSATURATING_STEPS, dtype=torch.float64)
    toy, starts = two_numbers("nonsaturating"), _starts(0.4, len(steps))
    path = _last_quarter(descent.paths(toy, moves_of("SimGD"), starts, {"step": steps}, rounds))
    rows, cycles = [], []
    for i, step in enumerate(steps.tolist()):
        name = f"-log D, SimGD, h = {step:g}"
        mean = float((path[:, i] ** 2).sum(1).mean())
        rows.append(Row(name, "mean r² / 2h", mean / (2 * step), 1.0))
        cycles.append(Cycle(name, "nonsaturating", path[-400:, i], math.sqrt(2 * step)))
    return rows, cycles


def _one_centred(rounds: int) -> tuple[list[Row], list[Cycle]]:
    """Cycles of WGAN-GP around g₀.

    The mean radius is 4g₀/π, times γ/(γ - h) under SimGD, which diverges for h ≥ γ. Alternating
    with n steps of D, |ψ| swings to 4g₀/π and |θ| to 4g₀/(π√n), if γ√n and h√n are small beside 1.
    """
    gamma, centre, step = torch.tensor(ONE_CENTRED, dtype=torch.float64).T
    settings = {"gamma": gamma, "centre": centre, "step": step}
    toy, starts = two_numbers("wgan"), _starts(2.0, len(step))
    rows, cycles, mean_radii = [], [], []
    for algorithm in ("SimGD", "AltGD 1:1"):
        path = _last_quarter(descent.paths(toy, moves_of(algorithm), starts, settings, rounds))
        radii = np.linalg.norm(path, axis=2)
        for i, (weight, around, h) in enumerate(ONE_CENTRED):
            name = f"WGAN-GP, γ = {weight:g}, g₀ = {around:g}, h = {h:g}, {algorithm}"
            expected = 4 * around / math.pi
            if algorithm == "SimGD":
                expected *= weight / (weight - h) if h < weight else math.inf
            finite = np.isfinite(radii[:, i]).all() and radii[-1, i] < 1e6
            mean = float(radii[:, i].mean()) if finite else math.inf
            rows.append(Row(name, "mean r", mean, expected))
            mean_radii.append(mean / around)
            if (weight, around, h) == (0.7, 1.0, 0.2):
                label = f"WGAN-GP, γ = {weight:g}, {algorithm}, h = {h:g}"
                cycles.append(Cycle(label, "wgan-gp", path[-400:, i], expected))
    weight, h = WEAK
    one = torch.ones(1, dtype=torch.float64)
    weak = {"gamma": weight * one, "centre": one, "step": h * one}
    for algorithm, moves_d in (("AltGD 1:1", 1), ("AltGD 1:5", 5)):
        path = _last_quarter(
            descent.paths(toy, moves_of(algorithm), _starts(2.0, 1), weak, rounds)
        )[:, 0]
        name = f"WGAN-GP, γ = {weight:g}, g₀ = 1, h = {h:g}, {algorithm}"
        largest = np.abs(path).max(0)
        rows += [
            Row(name, "max |θ|", float(largest[0]), 4 / math.pi / math.sqrt(moves_d)),
            Row(name, "max |ψ|", float(largest[1]), 4 / math.pi),
        ]
        mean_radii.append(float(np.linalg.norm(path, axis=1).mean()))
        label = f"WGAN-GP, γ = {weight:g}, {algorithm}, h = {h:g}"
        cycles.append(Cycle(label, "wgan-gp", path[-400:], math.nan))
    rows.append(SMALLEST_MEAN_RADIUS.row(min(mean_radii)))
    rows.append(SPEED_BESIDE_ORIGIN.row(_speed_beside_origin(), 1.0))
    return rows, cycles


def _speed_beside_origin(weight: float = 0.7, psi: float = 1e-12) -> float:
    """The field's least norm at (0, ±psi), in units of γ at g₀ = 1."""
    toy = two_numbers("wgan")
    starts = torch.tensor([[0.0, psi], [0.0, -psi]], dtype=torch.float64)
    one = torch.ones(2, dtype=torch.float64)
    settings = {"gamma": weight * one, "centre": one, "step": one}
    before, after = descent.paths(toy, moves_of("SimGD"), starts, settings, 1)
    return float(torch.linalg.vector_norm(after - before, dim=1).min()) / weight


def _clipped(rounds: int) -> tuple[list[Row], list[Cycle]]:
    """Cycles of WGAN with |ψ| ≤ c, alternating 1:n: max |θ| = c/√n in the limit h → 0."""
    rows, cycles = [], []
    for clip, moves_d in CLIPS:
        step = torch.tensor([CLIP_STEP], dtype=torch.float64)
        moves = (("G",), *[("D",)] * moves_d)
        path = _last_quarter(
            descent.paths(
                two_numbers("wgan"), moves, _starts(1.0, 1), {"step": step}, rounds, clip=clip
            )
        )[:, 0]
        name = f"WGAN, clip {clip:g}, AltGD 1:{moves_d}, h = {CLIP_STEP:g}"
        expected = clip / math.sqrt(moves_d)
        rows.append(Row(name, "max |θ|", float(np.abs(path[:, 0]).max()), expected))
        cycles.append(Cycle(name, "wgan", path, math.nan))
    return rows, cycles


@drawing
def figure(width: float, cycles: Sequence[Cycle]) -> Figure:
    """The last rounds in the method's colour; circles in closed form are dashed."""
    columns = beside(width, 1.7, 4)
    width = min(width, 2.4 * columns)
    panel = width / columns
    paper, axes = grid(width, -(-len(cycles) // columns), columns, panel + 0.2)
    turn = np.linspace(0, 2 * np.pi, 200)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, cycle in zip(axes.flat, cycles, strict=False):
        ax.set_axis_on()
        hue = colour(cycle.method)
        ax.plot(*cycle.path.T, "o", ms=2.0, mec="black", mew=0.12, color=hue)
        if math.isfinite(cycle.radius):
            ax.plot(cycle.radius * np.cos(turn), cycle.radius * np.sin(turn), "k--", lw=0.7)
        ax.plot(0, 0, "+", color="black", ms=5, mew=0.6)
        ax.set_title(_in_lines(cycle.name, panel - 0.55), fontsize=8.5)
        ax.margins(0.1)
        ax.set_aspect("equal", "datalim")
        ax.xaxis.set_major_locator(MaxNLocator(3))
        ax.yaxis.set_major_locator(MaxNLocator(4))
        ax.set(xlabel="θ", ylabel="ψ")
    small = "Dots: the last rounds. Dashed: the circle in closed form, where it is known."
    swings = "; ".join(
        f"{cycle.name}: largest |θ| "
        f"{np.abs(cycle.path[:, 0]).max():.3g}, |ψ| {np.abs(cycle.path[:, 1]).max():.3g}"
        for cycle in cycles
    )
    return finish(paper, "Where the Dirac-GAN circles", small, f"Limit cycles. {swings}")


def _in_lines(name: str, inches: float) -> str:
    """A cycle's name, broken at commas alone."""
    whole = name.replace(" ", "\u00a0").replace(",\u00a0", ", ")
    return wrap(whole, 8.5, inches)
