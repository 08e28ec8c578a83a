"""The training loop. It knows nothing of configurations, methods or files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from vral.data.draws import DrawStream
from vral.train.executor import Executor
from vral.train.plan import Steps
from vral.train.records import Recorder
from vral.train.schedule import runs_of_moves
from vral.train.state import Clock, TrainState
from vral.types import Move


@dataclass(frozen=True)
class Training:
    """What the loop plays: moves with their draws, an executor, and the state to go on from."""

    moves: Callable[[int], Sequence[Move]]
    """The moves of a round, counted from 0."""
    stream: DrawStream
    executor: Executor
    initial: TrainState

    @property
    def steps(self) -> Steps:
        """The step of every move, without and with readings, as it stands."""
        return self.executor.steps


@dataclass(frozen=True)
class Hooks:
    """What is called while training."""

    before_generator: Callable[[TrainState, Clock], None] = lambda state, clock: None
    """Sees the state at the moment that matters to G: in every round before G's first update, when
    D's side has moved and G has not yet moved away from under it."""
    after_round: Callable[[TrainState, Clock], bool] = lambda state, clock: False
    """Sees the state after every round; True ends the training."""


def train(
    training: Training, clock: Clock, rounds: int, recorder: Recorder, hooks: Hooks = Hooks()
) -> TrainState:
    """Play rounds until ``clock`` shows ``rounds``, or ``hooks`` end it; returns the last state.

    ``clock`` is advanced in place. ``recorder`` decides to which D update a reading belongs.
    """
    state, executor = training.initial, training.executor
    while clock.round < rounds:
        moves = training.moves(clock.round)
        draws = (draw for _, draw in training.stream.round(moves))
        recorder.begin_round(clock, moves)
        g_updates = clock.g_updates
        for run in runs_of_moves(moves, executor.longest):
            if "G" in run[0] and clock.g_updates == g_updates:
                hooks.before_generator(state, clock)
            stamps = []
            for move in run:
                clock.tick(move)
                stamps.append(recorder.stamp(move, clock))
            taken = list(islice(draws, len(run)))
            plan = executor.plan(run, [stamp.due for stamp in stamps])
            program = executor.program(plan, state, taken)
            state, records = program(state, taken)
            for stamp, record in zip(stamps, records, strict=True):
                recorder.add(stamp, record)
        clock.round += 1
        if hooks.after_round(state, clock):
            break
    return state
