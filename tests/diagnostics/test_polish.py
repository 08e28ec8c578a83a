"""The search for a stationary point, on games whose equilibria are known."""

import numpy as np
import oracles_dynamics as closed
import pytest
import torch
from oracles_dynamics import assigned

from vral.diagnostics.linearise import Map, at_rest, field_map
from vral.diagnostics.polish import STEPS, polish
from vral.diagnostics.spectrum import STATIONARY, spectrum
from vral.games.dirac import dirac
from vral.games.planar import manifold
from vral.games.quadratic import quadratic, scalar_quadratic

GAMES = {
    "dirac with R1": lambda: dirac(r1=0.3),
    "dirac without": lambda: dirac("nonsaturating"),
    "gaussian location": lambda: dirac(spread=(0.5, 1.2), r1=0.4),
    "scalar quadratic": lambda: scalar_quadratic(1.0, 10.0, 1.0),
    "quadratic": lambda: quadratic(
        torch.eye(2), torch.tensor([[3.0, 1.0], [0.0, 2.0]]), -torch.eye(2)
    ),
}
"""Games whose only stationary point near 0 is 0."""


@pytest.mark.parametrize("dense_limit", [0, 5000], ids=["matrix-free", "dense"])
@pytest.mark.parametrize("name", GAMES)
def test_the_equilibrium_is_found_from_beside_it(name, dense_limit):
    toy = GAMES[name]()
    start = torch.linspace(0.5, -0.4, toy.size, dtype=torch.float64)
    field = field_map(toy.game, toy.profile(start), toy.draw)
    found = polish(field, dense_limit=dense_limit)
    assert field.residual > 0.01
    assert found.residual <= STATIONARY
    assert found.residual == field._replace(point=found.point).residual
    assert torch.linalg.vector_norm(found.point) < 1e-5
    assert 0 < found.steps < 30


def test_the_spectrum_there_is_the_closed_form():
    toy = dirac(spread=(0.5, 1.2), r1=0.4)
    field = field_map(toy.game, toy.at(0.4, -0.3, 0.2, 0.1), toy.draw)
    wanted = np.concatenate([closed.location_pair(s**2, 0.4) for s in (0.5, 1.2)])
    assert not spectrum(field).stationary
    got = spectrum(field._replace(point=polish(field).point))
    assert got.converges is True
    assert assigned(got.eigenvalues, wanted) < 1e-5


def test_the_manifold_gan_comes_home_but_for_its_free_coordinate():
    """A linear G of a Gaussian: A = (±1, 0), b = 0 and ψ = 0 but for ψ₅, along which v = 0."""
    toy = manifold(r1=1.0)
    shift = torch.randn(9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    point = toy.coordinates(toy.start) + 0.05 * shift
    field = field_map(toy.game, toy.profile(point), toy.draw)
    found = polish(field)
    got = spectrum(field._replace(point=found.point))
    assert found.residual <= STATIONARY
    home = torch.tensor([1.0, 0, 0, 0, 0, 0, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(found.point[:8], home, rtol=0, atol=1e-5)
    assert got.null.sum() == 1
    assert got.positive == 0


def test_a_field_without_a_zero_is_said_to_have_none():
    """v = (x² + 1, y): ‖v‖ is 1 at its least, at 0, where the search ends."""
    start = torch.tensor([0.7, -0.4], dtype=torch.float64)
    field = Map(lambda x: torch.stack([x[0] ** 2 + 1, x[1]]), start, False)
    found = polish(field)
    assert 1 <= found.residual < 1.02
    assert found.steps < STEPS


def test_every_step_is_told_and_lowers_the_norm():
    toy, told = dirac(r1=0.3), []
    field = field_map(toy.game, toy.at(1.0, 1.0), toy.draw)
    found = polish(field, progress=lambda *now: told.append(now))
    steps, norms, _ = zip(*told, strict=True)
    assert list(steps) == list(range(found.steps))
    assert norms[0] == field.residual
    assert all(a > b for a, b in zip(norms, (*norms[1:], found.residual), strict=True))


def test_few_steps_come_part_of_the_way():
    toy = dirac(r1=0.3)
    field = field_map(toy.game, toy.at(1.0, 1.0), toy.draw)
    assert polish(field, 0).residual == field.residual
    assert polish(field, 0).steps == 0
    assert STATIONARY < polish(field, 1).residual < field.residual


def test_momenta_rest_and_second_moments_stay():
    """A fixed point of rounds has v = 0 and no momentum."""
    ones = {"w": torch.ones(2)}
    opt = {"D": {"count": torch.tensor(3.0), "mean": dict(ones), "square": dict(ones)}}
    rested = at_rest(opt)
    assert rested["D"]["count"] == 3
    assert torch.equal(rested["D"]["square"]["w"], torch.ones(2))
    assert torch.equal(rested["D"]["mean"]["w"], torch.zeros(2))
    assert torch.equal(opt["D"]["mean"]["w"], torch.ones(2))
