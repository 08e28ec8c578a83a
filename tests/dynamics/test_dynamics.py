"""Experiments on the Dirac-GAN: closed forms, basin shares, cycles, lazy R1, errata, commands."""

import numpy as np
import oracles_dynamics as closed
import polars as pl
import pytest
import torch
from PIL import Image

from vral.cli.dynamics import COMMANDS
from vral.diagnostics.linearise import field_map, jacobian
from vral.dynamics import (
    basins,
    closed_forms,
    damping,
    descent,
    errata,
    lazy_r1,
    limit_cycles,
    portraits,
)
from vral.dynamics.systems import ALGORITHMS, moves_of, stationary, systems
from vral.figures import PAGE
from vral.games.dirac import dirac, two_numbers
from vral.games.game import field
from vral.games.planar import mixture
from vral.games.toy import Toy
from vral.train.paths import trajectories
from vral.types import leaves

STARTS = torch.tensor([[0.8, -0.6], [-1.5, 0.4]], dtype=torch.float64)


@pytest.mark.parametrize("objective", ["standard", "nonsaturating", "wgan", "lsgan"])
def test_two_numbers_are_the_dirac_gan(objective):
    ours, theirs = two_numbers(objective), dirac(objective, r1=0.3)
    for point in STARTS.tolist():
        draw = {"gamma": torch.tensor(0.3, dtype=torch.float64)}
        got, _ = field(ours.game, ("G", "D"), ours.at(*point), draw)
        wanted, _ = field(theirs.game, ("G", "D"), theirs.at(*point), theirs.draw)
        torch.testing.assert_close(ours.coordinates(got), theirs.coordinates(wanted))


@pytest.mark.parametrize(("direction", "factor"), [
    (descent.consensus, 1.0), (basins.notebook_consensus, 0.5),
])  # fmt: skip
def test_both_consensus_fields_in_closed_form(direction, factor):
    """In the paper's convention ψ has the other sign."""
    toy, weight = two_numbers(), 0.7
    for theta, psi in STARTS.tolist():
        draw = {"consensus": torch.tensor(weight, dtype=torch.float64)}
        followed, _ = direction(toy.game, ("G", "D"), toy.at(theta, psi), draw)
        pull, push = closed.consensus(theta, -psi, weight, factor)
        wanted = torch.tensor([pull, -push], dtype=torch.float64)
        torch.testing.assert_close(-toy.coordinates(followed), wanted)


def test_every_lane_has_its_own_weight_and_step():
    weights, steps = descent.lanes([0.0, 0.5], [0.1, 0.2])
    starts = STARTS[:1].expand(4, 2)
    settings = {"gamma": weights, "step": steps}
    together = descent.paths(two_numbers(), moves_of("AltGD 1:5"), starts, settings, 7)
    for i in range(4):
        alone = {name: value[i : i + 1] for name, value in settings.items()}
        one = descent.paths(two_numbers(), moves_of("AltGD 1:5"), starts[:1], alone, 7)
        torch.testing.assert_close(together[:, i], one[:, 0])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_closed_eigenvalues_are_those_of_the_product_of_moves(algorithm):
    random = np.random.default_rng(0)
    for k, g, f, h in random.uniform(0, 1, (20, 4)):
        jacobian = np.array([[-k, -f], [f, -g]])
        product = closed_forms.rounds_jacobian(jacobian, ("G", "D"), moves_of(algorithm), h)
        moves_d = ALGORITHMS[algorithm]
        wanted = (
            closed_forms.alternating(k, g, f, h, h, 1, moves_d)
            if moves_d
            else closed_forms.simultaneous(k, g, f, h)
        )
        assert closed.assigned(np.linalg.eigvals(product), wanted) < 1e-7


def test_largest_steps_are_those_of_the_specification():
    for weight, sim, alt in (
        (0.3, 1.2, 2.976123),
        (1.0, 4.0, 1.656854),
        (2.0, 1.0717968, 0.944272),
    ):
        jacobian = np.array([[0.0, -0.5], [0.5, -weight]])
        assert abs(damping.largest_step(jacobian, "SimGD") - sim) < 1e-6
        assert abs(damping.largest_step(jacobian, "AltGD 1:1") - alt) < 1e-6


def test_r1_arrives_from_everywhere_and_exact_consensus_does_not():
    assert basins.arrivals("R1", "SimGD", [1.0], 11, 400, 0.2).all()
    share = basins.arrivals(basins.CONSENSUS, "SimGD", [1.0], 11, 400, 0.2).mean()
    assert 0.6 < share < 0.9


def test_lazy_r1_hits_its_wall():
    for (interval, algorithm), wanted in lazy_r1.SPECIFIED.items():
        # k = 1 under SimGD is critical: a defective matrix.
        tolerance = 1e-6
        assert abs(lazy_r1.rate(1.0, interval, 0.1, algorithm) - wanted) < tolerance


def test_the_published_mistakes():
    assert abs(errata.r3gan_imaginary(0.3, printed=True) - 0.6910) < 1e-4
    assert abs(errata.r3gan_imaginary(0.3, printed=False) - 0.4769696007) < 1e-9
    assert errata.consensus_gap() > 0.05


def test_the_released_loop_keeps_the_last_row_of_every_tensor():
    gan = mixture("nonsaturating", width=2, latent=2, per_mode=1)
    field_at = field_map(gan.game, gan.start, gan.draw)
    sizes = [leaf.numel() for leaf in leaves(gan.start)]
    kept, whole = errata.released_rows(field_at, sizes), jacobian(field_at)
    assert len(kept) == len(sizes) < len(whole) == sum(sizes)
    np.testing.assert_allclose(kept, whole[np.cumsum(sizes) - 1], atol=1e-12)


def test_parzen_s_forward_pair_is_divided_by_the_bandwidth():
    """±iδ/2h and -2/h² at h = 0.3, δ = 1, where the backward form has ±iδ/2 and -2."""
    rows = systems()
    for name, pair, bias in (
        ("vral-parzen-forward", 0.5 / 0.3, -2 / 0.09),
        ("vral-parzen", 0.5, -2.0),
    ):
        values = portraits.split_eigenvalues(rows[name].flow_jacobian())
        np.testing.assert_allclose(np.sort_complex(values[:2]), [-1j * pair, 1j * pair], atol=1e-9)
        np.testing.assert_allclose(values[2:], [bias], rtol=1e-9)


def test_a_field_without_a_zero_has_no_stationary_point():
    """-(x² + 1) is nowhere 0; the search ends and names the residual."""

    def loss(profile, draw):
        x = profile["x"]["x"].sum()
        return x**3 / 3 + x, ()

    toy = Toy({"x": loss}, {"x": {"x": torch.ones(1, dtype=torch.float64)}})
    with pytest.raises(ValueError, match=r"‖v‖ = 1"):
        stationary(toy, [1.0])


def test_consensus_attracts_where_its_largest_step_allows_it():
    """At γ = 0.1 SimGD's largest stable step is 0.1995 (specification)."""
    assert not basins.attracts(basins.CONSENSUS, "SimGD", 0.1, 0.2)
    assert basins.attracts(basins.CONSENSUS, "SimGD", 0.1, 0.199)
    assert basins.attracts(basins.R1, "AltGD 1:5", 4.0, 0.2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dirac", "--gamma", "-1"), "--gamma: -1 given"),
        (("dirac", "--step", "0"), "--step: 0 given"),
        (("dirac", "--step", "nan"), "--step: nan given"),
        (("dirac", "--convention", "mine"), "--convention: 'mine' given; allowed: common, paper"),
        (("dirac", "--start", "1"), "--start: '1' given"),
        (("dirac", "--systems", "gan,none"), "--systems: 'none' given"),
        (("dirac-basins", "--gamma", "nan"), "--gamma: nan given"),
        (("lazy-r1", "--step", "-1"), "--step: -1 given"),
        (("lazy-r1", "--gamma", "0"), "--gamma: 0 given"),
        (("dirac", "--step", "1e200"), "--step: 1e+200 given"),
    ],
)
def test_bad_input_is_one_line(vral, arguments, said):
    result = vral("reproduce", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.strip().count("\n") == 0


def test_a_command_writes_numbers_and_figures_and_no_foreign_folder(vral, tmp_path):
    arguments = ("reproduce", "dirac-basins", "--points", 3, "--rounds", 5, "--gamma", 1)
    assert vral(*arguments, "--dry-run").exit_code == 0
    assert not (tmp_path / "runs").exists()
    assert vral(*arguments).exit_code == 0
    root = tmp_path / "runs" / "dirac-basins"
    found = pl.read_csv(root / "measured.csv")
    assert found.columns == ["case", "quantity", "measured", "expected", "source"]
    # Rows of other settings are no claim's.
    assert set(found["quantity"]) == {"share"}
    assert all(case.endswith("; --points 3 --rounds 5 --gamma 1.0") for case in found["case"])
    drawn = {str(path.relative_to(root / "figures")) for path in (root / "figures").rglob("*.p*")}
    assert drawn == {"basins.png", "basins.pdf", "phone/basins.png"}
    other = vral("reproduce", "lazy-r1", "--out", root)
    assert other.exit_code == 2
    assert "holds the experiment dirac-basins" in other.stderr


def test_every_command_is_listed(vral):
    said = vral("ls").output
    for name in COMMANDS:
        assert f"vral reproduce {name}" in said


def radii_of(name: str, algorithm: str, step: float, rounds: int, every: int):
    """‖(θ, ψ)‖ of a row of the portraits from (0.3, 0.3), at every ``every``-th round."""
    system = systems()[name]
    path = trajectories(
        system.toy.game,
        system.rule(step),
        system.moves(algorithm),
        system.toy.profile(system.starts(torch.tensor([[0.3, 0.3]], dtype=torch.float64))),
        rounds,
        system.toy.draw,
        system.toy.projections,
        every=every,
    )
    return torch.linalg.vector_norm(path[:, 0, :2], dim=1).numpy()


def test_parzen_vral_arrives_slowly_in_turns_and_circles_at_once():
    """Averaged over a turn d(r²)/dt = -0.3 r⁴, and + h r²/4 under SimGD (backward, δ = 1)."""
    step = 0.1
    inverse = radii_of("vral-parzen", "AltGD 1:1", step, 1500, 500) ** -2.0
    np.testing.assert_allclose(np.diff(inverse[1:]) / (500 * step), 0.3, rtol=0.05)
    step = 0.2
    late = radii_of("vral-parzen", "SimGD", step, 1000, 1)[-300:]
    assert abs((late**2).mean() / step - 1 / 1.2) < 0.02


def test_consensus_escapes_and_the_notebook_s_arrives():
    paths = errata.consensus_paths()
    np.testing.assert_allclose(paths["exact"][500], [0.436247434, 10.960060175], atol=1e-7)
    np.testing.assert_allclose(paths["notebook"][100], [1.085e-6, 1.849e-6], atol=1e-9)


@pytest.mark.slow
def test_a_portrait_is_animated(vral, tmp_path):
    file = tmp_path / "one.gif"
    arguments = ("reproduce", "dirac", "--systems", "r1", "--rounds", 4, "--animate", file)
    result = vral(*arguments)
    assert result.exit_code == 0, result.output
    with Image.open(file) as animation:
        assert animation.n_frames == 5
    assert "exists" in vral(*arguments).stderr


def test_the_pair_of_the_portrait_is_that_of_theta_and_psi():
    """R1 puts the pair of VRAL's meta form at -γ/2, where slower directions of R and F remain."""
    system = systems(gamma=0.5)["vral-meta-r1"]
    jacobian = system.flow_jacobian()
    assert np.abs(jacobian[:2, 2:]).max() < 1e-9
    values = portraits.split_eigenvalues(jacobian)
    np.testing.assert_allclose(values[:2].real, -0.25, atol=1e-9)
    assert abs(abs(values[0].imag) - np.sqrt(0.559062**2 - 0.0625)) < 1e-5
    assert closed.assigned(values, np.linalg.eigvals(jacobian)) < 1e-7
    assert values[2:].real.max() > values[0].real


def test_every_cycle_has_a_panel_of_its_own():
    path = np.stack([np.cos(np.arange(6)), np.sin(np.arange(6))], axis=1)
    drawn = limit_cycles.figure(
        [limit_cycles.Cycle(f"cycle {i}", "wgan", path, 1.0) for i in range(5)]
    )(PAGE)
    panels = [ax for ax in drawn.axes if ax.axison]
    assert [ax.get_title() for ax in panels] == [f"cycle\N{NO-BREAK SPACE}{i}" for i in range(5)]
    assert all(len(ax.lines) == 3 for ax in panels)
