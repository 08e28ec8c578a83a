"""From a study's records to one value per seed: the quantities that claims are about.

Or, where nothing is random, from the rows of its ``measured.csv`` to one value.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, spearmanr

from vral.errors import FolderError
from vral.study import frames
from vral.study.legacy import legacy_scales
from vral.study.measured import MEASURED, SCHEMA

Values = dict[int, float]
"""Seed to value; NaN where the seed diverged or the value does not exist."""


class NotRun(Exception):
    """The study lacks what a test reads; the message says what."""


@dataclass(frozen=True)
class Evidence:
    """What the finished runs of one study have recorded on one data set."""

    records: pl.DataFrame
    probes: pl.DataFrame
    interpolation: pl.DataFrame
    diverged: frozenset[tuple[str, str, int]]
    """(arm, ratio, seed) of every seed that diverged."""
    batch: int

    @cached_property
    def final(self) -> pl.DataFrame:
        if self.records.is_empty() or self.probes.is_empty():
            return pl.DataFrame(schema=self.records.schema)
        return frames.final_values(self.records, self.probes)

    def rows(self, frame: pl.DataFrame, arm: str, ratio: str, *columns: str) -> pl.DataFrame:
        """The rows of a cell with these columns; NotRun if there are none.

        None either, without an error, where all that ran has diverged before its first reading.
        """
        chosen = frame.filter((pl.col("method") == arm) & (pl.col("ratio") == ratio))
        if chosen.is_empty():
            if self.diverged_seeds([arm], [ratio]):
                return chosen
            raise NotRun(f"{arm} at {ratio} has not been run")
        for column in columns:
            if column not in frame.columns or chosen[column].is_null().all():
                raise NotRun(f"{column} of {arm} at {ratio} was not measured")
        return chosen

    def diverged_seeds(self, arms: Sequence[str], ratios: Sequence[str]) -> frozenset[int]:
        return frozenset(s for arm, ratio, s in self.diverged if arm in arms and ratio in ratios)

    def by_seed(
        self,
        frame: pl.DataFrame,
        arm: str,
        ratio: str,
        columns: Sequence[str],
        reduce: Callable[..., float],
    ) -> Values:
        """``reduce`` of the columns (as arrays, in time's order) of every seed of a cell."""
        chosen = self.rows(frame, arm, ratio, *columns)
        gone = self.diverged_seeds([arm], [ratio])
        values = dict.fromkeys(gone, float("nan"))
        for (seed,), part in chosen.group_by("seed"):
            if seed not in gone:
                arrays = (part[name].cast(pl.Float64).to_numpy() for name in columns)
                with np.errstate(all="ignore"):  # 0/0 is NaN, a value that does not exist
                    values[seed] = float(reduce(*arrays))
        return dict(sorted(values.items()))


Test = Callable[[Evidence], Values]


def read(root: Path, dataset: str) -> Evidence:
    """The readings of ``root`` on ``dataset``, without the seeds of unfinished runs."""
    tables = {}
    unfinished = set()
    batches = set()
    for _, report in frames.runs(root):
        config = report["config"]
        if config["dataset"] == dataset:
            batches.add(config["batch"])
            if report["status"] not in ("finished", "diverged"):
                arm = frames.coordinates(config)["method"]
                unfinished |= {(arm, config["ratio"], seed) for seed in config["seeds"]}
    left_out = pl.DataFrame(
        sorted(unfinished),
        schema={"method": pl.String, "ratio": pl.String, "seed": pl.Int64},
        orient="row",
    )
    for kind in ("records", "probes", "interpolation"):
        frame = frames.read(root, kind).filter(pl.col("dataset") == dataset)
        frame = frame.with_columns(pl.col("seed").cast(pl.Int64))
        frame = frame.join(left_out, on=left_out.columns, how="anti")
        tables[kind] = frame.sort("round") if "round" in frame.columns else frame
    gone = frozenset(
        (entry["method"], entry["ratio"], entry["seed"])
        for entry in frames.diverged(root)
        if entry["dataset"] == dataset
    )
    return Evidence(**tables, diverged=gone, batch=max(batches))


Measured = dict[tuple[str, str], float]
"""(case, quantity) to the number that a deterministic study has found."""


Rows = list[tuple[str, str, float, float, str | None]]
"""Of ``measured.csv``, as ``outcome.SCHEMA`` has them."""


def read_rows(root: Path) -> Rows:
    """The rows of ``measured.csv`` in ``root``; none where nothing has been written.

    Raises FolderError where the file is not what such a study writes.
    """
    path = root / MEASURED
    if not path.exists():
        return []
    try:
        frame = pl.read_csv(path, schema=SCHEMA)
    except (pl.exceptions.PolarsError, OSError):
        raise FolderError(
            f"{path} is corrupt; restore it, or delete its folder to start again"
        ) from None
    return frame.rows()


def read_measured(root: Path) -> Measured:
    """The rows of ``root`` by name. Raises FolderError as ``read_rows`` does."""
    return {(case, quantity): value for case, quantity, value, *_ in read_rows(root)}


def measured(case: str, quantity: str) -> Callable[[Measured], float]:
    """The row's number."""

    def value(found: Measured) -> float:
        if (case, quantity) not in found:
            raise NotRun(f"{MEASURED} has no row {case}: {quantity}")
        return found[case, quantity]

    return value


def last(arm: str, column: str, ratio: str = "50") -> Test:
    """Final value: of a training reading the mean over the last fifth, of a probe the last one."""
    return lambda found: found.by_seed(found.final, arm, ratio, [column], lambda x: x[0])


def paired(function: Callable[..., float], *tests: Test) -> Test:
    """``function`` of what the tests give for the same seed; seeds that one lacks are left out."""

    def values(found: Evidence) -> Values:
        columns = [test(found) for test in tests]
        common = sorted(set.intersection(*(set(column) for column in columns)))
        if not common:
            raise NotRun("no seed is common to the arms")
        with np.errstate(all="ignore"):
            return {s: float(function(*(np.float64(c[s]) for c in columns))) for s in common}

    return values


def quotient(first: Test, second: Test) -> Test:
    return paired(np.divide, first, second)


def end_over_peak(arm: str, column: str, ratio: str) -> Test:
    """Last probe over the largest one of the run."""
    return lambda found: found.by_seed(
        found.probes, arm, ratio, [column], lambda x: x[-1] / x.max()
    )


def late_probes(arm: str, column: str, ratio: str) -> Test:
    """Mean over the probes in the last FINAL_SHARE of the run's D updates."""

    def reduce(updates: NDArray, values: NDArray) -> float:
        return values[updates >= (1 - frames.FINAL_SHARE) * updates[-1]].mean()

    return lambda found: found.by_seed(found.probes, arm, ratio, ["d_updates", column], reduce)


def end_over_start(arm: str, column: str, ratio: str, parts: int = 60) -> Test:
    """Last probe over the one nearest to 1/``parts`` of the run's D updates."""

    def reduce(updates: NDArray, values: NDArray) -> float:
        return values[-1] / values[np.abs(updates - updates[-1] / parts).argmin()]

    return lambda found: found.by_seed(found.probes, arm, ratio, ["d_updates", column], reduce)


def deviation(values: NDArray) -> NDArray:
    """How far each of (…, seeds) is from the mean of the others, relative to it.

    In units in which a normal law's median distance from its mean is the coefficient of variation;
    that the others' mean errs too makes it a little larger, so that a bound on it is strict. The
    coefficient itself, of a few values resampled, would come out too small.

    These values depend on each other, so a verdict's rates are not the sign test's 3.1 %. Measured
    over 20,000 studies whose coefficient lies at the bound: with five seeds of a normal, gamma or
    lognormal law the claim is confirmed in 3.5 to 4.6 % and refuted in 3.9 to 6.7 %; with ten, in
    1.0 to 1.6 % and 1.0 to 2.5 %. Of laws whose coefficient rare seeds make it says little, since
    it is about the typical seed: confirmed in 13 % for Student's t with three degrees of freedom,
    in 77 % where one seed in twenty is bad.
    """
    others = (values.sum(-1, keepdims=True) - values) / (values.shape[-1] - 1)
    return np.abs(values - others) / np.abs(others) / norm.ppf(0.75)


def spread(test: Test) -> Test:
    """``deviation`` of a test's values over the seeds that have one."""

    def values(found: Evidence) -> Values:
        column = test(found)
        known = {seed: value for seed, value in column.items() if np.isfinite(value)}
        if len(known) < 2:
            return dict.fromkeys(column, float("nan"))
        far = deviation(np.array(list(known.values()))).tolist()
        return column | dict(zip(known, far, strict=True))

    return values


def path_swing(arm: str, pairing: str) -> Test:
    """Largest over smallest mean ‖∇D‖ between real (γ = 0) and fake (γ = 1)."""

    def values(found: Evidence) -> Values:
        between = found.interpolation
        if "gamma" in between.columns:
            between = between.filter(
                (pl.col("pairing") == pairing) & pl.col("gamma").is_between(0, 1)
            )
        elif not found.diverged_seeds([arm], ["50"]):
            raise NotRun("the interpolation table was not recorded")
        columns = ["grad_norm_mean"]
        return found.by_seed(between, arm, "50", columns, lambda x: x.max() / x.min())

    return values


def poincare_ratio(variance: ArrayLike, gradient_square: ArrayLike) -> NDArray:
    """Var f(z) / E‖∇f(z)‖², at most 1 for z ~ N(0, I): the Gaussian Poincaré inequality.

    1 for a linear f; 0 for a constant one, where both vanish.
    """
    variance, gradient_square = np.asarray(variance), np.asarray(gradient_square)
    with np.errstate(divide="ignore"):
        ratio = variance / np.where(variance == 0, 1.0, gradient_square)
    return np.where(variance == 0, 0.0, ratio)


def over_arms(
    arms: Sequence[str], first: str, second: str, reduce: Callable[[NDArray, NDArray], float]
) -> Test:
    """``reduce`` of two probe columns over all arms and checkpoints, within each seed.

    Seeds that an arm lacks are left out; of a seed that diverged its probes until then count.
    """

    def values(found: Evidence) -> Values:
        parts = [found.rows(found.probes, arm, "50", first, second) for arm in arms]
        seeds = set.intersection(
            *(
                set(part["seed"]) | found.diverged_seeds([arm], ["50"])
                for arm, part in zip(arms, parts, strict=True)
            )
        )
        read = [part.select("seed", first, second) for part in parts if part.height]
        if not read:
            raise NotRun("every seed has diverged before its first reading")
        frame = pl.concat(read)
        by_seed = {seed: frame.filter(pl.col("seed") == seed) for seed in sorted(seeds)}
        return {
            seed: float(reduce(part[first].to_numpy(), part[second].to_numpy()))
            for seed, part in by_seed.items()
        }

    return values


def rank_correlation(first: NDArray, second: NDArray) -> float:
    """Spearman's."""
    return float(spearmanr(first, second).statistic)


def worst_poincare(variance: NDArray, gradient_square: NDArray) -> float:
    return float(np.max(poincare_ratio(variance, gradient_square)))


def scale_gap(first: str, second: str) -> Test:
    """How much E‖∇D‖² of ``first`` on the original's summed scale over that of ``second`` on its
    averaged one exceeds their true quotient."""

    def values(found: Evidence) -> Values:
        for arm in (first, second):
            found.rows(found.final, arm, "50", "grad_square_fake")
        if "grad_square_fake" not in found.final.columns:
            raise NotRun("every seed has diverged before its first reading")
        scaled = legacy_scales(found.final, found.batch)

        def column(arm: str, name: str) -> Test:
            return lambda seen: seen.by_seed(scaled, arm, "50", [name], lambda x: x[0])

        legacy = quotient(
            column(first, "legacy_fake_summed"), column(second, "legacy_fake_averaged")
        )
        true = quotient(column(first, "grad_square_fake"), column(second, "grad_square_fake"))
        return quotient(legacy, true)(found)

    return values
