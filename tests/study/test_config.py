"""A configuration is the data set's defaults, the method's settings and what is given, in order."""

import itertools

import pytest

from vral.data.datasets import DATASETS
from vral.errors import ConfigError
from vral.nets import NETWORKS
from vral.penalties import PENALTIES
from vral.study.config import RunConfig, differences, heading_of, option_name, resolve
from vral.study.methods import METHODS


def test_every_method_has_a_configuration_on_every_data_set():
    for method, dataset in itertools.product(METHODS, DATASETS):
        config = resolve(method, {"dataset": dataset})
        wanted = DATASETS[dataset].defaults | METHODS[method].settings
        assert {name: getattr(config, name) for name in wanted} == wanted, (method, dataset)


def test_what_is_given_wins_over_method_and_data_set():
    config = resolve("wgan-gp", {"gradient_penalty": 3.0, "lr": 0.5})
    assert (config.gradient_penalty, config.lr) == (3.0, 0.5)


def test_another_network_brings_its_own_width():
    config = resolve("lsgan", {"dataset": "mnist", "network": "mnist-conv"})
    assert config.width == NETWORKS["mnist-conv"].width
    assert resolve("lsgan", {"dataset": "mnist", "network": "mnist-conv", "width": 5}).width == 5


def test_every_field_stands_under_one_heading_of_the_help():
    """Fields of one heading follow each other, so that the file reads as the help does."""
    titles = [heading_of(info) for info in RunConfig.model_fields.values()]
    assert titles.count(None) == 1
    assert heading_of(RunConfig.model_fields["method"]) is None
    assert len([title for title, _ in itertools.groupby(titles)]) == len(set(titles))


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
        ({"rule": "adams"}, "--rule", "adams", "rmsprop, adam, extragradient"),
        ({"rule": "same"}, "--rule", "same", "adam"),
        ({"rule": 3}, "--rule", "3", "string"),
        ({"rule": "adam:beta1=1"}, "--rule", "beta1=1", "at least 0 and below 1"),
        ({"rule": "adam:beta3=1"}, "--rule", "adam has no beta3", "beta1, beta2, eps"),
        ({"rule": "adam:eps=0"}, "--rule", "eps=0", "above 0"),
        ({"rule": "adam:eps=nan"}, "--rule", "eps=nan", "above 0"),
        ({"rule": "adam:eps=1e999"}, "--rule", "eps=1e999", "above 0"),
        ({"rule": "adam:eps=1_0"}, "--rule", "eps=1_0", "a finite number"),
        ({"rule": "adam:"}, "--rule", "''", "beta1, beta2, eps"),
        ({"rule": "adam:beta1"}, "--rule", "'beta1'", "setting=value"),
        ({"rule": "adam:beta1="}, "--rule", "'beta1='", "setting=value"),
        ({"rule": "adam:=1"}, "--rule", "'=1'", "setting=value"),
        ({"rule": "adam:beta1=0,"}, "--rule", "''", "setting=value"),
        ({"rule": "adam:beta1=0,beta1=0"}, "--rule", "beta1 is given twice", "once"),
        ({"rule": "adam:lr=0.1"}, "--rule", "adam has no lr", "--rule-d same:lr"),
        ({"rule": "consensus:lr=0.1"}, "--rule", "consensus has no lr", "gamma, draws"),
        ({"rule": "consensus:draws=1.5"}, "--rule", "draws=1.5", "1 or 2"),
        ({"rule": "consensus:draws=3"}, "--rule", "draws=3", "1 or 2"),
        ({"rule": "extragradient:gamma=1"}, "--rule", "gamma=1", "has no settings"),
        ({"rule": "sga:sign=free"}, "--rule", "sign=free", "fixed, aligned"),
        ({"transform": "consensus"}, "--transform", "consensus", "adam"),
        ({"rule_d": "consensus"}, "--rule-d", "consensus", "same, sgd"),
        ({"rule_d": "same:beta1=0"}, "--rule-d", "same has no beta1", "lr"),
        ({"rule_meta": "sgd:lr=0"}, "--rule-meta", "lr=0", "above 0"),
        ({"bandwidth": 0.0}, "--bandwidth", "0.0", "greater than 0"),
        ({"dataset": "letters"}, "--dataset", "letters", "digits"),
        ({"network": "mnist-conv"}, "--network", "mnist-conv", "1×28×28"),
        ({"network": "resnet"}, "--network", "resnet", "mlp"),
        ({"norm_d": "batch", "r1": 1.0}, "--norm-d", "batch", "group"),
        ({"norm_d": "spectral", "clip": 0.1}, "--clip", "0.1", "allowed: 0"),
        ({"norm_g": "spectral"}, "--norm-g", "spectral", "'batch' or 'group'"),
        ({"ema_g": 1.0}, "--ema-g", "1.0", "less than 1"),
        ({"ema_g": -0.1}, "--ema-g", "-0.1", "greater than or equal to 0"),
        ({"ema_g": 0.9, "generator": "held"}, "--ema-g", "0.9", "allowed: 0"),
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


@pytest.mark.parametrize("name", PENALTIES)
def test_no_penalty_per_sample_stands_beside_batch_norm_in_d(name):
    """With batch norm D has no gradient at one sample alone."""
    assert PENALTIES[name].per_sample
    for norm in ("none", "group", "spectral"):
        assert getattr(resolve("lsgan", {name: 10.0, "norm_d": norm}), name) == 10
    option = option_name(name)
    with pytest.raises(ConfigError, match=rf"--norm-d: batch given, but {option} is.*none, group"):
        resolve("lsgan", {name: 10.0, "norm_d": "batch"})


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


@pytest.mark.filterwarnings("ignore:Pydantic serializer")
def test_every_setting_but_the_rounds_is_of_a_run_s_identity():
    config = resolve("lsgan", {"rounds": 3})
    assert config.model_copy(update={"rounds": 4}).identity == config.identity
    again = resolve("lsgan", config.model_dump(mode="json"))
    assert again.identity == config.identity
    texts = dict.fromkeys(("rule", "transform", "rule_d", "rule_g", "rule_meta"), "sgd")
    others = [
        config.model_copy(update={name: texts.get(name, "another")}).identity
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


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("adam:eps=3e-6", "adam"),
        ("adam:eps=1e-8,beta1=0.50,beta2=.9", "adam:beta2=0.9,eps=1e-08"),
        ("consensus:draws=2,gamma=10.0", "consensus:draws=2"),
        ("sga:sign=fixed,weight=0.123456789", "sga:weight=0.123456789"),
    ],
)
def test_equal_rules_have_one_text(given, text):
    config = resolve("lsgan", {"rule": given})
    assert config.rule == text
    assert config == resolve("lsgan", {"rule": text})


def test_a_player_s_rule_keeps_the_learning_rate_that_is_given():
    config = resolve("lsgan", {"rule_d": "same:lr=2e-4", "rule_g": "adam:beta1=0,lr=1e-3"})
    assert config.rule_d == "same:lr=0.0002"
    assert config.rule_g == "adam:lr=0.001,beta1=0"


def test_differences_name_options_and_both_values():
    assert differences({"seeds": [0], "lr": 1}, {"seeds": [0], "lr": 2}) == ["--lr: 1 → 2"]
    assert option_name("seeds") == "--seed"
    assert option_name("norm_d") == "--norm-d"
