"""The settings of necessity's arms are those that tuning found best."""

from pathlib import Path

import polars as pl
import pytest

from vral.errors import FolderError
from vral.study import frames
from vral.study.experiments import AUTHORS, EXPERIMENTS, TUNED
from vral.study.tuning import arm_of, best_settings

PUBLISHED = Path(__file__).parents[2] / "runs/published/tuning-digits"
GRID = EXPERIMENTS["tuning"].arms


def readings(best: dict[str, str], diverged: tuple[str, ...] = (), spoilt: float = 1000.0):
    """Five seeds of every cell at 50; the ``best`` cells are at 40, two of their seeds far off."""
    return pl.DataFrame(
        {
            "method": arm.name,
            "seed": 100 + i,
            "frechet": (spoilt if i < 2 else 40.0) if arm.name in best.values() else 50.0,
            "diverged": arm.name in diverged and i < 3,
        }
        for arm in GRID
        for i in range(5)
    )


BEST = {
    "vral-meta": "vral-meta+lr=0.003,meta=0.01",
    "moment": "moment+lr=0.0003,weight=10",
    "lsgan-01": "lsgan-01+lr=0.003",
    "lsgan-01+r1": "lsgan-01+lr=0.001,r1=0.1",
}


def test_the_best_cell_has_the_least_median_whatever_two_of_its_five_seeds_do():
    by_name = {arm.name: arm.settings for arm in GRID}
    assert best_settings(readings(BEST)) == {arm: by_name[cell] for arm, cell in BEST.items()}


def test_a_cell_that_diverged_in_most_seeds_is_never_best():
    found = best_settings(readings(BEST, diverged=tuple(BEST.values())))
    by_name = {arm.name: arm.settings for arm in GRID}
    assert all(found[arm] != by_name[cell] for arm, cell in BEST.items())


def test_a_seed_without_a_value_counts_as_infinite():
    found = best_settings(readings(BEST, spoilt=float("nan")))
    assert found["moment"] == {"lr": 3e-4, "moment_penalty": 10.0}


def test_a_cell_that_was_not_run_leaves_the_rule_without_an_answer():
    part = readings(BEST).filter(pl.col("method") != "lsgan-01+lr=0.003")
    with pytest.raises(FolderError, match=r"tuning: lsgan-01\+lr=0\.003 has 0 of 5 seeds"):
        best_settings(part)


def test_what_is_tuned_is_a_cell_of_the_grid_and_every_arm_of_necessity_has_it():
    cells = {arm: [a.settings for a in GRID if arm_of(a) == arm] for arm in TUNED}
    assert {arm: len(grid) for arm, grid in cells.items()} == {
        **dict.fromkeys(("moment", "lsgan-01+r1", "lsgan-01"), 11),
        "vral-meta": 14,
    }
    for arm, settings in TUNED.items():
        assert settings in cells[arm]
    for arm in EXPERIMENTS["necessity"].arms:
        tuned = TUNED[arm.name if arm.name in TUNED else arm.method]
        assert tuned.items() <= arm.settings.items()
        assert len(arm.settings) - len(tuned) == (arm.name not in TUNED)
    assert EXPERIMENTS["necessity"].settings == EXPERIMENTS["tuning"].settings == AUTHORS
    assert EXPERIMENTS["necessity"].at == EXPERIMENTS["tuning"].at


def test_the_tuned_settings_are_those_of_the_published_grid():
    if not (PUBLISHED / "study.json").exists():
        pytest.skip("tuning has not been published")
    final = frames.final(PUBLISHED)
    assert sorted(final["seed"].unique()) == list(range(100, 105))
    assert best_settings(final) == TUNED


def test_a_cell_without_a_value_in_any_seed_is_never_best():
    first = {arm_of(arm): arm.name for arm in reversed(GRID)}
    lost = pl.col("method").is_in(list(first.values()))
    spoilt = readings(BEST).with_columns(
        frechet=pl.when(lost).then(float("nan")).otherwise(pl.col("frechet"))
    )
    by_name = {arm.name: arm.settings for arm in GRID}
    assert best_settings(spoilt) == {arm: by_name[cell] for arm, cell in BEST.items()}
