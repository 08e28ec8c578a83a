"""Spectra of fields and of rounds: closed forms, dense against Arnoldi, the step they predict."""

import math

import numpy as np
import oracles_dynamics as closed
import pytest
import torch
from oracles import finite_difference
from oracles_dynamics import assigned

from vral import figures
from vral.diagnostics.gamma_sweep import gamma_sweep
from vral.diagnostics.linearise import Map, field_map, jacobian, kernel, update_map
from vral.diagnostics.spectrum import Spectrum, arnoldi, spectrum
from vral.errors import ConfigError
from vral.games.dirac import dirac
from vral.games.dirac_vral import vral
from vral.games.planar import manifold, mixture
from vral.games.quadratic import quadratic, scalar_quadratic
from vral.objectives import OBJECTIVES, Objective
from vral.optim import Adam, FirstOrder, Momentum, RmsProp, Sgd

SIM = (("G", "D"),)
ALT = (("G",), ("D",))
ALT5 = (("G",), *[("D",)] * 5)
DEFECTIVE = 1e-6
"""Numerical eigenvalues of a Jordan block split by the root of the rounding."""


def at_equilibrium(toy):
    return field_map(toy.game, toy.profile(torch.zeros(toy.size, dtype=torch.float64)), toy.draw)


def descent(toy, step_g, step_d=None):
    steps = {"G": step_g, "D": step_g if step_d is None else step_d}
    return FirstOrder({player: Sgd(step) for player, step in steps.items()})


def round_map(toy, moves, rule, *point):
    profile = toy.at(*(point or [0.0] * toy.size))
    return update_map(toy.game, rule, moves, profile, rule.init(profile), toy.draw)


def differences(local_map):
    """The Jacobian by central differences."""
    return finite_difference(local_map.function, local_map.point).T.numpy()


# ---- section 2: the Dirac-GAN's field -----------------------------------------------------------

HALF, CRITICAL = 0.5, (-0.5, -0.5)
BCE = {
    "none": ({}, (0.5j, -0.5j)),
    "r1 .1": ({"r1": 0.1}, (-0.05 + 0.4974937186j, -0.05 - 0.4974937186j)),
    "r1 .3": ({"r1": 0.3}, (-0.15 + 0.4769696007j, -0.15 - 0.4769696007j)),
    "r1 .5": ({"r1": 0.5}, (-0.25 + 0.4330127019j, -0.25 - 0.4330127019j)),
    "r1 1": ({"r1": 1.0}, CRITICAL),
    "r1 and r2 .5": ({"r1": 0.5, "r2": 0.5}, CRITICAL),
    "r1 1.5": ({"r1": 1.5}, (-0.1909830056, -1.3090169944)),
    "r1 2": ({"r1": 2.0}, (-0.1339745962, -1.8660254038)),
    "r1 10": ({"r1": 10.0}, (-0.0250628145, -9.9749371855)),
    "noise .3": ({"instance_noise": 0.3}, (-0.0225 + 0.4994934934j, -0.0225 - 0.4994934934j)),
    "noise .5": ({"instance_noise": 0.5}, (-0.0625 + 0.4960783708j, -0.0625 - 0.4960783708j)),
    "noise .7": ({"instance_noise": 0.7}, (-0.1225 + 0.4847615393j, -0.1225 - 0.4847615393j)),
    "noise 1": ({"instance_noise": 1.0}, (-0.25 + 0.4330127019j, -0.25 - 0.4330127019j)),
    "noise 2": ({"instance_noise": 2.0}, (-0.1339745962, -1.8660254038)),
    "noise at its critical √2": ({"instance_noise": math.sqrt(2)}, CRITICAL),
}


@pytest.mark.parametrize("objective", ["standard", "nonsaturating"])
@pytest.mark.parametrize("name", BCE)
def test_log_loss_spectra(name, objective):
    given, wanted = BCE[name]
    toy = dirac(objective, **given)
    tolerance = DEFECTIVE if wanted == CRITICAL else 1e-9
    got = spectrum(at_equilibrium(toy))
    assert got.residual < 1e-15
    assert assigned(got.eigenvalues, wanted) < tolerance
    weight = given.get("r1", 0) + given.get("r2", 0)
    square = given.get("instance_noise", 0) ** 2
    assert assigned(closed.location_pair(square, weight), wanted) < tolerance
    assert assigned(np.linalg.eigvals(differences(at_equilibrium(toy))), wanted) < 3e-5


def test_zero_centred_penalty_on_wgan():
    for weight, wanted in ((0.7, (-0.35 + 0.9367496998j, -0.35 - 0.9367496998j)), (2.0, (-1, -1))):
        toy = dirac("wgan", gradient_penalty=weight, centre=0.0)
        tolerance = DEFECTIVE if weight == 2 else 1e-9
        assert assigned(spectrum(at_equilibrium(toy)).eigenvalues, wanted) < tolerance


LOG, SCORE = OBJECTIVES["nonsaturating"], OBJECTIVES["wgan"]
LOSSES = {
    "standard": (OBJECTIVES["standard"], 0.5, -0.5),
    "nonsaturating": (LOG, 0.5, -0.5),
    "KL of NUM17": (Objective(LOG.real, LOG.fake, SCORE.generator, "L_G = -D"), 0.5, -1.0),
    "wgan": (SCORE, 1.0, -1.0),
    "hinge": (OBJECTIVES["hinge"], 1.0, -1.0),
    "tv of NUM17": (
        Objective(lambda s: -s.tanh(), lambda s: s.tanh(), lambda s: -s.tanh(), "tanh"),
        1.0,
        -1.0,
    ),
    "lsgan": (OBJECTIVES["lsgan"], 1.0, -1.0),
    "lsgan-01": (OBJECTIVES["lsgan-01"], 0.0, -1.0),
    "lsgan, G to 0": (
        Objective(
            OBJECTIVES["lsgan"].real, OBJECTIVES["lsgan"].fake, lambda s: 0.5 * s**2, "Mao et al."
        ),
        1.0,
        0.0,
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_any_loss_has_the_spectrum_of_its_two_slopes(name):
    """Section 2.2: -γ/2 ± √(γ²/4 + ab), a and b the slopes of D's and G's fake losses at 0."""
    objective, a, b = LOSSES[name]
    critical = 2 * math.sqrt(-a * b)
    for weight in (0.0, 0.3, critical, 3.0):
        got = spectrum(at_equilibrium(dirac(objective, r1=weight))).eigenvalues
        tolerance = DEFECTIVE if weight == critical else 1e-9
        assert assigned(got, closed.any_loss(a, b, weight)) < tolerance


@pytest.mark.parametrize("convention", ["common", "paper"])
@pytest.mark.parametrize("gamma", [0.0, 0.3, 2.0])
def test_r3gan_turns_as_equation_12_says_once_its_square_is_back(gamma, convention):
    """-γ/2 ± √(γ²/4 - f'(0)²) with f'(0) = ½; R2 beside R1 adds its γ, for ∇D = ψ everywhere."""
    for weights, total in (({"r1": gamma}, gamma), ({"r1": gamma, "r2": gamma}, 2 * gamma)):
        toy = dirac("relativistic", convention=convention, **weights)
        root = np.sqrt(complex(total**2 / 4 - 0.25))
        wanted = [-total / 2 - root, -total / 2 + root]
        got = spectrum(at_equilibrium(toy)).eigenvalues
        assert assigned(got, np.array(wanted)) < 1e-9


def test_r3gan_equation_12_is_misprinted():
    """With f'(0) in place of its square under the root, γ = 0.3 would turn at 0.691."""
    imag = spectrum(at_equilibrium(dirac(r1=0.3))).eigenvalues.imag.max()
    assert abs(imag - 0.4769696007) < 1e-9
    assert abs(math.sqrt(0.5 - 0.3**2 / 4) - 0.6910) < 1e-4


@pytest.mark.parametrize("steps", [(1.0, 4.0), (1.0, 0.25), (0.3, 0.7)])
@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_two_rates(steps, weight):
    """Section 2.4: simultaneous updates have 1 + λ(diag(h_g, h_d)·v')."""
    toy = dirac(r1=weight)
    got = spectrum(round_map(toy, SIM, descent(toy, *steps)))
    wanted = 1 + closed.two_rates(*steps, weight)
    critical = weight == 2 * 0.5 * math.sqrt(steps[0] / steps[1])
    assert assigned(got.eigenvalues, wanted) < (2e-6 if critical else 1e-9)
    if not weight:
        assert got.radius > 1
        assert got.converges is False


def test_dimensions_repeat_the_pair():
    toy = dirac(r1=0.3, spread=(0.0,) * 3)
    got = spectrum(at_equilibrium(toy)).eigenvalues
    assert assigned(got, np.repeat(closed.pair(0.3, 0.25), 3)) < 1e-9


@pytest.mark.parametrize("weight", [0.0, 0.4])
def test_gaussian_location_spectrum(weight):
    """One pair an eigenvalue of the covariance."""
    toy = dirac(spread=(0.5, 1.2), r1=weight)
    wanted = np.concatenate([closed.location_pair(s**2, weight) for s in (0.5, 1.2)])
    assert assigned(spectrum(at_equilibrium(toy)).eigenvalues, wanted) < 1e-9


# ---- section 3: rounds of updates ---------------------------------------------------------------

ROUNDS = {
    ("standard", ""): [(1 + 0.1j, 1.004987562112), (0.995 + 0.0998749218j, 1.0),
                       (0.975 + 0.2222048604j, 1.0)],
    ("nonsaturating", ""): [(1 + 0.1j, 1.004987562112), (0.995 + 0.0998749218j, 1.0),
                            (0.975 + 0.2222048604j, 1.0)],
    ("wgan", ""): [(1 + 0.2j, 1.019803902719), (0.98 + 0.1989974874j, 1.0),
                   (0.9 + 0.4358898944j, 1.0)],
    ("standard", "r1=0.3"): [(0.97 + 0.0953939201j, 0.974679434481),
                             (0.965 + 0.0936749700j, 0.969535971483),
                             (0.8447773464 + 0.1423209662j, 0.856681984403)],
    ("standard", "r1=1.0"): [(0.9, 0.9), ((0.9270156212, 0.8629843788), 0.927015621187),
                             ((0.9486450120, 0.3454189880), 0.948645012027)],
    ("standard", "r1=2.0"): [((0.9732050808, 0.6267949192), 0.9732050808),
                             ((0.9739553017, 0.6160446983), 0.9739553017),
                             ((0.9749457130, 0.0797582870), 0.9749457130)],
    ("standard", "instance_noise=0.7"): [(0.9755 + 0.0969523079j, 0.980306074652),
                                         (0.9705 + 0.0955497253j, 0.975192288731),
                                         (0.8662638882 + 0.1656771788j, 0.881964881120)],
    ("wgan", "gradient_penalty=0.7"): [(0.93 + 0.18734994j, 0.948683298051),
                                       (0.91 + 0.178605711j, 0.927361849550),
                                       (0.6595602256 + 0.1881683459j, 0.685876823927)],
    ("wgan", "gradient_penalty=2.0"): [(0.8, 0.8), ((0.8716515139, 0.6883484861), 0.8716515139),
                                       ((0.8990441399, 0.0864918601), 0.8990441399)],
}  # fmt: skip
"""Section 3.3, h = 0.2: an eigenvalue (of a complex pair), or both real ones, and the radius."""


@pytest.mark.parametrize("row", ROUNDS, ids=" ".join)
def test_spectra_of_rounds(row):
    objective, setting = row
    name, _, value = setting.partition("=")
    given = {name: float(value)} if name else {}
    if name == "gradient_penalty":
        given["centre"] = 0.0
    toy = dirac(objective, **given)
    for moves, (values, radius) in zip((SIM, ALT, ALT5), ROUNDS[row], strict=True):
        wanted = values if isinstance(values, tuple) else (values, np.conj(values))
        tolerance = DEFECTIVE if values in (0.9, 0.8) else 1e-9
        for order in (moves, moves[::-1]):  # a cyclic product
            local_map = round_map(toy, order, descent(toy, 0.2))
            got = spectrum(local_map)
            assert assigned(got.eigenvalues, wanted) < tolerance
            assert abs(got.radius - radius) < tolerance
        assert assigned(np.linalg.eigvals(differences(local_map)), wanted) < 3e-5
        if moves != SIM:
            f = 1.0 if objective == "wgan" else 0.5
            g = given.get("r1", 0) + given.get("gradient_penalty", 0)
            g += given.get("instance_noise", 0) ** 2 / 2
            trace, determinant, both = closed.alternating(0, g, f, 0.2, 0.2, 1, len(moves) - 1)
            assert assigned(both, wanted) < 1e-9
            assert abs(np.sum(wanted) - trace) + abs(np.prod(wanted) - determinant) < 1e-9


@pytest.mark.parametrize(
    ("given", "sim", "alt"),
    [
        ({}, 1.001249219725, None),
        ({"r1": 0.3}, 0.986154146166, 0.984885780180),
        ({"r1": 1.0}, 0.95, 0.96),
    ],
)
def test_radii_at_a_smaller_step(given, sim, alt):
    toy = dirac(**given)
    tolerance = DEFECTIVE if given.get("r1") == 1 else 1e-9
    assert abs(spectrum(round_map(toy, SIM, descent(toy, 0.1))).radius - sim) < tolerance
    if alt:
        got = spectrum(round_map(toy, ALT, descent(toy, 0.1))).radius
        assert abs(got - alt) < (5e-6 if given.get("r1") == 1 else 1e-9)


LIMITS_SIM = {0.1: 0.4, 0.3: 1.2, 0.5: 2.0, 1.0: 4.0, 2.0: 1.0717967697, 10.0: 0.2005025157}
LIMITS_ALT = {0.1: 3.619950, 0.3: 2.976123, 0.5: 2.472136, 1.0: 1.656854, 2.0: 0.944272,
              10.0: 0.199502}  # fmt: skip


@pytest.mark.parametrize("weight", LIMITS_SIM)
def test_largest_steps_under_r1(weight):
    toy = dirac(r1=weight)
    sim, alt = LIMITS_SIM[weight], LIMITS_ALT[weight]
    predicted = spectrum(at_equilibrium(toy)).largest_step
    assert abs(predicted - sim) < (1e-5 if weight == 1 else 1e-9)
    assert abs(closed.simultaneous_limit(weight, 0.5) - sim) < 1e-9
    assert abs(closed.alternating_limit(weight, 0.5) - alt) < 1e-6
    for moves, limit in ((SIM, sim), (ALT, alt)):
        for factor in (0.999, 1.001):
            radius = spectrum(round_map(toy, moves, descent(toy, factor * limit))).radius
            assert (radius < 1) == (factor < 1)


def test_largest_steps_of_wgan_under_a_zero_centred_penalty():
    for weight, sim, alt in ((0.7, 0.7, 1.418962), (2.0, 2.0, 0.828427)):
        toy = dirac("wgan", gradient_penalty=weight, centre=0.0)
        got = spectrum(at_equilibrium(toy)).largest_step
        assert abs(got - sim) < (1e-5 if weight == 2 else 1e-9)
        assert abs(closed.alternating_limit(weight, 1.0) - alt) < 1e-6


@pytest.mark.parametrize(
    ("real", "imag", "step"),
    [(-0.1, 1, 0.198020), (-0.01, 1, 0.019998), (-1, 1, 1.0), (-0.1, 10, 0.0019998)],
)
def test_the_general_bound_on_the_step(real, imag, step):
    """NUM17, lemma 4."""
    eigenvalues = np.array([real + 1j * imag, real - 1j * imag])
    assert abs(Spectrum(eigenvalues, 2, 0.0).largest_step - step) < 1e-6


STEPPED = {
    "dirac": lambda: dirac(r1=0.3),
    "overdamped": lambda: dirac(r1=2.0),
    "noise": lambda: dirac("nonsaturating", instance_noise=0.7),
    "two dimensions": lambda: dirac(r1=0.2, spread=(0.5, 1.0)),
    "quadratic": lambda: quadratic(
        torch.eye(2), torch.tensor([[3.0, 1.0], [0.0, 2.0]]), -torch.eye(2)
    ),
}


@pytest.mark.parametrize("name", STEPPED)
def test_the_predicted_step_by_stepping(name):
    """Real rounds from a tiny displacement shrink at 0.95 of the step and grow at 1.05 of it."""
    toy = STEPPED[name]()
    local_map = at_equilibrium(toy)
    step = spectrum(local_map).largest_step
    sizes = {}
    for factor in (0.95, 1.05):
        x = torch.full((toy.size,), 1e-9, dtype=torch.float64)
        start = torch.linalg.vector_norm(x)
        for _ in range(400):
            x = x + factor * step * local_map.function(x)
        sizes[factor] = (torch.linalg.vector_norm(x) / start).item()
    assert sizes[0.95] < 0.5
    assert sizes[1.05] > 2


# ---- section 3.4: R1 every k-th update, weighted k times ----------------------------------------


@pytest.mark.parametrize(
    ("k", "sim", "alt"),
    [(1, 0.95, 0.96), (16, 0.994147, 0.994095), (32, 1.014955, 1.012873)],
)
def test_lazy_r1_hits_a_wall(k, sim, alt):
    """One round of k G and D updates: the first D update carries all of the penalty."""
    lazy, plain = dirac(r1=1.0 * k), dirac()
    for together, wanted in ((True, sim), (False, alt)):
        first = SIM if together else ALT
        penalised, free = (
            jacobian(round_map(toy, first, descent(toy, 0.1))) for toy in (lazy, plain)
        )
        product = np.linalg.matrix_power(free, k - 1) @ penalised
        radius = np.abs(np.linalg.eigvals(product)).max() ** (1 / k)
        assert abs(radius - wanted) < (5e-6 if k == 1 else 1e-6)


# ---- section 6.3: the manifold GAN --------------------------------------------------------------


@pytest.mark.parametrize("objective", ["standard", "nonsaturating"])
@pytest.mark.parametrize("weight", [0.0, 0.1, 1.0, 10.0])
def test_manifold_gan(weight, objective):
    toy = manifold(objective, r1=weight)
    got = spectrum(field_map(toy.game, toy.start, toy.draw))
    assert got.residual < 1e-14
    tolerance = DEFECTIVE if weight == 1 else 1e-9
    assert assigned(got.eigenvalues, closed.manifold_spectrum(weight)) < tolerance
    assert got.null.sum() == 1
    if weight == 0:
        assert (got.positive, got.zero, got.negative) == (0, 5, 4)
    if weight == 0.1:
        wanted = [-0.3 + 0.4j, -0.95 + 0.3122499j, -0.05 + 0.4974937j, -0.05 + 0.4974937j]
        assert assigned(got.rest, [*wanted, *np.conj(wanted)]) < 1e-7


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("energy", [-0.4, -0.1, 0.1, 0.2, 0.4])
def test_energy_solutions_of_the_manifold_gan(weight, energy):
    """ψ₅ = c keeps v = 0; the pairs off the manifold become -(γ-c)/2 ± √((γ+c)²/4 - ¼).

    A D that is lower off the data (c < 0) pulls G back.
    """
    toy = manifold(r1=weight)
    profile = toy.at(1.0, 0, 0, 0, 0, 0, 0, 0, energy)
    local_map = field_map(toy.game, profile, toy.draw)
    assert local_map.residual < 1e-14
    # Off the manifold: (A₂, ψ₄) and (b₂, ψ₂).
    matrix = jacobian(local_map)
    others = [i for i in range(9) if i not in (1, 3, 5, 7)]
    off = [1, 3, 5, 7]
    assert np.abs(matrix[np.ix_(off, others)]).max() < 1e-12
    root = np.sqrt(complex((weight + energy) ** 2 / 4 - 0.25))
    pair = [-(weight - energy) / 2 + root, -(weight - energy) / 2 - root]
    got = np.linalg.eigvals(matrix[np.ix_(off, off)])
    assert assigned(got, pair * 2) < 1e-6
    if weight:
        assert (got.real.max() < -1e-9) == (energy < min(weight, 1 / (4 * weight)))


# ---- VRAL ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["forward", "backward"])
@pytest.mark.parametrize("bandwidth", [0.2, 1.0, 2.0])
@pytest.mark.parametrize("gap", [1.0, 2.0])
def test_parzen_vral_on_the_dirac_gan_rotates(form, bandwidth, gap):
    toy = vral(form, bandwidth=bandwidth, mean_real=gap, mean_fake=0.0)
    got = spectrum(field_map(toy.game, toy.at(0.0, 0.0, gap / 2), toy.draw))
    assert got.residual < 1e-12
    assert assigned(got.eigenvalues, closed.vral_dirac_spectrum(form, gap, bandwidth)) < 1e-9
    assert got.converges is None
    assert got.largest_step == 0


@pytest.mark.parametrize("form", ["forward", "backward"])
@pytest.mark.parametrize("bandwidth", [0.5, 1.0, 1.3, 1.5, 2.0])
@pytest.mark.parametrize("deviation", [0.5, 1.0])
def test_parzen_vral_on_a_gaussian_is_undamped_below_a_bandwidth(form, bandwidth, deviation):
    """At w = 0 D asks for variance: damped from h² = 1 + δ²/4 (forward) or 2 (backward) on."""
    toy = vral(form, bandwidth=bandwidth, spread=(deviation,))
    got = spectrum(field_map(toy.game, toy.at(0.0, 0.0, 0.5), toy.draw))
    assert got.residual < 1e-12
    wanted = closed.vral_location_spectrum(form, 1.0, bandwidth, deviation)
    # (h, s) = (2, 1) is critically damped in the backward form.
    assert assigned(got.eigenvalues, wanted) < DEFECTIVE
    limit = 1.25 if form == "forward" else 2.0
    assert got.converges is (bandwidth**2 > limit)


@pytest.mark.parametrize("form", ["forward", "backward"])
def test_parzen_vral_on_a_gaussian_in_the_limit_of_large_batches(form):
    """The error of equally likely points falls with their number."""
    point = (0.6, 0.9, 0.2)
    wanted = closed.vral_location_field(form, *point, 1.0, 1.0, 1.0)
    errors = []
    for points in (32, 128, 512):
        toy = vral(form, bandwidth=1.0, spread=(1.0,), points=points)
        local_map = field_map(toy.game, toy.at(*point), toy.draw)
        errors.append(np.abs(local_map.function(local_map.point).numpy() - wanted).max())
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.01


@pytest.mark.parametrize(
    ("form", "bandwidth"),
    [("forward", 0.3), ("forward", 0.7), ("backward", 0.2), ("backward", 0.4)],
)
def test_swapped_labels_are_a_stable_point_of_parzen_vral(form, bandwidth):
    """b = m_f and wθ = δ: G is content although it makes N(θ, s²), and every eigenvalue decays.

    A batch of equally likely points has its stationary point next to that of the Gaussian, from
    which Newton's method goes there. (At h = 0.05 a batch of 512 is no Gaussian any more: its
    outermost scores stand alone under their windows.)
    """
    predicted = point = closed.swapped_labels(form, bandwidth)
    toy = vral(form, bandwidth=bandwidth, spread=(1.0,), points=512)
    for _ in range(6):
        local_map = field_map(toy.game, toy.at(*point), toy.draw)
        value = local_map.function(local_map.point).numpy()
        point = point - np.linalg.solve(jacobian(local_map), value)
    got = spectrum(field_map(toy.game, toy.at(*point), toy.draw))
    np.testing.assert_allclose(point, predicted, atol=0.03)
    assert got.residual < 1e-12
    assert got.converges is True
    assert got.abscissa < -0.05


def test_swapped_labels_are_a_stable_point_of_minimax_meta_vral():
    """At θ = δs, w = 1/s, b = m_f the two metas are each other's negative log-ratio."""
    toy = vral("meta", spread=(1.0,), degree=2, minimax=True)
    at = toy.at(1.0, 1.0, 0.0, -0.5, 1.0, 0.0, 0.5, -1.0, 0.0)
    got = spectrum(field_map(toy.game, at, toy.draw))
    assert got.residual < 1e-12
    assert got.converges is True


@pytest.mark.parametrize("form", ["forward", "backward"])
def test_mean_matching_converges_with_a_critic_that_is_not_constant(form):
    """θ = 0 and b halfway, at the w of the right variance; θ decays at 2w²."""
    toy = vral(form, g_objective="mean", bandwidth=1.0, spread=(1.0,), points=128)
    low, high = 0.05, 2.0  # D's own force on w changes sign between
    for _ in range(60):
        w = (low + high) / 2
        local_map = field_map(toy.game, toy.at(0.0, w, 0.5), toy.draw)
        low, high = (w, high) if local_map.function(local_map.point)[1] > 0 else (low, w)
    got = spectrum(local_map)
    assert got.stationary
    assert got.converges is True
    assert np.abs(got.eigenvalues + 2 * w**2).min() < 1e-9


def test_meta_vral_on_the_dirac_gan_rotates_until_r1():
    """R and F with linear logits at their optimum against a point; γ moves the pair to -γ/2."""
    at = (0.0, 0.0, 0.5, -0.803845807, 1.113293794, 0.309447987, -1.113293794)
    for weight in (0.0, 0.5):
        toy = vral("meta", r1=weight)
        got = spectrum(field_map(toy.game, toy.at(*at), toy.draw))
        assert got.residual < 1e-6
        wanted = closed.pair(weight, 0.559062**2)
        assert np.abs(got.eigenvalues[:, None] - wanted[None]).min(0).max() < 1e-5
        assert (got.negative, got.zero) == ((7, 0) if weight else (5, 2))


# ---- the machinery ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mixture_map():
    """Off the initial point: with zero biases a ReLU may sit on its kink."""
    toy = mixture(width=4, latent=3, per_mode=4, r1=0.5)
    shift = torch.randn(toy.size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    point = toy.coordinates(toy.start) + 0.1 * shift
    return field_map(toy.game, toy.profile(point), toy.draw)


def test_dense_jacobian_by_differences_and_in_any_chunks(mixture_map):
    """Includes the third derivatives that R1 brings into D's block."""
    dense = jacobian(mixture_map, chunk=1000)
    np.testing.assert_allclose(jacobian(mixture_map, chunk=7), dense, atol=1e-13)
    np.testing.assert_allclose(differences(mixture_map), dense, atol=2e-8)


def test_transposed_product_is_the_transpose(mixture_map):
    random = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, len(mixture_map.point), generator=random, dtype=torch.float64)
    left, right = y @ mixture_map.product(x), mixture_map.transposed(y) @ x
    assert abs(left - right) < 1e-12 * abs(left)


def test_arnoldi_equals_dense(mixture_map):
    dense = spectrum(mixture_map)
    for which, key in (("LR", lambda v: v.real), ("LM", abs), ("LI", lambda v: abs(v.imag))):
        got, residuals = arnoldi(mixture_map, which, 6)
        assert len(got) >= 6 - 1
        assert residuals.max() < 1e-9
        assert np.abs(got[:, None] - dense.eigenvalues[None]).min(1).max() < 1e-9
        assert abs(key(got).max() - key(dense.eigenvalues).max()) < 1e-9


def test_large_problems_go_to_arnoldi(mixture_map):
    dense = spectrum(mixture_map)
    got = spectrum(mixture_map, count=6, dense_limit=100)
    assert not got.complete
    assert len(got.eigenvalues) == len(got.errors) < 30
    assert abs(got.abscissa - dense.abscissa) < 1e-9
    assert "Arnoldi" in got.summary()
    assert f"{len(got.eigenvalues)} of {len(mixture_map.point)}" in got.summary()


def test_arnoldi_leaves_out_what_did_not_converge():
    """One restart on a random matrix of 400 finds some of its 20 largest, or none."""
    random = torch.Generator().manual_seed(0)
    matrix = torch.randn(400, 400, generator=random, dtype=torch.float64)
    local_map = Map(lambda x: matrix @ x, torch.zeros(400, dtype=torch.float64), False)
    values, residuals = arnoldi(local_map, "LM", 20, iterations=1)
    assert len(values) == len(residuals) < 20
    values, residuals = arnoldi(local_map, "LM", 20)
    dense = np.linalg.eigvals(matrix.numpy())
    assert len(values) == 20
    assert residuals.max() < 1e-8
    assert np.abs(values[:, None] - dense[None]).min(1).max() < 1e-8


@pytest.mark.parametrize("beta", [-0.5, 0.5, 0.9])
@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_heavy_ball_on_its_momenta_too(beta, weight):
    """x ← x + h·m, m ← βm + v(x): the 4 × 4 matrix of the pair."""
    toy = dirac(r1=weight)
    rule = FirstOrder({player: Momentum(0.2, beta) for player in "GD"})
    j = np.array([[0, 0.5], [-0.5, -weight]])
    block = np.block([[np.eye(2) + 0.2 * j, 0.2 * beta * np.eye(2)], [j, beta * np.eye(2)]])
    local_map = round_map(toy, SIM, rule)
    assert len(local_map.point) == 4
    assert assigned(spectrum(local_map).eigenvalues, np.linalg.eigvals(block)) < 1e-9


def warmed(rule, toy, value, count=1000.0):
    """Optimiser state with every second moment at ``value``."""
    opt = rule.init(toy.at(0.0, 0.0))
    for state in opt.values():
        state["square"] = {name: torch.full_like(v, value) for name, v in state["square"].items()}
        if "count" in state:
            state["count"] = torch.full_like(state["count"], count)
    return opt


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_rmsprop_with_held_second_moments_is_descent_with_other_steps(weight):
    toy = dirac(r1=weight)
    rule = FirstOrder({player: RmsProp(0.01, 0.99, 1e-8) for player in "GD"})
    opt = warmed(rule, toy, 0.04)
    got = spectrum(update_map(toy.game, rule, ALT, toy.at(0.0, 0.0), opt, toy.draw))
    _, _, wanted = closed.alternating(0, weight, 0.5, *[0.01 / (0.2 + 1e-8)] * 2, 1, 1)
    assert assigned(got.eigenvalues, wanted) < 1e-9


def test_adam_with_held_second_moments_is_a_heavy_ball_of_averages():
    """m ← βm + (1-β)g, x ← x - (h/√v)·m: momentum β with step h(1-β)/√v."""
    toy = dirac(r1=0.3)
    rule = FirstOrder({player: Adam(0.01, 0.5, 0.99, 0.0) for player in "GD"})
    opt = warmed(rule, toy, 0.04, 1e6)
    got = spectrum(update_map(toy.game, rule, SIM, toy.at(0.0, 0.0), opt, toy.draw))
    ball = FirstOrder({player: Momentum(0.01 * 0.5 / 0.2, 0.5) for player in "GD"})
    assert assigned(got.eigenvalues, spectrum(round_map(toy, SIM, ball)).eigenvalues) < 1e-9


@pytest.mark.parametrize("name", ["rmsprop", "adam"])
def test_held_moments_do_one_ordinary_update_at_a_fixed_second_moment(name):
    """Where g² equals the second moment already, holding it changes nothing."""
    transform = {"rmsprop": RmsProp(0.1), "adam": Adam(0.1, beta2=0.9)}[name]
    params = {"w": torch.tensor([1.0, -2.0], dtype=torch.float64)}
    gradient = {"w": torch.tensor([0.3, -0.3], dtype=torch.float64)}
    state = transform.init(params)
    state["square"] = {"w": torch.full((2,), 0.09, dtype=torch.float64)}
    if "count" in state:
        state["count"] = torch.tensor(7.0, dtype=torch.float64)
    updated, after = transform.update(gradient, state, params)
    frozen, _ = transform.frozen(gradient, after | {"mean": state.get("mean", {})}, params)
    torch.testing.assert_close(frozen["w"], updated["w"], rtol=1e-12, atol=0)


def test_weight_clipping_stops_d_at_the_bound():
    """At ψ = c, outward: the projection takes D's direction out of the Jacobian."""
    toy = dirac("wgan", clip=0.5, convention="paper")
    rule = descent(toy, 0.2)
    profile = toy.at(1.0, 0.5)
    local_map = update_map(
        toy.game, rule, ALT, profile, rule.init(profile), toy.draw, toy.projections
    )
    np.testing.assert_allclose(local_map.function(local_map.point), [0.9, 0.5], atol=1e-12)
    np.testing.assert_allclose(jacobian(local_map), [[1, -0.2], [0, 0]], atol=1e-12)


def test_it_says_when_the_point_is_not_stationary(mixture_map):
    got = spectrum(mixture_map)
    assert not got.stationary
    assert got.converges is None
    first, second, *others = got.summary().splitlines()
    assert first == f"‖v‖ = {got.residual:.3g}"
    assert "say nothing about convergence" in second
    withheld = ("abscissa", "rotation", "largest_step", "radius")
    assert [got.readings()[name] for name in withheld] == [None] * 4
    assert not any("step" in line or "abscissa" in line for line in others)
    calm = spectrum(at_equilibrium(dirac(r1=0.3)))
    assert "not stationary" not in calm.summary()
    assert calm.converges is True


def test_small_steps_alone_make_no_fixed_point():
    """At (1, 1) the Dirac-GAN is not at rest, however little a round with tiny steps moves it."""
    toy = dirac(r1=0.3)
    at = field_map(toy.game, toy.at(1.0, 1.0), toy.draw)
    local_map = round_map(toy, SIM, descent(toy, 1e-9), 1.0, 1.0)
    got = spectrum(local_map, speed=at.residual)
    assert got.residual < 1e-8
    assert not got.stationary
    assert got.converges is None
    assert got.readings()["radius"] is None
    assert "‖v‖ = " in got.summary().splitlines()[0]


@pytest.mark.parametrize(("size", "null"), [(6, 0), (6, 2), (200, 7), (3, 3), (1, 1)])
def test_the_kernel_of_a_badly_scaled_matrix(size, null):
    """A product of factors of rank size - null, its rows and columns of sizes down to 1e-9."""
    random = np.random.default_rng(0)
    left, right = random.standard_normal((2, size, size - null))
    rows, columns = (10.0 ** -random.uniform(0, depth, size) for depth in (9, 6))
    matrix = rows[:, None] * (left @ right.T) * columns
    basis = kernel(matrix)
    assert basis.shape == (size, null)
    np.testing.assert_allclose(basis.T @ basis, np.eye(null), atol=1e-12)
    assert (np.abs(matrix @ basis).max(1, initial=0) <= 1e-12 * np.abs(matrix).max(1)).all()


def test_a_kernel_is_told_from_singular_values_that_thin_out_to_near_rounding():
    """390 from 1 to 2.5e-15 and 10 zeros: the last are below n·ε and above what rounding leaves."""
    random = np.random.default_rng(0)
    left, right = (np.linalg.qr(random.standard_normal((400, 400)))[0] for _ in range(2))
    sizes = np.concatenate([10.0 ** -np.linspace(0, 14.6, 390), np.zeros(10)])
    basis = kernel(left * sizes @ right.T)
    assert basis.shape == (400, 10)
    np.testing.assert_allclose(right[:, :300].T @ basis, 0, atol=1e-3)


def test_null_directions_are_told_from_slow_ones_at_any_step_sizes():
    """v' of rank 30 out of 40, whose other eigenvalues thin out to below what ``tolerance`` cuts.

    A round I + H v' leaves the same directions alone, whatever its steps H.
    """
    random = np.random.default_rng(0)
    basis = np.linalg.qr(random.standard_normal((40, 40)))[0]
    decay = np.concatenate([-(10.0 ** -np.linspace(0, 12.3, 30)), np.zeros(10)])
    matrix = torch.from_numpy(basis * decay @ basis.T)
    steps = torch.from_numpy(10.0 ** random.uniform(-0.5, 0.5, 40))
    origin = torch.zeros(40, dtype=torch.float64)
    got = spectrum(Map(lambda x: matrix @ x, origin, False, {"D.w": 40}))
    after = spectrum(Map(lambda x: x + steps * (matrix @ x), origin, True, {"D.w": 40}))
    assert got.nullity == after.nullity == 10
    assert got.null.sum() > 10
    assert "null directions: 10 (10 in D.w); too slow to tell" in got.summary()


def test_the_work_is_told_on_the_way(mixture_map):
    told = []
    spectrum(mixture_map, chunk=50, progress=lambda *now: told.append(now))
    size = len(mixture_map.point)
    columns = [(done, total) for phase, done, total in told if "Jacobian" in phase]
    assert columns == [(min(done, size), size) for done in range(50, size + 50, 50)]
    last = [f"{what} of {size} × {size}" for what in ("eigenvalues", "rank")]
    assert [phase for phase, *_ in told[-2:]] == last
    told.clear()
    spectrum(mixture_map, ["LR"], 4, progress=lambda *now: told.append(now))
    assert [done for _, done, _ in told] == list(range(1, len(told) + 1))
    assert len(told) > 4


def test_counts_and_quantities_of_a_known_spectrum():
    values = np.array([2.0, 1e-15, 3j, -3j, -1 + 4j, -1 - 4j])
    got = Spectrum(values, 6, 0.0)
    assert (got.positive, got.zero, got.negative, got.null.sum()) == (1, 3, 2, 1)
    assert got.abscissa == 2
    assert got.rotation == math.inf
    assert got.largest_step == 0
    assert got.converges is False
    calm = Spectrum(values[[1, 4, 5]], 3, 0.0)
    assert calm.rotation == 4
    assert abs(calm.largest_step - 2 / 17) < 1e-12
    assert calm.converges is None  # a null direction leaves it open
    inside = Spectrum(np.array([1.0, 0.5, -1.1], complex), 3, 0.0, update=True)
    assert (inside.positive, inside.zero, inside.negative) == (1, 1, 1)
    assert inside.radius == 1.1


def test_quadratic_game_spectrum():
    """x² + 10xy + y²: -2 and +2 on the diagonal, ±10 off it: ±√96 i."""
    toy = scalar_quadratic(1.0, 10.0, 1.0)
    got = spectrum(at_equilibrium(toy)).eigenvalues
    assert assigned(got, [math.sqrt(96) * 1j, -math.sqrt(96) * 1j]) < 1e-9


def test_gamma_sweep_finds_the_critical_damping():
    gammas = np.linspace(0, 3, 61)
    for objective, best in (("standard", 1.0), ("wgan", 2.0)):
        toy = dirac(objective)
        sweep = gamma_sweep(
            lambda gamma, objective=objective: dirac(objective, r1=gamma).game,
            toy.at(0.0, 0.0),
            toy.draw,
            gammas,
        )
        wanted = [max(closed.pair(g, best**2 / 4).real) for g in gammas]
        np.testing.assert_allclose(sweep.abscissae, wanted, atol=2e-6)
        assert abs(sweep.critical - best) < 1e-9
        assert sweep.stable_between == (0, gammas[1])
        assert 0 < sweep.stable_from < 1e-6 * gammas[1]
        assert sweep.residual == 0
    both = gamma_sweep(
        lambda gamma: dirac(r1=gamma, r2=gamma).game, toy.at(0.0, 0.0), toy.draw, gammas
    )
    assert abs(both.critical - 0.5) < 1e-9


def test_gamma_sweep_keeps_the_slow_direction_of_a_strong_penalty():
    """-γ/2 + √(γ²/4 - ¼), about -1/4γ beside an eigenvalue near -γ."""
    toy, gammas = dirac(), np.array([1000.0, 2000.0, 10_000.0])
    sweep = gamma_sweep(lambda gamma: dirac(r1=gamma).game, toy.at(0.0, 0.0), toy.draw, gammas)
    wanted = -0.25 / (gammas / 2 + np.sqrt(gammas**2 / 4 - 0.25))  # without the cancellation
    np.testing.assert_allclose(sweep.abscissae, wanted, rtol=1e-6)
    assert sweep.damped.all()
    assert sweep.stable_from == 1000


def test_nothing_is_read_off_a_sweep_away_from_rest():
    toy, gammas = dirac(), [0.0, 1.0, 2.0]

    def swept(*point):
        return gamma_sweep(lambda g: dirac(r1=g).game, toy.at(*point), toy.draw, gammas)

    moving, at_rest = swept(0.3, -0.2), swept(0.0, 0.0)
    assert moving.residuals.min() > 1e-6
    assert (moving.critical, moving.stable_between, moving.stable_from) == (None, None, None)
    marks = [
        len(figures.damping(it, "")(figures.PAGE).axes[0].get_lines()) for it in (moving, at_rest)
    ]
    assert marks == [2, 4]  # the curve and the axis; where it is least, where it becomes negative


@pytest.mark.parametrize("size", [2, 6])
def test_an_undamped_game_is_never_called_stable(size):
    """xᵀBy only rotates: the abscissa is rounding, of either sign."""
    zero = torch.zeros(size, size)
    for seed in range(10):
        random = torch.Generator().manual_seed(seed)
        coupling = torch.randn(size, size, generator=random, dtype=torch.float64)
        toy = quadratic(zero, coupling, zero)
        profile = toy.at(*[0.0] * toy.size)
        sweep = gamma_sweep(lambda gamma, toy=toy: toy.game, profile, toy.draw, [0.0, 1.0, 2.0])
        assert not sweep.damped.any()
        assert sweep.stable_from is None
        assert sweep.stable_between is None


def test_gamma_sweep_finds_where_stability_begins():
    """x² + 3xy + 2y² with -γy²: v' = [[-2, -3], [3, 4 - 2γ]] has trace 2 - 2γ and determinant
    1 + 4γ, so it is stable from γ = 1.
    """

    def game(gamma):
        return scalar_quadratic(1.0, 3.0, 2.0 - gamma)

    toy = game(0.0)
    gammas = [0.0, 0.7, 1.3, 2.0]
    sweep = gamma_sweep(lambda gamma: game(gamma).game, toy.at(0.0, 0.0), toy.draw, gammas)
    assert sweep.stable_between == (0.7, 1.3)
    assert abs(sweep.stable_from - 1) < 1e-6


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda at: arnoldi(at, "SM"), "which"),
        (lambda at: arnoldi(at, "LR", 10_000), "count"),
        (lambda at: spectrum(at, ["XX"]), "which"),
        (
            lambda at: spectrum(Map(at.function, at.point * math.nan, False)),
            "finite",
        ),
        (lambda at: gamma_sweep(lambda g: {}, {}, {}, [1.0, -1.0]), "gammas"),
    ],
)
def test_bad_input_is_one_line(call, said, mixture_map):
    with pytest.raises(ConfigError, match=said):
        call(mixture_map)


def test_a_fresh_adam_has_no_second_moments_to_hold():
    toy = dirac()
    rule = FirstOrder({player: Adam(0.1, 0.5, 0.9, 1e-8) for player in "GD"})
    with pytest.raises(ConfigError, match="at least one update"):
        round_map(toy, SIM, rule)
