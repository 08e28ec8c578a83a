"""Spectral normalisation: what a layer's largest singular value is, and who moves its estimate.

``tests/train/test_reference_loops.py`` holds whole trainings against
``torch.nn.utils.parametrizations.spectral_norm``.
"""

import pytest
import torch
from cases import double, draws_of, lane, precise, tiny
from torch.func import functional_call, grad

from vral.data.draws import rng
from vral.games.game import field
from vral.nets import NETWORKS, initial_parameters
from vral.nets.norm import SpectralNorm, power_iteration
from vral.penalties import gradient_norm

CPU = torch.device("cpu")
SHAPES = {"mlp": (1, 8, 8), "segment": (2,), "mnist-conv": (1, 28, 28), "dcgan": (3, 32, 32)}


def started(network: str, width: int = 8):
    """D with spectral norm and its parameters in float64."""
    d = NETWORKS[network].discriminator(SHAPES[network], width, "spectral").double()
    return d, initial_parameters(d, rng(CPU, 0, network))


def estimates(params) -> dict[str, torch.Tensor]:
    """The true largest singular value of every weight over its estimate uᵀWv."""
    found = {}
    for name in params:
        if name.endswith(".left"):
            prefix = name.removesuffix("left")
            matrix = params[f"{prefix}layer.weight"].flatten(1)
            estimate = params[name] @ matrix @ params[f"{prefix}right"]
            found[prefix] = torch.linalg.matrix_norm(matrix, 2) / estimate
    return found


@pytest.mark.parametrize("network", NETWORKS)
def test_every_layer_starts_with_a_largest_singular_value_of_one(network):
    d, params = started(network)
    linear = [m for m in d.modules() if isinstance(m, torch.nn.Linear | torch.nn.Conv2d)]
    norms = [m for m in d.modules() if isinstance(m, SpectralNorm)]
    assert [norm.layer for norm in norms] == linear  # none is spared, the score's included
    d.load_state_dict(params)
    for norm in norms:
        largest = torch.linalg.matrix_norm(norm.weight.flatten(1), 2)
        torch.testing.assert_close(largest.item(), 1.0, rtol=1e-9, atol=0)


def test_the_lipschitz_constant_of_an_mlp_is_at_most_one():
    d, params = started("mlp", width=32)
    x = torch.randn(500, *SHAPES["mlp"], generator=rng(CPU, 1)).double()
    large = {k: 30 * v if k.endswith("weight") else v for k, v in params.items()}
    slopes = gradient_norm(lambda at: functional_call(d, large, (at,)), x)
    assert 0.01 < slopes.max() <= 1 + 1e-9


def test_power_iteration_finds_the_largest_singular_value_and_leaves_the_weights_alone():
    _, params = started("mnist-conv", width=2)
    random = rng(CPU, 2)
    lost = {
        k: torch.randn(v.shape, generator=random).double() if v.ndim == 1 else v
        for k, v in params.items()
    }
    at = lost
    for _ in range(2000):
        at = power_iteration(at)
    assert at.keys() == lost.keys()
    for ratio in estimates(at).values():
        torch.testing.assert_close(ratio.abs().item(), 1.0, rtol=1e-6, atol=0)
    for name, value in lost.items():
        moved = name.endswith((".left", ".right"))
        assert torch.equal(at[name], value) != moved, name


def test_no_loss_moves_the_vectors_and_no_gradient_points_along_the_weight():
    """W/σ(W) knows no size of W, so that ⟨∂L/∂W, W⟩ = 0 where u and v are W's singular vectors."""
    d, params = started("mlp")
    x = torch.randn(20, *SHAPES["mlp"], generator=rng(CPU, 3)).double()
    slope = grad(lambda p: functional_call(d, p, (x,)).exp().mean())(params)
    for name, value in slope.items():
        if name.endswith((".left", ".right")):
            assert not value.any()
        elif name.endswith("weight"):
            assert abs((value * params[name]).sum()) < 1e-12
            assert torch.linalg.vector_norm(value) > 1e-3


@pytest.mark.parametrize("method", ["hinge", "r3gan"])
def test_one_iteration_an_update_keeps_up_with_training(method):
    """uᵀWv is at most σ₁ whatever u and v are, here in every lane; vectors that stay where they
    started fall behind, and those that follow arrive once the weights stay."""
    training, state = precise(tiny(method, norm_d="spectral", seeds=(0, 4), ratio="5", width=16))
    start = lane(state.profile, 1)["D"]
    for move, draw in draws_of(training, 12):
        state, _ = training.steps[move, False](state, draw)
        for i in (0, 1):
            ratios = estimates(lane(state.profile, i)["D"]).values()
            assert all(1 - 1e-9 < ratio < 1.25 for ratio in ratios)
    end = lane(state.profile, 1)["D"]
    stale = {k: v for k, v in start.items() if k.endswith((".left", ".right"))}
    followed, left_behind = estimates(end), estimates({**end, **stale})
    assert followed["stages.0.1."] < left_behind["stages.0.1."] - 0.01
    for _ in range(200):
        end = power_iteration(end)
    assert all(ratio < 1.001 for ratio in estimates(end).values())


def test_a_move_of_g_or_a_reading_leaves_the_vectors_alone():
    training, state = precise(tiny("hinge", norm_d="spectral", ratio="2"))
    for move, draw in training.stream.round(training.moves(0)):
        after, _ = training.steps[move, True](state, double(draw))
        moved = not torch.equal(
            after.profile["D"]["stages.0.1.right"], state.profile["D"]["stages.0.1.right"]
        )
        assert moved == (move == ("D",))
        state = after


def test_rules_that_differentiate_gradients_see_constants_too():
    """‖∇L‖² has no slope in u and v, as torch's own spectral norm detaches them."""
    training, state = precise(tiny("hinge", norm_d="spectral"))
    profile = lane(state.profile, 0)
    (move, draw), *_ = training.stream.round([("D",)])
    draw = lane(double(draw), 0)

    def square(params):
        slopes, _ = field(training.gan.losses, move, {**profile, "D": params}, draw)
        return sum((value**2).sum() for value in slopes["D"].values())

    slope = grad(square)(profile["D"])
    assert not any(v.any() for k, v in slope.items() if k.endswith((".left", ".right")))
    assert torch.linalg.vector_norm(slope["score.layer.weight"]) > 1e-6
