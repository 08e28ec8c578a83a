"""A run knows its parts: none can be missing, cut short or changed without a word."""

import itertools
import json
import random
import shutil
import tarfile

import numpy as np
import polars as pl
import pytest
import torch
from cases import one_line_error, tiny
from click.testing import CliRunner
from test_earlier import ARCHIVE
from test_run import assert_same, content

from vral.claims import examine
from vral.claims.evidence import read_numbers
from vral.cli.main import main
from vral.errors import FolderError
from vral.report.contents import read_study, sections
from vral.study import frames, measured, run
from vral.study.folders import folder_name, read_run, write_json
from vral.study.machine import Execution
from vral.study.measured import Measured, Row, read_table, write_tables
from vral.study.run import execute
from vral.tables import write_csv
from vral.train import checkpoint

CPU = Execution(device="cpu")
SETTINGS = {"dataset": "ring", "width": 4, "batch": 8, "ratio": "2", "probe_every": 2}
SETTINGS |= {"record_every": 1, "probe": "interpolation", "seeds": (0, 1)}


def config(rounds: int = 6):
    return tiny("lsgan", **SETTINGS, rounds=rounds)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run in the folder of a study, with parts of every kind."""
    root = tmp_path_factory.mktemp("study")
    execute(config(), root / folder_name(config()), CPU)
    write_json(root / "study.json", {"experiment": "ratios", "commands": ["reproduce ratios"]})
    return root


@pytest.fixture
def study(whole, tmp_path):
    """A copy to be damaged; its name would match nothing as a pattern."""
    return shutil.copytree(whole, tmp_path / "study[1]*")


def missing(path):
    path.unlink()


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-1])


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def another_number(path):
    """A sound file in which one number is another."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            changed = {name: values + 1 for name, values in arrays.items()}
        np.savez_compressed(path, **changed)
    else:
        frame = pl.read_parquet(path.read_bytes())
        name = frame.select(pl.selectors.float()).columns[0]
        path.write_bytes(b"")
        with open(path, "wb") as file:
            frame.with_columns(pl.col(name) + 1).write_parquet(file)


def draw(root):
    (study,) = [read_study(root)]
    sections(study, 1, [])


READERS = {
    "the same command": lambda root, folder: execute(config(), folder, CPU),
    "more rounds": lambda root, folder: execute(config(8), folder, CPU),
    "claims": lambda root, folder: examine([root]),
    "report": lambda root, folder: draw(root),
}


@pytest.mark.parametrize("kind", ["records", "probes", "interpolation", "samples"])
@pytest.mark.parametrize("damage", [missing, cut_short, flipped, another_number])
def test_whoever_reads_a_damaged_part_names_it_and_changes_nothing(study, kind, damage):
    folder = study / folder_name(config())
    part = max((folder / kind).iterdir())
    damage(part)
    before = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    for name, read in READERS.items():
        if (name, kind) in {("claims", "samples"), ("report", "interpolation")}:
            read(study, folder)  # It does not read these.
            continue
        with pytest.raises(FolderError) as raised:
            read(study, folder)
        text = str(raised.value)
        assert text.startswith(f"{part} is {'missing' if damage is missing else 'corrupt'}"), name
        assert "delete" not in text
    after = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    assert {path for path in before if before[path] != after.get(path)} == set()


@pytest.mark.parametrize("command", ["claims", "report"])
def test_a_command_ends_with_one_line_that_names_the_part(study, command):
    part = max((study / folder_name(config()) / "probes").iterdir())
    another_number(part)
    text = one_line_error(CliRunner().invoke(main, [command, str(study)]))
    assert text.startswith(f"Error: {part} is corrupt (changed since it was written")


def test_every_part_is_in_both_manifests_with_its_rows(study):
    folder = study / folder_name(config())
    manifest = read_run(folder)["manifest"]
    assert checkpoint.load(folder / "checkpoint.pt", config().identity, torch.device("cpu"))[
        "manifest"
    ] == (manifest)
    kinds = ("records", "probes", "interpolation", "samples")
    files = {f"{kind}/{path.name}" for kind in kinds for path in (folder / kind).iterdir()}
    assert manifest.keys() == files
    for name, part in manifest.items():
        if name.endswith(".parquet"):
            assert part["rows"] == len(pl.read_parquet((folder / name).read_bytes()))
    records = [part["rows"] for name, part in manifest.items() if name.startswith("records/")]
    assert sum(records) == 2 * 2 * 6  # seeds × D updates a round × rounds


def test_a_stray_file_is_neither_read_nor_deleted(study):
    """A copy that a file manager made, and a part that the run does not know."""
    folder = study / folder_name(config())
    before = frames.read(study, "records")
    part = min((folder / "records").iterdir())
    strays = [part.with_name("round-00000001 (copy).parquet"), part.with_name("round-00000002")]
    strays.append(part.with_name("round-00000004.parquet"))
    for stray in strays:
        shutil.copy(part, stray)
    assert frames.read(study, "records").equals(before)
    assert execute(config(8), folder, CPU)["status"] == "finished"
    assert all(stray.exists() for stray in strays)
    assert len(frames.read(study, "records")) == 2 * 2 * 8


# --- while it runs -------------------------------------------------------------------------------


def one_part(folder):
    min((folder / "records").iterdir()).rename(folder.parent / "kept")


def all_but_hidden_files(folder):
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif not path.name.startswith("."):
            path.unlink()


def removed(folder):
    shutil.rmtree(folder)


def moved(folder):
    folder.rename(folder.parent / "kept")


def replaced(folder):
    shutil.copytree(folder, folder.parent / "copy")
    folder.rename(folder.parent / "kept")
    (folder.parent / "copy").rename(folder)


@pytest.mark.parametrize("harm", [one_part, all_but_hidden_files, removed, moved, replaced])
@pytest.mark.parametrize("flush_seconds", [0.0, 1e9])
def test_a_folder_that_loses_parts_under_a_run_does_not_end_finished(
    tmp_path, monkeypatch, harm, flush_seconds
):
    monkeypatch.setattr(run, "FLUSH_SECONDS", flush_seconds)
    folder = tmp_path / "run"

    def after_the_third(rounds):
        if rounds == 3:
            harm(folder)

    with pytest.raises(FolderError) as raised:
        execute(config(), folder, CPU, progress=after_the_third)
    left = read_run(folder) if folder.exists() else None
    assert left is None or left["status"] == "running"
    if harm in (one_part, all_but_hidden_files):
        assert "is missing; restore it" in str(raised.value)
        # It ends at the next flush, with a probe at the latest, and keeps what it has computed.
        assert left["rounds_done"] == (4 if flush_seconds == 0 else 5)
    else:
        assert "emptied, moved or replaced while its run was under way" in str(raised.value)
        assert left is None or left["rounds_done"] == 3
    if harm in (removed, moved):
        assert not folder.exists()
    if harm is one_part:
        with pytest.raises(FolderError, match="is missing"):
            execute(config(), folder, CPU)
        (tmp_path / "kept").rename(str(raised.value).partition(" is missing")[0])
    if harm in (one_part, moved, replaced):
        rest = folder if harm is one_part else tmp_path / "kept"
        assert execute(config(), rest, CPU)["status"] == "finished"
        execute(config(), tmp_path / "whole", CPU)
        assert_same(content(rest), content(tmp_path / "whole"))


def test_a_part_that_is_changed_under_a_run_is_noticed_at_its_end(tmp_path):
    def after_the_third(rounds):
        if rounds == 3:
            flipped(min((tmp_path / "samples").iterdir()))

    with pytest.raises(FolderError, match=r"round-00000001\.npz is corrupt"):
        execute(config(), tmp_path, CPU, progress=after_the_third)
    assert read_run(tmp_path)["status"] == "running"


def test_killed_between_checkpoint_and_run_json_both_are_whole(tmp_path, monkeypatch):
    """Readers go by run.json, which is a flush behind; the run goes on by its checkpoint."""
    write = run.write_json

    def cut(path, report):
        if report["rounds_done"] == 5:
            raise KeyboardInterrupt
        write(path, report)

    with monkeypatch.context() as patch:
        patch.setattr(run, "write_json", cut)
        with pytest.raises(KeyboardInterrupt):
            execute(config(), tmp_path / "cut", CPU)
    assert (tmp_path / "cut" / "records" / "round-00000005.parquet").exists()
    read = frames.read(tmp_path, "records")
    assert sorted(read["round"].unique()) == [0, 1, 2]
    assert frames.last_samples(tmp_path, "lsgan", "2", "ring") is not None
    execute(config(), tmp_path / "cut", CPU)
    execute(config(), tmp_path / "whole", CPU)
    assert_same(content(tmp_path / "cut"), content(tmp_path / "whole"))


# --- of earlier versions -------------------------------------------------------------------------


def without_manifest(folder):
    """As the version before left it."""
    report = json.loads((folder / "run.json").read_text())
    del report["manifest"]
    write_json(folder / "run.json", report)
    saved = torch.load(folder / "checkpoint.pt", weights_only=True)
    del saved["manifest"]
    torch.save(saved, folder / "checkpoint.pt")


def test_an_old_run_reads_and_continues_and_has_a_manifest_from_then_on(study):
    folder = study / folder_name(config())
    tables = {kind: frames.read(study, kind) for kind in ("records", "probes", "interpolation")}
    grid = frames.last_samples(study, "lsgan", "2", "ring")
    manifest = read_run(folder)["manifest"]
    without_manifest(folder)
    for kind, table in tables.items():
        assert frames.read(study, kind).equals(table)
    assert np.array_equal(frames.last_samples(study, "lsgan", "2", "ring"), grid)
    assert execute(config(), folder, CPU)["status"] == "finished"
    assert "manifest" not in execute(config(), folder, CPU)
    longer = execute(config(8), folder, CPU)["manifest"]
    assert {name: longer[name] for name in manifest} == manifest
    missing(folder / "records" / "round-00000003.parquet")
    with pytest.raises(FolderError, match=r"round-00000003\.parquet is missing"):
        frames.read(study, "records")


@pytest.mark.parametrize("kind", ["records", "probes"])
@pytest.mark.parametrize("which", [0, 1, -1])
def test_a_hole_in_an_old_run_is_seen_by_its_clock(study, kind, which):
    folder = study / folder_name(config())
    without_manifest(folder)
    sorted((folder / kind).iterdir())[which].unlink()
    with pytest.raises(FolderError, match=f"{kind} lacks a part: it has nothing of seed 0"):
        frames.read(study, kind)


def test_what_the_version_before_wrote_has_no_holes(tmp_path):
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    assert "manifest" not in read_run(tmp_path / "stopped")
    assert len(frames.read(tmp_path / "stopped", "records")) == 2 * 2 * 3


@pytest.mark.parametrize("ratio", ["1", "3", "7", "50", "1:4", "5x3,2:2"])
@pytest.mark.parametrize("every", [1, 2, 5, 20])
def test_thinned_records_of_an_old_run_have_no_holes(ratio, every, tmp_path):
    """Whatever the clock's check calls a hole, a whole run has none: every ratio and thinning."""
    rounds = 17
    ends = itertools.pairwise(run.Ratio.parse(ratio).totals(number)[0] for number in range(18))
    kept = [
        due
        for first, last in ends
        if first // every != last // every
        for due in range(last, first, -every)
    ]
    settings = {
        "ratio": ratio,
        "record_every": every,
        "probe_every": 5,
        "seeds": [0],
        "rounds": rounds,
    }
    report = {"config": settings, "rounds_done": rounds, "diverged": []}
    records = pl.DataFrame({"seed": [0] * len(kept), "d_updates": kept})
    frames.check_clock(tmp_path / "records", report, records)
    probes = pl.DataFrame({"seed": 0, "round": [0, 5, 10, 15, 16]})
    frames.check_clock(tmp_path / "probes", report, probes)


def test_a_flipped_bit_of_a_checkpoint_changes_nothing_or_is_noticed(study):
    """Anywhere: in the archive's directory, a name, a number, the padding between them."""
    path = study / folder_name(config()) / "checkpoint.pt"
    sound, cpu = path.read_bytes(), torch.device("cpu")
    expected = checkpoint.load(path, config().identity, cpu)
    noticed = 0
    for bit in random.Random(0).sample(range(8 * len(sound)), 300):
        content = bytearray(sound)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        try:
            assert_same(checkpoint.load(path, config().identity, cpu), expected)
        except FolderError:
            noticed += 1
    assert noticed > 150


# --- what is said about the parts -----------------------------------------------------------------


@pytest.mark.parametrize("name", ["run.json", "study.json"])
def test_any_other_value_in_a_json_file_is_noticed(study, name):
    """One digit, letter or sign in the place of another leaves JSON that can be read."""
    path = next(study.rglob(name))
    text = path.read_text()
    values = range(text.rindex('"sha256"'))  # Without its name a checksum is not looked for.
    places = [i for i in values if text[i].isalnum() and text[i - 1] != "\\"]
    for place in random.Random(0).sample(places, min(len(places), 200)):
        other = {"0": "1", "a": "b", "A": "B"}.get(text[place], "0" if text[place] != "0" else "1")
        path.write_text(text[:place] + other + text[place + 1 :])
        with pytest.raises(FolderError, match=rf"{name} is corrupt"):
            examine([study])
    path.write_text(text)
    examine([study])


def test_a_json_file_of_an_earlier_version_or_edited_by_hand_needs_no_checksum(study):
    path = next(study.rglob("run.json"))
    before = read_run(path.parent)
    report = json.loads(path.read_text())
    assert before == {name: value for name, value in report.items() if name != "sha256"}
    del report["sha256"]
    path.write_text(json.dumps(report))
    assert read_run(path.parent) == before


@pytest.mark.parametrize("damage", [missing, cut_short, flipped])
def test_a_damaged_table_of_numbers_without_chance_is_named(tmp_path, damage):
    case = Measured([Row("case", "quantity", 0.125)])
    write_json(tmp_path / "study.json", {"experiment": "dirac", "commands": []})
    write_tables(tmp_path, {"measured.csv": case.frame(), "more.csv": pl.DataFrame({"a": [1]})})
    assert read_numbers(tmp_path) == {("case", "quantity"): 0.125}
    table = tmp_path / "measured.csv"
    content = table.read_text()
    damage(table)
    for read in (read_numbers, lambda root: examine([root])):
        with pytest.raises(FolderError, match=r"measured\.csv is (missing|corrupt)"):
            read(tmp_path)
    table.write_text(content.replace("0.125", "0.126"))
    with pytest.raises(FolderError, match="its SHA-256 is another"):
        read_numbers(tmp_path)
    write_tables(tmp_path, {"measured.csv": case.frame()})
    assert read_numbers(tmp_path) == {("case", "quantity"): 0.125}
    assert read_table(tmp_path, "more.csv")["a"].to_list() == [1]


def test_a_kill_between_two_tables_leaves_no_false_alarm(tmp_path, monkeypatch):
    tables = {"measured.csv": Measured([Row("case", "quantity", 1.0)]).frame()}
    write_tables(tmp_path, tables)
    written = measured.write_csv

    def killed(path, frame):
        written(path, frame)
        raise KeyboardInterrupt

    monkeypatch.setattr(measured, "write_csv", killed)
    tables = {"measured.csv": Measured([Row("case", "quantity", 2.0)]).frame()}
    with pytest.raises(KeyboardInterrupt):
        write_tables(tmp_path, tables)
    assert read_numbers(tmp_path) == {("case", "quantity"): 2.0}


def test_numbers_of_an_earlier_version_are_read_without_a_list(tmp_path):
    write_csv(tmp_path / "measured.csv", Measured([Row("case", "quantity", 1.0)]).frame())
    assert read_numbers(tmp_path) == {("case", "quantity"): 1.0}
