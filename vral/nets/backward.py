"""One backward pass of D for two purposes: its parameters' gradient and every sample's ∇ₓD.

A loss reaches D's parameters through the scores: the cotangent of sample i's score is cᵢ = ∂L/∂sᵢ,
and in a D without batch statistics all its cotangents further down are cᵢ times those of the score
itself. So the pass can run with the unit cotangent, whose lower end is ∇ₓD(xᵢ), and cᵢ be applied
last, where a stage's parameters take their share. Dividing ∂L/∂xᵢ by cᵢ would say the same and fail
where a score saturates. A compiler that removes common subexpressions then computes the pass once
for the update and for the readings; without one, ordinary differentiation is cheaper.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp

from vral.nets.network import Discriminator
from vral.nets.norm import SpectralNorm
from vral.types import Params, Samples, Scores

Stage = Callable[[Params, Tensor], Tensor]
"""Maps a stage's own parameters and its input to its output."""


class Score(nn.Module):
    """D's last stage, activations to scores, as a module."""

    score: nn.Linear | SpectralNorm

    def __init__(self, score: nn.Linear | SpectralNorm):
        super().__init__()
        self.score = score

    def forward(self, x: Tensor) -> Scores:
        return Discriminator.scored(x, self.score.weight, self.score.bias)


def stages(discriminator: Discriminator, noise: Tensor | None) -> Iterator[tuple[str, Stage]]:
    """D's stages and its score as (prefix of the parameters' names, function of them and x)."""
    for i, part in enumerate(discriminator.split(noise)):

        def stage(params: Params, x: Tensor, i: int = i, part: Tensor | None = part) -> Tensor:
            after = functional_call(discriminator.stages[i], dict(params), (x,))
            return after if part is None else after + part.reshape(after.shape)

        yield f"stages.{i}.", stage
    score = Score(discriminator.score)
    yield (
        "score.",
        lambda params, x: functional_call(
            score, {f"score.{k}": v for k, v in params.items()}, (x,)
        ),
    )


def stage_params(params: Params, prefix: str) -> Params:
    """The parameters of one stage, under the names that the stage gives them."""
    return {k.removeprefix(prefix): v for k, v in params.items() if k.startswith(prefix)}


def unit_cotangents(
    discriminator: Discriminator, params: Params, samples: Samples, noise: Tensor | None = None
) -> tuple[list[Tensor], list[Tensor]]:
    """The inputs of D's stages followed by the scores, and the gradients of Σᵢ sᵢ in each of them.

    The first gradient is ∇ₓD(xᵢ), sample by sample.
    """
    values, pulls = [samples], []
    for prefix, stage in stages(discriminator, noise):
        of_stage = partial(stage, stage_params(params, prefix))
        after, pull, *_ = vjp(of_stage, values[-1])
        values.append(after)
        pulls.append(pull)
    cotangents = [torch.ones_like(values[-1])]
    for pull in reversed(pulls):
        cotangents.append(pull(cotangents[-1])[0])
    return values, cotangents[::-1]


class _FactorLast(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(
        discriminator: Discriminator,
        names: tuple[str, ...],
        samples: Samples,
        noise: Tensor | None,
        *values: Tensor,
    ) -> Scores:
        params = dict(zip(names, values, strict=True))
        return functional_call(discriminator, params, (samples, noise))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Scores) -> None:
        ctx.discriminator, ctx.names, *tensors = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, factor: Scores) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        samples, noise, *values = ctx.saved_tensors
        params = dict(zip(ctx.names, values, strict=True))
        inputs, unit = unit_cotangents(ctx.discriminator, params, samples, noise)
        gradient: dict[str, Tensor] = {}
        parts = zip(stages(ctx.discriminator, noise), inputs, unit[1:], strict=False)
        for (prefix, stage), x, cotangent in parts:
            _, pull, *_ = vjp(lambda p, f=stage, x=x: f(p, x), stage_params(params, prefix))
            (share,) = pull(_scaled(cotangent, factor))
            gradient |= {prefix + name: value for name, value in share.items()}
        in_order = (gradient[name] for name in ctx.names)
        return None, None, _scaled(unit[0], factor), None, *in_order


def _scaled(cotangent: Tensor, factor: Scores) -> Tensor:
    return cotangent * factor.reshape(-1, *[1] * (cotangent.ndim - 1)).to(cotangent.dtype)


def score_factor_last(
    discriminator: Discriminator, params: Params, samples: Samples, noise: Tensor | None = None
) -> Scores:
    """D's scores, differentiable in parameters and samples; D must not mix samples."""
    return _FactorLast.apply(discriminator, tuple(params), samples, noise, *params.values())
