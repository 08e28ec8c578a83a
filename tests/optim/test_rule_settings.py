"""Settings of rules: documented fields, and NAME:setting=value,… as text."""

import dataclasses
import math

import pytest
import torch

from vral.errors import ConfigError
from vral.optim import RULES, TRANSFORMS
from vral.optim.rules import (
    common_transform,
    describe,
    make_rule,
    player_text,
    player_transform,
    rule_text,
)
from vral.optim.settings import parse, plain, settings_of
from vral.optim.transforms import Adam, RmsProp, Sgd

ROWS = {**TRANSFORMS, **RULES}


def test_every_field_of_a_rule_is_documented_and_has_an_allowed_default():
    for name, row in ROWS.items():
        fields = [field.name for field in dataclasses.fields(row) if field.name != "transforms"]
        settings = settings_of(row)
        assert fields == list(settings), name
        for entry in settings.values():
            assert len(entry.meaning) > 3
            if entry.default is not dataclasses.MISSING:
                assert entry.parse(plain(entry.default)) == entry.default


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e-8, 3e-6, -0.3, 10.0, 1e22, math.pi * 1e-7])
def test_a_number_reads_back_as_it_was(value):
    assert float(plain(value)) == value
    assert rule_text(f"momentum:momentum={plain(value % 1)}").count("=") <= 1


def test_a_text_reads_back_as_it_was():
    for name, row in ROWS.items():
        for key, entry in settings_of(row).items():
            if entry.default is dataclasses.MISSING:
                continue
            value = entry.choices[-1] if entry.choices else "0.125"
            value = "2" if isinstance(entry.default, int) else value
            text = f"{name}:{key}={value}"
            assert rule_text(text) == text
            assert parse(text, ROWS)[1] == {key: entry.parse(value)}


def test_transforms_of_players_come_from_three_texts():
    """A player's own text wins over the common transform, its learning rate over the run's."""
    common = common_transform("adam:beta1=0", "rmsprop", 0.1)
    assert common == Adam(0.1, beta1=0.0)
    assert common_transform("consensus", "rmsprop:decay=0.9", 0.1) == RmsProp(0.1, decay=0.9)
    assert player_transform("same", common) is not None
    assert player_transform("same:lr=0.3", common) == Adam(0.3, beta1=0.0)
    assert player_transform("adam", common) == Adam(0.1)
    assert player_transform("sgd:lr=2", common) == Sgd(2.0)


def test_a_rule_gets_the_settings_of_its_text():
    transforms = {"G": Sgd(0.1)}
    assert make_rule("consensus:gamma=3,draws=2", transforms) == RULES["consensus"](
        transforms, gamma=3.0, draws=2
    )
    assert make_rule("adam:beta1=0", transforms).transforms is transforms


@pytest.mark.parametrize("text", ["consensus:gamma", "nosuch", "adam:eps=-1", "adam:eps=٣", ""])
def test_a_malformed_text_is_refused_in_one_line(text):
    for read in (rule_text, player_text, lambda text: make_rule(text, {})):
        with pytest.raises(ValueError, match="allowed") as error:
            read(text)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Adam(-1.0), "lr: -1.0 given; allowed: a finite number at least 0, or a tensor"),
        (lambda: Sgd(math.inf), "lr: inf given; allowed: a finite number at least 0"),
        (
            lambda: Adam(1e-3, beta1=2.0),
            "beta1: 2.0 given; allowed: a finite number at least 0 and below 1, or a tensor",
        ),
        (
            lambda: RULES["consensus"]({}, gamma=-1.0),
            "gamma: -1.0 given; allowed: a finite number at least 0, or a tensor",
        ),
        (
            lambda: RULES["consensus"]({}, draws=3),
            "draws: 3 given; allowed: 1 or 2",
        ),
        (lambda: RULES["nk"]({}, eta=math.nan), "eta: nan given; allowed: a finite number at"),
    ],
)
def test_python_code_is_held_to_the_bounds_of_the_texts(make, message):
    with pytest.raises(ConfigError) as refusal:
        make()
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


def test_a_weight_may_be_a_tensor_and_a_rate_may_be_zero():
    weights = torch.tensor([0.5, -1.0])
    assert RULES["consensus"]({}, gamma=weights).gamma is weights
    assert Sgd(0.0).lr == 0
    assert Adam(0.1, eps=0.0).eps == 0


def test_rules_are_told_in_words():
    words = describe(ROWS)
    assert words["consensus:gamma=10"] == "γ, weight of the norm (a finite number at least 0)"
    assert words["sga:sign=fixed"].endswith("(fixed, aligned)")
    for name in ROWS:
        assert words[name]
        assert not words[name].endswith(".")
