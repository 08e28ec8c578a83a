"""Plans, and what happens where a compiler fails."""

import signal

import torch
from cases import fake_data, tiny

from vral.signals import ENDING
from vral.study.build import build
from vral.train import executor as executing
from vral.train.executor import Executor
from vral.types import leaves


def test_a_compiled_plan_takes_readings_everywhere_or_nowhere():
    moves, due = [("D",)] * 3, [False, True, False]
    plain, compiled = (Executor({}, lambda _, draws: draws, 3, it) for it in (None, {}))
    assert plain.plan(moves, due) == tuple(zip(moves, due, strict=True))
    assert compiled.plan(moves, due) == tuple((move, True) for move in moves)
    assert compiled.plan(moves, [False] * 3) == tuple((move, False) for move in moves)


def test_a_compiler_that_fails_is_replaced_by_the_steps_and_says_why(monkeypatch):
    def blocked():
        return signal.pthread_sigmask(signal.SIG_BLOCK, ()).issuperset(ENDING)

    def broken(*arguments):
        assert blocked()  # Signals would kill the compiler, and that is not a failure.
        raise RuntimeError("no C++ compiler\nand a long trace")

    monkeypatch.setattr(executing, "compile_program", broken)
    training = build(tiny("r1", ratio="2"), fake_data("digits"), compiled=True)
    executor, moves = training.executor, training.moves(0)
    _, draw = next(training.stream.round(moves))
    plan = executor.plan(moves[:1], [True])
    state, _ = executor.program(plan, training.initial, [draw])(training.initial, [draw])
    expected, _ = training.steps[moves[0], True](training.initial, draw)
    torch.testing.assert_close(leaves(state), leaves(expected))
    assert executor.failure == "RuntimeError: no C++ compiler"
    assert not executor.compiled
    assert not blocked()
