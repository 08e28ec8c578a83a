"""``vral bench`` runs, its modes agree, every contender trains, and bad input costs nothing."""

import copy
import json
import os
import signal
from pathlib import Path

import pytest
import torch
from cases import NEEDS_COMPILER
from click.testing import CliRunner

from vral.bench import measure
from vral.bench.loops import LOOPS, PlainLoop, slope
from vral.bench.measure import (
    GROWTH,
    Comparison,
    ComparisonError,
    Timings,
    flops,
    growth,
    in_own_process,
)
from vral.bench.peers import PEERS, Peer, TorchganLoop, installed
from vral.bench.workloads import METHODS, MODES, Case, Ours, contenders, loop_of, samples
from vral.cli import bench
from vral.cli.main import main

SMALL = {"width": 8, "batch": 4}


@pytest.mark.parametrize("method", METHODS)
def test_every_contender_trains_and_changes_both_players(method):
    """A loop shares no stream of draws with us, so it is held to having moved by itself."""
    case = Case("toy", method, 2, SMALL)
    players = contenders(case, ("eager",), False, torch.device("cpu"))
    assert set(players) == {*LOOPS, "vral eager"}
    for play, lanes in players.values():
        play(2)
        assert lanes == 1
    for loop in LOOPS.values():
        trained = loop_of(loop, case, samples("ring", 100))
        before = weights(trained)
        trained.round(2)
        assert all(value.isfinite().all() for value in weights(trained))
        assert not any(torch.equal(a, b) for a, b in zip(before, weights(trained), strict=True))


TRAINED = [(name, method) for name, peer in PEERS.items() for method in peer.methods]


@pytest.mark.parametrize(("name", "method"), TRAINED)
def test_a_peer_trains_its_discriminator(name, method):
    """Both players' weights change; against the last opponents the last D beats the first."""
    ratio = 100 if PEERS[name].any_ratio else 1
    loops, missing = installed(method, ratio)
    if name in missing:
        pytest.skip(f"{name}: {missing[name]}")
    torch.manual_seed(0)
    case = Case("toy", method, ratio, {"width": 16, "batch": 64})
    peer = loop_of(loops[name], case, samples("ring", 1000))
    at_first, first_d = weights(peer), copy.deepcopy(peer.D.state_dict())
    for _ in range(100 // ratio):
        peer.round(ratio)
    assert not any(torch.equal(a, b) for a, b in zip(at_first, weights(peer), strict=True))
    real, fake = peer.real(), peer.G(peer.latent()).detach()

    def loss() -> float:
        torch.manual_seed(1)
        total = peer.discriminator_loss(peer.D(real), peer.D(fake)) + penalty(peer, real, fake)
        return total.detach().item()

    last = loss()
    peer.D.load_state_dict(first_d)
    assert last < loss()


def penalty(loop: PlainLoop, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor | float:
    """What ``loop`` adds to D's loss; torchgan's is on the norm of the whole batch's gradient."""
    if not isinstance(loop, TorchganLoop) or not loop.config.gradient_penalty:
        return loop.penalty(real, fake)
    its = loop.d_losses[1]
    middle = ((real + fake) / 2).requires_grad_()
    return its.lambd * its(middle, loop.D(middle))


def weights(loop: PlainLoop) -> list[torch.Tensor]:
    """Copies of both players' matrices: a critic's last bias has no gradient."""
    return [
        value.detach().clone()
        for player in (loop.D, loop.G)
        for value in player.parameters()
        if value.ndim > 1
    ]


PLAIN_ADAM = [
    (name, method)
    for name, method in TRAINED
    if PEERS[name].any_ratio and (method == "nonsaturating" or name == "Lightning")
    if method != "vral-meta"  # Lightning has D's batch at hand before R and F take theirs.
]


@pytest.mark.parametrize(("name", "method"), PLAIN_ADAM)
def test_a_peer_plays_the_same_game_as_the_plain_loop(name, method):
    """From the same seed of torch's stream, where both draw in the same order."""
    loops, missing = installed(method, 3)
    if name in missing:
        pytest.skip(f"{name}: {missing[name]}")
    case, data = Case("toy", method, 3, SMALL), samples("ring", 100)
    ends = []
    for loop in (LOOPS["plain loop"], loops[name]):
        torch.manual_seed(0)
        trained = loop_of(loop, case, data)
        for _ in range(2):
            trained.round(3)
        ends.append([p.detach() for p in (*trained.D.parameters(), *trained.G.parameters())])
    torch.testing.assert_close(ends[1], ends[0])


def test_a_peer_is_left_out_with_the_reason(monkeypatch):
    def breaks() -> None:
        raise ImportError("no torch._six\nand more")

    def leaves() -> None:
        raise SystemExit(0)

    for name, module, load in (
        ("absent", "no_such_package", breaks),
        ("broken", "json", breaks),
        ("leaving", "json", leaves),
    ):
        monkeypatch.setitem(
            PEERS, name, Peer(module, load, LOOPS["plain loop"], ("nonsaturating",))
        )
    missing = installed("nonsaturating", 5)[1]
    assert missing["absent"] == "not installed"
    assert missing["broken"] == "ImportError: no torch._six"
    assert missing["leaving"] == "SystemExit: 0"
    assert missing["CGDs"] == "moves both players at once, so 1:1 only"
    assert installed("r1", 1)[1]["torchgan"] == "has no r1"


def test_the_loops_penalise_the_slope_of_every_sample():
    critic = torch.nn.Sequential(torch.nn.Linear(3, 1, bias=False), torch.nn.Flatten(0))
    gradient = slope(critic, torch.randn(5, 3))
    torch.testing.assert_close(gradient, critic[0].weight.expand(5, 3))


@pytest.mark.parametrize("ratio", [1, 4])
def test_operations_of_a_small_network_by_hand(ratio):
    """2-8-8-1 on 2·4 samples: forward, down to the inputs, and weights; 16-8-8-2 on 4 latents.

    G's update: both forward, D down to its inputs, G's weights and down to its first layer.
    """
    d, g, g_first = 2 * 8 + 8 * 8 + 8 * 1, 16 * 8 + 8 * 8 + 8 * 2, 16 * 8
    d_update = 3 * 8 * d + 4 * g
    g_update = 4 * (2 * d + 3 * g - g_first)
    assert flops(Case("toy", "nonsaturating", ratio, SMALL)) == 2 * (d_update + g_update / ratio)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_depth_is_the_number_of_hidden_layers(depth):
    ours = Ours(
        Case("toy", "r1", 1, {**SMALL, "depth": depth}), samples("ring", 100), MODES["eager"]
    )
    profile = ours.training.initial.profile
    shapes = {
        player: [value.shape[1:] for value in profile[player].values() if value.ndim == 3]
        for player in ("D", "G")
    }
    hidden = [(8, 8)] * (depth - 1)
    assert sorted(shapes["D"]) == sorted([(8, 2), *hidden, (1, 8)])
    assert sorted(shapes["G"]) == sorted([(8, 16), *hidden, (2, 8)])


def test_growth_changes_one_thing_at_a_time():
    comparisons = growth()
    assert len(comparisons) == sum(map(len, GROWTH.values()))
    for comparison in comparisons:
        axis, value = comparison.columns["axis"], comparison.columns["value"]
        assert comparison.case.ratio == (value if axis == "ratio" else 50)
        lanes = {MODES[mode].lanes for mode in comparison.modes}
        assert lanes == {value if axis == "lanes" else 1}
        assert dict(comparison.case.changed) == (
            {} if axis in ("ratio", "lanes") else {axis: value}
        )


def test_an_error_in_the_other_process_arrives_as_one_line():
    with pytest.raises(
        ComparisonError, match=r"^--batch: 100000 given, but --dataset ring has[^\n]*$"
    ):
        in_own_process(
            Comparison(Case("toy", "r1", 1, {"batch": 10**5}), ("eager",), False), 1, 0.01
        )


@pytest.mark.slow
@NEEDS_COMPILER
def test_a_quick_bench_writes_what_it_timed(tmp_path):
    out = tmp_path / "bench.json"
    result = CliRunner().invoke(main, ["bench", "--quick", "--out", str(out)])
    assert result.exit_code == 0, result.output
    written = json.loads(out.read_text())
    assert {row["contender"] for row in written["rows"]} >= {"plain loop", "vral compiled"}
    assert all(row["us"] > 0 and row["gflops"] > 0 for row in written["rows"])
    assert len(written["agreement"]) == 2
    assert all(entry["difference"] < 1e-9 for entry in written["agreement"])
    assert written["machine"]["rates"]["sgemm_gflops"] > 0
    assert not written["failed"]


@pytest.fixture
def at_once(monkeypatch):
    """Comparisons take no time; their method decides what they give."""
    row = {
        "contender": "plain loop",
        **dict.fromkeys(
            ("us", "us_least", "us_most", "faster", "gflops", "first_round_cpu_s"), 1.0
        ),
    }
    outcomes = {
        "nonsaturating": Timings([row], {"torchgan": "not installed"}, 1e-16),
        "r1": Timings([row], {}, 1e-3),
        "wgan-gp": ComparisonError("its process ended with exit code -9"),
        "vral-meta": KeyboardInterrupt(),
        "vral-parzen": Timings([row], {}, float("nan")),
    }

    def outcome(comparison, repeats, seconds, device):
        result = outcomes[comparison.case.method]
        if isinstance(result, BaseException):
            raise result
        return result

    monkeypatch.setattr(bench, "in_own_process", outcome)
    monkeypatch.setattr(bench, "machine_rates", lambda device: {"sgemm_gflops": 2.0})


def run_bench(*arguments: str):
    return CliRunner().invoke(main, ["bench", *arguments], env={"COLUMNS": "200"})


@pytest.mark.parametrize(
    ("methods", "code", "said"),
    [
        ("nonsaturating", 0, "without torchgan: not installed"),
        ("r1,nonsaturating", 1, "DISAGREE by 1e-03"),
        ("vral-parzen,nonsaturating", 1, "DISAGREE by nan"),
        ("wgan-gp,nonsaturating", 2, "its process ended with exit code -9"),
        ("wgan-gp,r1,nonsaturating", 2, "DISAGREE"),
    ],
)
def test_what_goes_wrong_in_a_comparison_is_said_and_the_others_go_on(
    at_once, tmp_path, methods, code, said
):
    out = tmp_path / "bench.json"
    result = run_bench("--workloads", "toy", "--methods", methods, "--out", str(out))
    assert result.exit_code == code, result.output
    assert said in result.output
    assert "Traceback" not in result.output
    written = json.loads(out.read_text())
    asked = methods.split(",")
    assert len(written["rows"]) == len(asked) - ("wgan-gp" in asked)
    assert len(written["failed"]) == ("wgan-gp" in asked)
    assert written["rows"][-1]["sgemm_share"] == 0.5


def test_what_was_measured_before_ctrl_c_is_kept(at_once, tmp_path):
    out = tmp_path / "bench.json"
    result = run_bench("--workloads", "toy", "--methods", "r1,vral-meta,r1", "--out", str(out))
    assert result.exit_code == 130
    assert "Interrupted after 1 of 2 comparisons." in result.output
    assert len(json.loads(out.read_text())["rows"]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bench.json"]


def _interrupt_parent(*_) -> None:
    os.kill(os.getppid(), signal.SIGINT)
    signal.pause()


@pytest.mark.slow
def test_ctrl_c_ends_the_measuring_process(monkeypatch):
    monkeypatch.setattr(measure, "_report", _interrupt_parent)
    with pytest.raises(KeyboardInterrupt):
        in_own_process(Comparison(Case("toy", "r1", 1), ("eager",), False), 1, 0.01)
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    commands = [Path(f"/proc/{child}/cmdline").read_text() for child in children]
    assert not [text for text in commands if "spawn_main" in text]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--workloads", "huge"], "--workloads: 'huge' given; allowed: toy,mlp,conv"),
        (["--methods", "wgan"], "--methods: 'wgan' given; allowed: nonsaturating"),
        (["--methods", ""], "--methods: '' given; allowed: nonsaturating"),
        (["--ratios", "0"], "--ratios: '0' given; allowed: whole numbers"),
        (["--ratios", ""], "--ratios: '' given; allowed: whole numbers"),
        (["--ratios", "٣"], "--ratios: '٣' given; allowed: whole numbers"),
        (["--modes", "warp"], "--modes: 'warp' given; allowed: eager"),
        (["--device", "cuda"], "--device: cuda given, but torch sees no GPU; allowed: cpu"),
        (["--growth", "--quick"], "--quick: given with --growth; allowed: one of the two"),
        (["--growth", "--workloads", "mlp"], "--workloads: given with --growth; allowed: one"),
        (["--growth", "--methods", "r1"], "--methods: given with --growth; allowed: one"),
        (["--growth", "--ratios", "50"], "--ratios: given with --growth; allowed: one"),
        (["--growth", "--modes", "eager"], "--modes: given with --growth; allowed: one"),
        (["--quick", "--workloads", "toy"], "--workloads: given with --quick; allowed: one"),
        (["--quick", "--methods", ""], "--methods: given with --quick; allowed: one"),
        (["--quick", "--ratios", "5"], "--ratios: given with --quick; allowed: one"),
        (["--quick", "--modes", "eager"], "--modes: given with --quick; allowed: one"),
        (["--quick", "--repeats", "3"], "--repeats: given with --quick; allowed: one"),
        (["--quick", "--seconds", "2"], "--seconds: given with --quick; allowed: one"),
        (["--out", "no/such/folder/x.json"], "--out: no/such/folder/x.json given (No such"),
        (["--out", "/dev/null"], "--out: /dev/null given (File exists); allowed: a new file"),
        (["--out", "/proc/x.json"], "--out: /proc/x.json given (No such file or directory)"),
        (["--out", "x" * 300], "given (File name too long); allowed: a new file"),
    ],
)
def test_bad_input_is_one_line(monkeypatch, arguments, said):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(bench, "_measure", lambda *_: pytest.fail("it measured"))
    result = run_bench(*arguments)
    assert result.exit_code == 2
    assert said in result.output
    assert len(result.output.strip().splitlines()) == 1
