"""The command line, in process, on the bundled digits."""

import json
import shutil

import matplotlib.image
import polars as pl
import pytest
from cases import SMALL, one_line_error
from click.testing import CliRunner

from vral.cli.main import main
from vral.study.folders import locked


def test_train_writes_a_run_and_says_where(vral, tmp_path):
    result = vral("train", "lsgan", "--rounds", 4, "--ratio", 3, *SMALL)
    assert result.exit_code == 0, result.output
    run = tmp_path / "runs/train/method=lsgan/ratio=3/dataset=digits/seeds=0"
    assert "finished: 4 rounds" in result.output
    assert str(run.relative_to(tmp_path)) in result.output
    report = json.loads((run / "run.json").read_text())
    assert report["status"] == "finished"
    assert report["config"]["batch"] == 16
    records = pl.read_parquet(run / "records")
    assert records["d_updates"].to_list() == list(range(1, 13))


def test_train_on_stacks_runs_to_the_end_and_reads_their_modes(vral, tmp_path):
    arguments = ("--dataset", "stacked-digits", "--rounds", 2, "--probe-every", 2, *SMALL)
    result = vral("train", "lsgan", *arguments)
    assert result.exit_code == 0, result.output
    run = tmp_path / "runs/train/method=lsgan/ratio=1/dataset=stacked-digits/seeds=0"
    report = json.loads((run / "run.json").read_text())
    assert report["status"] == "finished"
    assert {"reverse_kl_floor", "modes_covered_floor"} <= set(report["quality"])
    probes = pl.read_parquet(run / "probes")
    assert probes["scores_real"].list.len().to_list() == [10_000] * len(probes)
    assert probes["scores_fake"].list.len().to_list() == [10_000] * len(probes)
    # untrained, G makes next to nothing but one mode
    assert probes["modes_covered"].is_between(1, 100).all()
    assert probes["reverse_kl"].is_between(2, 8).all()
    assert {"frechet", "coverage"} <= set(probes.columns)


def test_the_same_command_again_does_nothing_and_more_rounds_prolong(vral, tmp_path):
    vral("train", "lsgan", "--rounds", 2, *SMALL)
    run = next(tmp_path.rglob("run.json"))
    before = run.read_text()
    assert vral("train", "lsgan", "--rounds", 2, *SMALL).exit_code == 0
    assert run.read_text() == before
    assert "5 rounds" in vral("train", "lsgan", "--rounds", 5, *SMALL).output


def test_changed_settings_are_refused_with_their_differences(vral, tmp_path):
    vral("train", "lsgan", "--rounds", 2, *SMALL)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    changed = ("train", "lsgan", "--rounds", 2, *SMALL, "--lr", 0.5, "--rule", "adam:beta1=0")
    for more in ((), ("--dry-run",)):
        text = one_line_error(vral(*changed, *more))
        assert "--lr: 0.001 → 0.5" in text
        assert "--rule: adam → adam:beta1=0" in text
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


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


def test_a_diverged_run_says_so_and_is_kept(vral, tmp_path):
    result = vral(
        *("train", "wgan", "--rounds", 50, "--rule", "sgd", "--lr", 1e6, "--clip", 0, *SMALL)
    )
    assert result.exit_code == 2
    assert "diverged: wgan at 1 on digits, seed 0: " in result.output
    report = json.loads(next(tmp_path.rglob("run.json")).read_text())
    assert report["status"] == "diverged"
    assert report["diverged"][0]["seed"] == 0


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


def test_legacy_scales_are_a_batch_apart(finished_study):
    root, _, _ = finished_study
    table = pl.read_csv(root / "summary.csv", schema_overrides={"ratio": pl.String})
    value = {(r["method"], r["ratio"], r["metric"]): r["median"] for r in table.to_dicts()}
    for method in ("lsgan", "wgan"):
        summed = value[method, "3", "legacy_fake_summed"]
        averaged = value[method, "3", "legacy_fake_averaged"]
        assert summed / averaged == pytest.approx(16)


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


def test_a_study_whose_every_seed_diverges_is_still_drawn(vral, tmp_path):
    result = vral(
        *("reproduce", "ratios", "--methods", "lsgan", "--ratios", "1", "--seeds", 1),
        *("--rounds", 4, "--lr", 1e30, *SMALL),
    )
    assert result.exit_code == 0, result.output
    assert "diverged: lsgan" in result.output
    assert list(tmp_path.rglob("overview.png"))


def test_diverged_seeds_have_no_final_value(vral, tmp_path):
    vral("train", "lsgan", "--rounds", 40, "--rule", "sgd", "--lr", 50, "--seed", "0-1", *SMALL)
    assert pl.read_csv(next(tmp_path.rglob("summary.csv"))).is_empty()
    assert pl.read_csv(next(tmp_path.rglob("final.csv")))["diverged"].to_list() == [True, True]


def test_ls_explains_every_column_of_a_run(vral, tmp_path):
    explained = {line.split()[0] for line in vral("ls").output.splitlines() if line[:2] == "  "}
    clocks = {"seed", "round", "d_updates", "g_updates", "images", "scores_real", "scores_fake"}
    for dataset in ("digits", "ring"):
        options = ["--rounds", 1, "--probe", "optimality", "--dataset", dataset, *SMALL]
        assert vral("train", "vral-meta", *options).exit_code == 0
    for kind in ("records", "probes"):
        for path in tmp_path.rglob(f"{kind}/*.parquet"):
            assert set(pl.read_parquet_schema(path)) - clocks <= explained


def test_the_optimality_probe_is_shown(vral):
    result = vral("train", "standard", "--rounds", 2, "--probe", "optimality", *SMALL)
    assert result.exit_code == 0, result.output
    assert "AUC trained on" in result.output


@pytest.mark.parametrize("name", ["run.json", "checkpoint.pt", "part", "nothing"])
def test_a_corrupt_run_is_refused_in_one_line_and_untouched(vral, tmp_path, name):
    command = ("train", "lsgan", *SMALL, "--rounds")
    vral(*command, 2)
    run = next(tmp_path.rglob("run.json")).parent
    broken = run / name if name != "part" else next(run.glob("records/*.parquet"))
    if name == "nothing":
        (run / "checkpoint.pt").unlink()
    else:
        content = bytearray(broken.read_bytes())
        content[len(content) // 2 :] = b"" if name == "part" else bytes(len(content) // 2)
        broken.write_bytes(content)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    text = one_line_error(vral(*command, 4))
    assert str(run.relative_to(tmp_path)) in text
    assert "delete" in text
    assert ("--out" in text) is (name == "nothing")  # It names the file, not an option.
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_one_flipped_bit_of_a_checkpoint_is_noticed(vral, tmp_path):
    vral("train", "lsgan", *SMALL, "--rounds", 2)
    path = next(tmp_path.rglob("checkpoint.pt"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "is corrupt" in one_line_error(vral("train", "lsgan", *SMALL, "--rounds", 4))


def test_a_checkpoint_of_another_run_is_refused_in_one_line_and_untouched(vral, tmp_path):
    common = ("--dataset", "ring", "--width", 8, "--latent", 2, "--batch", 16)
    for name in ("nonsaturating", "lsgan"):
        vral("train", name, *common, "--rounds", 2, "--out", name)
    shutil.copy(tmp_path / "lsgan" / "checkpoint.pt", tmp_path / "nonsaturating")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    train = ("train", "nonsaturating", *common, "--rounds", 3, "--out", "nonsaturating")
    for command in (train, ("spectrum", "nonsaturating")):
        text = one_line_error(vral(*command))
        assert "nonsaturating/checkpoint.pt belongs to another run" in text
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_a_folder_of_hidden_files_is_somebody_else_s(vral, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/.draft.tmp").write_text("precious")
    assert "not empty" in one_line_error(vral("train", "lsgan", *SMALL, "--out", "notes"))
    assert (tmp_path / "notes/.draft.tmp").read_text() == "precious"


def test_two_studies_do_not_share_a_folder(vral, tmp_path):
    root = tmp_path / "study"
    root.mkdir()
    about = {"experiment": "ratios", "commands": []}
    (root / "study.json").write_text(json.dumps(about))
    with locked(root):
        text = one_line_error(vral("reproduce", "ratios", "--rounds", 1, *SMALL, "--out", root))
    assert "another process is writing" in text
    assert json.loads((root / "study.json").read_text()) == about


def test_the_table_keeps_every_number_in_a_narrow_terminal(vral, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = vral("train", "lsgan", "--rounds", 3, "--seed", "0-2", *SMALL)
    table = result.output[result.output.index("Final values") : result.output.index("finished:")]
    assert "…" not in table
