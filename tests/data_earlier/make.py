"""Make vral-meta.tar.xz with the version before (commit ad47995); README.md gives the command."""

import dataclasses
import json
import shutil
import sys
import tarfile
from pathlib import Path

import torch
from vral.config import resolve
from vral.run import Execution, execute

SETTINGS = {
    "dataset": "ring",
    "width": 4,
    "batch": 8,
    "seeds": (0, 1),
    "ratio": "2",
    "rounds": 6,
    "probe_every": 4,
    "beta1": 0.4,
    "lr_meta": 0.01,
}


class FewSamples(Execution):
    """Probes of 20 samples instead of 2000 keep the archive small."""

    def load(self, dataset):
        return dataclasses.replace(super().load(dataset), probe_size=20)


def train(folder: Path, until: int) -> None:
    config = resolve("vral-meta", SETTINGS)
    rounds = iter(range(1, 100))
    execute(config, folder, FewSamples(compile="off"), stop=lambda: next(rounds) >= until)


root = Path(sys.argv[1])
train(root / "stopped", 3)
shutil.copytree(root / "stopped", root / "continued")
train(root / "continued", 3)
profile = torch.load(root / "continued" / "checkpoint.pt")["profile"]
listed = {player: {k: v.tolist() for k, v in params.items()} for player, params in profile.items()}
(root / "profile.json").write_text(json.dumps(listed))
with tarfile.open(root / "vral-meta.tar.xz", "w:xz", preset=9) as archive:
    archive.add(root / "stopped", "stopped")
    for part in sorted((root / "continued" / "records").iterdir())[2:]:
        archive.add(part, f"continued/{part.name}")
    archive.add(root / "profile.json", "profile.json")
