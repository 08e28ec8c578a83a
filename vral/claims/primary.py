"""QUESTIONS: what C1 to C11 ask, with the claims that are their parts and controls.

These parts and controls are one family of Holm's method (``as_families``).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from vral.claims.catalogue import CLAIMS
from vral.claims.panels import FORMS, STANDARD_GANS
from vral.claims.verdict import Verdict, holm
from vral.claims.withdrawn import counts
from vral.study.methods import METHODS, label
from vral.study.statistics import LEVEL


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
    learned: str = ""
    """The claim that says whether the G of each form has learned; shown where its D is refuted."""

    @property
    def studies(self) -> list[tuple[str, str]]:
        """Every experiment and data set that answers it."""
        return [self.study, *self.more.items()]

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
LEARNED = "C8.panels.learns.{form}"
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
        learned=LEARNED,
        forms=FORMS,
    ),
    Question(
        "C4",
        "Does the variance of the discriminator's outputs on fakes stay near 1 under VRAL?",
        DECK,
        {"C4.panels.{form}": "Var D(G(z))"},
        "it lies between 0.5 and 1.5",
        beside=("C4.panels.breaks.*",),
        learned=LEARNED,
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
        learned=LEARNED,
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
        controls={
            "C7.panels.matched.wgan-gp": "WGAN-GP's Fréchet distance at 50:1 over that at 1:1 "
            "after as many updates of D",
        },
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
        beside=("C8.panels.*+mean", "C8.panels.learns.*+mean"),
        forms=FORMS,
    ),
    Question(
        "C9",
        "Does a Parzen window do as well as VRAL's learned discriminators of scores?",
        DECK,
        {"C9.panels.benefit.h1": "Fréchet distance at 50:1 over theirs"},
        "at 50:1 the Fréchet distance of the authors' window is at most 1.25 times theirs",
        beside=("C9.panels.benefit",),
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
others had not. C7's control was added after VRAL's rows, before its own run; the form with the
authors' Parzen window after the others', before its own runs, when ``parzen`` on digits had shown
that it learns there. C9, which had no verdict, has been about it since."""


def _primary() -> dict[str, str]:
    """Every part and control, and the data set on which it answers."""
    found = {}
    for question in QUESTIONS:
        for form in question.forms or ("",):
            for claim in question.claims((*question.parts, *question.controls), form):
                found[claim] = question.of(claim)[1]
    return found


PRIMARY = _primary()
"""Every part and control of C1 to C11, and the data set on which it answers."""


def as_families(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The same verdicts with ``survives`` settled by Holm's method.

    The parts and controls of C1 to C11, of runs with the experiments' own settings, are one family,
    of one size whatever has been run: those that are lacking count as undecided. So an answer does
    not depend on what else is given. Parts on another data set than the question's are a family of
    that size by themselves, data set by data set. All other verdicts over seeds are one family;
    what was withdrawn stays in it, as a test that was made costs the others what it costs.
    """
    families: dict[str, list[int]] = defaultdict(list)
    for place, verdict in enumerate(verdicts):
        if verdict.in_family:
            families[_family_of(verdict)].append(place)
    survivors = set()
    for name, places in families.items():
        lacking = max(0, len(PRIMARY) - len(places)) if name != REST else 0
        stand = holm([verdicts[place].p for place in places] + [1.0] * lacking, LEVEL / 2)
        survivors |= {place for place, stands in zip(places, stand, strict=False) if stands}
    return [replace(verdict, survives=i in survivors) for i, verdict in enumerate(verdicts)]


REST = "rest"
"""The family of what is neither a part nor a control."""


def _family_of(verdict: Verdict) -> str:
    """REST, "" for a part or control on its question's data set, else its data set."""
    if verdict.claim.id not in PRIMARY or verdict.settings or not counts(verdict):
        return REST
    return "" if verdict.dataset == PRIMARY[verdict.claim.id] else verdict.dataset
