"""CLAIMS, and the ledger: what the records of studies say about each of them."""

from vral.claims.catalogue import CLAIMS
from vral.claims.ledger import Unjudged, examine, ledger
from vral.claims.verdict import Claim, Registered, Threshold, Verdict

__all__ = [
    "CLAIMS",
    "Claim",
    "Registered",
    "Threshold",
    "Unjudged",
    "Verdict",
    "examine",
    "ledger",
]
