"""Unrolling: the leader looks through steps of its opponents."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vral.games.game import Game, field
from vral.optim.rule import Evaluations, FirstOrder, Gradients, plus
from vral.optim.settings import setting
from vral.types import Draw, Params, Profile

LEADER = "G"


@dataclass(frozen=True)
class Unrolled(FirstOrder):
    """G looks through gradient steps of its opponents (Metz et al. 2017).

    G descends L(θ, ψ_steps(θ)), its gradient going through all of the steps: gradient descent of
    all opponents at once, each at its own learning rate or at ``lr``, from where they stand and on
    G's draw. The opponents' own gradients, and G's reported loss, are the game's.
    """

    steps: int = setting(
        5, meaning="steps of its opponents that G looks through", least=0, most=1000
    )
    lr: float = setting(
        0.0, meaning="size of those steps; 0: each opponent's own learning rate", least=0.0
    )

    @property
    def sees_everyone(self) -> bool:
        return True

    def direction(
        self, game: Game, movers: Sequence[str], profile: Profile, draw: Draw
    ) -> tuple[Gradients, Evaluations]:
        followers = [p for p in movers if p != LEADER]
        gradients, evaluations = field(game, followers, profile, draw)
        if LEADER not in movers:
            return gradients, evaluations
        opponents = tuple(player for player in game if player != LEADER)
        rates = {player: self.lr or self.transforms[player].lr for player in opponents}

        def foreseen(params: Params) -> Tensor:
            at = {**profile, LEADER: params}
            for _ in range(self.steps):
                slopes, _ = field(game, opponents, at, draw)
                at |= {p: plus(at[p], slopes[p], -rates[p]) for p in opponents}
            return game[LEADER](at, draw)[0]

        slope = torch.func.grad(foreseen)(profile[LEADER])
        evaluation = game[LEADER](profile, draw)
        return {**gradients, LEADER: slope}, {**evaluations, LEADER: evaluation}
