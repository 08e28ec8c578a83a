"""What a probe writes: readings on held-out data, sample grids, and three costlier readings.

The costlier ones are taken where ``RunConfig.probe`` asks for them. At the run's end: D along
segments between real and generated samples, and how far D is from its optimum. At every probe: how
far G's signal points at the data.
"""

import io
import itertools
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch
from torch import Tensor

from vral.data.draws import DrawStream
from vral.diagnostics.optimality import optimality_gap
from vral.diagnostics.probe import per_lane
from vral.diagnostics.scores import auc
from vral.study.build import Parts, build
from vral.study.config import RunConfig
from vral.train.records import SAMPLES, Manifest, write_bytes, write_part
from vral.train.state import Clock, TrainState
from vral.train.step import Step
from vral.types import map_tensors

JUDGED = 16
"""Batches on which the optimality probe judges D's loss."""

FIRST_JUDGING_SEED = 10**9
"""First of the seeds of the optimality probe's draws; no run is trained with such a seed."""


class Probe(NamedTuple):
    """What one probe has measured, of the round that is under way like the records."""

    rows: list[dict[str, Any]]
    """The readings of each seed."""
    along: list[dict[str, Any]]
    """D along segments."""
    grids: dict[str, Any]
    """Samples of each seed, as arrays."""


def measure(
    config: RunConfig, parts: Parts, state: TrainState, clock: Clock, diverged: Collection[int]
) -> Probe:
    """Measure the lanes of all seeds that have not ``diverged``."""
    final = clock.round == config.rounds - 1
    rows, along, grids = [], [], {}
    lanes = {"profile": state.profile, "averages": state.averages}
    measured = per_lane(
        lanes,
        len(config.seeds),
        lambda lane: parts.probe(lane["profile"], lane["averages"].get("G")),
    )
    for lane, (seed, reading) in enumerate(zip(config.seeds, measured, strict=True)):
        if reading is None or seed in diverged:
            continue
        row, grid = reading
        profile = map_tensors(lambda t, i=lane: t[i], state.profile)
        if config.probe == "optimality" and final:
            row |= optimality(config, parts, state, lane, clock.round)
        if config.probe == "usefulness":
            row |= parts.probe.usefulness(profile)
        clocks = {**vars(clock), "images": clock.d_updates * config.batch}
        rows.append({"seed": seed, **clocks, **row})
        if config.probe == "interpolation" and final:
            along += [{"seed": seed, **clocks, **place} for place in parts.probe.segments(profile)]
        grids[f"seed{seed}"] = compact(grid, parts.data.output)
    return Probe(rows, along, grids)


def write_probe(probe: Probe, folder: Path, rounds: int) -> Manifest:
    """Write ``probe`` as parts of so many rounds; returns what the run's manifest gains."""
    if not probe.rows:
        return {}
    written = write_part(pl.DataFrame(probe.rows), folder / "probes", rounds)
    if probe.along:
        written |= write_part(pl.DataFrame(probe.along), folder / "interpolation", rounds)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **probe.grids)
    return written | write_bytes(folder / SAMPLES / f"round-{rounds:08d}.npz", buffer.getvalue())


def optimality(
    config: RunConfig, parts: Parts, state: TrainState, lane: int, number: int
) -> dict[str, float]:
    """D's optimality gap in one lane, by the moves of round ``number``, on draws of its own.

    D's loss is judged on JUDGED fixed batches of training samples, its AUC on as many held-out
    samples and latents.
    """
    seed, data = config.seeds[lane], parts.data
    settings: dict[str, Any] = {"seeds": (seed,), "play": "D-first"}
    if parts.training.rule.sees_everyone:  # D's own loss, and nothing added to it
        settings["rule"] = config.transform
    alone = build(config.model_copy(update=settings), data)
    needs = {move: inputs for move, inputs in alone.stream.needs.items() if move != ("G",)}
    seeds = (FIRST_JUDGING_SEED,)
    fixed = DrawStream(data.train, {("D",): needs["D",]}, config.batch, seeds)
    batches = [map_tensors(lambda t: t[0], draw) for _, draw in fixed.round([("D",)] * JUDGED)]
    held_out = {
        "real": data.held_out[: JUDGED * config.batch],
        "latent": torch.cat([batch["latent"] for batch in batches]),
    }
    clean = alone.gan.without_noise()

    def judge(state: TrainState) -> dict[str, float]:
        profile = map_tensors(lambda t: t[0], state.profile)
        losses = [alone.gan.losses["D"](profile, batch)[0].item() for batch in batches]
        score_real = clean.score_real(profile, held_out).cpu().numpy()
        score_fake = clean.score_fake(profile, held_out).cpu().numpy()
        return {"loss": float(np.mean(losses)), "auc": auc(score_real, score_fake)}

    def moves_without_generator() -> Iterator[tuple[Step, dict[str, Tensor]]]:
        stream = DrawStream(data.train, needs, config.batch, (FIRST_JUDGING_SEED + 1 + seed,))
        side = [move for move in alone.moves(number) if move != ("G",)]
        for _ in itertools.count():
            for move, draw in stream.round(side):
                yield alone.steps[move, False], draw

    here = TrainState(
        *(map_tensors(lambda t: t[lane : lane + 1] if t.ndim else t, part) for part in state)
    )
    return optimality_gap(here, moves_without_generator(), judge)


def compact(samples: np.ndarray, output: str) -> np.ndarray:
    """Images as bytes, points as they are."""
    if output == "real":
        return samples
    unit = samples if output == "unit" else (samples + 1) / 2
    return np.clip(unit * 255 + 0.5, 0, 255).astype(np.uint8)
