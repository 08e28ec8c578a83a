"""Statistics over seeds: the median, its exact interval, and bands over time."""

import warnings
from collections.abc import Iterable

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import bdtr

LEVEL = 0.05
"""Error level asked of an interval over seeds, and of a family of verdicts judged together."""


def median_interval(values: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Median over seeds, and its interval between two order statistics, whatever their law.

    ``values`` is (…, seeds); the median, the low end and the high end are (…). The interval is the
    shortest from a k-th smallest to a k-th largest value that holds the true median with
    probability 1 - LEVEL or more; for fewer than six seeds it is their range, which has less.
    ``coverage`` says how much it has.

    ±∞ count like other values. NaN is a seed of which nothing is known: the low end takes it for -∞
    and the high end for ∞; the median leaves it out. The ends for a single seed are NaN.
    """
    n = values.shape[-1]
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all NaN: the median is NaN
        middle = np.asarray(np.nanmedian(values, axis=-1))
    if n < 2:
        return middle, np.full_like(middle, np.nan), np.full_like(middle, np.nan)
    k = _left_out(n)
    least = np.sort(np.where(np.isnan(values), -np.inf, values), axis=-1)
    most = np.sort(np.where(np.isnan(values), np.inf, values), axis=-1)
    return middle, np.asarray(least[..., k]), np.asarray(most[..., n - 1 - k])


def coverage(seeds: int) -> float:
    """With what probability ``median_interval`` of so many seeds holds the true median.

    The interval misses where at most as many seeds as it leaves out on a side lie on that side of
    the median, each with probability ½. With five seeds it is the range, and has 1 - 2·2⁻⁵.
    """
    return 1 - 2 * float(bdtr(_left_out(seeds), seeds, 0.5))


def _left_out(n: int) -> int:
    """How many of ``n`` seeds lie outside the interval of their median on either side."""
    misses = np.asarray(bdtr(np.arange((n + 1) // 2), n, 0.5))
    return max(0, int((misses <= LEVEL / 2).sum()) - 1)


def interval_name(seeds: Iterable[int]) -> str:
    """What to call intervals over so many seeds, such as "93.75 % interval (5 seeds)"."""
    counts = sorted({n for n in seeds if n > 1})
    texts = [f"{100 * coverage(n):.4g} % interval ({n} seeds)" for n in counts]
    return " or ".join(texts) or "interval"


def inverted(quotients: NDArray) -> NDArray:
    """Quotients (seeds,) as a change by a factor, up or down: their inverses if the median is < 1.

    The inverse of 0 is ∞.
    """
    if not median_interval(quotients)[0] < 1:
        return quotients
    with np.errstate(divide="ignore"):
        return np.where(quotients == 0, np.inf, 1 / quotients)


def no_less_than_one(low: float, high: float) -> tuple[float, float]:
    """The interval of a change by a factor, up or down, whose ends as a quotient are given.

    One that holds 1 allows for no change: it starts there and reaches as far as the larger change.
    """
    if low >= 1 or np.isnan(low):
        return low, high
    return 1.0, max(high, 1 / low if low > 0 else np.inf)


def band(frame: pl.DataFrame, clock: str, metric: str, points: int = 200) -> pl.DataFrame:
    """A metric over ``clock`` in at most ``points`` bins: median over seeds and their interval.

    The result has the columns ``clock``, "median", "low" and "high", a row per bin. Within a bin
    each seed is first averaged, so that all D updates of a round count. Values that are missing or
    not finite are left out; the result is empty where none remain.
    """
    if metric not in frame.columns:
        return pl.DataFrame()
    frame = frame.filter(pl.col(metric).is_not_null() & pl.col(metric).is_finite())
    if frame.is_empty():
        return frame
    end = int(frame[clock].to_numpy().max()) + 1
    width = max(1, -(-end // points))
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
        middle, low, high = median_interval(values[rows][:, present])
        here = {clock: time.to_numpy()[rows], "median": middle, "low": low, "high": high}
        parts.append(pl.DataFrame(here))
    return pl.concat(parts).sort(clock)
