"""CLAIMS, and the ledger: what a study's records say about each of them."""

from vral.claims.verdict import Claim, Threshold, Verdict

__all__ = ["Claim", "Threshold", "Verdict", "ledger"]


def ledger(roots):
    """A verdict for every claim that the studies in ``roots`` can judge."""
    raise NotImplementedError
