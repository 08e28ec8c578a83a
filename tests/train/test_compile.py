"""Compiled and plain runs play the same game: traced graphs, machine code, infinite lanes."""

import math
from dataclasses import replace

import pytest
import torch
from cases import NEEDS_COMPILER, OPTIONS, double, fake_data, lane, tiny

from vral.study.build import build, build_recorder
from vral.study.machine import Execution, compiling_pays
from vral.study.methods import METHODS
from vral.train import compile as compiling
from vral.train import executor as executing
from vral.train.compile import compile_program
from vral.train.loop import train
from vral.train.schedule import runs_of_moves
from vral.train.state import Clock, TrainState
from vral.types import leaves

FIVE_LANES = ("nonsaturating", "wgan-gp", "vral-meta")

CASES = {
    **{name: (name, {}, 1) for name in METHODS},
    **{f"{name}-5": (name, {}, 5) for name in FIVE_LANES},
    **{name: (method, given, 2) for name, (method, given) in OPTIONS.items()},
}


def played(config, compiled: bool, rounds: int):
    """The state after some rounds in float64, and all records."""
    training = build(config, fake_data(config.dataset), compiled)
    executor = training.executor
    state = TrainState(*(double(part) for part in training.initial))
    records = []
    for number in range(rounds):
        moves = training.moves(number)
        draws = training.stream.round(moves)
        for run in runs_of_moves(moves, executor.longest):
            plan = executor.plan(run, [True] * len(run))
            taken = [double(next(draws)[1]) for _ in plan]
            state, more = executor.program(plan, state, taken)(state, taken)
            records += more
    assert executor.failure is None
    return state, records


def assert_equal(first, second, tolerance: float) -> None:
    for a, b in zip(leaves(first[0]), leaves(second[0]), strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)
    for a, b in zip(first[1], second[1], strict=True):
        assert a.names == b.names
        torch.testing.assert_close(a.values, b.values, rtol=tolerance, atol=tolerance)


@pytest.fixture
def traced(monkeypatch):
    """Graphs as they reach the compiler, run operation by operation."""
    monkeypatch.setattr(
        executing,
        "compile_program",
        lambda run, state, draws: compile_program(run, state, draws, compiling.traced),
    )


@pytest.mark.parametrize(
    "case", [pytest.param(name, marks=[pytest.mark.slow] * (name in OPTIONS)) for name in CASES]
)
def test_the_graph_computes_what_the_steps_compute(traced, case):
    method, given, lanes = CASES[case]
    config = tiny(method, ratio="2", seeds=tuple(range(lanes)), **given)
    assert_equal(played(config, False, 2), played(config, True, 2), 1e-10)


class Products(torch.fx.Interpreter):
    """The values of a graph's products of matrices."""

    def __init__(self, graph):
        super().__init__(graph)
        self.values = []

    def run_node(self, n):
        value = super().run_node(n)
        if n.target in (torch.ops.aten.mm.default, torch.ops.aten.bmm.default):
            self.values.append(value)
        return value


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("method", ["wgan-gp", "r1"])
def test_no_product_of_a_penalty_is_with_zeros(monkeypatch, method, lanes):
    """Second derivatives of piecewise linear layers are zeros, which eager code multiplies by."""

    def products(kept):
        values = []

        def watch(graph, examples):
            products = Products(graph)
            products.run(*examples)
            values.extend(products.values)
            return graph

        with monkeypatch.context() as patch:
            patch.setattr(
                executing, "compile_program", lambda *given: compile_program(*given, watch)
            )
            if kept:
                patch.setattr(compiling, "remove_zeros", lambda graph: None)
            played(tiny(method, ratio="2", seeds=tuple(range(lanes))), True, 1)
        return [bool((value == 0).all()) for value in values]

    assert any(products(kept=True))
    assert not any(products(kept=False))


@pytest.mark.parametrize("network", ["mnist-conv", "dcgan"])
def test_the_graph_of_convolutions(traced, network):
    dataset = {"mnist-conv": "mnist", "dcgan": "cifar10"}[network]
    settings = {"dataset": dataset, "network": network, "width": 4, "ratio": "2", "norm_g": "batch"}
    config = tiny("wgan-gp", **settings)
    assert_equal(played(config, False, 1), played(config, True, 1), 1e-10)


# --- infinite lanes ------------------------------------------------------------------------------

LANES, SICK_LANE = 3, 1

SPOILT = {
    "not at all": lambda value: value,
    "infinite": lambda value: torch.full_like(value, math.inf),
    "nan": lambda value: torch.full_like(value, math.nan),
    **{f"times 1e{power}": lambda v, p=power: v * 10.0**p for power in (6, 9, 12, 15, 18, 24, 36)},
}


def spoilt_runs(config, compiled: bool):
    """For every way to spoil D's parameters in one lane after a round: three rounds more.

    Gives the last state and each lane's first loss that is not finite, (D update, name).
    """
    training = build(config, fake_data(config.dataset), compiled)
    clock = Clock()
    start = train(training, clock, 1, build_recorder(config))
    draws = training.stream.state()
    for name, spoil in SPOILT.items():
        sick = {k: v.clone() for k, v in start.profile["D"].items()}
        for value in sick.values():
            value[SICK_LANE] = spoil(value[SICK_LANE])
        state = TrainState({**start.profile, "D": sick}, start.opt)
        training.stream.restore(draws)
        recorder = build_recorder(config)
        state = train(replace(training, initial=state), replace(clock), 4, recorder)
        assert training.executor.failure is None
        yield name, state, [recorder.first_bad_loss(seed) for seed in config.seeds]


@pytest.mark.parametrize("method", ["wgan-gp", "r1", "vral-meta"])
def test_an_infinite_lane_diverges_at_the_same_update(traced, method):
    """Products with zeros that a graph leaves out are NaN in a plain run where a lane is infinite:
    the loss tells both at the same update, and other lanes notice nothing."""
    config = tiny(method, ratio="2", record_every=1, seeds=tuple(range(LANES)), dataset="ring")
    plain, graph = (list(spoilt_runs(config, compiled)) for compiled in (False, True))
    _, healthy, _ = plain[0]
    diverged = 0
    for (name, here, bad), (_, there, bad_in_graph) in zip(plain, graph, strict=True):
        assert bad_in_graph == bad, name
        assert bad[0] is bad[2] is None
        diverged += bad[SICK_LANE] is not None
        for i in (0, 2):
            lanes = (lane(state.profile, i) for state in (here, there, healthy))
            for a, b, c in zip(*map(leaves, lanes), strict=True):
                assert torch.equal(a, c)
                torch.testing.assert_close(b, c, rtol=1e-3, atol=1e-4)
    assert 2 < diverged < len(SPOILT), "magnitudes on both sides of divergence"


# --- machine code --------------------------------------------------------------------------------


@pytest.mark.slow
@NEEDS_COMPILER
def test_compiled_convolutions():
    """More than one round: the compiler leaves double-differentiated weights in a layout of its
    own, which the next program must take."""
    settings = {"dataset": "mnist", "network": "mnist-conv", "width": 4, "ratio": "2", "batch": 4}
    config = tiny("wgan-gp", **settings)
    assert_equal(played(config, False, 2), played(config, True, 2), 1e-10)


@pytest.mark.slow
@NEEDS_COMPILER
def test_compiled_trajectories():
    """200 updates in float64 by machine code."""
    config = tiny("wgan-gp", dataset="ring", ratio="10", seeds=(0, 1))
    assert_equal(played(config, False, 20), played(config, True, 20), 1e-10)


def test_long_runs_compile_and_short_ones_do_not():
    cpu = Execution("cpu")
    assert compiling_pays(tiny("wgan", ratio="50", rounds=1000), cpu)
    assert not compiling_pays(tiny("wgan", ratio="1", rounds=1000), cpu)
