"""Paths of a game from many starts at once: one lane per start, each move traced once.

Tracing takes vmap and differentiation out of the rounds, which for games of few parameters is
nearly all of their time.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from vral.games.game import Game
from vral.optim import Rule
from vral.train.compile import compile_program, traced
from vral.train.plan import Program, Record
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
) -> Tensor:
    """The coordinates (times, lane, size) at rounds 0, every, 2·every, … and after the last.

    A round plays ``moves`` in turn. ``starts`` has one lane per start and is projected first.
    ``draw`` is one for all moves and lanes, or a function of the number of lanes that makes a
    fresh one for every move, lanes leading. A lane that diverges becomes infinite or NaN and leaves
    the others alone.
    """
    (path,) = trajectories_by_schedule(
        game, rule, [moves], starts, rounds, draw, projections, every
    )
    return path


def trajectories_by_schedule(
    game: Game,
    rule: Rule,
    schedules: Sequence[Sequence[Move]],
    starts: Profile,
    rounds: int,
    draw: Draw | Callable[[int], Draw],
    projections: Projections | None = None,
    every: int = 1,
) -> list[Tensor]:
    """``trajectories`` under each schedule in turn; a move of several is traced once for all."""
    lanes = len(leaves(starts)[0])
    projections = projections or {}
    profile = {
        player: projections[player](params) if player in projections else dict(params)
        for player, params in starts.items()
    }
    profile = map_tensors(Tensor.contiguous, profile)
    start = TrainState(profile, rule.init(profile))
    programs: dict[Move, Program] = {}
    make_draw = draw if callable(draw) else _shared(draw, lanes)

    def play(move: Move, state: TrainState) -> TrainState:
        draws = [make_draw(lanes)]
        if move not in programs:
            programs[move] = _traced_move(game, rule, move, lanes, projections, state, draws)
        return programs[move](state, draws)[0]

    paths = []
    for moves in schedules:
        state = start
        seen = [to_vector(state.profile, 1)]
        for k in range(1, rounds + 1):
            for move in moves:
                state = play(move, state)
            if k % every == 0 or k == rounds:
                seen.append(to_vector(state.profile, 1))
        paths.append(torch.stack(seen))
    return paths


def _shared(draw: Draw, lanes: int) -> Callable[[int], Draw]:
    """The same draw for every move, in every lane."""
    expanded = map_tensors(lambda value: value.expand(lanes, *value.shape), draw)
    return lambda lanes: expanded


def _traced_move(
    game: Game,
    rule: Rule,
    move: Move,
    lanes: int,
    projections: Projections,
    state: TrainState,
    draws: list[Draw],
) -> Program:
    """One update of ``move`` as a traced program without records."""
    step = make_step(game, rule, move, lanes, projections=projections)

    def program(state: TrainState, draws: Sequence[Draw]) -> tuple[TrainState, list[Record]]:
        return step(state, draws[0])[0], []

    return compile_program(program, state, draws, traced)


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
