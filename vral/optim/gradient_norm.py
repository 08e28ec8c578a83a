"""One player is penalised by the norm of the other's gradient."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vral.games.game import Game, field
from vral.optim.rule import Evaluations, FirstOrder, Gradients, inner, plus
from vral.optim.settings import setting
from vral.types import Draw, Params, Profile


def _penalised(
    player: str,
    other: str,
    weight: float | Tensor,
    game: Game,
    movers: Sequence[str],
    profile: Profile,
    draw: Draw,
) -> tuple[Gradients, Evaluations]:
    """The field, where the loss of ``player`` grows by weight·½‖the gradient of ``other``‖²."""
    gradients, evaluations = field(game, movers, profile, draw)
    if player not in movers:
        return gradients, evaluations

    def energy(params: Params) -> Tensor:
        slopes, _ = field(game, (other,), {**profile, player: params}, draw)
        return 0.5 * inner(slopes, slopes)

    slope = torch.func.grad(energy)(profile[player])
    return {**gradients, player: plus(gradients[player], slope, weight)}, evaluations


@dataclass(frozen=True)
class Smooth(FirstOrder):
    """D is penalised by γ/2‖G's gradient‖² (in the code of Mescheder et al. 2017)."""

    gamma: float | Tensor = setting(1.0, meaning="γ, weight of the penalty", least=0.0)

    @property
    def sees_everyone(self) -> bool:
        return True

    def direction(
        self, game: Game, movers: Sequence[str], profile: Profile, draw: Draw
    ) -> tuple[Gradients, Evaluations]:
        return _penalised("D", "G", self.gamma, game, movers, profile, draw)


@dataclass(frozen=True)
class NagarajanKolter(FirstOrder):
    """G is penalised by η/2‖D's gradient‖² (Nagarajan and Kolter 2017)."""

    eta: float | Tensor = setting(1.0, meaning="η, weight of the penalty", least=0.0)

    @property
    def sees_everyone(self) -> bool:
        return True

    def direction(
        self, game: Game, movers: Sequence[str], profile: Profile, draw: Draw
    ) -> tuple[Gradients, Evaluations]:
        return _penalised("G", "D", self.eta, game, movers, profile, draw)
