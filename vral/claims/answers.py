"""One answer to each of ``primary.QUESTIONS``, C1 to C11, by one rule for all.

A question names the study that is its test (experiment and data set) and the claims of the
catalogue that are its parts. Everything else in the ledger stands below, and decides nothing here.

The rule. A part that has not been run leaves the question "not yet run". Else one part that is
refuted, and survives in Holm's family, is enough for "does not hold": of many parts whose truth
lies at their thresholds some are refuted by chance, and without Holm the more parts a question had
the less it could hold. Else a part whose gate failed makes it "not testable", and a part that is
not decided, or refuted and does not survive, "undecided". It "holds" where every part is confirmed.
Where VRAL has several forms, each is answered by its own parts, and the forms combine by the same
rule, so that a claim holds in general only if it holds for every form. A control is what must be
true for the parts to mean anything: where one is refuted the question is "not testable", and where
one is not decided, or not run, the question is not either.

Only runs with the experiment's own settings answer, and nothing that is withdrawn. An answer that
holds survives where all its verdicts do. Where the experiment was run on one other data set alone,
the question is answered on that one, by the same rule.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from vral.claims.ledger import Unjudged, command_of
from vral.claims.primary import QUESTIONS, Question
from vral.claims.verdict import COMPETENT, Judgement, Verdict
from vral.claims.withdrawn import counts
from vral.study.numbers import number

Outcome = Literal["not yet run", "does not hold", "not testable", "undecided", "holds"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
"""Every outcome. Of several that are combined the first one here decides."""

JUDGED: dict[Judgement, Outcome] = {
    "confirmed": "holds",
    "refuted": "does not hold",
    "inconclusive": "undecided",
}

FORM_NAMES = {
    "vral-meta": "one step",
    "vral-meta-10": "ten steps",
    "vral-parzen": "a narrow Parzen window",
    "vral-parzen-h1": "the authors' Parzen window",
}
"""VRAL with one step of R and F per update of D, with ten, and by a Parzen window: one so narrow
(bandwidth 0.3) that D can meet its targets, and the authors' own (bandwidth 1)."""


@dataclass(frozen=True)
class Part:
    """What the ledger says on one claim of a question."""

    claim: str
    outcome: Outcome
    verdict: Verdict | None = None
    reason: str = ""
    """Why there is no verdict."""
    command: str = ""
    given: bool = True
    """Whether there was a study of it."""


@dataclass(frozen=True)
class Answer:
    """One answer to one question."""

    question: Question
    outcome: Outcome
    by_form: dict[str, Outcome]
    """The outcome for each form; empty where the question has none."""
    parts: tuple[Part, ...]
    controls: tuple[Part, ...]
    beside: tuple[Part, ...]
    survives: bool
    """Whether the answer still stands in Holm's family; False where nothing is decided."""
    learned: dict[str, Part] = field(default_factory=dict)
    """Whether the G of a form has learned, where the question shows it."""

    @property
    def decided(self) -> bool:
        return self.outcome in ("holds", "does not hold")

    @property
    def sentence(self) -> str:
        """The answer in one sentence, made from the parts that decide it."""
        deciding = [part for part in (*self.parts, *self.controls) if part.outcome == self.outcome]
        if self.by_form and (self.decided or len(set(self.by_form.values())) > 1):
            return self._of_forms(lambda forms: _listed([self._of_form(form) for form in forms]))
        if self.outcome == "not yet run":
            given = any(part.given for part in deciding)
            begin = "Not yet run" if given else "No study of it was given"
            return f"{begin}: {_commands(deciding)}."
        if self.outcome == "holds":
            return f"Yes: {self.question.yes}."
        if self.outcome == "does not hold":
            return f"No: {self._measured(deciding[0])}."
        if self.outcome == "not testable":
            fails = [part for part in self.controls if part.outcome == "does not hold"]
            why = f"control fails: {self._measured(fails[0])}" if fails else _reason(deciding)
            return f"Not testable: {why}."
        if len(deciding) == 1:
            return f"Undecided: {self._measured(deciding[0])}."
        total = len(self.parts) + len(self.controls)
        return f"Undecided: the seeds leave {len(deciding)} of {total} parts open."

    @property
    def headline(self) -> str:
        """The sentence without what was measured with each form."""
        if not self.by_form or not (self.decided or len(set(self.by_form.values())) > 1):
            return self.sentence
        return self._of_forms(lambda forms: f"with {_listed([FORM_NAMES[f] for f in forms])}")

    def _measured(self, part: Part) -> str:
        """Such as "Var D(G(z)): 0.02 [0.01, 0.03], asked 0.5 … 1.5"."""
        words = self.question.words(part.claim)
        if part.verdict is None:
            return words
        effect, low, high = (
            number(v) for v in (part.verdict.effect, part.verdict.low, part.verdict.high)
        )
        return f"{words}: {effect} [{low}, {high}], asked {part.verdict.claim.threshold}"

    def _of_form(self, form: str) -> str:
        """Such as "with one step (coverage: 0.1 [0, 0.2], asked ≥ 0.3)"."""
        found = self.by_form[form]
        names = self.question.claims(self.question.parts, form)
        parts = [part for part in self.parts if part.outcome == found and part.claim in names]
        more = ""
        if found == "does not hold":
            more = self._measured(parts[0])
            learned = self.learned.get(form)
            if learned and learned.verdict and learned.verdict.effect < COMPETENT:
                more += f"; its G has not learned: coverage {number(learned.verdict.effect)}"
        elif found == "not testable":
            more = _reason(parts)
        elif found == "not yet run":
            more = _commands(parts)
        return f"with {FORM_NAMES[form]}" + f" ({more})" * bool(more)

    def _of_forms(self, said: Callable[[Sequence[str]], str]) -> str:
        """Such as "No with one step; undecided with …", ``said`` of the forms of each outcome."""
        texts = []
        for outcome in ("holds", "does not hold", "not testable", "undecided", "not yet run"):
            forms = [form for form, found in self.by_form.items() if found == outcome]
            if forms:
                begin = {"holds": "yes", "does not hold": "no"}.get(outcome, outcome)
                more = f": {self.question.yes}" if outcome == "holds" else ""
                texts.append(f"{begin} {said(forms)}{more}")
        text = "; ".join(texts)
        return f"{text[0].upper()}{text[1:]}."


def _listed(texts: Sequence[str]) -> str:
    """Such as "this, that and those"."""
    *first, last = texts
    return " and ".join([", ".join(first), last] if first else [last])


def _reason(parts: Sequence[Part]) -> str:
    """Why the first of them is not testable."""
    return next(part.reason for part in parts).removeprefix("not testable: ")


def _commands(parts: Sequence[Part]) -> str:
    """What runs them, each command once."""
    return "; ".join(dict.fromkeys(part.command for part in parts if part.command))


def combine(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome of several by the rule of this module; "not yet run" of none."""
    ranks = [OUTCOMES.index(outcome) for outcome in outcomes]
    return OUTCOMES[min(ranks, default=0)]


def answers(verdicts: Sequence[Verdict], still_open: Sequence[Unjudged]) -> list[Answer]:
    """An answer for each of QUESTIONS, from the two parts of ``ledger.examine``.

    Where a question's experiment was run on another data set alone, it is answered on that one.
    """
    return [answer(_placed(q, verdicts, still_open), verdicts, still_open) for q in QUESTIONS]


def _placed(
    question: Question, verdicts: Sequence[Verdict], still_open: Sequence[Unjudged]
) -> Question:
    """``question`` on its own data set if its experiment was run there, else on where it was."""
    experiment, home = question.study
    places = {
        entry.dataset
        for entry in (*verdicts, *still_open)
        if entry.claim.experiment == experiment and (isinstance(entry, Verdict) or entry.given)
    }
    if home in places or len(places) != 1:
        return question
    return replace(question, study=(experiment, *places))


def answer(
    question: Question, verdicts: Sequence[Verdict], still_open: Sequence[Unjudged]
) -> Answer:
    """The answer to one question."""

    def found(patterns: Iterable[str], form: str = "") -> tuple[Part, ...]:
        return tuple(
            part
            for claim in question.claims(patterns, form)
            for part in _parts(claim, question.of(claim), verdicts, still_open)
        )

    per_form = {form: found(question.parts, form) for form in question.forms or ("",)}
    parts = tuple(dict.fromkeys(part for group in per_form.values() for part in group))
    controls, beside = found(question.controls), found(question.beside)
    by_form: dict[str, Outcome] = {
        form: combine(p.outcome for p in group) for form, group in per_form.items()
    }
    outcome = combine(by_form.values())
    checked = combine(part.outcome for part in controls) if controls else "holds"
    if checked != "holds":
        by_form = {}
        if checked == "does not hold":
            outcome = "not testable"
        elif outcome != "not yet run":
            outcome = checked
    survives = outcome == "does not hold"  # What does not survive refutes nothing.
    if outcome == "holds":
        survives = all(p.verdict is not None and p.verdict.survives for p in (*parts, *controls))
    learned = {
        form: part
        for form in question.forms
        for part in (found([question.learned], form) if question.learned else ())
    }
    shown = by_form if question.forms else {}
    return Answer(question, outcome, shown, parts, controls, beside, survives, learned)


def _outcome(verdict: Verdict) -> Outcome:
    """What a verdict says to a question: of those that refute, only one that survives Holm."""
    chance = verdict.verdict == "refuted" and not verdict.survives
    return "undecided" if chance else JUDGED[verdict.verdict]


def _parts(
    claim: str,
    study: tuple[str, str],
    verdicts: Sequence[Verdict],
    still_open: Sequence[Unjudged],
) -> list[Part]:
    """What every study of the question says on ``claim``; one part if there is none."""
    experiment, dataset = study
    parts = [
        Part(claim, _outcome(v), v)
        for v in verdicts
        if v.claim.id == claim and v.dataset == dataset and not v.settings and counts(v)
    ]
    waiting = [e for e in still_open if e.claim.id == claim and e.dataset == dataset]
    parts += [Part(claim, "not testable", None, e.reason) for e in waiting if e.not_testable]
    waiting = [e for e in waiting if not e.not_testable]
    command = waiting[0].command if waiting else command_of(experiment, dataset)
    given = any(e.given for e in waiting)
    return parts or [Part(claim, "not yet run", None, "", command, given)]
