"""Two rounds of some methods and rules, bit for bit what an earlier version computed.

``digests.json`` holds digests that version wrote (see the folder's README). A change that moves a
bit on purpose writes them anew, and says so in the changelog.
"""

import json
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

import vral.train.executor as executing
from vral.study.config import resolve
from vral.study.machine import Execution, machine
from vral.study.run import execute
from vral.train.compile import compile_program, traced

EARLIER = json.loads(
    (Path(__file__).parent.parent / "data_earlier" / "digests.json").read_text(encoding="utf-8")
)
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


def digest_of_table(folder: Path) -> str:
    parts = [pl.read_parquet(part) for part in sorted(folder.glob("*.parquet"))]
    table, digest = pl.concat(parts, how="diagonal_relaxed"), blake2b(digest_size=12)
    for column in sorted(table.columns):
        digest.update(column.encode())
        digest.update(json.dumps([repr(value) for value in table[column].to_list()]).encode())
    return digest.hexdigest()


def digest_of_state(checkpoint: Path) -> str:
    saved, digest = torch.load(checkpoint, weights_only=True), blake2b(digest_size=12)
    for tensor in tensors({"p": saved["profile"], "o": saved["opt"]}):
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("case", EARLIER["digests"])
def test_a_run_is_bit_for_bit_that_of_the_version_before(case, tmp_path, monkeypatch):
    name, lanes, mode = case.split("|")
    execution = Execution("cpu", compile="on" if mode == "traced" else "off")
    here = machine(execution)
    for part, written_on in EARLIER["machine"].items():
        if here[part] != written_on:
            pytest.skip(f"{part} is {here[part]}, the digests are of {written_on}")
    monkeypatch.setattr(
        executing,
        "compile_program",
        lambda run, state, draws: compile_program(run, state, draws, traced),
    )
    method, settings = RULES.get(name, (name, {}))
    config = resolve(method, {**SETTINGS, "seeds": tuple(range(int(lanes))), **settings})
    report = execute(config, tmp_path / "run", execution)
    assert (report["status"], report["mode"]["compiled"]) == ("finished", mode == "traced")
    assert {
        "records": digest_of_table(tmp_path / "run" / "records"),
        "probes": digest_of_table(tmp_path / "run" / "probes"),
        "state": digest_of_state(tmp_path / "run" / "checkpoint.pt"),
    } == EARLIER["digests"][case]
