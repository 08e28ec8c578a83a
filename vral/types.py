"""The shapes of the project: draws, profiles, moves, and trees of tensors.

A *profile* maps each player to its parameters; a *draw* maps names of random inputs to tensors.
Inside the mathematics every tensor is that of one run; a leading lane axis (one lane per seed) is
added from outside by ``torch.func.vmap``.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

Scalar = Float[Tensor, ""]
Scores = Float[Tensor, "batch"]
Points = Float[Tensor, "point"]
"""Any number of points on the axis of scores."""
Samples = Float[Tensor, "batch *sample"]
Latents = Float[Tensor, "batch latent"]

Params = Mapping[str, Tensor]
"""Parameter names to tensors: one player's parameters."""
Profile = Mapping[str, Params]
"""Player to its parameters."""
Draw = Mapping[str, Tensor]
"""Input names to tensors: all randomness of one update."""

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
    """``tree``, nested mappings and lists of tensors, with ``function`` applied to every tensor."""
    if isinstance(tree, Mapping):
        return {name: map_tensors(function, value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [map_tensors(function, value) for value in tree]
    return function(tree)


def leaves(tree: Any) -> list[Tensor]:
    """The tensors of ``tree``, nested mappings and lists, in their order."""
    if isinstance(tree, Tensor):
        return [tree]
    parts = tree.values() if isinstance(tree, Mapping) else tree
    return [tensor for part in parts for tensor in leaves(part)]


def to_vector(tree: Any, lanes: int = 0) -> Tensor:
    """All numbers of ``tree``, (size,); (…, size) where leaves have ``lanes`` leading axes."""
    return torch.cat(
        [leaf.flatten(lanes) if leaf.ndim > lanes else leaf[..., None] for leaf in leaves(tree)],
        dim=-1,
    )


def from_vector(vector: Tensor, like: Any) -> Any:
    """Inverse of ``to_vector``: (…, size) to a tree of the shapes of ``like``.

    Leading axes of ``vector`` come first in every leaf.

    Raises:
        ValueError: ``vector`` has more or fewer coordinates than ``like``.
    """
    sizes = [leaf.numel() for leaf in leaves(like)]
    if vector.shape[-1] != sum(sizes):
        raise ValueError(f"{vector.shape[-1]} coordinates for {sum(sizes)} parameters")
    pieces = iter(vector.split(sizes, dim=-1))
    return map_tensors(lambda leaf: next(pieces).reshape((*vector.shape[:-1], *leaf.shape)), like)
