"""Ratios as text, as counts and as the order in which players move."""

from dataclasses import replace

import pytest
import torch
from cases import draws_of, executor_of, fake_data, precise, tiny
from hypothesis import given
from hypothesis import strategies as st

from vral.data.draws import DrawStream, Noise
from vral.train.loop import Hooks, Training, train
from vral.train.records import Recorder
from vral.train.schedule import Ratio, round_moves, runs_of_moves
from vral.train.state import Clock, TrainState

READ = {
    "50": ("50", [(50, 1)] * 3),
    "50:1": ("50", [(50, 1)] * 3),
    "1": ("1", [(1, 1)] * 3),
    "1:1": ("1", [(1, 1)] * 3),
    "1:4": ("1:4", [(1, 4)] * 3),
    "5:2": ("5:2", [(5, 2)] * 3),
    " 7 : 1": None,
    " 7:1 ": ("7", [(7, 1)] * 3),
    "100x2,5": ("100x2,5", [(100, 1), (100, 1), (5, 1)]),
    "100:1x2, 5:1": ("100x2,5", [(100, 1), (100, 1), (5, 1)]),
    "100x1,1:3": ("100x1,1:3", [(100, 1), (1, 3), (1, 3)]),
    "9x1,1:2x1,4": ("9x1,1:2x1,4", [(9, 1), (1, 2), (4, 1)]),
}


@pytest.mark.parametrize("text", [text for text, value in READ.items() if value])
def test_reads_as_written(text):
    canonical, pairs = READ[text]
    ratio = Ratio.parse(text)
    assert str(ratio) == canonical
    assert Ratio.parse(canonical) == ratio
    assert [ratio.at(number) for number in range(3)] == pairs


def test_a_hundred_for_25_rounds_then_five():
    ratio = Ratio.parse("100x25,5")
    assert [ratio.at(r)[0] for r in (0, 24, 25, 26, 10_000)] == [100, 100, 5, 5, 5]
    assert ratio.totals(25) == (2500, 25)
    assert ratio.totals(30) == (2525, 30)
    assert ratio.totals(10) == (1000, 10)
    assert ratio.totals(0) == (0, 0)


@pytest.mark.parametrize(
    "text",
    [
        *("0", "1.5", "2:3:", "", "x", "5x10", "-1", "1:0", "0:1", "5,5", "5x0,1", "5x10,", ",5"),
        *("1:2:3", "50:1x", "1e3", "five", "5x2,3x2", "²"),
    ],
)
def test_refuses_and_names_what_is_allowed(text):
    with pytest.raises(ValueError, match=r"k:1.*1:k.*100x25,5") as raised:
        Ratio.parse(text)
    assert repr(text) in str(raised.value)


pairs = st.tuples(st.integers(1, 60), st.integers(1, 60))
timed = st.lists(st.tuples(pairs, st.integers(1, 20)), max_size=4)


def ratio_of(timed, last) -> Ratio:
    return Ratio((*((*pair, rounds) for pair, rounds in timed), (*last, None)))


@given(timed, pairs, st.integers(0, 120))
def test_totals_are_sums_of_rounds(timed, last, rounds):
    ratio = ratio_of(timed, last)
    each = [ratio.at(number) for number in range(rounds)]
    assert ratio.totals(rounds) == (sum(d for d, _ in each), sum(g for _, g in each))


@given(timed, pairs)
def test_text_and_back(timed, last):
    ratio = ratio_of(timed, last)
    assert Ratio.parse(str(ratio)) == ratio


def played(moves, needs, rounds: int, batch: int = 8, same_real: bool = False, probes=False):
    """The moves of a run in order with their draws, by steps that do nothing but look."""
    seen = []

    def looks(move):
        def step(state, draw):
            seen.append((move, draw))
            return state, {f"loss_{player}": torch.zeros(1) for player in move}

        return step

    names = dict.fromkeys(move for number in range(rounds) for move in moves(number))
    stream = DrawStream(fake_data("digits").train, needs, batch, (3,), same_real)
    executor = executor_of({(move, due): looks(move) for move in names for due in (False, True)})
    training = Training(moves, stream, executor, TrainState({}, {}))
    hooks = Hooks(lambda state, clock: seen.append((("probe",), None)) if probes else None)
    train(training, Clock(), rounds, Recorder((3,), 1, batch), hooks)
    return seen


GAN_NEEDS = {
    ("D",): {"real": None, "latent": Noise((2,))},
    ("G",): {"latent": Noise((2,))},
}


def test_fifty_to_one_plays_fifty_then_one():
    ratio = Ratio.parse("50:1")
    seen = played(lambda number: round_moves(ratio, number), GAN_NEEDS, 3)
    assert "".join(move for (move,), _ in seen) == ("D" * 50 + "G") * 3


def test_one_to_four_plays_one_then_four():
    ratio = Ratio.parse("1:4")
    seen = played(lambda number: round_moves(ratio, number), GAN_NEEDS, 2)
    assert "".join(move for (move,), _ in seen) == "DGGGG" * 2


def test_a_schedule_changes_the_round_it_says():
    ratio = Ratio.parse("4x2,1")
    seen = played(lambda number: round_moves(ratio, number), GAN_NEEDS, 4)
    assert "".join(move for (move,), _ in seen) == "DDDDG" * 2 + "DG" * 2


@pytest.mark.parametrize(("schedule", "order"), [("every", "FRDFRDFRDG"), ("once", "FRDDDG")])
def test_vral_plays_its_metas_before_d(schedule, order):
    training, _ = precise(tiny("vral-meta", ratio="3", meta_schedule=schedule))
    seen = played(training.moves, training.stream.needs, 2)
    assert "".join(move for (move,), _ in seen) == order * 2


@pytest.mark.parametrize(
    ("ratio", "order"), [("3", "DDD probe G DDD probe G"), ("1:3", "D probe GGG D probe GGG")]
)
def test_d_is_probed_between_its_last_update_and_gs_first(ratio, order):
    ratio = Ratio.parse(ratio)
    seen = played(lambda number: round_moves(ratio, number), GAN_NEEDS, 2, probes=True)
    assert "".join(move for (move,), _ in seen) == order.replace(" ", "")


@pytest.mark.parametrize("k", [50, 100])
def test_every_update_of_a_round_has_a_draw_of_its_own(k):
    ratio = Ratio.parse(str(k))
    seen = played(lambda number: round_moves(ratio, number), GAN_NEEDS, 2)
    latents = [draw["latent"].numpy().tobytes() for _, draw in seen]
    assert len(set(latents)) == len(latents) == 2 * (k + 1)
    batches = [draw["real"].numpy().tobytes() for move, draw in seen if move == ("D",)]
    assert len(set(batches)) == len(batches) == 2 * k


def test_same_real_is_one_batch_a_round_with_fresh_latents():
    ratio = Ratio.parse("50")
    seen = played(lambda number: round_moves(ratio, number), GAN_NEEDS, 2, same_real=True)
    batches = [draw["real"].numpy().tobytes() for move, draw in seen if move == ("D",)]
    assert len(set(batches[:50])) == len(set(batches[50:])) == 1
    assert batches[0] != batches[50]
    latents = [draw["latent"].numpy().tobytes() for _, draw in seen]
    assert len(set(latents)) == 102


def test_methods_at_one_seed_see_the_same_reals_and_latents():
    seen = {}
    for method in ("standard", "wgan-gp", "vral-parzen", "vral-meta"):
        training, _ = precise(tiny(method, ratio="3"))
        draws = [draw for move, draw in draws_of(training, 2) if move == ("D",)]
        seen[method] = [
            draw[name].numpy().tobytes() for draw in draws for name in ("real", "latent")
        ]
    assert len(set(map(tuple, seen.values()))) == 1


def test_the_clock_counts_rounds_and_both_sides():
    clock, times = Clock(), []
    ratio = Ratio.parse("3x1,1:2")

    def step(state, draw):
        return state, {"loss_D": torch.zeros(1)}

    training = Training(
        lambda number: round_moves(ratio, number),
        DrawStream(fake_data("digits").train, GAN_NEEDS, 4, (0,)),
        executor_of({((name,), due): step for name in "DG" for due in (False, True)}),
        TrainState({}, {}),
    )

    def note(state, clock):
        times.append((clock.round, clock.d_updates, clock.g_updates))

    train(training, clock, 3, Recorder((0,), 10**6, 4), Hooks(after_round=note))
    assert times == [(1, 3, 1), (2, 4, 3), (3, 5, 5)]


def test_after_round_ends_the_run_where_it_says():
    training, _ = precise(tiny("standard", ratio="2"))
    clock = Clock()
    steps = {key: lambda state, draw: (state, {"loss_D": torch.zeros(1)}) for key in training.steps}
    training = replace(training, executor=executor_of(steps))
    hooks = Hooks(after_round=lambda state, clock: clock.round == 4)
    train(training, clock, 9, Recorder((0,), 10**6, 4), hooks)
    assert clock == Clock(4, 8, 4)


@pytest.mark.parametrize(
    ("k", "longest", "sizes"),
    [(50, 16, [10] * 5), (50, 2, [2] * 25), (7, 5, [1] * 7), (7, 7, [7]), (1, 5, [1])],
)
def test_a_round_is_cut_into_equal_runs(k, longest, sizes):
    runs = runs_of_moves([("D",)] * k + [("G",), ("G",)], longest)
    assert [len(run) for run in runs] == [*sizes, 1, 1]


def test_runs_end_with_an_update_of_d():
    meta = [("F",), ("R",), ("D",)] * 4 + [("G",)]
    assert [len(run) for run in runs_of_moves(meta, 2)] == [6, 6, 1]
    once = [("F",), ("R",), *[("D",)] * 4, ("G",)]
    assert [len(run) for run in runs_of_moves(once, 2)] == [4, 2, 1]


def test_metas_that_move_more_often_begin_runs_of_their_own():
    """Twenty moves before every D would be one long program; few different ones are shared."""
    moves = [*[("F",), ("R",)] * 3, ("D",)] * 2 + [("G",)]
    runs = runs_of_moves(moves, 1)
    assert [move for run in runs for move in run] == moves
    assert ["".join(player for (player,) in run) for run in runs] == [
        *("FR", "FR", "FRD") * 2,
        "G",
    ]
