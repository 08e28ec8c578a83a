"""The composition root: a RunConfig becomes objects, and the objects one run folder.

A run folder holds ``run.json`` (configuration, machine, status), ``records/`` and ``probes/``
(parquet parts named by the round they end at), ``samples/`` (a grid per probe) and
``checkpoint.pt``. Every file is written whole or not at all, so a run that was killed at any moment
continues from its last checkpoint.
"""

import fcntl
import itertools
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from vral.config import RunConfig, differences
from vral.data.datasets import Dataset, cache_root, data_root, load_dataset
from vral.data.draws import DrawStream, Noise, generator
from vral.diagnostics.gradients import gan_readings
from vral.diagnostics.optimality import optimality_gap
from vral.diagnostics.probe import Probe, per_lane
from vral.diagnostics.quality import quality_measure
from vral.diagnostics.scores import auc
from vral.errors import FolderError
from vral.files import replace_file
from vral.games.gan import (
    DiscriminatorLoss,
    Gan,
    mean_matching_loss,
    no_loss,
    objective_loss,
    parzen_loss,
    target_loss,
)
from vral.games.meta import MetaDiscriminator, MetaGan, MetaPair, meta_round
from vral.nets import NETWORKS, OUTPUTS, initial_parameters
from vral.nets.network import weight_names
from vral.objectives import OBJECTIVES
from vral.optim import RULES, Rule, first_order
from vral.penalties import PENALTIES, clip_weights, moments
from vral.train import checkpoint
from vral.train.loop import Steps, train
from vral.train.records import Recorder, drop_after, first_divergence, write_part
from vral.train.schedule import Ratio, alternating, round_moves
from vral.train.state import Clock, TrainState, initial_state
from vral.train.step import make_step
from vral.types import Move, Profile, map_tensors

FLUSH_SECONDS = 15
"""Between two flushes of the records, each with a checkpoint; less is lost to a kill."""


# --- from a configuration to objects -------------------------------------------------------------


def build_gan(config: RunConfig, shape: tuple[int, ...], output: str) -> Gan:
    """The game of ``config`` on samples of ``shape`` with range ``output``."""
    pair = NETWORKS[config.network]
    generator_loss = {
        "target": target_loss(config.mean_real),
        "mean": mean_matching_loss,
        "own": lambda real, fake: OBJECTIVES[config.objective].generator(fake).mean(),
    }[config.g_objective]
    penalties = [
        (getattr(config, name), penalty)
        for name, penalty in PENALTIES.items()
        if getattr(config, name)
    ]
    if config.moment_penalty:

        def both_moments(critic, scored, draw):
            real = moments(scored.score_real, config.mean_real)
            return real + moments(scored.score_fake, config.mean_fake)

        penalties.append((config.moment_penalty, both_moments))
    parts = {
        "generator": pair.generator(
            shape, config.latent, config.width, config.norm_g, OUTPUTS[output]()
        ),
        "discriminator": pair.discriminator(shape, config.width, config.norm_d),
        "shape": shape,
        "generator_loss": generator_loss,
        "generator_needs_real": config.g_objective == "mean",
        "discriminator_needs": _discriminator_needs(config, shape),
        "penalties": tuple(penalties),
        "instance_noise": config.instance_noise,
        "hidden_noise": config.hidden_noise,
    }
    if config.objective != "meta":
        return Gan(discriminator_loss=_discriminator_loss(config), **parts)
    batch = config.batch if config.meta_input == "batch" else None
    meta = MetaPair(
        MetaDiscriminator(config.meta_width, batch),
        config.mean_real,
        config.mean_fake,
        minimax=config.meta_game == "minimax",
    )
    return MetaGan(discriminator_loss=meta.discriminator_loss, meta=meta, **parts)


def _discriminator_loss(config: RunConfig) -> DiscriminatorLoss:
    if config.objective == "none":
        return no_loss
    if config.objective == "parzen":
        return parzen_loss(config.parzen_kl, config.bandwidth, config.mean_real, config.mean_fake)
    return objective_loss(OBJECTIVES[config.objective])


def _discriminator_needs(config: RunConfig, shape: tuple[int, ...]) -> dict[str, Noise]:
    needs = {}
    if config.gradient_penalty:
        needs["mix"] = Noise((1,) * len(shape), "uniform")
    if config.objective == "parzen" and config.parzen_kl == "forward":
        needs["target_real"] = Noise((), mean=config.mean_real)
        needs["target_fake"] = Noise((), mean=config.mean_fake)
    return needs


def networks(gan: Gan) -> dict[str, torch.nn.Module]:
    """Each player's module."""
    players = {"G": gan.generator, "D": gan.discriminator}
    return players | {"R": gan.meta.network, "F": gan.meta.network} if _is_meta(gan) else players


def _is_meta(gan: Gan) -> bool:
    return isinstance(gan, MetaGan)


def build_rule(config: RunConfig, gan: Gan) -> Rule:
    def transform(player: str):
        suffix = {"D": "d", "G": "g"}.get(player, "meta")
        own = getattr(config, f"rule_{suffix}")
        rule = config.rule if own == "same" else own
        return RULES[rule].build(getattr(config, f"lr_{suffix}") or config.lr, config)

    return first_order({player: transform(player) for player in networks(gan)})


def initial_profile(gan: Gan, seed: int) -> Profile:
    """The parameters that seed starts from; G's and D's are the same for every method."""
    cpu = torch.device("cpu")
    return {
        player: initial_parameters(module, generator(cpu, seed, "init", player))
        for player, module in networks(gan).items()
    }


@dataclass(frozen=True)
class Training:
    """All that the loop needs, built from a configuration and its data."""

    gan: Gan
    rule: Rule
    steps: Steps
    moves: Callable[[int], list[Move]]
    stream: DrawStream
    initial: TrainState


def build(config: RunConfig, data: Dataset) -> Training:
    """``data`` is on the device that trains."""
    gan = build_gan(config, data.shape, data.output)
    rule = build_rule(config, gan)
    ratio = Ratio.parse(config.ratio)
    with_meta = partial(meta_round, once=config.meta_schedule == "once")
    side = with_meta if _is_meta(gan) else alternating
    clip = partial(clip_weights, weights=weight_names(gan.discriminator), limit=config.clip)
    readings = gan_readings(gan, config.eps)
    moves = [("D",), ("G",), *((("F",), ("R",)) if _is_meta(gan) else ())]
    steps = {
        (move, recorded): make_step(
            gan.losses,
            rule,
            move,
            len(config.seeds),
            readings if recorded else None,
            {"D": clip} if config.clip else None,
        )
        for move in moves
        for recorded in (False, True)
    }
    return Training(
        gan,
        rule,
        steps,
        lambda round: round_moves(ratio, round, side),
        DrawStream(
            data.train,
            {(player,): needs for player, needs in gan.needs.items()},
            config.batch,
            config.seeds,
            same_real=config.real_batch == "same",
        ),
        initial_state(
            rule, [initial_profile(gan, seed) for seed in config.seeds], data.train.device
        ),
    )


# --- where and how a run computes ----------------------------------------------------------------


@dataclass(frozen=True)
class Execution:
    """What does not change what a run computes (beyond the last bits)."""

    device: str = "auto"
    threads: int = 1
    data_root: str | None = None
    download: bool = False

    @property
    def torch_device(self) -> torch.device:
        """Raises FolderError's sibling, a ValueError, where CUDA is asked for and absent."""
        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return torch.device(self.device)

    def load(self, dataset: str) -> Dataset:
        return load_dataset(dataset, data_root(self.data_root), self.download)


def machine(execution: Execution) -> dict[str, object]:
    """What the numbers were computed on, without names or paths."""
    device = execution.torch_device
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": execution.threads,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "vral": version("vral"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


# --- one run folder ------------------------------------------------------------------------------


def folder_name(config: RunConfig) -> Path:
    """method=…/ratio=…/dataset=…/seeds=…, which a parquet reader takes for columns."""
    seeds = list(config.seeds)
    spanned = list(range(seeds[0], seeds[-1] + 1))
    text = (
        f"{seeds[0]}-{seeds[-1]}"
        if len(seeds) > 1 and seeds == spanned
        else ",".join(map(str, seeds))
    )
    return Path(
        f"method={config.method}",
        f"ratio={config.ratio.replace(':', '-')}",
        f"dataset={config.dataset}",
        f"seeds={text}",
    )


def read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    with replace_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def make_folder(folder: Path, mark: str, option: str = "--out") -> None:
    """Create ``folder``, or accept one that holds the file ``mark``.

    Raises FolderError where it cannot be written or holds something of somebody else's.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / mark).exists() and any(
            not path.name.startswith(".") for path in folder.iterdir()
        ):
            raise FolderError(
                f"{option}: {folder} is not empty and holds no {mark}, so it is not vral's; "
                "name an empty or a new folder"
            )
        probe = folder / f".{os.getpid()}.tmp"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise FolderError(f"{option}: cannot write to {folder}: {error.strerror}") from None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for this process; the lock goes with the process, however it ends."""
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise FolderError(
                f"--out: another process is writing to {folder}; wait for it or name another folder"
            ) from None
        yield


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
    old = read_json(folder / "run.json")["config"]
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


def outcome_of(folder: Path) -> dict[str, Any] | None:
    """The run.json of a folder, None where there is no run."""
    path = folder / "run.json"
    return read_json(path) if path.exists() else None


Progress = Callable[[int], None]
"""Called with the number of rounds done."""


def execute(
    config: RunConfig,
    folder: Path,
    execution: Execution = Execution(),
    progress: Progress = lambda rounds: None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Train ``config`` in ``folder``, or continue there; returns the content of run.json.

    Its "status" is "finished", "stopped" (``stop`` became true: the run resumes) or "diverged"
    (every seed has diverged; "diverged" lists seeds with the first reading that was not finite).
    """
    report = outcome_of(folder)
    if report and report["status"] != "stopped" and report["rounds_done"] >= config.rounds:
        settled_config(folder, config)
        return report
    on_cpu = execution.load(config.dataset)
    make_folder(folder, "run.json")
    with locked(folder):
        config = settled_config(folder, config)
        torch.set_num_threads(execution.threads)
        return _execute(config, folder, execution, on_cpu, progress, stop)


def _execute(config, folder, execution, on_cpu, progress, stop):
    device = execution.torch_device
    data = on_cpu.to(device)
    training = build(config, data)
    quality, known = quality_measure(on_cpu, cache_root())
    probe = Probe(training.gan, data, quality, config.mean_real, config.mean_fake)
    recorder = Recorder(config.seeds, config.record_every, config.batch)

    state, clock, diverged = training.initial, Clock(), []
    for leftover in folder.rglob(".*.tmp"):
        leftover.unlink(missing_ok=True)
    path = folder / "checkpoint.pt"
    if path.exists():
        content = checkpoint.load(path, device)
        state = TrainState(content["profile"], content["opt"])
        training.stream.restore(content["stream"])
        clock, diverged = Clock(**content["clock"]), content["diverged"]
    for name in ("records", "probes", "samples"):
        drop_after(folder / name, clock.round if path.exists() else -1)

    old = outcome_of(folder) or {}
    began = time.monotonic() - old.get("seconds", 0.0)
    report = {
        "config": config.model_dump(mode="json"),
        "status": "running",
        "rounds_done": clock.round,
        "diverged": diverged,
        "quality": known,
        "machine": machine(execution),
        "seconds": old.get("seconds", 0.0),
    }
    write_json(folder / "run.json", report)

    def flush(state: TrainState) -> None:
        frame = recorder.collect()
        if frame is not None:
            gone = {entry["seed"] for entry in diverged}
            frame = frame.filter(~pl.col("seed").is_in(list(gone)))
            for seed in config.seeds:
                found = first_divergence(frame, seed)
                if found:
                    diverged.append(found)
                    late = (pl.col("seed") == seed) & (pl.col("d_updates") > found["d_update"])
                    frame = frame.filter(~late)
            write_part(frame, folder / "records", clock.round)
        checkpoint.save(path, state, training.stream, clock, diverged)
        report["rounds_done"] = clock.round
        report["seconds"] = round(time.monotonic() - began, 2)
        write_json(folder / "run.json", report)

    def all_diverged() -> bool:
        return len(diverged) == len(config.seeds)

    last_flush = time.monotonic()

    def before_generator(state: TrainState, clock: Clock) -> None:
        if clock.round % config.probe_every == 0 or clock.round == config.rounds - 1:
            write_probe(config, folder, training, probe, state, clock, data, diverged)

    def after_round(state: TrainState, clock: Clock) -> bool:
        nonlocal last_flush
        final = clock.round == config.rounds
        stopping = stop()
        if final or stopping or time.monotonic() - last_flush > FLUSH_SECONDS:
            flush(state)
            last_flush = time.monotonic()
        progress(clock.round)
        return stopping or all_diverged()

    if clock.round < config.rounds and not all_diverged():
        state = train(
            state,
            clock,
            config.rounds,
            training.steps,
            training.moves,
            training.stream,
            recorder,
            before_generator,
            after_round,
        )
    if all_diverged():
        report["status"] = "diverged"
    else:
        report["status"] = "finished" if clock.round >= config.rounds else "stopped"
    write_json(folder / "run.json", report)
    return report


def write_probe(config, folder, training, probe, state, clock, data, diverged) -> None:
    """Measure every lane on held-out data; diverged ones are left out.

    Like the records, what is written belongs to the round that is under way.
    """
    gone = {entry["seed"] for entry in diverged}
    rows, grids = [], []
    results = per_lane(state.profile, len(config.seeds), probe_or_nothing(probe))
    for lane, (seed, result) in enumerate(zip(config.seeds, results, strict=True)):
        if result is None or seed in gone:
            grids.append(np.zeros((0,)))
            continue
        row, grid = result
        if config.probe == "optimality" and clock.round == config.rounds - 1:
            row |= optimality(config, training, state, lane, data)
        rows.append(
            {
                "seed": seed,
                "round": clock.round,
                "d_updates": clock.d_updates,
                "g_updates": clock.g_updates,
                "images": clock.d_updates * config.batch,
                **row,
            }
        )
        grids.append(grid)
    if not rows:
        return
    write_part(pl.DataFrame(rows), folder / "probes", clock.round + 1)
    samples = folder / "samples"
    samples.mkdir(exist_ok=True)
    named = zip(config.seeds, grids, strict=True)
    arrays = {f"seed{seed}": compact(grid, data.output) for seed, grid in named}
    path = samples / f"round-{clock.round + 1:08d}.npz"
    with replace_file(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)


def probe_or_nothing(probe: Probe) -> Callable[[Profile], Any]:
    """The probe, or None on a profile with a non-finite parameter."""

    def measure(profile: Profile):
        finite = all(v.isfinite().all() for p in profile.values() for v in p.values())
        return probe(profile) if finite else None

    return measure


def compact(samples: np.ndarray, output: str) -> np.ndarray:
    """Images as bytes, points as they are."""
    if output == "real" or samples.size == 0:
        return samples
    unit = samples if output == "unit" else (samples + 1) / 2
    return np.uint8(np.clip(unit * 255 + 0.5, 0, 255))


def optimality(config, training, state, lane, data) -> dict[str, float]:
    """D's optimality gap of one lane: the run's own moves without G's, on draws of their own."""
    single = config.model_copy(update={"seeds": (config.seeds[lane],)})
    own = build(single, data)
    needs = {move: inputs for move, inputs in own.stream.needs.items() if move != ("G",)}
    fixed = DrawStream(data.train, {("D",): needs["D",]}, 1000, (10**6,))
    _, draw = next(fixed.round([("D",)]))
    draw = {name: value[0] for name, value in draw.items()}
    held_out = {**draw, "real": data.held_out[:1000]}
    clean = own.gan.without_noise()

    def judge(state: TrainState) -> dict[str, float]:
        profile = map_tensors(lambda t: t[0], state.profile)
        loss, _ = own.gan.losses["D"](profile, draw)
        score_fake = clean.score_fake(profile, held_out).cpu().numpy()
        score_real = clean.score_real(profile, held_out).cpu().numpy()
        return {"loss": loss.item(), "auc": auc(score_real, score_fake)}

    def endless():
        stream = DrawStream(data.train, needs, config.batch, (10**6 + config.seeds[lane],))
        side = [move for move in own.moves(0) if move != ("G",)]
        for _ in itertools.count():
            for move, draw in stream.round(side):
                yield own.steps[move, False], draw

    here = TrainState(
        *(map_tensors(lambda t: t[lane : lane + 1] if t.ndim else t, part) for part in state)
    )
    return optimality_gap(here, endless(), judge)
