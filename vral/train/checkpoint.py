"""Checkpoints made of plain dictionaries."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from vral.data.draws import DrawStream
from vral.errors import FolderError, corrupt_file
from vral.files import read_file, write_bytes
from vral.train.records import Manifest
from vral.train.state import Clock, TrainState
from vral.types import map_tensors

CONTENT = {"identity", "profile", "opt", "averages", "stream", "clock", "diverged", "manifest"}
LATER = {"averages", "manifest"}
"""What earlier versions did not write."""

DAMAGE = (RuntimeError, ValueError, EOFError, zipfile.BadZipFile, pickle.UnpicklingError)
"""What readers of archives raise where bytes are wrong."""


def save(
    path: Path,
    identity: str,
    state: TrainState,
    stream: DrawStream,
    clock: Clock,
    diverged: list,
    manifest: Manifest,
) -> None:
    """Everything that a bit-exact continuation from the end of a round needs.

    ``identity`` is that of the run: equal where the settings that decide the trajectory are.
    """
    content = {
        "identity": identity,
        "profile": state.profile,
        "opt": state.opt,
        "averages": state.averages,
        "stream": stream.state(),
        "clock": vars(clock),
        "diverged": diverged,
        "manifest": manifest,
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_bytes(path, buffer.getvalue())


def load(path: Path, identity: str, device: torch.device) -> dict[str, Any]:
    """Read the checkpoint of the run ``identity``; generator states stay on the CPU.

    "manifest" is None and "averages" empty in one of an earlier version. Raises FolderError where
    it is corrupt, where it is from before checkpoints held an identity, and where it is another
    run's. The archive's own checksums tell a flipped bit.
    """
    content = _unpacked(read_file(path))
    if not isinstance(content, dict) or not CONTENT - LATER <= set(content) <= CONTENT:
        raise corrupt_file(path, "is corrupt or of an earlier version, so the run cannot continue")
    if content["identity"] != identity:
        raise FolderError(
            f"{path} belongs to another run: it was trained with other settings than run.json "
            "says; restore one of them, move the run's folder aside, or name another folder"
        )

    content.setdefault("manifest", None)
    content.setdefault("averages", {})
    for name in ("profile", "opt", "averages"):
        content[name] = map_tensors(lambda t: t.to(device), content[name])
    return content


def _unpacked(archive: bytes) -> Any:
    """What ``save`` has put into an archive; None where it is damaged."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as members:
            damaged = members.testzip()
        return None if damaged else torch.load(io.BytesIO(archive), "cpu", weights_only=True)
    except DAMAGE:
        return None
