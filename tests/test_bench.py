"""vral bench runs, its modes agree, and it refuses what it cannot do before it starts."""

import json

import pytest
import torch
from cases import NEEDS_COMPILER
from click.testing import CliRunner

from vral.bench.loops import LOOPS, slope
from vral.bench.measure import flops
from vral.bench.workloads import METHODS, contenders
from vral.cli import main


@pytest.mark.parametrize("method", METHODS)
def test_every_contender_trains_and_changes_its_discriminator(method):
    players = contenders("toy", method, 2, ("eager",), True, torch.device("cpu"), width=8, batch=4)
    assert {*LOOPS, "vral eager"} <= set(players)
    for name, (play, lanes) in players.items():
        assert lanes == 1
        if name.startswith("vral"):
            play(2)
            continue
        loop = play.__defaults__[0]
        before = [p.detach().clone() for p in (*loop.D.parameters(), *loop.G.parameters())]
        play(2)
        after = [*loop.D.parameters(), *loop.G.parameters()]
        moved = [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
        assert any(moved)
        assert all(p.isfinite().all() for p in after)


def test_the_loops_penalise_the_slope_of_every_sample():
    critic = torch.nn.Sequential(torch.nn.Linear(3, 1, bias=False), torch.nn.Flatten(0))
    found = slope(critic, torch.randn(5, 3))
    torch.testing.assert_close(found, critic[0].weight.expand(5, 3))


def test_operations_of_a_small_network_by_hand():
    """2-8-8-1 on 2·4 samples: forward, down to the inputs, and weights; 16-8-8-2 on 4 latents."""
    rows, weights = 8, 2 * 8 + 8 * 8 + 8 * 1
    generator = 4 * (16 * 8 + 8 * 8 + 8 * 2)
    counted = flops("toy", "nonsaturating", width=8, batch=4)
    assert counted == 2 * (3 * rows * weights + generator)


@NEEDS_COMPILER
def test_a_quick_bench_writes_what_it_measured(tmp_path):
    out = tmp_path / "bench.json"
    result = CliRunner().invoke(main, ["bench", "--quick", "--out", str(out)])
    assert result.exit_code == 0, result.output
    found = json.loads(out.read_text())
    assert {row["contender"] for row in found["rows"]} >= {"plain loop", "vral compiled"}
    assert all(row["us"] > 0 and row["gflops"] > 0 for row in found["rows"])
    assert len(found["agreement"]) == 2
    assert all(entry["difference"] < 1e-9 for entry in found["agreement"])
    assert found["machine"]["rates"]["sgemm_gflops"] > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--workloads", "huge"], "--workloads: 'huge' given; allowed: toy,mlp,conv"),
        (["--methods", "wgan"], "--methods: 'wgan' given; allowed: nonsaturating"),
        (["--ratios", "0"], "--ratios: '0' given; allowed: whole numbers"),
        (["--modes", "warp"], "--modes: 'warp' given; allowed: eager"),
        (["--out", "no/such/folder/x.json"], "--out: no/such/folder/x.json given; allowed: a new"),
    ],
)
def test_bad_input_is_one_line(arguments, said):
    result = CliRunner().invoke(main, ["bench", *arguments])
    assert result.exit_code == 2
    assert said in result.output
    assert len(result.output.strip().splitlines()) == 1
