"""Checkpoints made of plain dictionaries."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from vral.data.draws import DrawStream
from vral.errors import FolderError, corrupt_file
from vral.files import replace_file
from vral.train.state import Clock, TrainState
from vral.types import map_tensors

CONTENT = {"identity", "profile", "opt", "stream", "clock", "diverged"}


def save(
    path: Path,
    identity: str,
    state: TrainState,
    stream: DrawStream,
    clock: Clock,
    diverged: list,
) -> None:
    """Everything that a bit-exact continuation from the end of a round needs.

    ``identity`` is that of the run: equal where the settings that decide the trajectory are.
    """
    content = {
        "identity": identity,
        "profile": state.profile,
        "opt": state.opt,
        "stream": stream.state(),
        "clock": vars(clock),
        "diverged": diverged,
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with replace_file(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def load(path: Path, identity: str, device: torch.device) -> dict[str, Any]:
    """Read the checkpoint of the run ``identity``; generator states stay on the CPU.

    Raises FolderError where it is corrupt, where it is from before checkpoints held an identity,
    and where it is another run's. The archive's own checksums tell a flipped bit.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        content = None if damaged else torch.load(path, weights_only=True, map_location="cpu")
    except (OSError, RuntimeError, EOFError, zipfile.BadZipFile, pickle.UnpicklingError):
        content = None
    if not isinstance(content, dict) or set(content) != CONTENT:
        raise corrupt_file(path, "is corrupt or of an earlier version, so the run cannot continue")
    if content["identity"] != identity:
        raise FolderError(
            f"{path} belongs to another run: it was trained with other settings than run.json "
            "says; restore one of them, move the run's folder aside, or name another folder"
        )

    for name in ("profile", "opt"):
        content[name] = map_tensors(lambda t: t.to(device), content[name])
    return content
