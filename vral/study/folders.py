"""The folders of runs and studies: their names, markers and locks."""

import fcntl
import json
import os
import shlex
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vral.errors import FolderError, corrupt_file
from vral.files import replace_file
from vral.study.config import RunConfig
from vral.study.upgrade import upgrade
from vral.train.records import is_manifest

STUDY = ("experiment", "commands")
"""Keys of study.json: the name of its experiment, and every command that was given for it."""


def folder_name(config: RunConfig) -> Path:
    """method=…/ratio=…/dataset=…/seeds=…, which a parquet reader takes for columns."""
    seeds = list(config.seeds)
    spanned = list(range(seeds[0], seeds[-1] + 1))
    text = (
        f"{seeds[0]}-{seeds[-1]}"
        if len(seeds) > 1 and seeds == spanned
        else ",".join(map(str, seeds))
    )
    return Path(
        f"method={config.arm}",
        f"ratio={config.ratio.replace(':', '-')}",
        f"dataset={config.dataset}",
        f"seeds={text}",
    )


def read_json(path: Path, needed: Collection[str]) -> dict[str, Any]:
    """The JSON object in ``path``; raises FolderError where it lacks one of the keys ``needed``."""
    try:
        content = json.loads(path.read_text())
    except (ValueError, OSError):
        content = None
    if isinstance(content, dict) and content.keys() >= set(needed):
        return content
    raise corrupt_file(path)


def read_marker(root: Path) -> tuple[str, list[str]]:
    """The experiment and the commands of a study's study.json; FolderError where it is corrupt."""
    marker = root / "study.json"
    content = read_json(marker, STUDY)
    experiment, commands = content["experiment"], content["commands"]
    if not isinstance(commands, list) or not isinstance(experiment, str):
        raise corrupt_file(marker)
    if not all(isinstance(command, str) for command in commands):
        raise corrupt_file(marker)
    return experiment, commands


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write ``content`` whole or not at all."""
    with replace_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def make_folder(folder: Path, mark: str, option: str = "--out") -> None:
    """Create ``folder``, or accept one that holds the file ``mark``.

    Raises FolderError where it cannot be written or holds files that are not vral's.
    """
    refuse_foreign(folder, mark, option)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{os.getpid()}.tmp"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise FolderError(f"{option}: cannot write to {folder}: {error.strerror}") from None


def refuse_foreign(folder: Path, mark: str, option: str = "--out") -> None:
    """Raises FolderError where ``folder`` is a file, or not empty and without the file ``mark``."""
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir():
        raise FolderError(f"{option}: cannot write to {folder}: {nearest} is a file")
    if folder != nearest or (folder / mark).exists():
        return
    try:
        foreign = any(not _left_by_a_start(path, mark) for path in folder.iterdir())
    except OSError as error:
        raise FolderError(f"{option}: cannot read {folder}: {error.strerror}") from None
    if foreign:
        raise FolderError(
            f"{option}: {folder} is not empty and holds no {mark}, so it is not vral's; "
            "name an empty or a new folder"
        )


def _left_by_a_start(path: Path, mark: str) -> bool:
    """Whether a file is what a run that was killed in its first moments leaves behind."""
    return path.name == ".lock" or (path.name.startswith(f".{mark}.") and path.suffix == ".tmp")


def refuse_other_study(root: Path, experiment: str) -> None:
    """Raises FolderError where ``root`` holds another experiment or files that are not vral's."""
    refuse_foreign(root, "study.json")
    if (root / "study.json").exists():
        present, _ = read_marker(root)
        if present != experiment:
            raise FolderError(f"--out: {root} holds the experiment {present}; name another folder")


def note_command(root: Path, experiment: str) -> None:
    """Add this command to the study's study.json.

    Raises FolderError where the folder holds another experiment.
    """
    refuse_other_study(root, experiment)
    marker = root / "study.json"
    history = read_marker(root)[1] if marker.exists() else []
    commands = [*history, shlex.join(sys.argv[1:])]
    write_json(marker, dict(zip(STUDY, (experiment, commands), strict=True)))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Reserve the folder for this process; the lock ends with the process, however it ends.

    Raises FolderError where another process holds it.
    """
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise FolderError(
                f"--out: another process is writing to {folder}; wait for it or name another folder"
            ) from None
        yield


def read_run(folder: Path) -> dict[str, Any] | None:
    """The run.json of a folder, None where there is no run.

    Settings of rules are in today's form, whichever version recorded them; a run of an earlier
    version has no "manifest".
    """
    path = folder / "run.json"
    if not path.exists():
        return None
    report = read_json(path, ("config", "status", "rounds_done"))
    if not is_manifest(report.get("manifest", {})):
        raise corrupt_file(path, "is corrupt (its manifest is none)")
    return report | {"config": upgrade(report["config"])}
