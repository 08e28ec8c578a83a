"""The few shapes of the project.

A *profile* maps each player to its parameters; a *draw* maps names of random inputs to tensors.
Inside the mathematics every tensor is that of one run; a leading lane axis (one lane per seed) is
added from outside by ``torch.func.vmap``.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor

Scalar = Float[Tensor, ""]
Scores = Float[Tensor, "batch"]
Points = Float[Tensor, "point"]
"""Places on the axis of scores, as many as one likes."""
Samples = Float[Tensor, "batch *sample"]
Latents = Float[Tensor, "batch latent"]

Params = Mapping[str, Tensor]
Profile = Mapping[str, Params]
Draw = Mapping[str, Tensor]

Critic = Callable[[Tensor], Tensor]
"""Samples (batch, *sample) to raw scores (batch,)."""


Move = tuple[str, ...]
"""The players who update together."""


class Scored(NamedTuple):
    """A real and a fake batch as D saw them, with D's raw scores."""

    real: Samples
    fake: Samples
    score_real: Scores
    score_fake: Scores


def map_tensors(function: Callable[[Tensor], Any], tree: Any) -> Any:
    """``tree`` of nested mappings and lists with ``function`` applied to every tensor."""
    if isinstance(tree, Mapping):
        return {name: map_tensors(function, value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [map_tensors(function, value) for value in tree]
    return function(tree)
