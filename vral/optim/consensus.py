"""Consensus optimization: every player also descends the norm of all gradients."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vral.data.draws import second
from vral.games.game import Game, field
from vral.optim.rule import Evaluations, FirstOrder, Gradients, inner, plus
from vral.optim.settings import setting
from vral.types import Draw, Profile


@dataclass(frozen=True)
class Consensus(FirstOrder):
    """Everybody also descends γ/2‖all gradients‖² (Mescheder et al. 2017).

    ξ + γ·∇½‖ξ‖², where ξ stacks every player's gradient of its own loss. With the gradients of one
    draw, as published, the expectation is that of ∇½‖E ξ‖² plus ∇½ tr Cov ξ. With two draws the
    rule takes ∇½⟨ξ, ξ'⟩ of independent ξ and ξ', which is unbiased; ξ itself stays that of the
    first.
    """

    gamma: float | Tensor = setting(10.0, meaning="γ, weight of the norm", least=0.0)
    draws: int = setting(
        1,
        meaning="1: biased by the gradients' variance, as published; 2: unbiased",
        least=1,
        most=2,
    )

    @property
    def sees_everyone(self) -> bool:
        return True

    def direction(
        self, game: Game, movers: Sequence[str], profile: Profile, draw: Draw
    ) -> tuple[Gradients, Evaluations]:
        def energy(moving: Profile) -> tuple[Tensor, tuple[Gradients, Evaluations]]:
            everywhere = {**profile, **moving}
            gradients, evaluations = field(game, tuple(game), everywhere, draw)
            others = gradients
            if self.draws == 2:
                others, _ = field(game, tuple(game), everywhere, second(draw))
            return 0.5 * inner(gradients, others), (gradients, evaluations)

        differentiate = torch.func.grad(energy, has_aux=True)
        slopes, (gradients, evaluations) = differentiate({p: profile[p] for p in movers})
        followed = {p: plus(gradients[p], slopes[p], self.gamma) for p in movers}
        return followed, {p: evaluations[p] for p in movers}
