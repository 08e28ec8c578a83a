"""What a study has recorded, as the claims' tests read it.

``Evidence`` holds the finished runs of a study over seeds; ``Numbers`` the rows of a deterministic
study's ``measured.csv``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from vral.study import frames
from vral.study.folders import ENDED
from vral.study.measured import MEASURED, SCHEMA, Quantity, has_table, read_table

Values = dict[int, float]
"""Seed to value; NaN where the seed diverged or the value does not exist."""


class NotRunError(Exception):
    """The study lacks what a test reads; the message says what."""


class NotTestableError(NotRunError):
    """What a claim compares with has learned nothing; the message says what and how little."""


def shortfall(what: str, values: Iterable[float], least: float) -> str:
    """How far the median of ``values`` over seeds is below ``least``; empty where it is not.

    ``what`` names the median. A NaN, as of a seed that diverged, counts as 0.
    """
    reached = float(np.median(np.nan_to_num(list(values))))
    return "" if reached >= least else f"{what} is {reached:.2g}, asked ≥ {least:g}"


def require_median(what: str, values: Iterable[float], least: float) -> None:
    """Raise NotTestableError where there is a ``shortfall``."""
    if lacking := shortfall(what, values, least):
        raise NotTestableError(f"not testable: {lacking}")


@dataclass(frozen=True)
class Evidence:
    """What the finished runs of one study have recorded on one data set."""

    final: pl.DataFrame
    """``frames.final`` of the study; empty where nothing was recorded."""
    probes: pl.DataFrame
    interpolation: pl.DataFrame
    diverged: frozenset[tuple[str, str, int]]
    """(arm, ratio, seed) of every seed that diverged."""
    batch: int
    quality: Sequence[tuple[str, str, Mapping[str, float]]] = ()
    """Each run's arm, ratio and floors of the measure that judged its samples."""

    def rows(self, frame: pl.DataFrame, arm: str, ratio: str, *columns: str) -> pl.DataFrame:
        """The rows of ``frame`` of one arm at one ratio, which must have values in ``columns``.

        Raises NotRunError where there are none. Where every seed that ran diverged before its first
        reading, the result is an empty frame.
        """
        rows = frame.filter((pl.col("method") == arm) & (pl.col("ratio") == ratio))
        if rows.is_empty():
            if self.diverged_seeds([arm], [ratio]):
                return rows
            raise NotRunError(f"{arm} at {ratio} has not been run")
        for column in columns:
            if column not in frame.columns or rows[column].is_null().all():
                raise NotRunError(f"{column} of {arm} at {ratio} was not measured")
        return rows

    def diverged_seeds(self, arms: Sequence[str], ratios: Sequence[str]) -> frozenset[int]:
        """The seeds that diverged in any of these arms at any of these ratios."""
        return frozenset(s for arm, ratio, s in self.diverged if arm in arms and ratio in ratios)

    def require_one_measure(self, arms: Sequence[str], ratios: Sequence[str]) -> None:
        """Raise NotRunError where one measure has not judged all of these arms and ratios."""
        runs = [run for run in self.quality if run[0] in arms and run[1] in ratios]
        for arm, ratio, quality in runs[1:]:
            if why := frames.other_measure(runs[0][2], quality):
                raise NotRunError(f"{arm} at {ratio} was judged by {why}, and must be rerun")

    def by_seed(
        self,
        frame: pl.DataFrame,
        arm: str,
        ratio: str,
        columns: Sequence[str],
        reduce: Callable[..., float],
    ) -> Values:
        """``reduce`` of ``columns`` for every seed of an arm at a ratio.

        ``reduce`` takes one array per column, in the order of time. A seed that diverged has NaN.
        Raises NotRunError as ``rows`` does.
        """
        rows = self.rows(frame, arm, ratio, *columns)
        diverged = self.diverged_seeds([arm], [ratio])
        values = dict.fromkeys(diverged, float("nan"))
        for (seed,), part in rows.group_by("seed"):
            if seed not in diverged:
                arrays = (part[name].cast(pl.Float64).to_numpy() for name in columns)
                with np.errstate(all="ignore"):  # 0/0 is NaN, a value that does not exist
                    values[seed] = float(reduce(*arrays))
        return dict(sorted(values.items()))


def read(root: Path, dataset: str) -> Evidence:
    """The evidence of the study in ``root`` on ``dataset``; unfinished runs are left out.

    Raises FolderError where a file of the study is corrupt.
    """
    unfinished: set[tuple[str, str, int]] = set()
    batches, quality = set(), []
    for _, report in frames.runs(root):
        config = report["config"]
        if config["dataset"] == dataset:
            batches.add(config["batch"])
            arm = frames.coordinates(config)["method"]
            quality.append((arm, config["ratio"], report["quality"]))
            if report["status"] not in ENDED:
                unfinished |= {(arm, config["ratio"], seed) for seed in config["seeds"]}
    left_out = pl.DataFrame(
        sorted(unfinished),
        schema={"method": pl.String, "ratio": pl.String, "seed": pl.Int64},
        orient="row",
    )

    def here(frame: pl.DataFrame) -> pl.DataFrame:
        frame = frame.filter(pl.col("dataset") == dataset)
        frame = frame.with_columns(pl.col("seed").cast(pl.Int64))
        frame = frame.join(left_out, on=left_out.columns, how="anti")
        return frame.sort("round") if "round" in frame.columns else frame

    diverged = frozenset(
        (entry["method"], entry["ratio"], entry["seed"])
        for entry in frames.diverged(root)
        if entry["dataset"] == dataset
    )
    probes, between = (here(frames.read(root, kind)) for kind in ("probes", "interpolation"))
    return Evidence(here(frames.final(root)), probes, between, diverged, max(batches), quality)


# ---- without chance ----------------------------------------------------------------------------

Numbers = dict[Quantity, float]
"""The numbers that a deterministic study has measured."""

Rows = list[tuple[str, str, float, float, str | None]]
"""The rows of ``measured.csv``: case, quantity, measured, expected, source of the expected."""


def read_rows(root: Path) -> Rows:
    """The rows of ``measured.csv`` in ``root``; none where the file does not exist.

    Raises FolderError where the file does not have the columns that such a study writes.
    """
    if not has_table(root, MEASURED):
        return []
    return read_table(root, MEASURED, SCHEMA).rows()


def read_numbers(root: Path) -> Numbers:
    """The measured numbers of ``root`` by name. Raises FolderError as ``read_rows`` does."""
    return {Quantity(case, what): number for case, what, number, *_ in read_rows(root)}
