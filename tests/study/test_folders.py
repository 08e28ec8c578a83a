"""What stands in a run's folder and vral did not put there: links, pipes, leftovers, odd values."""

import json
import os
import shutil
import stat
from pathlib import Path

import pytest
from cases import CPU_HERE, tiny

from vral.errors import FolderError
from vral.figures import save_figures
from vral.files import replace_file, write_bytes
from vral.study.folders import locked, make_folder, read_json, read_run, write_json
from vral.study.run import execute

CONFIG = tiny("lsgan", dataset="ring", rounds=2, probe_every=1)
LONGER = CONFIG.model_copy(update={"rounds": 3})


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    execute(CONFIG, folder, CPU_HERE)
    return folder


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


def everything(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


# --- links ---------------------------------------------------------------------------------------

NAMES = (".lock", "run.json", "checkpoint.pt", "records", "probes", "samples")


@pytest.mark.parametrize("name", NAMES)
def test_a_link_in_a_run_is_refused_and_what_it_leads_to_is_untouched(run, tmp_path, name):
    precious = tmp_path / "precious"
    (run / name).rename(precious)
    if precious.is_file() and name == ".lock":
        precious.write_text("what I think of locks")
    (run / name).symlink_to(precious)
    before = everything(tmp_path)
    with pytest.raises(
        FolderError, match=f"{name}: it is a symbolic link; move it aside"
    ) as caught:
        execute(LONGER, run, CPU_HERE)
    assert "\n" not in str(caught.value)
    assert everything(tmp_path) == before


@pytest.mark.parametrize("name", ["records", "samples", ".lock", "run.json"])
def test_a_dangling_link_makes_nothing_where_it_leads(tmp_path, name):
    run = tmp_path / "run"
    run.mkdir()
    (run / ".lock").touch()
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FolderError):
        execute(CONFIG, run, CPU_HERE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_a_link_to_the_folder_or_to_one_above_it_is_followed(tmp_path):
    """As where runs/ leads to a large disk."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "runs").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "mine").mkdir()
    (tmp_path / "runs" / "link").symlink_to(tmp_path / "disk" / "mine")
    for folder in ("runs/below", "runs/link"):
        assert execute(CONFIG, tmp_path / folder, CPU_HERE)["status"] == "finished"
    assert (tmp_path / "disk" / "mine" / "checkpoint.pt").is_file()


@pytest.mark.parametrize("name", ["records", "probes", "samples"])
def test_a_part_that_is_a_link_is_read_and_never_written_through(run, tmp_path, name):
    part = sorted((run / name).iterdir())[-1]
    precious = tmp_path / "precious"
    part.rename(precious)
    part.symlink_to(precious)
    before = precious.read_bytes()
    assert execute(LONGER, run, CPU_HERE)["rounds_done"] == 3
    assert precious.read_bytes() == before


def test_figures_are_not_written_through_links(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    study = tmp_path / "study"
    (study / "figures").mkdir(parents=True)
    (study / "figures" / "ring").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FolderError, match="ring: it is a symbolic link"):
        save_figures(study / "figures" / "ring", {})
    (study / "study.json").touch()
    shutil.rmtree(study / "figures")
    (study / "figures").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FolderError, match="figures: it is a symbolic link"):
        make_folder(study, "study.json")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "pipe"])
def test_a_file_is_replaced_only_by_a_file(tmp_path, kind):
    target = tmp_path / "target"
    if kind == "link":
        target.write_text("precious")
    path = tmp_path / "page.html"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(target)
    with pytest.raises(FolderError, match=r"cannot write .*page.html: it is a"):
        write_bytes(path, b"new")
    assert [p.name for p in tmp_path.iterdir() if p.name.endswith(".tmp")] == []
    assert target.exists() == (kind == "link")
    assert kind != "link" or target.read_text() == "precious"
    assert kind != "pipe" or stat.S_ISFIFO(path.lstat().st_mode)


def test_a_temporary_file_that_is_a_link_is_not_written_through(tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / f".run.json.{os.getpid()}.tmp").symlink_to(tmp_path / "precious")
    write_json(tmp_path / "run.json", {"a": 1})
    assert (tmp_path / "precious").read_text() == "precious"
    assert read_json(tmp_path / "run.json", {}) == {"a": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["precious", "run.json"]


def test_a_hard_link_keeps_what_it_had(run, tmp_path):
    """A new file takes the name; the old file keeps its other names and its content."""
    kept = {}
    for name in (".lock", "run.json", "checkpoint.pt"):
        (tmp_path / name).hardlink_to(run / name)
        kept[name] = (tmp_path / name).read_bytes()
    (tmp_path / ".lock").write_text("precious")
    execute(LONGER, run, CPU_HERE)
    assert (tmp_path / ".lock").read_text() == "precious"
    for name in ("run.json", "checkpoint.pt"):
        assert (tmp_path / name).read_bytes() == kept[name] != (run / name).read_bytes()


# --- pipes and folders in the place of files -----------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [("records", "pipe")]
    + [(n, k) for n in (".lock", "run.json", "checkpoint.pt", "part") for k in ("pipe", "folder")],
)
def test_what_is_no_file_is_an_error_and_is_not_waited_for(run, name, kind):
    path = next((run / "records").iterdir()) if name == "part" else run / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(FolderError) as caught:
        execute(LONGER, run, CPU_HERE)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


# --- leftovers -----------------------------------------------------------------------------------


def test_a_folder_is_tried_without_a_file_that_a_kill_would_leave(tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "unlink", killed)
    monkeypatch.setattr(os, "unlink", killed)
    make_folder(tmp_path / "new", "run.json")
    assert list((tmp_path / "new").iterdir()) == []


def test_what_a_kill_left_of_earlier_versions_is_cleaned_up(tmp_path):
    """Version 0.1 tried a folder with a file of this name."""
    (tmp_path / ".4711.tmp").touch()
    (tmp_path / ".run.json.4711.tmp").write_text("{")
    assert execute(CONFIG, tmp_path, CPU_HERE)["status"] == "finished"
    assert [path.name for path in tmp_path.glob(".*")] == [".lock"]


@pytest.mark.parametrize("name", [".4711.tmp", ".tmp", ".x.tmp", ".run.json.tmp", ".notes.1.tmp"])
def test_somebody_else_s_hidden_file_is_left_alone(tmp_path, name):
    (tmp_path / name).write_text("precious")
    with pytest.raises(FolderError, match="not empty"):
        execute(CONFIG, tmp_path, CPU_HERE)
    assert everything(tmp_path) == {name: b"precious"}


def test_a_folder_that_cannot_be_written_is_an_error_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "read-only").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # tests may run as root
    for folder in ("read-only", "read-only/new"):
        with pytest.raises(FolderError, match=r"--out: cannot write to .*read-only") as caught:
            make_folder(tmp_path / folder, "run.json")
        assert "\n" not in str(caught.value)


def test_a_full_or_read_only_disk_is_named_and_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    write_json(path, {"old": 1})
    read_only = OSError(30, "Read-only file system")

    def refuse(*_, **__):
        raise read_only

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", refuse)
        patch.setattr(Path, "unlink", refuse)  # the clean-up, too, fails
        with pytest.raises(FolderError, match=r"cannot write .*run.json: Read-only file system"):
            write_json(path, {"new": 1})
    with pytest.raises(FolderError, match="No space left"):
        write_half(path)
    assert read_json(path, {}) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


def write_half(path):
    with replace_file(path) as temporary:
        temporary.write_text("half")
        raise OSError(28, "No space left on device")


def interrupted(folder):
    with locked(folder):
        with pytest.raises(FolderError, match="another process"), locked(folder):
            pass
        raise KeyboardInterrupt


def test_a_lock_ends_with_its_block_however_it_ends(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            interrupted(tmp_path)


# --- values of wrong types -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rounds_done", "x"),
        ("rounds_done", -1),
        ("rounds_done", 1.5),
        ("rounds_done", True),
        ("status", 7),
        ("config", []),
        ("config", None),
        ("diverged", None),
        ("diverged", [3]),
        ("diverged", [{"seed": 0}]),
        ("seconds", "long"),
        ("mode", 3),
        ("machine", "cpu"),
        ("quality", []),
        ("config.seeds", 3),
        ("config.seeds", []),
        ("config.seeds", ["0"]),
        ("config.rounds", "2"),
        ("config.ratio", 5),
        ("config.ratio", "five"),
        ("config.method", None),
        ("config.dataset", {}),
        ("config.batch", "16"),
        ("config.lr", "fast"),
        ("config.rule", 3),
        ("config.variant", 3),
        ("config.record_every", None),
    ],
)
def test_a_run_json_with_values_of_other_types_is_corrupt(run, key, value):
    report = json.loads((run / "run.json").read_text())
    *parents, last = key.split(".")
    place = report[parents[0]] if parents else report
    assert last in place
    place[last] = value
    write_json(run / "run.json", report)
    with pytest.raises(FolderError, match=r"run\.json is corrupt; restore it"):
        read_run(run)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "\xff", "[" * 100_000, '{"config": {}}'])
def test_a_run_json_that_is_no_report_is_corrupt(run, text):
    (run / "run.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(FolderError, match=r"run\.json is corrupt; restore it"):
        read_run(run)


def test_a_report_reads_back_as_it_was_written(run):
    """The types that are asked for are those that a run writes."""
    report = read_run(run)
    assert report == read_json(run / "run.json", {})


def test_a_path_that_is_no_utf_8_reads_back(tmp_path):
    command = os.fsdecode(b"train lsgan --out x\xff/\xe2\x82\xac")
    write_json(tmp_path / "study.json", {"commands": [command, "ε 🙂"]})
    assert json.loads((tmp_path / "study.json").read_text(encoding="utf-8"))["commands"] == [
        command,
        "ε 🙂",
    ]
    (folder := tmp_path / os.fsdecode(b"run\xff")).mkdir()
    assert execute(CONFIG, folder, CPU_HERE)["status"] == "finished"
    assert read_run(folder)["status"] == "finished"
