"""``vral reproduce spectrum-mog`` on a net of a few parameters."""

import json

import numpy as np
import polars as pl
import pytest
from cases import one_line_error
from torch.autograd.functional import jacobian

from vral.diagnostics.linearise import Map, field_map
from vral.dynamics.mixture_spectrum import PANELS, Setup

TINY = {"rounds": 2, "width": 4, "latent": 4, "per_mode": 2}


@pytest.fixture(scope="module")
def found():
    return {(row, time): spectrum for row, time, spectrum in Setup(**TINY).spectra()}


def test_the_published_net_has_2003_parameters():
    assert Setup().toy().size == 1122 + 881


@pytest.mark.slow
def test_the_spectra_before_training_are_those_of_the_jacobians_row_by_row(found):
    """v', and w' of w = v - γ v'ᵀv with its second derivatives, both by double backward.

    (Difference quotients would see the kinks at which units sit while their biases are 0.)
    """
    setup = Setup(**TINY)
    toy = setup.toy()
    v = field_map(toy.game, toy.start, toy.draw)

    def w(point):
        value = v.function(point)
        return value - setup.gamma * Map(v.function, point, False).transposed(value)

    for row, function in (("none", v.function), ("consensus-w", w)):
        got = found[row, "before"]
        matrix = jacobian(function, v.point).numpy()
        # Power sums do not split where eigenvalues coincide.
        for power in (1, 2, 3):
            wanted = np.trace(np.linalg.matrix_power(matrix, power))
            assert abs(wanted) > 1e-3
            assert abs((got.eigenvalues**power).sum() - wanted) < 1e-9 * abs(wanted)
        assert got.size == toy.size == len(got.eigenvalues)


@pytest.mark.slow
def test_both_arms_start_alike_and_end_apart(found):
    first, second = found["none", "before"], found["consensus", "before"]
    assert np.array_equal(first.eigenvalues, second.eigenvalues)
    assert found["none", "after"].residual != found["consensus", "after"].residual
    assert set(found) == {(row, time) for row in PANELS for time in ("before", "after")}


@pytest.mark.slow
def test_the_command_computes_once_and_then_draws(vral, tmp_path, found, monkeypatch):
    monkeypatch.setattr("vral.dynamics.mixture_spectrum.QUICK", TINY)
    monkeypatch.setattr(
        Setup, "spectra", lambda self, _: ((*place, one) for place, one in found.items())
    )
    assert vral("reproduce", "spectrum-mog", "--quick", "--dry-run").exit_code == 0
    assert not (tmp_path / "runs").exists()
    result = vral("reproduce", "spectrum-mog", "--quick")
    assert result.exit_code == 0, result.output
    assert result.output.count("‖v‖ = ") == 6
    root = tmp_path / "runs" / "spectrum-mog-quick"
    values = pl.read_csv(root / "eigenvalues.csv")
    here = values.filter((pl.col("row") == "consensus-w") & (pl.col("time") == "after"))
    wanted = found["consensus-w", "after"].eigenvalues
    np.testing.assert_allclose(here["real"].to_numpy() + 1j * here["imag"].to_numpy(), wanted)
    assert (root / "figures" / "spectrum-mog.png").stat().st_size > 5000
    monkeypatch.delattr(Setup, "spectra")
    assert vral("reproduce", "spectrum-mog", "--quick").exit_code == 0
    assert len(json.loads((root / "study.json").read_text())["commands"]) == 2
    other = vral("reproduce", "spectrum-mog", "--quick", "--lr", "0.1")
    assert "--lr: 0.0005 → 0.1" in one_line_error(other)


@pytest.mark.slow
def test_a_stopped_command_keeps_the_spectra_it_found(vral, tmp_path, found, monkeypatch):
    monkeypatch.setattr("vral.dynamics.mixture_spectrum.QUICK", TINY)
    asked = []

    def some(self, known):
        asked.append(known)
        for place, one in [entry for entry in found.items() if entry[0] not in known][:4]:
            yield (*place, one)
        if not known:
            raise KeyboardInterrupt

    monkeypatch.setattr(Setup, "spectra", some)
    assert vral("reproduce", "spectrum-mog", "--quick").exit_code == 130
    counts = tmp_path / "runs" / "spectrum-mog-quick" / "counts.csv"
    assert len(pl.read_csv(counts)) == 4
    assert vral("reproduce", "spectrum-mog", "--quick").exit_code == 0
    assert asked == [set(), set(list(found)[:4])]
    assert len(pl.read_csv(counts)) == 6


@pytest.mark.parametrize("option", ["--lr", "--gamma"])
@pytest.mark.parametrize("value", ["-1", "0", "nan"])
def test_bad_input_is_one_line(vral, tmp_path, option, value):
    said = one_line_error(vral("reproduce", "spectrum-mog", option, value))
    assert f"{option}: " in said
    assert not (tmp_path / "runs").exists()
