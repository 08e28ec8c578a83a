"""A study's missing cells, run side by side in processes of one thread each.

Small networks gain nothing from a second thread, and two threads that share a machine with another
busy process slow a step forty-fold. So cells are the unit of parallelism.
"""

import multiprocessing as mp
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vral.errors import UserError
from vral.study.build import build
from vral.study.config import RunConfig
from vral.study.folders import folder_name, read_run
from vral.study.machine import Execution
from vral.study.processes import end_with_parent
from vral.study.run import execute, settled_config
from vral.train.schedule import Ratio
from vral.types import Move

TRIAL_SECONDS = 0.5
"""Seconds spent on timing each kind of cell for an estimate."""


@dataclass(frozen=True)
class Cell:
    """One run of a study and its folder."""

    config: RunConfig
    folder: Path

    @property
    def rounds_done(self) -> int:
        """Rounds that the folder's run has done."""
        run = read_run(self.folder)
        return run["rounds_done"] if run else 0

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do: all rounds are done, or every seed has diverged."""
        run = read_run(self.folder)
        if run is None:
            return False
        return run["status"] == "diverged" or (
            run["status"] == "finished" and run["rounds_done"] >= self.config.rounds
        )

    @property
    def turns(self) -> tuple[int, int]:
        """How often (D, G) take a turn in each lane over all rounds."""
        return Ratio.parse(self.config.ratio).totals(self.config.rounds)

    @property
    def updates(self) -> tuple[int, int]:
        """(D updates, G updates) of each lane over all rounds; a G that stays makes none."""
        d, g = self.turns
        return d, 0 if self.config.generator == "held" else g


def plan(configs: Iterable[RunConfig], root: Path, lanes: bool) -> list[Cell]:
    """The cells of ``configs`` (each with all its seeds) under ``root``.

    Seeds that an earlier run of the same cell holds stay with that run. The others share one run as
    its lanes if ``lanes``, and get a run each if not. Raises FolderError where a folder holds a run
    with other settings.
    """
    cells = []
    for config in configs:
        wanted = list(config.seeds)
        groups: list[tuple[int, ...]] = []
        for path in sorted((root / folder_name(config)).parent.glob("seeds=*")):
            run = read_run(path)
            present = tuple(run["config"]["seeds"]) if run else ()
            if set(present) & set(wanted):
                groups.append(present)
                wanted = [seed for seed in wanted if seed not in present]
        groups += ([tuple(wanted)] if wanted else []) if lanes else [(seed,) for seed in wanted]
        for seeds in groups:
            cell_config = config.model_copy(update={"seeds": seeds})
            folder = root / folder_name(cell_config)
            settled_config(cell_config, folder, read_run(folder))
            cells.append(Cell(cell_config, folder))
    return cells


def estimate(cells: Sequence[Cell], execution: Execution, jobs: int) -> float:
    """Seconds that the unfinished cells will take, from timing a few updates of each kind."""
    seconds = 0.0
    rates: dict[RunConfig, dict[tuple[Move, bool], float]] = {}
    for cell in cells:
        if cell.finished:
            continue
        kind = cell.config.model_copy(
            update={"ratio": "1", "rounds": 1, "seeds": tuple(range(len(cell.config.seeds)))}
        )
        if kind not in rates:
            rates[kind] = _move_seconds(kind, execution)
        share = 1 - cell.rounds_done / cell.config.rounds
        every = cell.config.recorded_every
        d, g = cell.turns
        for (move, recorded), cost in rates[kind].items():
            count = g if move == ("G",) else d
            if move in (("F",), ("R",)) and cell.config.meta_schedule == "once":
                count = cell.config.rounds
            part = 1 / every if recorded else 1 - 1 / every
            seconds += share * count * part * cost
    return seconds / jobs


def _move_seconds(config: RunConfig, execution: Execution) -> dict[tuple[Move, bool], float]:
    """Seconds of one update of every move, without and with readings."""
    import torch

    torch.set_num_threads(execution.threads)
    training = build(config, execution.load(config.dataset).to(execution.torch_device))
    state, costs = training.initial, {}
    for (move, recorded), step in training.steps.items():
        _, draw = next(training.stream.round([move]))
        step(state, draw)
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < TRIAL_SECONDS / len(training.steps):
            step(state, draw)
            count += 1
        if execution.torch_device.type == "cuda":
            torch.cuda.synchronize()
        costs[move, recorded] = (time.perf_counter() - began) / count
    return costs


Report = Callable[[Cell, int], None]
"""Called with a cell and its rounds done."""

_rounds: Any = None
_stop: Any = None


def _start_worker(rounds: Any, stop: Any) -> None:
    """Take the memory shared with the parent; end at once should the parent be killed.

    ``rounds`` and ``stop`` are plain shared memory: a worker that is killed holds no lock which
    another worker, or the parent, could wait for.
    """
    global _rounds, _stop
    _rounds, _stop = rounds, stop
    end_with_parent()


def _work(index: int, cell: Cell, execution: Execution) -> dict[str, Any] | None:
    """Train a cell; returns its report, or None where the study was stopped before it began."""
    if _stop.value:
        return None

    def progress(rounds: int) -> None:
        _rounds[index] = rounds

    return execute(cell.config, cell.folder, execution, progress, lambda: bool(_stop.value))


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether Ctrl-C was pressed; a second press raises an exception."""
    asked = False

    def ask(*_: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _children_without_interrupts() -> Iterator[None]:
    """Block Ctrl-C for processes started in this block, from their first moment on.

    A blocked signal stays blocked in them. This process receives it when the block ends, or at once
    through another of its threads.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass
class SweepResult:
    """What became of a study's cells."""

    reports: dict[Cell, dict[str, Any]]
    errors: dict[Cell, str]
    interrupted: bool = False


ATTEMPTS = 3
"""How often a cell whose process was killed is tried; each continues from its checkpoint."""


def run_cells(
    cells: Sequence[Cell], execution: Execution, jobs: int, report: Report
) -> SweepResult:
    """Run ``cells``, longest first, in ``jobs`` processes; a cell's failure does not stop others.

    A killed process takes its pool with it; what was under way continues in a new one. On Ctrl-C
    no further cell begins, and the workers finish their round, write a checkpoint and stop.
    """
    sweep = SweepResult({}, {})
    pending = sorted(cells, key=lambda cell: -sum(cell.updates))
    with stop_on_interrupt() as interrupted:
        for attempt in range(1, ATTEMPTS + 1):
            pending = _run_pool(pending, execution, jobs, report, sweep, interrupted)
            sweep.interrupted = interrupted()
            if sweep.interrupted or not pending:
                break
            if attempt == ATTEMPTS:
                for cell in pending:
                    sweep.errors[cell] = f"its process was killed {ATTEMPTS} times"
    return sweep


def _run_pool(
    cells: Sequence[Cell],
    execution: Execution,
    jobs: int,
    report: Report,
    sweep: SweepResult,
    interrupted: Callable[[], bool],
) -> list[Cell]:
    """Fill ``sweep``; returns the cells that a killed process left undone."""
    context = mp.get_context("spawn")
    # These come first: they start multiprocessing's own process, which unblocks Ctrl-C.
    rounds, stop = context.RawArray("q", len(cells)), context.RawValue("b", 0)
    shown = [0] * len(cells)
    undone: list[Cell] = []
    pool = ProcessPoolExecutor(jobs, context, _start_worker, (rounds, stop))
    futures: dict[Future, Cell] = {}
    try:
        with _children_without_interrupts():
            for i, cell in enumerate(cells):
                try:
                    futures[pool.submit(_work, i, cell, execution)] = cell
                except BrokenProcessPool:
                    undone.append(cell)
        waiting = set(futures)
        while waiting:
            if interrupted() and not stop.value:
                stop.value = 1
                for future in waiting:
                    future.cancel()
                waiting = {future for future in waiting if not future.cancelled()}
            done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
            for i, done_rounds in enumerate(rounds):
                if done_rounds != shown[i]:
                    shown[i] = done_rounds
                    report(cells[i], done_rounds)
            for future in done:
                cell = futures[future]
                try:
                    result = future.result()
                    if result is not None:
                        sweep.reports[cell] = result
                        report(cell, result["rounds_done"])
                except BrokenProcessPool:
                    undone.append(cell)
                except UserError as error:
                    sweep.errors[cell] = str(error)
                except Exception as error:
                    sweep.errors[cell] = f"{type(error).__name__}: {error}"
    finally:
        stop.value = 1
        pool.shutdown(wait=True, cancel_futures=True)
    return undone
