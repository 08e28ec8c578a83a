"""Rows of the published studies without chance: every name is one that today's code still gives."""

from pathlib import Path

import polars as pl
import pytest

from vral.dynamics import basins, damping, errata, lazy_r1, limit_cycles, portraits
from vral.dynamics.systems import ALGORITHMS, systems

PUBLISHED = Path(__file__).parents[2] / "runs" / "published"
QUICK = {
    "dirac": lambda: portraits.experiment(list(systems().values()), rounds=1),
    "dirac-basins": lambda: basins.experiment(points=2, rounds=1),
    "dirac-damping": lambda: damping.experiment(strengths=[0.0, 1.0], steps=[0.1]),
    "errata": errata.experiment,
    "lazy-r1": lambda: lazy_r1.experiment(rounds=2),
    "limit-cycles": lambda: limit_cycles.experiment(rounds=8),
}
"""Experiments whose rows have the same names after a few rounds."""


@pytest.fixture
def names_alone(monkeypatch):
    """No figure, no search for a limit, and the coarse map counts as the specified one."""
    for module in (portraits, basins, damping):
        monkeypatch.setattr(module, "figure", lambda *_: None)
    for search in ("critical_strength", "largest_step"):
        monkeypatch.setattr(damping, search, lambda *_: 1.0)
    monkeypatch.setattr(basins, "POINTS", 2)
    monkeypatch.setattr(basins, "ROUNDS", 1)


def published(name: str) -> list[tuple[str, str]]:
    return pl.read_csv(PUBLISHED / name / "measured.csv").select("case", "quantity").rows()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name in ("dirac", "errata")))
        for name in QUICK
    ],
)
@pytest.mark.usefixtures("names_alone")
def test_measured_rows_keep_the_names_of_the_published_table(name):
    rows = QUICK[name]().rows
    assert [(row.case, row.quantity) for row in rows] == published(name)


def test_labels_of_systems_are_those_of_the_published_table():
    """What the slow case above covers too, in a second."""
    cases = dict.fromkeys(case for case, _ in published("dirac"))
    labels = [system.label for system in systems().values()]
    panels = [f"{label}, {algorithm}" for label in labels for algorithm in ALGORITHMS]
    resting = [system.label for system in systems().values() if system.equilibrium is not None]
    assert list(cases) == panels + resting
    assert set(published("dirac")) >= {portraits.abscissa_of(label) for label in resting}
