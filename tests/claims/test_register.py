"""The register of thresholds."""

import re
from hashlib import sha256
from importlib.resources import files
from math import inf, isinf

import pytest

from vral.claims.catalogue import CLAIMS
from vral.claims.register import register, registered
from vral.claims.verdict import Threshold

REGISTERED = (249, "8424497772f7e944abfb54ff676f9fdda92de9e5eee9999b58a3727164f6bd5f")
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


WORDS = {
    0.1: ["a tenth"],
    0.5: ["half"],
    1.0: ["all", "no more than", "at least as well"],
    2.0: ["twice", "twofold", "doubles"],
    10.0: ["ten times", "tenfold"],
}
"""How a restatement may say a bound that it does not give in digits or in per cent."""

PHRASES = {
    r"C3\.(panels\.mean|mean|sd)-.*": ("within 0.2 of", Threshold(high=0.2)),
    r"C4\.(panels\.breaks\..*|standard|nonsaturating|wgan)": (
        "at most 0.1 or at least 10",
        Threshold(low=10),
    ),
    r"C6\.poincare": ("up to 10 %", Threshold(high=1.1)),
    r"C9\.sd\..*": ("between 0.8 and 1.1", Threshold(high=0.15)),
    r"Q3\.small\..*": ("best ratio is 5:1 or smaller", Threshold(high=5)),
    r"Q3\.large\..*": ("best ratio is 10:1 or larger", Threshold(low=10)),
    r"A\.scale": ("B times too large", Threshold(63.9, 64.1)),
    r"A\.filler": ("by 5.22, within 10 %", Threshold(4.7, 5.74)),
    r"A\.real-gp": ("1.5 times that", Threshold(1.2, 1.8)),
    r"T2\.(flow|alternating)": ("stay", Threshold(high=1e-9)),
    r"T3\.field": ("as long as γ·g₀", Threshold(low=0.99)),
    r"T4\..*": ("within 20 % of h·γ·k = 2", Threshold(1.6, 2.4)),
}
"""Claims whose restatement says the threshold in another way: what it says, and what that means."""


def says(restatement: str, bound: float) -> bool:
    """Whether a number of the restatement is the bound; parts of ratios such as 50:1 are none."""
    written = [f"{bound:g}", f"{100 * bound:g} %", *WORDS.get(bound, [])]
    return any(
        re.search(rf"(?<![\w.:-]){re.escape(text)}(?![\w:]|\.\d)", restatement) for text in written
    )


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=lambda claim: claim.id)
def test_a_restatement_says_the_threshold_in_force(claim):
    for pattern, (phrase, threshold) in PHRASES.items():
        if re.fullmatch(pattern, claim.id):
            assert phrase in claim.restatement
            assert claim.threshold == threshold
            return
    for bound in (claim.threshold.low, claim.threshold.high):
        assert isinf(bound) or says(claim.restatement, bound)


def test_a_changed_threshold_is_noticed():
    claim = CLAIMS["T6.meta"]
    assert says(claim.restatement, -0.01)
    assert not any(says(claim.restatement, bound) for bound in (0.01, 0.5, -0.1, -0.001))
    assert not says("At 50:1, within 1.25 times", 1)
