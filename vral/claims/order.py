"""Which thresholds were written down before the runs that they judge, proved by git.

A verdict counts as registered where the commit that brought its claim's threshold and quantity, as
``git blame`` names it, is an ancestor of every commit that its runs were made with (``provenance``
in run.json, in the ``runs`` of a published about.json, or in provenance.json of a study without
runs), those of its gates included. A later line that repeats both, and only says more about them,
changes nothing. A run of changed files proves nothing. Gates (``verdict.COMPETENT``), the parts of
an answer and the code of a test lie outside the register: of them git alone knows the history.
"""

import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from vral.claims.catalogue import claims_of
from vral.claims.register import parse
from vral.errors import FolderError
from vral.study import frames
from vral.study.folders import ENDED, read_json, read_marker
from vral.study.provenance import PACKAGE, PROVENANCE, REGISTER

REPOSITORY = PACKAGE.parent
REGISTER_PATH = REGISTER.relative_to(REPOSITORY).as_posix()
ABOUT = "about.json"
"""Names the runs of a published study."""
UNCOMMITTED = "0" * 40
"""How git blame names what no commit holds yet."""
BLAMED = re.compile(r"([0-9a-f]{40}) \d+ \d+")
"""How ``git blame --line-porcelain`` begins what it says of a line."""

Cell = tuple[str, str]
"""(arm, ratio)."""
ALL: Cell = ("", "")
"""Stands for all of a study that has no runs."""


class UnprovenError(FolderError):
    """With which commit, or which clean files, the runs of a study were made cannot be seen."""


@dataclass(frozen=True)
class Order:
    """Whether one claim's threshold came before the runs of one study that judge it."""

    claim: str
    study: Path
    brought: str
    """The commit that brought the line in force; UNCOMMITTED where none has."""
    late: tuple[str, ...]
    """The commits of runs that lack it."""
    cells: tuple[Cell, ...] = ()
    """Whose runs these are: what it is about, what that is compared with, or a gate."""

    @property
    def registered(self) -> bool:
        return not self.late

    @property
    def reason(self) -> str:
        """Why it does not count as registered."""
        if self.brought == UNCOMMITTED:
            return "its line of the register has not been committed"
        runs = ", ".join(commit[:10] for commit in self.late)
        whose = ", ".join(f"{arm} at {ratio}" for arm, ratio in self.cells if arm)
        reason = f"{self.brought[:10]}, which brought its threshold, is no ancestor of {runs}"
        return f"{reason} ({whose})" if whose else reason


def order(root: Path, repository: Path = REPOSITORY) -> list[Order]:
    """The order for every claim of whose arms the study in ``root``, or published there, has runs.

    Runs that have not ended are left out, as from every verdict.

    Raises UnprovenError where a run names no commit, or one that the repository lacks, or was made
    from changed files; FolderError where there is no run, where git is missing, and where the
    repository is none or shallow.
    """
    experiment, runs = _provenances(root)
    lines = brought(repository)
    found = []
    for claim in claims_of(experiment):
        cells = [(arm, ratio) for arm in claim.arms for ratio in claim.ratios]
        gates = [*claim.competent, *((n.arm, n.ratio) for n in (*claim.needs, *claim.one_of))]
        played = all(any((arm, ratio) in runs for ratio in claim.ratios) for arm in claim.arms)
        if not played and ALL not in runs:
            continue
        made = {cell: runs[cell] for cell in (*cells, *gates, ALL) if cell in runs}
        if made:
            line = lines.get(claim.id, UNCOMMITTED)
            commits = sorted(set().union(*made.values()))
            late = [c for c in commits if not is_ancestor(line, c, repository)]
            whose = [cell for cell, its in made.items() if not its.isdisjoint(late)]
            found.append(Order(claim.id, root, line, tuple(late), tuple(whose)))
    return found


def brought(repository: Path = REPOSITORY) -> dict[str, str]:
    """The commit that brought what every claim in the repository's register asks for.

    It is that of the first of the claim's last lines that agree in threshold and quantity.
    """
    if _git(repository, "rev-parse", "--is-shallow-repository").strip() == "true":
        raise FolderError(
            f"--order: {repository} is a shallow clone, whose history ends early; "
            "allowed: a whole one (git fetch --unshallow)"
        )
    commits, rows = [], []
    for line in _git(repository, "blame", "--line-porcelain", "--", REGISTER_PATH).splitlines():
        if line.startswith("\t"):
            rows.append(line[1:])
        elif found := BLAMED.match(line):
            commits.append(found[1])
    # The first row is the heading.
    last: dict[str, tuple[tuple[str, str], str]] = {}
    for row, commit in zip(parse(rows), commits[1:], strict=True):
        asked = (row["threshold"], row["quantity"])
        if row["id"] not in last or last[row["id"]][0] != asked:
            last[row["id"]] = (asked, commit)
    return {name: commit for name, (_, commit) in last.items()}


def is_ancestor(line: str, commit: str, repository: Path = REPOSITORY) -> bool:
    """Whether ``commit`` has the commit ``line`` among its ancestors, or is it."""
    if line == UNCOMMITTED:
        return False
    return _is_ancestor(line, commit, repository)


@cache
def _is_ancestor(line: str, commit: str, repository: Path) -> bool:
    if _ran(repository, "cat-file", "-e", f"{commit}^{{commit}}").returncode:
        raise UnprovenError(
            f"{repository} lacks {commit[:10]}, the commit of a run; "
            "allowed: a repository that holds it (git fetch)"
        )
    return _ran(repository, "merge-base", "--is-ancestor", line, commit).returncode == 0


def _provenances(root: Path) -> tuple[str, dict[Cell, set[str]]]:
    """The experiment of a study, and the commits with which each of its cells was made."""
    runs: list[tuple[Cell, Sequence[Mapping[str, Any]], str]] = []
    if (root / "study.json").is_file():
        experiment, _ = read_marker(root)
        for folder, report in frames.runs(root):
            if report["status"] not in ENDED:
                continue
            place = frames.coordinates(report["config"])
            cell = (place["method"], place["ratio"])
            runs.append((cell, report.get("provenance") or (), str(folder)))
        if (path := root / PROVENANCE).exists():
            runs.append((ALL, read_json(path, {"provenance": list})["provenance"], str(path)))
    else:
        about = read_about(root)
        experiment = about["experiment"]
        if "provenance" in about:
            runs.append((ALL, about["provenance"], str(root / ABOUT)))
        for run in about.get("runs", ()):
            arm = run["method"] + f"+{run['variant']}" * bool(run.get("variant"))
            where = f"{root / ABOUT}, {arm} at {run['ratio']}"
            runs.append(((arm, run["ratio"]), run.get("provenance") or (), where))
    if not runs:
        raise FolderError(
            f"--order: {root} holds no run that has ended, so there is no order to prove"
        )
    cells: dict[Cell, set[str]] = defaultdict(set)
    for cell, starts, where in runs:
        commits: list[str] = [start["commit"] for start in starts if start.get("commit")]
        if not starts or len(commits) < len(starts):
            raise UnprovenError(
                f"{where} names no commit, so its order cannot be proved; allowed: runs "
                "made from a git checkout, by a version that notes it"
            )
        if any(start.get("changed") for start in starts):
            raise UnprovenError(
                f"{where} was made from files that no commit holds, so its order cannot "
                "be proved; allowed: runs made from a clean checkout"
            )
        cells[cell] |= set(commits)
    return experiment, dict(cells)


def read_about(root: Path) -> dict[str, Any]:
    """The about.json of a published study over seeds. Raises FolderError where it is none."""
    path = root / ABOUT
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        if (
            not all(run["method"] and run["ratio"] for run in about.get("runs", ()))
            or not about["experiment"]
            or not about.keys() & {"runs", "provenance"}
        ):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError):
        raise FolderError(
            f"STUDY: {root} given; allowed with --order: folders that vral reproduce has written, "
            f"or published ones whose {ABOUT} lists runs"
        ) from None
    return about


def _git(repository: Path, *arguments: str) -> str:
    ended = _ran(repository, *arguments)
    if ended.returncode:
        why = (ended.stderr.strip().splitlines() or ["git failed"])[-1]
        raise FolderError(
            f"--order: the register's history cannot be read in {repository} ({why}); "
            "allowed: vral in a git checkout of its own"
        )
    return ended.stdout


def _ran(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(repository), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        raise FolderError("--order: git did not run; allowed: where git is installed") from None
