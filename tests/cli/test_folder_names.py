"""A folder's name is a name: no pattern, no markup, no address, no option."""

import ast
import json
import shutil
from pathlib import Path

import pytest
from cases import SMALL
from click.testing import CliRunner

from vral.cli.main import main
from vral.study.folders import write_json

COMMAND = ["train", "vral-meta", "--dataset", "ring", "--rounds", "2", *SMALL]

NAMES = {
    "x[1]": "x1",
    "a*b": "a and b",
    "x?": "xy",
    "**": "anything",
    "{a,b}": "a",
    "[bold]": "b",
    "[/]": "slash",
    ":x:": "❌",
    "%d": "7",
    "~": "home",
    "~root": "root",
    "$HOME": "home",
    "-x": "x",
    "--out": "out",
    "s3:": "s3",
    "back\\slash\\": "backslash",
    "a b": "a",
    "two\nlines": "two",
    "漢字 é\u0301 🙂": "text",
    "'\"#%20&": "quoted",
}
"""Names, each with one that it stands for where it is read as something else."""


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """Two studies of two runs each, which have other seeds: 0 to 4, and 5 to 9."""
    root = tmp_path_factory.mktemp("studies")
    for study, seeds in {"0": "0-4", "1": "5-9"}.items():
        for run, ratio in {"run": "1", "more": "50"}.items():
            arguments = [*COMMAND, "--ratio", ratio, "--seed", seeds]
            arguments += ["--out", str(root / study / run)]
            assert CliRunner().invoke(main, arguments).exit_code == 0
        marker = {"experiment": "ratios", "commands": ["reproduce ratios"]}
        write_json(root / study / "study.json", marker)
    return root


@pytest.fixture
def named(studies, tmp_path):
    """Copy study 0 to a name, and study 1 to what the name would match."""

    def copy(name: str) -> Path:
        shutil.copytree(studies / "1", tmp_path / NAMES[name])
        return shutil.copytree(studies / "0", tmp_path / name)

    return copy


@pytest.mark.parametrize("name", NAMES)
def test_a_run_is_read_where_it_is_and_its_folder_is_said_as_it_is(vral, studies, named, name):
    run = named(name) / "run"
    result = vral(*COMMAND, "--seed", "0-4", f"--out={name}/run")
    assert result.exit_code == 0, result.output
    assert f"→ {name}/run\n" in result.output
    for file in ("final.csv", "summary.csv"):
        assert (run / file).read_bytes() == (studies / "0" / "run" / file).read_bytes()


def test_a_run_is_trained_and_continued_in_a_folder_whose_name_is_a_pattern(vral, studies, named):
    named("x[1]")
    common = [*COMMAND, "--seed", "0-4", "--out", "x[1]/new"]
    assert vral(*common).exit_code == 0
    for rounds, said in (("2", "finished: 2 rounds"), ("3", "finished: 3 rounds")):
        result = vral(*common, "--rounds", rounds)
        assert result.exit_code == 0, result.output
        assert f"{said} × 5 seeds" in result.output
        assert result.output.endswith("→ x[1]/new\n")


@pytest.mark.parametrize("name", NAMES)
def test_claims_judge_the_study_of_that_name(vral, studies, named, name):
    named(name)

    def judged(study):
        result = vral("claims", "--json", "--", study)
        assert result.exit_code == 0, result.output
        content = json.loads(result.output)
        for verdict in content["verdicts"]:
            assert verdict.pop("study") == str(study)
        return [verdict for verdict in content["verdicts"] if verdict["effect"] is not None]

    expected = judged(studies / "0")
    assert judged(Path(name)) == expected != judged(studies / "1")


@pytest.mark.parametrize("name", ["[/]", ":x:", "[bold]", "back\\slash\\"])
def test_tables_of_several_studies_say_their_names(vral, tmp_path, named, name):
    named(name)
    (tmp_path / "other").symlink_to(tmp_path / NAMES[name])
    out = vral("claims", name, "other").output
    assert name in "".join(out.split()) if " " not in name else out


@pytest.mark.slow
@pytest.mark.parametrize("name", ["[/] x[1]", "~", "--out"])
def test_a_spectrum_is_that_of_the_run_of_that_name(vral, tmp_path, studies, name):
    shutil.copytree(studies / "0", tmp_path / name)
    for run, out in ((f"{name}/run", f"{name}/spectrum"), (studies / "0" / "run", "plain")):
        result = vral("spectrum", "--samples", 16, f"--out={out}", "--", run)
        assert result.exit_code == 0, result.output
        assert result.output.endswith(f"→ {out}\n")
    for table in ("eigenvalues-seed0.csv", "counts-seed0.csv"):
        ours, plain = tmp_path / name / "spectrum" / table, tmp_path / "plain" / table
        assert ours.read_bytes() == plain.read_bytes()


@pytest.mark.slow
def test_numbers_without_chance_are_written_and_judged_under_any_name(vral, tmp_path):
    for out in ("[/] x[1]", "plain"):
        result = vral("reproduce", "errata", f"--out={out}")
        assert result.exit_code == 0, result.output
        assert f"tables and figures → {out}\n" in result.output
    assert vral("claims", "[/] x[1]").exit_code == 0
    measured = [tmp_path / out / "measured.csv" for out in ("[/] x[1]", "plain")]
    assert measured[0].read_bytes() == measured[1].read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["[/] x[1]", "'\"#%20&~"])
def test_a_page_shows_the_study_of_that_name(vral, tmp_path, studies, name):
    shutil.copytree(studies / "0", tmp_path / name)
    result = vral("report", f"--out={name}/page.html", "--", name)
    assert result.exit_code == 0, result.output
    assert f"→ {name}/page.html, {name}/page.pdf\n" in result.output
    plain = vral("report", "--out", "page.html", studies / "0")
    assert plain.exit_code == 0, plain.output
    pages = [(tmp_path / at / "page.html").read_text() for at in (name, "")]
    shown = [text.partition('id="explorer-data">')[2].partition("</script>")[0] for text in pages]
    assert len(shown[0]) > 1000
    assert shown[0] == shown[1]  # The curves of the explorer.


def test_every_console_prints_text_as_it_is():
    """One function makes the command line's consoles: none reads a name as markup or emoji."""
    package = Path(main.callback.__code__.co_filename).parents[1]
    makers = {
        path.name
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Console"
    }
    assert makers == {"terminal.py"}
