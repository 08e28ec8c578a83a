"""A configuration is the data set's defaults, the method's settings and what is given, in order."""

import pytest

from vral.cli.options import GROUPS
from vral.data.datasets import DATASETS
from vral.errors import ConfigError
from vral.nets import NETWORKS
from vral.study.config import RunConfig, differences, option_name, resolve
from vral.study.methods import METHODS


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dataset", DATASETS)
def test_every_method_has_a_configuration_on_every_data_set(method, dataset):
    config = resolve(method, {"dataset": dataset})
    for name, value in METHODS[method].settings.items():
        assert getattr(config, name) == value
    for name, value in DATASETS[dataset].defaults.items():
        assert getattr(config, name) == value


def test_what_is_given_wins_over_method_and_data_set():
    config = resolve("wgan-gp", {"gradient_penalty": 3.0, "lr": 0.5})
    assert (config.gradient_penalty, config.lr) == (3.0, 0.5)


def test_another_network_brings_its_own_width():
    config = resolve("lsgan", {"dataset": "mnist", "network": "mnist-conv"})
    assert config.width == NETWORKS["mnist-conv"].width
    assert resolve("lsgan", {"dataset": "mnist", "network": "mnist-conv", "width": 5}).width == 5


def test_every_field_stands_under_one_heading_of_the_help():
    fields = [name for group in GROUPS.values() for name in group]
    assert sorted([*fields, "method"]) == sorted(RunConfig.model_fields)


def test_a_configuration_survives_json():
    config = resolve("vral-meta", {"ratio": "100x25,5", "seeds": "0-4"})
    assert RunConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("text", "seeds"), [("3", (3,)), ("0-4", (0, 1, 2, 3, 4)), ("0,2,7-8", (0, 2, 7, 8))]
)
def test_seeds_as_text(text, seeds):
    assert resolve("lsgan", {"seeds": text}).seeds == seeds


@pytest.mark.parametrize(
    ("given", "option", "value", "allowed"),
    [
        ({"ratio": "0"}, "--ratio", "0", "none of them zero"),
        ({"ratio": "1.5"}, "--ratio", "1.5", "a whole number"),
        ({"seeds": "4-2"}, "--seed", "4-2", "a range"),
        ({"seeds": "1,1"}, "--seed", "1,1", "without repeats"),
        ({"batch": 5000}, "--batch", "5000", "1437"),
        ({"batch": 1}, "--batch", "1", "greater than or equal to 2"),
        ({"rounds": 0}, "--rounds", "0", "greater than or equal to 1"),
        ({"lr": float("nan")}, "--lr", "nan", "finite"),
        ({"lr": -1.0}, "--lr", "-1.0", "greater than 0"),
        ({"beta1": 1.0}, "--beta1", "1.0", "less than 1"),
        ({"bandwidth": 0.0}, "--bandwidth", "0.0", "greater than 0"),
        ({"dataset": "letters"}, "--dataset", "letters", "digits"),
        ({"network": "mnist-conv"}, "--network", "mnist-conv", "1×28×28"),
        ({"network": "resnet"}, "--network", "resnet", "mlp"),
        ({"norm_d": "batch", "r1": 1.0}, "--norm-d", "batch", "group"),
        ({"objective": "meta"}, "--g-objective", "own", "target, mean"),
    ],
)
def test_a_bad_setting_names_option_value_and_what_is_allowed(given, option, value, allowed):
    with pytest.raises(ConfigError) as error:
        resolve("lsgan", given)
    message = str(error.value)
    assert option in message
    assert value in message
    assert allowed in message
    assert "\n" not in message


def test_an_unknown_method_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"METHOD: 'gan'.*vral-meta"):
        resolve("gan", {})


@pytest.mark.parametrize(
    ("ratio", "rounds", "every"),
    [("1", 1000, 1), ("50", 1000, 5), ("50", 200, 1), ("1", 100_000, 10), ("7", 100_000, 70)],
)
def test_default_thinning_keeps_about_ten_thousand_readings(ratio, rounds, every):
    config = resolve("lsgan", {"ratio": ratio, "rounds": rounds})
    assert config.recorded_every == every
    assert int(ratio) * rounds / every <= 10_000


def test_given_thinning_is_kept():
    config = resolve("lsgan", {"ratio": "50", "record_every": 7, "probe_every": 3})
    assert (config.recorded_every, config.probed_every) == (7, 3)


def test_every_setting_but_the_rounds_is_of_a_run_s_identity():
    config = resolve("lsgan", {"rounds": 3})
    assert config.model_copy(update={"rounds": 4}).identity == config.identity
    again = resolve("lsgan", config.model_dump(mode="json"))
    assert again.identity == config.identity
    others = [
        config.model_copy(update={name: f"not {getattr(config, name)}"}).identity
        for name in RunConfig.model_fields
        if name != "rounds"
    ]
    assert len({config.identity, *others}) == len(RunConfig.model_fields)


def test_a_setting_that_comes_later_leaves_identities_as_they_are():
    class Later(RunConfig):
        added: float = 1.0

    config = resolve("lsgan", {"rounds": 3})
    later = Later(**config.model_dump())
    assert later.identity == config.identity
    assert later.model_copy(update={"added": 2.0}).identity != config.identity


def test_differences_name_options_and_both_values():
    assert differences({"seeds": [0], "lr": 1}, {"seeds": [0], "lr": 2}) == ["--lr: 1 → 2"]
    assert option_name("seeds") == "--seed"
    assert option_name("norm_d") == "--norm-d"
