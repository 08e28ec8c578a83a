"""D's backward pass with the loss's factor last: the same derivatives as any other order."""

import pytest
import torch
from cases import CPU
from torch.func import functional_call, grad, vmap

from vral.data.draws import rng
from vral.nets import NETWORKS, initial_parameters
from vral.nets.backward import score_factor_last, unit_cotangents
from vral.penalties import input_gradient

PAIRS = [
    ("mlp", (2,), 8, "none"),
    ("mlp", (1, 4, 4), 32, "group"),
    ("mnist-conv", (1, 28, 28), 4, "none"),
    ("dcgan", (3, 32, 32), 8, "group"),
    ("mlp", (2,), 8, "spectral"),
    ("mnist-conv", (1, 28, 28), 4, "spectral"),
]


@pytest.fixture(params=PAIRS, ids=lambda pair: f"{pair[0]}-{pair[3]}")
def case(request):
    name, shape, width, norm = request.param
    network = NETWORKS[name].discriminator(shape, width, norm)
    random = rng(CPU, 0, name, norm)
    params = initial_parameters(network, random)
    params = {k: v.double() + 0.1 * torch.randn(v.shape).double() for k, v in params.items()}
    samples = torch.randn(5, *shape, generator=random).double()
    noise = 0.3 * torch.randn(5, network.noise_size, generator=random).double()
    return network, params, samples, noise


def losses(network, noise):
    """A loss whose factors differ in sign and size, by both orders of differentiation."""
    weights = torch.linspace(-2, 3, 5, dtype=torch.float64)

    def loss(score):
        return lambda params, x: (weights * score(params, x) ** 2).sum()

    plain = loss(lambda params, x: functional_call(network, params, (x, noise)))
    return plain, loss(lambda params, x: score_factor_last(network, params, x, noise))


@pytest.mark.parametrize("noisy", [False, True])
def test_gradients_in_parameters_and_samples(case, noisy):
    network, params, samples, noise = case
    plain, late = losses(network, noise if noisy else None)
    for argument in (0, 1):
        expected = grad(plain, argument)(params, samples)
        found = grad(late, argument)(params, samples)
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_second_derivatives(case):
    """A Hessian-vector product, as consensus and spectra ask for it: reverse over reverse."""
    network, params, samples, noise = case

    def curvature(loss):
        direction = {k: torch.ones_like(v) for k, v in params.items()}
        slope = lambda p: sum(  # noqa: E731
            (direction[k] * g).sum() for k, g in grad(loss)(p, samples).items()
        )
        return grad(slope)(params)

    plain, late = losses(network, noise)
    torch.testing.assert_close(curvature(late), curvature(plain), rtol=1e-9, atol=1e-9)


def test_unit_cotangents_begin_with_the_input_gradient(case):
    network, params, samples, noise = case
    values, cotangents = unit_cotangents(network, params, samples, noise)
    critic = lambda x: functional_call(network, params, (x, noise))  # noqa: E731
    torch.testing.assert_close(values[-1], critic(samples))
    torch.testing.assert_close(cotangents[0], input_gradient(critic, samples), rtol=1e-10, atol=0)
    assert [c.shape for c in cotangents] == [v.shape for v in values]


def test_a_saturated_score_keeps_its_input_gradient():
    """Where ∂L/∂s underflows to 0, dividing by it would give nothing; the unit pass does not."""
    network = NETWORKS["mlp"].discriminator((2,), 8, "none")
    params = initial_parameters(network, rng(CPU, 1))
    params = {**params, "score.bias": torch.tensor([200.0])}
    samples = torch.randn(4, 2, generator=rng(CPU, 2))
    loss = lambda p: torch.nn.functional.softplus(  # noqa: E731
        -score_factor_last(network, p, samples)
    ).sum()
    assert grad(loss)(params)["score.bias"] == 0
    assert (unit_cotangents(network, params, samples)[1][0].norm(dim=1) > 1e-3).all()


def test_lanes_are_independent(case):
    network, params, samples, noise = case
    _, late = losses(network, noise)
    stacked = {k: torch.stack([v, 2 * v]) for k, v in params.items()}
    both = vmap(grad(late), in_dims=(0, None))(stacked, samples)
    for i, factor in enumerate((1, 2)):
        alone = grad(late)({k: factor * v for k, v in params.items()}, samples)
        for name, value in alone.items():
            torch.testing.assert_close(both[name][i], value, rtol=1e-9, atol=1e-9)
