import pytest
import torch
from scipy.stats import chisquare, kstest, norm, uniform

from vral.data.draws import CHUNK, DrawStream, Noise, rng
from vral.errors import ConfigError

CPU = torch.device("cpu")
N = 1_000_000
NUMBERED = torch.arange(N, dtype=torch.float64)[:, None]
"""A sample says which one it is; batches drawn from it hardly ever collide."""
LATENT = Noise((3,))
D, G = {"real": None, "latent": LATENT}, {"latent": LATENT}
NEEDS = {("D",): D, ("G",): G}
RICH = {
    ("F",): {"latent": LATENT, "target_fake": Noise((), mean=-1.0)},
    ("R",): {"real": None, "target_real": Noise(())},
    ("D",): {"mix": Noise((1,), "uniform"), **D, "instance_real": Noise((1,))},
    ("G",): {**G, "real": None},
}


def moves(k, players=("D",)):
    return [(player,) for player in players] * k + [("G",)]


def stream(seeds=(0,), needs=NEEDS, batch=8, data=NUMBERED, **options):
    return DrawStream(data, needs, batch, seeds, **options)


def played(stream, moves):
    """A round as a list of (move, draw), copied."""
    return [(m, {n: v.clone() for n, v in draw.items()}) for m, draw in stream.round(moves)]


def same(first, second):
    return len(first) == len(second) and all(
        a == b and x.keys() == y.keys() and all(torch.equal(x[n], y[n]) for n in x)
        for (a, x), (b, y) in zip(first, second, strict=True)
    )


ROUNDS = [moves(1), moves(50), moves(130), moves(40, ("F", "R", "D"))]


@pytest.mark.parametrize("ratio", ROUNDS, ids=len)
def test_a_round_yields_its_moves_in_order_with_what_they_need(ratio):
    round_ = played(stream((0, 1, 2), RICH, batch=4), ratio)
    assert [move for move, _ in round_] == ratio
    for move, draw in round_:
        assert draw.keys() == RICH[move].keys()
        for name, value in draw.items():
            noise = RICH[move][name]
            assert value.shape == (3, 4, *((1,) if noise is None else noise.shape))


@pytest.mark.parametrize("ratio", ROUNDS, ids=len)
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(ratio):
    assert same(played(stream((5,), RICH), ratio), played(stream((5,), RICH), ratio))
    first, other = played(stream((5,), RICH), ratio), played(stream((6,), RICH), ratio)
    for (_, x), (_, y) in zip(first, other, strict=True):
        assert not any(torch.equal(x[name], y[name]) for name in x)


@pytest.mark.parametrize("same_real", [False, True])
@pytest.mark.parametrize("ratio", ROUNDS, ids=len)
def test_a_lane_sees_what_the_single_run_of_its_seed_sees(ratio, same_real):
    seeds = (3, 0, 11)
    stack = stream(seeds, RICH, same_real=same_real)
    alone = {seed: stream((seed,), RICH, same_real=same_real) for seed in seeds}
    for _ in range(2):
        whole = played(stack, ratio)
        for lane, seed in enumerate(seeds):
            part = [(m, {n: v[lane : lane + 1] for n, v in draw.items()}) for m, draw in whole]
            assert same(part, played(alone[seed], ratio))


@pytest.mark.parametrize("k", [1, 50, 130])
def test_methods_of_different_needs_see_the_same_reals_and_latents_in_ds_updates(k):
    plain, rich = stream((0, 1)), stream((0, 1), RICH)
    for _ in range(3):
        own = [d for m, d in played(plain, moves(k)) if m == ("D",)]
        other = [d for m, d in played(rich, moves(k, ("F", "R", "D"))) if m == ("D",)]
        assert len(own) == len(other) == k
        for a, b in zip(own, other, strict=True):
            assert torch.equal(a["real"], b["real"])
            assert torch.equal(a["latent"], b["latent"])


@pytest.mark.parametrize("k", [50, 130])
def test_every_update_of_a_round_draws_afresh(k):
    draws = stream(batch=64)
    rounds = played(draws, moves(k)) + played(draws, moves(k))
    updates = [draw for move, draw in rounds if move == ("D",)]
    assert len({tuple(draw["real"].flatten().tolist()) for draw in updates}) == 2 * k
    latents = torch.cat([draw["latent"][0] for _, draw in rounds])  # D's and G's
    assert len(latents) == 2 * (k + 1) * 64
    assert len(latents.unique(dim=0)) == len(latents)
    drawn = torch.cat([draw["real"].flatten() for draw in updates])
    repeats = len(drawn) - len(drawn.unique())
    expected = len(drawn) ** 2 / (2 * N)  # birthdays: a Poisson number
    assert repeats <= expected + 5 * expected**0.5


def test_the_inputs_of_one_update_are_independent():
    needs = {("D",): {**D, "instance": Noise((3,))}, ("G",): G, ("F",): G}
    round_ = played(stream((0, 1), needs, batch=64), [("F",), ("D",), ("G",)])
    normal = [
        draw[n][i]
        for _, draw in round_
        for n in ("latent", "instance")
        if n in draw
        for i in (0, 1)
    ]
    assert len(normal) == 8
    table = torch.stack([value.flatten() for value in normal])
    correlation = table.corrcoef() - torch.eye(8)
    assert correlation.abs().max() < 4 / table.shape[1] ** 0.5


@pytest.mark.parametrize("k", [50, 130])
def test_a_shared_batch_is_the_rounds_first_and_latents_stay_fresh(k):
    ratio = moves(k, ("F", "R", "D"))
    shared, plain = stream(needs=RICH, same_real=True), stream(needs=RICH)
    firsts = []
    for _ in range(3):
        round_, free = played(shared, ratio), played(plain, ratio)
        reals = [draw["real"] for _, draw in round_ if "real" in draw]
        assert len(reals) == 2 * k + 1  # R's, D's and G's
        assert all(torch.equal(real, reals[0]) for real in reals)
        assert torch.equal(reals[0], free[1][1]["real"])  # R's first, as without sharing
        firsts.append(tuple(reals[0].flatten().tolist()))
        for (_, x), (_, y) in zip(round_, free, strict=True):
            assert all(torch.equal(x[name], y[name]) for name in x if name != "real")
        latents = torch.cat([draw["latent"][0] for _, draw in round_ if "latent" in draw])
        assert len(latents.unique(dim=0)) == len(latents)
    assert len(set(firsts)) == 3


@pytest.mark.parametrize("same_real", [False, True])
@pytest.mark.parametrize("k", [1, CHUNK - 1, CHUNK, CHUNK + 1, 130])
def test_a_restored_stream_continues_exactly(k, same_real):
    ratio = moves(k, ("F", "R", "D"))
    running = stream((0, 1), RICH, same_real=same_real)
    played(running, ratio)
    saved = running.state()
    kept = {name: value.clone() for name, value in saved.items()}
    ahead = [played(running, ratio) for _ in range(2)]
    assert all(torch.equal(saved[name], kept[name]) for name in kept)  # not a view
    restored = stream((0, 1), RICH, same_real=same_real)
    restored.restore(saved)
    assert all(same(played(restored, ratio), later) for later in ahead)
    assert not same(ahead[0], ahead[1])


def test_a_state_survives_torch_save(tmp_path):
    running = stream((0,), RICH)
    played(running, moves(3))
    torch.save(running.state(), tmp_path / "state.pt")
    ahead = played(running, moves(3))
    restored = stream((0,), RICH)
    restored.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    assert same(played(restored, moves(3)), ahead)


def test_the_state_of_another_kind_of_device_is_refused():
    """A GPU's generator has a state of 16 bytes, a CPU's one of 5056."""
    running = stream((0,), RICH)
    foreign = {name: torch.zeros(16, dtype=torch.uint8) for name in running.state()}
    with pytest.raises(ConfigError, match=r"--device: cpu given.*another kind of device"):
        running.restore(foreign)


def test_reals_are_uniform_over_the_data():
    draws = stream(data=NUMBERED[:8], batch=64)
    drawn = [d["real"] for m, d in played(draws, moves(130)) if m == ("D",)]
    counts = torch.bincount(torch.cat(drawn).flatten().long(), minlength=8)
    assert chisquare(counts).pvalue > 1e-3


def test_a_batch_may_be_larger_than_the_data():
    draw = played(stream(data=NUMBERED[:2], batch=64), moves(1))[0][1]
    assert set(draw["real"].flatten().tolist()) == {0, 1}


def test_reals_are_samples_of_the_data_in_their_own_shape():
    images = torch.rand(20, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    draw = played(stream((0, 1), data=images), moves(1))[0][1]
    assert draw["real"].shape == (2, 8, 2, 3, 3)
    known = {image.numpy().tobytes() for image in images}
    assert all(image.numpy().tobytes() in known for image in draw["real"].flatten(0, 1))


def test_noise_has_its_law_and_mean():
    needs = {
        ("D",): {
            "standard": Noise((4,)),
            "shifted": Noise((), mean=-1.0),
            "mix": Noise((1, 1), "uniform"),
        }
    }
    round_ = played(stream(needs=needs, batch=64), [("D",)] * 60)
    drawn = {n: torch.cat([d[n].flatten() for _, d in round_]) for n in needs["D",]}
    laws = {"standard": norm(), "shifted": norm(-1), "mix": uniform()}
    for name, law in laws.items():
        assert kstest(drawn[name], law.cdf).pvalue > 1e-3
    assert drawn["mix"].min() >= 0
    assert drawn["mix"].max() <= 1


def test_the_global_generator_plays_no_part():
    before = torch.random.get_rng_state()
    first = played(stream((0,), RICH), moves(5))
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(7)
    assert same(played(stream((0,), RICH), moves(5)), first)


def test_a_generator_is_known_by_its_label():
    labels = [(0, "init", "D"), (0, "init", "G"), (1, "init", "D"), (10, "init"), (1, "0", "init")]
    drawn = [torch.rand(4, generator=rng(CPU, *label)) for label in labels]
    again = [torch.rand(4, generator=rng(CPU, *label)) for label in labels]
    assert all(torch.equal(a, b) for a, b in zip(drawn, again, strict=True))
    assert len({tuple(d.tolist()) for d in drawn}) == len(labels)
