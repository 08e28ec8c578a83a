"""Several updates in a row as one program, and the two ways to run it: as it stands, or compiled.

A program is a pure function of a state and the draws of its updates, so a mode of execution is
nothing but a wrapper around it: the mathematics is written once, in games and rules.
"""

import logging
import os
import signal
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import repeat
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vral.errors import one_line
from vral.train.state import TrainState
from vral.train.step import Info, Step
from vral.types import Draw, Move, Profile, leaves

Steps = Mapping[tuple[Move, bool], Step]
"""The step of a move, without and with readings."""

Plan = tuple[tuple[Move, bool], ...]
"""Moves in a row, each with or without readings."""

Prepare = Callable[[Profile, list[Draw]], list[Draw]]
"""Adds to the draws of a plan what one pass can compute for all of them."""


class Record(NamedTuple):
    """One update's info, ready for the records: names, and values (name, lane)."""

    names: tuple[str, ...]
    values: Tensor

    @classmethod
    def of(cls, info: Info) -> "Record":
        return cls(tuple(info), torch.stack(list(info.values())))


Program = Callable[[TrainState, Sequence[Draw]], tuple[TrainState, list[Record]]]


def program(steps: Steps, prepare: Prepare, plan: Plan) -> Program:
    """The updates of ``plan``, one after the other. ``prepare`` is told of plans without G."""

    def run(state: TrainState, draws: Sequence[Draw]) -> tuple[TrainState, list[Record]]:
        if not any("G" in move for move, _ in plan):
            draws = prepare(state.profile, list(draws))
        readings = []
        for key, draw in zip(plan, draws, strict=True):
            state, info = steps[key](state, draw)
            readings.append(Record.of(info))
        return state, readings

    return run


class Executor:
    """Plays plans, each by a program of its own that is made at its first use.

    ``longest`` is how many D updates a plan should hold at the most. With ``to_compile``, steps
    that compute the same in a form that suits a compiler, programs are compiled.
    """

    def __init__(
        self,
        steps: Steps,
        prepare: Prepare,
        longest: int,
        to_compile: Steps | None = None,
    ):
        self.steps, self.prepare = steps, prepare
        self.longest, self.to_compile = longest, to_compile
        self.failure: str | None = None
        """Why nothing is compiled although it should be."""
        self._programs: dict[Plan, Program] = {}

    @property
    def compiled(self) -> bool:
        return self.to_compile is not None and self.failure is None

    def plan(self, moves: Sequence[Move], due: Sequence[bool]) -> Plan:
        """``moves`` with readings where they are ``due``.

        A compiled plan takes them everywhere or nowhere: they are nearly free there, and every
        further pattern would have to be compiled.
        """
        if self.compiled:
            due = [any(due)] * len(due)
        return tuple(zip(moves, due, strict=True))

    def __call__(
        self, state: TrainState, plan: Plan, draws: Sequence[Draw]
    ) -> tuple[TrainState, list[Record]]:
        if plan not in self._programs:
            self._programs[plan] = self._make(plan, state, draws)
        return self._programs[plan](state, draws)

    def _make(self, plan: Plan, state: TrainState, draws: Sequence[Draw]) -> Program:
        plain = program(self.steps, self.prepare, plan)
        if not self.compiled:
            return plain
        try:
            with _undisturbed():
                return compile_program(program(self.to_compile, self.prepare, plan), state, draws)
        except Exception as error:  # Whatever a compiler may say, the run goes on without it.
            self.failure = one_line(error)
            return plain


_aten = torch.ops.aten

UNFUSED = {
    _aten.addmm.default: lambda bias, left, right: torch.mm(left, right) + bias,
}
"""A bias as a sum of its own: Inductor fuses it with the activation, a BLAS call would first copy
it into every row of its result."""

LINEAR = {
    _aten.mm.default: 2,
    _aten.bmm.default: 2,
    _aten.mul.Tensor: 2,
    _aten.leaky_relu_backward.default: 1,
    _aten.threshold_backward.default: 1,
    _aten.neg.default: 1,
    _aten.sum.dim_IntList: 1,
    _aten.t.default: 1,
    _aten.transpose.int: 1,
    _aten.permute.default: 1,
    _aten.view.default: 1,
    _aten._unsafe_view.default: 1,
    _aten.expand.default: 1,
    _aten.unsqueeze.default: 1,
    _aten.squeeze.dim: 1,
}
"""Operations that make zeros of zeros, and how many of their first arguments that holds for."""


def remove_zeros(graph: torch.fx.Graph) -> None:
    """Take out what ``zeros_like`` and products with it add: nothing, as long as all is finite.

    The second derivative of a piecewise linear layer is written as zeros, which differentiating a
    penalty then multiplies by every weight below: a tenth of WGAN-GP's products.
    """
    zero = set()
    for node in graph.nodes:
        linear = node.args[: LINEAR.get(node.target, 0)]
        if node.target is _aten.zeros_like.default or zero.intersection(linear):
            zero.add(node)
        elif node.target is _aten.add.Tensor and not node.kwargs:
            rest = [term for term in node.args if term not in zero]
            if not rest:
                zero.add(node)
            elif len(rest) == 1 and _alike(rest[0], node):
                node.replace_all_uses_with(rest[0])
    graph.eliminate_dead_code()


def _alike(term: Any, total: torch.fx.Node) -> bool:
    """Whether a sum's term has the shape and type of the sum."""
    metas = [getattr(node, "meta", {}).get("tensor_meta") for node in (term, total)]
    return None not in metas and metas[0][:2] == metas[1][:2]


Backend = Callable[[torch.fx.GraphModule, list[Tensor]], Callable[..., Sequence[Tensor]]]


def inductor(graph: torch.fx.GraphModule, examples: list[Tensor]) -> Callable[..., list[Tensor]]:
    """Machine code for the graph; C++ on a CPU."""
    import torch._inductor
    from torch._guards import TracingContext, tracing
    from torch._subclasses import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    # Only with a shape environment does Inductor keep what it compiled for later processes.
    shapes = FakeTensorMode(shape_env=ShapeEnv())
    fixed = [shapes.from_tensor(tensor, static_shapes=True) for tensor in examples]
    # One C++ file a program compiles in half the time of one a kernel and calls faster; the
    # pattern matcher would fuse biases back into the products.
    options = {"cpp_wrapper": examples[0].device.type == "cpu", "pattern_matcher": False}
    with tracing(TracingContext(shapes)):
        return torch._inductor.compile(graph, fixed, options=options)


def compile_program(
    run: Program, state: TrainState, draws: Sequence[Draw], backend: Backend = inductor
) -> Program:
    """``run`` traced at these shapes to one graph of plain tensor operations and compiled.

    Tracing through ``torch.func`` differentiates and batches as the eager program does, penalties
    included; what the graph computes twice is removed before the backend takes it.
    """
    with _quiet():
        from torch._functorch.compile_utils import fx_graph_cse
        from torch._guards import TracingContext, tracing
        from torch._subclasses import FakeTensorMode
        from torch.fx import GraphModule
        from torch.fx.experimental.proxy_tensor import make_fx

    examples = _inputs(state, draws)
    shape: Any = None

    def flat(*tensors: Tensor) -> list[Tensor]:
        nonlocal shape
        after, readings = run(*_like((state, draws), iter(tensors)))
        shape = _like(after, repeat(torch.empty(0))), [names for names, _ in readings]
        return [*leaves(after), *(values for _, values in readings)]

    # Without a mode to find, every node that is traced makes a fake mode of its own.
    with torch.no_grad(), _quiet(), tracing(TracingContext(FakeTensorMode())):
        graph = make_fx(flat)(*examples)
        graph = make_fx(torch.func.functionalize(graph), UNFUSED)(*examples)
        remove_zeros(graph.graph)
        for node in graph.graph.nodes:
            node.meta.clear()
        graph = GraphModule(graph, fx_graph_cse(graph.graph))
        graph.graph.eliminate_dead_code()
        graph.recompile()
        compiled = backend(graph, examples)
        compiled(*examples)
    like, names = shape

    def call(state: TrainState, draws: Sequence[Draw]) -> tuple[TrainState, list[Record]]:
        with torch.no_grad():
            tensors = iter(compiled(*_inputs(state, draws)))
        after = _like(like, tensors)
        return after, [Record(name, next(tensors)) for name in names]

    return call


def _inputs(state: TrainState, draws: Sequence[Draw]) -> list[Tensor]:
    """The program's arguments in the layout it was compiled for: a compiler may leave convolutions
    in another."""
    return [leaf.contiguous() for leaf in leaves((state, draws))]


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep Ctrl-C from a compiler's processes: killed by it, they would count as a failure. It
    reaches us afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Warnings would tear a progress bar: Inductor's of a missing GPU, torch's of its own parts."""
    log = logging.getLogger("torch.utils.cpp_extension")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def keep_compiled_in(folder: os.PathLike[str]) -> None:
    """Let compiled code outlive the process in ``folder``, unless the user has named another."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", os.fspath(folder))


def _like(tree: Any, tensors: Iterator[Tensor]) -> Any:
    """``tree`` with its tensors replaced, one after the other, by ``tensors``."""
    if isinstance(tree, Tensor):
        return next(tensors)
    if isinstance(tree, Mapping):
        return {name: _like(part, tensors) for name, part in tree.items()}
    if isinstance(tree, TrainState):
        return TrainState(*(_like(part, tensors) for part in tree))
    return type(tree)(_like(part, tensors) for part in tree)
