"""The folders of runs and studies: their names, markers and locks."""

import fcntl
import hashlib
import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    create_model,
)
from pydantic.fields import FieldInfo

from vral.errors import FolderError, corrupt_file
from vral.files import is_temporary, read_file, refuse_links, write_bytes
from vral.study.config import RunConfig, differences
from vral.study.upgrade import upgrade
from vral.train.records import CHANGED, is_manifest
from vral.train.schedule import Ratio

STUDY = {"experiment": str, "commands": list}
"""Keys of study.json: the name of its experiment, and every command that was given for it."""


CHECKSUM = "sha256"
"""Key of a JSON file's own checksum."""


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


def read_json(path: Path, needed: Mapping[str, type]) -> dict[str, Any]:
    """The JSON object in ``path``, without its checksum.

    Raises FolderError where it cannot be read, where it was changed since ``write_json`` wrote it,
    and where it lacks one of the keys ``needed`` or holds a value of another type there. A file of
    an earlier version has no checksum.
    """
    try:
        content = json.loads(read_file(path))
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict) and CHECKSUM in content:
        checksum = content.pop(CHECKSUM)
        if checksum != _checksum(content):
            raise corrupt_file(path, CHANGED)
    if isinstance(content, dict) and all(
        name in content and isinstance(content[name], kind) for name, kind in needed.items()
    ):
        return content
    raise corrupt_file(path)


def _checksum(content: Mapping[str, Any]) -> str:
    """The SHA-256 of ``content`` as JSON with sorted keys, without spaces and in ASCII."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read_marker(root: Path) -> tuple[str, list[str]]:
    """The experiment and the commands of a study's study.json; FolderError where it is corrupt."""
    marker = root / "study.json"
    content = read_json(marker, STUDY)
    experiment, commands = content["experiment"], content["commands"]
    if not all(isinstance(command, str) for command in commands):
        raise corrupt_file(marker)
    return experiment, commands


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write ``content`` with a checksum, whole or not at all.

    A byte of a path that is no UTF-8 is a lone surrogate in Python; its escape is JSON too.
    """
    read = json.loads(json.dumps(content))  # As it will be read: keys are strings there.
    read.pop(CHECKSUM, None)
    read[CHECKSUM] = _checksum(read)
    text = json.dumps(read, indent=1, ensure_ascii=False) + "\n"
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def keep_setup(root: Path, setup: Mapping[str, Any]) -> None:
    """Write what decides a study's numbers into its folder, as setup.json.

    Raises FolderError where the folder holds another setup.
    """
    path = root / "setup.json"
    if path.exists():
        changed = differences(read_json(path, dict.fromkeys(setup, object)), setup)
        if changed:
            raise FolderError(
                f"--out: {root} holds another setup ({'; '.join(changed)}); take that, or name "
                "another folder"
            )
    write_json(path, setup)


def make_folder(folder: Path, mark: str, option: str = "--out") -> None:
    """Create ``folder``, or accept one that holds the file ``mark``.

    Raises FolderError where it cannot be written, or holds files that are not vral's or links that
    would lead what is written elsewhere. The folder itself and the folders of a study's runs may be
    links.
    """
    refuse_foreign(folder, mark, option)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        entries = [path for path in folder.iterdir() if "=" not in path.name]
    except OSError as error:
        raise FolderError(f"{option}: cannot write to {folder}: {error.strerror}") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FolderError(f"{option}: cannot write to {folder}: it is read-only for you")
    for path in entries:
        if not path.is_dir() or path.is_symlink():
            refuse_links(path)


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
    return path.name == ".lock" or is_temporary(path, mark)


def refuse_other_study(root: Path, experiment: str, option: str = "--out") -> None:
    """Raises FolderError where ``root`` holds another experiment or files that are not vral's."""
    refuse_foreign(root, "study.json", option)
    if (root / "study.json").exists():
        present, _ = read_marker(root)
        if present != experiment:
            raise FolderError(
                f"{option}: {root} holds the experiment {present}; name another folder"
            )


def note_command(root: Path, experiment: str) -> None:
    """Add this command to the study's study.json.

    Raises FolderError where the folder holds another experiment.
    """
    refuse_other_study(root, experiment)
    history = read_marker(root)[1] if (root / "study.json").exists() else []
    write_marker(root, experiment, [*history, shlex.join(sys.argv[1:])])


def write_marker(root: Path, experiment: str, commands: Sequence[str]) -> None:
    """Write study.json: the study's experiment, and every command that was given for it."""
    write_json(root / "study.json", dict(zip(STUDY, (experiment, list(commands)), strict=True)))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Reserve the folder for this process; the lock ends with the process, however it ends.

    Raises FolderError where another process holds it, and where it cannot be made.
    """
    path = folder / ".lock"
    refuse_links(path)
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        raise FolderError(f"--out: cannot write to {folder}: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise FolderError(
            f"--out: another process is writing to {folder}; wait for it or name another folder"
        ) from None
    except OSError as error:
        os.close(lock)
        raise FolderError(f"--out: cannot lock {folder}: {error.strerror}") from None
    try:
        yield
    finally:
        os.close(lock)


class _Divergence(BaseModel):
    """One entry of "diverged" in run.json."""

    model_config = ConfigDict(strict=True)
    seed: int
    d_update: int
    reading: str
    value: str


class _Note(BaseModel):
    model_config = ConfigDict(strict=True)
    seed: NonNegativeInt
    what: str
    reading: str
    value: float
    d_update: NonNegativeInt


ENDED = ("finished", "diverged")
"""The statuses of runs that go on no further."""


class _Report(BaseModel):
    """The types of what is read from run.json."""

    model_config = ConfigDict(strict=True)
    config: dict[str, Any]
    status: str
    rounds_done: NonNegativeInt
    diverged: list[_Divergence] = []
    notes: list[_Note] | None = None
    """None in a run of an earlier version, and in one under way."""
    quality: dict[str, float | None] = {}
    machine: dict[str, Any] = {}
    mode: dict[str, Any] = {}
    seconds: NonNegativeFloat = 0.0


def _type_of(field: FieldInfo) -> Any:
    """The type of a setting, without bounds and choices, which may differ in another version."""
    if get_origin(field.annotation) is tuple:
        return Annotated[list[int], Field(min_length=1)]
    return field.annotation if field.annotation in (int, float) else str


NEEDED = ("method", "ratio", "dataset", "seeds", "rounds", "batch")
"""Settings that every run.json holds."""

_types: Any = {
    name: (_type_of(field), ... if name in NEEDED else None)
    for name, field in RunConfig.model_fields.items()
}
_Settings = create_model("_Settings", __config__=ConfigDict(strict=True), **_types)


def read_run(folder: Path) -> dict[str, Any] | None:
    """The run.json of a folder, None where there is no run.

    Settings of rules are in today's form, whichever version recorded them; a run of an earlier
    version has no "manifest". Raises FolderError where the file cannot be read, or holds values of
    other types than a run's.
    """
    path = folder / "run.json"
    if not os.path.lexists(path):
        return None
    report = read_json(path, {"config": dict, "status": str, "rounds_done": int})
    try:
        _Report.model_validate(report)
        config = upgrade(report["config"])
        _Settings.model_validate(config)
        Ratio.parse(config["ratio"])
    except (AttributeError, KeyError, TypeError, ValueError):  # pydantic's is a ValueError
        raise corrupt_file(path) from None
    if not is_manifest(report.get("manifest", {})):
        raise corrupt_file(path, "is corrupt (its manifest is none)")
    usual = {name: field.get_default() for name, field in _Report.model_fields.items()}
    return usual | report | {"config": config}
