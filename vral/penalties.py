"""Penalties that D adds to its objective, and weight clipping as a projection.

Every penalty sees the critic as a function of samples. That function is either

* an ``nn.Module``, as in an ordinary PyTorch loop: the gradient is taken by ``torch.autograd``,
  stays differentiable in the module's parameters (``loss.backward()`` fills their ``.grad``), and
  leaves the module's buffers untouched, so that batch norm may be in training mode; or
* any other function, as in this package's own trainer: the gradient is taken by ``torch.func`` and
  composes with ``grad``, ``jvp`` and ``vmap``.

Norms are taken per sample over all non-batch dimensions with ``vector_norm``, whose gradient at a
flat critic is 0 where that of ``sqrt(sum)`` is NaN. There is no epsilon under the root, because it
would bias the norm that is plotted.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from vral.types import Critic, Draw, Params, Samples, Scalar, Scored, Scores


def input_gradient(critic: Critic, samples: Samples) -> Samples:
    """∇ₓD(x) of every sample: (batch, *sample) to the same shape.

    ``critic`` maps ``samples`` to one raw score each, (batch,) or (batch, 1). The result is the
    gradient of the *sum* of the scores, so nothing carries a 1/B. With batch norm in D a sample's
    gradient depends on the whole batch, and this is no longer a per-sample quantity.

    An ``nn.Module`` may be in training mode: this pass does not change its running statistics.
    Inside a ``torch.func`` transform give a function of the samples instead, for instance
    ``lambda x: functional_call(module, params, (x,))``. Raises RuntimeError (torch's own) where the
    module's scores do not depend on the samples. Source: Gulrajani et al. 2017, section 4.
    """
    if isinstance(critic, nn.Module):
        return _module_gradient(critic, samples)
    return torch.func.grad(lambda x: critic(x).sum())(samples)


def _module_gradient(module: nn.Module, samples: Samples) -> Samples:
    """``input_gradient`` of a module, by autograd.

    ``torch.func`` refuses a module that writes to its buffers. Here the module runs on copies of
    them, so that looking at it does not change it. The result has a graph if gradients are enabled
    where it is asked for.
    """
    buffers = {name: value.clone() for name, value in module.named_buffers()}
    differentiable = torch.is_grad_enabled()
    with torch.enable_grad():
        x = samples if samples.requires_grad else samples.detach().requires_grad_()
        total = functional_call(module, buffers, (x,)).sum()
        return torch.autograd.grad(total, x, create_graph=differentiable)[0]


def gradient_norm(critic: Critic, samples: Samples) -> Scores:
    """‖∇ₓD(x)‖₂ of every sample: (batch, *sample) to (batch,), without a factor 1/B.

    Raises what ``input_gradient`` raises. Source: the norm of Gulrajani et al. 2017, equation 3.
    """
    return torch.linalg.vector_norm(input_gradient(critic, samples).flatten(1), dim=1)


def gradient_penalty(critic: Critic, scored: Scored, draw: Draw, centre: float = 1.0) -> Scalar:
    """E(‖∇D(x̂)‖ - centre)² at x̂ = εx + (1-ε)G(z), with one ε in [0, 1] per sample; a scalar ().

    ``scored.real`` and ``scored.fake`` are (batch, *sample); ``draw["mix"]`` holds ε as
    (batch, 1, …, 1). ``centre`` is the norm asked for; at 0 the penalty is smooth at a flat critic
    too and has its true second derivative there. Raises KeyError without ``draw["mix"]``.
    Source: Gulrajani et al. 2017, equation 3 (centre 1); Thanh-Tung et al. 2019 (centre 0).
    """
    mix = _mix(draw)
    between = mix * scored.real + (1 - mix) * scored.fake
    if centre == 0:
        return (input_gradient(critic, between).flatten(1) ** 2).sum(1).mean()
    return ((gradient_norm(critic, between) - centre) ** 2).mean()


def legacy_gradient_penalty(critic: Critic, scored: Scored, draw: Draw) -> Scalar:
    """The penalty of the original VRAL code, a scalar (): one ε per batch, the gradient in x.

    Since ∂D(x̂)/∂x = ε ∇D(x̂), it asks for ‖∇D(x̂)‖ = 1/ε instead of 1. Shapes and errors are
    those of ``gradient_penalty``. Source: the code of Grewal et al. 2017.
    """
    mix = _mix(draw)[:1]
    between = mix * scored.real + (1 - mix) * scored.fake
    return ((mix.flatten() * gradient_norm(critic, between) - 1) ** 2).mean()


def _mix(draw: Draw) -> Tensor:
    """The ε of every sample. Raises KeyError, saying what is missing."""
    if "mix" not in draw:
        raise KeyError(
            'draw["mix"]: missing; it has to hold ε in [0, 1] per sample as (batch, 1, …, 1), '
            "e.g. torch.rand(len(real), 1) for vectors"
        )
    return draw["mix"]


def r1(critic: Critic, scored: Scored, draw: Draw) -> Scalar:
    """½ E‖∇D(x)‖² on real samples, a scalar (); the weight in front is the paper's γ.

    ``scored.real`` is (batch, *sample); ``draw`` is not used. Raises what ``input_gradient``
    raises. Source: Mescheder et al. 2018, equation 9.
    """
    return 0.5 * (input_gradient(critic, scored.real).flatten(1) ** 2).sum(1).mean()


def r2(critic: Critic, scored: Scored, draw: Draw) -> Scalar:
    """½ E‖∇D(G(z))‖² on fake samples, a scalar (); the weight in front is the paper's γ.

    ``scored.fake`` is (batch, *sample); ``draw`` is not used. Raises what ``input_gradient``
    raises. Source: Mescheder et al. 2018, equation 10.
    """
    return 0.5 * (input_gradient(critic, scored.fake).flatten(1) ** 2).sum(1).mean()


def moments(scores: Scores, mean: float) -> Scalar:
    """(Var - 1)² + (mean - m)² of one class of scores (batch,), with the batch's biased variance.

    It asks directly for what VRAL's meta-discriminators are meant to achieve, and so serves as the
    non-adversarial control. Source: a two-class form stood in Hjelm's code of January 2018.
    """
    return (scores.var(correction=0) - 1) ** 2 + (scores.mean() - mean) ** 2


Penalty = Callable[[Critic, Scored, Draw], Scalar]


@dataclass(frozen=True)
class PenaltyRow:
    """A penalty of PENALTIES; called, it is that penalty."""

    function: Penalty
    per_sample: bool = True
    """Whether it means something only where a sample's score does not depend on its batch, as all
    penalties on ∇ₓD do. A run with batch norm in D refuses it then."""

    def __call__(self, critic: Critic, scored: Scored, draw: Draw) -> Scalar:
        """The penalty, a scalar ()."""
        return self.function(critic, scored, draw)


PENALTIES: dict[str, PenaltyRow] = {
    "gradient_penalty": PenaltyRow(gradient_penalty),
    "legacy_gp": PenaltyRow(legacy_gradient_penalty),
    "r1": PenaltyRow(r1),
    "r2": PenaltyRow(r2),
}
"""D's penalties, by the name of their weight in the run's configuration."""


def clip_weights(params: Params, weights: Collection[str], limit: float) -> dict[str, Tensor]:
    """Project the named ``weights`` onto [-limit, limit]; biases and norm scales pass unchanged.

    Every tensor of ``params``, e.g. (n, m), keeps its shape. The original VRAL code clipped
    everything within the optimiser's reach, Adam's moments and step counter included. Source:
    Arjovsky et al. 2017, algorithm 1.
    """
    return {
        name: value.clamp(-limit, limit) if name in weights else value
        for name, value in params.items()
    }
