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
from vral.claims.ledger import Changes, Unjudged, changes, other_settings
from vral.claims.verdict import Threshold, Verdict
from vral.study.experiments import EXPERIMENTS
from vral.study.fidelity import published_configs

INTERVALS = ("record_every", "probe_every")
"""How often something was read: of published runs it is not known, and changes nothing trained."""


def read_ledger(folder: Path) -> tuple[list[Verdict], list[Unjudged]]:
    """The verdicts of ``folder``/claims.json and the claims that it leaves open."""
    data = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
    verdicts = [
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
    still_open = [
        Unjudged(CLAIMS[row["claim"]], row["dataset"], row["reason"], row["command"])
        for row in data["not_run"]
    ]
    return verdicts, still_open


def _plain(value: float | str | None) -> float:
    return math.nan if value is None else float(value)


def with_settings(verdict: Verdict, folder: Path) -> Verdict:
    """``verdict`` with the settings in which the published runs differ from the experiment now."""
    study = folder / f"{verdict.claim.experiment}-{verdict.dataset}"
    about = study / "about.json"
    if verdict.claim.experiment not in EXPERIMENTS or not about.is_file():
        return verdict  # A study of ``vral publish``, whose runs are read as they are.
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
