"""Interleaved timing: every contender plays in turn, again and again, so that all meet the same
machine; ratios are taken within a repeat and their median reported.
"""

import multiprocessing
import resource
import signal
import time
from collections.abc import Mapping, Sequence
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
from vral.study.processes import end_with_parent
from vral.train.program import compile_program, keep_compiled_in, program
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


def _fastest(call, device: torch.device, seconds: float) -> float:
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        best = min(best, _timed(call, device))
    return best


def _timed(call, device: torch.device) -> float:
    began = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def flops(case: Case) -> float:
    """Floating-point operations in products of matrices per D update of the compiled step, with
    readings and with its share of what the moves of F, R and G need.
    """
    once = replace(case, ratio=1)
    training = Ours(once, samples(once.config.dataset, 1000), MODES["compiled"]).training
    counted = []

    def counting(graph, examples):
        with FlopCounterMode(display=False) as counter:
            graph(*examples)
        counted.append(counter.get_total_flops())
        return graph

    moves = training.moves(0)
    draws = training.stream.round(moves)
    for plan in (moves[:-1], moves[-1:]):  # G, the last, is in no plan with others.
        taken = [next(draws)[1] for _ in plan]
        keys = training.play.plan(plan, [True] * len(plan))
        run = program(training.play.to_compile, training.play.prepare, keys)
        compile_program(run, training.initial, taken, counting)
    on_d_side, of_g = counted
    return on_d_side + of_g / case.ratio


AGREED = 1e-9
"""Largest difference in float64 at which modes are held to play the same game."""


def agreement(case: Case) -> float:
    """Largest difference between all players' parameters after one program of every kind of a
    round, played eagerly and compiled from the same state and draws in float64.

    (In float32 Adam turns the rounding of gradients near zero into steps of full length.)
    """
    data = samples(case.config.dataset, 1000)
    played = []
    trainings = [Ours(case, data, MODES[mode]).training for mode in ("compiled", "eager")]
    longest = trainings[0].play.longest
    for training in trainings:
        moves = training.moves(0)
        draws = training.stream.round(moves)
        state = TrainState(*(map_tensors(_double, part) for part in training.initial))
        for plan in dict.fromkeys(map(tuple, runs_of_moves(moves, longest))):
            taken = [map_tensors(_double, next(draws)[1]) for _ in plan]
            state, _ = training.play(state, training.play.plan(plan, [True] * len(plan)), taken)
        if training.play.failure:
            raise RuntimeError(f"nothing was compiled in float64: {training.play.failure}")
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
    """One row per contender: µs per D update and lane (G's share included), median and range over
    ``repeats`` of at least ``seconds`` each, and the median of its ratios to the plain loop.
    """
    place = torch.device(device)
    players = contenders(case, tuple(modes), peers, place)
    first = {name: _cpu_seconds(play) for name, (play, _) in players.items()}
    times: dict[str, list[float]] = {name: [] for name in players}
    for _ in range(repeats):
        for name, (play, lanes) in players.items():
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
            "us": median(found),
            "us_least": min(found),
            "us_most": max(found),
            "faster": median(p / q for p, q in zip(times[REFERENCE], found, strict=True)),
            "gflops": count / median(found) / 1e3,
            "first_round_cpu_s": first[name],
            "process_peak_mib": peak,
        }
        for name, found in times.items()
    ]


def _cpu_seconds(play: Contender) -> float:
    """CPU time of a first round, children (a C++ compiler) included."""

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
"""What is varied, one at a time, around toy nonsaturating at 50:1; depth is hidden layers."""


@dataclass(frozen=True)
class Cell:
    """What one process measures; ``columns`` are added to its rows."""

    case: Case
    modes: tuple[str, ...]
    peers: bool = True
    columns: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        changes = ", ".join(f"{name} {value}" for name, value in self.columns.items())
        return f"{changes}: {self.case}" if changes else str(self.case)


def growth() -> list[Cell]:
    """The eager and the compiled step at every value of every axis of GROWTH."""
    centre = Case("toy", "nonsaturating", 50)
    cells = []
    for axis, values in GROWTH.items():
        for value in values:
            modes, case = ("eager", "compiled"), centre
            if axis == "lanes" and value > 1:
                modes = (f"eager, {value} lanes", f"compiled, {value} lanes")
            elif axis == "ratio":
                case = replace(centre, ratio=value)
            elif axis != "lanes":
                case = replace(centre, changed={axis: value})
            cells.append(Cell(case, modes, False, {"axis": axis, "value": value}))
    return cells


@dataclass(frozen=True)
class Measured:
    """What became of a cell."""

    rows: list[dict[str, Any]]
    left_out: dict[str, str]
    """Peers that are not among the rows, and why."""
    difference: float | None
    """Between the compiled and the eager parameters, where a mode is compiled."""


def measured(cell: Cell, repeats: int, seconds: float, device: str = "cpu") -> Measured:
    """Time every contender of ``cell``, on one thread, and compare the modes (on the CPU)."""
    torch.set_num_threads(1)
    keep_compiled_in(cache_root() / "inductor")
    left_out = installed(cell.case.method, cell.case.ratio)[1] if cell.peers else {}
    timed = measure(cell.case, cell.modes, repeats, seconds, cell.peers, device)
    rows = [{**row, **cell.columns} for row in timed]
    compiled = any(MODES[mode].compiled for mode in cell.modes)
    return Measured(rows, left_out, agreement(cell.case) if compiled else None)


ENDING_SECONDS = 10
"""What a process has to end by itself once it has reported."""


class CellError(Exception):
    """A cell could not be measured; the message is one line."""


def in_own_process(cell: Cell, repeats: int, seconds: float, device: str = "cpu") -> Measured:
    """``cell`` measured by a process that holds nothing else and that ends with this call.

    Raises CellError where that process fails or is killed.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_report, args=(sender, cell, repeats, seconds, device))
    # Ctrl-C is for the parent, who ends the process.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.start()
    finally:
        signal.signal(signal.SIGINT, before)
    sender.close()
    try:
        found = receiver.recv()
        process.join(ENDING_SECONDS)
    except EOFError:
        process.join()
        raise CellError(f"its process ended with exit code {process.exitcode}") from None
    finally:
        process.kill()
        process.join()
    if isinstance(found, str):
        raise CellError(found)
    return found


def _report(sender: Connection, *asked: Any) -> None:
    end_with_parent()
    try:
        sender.send(measured(*asked))
    except Exception as error:  # Whatever happens in there becomes one line out here.
        sender.send(one_line(error))
