"""The published ledger, claims.json: its verdicts as they were judged, and what has changed since.

A verdict keeps the words, the threshold and the arms that it was judged by. Where its experiment
has been defined anew, ``settings`` say how the published runs differ from it, as they do of any
runs with other settings; so no such verdict answers a question.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vral.claims.catalogue import CLAIMS
from vral.claims.ledger import Changes, Unjudged, changes, command_of, examine, other_settings
from vral.claims.verdict import Threshold, Verdict, as_family
from vral.study.experiments import EXPERIMENTS
from vral.study.fidelity import published_configs

INTERVALS = ("record_every", "probe_every")
"""How often something was read: of published runs it is not known, and changes nothing trained."""


def read_ledger(folder: Path) -> list[Verdict]:
    """The verdicts of ``folder``/claims.json."""
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
            effect=_plain(row["effect"]),
            low=_plain(row["low"]),
            high=_plain(row["high"]),
            p=_plain(row["p"]),
        )
        for row in data["verdicts"]
    ]


def published_ledger(folder: Path) -> tuple[list[Verdict], list[Unjudged]]:
    """The ledger of all studies that are published in ``folder``, and what they leave open.

    Those of ``vral publish`` are judged as they are. The verdicts on earlier ones, whose records
    are not kept, are those of claims.json, until the same claim is judged anew or found not
    testable.
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
    ]
    order = list(CLAIMS)
    verdicts.sort(key=lambda verdict: order.index(verdict.claim.id))
    known = {(verdict.claim.id, verdict.dataset) for verdict in verdicts}
    waiting = [
        replace(entry, command=command_of(entry.claim.experiment, entry.dataset))
        for entry in still_open
        if (entry.claim.id, entry.dataset) not in known
    ]
    return as_family(verdicts), waiting


def _home(verdict: Verdict, folder: Path) -> Path:
    """The folder of the published study that ``verdict`` is of."""
    name = verdict.claim.experiment
    over_seeds = name in EXPERIMENTS
    return folder / (f"{name}-{verdict.dataset}" if over_seeds else name)


def _plain(value: float | str | None) -> float:
    return math.nan if value is None else float(value)


def with_settings(verdict: Verdict, folder: Path) -> Verdict:
    """``verdict`` with the settings in which the published runs differ from the experiment now."""
    about = _home(verdict, folder) / "about.json"
    if verdict.claim.experiment not in EXPERIMENTS or not about.is_file():
        return verdict
    changed = _changed(json.loads(about.read_text(encoding="utf-8")))
    return replace(verdict, settings=other_settings(verdict.claim, changed))


def _changed(about: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Changes]]:
    """(arm, ratio) of every published run of an arm that the experiment has, and its changes."""
    row = EXPERIMENTS[about["experiment"]]
    arms = {arm.name: arm for arm in row.arms}
    for config in published_configs(about):
        if config.arm in arms:
            usual = row.config(arms[config.arm], config.ratio, config.dataset)
            found = changes(usual, config.model_dump(mode="json"))
            yield (
                (config.arm, config.ratio),
                {name: pair for name, pair in found.items() if name not in INTERVALS},
            )
