"""A GAN of any two modules: what a user's own networks need in order to be players.

A game is played by pure functions under ``torch.func``, on several lanes at once. So a player may
neither write to its buffers nor draw random numbers of its own. ``make_gan`` copies both modules,
mends what can be mended and names what cannot.
"""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from vral.data.draws import Noise
from vral.errors import ConfigError, is_number, require_count, shown
from vral.games.gan import Gan, objective_loss, own_loss
from vral.games.toy import one_of
from vral.nets.network import Discriminator, Generator
from vral.nets.norm import BatchStatisticsNorm
from vral.objectives import EVERY, Objective, PairedObjective
from vral.penalties import PENALTIES, Penalty
from vral.types import Profile, Samples, Scores

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)


class ModuleDiscriminator(Discriminator):
    """Any module with one score per sample, (batch,) or (batch, 1), as a discriminator.

    It has no stages, so that neither noise on hidden activations nor the shared backward pass of
    compiled runs applies to it.
    """

    def __init__(self, body: nn.Module):
        nn.Module.__init__(self)
        self.body = body
        self.stages = nn.ModuleList()
        self.noise_size = 0

    def forward(self, x: Samples, noise: Tensor | None = None) -> Scores:
        return self.body(x).flatten()


def make_gan(
    discriminator: nn.Module,
    generator: nn.Module,
    latent: int,
    objective: str | Objective | PairedObjective = "nonsaturating",
    penalties: Mapping[str | Penalty, float | int] | None = None,
) -> Gan:
    """The game of your own two modules: D (batch, *sample) to scores, G (batch, latent) to samples.

    D may return (batch,) or (batch, 1), raw and without a sigmoid. ``objective`` is a row of
    OBJECTIVES or PAIRED, or its name. ``penalties`` maps names of PENALTIES, or functions like
    them, to weights. Both modules are copied. Batch norm in training mode becomes one that always
    uses the statistics of its batch, because running statistics are not a function of the
    parameters; its scale and shift are kept. In D it makes a penalty on ∇ₓD one of whole batches
    instead of single samples. ``vral.start`` draws the weights of linear and convolutional layers
    afresh for every seed; other parameters start at the module's values in every lane. torch's
    fused layer and instance norms have wrong *third* derivatives: take group norm where a penalty
    meets a spectrum, or a rule that differentiates gradients, such as Consensus.

    Raises ConfigError for what is no module, an unknown objective or penalty, a weight that is
    negative or not finite, dropout in training mode, a module that writes to its buffers, and where
    shapes do not fit. Source: the two-player game of Goodfellow et al. 2014.
    """
    for player, module in (("discriminator", discriminator), ("generator", generator)):
        if not isinstance(module, nn.Module):
            raise ConfigError(f"{player}: a {type(module).__name__} given; allowed: an nn.Module")
    require_count("latent", latent)
    if isinstance(objective, str):
        one_of("objective", objective, list(EVERY))
        objective = EVERY[objective]
    if not isinstance(objective, Objective | PairedObjective):
        raise ConfigError(
            f"objective: {shown(objective)} given; allowed: {', '.join(EVERY)}, "
            "an Objective, a PairedObjective"
        )
    terms = _weighted(penalties)
    d = ModuleDiscriminator(pure(discriminator, "discriminator"))
    g = Generator(pure(generator, "generator"), latent)
    shape = _sample_shape(d, g)
    mix = {"mix": Noise((1,) * len(shape), "uniform")}
    return Gan(
        g,
        d,
        shape,
        objective_loss(objective),
        own_loss(objective),
        generator_needs_real=isinstance(objective, PairedObjective),
        discriminator_needs=mix if terms else {},
        penalties=tuple(terms),
    )


def _weighted(penalties: Mapping[str | Penalty, float | int] | None) -> list[tuple[Any, Penalty]]:
    """Pairs (weight, penalty), each of them checked; a weight may be a tensor."""
    if penalties is None:
        return []
    if not isinstance(penalties, Mapping):
        raise ConfigError(
            f"penalties: {shown(penalties)} given; allowed: a mapping of names or functions to "
            'weights, as in {"r1": 1.0}'
        )
    terms = []
    for penalty, weight in penalties.items():
        if isinstance(penalty, str):
            one_of("penalties", penalty, list(PENALTIES))
        elif not callable(penalty):
            raise ConfigError(
                f"penalties: {shown(penalty)} given; allowed: {', '.join(PENALTIES)}, a function"
            )
        if not (isinstance(weight, Tensor) or (is_number(weight) and weight >= 0)):
            name = penalty if isinstance(penalty, str) else getattr(penalty, "__name__", "function")
            raise ConfigError(
                f"penalties: the weight {shown(weight)} of {name} given; "
                "allowed: a finite number at least 0"
            )
        function = PENALTIES[penalty].function if isinstance(penalty, str) else penalty
        terms.append((weight, function))
    return terms


def pure(module: nn.Module, player: str) -> nn.Module:
    """A copy of ``module`` that neither writes to buffers nor draws random numbers.

    Raises ConfigError, naming ``player``, for dropout in training mode.
    """
    module = copy.deepcopy(module)
    for name, part in module.named_modules():
        if isinstance(part, DROPOUTS) and part.training and part.p > 0:
            raise ConfigError(
                f"{player}: its dropout layer {name or 'itself'} draws random numbers of its own; "
                "allowed: dropout in eval mode, or none"
            )
    return _without_running_statistics(module)


def _without_running_statistics(module: nn.Module) -> nn.Module:
    """``module`` with every batch norm in training mode replaced, in place."""
    if isinstance(module, BATCH_NORMS) and module.training:
        norm = BatchStatisticsNorm(module.num_features, module.eps)
        reference = module.weight if module.affine else next(module.buffers(), norm.scale)
        norm = norm.to(reference.device, reference.dtype)
        if module.affine:
            norm.scale, norm.shift = module.weight, module.bias
        else:  # constants, so that no parameter appears that the module did not have
            scale, shift = norm.scale.detach(), norm.shift.detach()
            del norm.scale, norm.shift
            norm.register_buffer("scale", scale)
            norm.register_buffer("shift", shift)
        return norm
    for name, part in module.named_children():
        setattr(module, name, _without_running_statistics(part))
    return module


def _sample_shape(discriminator: ModuleDiscriminator, generator: Generator) -> tuple[int, ...]:
    """The shape of one sample, from a pass of two latents through both, or ConfigError."""
    reference = next((p for net in (generator, discriminator) for p in net.parameters()), None)
    if reference is None:
        raise ConfigError("generator: neither module has parameters; allowed: modules that learn")

    profile = {
        "D": {name: value.detach() for name, value in discriminator.named_parameters()},
        "G": {name: value.detach() for name, value in generator.named_parameters()},
    }
    z = reference.detach().new_zeros(2, generator.latent)

    def total(profile: Profile) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        samples = functional_call(generator, dict(profile["G"]), (z,))
        with_params = {k.removeprefix("body."): v for k, v in profile["D"].items()}
        scores = functional_call(discriminator.body, with_params, (samples,))
        return scores.sum(), (scores, samples)

    buffers = [*generator.named_buffers(), *discriminator.named_buffers()]
    before = [value._version for _, value in buffers]  # counts writes in place
    try:
        with torch.no_grad():
            total(profile)
        for (name, value), old in zip(buffers, before, strict=True):
            if value._version != old:
                raise RuntimeError(f"it writes to the buffer {name.removeprefix('body.')}")
        scores, samples = torch.func.grad(total, has_aux=True)(profile)[1]
    except (RuntimeError, TypeError, ValueError, AttributeError, IndexError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f"generator, discriminator: a pass of latents (2, {generator.latent}) through both "
            f"fails: {first}; allowed: modules whose shapes fit and that do not write to buffers"
        ) from error
    if len(samples) != 2 or scores.shape not in ((2,), (2, 1)):
        raise ConfigError(
            f"discriminator: scores of shape {tuple(scores.shape)} for 2 samples of shape "
            f"{tuple(samples.shape[1:])}; allowed: (2,) or (2, 1), one raw score per sample"
        )
    return tuple(samples.shape[1:])
