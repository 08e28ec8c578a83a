"""FusedGan is Gan's game: the same losses, gradients and readings from fewer passes."""

from dataclasses import fields

import pytest
import torch
from cases import double, lane, precise, tiny

from vral.games.fused import FusedGan
from vral.games.game import field
from vral.games.gan import Gan
from vral.games.meta import MetaGan
from vral.types import leaves

CASES = {
    "plain": ("nonsaturating", {}),
    "penalty": ("wgan-gp", {"instance_noise": 0.2}),
    "hidden noise": ("r1", {"hidden_noise": 0.3}),
    "meta": ("vral-meta", {"g_objective": "mean"}),
    "batch norm": ("lsgan", {"norm_d": "batch", "norm_g": "batch"}),
}


def plain_game(gan: FusedGan) -> Gan:
    """The same game as the formula has it."""
    kind = MetaGan if isinstance(gan, MetaGan) else Gan
    return kind(**{part.name: getattr(gan, part.name) for part in fields(kind)})


@pytest.mark.parametrize("case", CASES)
def test_shared_passes_change_nothing(case):
    method, given = CASES[case]
    training, state = precise(tiny(method, **given))
    plain, profile = plain_game(training.gan), lane(state.profile, 0)
    assert not isinstance(plain, FusedGan)
    for move, draw in training.stream.round(training.moves(0)):
        draw = lane(double(draw), 0)
        ours, theirs = (field(g.losses, move, profile, draw) for g in (training.gan, plain))
        for a, b in zip(leaves(ours[0]), leaves(theirs[0]), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
        if move == ("D",):
            scored = plain.score(profile, draw)
            for a, b in zip(
                training.gan.input_gradients(profile, draw, scored),
                plain.input_gradients(profile, draw, scored),
                strict=True,
            ):
                torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("norm", ["none", "group", "batch"])
def test_fakes_of_one_pass_are_those_of_many(norm):
    """Also where G has batch norm: every batch keeps its own statistics."""
    training, state = precise(tiny("lsgan", norm_g=norm, width=32, ratio="3"))
    profile = lane(state.profile, 0)
    draws = [lane(double(draw), 0) for _, draw in training.stream.round([("D",)] * 3)]
    for draw, more in zip(draws, training.gan.draw_fakes(profile, draws), strict=True):
        alone = training.gan.generate(profile["G"], draw["latent"])
        torch.testing.assert_close(more["fake"], alone, rtol=1e-12, atol=1e-12)
        assert set(more) == {*draw, "fake"}
        assert training.gan.fake(profile, more) is more["fake"]
