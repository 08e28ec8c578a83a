"""How ``tuning`` sets the arms of ``necessity``: by the least median Fréchet distance."""

from typing import Any

import polars as pl

from vral.errors import FolderError
from vral.study.experiments import EXPERIMENTS, Arm


def arm_of(tried: Arm) -> str:
    """The arm of ``necessity`` for which an arm of ``tuning`` tries settings."""
    return f"{tried.method}+r1" if "r1" in tried.settings else tried.method


def best_settings(final: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """For each arm of ``necessity`` the settings of its best cell, as TUNED holds them.

    ``final`` has a row per arm and seed, as ``frames.final_values`` gives them. The best cell has
    the least median of "frechet" over all seeds; a seed that diverged, or has no value, counts as
    infinite. Of cells that are equal the first one of the grid is best. Raises FolderError where
    a cell or a seed of one is missing.
    """
    found: dict[str, tuple[float, dict[str, Any]]] = {}
    seeds = final["seed"].n_unique()
    for tried in EXPERIMENTS["tuning"].arms:
        rows = final.filter(pl.col("method") == tried.name)
        if rows.height == 0 or rows.height < seeds:
            raise FolderError(f"tuning: {tried.name} has {rows.height} of {seeds} seeds")
        lost = pl.col("diverged") | pl.col("frechet").is_null() | pl.col("frechet").is_nan()
        value = pl.when(lost).then(float("inf")).otherwise(pl.col("frechet"))
        middle = float(rows.select(value.median()).item())
        if arm_of(tried) not in found or middle < found[arm_of(tried)][0]:
            found[arm_of(tried)] = (middle, tried.settings)
    return {arm: settings for arm, (_, settings) in found.items()}
