"""Symplectic gradient adjustment: turn the field against its own rotation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from vral.games.game import Game, field
from vral.optim.rule import Evaluations, FirstOrder, Gradients, inner, plus
from vral.optim.settings import setting
from vral.types import Draw, Profile

ALIGNMENT = 0.1
"""Balduzzi et al.'s ε (as recalled), which keeps the sign positive where the adjustment says
nothing."""


@dataclass(frozen=True)
class Symplectic(FirstOrder):
    """Symplectic gradient adjustment (Balduzzi et al. 2018).

    ξ + λ·Aᵀξ, where ξ stacks every player's gradient of its own loss, J is its Jacobian and
    A = ½(J - Jᵀ) is what rotates. ``aligned`` gives λ the sign of ⟨ξ, ∇H⟩⟨Aᵀξ, ∇H⟩/d + ε with
    H = ½‖ξ‖², so that the adjustment pulls towards stable fixed points and pushes away from
    unstable ones.
    """

    weight: float | Tensor = setting(1.0, meaning="λ, weight of the adjustment", least=0.0)
    sign: Literal["fixed", "aligned"] = setting(
        "fixed",
        meaning="λ's sign; aligned: towards stable fixed points only",
        choices=("fixed", "aligned"),
    )

    @property
    def sees_everyone(self) -> bool:
        return True

    def direction(
        self, game: Game, movers: Sequence[str], profile: Profile, draw: Draw
    ) -> tuple[Gradients, Evaluations]:
        def everybody(profile: Profile) -> tuple[Gradients, Evaluations]:
            return field(game, tuple(game), profile, draw)

        # torch types a result of three values or two as one of the two.
        transposed: Any = torch.func.vjp(everybody, profile, has_aux=True)
        gradients, pull, evaluations = transposed
        # u ↦ Jᵀu is linear and its transpose is J: no forward mode, in which torch turns float32
        # into float64 behind a function of a mean.
        transposed = torch.func.vjp(pull, gradients)
        (hamiltonian,), transpose = transposed
        (turned,) = transpose(({player: gradients[player] for player in profile},))
        adjustment = {
            player: {name: 0.5 * (value - turned[player][name]) for name, value in params.items()}
            for player, params in hamiltonian.items()
        }
        factor: Tensor | float = self.weight
        if self.sign == "aligned":
            size = sum(value.numel() for params in profile.values() for value in params.values())
            agreement = inner(gradients, hamiltonian) * inner(adjustment, hamiltonian) / size
            factor = self.weight * torch.sign(agreement + ALIGNMENT)
        followed = {p: plus(gradients[p], adjustment[p], factor) for p in movers}
        return followed, {p: evaluations[p] for p in movers}
