"""What an update rule is.

A rule receives the vector field restricted to the players who move and calls it as often as it
likes: gradient descent and Adam once, extragradient twice, consensus through its VJP. It sees
profiles with or without a leading lane axis; what it does must be elementwise or act through the
field, so that lanes stay independent.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from vral.optim.first_order import Transform
from vral.types import Profile

Field = Callable[[Profile], tuple[dict[str, Mapping[str, Tensor]], Any]]
"""A full profile to (each mover's gradient of its own loss, auxiliary value)."""

OptState = dict[str, dict[str, Any]]


@runtime_checkable
class Rule(Protocol):
    def init(self, profile: Profile) -> OptState: ...

    def update(
        self, field: Field, movers: Sequence[str], profile: Profile, opt: OptState
    ) -> tuple[dict[str, Mapping[str, Tensor]], OptState, Any]:
        """One update of ``movers``; returns the new profile, state and the field's auxiliary."""
        ...


class first_order:
    """Each player follows its own transform of its own gradient: one call of the field."""

    def __init__(self, transforms: Mapping[str, Transform]):
        self.transforms = transforms

    def init(self, profile: Profile) -> OptState:
        return {player: self.transforms[player].init(params) for player, params in profile.items()}

    def update(self, field, movers, profile, opt):
        gradients, aux = field(profile)
        profile, opt = dict(profile), dict(opt)
        for player in movers:
            transform = self.transforms[player]
            profile[player], opt[player] = transform.update(
                gradients[player], opt[player], profile[player]
            )
        return profile, opt, aux
