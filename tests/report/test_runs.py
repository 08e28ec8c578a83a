"""Runs of ``vral train`` on a page, without verdicts."""

import json
import re
import shlex

import pytest
from cases import one_line_error
from click.testing import CliRunner
from studies import report

from vral.cli import train
from vral.cli.main import main
from vral.cli.options import given
from vral.cli.stubs import HELP_OPTIONS
from vral.figures import PAGE, PHONE
from vral.report.contents import read_runs, sections
from vral.report.settings import train_command
from vral.study.config import resolve
from vral.study.folders import folder_name, write_json
from vral.study.machine import Execution
from vral.study.run import execute

SMALL = {"dataset": "ring", "width": 4, "latent": 2, "batch": 8, "rounds": 6}
CPU = Execution(device="cpu", compile="off")


def make_run(root, method="lsgan", folder=None, **settings):
    config = resolve(method, {**SMALL, **settings})
    folder = root / (folder or folder_name(config))
    execute(config, folder, CPU)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two runs as vral train leaves them in runs/train, one of which explodes."""
    root = tmp_path_factory.mktemp("train")
    make_run(root)
    make_run(root, "wgan", clip=0.0, lr=10.0, seeds="0,1", rounds=12)
    return root


def test_a_run_is_a_page_without_verdicts(trained, tmp_path):
    run = next(trained.glob("method=wgan/**/run.json")).parent
    result = report(run, "--out", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    assert "no study, so no verdicts, 5 figures" in result.output
    page = (tmp_path / "page.html").read_text()
    assert "One run and no study: nothing to judge." in page
    assert not re.search('class="badge|class="tally|id="not-run', page)
    assert "<h1>WGAN at 1:1 on ring</h1>" in page
    assert "Seeds that exploded: 2 of 2." in " ".join(page.split())
    assert re.search(r"WGAN at 1:1, seed 1: \w+ passes 1e6 at D update", page)
    assert "12 rounds of batch 8" in page
    assert re.search(r"<code>lr</code></dt><dd>10<", page)
    assert "vral train wgan --dataset ring --seed 0,1" in page
    assert (tmp_path / "page.pdf").is_file()


def test_a_folder_with_runs_is_one_section_that_compares_them(trained):
    study = read_runs(trained)
    [section] = sections(study, 1, [])
    assert study.row.question == "LSGAN, WGAN at 1:1 on ring"
    assert section.rounds == "6 to 12"
    assert {arm for arm, _ in section.values} == {"lsgan", "wgan"}
    assert list(section.figures) == ["overview", "histograms", "gradients", "generator", "samples"]
    assert len(section.commands) == 2
    assert [end["what"] for end in section.ends if end["method"] == "lsgan"] == []


def test_the_panels_of_a_single_method_are_not_squeezed(trained):
    run = next(trained.glob("method=lsgan/**/run.json")).parent
    [section] = sections(read_runs(run), 1, [])
    for figure in (draw(width) for draw in section.figures.values() for width in (PAGE, PHONE)):
        figure.draw_without_rendering()
        heights = [ax.get_position().height * figure.get_figheight() for ax in figure.axes]
        assert min(heights) > 0.7, figure.get_suptitle()  # inches


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("lsgan", {"dataset": "ring", "rounds": 5}),
        ("vral-meta", {"ratio": "100x25,5", "rule_meta": "adam:lr=0.01", "seeds": "0-4"}),
        ("wgan-gp", {"network": "mnist-conv", "dataset": "mnist", "width": 8, "record_every": 7}),
        ("standard", {"generator": "held", "warmup": 3, "r1": 0.5, "variant": "ab", "rounds": 9}),
    ],
)
def test_the_command_of_a_run_gives_its_settings(method, settings):
    """Read by ``vral train`` itself, from what run.json holds."""
    config = resolve(method, settings)
    settled = {"record_every": config.recorded_every, "probe_every": config.probed_every}
    recorded = config.model_copy(update=settled).model_dump(mode="json")
    words = shlex.split(train_command(recorded))
    names = list(HELP_OPTIONS)  # A command keeps those of its first context.
    options = train.command.make_context("train", words[1:], help_option_names=names).params
    again = resolve(options.pop("method"), given(options))
    assert again.model_copy(update=settled).model_dump(mode="json") == recorded


def copied(run, to, **changes):
    """The run's run.json in another folder, with other settings."""
    content = json.loads((run / "run.json").read_text())
    content["config"] |= changes
    content["manifest"] = {}
    to.mkdir(parents=True)
    write_json(to / "run.json", content)


@pytest.mark.parametrize(
    ("changes", "said"),
    [({}, "the same seeds"), ({"seeds": [7], "lr": 0.5}, "--lr: 0.001 → 0.5")],
)
def test_runs_that_are_not_seeds_of_one_are_not_mixed(tmp_path, changes, said):
    run = make_run(tmp_path, folder="a")
    copied(run, tmp_path / "b", **changes)
    error = one_line_error(report(tmp_path))
    assert f"{run} and {tmp_path / 'b'} are runs of one name with {said}" in error
    assert not (tmp_path / "report.html").exists()


def test_what_is_neither_a_study_nor_a_run_is_refused(tmp_path):
    assert "holds no study.json and no run.json" in one_line_error(report(tmp_path))
    study = tmp_path / "runs" / "ratios"
    study.mkdir(parents=True)
    write_json(study / "study.json", {"experiment": "ratios", "commands": []})
    (study / "run.json").touch()
    error = one_line_error(report(tmp_path / "runs"))
    assert f"{tmp_path / 'runs'} holds studies; allowed: these, {study}" in error


def test_vral_claims_says_that_there_is_nothing_to_judge_in_a_run(trained):
    error = one_line_error(CliRunner().invoke(main, ["claims", str(trained)]))
    assert f"STUDY: {trained} given, which holds 2 runs and no study" in error
    assert "nothing to judge in a run by itself" in error
