"""CLAIMS: what the sources say, each part made precise enough to fail."""

from collections.abc import Iterable

from vral.claims.budget import BUDGETS, RANKING
from vral.claims.deck import C1, C2, C3, C4, C5, C6, C7, C8, C9, C10, C11
from vral.claims.panels import CLAIMS as PANELS
from vral.claims.questions import ARTEFACTS, PROBLEM, QUESTIONS
from vral.claims.score_game import CLAIMS as SCORE_GAME
from vral.claims.theory import PLANE, THEORY
from vral.claims.usefulness import CLAIMS as USEFULNESS
from vral.claims.verdict import Claim


def _by_id(*groups: Iterable[Claim]) -> dict[str, Claim]:
    claims = [claim for group in groups for claim in group]
    table = {claim.id: claim for claim in claims}
    if len(table) < len(claims):
        raise ValueError("two claims have the same id")
    return table


CLAIMS: dict[str, Claim] = _by_id(
    *(C1, C2, C3, C4, C5, C6, C7, C8, C9, C10, C11),
    PANELS,
    USEFULNESS,
    *(QUESTIONS, BUDGETS, RANKING, PROBLEM, ARTEFACTS),
    *(THEORY, PLANE, SCORE_GAME),
)
"""Every claim by its id, in the order of every table."""


def claims_of(experiment: str) -> list[Claim]:
    """The claims that a study of ``experiment`` judges, those that were retired left out."""
    return [c for c in CLAIMS.values() if c.experiment == experiment and not c.retired]


def families(experiment: str, figure: str | None = None) -> list[str]:
    """The families (C1, Q2, …) of an experiment's claims, or of those that ``figure`` supports."""
    return list(
        dict.fromkeys(
            claim.family
            for claim in claims_of(experiment)
            if figure is None or claim.figure == figure
        )
    )
