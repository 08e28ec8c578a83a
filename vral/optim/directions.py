"""Modifications of a game's vector field, for first-order transforms to follow.

Each is a direction (optim.rule): it adds to a mover's gradient what it finds by differentiating
gradients of any player. ξ stacks every player's gradient of its own loss in its own parameters,
J is its Jacobian, and all players descend.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from vral.data.draws import second
from vral.games.game import field
from vral.optim.rule import Direction
from vral.types import Params, Profile


def _dot(left: Profile, right: Profile) -> Tensor:
    """Σ over all parameters of all players in ``left``."""
    return sum(
        (value * right[player][name]).sum()
        for player, params in left.items()
        for name, value in params.items()
    )


def _plus(params: Params, slope: Params, factor: Tensor | float) -> dict[str, Tensor]:
    return {name: value + factor * slope[name] for name, value in params.items()}


def consensus(weight: float | Tensor, unbiased: bool = False) -> Direction:
    """ξ + weight·∇½‖ξ‖², every player's gradient in the norm (Mescheder et al. 2017).

    With the gradients of one draw the expectation is that of ∇½‖E ξ‖² plus ∇½ tr Cov ξ. The
    ``unbiased`` form takes ∇½⟨ξ, ξ'⟩ of two independent draws; ξ itself stays that of the first.
    """

    def direction(game, movers, profile, draw):
        def energy(moving):
            everywhere = {**profile, **moving}
            gradients, outcomes = field(game, tuple(game), everywhere, draw)
            others = gradients
            if unbiased:
                others, _ = field(game, tuple(game), everywhere, second(draw))
            return 0.5 * _dot(gradients, others), (gradients, outcomes)

        differentiate = torch.func.grad(energy, has_aux=True)
        slopes, (gradients, outcomes) = differentiate({p: profile[p] for p in movers})
        followed = {p: _plus(gradients[p], slopes[p], weight) for p in movers}
        return followed, {p: outcomes[p] for p in movers}

    return direction


def gradient_norm(weight: float, penalised: str, other: str) -> Direction:
    """ξ, where the loss of ``penalised`` grows by weight·½‖the gradient of ``other``‖².

    "smooth" penalises D by ‖∇_θ L_G‖ (in the code of Mescheder et al. 2017); Nagarajan and Kolter
    2017 penalise G by ‖∇_ψ L_D‖.
    """

    def direction(game, movers, profile, draw):
        gradients, outcomes = field(game, movers, profile, draw)
        if penalised not in movers:
            return gradients, outcomes

        def energy(params):
            found, _ = field(game, (other,), {**profile, penalised: params}, draw)
            return 0.5 * _dot(found, found)

        slope = torch.func.grad(energy)(profile[penalised])
        return {**gradients, penalised: _plus(gradients[penalised], slope, weight)}, outcomes

    return direction


ALIGNMENT = 0.1
"""Balduzzi et al.'s ε (as recalled), which keeps the sign positive where the adjustment says
nothing."""


def symplectic(weight: float, aligned: bool = False) -> Direction:
    """ξ + weight·Aᵀξ, A = ½(J - Jᵀ) being what rotates (Balduzzi et al. 2018).

    ``aligned`` gives the weight the sign of ⟨ξ, ∇H⟩⟨Aᵀξ, ∇H⟩/d + ε with H = ½‖ξ‖², so that the
    adjustment pulls towards stable fixed points and pushes away from unstable ones.
    """

    def direction(game, movers, profile, draw):
        def everybody(profile):
            return field(game, tuple(game), profile, draw)

        gradients, pull, outcomes = torch.func.vjp(everybody, profile, has_aux=True)
        # u ↦ Jᵀu is linear and its transpose is J: no forward mode, in which torch turns float32
        # into float64 behind a function of a mean.
        (hamiltonian,), transpose = torch.func.vjp(pull, gradients)
        (turned,) = transpose(({player: gradients[player] for player in profile},))
        adjustment = {
            player: {name: 0.5 * (value - turned[player][name]) for name, value in params.items()}
            for player, params in hamiltonian.items()
        }
        factor: Tensor | float = weight
        if aligned:
            size = sum(value.numel() for params in profile.values() for value in params.values())
            agreement = _dot(gradients, hamiltonian) * _dot(adjustment, hamiltonian) / size
            factor = weight * torch.sign(agreement + ALIGNMENT)
        followed = {p: _plus(gradients[p], adjustment[p], factor) for p in movers}
        return followed, {p: outcomes[p] for p in movers}

    return direction


def unrolled(steps: int, rates: Mapping[str, float], leader: str = "G") -> Direction:
    """The leader descends L(θ, ψ_steps(θ)), its gradient going through all of its opponents' steps.

    These are gradient descent of all opponents at once, each at its rate of ``rates``, from where
    they stand and on the leader's draw (Metz et al. 2017). The opponents' own gradients, and the
    leader's reported loss, are the game's.
    """

    def direction(game, movers, profile, draw):
        gradients, outcomes = field(game, [p for p in movers if p != leader], profile, draw)
        if leader not in movers:
            return gradients, outcomes
        opponents = tuple(player for player in game if player != leader)

        def foreseen(params):
            at = {**profile, leader: params}
            for _ in range(steps):
                slopes, _ = field(game, opponents, at, draw)
                at |= {p: _plus(at[p], slopes[p], -rates[p]) for p in opponents}
            return game[leader](at, draw)[0]

        gradients[leader] = torch.func.grad(foreseen)(profile[leader])
        outcomes[leader] = game[leader](profile, draw)
        return gradients, outcomes

    return direction
