"""From which starts does the Dirac-GAN converge under R1, and under consensus?"""

from collections.abc import Sequence

import numpy as np
import polars as pl
import torch
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vral.dynamics import closed_forms, descent
from vral.dynamics.systems import ALGORITHMS, moves_of
from vral.figures.style import TINY, drawing, finish
from vral.figures.style import grid as panel_grid
from vral.games.dirac import two_numbers
from vral.games.game import Game, field
from vral.optim.rule import Direction, Evaluations, Gradients
from vral.study.measured import COMPUTED, Measured, Quantity, Row
from vral.train.paths import grid
from vral.types import Draw, Profile

ARRIVES = "#56b4e9"
"""Colour of the starts that arrive: sky blue, for every method, since it is what all aim at."""
RADIUS = 1e-3
"""A start arrives if it ends within this distance of the equilibrium."""
REACH = 2.0
"""Starts fill the square [-REACH, REACH]²."""

GAMMAS = (0.1, 0.3, 1.0, 2.0, 4.0)
STEP = 0.2
POINTS = 41
"""Starts along each axis."""
ROUNDS = 3000
CONSENSUS = "consensus"
NOTEBOOK = "consensus, notebook"
R1 = "R1"

SPECIFIED: dict[str, dict[str, tuple[float, ...]]] = {
    R1: {algorithm: (1.0, 1.0, 1.0, 1.0, np.nan) for algorithm in ALGORITHMS},
    CONSENSUS: {
        "SimGD": (1 / 41**2, 1.0, 0.768, 0.676, 0.647),
        "AltGD 1:1": (1.0, 1.0, 0.780, 0.691, 0.643),
        "AltGD 1:5": (1.0, 0.642, 0.413, 0.455, 0.599),
    },
    NOTEBOOK: {
        "SimGD": (1 / 41**2, 1.0, 1.0, 0.916, 0.822),
        "AltGD 1:1": (1.0, 1.0, 1.0, 0.918, 0.827),
        "AltGD 1:5": (1.0, 1.0, 0.647, 0.616, 0.735),
    },
}
"""Expected shares for each of GAMMAS, at STEP, POINTS and ROUNDS, computed independently."""

LARGEST_SHARE_OF_CONSENSUS = Quantity(f"{CONSENSUS} 1", "largest share")
"""The share under the exact consensus at γ = 1, with the algorithm under which it is largest."""


def share_of(method: str, gamma: float, algorithm: str) -> Quantity:
    """The share of starts that arrive."""
    return Quantity(f"{method} {gamma:g}, {algorithm}", "share")


def smallest_share_of(method: str) -> Quantity:
    """The least share over the algorithms and those of GAMMAS at which the equilibrium attracts."""
    return Quantity(method, "smallest share")


def notebook_consensus(
    game: Game, movers: Sequence[str], profile: Profile, draw: Draw
) -> tuple[Gradients, Evaluations]:
    """Consensus as in the authors' notebook, which has ½ before the second term of ∇½‖v‖².

    Written out for minimax and scores that are high on reals, where ‖v‖² = (θ² + ψ²)·σ(u)² with
    u = ψθ: ∂½‖v‖²/∂θ = θσ² + ψ(θ² + ψ²)σ²(1 - σ), and the same with θ and ψ exchanged.
    """
    gradients, evaluations = field(game, movers, profile, draw)
    theta, psi = profile["G"]["theta"], profile["D"]["psi"]
    slope = torch.sigmoid(psi * theta)
    common = 0.5 * (theta**2 + psi**2) * slope**2 * (1 - slope)
    extra = {
        "G": {"theta": theta * slope**2 + psi * common},
        "D": {"psi": psi * slope**2 + theta * common},
    }
    followed: Gradients = {
        player: {
            name: value + draw["consensus"] * extra[player][name] for name, value in params.items()
        }
        for player, params in gradients.items()
    }
    return followed, evaluations


DIRECTIONS: dict[str, tuple[str, Direction]] = {
    R1: ("gamma", field),
    CONSENSUS: ("consensus", descent.consensus),
    NOTEBOOK: ("consensus", notebook_consensus),
}
"""Method to the pair (name of its weight among a lane's settings, direction)."""


def arrivals(
    method: str, algorithm: str, gammas: Sequence[float], points: int, rounds: int, step: float
) -> NDArray:
    """Which of points² starts end within RADIUS of 0: booleans (γ, ψ, θ)."""
    weight, direction = DIRECTIONS[method]
    starts = grid(-REACH, REACH, points).repeat(len(gammas), 1)
    weights = torch.tensor(gammas, dtype=torch.float64).repeat_interleave(points**2)
    settings = {weight: weights, "step": torch.full_like(weights, step)}
    last = descent.paths(
        two_numbers(), moves_of(algorithm), starts, settings, rounds, rounds, direction
    )[-1]
    arrived = torch.linalg.vector_norm(last, dim=1) < RADIUS
    return arrived.reshape(len(gammas), points, points).transpose(1, 2).numpy()


def experiment(
    points: int = POINTS,
    rounds: int = ROUNDS,
    step: float = STEP,
    gammas: Sequence[float] = GAMMAS,
) -> Measured:
    """Shares of every method × algorithm × γ; each method × algorithm is one program."""
    maps = {
        (method, algorithm): arrivals(method, algorithm, gammas, points, rounds, step)
        for method in DIRECTIONS
        for algorithm in ALGORITHMS
    }
    as_specified = (points, rounds, step, tuple(gammas)) == (POINTS, ROUNDS, STEP, GAMMAS)
    rows = []
    for (method, algorithm), arrived in maps.items():
        specified = SPECIFIED[method][algorithm] if as_specified else [np.nan] * len(gammas)
        for gamma, share, expected in zip(gammas, arrived.mean((1, 2)), specified, strict=True):
            rows.append(share_of(method, gamma, algorithm).row(share, expected, COMPUTED))
    if as_specified:
        at = GAMMAS.index(1.0)
        best = max(maps[CONSENSUS, algorithm][at].mean() for algorithm in ALGORITHMS)
        rows += [_smallest_share(maps, method) for method in DIRECTIONS]
        rows.append(LARGEST_SHARE_OF_CONSENSUS.row(best))
    shares = pl.DataFrame(
        [
            {"method": m, "algorithm": a, "gamma": gamma, "share": share}
            for (m, a), arrived in maps.items()
            for gamma, share in zip(gammas, arrived.mean((1, 2)).tolist(), strict=True)
        ]
    )
    return Measured(rows, {"basins": figure(maps, gammas, step, rounds)}, {"shares": shares})


def attracts(method: str, algorithm: str, gamma: float, step: float) -> bool:
    """Whether a round contracts at the equilibrium, in closed form; if not, no start arrives."""
    local = (0.0, gamma, 0.5) if method == R1 else (gamma / 4, gamma / 4, 0.5)
    return closed_forms.round_radius(local, step, ALGORITHMS[algorithm]) < 1


def _smallest_share(maps: dict[tuple[str, str], NDArray], method: str) -> Row:
    shares = [
        share
        for algorithm in ALGORITHMS
        for gamma, share in zip(GAMMAS, maps[method, algorithm].mean((1, 2)), strict=True)
        if attracts(method, algorithm, gamma, STEP)
    ]
    return smallest_share_of(method).row(min(shares))


@drawing
def figure(
    width: float,
    maps: dict[tuple[str, str], NDArray],
    gammas: Sequence[float],
    step: float,
    rounds: int,
) -> Figure:
    """Maps of the starts, method × algorithm against γ, filled where a start arrives."""
    width = min(width, 1.1 * len(gammas) + 1.2)
    side = (width - 0.75) / len(gammas)
    paper, axes = panel_grid(width, len(maps), len(gammas), side + 0.1, sharex=True, sharey=True)
    repelled = False
    for row, ((method, algorithm), by_gamma) in zip(axes, maps.items(), strict=True):
        for ax, gamma, arrived in zip(row, gammas, by_gamma, strict=True):
            ax.imshow(
                arrived,
                origin="lower",
                extent=(-REACH, REACH, -REACH, REACH),
                cmap=ListedColormap(["white", ARRIVES]),
                vmin=0,
                vmax=1,
                interpolation="nearest",
            )
            share = arrived.mean()
            text = "100 %" if share == 1 else f"{100 * share:.1f} %"
            if not attracts(method, algorithm, gamma, step):
                text, repelled = f"{text}*", True
            ax.text(
                0.5,
                0.5,
                text,
                transform=ax.transAxes,
                ha="center",
                va="center",
                fontsize=TINY,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5},
            )
            ax.set(xticks=[-2, 0, 2], yticks=[-2, 0, 2])
            ax.tick_params(length=0, pad=5)  # a mark beside a share would be read as its minus
            if ax in axes[0]:
                ax.set_title(f"γ = {gamma:g}")
        row[0].set_ylabel(method.replace(", ", "\n") + f"\n{algorithm}\nψ", fontsize=TINY)
    for ax in axes[-1]:
        ax.set_xlabel("θ")
    title = f"Which starts on the Dirac-GAN arrive in {rounds} rounds at h = {step:g}"
    small = f"Blue: starts (θ, ψ) that end within {RADIUS:g} of the equilibrium, and their share."
    if NOTEBOOK in {method for method, _ in maps}:
        small += f" {NOTEBOOK.capitalize()}: as published, with a ½ too many."
    if repelled:
        small += " *: h is above the largest stable step, so that no start is attracted."
    shares_in_words = "; ".join(
        f"{method} {algorithm} " + ", ".join(f"{100 * share:.1f} %" for share in shares)
        for (method, algorithm), arrived in maps.items()
        for shares in [arrived.mean((1, 2))]
    )
    weights = ", ".join(f"{gamma:g}" for gamma in gammas)
    return finish(paper, title, small, f"Shares at γ = {weights}: {shares_in_words}")
