"""Bad input to any command: one line, exit code 2, and nothing is written."""

import sys

import pytest
from cases import SMALL, one_line_error

from vral.__main__ import start


def test_ctrl_c_while_the_command_line_is_imported_is_one_line(monkeypatch, capsys):
    class Pressed:
        @staticmethod
        def find_spec(name, *_):
            if name == "vral.cli.main":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "vral.cli.main")
    monkeypatch.setattr(sys, "meta_path", [Pressed, *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        start()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "Interrupted.\n"


def test_a_foreign_folder_is_refused_and_untouched(vral, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter.tex").write_text("precious")
    for command in (("train", "lsgan"), ("reproduce", "ratios", "--methods", "lsgan")):
        for more in ((), ("--dry-run",)):
            text = one_line_error(vral(*command, "--rounds", 1, *SMALL, "--out", "thesis", *more))
            assert "--out: thesis is not empty" in text
    assert [p.name for p in (tmp_path / "thesis").iterdir()] == ["chapter.tex"]


def test_an_unwritable_folder_is_refused(vral, tmp_path):
    (tmp_path / "file").write_text("")
    for folder in ("file", "file/run"):
        for command in (("train", "lsgan"), ("reproduce", "ratios")):
            for more in ((), ("--dry-run",)):
                text = one_line_error(vral(*command, "--rounds", 1, "--out", folder, *more))
                assert f"--out: cannot write to {folder}: file is a file" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "gan"], "METHOD: 'gan' given; allowed: standard"),
        (["train"], "Missing argument"),
        (["train", "lsgan", "--ratio", "0"], "--ratio"),
        (["train", "lsgan", "--network", "vit"], "--network"),
        (["train", "lsgan", "--rounds", "many"], "--rounds"),
        (["train", "lsgan", "--colour", "red"], "--colour"),
        (["reproduce", "ratios", "--methods", "lsgan,gan"], "--methods: 'gan' given"),
        (["reproduce", "ratios", "--ratios", "1,1.5"], "--ratios: '1.5'"),
        (["reproduce", "ratios", "--seeds", "0"], "--seeds: 0 given; allowed: a count, such as 5"),
        (["reproduce", "ratios", "--seeds", "0-4"], "--seeds: 0-4 given; allowed: a count, such"),
        (["reproduce", "ratios", "--methods", ""], "--methods: ''"),
        (["reproduce", "ratios", "--ratios", ""], "--ratios: ''"),
        (["train", "lsgan", "--ratio", "1000000000000"], "too large"),
        (["train", "lsgan", "--seed", "3000000000"], "below 10⁹"),
        (["train", "lsgan", "--seed", "1_0"], "--seed"),
        (["train", "lsgan", "--seed", "0-5000"], "at most"),
        (["--bogus"], "--bogus"),
        (["train", "lsgan", "--dataset", "mnist", "--data-root", "nowhere"], "--download"),
        (["evaluate"], "evaluate"),
    ],
)
def test_bad_input_is_one_line_exit_code_2_and_leaves_no_trace(vral, tmp_path, arguments, said):
    assert said in one_line_error(vral(*arguments))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_hidden_files_is_somebody_else_s(vral, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/.draft.tmp").write_text("precious")
    assert "not empty" in one_line_error(vral("train", "lsgan", *SMALL, "--out", "notes"))
    assert (tmp_path / "notes/.draft.tmp").read_text() == "precious"
