"""Workers killed at random instants: every study must end, and with every cell complete.

``python tests/faults/kills.py 300 fork`` makes 300 such studies with workers that are forked, which
start in milliseconds; ``spawn`` starts them as vral does.
"""

import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import torch
from trials import Trials, assert_same, content

from vral.study import sweep
from vral.study.config import resolve
from vral.study.machine import Execution

LIMIT_SECONDS = 60
"""Within this time a study must end after the kill."""

SETTINGS = {"dataset": "ring", "width": 4, "latent": 2, "batch": 8, "rounds": 30, "probe_every": 10}
METHODS = ("lsgan", "wgan", "standard")
JOBS = 2


def study(folder: str, start: str, output: str) -> None:
    """Train the cells of METHODS in ``folder``, in workers that ``start`` starts."""
    os.setsid()
    for descriptor in (1, 2):
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    torch.set_num_threads(1)
    if start == "fork":
        sweep.mp = SimpleNamespace(get_context=lambda kind: get_context("fork"))
    cells = sweep.plan((resolve(name, SETTINGS) for name in METHODS), Path(folder), lanes=True)
    result = sweep.run_cells(cells, Execution("cpu"), JOBS, lambda cell, rounds: None)
    print(len(result.reports), "of", len(cells), "cells", *result.errors.values())
    sys.exit(len(result.reports) != len(cells))


def workers_of(pid: int, start: str) -> list[int]:
    """The processes in which a study trains its cells."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [
            int(child)
            for child in children
            if start == "fork" or b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return []


def killed_at_random(trials: Trials, kills: int, start: str, seed: int) -> tuple[Counter, float]:
    """Kill a random worker at a random instant in ``kills`` studies, one after the other.

    Returns how much the study had done by then, and the seconds of the slowest study after its
    kill. Raises AssertionError where a study does not end in time, or is not complete.
    """
    chance = random.Random(seed)
    reference = content(_killed(trials, start, None, chance)[0])
    began = time.monotonic()
    _killed(trials, start, None, chance)  # again, now that the first process has imported vral
    undisturbed = time.monotonic() - began
    done, slowest = Counter(), 0.0
    while done.total() < kills:
        kill = chance.uniform(0, undisturbed)
        folder, seconds, phase = _killed(trials, start, kill, chance)
        if phase is None:
            continue  # There was no worker, or no longer.
        assert_same(content(folder), reference, f"killed after {kill:.3f} s")
        done[phase] += 1
        slowest = max(slowest, seconds)
    return done, slowest


def _killed(
    trials: Trials, start: str, kill: float | None, chance: random.Random
) -> tuple[Path, float, str | None]:
    """Run a study and kill a worker after ``kill`` seconds; what the study had done by then."""
    folder = trials.folder()
    output = folder.with_suffix(".txt")
    process = trials.context.Process(target=study, args=(str(folder), start, str(output)))
    process.start()
    pid, began, phase = process.pid or 0, time.monotonic(), None
    process.join(kill)
    workers = workers_of(pid, start)
    if process.is_alive() and workers:
        phase = f"{len(list(folder.rglob('checkpoint.pt')))} of {len(METHODS)} cells under way"
        os.kill(chance.choice(workers), signal.SIGKILL)
    struck = time.monotonic()
    process.join(LIMIT_SECONDS)
    if process.is_alive():
        os.killpg(pid, signal.SIGKILL)
        raise AssertionError(f"hangs after a kill at {struck - began:.3f} s ({phase})")
    assert process.exitcode == 0, f"after {kill} s: {output.read_text()}"
    return folder, time.monotonic() - struck, phase


def main() -> None:
    """Kill as often, and in workers started as, the command line says."""
    kills, start = int(sys.argv[1]), sys.argv[2]
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    with tempfile.TemporaryDirectory() as root:
        os.environ["VRAL_CACHE"] = str(Path(root, "cache"))
        done, slowest = killed_at_random(Trials(Path(root)), kills, start, seed)
    print(f"{done.total()} kills of {start}ed workers, {dict(done)}; slowest end {slowest:.1f} s")


if __name__ == "__main__":
    main()
