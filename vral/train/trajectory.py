"""Paths of a game from many starts at once: one lane per start, a round traced to plain operations.

Tracing takes vmap and differentiation out of the rounds, which for games of few parameters is
nearly all of their time.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from vral.games.game import Game
from vral.optim import Rule
from vral.train.program import Readings, compile_program, inductor
from vral.train.state import TrainState
from vral.train.step import Projections, make_step
from vral.types import Draw, Move, Profile, leaves, map_tensors, to_vector


def trajectories(
    game: Game,
    rule: Rule,
    moves: Sequence[Move],
    starts: Profile,
    rounds: int,
    draw: Draw | Callable[[int], Draw],
    projections: Projections | None = None,
    every: int = 1,
    compiled: bool = False,
) -> Tensor:
    """The coordinates (times, lane, size) at rounds 0, every, 2·every, … and after the last.

    A round plays ``moves`` in turn. ``starts`` has one lane per start and is projected first.
    ``draw`` is one for all moves and lanes, or a function of the number of lanes that makes a
    fresh one for every move, lanes leading. A lane that diverges becomes infinite or NaN and leaves
    the others alone.
    ``compiled`` makes machine code of the round, which pays from some thousand rounds on.
    """
    lanes = len(leaves(starts)[0])
    projections = projections or {}
    profile = {
        player: projections[player](params) if player in projections else dict(params)
        for player, params in starts.items()
    }
    profile = map_tensors(Tensor.contiguous, profile)
    state = TrainState(profile, rule.init(profile))

    def draws() -> list[Draw]:
        if not callable(draw):
            return shared
        return [draw(lanes) for _ in moves]

    def on_lanes(one: Draw) -> Draw:
        return map_tensors(lambda value: value.expand(lanes, *value.shape), one)

    shared = [] if callable(draw) else [on_lanes(draw)] * len(moves)
    steps = {
        move: make_step(game, rule, move, lanes, projections=projections) for move in set(moves)
    }

    def round(state: TrainState, draws: Sequence[Draw]) -> tuple[TrainState, list[Readings]]:
        for move, one in zip(moves, draws, strict=True):
            state, _ = steps[move](state, one)
        return state, []

    backend = inductor if compiled else lambda graph, examples: graph
    round = compile_program(round, state, draws(), backend)
    seen = [to_vector(state.profile, 1)]
    for k in range(1, rounds + 1):
        state, _ = round(state, draws())
        if k % every == 0 or k == rounds:
            seen.append(to_vector(state.profile, 1))
    return torch.stack(seen)


def recorded_rounds(rounds: int, every: int) -> list[int]:
    """The rounds that ``trajectories`` keeps."""
    return sorted({*range(0, rounds + 1, every), rounds})


def grid(low: float, high: float, count: int) -> Tensor:
    """(count², 2) starts over a square, row by row."""
    axis = torch.linspace(low, high, count, dtype=torch.float64)
    return torch.cartesian_prod(axis, axis)


def share_within(last: Tensor, radius: float) -> float:
    """The share of the lanes (lane, size) whose norm is below ``radius``; NaN counts as outside."""
    return (torch.linalg.vector_norm(last, dim=-1) < radius).double().mean().item()
