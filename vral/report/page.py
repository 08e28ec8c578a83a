"""The page itself: one HTML file that asks the network for nothing.

Style, scripts, figures and the explorer's library are inside it. A content security policy names
the scripts by their hashes, so that a browser runs these and no others, and opens no connection.
Jinja2 escapes every value, so a hostile name stays text. The same studies give the same bytes.

The first screen answers; the rest is folded. A page has at most LIMIT bytes: the explorer's data
are thinned to their own room, and pictures share what the rest leaves, the largest made smaller
first. With 25 studies that is about 0.1 MB of pictures for each.
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from importlib.resources import files
from math import isfinite, isnan, log10
from pathlib import Path
from typing import Any

from bokeh.resources import Resources
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from vral.claims import CLAIMS, Unjudged, Verdict
from vral.claims.answers import Outcome, answers
from vral.claims.primary import QUESTIONS
from vral.claims.verdict import JUDGEMENTS, Judgement
from vral.claims.wording import (
    ANSWERS_NOTE,
    counted,
    family_notes,
    headline,
    holm_note,
    nothing_to_judge,
    remarks,
    tally_of_parts,
)
from vral.figures import ratio_label
from vral.files import write_bytes
from vral.report import contents, settings
from vral.report.contents import Section, Statement, Theory, figure_anchor
from vral.report.explorer import pack, packed_data
from vral.report.front import front_of
from vral.report.pictures import CREATOR, Picture, fitted
from vral.report.summary import summarise, tests_the_paper
from vral.study.frames import FINAL_SHARE
from vral.study.methods import label
from vral.study.numbers import duration, from_to, how_many, typeset
from vral.study.statistics import interval_name

LIMIT = 4_900_000
"""Bytes of a page. One with so many studies that the last of ``pictures.STEPS`` leaves more has
more."""

THE_QUESTION = (
    "Does asking for a variance in the discriminator's outputs keep the generator learning?"
)
"""The title of a page on several studies of the paper."""

SYMBOLS: dict[Outcome, str] = {
    "holds": "confirmed",
    "does not hold": "refuted",
    "undecided": "inconclusive",
    "not testable": "untestable",
    "not yet run": "waiting",
}
"""Outcome of an answer to the sign and the colour that the page gives it."""

STRIP = 100
"""Width of a verdict's drawing, in its own units."""
MARGIN = 0.08
"""Space left free on both sides, as a share of the range shown."""
WIDE = 30
"""Positive values whose quotient exceeds this are drawn on a log scale."""


def render(
    sections: Sequence[Section],
    theories: Sequence[Theory],
    still_open: Sequence[Unjudged],
    command: str,
    pdf: str,
) -> str:
    """The page: ``sections``, then the deterministic studies ``theories``.

    ``still_open`` are the claims that the studies do not judge, ``command`` is the one that writes
    the page, and ``pdf`` names the file of figures beside it.
    """
    front = front_of(sections, theories)
    pictures = {
        **{plate.anchor: plate.picture for section in sections for plate in section.plates},
        **{
            figure_anchor(theory.anchor, name): picture
            for theory in theories
            for name, picture in theory.figures.items()
        },
        **({"front": front.picture} if front else {}),
    }
    context = _context(sections, theories, still_open)
    template = _environment().get_template("page.html")

    def page(shown: Mapping[str, Picture]) -> str:
        return template.render(context, command=command, pdf=pdf, front=front, pictures=shown)

    return _within(LIMIT, page, pictures)


def _within(
    limit: int, page: Callable[[Mapping[str, Picture]], str], pictures: Mapping[str, Picture]
) -> str:
    """``page`` with ``pictures``, which are made smaller where it has more than ``limit`` bytes."""
    text = page(pictures)
    over = len(text.encode("utf-8", "backslashreplace")) - limit
    if over <= 0:
        return text
    room = sum(picture.size for picture in pictures.values()) - over * 3 // 4  # base64: 4 for 3
    return page(fitted(pictures, room))


def _context(
    sections: Sequence[Section], theories: Sequence[Theory], still_open: Sequence[Unjudged]
) -> dict[str, Any]:
    """What the templates show, but for pictures."""
    verdicts = sorted(
        (verdict for part in (*sections, *theories) for verdict in part.verdicts),
        key=lambda verdict: list(CLAIMS).index(verdict.claim.id),
    )
    judged = bool(theories) or any(section.study.experiment for section in sections)
    answered = answers(verdicts, still_open) if verdicts else []
    explored = [section.explored for section in sections if section.explored]
    page_script, explorer_script = _resource("page.js"), _resource("explorer.js")
    library = _bokeh() if explored else []
    scripts = [page_script, *([explorer_script, *library] if explored else [])]
    data, points = packed_data(explored) if explored else ("", 0)
    return {
        "creator": CREATOR,
        "version": version("vral"),
        "title": _title(sections, judged),
        "sections": sections,
        "theories": theories,
        "alone": len(sections) + len(theories) == 1,
        "several": len(sections) + len(theories) > 1,
        "section_of": {(section.study.root, section.dataset): section for section in sections}
        | {(v.study, v.dataset): theory for theory in theories for v in theory.verdicts},
        "headline": headline(verdicts, still_open)
        if judged
        else nothing_to_judge(sum(len(section.reports) for section in sections)),
        "summary": summarise(sections, theories, answered, verdicts, still_open),
        "answers": answered,
        "answered": any(answer.outcome != "not yet run" for answer in answered),
        "answers_note": ANSWERS_NOTE,
        "claims": CLAIMS,
        "symbols": SYMBOLS,
        "verdicts": verdicts,
        "families": _families(verdicts),
        "questions": {question.id: question.text for question in QUESTIONS},
        "intervals": interval_name(v.seeds for v in verdicts),
        "notes": family_notes(verdicts),
        "still_open": still_open,
        "ends": contents.ENDS,
        "judged": judged,
        "share": FINAL_SHARE,
        "points": points,
        "common_settings": settings.common_settings,
        "differing_settings": settings.differing_settings,
        "figure_anchor": figure_anchor,
        "style": Markup(_resource("style.css")),
        "page_script": Markup(page_script),
        "explorer_script": Markup(explorer_script),
        "hashes": [_hash(script) for script in scripts],
        "library": [Markup(pack(script)) for script in library],
        "data": Markup(data),
    }


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("vral.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "typeset": typeset,
        "setting": settings.setting,
        "label": label,
        "duration": duration,
        "how_many": how_many,
        "from_to": from_to,
        "holm_note": holm_note,
        "remarks": remarks,
        "ratio": ratio_label,
        "interval_name": interval_name,
        "by_judgement": by_judgement,
        "tally_of_parts": tally_of_parts,
        "strip": strip,
        "base64": lambda data: base64.b64encode(data).decode(),
    }
    return environment


def _title(sections: Sequence[Section], judged: bool) -> str:
    """The question of all studies, or of the one."""
    questions = list(dict.fromkeys(section.study.row.question for section in sections))
    if len(questions) == 1:
        return questions[0]
    if not judged:
        return "Runs of vral train"
    return THE_QUESTION if tests_the_paper(sections) else "Studies of adversarial games, judged"


def _families(verdicts: Sequence[Verdict]) -> dict[str, list[Statement]]:
    """Statements by the claim that they belong to, such as C1."""
    families: dict[str, list[Statement]] = {}
    for statement in contents.by_statement(verdicts):
        families.setdefault(statement.id, []).append(statement)
    return families


def by_judgement(verdicts: Sequence[Verdict]) -> list[tuple[Judgement, int]]:
    """How many verdicts there are of each judgement, in their order.

    What is withdrawn or true by arithmetic is not counted.
    """
    count = Counter(verdict.verdict for verdict in counted(verdicts))
    return [(judgement, count[judgement]) for judgement in JUDGEMENTS]


def strip(verdict: Verdict) -> dict[str, Any] | None:
    """Where a verdict's interval, effect and threshold lie on a strip from 0 to STRIP.

    The scale is logarithmic where all values are positive and WIDE apart. None where the effect is
    not finite.
    """
    low, high = verdict.claim.threshold.low, verdict.claim.threshold.high
    shown = [v for v in (verdict.effect, verdict.low, verdict.high, low, high) if isfinite(v)]
    if not isfinite(verdict.effect):
        return None
    logarithmic = min(shown) > 0 and max(shown) > WIDE * min(shown)
    scale = log10 if logarithmic else float
    first, last = scale(min(shown)), scale(max(shown))
    margin = MARGIN * (last - first) or 1.0

    def place(value: float) -> float:
        if not isfinite(value):
            return 0.0 if value < 0 else float(STRIP)
        share = (scale(value) - first + margin) / (last - first + 2 * margin)
        return round(STRIP * share, 2)

    ends = [verdict.effect if isnan(v) else v for v in (verdict.low, verdict.high)]
    return {
        "effect": place(verdict.effect),
        "ends": [place(end) for end in ends],
        "threshold": [place(low), place(high)],
        "ticks": [place(end) for end in (low, high) if isfinite(end)],
        "logarithmic": logarithmic,
    }


def _resource(name: str) -> str:
    return (files("vral.report") / "templates" / name).read_text(encoding="utf-8")


def _bokeh() -> list[str]:
    """Bokeh and its plotting interface, quiet on the browser's console."""
    return Resources(mode="inline", components=["bokeh", "bokeh-api"], log_level="warn").js_raw


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


MARKS = (f'<meta name="generator" content="{CREATOR}">', f"/Creator ({CREATOR})")
"""Texts that pages and PDFs of this command hold, and other files hardly do."""


def is_ours(path: Path) -> bool:
    """Whether a page or a PDF was written by this command: only such a file is replaced."""
    return path.is_file() and any(mark.encode() in path.read_bytes() for mark in MARKS)


def write_page(path: Path, text: str) -> None:
    """Write the page; ``path`` is whole or absent at any time.

    What is not text in a path, a lone surrogate in Python, is shown as its escape.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"))
