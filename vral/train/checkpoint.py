"""Checkpoints made of plain dictionaries."""

from pathlib import Path
from typing import Any

import torch

from vral.data.draws import DrawStream
from vral.files import replace_file
from vral.train.state import Clock, TrainState


def save(path: Path, state: TrainState, stream: DrawStream, clock: Clock, diverged: list) -> None:
    """Everything that a bit-exact continuation from the end of a round needs."""
    content = {
        "profile": state.profile,
        "opt": state.opt,
        "stream": stream.state(),
        "clock": vars(clock),
        "diverged": diverged,
    }
    with replace_file(path) as temporary:
        torch.save(content, temporary)


def load(path: Path, device: torch.device) -> dict[str, Any]:
    """Read a checkpoint; optimiser counters and generator states stay on the CPU."""
    content = torch.load(path, weights_only=True, map_location="cpu")

    def place(tree: Any) -> Any:
        if isinstance(tree, dict):
            return {k: v if k == "count" else place(v) for k, v in tree.items()}
        return tree.to(device)

    content["profile"], content["opt"] = place(content["profile"]), place(content["opt"])
    return content
