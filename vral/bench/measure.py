"""Interleaved timing: every contender plays in turn, again and again, so that all meet the same
machine; ratios are taken within a repeat and their median reported.
"""

import multiprocessing
import resource
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from statistics import median
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from vral.bench.workloads import MODES, Contender, Ours, configuration, contenders, samples
from vral.data.datasets import cache_root
from vral.errors import ConfigError
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


def flops(workload: str, method: str, **more: Any) -> float:
    """Floating-point operations in products of matrices per D update of the compiled step, with
    readings and with what its moves of F, R and G's fakes need.
    """
    config = configuration(workload, method, 1, **more)
    ours = Ours(config, samples(config.dataset, 1000), MODES["compiled"])
    play, counted = ours.training.play, 0.0

    def counting(graph, examples):
        nonlocal counted
        with FlopCounterMode(display=False) as counter:
            graph(*examples)
        counted += counter.get_total_flops()
        return graph

    moves = [move for move in ours.training.moves(0) if move != ("G",)]
    draws = [draw for _, draw in ours.training.stream.round(moves)]
    plan = play.plan(moves, [True] * len(moves))
    run = program(play.to_compile, play.prepare, plan)
    compile_program(run, ours.state, draws, counting)
    return counted / sum("D" in move for move in moves)


def agreement(workload: str, method: str, ratio: int, **more: Any) -> float:
    """Largest difference between all players' parameters after one program of every kind of a
    round, played eagerly and compiled from the same state and draws in float64.

    (In float32 Adam turns the rounding of gradients near zero into steps of full length.)
    """
    config = configuration(workload, method, ratio, **more)
    data = samples(config.dataset, 1000)
    played = []
    trainings = [Ours(config, data, MODES[mode]).training for mode in ("compiled", "eager")]
    longest = trainings[0].play.longest
    for training in trainings:
        moves = training.moves(0)
        draws = training.stream.round(moves)
        state = TrainState(*(map_tensors(_double, part) for part in training.initial))
        for plan in dict.fromkeys(map(tuple, runs_of_moves(moves, longest))):
            taken = [map_tensors(_double, next(draws)[1]) for _ in plan]
            state, _ = training.play(state, training.play.plan(plan, [True] * len(plan)), taken)
        if training.play.failure:
            raise ConfigError(f"bench: nothing was compiled: {training.play.failure}")
        played.append([p for player in state.profile.values() for p in player.values()])
    return max((a - b).abs().max().item() for a, b in zip(*played, strict=True))


def _double(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


def measure(
    workload: str,
    method: str,
    ratio: int,
    modes: Sequence[str],
    repeats: int,
    seconds: float,
    peers: bool = True,
    device: str = "cpu",
    **more: Any,
) -> list[dict[str, Any]]:
    """One row per contender: µs per D update and lane (G's share included), median and range over
    ``repeats`` of at least ``seconds`` each, and the median of its ratios to the plain loop.
    """
    place = torch.device(device)
    players = contenders(workload, method, ratio, tuple(modes), peers, place, **more)
    first = {name: _cpu_seconds(play) for name, (play, _) in players.items()}
    times: dict[str, list[float]] = {name: [] for name in players}
    for _ in range(repeats):
        for name, (play, lanes) in players.items():
            rounds, spent = 0, 0.0
            while spent < seconds:
                spent += _timed(lambda play=play: play(1), place)
                rounds += 1
            times[name].append(1e6 * spent / (rounds * ratio * lanes))
    count = flops(workload, method, **more)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return [
        {
            "workload": workload,
            "method": method,
            "ratio": ratio,
            **more,
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


GROWTH: dict[str, tuple[Any, ...]] = {
    "ratio": (1, 2, 5, 10, 50),
    "batch": (16, 64, 256, 1024),
    "width": (32, 128, 512, 1024),
    "lanes": (1, 2, 5, 16),
}
"""What is varied, one at a time, around toy nonsaturating at 50:1."""


def growth(axis: str, value: Any, repeats: int, seconds: float) -> list[dict[str, Any]]:
    """Rows of the eager and compiled step at one value of an axis of GROWTH."""
    modes = ["eager", "compiled"]
    ratio, more = 50, {}
    if axis == "lanes" and value > 1:
        modes = [f"eager, {value} lanes", f"compiled, {value} lanes"]
    elif axis == "ratio":
        ratio = value
    elif axis != "lanes":
        more = {axis: value}
    rows = measure("toy", "nonsaturating", ratio, modes, repeats, seconds, False, **more)
    return [{**row, "axis": axis, "value": value} for row in rows]


def in_own_process(
    cell: tuple, modes: Sequence[str], repeats: int, seconds: float, grow: bool
) -> tuple[list[dict[str, Any]], float | None]:
    """The rows of a cell and the agreement of the modes, from a process that holds nothing else."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_cell, cell, modes, repeats, seconds, grow).result()


def _cell(cell, modes, repeats, seconds, grow):
    torch.set_num_threads(1)
    keep_compiled_in(cache_root() / "inductor")
    if grow:
        return growth(*cell, repeats, seconds), None
    rows = measure(*cell, modes, repeats, seconds)
    agreed = agreement(*cell)
    if agreed > 1e-9:
        raise RuntimeError(f"{cell}: compiled and eager parameters differ by {agreed:.1e}")
    return rows, agreed
