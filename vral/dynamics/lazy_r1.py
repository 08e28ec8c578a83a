"""Lazy R1 (weight k·γ at every k-th round, as in StyleGAN2) breaks at h·γ·k ≈ 2."""

from collections.abc import Sequence
from functools import cache
from itertools import count, cycle

import numpy as np
import polars as pl
import torch
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from vral.dynamics import descent
from vral.dynamics.closed_forms import rounds_jacobian
from vral.dynamics.systems import System, moves_of
from vral.figures.style import (
    FLOOR,
    beside,
    drawing,
    finish,
    grid,
    log_axis,
    mark_zeros,
    on_log,
)
from vral.games.dirac import dirac, two_numbers
from vral.study.measured import COMPUTED, Measured, Quantity, Row

OWNERS = ("G", "D")
"""The players of the coordinates θ and ψ."""
INTERVALS = (1, 2, 4, 8, 9, 10, 11, 12, 14, 16, 18, 19, 20, 21, 22, 24, 28, 32, 40, 48, 56, 64)
GAMMAS = (0.3, 1.0, 2.0)
SPECIFIED = {
    (1, "SimGD"): 0.95,
    (1, "AltGD 1:1"): 0.96,
    (16, "SimGD"): 0.994147,
    (16, "AltGD 1:1"): 0.994095,
    (32, "SimGD"): 1.014955,
    (32, "AltGD 1:1"): 1.012873,
}
"""ρ per round at h = 0.1 and γ = 1, computed independently."""


def wall_of(gamma: float, algorithm: str) -> Quantity:
    """h·γ·k at the first interval k that is unstable."""
    return Quantity(f"γ = {gamma:g}, {algorithm}", "h·γ·k at the wall")


def rate(gamma: float, interval: int, step: float, algorithm: str) -> float:
    """The spectral radius per round of ``interval`` rounds, one of them penalised by interval·γ.

    It is computed from the field's Jacobians by autograd.
    """
    plain = rounds_jacobian(_jacobian(0.0), OWNERS, moves_of(algorithm), step)
    penalised = rounds_jacobian(_jacobian(interval * gamma), OWNERS, moves_of(algorithm), step)
    product = np.linalg.matrix_power(plain, interval - 1) @ penalised
    return float(np.abs(np.linalg.eigvals(product)).max() ** (1 / interval))


@cache
def _jacobian(weight: float) -> NDArray:
    """The Jacobian of the flow at the equilibrium under R1 of this weight."""
    return System("", "r1", dirac("standard", r1=weight), (0.0, weight, 0.5)).flow_jacobian()


def wall(gamma: float, step: float, algorithm: str, longest: int = 1024) -> float:
    """h·γ·k at the first unstable interval k; ∞ where every k up to ``longest`` is stable."""
    for interval in range(1, longest + 1):
        if rate(gamma, interval, step, algorithm) > 1:
            return step * gamma * interval
    return float("inf")


def radii(
    gammas: Sequence[float], intervals: Sequence[int], step: float, rounds: int, algorithm: str
) -> NDArray:
    """‖(θ, ψ)‖ after every round from (0.1, 0.1), (times, γ, interval)."""
    weights, waits = descent.lanes(gammas, intervals)
    toy, moves = two_numbers(), moves_of(algorithm)
    move = count()

    def settings() -> dict[str, torch.Tensor]:
        due = torch.remainder(torch.full_like(waits, next(move) // len(moves)), waits) == 0
        return {"gamma": weights * waits * due, "step": torch.full_like(waits, step)}

    starts = torch.full((len(waits), 2), 0.1, dtype=torch.float64)
    path = descent.paths(toy, moves, starts, settings, rounds, 1)
    return torch.linalg.vector_norm(path, dim=2).reshape(-1, len(gammas), len(intervals)).numpy()


def experiment(
    step: float = 0.1,
    gammas: Sequence[float] = GAMMAS,
    intervals: Sequence[int] = INTERVALS,
    rounds: int = 1500,
) -> Measured:
    """Rates per round of every algorithm × γ × interval, the walls, and trajectories."""
    rows, curves = [], []
    for algorithm in ("SimGD", "AltGD 1:1"):
        for gamma in gammas:
            for interval in intervals:
                growth = rate(gamma, interval, step, algorithm)
                curves.append(
                    {"algorithm": algorithm, "gamma": gamma, "interval": interval, "rate": growth}
                )
                expected = SPECIFIED.get((interval, algorithm))
                if expected is not None and (step, gamma) == (0.1, 1.0):
                    name = f"γ = 1, every {interval}, {algorithm}"
                    rows.append(Row(name, "ρ per round", growth, expected, COMPUTED))
            at = wall(gamma, step, algorithm)
            # Between two penalties the pair turns by h·k·f; 2 is the wall where that is little.
            expected = 2.0 if 0.5 * at / gamma <= 1 else np.nan
            rows.append(wall_of(gamma, algorithm).row(at, expected, "limit of small h·k·f"))
    shown = [k for k in (1, 8, 16, 32) if k in intervals]
    paths = radii(gammas, shown, step, rounds, "AltGD 1:1")
    for j, interval in enumerate(shown):
        for i, gamma in enumerate(gammas):
            grown = paths[-1, i, j] / paths[0, i, j]
            rows.append(
                Row(f"γ = {gamma:g}, every {interval}, AltGD 1:1", "r at the end / r", grown)
            )
    frame = pl.DataFrame(curves)
    return Measured(rows, {"lazy-r1": figure(frame, paths, gammas, shown, step)}, {"rates": frame})


@drawing
def figure(
    width: float,
    curves: pl.DataFrame,
    paths: NDArray,
    gammas: Sequence[float],
    shown: Sequence[int],
    step: float,
) -> Figure:
    """First the rate per round over h·γ·k, then trajectories at the γ nearest to 1."""
    columns = beside(width, 3.5, 2)
    paper, axes = grid(min(width, 9.2), 2 // columns, columns, 2.6)
    first, second = axes.flat
    key: dict[str, Artist] = {}
    for gamma, hue, marker in zip(gammas, _hues(len(gammas)), cycle("os^vD"), strict=False):
        for algorithm, style in (("SimGD", "--"), ("AltGD 1:1", "-")):
            curve = curves.filter((pl.col("gamma") == gamma) & (pl.col("algorithm") == algorithm))
            look = {"color": hue, "marker": marker, "ms": 3.5, "mew": 0, "lw": 1, "ls": style}
            first.plot(step * gamma * curve["interval"], curve["rate"], **look)
            key[f"γ = {gamma:g}, {algorithm}"] = Line2D([], [], **look)
    first.axhline(1, color="black", lw=0.7)
    first.axvline(2, color="black", lw=0.7, ls=":")
    first.set(xlabel="h·γ·k", ylabel="ρ per round", title="Rate; unstable above 1", xlim=(0, 6.6))
    middle = int(np.argmin(np.abs(np.array(gammas) - 1)))
    for j, (interval, hue) in enumerate(zip(shown, _hues(len(shown)), strict=True)):
        radii = paths[:, middle, j]
        if (radii < FLOOR).any():
            mark_zeros(second, np.argmax(radii < FLOOR), hue)
        second.plot(on_log(radii), color=hue, lw=1.2)
        name = f"every {interval}: h·γ·k = {step * gammas[middle] * interval:g}"
        key[name] = Line2D([], [], color=hue, lw=1.2)
    second.set(
        xlabel="rounds",
        ylabel="‖(θ, ψ)‖",
        title=f"Trajectories, γ = {gammas[middle]:g}, AltGD 1:1",
    )
    log_axis(second)
    small = (
        "Every k-th round D is penalised with k·γ. ρ: spectral radius of k rounds, per round; "
        "above 1 the equilibrium repels. Dotted: h·γ·k = 2. With markers: rates; without: "
        "trajectories"
    )
    worst = curves.filter(pl.col("gamma") == gammas[middle]).group_by("interval")
    largest = dict(worst.agg(pl.col("rate").max()).iter_rows())
    rates_in_words = ", ".join(f"every {interval} {largest[interval]:.4f}" for interval in shown)
    alt = f"Largest ρ per round at γ = {gammas[middle]:g} with R1: {rates_in_words}"
    title = f"Lazy R1 on the Dirac-GAN, h = {step:g}"
    return finish(paper, title, small, alt, (list(key.values()), list(key)))


def _hues(count: int) -> list[str]:
    """``count`` steps of a sequence that the colour-blind can order, none of them too pale."""
    return [to_hex(colormaps["viridis"](at)) for at in np.linspace(0, 0.8, count)]
