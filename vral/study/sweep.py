"""A study's missing cells, run side by side in processes of one thread each.

Small networks gain nothing from a second thread, and two threads that share a machine with another
busy process slow a step forty-fold. So cells are the unit of parallelism.
"""

import multiprocessing as mp
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from vral.errors import one_line
from vral.signals import Ended, stop_on_signal
from vral.study.build import build
from vral.study.config import RunConfig
from vral.study.folders import folder_name, read_run
from vral.study.machine import Execution, check_memory
from vral.study.processes import end_with_parent, start_without_signals
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
            if move in (("F",), ("R",)):
                once = cell.config.meta_schedule == "once"
                count = cell.config.meta_steps * (cell.config.rounds if once else d)
            part = 1 / every if recorded else 1 - 1 / every
            seconds += share * count * part * cost
    return seconds / jobs


def _move_seconds(config: RunConfig, execution: Execution) -> dict[tuple[Move, bool], float]:
    """Seconds of one update of every move, without and with readings."""
    import torch

    torch.set_num_threads(execution.threads)
    check_memory(config, execution.torch_device)
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


Answer = dict[str, Any] | str | None
"""A cell's report, an error as one line, or None where the study was stopped before the cell."""


def _serve(requests: Connection, rounds: Any, stop: Any) -> None:
    """A worker's life: train the cell of each request (index, cell, execution), and answer it.

    The request None ends it.

    ``rounds`` and ``stop`` are plain shared memory, and ``requests`` is this worker's alone: one
    that is killed, at whatever instant, holds no lock that anybody could wait for.
    """
    end_with_parent()
    while (request := requests.recv()) is not None:
        index, cell, execution = request
        requests.send(_answer(index, cell, execution, rounds, stop))


def _answer(index: int, cell: Cell, execution: Execution, rounds: Any, stop: Any) -> Answer:
    def progress(done: int) -> None:
        rounds[index] = done

    if stop.value:
        return None
    try:
        return execute(cell.config, cell.folder, execution, progress, lambda: bool(stop.value))
    except Exception as error:
        return one_line(error)


ENDING_SECONDS = 10
"""Seconds that a worker without work has to end by itself, which it does at once."""


class _Worker:
    """A process that trains cells, and this process's end of the pipe to it."""

    def __init__(self, rounds: Any, stop: Any):
        context = mp.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, rounds, stop))
        start_without_signals(self.process)
        theirs.close()  # With the process, the pipe's other end is closed then.

    def request(self, index: int, cell: Cell, execution: Execution) -> None:
        """Ask for a cell."""
        with suppress(OSError):  # The process was killed, as ``answer`` will say.
            self.pipe.send((index, cell, execution))

    @property
    def answered(self) -> bool:
        """Whether there is an answer, or will be none."""
        return self.pipe.poll() or not self.process.is_alive()

    def answer(self) -> Answer:
        """The answer. Raises EOFError where the process was killed before it, or within it."""
        try:
            if self.pipe.poll():
                return self.pipe.recv()
        except OSError:
            pass
        raise EOFError

    def end(self, at_once: bool) -> None:
        """End the process; ``at_once`` cuts its work short, which leaves nothing half written."""
        if not at_once:
            with suppress(OSError):
                self.pipe.send(None)
            self.process.join(ENDING_SECONDS)
        self.pipe.close()
        self.process.kill()
        self.process.join()


@dataclass
class SweepResult:
    """What became of a study's cells."""

    reports: dict[Cell, dict[str, Any]] = field(default_factory=dict)
    errors: dict[Cell, str] = field(default_factory=dict)
    ended: Ended | None = None
    """The signal that ended the study."""


ATTEMPTS = 3
"""How often a cell whose process was killed is tried; each continues from its checkpoint."""

LOOK_SECONDS = 0.2
"""Time between two looks at the rounds done."""


def run_cells(
    cells: Sequence[Cell], execution: Execution, jobs: int, report: Report
) -> SweepResult:
    """Run ``cells``, longest first, in ``jobs`` processes; a cell's failure does not stop others.

    A cell whose process was killed continues in another. On a signal of vral.signals.ENDING no
    further cell begins, and the workers finish their round, write a checkpoint and stop; a second
    signal kills them and is raised.
    """
    context = mp.get_context("spawn")
    rounds, stop = context.RawArray("q", len(cells)), context.RawValue("b", 0)
    waiting = deque(sorted(range(len(cells)), key=lambda i: -sum(cells[i].updates)))
    shown, attempts = [0] * len(cells), [0] * len(cells)
    busy: dict[int, _Worker] = {}
    idle: list[_Worker] = []
    sweep, at_once = SweepResult(), True
    with stop_on_signal() as ended:
        try:
            while waiting or busy:
                while waiting and len(busy) < jobs:
                    worker = idle.pop() if idle else _Worker(rounds, stop)
                    index = waiting.popleft()
                    attempts[index] += 1
                    busy[index] = worker
                    worker.request(index, cells[index], execution)
                wait([worker.pipe for worker in busy.values()], LOOK_SECONDS)
                if ended():
                    stop.value = 1
                    waiting.clear()
                for index, done in enumerate(rounds):
                    if done != shown[index]:
                        shown[index] = done
                        report(cells[index], done)
                for index in [index for index, worker in busy.items() if worker.answered]:
                    cell, worker = cells[index], busy.pop(index)
                    try:
                        answer = worker.answer()
                        idle.append(worker)
                    except EOFError:
                        worker.end(at_once=True)
                        if attempts[index] < ATTEMPTS:
                            waiting.append(index)
                            continue
                        answer = f"its process was killed {ATTEMPTS} times"
                    if isinstance(answer, str):
                        sweep.errors[cell] = answer
                    elif answer is not None:
                        sweep.reports[cell] = answer
                        report(cell, answer["rounds_done"])
            at_once = False
        finally:
            stop.value = 1
            for worker in [*busy.values(), *idle]:
                worker.end(at_once)
        sweep.ended = ended()
    return sweep
