"""The ledger: every claim that the given studies can judge, and those they cannot."""

import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from vral.claims import readings
from vral.claims.catalogue import CLAIMS
from vral.claims.readings import Evidence, NotRun
from vral.claims.verdict import Claim, Verdict, as_family, judge, judge_number
from vral.errors import FolderError
from vral.study import frames
from vral.study.config import RunConfig, option_name, with_defaults
from vral.study.experiments import EXPERIMENTS, Experiment
from vral.study.folders import read_marker

HOME_DATASET = RunConfig.model_fields["dataset"].default


@dataclass(frozen=True)
class Unjudged:
    """A claim that is still open, and the command that would let it be judged."""

    claim: Claim
    dataset: str
    reason: str
    command: str


def ledger(roots: Collection[Path]) -> list[Verdict]:
    """A verdict for every claim and data set that the studies in ``roots`` can judge.

    Ordered as CLAIMS. ``survives`` is settled among all of them. Raises FolderError where a root is
    not a study's folder.
    """
    return examine(roots)[0]


def examine(roots: Collection[Path]) -> tuple[list[Verdict], list[Unjudged]]:
    """The ledger, and every claim that none of the studies in ``roots`` can judge."""
    distinct = {Path(root).resolve(): Path(root) for root in roots}.values()
    studies = {root: experiment_of(root) for root in distinct}
    verdicts, open_claims = [], []
    for root, experiment in studies.items():
        over = _over_seeds if experiment in EXPERIMENTS else _without_chance
        for entry in over(root, experiment):
            (verdicts if isinstance(entry, Verdict) else open_claims).append(entry)
    order = list(CLAIMS)
    verdicts.sort(key=lambda verdict: order.index(verdict.claim.id))
    touched = {entry.claim.id for entry in (*verdicts, *open_claims)}
    for claim in CLAIMS.values():
        if claim.id not in touched:
            reason = "no study of it was given"
            for dataset in claim.datasets or (HOME_DATASET,):
                command = _command(claim.experiment, dataset)
                open_claims.append(Unjudged(claim, dataset, reason, command))
    return as_family(verdicts), open_claims


def experiment_of(root: Path) -> str:
    """What a folder's study is of. Raises FolderError where it is none of ours, or corrupt."""
    marker = root / "study.json"
    if not marker.is_file():
        raise FolderError(
            f"STUDY: {root} given, which holds no study.json; "
            "allowed: folders that vral reproduce has written"
        )
    name, _ = read_marker(root)
    known = list(dict.fromkeys([*EXPERIMENTS, *(c.experiment for c in CLAIMS.values())]))
    if name not in known:
        raise FolderError(
            f"STUDY: {root} holds the experiment {name!r}; allowed: {', '.join(known)}"
        )
    return name


def _claims(experiment: str) -> list[Claim]:
    return [claim for claim in CLAIMS.values() if claim.experiment == experiment]


# ---- over seeds --------------------------------------------------------------------------------


def _over_seeds(root: Path, experiment: str) -> Iterator[Verdict | Unjudged]:
    for dataset in sorted({report["config"]["dataset"] for _, report in frames.runs(root)}):
        found = readings.read(root, dataset)
        changed = list(_changed(root, EXPERIMENTS[experiment], [dataset]))
        for claim in _claims(experiment):
            if claim.datasets and dataset not in claim.datasets:
                continue
            try:
                verdict = judge_claim(claim, found, dataset, root)
            except NotRun as missing:
                command = _continuing(root, experiment, dataset)
                yield Unjudged(claim, dataset, str(missing), command)
                continue
            texts = [
                f"{option_name(name)} {value} (not {usual})"
                for cell, settings in changed
                if cell[0] in claim.arms and cell[1] in claim.ratios
                for name, (usual, value) in settings.items()
            ]
            yield replace(verdict, settings=tuple(dict.fromkeys(texts)))


Changes = dict[str, tuple[Any, Any]]
"""Setting to (the experiment's value, the run's)."""


def _changed(
    root: Path, row: Experiment, datasets: Collection[str]
) -> Iterator[tuple[tuple[str, str], Changes]]:
    """(arm, ratio) of every run of the experiment's arms, and where its settings are others."""
    arms = {arm.name: arm for arm in row.arms}
    for _, report in frames.runs(root):
        place = frames.coordinates(report["config"])
        if place["method"] not in arms or place["dataset"] not in datasets:
            continue
        usual = row.config(arms[place["method"]], place["ratio"], place["dataset"])
        theirs = with_defaults(report["config"])
        yield (
            (place["method"], place["ratio"]),
            {
                name: (value, theirs.get(name))
                for name, value in usual.model_dump(mode="json").items()
                if value != theirs.get(name)
                and name != "seeds"
                and not (name in ("record_every", "probe_every") and value == 0)
            },
        )


def _continuing(root: Path, experiment: str, dataset: str) -> str:
    """A command that the folder takes: with its runs' settings, where one can give these.

    Where runs differ among each other no one command can; then it names another folder.
    """
    row = EXPERIMENTS[experiment]
    touched = row.datasets if dataset == HOME_DATASET else (dataset,)
    needed, rounds = [], 0
    for _, settings in _changed(root, row, touched):
        own = {name: value for name, (_, value) in settings.items()}
        usual, theirs = settings.get("rounds", (0, 0))
        rounds = max(rounds, theirs if theirs > usual else 0)  # a run takes more rounds, not fewer
        own.pop("rounds", None)
        needed.append(own)
    options = needed[0] if needed else {}
    fixed = {name for arm in row.arms for name in arm.settings}
    if any(own != options for own in needed) or options.keys() & fixed:
        return _command(experiment, dataset, _beside(root))
    return _command(experiment, dataset, root, options | ({"rounds": rounds} if rounds else {}))


def _beside(root: Path) -> Path:
    """A folder that does not exist yet."""
    names = (root.with_name(f"{root.name}-{i}") for i in count(2))
    return next(path for path in names if not path.exists())


def _command(
    experiment: str, dataset: str, root: Path | None = None, options: Mapping[str, Any] = {}
) -> str:
    words = ["vral", "reproduce", experiment]
    if experiment in EXPERIMENTS and dataset != HOME_DATASET:
        words += ["--dataset", dataset]
    for name, value in options.items():
        words += [option_name(name), str(value)]
    if root is not None:
        words += ["--out", str(root)]
    return shlex.join(words)


# ---- without chance ----------------------------------------------------------------------------

NO_SETTINGS = ("--out", "--animate", "--threads")
"""Options that do not change the numbers."""


def _without_chance(root: Path, experiment: str) -> Iterator[Verdict | Unjudged]:
    numbers, settings = readings.read_measured(root), _given(root, experiment)
    command = _command(experiment, "", _beside(root) if settings else root)
    for claim in _claims(experiment):
        try:
            verdict = judge_number(claim, claim.test(numbers), root)
        except NotRun as missing:
            yield Unjudged(claim, claim.datasets[0], str(missing), command)
        else:
            yield replace(verdict, settings=settings)


def _given(root: Path, experiment: str) -> tuple[str, ...]:
    """The settings that the folder's last command was given."""
    _, commands = read_marker(root)
    words = shlex.split(commands[-1]) if commands else []
    if words[:2] != ["reproduce", experiment]:
        return ()
    kept, rest = [], words[2:]
    while rest:
        word = rest.pop(0)
        if word.partition("=")[0] not in NO_SETTINGS:
            kept.append(word)
        elif "=" not in word:
            rest.pop(0)
    return (shlex.join(kept),) if kept else ()


def judge_claim(claim: Claim, found: Evidence, dataset: str, root: Path) -> Verdict:
    """The verdict on one claim; raises NotRun where ``found`` lacks something.

    The subject is the first arm at the first ratio. Whatever else the test reads is what it is
    compared with, the subject at other ratios included.
    """
    subject, *others = claim.arms
    first, *rest = claim.ratios
    compared = found.diverged_seeds(others, claim.ratios) | found.diverged_seeds([subject], rest)
    return judge(
        claim,
        claim.test(found),
        dataset,
        root,
        found.diverged_seeds([subject], [first]),
        compared,
    )
