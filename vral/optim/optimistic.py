"""Optimistic steps: extrapolate by the last one."""

from dataclasses import dataclass

from vral.optim.rule import FirstOrder
from vral.optim.transforms import Extrapolated, Transform


@dataclass(frozen=True)
class Optimistic(FirstOrder):
    """Twice the step less the last one: OGDA (Popov 1980), optimistic Adam (Daskalakis 2018).

    x ← x + 2s - s', s being the transform's step and s' its last one, first 0. On gradient descent
    this is x ← x - lr·(2g - g'); on Adam it is algorithm 1 of Daskalakis et al. 2018.
    """

    def transform_of(self, player: str) -> Transform:
        return Extrapolated(self.transforms[player])
