"""Times of contenders that take turns, so that all of them meet the same machine.

A contender is one of our modes, a loop of ``vral.bench.loops`` or an installed package. Ratios of
times are taken within a repeat, and their median is reported.
"""

import multiprocessing
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from vral.bench.peers import installed
from vral.bench.workloads import MODES, Case, Contender, Ours, contenders, samples
from vral.data.datasets import cache_root
from vral.errors import one_line
from vral.study.processes import end_with_parent, start_without_signals
from vral.train.compile import compile_program, keep_compiled_in
from vral.train.plan import program_of
from vral.train.schedule import runs_of_moves
from vral.train.state import TrainState
from vral.types import map_tensors

REFERENCE = "plain loop"


def machine_rates(device: torch.device, seconds: float = 0.5) -> dict[str, float]:
    """GFLOP/s of a 1024³ product in float32 and bfloat16, GB/s of a copy of 256 MiB."""
    rates = {}
    for name, dtype in (("sgemm_gflops", torch.float32), ("bf16_gflops", torch.bfloat16)):
        a = torch.randn(1024, 1024, device=device).to(dtype)
        rates[name] = 2 * 1024**3 / _fastest(lambda a=a: a @ a, device, seconds) / 1e9
    source = torch.empty(2**26, device=device)
    target = torch.empty_like(source)
    rates["copy_gbytes"] = 2 * 2**28 / _fastest(lambda: target.copy_(source), device, seconds) / 1e9
    return rates


def _fastest(call: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Seconds of the fastest call among those that fit into ``seconds``."""
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        best = min(best, _timed(call, device))
    return best


def _timed(call: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call, until a GPU has done what it asks for."""
    began = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def flops(case: Case) -> float:
    """Floating-point operations in matrix products per D update of the compiled step.

    They include the readings, and the update's share of the moves of F, R and G.
    """
    once = replace(case, ratio=1)
    training = Ours(once, samples(once.config.dataset, 1000), MODES["compiled"]).training
    counted = []

    def counting(graph: Callable, examples: Sequence[torch.Tensor]) -> Callable:
        with FlopCounterMode(display=False) as counter:
            graph(*examples)
        counted.append(counter.get_total_flops())
        return graph

    moves = training.moves(0)
    draws = training.stream.round(moves)
    for plan in (moves[:-1], moves[-1:]):  # G, the last, is in no plan with others.
        taken = [next(draws)[1] for _ in plan]
        executor = training.executor
        keys = executor.plan(plan, [True] * len(plan))
        assert executor.to_compile is not None
        run = program_of(executor.to_compile, executor.prepare, keys)
        compile_program(run, training.initial, taken, counting)
    on_d_side, of_g = counted
    return on_d_side + of_g / case.ratio


AGREED = 1e-9
"""Largest difference in float64 at which two modes count as playing the same game."""


def agreement(case: Case) -> float:
    """Largest difference between the players' parameters after compiled and after eager updates.

    Both modes start from the same state and play every kind of program of a round once, on the same
    draws, in float64: in float32 Adam turns rounding errors of gradients near zero into steps of
    full length.
    """
    data = samples(case.config.dataset, 1000)
    played = []
    trainings = [Ours(case, data, MODES[mode]).training for mode in ("compiled", "eager")]
    longest = trainings[0].executor.longest
    for training in trainings:
        moves = training.moves(0)
        draws = training.stream.round(moves)
        state = TrainState(*(map_tensors(_double, part) for part in training.initial))
        for plan in dict.fromkeys(map(tuple, runs_of_moves(moves, longest))):
            taken = [map_tensors(_double, next(draws)[1]) for _ in plan]
            keys = training.executor.plan(plan, [True] * len(plan))
            state, _ = training.executor.program(keys, state, taken)(state, taken)
        if training.executor.failure:
            raise RuntimeError(f"nothing was compiled in float64: {training.executor.failure}")
        played.append([p for player in state.profile.values() for p in player.values()])
    return max((a - b).abs().max().item() for a, b in zip(*played, strict=True))


def _double(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


def measure(
    case: Case,
    modes: Sequence[str],
    repeats: int,
    seconds: float,
    peers: bool = True,
    device: str = "cpu",
) -> list[dict[str, Any]]:
    """One row per contender: µs per D update and lane, with the update's share of G's move.

    "us" is the median over ``repeats`` of at least ``seconds`` each, "us_least" and "us_most" are
    their range; "faster" is the median of the plain loop's time over the contender's.
    """
    place = torch.device(device)
    plays = contenders(case, tuple(modes), peers, place)
    first = {name: _cpu_seconds(play) for name, (play, _) in plays.items()}
    times: dict[str, list[float]] = {name: [] for name in plays}
    for _ in range(repeats):
        for name, (play, lanes) in plays.items():
            rounds, spent = 0, 0.0
            while spent < seconds:
                spent += _timed(lambda play=play: play(1), place)
                rounds += 1
            times[name].append(1e6 * spent / (rounds * case.ratio * lanes))
    count = flops(case)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return [
        {
            **case.columns,
            "contender": name,
            "us": median(spent),
            "us_least": min(spent),
            "us_most": max(spent),
            "faster": median(p / q for p, q in zip(times[REFERENCE], spent, strict=True)),
            "gflops": count / median(spent) / 1e3,
            "first_round_cpu_s": first[name],
            "process_peak_mib": peak,
        }
        for name, spent in times.items()
    ]


def _cpu_seconds(play: Contender) -> float:
    """CPU seconds of a contender's first round, with those of its children (a C++ compiler)."""

    def now() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + children.ru_utime + children.ru_stime

    began = now()
    play(1)
    return now() - began


GROWTH: dict[str, tuple[int, ...]] = {
    "ratio": (1, 2, 5, 10, 50),
    "batch": (16, 64, 256, 1024),
    "width": (32, 128, 512, 1024),
    "depth": (1, 2, 4, 8),
    "lanes": (1, 2, 5, 16),
}
"""Values of what is varied, one at a time, around toy nonsaturating at 50:1.

Depth is the number of hidden layers."""


@dataclass(frozen=True)
class Comparison:
    """Contenders on one case, timed by one process; ``columns`` are added to its rows."""

    case: Case
    modes: tuple[str, ...]
    peers: bool = True
    columns: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        changes = ", ".join(f"{name} {value}" for name, value in self.columns.items())
        return f"{changes}: {self.case}" if changes else str(self.case)


def growth() -> list[Comparison]:
    """A comparison of the eager and the compiled step at every value of every axis of GROWTH."""
    centre = Case("toy", "nonsaturating", 50)
    comparisons = []
    for axis, values in GROWTH.items():
        for value in values:
            modes, case = ("eager", "compiled"), centre
            if axis == "lanes" and value > 1:
                modes = (f"eager, {value} lanes", f"compiled, {value} lanes")
            elif axis == "ratio":
                case = replace(centre, ratio=value)
            elif axis != "lanes":
                case = replace(centre, changed={axis: value})
            comparisons.append(Comparison(case, modes, False, {"axis": axis, "value": value}))
    return comparisons


@dataclass(frozen=True)
class Timings:
    """What a comparison gave."""

    rows: list[dict[str, Any]]
    left_out: dict[str, str]
    """Packages that are not among the rows, and why."""
    difference: float | None
    """What ``agreement`` says; None where no mode is compiled."""


def timings(comparison: Comparison, repeats: int, seconds: float, device: str = "cpu") -> Timings:
    """Time every contender on one thread of ``device``, and check the agreement on the CPU."""
    torch.set_num_threads(1)
    keep_compiled_in(cache_root() / "inductor")
    case = comparison.case
    left_out = installed(case.method, case.ratio)[1] if comparison.peers else {}
    timed = measure(case, comparison.modes, repeats, seconds, comparison.peers, device)
    rows = [{**row, **comparison.columns} for row in timed]
    compiled = any(MODES[mode].compiled for mode in comparison.modes)
    return Timings(rows, left_out, agreement(case) if compiled else None)


ENDING_SECONDS = 10
"""Seconds that a process has to end by itself once it has reported."""


class ComparisonError(Exception):
    """A comparison failed; the message is one line."""


def in_own_process(
    comparison: Comparison, repeats: int, seconds: float, device: str = "cpu"
) -> Timings:
    """The timings that a new process finds, which does nothing else and ends with this call.

    Raises ComparisonError where that process fails or is killed.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_report, args=(sender, comparison, repeats, seconds, device))
    start_without_signals(process)
    sender.close()
    try:
        reported = receiver.recv()
        process.join(ENDING_SECONDS)
    except EOFError:
        process.join()
        raise ComparisonError(f"its process ended with exit code {process.exitcode}") from None
    finally:
        process.kill()
        process.join()
    if isinstance(reported, str):
        raise ComparisonError(reported)
    return reported


def _report(sender: Connection, *asked: Any) -> None:
    end_with_parent()
    try:
        sender.send(timings(*asked))
    except Exception as error:  # The parent shows it as one line.
        sender.send(one_line(error))
