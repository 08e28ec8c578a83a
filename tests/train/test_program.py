"""Every mode of execution plays the same game: traced, compiled, and one update after the other."""

import signal

import pytest
import torch
from cases import NEEDS_COMPILER, OPTIONS, double, fake_data, precise, tiny

from vral.study.build import build
from vral.study.machine import Execution, compiling_pays
from vral.study.methods import METHODS
from vral.train import program
from vral.train.program import Record, compile_program
from vral.train.schedule import runs_of_moves
from vral.train.state import TrainState

CASES = [
    *((name, {}, lanes) for name in METHODS for lanes in (1, 5)),
    *((method, given, 2) for method, given in OPTIONS.values()),
]
NAMES = [*(f"{name}-{lanes}" for name in METHODS for lanes in (1, 5)), *OPTIONS]


def played(config, compiled: bool, rounds: int, precision=double):
    """Final state, and all readings, of some rounds."""
    data = fake_data(config.dataset)
    training = build(config, data, compiled)
    state = TrainState(precision(training.initial.profile), precision(training.initial.opt))
    readings = []
    for number in range(rounds):
        moves = training.moves(number)
        draws = training.stream.round(moves)
        for run in runs_of_moves(moves, training.play.longest):
            plan = training.play.plan(run, [True] * len(run))
            taken = [precision(next(draws)[1]) for _ in plan]
            state, found = training.play(state, plan, taken)
            readings += found
    assert training.play.failure is None
    return state, readings


def assert_equal(first, second, tolerance: float) -> None:
    for a, b in zip(program.leaves(first[0]), program.leaves(second[0]), strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)
    for a, b in zip(first[1], second[1], strict=True):
        assert a.names == b.names
        torch.testing.assert_close(a.values, b.values, rtol=tolerance, atol=tolerance)


@pytest.fixture
def traced(monkeypatch):
    """Graphs as they reach the compiler, run operation by operation."""
    original = compile_program
    monkeypatch.setattr(
        program,
        "compile_program",
        lambda run, state, draws: original(run, state, draws, lambda graph, examples: graph),
    )


@pytest.mark.parametrize(("method", "given", "lanes"), CASES, ids=NAMES)
def test_the_graph_computes_what_the_steps_compute(traced, method, given, lanes):
    config = tiny(method, ratio="2", seeds=tuple(range(lanes)), **given)
    assert_equal(played(config, False, 2), played(config, True, 2), 1e-10)


class Products(torch.fx.Interpreter):
    """The values of a graph's products of matrices."""

    def __init__(self, graph):
        super().__init__(graph)
        self.found = []

    def run_node(self, node):
        value = super().run_node(node)
        if node.target in (torch.ops.aten.mm.default, torch.ops.aten.bmm.default):
            self.found.append(value)
        return value


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("method", ["wgan-gp", "r1"])
def test_no_product_of_a_penalty_is_with_zeros(monkeypatch, method, lanes):
    """Second derivatives of piecewise linear layers are zeros, which eager code multiplies by."""

    def products(kept):
        found = []

        def watch(graph, examples):
            products = Products(graph)
            products.run(*examples)
            found.extend(products.found)
            return graph

        with monkeypatch.context() as patch:
            original = compile_program
            patch.setattr(program, "compile_program", lambda *given: original(*given, watch))
            if kept:
                patch.setattr(program, "remove_zeros", lambda graph: None)
            played(tiny(method, ratio="2", seeds=tuple(range(lanes))), True, 1)
        return [bool((value == 0).all()) for value in found]

    assert any(products(kept=True))
    assert not any(products(kept=False))


@pytest.mark.parametrize("network", ["mnist-conv", "dcgan"])
def test_the_graph_of_convolutions(traced, network):
    dataset = {"mnist-conv": "mnist", "dcgan": "cifar10"}[network]
    settings = {"dataset": dataset, "network": network, "width": 4, "ratio": "2", "norm_g": "batch"}
    config = tiny("wgan-gp", **settings)
    assert_equal(played(config, False, 1), played(config, True, 1), 1e-10)


@NEEDS_COMPILER
def test_compiled_convolutions():
    """More than one round: the compiler leaves double-differentiated weights in a layout of its
    own, which the next program must take."""
    settings = {"dataset": "mnist", "network": "mnist-conv", "width": 4, "ratio": "2", "batch": 4}
    config = tiny("wgan-gp", **settings)
    assert_equal(played(config, False, 2), played(config, True, 2), 1e-10)


@NEEDS_COMPILER
@pytest.mark.parametrize("method", ["vral-meta", "wgan-gp"])
def test_compiled_trajectories(method):
    """200 updates in float64 by machine code."""
    config = tiny(method, dataset="ring", ratio="10", seeds=(0, 1))
    assert_equal(played(config, False, 20), played(config, True, 20), 1e-10)


def test_a_compiled_plan_takes_readings_everywhere_or_nowhere():
    moves, due = [("D",)] * 3, [False, True, False]
    plain, compiled = (program.Executor({}, lambda _, draws: draws, 3, it) for it in (None, {}))
    assert plain.plan(moves, due) == tuple(zip(moves, due, strict=True))
    assert compiled.plan(moves, due) == tuple((move, True) for move in moves)
    assert compiled.plan(moves, [False] * 3) == tuple((move, False) for move in moves)


def test_a_compiler_that_fails_is_replaced_by_the_steps_and_says_why(monkeypatch):
    def blocked():
        return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def broken(*arguments):
        assert blocked()  # Ctrl-C would kill the compiler, and that is not a failure.
        raise RuntimeError("no C++ compiler\nand a long trace")

    monkeypatch.setattr(program, "compile_program", broken)
    config = tiny("r1", ratio="2")
    training = build(config, fake_data("digits"), compiled=True)
    moves = training.moves(0)
    _, draw = next(training.stream.round(moves))
    state, _ = training.play(training.initial, training.play.plan(moves[:1], [True]), [draw])
    expected, _ = training.steps[moves[0], True](training.initial, draw)
    torch.testing.assert_close(program.leaves(state), program.leaves(expected))
    assert training.play.failure == "RuntimeError: no C++ compiler"
    assert not training.play.compiled
    assert not blocked()


def test_fakes_of_one_pass_are_those_of_many():
    """Also where G has batch norm: every batch keeps its own statistics."""
    for norm in ("none", "group", "batch"):
        training, state = precise(tiny("lsgan", norm_g=norm, width=32, ratio="3"))
        profile = {name: {k: v[0] for k, v in p.items()} for name, p in state.profile.items()}
        draws = [double(draw) for _, draw in training.stream.round([("D",)] * 3)]
        draws = [{name: value[0] for name, value in draw.items()} for draw in draws]
        for draw, more in zip(draws, training.gan.draw_fakes(profile, draws), strict=True):
            alone = training.gan.generate(profile["G"], draw["latent"])
            torch.testing.assert_close(more["fake"], alone, rtol=1e-12, atol=1e-12)
            assert set(more) == {*draw, "fake"}


def test_bf16_keeps_parameters_and_scores_in_float32():
    config = tiny("wgan-gp", precision="bf16", ratio="2")
    state, readings = played(config, False, 1, precision=lambda tree: tree)
    exact, _ = played(tiny("wgan-gp", ratio="2"), False, 1, precision=lambda tree: tree)
    assert {t.dtype for t in program.leaves(state.profile)} == {torch.float32}
    assert all(isinstance(r, Record) and r.values.dtype == torch.float32 for r in readings)
    for a, b in zip(program.leaves(state.profile), program.leaves(exact.profile), strict=True):
        torch.testing.assert_close(a, b, rtol=0.1, atol=0.01)


@pytest.mark.parametrize(
    ("k", "longest", "sizes"),
    [(50, 16, [10] * 5), (50, 2, [2] * 25), (7, 5, [1] * 7), (7, 7, [7]), (1, 5, [1])],
)
def test_a_round_is_cut_into_equal_runs(k, longest, sizes):
    runs = runs_of_moves([("D",)] * k + [("G",), ("G",)], longest)
    assert [len(run) for run in runs] == [*sizes, 1, 1]


def test_runs_end_with_an_update_of_d():
    meta = [("F",), ("R",), ("D",)] * 4 + [("G",)]
    assert [len(run) for run in runs_of_moves(meta, 2)] == [6, 6, 1]
    once = [("F",), ("R",), *[("D",)] * 4, ("G",)]
    assert [len(run) for run in runs_of_moves(once, 2)] == [4, 2, 1]


def test_long_runs_compile_and_short_ones_do_not():
    cpu = Execution("cpu")
    assert compiling_pays(tiny("wgan", ratio="50", rounds=1000), cpu)
    assert not compiling_pays(tiny("wgan", ratio="1", rounds=1000), cpu)
