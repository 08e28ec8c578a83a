"""A run says which commit and which register it was made with."""

import hashlib
import subprocess
from pathlib import Path

import pytest
from cases import tiny

from vral.study import provenance
from vral.study.folders import read_json, read_run, write_json
from vral.study.run import execute

ROOT = Path(__file__).parents[2]


def git(*arguments):
    return subprocess.run(
        ["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture
def fresh():
    provenance.provenance.cache_clear()
    yield
    provenance.provenance.cache_clear()


def test_a_run_notes_the_commit_and_the_register(tmp_path, fresh):
    execute(tiny("lsgan", dataset="ring"), tmp_path / "run")
    (noted,) = read_run(tmp_path / "run")["provenance"]
    assert noted["commit"] == git("rev-parse", "HEAD")
    assert noted["changed"] == bool(git("status", "--porcelain", "--", "vral"))
    register = (ROOT / "vral/claims/register.csv").read_bytes()
    assert noted["register"] == hashlib.blake2b(register, digest_size=16).hexdigest()


def test_a_run_that_goes_on_with_other_code_notes_both(tmp_path):
    folder = tmp_path / "run"
    report = execute(tiny("lsgan", dataset="ring"), folder)
    elsewhere = {"commit": "0" * 40, "changed": False, "register": "0" * 32}
    write_json(folder / "run.json", report | {"provenance": [elsewhere]})
    longer = execute(tiny("lsgan", dataset="ring", rounds=4), folder)
    assert longer["provenance"] == [elsewhere, provenance.provenance()]
    longest = execute(tiny("lsgan", dataset="ring", rounds=6), folder)
    assert longest["provenance"] == longer["provenance"]


def test_a_run_that_an_earlier_version_began_says_that_its_start_is_unknown(tmp_path):
    folder = tmp_path / "run"
    report = execute(tiny("lsgan", dataset="ring"), folder)
    write_json(folder / "run.json", {k: v for k, v in report.items() if k != "provenance"})
    first, last = execute(tiny("lsgan", dataset="ring", rounds=4), folder)["provenance"]
    assert first["commit"] is None
    assert last == provenance.provenance()


@pytest.mark.parametrize("begun", [False, True])
def test_numbers_that_lay_there_before_any_start_was_noted_have_no_order(tmp_path, begun):
    for again in (begun, True):  # the second time there is nothing new to note
        provenance.note_provenance(tmp_path, again)
        noted = read_json(tmp_path / "provenance.json", {"provenance": list})["provenance"]
        assert noted[begun:] == [provenance.provenance()]
        assert [start["commit"] for start in noted[:begun]] == [None] * begun


def test_without_git_the_register_is_noted_all_the_same(monkeypatch, fresh):
    monkeypatch.setenv("PATH", "")
    noted = provenance.provenance()
    assert noted["commit"] is None
    assert noted["changed"] is None
    assert len(noted["register"]) == 32
