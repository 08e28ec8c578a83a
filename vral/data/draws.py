"""Randomness as data: every random number of a run is drawn here.

A stream has one torch.Generator for each (seed, move, input), on the device of the data: of one
seed a CPU and a GPU make other numbers, and neither can continue the other's. So at one seed and on
one kind of device the D updates of two methods get the same real batches and the same latents,
whatever else a method needs; and lane i of a stack gets what the single run of seed i gets. Real
batches are drawn uniformly with replacement.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vral.errors import ConfigError
from vral.types import Move

CHUNK = 64
"""Number of updates whose draws are generated together. It is part of the definition of a stream:
another number gives other draws."""


@dataclass(frozen=True)
class Noise:
    """A random input of one update: its law ("normal" or "uniform"), shape and mean."""

    shape: tuple[int, ...]
    law: str = "normal"
    mean: float = 0.0


SECOND = "second_"
"""Prefix of the second draw's inputs."""


def twice(needs: Mapping[str, Noise | None]) -> dict[str, Noise | None]:
    """The inputs of two independent draws: ``needs``, and the same with the prefix SECOND."""
    return {**needs, **{SECOND + name: noise for name, noise in needs.items()}}


def second(draw: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The second of the two draws in ``draw``, without the prefix."""
    return {k.removeprefix(SECOND): value for k, value in draw.items() if k.startswith(SECOND)}


def rng(device: torch.device, *label: object) -> torch.Generator:
    """A torch.Generator on ``device``, seeded by a digest of ``label``, e.g. (0, "init", "D")."""
    text = "/".join(map(str, label)).encode()
    digest = hashlib.blake2b(text, digest_size=7).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest))


class DrawStream:
    """The draws of a run, one round after another.

    Args:
        data: samples (count, *sample), on the device of all draws.
        needs: move to the inputs of its players by name; each is a ``Noise``, or None for a batch
            of the data.
        batch: samples of one input.
        seeds: one lane each; every tensor of a draw has a leading lane axis.
        same_real: whether all moves of a round share the round's first batch of reals, as in parts
            of the VRAL authors' code. Latents and second batches are always fresh.
        dtype: of all noise; None is torch's default.
    """

    def __init__(
        self,
        data: Tensor,
        needs: Mapping[Move, Mapping[str, Noise | None]],
        batch: int,
        seeds: Sequence[int],
        same_real: bool = False,
        dtype: torch.dtype | None = None,
    ):
        self.data = data
        self.dtype = dtype
        self.needs = needs
        self.batch = batch
        self.same_real = same_real
        self.rngs = {
            (seed, move, name): rng(data.device, seed, "draws", *move, name)
            for move, inputs in needs.items()
            for name in inputs
            for seed in seeds
        }
        self.seeds = tuple(seeds)

    def round(self, moves: Sequence[Move]) -> Iterator[tuple[Move, dict[str, Tensor]]]:
        """Each move of ``moves`` with its draw, whose tensors are (lanes, batch, …)."""
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
        """The draws of ``count`` updates, with indices in place of samples of the data."""
        lanes = [
            {
                name: self._sample(noise, count, self.rngs[seed, move, name])
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
            return torch.rand(shape, generator=random, device=device, dtype=self.dtype)
        normal = torch.randn(shape, generator=random, device=device, dtype=self.dtype)
        return normal + noise.mean

    def state(self) -> dict[str, Tensor]:
        """The states of all random number generators, for a checkpoint at the end of a round."""
        return {self._name(key): value.get_state() for key, value in self.rngs.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a ``state()`` of this stream.

        Raises ConfigError for the state of a stream on another kind of device.
        """
        for key, value in self.rngs.items():
            saved = state[self._name(key)]
            if saved.shape != value.get_state().shape:
                raise ConfigError(
                    f"--device: {value.device.type} given, but the random states to continue from "
                    "are those of another kind of device; allowed: the one they were saved on"
                )
            value.set_state(saved)

    @staticmethod
    def _name(key: tuple[int, Move, str]) -> str:
        seed, move, name = key
        return f"{seed}/{'+'.join(move)}/{name}"
