"""Update rules against torch.optim's classes, alone and on stacked parameters."""

import pytest
import torch
from cases import flat, lane

from vral.optim import (
    TRANSFORMS,
    Adam,
    ClippedWhole,
    FirstOrder,
    Momentum,
    RmsProp,
    Sgd,
    Still,
    Transform,
)
from vral.types import map_tensors

LR, UPDATES = 0.03, 100
OURS: dict[str, Transform] = {
    "sgd": Sgd(LR),
    "momentum": Momentum(LR, 0.8),
    "rmsprop": RmsProp(LR, 0.95, 1e-5),
    "adam": Adam(LR, 0.6, 0.99, 1e-5),
}

TORCH = {
    "sgd": lambda p: torch.optim.SGD(p, LR),
    "momentum": lambda p: torch.optim.SGD(p, LR, momentum=0.8),
    "rmsprop": lambda p: torch.optim.RMSprop(p, LR, alpha=0.95, eps=1e-5),
    "adam": lambda p: torch.optim.Adam(p, LR, betas=(0.6, 0.99), eps=1e-5),
}


def start(dtype=torch.float64, seed: int = 0) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    shapes = {"matrix": (4, 3), "vector": (5,), "number": ()}
    return {n: torch.randn(s, generator=random, dtype=dtype) for n, s in shapes.items()}


def gradient(params, update: int):
    """A gradient that depends on the place and on the time, and is exactly 0 now and then."""
    return map_tensors(
        lambda x: torch.sin(3 * x + update) * (update % 7 != 0) * 10.0 ** (update % 4 - 2), params
    )


def ours(name: str, params):
    transform = OURS[name]
    state = transform.init(params)
    for update in range(UPDATES):
        params, state = transform.update(gradient(params, update), state, params)
    return params


def test_every_transform_has_a_reference():
    assert set(TORCH) == set(TRANSFORMS) == set(OURS)
    assert all(type(transform) is TRANSFORMS[name] for name, transform in OURS.items())


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-12), (torch.float32, 1e-4)])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_equals_torch_optim(name, dtype, rtol):
    reference = {n: torch.nn.Parameter(value) for n, value in start(dtype).items()}
    optimiser = TORCH[name](list(reference.values()))
    for update in range(UPDATES):
        for parameter, value in zip(
            reference.values(), gradient(reference, update).values(), strict=True
        ):
            parameter.grad = value.detach()
        optimiser.step()
    got = ours(name, start(dtype))
    for n, value in reference.items():
        torch.testing.assert_close(got[n], value.data, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_lanes_are_independent(name):
    lanes = [start(seed=seed) for seed in range(4)]
    stacked = {n: torch.stack([one[n] for one in lanes]) for n in lanes[0]}
    together = ours(name, stacked)
    for i, one in enumerate(lanes):
        alone = ours(name, one)
        torch.testing.assert_close(flat(lane(together, i)), flat(alone), rtol=1e-13, atol=1e-13)


def test_momentum_may_be_negative():
    """On the gradient of x²/2 the heavy ball is x₊ = (1 - lr + m)x - m·x₋."""
    m = -0.5
    transform = Momentum(LR, m)
    params = {"x": torch.tensor([2.0], dtype=torch.float64)}
    state, path = transform.init(params), [2.0, 2.0]
    for _ in range(30):
        params, state = transform.update(params, state, params)
        path.append((1 - LR + m) * path[-1] - m * path[-2])
        assert params["x"].item() == pytest.approx(path[-1], rel=1e-12)


@pytest.mark.parametrize("lr", [1e-3, 0.1])
def test_adams_first_step_is_lr_whatever_the_gradient(lr):
    transform = Adam(lr, eps=1e-12)
    params = {"x": torch.zeros(3, dtype=torch.float64)}
    gradient = {"x": torch.tensor([1e-4, -5.0, 1e3], dtype=torch.float64)}
    moved, _ = transform.update(gradient, transform.init(params), params)
    expected = -lr * gradient["x"].sign()
    torch.testing.assert_close(moved["x"], expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_players_keep_their_own_state(name):
    """A player who sat out 10 moves continues as if they had not happened."""
    rule = FirstOrder({player: OURS[name] for player in "DG"})
    profile = {"D": start(seed=1), "G": start(seed=2)}
    opt, alone = rule.init(profile), {"G": profile["G"]}
    alone_opt = rule.init(profile)

    def of(movers, update):
        return lambda profile: ({p: gradient(profile[p], update) for p in movers}, None)

    for update in range(20):
        movers = ("G",) if update % 3 == 0 else ("D",)
        profile, opt, _ = rule.update(of(movers, update), movers, profile, opt)
        if movers == ("G",):
            alone, alone_opt, _ = rule.update(of(movers, update), movers, alone, alone_opt)
    assert torch.equal(flat(profile["G"]), flat(alone["G"]))


def test_an_update_changes_nothing_in_place():
    for transform in OURS.values():
        params, slope = start(seed=3), gradient(start(seed=3), 1)
        state = transform.init(params)
        before = str((params, state, slope))
        transform.update(slope, state, params)
        assert str((params, state, slope)) == before


def test_a_player_can_stay():
    transform = Still()
    params, state = start(), transform.init(start())
    moved, _ = transform.update(gradient(params, 1), state, params)
    assert all(torch.equal(moved[name], value) for name, value in params.items())


def test_clipping_everything_freezes_adams_count_and_shrinks_its_step_sixteenfold():
    """Spec section 4.5: with t stuck at 1 + c and β₁ = 0.5, a steady gradient moves a parameter by
    6.2e-6 where the learning rate is 1e-4."""
    limit, slope = 0.1, 0.01
    lr, beta1, beta2 = 1e-4, 0.5, 0.999
    transform = ClippedWhole(Adam(lr, beta1, beta2, 1e-12), limit)
    params = {"weight": torch.zeros(1, dtype=torch.float64)}
    steady = {"weight": torch.full((1,), slope, dtype=torch.float64)}
    state = transform.init(params)
    first, state = transform.update(steady, state, params)
    assert state["count"] == limit
    state |= {"mean": steady, "square": {"weight": steady["weight"] ** 2}}
    second, state = transform.update(steady, state, first)
    step = (first["weight"] - second["weight"]).item()
    assert step == pytest.approx(
        lr * (1 - beta2 ** (1 + limit)) ** 0.5 / (1 - beta1 ** (1 + limit)), rel=1e-9
    )
    assert step == pytest.approx(6.2e-6, rel=0.01)
    far = {"weight": torch.full((1,), 3.0, dtype=torch.float64)}
    assert transform.update(steady, state, far)[0]["weight"] == limit
