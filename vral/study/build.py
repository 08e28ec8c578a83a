"""A run's objects are made here from its configuration: game, rule, draws, probe, recorder."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from vral.data.datasets import Dataset
from vral.data.draws import Noise
from vral.diagnostics.gradients import gan_readings
from vral.diagnostics.probe import Probe
from vral.diagnostics.quality import quality_measure
from vral.games.fused import FusedGan, FusedMetaGan
from vral.games.gan import (
    DiscriminatorLoss,
    mean_matching_loss,
    no_loss,
    objective_loss,
    own_loss,
    parzen_loss,
    target_loss,
)
from vral.games.meta import MetaDiscriminator, MetaGan, MetaPair, meta_round
from vral.nets import NETWORKS, OUTPUTS, NetworkPair
from vral.nets.network import weight_names
from vral.nets.norm import power_iteration
from vral.objectives import EVERY, PAIRED
from vral.optim import ClippedWhole, Rule, Still, Transform
from vral.optim.rules import common_transform, make_rule, player_transform
from vral.optim.transforms import EPS
from vral.penalties import PENALTIES, clip_weights, moments
from vral.study.config import RunConfig, resolve
from vral.train.compile import keep_compiled_in
from vral.train.executor import Executor
from vral.train.loop import Training, train
from vral.train.plan import Steps
from vral.train.play import draw_stream, start
from vral.train.records import Recorder
from vral.train.schedule import DiscriminatorSide, Ratio, alternating, round_moves
from vral.train.state import Clock, TrainState, averages_of
from vral.train.step import PRECISIONS, Precision, make_step, over_lanes
from vral.types import Critic, Draw, Move, Profile, Scalar, Scored


def build_gan(
    config: RunConfig, shape: tuple[int, ...], output: str, pair: NetworkPair | None = None
) -> FusedGan:
    """The game of ``config`` on samples of ``shape`` with range ``output``.

    ``pair`` stands in for the networks that the configuration names.
    """
    pair = pair or NETWORKS[config.network]
    if config.g_objective == "own":
        generator_loss = own_loss(EVERY[config.objective])
    else:
        losses = {"target": target_loss(config.mean_real), "mean": mean_matching_loss}
        generator_loss = losses[config.g_objective]
    paired = config.g_objective == "own" and config.objective in PAIRED
    penalties = [
        (getattr(config, name), row.function)
        for name, row in PENALTIES.items()
        if getattr(config, name)
    ]
    if config.moment_penalty:

        def both_moments(critic: Critic, scored: Scored, draw: Draw) -> Scalar:
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
        "generator_needs_real": config.g_objective == "mean" or paired,
        "discriminator_needs": _discriminator_needs(config, shape),
        "penalties": tuple(penalties),
        "instance_noise": config.instance_noise,
        "hidden_noise": config.hidden_noise,
    }
    if config.objective != "meta":
        return FusedGan(discriminator_loss=_discriminator_loss(config), **parts)
    batch = config.batch if config.meta_input == "batch" else None
    meta = MetaPair(
        MetaDiscriminator(config.meta_width, batch),
        config.mean_real,
        config.mean_fake,
        minimax=config.meta_game == "minimax",
        penalty=config.meta_penalty,
    )
    return FusedMetaGan(discriminator_loss=meta.discriminator_loss, meta=meta, **parts)


def _discriminator_loss(config: RunConfig) -> DiscriminatorLoss:
    if config.objective == "none":
        return no_loss
    if config.objective == "parzen":
        return parzen_loss(config.parzen_kl, config.bandwidth, config.mean_real, config.mean_fake)
    return objective_loss(EVERY[config.objective])


def _discriminator_needs(config: RunConfig, shape: tuple[int, ...]) -> dict[str, Noise]:
    needs = {}
    if config.gradient_penalty or config.legacy_gp:
        needs["mix"] = Noise((1,) * len(shape), "uniform")
    if config.objective == "parzen" and config.parzen_kl == "forward":
        needs["target_real"] = Noise((), mean=config.mean_real)
        needs["target_fake"] = Noise((), mean=config.mean_fake)
    return needs


def build_transform(config: RunConfig, player: str) -> Transform:
    """What a player follows by the texts of the configuration."""
    text = {"D": config.rule_d, "G": config.rule_g}.get(player, config.rule_meta)
    return player_transform(text, common_transform(config.rule, config.transform, config.lr))


def build_rule(config: RunConfig, players: Iterable[str]) -> Rule:
    """The rule of ``config`` for these players."""
    transforms = {player: build_transform(config, player) for player in players}
    if config.generator == "held":
        transforms["G"] = Still()
    if config.clip_scope == "everything":
        transforms["D"] = ClippedWhole(transforms["D"], config.clip)
    return make_rule(config.rule, transforms)


@dataclass(frozen=True)
class GanTraining(Training):
    """A training with the game that is played and the rule that its players follow."""

    gan: FusedGan
    rule: Rule


IN_ONE_PASS = 1024
"""Largest number of fakes, in every lane, that G makes in one pass for several updates of D."""

COMPILED_MOVES = 2
"""Largest number of moves compiled into one program, where a penalty counts as a move. The cost of
a call falls with their number, the cost of compiling grows with it."""


def build_side(config: RunConfig, gan: FusedGan) -> DiscriminatorSide:
    """D's side of a round, by its number of D updates; R and F belong to it."""
    if isinstance(gan, MetaGan):
        once = config.meta_schedule == "once"
        return partial(meta_round, once=once, steps=config.meta_steps)
    return alternating


def build_steps(
    config: RunConfig, gan: FusedGan, rule: Rule, moves: Iterable[Move], precision: Precision
) -> Steps:
    """The step of every move, without and with readings."""
    eps = getattr(build_transform(config, "G"), "eps", EPS)
    readings = gan_readings(gan, eps)
    clip = partial(clip_weights, weights=weight_names(gan.discriminator), limit=config.clip)
    projections = {"D": clip} if config.clip and config.clip_scope == "weights" else None
    lanes = len(config.seeds)
    if config.norm_d == "spectral":
        projections = {"D": over_lanes(power_iteration, lanes)}
    return {
        (move, recorded): make_step(
            gan.losses,
            rule,
            move,
            lanes,
            readings if recorded else None,
            projections,
            precision,
            {"G": config.ema_g} if config.ema_g else None,
        )
        for move in moves
        for recorded in (False, True)
    }


def build_executor(
    config: RunConfig,
    gan: FusedGan,
    rule: Rule,
    moves: Sequence[Move],
    precision: Precision,
    compiled: bool,
) -> Executor:
    """What plays the moves of a round, as they stand or ``compiled``."""

    def draw_fakes(profile: Profile, draws: list[Draw]) -> list[Draw]:
        if rule.sees_everyone:  # In G's parameters too, which fakes made beforehand would hide.
            return draws
        with precision():
            return gan.draw_fakes(profile, draws)

    longest = max(1, IN_ONE_PASS // config.batch)
    to_compile = None
    if compiled:
        of_one_update = len(dict.fromkeys(build_side(config, gan)(1))) + len(gan.penalties)
        longest = max(1, min(longest, COMPILED_MOVES // of_one_update))
        once = not (rule.sees_everyone or gan.discriminator.mixes_samples)
        fused = replace(gan, factor_last=once)
        to_compile = build_steps(config, fused, rule, moves, precision)
    steps = build_steps(config, gan, rule, moves, precision)
    return Executor(steps, over_lanes(draw_fakes, len(config.seeds)), longest, to_compile)


def build(
    config: RunConfig, data: Dataset, compiled: bool = False, pair: NetworkPair | None = None
) -> GanTraining:
    """What ``config`` trains, on ``data``, which lies on the device that trains.

    ``compiled`` says how its executor plays; ``pair`` stands in for the networks that the
    configuration names.
    """
    device = data.train.device
    gan = build_gan(config, data.shape, data.output, pair)
    rule = build_rule(config, gan.networks)
    side = build_side(config, gan)
    moves_of = partial(round_moves, Ratio.parse(config.ratio), side=side, play=config.play)
    moves = list(dict.fromkeys(moves_of(0)))
    precision = PRECISIONS[config.precision](device.type)
    same_real = config.real_batch == "same"
    profile = start(gan.networks, config.seeds, device)
    averages = averages_of(profile, ["G"] if config.ema_g else [])
    return GanTraining(
        gan=gan,
        rule=rule,
        moves=moves_of,
        stream=draw_stream(gan, rule, moves, data.train, config.batch, config.seeds, same_real),
        executor=build_executor(config, gan, rule, moves, precision, compiled),
        initial=TrainState(dict(profile), rule.init(profile), averages),
    )


def build_recorder(config: RunConfig) -> Recorder:
    """Keeps the readings that ``config`` asks for."""
    return Recorder(config.seeds, config.record_every, config.batch)


@dataclass(frozen=True)
class Parts:
    """All that a run is made of."""

    data: Dataset
    """The data set, on the device that trains."""
    training: GanTraining
    probe: Probe
    recorder: Recorder
    quality: dict[str, float]
    """What is known of the probe's measures of quality, e.g. their floors."""


def compose(
    config: RunConfig, on_cpu: Dataset, device: torch.device, cache: Path, compiled: bool
) -> Parts:
    """All parts of the run that ``config`` describes; ``cache`` keeps compiled code."""
    keep_compiled_in(cache / "inductor")
    data = on_cpu.to(device)
    training = build(config, data, compiled)
    quality, known = quality_measure(on_cpu, cache)
    probe = Probe(training.gan, data, quality, config.mean_real, config.mean_fake)
    return Parts(data, training, probe, build_recorder(config), known)


def warmed_up(config: RunConfig, training: GanTraining, data: Dataset) -> GanTraining:
    """``training`` with G as ``config.warmup`` rounds of LSGAN at 1:1 against another D leave it.

    The original's experiment with a fixed generator starts from such a G.
    """
    if not config.warmup:
        return training
    kept = ("dataset", "seeds", "batch", "network", "width", "latent", "norm_d", "norm_g", "lr")
    settings = {name: getattr(config, name) for name in kept}
    warmup = build(resolve("lsgan", {**settings, "rounds": config.warmup}), data)
    unread = Recorder(config.seeds, config.warmup + 1, config.batch)
    state = train(warmup, Clock(), config.warmup, unread)
    profile = {**training.initial.profile, "G": state.profile["G"]}
    averages = averages_of(profile, training.initial.averages)
    warm = training.initial._replace(profile=profile, averages=averages)
    return replace(training, initial=warm)
