"""Readings: thinned, joined to D updates, written whole or not at all."""

import math

import polars as pl
import pytest
import torch

from vral.files import replace_file
from vral.study.legacy import legacy_scales
from vral.train.plan import Record
from vral.train.records import (
    Recorder,
    Stamp,
    drop_after,
    first_divergence,
    read_parts,
    write_part,
)
from vral.train.state import Clock


def info(**readings: float | tuple[float, ...]) -> Record:
    return Record.of(
        {
            name: torch.tensor(value if isinstance(value, tuple) else (value,))
            for name, value in readings.items()
        }
    )


def at(d_update: int, number: int, g_updates: int) -> Stamp:
    """The stamp of an update whose readings are kept."""
    return Stamp(d_update, number, g_updates, d_update, due=True)


@pytest.mark.parametrize(
    ("every", "first", "last", "kept"),
    [
        (1, 1, 4, [1, 2, 3, 4]),
        (5, 1, 50, list(range(5, 51, 5))),
        (5, 51, 57, [52, 57]),  # counted back from the update that G answers
        (3, 8, 8, []),  # a round without a multiple of 3
        (3, 9, 9, [9]),
        (50, 41, 59, [59]),
    ],
)
def test_readings_are_counted_back_from_the_round_s_last_update(every, first, last, kept):
    recorder = Recorder((0,), every, 64)
    moves = [("F",), ("D",)] * (last - first + 1)
    clock = Clock(d_updates=first - 1)
    recorder.begin_round(clock, moves)
    for update in range(first, last + 1):
        clock.tick(("F",))  # its readings belong to the next update that is kept
        later = [due for due in kept if due >= update]
        stamp = recorder.stamp(("F",), clock)
        assert (stamp.d_update, stamp.watched) == (later[0] if later else update, update)
        clock.tick(("D",))
        assert recorder.stamp(("D",), clock) == Stamp(update, 0, 0, update, update in kept)


def test_g_answers_the_round_s_last_update_of_d():
    recorder, clock = Recorder((0,), 1, 64), Clock(round=4, d_updates=8, g_updates=4)
    recorder.begin_round(clock, [("G",), ("D",), ("D",), ("G",)])
    stamps = []
    for move in (("G",), ("D",), ("D",), ("G",)):
        clock.tick(move)
        stamps.append(recorder.stamp(move, clock))
    assert stamps == [
        Stamp(9, 4, 5, 9, True),  # a G who moves first has no D update to answer yet
        Stamp(9, 4, 5, 9, True),
        Stamp(10, 4, 5, 10, True),
        Stamp(10, 4, 6, 10, True),
    ]


def test_readings_of_all_players_meet_at_their_d_update():
    recorder = Recorder((0,), 1, 64)
    recorder.add(at(1, 0, 0), info(loss_F=1.0))
    recorder.add(at(1, 0, 0), info(loss_R=2.0))
    recorder.add(at(1, 0, 0), info(loss_D=3.0, score_mean_real=0.5))
    recorder.add(at(1, 0, 1), info(loss_G=4.0))
    rows = recorder.collect().to_dicts()
    assert rows == [
        {
            "seed": 0,
            "d_updates": 1,
            "round": 0,
            "g_updates": 0,
            "images": 64,
            "loss_D": 3.0,
            "score_mean_real": 0.5,
            "loss_F": 1.0,
            "loss_R": 2.0,
            "loss_G": 4.0,
        }
    ]


def test_what_did_not_happen_is_null():
    recorder = Recorder((0,), 1, 64)
    for update in (1, 2, 3):
        recorder.add(at(update, 0, 0), info(loss_D=float(update)))
    recorder.add(at(3, 0, 1), info(loss_G=9.0))
    frame = recorder.collect()
    assert frame["loss_D"].to_list() == [1.0, 2.0, 3.0]
    assert frame["loss_G"].to_list() == [None, None, 9.0]


def test_the_last_of_many_updates_wins():
    recorder = Recorder((0,), 1, 64)
    recorder.add(at(1, 0, 0), info(loss_D=1.0))
    for g in (1, 2, 3, 4):
        recorder.add(at(1, 0, g), info(loss_G=float(g)))
    frame = recorder.collect()
    assert len(frame) == 1
    assert frame["loss_G"].to_list() == [4.0]


def test_one_row_per_seed_with_its_own_lane():
    recorder = Recorder((7, 2), 1, 32)
    recorder.add(at(1, 0, 0), info(loss_D=(70.0, 20.0)))
    recorder.add(at(2, 0, 0), info(loss_D=(71.0, 21.0)))
    recorder.add(at(2, 0, 1), info(loss_G=(7.0, 2.0)))
    rows = recorder.collect().sort("seed", "d_updates")
    assert rows.select("seed", "d_updates", "images", "loss_D", "loss_G").rows() == [
        (2, 1, 32, 20.0, None),
        (2, 2, 64, 21.0, 2.0),
        (7, 1, 32, 70.0, None),
        (7, 2, 64, 71.0, 7.0),
    ]


def test_collecting_empties():
    recorder = Recorder((0,), 1, 64)
    assert recorder.collect() is None
    recorder.add(at(1, 0, 0), info(loss_D=1.0))
    assert len(recorder.collect()) == 1
    assert recorder.collect() is None


def frame_of(**columns) -> pl.DataFrame:
    count = len(next(iter(columns.values())))
    times = {"seed": [0] * count, "d_updates": range(1, count + 1), "round": range(count)}
    return pl.DataFrame({**times, **columns})


@pytest.mark.parametrize(
    ("bad", "text"), [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf")]
)
def test_divergence_names_its_first_update_and_reading(bad, text):
    frame = frame_of(loss_D=[1.0, 2.0, math.nan], loss_G=[None, bad, None], late=[1.0, 1.0, bad])
    found = first_divergence(frame.reverse(), 0)
    assert (found["d_update"], found["reading"]) == (2, "loss_G")
    assert found["value"].lower() == text


def test_null_is_no_divergence_and_other_seeds_do_not_count():
    frame = frame_of(loss_D=[1.0, 2.0], loss_G=[None, 3.0])
    assert first_divergence(frame, 0) is None
    sick = frame.with_columns(seed=pl.lit(1), loss_D=pl.lit(math.nan))
    assert first_divergence(pl.concat([frame.cast({"seed": pl.Int32}), sick]), 0) is None
    assert first_divergence(sick, 1)["reading"] == "loss_D"


def test_legacy_scales_lie_a_batch_apart():
    """(1/B) E‖∇D‖² for one group of scripts, (1/B²) E‖∇D‖² for the other."""
    frame = pl.DataFrame({"grad_square_real": [1.0, 128.0], "grad_square_fake": [4096.0, 0.0]})
    scaled = legacy_scales(frame, 64)
    assert scaled["legacy_real_summed"].to_list() == [1 / 64, 2.0]
    assert scaled["legacy_fake_averaged"].to_list() == [1.0, 0.0]
    ratio = scaled["legacy_real_summed"] / scaled["legacy_real_averaged"]
    assert ratio.to_list() == [64.0, 64.0]


def test_legacy_scales_are_what_the_old_code_differentiated():
    """It took ∇ of the batch *mean* of D; summed or averaged over samples."""
    x = torch.randn(64, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    weight = torch.tensor([1.0, -2.0, 0.5])
    (old,) = torch.autograd.grad(((x @ weight) + (x**2).sum(1)).mean(), x)
    true = ((weight + 2 * x.detach()) ** 2).sum(1).mean().item()
    columns = {f"grad_square_{kind}": [true] for kind in ("real", "fake")}
    scaled = legacy_scales(pl.DataFrame(columns), 64)
    squares = (old**2).sum(1)
    assert scaled["legacy_real_summed"][0] == pytest.approx(squares.sum().item(), rel=1e-5)
    assert scaled["legacy_real_averaged"][0] == pytest.approx(squares.mean().item(), rel=1e-5)


def test_parts_come_back_in_order_and_later_ones_can_be_dropped(tmp_path):
    folder = tmp_path / "records"
    assert read_parts(folder) is None
    for number in (100, 9, 20):
        write_part(pl.DataFrame({"round": [number]}), folder, number)
    assert read_parts(folder)["round"].to_list() == [9, 20, 100]
    drop_after(folder, 20)
    assert read_parts(folder)["round"].to_list() == [9, 20]
    drop_after(folder, -1)
    assert read_parts(folder) is None
    drop_after(tmp_path / "absent", 0)


def test_parts_with_different_columns_join_with_nulls(tmp_path):
    write_part(pl.DataFrame({"a": [1.0]}), tmp_path, 1)
    write_part(pl.DataFrame({"a": [2.0], "b": [3.0]}), tmp_path, 2)
    assert read_parts(tmp_path).rows() == [(1.0, None), (2.0, 3.0)]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "kept"
    path.write_text("old")

    def fails():
        with replace_file(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        fails()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "kept"
    path.write_text("old")
    with replace_file(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_unfinished_part_is_no_part(tmp_path):
    """What a kill leaves behind has another name than what a reader looks for."""
    with replace_file(tmp_path / "round-00000001.parquet") as temporary:
        temporary.write_text("half a parquet file")
        assert read_parts(tmp_path) is None
        pl.DataFrame({"a": [1]}).write_parquet(temporary)
    assert read_parts(tmp_path).rows() == [(1,)]


def test_a_bad_loss_is_noted_at_its_update_though_nothing_is_recorded():
    recorder = Recorder((4, 9), 1000, 64)
    recorder.begin_round(Clock(), [("D",)] * 50)
    for update in range(1, 51):
        stamp = recorder.stamp(("D",), Clock(d_updates=update))
        assert not stamp.due
        second = math.inf if update in (13, 14) else 1.0
        recorder.add(stamp, info(loss_D=(1.0, second), score_mean_real=(math.nan, 0.0)))
        recorder.add(stamp, info(loss_G=(math.nan if update >= 40 else 0.0, 0.0)))
    assert recorder.collect() is None
    assert recorder.first_bad_loss(4) == (40, "loss_G")
    assert recorder.first_bad_loss(9) == (13, "loss_D")
