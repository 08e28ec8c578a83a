"""Statistics over seeds: the median, its exact bootstrap interval, and bands over time."""

import warnings

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import bdtrc

LEVEL = 0.05
"""Error level of an interval over seeds, and of a family of verdicts judged together."""


def bootstrap_median(values: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Median over seeds and its 95 % percentile-bootstrap interval, computed without resampling.

    ``values`` is (…, seeds); the median, the low end and the high end are (…). The k-th smallest of
    n values is at least a resample's median with probability P(Bin(n, k/n) ≥ ⌈n/2⌉), so the ends
    are those of infinitely many resamples. For an even n the low end is that of the lower median
    and the high end that of the upper one: a mean of the two would not hold the nominal rate for
    skewed distributions.

    ±∞ count like other values. NaN is a seed of which nothing is known: the low end takes it for -∞
    and the high end for ∞; the median leaves it out. The ends for a single seed are NaN.
    """
    n = values.shape[-1]
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all NaN: the median is NaN
        middle = np.asarray(np.nanmedian(values, axis=-1))
    if n < 2:
        return middle, np.full_like(middle, np.nan), np.full_like(middle, np.nan)
    at_least = np.asarray(bdtrc((n + 1) // 2 - 1, n, np.arange(1, n + 1) / n))
    k = int(np.argmax(at_least > LEVEL / 2))
    least = np.sort(np.where(np.isnan(values), -np.inf, values), axis=-1)
    most = np.sort(np.where(np.isnan(values), np.inf, values), axis=-1)
    return middle, np.asarray(least[..., k]), np.asarray(most[..., n - 1 - k])


def inverted(quotients: NDArray) -> NDArray:
    """Quotients (seeds,) as a change by a factor, up or down: their inverses if the median is < 1.

    The inverse of 0 is ∞.
    """
    if not bootstrap_median(quotients)[0] < 1:
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
        middle, low, high = bootstrap_median(values[rows][:, present])
        here = {clock: time.to_numpy()[rows], "median": middle, "low": low, "high": high}
        parts.append(pl.DataFrame(here))
    return pl.concat(parts).sort(clock)
