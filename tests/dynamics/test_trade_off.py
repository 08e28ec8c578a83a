"""The trade-off as a study: our readings beside closed forms, and measured runs beside them."""

import numpy as np
import polars as pl
import pytest
from cases import tiny

from vral.dynamics import trade_off
from vral.study.machine import Execution
from vral.study.run import execute


def test_our_readings_of_scores_as_vral_asks_are_the_closed_forms():
    result = trade_off.experiment()
    assert len(result.rows) == 10
    for row in result.rows:
        assert abs(row.measured - row.expected) < 2e-4, row
    first = {row.quantity: round(row.measured, 3) for row in result.rows[:5]}
    assert list(first.values()) == [0.760, 0.691, 0.383, 0.617, 0.159]


def test_scores_without_chance_are_gaussian():
    scores = trade_off.gaussian_scores(-1.0)
    assert abs(scores.mean() + 1) < 1e-12
    assert abs(scores.var() - 1) < 1e-3
    assert abs((scores**4).mean() - 10) < 0.05  # m⁴ + 6m² + 3


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("study")
    given = {"dataset": "ring", "rounds": 10, "probe_every": 3, "seeds": (0, 1)}
    for method, more in (
        ("vral-parzen", {"mean_fake": -1.0}),
        ("vral-meta", {"mean_fake": 3.0}),  # no gap
        ("lsgan", {}),  # no targets
    ):
        execute(tiny(method, **given, **more), root / method, Execution("cpu"))
    return root


def test_points_are_means_over_the_last_fifth_of_vral_s_runs(study):
    points = trade_off.measured_points(study)
    assert points.select("method", "gap", "seed").rows() == [
        ("vral-parzen", 2.0, 0),
        ("vral-parzen", 2.0, 1),
    ]
    probes = pl.read_parquet(study / "vral-parzen" / "probes").filter(pl.col("seed") == 1)
    assert sorted(probes["round"]) == [0, 3, 6, 9]  # the last fifth begins at 7.2
    last = probes.filter(pl.col("round") == 9).row(0, named=True)
    found = points.row(1, named=True)
    assert found["auc"] == last["auc"]
    assert found["overlap"] == last["overlap"]
    assert found["slope_per_gap"] == last["latent_grad_square"] / 4
    assert found["pushed_back"] == np.mean(np.array(last["scores_fake"]) > 1)
    assert found["accuracy"] == pytest.approx(
        (np.mean(np.array(last["scores_real"]) > 0) + np.mean(np.array(last["scores_fake"]) <= 0))
        / 2
    )


def test_the_command_draws_a_study_beside_the_curves(vral, study, tmp_path):
    result = vral("reproduce", "trade-off", "--beside", study)
    assert result.exit_code == 0, result.output
    root = tmp_path / "runs" / "trade-off"
    assert len(pl.read_csv(root / "points.csv")) == 2
    assert len(pl.read_csv(root / "measured.csv")) == 10
    assert (root / "figures" / "trade-off.png").exists()


def test_a_folder_without_vral_is_refused_before_any_work(vral, study, tmp_path):
    result = vral("reproduce", "trade-off", "--beside", study / "lsgan")
    assert result.exit_code == 2
    assert "--beside:" in result.stderr
    assert "allowed: a folder with runs of a VRAL method" in result.stderr
    assert not (tmp_path / "runs").exists()
