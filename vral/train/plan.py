"""Several updates in a row as one program: a pure function of a state and the updates' draws.

The mathematics is written once, in games and rules. So a mode of execution is nothing but a wrapper
around a program: it runs as it stands (train.executor) or compiled (train.compile).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from vral.train.state import TrainState
from vral.train.step import Info, Step
from vral.types import Draw, Move, Profile

Steps = Mapping[tuple[Move, bool], Step]
"""The step of every move, without and with readings."""

Plan = tuple[tuple[Move, bool], ...]
"""Moves in a row, each with or without readings."""

Prepare = Callable[[Profile, list[Draw]], list[Draw]]
"""Adds to the draws of a plan what one pass can compute for all of them."""


class Record(NamedTuple):
    """One update's info, ready for the records."""

    names: tuple[str, ...]
    values: Tensor
    """The readings, (name, lane)."""

    @classmethod
    def of(cls, info: Info) -> "Record":
        """The record of an update's info."""
        return cls(tuple(info), torch.stack(list(info.values())))


Program = Callable[[TrainState, Sequence[Draw]], tuple[TrainState, list[Record]]]
"""Maps (state, draws) to the state after the last update and one record per update."""


def program_of(steps: Steps, prepare: Prepare, plan: Plan) -> Program:
    """The updates of ``plan``, one after the other; ``prepare`` is for plans without G."""

    def program(state: TrainState, draws: Sequence[Draw]) -> tuple[TrainState, list[Record]]:
        if not any("G" in move for move, _ in plan):
            draws = prepare(state.profile, list(draws))
        records = []
        for key, draw in zip(plan, draws, strict=True):
            state, info = steps[key](state, draw)
            records.append(Record.of(info))
        return state, records

    return program
