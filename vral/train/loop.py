"""The loop. It knows nothing of configurations, methods or files."""

from collections.abc import Callable, Sequence

from vral.data.draws import DrawStream
from vral.train.program import Executor
from vral.train.records import Recorder
from vral.train.schedule import runs_of_moves
from vral.train.state import Clock, TrainState
from vral.types import Move


def train(
    state: TrainState,
    clock: Clock,
    rounds: int,
    play: Executor,
    moves: Callable[[int], Sequence[Move]],
    stream: DrawStream,
    recorder: Recorder,
    before_generator: Callable[[TrainState, Clock], None],
    after_round: Callable[[TrainState, Clock], bool],
) -> TrainState:
    """Play rounds until the clock shows ``rounds`` or ``after_round`` returns True.

    Each reading belongs to a D update: D's to its own, G's to the round's last one before it, those
    of other players, and of a G who moves first, to the next one whose readings are kept
    (``recorder.due``). ``clock`` is advanced in place. ``before_generator`` sees the state at the
    moment that matters to G: D's side has moved and G has not yet moved away from under it.
    """
    while clock.round < rounds:
        this_round = moves(clock.round)
        recorder.begin_round(
            clock.d_updates + 1, clock.d_updates + sum("D" in move for move in this_round)
        )
        d_updates, g_updates = clock.d_updates, clock.g_updates
        draws = stream.round(this_round)
        for moves_in_a_row in runs_of_moves(this_round, play.longest):
            if "G" in moves_in_a_row[0] and clock.g_updates == g_updates:
                before_generator(state, clock)
            times = []
            for move in moves_in_a_row:
                answers = move == ("G",) and clock.d_updates > d_updates
                at = clock.d_updates + (not answers)
                update = at if answers or "D" in move else recorder.next_due(at)
                clock.d_updates += "D" in move
                clock.g_updates += "G" in move
                times.append(((update, clock.round, clock.g_updates), at, recorder.due(update)))
            plan = play.plan(moves_in_a_row, [due for *_, due in times])
            state, infos = play(state, plan, [next(draws)[1] for _ in plan])
            for (key, at, due), readings in zip(times, infos, strict=True):
                recorder.watch(at, readings)
                if due:
                    recorder.add(key, readings)
        clock.round += 1
        if after_round(state, clock):
            break
    return state
