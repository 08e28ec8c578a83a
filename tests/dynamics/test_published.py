"""Rows of the published studies without chance: every name is one that today's code still gives."""

from pathlib import Path

import polars as pl
import pytest

from vral.dynamics import errata, lazy_r1, limit_cycles

PUBLISHED = Path(__file__).parents[2] / "runs" / "published"
QUICK = {
    "errata": errata.experiment,
    "lazy-r1": lambda: lazy_r1.experiment(rounds=2),
    "limit-cycles": lambda: limit_cycles.experiment(rounds=8),
}
"""Experiments whose rows have the same names after a few rounds."""


@pytest.mark.parametrize(
    "name", [pytest.param("errata", marks=pytest.mark.slow), "lazy-r1", "limit-cycles"]
)
def test_measured_rows_keep_the_names_of_the_published_table(name):
    published = pl.read_csv(PUBLISHED / name / "measured.csv")
    rows = QUICK[name]().rows
    assert [(row.case, row.quantity) for row in rows] == published.select("case", "quantity").rows()
