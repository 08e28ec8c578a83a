"""Words and signs for verdicts that the terminal, the Markdown table and the page share."""

from collections import Counter
from collections.abc import Sequence

from vral.claims.answers import Answer, Outcome
from vral.claims.ledger import Unjudged
from vral.claims.primary import PRIMARY
from vral.claims.verdict import FEWEST_SEEDS, JUDGEMENTS, Judgement, Verdict
from vral.claims.withdrawn import WITHDRAWN, counts, doubt
from vral.study.numbers import how_many
from vral.study.statistics import LEVEL

MARKS: dict[Judgement, str] = {"confirmed": "✓", "refuted": "✗", "inconclusive": "?"}
COLOURS: dict[Judgement, str] = {"confirmed": "green", "refuted": "red", "inconclusive": "yellow"}
"""The terminal's colours."""
ANSWER_MARKS: dict[Outcome, str] = {
    "holds": "✓",
    "does not hold": "✗",
    "undecided": "?",
    "not testable": "–",
    "not yet run": "…",
}
ANSWER_COLOURS: dict[Outcome, str] = {
    "holds": "green",
    "does not hold": "red",
    "undecided": "yellow",
    "not testable": "yellow",
    "not yet run": "dim",
}
ANSWERS_NOTE = (
    "A claim holds where every primary part is confirmed, for every form of VRAL; one part that is "
    "refuted, and survives Holm, is enough against it, but none while a part has not been run. A "
    "part whose baseline has learned nothing, and a control that fails, make it not testable. Only "
    "runs with the experiment's own settings answer. Forms: R and F make one step per update of D, "
    "or ten, or a Parzen window takes their place: a narrow one (h = 0.3), with which D can be as "
    "asked, or the authors' (h = 1), which asks for no variance. Survives Holm: stands where the "
    f"{len(PRIMARY)} parts and controls, whether or not they have been run, are judged together."
)


def tally_of_parts(answer: Answer) -> str:
    """How many parts and controls say what, and whether the answer stands in Holm's family.

    Such as "✓ 5 ✗ 2, survives Holm".
    """
    count = Counter(part.outcome for part in (*answer.parts, *answer.controls))
    text = " ".join(f"{mark} {count[name]}" for name, mark in ANSWER_MARKS.items() if count[name])
    if not answer.decided:
        return text
    return f"{text}, {'survives' if answer.survives else 'does not survive'} Holm"


def basis(verdict: Verdict) -> str:
    """What the verdict rests on: its seeds, or its kind where it does not rest on seeds."""
    if verdict.claim.kind == "deterministic":
        return "deterministic"
    text = f"{verdict.seeds} seeds" + f", {verdict.diverged} diverged" * bool(verdict.diverged)
    return text + ", identity" * (verdict.claim.kind == "identity")


def settings_note(verdict: Verdict) -> str:
    """The settings of its runs that differ from the experiment's; empty where there are none."""
    if not verdict.settings:
        return ""
    return f"Other settings than the experiment's: {', '.join(verdict.settings)}"


def doubt_note(verdict: Verdict) -> str:
    """That the verdict is withdrawn or being redone; empty where it stands.

    ``family_notes`` gives the reason, once for all.
    """
    row = doubt(verdict)
    return row.standing.capitalize() if row else ""


def counted(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Those that stand in a count: neither withdrawn nor true by arithmetic."""
    return [v for v in verdicts if v.claim.kind != "identity" and counts(v)]


def holm_count(verdicts: Sequence[Verdict]) -> tuple[int, int]:
    """How many of Holm's family survive, and how many of it are decided."""
    decided = [v for v in verdicts if v.in_family and v.verdict != "inconclusive"]
    return sum(verdict.survives for verdict in decided), len(decided)


def holm_note(verdict: Verdict) -> str:
    """Whether a verdict stands in Holm's family; empty where it is undecided or not counted."""
    if verdict.verdict == "inconclusive" or not (verdict.in_family and counts(verdict)):
        return ""
    return "survives Holm" if verdict.survives else "does not survive Holm"


def remarks(verdict: Verdict) -> list[str]:
    """Everything a reader must know beside the verdict, a sentence each without its full stop."""
    return [note for note in (doubt_note(verdict), settings_note(verdict)) if note]


NUMBERS = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
)
"""Small numbers in words."""


def nothing_to_judge(runs: int) -> str:
    """What stands in the place of verdicts where there are ``runs`` and no study."""
    what = "One run" if runs == 1 else f"{runs} runs"
    return f"{what} and no study: nothing to judge. Claims are about studies of vral reproduce."


def headline(verdicts: Sequence[Verdict], still_open: Sequence[Unjudged]) -> str:
    """What must stand above the verdicts: that nothing is judged, or not on so few seeds.

    Empty where there is no such thing to say.
    """
    few = [entry for entry in still_open if entry.seeds]
    if not few:
        return "" if verdicts else "No claim can be judged on these studies."
    counts = sorted({entry.seeds for entry in few})
    seeds = " or ".join(NUMBERS[count] for count in counts).capitalize()
    places = dict.fromkeys(f"{entry.claim.experiment} on {entry.dataset}" for entry in few)
    where = f" ({', '.join(places)})" if verdicts else ""
    return (
        f"{seeds} {'seed' if counts == [1] else 'seeds'}{where}: not judged. A verdict needs at "
        f"least {NUMBERS[FEWEST_SEEDS]}: with fewer, chance alone would confirm a claim in more "
        f"than {LEVEL:.0%} of studies."
    )


def family_notes(verdicts: Sequence[Verdict]) -> list[str]:
    """How many claims were judged, at what level, and what that means for all of them together.

    Nothing where there are no ``verdicts``.
    """
    valid = [verdict for verdict in verdicts if counts(verdict)]
    family = [verdict for verdict in valid if verdict.in_family]
    notes = _chance_notes(family) if family else []
    computed = [verdict for verdict in valid if verdict.claim.kind == "deterministic"]
    if computed:
        notes.append(
            f"{how_many(len(computed), 'claim')} without chance: {tally(computed)}, computed "
            "without seeds and judged by the threshold alone, apart from the family."
        )
    identities = [verdict for verdict in valid if verdict.claim.kind == "identity"]
    if identities:
        names = ", ".join(dict.fromkeys(verdict.claim.id for verdict in identities))
        notes.append(
            f"True by arithmetic, whatever the runs say, and so in no count above: {names} "
            f"({tally(identities)})."
        )
    others = sum(bool(verdict.settings) for verdict in valid)
    if others:
        notes.append(
            f"{how_many(others, 'verdict')} of runs with other settings than the experiment's, "
            "which need not hold for the experiment itself; each names them."
        )
    for row in WITHDRAWN:
        concerned = [verdict for verdict in verdicts if doubt(verdict) is row]
        if concerned:
            names = ", ".join(dict.fromkeys(verdict.claim.family for verdict in concerned))
            more = " and not counted" * (row.standing == "withdrawn")
            where = ", ".join(dict.fromkeys(verdict.dataset for verdict in concerned))
            notes.append(
                f"{how_many(len(concerned), 'verdict')} {row.standing}{more} ({names} on {where}): "
                f"{row.reason}."
            )
    return notes


def tally(verdicts: Sequence[Verdict]) -> str:
    """How many verdicts there are of each judgement, such as "3 confirmed, 1 refuted"."""
    count = Counter(verdict.verdict for verdict in verdicts)
    return ", ".join(f"{count[name]} {name}" for name in JUDGEMENTS if count[name])


def _chance_notes(verdicts: Sequence[Verdict]) -> list[str]:
    """Notes on verdicts that rest on seeds."""
    count = Counter(verdict.verdict for verdict in verdicts)
    fewest = min(verdict.seeds for verdict in verdicts)
    survivors, decided = holm_count(verdicts)
    notes = [
        f"{how_many(len(verdicts), 'claim')} judged, each by itself at the nominal {LEVEL:.0%}: "
        + ", ".join(f"{count[name]} {name}" for name in JUDGEMENTS)
        + f". If every effect lay at its threshold, about {2**-4 * len(verdicts):.1f} of them "
        "would be decided by chance with five seeds.",
        f"{survivors} of the {decided} decided survive Holm's method: the "
        f"{len(PRIMARY)} parts and controls of C1 to C11 are one family, of that size whatever has "
        f"been run, and all other verdicts are another, each at {LEVEL / 2:.1%}. It is taken over "
        "t-tests, which suppose a normal law, of logarithms where values are positive, and over a "
        "sign test where a seed failed, whose value is infinite. Without such a law no verdict "
        "could survive with five "
        f"seeds: a sign test's smallest p is then 1/16. Fewest seeds: {fewest}.",
    ]
    if any(verdict.diverged for verdict in verdicts):
        notes.append(
            "A seed whose subject (first arm) diverged counts against the claim, or for it where "
            "the claim says that the subject breaks down; a seed whose baseline diverged may have "
            "any value, so it widens the interval."
        )
    return notes
