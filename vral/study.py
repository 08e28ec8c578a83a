"""A study's records as data frames, and their statistics over seeds."""

import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import binom

from vral.methods import arm_name, arm_order
from vral.run import outcome_of
from vral.train.records import read_parts
from vral.train.schedule import Ratio

COORDINATES = ("method", "ratio", "dataset")

LEVEL = 0.05
"""Of an interval over seeds, and of a family of verdicts that are judged together."""

FINAL_SHARE = 0.2
"""The last part of a run whose mean counts as its final value."""


def runs(root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every run folder under ``root`` (or ``root`` itself) with its run.json."""
    for path in sorted(root.rglob("run.json")):
        yield path.parent, outcome_of(path.parent)


def coordinates(config: Mapping[str, Any]) -> dict[str, str]:
    """Where a run stands in its study; "method" is its arm, variant included."""
    arm = arm_name(config["method"], config.get("variant", ""))
    return {"method": arm, "ratio": config["ratio"], "dataset": config["dataset"]}


def read(root: Path, kind: str) -> pl.DataFrame:
    """All tables of a ``kind`` under ``root`` ("records", "probes", "interpolation").

    COORDINATES are columns of them.
    """
    frames = []
    for folder, report in runs(root):
        frame = read_parts(folder / kind)
        if frame is not None:
            names = {k: pl.lit(value) for k, value in coordinates(report["config"]).items()}
            frames.append(frame.with_columns(**names))
    empty = pl.DataFrame(schema=dict.fromkeys(COORDINATES, pl.String) | {"seed": pl.Int64})
    return pl.concat([empty, *frames], how="diagonal_relaxed")


def restrict(
    frame: pl.DataFrame,
    methods: Collection[str],
    ratios: Collection[str],
    seeds: Collection[int],
    dataset: str,
) -> pl.DataFrame:
    """The rows of a study that were asked for."""
    return frame.filter(
        pl.col("method").is_in(list(methods))
        & pl.col("ratio").is_in(list(ratios))
        & pl.col("seed").is_in(list(seeds))
        & (pl.col("dataset") == dataset)
    )


def bootstrap_median(values: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Median over the last axis (seeds) and its 95 % percentile-bootstrap interval, without luck.

    ``values`` is (…, seeds). The k-th smallest of n values is at least a resample's median with
    probability P(Bin(n, k/n) ≥ ⌈n/2⌉), so the ends are those of infinitely many resamples. For an
    even n the low end is that of the lower median and the high end that of the upper one: a mean of
    the two would not hold the nominal rate for skewed laws.

    ±∞ are values like others. NaN is a seed of which nothing is known: the low end takes it for -∞
    and the high end for ∞; the median leaves it out. One seed has no interval; its ends are NaN.
    """
    n = values.shape[-1]
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all NaN: the median is NaN
        middle = np.asarray(np.nanmedian(values, axis=-1))
    if n < 2:
        return middle, np.full_like(middle, np.nan), np.full_like(middle, np.nan)
    at_least = binom.sf((n + 1) // 2 - 1, n, np.arange(1, n + 1) / n)
    k = int(np.argmax(at_least > LEVEL / 2))
    least = np.sort(np.where(np.isnan(values), -np.inf, values), axis=-1)
    most = np.sort(np.where(np.isnan(values), np.inf, values), axis=-1)
    return middle, np.asarray(least[..., k]), np.asarray(most[..., n - 1 - k])


def final_values(
    records: pl.DataFrame, probes: pl.DataFrame, diverged: Sequence[Mapping[str, Any]] = ()
) -> pl.DataFrame:
    """One row per cell and seed: means over the last FINAL_SHARE of the rounds, the last probe.

    Of a round's mean ‖∇D‖ on fakes in the last half of the run, "grad_norm_swing" is the largest
    over the smallest, "grad_norm_variation" the coefficient of variation. "diverged" marks the
    seeds among ``diverged``; their row tells how they ended.
    """
    keys = [*COORDINATES, "seed"]
    numbers = [
        name for name, dtype in records.schema.items() if dtype.is_float() and name not in keys
    ]
    last = pl.col("round").max().over(keys)
    late = records.filter(pl.col("round") >= (1 - FINAL_SHARE) * last)
    means = late.group_by(keys).agg(
        *(pl.col(name).mean() for name in numbers), round=pl.col("round").max()
    )
    by_round = (
        records.filter(pl.col("round") >= 0.5 * last)
        .group_by(*keys, "round")
        .agg(pl.col("grad_norm_fake").mean())
        .group_by(keys)
        .agg(
            grad_norm_swing=pl.col("grad_norm_fake").max() / pl.col("grad_norm_fake").min(),
            grad_norm_variation=pl.col("grad_norm_fake").std(ddof=0)
            / pl.col("grad_norm_fake").mean(),
        )
    )
    means = means.join(by_round, on=keys, how="left")
    scalar = [name for name, dtype in probes.schema.items() if not dtype.is_nested()]
    clocks = ("round", "d_updates", "g_updates", "images")
    final = probes.select(scalar).filter(pl.col("round") == pl.col("round").max().over(keys))
    gone = pl.DataFrame(
        [{name: entry[name] for name in keys} for entry in diverged],
        schema={name: records.schema[name] for name in keys},
    ).with_columns(diverged=pl.lit(True))
    joined = means.join(final.drop(*clocks), on=keys, how="left").join(gone, on=keys, how="left")
    return joined.with_columns(pl.col("diverged").fill_null(False)).sort(keys)


def summary(final: pl.DataFrame) -> pl.DataFrame:
    """Per cell and metric: the number of seeds, the median and its interval.

    Seeds that have diverged are left out: they have no final value.
    """
    final = final.filter(~pl.col("diverged"))
    metrics = [name for name, dtype in final.schema.items() if dtype.is_float()]
    rows = []
    for names, group in final.group_by(COORDINATES):
        for metric in metrics:
            values = group[metric].drop_nulls().to_numpy()
            values = values[np.isfinite(values)]
            if len(values) == 0:
                continue
            middle, low, high = map(float, bootstrap_median(values))
            rows.append(
                dict(zip(COORDINATES, names, strict=True))
                | {"metric": metric, "seeds": len(values)}
                | {"median": middle, "low": low, "high": high}
            )
    rows.sort(key=lambda r: (arm_order(r["method"]), ratio_key(r["ratio"]), r["metric"]))
    numbers = {"seeds": pl.Int64, "median": pl.Float64, "low": pl.Float64, "high": pl.Float64}
    texts = dict.fromkeys((*COORDINATES, "metric"), pl.String)
    return pl.DataFrame(rows, schema=texts | numbers)


def ratio_key(ratio: str) -> tuple[float, str]:
    """Sorts ratios by their D updates per round."""
    d, g = Ratio.parse(ratio).at(0)
    return d / g, ratio


def diverged(root: Path) -> list[dict[str, Any]]:
    """Every seed of a study that diverged: its cell, its update and the reading that showed it."""
    return [
        coordinates(report["config"]) | entry
        for _, report in runs(root)
        for entry in report["diverged"]
    ]


def not_compiled(root: Path) -> list[tuple[Path, str]]:
    """Every run of a study that was to be compiled and could not, and why."""
    modes = [(folder, report.get("mode", {})) for folder, report in runs(root)]
    return [(folder, mode["failure"]) for folder, mode in modes if mode.get("failure")]


def band(frame: pl.DataFrame, clock: str, metric: str, points: int = 200) -> pl.DataFrame:
    """A metric over ``clock`` in at most ``points`` bins: median over seeds and their interval.

    Within a bin each seed is first averaged, so that all D updates of a round count.
    """
    if metric not in frame.columns:
        return pl.DataFrame()
    frame = frame.filter(pl.col(metric).is_not_null() & pl.col(metric).is_finite())
    if frame.is_empty():
        return frame
    width = max(1, -(-(frame[clock].max() + 1) // points))
    binned = (
        frame.with_columns(bin=pl.col(clock) // width)
        .group_by("bin", "seed")
        .agg(pl.col(metric).mean(), pl.col(clock).mean())
    )
    wide = binned.pivot("seed", index="bin", values=metric).sort("bin")
    time = binned.group_by("bin").agg(pl.col(clock).mean()).sort("bin")[clock]
    values = wide.drop("bin").to_numpy()
    parts = []
    # Where a seed has diverged, the interval is over those that are left.
    for present in np.unique(~np.isnan(values), axis=0):
        rows = (~np.isnan(values) == present).all(1)
        middle, low, high = bootstrap_median(values[rows][:, present])
        here = {clock: time.to_numpy()[rows], "median": middle, "low": low, "high": high}
        parts.append(pl.DataFrame(here))
    return pl.concat(parts).sort(clock)


def last_samples(root: Path, method: str, ratio: str, dataset: str) -> NDArray | None:
    """The last sample grid of a cell's first seed; the seed's folder decides, None if absent."""
    for folder, report in runs(root):
        if tuple(coordinates(report["config"]).values()) == (method, ratio, dataset):
            grids = sorted((folder / "samples").glob("round-*.npz"))
            if grids:
                with np.load(grids[-1]) as arrays:
                    return next((arrays[name] for name in arrays if arrays[name].size), None)
    return None
