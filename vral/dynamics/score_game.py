"""VRAL as a game of scores: when R and F hold D at N(m, 1), and when D rings around it.

One class of scores is played against its meta-discriminator M (F for fakes, R for reals); the two
classes separate, since D's loss is a sum. Near the optimum the scores are y = m + e + δ·ψ_{k-1}(e),
e ~ N(0, 1), and M = c·ψ_k(· - m), where ψ_k is the Hermite polynomial of degree k of unit norm, so
that ψ_k' = √k·ψ_{k-1}. As ψ₀ = 1 and ψ₁(e) = e, mode k = 1 moves the mean of the scores by δ and
k = 2 their standard deviation. To first order E ψ_k(y) = √k·δ, and

* M's loss E softplus(-M(v)) + E softplus(M(y)) + λ(½E M'(v)² + ½E M'(y)²) has in c the slope
  a·c + ½√k·δ, with the damping a = ½ + 2λk: ½ is the curvature of two log-losses at 0, and
  E ψ_k'² = k on both sides of the penalty;
* D's loss E softplus(-M(y)), non-saturating, has in δ the slope -½√k·c. (Minimax has the same.)

Let h_m and h_d be the steps of c and δ: learning rate times tangent kernel, Σ(∂c/∂w)². The flow is
c' = -h_m(a·c + ½√k·δ), δ' = ½√k·h_d·c, with s² + h_m·a·s + ¼k·h_m·h_d = 0. This is the Dirac-GAN
of ``closed_forms`` under R1, with g = a and f = ½√k; M's own log-loss damps it even at λ = 0. The
flow is stable for every λ and every ratio; what changes is whether it rings.

A *round* is n steps of M, then one of D. It multiplies (c, δ) by a matrix of trace
1 + p - w(1 - p)/a and determinant p, where p = (1 - h_m·a)ⁿ is what M forgets not and w = ¼k·h_d.
So a round is stable while h_m·a < 1 and w < a (for small steps always). Simultaneous steps have the
determinant 1 - h_m·a + h_m·w, and grow where w > a: there only alternation is safe.

*How damped* a mode is says ζ = a·√(h_m/(k·h_d)), or for any round ζ = -log|ρ|/|log ρ| of its
leading eigenvalue ρ. At ζ = 1, critical damping, the ringing ends: √p = (a - w)/(a + w), so exactly

    λ = (√(k·h_d/h_m) - k·h_d/4 - ½)/2k,   n = 2 log((a - w)/(a + w))/log(1 - h_m·a)

(``critical_penalty``, ``critical_steps``). Beyond it nothing overshoots, the slower eigenvalue is
nearly 1 - w/a, and more damping only slows D down; the rate of decay is largest there. But scores
can be near their targets long before: D's batches disturb them at every update, and what matters is
that a swing dies before the next ones have added up. *The criterion* is that a swing falls by a
factor e within each turn: ζ ≥ ``ONE_TURN`` = 1/√(1 + 4π²) = 0.157. Below it D comes round to its
target with most of its error left; above it the error of one turn is gone in the next. That is a
choice, made after looking: the criterion was critical damping, ζ = 1, until pilots of ``score_map``
had been run, which says what they gave. To first order in the steps, with τ the ratio of learning
rates and K, κ the kernels (h_d/h_m = κ/(τK)),

    λ*(τ) = (ζ·√(kκ/(τK)) - ½)/2k,   n* = ζ²·kκ/(τK·a²):

n steps of M act as n·τ does (``penalty_for``, ``steps_for``).

*Adam* divides each parameter's step by the root of its gradient's mean square. Where batches are
small this is noise, which changes slowly: the linear analysis holds with the kernel
Σ(∂c/∂w)²/(√v + ε) in place of Σ(∂c/∂w)² (``adam_gain``), measured where play has come to rest. So
the effective τ is lr_meta/lr_D times a quotient of two noises. Two things are not covered. D's
noise is that of M' (a flat M makes D's gradients small, Adam makes them large again), so κ itself
grows with λ. And without noise no step shrinks with the gradient: play ends on a cycle whose size
is of the order of the learning rate.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from vral.dynamics import closed_forms
from vral.dynamics.closed_forms import Complex
from vral.games.game import Game
from vral.games.meta import MetaPair
from vral.games.toy import Toy
from vral.types import Draw, Params, Profile, Scores

MODES = {"mean": 1, "deviation": 2}
"""The modes in which C3 is asked for, by their degree k."""


def meta_damping(k: ArrayLike, penalty: ArrayLike) -> NDArray:
    """a = ½ + 2λk: how fast M forgets, in units of its step."""
    return 0.5 + 2 * np.asarray(penalty) * np.asarray(k)


def flow(k: ArrayLike, penalty: ArrayLike, step_meta: ArrayLike, step_d: ArrayLike) -> Complex:
    """Eigenvalues (…, 2) of the flow, per D update."""
    step_meta = np.asarray(step_meta)
    product = step_meta * np.asarray(step_d) * np.asarray(k) / 4
    return closed_forms.pair(-step_meta * meta_damping(k, penalty), product)


def played(
    k: ArrayLike, penalty: ArrayLike, step_meta: ArrayLike, step_d: ArrayLike, steps: int = 1
) -> Complex:
    """Eigenvalues (…, 2) of a round: ``steps`` steps of M, then one of D."""
    return closed_forms.alternating(
        meta_damping(k, penalty), 0.0, np.sqrt(k) / 2, step_meta, step_d, steps, 1
    )


def simultaneous(
    k: ArrayLike, penalty: ArrayLike, step_meta: ArrayLike, step_d: ArrayLike
) -> Complex:
    """Eigenvalues (…, 2) of one step of both players at once."""
    return 1 + flow(k, penalty, step_meta, step_d)


def decay(eigenvalues: Complex) -> NDArray:
    """-log ρ: how fast the envelope of a round's motion decays, per D update."""
    return -np.log(closed_forms.radius(eigenvalues))


def critical_penalty(k: ArrayLike, step_meta: ArrayLike, step_d: ArrayLike) -> NDArray:
    """λ* of one M step a round; negative where the game does not ring even without a penalty."""
    k, step_d = np.asarray(k), np.asarray(step_d)
    return (np.sqrt(k * step_d / np.asarray(step_meta)) - k * step_d / 4 - 0.5) / (2 * k)


def critical_steps(
    k: ArrayLike, penalty: ArrayLike, step_meta: ArrayLike, step_d: ArrayLike
) -> NDArray:
    """n*: with so many steps of M or more a round does not ring. For h_m·a < 1 and w < a."""
    a, w = meta_damping(k, penalty), np.asarray(k) * np.asarray(step_d) / 4
    return 2 * np.log((a - w) / (a + w)) / np.log(1 - np.asarray(step_meta) * a)


ONE_TURN = 1 / np.sqrt(1 + 4 * np.pi**2)
"""ζ at which a swing falls by a factor e within each turn: the criterion, chosen after pilots."""
CRITICAL = 1.0
"""ζ of critical damping: the criterion before the pilots (commit 82cc142)."""


def damping_ratio(eigenvalues: Complex) -> NDArray:
    """ζ of a round with these eigenvalues (…, 2): 1 where it does not ring, 0 where it only does.

    The leading one decides. Where it is negative the motion changes sign at every round.
    """
    leading = np.take_along_axis(eigenvalues, np.abs(eigenvalues).argmax(-1)[..., None], axis=-1)[
        ..., 0
    ]
    logarithm = np.log(leading)
    return -np.real(logarithm) / np.abs(logarithm)


def penalty_for(ratio: float, k: ArrayLike, step_meta: ArrayLike, step_d: ArrayLike) -> NDArray:
    """λ with which ζ is ``ratio``, to first order; negative where ζ is larger without a penalty."""
    k = np.asarray(k)
    return (ratio * np.sqrt(k * np.asarray(step_d) / np.asarray(step_meta)) - 0.5) / (2 * k)


def steps_for(
    ratio: float, k: ArrayLike, penalty: ArrayLike, step_meta: ArrayLike, step_d: ArrayLike
) -> NDArray:
    """The number n of M's steps a round with which ζ is ``ratio``, to first order."""
    stiffness = np.asarray(k) * np.asarray(step_d) / np.asarray(step_meta)
    return ratio**2 * stiffness / meta_damping(k, penalty) ** 2


def adam_gain(slope: Params, square: Params, eps: float) -> Tensor:
    """Σ(∂c/∂w)²/(√v + ε): the step of a number c per unit of learning rate, under Adam.

    ``slope`` holds ∂c/∂w, ``square`` Adam's mean squares v, corrected for their bias.
    """
    parts = [(slope[name] ** 2 / (square[name].sqrt() + eps)).sum() for name in slope]
    return torch.stack(parts).sum()


# ---- the same game by autograd -----------------------------------------------------------------

NODES = 3**0.5 * torch.tensor([1, -1, 0, 0, 0, 0], dtype=torch.float64)
"""Six equally likely numbers with the first five moments of N(0, 1)."""


class Hermite(nn.Module):
    """M(s) = Σ c_k ψ_k(s - m) for k = 1, 2: scores (batch,) to logits (batch,)."""

    def __init__(self, mean: float):
        super().__init__()
        self.mean = mean
        self.coefficients = nn.Parameter(torch.zeros(2, dtype=torch.float64))

    def forward(self, scores: Scores) -> Tensor:
        x = scores - self.mean
        return torch.stack([x, (x**2 - 1) / 2**0.5], dim=1) @ self.coefficients


def affine_scores(mean: float, penalty: float = 0.0, minimax: bool = False) -> Toy:
    """One class of VRAL's game with scores y = μ + σe, at its optimum: (c₁, c₂, μ, σ).

    Losses are those of ``games.meta``, expectations are exact. F stands for the meta-discriminator.
    """
    pair = MetaPair(Hermite(mean), mean, mean, minimax, penalty)

    def scores(profile: Profile) -> Scores:
        return profile["D"]["mean"] + profile["D"]["deviation"] * NODES

    def meta_move(profile: Profile, draw: Draw) -> tuple[Tensor, tuple[()]]:
        return pair.meta_loss(profile["F"], mean + NODES, scores(profile)), ()

    def discriminator_move(profile: Profile, draw: Draw) -> tuple[Tensor, tuple[()]]:
        return pair.fooling(profile["F"], scores(profile)), ()

    game: Game = {"F": meta_move, "D": discriminator_move}
    start: Mapping[str, Params] = {
        "F": {"coefficients": torch.zeros(2, dtype=torch.float64)},
        "D": {
            "mean": torch.tensor(mean, dtype=torch.float64),
            "deviation": torch.ones((), dtype=torch.float64),
        },
    }
    return Toy(game, start)
