"""The ledger: every claim that the given studies can judge, and those they cannot."""

import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from vral import study
from vral.claims import readings
from vral.claims.catalogue import CLAIMS
from vral.claims.readings import NotRun, Readings
from vral.claims.verdict import Claim, Verdict, as_family, judge, judge_number
from vral.config import RunConfig
from vral.errors import FolderError
from vral.run import read_json

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
    studies = {root: _experiment(root) for root in distinct}
    verdicts, open_claims = [], []
    for root, experiment in studies.items():
        claims = [claim for claim in CLAIMS.values() if claim.experiment == experiment]
        computed = [claim for claim in claims if claim.kind == "deterministic"]
        numbers = readings.read_measured(root) if computed else {}
        for claim in computed:
            try:
                verdicts.append(judge_number(claim, claim.test(numbers), root))
            except NotRun as missing:
                command = _command(experiment, HOME_DATASET, root)
                open_claims.append(Unjudged(claim, claim.datasets[0], str(missing), command))
        for dataset in _datasets(root):
            found = readings.read(root, dataset)
            for claim in claims:
                if claim in computed or (claim.datasets and dataset not in claim.datasets):
                    continue
                try:
                    verdicts.append(judge_claim(claim, found, dataset, root))
                except NotRun as missing:
                    command = _command(experiment, dataset, root)
                    open_claims.append(Unjudged(claim, dataset, str(missing), command))
    order = list(CLAIMS)
    verdicts.sort(key=lambda verdict: order.index(verdict.claim.id))
    touched = {entry.claim.id for entry in (*verdicts, *open_claims)}
    for claim in CLAIMS.values():
        if claim.id not in touched:
            reason = "no study of it was given"
            for dataset in claim.datasets or (HOME_DATASET,):
                drawn = HOME_DATASET if claim.kind == "deterministic" else dataset
                command = _command(claim.experiment, drawn)
                open_claims.append(Unjudged(claim, dataset, reason, command))
    return as_family(verdicts), open_claims


def _experiment(root: Path) -> str:
    marker = root / "study.json"
    if not marker.is_file():
        raise FolderError(
            f"STUDY: {root} given, which holds no study.json; "
            "allowed: folders that vral reproduce has written"
        )
    return read_json(marker, ["experiment"])["experiment"]


def _datasets(root: Path) -> Iterator[str]:
    return iter(sorted({report["config"]["dataset"] for _, report in study.runs(root)}))


def _command(experiment: str, dataset: str, root: Path | None = None) -> str:
    words = ["vral", "reproduce", experiment]
    if dataset != HOME_DATASET:
        words += ["--dataset", dataset]
    if root is not None:
        words += ["--out", str(root)]
    return shlex.join(words)


def judge_claim(claim: Claim, found: Readings, dataset: str, root: Path) -> Verdict:
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
