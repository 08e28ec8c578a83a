"""The Dirac-GAN of Mescheder, Geiger and Nowozin 2018 ("WTM18"), and its Gaussian relatives.

In the Dirac-GAN all data sit at 0, G makes the one point θ, D(x) = ⟨ψ, x⟩, and the only equilibrium
is (0, 0). With spreads s > 0 the data are N(0, diag(s²)) and G shifts a Gaussian of the same shape:
the Gaussian-location GAN. Coordinates are (θ, ψ), or (θ, ψ, b) where D has a bias.

Raw scores are high on reals. Under ``convention="paper"`` they are high on fakes as in WTM18, which
turns ψ into -ψ and b into -b: norms and spectra are the same, and the rotation goes the other way.
The γ of a penalty multiplies ½E‖∇ₓD‖² in WTM18; under ``gamma_convention="gan_stability"`` it
multiplies E‖∇ₓD‖² as in the authors' code.

``vral.conformance`` and the tests write the Dirac-GAN down a second time, on purpose: they must not
share a mistake with this file.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from vral.data.draws import Noise, rng
from vral.errors import ConfigError
from vral.games.gan import Gan, objective_loss, own_loss
from vral.games.toy import Toy, double, expected, gauss_hermite, nonnegative, one_of
from vral.nets import initial_parameters
from vral.nets.linear import linear_critic, shift
from vral.nets.network import weight_names
from vral.objectives import EVERY, OBJECTIVES, Objective, PairedObjective
from vral.penalties import Penalty, clip_weights, gradient_penalty, r1, r2
from vral.types import Draw, Profile, Scalar

CONVENTIONS = ("common", "paper")
GAMMA_CONVENTIONS = {"paper": 1.0, "gan_stability": 2.0}
"""The factor that turns a γ of each convention into that of ½γ·E‖∇ₓD‖²."""

LARGEST_RULE = 100_000
"""The largest number of nodes of a quadrature."""


def paper_signed(objective: Objective | PairedObjective) -> Objective | PairedObjective:
    """``objective`` for a critic whose scores are high on fakes."""
    if isinstance(objective, PairedObjective):
        return PairedObjective(
            discriminator=lambda t: objective.discriminator(-t),
            generator=lambda t: objective.generator(-t),
            source=objective.source,
        )
    return Objective(
        real=lambda s: objective.real(-s),
        fake=lambda s: objective.fake(-s),
        generator=lambda s: objective.generator(-s),
        source=objective.source,
    )


def penalty_terms(
    r1_weight: float, r2_weight: float, gp_weight: float, centre: float, gamma_convention: str
) -> tuple[tuple[float, Penalty], ...]:
    """D's penalties with their weights, where the weight is not 0.

    In the paper's convention a gradient penalty is (γ/2)·E(‖∇ₓD‖ - centre)².

    Raises:
        ConfigError: an unknown convention, or a weight that is negative or not finite.
    """
    one_of("gamma convention", gamma_convention, list(GAMMA_CONVENTIONS))
    nonnegative(r1=r1_weight, r2=r2_weight, gradient_penalty=gp_weight, centre=centre)
    gamma = GAMMA_CONVENTIONS[gamma_convention]
    towards = partial(gradient_penalty, centre=centre)
    terms = ((r1_weight, r1), (r2_weight, r2), (gp_weight / 2, towards))
    return tuple((gamma * weight, penalty) for weight, penalty in terms if weight)


def dirac(
    objective: str | Objective | PairedObjective = "standard",
    *,
    r1: float = 0.0,
    r2: float = 0.0,
    gradient_penalty: float = 0.0,
    centre: float = 1.0,
    clip: float = 0.0,
    instance_noise: float = 0.0,
    samples: int = 0,
    bias: bool = False,
    hidden: int = 0,
    spread: Sequence[float] = (0.0,),
    convention: str = "common",
    gamma_convention: str = "paper",
) -> Toy:
    """The Dirac-GAN, started at θ = 1, ψ = 1, b = 0.

    Source: Mescheder, Geiger and Nowozin 2018.

    Args:
        objective: a row of OBJECTIVES or PAIRED, or its name.
        r1: weight γ of R1.
        r2: weight γ of R2.
        gradient_penalty: weight γ of the penalty (‖∇ₓD‖ - ``centre``)².
        centre: the slope that the gradient penalty asks for.
        clip: bound of |ψ| after each update of D, 0 for none; b is not clipped.
        instance_noise: standard deviation of the noise on D's input.
        samples: 0 integrates the noise by quadrature; otherwise as many reals and as many fakes
            are drawn afresh for every update.
        bias: whether D has a bias b.
        hidden: units of a layer of tanh units in D, Glorot-initialised from seed 0; 0 for none.
        spread: the data's standard deviations s, one per dimension; n zeros make the Dirac-GAN of
            n dimensions.
        convention: a row of CONVENTIONS.
        gamma_convention: a row of GAMMA_CONVENTIONS.

    Raises:
        ConfigError: a setting that is not allowed.
    """
    if isinstance(objective, str):
        one_of("objective", objective, list(EVERY))
        objective = EVERY[objective]
    one_of("convention", convention, CONVENTIONS)
    nonnegative(clip=clip, instance_noise=instance_noise, samples=samples, hidden=hidden)
    if convention == "paper":
        objective = paper_signed(objective)
    scales = location_scales(spread)
    size = len(scales)
    gan = Gan(
        shift(scales),
        linear_critic(size, bias, hidden),
        (size,),
        objective_loss(objective),
        own_loss(objective),
        generator_needs_real=isinstance(objective, PairedObjective),
        penalties=penalty_terms(r1, r2, gradient_penalty, centre, gamma_convention),
        instance_noise=instance_noise,
        discriminator_needs={"mix": Noise((1,), "uniform")} if gradient_penalty else {},
    )
    toy = location_toy(gan, scales, pairs=isinstance(objective, PairedObjective))
    if samples:
        toy = replace(toy, game=gan.losses, sample=partial(sampled, gan, scales, samples))
    if clip:
        weights = weight_names(gan.discriminator)
        project = partial(clip_weights, weights=weights, limit=clip)
        toy = replace(toy, projections={"D": project})
    return toy


def location_scales(spread: Sequence[float]) -> Tensor:
    """``spread`` as a tensor (size,).

    Raises:
        ConfigError: it is empty, or a number is negative or not finite.
    """
    if not spread:
        raise ConfigError("spread: nothing given; allowed: one standard deviation per dimension")
    for value in spread:
        nonnegative(spread=value)
    return torch.tensor([float(value) for value in spread], dtype=torch.float64)


def location_toy(gan: Gan, scales: Tensor, pairs: bool = False) -> Toy:
    """``gan`` on data N(0, diag(scales²)), with every expectation by quadrature.

    All losses must be sums of expectations over single random inputs. Reals, latents and score
    targets are standard normals that share the nodes of one rule; the noise on D's input has
    further dimensions of its own. With ``pairs`` losses may be expectations over a real and a fake
    sample: each of the two then has dimensions, and noise, of its own.

    Raises:
        ConfigError: more random dimensions than a quadrature of LARGEST_RULE nodes allows.
    """
    size, spread = len(scales), bool(scales.any())
    needs = {name: noise for inputs in gan.needs.values() for name, noise in inputs.items()}
    targets = [name for name in needs if name.startswith("target_")]
    own = size * pairs  # where the fakes' dimensions begin, counted from the reals'
    dimensions = (size + own) * (spread + bool(gan.instance_noise))
    dimensions = max(dimensions, int(bool(targets)))
    rule = gauss_hermite(1)[0].shape[0]
    if rule**dimensions > LARGEST_RULE:
        raise ConfigError(
            f"spread: {dimensions} random dimensions are too many for quadrature; "
            "allowed: two, or give a number of samples"
        )
    nodes, weights = gauss_hermite(dimensions)
    zeros = nodes.new_zeros(len(nodes), 1, size)
    z = nodes[:, None, :] if spread else zeros.repeat(1, 1, 1 + pairs)
    draw: Draw = {"real": scales * z[..., :size], "latent": z[..., own : own + size]}
    if gan.instance_noise:
        noise = nodes[:, None, -(size + own) :]
        draw |= {"instance_real": noise[..., :size], "instance_fake": noise[..., own:]}
    if "mix" in needs:
        draw |= {"mix": torch.full_like(zeros[..., :1], 0.5)}
    for name in targets:
        target = needs[name]
        draw[name] = nodes[:, :1] + (target.mean if target else 0.0)
    players = {"G": gan.generator, "D": gan.discriminator}
    start = {
        player: double(initial_parameters(module, rng(torch.device("cpu"), 0, player)))
        for player, module in players.items()
    }
    start["G"]["body.location"] = torch.ones_like(scales)
    if not gan.discriminator.stages:
        start["D"]["score.weight"] = torch.ones(1, size, dtype=torch.float64)
    return Toy(expected(gan.losses, weights), start, draw)


def sampled(gan: Gan, scales: Tensor, batch: int, random: torch.Generator, lanes: int) -> Draw:
    """A fresh draw (lanes, batch, …) of every random input of ``gan``."""
    needs = {name: noise for inputs in gan.needs.values() for name, noise in inputs.items()}
    draw: Draw = {}
    for name, noise in needs.items():
        shape = (lanes, batch, *(scales.shape if noise is None else noise.shape))
        law = torch.rand if noise and noise.law == "uniform" else torch.randn
        value = law(shape, generator=random, dtype=torch.float64)
        draw[name] = scales * value if noise is None else value + noise.mean
    return draw


def two_numbers(objective: str = "standard") -> Toy:
    """The Dirac-GAN without networks: θ of G and ψ of D, scores high on reals.

    The same game as ``dirac(objective)``, in few operations. D's score of the real sample is 0
    whatever ψ is, so that this constant term of the loss is left out. The draw may hold ``gamma``
    and ``centre`` of a penalty γ/2·(|ψ| - centre)². Raises ConfigError for unknown objectives.
    """
    one_of("objective", objective, list(OBJECTIVES))
    losses = OBJECTIVES[objective]

    def fake_score(profile: Profile) -> Tensor:
        return profile["D"]["psi"] * profile["G"]["theta"]

    def loss_g(profile: Profile, draw: Draw) -> tuple[Scalar, tuple[()]]:
        return losses.generator(fake_score(profile)), ()

    def loss_d(profile: Profile, draw: Draw) -> tuple[Scalar, tuple[()]]:
        loss = losses.fake(fake_score(profile))
        if "gamma" in draw:
            norm = profile["D"]["psi"].abs()
            loss = loss + draw["gamma"] / 2 * (norm - draw.get("centre", 0.0)) ** 2
        return loss, ()

    one = torch.ones((), dtype=torch.float64)
    return Toy({"G": loss_g, "D": loss_d}, {"G": {"theta": one}, "D": {"psi": one}})
