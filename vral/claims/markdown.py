"""The ledger as Markdown: a row per claim of the source, its parts below; for the README."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from vral.claims.verdict import Verdict
from vral.errors import FolderError
from vral.files import replace_file
from vral.study.numbers import number

BEGIN, END = "<!-- claims -->", "<!-- /claims -->"
MARKS = {"confirmed": "✓", "refuted": "✗", "inconclusive": "?"}


def as_markdown(verdicts: Sequence[Verdict], page: Path, figures: str) -> str:
    """Tables with a row per claim, and every part of it in a list that unfolds.

    The first table holds claims over seeds, the second what is deterministic. ``figures`` is the
    folder, relative to that of ``page``, that holds ``<experiment>-<dataset>/*.png``, and
    ``<experiment>/*.png`` of what is deterministic; a figure that it lacks has no link.
    """
    computed = [verdict for verdict in verdicts if verdict.claim.kind == "deterministic"]
    others = [verdict for verdict in verdicts if verdict.claim.kind != "deterministic"]
    lines = _table(others, page, figures) if others else []
    if computed:
        lines += ["", "Deterministic:", "", *_table(computed, page, figures)]
    groups = {
        outcome.capitalize(): [
            v for v in verdicts if v.verdict == outcome and v.claim.kind != "identity"
        ]
        for outcome in MARKS
    }
    identities = [verdict for verdict in verdicts if verdict.claim.kind == "identity"]
    if identities:
        groups["True by arithmetic"] = identities
    for title, chosen in groups.items():
        lines += [
            "",
            f"<details><summary>{title}: {len(chosen)} parts</summary>",
            "",
            *(f"- {_part(verdict)}" for verdict in chosen),
            "",
            "</details>",
        ]
    return "\n".join(lines).strip()


def _table(verdicts: Sequence[Verdict], page: Path, figures: str) -> list[str]:
    groups: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        groups[verdict.claim.id.partition(".")[0], verdict.claim.statement].append(verdict)
    datasets = list(dict.fromkeys(verdict.dataset for verdict in verdicts))
    lines = [
        f"| claim | {' | '.join(datasets)} | figure | command |",
        "|---|" + "---|" * (len(datasets) + 2),
    ]
    for (name, statement), group in groups.items():
        cells = [_count([v for v in group if v.dataset == dataset]) for dataset in datasets]
        links = dict.fromkeys(_link(verdict, page, figures) for verdict in group)
        experiments = dict.fromkeys(verdict.claim.experiment for verdict in group)
        commands = "<br>".join(f"`vral reproduce {experiment}`" for experiment in experiments)
        lines.append(
            f"| **{name}** {statement} | {' | '.join(cells)} | {'<br>'.join(links)} | {commands} |"
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
    """How many parts have which verdict, e.g. ✓ 3 ✗ 1; identities have none."""
    count = Counter(verdict.verdict for verdict in group if verdict.claim.kind != "identity")
    told = " ".join(f"{mark} {count[name]}" for name, mark in MARKS.items() if count[name])
    return told or "identity" * bool(group)


def _part(verdict: Verdict) -> str:
    effect = number(verdict.effect)
    if verdict.claim.kind != "deterministic":
        effect += f" [{number(verdict.low, 2)}, {number(verdict.high, 2)}]"
    return (
        f"**{verdict.claim.id}**, {verdict.dataset}: {verdict.claim.restatement} Measured: "
        f"{effect}, asked: {verdict.claim.threshold}, {basis(verdict)}."
    ) + f" {settings_note(verdict)}." * bool(verdict.settings)


def settings_note(verdict: Verdict) -> str:
    return f"Other settings than the experiment's: {', '.join(verdict.settings)}"


def basis(verdict: Verdict) -> str:
    """What the verdict rests on: its seeds, or its kind where it is no sample's."""
    if verdict.claim.kind == "deterministic":
        return "deterministic"
    text = f"{verdict.seeds} seeds" + f", {verdict.diverged} diverged" * bool(verdict.diverged)
    return text + ", identity" * (verdict.claim.kind == "identity")


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
