"""Programs as machine code: traced to one graph, freed of zeros, compiled by Inductor.

*What it buys.* At 50:1 on one CPU thread a compiled run makes 3.6 to 5.5 times the updates of a
plain PyTorch loop on small games and 2.1 to 2.5 times on MLPs, where the same steps uncompiled make
0.6 to 0.9 (benchmarks/README.md). Compiling a method costs 15 to 55 CPU-seconds once.

*What it assumes.* The same shapes at every call, and finite values: ``remove_zeros`` drops products
with zeros, which are NaN where the other factor is infinite. A run cannot tell the difference,
because an infinite factor makes the same update's loss infinite or NaN in both forms, and that is
where a lane diverges (tests/train/test_compile.py, over all magnitudes of parameters).

*What happens without it.* Whatever exception tracing, Inductor or a C++ compiler raises, the
executor goes on with the steps as they stand, and run.json says why.

This is the only file that imports torch's private modules (``torch._inductor``, ``torch._guards``,
``torch._functorch``, ``torch._subclasses``), and it does so inside functions, so that without them
everything else works. pyproject.toml bounds torch to the versions it was tried with. The functions
``torch._foreach_*`` in optim.transforms are a different case: operators that torch.optim itself is
written in, with a stable signature.
"""

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import repeat
from typing import Any

import torch
from torch import Tensor

from vral.train.plan import Program, Record
from vral.train.state import TrainState
from vral.types import Draw, leaves

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
"""Operations whose result is zero if one of their first arguments is, and how many those are."""


def remove_zeros(graph: torch.fx.Graph) -> None:
    """Drop terms that are ``zeros_like`` or products with it; they add nothing to finite values.

    Autograd writes the second derivative of a piecewise linear layer as zeros, and differentiating
    a penalty multiplies these by every weight below: a tenth of WGAN-GP's products.
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
    first, second = (getattr(node, "meta", {}).get("tensor_meta") for node in (term, total))
    return first is not None and second is not None and first[:2] == second[:2]


Backend = Callable[[torch.fx.GraphModule, list[Tensor]], Callable[..., Sequence[Tensor]]]


def inductor(graph: torch.fx.GraphModule, examples: list[Tensor]) -> Callable[..., list[Tensor]]:
    """Machine code for the graph; C++ on a CPU."""
    import torch._inductor
    from torch._guards import TracingContext, tracing
    from torch._subclasses import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    # Only with a shape environment does Inductor keep what it compiled for later processes.
    shapes = FakeTensorMode(shape_env=ShapeEnv())
    fixed: list[Any] = [shapes.from_tensor(tensor, static_shapes=True) for tensor in examples]
    # One C++ file a program compiles in half the time of one a kernel and calls faster; the
    # pattern matcher would fuse biases back into the products.
    options = {"cpp_wrapper": examples[0].device.type == "cpu", "pattern_matcher": False}
    with tracing(TracingContext(shapes)):
        compiled: Any = torch._inductor.compile(graph, fixed, options=options)
    return compiled


def traced(graph: torch.fx.GraphModule, examples: list[Tensor]) -> torch.fx.GraphModule:
    """A backend that leaves the graph as it is: no compiler, one call per operation."""
    return graph


def compile_program(
    run: Program, state: TrainState, draws: Sequence[Draw], backend: Backend = inductor
) -> Program:
    """``run`` traced at these shapes to one graph of plain tensor operations and compiled.

    Tracing through ``torch.func`` differentiates and batches as the eager program does, penalties
    included; what the graph computes twice is removed before the backend takes it.
    """
    with without_warnings():
        from torch._functorch.compile_utils import fx_graph_cse
        from torch._guards import TracingContext, tracing
        from torch._subclasses import FakeTensorMode
        from torch.fx import GraphModule
        from torch.fx.experimental.proxy_tensor import make_fx

    examples = _inputs(state, draws)
    shape: Any = None

    def flat(*tensors: Tensor) -> list[Tensor]:
        nonlocal shape
        after, records = run(*_like((state, draws), iter(tensors)))
        shape = _like(after, repeat(torch.empty(0))), [names for names, _ in records]
        return [*leaves(after), *(values for _, values in records)]

    # Unless a fake mode is set here, every traced node makes one of its own.
    with torch.no_grad(), without_warnings(), tracing(TracingContext(FakeTensorMode())):
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
    """The program's arguments in the layout that it was compiled for.

    Convolutions may leave a compiled program in another layout.
    """
    return [leaf.contiguous() for leaf in leaves((state, draws))]


@contextmanager
def without_warnings() -> Iterator[None]:
    """No warnings of Inductor about a missing GPU, or of torch about its own parts.

    They would tear a progress bar.
    """
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
    """Keep compiled code in ``folder`` for later processes, unless the user names another."""
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
