"""Randomness as data: every random number of a run comes from here.

A stream owns one generator per (seed, move, input), so D's updates of two methods at one seed see
the same real batches and the same latents whatever else a method needs, and lane i of a stack sees
what the single run of seed i sees. Real batches are drawn uniformly with replacement.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vral.types import Move

CHUNK = 64
"""Updates whose draws are generated together. Part of the definition of a stream: changing it
changes every draw."""


@dataclass(frozen=True)
class Noise:
    """A random input of one update: its law ("normal" or "uniform"), shape and mean."""

    shape: tuple[int, ...]
    law: str = "normal"
    mean: float = 0.0


SECOND = "second_"


def twice(needs: Mapping[str, Noise | None]) -> dict[str, Noise | None]:
    """The inputs of two independent draws in one: ``needs``, and the same under second names."""
    return {**needs, **{SECOND + name: noise for name, noise in needs.items()}}


def second(draw: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The second draw of two in one, under its plain names."""
    return {k.removeprefix(SECOND): value for k, value in draw.items() if k.startswith(SECOND)}


def rng(device: torch.device, *label: object) -> torch.Generator:
    """A generator whose seed is a digest of ``label``, e.g. (seed, "init", "D")."""
    text = "/".join(map(str, label)).encode()
    digest = hashlib.blake2b(text, digest_size=7).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest))


class DrawStream:
    """The draws of a run, one round after another.

    ``needs`` maps a move to the named inputs of its players: a ``Noise``, or None for a batch of
    the data ("real"). Tensors have a leading lane axis, one lane per seed. With ``same_real`` the
    moves of one round that see real data share the round's first batch, as parts of the original
    code did; latents, and second batches, stay fresh.
    """

    def __init__(
        self,
        data: Tensor,
        needs: Mapping[Move, Mapping[str, Noise | None]],
        batch: int,
        seeds: Sequence[int],
        same_real: bool = False,
    ):
        self.data = data
        self.needs = needs
        self.batch = batch
        self.same_real = same_real
        self.generators = {
            (seed, move, name): rng(data.device, seed, "draws", *move, name)
            for move, inputs in needs.items()
            for name in inputs
            for seed in seeds
        }
        self.seeds = tuple(seeds)

    def round(self, moves: Sequence[Move]) -> Iterator[tuple[Move, dict[str, Tensor]]]:
        """Each move of the round with its draw, tensors (lanes, batch, …)."""
        left = Counter(moves)
        chunks: dict[Move, list[dict[str, Tensor]]] = {}
        round_index: Tensor | None = None
        for move in moves:
            if not chunks.get(move):
                chunks[move] = self._chunk(move, min(CHUNK, left[move]))
                left[move] -= len(chunks[move])
            draw = chunks[move].pop(0)
            if self.same_real and "real" in draw:
                round_index = draw["real"] if round_index is None else round_index
                draw["real"] = round_index
            yield (
                move,
                {
                    name: self.data[value] if self.needs[move][name] is None else value
                    for name, value in draw.items()
                },
            )

    def _chunk(self, move: Move, count: int) -> list[dict[str, Tensor]]:
        """Draws of ``count`` updates; of data, the indices of the batch."""
        lanes = [
            {
                name: self._sample(noise, count, self.generators[seed, move, name])
                for name, noise in self.needs[move].items()
            }
            for seed in self.seeds
        ]
        stacked = {name: torch.stack([lane[name] for lane in lanes], 1) for name in lanes[0]}
        return [{name: value[i] for name, value in stacked.items()} for i in range(count)]

    def _sample(self, noise: Noise | None, count: int, random: torch.Generator) -> Tensor:
        device = self.data.device
        if noise is None:
            shape = (count, self.batch)
            return torch.randint(len(self.data), shape, generator=random, device=device)
        shape = (count, self.batch, *noise.shape)
        if noise.law == "uniform":
            return torch.rand(shape, generator=random, device=device)
        return torch.randn(shape, generator=random, device=device) + noise.mean

    def state(self) -> dict[str, Tensor]:
        """States of the generators, for a checkpoint at the end of a round."""
        return {self._name(key): value.get_state() for key, value in self.generators.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        for key, value in self.generators.items():
            value.set_state(state[self._name(key)])

    @staticmethod
    def _name(key: tuple[int, Move, str]) -> str:
        seed, move, name = key
        return f"{seed}/{'+'.join(move)}/{name}"
