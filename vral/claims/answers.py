"""ANSWERS: C1 to C11, each one question with the parts that answer it and one rule for all.

A question names the study that is its test (experiment and data set) and the claims of the
catalogue that are its parts. Everything else in the ledger stands below, and decides nothing here.

The rule. A part that has not been run leaves the question "not yet run". Else one part that is
refuted, and survives in Holm's family, is enough for "does not hold": of many parts whose truth
lies at their thresholds some are refuted by chance, and without Holm the more parts a question had
the less it could hold. Else a part whose gate failed makes it "not testable", and a part that is
not decided, or refuted and does not survive, "undecided". It "holds" where every part is
confirmed. Where VRAL has
several forms, each is answered by its own parts, and the forms combine by the same rule, so that a
claim holds in general only if it holds for every form. A control is what must be true for the parts
to mean anything: where one is refuted the question is "not testable", and where one is not decided
the question is not either.

Only runs with the experiment's own settings answer, and nothing that is withdrawn. An answer that
holds survives where all its verdicts do. Where the experiment was run on one other data set alone,
the question is answered on that one, by the same rule.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Literal, get_args

from vral.claims.catalogue import CLAIMS
from vral.claims.ledger import Unjudged, command_of
from vral.claims.panels import FORMS, STANDARD_GANS
from vral.claims.verdict import Judgement, Verdict
from vral.claims.withdrawn import counts

Outcome = Literal["not yet run", "does not hold", "not testable", "undecided", "holds"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
"""Every outcome. Of several that are combined the first one here decides."""

JUDGED: dict[Judgement, Outcome] = {
    "confirmed": "holds",
    "refuted": "does not hold",
    "inconclusive": "undecided",
}

FORM_NAMES: dict[str, str] = dict(zip(FORMS, ("one step", "ten steps", "Parzen"), strict=True))
"""VRAL with one step of R and F per update of D, with ten, and by a Parzen window."""


@dataclass(frozen=True)
class Question:
    """A claim of the source as one question. Parts are patterns of claim ids."""

    id: str
    text: str
    """The question, in words that need no paper."""
    study: tuple[str, str]
    """The experiment and the data set that are its test."""
    parts: tuple[str, ...]
    """With "{form}" in it a pattern is of each of ``forms``, else of all of them."""
    yes: str
    """What is so where it holds; of a form, where the question has forms."""
    no: str
    controls: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    """Claims of the same study that are shown with it and decide nothing."""
    forms: tuple[str, ...] = ()
    more: Mapping[str, str] = field(default_factory=dict)
    """Further experiments of which ``parts`` are, and their data sets."""

    def claims(self, patterns: Iterable[str], form: str = "") -> list[str]:
        """The ids of the catalogue that ``patterns`` name, for one form or for no form."""
        wanted = [pattern.replace("{form}", form) for pattern in patterns]
        return [name for name in CLAIMS if any(fnmatchcase(name, pattern) for pattern in wanted)]

    def of(self, claim: str) -> tuple[str, str]:
        """The experiment and the data set on which ``claim`` is judged for this question."""
        experiment = CLAIMS[claim].experiment
        return (experiment, self.more[experiment]) if experiment in self.more else self.study


DECK, DIGITS = ("deck", "mnist"), "digits"
QUESTIONS = (
    Question(
        "C1",
        "Does too strong a discriminator starve the generator?",
        DECK,
        ("C1.panels.saturating",),
        "under the saturating loss 1 % or less of the signal at 1:1 is left at 50:1, and losses "
        "that do not saturate keep half of theirs or more",
        "even under the saturating loss more than 1 % of the signal at 1:1 is left at 50:1",
        controls=("C1.panels.control.*",),
    ),
    Question(
        "C2",
        "Does VRAL give the generator a signal that is as strong as that of losses that do not "
        "saturate, and that points at the data?",
        DECK,
        ("C2.panels.{form}.*", "C2.usefulness.{form}.*"),
        "its signal is as strong, and points at the data half as well as the best or better",
        "its signal is weaker, or points at the data less than half as well as the best",
        controls=("C2.points.good",),
        beside=("C2.points.control",),
        forms=FORMS,
        more={"usefulness": DIGITS},
    ),
    Question(
        "C3",
        "Are the discriminator's outputs the two Gaussians N(0,1) and N(1,1) that VRAL asks for?",
        DECK,
        tuple(f"C3.panels.{what}.{{form}}" for what in ("mean-*", "variance-*", "ks-*", "overlap")),
        "means, variances, shapes and overlap are as asked",
        "a mean, a variance, a shape or the overlap is not as asked",
        beside=("C3.panels.contrast.*",),
        forms=FORMS,
    ),
    Question(
        "C4",
        "Does the variance of the discriminator's outputs on fakes stay near 1 under VRAL?",
        DECK,
        ("C4.panels.{form}",),
        "it lies between 0.5 and 1.5",
        "it lies below 0.5 or above 1.5",
        beside=("C4.panels.breaks.*",),
        forms=FORMS,
    ),
    Question(
        "C5",
        "Does the slope of the discriminator stay steadier under VRAL than under other losses?",
        DECK,
        ("C5.panels.swing.{form}", "C5.panels.than.{form}.*"),
        "it varies at most tenfold, and no more than with LSGAN and WGAN-GP",
        "it varies more than tenfold, or more than with LSGAN or WGAN-GP",
        forms=FORMS,
    ),
    Question(
        "C6",
        "Does a bounded variance of its outputs bound the slope of the discriminator?",
        ("lipschitz", DIGITS),
        ("C6.correlation", "C6.scale", "C6.lipschitz"),
        "variance and slope rise together, more than the scale of D's scores makes them, and "
        "VRAL's slope is at most twice WGAN-GP's",
        "variance and slope do not rise together beyond the scale of D's scores, or VRAL's slope "
        "exceeds twice WGAN-GP's",
    ),
    Question(
        "C7",
        "Does VRAL bear fifty discriminator updates per generator update, where standard GANs lose "
        "quality?",
        DECK,
        (
            "C7.panels.keeps.{form}",
            "C7.panels.matched.{form}",
            *(f"C7.panels.loses.{arm}" for arm in STANDARD_GANS),
        ),
        "its Fréchet distance is at most 1.25 times that at 1:1, a standard GAN's twice or more",
        "its Fréchet distance is over 1.25 times that at 1:1, or a standard GAN's less than twice",
        beside=("C7.panels.keeps.wgan-gp",),
        forms=FORMS,
    ),
    Question(
        "C8",
        "Does VRAL's generator learn from a well-trained discriminator as well as the best other?",
        DECK,
        ("C8.panels.{form}", "C8.panels.learns.{form}"),
        "coverage is 0.3 or more, and Fréchet distance at most 1.25 times the best other",
        "coverage is below 0.3, or Fréchet distance over 1.25 times the best other",
        beside=("C8.panels.vral-meta+mean", "C8.panels.learns.vral-meta+mean"),
        forms=FORMS,
    ),
    Question(
        "C9",
        "Does a Parzen window do as well as VRAL's learned discriminators of scores?",
        DECK,
        ("C9.panels.benefit",),
        "at 50:1 its Fréchet distance is at most 1.25 times theirs",
        "at 50:1 its Fréchet distance is more than 1.25 times theirs",
    ),
    Question(
        "C10",
        "Does clipping the weights make the discriminator's slope less steady than a gradient "
        "penalty does?",
        ("clipping", DIGITS),
        ("C10.clip=*",),
        "with either clip it varies at least twice as much over time",
        "with one of the clips it varies less than twice as much over time",
        beside=("C10.clip-all",),
    ),
    Question(
        "C11",
        "Does noise in the discriminator's hidden layers raise the variance of its outputs?",
        ("noise", DIGITS),
        ("C11.variance.hidden=*",),
        "with either noise it is at least twice as large",
        "with one of the noises it is less than twice as large",
        controls=("C11.auc.hidden=*",),
        beside=("C11.signal.hidden=*", "C11.*.input=*"),
    ),
)
"""C1 to C11. The parts of C6, C10 and C11 had been judged when this table was made; those of the
others had not."""


@dataclass(frozen=True)
class Part:
    """What the ledger says on one claim of a question."""

    claim: str
    outcome: Outcome
    verdict: Verdict | None = None
    reason: str = ""
    """Why there is no verdict."""
    command: str = ""


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

    @property
    def decided(self) -> bool:
        return self.outcome in ("holds", "does not hold")

    @property
    def sentence(self) -> str:
        """The answer in one sentence, made from the parts."""
        deciding = [part for part in (*self.parts, *self.controls) if part.outcome == self.outcome]
        commands = "; ".join(dict.fromkeys(part.command for part in deciding if part.command))
        if self.by_form and (self.decided or len(set(self.by_form.values())) > 1):
            return _of_forms(self.question, self.by_form, commands)
        if self.outcome == "not yet run":
            return f"Not yet run: {commands}."
        if self.decided:
            yes = self.outcome == "holds"
            return f"Yes: {self.question.yes}." if yes else f"No: {self.question.no}."
        if self.outcome == "not testable":
            why = [part.reason for part in deciding if part.reason]
            why += [f"control {p.claim} fails" for p in self.controls if p.outcome != "holds"]
            return f"Not testable: {why[0].removeprefix('not testable: ')}."
        open_parts = [part.claim for part in deciding]
        total = len(self.parts) + len(self.controls)
        return f"Undecided: the seeds leave {len(open_parts)} of {total} parts open."


def _of_forms(question: Question, by_form: Mapping[str, Outcome], commands: str) -> str:
    """Such as "No with one step: it is too small; undecided with ten steps."."""
    texts = []
    for outcome in ("holds", "does not hold", "not testable", "undecided", "not yet run"):
        names = [f"with {FORM_NAMES[form]}" for form, found in by_form.items() if found == outcome]
        if names:
            listed = " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
            text = {
                "holds": f"yes {listed}: {question.yes}",
                "does not hold": f"no {listed}: {question.no}",
                "not yet run": f"not yet run {listed} ({commands})",
            }
            texts.append(text.get(outcome, f"{outcome} {listed}"))
    text = "; ".join(texts)
    return f"{text[0].upper()}{text[1:]}."


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
    if checked != "holds" and outcome != "not yet run":
        outcome = "not testable" if checked == "does not hold" else checked
        by_form = {}
    needed = (*parts, *controls)
    if outcome == "does not hold":
        needed = tuple(part for part in parts if part.outcome == outcome)
    stands = [part.verdict is not None and part.verdict.survives for part in needed]
    survives = {"holds": all, "does not hold": any}.get(outcome, lambda _: False)(stands)
    shown = by_form if question.forms else {}
    return Answer(question, outcome, shown, parts, controls, beside, survives)


def _outcome(verdict: Verdict) -> Outcome:
    """What a verdict says to a question: of those that refute, only one that survives Holm."""
    chance = verdict.verdict == "refuted" and verdict.in_family and not verdict.survives
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
    commands = [e.command for e in waiting if not e.not_testable]
    commands = commands or [command_of(experiment, dataset)]
    return parts or [Part(claim, "not yet run", None, "", commands[0])]
