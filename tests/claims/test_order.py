"""The order of thresholds and runs, in small git repositories and in what is published."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from vral.claims.catalogue import CLAIMS
from vral.claims.order import REGISTER_PATH, UNCOMMITTED, brought, order
from vral.cli.main import main
from vral.errors import FolderError
from vral.study.config import resolve
from vral.study.folders import write_json

ROOT = Path(__file__).parents[2]
BEFORE_PROVENANCE = frozenset(
    {f"{name}-mnist" for name in ("clipping", "ratios", "well-trained")}
    | {f"mode-collapse-{name}" for name in ("grid", "ring", "stacked-digits")}
    | {f"toy2d-{name}" for name in ("circle", "four-lines", "gaussian", "line")}
)
"""Studies that were published before runs noted their commit. This list does not grow."""

LATE = {
    ("usefulness-digits", "C2.points.good"),
    ("deck-mnist", "C7.panels.matched.wgan-gp"),
}
"""Claims whose threshold came after some of the published runs that they read: controls, as their
lines of the register say."""

JUDGED = {claim.experiment for claim in CLAIMS.values() if claim.kind == "seeds"}
"""Experiments whose claims rest on seeds."""

HEADING = "since,id,threshold,quantity,note\n"


def line(claim: str, threshold: str) -> str:
    return f"2026-11-26,{claim},{threshold},a quantity,a note\n"


class Repository:
    def __init__(self, root: Path):
        self.root = root
        (root / REGISTER_PATH).parent.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        who = {
            f"GIT_{role}_{what}": "a@b"
            for role in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        ended = subprocess.run(
            ["git", "-C", self.root, "-c", "commit.gpgsign=false", *arguments],
            env={**os.environ, **who}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return ended.stdout.strip()

    def commit(self, *lines: str) -> str:
        (self.root / REGISTER_PATH).write_text(HEADING + "".join(lines))
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "x")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "repository")


def published(folder: Path, *commits: str | None, ratio: str = "1") -> Path:
    """A published deck study with one cell, lsgan, made with ``commits``."""
    folder.mkdir(exist_ok=True)
    starts = [{"commit": commit, "changed": False, "register": ""} for commit in commits]
    run = {"method": "lsgan", "variant": "", "ratio": ratio, "provenance": starts}
    (folder / "about.json").write_text(json.dumps({"experiment": "deck", "runs": [run]}))
    return folder


def proof(repository: Repository, root: Path):
    (found,) = (p for p in order(root, repository.root) if p.claim == "C0.lsgan")
    return found


def test_a_threshold_is_registered_from_the_commit_that_brought_it_on(repository, tmp_path):
    asked, other = line("C0.lsgan", "≥ 0.3"), line("C9.benefit", "≤ 1.25")
    early = repository.commit(other)
    at = repository.commit(other, asked)
    later = repository.commit(other, asked, line("A.scale", "63.9 … 64.1"))
    root = tmp_path / "study"
    assert proof(repository, published(root, at)).registered
    assert proof(repository, published(root, later)).registered
    late = proof(repository, published(root, early))
    assert not late.registered
    runs = f"{early[:10]} (lsgan at 1)"
    assert late.reason == f"{at[:10]}, which brought its threshold, is no ancestor of {runs}"
    assert not proof(repository, published(root, later, early)).registered  # every start counts


def test_a_threshold_that_was_changed_is_registered_from_its_change_on(repository, tmp_path):
    first = repository.commit(line("C0.lsgan", "≥ 0.3"))
    second = repository.commit(line("C0.lsgan", "≥ 0.3"), line("C0.lsgan", "≥ 0.2"))
    assert not proof(repository, published(tmp_path / "a", first)).registered
    assert proof(repository, published(tmp_path / "b", second)).registered
    edited = repository.commit(line("C0.lsgan", "≥ 0.1"))  # the first line, overwritten
    assert brought(repository.root) == {"C0.lsgan": edited}
    assert not proof(repository, published(tmp_path / "b", second)).registered


def test_a_commit_of_a_side_branch_is_no_ancestor(repository, tmp_path):
    base = repository.commit()
    repository.git("checkout", "-q", "-b", "side")
    beside = repository.commit(line("A.scale", "≥ 1"))
    repository.git("checkout", "-q", "main")
    repository.commit(line("C0.lsgan", "≥ 0.3"))
    assert not proof(repository, published(tmp_path / "study", beside)).registered
    assert not proof(repository, published(tmp_path / "study", base)).registered


def test_a_line_that_is_not_committed_is_not_registered(repository, tmp_path):
    head = repository.commit()
    (repository.root / REGISTER_PATH).write_text(HEADING + line("C0.lsgan", "≥ 0.3"))
    found = proof(repository, published(tmp_path / "study", head))
    assert found.reason == "its line of the register has not been committed"
    assert not found.registered


def test_a_line_that_repeats_what_is_asked_leaves_the_order_as_it_is(repository, tmp_path):
    first = repository.commit(line("C0.lsgan", "≥ 0.3"))
    said_more = line("C0.lsgan", "≥ 0.3").replace("a note", "the same threshold; after a pilot")
    repository.commit(line("C0.lsgan", "≥ 0.3"), said_more)
    assert brought(repository.root) == {"C0.lsgan": first}
    assert proof(repository, published(tmp_path / "study", first)).registered
    changed = said_more.replace("≥ 0.3", "≥ 0.2")
    later = repository.commit(line("C0.lsgan", "≥ 0.3"), said_more, changed)
    assert brought(repository.root) == {"C0.lsgan": later}
    assert not proof(repository, published(tmp_path / "study", first)).registered


def test_only_runs_that_have_ended_and_claims_with_all_their_arms_count(repository, tmp_path):
    contrast = "C5.panels.than.vral-meta.lsgan"
    head = repository.commit(line("C4.panels.breaks.lsgan", "≥ 10"), line(contrast, "≤ 1"))
    one_arm = published(tmp_path / "published", head, ratio="50")
    claims = {proof.claim for proof in order(one_arm, repository.root)}
    assert "C4.panels.breaks.lsgan" in claims
    assert contrast not in claims
    study = tmp_path / "study"
    run = study / "run"
    run.mkdir(parents=True)
    write_json(study / "study.json", {"experiment": "deck", "commands": []})
    config = resolve("lsgan", {"ratio": "50"}).model_dump(mode="json")
    report = {"config": config, "provenance": [{"commit": head}], "rounds_done": 1}
    for status in ("stopped", "finished"):
        write_json(run / "run.json", {**report, "status": status, "manifest": {}})
        if status == "stopped":
            with pytest.raises(FolderError, match="holds no run that has ended"):
                order(study, repository.root)
        else:
            assert "C4.panels.breaks.lsgan" in {p.claim for p in order(study, repository.root)}


def test_a_run_of_changed_files_proves_nothing(repository, tmp_path):
    head = repository.commit(line("C0.lsgan", "≥ 0.3"))
    root = published(tmp_path / "study", head)
    about = json.loads((root / "about.json").read_text())
    about["runs"][0]["provenance"][0]["changed"] = True
    (root / "about.json").write_text(json.dumps(about))
    with pytest.raises(FolderError, match="made from files that no commit holds"):
        order(root, repository.root)


def test_a_study_without_runs_has_an_order_too(repository, tmp_path):
    before = repository.commit()
    head = repository.commit(line("T9.line", "≥ 0.3"))
    for commit in (head, before):
        root = tmp_path / commit
        root.mkdir()
        about = {"experiment": "score-game", "provenance": [{"commit": commit, "changed": False}]}
        (root / "about.json").write_text(json.dumps(about))
        kept = {"provenance": [{"commit": commit, "changed": False}]}
        study = tmp_path / f"study-{commit}"
        study.mkdir()
        write_json(study / "study.json", {"experiment": "score-game", "commands": []})
        write_json(study / "provenance.json", kept)
        for folder in (root, study):
            found = {p.claim: p.registered for p in order(folder, repository.root)}
            assert found["T9.line"] == (commit == head)


def test_what_proves_nothing_is_one_line(repository, tmp_path, monkeypatch):
    repository.commit(line("C0.lsgan", "≥ 0.3"))
    head = repository.commit(line("C0.lsgan", "≥ 0.3"), line("A.scale", "≥ 1"))
    root = published(tmp_path / "study")
    with pytest.raises(FolderError, match="lsgan at 1 names no commit"):
        order(root, repository.root)
    with pytest.raises(FolderError, match="names no commit"):
        order(published(root, None), repository.root)
    with pytest.raises(FolderError, match="lacks 1111111111, the commit of a run"):
        order(published(root, "1" * 40), repository.root)
    shallow = tmp_path / "shallow"
    repository.git("clone", "-q", "--depth", "1", f"file://{repository.root}", str(shallow))
    with pytest.raises(FolderError, match="is a shallow clone"):
        order(published(root, head), shallow)
    (tmp_path / "bare").mkdir()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    with pytest.raises(FolderError, match=r"cannot be read in .*bare"):
        order(root, tmp_path / "bare")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FolderError, match="git did not run"):
        order(root, repository.root)


LATER_FORM = "vral-parzen-h1"
"""A form whose claims were registered before its own runs, in studies whose other runs had been
made and seen."""


def test_every_line_of_our_own_register_was_brought_by_a_commit():
    found = brought(ROOT)
    assert found.keys() == CLAIMS.keys()
    deck = {name for name in CLAIMS if ".panels." in name or name.startswith("C0.")}
    later = {name for name in deck if {LATER_FORM, "h1"} & {*name.replace("+", ".").split(".")}}
    assert {found[name][:7] for name in later} == {"d756a3b"}
    control = {"C7.panels.matched.wgan-gp"}
    assert {found[name][:7] for name in deck - later - control} == {"f82ea51"}
    assert found[control.pop()] != UNCOMMITTED


def test_everything_published_from_now_on_was_registered_before_it_ran():
    published = ROOT / "runs/published"
    for marker in sorted([*published.glob("*/about.json"), *published.glob("*/study.json")]):
        content = json.loads(marker.read_text(encoding="utf-8"))
        earlier = marker.name == "about.json" and marker.parent.name in BEFORE_PROVENANCE
        if content["experiment"] in JUDGED and not earlier:
            name = marker.parent.name
            late = [p for p in order(marker.parent) if not p.registered]
            late = [p for p in late if (name, p.claim) not in LATE]
            late = [
                p
                for p in late
                if LATER_FORM not in {arm.partition("+")[0] for arm in CLAIMS[p.claim].arms}
                or LATER_FORM in {arm.partition("+")[0] for arm, _ in p.cells}
            ]
            assert not late, [(p.claim, p.reason) for p in late]


@pytest.mark.parametrize("early_gate", [True, False])
def test_the_gates_of_a_claim_are_to_be_run_after_its_threshold_too(
    repository, tmp_path, early_gate
):
    name = "C4.panels.breaks.wgan"
    assert ("lsgan", "1") in CLAIMS[name].competent
    early = repository.commit(line("C9.benefit", "≤ 1.25"))
    at = repository.commit(line("C9.benefit", "≤ 1.25"), line(name, "≥ 10"))
    runs = [
        {"method": method, "variant": "", "ratio": ratio, "provenance": [start]}
        for method, ratio, start in (
            ("wgan", "50", {"commit": at, "changed": False, "register": ""}),
            (
                "lsgan",
                "1",
                {"commit": early if early_gate else at, "changed": False, "register": ""},
            ),
        )
    ]
    (tmp_path / "about.json").write_text(json.dumps({"experiment": "deck", "runs": runs}))
    (found,) = (p for p in order(tmp_path, repository.root) if p.claim == name)
    assert found.registered is not early_gate


def test_the_command_says_what_is_proved_and_fails_where_it_is_not(tmp_path):
    def call(*commits):
        root = published(tmp_path / "study", *commits)
        return CliRunner().invoke(main, ["claims", "--order", str(root)], env={"COLUMNS": "160"})

    good = call(commit_of("HEAD"))
    assert good.exit_code == 0, good.output
    assert re.search(r"(\d+) of \1 claims were registered before", good.output)
    bad = call(commit_of("f82ea51^"))
    assert bad.exit_code == 1
    assert "C0.lsgan: f82ea51" in bad.output
    unnamed = call()
    assert (unnamed.exit_code, unnamed.output.count("names no commit")) == (1, 1)
    assert "were registered" not in unnamed.output


def test_the_command_goes_on_beside_a_study_that_proves_nothing(tmp_path):
    studies = [published(tmp_path / "study", commit_of("HEAD"))]
    studies.append(ROOT / "runs/published/ratios-mnist")
    studies.append(published(tmp_path / "elsewhere", "1" * 40))
    shown = CliRunner().invoke(main, ["claims", "--order", *map(str, studies)])
    assert shown.exit_code == 1
    assert "ratios-mnist/about.json" in shown.output
    assert "lacks 1111111111, the commit of a run" in shown.output
    assert re.search(r"(\d+) of \1 claims were registered before", shown.output)


def commit_of(name: str) -> str:
    return subprocess.check_output(["git", "-C", ROOT, "rev-parse", name], text=True).strip()
