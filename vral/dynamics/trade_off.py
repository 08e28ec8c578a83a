"""What D may tell where its scores are as VRAL asks: closed forms, our readings, measured runs."""

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vral.diagnostics.gaussian_scores import TRADE_OFF, at_optimum, from_scores
from vral.figures.trade_off import WIDEST, trade_off
from vral.study import frames
from vral.study.config import with_defaults
from vral.study.measured import Measured, Row
from vral.train.records import read_parts

MEANS = ((0.0, 1.0), (-1.0, 1.0))
"""The authors' targets (m_f, m_r)."""

SCORES = 20_000
"""Scores on which our readings are taken: the quantiles of N(m, 1) at (i + ½)/SCORES."""

NAMES = {
    "auc": "AUC",
    "accuracy": "accuracy",
    "total_variation": "total variation",
    "overlap": "overlap",
    "pushed_back": "share of fakes above the real mean",
}
"""What our readings give of TRADE_OFF, and the name of its row."""

POINTS = {"method": pl.String, "gap": pl.Float64, "seed": pl.Int64} | dict.fromkeys(
    (*NAMES, "slope_per_gap"), pl.Float64
)
"""Columns of ``measured_points``."""


def gaussian_scores(mean: float) -> NDArray:
    """SCORES scores (n,) that are distributed like N(mean, 1), without chance."""
    from scipy.special import ndtri

    return mean + ndtri((np.arange(SCORES) + 0.5) / SCORES)


def measured_points(root: Path) -> pl.DataFrame:
    """What the VRAL runs under ``root`` measured, with the columns of POINTS: a row per seed.

    Each is the mean over the probes in the last fifth of its run; a published run has kept the
    scores of the last probe alone. Runs whose means are asked in the
    other order have no gap and are left out. Raises FolderError where a file is corrupt.
    """
    rows = []
    for folder, report in frames.runs(root):
        config = with_defaults(report["config"])
        gap = config["mean_real"] - config["mean_fake"]
        probes = read_parts(folder / "probes", report.get("manifest"))
        if config["objective"] not in ("meta", "parzen") or gap <= 0 or probes is None:
            continue
        probes = probes.filter(pl.col("scores_real").is_not_null())
        place = {"method": frames.coordinates(config)["method"], "gap": gap}
        late = probes.filter(frames.late(pl.col("round")).over("seed"))
        for probe in late.iter_rows(named=True):
            real, fake = (np.array(probe[name]) for name in ("scores_real", "scores_fake"))
            seen = from_scores(real, fake, config["mean_real"], config["mean_fake"])
            slope = {"slope_per_gap": probe["latent_grad_square"] / gap**2}
            rows.append({**place, "seed": probe["seed"], **seen, **slope})
    every = pl.DataFrame(rows, schema=POINTS)
    return every.group_by("method", "gap", "seed", maintain_order=True).mean()


def experiment(points: pl.DataFrame | None = None) -> Measured:
    """Our readings of scores as VRAL asks beside their closed forms, the curves, and the figure.

    ``points`` as ``measured_points`` gives them are drawn beside the curves.
    """
    rows = []
    for low, high in MEANS:
        seen = from_scores(gaussian_scores(high), gaussian_scores(low), high, low)
        known = at_optimum(high - low)
        case = f"scores N({low:g}, 1) and N({high:g}, 1)"
        rows += [Row(case, NAMES[name], seen[name], known[name].item()) for name in NAMES]
    gaps = np.linspace(0.02, WIDEST, 200)
    known = at_optimum(gaps)
    curves = pl.DataFrame({"gap": gaps, **{name: known[name] for name in TRADE_OFF}})
    points = pl.DataFrame(schema=POINTS) if points is None else points
    tables = {"curves": curves, "points": points}
    return Measured(rows, {"trade-off": trade_off(points)}, tables)
