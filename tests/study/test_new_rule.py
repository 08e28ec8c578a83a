"""A rule is one file and one row: the command line, its help and its suites then know it."""

from dataclasses import dataclass

import polars as pl
import torch

from vral.optim import RULES, FirstOrder
from vral.optim.rules import describe
from vral.optim.settings import setting
from vral.study.config import resolve
from vral.types import map_tensors

SMALL = ("--rounds", 2, "--width", 8, "--latent", 4, "--batch", 16)


@dataclass(frozen=True)
class Shorter(FirstOrder):
    """Steps by a part of the gradient."""

    part: float = setting(0.5, meaning="part of the gradient", above=0.0, most=1.0)

    def update(self, vector_field, movers, profile, opt):
        gradients, auxiliary = vector_field(profile)
        gradients = map_tensors(lambda value: self.part * value, gradients)
        return *self.step(gradients, movers, profile, opt), auxiliary


def trained(vral, *options):
    result = vral("train", "lsgan", *SMALL, "--out", "run", *options)
    assert result.exit_code == 0, result.output
    records = pl.read_parquet("run/records/*.parquet")
    return records, torch.load("run/checkpoint.pt", weights_only=True)


def test_a_new_rule_trains_from_the_command_line(vral, tmp_path, monkeypatch):
    """Half the gradient at twice the rate is gradient descent."""
    monkeypatch.setitem(RULES, "shorter", Shorter)
    assert (
        describe(RULES)["shorter:part=0.5"]
        == "part of the gradient (a finite number above 0 and at most 1)"
    )
    options = ("--rule", "shorter:part=0.25", "--transform", "sgd", "--lr", 0.4)
    records, checkpoint = trained(vral, *options)
    assert resolve("lsgan", {"rule": "shorter:part=0.5"}).rule == "shorter"
    (tmp_path / "run").rename(tmp_path / "shorter")
    wanted, plain = trained(vral, "--rule", "sgd", "--lr", 0.1)
    assert checkpoint["identity"] != plain["identity"]
    for player, params in plain["profile"].items():
        for name, value in params.items():
            torch.testing.assert_close(checkpoint["profile"][player][name], value)
    assert records["loss_D"].to_list() == wanted["loss_D"].to_list()
    result = vral("train", "lsgan", "--rule", "shorter:part=2")
    assert result.exit_code == 2
    assert "allowed for part: a finite number above 0 and at most 1" in result.stderr
