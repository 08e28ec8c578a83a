"""Results that were published and are no longer relied on: ``withdrawn.csv``, beside the register.

Each line has its date and the reason. A verdict stays what its runs say; this table says which
verdicts are not to be quoted, and every form of the ledger shows it beside them. What is withdrawn
counts in no total and in no answer. A line goes when its claims have been judged again.
"""

import csv
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from vral.claims.verdict import Verdict

Standing = Literal["withdrawn", "being redone"]


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
    claims: frozenset[str] = frozenset()
    """Claims concerned, by their ids or their families (C3, …), all if empty."""
    made_with: str = ""
    """An option and its value: only runs that had it, other than the experiment's, are concerned.
    So it is not said of later runs what only the published ones lacked."""

    def concerns(self, verdict: Verdict) -> bool:
        """Whether ``verdict`` belongs to this part."""
        claim = verdict.claim
        return (
            (not self.experiments or claim.experiment in self.experiments)
            and (not self.datasets or verdict.dataset in self.datasets)
            and (not self.claims or bool(self.claims & {claim.id, claim.family}))
            and (
                not self.made_with
                or any(text.startswith(f"{self.made_with} (not ") for text in verdict.settings)
            )
        )


def _read() -> tuple[Doubt, ...]:
    text = (files("vral.claims") / "withdrawn.csv").read_text(encoding="utf-8")
    sets = ("experiments", "datasets", "claims")
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
