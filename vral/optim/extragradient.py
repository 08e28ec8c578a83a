"""Extragradient: look one step ahead before stepping."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vral.optim.rule import FirstOrder, OptState, VectorField
from vral.types import Params, Profile


@dataclass(frozen=True)
class Extragradient(FirstOrder):
    """Step ahead, then step from the old place by the gradient there (Korpelevich 1976).

    Both gradients are taken on the same draw. The step ahead leaves no trace in the transforms'
    states; the auxiliary value is that of the old place.
    """

    def update(
        self, vector_field: VectorField, movers: Sequence[str], profile: Profile, opt: OptState
    ) -> tuple[dict[str, Params], OptState, Any]:
        gradients, auxiliary = vector_field(profile)
        ahead, _ = self.step(gradients, movers, profile, opt)
        gradients, _ = vector_field(ahead)
        return *self.step(gradients, movers, profile, opt), auxiliary
