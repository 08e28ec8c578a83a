"""The ledger as Markdown: a row per claim of the source, and its parts in lists below."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from vral.claims.answers import Answer
from vral.claims.ledger import Unjudged
from vral.claims.verdict import JUDGEMENTS, Verdict
from vral.claims.withdrawn import counts, doubt
from vral.claims.wording import (
    ANSWER_MARKS,
    MARKS,
    basis,
    counted,
    family_notes,
    headline,
    holm_count,
    holm_note,
    remarks,
    tally_of_parts,
)
from vral.errors import FolderError
from vral.files import write_bytes
from vral.study.numbers import number

BEGIN, END = "<!-- claims -->", "<!-- /claims -->"
"""The lines of a page between which all verdicts stand."""
ANSWERS_BEGIN, ANSWERS_END = "<!-- answers -->", "<!-- /answers -->"
"""The lines of a page between which the answers to C1 to C11 stand."""


def answers_table(answers: Sequence[Answer]) -> str:
    """A row per question: its answer in a sentence, and how many of its parts say what."""
    lines = ["| | question | answer | parts | data |", "|---|---|---|---|---|"]
    for answer in answers:
        studies = answer.question.studies
        data = "; ".join(f"`{experiment}`, {dataset}" for experiment, dataset in studies)
        sign = f"{ANSWER_MARKS[answer.outcome]} " if answer.decided else ""
        lines.append(
            f"| **{answer.question.id}** | {answer.question.text} | {sign}{answer.sentence} | "
            f"{tally_of_parts(answer)} | {data} |"
        )
    return "\n".join(lines)


def ledger_text(
    verdicts: Sequence[Verdict], still_open: Sequence[Unjudged], page: Path, figures: str
) -> str:
    """All that stands between BEGIN and END: ``as_markdown``, and what to know of the family."""
    notes = (headline(verdicts, still_open), *family_notes(verdicts))
    return f"{as_markdown(verdicts, page, figures)}\n\n{' '.join(filter(None, notes))}"


def as_markdown(verdicts: Sequence[Verdict], page: Path, figures: str) -> str:
    """Tables with a row per claim, and every part of it in a list that unfolds.

    The first table holds claims over seeds, the second the deterministic ones. ``figures`` is a
    folder, relative to that of ``page``, that holds ``<experiment>-<dataset>/*.png``, and
    ``<experiment>/*.png`` for deterministic studies. A figure that it lacks has no link.
    """
    computed = [verdict for verdict in verdicts if verdict.claim.kind == "deterministic"]
    others = [verdict for verdict in verdicts if verdict.claim.kind != "deterministic"]
    lines = _table(others, page, figures) if others else []
    if computed:
        lines += ["", "Deterministic:", "", *_table(computed, page, figures)]
    valid = [verdict for verdict in verdicts if counts(verdict)]
    groups = {
        name.capitalize(): [v for v in counted(verdicts) if v.verdict == name]
        for name in JUDGEMENTS
    }
    identities = [verdict for verdict in valid if verdict.claim.kind == "identity"]
    if identities:
        groups["True by arithmetic"] = identities
    if len(valid) < len(verdicts):
        groups["Withdrawn, and not counted"] = [v for v in verdicts if not counts(v)]
    for title, parts in groups.items():
        lines += [
            "",
            f"<details><summary>{title}: {len(parts)} parts</summary>",
            "",
            *(f"- {_part(verdict)}" for verdict in parts),
            "",
            "</details>",
        ]
    return "\n".join(lines).strip()


def _table(verdicts: Sequence[Verdict], page: Path, figures: str) -> list[str]:
    groups: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        groups[verdict.claim.family, verdict.claim.statement].append(verdict)
    datasets = list(dict.fromkeys(verdict.dataset for verdict in verdicts))
    lines = [
        f"| claim | {' | '.join(datasets)} | figure | command |",
        "|---|" + "---|" * (len(datasets) + 2),
    ]
    for (name, statement), group in groups.items():
        counts = [_count([v for v in group if v.dataset == dataset]) for dataset in datasets]
        links = dict.fromkeys(_link(verdict, page, figures) for verdict in group)
        experiments = dict.fromkeys(verdict.claim.experiment for verdict in group)
        commands = "<br>".join(f"`vral reproduce {experiment}`" for experiment in experiments)
        lines.append(
            f"| **{name}** {statement} | {' | '.join(counts)} | {'<br>'.join(links)} | {commands} |"
        )
    return lines


def _link(verdict: Verdict, page: Path, figures: str) -> str:
    """A link to the claim's figure; its bare name where ``page`` has no such file beside it."""
    claim = verdict.claim
    name, folder = f"{claim.figure}, {verdict.dataset}", f"{claim.experiment}-{verdict.dataset}"
    if claim.kind == "deterministic":
        name, folder = claim.figure, claim.experiment
    file = f"{figures}/{folder}/{claim.figure}.png"
    return f"[{name}]({file})" if (page.parent / file).is_file() else name


def _count(group: Sequence[Verdict]) -> str:
    """How many parts have which verdict, such as ✓ 3 ✗ 1 (2 survive Holm).

    Identities and what is withdrawn are not counted.
    """
    if not any(map(counts, group)):
        return "withdrawn" * bool(group)
    shown = counted(group)
    if not shown:
        return "identity"
    count = Counter(verdict.verdict for verdict in shown)
    text = " ".join(f"{MARKS[name]} {count[name]}" for name in JUDGEMENTS if count[name])
    notes = sorted({row.standing for row in map(doubt, shown) if row})
    survivors, decided = holm_count(shown)
    if decided:
        notes.insert(0, f"{survivors} of {decided} survive Holm")
    return f"{text} ({', '.join(notes)})" if notes else text


def _part(verdict: Verdict) -> str:
    effect = number(verdict.effect)
    if verdict.claim.kind != "deterministic":
        effect += f" [{number(verdict.low, 2)}, {number(verdict.high, 2)}]"
    rests_on = ", ".join(filter(None, (basis(verdict), holm_note(verdict))))
    text = (
        f"**{verdict.claim.id}**, {verdict.dataset}: {verdict.claim.restatement} Measured: "
        f"{effect}, asked: {verdict.claim.threshold}, {rests_on}."
    )
    return " ".join([text, *(f"{remark}." for remark in remarks(verdict))])


def write_between_marks(page: Path, text: str, answers: str = "") -> None:
    """Put ``text`` between BEGIN and END, each alone on a line of ``page``; ``answers`` likewise.

    Raises FolderError where the file cannot be read or has neither pair of marks.
    """
    if page.exists() and not page.is_file():  # A pipe would wait for a writer.
        raise FolderError(f"--into: cannot read {page}: it is no file")
    try:
        old = page.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FolderError(f"--into: cannot read {page}: {error}") from None
    new, places = old, 0
    for begin, end, inside in ((BEGIN, END, text), (ANSWERS_BEGIN, ANSWERS_END, answers)):
        block = re.compile(rf"^{begin}$.*?^{end}$", re.DOTALL | re.MULTILINE)
        whole = f"{begin}\n\n{inside}\n\n{end}"
        new, found = block.subn(lambda _, whole=whole: whole, new, count=1)
        places += found
    if not places:
        raise FolderError(
            f"--into: {page} has no lines {BEGIN} and {END}, or {ANSWERS_BEGIN} and {ANSWERS_END}, "
            "to write between"
        )
    write_bytes(page, new.encode())
