"""``vral train`` in process, on the bundled digits."""

import json
import shutil

import polars as pl
import pytest
import torch
from cases import SMALL, one_line_error


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


@pytest.mark.parametrize(("norm", "said"), [("batch", True), ("group", False)])
def test_gradients_under_batch_norm_are_said_to_be_no_sample_s_own(vral, norm, said):
    given = ("--dataset", "ring", "--rounds", 2, "--norm-d", norm, "--width", 8)
    result = vral("train", "lsgan", *given)
    assert result.exit_code == 0, result.output
    assert ("are not those of single samples" in result.output) == said


def test_the_same_command_again_does_nothing_and_more_rounds_prolong(vral, tmp_path):
    vral("train", "lsgan", "--rounds", 2, *SMALL)
    run = next(tmp_path.rglob("run.json"))
    before = run.read_text()
    assert vral("train", "lsgan", "--rounds", 2, *SMALL).exit_code == 0
    assert run.read_text() == before
    assert "5 rounds" in vral("train", "lsgan", "--rounds", 5, *SMALL).output


def test_a_run_begun_on_a_cpu_stays_there_and_says_so(vral, monkeypatch):
    given = ("train", "lsgan", "--dataset", "ring", "--width", 8)
    vral(*given, "--rounds", 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    result = vral(*given, "--rounds", 3)
    assert result.exit_code == 0, result.output
    assert "It continues on cpu, where it was begun." in result.output
    assert "finished: 3 rounds" in result.output
    assert "continues on cpu" not in vral(*given, "--rounds", 3).output
    refused = one_line_error(vral(*given, "--rounds", 4, "--device", "cuda"))
    assert "--device: cuda given, but the run in" in refused


def test_changed_settings_are_refused_with_their_differences(vral, tmp_path):
    vral("train", "lsgan", "--rounds", 2, *SMALL)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    changed = ("train", "lsgan", "--rounds", 2, *SMALL, "--lr", 0.5, "--rule", "adam:beta1=0")
    for more in ((), ("--dry-run",)):
        text = one_line_error(vral(*changed, *more))
        assert "--lr: 0.001 → 0.5" in text
        assert "--rule: adam → adam:beta1=0" in text
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_a_diverged_run_says_so_and_is_kept(vral, tmp_path):
    result = vral(
        *("train", "wgan", "--rounds", 50, "--rule", "sgd", "--lr", 1e6, "--clip", 0, *SMALL)
    )
    assert result.exit_code == 2
    assert "diverged: wgan at 1 on digits, seed 0: " in result.output
    report = json.loads(next(tmp_path.rglob("run.json")).read_text())
    assert report["status"] == "diverged"
    assert report["diverged"][0]["seed"] == 0


def test_an_exploded_run_is_told_in_its_table_its_file_and_the_last_line(vral, tmp_path):
    """Every reading stays finite, so that nothing has diverged."""
    command = ("train", "wgan", "--clip", 0, "--lr", 10, "--rounds", 20, "--seed", "0,1", *SMALL)
    for _ in range(2):  # The second call trains nothing.
        result = vral(*command)
        assert result.exit_code == 0, result.output
        last = result.output.splitlines()[-1]
        assert last.startswith("finished (exploded: seeds 0, 1; G gets no gradient: seeds 0, 1): ")
        assert "exploded: wgan at 1 on digits, seed 1: " in result.output
        table = result.output[: result.output.index("exploded: wgan")]
        assert "exploded: seeds 0, 1; G gets no gradient: seeds 0, 1" in " ".join(table.split())
    noted = json.loads(next(tmp_path.rglob("run.json")).read_text())["notes"]
    assert [(note["seed"], note["what"]) for note in noted] == [
        (seed, what) for seed in (0, 1) for what in ("exploded", "G gets no gradient")
    ]


def test_a_working_run_ends_without_a_note(vral, tmp_path):
    result = vral("train", "lsgan", "--rounds", 3, "--seed", "0-2", *SMALL)
    assert result.output.splitlines()[-1].startswith("finished: 3 rounds × 3 seeds")
    assert "to note" not in result.output


def test_diverged_seeds_have_no_final_value(vral, tmp_path):
    vral("train", "lsgan", "--rounds", 40, "--rule", "sgd", "--lr", 50, "--seed", "0-1", *SMALL)
    assert pl.read_csv(next(tmp_path.rglob("summary.csv"))).is_empty()
    assert pl.read_csv(next(tmp_path.rglob("final.csv")))["diverged"].to_list() == [True, True]


def test_ls_explains_every_column_of_a_run(vral, tmp_path):
    explained = {line.split()[0] for line in vral("ls").output.splitlines() if line[:2] == "  "}
    clocks = {"seed", "round", "d_updates", "g_updates", "images", "scores_real", "scores_fake"}
    for dataset, probe in (("digits", "optimality"), ("ring", "usefulness")):
        options = ["--rounds", 1, "--probe", probe, "--dataset", dataset, *SMALL]
        assert vral("train", "vral-meta", *options).exit_code == 0
    for kind in ("records", "probes"):
        for path in tmp_path.rglob(f"{kind}/*.parquet"):
            assert set(pl.read_parquet_schema(path)) - clocks <= explained


@pytest.mark.parametrize(
    ("probe", "shown"),
    [("optimality", "AUC trained on"), ("usefulness", "sd of random directions")],
)
def test_an_additional_probe_is_shown(vral, monkeypatch, probe, shown):
    monkeypatch.setenv("COLUMNS", "300")
    result = vral("train", "standard", "--rounds", 2, "--probe", probe, *SMALL)
    assert result.exit_code == 0, result.output
    assert shown in result.output


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
    assert "aside, or name another folder" in text
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


def test_the_table_keeps_every_number_in_a_narrow_terminal(vral, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = vral("train", "lsgan", "--rounds", 3, "--seed", "0-2", *SMALL)
    table = result.output[result.output.index("Final values") : result.output.index("finished:")]
    assert "…" not in table


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--rule", "sgd", "--transform", "adam"), "--transform: adam given, but --rule sgd is"),
        (("--rule-meta", "adam:lr=0.1"), "--objective lsgan has no R and F"),
        (("--meta-steps", "3"), "--meta-steps: 3 given, but --objective lsgan has no R and F"),
        (("--meta-penalty", "0"), "--objective lsgan has no R and F"),
        (("--gamma", "3"), "No such option '--gamma'."),
    ],
)
def test_a_rule_that_nobody_would_follow_costs_nothing(vral, tmp_path, options, said):
    result = vral("train", "lsgan", "--rounds", 1, *options, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Did you mean" not in result.stderr
    assert not (tmp_path / "run").exists()
