"""The loop. It knows nothing of configurations, methods or files."""

from collections.abc import Callable, Mapping, Sequence

from vral.data.draws import DrawStream
from vral.train.records import Recorder
from vral.train.state import Clock, TrainState
from vral.train.step import Step
from vral.types import Move

Steps = Mapping[tuple[Move, bool], Step]
"""The step of a move, without and with readings."""


def train(
    state: TrainState,
    clock: Clock,
    rounds: int,
    steps: Steps,
    moves: Callable[[int], Sequence[Move]],
    stream: DrawStream,
    recorder: Recorder,
    before_generator: Callable[[TrainState, Clock], None],
    after_round: Callable[[TrainState, Clock], bool],
) -> TrainState:
    """Play rounds until the clock shows ``rounds`` or ``after_round`` returns True.

    Each reading belongs to a D update: D's to its own, G's to the last one, those of other players
    to the next one whose readings are kept (``recorder.due``). ``clock`` is advanced in place.
    ``before_generator`` sees the state at the moment that matters to G: D's side of the round is
    done and G has not yet moved away from under it.
    """
    while clock.round < rounds:
        this_round = moves(clock.round)
        recorder.begin_round(
            clock.d_updates + 1, clock.d_updates + sum("D" in move for move in this_round)
        )
        g_updates = clock.g_updates
        for move, draw in stream.round(this_round):
            if "G" in move and clock.g_updates == g_updates:
                before_generator(state, clock)
            at = clock.d_updates + (move != ("G",))
            update = at if {"D", "G"} & set(move) else recorder.next_due(at)
            due = recorder.due(update)
            state, info = steps[move, due](state, draw)
            clock.d_updates += "D" in move
            clock.g_updates += "G" in move
            recorder.watch(at, info)
            if due:
                recorder.add(update, clock, info)
        clock.round += 1
        if after_round(state, clock):
            break
    return state
