"""A summary of the page in the form that reviewers of reproductions use, but for its fixed prose.

Scope, method and results are told from the studies that the page shows. What was easy and what was
difficult is prose (templates/paper), and stands only where the studies test the paper.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vral.claims import CLAIMS, Unjudged, Verdict
from vral.claims.answers import OUTCOMES, Answer
from vral.claims.primary import QUESTIONS
from vral.claims.wording import NUMBERS, counted, holm_count, tally
from vral.report.contents import Section, Theory
from vral.study.numbers import duration, from_to, how_many

PAPER = frozenset(question.id for question in QUESTIONS)
"""Families of claims that the paper makes."""


@dataclass(frozen=True)
class Summary:
    """Paragraphs, each of whole sentences."""

    scope: list[str]
    method: list[str]
    results: list[str]
    paper: bool
    """Whether the studies test the paper, so that the fixed prose belongs to them."""


def summarise(
    sections: Sequence[Section],
    theories: Sequence[Theory],
    answers: Sequence[Answer],
    verdicts: Sequence[Verdict],
    still_open: Sequence[Unjudged],
) -> Summary:
    """The summary of a page on these studies, with the ``answers`` that it shows."""
    return Summary(
        _scope(sections, theories, verdicts, still_open),
        _method(sections, theories),
        _results(answers, verdicts),
        tests_the_paper(sections),
    )


def tests_the_paper(sections: Sequence[Section]) -> bool:
    """Whether a claim of the paper is about one of these studies, judged or not."""
    shown = {section.study.experiment for section in sections}
    return any(claim.family in PAPER and claim.experiment in shown for claim in CLAIMS.values())


def _scope(
    sections: Sequence[Section],
    theories: Sequence[Theory],
    verdicts: Sequence[Verdict],
    still_open: Sequence[Unjudged],
) -> list[str]:
    datasets: dict[str, list[str]] = {}
    for section in sections:
        datasets.setdefault(section.study.name, []).append(section.dataset)
    shown = [f"{name} ({', '.join(found)})" for name, found in datasets.items()]
    over_seeds = "Studies over seeds: " if len(shown) > 1 else "Study over seeds: "
    parts = [f"{over_seeds}{', '.join(shown)}."] if shown else []
    if theories:
        names = ", ".join(dict.fromkeys(theory.experiment for theory in theories))
        parts.append(f"Game dynamics: {names}.")
    judged = len({verdict.claim.id for verdict in verdicts})
    asked = sum(not claim.retired for claim in CLAIMS.values())
    waiting = len({entry.claim.id for entry in still_open})
    if judged or waiting:
        parts.append(
            f"They judge {judged} of the {asked} claims into which the questions are split; "
            f"{waiting} wait, at least on one data set, for studies that are not shown here or "
            "cannot be tested in them."
        )
    else:
        parts.append("No claim is judged on runs that belong to no study.")
    return parts


def _method(sections: Sequence[Section], theories: Sequence[Theory]) -> list[str]:
    runs = [report for section in sections for report in section.reports]
    if not runs:
        return []
    trained = sum(len(report["config"]["seeds"]) for report in runs)
    counts = [count for section in sections for count in section.seed_counts]
    seconds = sum(section.seconds for section in sections)
    parts = [
        f"{how_many(trained, 'training run')}, counting each seed, in "
        f"{how_many(len(sections), 'study', 'studies')}: {from_to(counts, 'seed')} of each cell. "
        f"One after the other they took {duration(seconds)} on {_machines(sections)}.",
        "All methods share one trainer, one set of networks per data set and one set of draws per "
        "seed. A claim is confirmed or refuted only where its whole interval over seeds lies on "
        "one side of its threshold.",
    ]
    commits = list(dict.fromkeys(commit for section in sections for commit in section.commits))
    if commits:
        named = ", ".join(commits)
        parts.append(f"{'Commit' if len(commits) == 1 else 'Commits'} of the code: {named}.")
    if theories:
        parts.append("Game dynamics are computed without chance, beside closed forms.")
    return parts


def _machines(sections: Iterable[Section]) -> str:
    """Such as "AMD EPYC (cpu, 2 cores)"."""
    texts = [
        f"{machine.get('processor', 'an unnamed machine')}"
        f" ({machine.get('device', 'cpu')}, {machine.get('cores', '?')} cores)"
        for section in sections
        for machine in section.machines
    ]
    return ", ".join(dict.fromkeys(texts)) or "a machine that is not named"


def _results(answers: Sequence[Answer], verdicts: Sequence[Verdict]) -> list[str]:
    parts = []
    for outcome in reversed(OUTCOMES):
        ids = [answer.question.id for answer in answers if answer.outcome == outcome]
        if ids:
            parts.append(f"{outcome}: {', '.join(ids)}")
    sentences = [f"Of the {NUMBERS[len(answers)]} questions: {'; '.join(parts)}."] if parts else []
    shown = counted(verdicts)
    if shown:
        survivors, decided = holm_count(shown)
        total = how_many(len(shown), "verdict")
        sentences.append(f"Of {total} on their parts: {tally(shown)}.")
        if decided:
            sentences.append(
                f"{survivors} of the {decided} that seeds decide survive Holm's method."
            )
    return sentences
