"""One run and its folder.

A run folder holds ``run.json`` (configuration, machine, status), ``records/`` and ``probes/``
(parquet parts named by the rounds done when they were complete), ``samples/`` (a grid per probe)
and ``checkpoint.pt``. Every file is written whole or not at all, so a run that was killed at any
moment continues from its last checkpoint.
"""

import itertools
import time
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from vral.data.datasets import Dataset, cache_root
from vral.data.draws import DrawStream
from vral.diagnostics.optimality import optimality_gap
from vral.diagnostics.probe import Probe, per_lane
from vral.diagnostics.quality import quality_measure
from vral.diagnostics.scores import auc
from vral.errors import FolderError
from vral.files import replace_file
from vral.study.build import build
from vral.study.config import RunConfig, differences, resolve, with_defaults
from vral.study.folders import locked, make_folder, read_run, write_json
from vral.study.machine import Execution, compiling_pays, machine
from vral.train import checkpoint
from vral.train.loop import train
from vral.train.program import keep_compiled_in
from vral.train.records import Recorder, drop_after, first_divergence, read_parts, write_part
from vral.train.schedule import Ratio
from vral.train.state import Clock, TrainState
from vral.types import Params, map_tensors

JUDGED = 16
"""Batches on which the optimality probe judges D's loss."""
OWN_SEEDS = 10**9
"""First of the seeds that only the optimality probe draws from."""

TABLES = ("records", "probes", "interpolation")
"""Folders of parquet parts."""


FLUSH_SECONDS = 15
"""Between two flushes of the records, each with a checkpoint; less is lost to a kill."""


def settled_config(folder: Path, config: RunConfig) -> RunConfig:
    """``config`` as the folder's run can continue with it.

    A run keeps its configuration; only its rounds may grow. Raises FolderError listing what
    differs. Thinning that was left to the run stays as it was first settled.
    """
    settled = config.model_copy(
        update={"record_every": config.recorded_every, "probe_every": config.probed_every}
    )
    if not (folder / "run.json").exists():
        return settled
    old = with_defaults(read_run(folder)["config"])
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


HERE = Execution()
"""This machine's defaults."""

Progress = Callable[[int], None]
"""Called with the number of rounds done."""


def execute(
    config: RunConfig,
    folder: Path,
    execution: Execution = HERE,
    progress: Progress = lambda rounds: None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Train ``config`` in ``folder``, or continue there; returns the content of run.json.

    Its "status" is "finished", "stopped" (``stop`` became true: the run resumes) or "diverged"
    (every seed has diverged; "diverged" lists seeds with the first reading that was not finite).
    Raises FolderError where ``folder`` belongs to another run or its files cannot be read, and
    DataError where the data set is missing.
    """
    report = read_run(folder)
    ended = report is not None and report["status"] in ("finished", "diverged")
    if ended and report["rounds_done"] >= config.rounds:
        settled_config(folder, config)
        return report
    on_cpu = execution.load(config.dataset)
    make_folder(folder, "run.json")
    with locked(folder):
        torch.set_num_threads(execution.threads)
        run = _Run(settled_config(folder, config), folder, execution, on_cpu)
        return run.train(progress, stop)


class _Run:
    """A run under way: its objects, its clock and what it has written so far."""

    def __init__(self, config: RunConfig, folder: Path, execution: Execution, on_cpu: Dataset):
        self.config, self.folder = config, folder
        device = execution.torch_device
        self.data = on_cpu.to(device)
        old = read_run(folder) or {"rounds_done": 0, "seconds": 0.0}
        compiled = {"on": True, "off": False, "auto": compiling_pays(config, execution)}
        mode = old.get("mode", {}) if execution.compile == "auto" else {}
        self.training = build(config, self.data, mode.get("compiled", compiled[execution.compile]))
        keep_compiled_in(cache_root() / "inductor")
        quality, known = quality_measure(on_cpu, cache_root())
        self.probe = Probe(
            self.training.gan, self.data, quality, config.mean_real, config.mean_fake
        )
        self.recorder = Recorder(config.seeds, config.record_every, config.batch)
        self.state, self.clock = self.training.initial, Clock()
        self.diverged: list[dict[str, Any]] = []
        resumed = (folder / "checkpoint.pt").exists()
        if old["rounds_done"] and not resumed:
            raise FolderError(
                f"--out: {folder} holds {old['rounds_done']} rounds but no checkpoint.pt, so it "
                "cannot continue; restore it, or delete the folder to start again"
            )
        if config.warmup and not resumed:
            self.state.profile["G"] = warmed_up(config, self.data)
        if resumed:
            content = checkpoint.load(folder / "checkpoint.pt", config.identity, device)
            self.state = TrainState(content["profile"], content["opt"])
            self.training.stream.restore(content["stream"])
            self.clock, self.diverged = Clock(**content["clock"]), content["diverged"]
        for pattern in (".run.json.*.tmp", ".checkpoint.pt.*.tmp", "*/.round-*.tmp"):
            for leftover in folder.glob(pattern):
                leftover.unlink(missing_ok=True)
        for name in (*TABLES, "samples"):
            drop_after(folder / name, self.clock.round)
        for name in TABLES:
            read_parts(folder / name)
        spent = old["seconds"]
        self.began = time.monotonic() - spent
        self.report = {
            "config": config.model_dump(mode="json"),
            "status": "running",
            "rounds_done": self.clock.round,
            "diverged": self.diverged,
            "quality": known,
            "machine": machine(execution),
            "mode": {"compiled": self.training.play.compiled, "failure": None},
            "seconds": spent,
        }
        write_json(folder / "run.json", self.report)

    @property
    def all_diverged(self) -> bool:
        return len(self.diverged) == len(self.config.seeds)

    def train(self, progress: Progress, stop: Callable[[], bool]) -> dict[str, Any]:
        """Train to the end, or until ``stop``; returns the report."""
        last_flush = time.monotonic()

        def after_round(state: TrainState, clock: Clock) -> bool:
            nonlocal last_flush
            stopping = stop()
            final = clock.round == self.config.rounds
            probed = (clock.round - 1) % self.config.probe_every == 0
            if final or stopping or probed or time.monotonic() - last_flush > FLUSH_SECONDS:
                self.flush(state)
                last_flush = time.monotonic()
            progress(clock.round)
            return stopping or self.all_diverged

        if not self.all_diverged:
            train(
                self.state,
                self.clock,
                self.config.rounds,
                self.training.play,
                self.training.moves,
                self.training.stream,
                self.recorder,
                self.write_probe_if_due,
                after_round,
            )
        finished = self.clock.round >= self.config.rounds
        status = "finished" if finished else "stopped"
        self.report["status"] = "diverged" if self.all_diverged else status
        write_json(self.folder / "run.json", self.report)
        return self.report

    def flush(self, state: TrainState) -> None:
        """Write the readings since the last flush, then the checkpoint that knows of them."""
        frame = self.recorder.collect()
        self.note_divergence(frame)
        if frame is not None:
            write_part(self.until_divergence(frame), self.folder / "records", self.clock.round)
        checkpoint.save(
            self.folder / "checkpoint.pt",
            self.config.identity,
            state,
            self.training.stream,
            self.clock,
            self.diverged,
        )
        self.report["rounds_done"] = self.clock.round
        play = self.training.play
        self.report["mode"] = {"compiled": play.compiled, "failure": play.failure}
        self.report["seconds"] = round(time.monotonic() - self.began, 2)
        write_json(self.folder / "run.json", self.report)

    def note_divergence(self, frame: pl.DataFrame | None) -> None:
        """Note each seed's first reading that is not finite.

        Losses are watched at every update, other readings where they are recorded.
        """
        gone = [entry["seed"] for entry in self.diverged]
        for seed in self.config.seeds:
            if seed in gone:
                continue
            found = first_divergence(frame, seed) if frame is not None else None
            noted = self.recorder.first_bad_loss(seed)
            if noted and (found is None or noted[0] < found["d_update"]):
                found = {"d_update": noted[0], "reading": noted[1], "value": "not finite"}
            if found:
                ratio = Ratio.parse(self.config.ratio)
                round = bisect_left(
                    range(self.clock.round),
                    found["d_update"],
                    key=lambda round: ratio.totals(round + 1)[0],
                )
                self.diverged.append({"seed": seed, "round": round, **found})

    def until_divergence(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The readings of each seed up to its divergence."""
        for entry in self.diverged:
            late = (pl.col("seed") == entry["seed"]) & (pl.col("d_updates") > entry["d_update"])
            frame = frame.filter(~late)
        return frame

    def write_probe_if_due(self, state: TrainState, clock: Clock) -> None:
        """Measure every lane on held-out data; what has diverged is left out.

        Like the records, what is written belongs to the round that is under way.
        """
        final = clock.round == self.config.rounds - 1
        if clock.round % self.config.probe_every and not final:
            return
        gone = {entry["seed"] for entry in self.diverged}
        rows, along, grids = [], [], {}
        measured = per_lane(state.profile, len(self.config.seeds), self.probe)
        for lane, (seed, found) in enumerate(zip(self.config.seeds, measured, strict=True)):
            if found is None or seed in gone:
                continue
            row, grid = found
            if self.config.probe == "optimality" and final:
                row |= self.optimality(state, lane)
            clocks = {**vars(clock), "images": clock.d_updates * self.config.batch}
            rows.append({"seed": seed, **clocks, **row})
            if self.config.probe == "interpolation" and final:
                profile = map_tensors(lambda t, i=lane: t[i], state.profile)
                found_along = self.probe.segments(profile)
                along += [{"seed": seed, **clocks, **place} for place in found_along]
            grids[f"seed{seed}"] = compact(grid, self.data.output)
        if not rows:
            return
        write_part(pl.DataFrame(rows), self.folder / "probes", clock.round + 1)
        if along:
            write_part(pl.DataFrame(along), self.folder / "interpolation", clock.round + 1)
        path = self.folder / "samples" / f"round-{clock.round + 1:08d}.npz"
        path.parent.mkdir(exist_ok=True)
        with replace_file(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, **grids)

    def optimality(self, state: TrainState, lane: int) -> dict[str, float]:
        """D's optimality gap in one lane, on draws of their own.

        D's loss is judged on JUDGED fixed batches of training samples, its AUC on as many held-out
        samples and latents.
        """
        seed, data = self.config.seeds[lane], self.data
        alone: dict[str, Any] = {"seeds": (seed,), "play": "D-first"}
        if self.training.rule.sees_everyone:  # D's own loss, nothing beside it.
            alone["rule"] = self.config.transform
        own = build(self.config.model_copy(update=alone), data)
        needs = {move: inputs for move, inputs in own.stream.needs.items() if move != ("G",)}
        fixed = DrawStream(data.train, {("D",): needs["D",]}, self.config.batch, (OWN_SEEDS,))
        batches = [map_tensors(lambda t: t[0], draw) for _, draw in fixed.round([("D",)] * JUDGED)]
        held_out = {
            "real": data.held_out[: JUDGED * self.config.batch],
            "latent": torch.cat([batch["latent"] for batch in batches]),
        }
        clean = own.gan.without_noise()

        def judge(state: TrainState) -> dict[str, float]:
            profile = map_tensors(lambda t: t[0], state.profile)
            losses = [own.gan.losses["D"](profile, batch)[0].item() for batch in batches]
            score_real = clean.score_real(profile, held_out).cpu().numpy()
            score_fake = clean.score_fake(profile, held_out).cpu().numpy()
            return {"loss": float(np.mean(losses)), "auc": auc(score_real, score_fake)}

        def moves_without_generator():
            stream = DrawStream(data.train, needs, self.config.batch, (OWN_SEEDS + 1 + seed,))
            side = [move for move in own.moves(self.clock.round) if move != ("G",)]
            for _ in itertools.count():
                for move, draw in stream.round(side):
                    yield own.steps[move, False], draw

        here = TrainState(
            *(map_tensors(lambda t: t[lane : lane + 1] if t.ndim else t, part) for part in state)
        )
        return optimality_gap(here, moves_without_generator(), judge)


def warmed_up(config: RunConfig, data: Dataset) -> Params:
    """G's parameters after ``config.warmup`` rounds of LSGAN at 1:1, with a D that is then gone.

    The original's fixed-generator experiment starts from such a G.
    """
    kept = ("dataset", "seeds", "batch", "network", "width", "latent", "norm_d", "norm_g", "lr")
    settings = {name: getattr(config, name) for name in kept}
    training = build(resolve("lsgan", {**settings, "rounds": config.warmup}), data)
    unread = Recorder(config.seeds, config.warmup + 1, config.batch)
    state = train(
        training.initial,
        Clock(),
        config.warmup,
        training.play,
        training.moves,
        training.stream,
        unread,
        lambda state, clock: None,
        lambda state, clock: False,
    )
    return state.profile["G"]


def compact(samples: np.ndarray, output: str) -> np.ndarray:
    """Images as bytes, points as they are."""
    if output == "real":
        return samples
    unit = samples if output == "unit" else (samples + 1) / 2
    return np.uint8(np.clip(unit * 255 + 0.5, 0, 255))
