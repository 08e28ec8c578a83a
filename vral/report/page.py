"""The page itself: one HTML file that asks the network for nothing.

Style, scripts, figures and the explorer's library are inside it. A content security policy names
the scripts by their hashes, so that a browser runs these and no others, and opens no connection.
Jinja2 escapes every value, so a hostile name stays text. The same studies give the same bytes.
"""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from math import isfinite, isnan, log10
from pathlib import Path
from typing import Any

from bokeh.resources import Resources
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from vral.claims import CLAIMS, Unjudged, Verdict
from vral.claims.answers import answers
from vral.claims.verdict import JUDGEMENTS
from vral.claims.withdrawn import counts
from vral.claims.wording import (
    ANSWERS_NOTE,
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
from vral.report.contents import Section, Theory
from vral.report.explorer import CLOCKS, POINTS, READINGS
from vral.report.pictures import CREATOR
from vral.study.frames import FINAL_SHARE
from vral.study.methods import label
from vral.study.numbers import duration, typeset
from vral.study.statistics import interval_name

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
        "holm_note": holm_note,
        "remarks": remarks,
        "ratio": ratio_label,
        "interval_name": interval_name,
        "base64": lambda data: base64.b64encode(data).decode(),
    }
    scripts = [_resource("page.js")]
    bundle = [*_bokeh(), _resource("explorer.js")]
    verdicts = sorted(
        (verdict for part in (*sections, *theories) for verdict in part.verdicts),
        key=lambda verdict: list(CLAIMS).index(verdict.claim.id),
    )
    judged = theories or any(section.study.experiment for section in sections)
    tally = Counter(v.verdict for v in verdicts if v.claim.kind != "identity" and counts(v))
    return environment.get_template("page.html").render(
        creator=CREATOR,
        version=version("vral"),
        command=command,
        pdf=pdf,
        sections=sections,
        studies=list(dict.fromkeys(section.study.root for section in sections)),
        statements=contents.by_statement(verdicts),
        theories=theories,
        section_of={(section.study.root, section.dataset): section for section in sections}
        | {(v.study, v.dataset): theory for theory in theories for v in theory.verdicts},
        intervals=interval_name(v.seeds for v in verdicts),
        several=len(sections) + len(theories) > 1,
        headline=headline(verdicts, still_open)
        if judged
        else nothing_to_judge(sum(len(section.reports) for section in sections)),
        notes=family_notes(verdicts),
        verdicts=verdicts,
        still_open=still_open,
        answers=answers(verdicts, still_open) if verdicts else [],
        answers_note=ANSWERS_NOTE,
        tally_of_parts=tally_of_parts,
        tally=[(judgement, tally[judgement]) for judgement in JUDGEMENTS],
        strip=strip,
        ends=contents.ENDS,
        judged=judged,
        share=FINAL_SHARE,
        points=POINTS,
        common_settings=settings.common_settings,
        differing_settings=settings.differing_settings,
        figure_anchor=contents.figure_anchor,
        style=Markup(_resource("style.css")),
        scripts=[Markup(script) for script in scripts],
        bundle=[Markup(script) for script in bundle],
        hashes=[_hash(script) for script in (*scripts, *bundle)],
        data=Markup(script_json(explorer_data(sections))),
    )


def explorer_data(sections: Sequence[Section]) -> dict[str, Any]:
    """The data that explorer.js reads."""
    studies = [section.explored for section in sections]
    known = {name for study in studies for name in (*study["curves"], *study["finals"])}
    readings = [
        {
            "heading": heading,
            "readings": [{"name": k, "text": v} for k, v in texts.items() if k in known],
        }
        for heading, texts in READINGS.items()
    ]
    return {"studies": studies, "clocks": CLOCKS, "readings": readings}


def script_json(content: Any) -> str:
    """``content`` as JSON in which no character can end the script element that holds it.

    Raises ValueError on NaN, which JSON does not have.
    """
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


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
