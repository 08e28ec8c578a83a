"""``vral reproduce`` of studies over seeds, in process, on the bundled digits."""

import json

import matplotlib.image
import polars as pl
import pytest
import torch
from cases import SMALL, one_line_error
from click.testing import CliRunner

from vral.cli.main import main
from vral.study.experiments import EXPERIMENTS, Arm
from vral.study.folders import folder_name, locked
from vral.study.machine import Execution
from vral.study.run import execute


def test_dry_run_prints_the_plan_and_writes_nothing(vral, tmp_path):
    result = vral("reproduce", "ratios", "--dry-run", "--rounds", 10, "--seeds", 2, *SMALL)
    assert result.exit_code == 0, result.output
    assert "24 runs, 8,960 D updates, 480 G updates; about" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def finished_study(tmp_path_factory):
    root = tmp_path_factory.mktemp("study") / "ratios"
    command = ["reproduce", "ratios", "--methods", "lsgan,vral-meta,wgan", "--ratios", "1,3"]
    command += ["--rounds", "6", "--seeds", "2", "--out", str(root), "--legacy-scales", *SMALL]
    result = CliRunner().invoke(main, command, env={"COLUMNS": "300"})
    assert result.exit_code == 0, result.output
    return root, command, result


@pytest.mark.slow
def test_a_study_writes_records_samples_figures_and_a_table(finished_study):
    root, _, result = finished_study
    for method in ("lsgan", "vral-meta", "wgan"):
        for ratio in ("1", "3"):
            run = root / f"method={method}/ratio={ratio}/dataset=digits/seeds=0-1"
            assert set(pl.read_parquet(run / "records")["seed"].unique()) == {0, 1}
            assert any((run / "samples").iterdir())
    for name in ("overview", "histograms", "gradients", "generator", "samples"):
        assert (root / f"figures/digits/{name}.pdf").read_bytes().startswith(b"%PDF")
        image = matplotlib.image.imread(root / f"figures/digits/{name}.png")
        assert image[..., :3].std() > 0.01
    assert "Var D(G(z))" in result.output
    table = pl.read_csv(root / "summary.csv")
    assert {"grad_norm_fake", "score_var_fake", "g_grad_rms", "frechet"} <= set(table["metric"])


@pytest.mark.slow
def test_hive_readers_find_the_coordinates_in_the_path(finished_study):
    root, _, _ = finished_study
    frame = pl.scan_parquet(
        root / "**/records/*.parquet",
        hive_partitioning=True,
        missing_columns="insert",
        extra_columns="ignore",
    ).collect()
    assert set(frame["method"].unique()) == {"lsgan", "vral-meta", "wgan"}
    assert set(frame["ratio"].cast(pl.String).unique()) == {"1", "3"}


@pytest.mark.slow
def test_legacy_scales_are_a_batch_apart(finished_study):
    root, _, _ = finished_study
    table = pl.read_csv(root / "summary.csv", schema_overrides={"ratio": pl.String})
    value = {(r["method"], r["ratio"], r["metric"]): r["median"] for r in table.to_dicts()}
    for method in ("lsgan", "wgan"):
        summed = value[method, "3", "legacy_fake_summed"]
        averaged = value[method, "3", "legacy_fake_averaged"]
        assert summed / averaged == pytest.approx(16)


@pytest.mark.slow
def test_a_finished_study_is_not_trained_again(finished_study):
    root, command, _ = finished_study
    before = {p: p.read_bytes() for p in root.rglob("*.json") if p.name == "run.json"}
    # As a study leaves them that was killed while it wrote its table and its figures.
    torn = [root / ".final.csv.4711.tmp", root / "figures/digits/.overview.png.4711.tmp"]
    for path in torn:
        path.write_text("half")
    (root / "figures/digits/overview.png").unlink()
    (root / "figures/digits/.mine.tmp").write_text("precious")
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0
    assert "runs to do" not in result.output
    assert (root / "figures/digits/overview.png").exists()
    assert not any(path.exists() for path in torn)
    assert (root / "figures/digits/.mine.tmp").read_text() == "precious"
    assert before == {p: p.read_bytes() for p in before}


@pytest.mark.slow
def test_more_seeds_add_to_a_study_and_change_nothing_in_it(finished_study):
    root, command, _ = finished_study
    run = root / "method=lsgan/ratio=1/dataset=digits"
    before = (run / "seeds=0-1/run.json").read_bytes()
    more = [*command]
    more[more.index("--seeds") + 1] = "3"
    more[more.index("--methods") + 1] = "lsgan"
    assert CliRunner().invoke(main, more).exit_code == 0
    assert (run / "seeds=0-1/run.json").read_bytes() == before
    assert (run / "seeds=2/run.json").exists()


@pytest.mark.slow
def test_a_study_goes_on_past_a_diverged_method(vral, tmp_path):
    """With a huge step the quadratic loss explodes; clipped weights cannot."""
    result = vral(
        *("reproduce", "ratios", "--methods", "lsgan,wgan", "--ratios", "1", "--seeds", 2),
        *("--rounds", 40, "--rule", "sgd", "--lr", 50, *SMALL),
    )
    assert result.exit_code == 0, result.output
    assert "diverged: lsgan at 1 on digits, seed 1: " in result.output
    assert "diverged: wgan" not in result.output
    status = {
        path.parts[-5]: json.loads(path.read_text())["status"]
        for path in tmp_path.rglob("run.json")
    }
    assert status == {"method=lsgan": "diverged", "method=wgan": "finished"}
    assert list(tmp_path.rglob("overview.png"))


@pytest.mark.slow
def test_a_study_whose_every_seed_diverges_is_still_drawn(vral, tmp_path):
    result = vral(
        *("reproduce", "ratios", "--methods", "lsgan", "--ratios", "1", "--seeds", 1),
        *("--rounds", 4, "--lr", 1e30, *SMALL),
    )
    assert result.exit_code == 0, result.output
    assert "diverged: lsgan" in result.output
    assert list(tmp_path.rglob("overview.png"))


def test_a_study_keeps_every_run_on_the_device_it_was_begun_on(vral, tmp_path, monkeypatch):
    given = ("reproduce", "mode-collapse", "--methods", "lsgan", "--dataset", "ring", "--dry-run")
    given = (*given, "--seeds", 1, "--rounds", 4, "--width", 8, "--out", tmp_path / "study")
    arm = EXPERIMENTS["mode-collapse"]
    settings = {"rounds": 4, "width": 8, "seeds": (0,)}
    config = arm.config(Arm("lsgan"), arm.ratios[0], "ring", **settings)
    run = tmp_path / "study" / folder_name(config)
    execute(config, run, Execution("cpu"), stop=lambda: True)
    about = {"experiment": "mode-collapse", "commands": []}
    (tmp_path / "study" / "study.json").write_text(json.dumps(about))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert "begun on cpu" in one_line_error(vral(*given, "--device", "cuda"))


def test_two_studies_do_not_share_a_folder(vral, tmp_path):
    root = tmp_path / "study"
    root.mkdir()
    about = {"experiment": "ratios", "commands": []}
    (root / "study.json").write_text(json.dumps(about))
    with locked(root):
        text = one_line_error(vral("reproduce", "ratios", "--rounds", 1, *SMALL, "--out", root))
    assert "another process is writing" in text
    assert json.loads((root / "study.json").read_text()) == about


@pytest.mark.slow
def test_a_study_names_what_exploded_in_its_table_and_last(vral, tmp_path):
    result = vral(
        *("reproduce", "ratios", "--dataset", "ring", "--methods", "wgan", "--ratios", "1"),
        *("--seeds", 2, "--rounds", 12, "--clip", 0, "--lr", 10, "--jobs", 1, *SMALL),
    )
    assert result.exit_code == 0, result.output
    assert "to note" in result.output
    assert result.output.splitlines()[-1].startswith("exploded: wgan at 1 on ring, seed 1: ")
