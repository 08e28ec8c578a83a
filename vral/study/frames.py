"""A study's records as data frames: read them, reduce each seed to final values, summarise."""

import io
import itertools
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vral.errors import corrupt_file
from vral.study.config import differences, with_defaults
from vral.study.folders import read_run
from vral.study.methods import arm_name, arm_order
from vral.study.statistics import median_interval
from vral.train.records import FINAL, SAMPLES, parts_of, read_bytes, read_parts
from vral.train.schedule import Ratio

COORDINATES = ("method", "ratio", "dataset")
"""The columns that place a run in its study; "method" is its arm, variant included."""

FINAL_SHARE = 0.2
"""The last part of a run whose mean counts as its final value."""


@overload
def late(clock: pl.Expr) -> pl.Expr: ...
@overload
def late(clock: NDArray) -> NDArray: ...
def late(clock: pl.Expr | NDArray) -> pl.Expr | NDArray:
    """Which values of ``clock``, such as a run's rounds, lie in the last FINAL_SHARE of it."""
    return clock >= (1 - FINAL_SHARE) * clock.max()


def runs(root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every run folder under ``root`` (or ``root`` itself) with its run.json.

    Raises FolderError where a run.json is corrupt.
    """
    for path in sorted(root.rglob("run.json")):
        report = read_run(path.parent)
        if report is not None:
            yield path.parent, report


def coordinates(config: Mapping[str, Any]) -> dict[str, str]:
    """The COORDINATES of the run with this configuration (the "config" of its run.json)."""
    arm = arm_name(config["method"], config.get("variant", ""))
    return {"method": arm, "ratio": config["ratio"], "dataset": config["dataset"]}


IDENTITY = ("config", "status", "rounds_done", "provenance", "machine", "seconds")
"""What tells a run from another with the same configuration."""


def same_run(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two run.json are of one run and its copy."""
    return all(first.get(key) == second.get(key) for key in IDENTITY)


def seed_counts(configs: Iterable[Mapping[str, Any]]) -> list[int]:
    """How many seeds the cells of these runs have: each number once, the least first."""
    cells: Counter[tuple[str, ...]] = Counter()
    for config in configs:
        cells[tuple(coordinates(config).values())] += len(config["seeds"])
    return sorted(set(cells.values()))


PACE = ("rounds", "record_every", "probe_every")
"""Settings in which runs of one cell may differ, as one is longer than another."""


def misfit(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """Why two configurations of one cell are not those of runs of different seeds.

    Empty where they are, and where they are of two cells.
    """
    if coordinates(first) != coordinates(second):
        return ""
    other, here = with_defaults(first), with_defaults(second)
    same = {name: here.get(name) for name in ("seeds", *PACE)}
    common = sorted(set(other["seeds"]) & set(here["seeds"]))
    changed = differences(other | same, here)
    return "; ".join(changed) or f"the same seeds: {', '.join(map(str, common))}" * bool(common)


FLOOR = "frechet_floor"
"""What ``diagnostics.quality`` measures of the training split."""


def other_measure(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """Why the "quality" of two runs on one data set is not that of one measure of samples.

    Empty where it is, or where one names none. A classifier that was trained on another processor
    is another measure, which its Fréchet distance of the training split tells; rounding alone
    changes that by less than a thousandth.
    """
    one, other = first.get(FLOOR), second.get(FLOOR)
    if one is None or other is None or math.isclose(one, other, rel_tol=1e-3):
        return ""
    return f"another classifier, whose Fréchet floor is {other:.3g}, not {one:.3g}"


def read(root: Path, kind: str) -> pl.DataFrame:
    """All tables of a ``kind`` under ``root``: "records", "probes", "interpolation" or "final".

    A row per seed and D update (records), probe (probes), pairing and γ of a probe (interpolation),
    or seed (final, which published runs alone have). COORDINATES and "seed" are columns, then the
    clocks and the readings. Without any run the result has no rows. Raises FolderError where a file
    is missing or corrupt.
    """
    tables = []
    for folder, report in runs(root):
        frame = read_parts(folder / kind, report.get("manifest"))
        if "manifest" not in report:
            check_clock(folder / kind, report, frame)
        if frame is not None:
            place = {k: pl.lit(value) for k, value in coordinates(report["config"]).items()}
            tables.append(frame.with_columns(**place))
    empty = pl.DataFrame(
        schema={**dict.fromkeys(COORDINATES, pl.String()), "seed": pl.Int64()},
    )
    return pl.concat([empty, *tables], how="diagonal_relaxed")


def check_clock(folder: Path, report: Mapping[str, Any], frame: pl.DataFrame | None) -> None:
    """Raise FolderError where a run that kept no manifest lacks readings of a healthy seed.

    ``folder`` holds its records or probes, ``frame`` what was read of them. Neighbours among the
    recorded D updates are less than 2·``record_every`` apart; a shorter gap is not seen. Probes are
    made every ``probe_every`` rounds and in the last one.
    """
    config, rounds = report["config"], report["rounds_done"]
    intervals = {"records": config.get("record_every"), "probes": config.get("probe_every")}
    every = intervals.get(folder.name)
    if not every:
        return
    end = Ratio.parse(config["ratio"]).totals(rounds)[0] + 1
    probes = {*range(0, rounds, every), *([rounds - 1] if rounds == config["rounds"] else ())}
    for seed in set(config["seeds"]) - {entry["seed"] for entry in report.get("diverged", ())}:
        rows = None if frame is None else frame.filter(pl.col("seed") == seed)
        if folder.name == "probes":
            lacking = [f"in round {number}" for number in sorted(probes - _times(rows, "round"))]
        else:
            updates = sorted({0, *_times(rows, "d_updates"), end})
            lacking = [
                f"between the D updates {before} and {after}"
                for before, after in itertools.pairwise(updates)
                if after - before >= 2 * every
            ]
        if lacking:
            raise corrupt_file(folder, f"lacks a part: it has nothing of seed {seed} {lacking[0]}")


def _times(rows: pl.DataFrame | None, clock: str) -> set[int]:
    return set() if rows is None else set(rows[clock])


def restrict(
    frame: pl.DataFrame,
    arms: Collection[str],
    ratios: Collection[str],
    seeds: Collection[int],
    dataset: str,
) -> pl.DataFrame:
    """The rows of ``frame`` for these arms, ratios and seeds on one data set."""
    return frame.filter(
        pl.col("method").is_in(list(arms))
        & pl.col("ratio").is_in(list(ratios))
        & pl.col("seed").is_in(list(seeds))
        & (pl.col("dataset") == dataset)
    )


def final(root: Path) -> pl.DataFrame:
    """The final values of all runs under ``root``, as ``final_values`` gives them, ``marked``.

    Those of published runs, whose records are thinned, are the ones that were kept with them.
    Empty where nothing was read. Raises FolderError where a file is missing or corrupt.
    """
    kept, keys = read(root, FINAL), [*COORDINATES, "seed"]
    records, probes = (
        read(root, kind).join(kept, on=keys, how="anti") for kind in ("records", "probes")
    )
    made = [] if records.is_empty() else [final_values(records, probes)]
    return marked(pl.concat([kept, *made], how="diagonal_relaxed"), diverged(root))


def final_values(records: pl.DataFrame, probes: pl.DataFrame) -> pl.DataFrame:
    """One row per seed of an arm at a ratio on a data set.

    A training reading is its mean over the last FINAL_SHARE of the rounds; a probe's readings are
    those of the last probe, absent where there are no ``probes``. Two columns are about each
    round's mean ‖∇D‖ on fakes in the last half of the run: "grad_norm_swing" is the largest over
    the smallest, "grad_norm_variation" the coefficient of variation. A seed that diverged has the
    values before its divergence.
    """
    keys = [*COORDINATES, "seed"]
    readings = [
        name for name, dtype in records.schema.items() if dtype.is_float() and name not in keys
    ]
    last = pl.col("round").max().over(keys)
    means = (
        records.filter(late(pl.col("round")).over(keys))
        .group_by(keys)
        .agg(*(pl.col(name).mean() for name in readings), round=pl.col("round").max())
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
    if probes.is_empty():
        return means
    scalar = [name for name, dtype in probes.schema.items() if not dtype.is_nested()]
    clocks = ("round", "d_updates", "g_updates", "images")
    final = probes.select(scalar).filter(pl.col("round") == pl.col("round").max().over(keys))
    return means.join(final.drop(*clocks), on=keys, how="left")


def marked(final: pl.DataFrame, diverged: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """``final_values`` in order, with the column "diverged": whether the seed is in ``diverged``.

    Its entries are those of ``diverged()``.
    """
    keys = [*COORDINATES, "seed"]
    marks = pl.DataFrame(
        [{name: entry[name] for name in keys} for entry in diverged],
        schema={name: final.schema[name] for name in keys},
    ).with_columns(diverged=pl.lit(True))
    joined = final.join(marks, on=keys, how="left")
    return joined.with_columns(pl.col("diverged").fill_null(False)).sort(keys)


def summary(final: pl.DataFrame) -> pl.DataFrame:
    """``final_values`` over seeds: a row per arm, ratio, data set and metric.

    Its columns are COORDINATES, "metric", "seeds" (how many), "median", "low" and "high" (its
    interval, see ``statistics.median_interval``). Seeds that have diverged have no final value and
    are left out.
    """
    final = final.filter(~pl.col("diverged"))
    metrics = [name for name, dtype in final.schema.items() if dtype.is_float()]
    rows = []
    for place, group in final.group_by(COORDINATES):
        for metric in metrics:
            values = group[metric].drop_nulls().to_numpy()
            values = values[np.isfinite(values)]
            if len(values) == 0:
                continue
            middle, low, high = map(float, median_interval(values))
            rows.append(
                dict(zip(COORDINATES, place, strict=True))
                | {"metric": metric, "seeds": len(values)}
                | {"median": middle, "low": low, "high": high}
            )
    rows.sort(key=lambda r: (arm_order(r["method"]), ratio_key(r["ratio"]), r["metric"]))
    return pl.DataFrame(
        rows,
        schema={
            **dict.fromkeys((*COORDINATES, "metric"), pl.String()),
            "seeds": pl.Int64(),
            **dict.fromkeys(("median", "low", "high"), pl.Float64()),
        },
    )


def ratio_key(ratio: str) -> tuple[float, str]:
    """A key that sorts ratios by their D updates per update of G."""
    d, g = Ratio.parse(ratio).at(0)
    return d / g, ratio


def diverged(root: Path) -> list[dict[str, Any]]:
    """Every seed of a study that diverged.

    An entry holds the run's COORDINATES, the "seed", its "d_update", and the "reading" that showed
    the divergence with its "value".
    """
    return [
        coordinates(report["config"]) | entry
        for _, report in runs(root)
        for entry in report["diverged"]
    ]


def not_compiled(root: Path) -> list[tuple[Path, str]]:
    """The folder of every run that was to be compiled and could not, and the reason."""
    modes = [(folder, report.get("mode", {})) for folder, report in runs(root)]
    return [(folder, mode["failure"]) for folder, mode in modes if mode.get("failure")]


def last_samples(root: Path, arm: str, ratio: str, dataset: str) -> NDArray | None:
    """The last grid of samples of an arm at a ratio on a data set, from its first seed.

    The first folder that has grids decides; None where there is none.
    """
    for folder, report in runs(root):
        if tuple(coordinates(report["config"]).values()) == (arm, ratio, dataset):
            grid = last_grid(folder, report)
            if grid is not None:
                return grid
    return None


def last_grid(folder: Path, report: Mapping[str, Any]) -> NDArray | None:
    """The last grid of samples of the run in ``folder``, of its first seed; None without grids.

    Raises FolderError where its file is missing or corrupt.
    """
    grids = parts_of(folder / SAMPLES, report.get("manifest"))
    for path, part in [*grids.items()][-1:]:
        return _first_grid(path, read_bytes(path, part))
    return None


def _first_grid(path: Path, content: bytes) -> NDArray | None:
    try:
        with np.load(io.BytesIO(content)) as arrays:
            return next((arrays[name] for name in arrays if arrays[name].size), None)
    except Exception:  # NumPy parses a header as Python code; damage can raise anything.
        raise corrupt_file(path) from None
