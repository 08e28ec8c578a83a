"""What surrounds a command: a terminal, a home, a disk, memory; none of them may cost a run."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
import torch
from cases import SMALL, one_line_error, tiny
from click.testing import CliRunner
from matplotlib.figure import Figure

from vral.cli import train
from vral.cli.main import do_without_home, main
from vral.errors import ConfigError, FolderError
from vral.optim import RULES, TRANSFORMS
from vral.optim.settings import settings_of
from vral.report.pictures import write_pdf
from vral.study import machine
from vral.study.config import RunConfig, option_name, resolve
from vral.study.run import execute

RUN = ["train", "lsgan", "--dataset", "ring", "--rounds", "2", *SMALL]

# --- terminals and names -------------------------------------------------------------------------


@pytest.mark.parametrize("charset", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("arguments", [["ls"], ["train", "--help"], [*RUN, "--out", "run"]])
def test_any_terminal_is_spoken_to(vral, charset, arguments):
    result = CliRunner(charset=charset).invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert result.exception is None
    said = result.stdout_bytes.decode(charset)
    arrow = "→" if charset == "utf-8" else ">"
    assert arguments != [*RUN, "--out", "run"] or f"{arrow} run" in said


def test_a_name_that_is_no_text_is_printed_as_its_bytes(vral, tmp_path):
    name = os.fsdecode(b"run\xff\xe9")
    result = vral(*RUN, "--out", name)
    assert result.exit_code == 0, result.output
    assert b"run\xff\xe9" in result.stdout_bytes
    assert (tmp_path / name / "run.json").is_file()
    assert b"run\xff\xe9" in vral("claims", name).stderr_bytes


@pytest.mark.parametrize("arguments", [["ls"], ["train", "--help"]])
def test_a_reader_that_has_gone_ends_a_command_without_a_word(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as gone:
        command = [sys.executable, "-m", "vral", *arguments]
        ended = subprocess.run(
            command, stdout=gone, stderr=subprocess.PIPE, timeout=60, check=False
        )
    assert ended.stderr == b""
    assert ended.returncode == 1


# --- homes ---------------------------------------------------------------------------------------


def test_a_user_without_a_home_gets_none(monkeypatch, tmp_path):
    def no_home(*_):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setenv("HOME", str(tmp_path))
    do_without_home()
    assert os.environ["HOME"] == str(tmp_path)
    monkeypatch.setattr(Path, "home", no_home)
    do_without_home()
    assert not os.path.isdir(os.environ["HOME"])


HOMELESS = """
import os, pwd
for name in ("HOME", "XDG_CACHE_HOME", "VRAL_CACHE", "VRAL_DATA"):
    os.environ.pop(name, None)
def nobody(uid):
    raise KeyError(uid)
pwd.getpwuid = nobody
from vral.cli.main import main
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["ls"], 0, ""),
        (["train", "lsgan", "--rounds", "1", *SMALL], 0, ""),
        (["train", "lsgan", "--dataset", "mnist"], 2, "--dataset mnist: not found"),
        (["report", "nowhere"], 2, "nowhere given, which does not exist"),
        (["claims", "nowhere"], 2, "nowhere given, which does not exist"),
    ],
)
def test_every_command_does_without_a_home(tmp_path, arguments, code, said):
    command = [sys.executable, "-c", HOMELESS, *arguments]
    ended = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == code, ended.stderr
    lines = [line for line in ended.stderr.splitlines() if "Fontconfig" not in line]
    assert len(lines) == bool(said)
    assert said in "".join(lines)


# --- disks ---------------------------------------------------------------------------------------


def test_a_finished_run_is_shown_where_nothing_can_be_written(vral, monkeypatch):
    first = vral(*RUN, "--out", "run")

    def read_only(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    for place, name in ((Path, "write_bytes"), (Path, "mkdir"), (os, "replace"), (os, "open")):
        monkeypatch.setattr(place, name, read_only)
    again = vral(*RUN, "--out", "run")
    assert again.exit_code == 0, again.output
    tables = [result.output[result.output.index("Final values") :] for result in (first, again)]
    assert tables[0] == tables[1]
    text = one_line_error(vral(*RUN, "--rounds", 3, "--out", "run"))
    assert "Read-only file system" in text


def blank(width):
    return Figure()


def test_a_report_on_a_full_disk_is_one_line_and_keeps_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "report.pdf"
    write_pdf(path, "A title", [blank])
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(FolderError, match=r"cannot write .*report\.pdf: No space left on device"):
        write_pdf(path, "Another", [blank, blank])
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["report.pdf"]


def allocate(*_, **__):
    return torch.empty(2**60)


def fail_with(error):
    def fail(*_, **__):
        raise error

    return fail


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (fail_with(OSError(errno.ENOSPC, "No space left on device", "x/y")), "left on device: x/y"),
        (fail_with(PermissionError(errno.EACCES, "Permission denied")), "Error: Permission denied"),
        (fail_with(MemoryError()), "not enough memory (none is left); allowed: smaller"),
        (allocate, "not enough memory ("),
    ],
)
def test_what_the_machine_lacks_is_one_line(vral, monkeypatch, failure, said):
    monkeypatch.setattr(train, "execute", failure)
    text = one_line_error(vral(*RUN))
    assert said in text
    assert "memory" not in said or "--width" in text


def test_a_fault_of_ours_is_not_hidden(vral, monkeypatch):
    monkeypatch.setattr(train, "execute", fail_with(RuntimeError("shapes differ")))
    assert isinstance(vral(*RUN).exception, RuntimeError)


# --- numbers -------------------------------------------------------------------------------------

HUGE = 10**21


def commands(group, name=""):
    for entry in group.list_commands(click.Context(group)):
        command = group.load(entry)
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {entry}")
        else:
            yield f"{name} {entry}", command


def test_every_number_of_every_command_has_an_upper_bound():
    ranges = [
        (name, option.name, option.type.max)
        for name, command in commands(main)
        for option in command.params
        if isinstance(option.type, click.types.IntParamType)
        and option.name not in RunConfig.model_fields
    ]
    assert len(ranges) > 10
    assert [entry for entry in ranges if entry[2] is None] == []


WHOLE = [name for name, field in RunConfig.model_fields.items() if field.annotation is int]


@pytest.mark.parametrize("name", WHOLE)
def test_every_whole_number_of_a_run_has_an_upper_bound(name):
    with pytest.raises(ConfigError, match=f"{option_name(name)}: {HUGE} given") as caught:
        resolve("vral-meta", {name: HUGE})
    assert "allowed: less than or equal to" in str(caught.value) or name == "batch"


def test_every_whole_number_of_a_rule_has_an_upper_bound():
    whole = [
        (name, setting)
        for name, row in {**RULES, **TRANSFORMS}.items()
        for setting in settings_of(row).values()
        if type(setting.default) is int
    ]
    assert len(whole) >= 2
    for name, setting in whole:
        with pytest.raises(ConfigError, match=r"--rule.*allowed for"):
            resolve("lsgan", {"rule": f"{name}:{setting.name}={10**17}"})


def test_networks_larger_than_the_memory_are_refused_before_any_work(tmp_path, monkeypatch):
    config = tiny("lsgan", dataset="ring", width=8, latent=3, seeds=(0, 1, 2))
    d, g = (2 * 8 + 8) + (8 * 8 + 8) + (8 + 1), (3 * 8 + 8) + (8 * 8 + 8) + (2 * 8 + 2)
    needed = 2 * 4 * 3 * (d + g)  # weights and gradients, float32, three lanes
    cpu = machine.Execution("cpu")
    monkeypatch.setattr(machine, "memory", lambda device: needed - 1)
    with pytest.raises(ConfigError, match="--width: 8 given, which with --latent 3 and 3 seeds"):
        execute(config, tmp_path / "run", cpu)
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr(machine, "memory", lambda device: needed)
    assert execute(config, tmp_path / "run", cpu)["status"] == "finished"
