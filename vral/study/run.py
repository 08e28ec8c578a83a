"""One run and its folder.

A run folder holds ``run.json`` (configuration, machine, status), ``records/`` and ``probes/``
(parquet parts named by the rounds done when they were complete), ``samples/`` (a grid per probe)
and ``checkpoint.pt``. Every file is written whole or not at all, so a run that was killed at any
moment continues from its last checkpoint. The checkpoint and run.json hold the run's manifest, by
which a part that is missing or was changed is noticed. The checkpoint is written first: the run
continues by its manifest, and readers go by that of run.json.
"""

import os
import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
import torch

from vral.data.datasets import Dataset, cache_root
from vral.errors import ConfigError, FolderError
from vral.files import drop_temporaries
from vral.study.build import GanTraining, Parts, compose, warmed_up
from vral.study.config import RunConfig, differences, with_defaults
from vral.study.folders import ENDED, locked, make_folder, read_run, write_json
from vral.study.machine import Execution, check_memory, compiles, machine
from vral.study.notes import notes
from vral.study.probing import measure, write_probe
from vral.study.provenance import with_this
from vral.train import checkpoint
from vral.train.loop import Hooks, train
from vral.train.records import (
    SAMPLES,
    TABLES,
    Manifest,
    check_sizes,
    drop_after,
    first_divergence,
    read_parts,
    take_stock,
    verify,
    write_part,
)
from vral.train.schedule import Ratio
from vral.train.state import Clock, TrainState

FLUSH_SECONDS = 15
"""Seconds between two flushes of the records, each with a checkpoint: what a kill may lose."""

HERE = Execution()
"""This machine's defaults."""

Report = dict[str, Any]
"""The content of run.json."""

Progress = Callable[[int], None]
"""Called with the number of rounds done."""


def settled_config(config: RunConfig, folder: Path, report: Report | None) -> RunConfig:
    """``config`` as the run in ``folder``, whose run.json holds ``report``, can continue with it.

    A run keeps its configuration; only its rounds may grow. Thinning that was left to the run stays
    as it was first settled. Raises FolderError listing what differs.
    """
    settled = config.model_copy(
        update={"record_every": config.recorded_every, "probe_every": config.probed_every}
    )
    if report is None:
        return settled
    old = with_defaults(report["config"])
    for name in ("record_every", "probe_every"):
        if getattr(config, name) == 0:
            settled = settled.model_copy(update={name: old.get(name)})
    new = settled.model_dump(mode="json")
    changed = differences({**old, "rounds": max(old.get("rounds", 0), config.rounds)}, new)
    if changed:
        raise FolderError(
            f"--out: {folder} holds a run with other settings ({'; '.join(changed)}); "
            "take those, or name another folder"
        )
    return settled


def on_its_device(execution: Execution, folder: Path) -> Execution:
    """``execution`` where the run in ``folder`` continues: on the kind of device it was begun on.

    The states of its random streams are those of one kind of device, on which the same seed gives
    other numbers than on another. Raises ConfigError where another kind was asked for, or where
    there is no such device.
    """
    report = read_run(folder) if (folder / "checkpoint.pt").exists() else None
    name = report.get("machine", {}).get("device") if report else None
    if name is None:
        return execution
    begun = "cpu" if name == "cpu" else "cuda"
    why = f"but the run in {folder} was begun on {begun}, whose random streams it continues"
    if execution.device not in ("auto", begun):
        raise ConfigError(
            f"--device: {execution.device} given, {why}; allowed: auto, {begun}, or another --out"
        )
    if begun == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            f"--device: {execution.device} given, {why}, and torch sees no GPU here; allowed: a "
            "machine with a GPU, or another --out"
        )
    return replace(execution, device=begun)


def execute(
    config: RunConfig,
    folder: Path,
    execution: Execution = HERE,
    progress: Progress = lambda rounds: None,
    stop: Callable[[], bool] = lambda: False,
) -> Report:
    """Train ``config`` in ``folder``, or continue there; returns the content of run.json.

    Its "status" is "finished", "stopped" (``stop`` became true: the run resumes) or "diverged"
    (every seed has diverged; "diverged" lists seeds with the first reading that was not finite).
    "notes" lists seeds that exploded or whose G gets no gradient, as ``notes.notes`` gives them.
    ``progress`` is called with the number of rounds done.

    Raises FolderError where ``folder`` belongs to another run or its files cannot be read,
    ConfigError where the run was begun on another kind of device or does not fit into memory, and
    DataError where the data set is missing.
    """
    report = read_run(folder)
    ended = report is not None and report["status"] in ENDED
    if report is not None and ended and report["rounds_done"] >= config.rounds:
        settled_config(config, folder, report)
        verify(folder, report.get("manifest", {}))
        return report
    check_memory(config, on_its_device(execution, folder).torch_device)
    on_cpu = execution.load(config.dataset)
    make_folder(folder, "run.json")
    with locked(folder):
        torch.set_num_threads(execution.threads)
        report = read_run(folder)  # again, now that no other process can change it
        run = _begun(settled_config(config, folder, report), folder, execution, on_cpu, report)
        return run.train(progress, stop)


def _begun(
    config: RunConfig, folder: Path, execution: Execution, on_cpu: Dataset, report: Report | None
) -> "_Run":
    """The run in ``folder``: at its beginning, or where its checkpoint left it."""
    earlier = report or {"rounds_done": 0, "seconds": 0.0}
    resumed = (folder / "checkpoint.pt").exists()
    execution = on_its_device(execution, folder)
    if earlier["rounds_done"] and not resumed:
        raise FolderError(
            f"--out: {folder} holds {earlier['rounds_done']} rounds but no checkpoint.pt, so it "
            "cannot continue; restore it, move the folder aside, or name another folder"
        )
    device, clock = execution.torch_device, Clock()
    content: dict[str, Any] = {"diverged": [], "manifest": {}}
    if resumed:
        content = checkpoint.load(folder / "checkpoint.pt", config.identity, device)
        clock = Clock(**content["clock"])
    manifest = _verified(folder, clock.round, content["manifest"])
    compiled = compiles(config, execution, earlier.get("mode", {}))
    parts = compose(config, on_cpu, device, cache_root(), compiled)
    if resumed:
        parts.training.stream.restore(content["stream"])
        state = TrainState(content["profile"], content["opt"], content["averages"])
        training = replace(parts.training, initial=state)
    else:
        training = warmed_up(config, parts.training, parts.data)
    report = {
        "config": config.model_dump(mode="json"),
        "status": "running",
        "rounds_done": clock.round,
        "diverged": content["diverged"],
        "quality": parts.quality,
        "machine": machine(execution),
        "provenance": with_this(earlier.get("provenance", None if resumed else [])),
        "mode": {"compiled": training.executor.compiled, "failure": None},
        "seconds": earlier["seconds"],
        "manifest": manifest,
    }
    write_json(folder / "run.json", report)
    _drop_unfinished(folder, clock.round)
    return _Run(config, folder, replace(parts, training=training), clock, report)


def _verified(folder: Path, rounds: int, manifest: Manifest | None) -> Manifest:
    """The ``manifest`` of a checkpoint of so many rounds, or one of the parts that are there.

    Raises FolderError for a part that is missing, or is not what was written.
    """
    if manifest is None:
        return take_stock(folder, rounds)
    verify(folder, manifest)
    return manifest


def _drop_unfinished(folder: Path, rounds: int) -> None:
    """Delete what was written after the checkpoint of ``rounds`` rounds."""
    drop_temporaries(folder)
    for name in (*TABLES, SAMPLES):
        drop_temporaries(folder / name)
        drop_after(folder / name, rounds)


def _lock_of(folder: Path) -> tuple[int, int] | None:
    """What tells the folder's lock from any other file, None where there is none."""
    try:
        status = os.stat(folder / ".lock")
    except OSError:
        return None
    return status.st_dev, status.st_ino


@dataclass
class _Run:
    """A run under way: its parts, its clock and its run.json."""

    config: RunConfig
    folder: Path
    parts: Parts
    clock: Clock
    report: Report
    began: float = field(default_factory=time.monotonic)
    flushed: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.began -= self.report["seconds"]
        self.lock = _lock_of(self.folder)

    @property
    def training(self) -> GanTraining:
        return self.parts.training

    @property
    def diverged(self) -> list[dict[str, Any]]:
        return self.report["diverged"]

    @property
    def manifest(self) -> Manifest:
        return self.report["manifest"]

    @property
    def all_diverged(self) -> bool:
        return len(self.diverged) == len(self.config.seeds)

    def train(self, progress: Progress, stop: Callable[[], bool]) -> Report:
        """Train to the end, or until ``stop``; returns the report."""

        def after_round(state: TrainState, clock: Clock) -> bool:
            stopping = stop()
            final = clock.round == self.config.rounds
            probed = (clock.round - 1) % self.config.probe_every == 0
            late = time.monotonic() - self.flushed > FLUSH_SECONDS
            if final or stopping or probed or late:
                self.flush(state)
            progress(clock.round)
            return stopping or self.all_diverged

        if not self.all_diverged:
            hooks = Hooks(self.write_probe_if_due, after_round)
            train(self.training, self.clock, self.config.rounds, self.parts.recorder, hooks)
        finished = self.clock.round >= self.config.rounds
        status = "finished" if finished else "stopped"
        self.report["status"] = "diverged" if self.all_diverged else status
        self.check_lock()
        if self.report["status"] != "stopped":
            verify(self.folder, self.manifest)
        records = read_parts(self.folder / "records", self.manifest)
        self.report["notes"] = notes(records, {entry["seed"] for entry in self.diverged})
        write_json(self.folder / "run.json", self.report)
        return self.report

    def write_probe_if_due(self, state: TrainState, clock: Clock) -> None:
        """Measure every lane that has not diverged on held-out data."""
        final = clock.round == self.config.rounds - 1
        if clock.round % self.config.probe_every == 0 or final:
            diverged = {entry["seed"] for entry in self.diverged}
            probe = measure(self.config, self.parts, state, clock, diverged)
            self.check_lock()
            self.manifest.update(write_probe(probe, self.folder, clock.round + 1))

    def check_lock(self) -> None:
        """Raise FolderError where the folder is no longer the one that this process has locked."""
        if self.lock is None or _lock_of(self.folder) != self.lock:
            raise FolderError(
                f"--out: {self.folder} was emptied, moved or replaced while its run was under way "
                "(its .lock is not the one this process holds), so nothing more is written there; "
                f"where it still is, --out continues it after round {self.report['rounds_done']}"
            )

    def flush(self, state: TrainState) -> None:
        """Write the readings since the last flush, then the checkpoint that knows of them.

        Raises FolderError where the folder is another, and, when all that is new has been written,
        where an earlier part is missing.
        """
        self.check_lock()
        frame = self.parts.recorder.collect()
        self.note_divergence(frame)
        if frame is not None:
            frame = self.until_divergence(frame)
            self.manifest.update(write_part(frame, self.folder / "records", self.clock.round))
        checkpoint.save(
            self.folder / "checkpoint.pt",
            self.config.identity,
            state,
            self.training.stream,
            self.clock,
            self.diverged,
            self.manifest,
        )
        executor = self.training.executor
        self.report["rounds_done"] = self.clock.round
        self.report["mode"] = {"compiled": executor.compiled, "failure": executor.failure}
        seconds = time.monotonic() - self.began
        self.report["seconds"] = round(max(seconds, 0.0), 2)  # a clock may jump back
        write_json(self.folder / "run.json", self.report)
        check_sizes(self.folder, self.manifest)
        self.flushed = time.monotonic()

    def note_divergence(self, frame: pl.DataFrame | None) -> None:
        """Note each seed's first reading that is not finite.

        Losses are watched at every update, other readings where they are recorded.
        """
        noted = {entry["seed"] for entry in self.diverged}
        for seed in self.config.seeds:
            if seed in noted:
                continue
            first = first_divergence(frame, seed) if frame is not None else None
            loss = self.parts.recorder.first_bad_loss(seed)
            if loss and (first is None or loss[0] < first["d_update"]):
                first = {"d_update": loss[0], "reading": loss[1], "value": "not finite"}
            if first:
                self.diverged.append({"seed": seed, "round": self.round_of(first), **first})

    def round_of(self, divergence: dict[str, Any]) -> int:
        """The round, counted from 0, of a divergence's D update."""
        ratio = Ratio.parse(self.config.ratio)
        rounds = range(self.clock.round)
        return bisect_left(
            rounds, divergence["d_update"], key=lambda number: ratio.totals(number + 1)[0]
        )

    def until_divergence(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The readings of each seed up to its divergence."""
        for entry in self.diverged:
            late = (pl.col("seed") == entry["seed"]) & (pl.col("d_updates") > entry["d_update"])
            frame = frame.filter(~late)
        return frame
