"""The ledger as Markdown: a row per claim of the source, its parts below; for the README."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from vral.claims.verdict import Verdict
from vral.errors import FolderError
from vral.files import replace_file
from vral.terminal import number

BEGIN, END = "<!-- claims -->", "<!-- /claims -->"
MARKS = {"confirmed": "✓", "refuted": "✗", "inconclusive": "?"}


def as_markdown(verdicts: Sequence[Verdict], figures: str) -> str:
    """A table with a row per claim, and every part of it in a list that unfolds.

    ``figures`` is the folder, relative to the page, that holds ``<experiment>-<dataset>/*.png``.
    """
    groups: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        groups[verdict.claim.id.partition(".")[0]].append(verdict)
    datasets = list(dict.fromkeys(verdict.dataset for verdict in verdicts))
    lines = [
        f"| claim | {' | '.join(datasets)} | figure | command |",
        "|---|" + "---|" * (len(datasets) + 2),
    ]
    for name, group in groups.items():
        cells = [_count([v for v in group if v.dataset == dataset]) for dataset in datasets]
        pictures = dict.fromkeys((v.claim.experiment, v.dataset, v.claim.figure) for v in group)
        links = [f"[{f}, {d}]({figures}/{e}-{d}/{f}.png)" for e, d, f in pictures]
        experiments = dict.fromkeys(verdict.claim.experiment for verdict in group)
        commands = "<br>".join(f"`vral reproduce {experiment}`" for experiment in experiments)
        lines.append(
            f"| **{name}** {group[0].claim.statement} | {' | '.join(cells)} | {'<br>'.join(links)} "
            f"| {commands} |"
        )
    for outcome in MARKS:
        chosen = [verdict for verdict in verdicts if verdict.verdict == outcome]
        lines += [
            "",
            f"<details><summary>{outcome.capitalize()}: {len(chosen)} parts</summary>",
            "",
            *(f"- {_part(verdict)}" for verdict in chosen),
            "",
            "</details>",
        ]
    return "\n".join(lines)


def _count(group: Sequence[Verdict]) -> str:
    """How many parts have which verdict, e.g. ✓ 3 ✗ 1."""
    count = Counter(verdict.verdict for verdict in group)
    return " ".join(f"{mark} {count[name]}" for name, mark in MARKS.items() if count[name])


def _part(verdict: Verdict) -> str:
    low, high = number(verdict.low, 2), number(verdict.high, 2)
    return (
        f"**{verdict.claim.id}**, {verdict.dataset}: {verdict.claim.restatement} Measured: "
        f"{number(verdict.effect)} [{low}, {high}], asked: {verdict.claim.threshold}, "
        f"{verdict.seeds} seeds" + f", {verdict.diverged} diverged" * bool(verdict.diverged) + "."
    )


def write_between_marks(page: Path, text: str) -> None:
    """Put ``text`` between BEGIN and END, each alone on a line of ``page``.

    Raises FolderError where the file cannot be read or lacks the marks.
    """
    try:
        old = page.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FolderError(f"--into: cannot read {page}: {error}") from None
    block = re.compile(rf"^{BEGIN}$.*?^{END}$", re.DOTALL | re.MULTILINE)
    if not block.search(old):
        raise FolderError(f"--into: {page} has no lines {BEGIN} and {END} to write between")
    new = block.sub(lambda _: f"{BEGIN}\n\n{text}\n\n{END}", old, count=1)
    with replace_file(page) as temporary:
        temporary.write_text(new, encoding="utf-8")
