"""The ledger: every claim that the given studies can judge, and those they cannot."""

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from vral.claims import evidence
from vral.claims.catalogue import CLAIMS, claims_of
from vral.claims.evidence import Evidence, NotRunError, NotTestableError, shortfall
from vral.claims.primary import as_families
from vral.claims.quantities import last
from vral.claims.verdict import (
    COMPETENT,
    FEWEST_SEEDS,
    Claim,
    Need,
    Verdict,
    judge,
    judge_number,
)
from vral.errors import FolderError
from vral.study import frames
from vral.study.config import RunConfig, option_name, with_defaults
from vral.study.experiments import EXPERIMENTS, Experiment
from vral.study.folders import read_marker
from vral.study.methods import label
from vral.study.numbers import how_many

HOME_DATASET = RunConfig.model_fields["dataset"].default
"""The data set of a command that names none."""


@dataclass(frozen=True)
class Unjudged:
    """A claim that is still open, and the command that would let it be judged."""

    claim: Claim
    dataset: str
    reason: str
    command: str
    seeds: int = 0
    """How many seeds the study has, where these are too few for a verdict."""
    not_testable: bool = False
    """Whether it has been run, and what it compares with has learned nothing."""
    given: bool = True
    """Whether there was a study of its experiment."""


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
    _refuse_copies(studies)
    verdicts: list[Verdict] = []
    still_open: list[Unjudged] = []
    for root, experiment in studies.items():
        judged = _over_seeds if experiment in EXPERIMENTS else _without_chance
        for entry in judged(root, experiment):
            if isinstance(entry, Verdict):
                verdicts.append(entry)
            else:
                still_open.append(entry)
    order = list(CLAIMS)
    verdicts.sort(key=lambda verdict: order.index(verdict.claim.id))
    touched = {entry.claim.id for entry in (*verdicts, *still_open)}
    for claim in CLAIMS.values():
        if claim.id not in touched and not claim.retired:
            reason = "no study of it was given"
            for dataset in claim.datasets or EXPERIMENTS[claim.experiment].datasets[:1]:
                command = command_of(claim.experiment, dataset)
                still_open.append(Unjudged(claim, dataset, reason, command, given=False))
    return as_families(verdicts), still_open


def _refuse_copies(studies: Mapping[Path, str]) -> None:
    """Raise FolderError where two studies hold one run, which would be judged twice."""
    seen: list[tuple[Path, str, Mapping[str, Any]]] = []
    for root, experiment in studies.items():
        here = [report for _, report in frames.runs(root)]
        for report in here:
            for other, of, known in seen:
                if of == experiment and frames.same_run(known, report):
                    raise FolderError(
                        f"STUDY: {other} and {root} given, which hold the same run; allowed: a "
                        "study, or its copy"
                    )
        seen += [(root, experiment, report) for report in here]


def experiment_of(root: Path) -> str:
    """The experiment that the study in ``root`` belongs to.

    Raises FolderError where the folder holds no study of a known experiment, or a corrupt one.
    """
    marker = root / "study.json"
    if not marker.is_file():
        runs = sum(1 for _ in root.rglob("run.json"))
        studies = sum(1 for _ in root.glob("*/study.json"))
        if studies:
            raise FolderError(
                f"STUDY: {root} given, which is no study but holds "
                f"{how_many(studies, 'study', 'studies')}; allowed: these, such as {root}/*"
            )
        holds = f"{how_many(runs, 'run')} and no study" if runs else "no study.json"
        raise FolderError(
            f"STUDY: {root} given, which holds {holds}; "
            "allowed: folders that vral reproduce has written"
            + ", as there is nothing to judge in a run by itself (vral report draws it)"
            * bool(runs)
        )
    name, _ = read_marker(root)
    known = list(dict.fromkeys([*EXPERIMENTS, *(c.experiment for c in CLAIMS.values())]))
    if name not in known:
        raise FolderError(
            f"STUDY: {root} holds the experiment {name!r}; allowed: {', '.join(known)}"
        )
    return name


# ---- over seeds --------------------------------------------------------------------------------


def judge_claim(claim: Claim, recorded: Evidence, dataset: str, root: Path) -> Verdict:
    """The verdict on one claim; raises NotRunError where the evidence lacks something.

    The subject is the first arm at the first ratio. Whatever else the test reads is what it is
    compared with, the subject at other ratios included.
    """
    subject, *others = claim.arms
    first, *rest = claim.ratios
    return judge(
        claim,
        claim.test(recorded),
        dataset,
        root,
        subject_diverged=recorded.diverged_seeds([subject], [first]),
        others_diverged=recorded.diverged_seeds(others, claim.ratios)
        | recorded.diverged_seeds([subject], rest),
    )


def require_competence(claim: Claim, recorded: Evidence, dataset: str) -> None:
    """Raise NotTestableError where a G that the claim is about has learned nothing on ``dataset``.

    A quotient of two failures says nothing, so such a claim is not testable in this study. A seed
    that diverged counts as 0.
    """
    competent = (Need(*pair, "coverage", COMPETENT) for pair in claim.competent)
    for need in (*competent, *claim.needs):
        if dataset not in need.not_on and (lacking := _lacking(need, recorded)):
            raise NotTestableError(f"not testable: {lacking}")
    found = [_lacking(need, recorded) for need in claim.one_of]
    if found and all(found):
        raise NotTestableError(f"not testable: {'; '.join(found)}")


def _lacking(need: Need, recorded: Evidence) -> str:
    """What ``need`` asks for and how little there is; empty where it holds.

    Raises NotRunError where its arm lacks seeds.
    """
    values = list(last(need.arm, need.column, need.ratio)(recorded).values())
    if len(values) < FEWEST_SEEDS:
        raise NotRunError(f"{label(need.arm)} at {need.ratio}:1, its gate, has {_few(len(values))}")
    what = f"the median {need.column} of {label(need.arm)} at {need.ratio}:1"
    return shortfall(what, values, need.least)


def _over_seeds(root: Path, experiment: str) -> Iterator[Verdict | Unjudged]:
    """Every claim of a study over seeds, on each of its data sets."""
    for dataset in sorted({report["config"]["dataset"] for _, report in frames.runs(root)}):
        recorded = evidence.read(root, dataset)
        changed = list(changed_settings(EXPERIMENTS[experiment], _configs(root, [dataset])))
        for claim in claims_of(experiment):
            if claim.datasets and dataset not in claim.datasets:
                continue
            try:
                recorded.require_one_measure(claim.arms, claim.ratios)
                verdict = judge_claim(claim, recorded, dataset, root)
                if verdict.seeds >= FEWEST_SEEDS:
                    require_competence(claim, recorded, dataset)
            except NotRunError as missing:
                command = _continuing(root, experiment, dataset)
                hopeless = isinstance(missing, NotTestableError)
                yield Unjudged(claim, dataset, str(missing), command, not_testable=hopeless)
                continue
            if verdict.seeds < FEWEST_SEEDS:
                command = _continuing(root, experiment, dataset)
                yield Unjudged(claim, dataset, _few(verdict.seeds), command, verdict.seeds)
                continue
            yield replace(verdict, settings=other_settings(claim, changed))


def _few(seeds: int) -> str:
    """Why a study of so many seeds has no verdict."""
    return f"{seeds} of the {FEWEST_SEEDS} seeds that a verdict needs"


Changes = dict[str, tuple[Any, Any]]
"""Setting to (the experiment's value, the run's value)."""


def changed_settings(
    row: Experiment, configs: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[tuple[str, str], Changes]]:
    """(arm, ratio) of every run with one of ``configs`` and an arm of the experiment ``row``.

    With it the settings that differ from the experiment's.
    """
    arms = {arm.name: arm for arm in row.arms}
    for config in configs:
        place = frames.coordinates(config)
        if place["method"] in arms:
            usual = row.config(arms[place["method"]], place["ratio"], place["dataset"])
            yield (place["method"], place["ratio"]), changes(usual, with_defaults(config))


def _configs(root: Path, datasets: Collection[str]) -> list[dict[str, Any]]:
    """The configurations of the runs under ``root`` on these data sets."""
    reports = (report for _, report in frames.runs(root))
    return [r["config"] for r in reports if r["config"]["dataset"] in datasets]


def changes(usual: RunConfig, actual: Mapping[str, Any]) -> Changes:
    """The settings in which a run differs from the experiment's ``usual`` one, seeds apart."""
    return {
        name: (value, actual.get(name))
        for name, value in usual.model_dump(mode="json").items()
        if value != actual.get(name)
        and name != "seeds"
        and not (name in ("record_every", "probe_every") and value == 0)
    }


def other_settings(
    claim: Claim, changed: Iterable[tuple[tuple[str, str], Changes]]
) -> tuple[str, ...]:
    """What a verdict says of the ``changed`` settings of the runs that ``claim`` reads."""
    texts = [
        f"{option_name(name)} {value} (not {usual})"
        for (arm, ratio), settings in changed
        if arm in claim.arms and ratio in claim.ratios
        for name, (usual, value) in settings.items()
    ]
    return tuple(dict.fromkeys(texts))


def _continuing(root: Path, experiment: str, dataset: str) -> str:
    """A command that continues the study in ``root``, with the settings of its runs.

    Where its runs differ from each other, or in what makes an arm, no command can continue it; the
    command then names another folder.
    """
    row = EXPERIMENTS[experiment]
    datasets = row.datasets if dataset == HOME_DATASET else (dataset,)
    by_run: list[dict[str, Any]] = []
    rounds = 0
    for _, differing in changed_settings(row, _configs(root, datasets)):
        settings = {name: value for name, (_, value) in differing.items()}
        usual, actual = differing.get("rounds", (0, 0))
        rounds = max(rounds, actual if actual > usual else 0)  # a run can be lengthened, not cut
        settings.pop("rounds", None)
        by_run.append(settings)
    options = by_run[0] if by_run else {}
    makes_an_arm = {name for arm in row.arms for name in arm.settings}
    if any(settings != options for settings in by_run) or options.keys() & makes_an_arm:
        return command_of(experiment, dataset, _new_folder(root))
    return command_of(experiment, dataset, root, options | ({"rounds": rounds} if rounds else {}))


def _new_folder(root: Path) -> Path:
    """A folder next to ``root`` that does not exist yet."""
    names = (root.with_name(f"{root.name}-{i}") for i in count(2))
    return next(path for path in names if not path.exists())


def command_of(
    experiment: str, dataset: str, root: Path | None = None, options: Mapping[str, Any] = {}
) -> str:
    """The ``vral reproduce`` command as one would type it.

    It names the data set where the command would leave it out, or train on others too.
    """
    words = ["vral", "reproduce", experiment]
    usual = EXPERIMENTS[experiment].datasets if experiment in EXPERIMENTS else (dataset,)
    if dataset not in usual or (len(usual) > 1 and dataset != HOME_DATASET):
        words += ["--dataset", dataset]
    for name, value in options.items():
        words += [option_name(name), str(value)]
    if root is not None:
        words += ["--out", str(root)]
    return shlex.join(words)


# ---- without chance ----------------------------------------------------------------------------

CHANGES_NO_NUMBER = ("--out", "--animate", "--threads")
"""Options of a deterministic command that leave its numbers as they are."""


def _without_chance(root: Path, experiment: str) -> Iterator[Verdict | Unjudged]:
    """Every claim of a study that is judged on ``measured.csv`` alone, be it over seeds or not."""
    numbers, settings = evidence.read_numbers(root), _settings_given(root, experiment)
    command = command_of(experiment, "", _new_folder(root) if settings else root)
    for claim in claims_of(experiment):
        dataset = claim.datasets[0]
        try:
            if claim.kind == "deterministic":
                verdict = judge_number(claim, claim.test(numbers), root)
            else:
                verdict = judge(claim, claim.test(numbers), dataset, root)
        except NotRunError as missing:
            hopeless = isinstance(missing, NotTestableError)
            yield Unjudged(claim, dataset, str(missing), command, not_testable=hopeless)
            continue
        if claim.kind != "deterministic" and verdict.seeds < FEWEST_SEEDS:
            yield Unjudged(claim, dataset, _few(verdict.seeds), command, verdict.seeds)
            continue
        yield replace(verdict, settings=settings)


def _settings_given(root: Path, experiment: str) -> tuple[str, ...]:
    """The options of the folder's last command that can change its numbers, as one text."""
    _, commands = read_marker(root)
    words = shlex.split(commands[-1]) if commands else []
    if words[:2] != ["reproduce", experiment]:
        return ()
    settings, rest = [], words[2:]
    while rest:
        word = rest.pop(0)
        if word.partition("=")[0] not in CHANGES_NO_NUMBER:
            settings.append(word)
        elif "=" not in word:
            rest.pop(0)
    return (shlex.join(settings),) if settings else ()
