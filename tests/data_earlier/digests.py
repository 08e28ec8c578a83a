"""Print the digests of short runs as JSON; README.md says in which environment.

Called with FOLDER: trains every case of digests.json there. The digests are those of its records,
probes and end state (parameters and optimisers).
"""

import json
import sys
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import polars as pl
import torch

import vral.train.executor as executing
from vral.diagnostics import quality
from vral.study.config import resolve
from vral.study.machine import Execution
from vral.study.run import execute
from vral.train.compile import compile_program, traced

SETTINGS = {"dataset": "digits", "width": 12, "ratio": "3", "rounds": 2, "batch": 16}
RULES = {
    "rule-consensus2": ("vral-meta", {"rule": "consensus:gamma=3,draws=2"}),
    "rule-unrolled": ("vral-meta", {"rule": "unrolled:steps=2,lr=0.01"}),
}
"""Case to its method and settings; a case that is no key is a method with its own settings."""


def tensors(tree: Any) -> Iterator[torch.Tensor]:
    """The leaves of nested dicts, in the order of their keys."""
    if isinstance(tree, torch.Tensor):
        yield tree
    elif isinstance(tree, dict):
        for key in sorted(tree):
            yield from tensors(tree[key])


ADDED_SINCE = {"variance_share"}
"""Readings that the version which wrote digests.json did not have."""


def digest_of_table(folder: Path) -> str:
    """Of all values of a folder of parquet parts, column by column, but for ADDED_SINCE."""
    parts = [pl.read_parquet(part) for part in sorted(folder.glob("*.parquet"))]
    table, digest = pl.concat(parts, how="diagonal_relaxed"), blake2b(digest_size=12)
    for column in sorted(set(table.columns) - ADDED_SINCE):
        digest.update(column.encode())
        digest.update(json.dumps([repr(value) for value in table[column].to_list()]).encode())
    return digest.hexdigest()


def digest_of_state(checkpoint: Path) -> str:
    """Of parameters and optimisers."""
    saved, digest = torch.load(checkpoint, weights_only=True), blake2b(digest_size=12)
    for tensor in tensors({"p": saved["profile"], "o": saved["opt"]}):
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def digests_of(case: str, folder: Path) -> dict[str, str]:
    """Train ``method or rule|lanes|plain or traced`` in ``folder``."""
    name, lanes, mode = case.split("|")
    method, settings = RULES.get(name, (name, {}))
    config = resolve(method, {**SETTINGS, "seeds": tuple(range(int(lanes))), **settings})
    execution = Execution("cpu", compile="on" if mode == "traced" else "off")
    report = execute(config, folder, execution)
    if (report["status"], report["mode"]["compiled"]) != ("finished", mode == "traced"):
        raise SystemExit(f"{case} ended {report['status']} in mode {report['mode']}")
    return {
        "records": digest_of_table(folder / "records"),
        "probes": digest_of_table(folder / "probes"),
        "state": digest_of_state(folder / "checkpoint.pt"),
    }


if __name__ == "__main__":
    quality.SHIPPED = Path(sys.argv[1]) / "none"  # The version before trained its classifier.
    executing.compile_program = lambda run, state, draws: compile_program(run, state, draws, traced)
    known = json.loads(Path(__file__).with_name("digests.json").read_text(encoding="utf-8"))
    folder = Path(sys.argv[1])
    found = {case: digests_of(case, folder / str(i)) for i, case in enumerate(known["digests"])}
    print(json.dumps(found))
