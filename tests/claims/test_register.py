"""The register of thresholds."""

from hashlib import sha256
from importlib.resources import files
from math import inf

import pytest

from vral.claims.catalogue import CLAIMS
from vral.claims.register import register, registered
from vral.claims.verdict import Threshold

REGISTERED = (177, "2ea79cc8d63a631ceb9cbc6efd2d50b4a62361f3f0efae4f25731d3a9b385424")
"""How many lines register.csv had, and their digest, when this was last set."""


def test_what_was_registered_once_stays():
    """New lines follow those of the digest, and none of these is changed."""
    lines, digest = REGISTERED
    text = (files("vral.claims") / "register.csv").read_text(encoding="utf-8")
    first = "".join(text.splitlines(keepends=True)[:lines])
    assert sha256(first.encode()).hexdigest() == digest


def test_the_register_has_the_claims_of_the_catalogue_and_no_others():
    assert register().keys() == CLAIMS.keys()


def test_the_last_line_of_a_claim_is_in_force():
    """C9.sd.forward.h=1 is one of the claims whose threshold was changed after its first entry."""
    changed = [claim for claim in CLAIMS.values() if len(claim.history) > 1]
    assert changed
    for claim in changed:
        dates = [entry.since for entry in claim.history]
        assert dates == sorted(dates)
        assert str(claim.threshold) == claim.history[-1].threshold


def test_a_claim_that_was_not_registered_cannot_be_made():
    with pytest.raises(KeyError, match=r"C0\.new"):
        registered("C0.new")


@pytest.mark.parametrize(
    ("text", "threshold"),
    [
        ("≤ 0.01", Threshold(high=0.01)),
        ("≥ 10", Threshold(low=10)),
        ("≤ -0.01", Threshold(high=-0.01)),
        ("≤ 1e-09", Threshold(high=1e-9)),
        ("63.9 … 64.1", Threshold(63.9, 64.1)),
    ],
)
def test_a_threshold_is_read_as_it_is_written(text, threshold):
    assert Threshold.parse(text) == threshold
    assert str(threshold) == text
    assert threshold.low < threshold.high
    assert inf in (threshold.high, -threshold.low) or "…" in text


@pytest.mark.parametrize("text", ["", "0.5", "< 3", "1 … 2 … 3"])
def test_another_text_is_no_threshold(text):
    with pytest.raises(ValueError):  # noqa: PT011
        Threshold.parse(text)
