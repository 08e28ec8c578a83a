"""The published ledger, claims.json: its verdicts as they were judged, and what has changed since.

A verdict keeps the words, the threshold and the arms that it was judged by. Where its experiment
has been defined anew, ``settings`` say how the published runs differ from it, as they do of any
runs with other settings; so no such verdict answers a question.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vral.claims.answers import Answer, answers
from vral.claims.catalogue import CLAIMS
from vral.claims.ledger import (
    Unjudged,
    changed_settings,
    command_of,
    examine,
    other_settings,
)
from vral.claims.markdown import answers_table, ledger_text, write_between_marks
from vral.claims.primary import as_families
from vral.claims.verdict import Threshold, Verdict
from vral.claims.withdrawn import doubt
from vral.claims.wording import family_notes, headline
from vral.files import write_bytes
from vral.study.experiments import EXPERIMENTS
from vral.study.fidelity import published_configs
from vral.study.statistics import LEVEL, coverage

INTERVALS = ("record_every", "probe_every")
"""How often something was read: of published runs it is not known, and changes nothing trained."""


def as_data(
    verdicts: Sequence[Verdict], still_open: Sequence[Unjudged], answered: Sequence[Answer]
) -> dict[str, Any]:
    """All answers and verdicts in the types of JSON; NaN is null, ±∞ are "inf" and "-inf"."""
    return {
        "level": LEVEL,
        "judged": len(verdicts),
        "answers": [
            {
                "claim": answer.question.id,
                "question": answer.question.text,
                "experiment": answer.question.study[0],
                "dataset": answer.question.study[1],
                "studies": [" on ".join(study) for study in answer.question.studies],
                "outcome": answer.outcome,
                "sentence": answer.sentence,
                "survives": answer.survives,
                "by_form": answer.by_form,
                **{
                    role: {part.claim: part.outcome for part in getattr(answer, role)}
                    for role in ("parts", "controls", "beside")
                },
            }
            for answer in answered
        ],
        "notes": [
            line for line in (headline(verdicts, still_open), *family_notes(verdicts)) if line
        ],
        "verdicts": [
            {
                "claim": verdict.claim.id,
                "statement": verdict.claim.statement,
                "source": verdict.claim.source,
                "restatement": verdict.claim.restatement,
                "experiment": verdict.claim.experiment,
                "figure": verdict.claim.figure,
                "quantity": verdict.claim.quantity,
                "threshold": str(verdict.claim.threshold),
                "history": [vars(entry) for entry in verdict.claim.history],
                "would_change": verdict.claim.would_change,
                "kind": verdict.claim.kind,
                "arms": verdict.claim.arms,
                "dataset": verdict.dataset,
                "study": str(verdict.study),
                **{end: _in_json(getattr(verdict, end)) for end in ("effect", "low", "high", "p")},
                "seeds": verdict.seeds,
                "coverage": coverage(verdict.seeds) if verdict.seeds > 1 else None,
                "settings": verdict.settings,
                "diverged": verdict.diverged,
                "verdict": verdict.verdict,
                "survives": verdict.survives,
                "standing": row.standing if (row := doubt(verdict)) else "in force",
            }
            for verdict in verdicts
        ],
        "not_run": [
            {
                "claim": entry.claim.id,
                "dataset": entry.dataset,
                "reason": entry.reason,
                "command": entry.command,
            }
            for entry in still_open
        ],
    }


def _in_json(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)


def read_ledger(folder: Path) -> list[Verdict]:
    """The verdicts of ``folder``/claims.json, which ``as_data`` made.

    Raises KeyError where the catalogue lacks a claim of it; so a claim stays there, retired.
    """
    data = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
    return [
        Verdict(
            claim=replace(
                CLAIMS[row["claim"]],
                threshold=Threshold.parse(row["threshold"]),
                arms=tuple(row["arms"]),
                **{name: row[name] for name in ("statement", "restatement", "quantity", "figure")},
            ),
            dataset=row["dataset"],
            study=Path(row["study"]),
            verdict=row["verdict"],
            seeds=row["seeds"],
            settings=tuple(row["settings"]),
            diverged=row["diverged"],
            survives=row["survives"],
            effect=_from_json(row["effect"]),
            low=_from_json(row["low"]),
            high=_from_json(row["high"]),
            p=_from_json(row["p"]),
        )
        for row in data["verdicts"]
    ]


def published_ledger(folder: Path) -> tuple[list[Verdict], list[Unjudged]]:
    """The ledger of all studies that are published in ``folder``, and what they leave open.

    Those of ``vral publish`` are judged as they are. The verdicts on earlier ones, whose records
    are not kept, are those of claims.json, until the same claim is judged anew or found not
    testable, or the study's folder is replaced by that of a new one.
    """
    judged, still_open = examine([path.parent for path in sorted(folder.glob("*/study.json"))])
    verdicts = [replace(v, study=Path("runs", folder.name, v.study.name)) for v in judged]
    settled = {(v.claim.id, v.dataset) for v in judged}
    settled |= {(e.claim.id, e.dataset) for e in still_open if e.not_testable}
    verdicts += [
        with_settings(verdict, folder)
        for verdict in read_ledger(folder)
        if (verdict.claim.id, verdict.dataset) not in settled
        and verdict.study.parent.name != folder.name  # Those were judged above.
        and (verdict.claim.experiment not in EXPERIMENTS or about_file(verdict, folder).is_file())
    ]
    order = list(CLAIMS)
    verdicts.sort(key=lambda verdict: order.index(verdict.claim.id))
    known = {(verdict.claim.id, verdict.dataset) for verdict in verdicts}
    waiting = [
        replace(entry, command=command_of(entry.claim.experiment, entry.dataset))
        for entry in still_open
        if (entry.claim.id, entry.dataset) not in known
    ]
    return as_families(verdicts), waiting


def _from_json(value: float | str | None) -> float:
    return math.nan if value is None else float(value)


def about_file(verdict: Verdict, folder: Path) -> Path:
    """The file that names the settings of the earlier study on which ``verdict`` was given."""
    return folder / f"{verdict.claim.experiment}-{verdict.dataset}" / "about.json"


def with_settings(verdict: Verdict, folder: Path) -> Verdict:
    """``verdict`` with the settings in which the published runs differ from the experiment now."""
    about = about_file(verdict, folder)
    if verdict.claim.experiment not in EXPERIMENTS or not about.is_file():
        return verdict
    configs = [
        config.model_dump(mode="json")
        for config in published_configs(json.loads(about.read_text(encoding="utf-8")))
    ]
    trained = [
        (place, {name: pair for name, pair in found.items() if name not in INTERVALS})
        for place, found in changed_settings(EXPERIMENTS[verdict.claim.experiment], configs)
    ]
    return replace(verdict, settings=other_settings(verdict.claim, trained))


def restated(folder: Path) -> tuple[dict[str, Any], str, str]:
    """What claims.json, and the two tables of the page, of the published ``folder`` are to hold."""
    verdicts, still_open = published_ledger(folder)
    answered = answers(verdicts, still_open)
    text = ledger_text(verdicts, still_open, folder / "README.md", ".")
    return as_data(verdicts, still_open, answered), text, answers_table(answered)


def restate(folder: str) -> None:
    """Write ``restated`` to claims.json and README.md in ``folder``, and the answers to README.md.

    To be called where studies were published or definitions changed.
    """
    data, text, answered = restated(Path(folder))
    write_between_marks(Path(folder) / "README.md", text, answered)
    write_between_marks(Path("README.md"), "", answered)
    content = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    write_bytes(Path(folder) / "claims.json", content.encode())
