"""From a configuration to objects: the game, its rule, its steps, its stream of draws."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from vral.data.datasets import Dataset
from vral.data.draws import DrawStream, Noise
from vral.diagnostics.gradients import gan_readings
from vral.games.fused import FusedGan, FusedMetaGan
from vral.games.gan import (
    DiscriminatorLoss,
    mean_matching_loss,
    no_loss,
    objective_loss,
    parzen_loss,
    target_loss,
)
from vral.games.meta import MetaDiscriminator, MetaGan, MetaPair, meta_round
from vral.nets import NETWORKS, OUTPUTS, NetworkPair
from vral.nets.network import weight_names
from vral.objectives import OBJECTIVES
from vral.optim import ClippedWhole, Rule, Still, Transform
from vral.optim.rules import common_transform, make_rule, player_transform
from vral.optim.transforms import EPS
from vral.penalties import PENALTIES, clip_weights, moments
from vral.study.config import RunConfig
from vral.train.play import draw_stream, start
from vral.train.program import Executor, Steps
from vral.train.schedule import Ratio, alternating, round_moves
from vral.train.state import TrainState
from vral.train.step import PRECISIONS, make_step, over_lanes
from vral.types import Move


def build_gan(
    config: RunConfig, shape: tuple[int, ...], output: str, pair: NetworkPair | None = None
) -> FusedGan:
    """The game of ``config`` on samples of ``shape`` with range ``output``; ``pair`` stands in for
    the networks that the configuration names.
    """
    pair = pair or NETWORKS[config.network]
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
        return FusedGan(discriminator_loss=_discriminator_loss(config), **parts)
    batch = config.batch if config.meta_input == "batch" else None
    meta = MetaPair(
        MetaDiscriminator(config.meta_width, batch),
        config.mean_real,
        config.mean_fake,
        minimax=config.meta_game == "minimax",
    )
    return FusedMetaGan(discriminator_loss=meta.discriminator_loss, meta=meta, **parts)


def _discriminator_loss(config: RunConfig) -> DiscriminatorLoss:
    if config.objective == "none":
        return no_loss
    if config.objective == "parzen":
        return parzen_loss(config.parzen_kl, config.bandwidth, config.mean_real, config.mean_fake)
    return objective_loss(OBJECTIVES[config.objective])


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
class Training:
    """All that the loop needs, built from a configuration and its data."""

    gan: FusedGan
    rule: Rule
    steps: Steps
    """The step of a move, without and with readings."""
    play: Executor
    moves: Callable[[int], list[Move]]
    stream: DrawStream
    initial: TrainState


IN_ONE_PASS = 1024
"""Fakes that G makes in one pass for D's updates to come, at the most, in every lane."""

COMPILED_MOVES = 2
"""Moves compiled into one program at the most, a penalty counting as one: what a call costs shrinks
with their number, what compiling costs grows with it."""


def build(
    config: RunConfig, data: Dataset, compiled: bool = False, pair: NetworkPair | None = None
) -> Training:
    """``data`` is on the device that trains; ``compiled`` says how its player plays; ``pair``
    stands in for the networks that the configuration names.
    """
    gan = build_gan(config, data.shape, data.output, pair)
    rule = build_rule(config, gan.networks)
    ratio = Ratio.parse(config.ratio)
    with_meta = partial(meta_round, once=config.meta_schedule == "once")
    side = with_meta if isinstance(gan, MetaGan) else alternating
    clip = partial(clip_weights, weights=weight_names(gan.discriminator), limit=config.clip)
    precision = PRECISIONS[config.precision](data.train.device.type)
    lanes = len(config.seeds)
    round_of = partial(round_moves, ratio, side=side, play=config.play)
    moves = dict.fromkeys(round_of(0))
    eps = getattr(build_transform(config, "G"), "eps", EPS)

    def steps(gan: FusedGan) -> Steps:
        readings = gan_readings(gan, eps)
        return {
            (move, recorded): make_step(
                gan.losses,
                rule,
                move,
                lanes,
                readings if recorded else None,
                {"D": clip} if config.clip and config.clip_scope == "weights" else None,
                precision,
            )
            for move in moves
            for recorded in (False, True)
        }

    def with_fakes(profile, draws):
        if rule.sees_everyone:  # In G's parameters too, which fakes made beforehand would hide.
            return draws
        with precision():
            return gan.draw_fakes(profile, draws)

    longest = max(1, IN_ONE_PASS // config.batch)
    to_compile = None
    if compiled:
        longest = max(1, min(longest, COMPILED_MOVES // (len(side(1)) + len(gan.penalties))))
        once = not (rule.sees_everyone or gan.discriminator.mixes_samples)
        to_compile = steps(replace(gan, factor_last=once))
    plain = steps(gan)
    profile = start(gan.networks, config.seeds, data.train.device)
    return Training(
        gan,
        rule,
        plain,
        Executor(plain, over_lanes(with_fakes, lanes), longest, to_compile),
        round_of,
        draw_stream(
            gan,
            rule,
            list(moves),
            data.train,
            config.batch,
            config.seeds,
            same_real=config.real_batch == "same",
        ),
        TrainState(dict(profile), rule.init(profile)),
    )
