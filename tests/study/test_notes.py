"""What readings say of the end of a seed: exploded, G gets no gradient."""

import json
from pathlib import Path

import polars as pl
import pytest
from cases import tiny

from vral.study import notes
from vral.study.config import resolve
from vral.study.folders import write_json
from vral.study.machine import Execution
from vral.study.notes import EXPLODED, NO_GRADIENT
from vral.study.run import execute

PUBLISHED = sorted((Path(__file__).parents[2] / "runs/published").glob("*/final.csv"))
CPU = Execution(device="cpu", compile="off")
RECORDED = 20


def records(seed: int = 0, rounds: int = 10, **readings) -> pl.DataFrame:
    """Ten rounds at 20:1 of which each keeps its last D update; readings are 1 unless given."""
    usual = {"grad_norm_fake": 1.0, "score_mean_fake": 1.0, "loss_R": 1.0, "g_grad_rms": 1.0}
    clock = {"d_updates": [RECORDED * (i + 1) for i in range(rounds)], "round": range(rounds)}
    columns = {name: readings.get(name, [value] * rounds) for name, value in usual.items()}
    return pl.DataFrame({"seed": [seed] * rounds, **clock, **columns})


def with_value(value: float, at: int) -> list[float]:
    return [1.0] * at + [value] + [1.0] * (9 - at)


@pytest.mark.parametrize("reading", ["grad_norm_fake", "score_mean_fake", "loss_R"])
def test_an_explosion_is_noted_where_it_is_first_seen_with_the_most_it_reached(reading):
    values = with_value(2e6, 3)
    values[7] = -3e15
    assert notes.notes(records(**{reading: values})) == [
        {"seed": 0, "what": EXPLODED, "reading": reading, "value": -3e15, "d_update": 80}
    ]


def test_a_million_is_the_limit_of_sizes_and_of_nothing_that_squares_them():
    assert notes.notes(records(grad_norm_fake=with_value(1e6, 3))) == []
    squares = records().with_columns(grad_square_fake=1e12, loss_D=1e12, signal_fake=1e12)
    assert notes.notes(squares) == []


def test_a_g_without_gradient_is_noted_from_where_all_later_ones_are_nought():
    [note] = notes.notes(records(g_grad_rms=[1.0, 0.0, 1.0, 1e-16, *[0.0] * 6]))
    assert note == {
        "seed": 0,
        "what": NO_GRADIENT,
        "reading": "g_grad_rms",
        "value": 1e-16,
        "d_update": 80,
    }


@pytest.mark.parametrize(
    "gradient",
    [
        [0.0] * 9 + [1e-3],  # it came back
        [1.0] * 9 + [0.0],  # one of the two updates of the last fifth
        [3e-11] * 10,  # Standard, starved but moving
        [None] * 10,  # G's updates were not recorded
    ],
)
def test_a_g_whose_gradient_is_small_or_nought_for_a_moment_is_not_noted(gradient):
    frame = records(g_grad_rms=pl.Series(gradient, dtype=pl.Float64))
    assert notes.notes(frame) == []


def test_each_seed_is_noted_by_itself_and_one_that_diverged_is_not():
    frame = pl.concat([records(s, g_grad_rms=[float(s == 1)] * 10) for s in (2, 1, 0)])
    assert [note["seed"] for note in notes.notes(frame)] == [0, 2]
    assert [note["seed"] for note in notes.notes(frame, {2})] == [0]
    assert notes.notes(None) == []


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda path: path.parent.name)
def test_no_published_run_comes_within_a_fiftieth_of_the_limit_and_standard_alone_dies(file):
    final = pl.read_csv(file, infer_schema_length=None).with_columns(d_updates=pl.lit(1))
    sizes = [name for name in notes.SIZES if name in final.columns]
    assert (
        final.select(pl.col(sizes).cast(pl.Float64).abs().max()).to_numpy().max() < notes.LIMIT / 50
    )
    noted = {
        (*map(str, place), note["what"])
        for place, rows in final.group_by("method", "ratio", "dataset")
        for note in notes.notes(rows)
    }
    assert noted <= {("standard", "50", "mnist", notes.NO_GRADIENT)}


def exploding(**given):
    """Adam's steps of 10 in a WGAN whose weights nothing holds."""
    settings = {"dataset": "ring", "clip": 0.0, "lr": 10.0, "rounds": 12, "seeds": "0,1"}
    return tiny("wgan", **{**settings, **given})


def test_an_exploded_run_is_finished_and_says_so(tmp_path):
    report = execute(exploding(), tmp_path, CPU)
    assert report["status"] == "finished"
    assert report["diverged"] == []
    told = {(note["seed"], note["what"]) for note in report["notes"]}
    assert told >= {(0, EXPLODED), (1, EXPLODED)}
    assert json.loads((tmp_path / "run.json").read_text())["notes"] == report["notes"]


def test_notes_are_the_same_after_an_interruption(tmp_path):
    whole = execute(exploding(record_every=2), tmp_path / "whole", CPU)
    counts = iter(range(100))
    stopped = execute(
        exploding(record_every=2), tmp_path / "parts", CPU, stop=lambda: next(counts) == 5
    )
    assert stopped["status"] == "stopped"
    assert {note["seed"] for note in stopped["notes"]} == {0, 1}
    assert execute(exploding(record_every=2), tmp_path / "parts", CPU)["notes"] == whole["notes"]


def test_a_run_of_an_earlier_version_is_noted_from_its_records(tmp_path):
    report = execute(exploding(record_every=2), tmp_path, CPU)
    path = tmp_path / "run.json"
    write_json(path, {k: v for k, v in report.items() if k != "notes"})
    found = notes.of_study(tmp_path)
    assert [{k: note[k] for k in report["notes"][0]} for note in found] == report["notes"]
    assert all(note["method"] == "wgan" for note in found)
    assert "(1 of 2 is recorded)" in notes.in_words(found[0])


def test_a_working_run_has_nothing_to_note(tmp_path):
    config = resolve("lsgan", {"dataset": "ring", "width": 8, "rounds": 5})
    assert execute(config, tmp_path, CPU)["notes"] == []
