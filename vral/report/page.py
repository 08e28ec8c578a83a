"""The page itself: one HTML file that asks the network for nothing.

Style, scripts, figures and the explorer's library are inside it. A content security policy names
the scripts by their hashes, so that a browser runs these and nothing else, and opens no connection;
Jinja2 escapes every value, so a hostile name is text. The same studies give the same bytes.
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
from vral.claims.wording import family_notes, settings_note
from vral.figures import ratio_label
from vral.files import replace_file
from vral.report import contents
from vral.report.contents import Section, Theory
from vral.report.explorer import CLOCKS, READINGS
from vral.report.pictures import CREATOR
from vral.study.frames import FINAL_SHARE
from vral.study.methods import label

OUTCOMES = ("confirmed", "refuted", "inconclusive")

STRIP = 100
"""Units across a verdict's drawing."""
MARGIN = 0.08
"""Free on both sides, as a share of what it shows."""
WIDE = 30
"""Positive values further apart than this are drawn on a log scale."""


def render(
    sections: Sequence[Section],
    theories: Sequence[Theory],
    still_open: Sequence[Unjudged],
    command: str,
    pdf: str,
) -> str:
    """The page of these sections and, behind them, of what was computed without chance.

    ``command`` made it, ``pdf`` names the file of figures.

    ``still_open`` are the claims that the studies do not judge.
    """
    environment = Environment(
        loader=PackageLoader("vral.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "typeset": contents.typeset,
        "described": contents.described,
        "setting": contents.setting,
        "label": label,
        "settings_note": settings_note,
        "ratio": ratio_label,
        "base64": lambda data: base64.b64encode(data).decode(),
    }
    scripts = [_resource("page.js")]
    bundle = [*_bokeh(), _resource("explorer.js")]
    verdicts = sorted(
        (verdict for part in (*sections, *theories) for verdict in part.verdicts),
        key=lambda verdict: list(CLAIMS).index(verdict.claim.id),
    )
    tally = Counter(v.verdict for v in verdicts if v.claim.kind != "identity")
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
        several=len(sections) + len(theories) > 1,
        notes=family_notes(verdicts),
        verdicts=verdicts,
        still_open=still_open,
        tally=[(outcome, tally[outcome]) for outcome in OUTCOMES],
        strip=strip,
        share=FINAL_SHARE,
        common_settings=contents.common_settings,
        differing_settings=contents.differing_settings,
        figure_anchor=contents.figure_anchor,
        style=Markup(_resource("style.css")),
        scripts=[Markup(script) for script in scripts],
        bundle=[Markup(script) for script in bundle],
        hashes=[_hash(script) for script in (*scripts, *bundle)],
        data=Markup(script_json(explorer_data(sections))),
    )


def explorer_data(sections: Sequence[Section]) -> dict[str, Any]:
    """What explorer.js reads."""
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
    """JSON that can stand in a script element: no character of it ends the element.

    Raises ValueError on NaN, which JSON does not have.
    """
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def strip(verdict: Verdict) -> dict[str, Any] | None:
    """Where a verdict's interval, effect and threshold lie on a strip from 0 to STRIP.

    Logarithmic where all is positive and far apart. None where the effect is not a number.
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
    """The library and its plotting interface, without talk on the console."""
    return Resources(mode="inline", components=["bokeh", "bokeh-api"], log_level="warn").js_raw


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


MARKS = (f'<meta name="generator" content="{CREATOR}">', f"/Creator ({CREATOR})")
"""What a page and a PDF of this command hold, and nothing else is likely to."""


def is_ours(path: Path) -> bool:
    """Whether a page or a PDF was written by this command: only such a file is replaced."""
    return path.is_file() and any(mark.encode() in path.read_bytes() for mark in MARKS)


def write_page(path: Path, text: str) -> None:
    with replace_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
