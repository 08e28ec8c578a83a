"""Trials in which runs and studies meet faults: what they are, and what must be true afterwards.

Afterwards always means: the same command again, without the fault, ends with the numbers of the run
that nothing disturbed, bit for bit.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from multiprocessing import forkserver, get_context
from pathlib import Path
from typing import Any, NamedTuple

import forked
import numpy as np
import polars as pl
import torch
from forked import Event, Fault

PATIENCE = 120
"""Seconds after which a command that has not ended counts as one that hangs."""

SIZE = ["--dataset", "ring", "--width", "4", "--latent", "2", "--batch", "8", "--compile", "off"]
EVERY = ["--probe-every", "2", "--record-every", "1"]
RUN = ["train", "lsgan", "--rounds", "3", *SIZE, *EVERY, "--out"]
STUDY = ["reproduce", "ratios", "--methods", "lsgan,wgan", "--ratios", "1", "--seeds", "1"]
STUDY += ["--jobs", "2", "--rounds", "2", *SIZE, *EVERY, "--out"]


class Row(NamedTuple):
    """A row of the table in runs/README.md."""

    fault: str
    cases: int
    outcomes: str


class Result(NamedTuple):
    """What became of a command."""

    code: int
    """Its exit code; -n where the signal n killed it."""
    output: str


class Tally:
    """What happened in the cases of one fault, and which of them went wrong."""

    def __init__(self, fault: str):
        self.fault, self.outcomes = fault, Counter[str]()
        self.failures: list[str] = []

    def check(self, case: str, outcome: Callable[[], str]) -> None:
        """Count what ``outcome`` says, or its AssertionError."""
        try:
            self.outcomes[outcome()] += 1
        except AssertionError as error:
            self.outcomes["FAILED"] += 1
            self.failures.append(f"{self.fault}, {case}: {error}")

    def row(self) -> Row:
        """The row; raises AssertionError with all that went wrong."""
        assert not self.failures, "\n\n".join(self.failures)
        return self.as_row()

    def as_row(self) -> Row:
        """The row, whatever went wrong."""
        told = ", ".join(f"{number} {text}" for text, number in self.outcomes.most_common())
        return Row(self.fault, self.outcomes.total(), told)


class Trials:
    """Runs commands of vral in folders under ``root``; ``full``: every case, not one of a kind."""

    def __init__(self, root: Path, full: bool = False):
        self.root, self.full = root, full
        self.context = get_context("forkserver")
        self.context.set_forkserver_preload(["forked"])
        self.numbers = count()
        self.kept: dict[str, Any] = {}
        path = [str(Path(forked.__file__).parent), *sys.path]
        changed = {"OMP_NUM_THREADS": "1", "COLUMNS": "200", "PYTHONPATH": os.pathsep.join(path)}
        before = {name: os.environ.get(name) for name in changed}
        os.environ.update(changed)
        forkserver.ensure_running()  # It keeps the environment of this moment.
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})

    def folder(self) -> Path:
        """A new empty folder."""
        path = self.root / f"{next(self.numbers):05d}"
        path.mkdir(parents=True)
        return path

    def start(
        self, arguments: Sequence[str], where: Path, fault: Fault | None = None, log: str = ""
    ) -> Callable[[], Result]:
        """Start a command in the folder ``where``; the function returned waits for its end."""
        output = self.root / f"{next(self.numbers):05d}.txt"
        output.touch()
        process = self.context.Process(
            target=forked.run, args=(list(arguments), os.fsencode(where), str(output), fault, log)
        )
        process.start()

        def end() -> Result:
            process.join(PATIENCE)
            hangs = process.is_alive()
            if hangs and process.pid:
                os.killpg(process.pid, signal.SIGKILL)
                process.join()
            text = output.read_text(errors="replace")
            output.unlink()
            assert not hangs, f"hangs: {text[-2000:]}"
            assert "Traceback" not in text, text[-4000:]
            return Result(process.exitcode or 0, text)

        end.pid = process.pid  # type: ignore[attr-defined]
        return end

    def call(
        self, arguments: Sequence[str], where: Path, fault: Fault | None = None, log: str = ""
    ) -> Result:
        """Run a command in the folder ``where`` to its end."""
        return self.start(arguments, where, fault, log)()

    def undisturbed(self, command: Sequence[str]) -> "Reference":
        """The folder ``out`` that ``command`` leaves when nothing happens, and its events."""
        key = " ".join(command)
        if key not in self.kept:
            where = self.folder()
            log = self.root / f"{next(self.numbers):05d}.log"
            result = self.call([*command, "out"], where, None, str(log))
            assert result.code == 0, result.output
            lines = [line.split("\t") for line in os.fsdecode(log.read_bytes()).splitlines()]
            events: dict[str, list[Event]] = {}
            for pid, *rest in lines:
                events.setdefault(pid, []).append(Event(*rest))
            self.kept[key] = Reference(where, result.output, list(events.values()))
        return self.kept[key]

    def continues(self, command: Sequence[str], where: Path) -> str:
        """Assert that ``command`` again gives what it gives undisturbed, and leaves no more."""
        result = self.call([*command, "out"], where)
        assert result.code == 0, result.output
        reference = self.undisturbed(command).where / "out"
        assert_same(content(where / "out"), content(reference), "")
        stray = [path for path in (where / "out").rglob(".*") if path.name != ".lock"]
        assert not stray, f"left behind: {stray}"
        return "continued bit for bit"


class Reference(NamedTuple):
    """A command that nothing disturbed."""

    where: Path
    output: str
    processes: list[list[Event]]
    """The events of every process of it."""

    def events(self, process: str, full: bool) -> Iterator[tuple[int, Event]]:
        """The numbered events of its parent or of the busiest worker; or one of each kind."""
        those = max((e for e in self.processes if e[0].process == process), key=len, default=[])
        seen = set()
        for number, event in enumerate(those, 1):
            if full or event.kind not in seen:
                seen.add(event.kind)
                yield number, event


def content(folder: Path) -> dict[str, Any]:
    """All that a run's folder, or a study's, says that should never change."""
    found: dict[str, Any] = {}
    for run in sorted(folder.rglob("run.json")):
        report = json.loads(run.read_text())
        told = {
            k: report.get(k) for k in ("config", "status", "rounds_done", "diverged", "quality")
        }
        here = run.parent
        saved = torch.load(here / "checkpoint.pt", weights_only=True)
        saved.pop("manifest", None)  # which lists the parts, of which a stop makes more
        found[str(here.relative_to(folder))] = {
            "run.json": told,
            "records": table(here / "records", "d_updates"),
            "probes": table(here / "probes", "round"),
            "samples": {p.name: dict(np.load(p)) for p in sorted((here / "samples").iterdir())},
            "checkpoint": saved,
        }
    for table_of_all in folder.glob("*.csv"):
        found[table_of_all.name] = table_of_all.read_text()
    return found


def table(folder: Path, order: str) -> pl.DataFrame:
    """All parts of a table, whichever rounds each holds."""
    parts = [pl.read_parquet(part.read_bytes()) for part in sorted(folder.glob("*.parquet"))]
    return pl.concat(parts, how="diagonal_relaxed").sort("seed", order)


def assert_same(mine: Any, other: Any, where: str) -> None:
    """Bit for bit."""
    if isinstance(other, dict):
        assert mine.keys() == other.keys(), f"{where}: {set(mine) ^ set(other)}"
        for name in other:
            assert_same(mine[name], other[name], f"{where}/{name}")
        return
    if isinstance(other, pl.DataFrame):
        same = mine.schema == other.schema and mine.equals(other)
    elif isinstance(other, torch.Tensor):
        same = torch.equal(mine, other)
    elif isinstance(other, np.ndarray):
        same = np.array_equal(mine, other)
    else:
        same = mine == other
    assert same, f"{where} differs: {mine!r} instead of {other!r}"


def state(folder: Path) -> str:
    """A digest of all files under a folder, without what differs between two equal runs."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = re.sub(r"\d+\.tmp$", "tmp", str(path.relative_to(folder)))
        data = path.read_bytes() if path.is_file() else b""
        if path.suffix == ".json" or path.name.startswith(".run.json"):
            data = re.sub(rb'"seconds": [0-9.]+', b"", data)
        digest.update(f"{name}\0{len(data)}\0".encode("utf-8", "surrogateescape") + data)
    return digest.hexdigest()


def precious(folder: Path) -> dict[str, bytes]:
    """Every file under a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def copy(source: Path, target: Path) -> Path:
    """A copy of a folder, links as links."""
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    return target


def one_line(result: Result) -> str:
    """The one line by which a command refuses; AssertionError where it says anything else."""
    assert result.code == 2, f"exit code {result.code}: {result.output}"
    lines = result.output.strip().splitlines()
    assert len(lines) == 1, result.output
    assert lines[0].startswith("Error: "), lines[0]
    return lines[0]


def wait_until(condition: Callable[[], Any]) -> Any:
    """What ``condition`` gives once it is true."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, "still not true"
        time.sleep(0.01)
    return found
