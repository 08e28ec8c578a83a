"""Limit cycles of the Dirac-GAN, measured against their closed forms."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vral.dynamics import lanes
from vral.dynamics.systems import play
from vral.figures.style import STYLE, finish
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
"""(γ, centre g₀, h)."""
WEAK = (0.1, 0.05)
"""(γ, h) of WGAN-GP where it is damped so weakly that averaging over a turn is exact."""
CLIPS = ((1.0, 1), (1.0, 5), (0.3, 3))
"""(c, D updates), alternating."""
CLIP_STEP = 0.01

SMALLEST_MEAN_RADIUS = Quantity("WGAN-GP", "smallest mean r / g₀")
"""Over all settings of WGAN-GP here, those of ``WEAK`` with five D updates among them."""
SPEED_BESIDE_ORIGIN = Quantity("WGAN-GP", "‖v‖ at (0, ±0) / γg₀")
"""The field's norm just beside (0, 0)."""


class Cycle(NamedTuple):
    name: str
    method: str
    path: NDArray
    """(times, 2), the last part."""
    radius: float
    """Of the circle in closed form; NaN where there is none."""


def experiment(rounds: int = 4000) -> Measured:
    """Every lane (step, weight, centre) of a kind of cycle in one program."""
    rows, cycles = [], []
    for part in (_nonsaturating, _one_centred, _clipped):
        found, drawn = part(rounds)
        rows += found
        cycles += drawn
    return Measured(rows, {"limit-cycles": figure(cycles)})


def _late(path: torch.Tensor) -> NDArray:
    """The last quarter."""
    return path[3 * len(path) // 4 :].numpy()


def _same(starts: float, count: int) -> torch.Tensor:
    return torch.full((count, 2), starts, dtype=torch.float64)


def _nonsaturating(rounds: int) -> tuple[list[Row], list[Cycle]]:
    """-log D under SimGD: mean r² = 2h."""
    steps = torch.tensor(NONSATURATING_STEPS, dtype=torch.float64)
    toy, starts = lanes.two_numbers("nonsaturating"), _same(0.4, len(steps))
    path = _late(lanes.paths(toy, play("SimGD"), starts, {"step": steps}, rounds))
    rows, cycles = [], []
    for i, step in enumerate(steps.tolist()):
        name = f"-log D, SimGD, h = {step:g}"
        mean = float((path[:, i] ** 2).sum(1).mean())
        rows.append(Row(name, "mean r² / 2h", mean / (2 * step), 1.0))
        cycles.append(Cycle(name, "nonsaturating", path[-400:, i], math.sqrt(2 * step)))
    return rows, cycles


def _one_centred(rounds: int) -> tuple[list[Row], list[Cycle]]:
    """WGAN-GP around g₀: mean radius 4g₀/π, times γ/(γ - h) under SimGD, which diverges at h ≥ γ.

    Alternating with n D steps |ψ| swings to 4g₀/π and |θ| to that over √n, where γ√n and h√n are
    small beside 1.
    """
    gamma, centre, step = torch.tensor(ONE_CENTRED, dtype=torch.float64).T
    settings = {"gamma": gamma, "centre": centre, "step": step}
    toy, starts = lanes.two_numbers("wgan"), _same(2.0, len(step))
    rows, cycles, rest = [], [], []
    for algorithm in ("SimGD", "AltGD 1:1"):
        path = _late(lanes.paths(toy, play(algorithm), starts, settings, rounds))
        radii = np.linalg.norm(path, axis=2)
        for i, (weight, around, h) in enumerate(ONE_CENTRED):
            name = f"WGAN-GP, γ = {weight:g}, g₀ = {around:g}, h = {h:g}, {algorithm}"
            expected = 4 * around / math.pi
            if algorithm == "SimGD":
                expected *= weight / (weight - h) if h < weight else math.inf
            finite = np.isfinite(radii[:, i]).all() and radii[-1, i] < 1e6
            mean = float(radii[:, i].mean()) if finite else math.inf
            rows.append(Row(name, "mean r", mean, expected))
            rest.append(mean / around)
            if (weight, around, h) == (0.7, 1.0, 0.2):
                label = f"WGAN-GP, γ = {weight:g}, {algorithm}, h = {h:g}"
                cycles.append(Cycle(label, "wgan-gp", path[-400:, i], expected))
    weight, h = WEAK
    one = torch.ones(1, dtype=torch.float64)
    weak = {"gamma": weight * one, "centre": one, "step": h * one}
    for algorithm, moves_d in (("AltGD 1:1", 1), ("AltGD 1:5", 5)):
        path = _late(lanes.paths(toy, play(algorithm), _same(2.0, 1), weak, rounds))[:, 0]
        name = f"WGAN-GP, γ = {weight:g}, g₀ = 1, h = {h:g}, {algorithm}"
        largest = np.abs(path).max(0)
        rows += [
            Row(name, "max |θ|", float(largest[0]), 4 / math.pi / math.sqrt(moves_d)),
            Row(name, "max |ψ|", float(largest[1]), 4 / math.pi),
        ]
        rest.append(float(np.linalg.norm(path, axis=1).mean()))
        label = f"WGAN-GP, γ = {weight:g}, {algorithm}, h = {h:g}"
        cycles.append(Cycle(label, "wgan-gp", path[-400:], math.nan))
    rows.append(SMALLEST_MEAN_RADIUS.row(min(rest)))
    rows.append(SPEED_BESIDE_ORIGIN.row(_speed_beside_rest(), 1.0))
    return rows, cycles


def _speed_beside_rest(weight: float = 0.7, psi: float = 1e-12) -> float:
    """The field's least norm just beside (0, 0), in units of γ: it does not go to 0 there."""
    toy = lanes.two_numbers("wgan")
    starts = torch.tensor([[0.0, psi], [0.0, -psi]], dtype=torch.float64)
    one = torch.ones(2, dtype=torch.float64)
    settings = {"gamma": weight * one, "centre": one, "step": one}
    before, after = lanes.paths(toy, play("SimGD"), starts, settings, 1)
    return float(torch.linalg.vector_norm(after - before, dim=1).min()) / weight


def _clipped(rounds: int) -> tuple[list[Row], list[Cycle]]:
    """WGAN with |ψ| ≤ c, alternating 1:n, h → 0: max|θ| = c/√n."""
    rows, cycles = [], []
    for clip, moves_d in CLIPS:
        step = torch.tensor([CLIP_STEP], dtype=torch.float64)
        moves = (("G",), *[("D",)] * moves_d)
        path = _late(
            lanes.paths(
                lanes.two_numbers("wgan"), moves, _same(1.0, 1), {"step": step}, rounds, clip=clip
            )
        )[:, 0]
        name = f"WGAN, clip {clip:g}, AltGD 1:{moves_d}, h = {CLIP_STEP:g}"
        expected = clip / math.sqrt(moves_d)
        rows.append(Row(name, "max |θ|", float(np.abs(path[:, 0]).max()), expected))
        cycles.append(Cycle(name, "wgan", path, math.nan))
    return rows, cycles


def figure(cycles: Sequence[Cycle]) -> Figure:
    """Late orbits in the method's colour, circles in closed form dashed."""
    columns = 4
    count = -(-len(cycles) // columns)
    with rc_context({**STYLE, "axes.titlesize": 7.5}):
        drawing = Figure(figsize=(2.35 * columns, 2.45 * count + 0.4), layout="constrained")
        axes = drawing.subplots(count, columns, squeeze=False).ravel()
        turn = np.linspace(0, 2 * np.pi, 200)
        for ax in axes:
            ax.set_axis_off()
        for ax, cycle in zip(axes, cycles, strict=False):
            ax.set_axis_on()
            hue = colour(cycle.method)
            ax.plot(*cycle.path.T, "o", ms=2.0, mec="black", mew=0.12, color=hue)
            if math.isfinite(cycle.radius):
                ax.plot(cycle.radius * np.cos(turn), cycle.radius * np.sin(turn), "k--", lw=0.7)
            ax.plot(0, 0, "+", color="black", ms=5, mew=0.6)
            ax.set_title(cycle.name.replace(", SimGD", "\nSimGD").replace(", AltGD", "\nAltGD"))
            ax.set_aspect("equal")
            ax.margins(0.1)
            ax.set(xlabel="θ", ylabel="ψ")
        small = "Dots: late rounds. Dashed: the circle in closed form, where there is one."
        told = "; ".join(
            f"{cycle.name}: largest |θ| "
            f"{np.abs(cycle.path[:, 0]).max():.3g}, |ψ| {np.abs(cycle.path[:, 1]).max():.3g}"
            for cycle in cycles
        )
        return finish(drawing, "Where the Dirac-GAN circles", small, f"Limit cycles. {told}")
