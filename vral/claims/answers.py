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

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from math import inf
from typing import Literal, get_args

from vral.claims.catalogue import CLAIMS
from vral.claims.ledger import Unjudged, command_of
from vral.claims.panels import FORMS, STANDARD_GANS
from vral.claims.verdict import Judgement, Verdict
from vral.claims.withdrawn import counts
from vral.study.methods import METHODS, label
from vral.study.numbers import number

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
    parts: Mapping[str, str]
    """What each pattern measures, in words; "{}" in them is what its star stands for. With "{form}"
    in it a pattern is of each of ``forms``, else of all of them."""
    yes: str
    """What is so where it holds; of a form, where the question has forms."""
    controls: Mapping[str, str] = field(default_factory=dict)
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

    def words(self, claim: str) -> str:
        """What the part or control ``claim`` measures. Raises KeyError for any other claim."""
        for pattern, text in (*self.parts.items(), *self.controls.items()):
            for form in self.forms or ("",):
                literals = map(re.escape, pattern.replace("{form}", form).split("*"))
                if found := re.fullmatch("(.*)".join(literals), claim):
                    return text.format(*(_named(value) for value in found.groups()))
        raise KeyError(claim)


def _named(value: str) -> str:
    """A method by its label, anything else as it is."""
    return label(value) if value in METHODS else value


DECK, DIGITS = ("deck", "mnist"), "digits"
QUESTIONS = (
    Question(
        "C1",
        "Does too strong a discriminator starve the generator?",
        DECK,
        {"C1.panels.saturating": "the saturating loss's signal at 50:1 over that at 1:1"},
        "under the saturating loss 1 % or less of the signal at 1:1 is left at 50:1, and losses "
        "that do not saturate keep half of theirs or more",
        controls={"C1.panels.control.*": "{}'s signal at 50:1 over that at 1:1"},
    ),
    Question(
        "C2",
        "Does VRAL give the generator a signal that is as strong as that of losses that do not "
        "saturate, and that points at the data?",
        DECK,
        {
            "C2.panels.{form}.*": "size of its signal over {}'s",
            "C2.usefulness.{form}.cosine": "cosine with the way to the data over the best other's",
            "C2.usefulness.{form}.drop": "fall of W2² along the signal over the best other's",
        },
        "its signal is as strong, and points at the data half as well as the best or better",
        controls={"C2.points.good": "cosine of WGAN-GP's signal above chance"},
        beside=("C2.points.control",),
        forms=FORMS,
        more={"usefulness": DIGITS},
    ),
    Question(
        "C3",
        "Are the discriminator's outputs the two Gaussians N(0,1) and N(1,1) that VRAL asks for?",
        DECK,
        {
            "C3.panels.mean-*.{form}": "distance of the mean on {} samples to its target",
            "C3.panels.variance-*.{form}": "distance of the variance on {} samples to 1",
            "C3.panels.ks-*.{form}": "KS distance of the scores of {} samples to their target",
            "C3.panels.overlap.{form}": "overlap of the two densities",
        },
        "means, variances, shapes and overlap are as asked",
        beside=("C3.panels.contrast.*",),
        forms=FORMS,
    ),
    Question(
        "C4",
        "Does the variance of the discriminator's outputs on fakes stay near 1 under VRAL?",
        DECK,
        {"C4.panels.{form}": "Var D(G(z))"},
        "it lies between 0.5 and 1.5",
        beside=("C4.panels.breaks.*",),
        forms=FORMS,
    ),
    Question(
        "C5",
        "Does the slope of the discriminator stay steadier under VRAL than under other losses?",
        DECK,
        {
            "C5.panels.swing.{form}": "largest over smallest ‖∇D‖",
            "C5.panels.than.{form}.*": "the swing of ‖∇D‖ over that with {}",
        },
        "it varies at most tenfold, and no more than with LSGAN and WGAN-GP",
        forms=FORMS,
    ),
    Question(
        "C6",
        "Does a bounded variance of its outputs bound the slope of the discriminator?",
        ("lipschitz", DIGITS),
        {
            "C6.correlation": "rank correlation of variance and slope",
            "C6.scale": "rank correlation of variance and slope less that of D's scale and slope",
            "C6.lipschitz": "VRAL's slope at 50:1 over WGAN-GP's",
        },
        "variance and slope rise together, more than the scale of D's scores makes them, and "
        "VRAL's slope is at most twice WGAN-GP's",
    ),
    Question(
        "C7",
        "Does VRAL bear fifty discriminator updates per generator update, where standard GANs lose "
        "quality?",
        DECK,
        {
            "C7.panels.keeps.{form}": "Fréchet distance at 50:1 over that at 1:1",
            "C7.panels.matched.{form}": "Fréchet distance at 50:1 over that at 1:1 after as many "
            "updates of D",
            **{
                f"C7.panels.loses.{arm}": f"Fréchet distance at 50:1 over 1:1, {label(arm)}"
                for arm in STANDARD_GANS
            },
        },
        "its Fréchet distance is at most 1.25 times that at 1:1, a standard GAN's twice or more",
        beside=("C7.panels.keeps.wgan-gp",),
        forms=FORMS,
    ),
    Question(
        "C8",
        "Does VRAL's generator learn from a well-trained discriminator as well as the best other?",
        DECK,
        {
            "C8.panels.{form}": "Fréchet distance over the best other's",
            "C8.panels.learns.{form}": "coverage",
        },
        "coverage is 0.3 or more, and Fréchet distance at most 1.25 times the best other",
        beside=("C8.panels.vral-meta+mean", "C8.panels.learns.vral-meta+mean"),
        forms=FORMS,
    ),
    Question(
        "C9",
        "Does a Parzen window do as well as VRAL's learned discriminators of scores?",
        DECK,
        {"C9.panels.benefit": "Fréchet distance at 50:1 over theirs"},
        "at 50:1 its Fréchet distance is at most 1.25 times theirs",
    ),
    Question(
        "C10",
        "Does clipping the weights make the discriminator's slope less steady than a gradient "
        "penalty does?",
        ("clipping", DIGITS),
        {"C10.clip=*": "variation of the slope, clipped at {}, over that with a penalty"},
        "with either clip it varies at least twice as much over time",
        beside=("C10.clip-all",),
    ),
    Question(
        "C11",
        "Does noise in the discriminator's hidden layers raise the variance of its outputs?",
        ("noise", DIGITS),
        {"C11.variance.hidden=*": "variance with noise of sd {} over that without"},
        "with either noise it is at least twice as large",
        controls={"C11.auc.hidden=*": "AUC without noise less that with sd {}"},
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

    @property
    def p(self) -> float:
        """The verdict's p; infinite without one."""
        return self.verdict.p if self.verdict else inf


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

    def against(self, form: str = "") -> Part | None:
        """The part that refutes most clearly, for one form or in all; None where none does."""
        names = self.question.claims(self.question.parts, form)
        refuted = [p for p in self.parts if p.outcome == "does not hold" and p.claim in names]
        return min(refuted, key=lambda part: part.p, default=None)

    @property
    def sentence(self) -> str:
        """The answer in one sentence, made from the parts that decide it."""
        deciding = [part for part in (*self.parts, *self.controls) if part.outcome == self.outcome]
        commands = "; ".join(dict.fromkeys(part.command for part in deciding if part.command))
        if self.by_form and (self.decided or len(set(self.by_form.values())) > 1):
            return self._of_forms(commands)
        if self.outcome == "not yet run":
            return f"Not yet run: {commands}."
        if self.outcome == "holds":
            return f"Yes: {self.question.yes}."
        if self.outcome == "does not hold":
            return f"No: {self._measured(self.against())}."
        if self.outcome == "not testable":
            why = [part.reason for part in deciding if part.reason]
            fails = [part for part in self.controls if part.outcome == "does not hold"]
            why += [f"control fails: {self._measured(part)}" for part in fails]
            return f"Not testable: {why[0].removeprefix('not testable: ')}."
        if len(deciding) == 1:
            return f"Undecided: {self._measured(deciding[0])}."
        total = len(self.parts) + len(self.controls)
        return f"Undecided: the seeds leave {len(deciding)} of {total} parts open."

    def _measured(self, part: Part | None) -> str:
        """Such as "Var D(G(z)): 0.02 [0.01, 0.03], asked 0.5 … 1.5"."""
        if part is None or part.verdict is None:
            return "no part has a number"
        verdict = part.verdict
        effect, low, high = map(number, (verdict.effect, verdict.low, verdict.high))
        words = self.question.words(part.claim)
        return f"{words}: {effect} [{low}, {high}], asked {verdict.claim.threshold}"

    def _of_forms(self, commands: str) -> str:
        """Such as "No with one step (coverage: 0.1 [0, 0.2], asked ≥ 0.3); undecided with …"."""
        texts = []
        for outcome in ("holds", "does not hold", "not testable", "undecided", "not yet run"):
            forms = [form for form, found in self.by_form.items() if found == outcome]
            if not forms:
                continue
            names = [f"with {FORM_NAMES[form]}" for form in forms]
            if outcome == "does not hold":
                names = [
                    f"{name} ({self._measured(self.against(form))})"
                    for name, form in zip(names, forms, strict=True)
                ]
            listed = " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
            text = {
                "holds": f"yes {listed}: {self.question.yes}",
                "does not hold": f"no {listed}",
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
