"""Results that were published and are no longer relied on: ``withdrawn.csv``, beside the register.

Each line has its date and the reason. A verdict stays what its runs say; this table says which
verdicts are not to be quoted, and every form of the ledger shows it beside them. What is withdrawn
counts in no total and in no answer. A line goes when its claims have been judged again.
"""

import csv
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from vral.claims.verdict import Verdict

Standing = Literal["withdrawn", "being redone"]
LENGTH = re.compile(r"--(?:rounds|warmup) (\d+) \(not (\d+)\)")
"""How a verdict names a run of another length than the experiment's."""


@dataclass(frozen=True)
class Doubt:
    """A part of the ledger that is not to be quoted."""

    since: str
    """YYYY-MM-DD."""
    standing: Standing
    reason: str
    experiments: frozenset[str] = frozenset()
    """Experiments concerned, all if empty."""
    datasets: frozenset[str] = frozenset()
    """Data sets concerned, all if empty."""
    families: frozenset[str] = frozenset()
    """Families of claims concerned (C3, …), all if empty."""
    mended_by: str = ""
    """An option and its value; the reason does not hold for runs with it, if none is too short."""

    def concerns(self, verdict: Verdict) -> bool:
        """Whether ``verdict`` belongs to this part."""
        claim = verdict.claim
        return (
            (not self.experiments or claim.experiment in self.experiments)
            and (not self.datasets or verdict.dataset in self.datasets)
            and (not self.families or claim.family in self.families)
            and not (self.mended_by and self._is_mended(verdict.settings))
        )

    def _is_mended(self, settings: tuple[str, ...]) -> bool:
        """Whether ``settings`` hold ``mended_by`` and shorten no run."""
        lengths = [found.groups() for text in settings if (found := LENGTH.fullmatch(text))]
        return any(text.startswith(f"{self.mended_by} ") for text in settings) and not any(
            int(given) < int(usual) for given, usual in lengths
        )


def _read() -> tuple[Doubt, ...]:
    text = (files("vral.claims") / "withdrawn.csv").read_text(encoding="utf-8")
    sets = ("experiments", "datasets", "families")
    return tuple(
        Doubt(**{**row, **{name: frozenset(row[name].split()) for name in sets}})
        for row in csv.DictReader(text.splitlines())
    )


WITHDRAWN = _read()
"""The first row that concerns a verdict holds for it."""


def doubt(verdict: Verdict) -> Doubt | None:
    """Why ``verdict`` is not to be quoted; None where it stands."""
    return next((row for row in WITHDRAWN if row.concerns(verdict)), None)


def counts(verdict: Verdict) -> bool:
    """Whether ``verdict`` is counted: it is not withdrawn."""
    row = doubt(verdict)
    return row is None or row.standing != "withdrawn"
